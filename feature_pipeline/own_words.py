"""Which slices of a post its author did not write, or not as prose: quotes, code, signatures, and what stands around it.

A line too few is better than a sentence too many: what might be the author's own is left unmarked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

from contracts.formats import Format
from contracts.records import Mark
from feature_pipeline.boilerplate import edges, requests

Kind = Literal["", "quote", "code", "signature", "boilerplate"]
Lines = Sequence[str]

BIO_WORDS, BIO_BLOCKS = 80, 3
LONG_QUOTE, EPIGRAPH = 12, 4  # words; a shorter line in quotation marks is a line of dialogue

_LIST = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)]|\[\^[^\]\s]{1,50}\]:|:|!!! ?\w*|:{3,} ?\w*)[ \t]+")
_FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}|~{3,})[^`]*$")
_QUOTE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?>(?!>>)[ \t]?(.*)")
_BREAKS_QUOTE = re.compile(
    r"[ \t]*(?:[-*+][ \t]|\d{1,9}[.)][ \t]|#{1,6}[ \t]|`{3}|~{3}|<[a-zA-Z/]|(?:[-*_][ \t]*){3}$)"
)
_ENDED = re.compile(r"[.!?…:;][\"”’»)\]*_]{0,4}$")
_HTML = re.compile(r"[ \t]*<(blockquote|pre)\b", re.IGNORECASE)
_RULE = re.compile(r"[ ]{0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_SYMBOL = re.compile(r"[{}\[\]=<>|\\_$#/@&+*~`^%]|[();]$|\w\(|::|--|\d{3}")

_WROTE = re.compile(
    r"(?:On|Am|Le|El|Il|Em|Op|Den) (?=.{0,200}\d).{3,250}"
    r"(?:wrote|schrieb(?: .{1,80})?|a écrit|escribió|ha scritto|escreveu|schreef(?: .{1,80})?|skrev(?: .{1,80})?) ?:$"
)
_FORWARDED = re.compile(
    r"[ \t]*-{4,} ?(?:Original Message|Forwarded message|Ursprüngliche Nachricht|Message d['’]origine"
    r"|Mensaje original|Messaggio originale) ?-{4,}[ \t]*$",
    re.IGNORECASE,
)
_SAID_BY = re.compile(r"[ \t]*(?:[—–―~][ \t]?|--{1,2}[ \t]?|-(?=\S))[*_]{0,2}[\w\"“[][^.!?\n]{1,100}\.?[*_]{0,2}$")
_PARTICLE = re.compile(r"\b(?:of|the|an?|and|in|on|at|by|to|for|from|de|la|le|du|von|van|der|den|al|bin)\b")
_QUOTED = re.compile(r"[*_]{0,3}(?:“[^“”]+”|\"[^\"]+\"|«[^«»]+»|„[^„“”]+[“”])[*_.,]{0,3}$")

_DEFINITION = re.compile(r"[ ]{0,3}\[(?!\^)[^\]\n]{1,300}\]:[ \t]*(?:<[^<>\n]*>|\S+)(?:[ \t]+[\"'(].*)?$")
_LABEL = re.compile(r"[ ]{0,3}\[(?!\^)[^\]\n]{1,300}\]:[ \t]*$")
_LINK_TITLE = re.compile(r"[ \t]+(?:\"[^\"]{1,300}\"|'[^']{1,300}'|\([^()]{1,300}\))[ \t]*$")
_ADDRESS = re.compile(
    r"[ \t]*(?:(?:[-*+:]|\d{1,9}[.)])[ \t]+)?(?:<?https?://\S+>?|\[https?://[^\]\s]{1,1000}\]\(?\S{1,1000}\)?)[ \t]*$"
)
_TARGET = r"(?:\([^()]{0,1000}(?:\([^()]{0,200}\)[^()]{0,200})?\)|\[[^\[\]]{0,100}\])"
_PICTURE = re.compile(
    rf"\[?!\[[^\[\]]{{0,1000}}\]{_TARGET}(?:\{{[^{{}}]{{0,200}}\}})?(?:\]{_TARGET})?|<[a-zA-Z/!][^<>]{{0,2000}}>"
)
_PLACE = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\[[^\[\]]{1,300}\]\(#[^()\s]{0,300}\)[ \t]*$")
_CONTENTS = re.compile(
    r"[ \t#*_]*(?:table of contents|contents|in this (?:post|article))[:*_]*$|\[\[?_?toc_?\]\]?$|\{:toc\}$",
    re.IGNORECASE,
)

_SENT_FROM = re.compile(
    r"(?:sent (?:from|via|with) (?=.{0,40}(?:phone|pad|mac|mobile|android|galaxy|samsung|blackberry|windows|pixel|tablet"
    r"|mail|outlook|yahoo|proton|aol|device|watch|thunderbird)\b)|get outlook for "
    r"|gesendet von |von meinem .{1,30} gesendet"
    r"|envoyé (?:de|depuis) mon |enviado (?:desde|do|de) (?:mi|meu) |inviato da(?:l mio)? ).{0,60}$",
    re.IGNORECASE,
)
_REGARDS = re.compile(
    r"(?:(?:with )?(?:all the |my )?(?:best|kind|warm|warmest|kindest)?,? ?(?:regards|wishes)|best|all the best|cheers|love"
    r"|with love|yours|yours (?:truly|sincerely|faithfully)|sincerely|sincerely yours|thanks|many thanks|take care|xoxo|hugs"
    r"|peace|until next time|(?:viele|liebe|beste|herzliche|schöne) grüße|mit freundlichen grüßen|lg|vg|mfg|cordialement"
    r"|amicalement|bien à vous|bises|saludos|un abrazo|un saludo|abrazos|abraços|cordiali saluti|un abbraccio|groeten"
    r"|met vriendelijke groet)[,.!]?$",
    re.IGNORECASE,
)
_ENDS = frozenset(("fin", "finis", "end", "the end", "ende", "silence"))
_WORD_OF_NAME = r"[^\W\d_a-zß-öø-ÿ][\w'’.-]{0,20}"
_NAME = re.compile(rf"(?:[-–—~]{{1,2}} ?)?[*_]{{0,2}}{_WORD_OF_NAME}(?: {_WORD_OF_NAME}){{0,3}}[*_]{{0,2}}[ x❤♥]*$")
_BIO = re.compile(
    r"[*_#\s]{0,6}(?:[Aa]bout (?:[Tt]he )?[Aa]uthors?\b|(?!(?:The|An?|This|That|It|There|Here|What|My|Our) )"
    r"(?:[A-Z][\w.'’-]*[*_]{0,2} ){1,4}[*_]{0,2}"
    r"(?:is|was|works|worked|lives|writes|has been|teaches) (?:an?|the|at|in|as|on|for|about|with|from|currently)\b)"
)
_FIRST_PERSON = re.compile(r"\b(?:I|I['’]\w+|my|me|we|our)\b")


def marks(text: str, format: Format) -> list[Mark]:
    """In order, without overlaps. In a note or a reply `>word` is somebody's way to write, and `> word` a quote."""
    lines = text.split("\n")
    kinds: list[Kind] = [""] * len(lines)
    _code_and_quotes(lines, kinds, spaced=format in ("note", "reply"))
    for step in (_mail, _attributed, _without_words, _signature):
        step(lines, kinds)
    starts = _starts(lines)
    found = [
        Mark(start=starts[first], end=starts[last - 1] + len(lines[last - 1]), kind=kind)
        for kind, first, last in _runs(kinds)
        if kind
    ]
    blocks = [(starts[first], starts[last - 1] + len(lines[last - 1])) for first, last in _own(lines, kinds)]
    return sorted([*found, *requests(text, edges(blocks))], key=lambda mark: mark.start)


