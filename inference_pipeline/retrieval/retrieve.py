"""Find the passages that a question is answered from: the best ones, the newest ones, or none where nothing fits."""

from __future__ import annotations

import re

from contracts.feature_store import FeatureStore, Filters
from contracts.feature_store.retrieve import fuse
from contracts.records import Passage
from inference_pipeline.grounding.answerable import answerable
from inference_pipeline.retrieval.follow_up import FollowUp
from inference_pipeline.retrieval.selection import select
from inference_pipeline.retrieval.timely import in_time, within
from inference_pipeline.retrieval.when import asked_when

_RECENT = re.compile(
    r"\b(lately|recent(ly)?|newest|latest|these days|last (week|month)|this year|new)\b", re.IGNORECASE
)
_NO_TOPIC = set(
    "a about all and any anything are at been blog can did do doing for from going has have i in is it just me "
    "mind my new of on or please post posted posts published say so some something story tell that the thing "
    "things think thinking this to up us was were what what's whats which who with work working write writing "
    "written wrote year you your lately recent recently newest latest these days last week month".split()
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
    if asks_for_news(question):
        return store.newest(author, limit, filters)
    asked = [question] if follow is None or follow.moves_on else []
    texts = [*asked, follow.searched] if follow else asked
    searches = [store.search(asked_when(text).searched, author, filters=filters) for text in texts]
    # Whether the author wrote about it is judged by what moves on, and else by the whole of what is asked.
    when, hits = asked_when(follow.asked if follow and not follow.moves_on else question), searches[0]
    if not answerable(store, when.topic, hits):
        return []
    searches.append(within(store, author, when, filters, hits))
    return select(store, in_time(store, fuse(*searches), when, limit), limit)


def asks_for_news(question: str) -> bool:
    """Whether it asks what is new, and names no topic to search for: "What have you written about lately?"."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)?", question.lower().replace("’", "'"))
    return bool(_RECENT.search(question)) and all(word in _NO_TOPIC for word in words)
