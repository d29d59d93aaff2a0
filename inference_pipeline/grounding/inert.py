"""An answer that does nothing: no special tokens, no markup that loads or runs, no link but the author's, no echoed order.

A page escapes what it shows, but an answer also leaves through the API and the clipboard, to programs that may not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from contracts.records import Passage
from inference_pipeline.grounding.orders import TEMPLATE, is_order, withheld
from inference_pipeline.grounding.sentences import content_words, sentences

ECHO = 0.5  # share of a sentence's content words that an order holds

_FENCED = re.compile(r"(^(?:```|~~~).*?(?:^(?:```|~~~)[^\n]*$|\Z))", re.DOTALL | re.MULTILINE)
_RUNS = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_LOADS = re.compile(
    r"</?(?:a|applet|area|audio|base|body|button|embed|form|frame|iframe|image|img|input|link|math|meta|object|picture|"
    r"portal|script|source|style|svg|template|track|video)\b[^>]*(?:>|\Z)|<[a-z][^>]*\bon[a-z]+\s*=[^>]*(?:>|\Z)",
    re.IGNORECASE,
)
_IMAGE = re.compile(r"!\[([^\]]*)\](?:\([^)]*(?:\)|\Z)|\[[^\]]*\])")
_REFERENCE = re.compile(r"^[ \t]*\[[^\]\n]+\]:[ \t]*(\S+).*$\n?", re.MULTILINE)
_LINK = re.compile(r"\[([^\]\n]*)\]\(\s*<?([^)\s>]*)[^)]*(?:\)|\Z)")
_ADDRESS = re.compile(
    r"<?\b((?:https?|ftp|file|javascript|data|vbscript):[^\s<>\[\]\"'`]+|www\.[^\s<>\[\]\"'`]+)>?", re.IGNORECASE
)
_END = ".,;:!?)…”’"


def inert(text: str, passages: Sequence[Passage]) -> str:
    """The text without what could act on its reader's behalf; code blocks stay, but for special tokens."""
    known = {address for passage in passages for address in _addresses(passage)}
    parts = _FENCED.split(_untokened(text))
    return "".join(part if place % 2 else _prose(part, passages, known) for place, part in enumerate(parts))


def _untokened(text: str) -> str:
    """Without special tokens, nor any that appear once another is cut out of their midst."""
    while (cut := TEMPLATE.sub("", text)) != text:
        text = cut
    return text


def _prose(text: str, passages: Sequence[Passage], known: set[str]) -> str:
    def kept(match: re.Match[str], address: str, otherwise: str) -> str:
        return match[0] if address.rstrip(_END) in known else otherwise

    text = _LOADS.sub("", _RUNS.sub("", text))
    text = _IMAGE.sub(lambda match: match[1], text)
    text = _REFERENCE.sub(lambda match: kept(match, match[1], ""), text)
    text = _LINK.sub(lambda match: kept(match, match[2], match[1]), text)
    text = _ADDRESS.sub(lambda match: kept(match, match[1], ""), text)
    return _without_echoes(text, passages)


def _without_echoes(text: str, passages: Sequence[Passage]) -> str:
    orders = [content_words(p.text[start:end]) for p in passages for start, end in withheld(p.text)]
    if not orders:
        return text
    pieces, at = list[str](), 0
    for start, end in sentences(text):
        words = content_words(text[start:end])
        if is_order(text[start:end]) and any(len(words & order) >= ECHO * len(words) for order in orders):
            pieces.append(text[at:start])
            at = end
    return "".join([*pieces, text[at:]])


def _addresses(passage: Passage) -> Iterator[str]:
    """What the passage links to, but for its orders, and where it stands itself."""
    if passage.url:
        yield passage.url
    orders = withheld(passage.text)
    for match in _ADDRESS.finditer(passage.text):
        if not any(start <= match.start() < end for start, end in orders):
            yield from {match[1].rstrip(_END), match[1].partition(")")[0].rstrip(_END)}