def spans(text: str, marks: Sequence[Mark]) -> list[tuple[int, int]]:
    """The author's own slices, trimmed: what no mark covers. A private mark splits none, its `instead` is shown."""
    found, at = [], 0
    for start, end in [*((mark.start, mark.end) for mark in marks if mark.kind != "private"), (len(text), len(text))]:
        own = text[at:start]
        if own.strip():
            found.append((at + len(own) - len(own.lstrip()), at + len(own.rstrip())))
        at = max(at, end)
    return found


def _starts(lines: Lines) -> list[int]:
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    return starts


def _runs(kinds: Sequence[Kind]) -> Iterator[tuple[Kind, int, int]]:
    at = 0
    for kind, run in groupby(kinds):
        length = len(list(run))
        yield kind, at, at + length
        at += length


def _own(lines: Lines, kinds: Sequence[Kind]) -> list[tuple[int, int]]:
    """Runs of lines that are not blank and not claimed: first line, and one after the last."""
    found, start = [], -1
    for number, (line, kind) in enumerate(zip(lines, kinds, strict=True)):
        if kind or not line or line.isspace():
            if start >= 0:
                found.append((start, number))
            start = -1
        elif start < 0:
            start = number
    return [*found, (start, len(lines))] if start >= 0 else found


def _claim(kinds: list[Kind], first: int, last: int, kind: Kind) -> int:
    kinds[first:last] = [kind] * (last - first)
    return last


