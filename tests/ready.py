"""Imported where the children of a test are forked from: an ingest in one of them begins at once, as all of it is loaded."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from contracts.feature_store import FeatureStore
from feature_pipeline import pipeline
from tests.fakes import WordEmbedder

with TemporaryDirectory() as home:
    (Path(home) / "posts").mkdir()
    (Path(home) / "posts" / "one.md").write_text("The clock runs slow when the rain falls on the roof. " * 4)
    store = FeatureStore(Path(home) / "home", WordEmbedder())
    pipeline.run([str(Path(home) / "posts")], "Ada", store)
    store.close()
