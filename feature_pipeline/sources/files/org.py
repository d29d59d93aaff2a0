"""Org mode → Markdown: what is exported of a file, as its author would see it on a page."""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator

KEYWORD = re.compile(r"[ \t]*#\+([\w-]+):[ \t]*(.*?)\s*$")
BEGIN = re.compile(r"[ \t]*#\+begin_(\w+)[ \t]*(\S*)", re.IGNORECASE)
HEADING = re.compile(r"(\*+)[ \t]+(.*?)(?:[ \t]+(:[\w@#%:]+:))?[ \t]*$")
DRAWER = re.compile(r"[ \t]*:(?!end:)[\w-]+:[ \t]*$", re.IGNORECASE)
END = re.compile(r"[ \t]*:end:[ \t]*$", re.IGNORECASE)
FIXED = re.compile(r"[ \t]*:(?: |$)")
SILENT = re.compile(r"[ \t]*(?:#(?:[ \t]|$)|(?:CLOSED|DEADLINE|SCHEDULED|CLOCK):)")
STATES = "TODO DONE NEXT WAITING HOLD STARTED CANCELLED CANCELED PROJ IDEA"
PRIORITY = re.compile(r"\[#\w\][ \t]*")
COOKIE = re.compile(r"[ \t]*\[(?:\d*%|\d*/\d*)\]")
BEFORE, AFTER = r"(?:(?<=[\s\-({'\"])|^)", r"(?=[\s\-.,;:!?'\")}\[\\]|$)"
MARKS = {"*": "**", "/": "*", "_": "", "+": "~~"}
INLINE = re.compile(
    "|".join(
        (
            r"\[\[(?P<target>[^\[\]\n]{1,2000})\](?:\[(?P<shown>[^\[\]]{0,2000})\])?\]",
            rf"{BEFORE}(?P<tick>[=~])(?P<verbatim>\S|\S[^\n]{{0,1000}}?\S)(?P=tick){AFTER}",
            rf"{BEFORE}(?P<mark>[*/_+])(?P<marked>\S|\S[^\n]{{0,500}}?\S)(?P=mark){AFTER}",
            r"(?P<open>[<\[])(?P<stamp>\d{4}-\d\d-\d\d(?: [^\n<>\[\]]*)?)[>\]]",
            r"(?P<definition>^)?\[fn:(?P<note>[\w-]+)\]",
            r"@@[\w-]+:[^@\n]*@@|\{\{\{[^{}\n]*\}\}\}|<<<?[^<>\n]+>>>?",
            r"\bsrc_\w+(?:\[[^\]\n]*\])?\{(?P<source>[^{}\n]*)\}",
        )
    ),
    re.MULTILINE,
)
MAX_DEPTH = 4  # of marks in marks, and blocks in blocks
IMAGE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp)$", re.IGNORECASE)


def from_org(text: str) -> tuple[dict[str, str], str]:
    """Its keywords by lower-case name, the first of each, and its body as Markdown."""
    lines = text.splitlines()
    keywords: dict[str, str] = {}
    states = set(STATES.split())
    for found in filter(None, map(KEYWORD.match, lines)):
        name, value = found[1].lower(), found[2]
        if name in ("todo", "seq_todo", "typ_todo"):
            states |= {state.split("(")[0] for state in value.split() if state != "|"}
        keywords.setdefault(name, value)
    if "date" in keywords:
        keywords["date"] = keywords["date"].strip("<>[]")
    return keywords, "\n".join(_blocks(list(_exported(lines, states))))


def _exported(lines: list[str], states: set[str]) -> Iterator[str]:
    """Without subtrees that are not exported; headings as Markdown's, though not inside a block."""
    ends, hidden, block_end = _ends(lines), 0, -1
    for at, line in enumerate(lines):
        if at <= block_end:
            pass
        elif BEGIN.match(line):
            block_end = _end(line, at, ends)
        elif found := HEADING.match(line):
            level = len(found[1])
            if hidden and level > hidden:
                continue
            tags = (found[3] or "").split(":")
            words = _heading(found[2], states)
            hidden = level if words is None or "noexport" in tags or "ARCHIVE" in tags else 0
            line = f"{'#' * min(level, 6)} {words}"
        elif SILENT.match(line):
            continue
        if not hidden:
            yield line


