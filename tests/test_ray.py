"""Ray does the same work: the same ids, the same store. A real Ray on this machine."""

from __future__ import annotations

import shutil
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import ray
from numpy.typing import NDArray

from contracts.errors import TwinError
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from feature_pipeline import pipeline
from feature_pipeline.batches import LocalEngine
from feature_pipeline.ray_engine import RayEngine
from tests.conftest import Twin
from tests.fakes import WordEmbedder


class Broken(WordEmbedder):
    def embed(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        raise LookupError("no word is known")


# Before the others, which start a Ray that this process then has.
def test_a_cluster_that_is_not_there_is_told_as_such(
    folder: Path, twin: Twin, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_EMBEDDER", str(embedder))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for named in (address, f"ray://{address}"):
        monkeypatch.setenv("RAY_ADDRESS", named)
        said = twin("ingest", folder, "--author", "Ada", "--engine", "ray")
        assert (said.code, said.out) == (1, "")
        assert f"twin: no Ray cluster answers at {named}: " in said.err
        assert "unset it" in said.err


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of what it will change in itself
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield RayEngine()
        ray.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "posts"
    made.mkdir()
    for number in range(150):
        text = f"---\ntitle: Post {number}\ndate: 2024-{number // 28 + 1:02}-{number % 28 + 1:02}\n---\n"
        text += f"About subject{number}, brass and é🧵.\n\n" * (number % 40 + 1)
        (made / f"{number:03}.md").write_text(text, encoding="utf-8")
    (made / "page.html").write_text("<html><body><article><p>A page of zinc.</p></article></body></html>", "utf-8")
    (made / "empty.md").write_text("# A title\n", "utf-8")
    return made


def life(home: Path, folder: Path, engine: LocalEngine | RayEngine) -> tuple[object, ...]:
    """Ingest, edit, ingest again; everything that a reader of the store could see."""
    store = FeatureStore(home, WordEmbedder())
    reports = [pipeline.run([str(folder)], "Ada", store, engine=engine)]
    (folder / "007.md").write_text("---\ntitle: Post 7\n---\nNow of copper.", encoding="utf-8")
    reports.append(pipeline.run([str(folder)], "Ada", store, engine=engine))
    counts = [{**report.as_json(), "seconds": 0} for report in reports]
    posts = sorted((post.id, post.content_hash, post.marks) for post in store.posts("Ada"))
    found = [passage.model_dump() for passage in search(store, "subject31 brass", "Ada", 10)]
    examples = [store.examples("Ada", part) for part in ("train", "validation", "test")]  # type: ignore[arg-type]
    size = store.index_size()
    store.close()
    return counts, posts, found, examples, size


def test_the_store_is_the_same_whichever_engine_filled_it(engine: RayEngine, folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    local = life(tmp_path / "local", folder, LocalEngine())
    shutil.rmtree(folder)
    shutil.move(copy, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert life(tmp_path / "ray", folder, engine) == local
    assert local[0][0]["added"] == 151  # type: ignore[index]
    assert local[0][1]["changed"] == 1  # type: ignore[index]


def test_a_worker_that_fails_is_told_as_such(engine: RayEngine, folder: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "home", Broken())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TwinError, match=r"as it embedded posts: .*no word is known"):
            pipeline.run([str(folder)], "Ada", store, engine=engine)
    store.close()
