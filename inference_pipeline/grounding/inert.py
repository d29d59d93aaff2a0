"""An answer that does nothing: no special tokens, no markup that loads or runs, no link but the author's, no echoed order.

A page escapes what it shows, but an answer also leaves through the API and the clipboard, to programs that may not. What
leaves piece by piece goes by the same rules: what may be the beginning of something waits until it is whole, and is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from contracts.orders import TEMPLATE, is_order, withheld
from contracts.records import Passage, replaced
from inference_pipeline.grounding.markup import ADDRESS, END, line_begun, settled, token_begun
from inference_pipeline.grounding.sentences import content_words, sentences

ECHO = 0.5  # share of a sentence's content words that an order holds

_FENCE = re.compile(r"^[ \t]*((?:`{3,}(?=[^`\n]*$)|~{3,})[^\n]*)(\n|\Z)", re.MULTILINE)
_BLANK = re.compile(r"\n[ \t]*\n")
_TAGGED = re.compile(r"^[ \t]*<", re.MULTILINE)


def inert(text: str, passages: Sequence[Passage]) -> str:
    """The text without what could act on its reader's behalf; code blocks stay, but for special tokens."""
    while True:
        made = _without_echoes(Inert(passages).end(text), passages)
        if made == text:
            return text
        text = made


def closed(text: str) -> str:
    """With the end of a code block that has none: what is put behind the text is no code."""
    stream = Inert(())
    stream.end(text)
    return f"{text}\n{stream.fence}" if stream.fence else text


def stands(text: str, passages: Sequence[Passage]) -> bool:
    """Whether it can be shown as it is."""
    return inert(text, passages) == closed(text) == text


class Inert:
    """The same piece by piece, but for orders that are echoed. A plain text passes as it comes.

    Fences are put at the beginning of their line, and a blank line before one that HTML might swallow: so every program
    agrees on where code begins and ends, whatever it makes of indentation, lists and quotes.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._known = {address for passage in passages for address in _addresses(passage)}
        self._held = ""
        self._gone = ""
        """What has left of the paragraph."""
        self.fence = ""
        """Of the code block that is open: the characters that close it."""

    def add(self, piece: str) -> str:
        """What may leave now."""
        return self._taken(piece, ended=False)

    def end(self, piece: str = "") -> str:
        """The rest, with the last piece."""
        return self._taken(piece, ended=True)

    def _taken(self, piece: str, ended: bool) -> str:
        made, before = "", None
        self._held += piece.replace("\r\n", "\n").replace("\r", "\n")
        while before != (before := (self._held, self.fence)):
            made += self._code(ended) if self.fence else self._prose(ended)
        return made

    def _prose(self, ended: bool) -> str:
        fence = self._next(_FENCE, self._held, ended)
        head = self._held[: fence.start()] if fence else self._held
        text, place = settled(head, self._known, self._line, ended or bool(fence))
        if text != head and self._next(_FENCE, text, ended or bool(fence)):  # one has come of what was cut
            self._held = text + self._held[len(head) :]
            return ""
        self._held = text[place:] + self._held[len(head) :]
        made = self._left(text[:place])
        if fence:
            self._held, line = self._held[len(fence[0]) :], _untokened(fence[1])
            self.fence = line[: len(line) - len(line.lstrip(line[0]))]
            above = bool(self._line) + bool(_TAGGED.search(self._gone))  # an end of line that was cut, a blank line
            made += "\n" * above + line + fence[2]
            self._gone = ""
        return made

    def _code(self, ended: bool) -> str:
        self._held = _untokened(self._held)
        ending = rf"^ {{0,3}}{self.fence[0]}{{{len(self.fence)},}}[ \t]*"
        if end := self._next(re.compile(rf"({ending})(\n|\Z)", re.MULTILINE), self._held, ended):
            made = self._held[: end.start()] + self.fence + end[2]
            self._held, self._gone, self.fence = self._held[end.end() :], "", ""
            return made
        begun = re.compile(rf"^ {{0,3}}{self.fence[0]}*[ \t]*\Z", re.MULTILINE)
        place, earlier = len(self._held) + 1, len(self._held)
        while earlier < place:
            place, text = earlier, self._held[:earlier]
            earlier = place if ended else min(token_begun(text), line_begun(begun, text, self._line))
        made, self._held = self._left(self._held[:place]), self._held[place:]
        return made

    @property
    def _line(self) -> str:
        """What has left of the line."""
        return self._gone.rpartition("\n")[2]

    def _left(self, text: str) -> str:
        self._gone = _BLANK.split(self._gone + text)[-1]
        return text

    def _next(self, pattern: re.Pattern[str], text: str, ended: bool) -> re.Match[str] | None:
        """The first line that is as `pattern` has it, from its beginning to its end, which is the second group."""
        for found in pattern.finditer(text):
            if (found.start() or not self._line) and (found[2] or ended):
                return found
        return None


def _untokened(text: str) -> str:
    """Without special tokens, nor any that appear once another is cut out of their midst."""
    while (cut := TEMPLATE.sub("", text)) != text:
        text = cut
    return text


def _without_echoes(text: str, passages: Sequence[Passage]) -> str:
    """Without sentences that tell a model what to do as a post does, and those that stand in such an order word for word."""
    orders = [p.text[start:end] for p in passages for start, end in withheld(p.text)]
    if not orders:
        return text
    held = [(content_words(order), f"{_plain(order)}\n{_plain(Inert(()).end(order))}") for order in orders]

    def echoes(said: str) -> bool:
        words = content_words(said)
        near = is_order(said) and any(len(words & order) >= ECHO * len(words) for order, _ in held)
        return near or (bool(words) and any(_plain(said) in order for _, order in held))

    return replaced(text, ((start, end, "") for start, end in sentences(text) if echoes(text[start:end])))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _addresses(passage: Passage) -> Iterator[str]:
    """What the passage links to, but for its orders, and where it stands itself."""
    if passage.url:
        yield passage.url
    orders = withheld(passage.text)
    for match in ADDRESS.finditer(passage.text):
        if not any(start <= match.start() < end for start, end in orders):
            yield from {match[1].rstrip(END), match[1].partition(")")[0].rstrip(END)}
