from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from contracts.embedder import BATCH, BATCH_TOKENS, SentenceEmbedder, packed
from contracts.errors import ModelError
from contracts.files import sha256_of
from contracts.records import digest
from tests.fakes import tiny_embedder

WORDS = ["clock", "spring", "brass", "rain", "tea"]


def test_batches_are_of_like_length_and_hold_every_text_once() -> None:
    lengths = [3, 256, 40, 256, 7, 41] * 60
    batches = list(packed(lengths))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    assert all(len(batch) <= BATCH for batch in batches)
    assert all(len(batch) * lengths[batch[0]] <= BATCH_TOKENS for batch in batches)
    padded = sum(len(batch) * lengths[batch[0]] for batch in batches)
    assert padded < 1.12 * sum(lengths)


def test_a_text_longer_than_a_batch_has_one_of_its_own() -> None:
    assert list(packed([2, BATCH_TOKENS + 1, 2])) == [[1], [0, 2]]


def test_vectors_stand_in_the_order_of_the_texts_and_are_of_unit_length(tmp_path: Path) -> None:
    embedder = SentenceEmbedder(str(tiny_embedder(tmp_path, WORDS)))
    texts = [" ".join(WORDS[: 1 + n % 5]) for n in range(2 * BATCH + 3)]
    told: list[tuple[int, int]] = []
    vectors = embedder.embed(texts, lambda done, of: told.append((done, of)))
    assert vectors.shape == (len(texts), 128)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    for place in (0, 1, 64, 130):
        assert np.allclose(vectors[place], embedder.embed([texts[place]])[0], atol=1e-3)
    assert told == [(64, 131), (128, 131), (131, 131)]


def test_no_text_no_vector_and_no_model_loaded() -> None:
    assert SentenceEmbedder("nowhere/at-all").embed([]).shape == (0, 0)


def test_it_travels_by_its_name(tmp_path: Path) -> None:
    embedder = SentenceEmbedder(str(tiny_embedder(tmp_path, WORDS)))
    there = pickle.loads(pickle.dumps(embedder))
    assert (there.name, there.fingerprint) == (embedder.name, embedder.fingerprint)


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        SentenceEmbedder(str(tmp_path)).embed(["tea"])


HUB = "ann/words"


def revision(hub: Path, commit: str, words: list[str]) -> None:
    """A model in the layout of the hub's cache: the files by their hash, and what each commit and branch leads to."""
    repository = hub / f"models--{HUB.replace('/', '--')}"
    for made in tiny_embedder(hub / commit, words).rglob("*"):
        if made.is_file():
            blob = repository / "blobs" / sha256_of(made)
            blob.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(made.read_bytes())
            place = repository / "snapshots" / commit / made.relative_to(hub / commit)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(blob)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_another_revision_under_one_name_is_another_embedder(hub: Path) -> None:
    revision(hub, "1" * 40, WORDS)
    first = SentenceEmbedder(HUB).fingerprint
    revision(hub, "2" * 40, [*WORDS, "kettle"])
    assert SentenceEmbedder(HUB).fingerprint != first
    (hub / f"models--{HUB.replace('/', '--')}" / "refs" / "main").write_text("1" * 40)
    assert SentenceEmbedder(HUB).fingerprint == first


def test_the_same_weights_are_one_embedder_in_a_folder_and_in_the_cache(hub: Path) -> None:
    revision(hub, "1" * 40, WORDS)
    assert SentenceEmbedder(HUB).fingerprint == SentenceEmbedder(str(hub / ("1" * 40))).fingerprint


def test_what_is_in_the_cache_is_loaded_without_a_hub(hub: Path) -> None:
    revision(hub, "1" * 40, WORDS)
    vectors = SentenceEmbedder(HUB).embed(["clock", "tea"])
    assert np.allclose(vectors, SentenceEmbedder(str(hub / ("1" * 40))).embed(["clock", "tea"]), atol=1e-3)


def test_what_is_nowhere_has_a_name_only(hub: Path) -> None:
    assert SentenceEmbedder("nowhere/at-all").fingerprint == digest("nowhere/at-all")
    assert SentenceEmbedder("no such: name").fingerprint == digest("no such: name")


@pytest.mark.slow
def test_the_default_model_makes_what_sentence_transformers_makes() -> None:
    from sentence_transformers import SentenceTransformer

    embedder = SentenceEmbedder()
    texts = ["The clock runs slow when rain falls. " * n for n in (1, 3, 40)] + ["日本語の文章です。" * 30, "🧵", ""]
    plain = SentenceTransformer(embedder.folder, device="cpu").encode(texts, normalize_embeddings=True)
    assert (plain * embedder.embed(texts)).sum(axis=1).min() > 0.999