def _code_and_quotes(lines: Lines, kinds: list[Kind], spaced: bool) -> None:
    """Fences, indented blocks and blockquotes. `inside` is the column where the text of the open list item begins."""
    fences, at, inside, blank = _Closing(lines), 0, 0, True
    while at < len(lines):
        line, before, blank = lines[at], blank, False
        if not line.strip():
            at, blank = at + 1, True
            continue
        if line[0].isalpha():  # most lines: what follows begins with a space or a sign
            inside, at = 0 if before else inside, at + 1
            continue
        column = _column(line)
        if before and not column and not _LIST.match(line):
            inside = 0
        if fence := _FENCE.match(line):
            at = _claim(kinds, at, fences.after(at, fence[1]), "code")
        elif html := _HTML.match(line):
            kind: Kind = "quote" if html[1].lower() == "blockquote" else "code"
            at = _claim(kinds, at, fences.after(at, f"</{html[1].lower()}"), kind)
        elif before and column >= (inside + 4 if inside else 4) and not (inside and _LIST.match(line)):
            last = _indented(lines, at, column)
            at = last if _is_verse(lines[at:last]) else _claim(kinds, at, last, "code")
        elif _is_quote(line, spaced) and (column < 4 or inside):
            at = _claim(kinds, at, _quoted(lines, at, spaced), "quote")
        else:
            item = _LIST.match(line)
            inside = _column(line, item.end()) if item else inside
            at += 1


