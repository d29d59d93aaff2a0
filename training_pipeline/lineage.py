"""What a version came from, and what two versions differ in; made from cards, and for titles from the feature store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.records import AdapterCard, Figure, Post, Record, Snapshot, Split, VersionStatus

if TYPE_CHECKING:
    from contracts.feature_store import FeatureStore

PARTS: tuple[Split, ...] = ("train", "validation", "test")
Pair = tuple[Any, Any]
"""Of the first version and of the second; None where one has no such thing."""


class Difference(Record):
    """What the second of two versions has that the first has not, and the other way round."""

    names: tuple[str, str]
    recipe: dict[str, Pair]
    """Only what differs, here and below; a setting in a table by its path, such as `gate.delta_nll_low`."""
    posts_added: dict[Split, tuple[str, ...]]
    posts_removed: dict[Split, tuple[str, ...]]
    snapshot: dict[str, Pair]
    base: dict[str, Pair]
    """Base model, and the hashes of it, the tokenizer, the chat template and the prompt."""
    libraries: dict[str, Pair]
    environment: dict[str, Pair]
    figures: dict[str, tuple[Figure | None, Figure | None]]
    """All of them, with their intervals."""


class Ancestor(Record):
    """A version and the champion that it was measured against, or why nothing more is known of that."""

    name: str
    created: dt.datetime | None = None
    snapshot: str = ""
    note: str = ""


class Origin(Record):
    """A post of the split; the store's facts about it where it is still there."""

    post_id: str
    part: Split
    stored: bool
    title: str = ""
    date: dt.date | None = None
    source: str = ""
    url: str | None = None


class Lineage(Record):
    """Version → its parents, oldest last → snapshot → feature version → posts."""

    name: str
    ancestors: tuple[Ancestor, ...]
    snapshot: Snapshot
    features: VersionStatus | None
    """How the snapshot's texts were cut and embedded; None where the store does not know that version any more."""
    posts: tuple[Origin, ...]


def diff(a: ModelVersion, b: ModelVersion) -> Difference:
    """What made `b` another version than `a`, and both their figures."""
    x, y = a.card, b.card
    return Difference(
        names=(a.name, b.name),
        recipe=_changed(_flat(x.recipe), _flat(y.recipe)),
        posts_added={part: _without(y, x, part) for part in PARTS},
        posts_removed={part: _without(x, y, part) for part in PARTS},
        snapshot=_changed(x.snapshot.model_dump(), y.snapshot.model_dump()),
        base=_changed(_base(x), _base(y)),
        libraries=_changed(x.libraries, y.libraries),
        environment=_changed(x.environment, y.environment),
        figures={name: (x.evaluation.get(name), y.evaluation.get(name)) for name in {**x.evaluation, **y.evaluation}},
    )


def lineage(version: ModelVersion, registry: ModelRegistry, store: FeatureStore) -> Lineage:
    """Reads the store once; a post that is gone from it keeps its id alone."""
    card = version.card
    ids = [post_id for part in PARTS for post_id in card.posts.get(part, ())]
    stored = {post.id: post for post in store.posts_by_id(ids) if post.author == card.author}
    built = {status.id: status for status in store.versions.all()}
    return Lineage(
        name=version.name,
        ancestors=tuple(_ancestors(card.parent, registry)),
        snapshot=card.snapshot,
        features=built.get(card.snapshot.feature_version),
        posts=tuple(_origin(post_id, part, stored) for part in PARTS for post_id in card.posts.get(part, ())),
    )


def _ancestors(parent: str | None, registry: ModelRegistry) -> Iterator[Ancestor]:
    seen: set[str] = set()
    while parent and parent not in seen:
        seen.add(parent)
        author, _, number = parent.rpartition("@v")
        found = next((version for version in registry.versions(author) if version.name == parent), None)
        if found is None:
            when = registry.deleted(author).get(int(number))
            yield Ancestor(name=parent, note=f"deleted on {when:%Y-%m-%d}" if when else "not registered")
            return
        yield Ancestor(name=parent, created=found.card.created, snapshot=found.card.snapshot.id)
        parent = found.card.parent


def _origin(post_id: str, part: Split, stored: Mapping[str, Post]) -> Origin:
    post = stored.get(post_id)
    if post is None:
        return Origin(post_id=post_id, part=part, stored=False)
    return Origin(
        post_id=post_id, part=part, stored=True, title=post.title, date=post.date, source=post.source, url=post.url
    )


def _base(card: AdapterCard) -> dict[str, Any]:
    names = ("base_model", "base_model_hash", "tokenizer_hash", "template_hash", "prompt_hash")
    return {name: getattr(card, name) for name in names}


def _without(card: AdapterCard, other: AdapterCard, part: Split) -> tuple[str, ...]:
    known: Collection[str] = set(other.posts.get(part, ()))
    return tuple(post_id for post_id in card.posts.get(part, ()) if post_id not in known)


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Pair]:
    return {name: (a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)}


def _flat(settings: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat.update(_flat(value, f"{path}{name}.") if isinstance(value, Mapping) else {f"{path}{name}": value})
    return flat
