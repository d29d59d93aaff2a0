"""What of a prose text could act in a program that draws it: special tokens, HTML, links, images, addresses.

Nothing is parsed as one Markdown does it, for programs differ: what any of them might take for a tag, a link or a definition
goes, or is broken by a space. `before` is what of the line has left already, and can be changed no more.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from contracts.orders import TEMPLATE

END = ".,;:!?)…”’"  # of a sentence rather than of an address
LONGEST_TAG = 40  # characters: what is not closed by then, nor on its line, is broken, so that nobody waits for it

MOST_BEGUN = 5  # things inside each other; where there are more, all of it waits

ADDRESS = re.compile(
    r"<?(?<![^\W_])((?:https?|ftp|file|javascript|data|vbscript):[^\s<>\[\]\"'`]+|www\.[^\s<>\[\]\"'`]+)>?",
    re.IGNORECASE,
)
_SCHEMES = ("https:", "http:", "ftp:", "file:", "javascript:", "data:", "vbscript:", "www.")
_SCHEME_BEGUN = re.compile(
    rf"<?(?<![^\W_])(?:{'|'.join(re.escape(s[:n]) for s in _SCHEMES for n in range(1, len(s) + 1))})\Z", re.IGNORECASE
)
_TOKENS = "<bos> <eos> <start_of_turn> <end_of_turn> <endoftext> <<SYS>> <</SYS>> [INST] [/INST]".split()
_TOKEN_BEGUN = re.compile(
    rf"(?:<\s*(?:\|[^|<>\n]{{0,40}}(?:\|\s*)?)?|{'|'.join(re.escape(t[:n]) for t in _TOKENS for n in range(1, len(t)))})\Z",
    re.IGNORECASE,
)
_FENCE_BEGUN = re.compile(r"^[ \t]*(?:`{1,2}|~{1,2}|`{3,}[^`\n]*|~{3,}[^\n]*)?\Z", re.MULTILINE)

_TAG = re.compile(r"<(?:!--|[!?]|/?([a-z][^\s/<>]*))", re.IGNORECASE)
_ACTS = frozenset(
    "a applet area audio base body button embed form frame frameset iframe image img input link marquee math meta noembed "
    "noframes noscript object plaintext picture portal pre script source style svg template textarea track video xmp".split()
)
_WITH_TEXT = frozenset("script style".split())  # what stands in them goes, too
_ATTRIBUTE = re.compile(r"[\s/\"'](?:on[a-z]+|style|src[a-z]*|(?:[a-z]+:)?href|background|(?:form)?action)\s*=", re.I)
_OTHER_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:[^\s:]", re.IGNORECASE)  # as of <tel:1>; std::string is none

_TARGET = re.compile(r"\([ \t]*<?([^\s<>]*)>?(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*\)")
_BRACKETS = re.compile(r"\\.|[()]|\n[ \t]*\n", re.DOTALL)
_LEADS = re.compile(r"(?:[ \t]*(?:>|[-*+]|\d{1,9}[.)]))*[ \t]*")  # what may stand before a definition on its line


def settled(text: str, known: Collection[str], before: str = "", ended: bool = True) -> tuple[str, int]:
    """The text without what acts, and where that begins which what follows may yet turn into something that does.

    Where the text has `ended`, nothing follows: what was begun goes. Addresses that are `known` stay, also as links.
    """
    while True:
        made, place = _once(text, known, before, ended)
        if made == text:
            break
        text = made  # what is left and right of a cut may have become one
    for _ in range(MOST_BEGUN):  # what is begun may go, and leave at the end what stands before it
        _, earlier = _once(text[:place], known, before, ended)
        if earlier >= place:
            return text, place
        place = earlier
    return text, 0


def trusted(address: str, known: Collection[str]) -> bool:
    """Whether it is one of the known, with or without what a sentence or a link has put behind it."""
    first, closed, rest = address.partition(")")
    return address.rstrip(END) in known or bool(closed and first.rstrip(END) in known and "@" not in rest)


def _once(text: str, known: Collection[str], before: str, ended: bool) -> tuple[str, int]:
    text, tag = _without_tags(TEMPLATE.sub("", text), ended)
    text, link = _without_links(text, known, before, ended)
    text, address = _without_addresses(text, known, before[-1:], ended)
    if ended:
        return text, len(text)
    return text, min(tag, link, address, token_begun(text), line_begun(_FENCE_BEGUN, text, before))


def token_begun(text: str) -> int:
    """Where its end begins, if that may yet become a special token."""
    return _begun(_TOKEN_BEGUN, text)


def line_begun(pattern: re.Pattern[str], text: str, before: str) -> int:
    """Where its last line begins, if that is whole and as `pattern` has it."""
    found = pattern.search(text)
    return found.start() if found and (found.start() or not before) else len(text)


def _begun(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return found.start() if found else len(text)


def _without_tags(text: str, ended: bool) -> tuple[str, int]:
    at = 0
    while found := _TAG.search(text, at):
        start, name = found.start(), (found[1] or "").lower()
        closed = _closing(name, found[0]).search(text, found.end())
        inside = text[start + 1 : closed.start() if closed else len(text)]
        line = inside.partition("\n")[0][:LONGEST_TAG]
        if ADDRESS.match(inside):  # it is judged as one
            if not closed and not ended and not re.search(r"\s", inside):
                return text, start
            at = found.end()
        elif not name or name in _ACTS or _ATTRIBUTE.search(line):
            if not closed and not ended:
                return text, start
            text, at = text[:start] + text[closed.end() if closed else len(text) :], start
        elif not closed and not ended and line == inside:
            return text, start
        elif line == inside and "=" not in line and not _OTHER_SCHEME.match(line):
            at = found.end()  # as of a vector<int>
        else:
            text, at = f"{text[: start + 1]} {text[start + 1 :]}", start + 1
    return text, len(text)


def _closing(name: str, begun: str) -> re.Pattern[str]:
    if begun == "<!--":
        return re.compile("-->")
    return re.compile(rf"</{name}\s*>" if name in _WITH_TEXT and begun[1] != "/" else ">", re.IGNORECASE)


def _without_links(text: str, known: Collection[str], before: str, ended: bool) -> tuple[str, int]:
    """A link that is not known leaves its words, an image too; a definition of one loses the name that it is called by."""
    opened, at = list[int](), 0  # brackets of the line that are not closed yet
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "\n":
            opened = []
        elif text[at] == "[":
            opened.append(at)
        elif text[at] == "]":
            start = opened.pop() if opened else None
            first = at if start is None else _with_sign(text, start)
            words = "]" if start is None else text[start + 1 : at]
            follows = text[at + 1 : at + 2]
            end = _end_of_target(text, at + 1) if follows == "(" else 0
            if not ended and (not follows or end is None):
                return text, min([first, *(_with_sign(text, one) for one in opened)])
            if follows == "(":
                target = _TARGET.fullmatch(text[at + 1 : end])
                if start is None or first < start or not target or not trusted(target[1], known):
                    text, at = text[:first] + words + text[len(text) if end is None else end :], first
                    at += len(words)
                    continue
            elif follows == ":" and start is None:
                text = f"{text[: at + 1]} {text[at + 1 :]}"
            elif follows == ":" and _LEADS.fullmatch(f"{before}{text[:first]}".rpartition("\n")[2]):
                if not ended and not text[at + 2 :].strip(" \t"):
                    return text, first
                text, at = text[:first] + text[at + 2 :].lstrip(" \t"), first
                continue
        at += 1
    if ended:
        return text, len(text)
    sign = len(text) - text.endswith("!")
    return text, min([sign, *(_with_sign(text, one) for one in opened)])


def _with_sign(text: str, start: int) -> int:
    """Where a bracket begins: with the "!" that makes it an image."""
    return start - 1 if start and text[start - 1] == "!" else start


def _end_of_target(text: str, start: int) -> int | None:
    """Behind the bracket that closes the one at `start`, or where the paragraph ends; None where neither has come."""
    depth = 0
    for found in _BRACKETS.finditer(text, start):
        depth += (found[0] == "(") - (found[0] == ")")
        if found[0][0] == "\n":
            return found.start()
        if not depth:
            return found.end()
    return None


def _without_addresses(text: str, known: Collection[str], edge: str, ended: bool) -> tuple[str, int]:
    """`edge`: the character that stands before the text."""
    made, at, whole = list[str](), len(edge), edge + text
    for found in ADDRESS.finditer(whole, len(edge)):
        if not ended and found.end() == len(whole):
            return "".join([*made, whole[at:]]), sum(map(len, made)) + found.start() - at
        if not trusted(found[1], known):
            made.append(whole[at : found.start()])
            at = found.end()
    rest = "".join([*made, whole[at:]])
    begun = _SCHEME_BEGUN.search(edge + rest, len(edge))
    return rest, begun.start() - len(edge) if begun else len(rest)
