"""MDX → Markdown: what the author wrote between the imports, components and expressions."""

from __future__ import annotations

import re

from feature_pipeline.liquid import FENCE

# What shields its inside: fenced code, code in a line, mathematics.
SHIELD = re.compile(
    rf"{FENCE}|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n)[\s\S]){{1,2000}}?(?<!`)(?P=ticks)(?!`)"
    r"|\$\$(?:(?!\$\$)[\s\S])+\$\$|\$(?=[^\s$])[^$\n]*[^\s$\\]\$(?!\d)|\\[{}<]",
    re.MULTILINE,
)
IMPORT = re.compile(r"import\s*(?:[\"']|[\w*{][^;\"']{0,2000}?\bfrom\s*[\"'])")
EXPORT = re.compile(r"export\s+(?:default\b|(?:const|let|var|function|async|class)\s|[{*])")
TAG = re.compile(r"</?(?:[A-Za-z][\w.:-]*(?=[\s/>{])|(?=>))")
SILENT = frozenset(("script", "style"))
# What ends, begins or hides a part of JavaScript; strings and comments are passed over whole.
TOKEN = re.compile(
    r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|/\*.*?\*/|(?<![:\w])//[^\n]*|[{}()\[\]\n]", re.DOTALL
)
IN_TAG = re.compile(r"\"[^\"]*\"|'[^']*'|[{>]")
LITERAL = re.compile(r"\{\s*(?:\"([^\"{}]*)\"|'([^'{}]*)')\s*\}")
CANDIDATE = re.compile(r"[{<]|^(?:import|export)\b", re.MULTILINE)
GOES_ON = ("=>", *"=,(+&|?:")
MAX_PART = 50_000  # characters of one statement, tag or expression
MAX_FAILURES = 20  # of what opens and never closes: from there on the text is taken as it is
GONE = "\0"  # stands for what was taken out; no text has it


def to_markdown(text: str) -> str:
    """Children of components stay; code and mathematics are as they were."""
    parts: list[str] = []
    at = start = failures = 0
    shields = SHIELD.finditer(text)
    shield = next(shields, None)
    while failures <= MAX_FAILURES and (found := CANDIDATE.search(text, at)):
        while shield and shield.end() <= found.start():
            shield = next(shields, None)
        if shield and shield.start() <= found.start():
            at = shield.end()
            continue
        end, instead = _part(text, found.start())
        failures += end is None or end - found.start() > MAX_PART // 2
        if end:  # neither None nor 0
            parts += [text[start : found.start()], instead]
            start = end
        at = end or found.end()
    return _without_emptied_lines("".join([*parts, text[start:]]))


def _part(text: str, at: int) -> tuple[int | None, str]:
    """Where the part that begins here ends, `at` itself for none and None for an open one; and what stands for it."""
    if text[at] == "{":
        literal = LITERAL.match(text, at)
        return _expression(text, at), (literal[1] or literal[2] or "") if literal else GONE
    if text[at] == "<":
        return _tag(text, at), GONE
    if IMPORT.match(text, at):
        return _statement(text, at, "import"), GONE
    return (_statement(text, at, "export"), GONE) if EXPORT.match(text, at) else (0, "")


def _expression(text: str, at: int) -> int | None:
    depth = 0
    for token in TOKEN.finditer(text, at, at + MAX_PART):
        depth += (token[0] == "{") - (token[0] == "}")
        if depth == 0:
            return token.end()
    return None


def _tag(text: str, at: int) -> int | None:
    name = TAG.match(text, at)
    if not name:
        return 0
    end = name.end()
    while found := IN_TAG.search(text, end, at + MAX_PART):
        if found[0] == ">":
            return _after_silent(text, name[0][1:].lower(), found.end())
        end = found.end()
        if found[0] == "{":
            closed = _expression(text, found.start())
            if closed is None:
                return None
            end = closed
    return None


def _after_silent(text: str, name: str, end: int) -> int:
    if name not in SILENT or text[end - 2] == "/":
        return end
    close = text.find(f"</{name}>", end)
    return close + len(f"</{name}>") if close >= 0 else end


def _statement(text: str, at: int, kind: str) -> int:
    """It ends with the line in which it is complete; one that never is, at the next blank line."""
    depth, named = 0, kind == "export"
    for token in TOKEN.finditer(text, at, at + MAX_PART):
        if token[0][0] in "\"'":
            named = True  # an import is complete once it says what from
        elif token[0] == "\n":
            line = text[max(at, token.start() - 80) : token.start()].rstrip()
            if depth <= 0 and named and not line.endswith(GOES_ON):
                return token.start()
        else:
            depth += (token[0] in tuple("{([")) - (token[0] in tuple("})]"))
    blank = text.find("\n\n", at)
    return blank if depth > 0 and blank >= 0 else len(text) if len(text) - at <= MAX_PART else at + MAX_PART


def _without_emptied_lines(text: str) -> str:
    lines = text.split("\n")
    kept = (line.replace(GONE, "") for line in lines if GONE not in line or line.replace(GONE, "").strip())
    return "\n".join(kept)