def _heading(words: str, states: set[str]) -> str | None:
    """Without its state, priority and progress; None for a commented one."""
    first, _, rest = words.partition(" ")
    words = rest.strip() if first in states else words
    words = COOKIE.sub("", PRIORITY.sub("", words)).strip()
    return None if words == "COMMENT" or words.startswith("COMMENT ") else words


def _ends(lines: list[str]) -> dict[str, list[int]]:
    """Where each kind of block, and a drawer, ends."""
    ends = defaultdict(list)
    for at, line in enumerate(lines):
        word = line.strip().lower()
        if word == ":end:" or word.startswith("#+end_"):
            ends[word.removeprefix("#+end_")].append(at)
    return ends


def _end(line: str, at: int, ends: dict[str, list[int]]) -> int:
    """Where the block or drawer that `line` begins ends; `at` for one that never does."""
    begins = BEGIN.match(line)
    where = ends.get(begins[1].lower() if begins else ":end:", [])
    following = bisect(where, at)
    return where[following] if following < len(where) else at


def _blocks(lines: list[str], depth: int = 0) -> Iterator[str]:
    """Code as fences, quotations with bars, and the rest with its marks changed."""
    ends, done = _ends(lines), -1
    prose: list[str] = []
    for at, line in enumerate(lines):
        begins = BEGIN.match(line)
        if at <= done or KEYWORD.match(line) or END.match(line):
            continue
        if begins or DRAWER.match(line):
            done = _end(line, at, ends)
        if begins:
            yield from _inline(prose)
            prose = []
            yield from _block(begins[1].lower(), begins[2], lines[at + 1 : done], depth + 1)
        elif FIXED.match(line):
            yield from _inline(prose)
            prose = []
            yield "    " + line.strip()[2:]
        elif not DRAWER.match(line):
            prose.append(_line(line))
    yield from _inline(prose)


def _block(kind: str, language: str, inside: list[str], depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        yield from inside
    elif kind in ("src", "example"):
        indent = min((len(line) - len(line.lstrip()) for line in inside if line.strip()), default=0)
        code = [re.sub(r"^(\s*),(?=,*(?:\*|#\+))", r"\1", line[indent:]) for line in inside]
        ticks = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", "\n".join(code)))])
        yield from (f"{ticks}{language if kind == 'src' else ''}", *code, ticks)
    elif kind == "quote":
        yield from (f"> {line}".rstrip() for line in _blocks([line.strip() for line in inside], depth))
    elif kind not in ("comment", "export"):
        yield from _blocks(inside, depth)


def _line(line: str) -> str:
    if re.match(r"[ \t]*\|[-+]+\|?[ \t]*$", line):
        return line.replace("+", "|")
    if re.match(r"-{5,}[ \t]*$", line):
        return "---"
    line = re.sub(r"^([ \t]*[-+][ \t]+[^\n]*?)[ \t]+::(?=[ \t]|$)", r"\1:", line)
    return re.sub(r"[ \t]*\\\\[ \t]*$", "", line)


def _inline(lines: list[str]) -> Iterator[str]:
    if lines:
        yield _marked("\n".join(lines))


def _marked(text: str, depth: int = 0) -> str:
    def put(match: re.Match[str]) -> str:
        part = match.groupdict()
        if part["target"]:
            return _link(part["target"], part["shown"], depth)
        if code := part["verbatim"] or part["source"]:
            return f"`{code}`" if "`" not in code else f"`` {code} ``"
        if part["mark"]:
            mark = MARKS[part["mark"]]
            return f"{mark}{_marked(part['marked'], depth + 1)}{mark}"
        if part["note"]:
            return f"[^{part['note']}]" + (":" if part["definition"] is not None else "")
        return part["stamp"] or ""

    return INLINE.sub(put, text) if depth < MAX_DEPTH else text


def _link(target: str, shown: str | None, depth: int) -> str:
    if shown is not None and not IMAGE.search(shown):
        return _marked(shown, depth + 1)
    if IMAGE.search(target):
        return ""
    return re.sub(r"^(?:file:|id:|\*|#)", "", target)
