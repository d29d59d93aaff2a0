"""What stands around a post without being of it: requests to share and follow, credits, and what recurs across a site.

Looked for at a post's edges only. What stands inside the argument is the argument.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from contracts.records import Mark

FIRST, LAST = 3, 5  # blocks of each edge
RECURRING_WORDS = 80  # a longer paragraph is somebody's thought
RECURRING_POSTS, RECURRING_SHARE = 3, 0.05
REQUEST_WORDS = 40

_SITES = (
    r"(?:twitter|x|facebook|instagram|mastodon|bluesky|threads|linkedin|youtube|tiktok|pinterest|tumblr|reddit|medium"
    r"|substack|patreon|ko-?fi|liberapay|github sponsors|github|telegram|discord|twitch|spotify|whatsapp|hacker news"
    r"|lobste\.?rs|lobsters|hn|/?r/\w+|goodreads|paypal|flattr|buy ?me ?a ?coffee)\b"
)
_WORK = (
    r"(?:post|article|story|essay|piece|poem|blog|site|newsletter|video|episode|podcast|page|writing|content|work)s?\b"
)
_LISTS = (
    r"(?:newsletter|mailing list|e-?mail list|e-?mails?|rss|feed|channel|podcast|updates|blog|substack|new posts)\b"
)
_ASK = r"(?:please |you can |feel free to |don['’]t forget to |remember to |consider |and )*"
# Each must match from the beginning of a sentence, without its markup.
_REQUESTS = (
    rf"{_ASK}(?:shar(?:e|ing)|(?:re)?tweet(?:ing)?|lik(?:e|ing)|pin) (?:and \w+ )?(?:this|the|my) {_WORK}",
    rf"{_ASK}(?:share|tweet|pin)(?: (?:this|it))?(?: (?:on|via|to|with) (?:{_SITES}|e-?mail|your friends).*)?[:.!]?$",
    rf"{_ASK}(?:like|comment|share)(?:,? (?:and |& )?(?:like|comment|share|subscribe))+\b",
    rf"{_ASK}(?:follow(?:ing)?|find|connect with|catch|reach) (?:me|us)\b.{{0,40}}(?: on | at |@|via ){{1,2}}{_SITES}",
    rf"{_ASK}follow(?:ing)? (?:me|us|@[\w@.]+)(?: (?:here|there|too|at|on) ?\S*)?[:.!]?$",
    rf"{_ASK}(?:subscrib(?:e|ing)|sign(?:ing)? up|join)\b.{{0,60}}{_LISTS}",
    rf"{_ASK}subscribe(?: (?:now|here|below|today|for free))?[:.!]?$",
    rf"{_ASK}(?:support(?:ing)?|back(?:ing)?) (?:me|us|this|my|the|our)\b.{{0,60}}\b{_SITES}",
    rf"{_ASK}(?:buy(?:ing)?|get) me a (?:coffee|beer|tea)\b",
    rf"{_ASK}(?:donate(?: (?:now|here|today|via .{{1,40}}))?[:.!]?$|becom(?:e|ing) a (?:patron|paid subscriber|member)\b)",
    rf"(?:if )?you (?:like|liked|love|loved|enjoy|enjoyed|appreciate)d? (?:reading )?(?:this|what|my|the|it)\b.{{0,120}}"
    rf"\b(?:subscrib|shar(?:e|ing)|follow|sign up|newsletter|support|donat|patron|patreon|coffee|tweet|retweet|{_SITES})",
    rf"(?:this|the) {_WORK} (?:was |is |has been |also )*(?:originally|first|cross-?posted|previously) ?"
    r"(?:published|posted|appeared|written)?\b.{0,20}\b(?:at|on|in|by|for|from)\b",
    r"(?:originally|first|previously) (?:published|posted|appeared) (?:at|on|in|by|here)\b",
    r"cross-?posted (?:at|on|to|from)\b",
    r"(?:cover |header |hero |featured |lead |title )?(?:photo(?:graph)?|image|picture|illustration|foto|bild)s?"
    r"(?: (?:by|credits?|courtesy|source|via|von|de|di|por)\b| ?: ).{0,120}$",
    r"(?:many |so )?thank(?:s| you)(?: (?:so|very) much| a lot)? for (?:reading|watching|listening|following along)\b"
    r".{0,40}$",
    r"(?:danke (?:fürs|für das) lesen|merci (?:d['’]avoir lu|de m['’]avoir lu)|gracias por leer|obrigad[oa] por ler"
    r"|grazie per (?:aver letto|la lettura)|bedankt voor het lezen)\b.{0,40}$",
    r"(?:partager|teilen|compartir|condividi)(?: (?:sur|auf|en|su) \w+)?[:.!]?$",
    r"(?:(?:m['’])?abonne[rz](?:-vous)?|abonniere?n?|suscríbe(?:te|se)|iscriviti|inscreva-se)\b.{0,60}(?:newsletter|blog|kanal|canal)",
    r"(?:posted|filed|published) (?:in|under|on):? .{1,60}$",
    r"(?:tags|tagged|categories|category|labels|hashtags)(?: with)?: .{1,200}$",
    r"(?:read more|continue reading|keep reading|read the full .{1,30}|related (?:posts|articles|reading)"
    r"|you might also like|leave a (?:comment|reply)|no comments(?: yet)?|comments are closed"
    r"|view this post on instagram|back to top|loading|previous post|next post|older posts|newer posts)[:.!…→»]*$",
    rf"(?:discuss(?:ion)?(?: this(?: {_WORK})?)?|comment(?:s)?|join the (?:discussion|conversation)) (?:on|at|over at) "
    rf".{{0,30}}?{_SITES}",
    r"(?:copyright|©|\(c\)) ?(?:©|\(c\))? ?\d{4}\b.{0,80}$|.{0,60}\ball rights reserved\.?$",
)
REQUEST = re.compile("|".join(f"(?:{pattern})" for pattern in _REQUESTS), re.IGNORECASE)

_LINK = re.compile(r"!?\[([^\[\]\n]{0,300})\](?:\([^()\n]{0,1000}\)|\[[^\[\]\n]{0,100}\])?(?!:)")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”’')\]*_]{0,4}\s+|\n")
_SPACES = " \t\n\r\f\v\xa0\u2009\u202f\u3000"
_BEFORE, _AFTER = f"{_SPACES}#>*_~-+•|–—<", f"{_SPACES}*_~"
_DIGITS = re.compile(r"\d+")


def blocks(text: str) -> list[tuple[int, int]]:
    """Runs of lines between blank lines, without the line break at their end."""
    found: list[tuple[int, int]] = []
    at, start, end = 0, -1, 0
    for line in text.split("\n"):
        if line and not line.isspace():
            start, end = (at if start < 0 else start), at + len(line)
        elif start >= 0:
            found.append((start, end))
            start = -1
        at += len(line) + 1
    return [*found, (start, end)] if start >= 0 else found


def edges(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The first and the last of the blocks, in order, each once."""
    return found if len(found) <= FIRST + LAST else [*found[:FIRST], *found[-LAST:]]


