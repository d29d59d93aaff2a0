"""The default models, by the commands that a person types: posts in, an adapter trained, an answer that can be checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from tests.fakes import recipe, recipe_file

EXAMPLES = Path(__file__).parents[1] / "examples"
WREN = "Wren Halloway"


def some(folder: Path, count: int, to: Path) -> Path:
    """The `count` shortest posts of a folder, in one of their own."""
    to.mkdir()
    for path in sorted(folder.glob("*.md"), key=lambda path: (path.stat().st_size, path.name))[:count]:
        shutil.copy(path, to)
    return to


def twin(*arguments: str | Path) -> Any:
    """What the command prints as JSON, and nothing beside it."""
    command = [sys.executable, "-m", "ui.cli", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(900)  # seven commands, each of which loads a model
def test_from_posts_to_a_cited_answer(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_MAX_NEW_TOKENS", "48")
    posts = some(EXAMPLES / "wren_halloway", 12, tmp_path / "posts")
    others = some(EXAMPLES / "reference" / "tomas_lindqvist", 3, tmp_path / "others")
    report = twin("ingest", posts, "--author", WREN)
    assert (report["found"], report["added"]) == (12, 12)
    assert twin("ingest", others, "--author", "Tomas Lindqvist", "--reference")["added"] == 3

    chosen = recipe(
        batch=2, epochs=1, max_tokens=256, train_tokens=1_500, validate_times=1, validation_examples=1, eval_posts=1,
        generations=1, generation_tokens=8, learning_rate=5e-4,
    )  # fmt: skip
    made = twin("train", "--author", WREN, "--recipe", recipe_file(tmp_path / "tiny.toml", chosen))
    assert (made["model"], made["base_model"]) == (f"{WREN}@v1", "SmolLM2-135M-Instruct")
    assert 2 <= made["training"]["steps"] <= 6
    assert made["gate"]  # one held-out post proves nothing
    assert not made["promoted"]
    assert json.loads((own_home / "models" / WREN / "v1" / "adapter_config.json").read_text(encoding="utf-8"))[
        "base_model_name_or_path"
    ] == "SmolLM2-135M-Instruct"  # fmt: skip

    title = next(iter(sorted(posts.glob("*dust*")))).read_text(encoding="utf-8").split("title: ")[1].splitlines()[0]
    answer = twin("ask", f"What have you written about {title}?", "--author", WREN, "--model", f"{WREN}@v1")
    assert answer["answer"].strip()
    assert answer["model"] == f"{WREN}@v1"
    assert answer["citations"]
    store = FeatureStore(own_home, SentenceEmbedder())
    for citation in answer["citations"]:
        whole = store.post(citation["post_id"], WREN)
        assert whole.text[citation["start"] : citation["end"]] == citation["text"]

    points = ("--point", title, "--point", "How the Large Hadron Collider cools its magnets")
    draft = twin("draft", "Of dust", *points, "--words", "20", "--author", WREN, "--model", f"{WREN}@v1")
    assert [section["status"] for section in draft["sections"]] == ["written", "nothing"]
    assert (draft["model"], draft["words"] > 0) == (f"{WREN}@v1", True)
    for citation in draft["citations"]:
        whole = store.post(citation["post_id"], WREN)
        assert whole.text[citation["start"] : citation["end"]] == citation["text"]
        assert f"[{citation['marker']}]" in draft["text"]
    store.close()