class _Closing:
    """Where a fence or a tag closes. What was once looked for in vain is not looked for again, or a thousand that never
    close would read the text a thousand times."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.vain: dict[str, int] = {}

    def after(self, at: int, opening: str) -> int:
        """The line after the one that closes what `at` opens; where none does, the next blank line."""
        sort, size = opening[:2], len(opening)
        if size < self.vain.get(sort, size + 1):
            for number in range(at + (sort != "</"), len(self.lines)):
                if self._closes(self.lines[number], opening):
                    return number + 1
            self.vain[sort] = size
        return next((n for n in range(at, len(self.lines)) if not self.lines[n].strip()), len(self.lines))

    @staticmethod
    def _closes(line: str, opening: str) -> bool:
        if opening[0] == "<":
            return opening in line.lower()
        bare = line.strip(" \t>")
        return len(bare) >= len(opening) and not bare.strip(opening[0])


def _column(line: str, end: int | None = None) -> int:
    """The width of the blank space that a line begins with, or of all up to `end`."""
    blank = line[: len(line) - len(line.lstrip())] if end is None else line[:end]
    return len(blank.expandtabs(4))


def _indented(lines: Lines, at: int, column: int) -> int:
    """The line after the indented block that begins at `at`: blank lines belong to it between two of its lines."""
    last = at + 1
    for number in range(at + 1, len(lines)):
        if lines[number].strip():
            if _column(lines[number]) < min(column, 4 * (column // 4)):
                break
            last = number + 1
    return last


def _is_verse(lines: Lines) -> bool:
    """A poet indents too: lines of several words, with no symbol of any language that a machine reads."""
    said = [line for line in lines if line.strip()]
    words = sum(len(line.split()) for line in said)
    if words < 3 * len(said) or any(_SYMBOL.search(line) for line in said):
        return False
    spoken = sum(line.strip()[0].isupper() or bool(_ENDED.search(line)) or line.endswith(",") for line in said)
    return 3 * spoken >= 2 * len(said)


def _is_quote(line: str, spaced: bool) -> bool:
    quote = _QUOTE.match(line)
    if not quote:
        return False
    if spaced and not line[quote.start(1) - 1].isspace() and quote[1][:1] not in ("", ">"):
        return False
    return not quote[1] or any(map(str.isalnum, quote[1])) or quote[1].startswith(("!", "[", "`", "~"))


def _quoted(lines: Lines, at: int, spaced: bool) -> int:
    """The line after a blockquote, with the lines that go on with its last sentence without the sign."""
    fenced = goes_on = False
    while at < len(lines) and lines[at].strip():
        if quote := _QUOTE.match(lines[at]) if _is_quote(lines[at], spaced) or lines[at].strip() == ">" else None:
            fenced ^= bool(_FENCE.match(quote[1]))
            goes_on = bool(quote[1].strip()) and not fenced and not _BREAKS_QUOTE.match(quote[1])
        elif not goes_on or _BREAKS_QUOTE.match(lines[at]) or _ENDED.search(lines[at - 1].rstrip()):
            break
        at += 1
    return at


def _mail(lines: Lines, kinds: list[Kind]) -> None:
    """“On … wrote:” over a quote, and all from “Original Message” on."""
    for number, line in enumerate(lines):
        if "----" in line and not kinds[number] and _FORWARDED.match(line):
            _claim(kinds, number, len(lines), "quote")
            break
    for first, last in _own(lines, kinds):
        if _next_kind(lines, kinds, last) == "quote" and last - first <= 3:
            said = " ".join(line.strip() for line in lines[first:last])
            if len(said) < 400 and _WROTE.match(said):
                _claim(kinds, first, last, "quote")


def _next_kind(lines: Lines, kinds: Sequence[Kind], at: int) -> Kind:
    """Of the next line with words, at most one blank line away."""
    at += at < len(lines) and not lines[at].strip()
    return kinds[at] if at < len(lines) else ""


def _attributed(lines: Lines, kinds: list[Kind]) -> None:
    """A paragraph wholly in quotation marks with “— Name” under it, and “— Name” under a blockquote."""
    own = _own(lines, kinds)
    for place, (first, last) in enumerate(own):
        if last - first == 1 and _said_by(lines[first]) and kinds[max(0, _above(lines, first))] == "quote":
            _claim(kinds, first, last, "quote")
            continue
        end, below = last, own[place + 1] if place + 1 < len(own) else None
        if last - first > 1 and _said_by(lines[last - 1]):
            end, whole = last - 1, last
        elif below and below[1] - below[0] == 1 and below[0] - last == 1 and _said_by(lines[below[0]]):
            whole = below[1]
        else:
            continue
        said = "\n".join(lines[first:end]).strip()
        name = lines[whole - 1]
        if len(said.split()) >= (LONG_QUOTE if place else EPIGRAPH) and _QUOTED.match(said) and _names(name):
            _claim(kinds, first, whole, "quote")


def _said_by(line: str) -> bool:
    return len(line) < 130 and bool(_SAID_BY.match(line)) and len(line.split()) <= 14


def _names(line: str) -> bool:
    """Whether most of its words are names, titles or years: “— Go on then” is the next thing that somebody says."""
    words = re.findall(r"\w+", _PARTICLE.sub("", line))
    return 2 * sum(not word.islower() for word in words) > len(words)


def _above(lines: Lines, at: int) -> int:
    """The line over `at`, or the one over a single blank line."""
    return at - 2 if at > 1 and not lines[at - 1].strip() else at - 1


_WORDLESS_SIGNS = ("[", "{", "<", "://")  # a line without words has one of them


def _without_words(lines: Lines, kinds: list[Kind]) -> None:
    """Pictures, bare addresses, definitions of links, tags of HTML and tables of contents."""
    for first, last in _own(lines, kinds):
        block = lines[first:last]
        if len(block) > 2 and all(map(_PLACE.match, block)):
            above = _above(lines, first)
            first = above if above >= 0 and not kinds[above] and _CONTENTS.match(lines[above]) else first
            _claim(kinds, first, last, "boilerplate")
        elif _is_picture("\n".join(block)):
            _claim(kinds, first, last, "boilerplate")
        else:
            for number in range(first, last) if any(map("\n".join(block).__contains__, _WORDLESS_SIGNS)) else ():
                line = lines[number]
                if (
                    _is_definition(lines, number)
                    or _is_picture(line)
                    or _is_toc(line)
                    or _is_address(lines, number, first, last)
                ):
                    kinds[number] = "boilerplate"


def _is_definition(lines: Lines, at: int) -> bool:
    """`[name]: address "title"`, or the line of one that is broken before its address or its title."""
    line = lines[at]
    if _LABEL.match(line):
        return at + 1 < len(lines) and bool(_ADDRESS.match(lines[at + 1]))
    return bool(_DEFINITION.match(line) or (at and _LINK_TITLE.match(line) and _DEFINITION.match(lines[at - 1])))


def _is_address(lines: Lines, at: int, first: int, last: int) -> bool:
    """An address on a line of its own, and not a sentence's part that a line break put there."""
    if "://" not in lines[at] or not _ADDRESS.match(lines[at]):
        return False
    begins = at == first or bool(
        _ENDED.search(lines[at - 1].rstrip()) or _ADDRESS.match(lines[at - 1]) or _LIST.match(lines[at])
    )
    return begins and (at + 1 == last or not lines[at + 1].lstrip()[0].islower())