def requests(text: str, found: list[tuple[int, int]]) -> Iterator[Mark]:
    """The sentences of the blocks that ask to share, follow or subscribe, or give credit for a picture."""
    for start, end in found:
        if end - start > 4000:
            continue
        for first, last in _sentences(text, start, end):
            if is_request(text[first:last]):
                yield Mark(start=first, end=last, kind="boilerplate")


def is_request(sentence: str) -> bool:
    if len(sentence) > 1500:
        return False
    said = (_LINK.sub(r"\1", sentence) if "[" in sentence else sentence).lstrip(_BEFORE).rstrip(_AFTER)
    return len(said.split()) <= REQUEST_WORDS and bool(REQUEST.match(said))


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A line break ends one too, unless the next line goes on in lower case."""
    at = start
    for border in _SENTENCE_END.finditer(text, start, end):
        if border[0] == "\n" and text[border.end()].islower():
            continue
        yield at, border.end() - len(border[0]) + len(border[0].rstrip())
        at = border.end()
    if at < end:
        yield at, end


@dataclass(frozen=True)
class Recurring:
    """The paragraphs that stand at the edges of many posts of one author on one site."""

    hashes: frozenset[int]

    def marks(self, text: str) -> list[Mark]:
        """Empty where nothing but such paragraphs would be left out: that post is what its author says every day."""
        found = blocks(text)
        hits = [block for block in edges(found) if _hash(text[block[0] : block[1]]) in self.hashes]
        hits = [block for block in hits if not _lone_heading(text, block, found, hits)]
        if len(hits) == len(found):
            return []
        return [Mark(start=start, end=end, kind="boilerplate") for start, end in hits]


def count(posts: Iterable[tuple[str, str]]) -> Recurring:
    """Of (id, text). Reads each post once, and keeps eight bytes of each paragraph at its edges: 6.4 MB of 100,000 posts."""
    import numpy as np

    seen, total = array("Q"), 0
    for _, text in posts:
        total += 1
        found = blocks(text)
        if len(found) > 1:
            seen.extend({number for start, end in edges(found) if (number := _hash(text[start:end]))})
    if not seen:
        return Recurring(frozenset())
    numbers, times = np.unique(np.frombuffer(seen, dtype=np.uint64), return_counts=True)
    often = max(RECURRING_POSTS, math.ceil(RECURRING_SHARE * total))
    return Recurring(frozenset(numbers[times >= often].tolist()) - {0})


def _hash(block: str) -> int:
    """Equal for the same words with other numbers and line breaks; 0 for what is too long, or has no letter."""
    if len(block) > 20 * RECURRING_WORDS:
        return 0
    words = block.split()
    if len(words) > RECURRING_WORDS or not any(map(str.isalpha, block)):
        return 0
    said = _DIGITS.sub("0", " ".join(words))
    return int.from_bytes(blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1


def _lone_heading(text: str, block: tuple[int, int], found: list[tuple[int, int]], hits: list[tuple[int, int]]) -> bool:
    """“Conclusion” stands in many posts, over words of this one; “Elsewhere” over what recurs is part of that."""
    if not text.startswith("#", block[0]):
        return False
    following = found.index(block) + 1
    return following < len(found) and found[following] not in hits
