"""When a question asks about: a day, a year or part of it, a span, now, or how a view has changed. Most ask about no time.

The patterns are English. A year counts only behind a word that makes it a time: "the 2015 MacBook" is a thing.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.feature_store import Filters

_YEAR = r"(?:19[89]\d|20\d\d)"
_MONTHS = "january february march april may june july august september october november december".split()
_PARTS = {
    "early": (1, 5),
    "mid": (4, 10),
    "late": (9, 13),
}  # of a year: the first month, and the first that is not meant
_COUNTED = (
    "bytes|bits|bit|lines|words|characters|pixels|points|steps|items|people|hours|minutes|seconds|times|dollars|euros"
)
_DATE = rf"{_YEAR}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?"
_BEFORE_YEAR = (
    rf"the year |(?:the )?(?:{'|'.join(_PARTS)})[- ]|(?:spring|summer|autumn|fall|winter)(?: of)? |"
    rf"(?:{'|'.join(_MONTHS)})(?: of|,)? "
)
_TIME = (
    rf"(?:{_DATE}\b|the (?:(?:19[89]|20\d)0)s\b|"
    rf"(?:{_BEFORE_YEAR})?{_YEAR}\b(?!['’]|-\w|\s+(?:{_COUNTED})\b))"
)
_BETWEEN = re.compile(
    rf"\b(?:between|from) ({_TIME}) (?:and|to|until|till) ({_TIME})|\b({_YEAR}) ?[-–] ?({_YEAR})\b", re.I
)
_SINCE = re.compile(rf"\bsince ({_TIME})|\bfrom ({_TIME}) (?:on(?:wards?)?|to (?:now|today|date))\b", re.I)
_AFTER = re.compile(rf"\bafter ({_TIME})", re.I)
_BEFORE = re.compile(rf"\b(?:before|until|till|up to|prior to) ({_TIME})", re.I)
_IN = re.compile(
    rf"\b(?:in|on|during|of|from|around|back in|throughout) ({_TIME})|\b(?:what|how) about ({_TIME})(?=\s*(?:[?.!,;]|$))",
    re.I,
)
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
_DAYS = (_BETWEEN, _SINCE, _AFTER, _BEFORE, _IN)


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
    if between := _times(_BETWEEN, text)[:2]:
        return _days(min(start for start, _ in between), max(end for _, end in between))
    since, after, before = (_times(pattern, text) for pattern in (_SINCE, _AFTER, _BEFORE))
    if since or after or before:
        start = since[0][0] if since else after[0][1] if after else None
        return _days(start, before[0][0] if before else None)
    named = _times(_IN, text)
    return _days(min(start for start, _ in named), max(end for _, end in named)) if named else Filters()


def _times(pattern: re.Pattern[str], text: str) -> list[tuple[dt.date, dt.date]]:
    """The first day of each time that stands where `pattern` has one, and the first day after it."""
    return [_time(words.lower()) for found in pattern.finditer(text) for words in found.groups() if words]


def _time(words: str) -> tuple[dt.date, dt.date]:
    """Of the year, or the part of it, that the words name."""
    year, *rest = (int(number) for number in re.findall(r"\d+", words))
    if len(rest) == 2:  # a day; one that its month does not have is its last
        last = calendar.monthrange(year, rest[0])[1]
        day = dt.date(year, rest[0], min(rest[1], last))
        return day, day + dt.timedelta(days=1)
    if words.endswith("s"):
        return dt.date(year, 1, 1), dt.date(year + 10, 1, 1)
    months = [(n, n + 1) for n, name in enumerate(_MONTHS, start=1) if words.startswith(name)]
    parts = [span for name, span in _PARTS.items() if name in words]
    first, end = next(iter([(n, n + 1) for n in rest] + months + parts), (1, 13))
    return dt.date(year, first, 1), dt.date(year + (end > 12), (end - 1) % 12 + 1, 1)


def _days(after: dt.date | None, before: dt.date | None) -> Filters:
    """None at all where no day is between the two."""
    return Filters() if after and before and after >= before else Filters(after, before)
