"""The same work on a Ray cluster, for a corpus that one machine would clean for days: `twin ingest --engine ray`.

Sources are read and the store is written here; what lies between, the pure functions of batches.py, runs wherever Ray has
room. The cluster is the one that RAY_ADDRESS names, or else this machine. Needs the extra `ray`.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from contracts.errors import TwinError, UsageError
from contracts.progress import Progress
from contracts.records import Post
from feature_pipeline.batches import embed
from feature_pipeline.clean import clean
from feature_pipeline.sources import RawPost, Refusal
from feature_pipeline.sources.text import to_date

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from contracts.embedder import Embedder

    Vector = NDArray[np.float32]
    Batch = dict[str, Any]

AGAIN = "set RAY_ADDRESS to a cluster that runs, or unset it to work on this machine; or leave out --engine ray"
WORKERS = "what is stored stays: try again, or without --engine ray"
PATIENCE_S = 10.0
RAISED = re.compile(r"^[\w.]*(?:Error|Exception): .*", re.MULTILINE)
BLOCK = 64  # posts or texts that a worker takes at a time


class RayEngine:
    """Ray Data; results come back in the order of what was given."""

    batch = 4096  # posts that are in the air at once: enough for some dozens of workers

    def __init__(self) -> None:
        try:
            import ray
        except ImportError as error:
            raise UsageError("Ray is not installed", "python -m pip install 'ray[data]'") from error
        if not ray.is_initialized():
            address = os.environ.get("RAY_ADDRESS")
            with _told(f"no Ray cluster answers at {address}" if address else "Ray does not start here", AGAIN):
                _reach(address or "")
                ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False

    def clean(self, raws: Sequence[RawPost], author: str) -> list[Post | Refusal]:
        import ray

        rows = [{"place": place, "raw": json.dumps(asdict(raw), default=str)} for place, raw in enumerate(raws)]
        if not rows:
            return []
        with _told("a Ray worker failed as it cleaned posts", WORKERS):
            data = ray.data.from_items(rows).repartition(_blocks(rows))
            made = data.map_batches(_clean, batch_size=BLOCK, fn_kwargs={"author": author}).take_all()
        return [_read(row["made"]) for row in sorted(made, key=lambda row: row["place"])]

    def embed(self, texts: Sequence[str], embedder: Embedder, progress: Progress) -> list[Vector | None]:
        """One model a worker, which is loaded once; as many workers as the cluster has pairs of cores."""
        import ray

        rows = [{"place": place, "text": text} for place, text in enumerate(texts)]
        if not rows:
            return []
        with _told("a Ray worker failed as it embedded posts", WORKERS):
            workers = max(1, int(ray.cluster_resources().get("CPU", 1)) // 2)
            data = ray.data.from_items(rows).repartition(_blocks(rows))
            pool = ray.data.ActorPoolStrategy(size=workers)
            made = data.map_batches(_Embed, batch_size=BLOCK, compute=pool, fn_constructor_args=(embedder,)).take_all()
        progress("embed", len(rows), len(rows))
        ordered = sorted(made, key=lambda row: row["place"])
        return [row["vector"] if row["usable"] else None for row in ordered]


@contextmanager
def _told(what: str, instead: str) -> Iterator[None]:
    """Raises TwinError for whatever goes wrong in the cluster."""
    from ray.exceptions import RayError

    try:
        yield
    except (RayError, OSError, RuntimeError, ValueError) as error:
        said = RAISED.search(str(error))  # the first is what began it
        raise TwinError(f"{what}: {said[0] if said else str(error) or type(error).__name__}", instead) from error


def _reach(address: str) -> None:
    """Raises OSError where nothing answers: Ray itself would ask for a quarter of an hour."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=PATIENCE_S).close()


class _Embed:
    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def __call__(self, batch: Batch) -> Batch:
        import numpy as np

        made = embed([str(text) for text in batch["text"]], self.embedder)
        size = next((len(vector) for vector in made if vector is not None), 1)
        vectors = [np.zeros(size, np.float32) if vector is None else vector for vector in made]
        usable = [vector is not None for vector in made]
        return {"place": batch["place"], "vector": np.stack(vectors), "usable": np.array(usable)}


def _clean(batch: Batch, author: str) -> Batch:
    import numpy as np

    raws = [json.loads(raw) for raw in batch["raw"]]
    posts = [clean(RawPost(**{**raw, "date": to_date(raw["date"])}), author) for raw in raws]
    return {"place": batch["place"], "made": np.array([_written(post) for post in posts], dtype=object)}


def _written(post: Post | Refusal) -> str:
    return json.dumps({"refused": asdict(post)}) if isinstance(post, Refusal) else post.model_dump_json()


def _read(made: str) -> Post | Refusal:
    values = json.loads(made)
    return Refusal(**values["refused"]) if "refused" in values else Post.model_validate(values)


def _blocks(rows: Sequence[object]) -> int:
    return max(1, len(rows) // BLOCK)
