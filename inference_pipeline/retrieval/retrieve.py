"""Find the passages that a question is answered from: the best ones, the newest ones, or none where nothing fits."""

from __future__ import annotations

import re

from contracts.feature_store import FeatureStore, Filters
from contracts.feature_store.retrieve import fuse
from contracts.records import Passage
from inference_pipeline.grounding.answerable import answerable
from inference_pipeline.grounding.sentences import WORD, sentences
from inference_pipeline.retrieval.follow_up import LONGEST, FollowUp, leans
from inference_pipeline.retrieval.selection import select
from inference_pipeline.retrieval.timely import in_time, within
from inference_pipeline.retrieval.when import asked_when

_RECENT = re.compile(
    r"\b(lately|recent(ly)?|newest|latest|these days|last (week|month)|this year|new)\b", re.IGNORECASE
)
_FIRST = re.compile(r"\b(first|oldest|earliest)\b", re.IGNORECASE)
_NO_TOPIC = set(
    "a about all and any anything are at been blog can did do doing for from going has have i in is it just me "
    "mind my new of on or please post posted posts published say so some something story tell that the thing "
    "things think thinking this to up us was were what what's whats which who with work working write writing "
    "written wrote year you your lately recent recently newest latest these days last week month first oldest earliest "
    "publish publishing list show summarize summarise summary interested busy topic topics subject subjects "
    "when".split()
)


def retrieve(
    store: FeatureStore,
    question: str,
    author: str,
    limit: int,
    filters: Filters | None = None,
    follow: FollowUp | None = None,
) -> list[Passage]:
    """Up to `limit` passages, best first; none where the author has written nothing that fits."""
    if dated := asks_by_date(question, alone=follow is None):
        days, oldest = dated
        return store.newest(author, limit, (filters or Filters()).and_days_of(days), oldest)
    gist = asked_in(question) if follow is None else None
    asked = [question] if follow is None or follow.moves_on else []
    texts = [*([gist] if gist else []), *asked, *([follow.searched] if follow else [])]
    searches = [store.search(asked_when(text).searched, author, filters=filters) for text in texts]
    # Whether the author wrote about it is judged by what moves on, and else by the whole of what is asked.
    when, hits = asked_when(follow.asked if follow and not follow.moves_on else gist or question), searches[0]
    if not answerable(store, when.topic, hits):
        return []
    searches.append(within(store, author, when, filters, hits, limit))
    return select(store, in_time(store, fuse(*searches), when, limit), limit)


def asked_in(question: str) -> str | None:
    """What a long question asks, behind all that it tells before: an embedder reads the beginning of it alone.

    None for a short one, and where what it asks can be understood only with the rest.
    """
    if len(question) <= LONGEST:
        return None
    said = [question[start:end] for start, end in sentences(question)]
    asking = " ".join([one for one in said if one.endswith("?")] or said[-1:])[-LONGEST:]
    return None if leans(asking) else asking


def asks_by_date(question: str, alone: bool = True) -> tuple[Filters, bool] | None:
    """The days that are asked for, and whether the oldest: "What have you written about lately?", "… in 2012?".

    None where the question names a topic to search for, or leans on one: then it is not `alone`.
    """
    when = asked_when(question)
    recent, first = bool(_RECENT.search(question)), bool(_FIRST.search(question))
    words = WORD.findall(when.searched.lower().replace("’", "'"))
    if not (recent or (alone and (first or when.span))) or not all(word in _NO_TOPIC for word in words):
        return None
    return when.span, first and not recent
