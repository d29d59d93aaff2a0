"""When a question asks about: a year, a span of years, now, or how a view has changed. Most questions ask about no time.

The patterns are English. A year counts only behind a word that makes it a time: "the 2015 MacBook" is a thing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.feature_store import Filters

_YEAR = r"(?:19[89]\d|20\d\d)"
_MONTHS = "january february march april may june july august september october november december".split()
_BETWEEN = re.compile(
    rf"\b(?:between|from) ({_YEAR}) (?:and|to|until|till) ({_YEAR})\b|\b({_YEAR}) ?[-–] ?({_YEAR})\b", re.I
)
_MONTH = re.compile(
    rf"\b(?:in|during|of|since|until|before|after|around) ({'|'.join(_MONTHS)}),? (?:of )?({_YEAR})\b", re.I
)
_FROM = re.compile(rf"\b(?:since|from) ({_YEAR})\b", re.I)
_AFTER = re.compile(rf"\bafter ({_YEAR})\b", re.I)
_BEFORE = re.compile(rf"\b(?:before|until|till|up to|prior to) ({_YEAR})\b", re.I)
_IN = re.compile(rf"\b(?:in|during|of|around|back in|throughout) (?:the year )?({_YEAR})\b(?!['’-])", re.I)
_CHANGED = re.compile(
    r"\b(?:view|views|opinion|opinions|mind|thinking|thoughts|taste|tastes|attitude|position)\b.{0,40}\b(?:chang|evolv|shift|differ)\w*"
    r"|\b(?:chang|evolv|shift)\w*\b.{0,20}\b(?:your|you) (?:view|opinion|mind|thinking|thoughts|taste|attitude|position)s?\b"
    r"|\b(?:over the years|over time)\b|\bstill think\b.{0,40}\b(?:used to|once|back then)\b",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"\b(?:nowadays|these days|currently|at present|at the moment|at this point|by now|lately|today)\b"
    r"|\b(?:most )?(?:recent|recently|latest|newest)\b|\b(?:right |just )?now\s*(?:[?.!]|$)"
    r"|\b(?:do|are|is) (?:you|it|they) (?:now|still)\b",
    re.IGNORECASE,
)


_CHANGE_WORDS = re.compile(
    r"\b(?:views?|opinions?|mind|thinking|thoughts|tastes?|attitude|position|chang\w*|evolv\w*|shift\w*|differ\w*"
    r"|over the years|over time)\b",
    re.IGNORECASE,
)
_DAYS = (_BETWEEN, _MONTH, _FROM, _AFTER, _BEFORE, _IN)


@dataclass(frozen=True)
class When:
    span: Filters = field(default_factory=Filters)
    """The days that the question names."""
    now: bool = False
    """Whether it asks for the present view: newer is better."""
    changed: bool = False
    """Whether it asks how a view has changed: old and new are wanted."""
    searched: str = ""
    """The question without the days that it names: posts of those days are found by their date, not by its digits."""
    topic: str = ""
    """The question without any time: whether the author wrote about it is not a matter of when."""


def asked_when(question: str) -> When:
    text = " ".join(question.split())
    changed, span = bool(_CHANGED.search(text)), _span(text)
    searched = _without(_DAYS, text) if span else text
    topic = _without((_CHANGE_WORDS, _NOW) if changed else (_NOW,), searched)
    return When(span, not changed and bool(_NOW.search(text)), changed, searched, topic)


def _without(patterns: Iterable[re.Pattern[str]], text: str) -> str:
    for pattern in patterns:
        text = pattern.sub("", text)
    return " ".join(text.split())


def _span(text: str) -> Filters:
    """From the first day that is meant to the first that is not."""
    if found := _BETWEEN.search(text):
        first, last = sorted(int(year) for year in found.groups() if year)
        return Filters(after=_day(first), before=_day(last + 1))
    if found := _MONTH.search(text):
        year, month = int(found[2]), _MONTHS.index(found[1].lower()) + 1
        return Filters(after=_day(year, month), before=_day(year + month // 12, month % 12 + 1))
    since, after, before = (_year(pattern, text) for pattern in (_FROM, _AFTER, _BEFORE))
    start = since or (after and after + 1)
    if start or before:
        nothing = start and before and start >= before
        return Filters() if nothing else Filters(_day(start) if start else None, _day(before) if before else None)
    years = [int(year) for year in _IN.findall(text)]
    return Filters(after=_day(min(years)), before=_day(max(years) + 1)) if years else Filters()


def _year(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(found[1]) if found else None


def _day(year: int, month: int = 1) -> dt.date:
    return dt.date(year, month, 1)