def _is_picture(block: str) -> bool:
    if "<" not in block and "![" not in block:
        return False
    rest, pictures = _PICTURE.subn("", block)
    return bool(pictures) and not any(map(str.isalnum, rest))


def _is_toc(line: str) -> bool:
    return line[:1] in ("[", "{") and bool(_CONTENTS.match(line))


def _signature(lines: Lines, kinds: list[Kind]) -> None:
    own = _own(lines, kinds)
    if not own:
        return
    last = own[-1][1]
    for begins in (_sent_from, _after_dashes, _signed, _bio):
        if (start := begins(lines, own)) is not None:
            _claim(kinds, start, last, "signature")
            return


def _sent_from(lines: Lines, own: list[tuple[int, int]]) -> int | None:
    last = own[-1][1] - 1
    return last if _SENT_FROM.match(lines[last].strip()) else None


def _after_dashes(lines: Lines, own: list[tuple[int, int]]) -> int | None:
    """“-- ” alone on a line, over at most six short lines at the end."""
    last = own[-1][1]
    for number in range(last - 1, max(last - 8, 0), -1):
        if lines[number].rstrip() == "--":
            below = [line for line in lines[number + 1 : last] if line.strip()]
            return number if below and max(map(len, below)) < 80 else None
    return None


def _signed(lines: Lines, own: list[tuple[int, int]]) -> int | None:
    """“Best,” over a name, or a dash and a name, as the last of a post."""
    first, last = own[-1]
    name = lines[last - 1].strip()
    if len(name) > 60 or not _NAME.match(name) or name.lower().strip("-–—~*_ .") in _ENDS:
        return None
    above = last - 2 if last - 2 >= first else (own[-2][1] - 1 if len(own) > 1 and last - first == 1 else -1)
    if above >= 0 and last - 1 - above <= 2 and _REGARDS.match(lines[above].strip()):
        return above if _ends_before(lines, above) and not lines[above].strip().endswith(".") else None
    alone = name[0] in "-–—~" and len(own) > 1 and last - first == 1
    return last - 1 if alone and _ends_before(lines, first) else None


def _ends_before(lines: Lines, at: int) -> bool:
    """Whether the last line with words before `at` ends a sentence, as prose does and few poems do."""
    before = next((line.rstrip() for line in reversed(lines[:at]) if line.strip()), "")
    return not before or bool(_ENDED.search(before)) or len(before) > 60


def _bio(lines: Lines, own: list[tuple[int, int]]) -> int | None:
    """A few lines about the author in the third person, under a rule at the end."""
    for place in range(len(own) - 1, max(len(own) - BIO_BLOCKS - 2, 0), -1):
        first, last = own[place]
        if last - first == 1 and _RULE.match(lines[first]):
            said = "\n".join(lines[last : own[-1][1]]).strip()
            short = 0 < len(said.split()) <= BIO_WORDS
            return first if short and _BIO.match(said) and not _FIRST_PERSON.search(said) else None
    return None
