"""What an author writes about, as a map: each post has a place near those that it is like, and each topic its telling words.

Made from vectors that are stored already, so that nothing is embedded, and no model is asked. Equal posts give an equal map.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.feature_store import FeatureStore
from contracts.feature_store.catalogue import Listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Numbers = NDArray[np.int64]

FEWEST = 10  # posts, below which a picture would say less than their list
MOST = 400  # posts on a map: more are sampled, evenly in time, for a layout of 1,000 takes 1.6 s, of 400 half a second
TOPICS, A_TOPIC = 8, 12  # topics at most, and the posts that make one more worth its colour
WORDS, EXAMPLES = 4, 5  # that a topic is named by, and is shown with
READ = 2_000  # characters of a post that its words are taken from
DIRECTIONS = 50  # in which posts differ most; the rest of a vector is noise to a layout
STEPS, NEIGHBOURS = 500, 30
SEED = 7

_ADDRESS = re.compile(r"\S*://\S*")
_WORD = r"[^\W\d_]{3,}(?:['’][^\W\d_]+)?"


@dataclass(frozen=True)
class Dot:
    """A post on the map; x and y are shares of its width and height, `topic` is the number of its topic, from 0."""

    id: str
    title: str
    date: dt.date | None
    x: float
    y: float
    topic: int


@dataclass(frozen=True)
class Topic:
    """Posts near each other. `words` are in many of these and in few others; `examples` are places in the map's dots."""

    words: tuple[str, ...]
    posts: int
    x: float
    y: float
    examples: tuple[int, ...]


@dataclass(frozen=True)
class TopicMap:
    """The largest topic comes first. Without dots: the posts are too few, or too alike, to tell topics apart."""

    of: int
    """How many posts the author has; `dots` may be a sample of them."""
    dots: tuple[Dot, ...] = ()
    topics: tuple[Topic, ...] = ()


class Maps:
    """The maps of a store's authors, each made once a snapshot. Kept in memory alone: what is forgotten is not on a disk."""

    def __init__(self, store: FeatureStore) -> None:
        self._store, self._lock = store, threading.Lock()
        self._made: dict[str, tuple[str, TopicMap]] = {}

    def get(self, author: str) -> TopicMap | None:
        """The map, if it is there and still true."""
        snapshot, found = self._made.get(author, ("", None))
        return found if found and snapshot == self._store.snapshot().id else None

    def of(self, author: str) -> TopicMap:
        """The map, made now if need be; whoever asks meanwhile waits for the same one."""
        with self._lock:
            found = self.get(author)
            if found is None:
                snapshot = self._store.snapshot().id
                found = draw(self._store, author)
                self._made[author] = (snapshot, found)
            return found


def draw(store: FeatureStore, author: str) -> TopicMap:
    """The author's map from what is stored now."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    known = sorted(store.dates(author), key=lambda post: (post.date or dt.date.min, post.id))
    every = max(1.0, len(known) / MOST)
    ids = [known[int(place * every)].id for place in range(min(len(known), MOST))]
    vectors = store.meanings(ids)
    posts = [post for post in store.catalogue.some(ids, READ) if post.id in vectors]
    if len(posts) < FEWEST:
        return TopicMap(len(known))
    meanings = np.stack([vectors[post.id] for post in posts])
    meanings /= np.maximum(np.linalg.norm(meanings, axis=1, keepdims=True), 1e-9)
    if len(np.unique(meanings.round(3), axis=0)) < FEWEST:
        return TopicMap(len(known))
    with threadpool_limits(1):  # sums in one order, so that a map is the same each time; and a core is left to answers
        places, topic_of = _laid_out(meanings)
    topics = _topics(posts, meanings, places, topic_of)
    dots = [
        Dot(post.id, post.title or post.beginning[:80], post.date, float(x), float(y), int(topic))
        for post, (x, y), topic in zip(posts, places, topic_of, strict=True)
    ]
    return TopicMap(len(known), tuple(dots), tuple(topics))


def _laid_out(meanings: Vectors) -> tuple[Vectors, Numbers]:
    """A place in the unit square for each post, and its topic; the largest topic is number 0."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count = len(meanings)
    directions = min(DIRECTIONS, count - 1, meanings.shape[1])
    reduced = PCA(directions, random_state=SEED).fit_transform(meanings)
    found = KMeans(min(TOPICS, max(2, count // A_TOPIC)), n_init=8, random_state=SEED).fit_predict(reduced)
    by_size = sorted(set(found), key=lambda topic: (-int((found == topic).sum()), int(topic)))
    renumbered = np.array([by_size.index(topic) for topic in found])
    near = min(NEIGHBOURS, (count - 1) / 3)
    laid = TSNE(2, init="pca", perplexity=near, max_iter=STEPS, random_state=SEED).fit_transform(reduced)
    low, high = laid.min(axis=0), laid.max(axis=0)
    return (laid - low) / np.maximum(high - low, 1e-9), renumbered


def _topics(posts: Sequence[Listed], meanings: Vectors, places: Vectors, topic_of: Numbers) -> list[Topic]:
    import numpy as np

    names = _telling(posts, topic_of)
    made = []
    for number, words in enumerate(names):
        mine = np.flatnonzero(topic_of == number)
        centre = meanings[mine].mean(axis=0)
        typical = mine[np.argsort(-(meanings[mine] @ centre), kind="stable")][:EXAMPLES]
        x, y = np.median(places[mine], axis=0)
        made.append(Topic(words, len(mine), float(x), float(y), tuple(int(place) for place in typical)))
    return made


def _telling(posts: Sequence[Listed], topic_of: Numbers) -> list[tuple[str, ...]]:
    """For each topic, words that many of its posts say often, and others less: share · log(share / share elsewhere).

    A word that is said n times in a post counts as 1 + log n, and in a title twice. Words that everybody uses weigh little
    by that, in any language; among a few posts in English the usual list helps, too.
    """
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer

    texts = [_ADDRESS.sub(" ", f"{post.title}\n{post.title}\n{post.beginning}") for post in posts]
    counter = CountVectorizer(token_pattern=_WORD, stop_words="english", min_df=2)
    try:
        said = counter.fit_transform(texts).astype(float)
    except ValueError:  # no word stands in two posts
        return [()] * (int(topic_of.max()) + 1)
    held = said.astype(bool)
    said.data = 1 + np.log(said.data)
    vocabulary, total = counter.get_feature_names_out(), np.asarray(said.sum(axis=0)).ravel()
    names = []
    for number in range(int(topic_of.max()) + 1):
        mine = topic_of == number
        inside = np.asarray(said[mine].sum(axis=0)).ravel()
        share = inside / mine.sum()
        elsewhere = (total - inside + 1) / (len(posts) - mine.sum() + 1)
        often = np.asarray(held[mine].sum(axis=0)).ravel() > max(1, mine.sum() // 10)
        weight = np.where(often, share * np.log(np.maximum(share / elsewhere, 1e-9)), -math.inf)
        best = (str(vocabulary[place]) for place in np.argsort(-weight, kind="stable") if weight[place] > 0)
        names.append(_apart(best))
    return names


def _apart(words: Iterable[str]) -> tuple[str, ...]:
    """The first few of them, without another form of one that is there: no “clocks” beside “clock”."""
    kept: list[str] = []
    for word in words:
        if not any(word.startswith(one[:-1]) or one.startswith(word[:-1]) for one in kept):
            kept.append(word)
        if len(kept) == WORDS:
            break
    return tuple(kept)
