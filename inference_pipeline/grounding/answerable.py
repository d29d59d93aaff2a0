"""Whether the author has written about what is asked: a logistic rule on two figures, fitted on labelled questions.

The first is the cosine of the question and the nearest chunk; the second the share of the question's words that one of the
best passages holds, each weighted by how rare it is among the candidates: a word that none of them has weighs most.
docs/decisions/0005 has the curve, and how the coefficients were fitted. Who quotes the title of a post is answered from it.

Each embedder spreads its cosines otherwise. One that no coefficients were fitted for is not asked: words alone decide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.embedder import DEFAULT_FINGERPRINTS
from contracts.feature_store import FeatureStore, Filters
from contracts.feature_store.ledger import Text
from contracts.feature_store.retrieve import best, fuse
from contracts.feature_store.store import Hit
from contracts.records import NearestPost
from inference_pipeline.grounding.sentences import content_words

BEST = 4  # passages, as many as an answer is written from by default
NEAREST = 3  # posts

# Of all-MiniLM-L6-v2 on benchmarks/questions_skeeto.tsv, as are the cosines in support.py; another embedder needs its own.
FITTED = DEFAULT_FINGERPRINTS
BIAS, COSINE, COVERAGE = -12.0, 18.4, 6.6
LEAST = 0.4  # of the probability: to refuse what the author wrote about is the worse mistake
COVERED = 0.5  # of the question's words, where they alone decide
SHORTEST_TITLE = 4  # characters

_QUOTED = re.compile(r"[“\"]([^”\"\n]+)[”\"]")

_ASKING = content_words(
    "advice advise anything ask best blog currently describe different ever everything explain favourite favorite find "
    "happened help how latest lately look mean need newest nowadays often opinion opinions post posts posted prefer recent "
    "recently recommend someone start tell thoughts today tried try want wanted work worked write writing written wrote"
)


@dataclass(frozen=True)
class Evidence:
    """What was found for a question, as far as it says whether it can be answered."""

    cosine: float
    coverage: float
    named: bool = False
    """The question quotes the title of a post that was found."""

    @property
    def probability(self) -> float:
        return 1.0 if self.named else 1 / (1 + math.exp(-(BIAS + COSINE * self.cosine + COVERAGE * self.coverage)))


def fitted(store: FeatureStore) -> bool:
    """Whether the cosines of what is served are those that the thresholds here and in support.py were fitted on."""
    version = store.active()
    return version is not None and version.embedder in FITTED


def answerable(store: FeatureStore, question: str, hits: Sequence[Hit]) -> bool:
    found = evidence(store, question, hits)
    if fitted(store):
        return found.probability >= LEAST
    return found.named or (bool(_topic(question)) and found.coverage >= COVERED)


def evidence(store: FeatureStore, question: str, hits: Sequence[Hit]) -> Evidence:
    if not hits:
        return Evidence(0.0, 0.0)
    ranked = fuse(hits)
    texts = store.texts_of([chunk.chunk_id for chunk in ranked])
    found = [(chunk.score, texts[chunk.chunk_id]) for chunk in ranked if chunk.chunk_id in texts]
    candidates = [text for _, text in sorted(found, key=lambda one: (-one[0], one[1].post_id, one[1].start))]
    named = any(names(question, passage.title) for passage in candidates)
    return Evidence(max(hit.similarity for hit in hits), coverage(question, candidates), named)


def coverage(question: str, candidates: Sequence[Text]) -> float:
    """Weighted share of the question's content words in that of the BEST first that holds most; 1 where it has none."""
    words = sorted(_topic(question))
    patterns = {word: re.compile(rf"\b{re.escape(word)}e?(?:['’]s|ing|d|ed|es|s)?\b") for word in words}
    texts = [f"{passage.title}\n{passage.text}".lower() for passage in candidates]
    # That a text has the letters at all is seen 20 times faster than that it has the word.
    holding = {
        word: [word in text and bool(pattern.search(text)) for text in texts] for word, pattern in patterns.items()
    }
    weights = {word: math.log((len(texts) + 1) / (sum(holds) + 0.5)) for word, holds in holding.items()}
    covered = (sum(weights[word] for word in words if holding[word][place]) for place in range(len(texts[:BEST])))
    total = sum(weights.values())
    return max(covered, default=0.0) / total if total > 0 else 1.0


def _topic(question: str) -> set[str]:
    return content_words(question) - _ASKING


def names(question: str, title: str) -> bool:
    """Whether the question has the title in quotation marks; its end may be left out, as in “A long …”."""
    quoted = (match.rstrip("… ") for match in _QUOTED.findall(question))
    return any(len(words) >= SHORTEST_TITLE and title.casefold().startswith(words.casefold()) for words in quoted)


def nearest(store: FeatureStore, question: str, author: str, filters: Filters | None = None) -> tuple[NearestPost, ...]:
    """The posts that a reader may want instead of an answer, best first; of those that the filters let through."""
    found = best(store, store.search(question, author, filters=filters), NEAREST * BEST)
    posts = {passage.post_id: passage for passage in reversed(found)}
    first = sorted(posts.values(), key=lambda passage: (-passage.score, passage.post_id))[:NEAREST]
    return tuple(NearestPost(post_id=p.post_id, title=p.title, date=p.date, url=p.url) for p in first)
