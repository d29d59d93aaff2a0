"""Find the passages that a question is answered from: the best ones, the newest ones, or none where nothing fits."""

from __future__ import annotations

import re

from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import best
from contracts.records import Passage

# Under this cosine of question and nearest chunk, no passage is about the question; docs/decisions/0005 has the curve.
LEAST_SIMILARITY = 0.35

_RECENT = re.compile(
    r"\b(lately|recent(ly)?|newest|latest|these days|last (week|month)|this year|new)\b", re.IGNORECASE
)
_NO_TOPIC = set(
    "a about all and any anything are at been blog can did do doing for from going has have i in is it just me "
    "mind my new of on or please post posted posts published say so some something story tell that the thing "
    "things think thinking this to up us was were what what's whats which who with work working write writing "
    "written wrote year you your lately recent recently newest latest these days last week month".split()
)


def retrieve(store: FeatureStore, question: str, author: str, limit: int) -> list[Passage]:
    """Up to `limit` passages, best first; none where the author has written nothing that fits."""
    if asks_for_news(question):
        return store.newest(author, limit)
    hits = store.search(question, author)
    return best(store, hits, limit) if any(hit.similarity >= LEAST_SIMILARITY for hit in hits) else []


def asks_for_news(question: str) -> bool:
    """Whether it asks what is new, and names no topic to search for: "What have you written about lately?"."""
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)?", question.lower().replace("’", "'"))
    return bool(_RECENT.search(question)) and all(word in _NO_TOPIC for word in words)
