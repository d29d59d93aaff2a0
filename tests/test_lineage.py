"""Lineage, and what two versions differ in."""

from __future__ import annotations

from pathlib import Path

from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from contracts.records import Figure, Snapshot
from tests.fakes import adapter, card, fill, post
from training_pipeline.lineage import diff, lineage


def test_two_versions_differ_in_what_made_them(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    proven = Figure(value=0.06, low=0.05, high=0.07, n=9, unit="nats per byte")
    first = registry.register(
        card(recipe={"name": "quick", "rank": 8, "gate": {"delta_nll_low": 0.0}}), adapter(tmp_path)
    )
    second = registry.register(
        card(
            run_id="2",
            recipe={"name": "quick", "rank": 16, "gate": {"delta_nll_low": 0.1}},
            posts={"train": ("a", "b"), "validation": ("b",), "test": ()},
            snapshot=Snapshot(id="t", feature_version="f", posts=2, chunks=1),
            libraries={"torch": "2"},
            template_hash="t",
            evaluation={"delta_nll": proven, "auc": proven},
        ),
        adapter(tmp_path),
    )
    found = diff(first, second)
    assert found.names == ("Ada@v1", "Ada@v2")
    assert found.recipe == {"rank": (8, 16), "gate.delta_nll_low": (0.0, 0.1)}
    assert found.posts_added == {"train": ("b",), "validation": (), "test": ()}
    assert found.posts_removed == {"train": (), "validation": (), "test": ("c",)}
    assert found.snapshot == {"id": ("s", "t"), "posts": (1, 2)}
    assert found.base == {"template_hash": ("", "t")}
    assert found.libraries == {"torch": (None, "2")}
    assert found.environment == {}
    assert found.figures == {"delta_nll": (first.card.evaluation["delta_nll"], proven), "auc": (None, proven)}
    same = diff(first, first)
    assert not any((same.recipe, same.snapshot, same.base, same.libraries))
    assert not any([*same.posts_added.values(), *same.posts_removed.values()])


def test_a_version_leads_back_to_its_parents_snapshot_and_posts(tmp_path: Path, store: FeatureStore) -> None:
    registry, made = ModelRegistry(tmp_path), adapter(tmp_path / "made")
    posts = [post(number, f"About clock {number} and its spring.") for number in range(3)]
    fill(store, posts)
    fill(store, [post(7, "By somebody else altogether.", author="Bob")])
    snapshot = store.pin()
    split = {"train": (posts[0].id, "gone"), "validation": (posts[1].id,), "test": (posts[2].id,)}
    for number, parent in enumerate([None, "Ada@v1", "Ada@v2", "Ada@v3"]):
        registry.register(card(run_id=str(number), parent=parent, snapshot=snapshot, posts=split), made)
    found = lineage(registry.get("Ada@v4"), registry, store)
    assert [(ancestor.name, ancestor.note) for ancestor in found.ancestors] == [
        ("Ada@v3", ""),
        ("Ada@v2", ""),
        ("Ada@v1", ""),
    ]
    assert found.snapshot == snapshot
    assert found.features is not None
    assert found.features.id == snapshot.feature_version
    assert [(origin.part, origin.title, origin.stored) for origin in found.posts] == [
        ("train", "Post 0", True),
        ("train", "", False),
        ("validation", "Post 1", True),
        ("test", "Post 2", True),
    ]
    first = found.posts[0]
    assert (first.post_id, first.date, first.source, first.url) == (posts[0].id, posts[0].date, "/posts", posts[0].url)
    assert found.posts[1].post_id == "gone"

    registry.delete("Ada@v2")
    notes = [ancestor.note for ancestor in lineage(registry.get("Ada@v4"), registry, store).ancestors]
    assert notes[0] == ""
    assert notes[1].startswith("deleted on 2")
    assert len(notes) == 2
    orphan = registry.register(card(run_id="x", parent="Ada@v99", snapshot=snapshot, posts=split), made)
    assert [ancestor.note for ancestor in lineage(orphan, registry, store).ancestors] == ["not registered"]
