"""Follow-up questions made whole from what was said before them, without asking a model.

A question that leans on its conversation shows it: it is bare ("And why?"), points at what is not in it ("Did you ever try
it again?"), or moves on ("What about glue?"). It is searched for behind the question that it follows; where it moves on,
also as it stands, and both rankings are fused. Any other question is left alone. docs/retrieval.md has what that is worth.
The patterns are English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from inference_pipeline.grounding.sentences import content_words
from inference_pipeline.retrieval.when import asked_when

BACK = 4  # exchanges that are looked through for what the talk is about
NAMES = 6  # of the last answer
LONGEST = 300  # characters of the earlier question

Exchanges = Sequence[tuple[str, str]]
"""Questions with their answers, oldest first."""

# Words that say nothing of a topic when they stand in a short question.
_GENERIC = content_words(
    "advise again anymore answer ask best better bit bother certain change changed choose come continue decide detail "
    "differ difference easy easier elaborate else end ever example exact exactly explain finally find finish first found "
    "hard harder hardest happen help idea instead keep kind last later learn learned long matter mean meant mind next okay "
    "option part point prefer problem reason recommend regret second simple simpler since sort start stop still sure switch "
    "tell third tip tried try turn version want went word work worse worst worth wrong yes yet"
)
_OPENING = re.compile(r"^\W*(?:and|but|so|or|then|also|plus|ok(?:ay)?|yes|no|right|well)\b[\s,]*", re.IGNORECASE)
_MOVES_ON = re.compile(r"^(?:what|how) about\b|^(?:what|how) if\b|^same for\b", re.IGNORECASE)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|isn't|wasn't|would|wouldn't|makes?|find) it (?:\w+ )?(?:be )?(?:\w+ )?(?:to|that|if|when|about|like)\b"
    r"|\bit (?:takes?|took) to\b|\b(?:is|are|was|were|will|would|can|could) there\b|\bthere (?:is|are|was|were)\b"
    r"|\b(?:these|those) days\b|\bthis (?:week|month|year|morning|summer|winter)\b|\bat that time\b"
    r"|\bthe one (?:that|who|you)\b",
    re.IGNORECASE,
)
_PRONOUN = r"it|its|itself|they|them|their|theirs|he|him|his|she|her|hers|former|latter|there|then"
_POINTS = re.compile(
    rf"\b(?:{_PRONOUN})\b"
    r"|\bones?\b(?=\s*(?:[?.!,;:]|$)|\s+(?:is|was|do|did|would|should|you)\b)"
    r"|\b(?:this|that|these|those)\b(?=\s*(?:[?.!,;:]|$))"  # "How did you fix that?"
    r"|\b(?:this|that|these|those)\b(?=\s+(?:is|was|are|were|do|does|did|has|have|had|work|mean|happen|again|way|too)\b)"
    r"|(?:^|\b(?:of|about|with|for|on|in|to|from|by|like|than|without)\s+)(?:this|that|these|those)\s+\w+"  # "of that glue"
    r"|\b(?:first|second|third|fourth|other|last) (?:one|of)\b",
    re.IGNORECASE,
)
_ANTECEDENT = re.compile(
    r"\b(?:an?|the|my|your|our|some|any|every|each|no)\s+(?:[\w-]+\s+)?[^\W_]{3,}|(?<=\s)[A-Z]\w+", re.UNICODE
)
_ASKS = re.compile(
    r"\b(?:do|does|did|is|are|was|were|has|have|had|can|could|would|should|will|you|your|i)\b", re.IGNORECASE
)
_MARKED = re.compile(r"(?<=\s)(?!I\b)[A-Z][\w+#]*|\b\w*\d\w*\b")
_NAME = re.compile(r"(?<![.!?…:]\s)(?<![.!?…:]\s[“\"'(])(?<=\s)[A-Z][\w-]{2,}(?:\s[A-Z][\w-]+)*|\b\d{3,}\b")
_ORDINAL = re.compile(r"\b(first|second|third|fourth|fifth|last)\b", re.IGNORECASE)
_ITEM = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+(.+)$", re.MULTILINE)
_PLACES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}


@dataclass(frozen=True)
class FollowUp:
    asked: str
    """The question that it follows, and the question: for a reader who was not there."""
    searched: str
    """The same, with the names of the last answer, or the item of its list that is meant."""
    moves_on: bool
    """Whether it names a topic of its own, which has to be one that the author wrote about."""


def made_whole(question: str, history: Exchanges) -> FollowUp | None:
    """None for a question that stands alone, or where nothing was said before it."""
    earlier = list(history[-BACK:])
    if not earlier or not leans(question):
        return None
    topic = next((asked for asked, _ in reversed(earlier) if not leans(asked)), earlier[0][0]).strip()[:LONGEST]
    whole = f"{topic} {question.strip()}"
    moves_on = (
        bool(_MOVES_ON.match(_OPENING.sub("", question))) and bool(_own(question)) and not _ORDINAL.search(question)
    )
    return FollowUp(whole, " ".join([whole, *_meant(question, earlier[-1][1], whole)]), moves_on)


def leans(question: str) -> bool:
    """Whether it can be understood only with what was said before it."""
    asked = " ".join(question.replace("’", "'").split())
    if len(asked) > LONGEST:  # whoever writes so much says what it is about
        return False
    rest = _OPENING.sub("", asked)
    own = _own(rest)
    if not own or _MOVES_ON.match(rest):
        return True
    if rest != asked and len(own) <= 3 and not _ASKS.search(rest):  # "And in winter?"
        return True
    pointer = _POINTS.search(_EXPLETIVE.sub(lambda found: "_" * len(found[0]), rest))
    if pointer is None or len(own) > 2:
        return False
    return not any(_own(found[0]) for found in _ANTECEDENT.finditer(rest[: pointer.start()]))


def _own(text: str) -> set[str]:
    """Words of a topic that the question names itself; a year is none."""
    text = asked_when(text).searched
    short = {
        word for word in _MARKED.findall(text) if not content_words(word)
    }  # "C", "R2": too short for a content word
    return (content_words(text) - _GENERIC) | short


def _meant(question: str, answer: str, known: str) -> list[str]:
    """Of the last answer: the item of a list that an ordinal names, else the first names that were not said yet."""
    items, ordinal = _ITEM.findall(answer), _ORDINAL.search(question)
    if ordinal and len(items) > 1:
        place = _PLACES[ordinal[1].lower()]
        return [items[place][:LONGEST]] if place < len(items) else []
    names = dict.fromkeys(name for name in _NAME.findall(answer) if name.lower() not in known.lower())
    return list(names)[:NAMES]
