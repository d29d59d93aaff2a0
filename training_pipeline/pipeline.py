"""The training pipeline: read → train → evaluate → register → promote.

A run has a folder of its own, named by everything that decides its outcome. Stopped at any moment, it goes on from its
last checkpoint; once its version is registered, the same run has nothing left to do, and says so before torch is loaded.
"""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from contracts import hardware
from contracts.base_model import BaseLanguageModel
from contracts.errors import Mismatch, StoreBusy
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.prompt import PROMPT_HASH
from contracts.records import AdapterCard, Figure, Split, digest
from training_pipeline import data
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peft import PeftModel

LIBRARIES = ("torch", "transformers", "peft", "trl", "tokenizers")
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Outcome:
    """The version, whether it became champion, and whether this run made it or found it registered."""

    version: ModelVersion
    promoted: bool
    new: bool
    seconds: float


def run(
    author: str,
    store: FeatureStore,
    registry: ModelRegistry,
    base: BaseLanguageModel,
    recipe: Recipe,
    home: Path,
    *,
    resume: bool = False,
    progress: Progress = lambda stage, done, of: None,
) -> Outcome:
    """Train, evaluate and register a version; promote it where it passes the recipe's gate."""
    began = time.monotonic()
    corpus = data.read(store, author)
    run_id = digest(author, recipe.model_dump_json(), base.hash, base.tokenizer_hash, PROMPT_HASH, corpus.hash)
    champion = registry.champion(author)
    done = _registered(registry, author, run_id) if resume else None
    if done and not (home / "runs" / run_id).exists():
        return Outcome(done, champion is not None and champion.number == done.number, False, time.monotonic() - began)
    with _folder(home / "runs" / run_id, resume) as folder:
        if done:  # stopped after it was registered, before it could be promoted
            _finish(done, store, registry, folder)
            return Outcome(done, not done.card.gate, False, time.monotonic() - began)
        curve = _train(corpus, base, recipe, folder, progress)
        figures = _evaluate(corpus, base, recipe, folder / "adapter", progress)
        card = _card(corpus, base, recipe, run_id, curve, figures, champion)
        version = registry.register(card, folder / "adapter")
        _finish(version, store, registry, folder)
    return Outcome(version, not card.gate, True, time.monotonic() - began)


def _finish(version: ModelVersion, store: FeatureStore, registry: ModelRegistry, folder: Path) -> None:
    """Promote the version if it may be; the run's folder goes last, for while it is there the run is not over."""
    if not version.card.gate:
        store.freeze_split(version.author)
        registry.promote(version.name)
    shutil.rmtree(folder, ignore_errors=True)


def reevaluate(
    model: str,
    store: FeatureStore,
    registry: ModelRegistry,
    base: BaseLanguageModel,
    progress: Progress = lambda stage, done, of: None,
) -> tuple[ModelVersion, dict[str, Figure]]:
    """The figures of a registered version on today's held-out posts; its card stays as it is."""
    version = registry.checked(model)
    if version.card.base_model_hash != base.hash:
        raise Mismatch(
            f"{version.name} belongs to another base model",
            version.card.base_model_hash,
            base.hash,
            f"set TWIN_BASE_MODEL={version.card.base_model}",
        )
    corpus = data.read(store, version.author)
    seen = {*version.card.posts["train"], *version.card.posts["validation"]}
    corpus.examples["test"] = [example for example in corpus.examples["test"] if example.post_id not in seen]
    recipe = Recipe.model_validate(version.card.recipe)
    return version, _evaluate(corpus, base, recipe, version.folder, progress)


def _train(
    corpus: data.Corpus, base: BaseLanguageModel, recipe: Recipe, folder: Path, progress: Progress
) -> dict[str, Any]:
    progress("load models", 0, None)
    from training_pipeline import lora

    tokenizer = base.tokenizer()
    usable = data.encode_all(corpus, corpus.examples["train"], tokenizer, recipe.max_tokens)
    train = data.within_budget(usable, recipe.train_tokens // recipe.epochs, recipe.seed)
    validation = data.encode_all(corpus, corpus.examples["validation"], tokenizer, recipe.max_tokens)
    validation = validation[: recipe.validation_examples]
    data.check(train, validation, len(corpus.examples["train"]))
    progress("train", 0, None)
    began = time.monotonic()
    curve = lora.train(base, train, validation, recipe, folder, progress)
    seconds = time.monotonic() - began
    posts = sorted({example.post_id for example in train})
    return {
        "posts": posts,
        "examples": len(train),
        "tokens": sum(len(e.ids) for e in train),
        "seconds": round(seconds, 1),
        **curve,
    }


def _evaluate(
    corpus: data.Corpus, base: BaseLanguageModel, recipe: Recipe, adapter: Path, progress: Progress
) -> dict[str, Figure]:
    progress("measure", 0, None)
    from peft import PeftModel

    from training_pipeline import evaluate

    model: PeftModel = PeftModel.from_pretrained(base.load(), str(adapter))
    return evaluate.evaluate(model, base.tokenizer(), corpus, recipe, progress)


def _card(
    corpus: data.Corpus,
    base: BaseLanguageModel,
    recipe: Recipe,
    run_id: str,
    curve: dict[str, Any],
    figures: dict[str, Figure],
    champion: ModelVersion | None,
) -> AdapterCard:
    from training_pipeline.evaluate import gate

    parts: tuple[Split, ...] = ("train", "validation", "test")
    return AdapterCard(
        author=corpus.author,
        run_id=run_id,
        created=dt.datetime.now(dt.UTC),
        snapshot=corpus.snapshot,
        posts={
            **{part: tuple(sorted({e.post_id for e in corpus.examples[part]})) for part in parts},
            "train": tuple(curve.pop("posts")),
        },
        examples=int(curve["examples"]),
        prompt_hash=PROMPT_HASH,
        base_model=base.name,
        base_model_hash=base.hash,
        tokenizer_hash=base.tokenizer_hash,
        recipe=recipe.model_dump(),
        seed=recipe.seed,
        libraries={name: installed(name) for name in LIBRARIES},
        environment=hardware.describe(),
        training=curve,
        evaluation=figures,
        gate=gate(figures, recipe),
        parent=champion.name if champion else None,
    )


def _registered(registry: ModelRegistry, author: str, run_id: str) -> ModelVersion | None:
    made = [version for version in registry.versions(author) if version.card.run_id == run_id]
    return made[-1] if made else None


@contextmanager
def _folder(folder: Path, resume: bool) -> Iterator[Path]:
    """The run's folder, held by this process alone; emptied first unless it is to be resumed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreBusy("this very training runs already in another process", "wait until it has finished") from error
    try:
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        yield folder
    finally:
        lock.release()
