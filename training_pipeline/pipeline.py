"""The training pipeline: read → train → evaluate → register → promote → report.

A run has a folder of its own, named by everything that decides its outcome. Stopped at any moment, it goes on from its
last checkpoint; once its version is registered, the same run has nothing left to do, and says so before torch is loaded.
"""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import hardware
from contracts.base_model import BaseLanguageModel
from contracts.errors import NotFound
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.prompt import PROMPT_HASH
from contracts.records import AdapterCard, Figure, Split, digest
from training_pipeline import data, model_card, report
from training_pipeline.recipe import Recipe
from training_pipeline.run_folder import held, is_first

if TYPE_CHECKING:
    from peft import PeftModel

LIBRARIES = ("torch", "transformers", "peft", "trl", "tokenizers")
Progress = Callable[[str, int, int | None], None]


def _silent(stage: str, done: int, of: int | None) -> None:
    return None


@dataclass(frozen=True)
class Outcome:
    """The version, whether it became champion, and whether this run made it or found it registered."""

    version: ModelVersion
    promoted: bool
    new: bool
    seconds: float
    report: Path | None = None
    replaced: str = ""
    """The version that is deleted, because it had learned from posts that are forgotten."""


def run(
    author: str,
    store: FeatureStore,
    registry: ModelRegistry,
    base: BaseLanguageModel,
    recipe: Recipe,
    home: Path,
    *,
    resume: bool = False,
    without_forgotten: bool = False,
    progress: Progress = _silent,
) -> Outcome | None:
    """Train, evaluate and register a version; promote it where it passes the recipe's gate.

    None in all but the first of several processes, which alone measures and registers.
    `without_forgotten`: the version replaces a champion that learned from posts which are forgotten since.
    """
    began = time.monotonic()
    if not is_first():
        progress = _silent
    corpus = data.read(store, author)
    run_id = digest(author, recipe.model_dump_json(), base.hash, base.tokenizer_hash, PROMPT_HASH, corpus.hash)
    champion = registry.champion(author)
    done = _registered(registry, author, run_id) if resume else None
    if done and not (home / "runs" / run_id).exists():
        return Outcome(done, champion is not None and champion.number == done.number, False, time.monotonic() - began)
    forgotten = _forgotten(registry, champion, author) if without_forgotten and not done else 0
    with held(home / "runs" / run_id, resume) as folder:
        version = done
        if not version:  # else it was stopped after it was registered, before it could be promoted
            curve = train(corpus, base, recipe, folder, progress)
            if not is_first():
                return None
            figures = measure(corpus, base, recipe, folder / "adapter", progress)
            if forgotten:
                curve["without_forgotten"] = forgotten
            card = _card(corpus, base, recipe, run_id, curve, figures, champion)
            licensed = model_card.licence(base)
            version = registry.register(
                card, folder / "adapter", readme=lambda name: model_card.text(name, card, licensed)
            )
        promoted = _decide(version, store, registry)
        replaced = _replace(version, registry, home) if promoted else ""
        page = report.write(home, version, store, promoted)
        shutil.rmtree(folder, ignore_errors=True)  # last: while the folder is there, the run is not over
    return Outcome(version, promoted, not done, time.monotonic() - began, page, replaced)


def _decide(version: ModelVersion, store: FeatureStore, registry: ModelRegistry) -> bool:
    """Promote the version if it may be. From then on its held-out posts stay held out."""
    if not version.card.gate:
        store.freeze_split(version.author)
    return registry.decide(version.name)


def _forgotten(registry: ModelRegistry, champion: ModelVersion | None, author: str) -> int:
    """How many posts that the champion learned from are forgotten since. Raises NotFound where none is."""
    count = registry.forgotten(champion) if champion else 0
    if not count:
        raise NotFound(
            f"no champion of {author!r} has learned from posts that are forgotten", f"twin train --author {author!r}"
        )
    return count


def _replace(version: ModelVersion, registry: ModelRegistry, home: Path) -> str:
    """Delete the champion before it, if it was made to replace that: forgotten words are in its weights."""
    parents = [other for other in registry.versions(version.author) if other.name == version.card.parent]
    if not parents or "without_forgotten" not in version.card.training:
        return ""
    registry.delete(parents[0].name, why=f"{version.name} replaces it, trained without posts that are forgotten")
    report.place(home, version.author, parents[0].number).unlink(missing_ok=True)
    return parents[0].name


def reevaluate(
    model: str,
    store: FeatureStore,
    registry: ModelRegistry,
    base: BaseLanguageModel,
    progress: Progress = _silent,
) -> tuple[ModelVersion, dict[str, Figure]]:
    """The figures of a registered version on today's held-out posts; its card stays as it is."""
    version = registry.get(model)
    version.check(base)
    corpus = data.read(store, version.author)
    seen = {*version.card.posts["train"], *version.card.posts["validation"]}
    corpus.examples["test"] = [example for example in corpus.examples["test"] if example.post_id not in seen]
    recipe = Recipe.model_validate(version.card.recipe)
    return version, measure(corpus, base, recipe, version.folder, progress)


def train(
    corpus: data.Corpus, base: BaseLanguageModel, recipe: Recipe, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Fine-tune into `folder`/adapter; what was learned from, the loss curves and what it cost."""
    progress("load models", 0, None)
    from training_pipeline import lora

    tokenizer = base.tokenizer()
    train, validation = data.chosen(corpus, tokenizer, recipe), data.validation(corpus, tokenizer, recipe)
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


def measure(
    corpus: data.Corpus, base: BaseLanguageModel, recipe: Recipe, adapter: Path, progress: Progress
) -> dict[str, Figure]:
    """What the adapter proves on the corpus' held-out posts."""
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
        template_hash=base.template_hash,
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
