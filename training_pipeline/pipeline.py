"""The training pipeline: read → card → train → evaluate → register → promote → report.

A run has a folder of its own, named by everything that decides its outcome. Stopped at any moment, it goes on from its
last checkpoint; once its version is registered, the same run has nothing left to do, and says so before torch is loaded.
"""

from __future__ import annotations

import datetime as dt
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts import hardware
from contracts.base_model import BaseLanguageModel
from contracts.errors import NotFound, UsageError
from contracts.feature_store import FeatureStore
from contracts.files import read_json, write_atomic
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.progress import Progress, silent
from contracts.prompt import PROMPT_HASH
from contracts.records import AdapterCard, Split, digest
from training_pipeline import data, edits, model_card, report
from training_pipeline.evaluation.gate import gate
from training_pipeline.recipe import Recipe
from training_pipeline.run_folder import held, is_first

if TYPE_CHECKING:
    from peft import PeftModel

    from training_pipeline.data_card import DataCard
    from training_pipeline.evaluation.records import Evaluation

PROOF = "proof.json"  # in a run's folder: what it proved, with the texts
LIBRARIES = ("torch", "transformers", "peft", "trl", "tokenizers")


@dataclass(frozen=True)
class Outcome:
    """The version, whether it became champion, and whether this run made it or found it registered."""

    version: ModelVersion
    promoted: bool
    new: bool
    seconds: float
    report: Path | None = None
    refused: str = ""
    """Why it did not become champion; by its gate, or because another did while it was trained."""
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
    preference: bool = False,
    with_edits: bool = False,
    without_forgotten: bool = False,
    progress: Progress = silent,
) -> Outcome | None:
    """Train, evaluate and register a version; promote it where it passes the recipe's gate.

    None in all but the first of several processes, which alone measures and registers.
    `preference`: train on by the recipe's [preference], and keep that where it passes the gate too.
    `with_edits`: then also what people made of answers is preferred, as far as the feature pipeline has made lessons of it.
    `without_forgotten`: the version replaces a champion that learned from posts which are forgotten since.
    """
    began = time.monotonic()
    progress = progress if is_first() else silent
    if with_edits and not preference:
        raise UsageError("edits are learned from by preference", "add --preference")
    recipe = _with_preference(recipe) if preference else recipe.model_copy(update={"preference": None})
    corpus = edits.added(data.read(store, author), store) if with_edits else data.read(store, author)
    run_id = digest(author, recipe.deciding(), base.hash, base.tokenizer_hash, PROMPT_HASH, corpus.hash)
    champion = registry.champion(author)
    done = _registered(registry, author, run_id) if resume else None
    if done and not (home / "runs" / run_id).exists():
        return Outcome(done, champion is not None and champion.number == done.number, False, time.monotonic() - began)
    forgotten = _forgotten(registry, champion, author) if without_forgotten and not done else 0
    with held(home / "runs" / run_id, author, resume) as folder:
        learned = {} if done else train(corpus, base, recipe, folder, progress)
        preferred = prefer(corpus, base, recipe, folder, progress) if preference and not done else None
        if not is_first():
            return None
        version = done  # where it was stopped after it was registered, before it could be promoted
        if not version:
            adapter, proof, kept = prove(corpus, store, base, recipe, folder, preferred, registry, progress)
            if champion and forgotten:
                learned |= {"without_forgotten": forgotten, "replaces": champion.name}
            card = _card(corpus, base, recipe, run_id, learned | kept, proof, registry.champion(author))
            version = _register(registry, card, proof, adapter, base, folder)
        report.keep(home, version, folder / PROOF)
        promoted, refused = _decide(version, store, registry, base)
        replaced = _replace(version, registry, home) if promoted else ""
        page = report.write(home, version, store, promoted)
        shutil.rmtree(folder, ignore_errors=True)  # last: while the folder is there, the run is not over
    return Outcome(version, promoted, not done, time.monotonic() - began, page, refused, replaced)


def _with_preference(recipe: Recipe) -> Recipe:
    """Told before anything is trained. Raises UsageError."""
    if recipe.preference is None:
        raise UsageError(f"the recipe {recipe.name} has no section [preference]", "add one: see recipes/standard.toml")
    return recipe


def _register(
    registry: ModelRegistry, card: AdapterCard, proof: Evaluation, adapter: Path, base: BaseLanguageModel, folder: Path
) -> ModelVersion:
    write_atomic(folder / PROOF, proof.model_dump_json(indent=2) + "\n")
    write_atomic(adapter / "evaluation.json", proof.without_texts().model_dump_json(indent=2) + "\n")
    licensed = model_card.licence(base)
    return registry.register(card, adapter, readme=lambda name: model_card.text(name, card, licensed))


def _decide(
    version: ModelVersion, store: FeatureStore, registry: ModelRegistry, base: BaseLanguageModel
) -> tuple[bool, str]:
    """Promote the version if it may be, and why not. From then on its held-out posts stay held out.

    Judged against the champion of this moment: while it was trained, another may have taken the place of its parent.
    """
    card = version.card
    if not card.gate:
        store.freeze_split(version.author)
    recipe = Recipe.model_validate(card.recipe)
    promoted = registry.decide(
        version.name, lambda now: gate(card.evaluation, recipe, now.card.evaluation if now else None), base
    )
    history = registry.aliases(version.author).history
    refused = [one.why for one in history if one.version == version.number and one.did == "not promoted"]
    return promoted, "" if promoted else "; ".join(refused[-1:])


def plan(author: str, store: FeatureStore, base: BaseLanguageModel, recipe: Recipe) -> DataCard:
    """What a run would learn from, how long it would take, and whether it is worth it. Trains and stores nothing."""
    from training_pipeline import data_card

    corpus = data.read(store, author, keep=False)
    return data_card.build(corpus, data.select(corpus, base.tokenizer(), recipe), recipe, base)


def recipe_of_champion(author: str, registry: ModelRegistry) -> tuple[Recipe, bool, bool]:
    """What a successor of it is trained by: its recipe; whether by preference, too; and whether from edits, too."""
    card = registry.get(f"{author}@champion").card
    told = card.training.get("preference", {"not_kept": True})
    kept = not told["not_kept"]
    return Recipe.model_validate(card.recipe), kept, kept and told["edits"] > 0


def _forgotten(registry: ModelRegistry, champion: ModelVersion | None, author: str) -> int:
    """How many posts that the champion learned from are forgotten since. Raises NotFound where none is."""
    count = registry.forgotten(champion) if champion else 0
    if not count:
        raise NotFound(
            f"no champion of {author!r} has learned from posts that are forgotten", f"twin train --author {author!r}"
        )
    return count


def _replace(version: ModelVersion, registry: ModelRegistry, home: Path) -> str:
    """Delete the version that it was made to replace, if it was: forgotten words are in its weights."""
    wanted, held = version.card.training.get("replaces"), registry.aliases(version.author).of
    for other in registry.versions(version.author):
        if other.name == wanted and other.number not in held:
            registry.delete(other.name, why=f"{version.name} replaces it, trained without posts that are forgotten")
            report.delete(home, version.author, other.number)
            return other.name
    return ""


def train(
    corpus: data.Corpus, base: BaseLanguageModel, recipe: Recipe, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Fine-tune into `folder`/adapter; the data card of what was learned from, the loss curves and what it cost.

    Raises TrainingError where nothing could be trained.
    """
    from training_pipeline import data_card

    selection = data.select(corpus, base.tokenizer(), recipe)
    card, train = data_card.build(corpus, selection, recipe), selection.train
    progress("load models", 0, None)
    from training_pipeline import lora, samples

    progress("train", 0, None)
    began = time.monotonic()
    asked = samples.asked(corpus, base.tokenizer(), recipe)
    curve = lora.train(base, train, selection.validation, recipe, folder, progress, asked)
    seconds = time.monotonic() - began
    posts = sorted({post_id for example in train for post_id in (example.post_id, *example.shown)})
    return {
        "data": card.model_dump(mode="json"),
        "posts": posts,
        "examples": len(train),
        "tokens": sum(len(e.ids) for e in train),
        "seconds": round(seconds, 1),
        **curve,
    }


def prefer(corpus: data.Corpus, base: BaseLanguageModel, recipe: Recipe, folder: Path, progress: Progress) -> Path:
    """Train on from `folder`/adapter by preference; the folder of the adapter that it makes."""
    from training_pipeline import preference

    return preference.improve(base, folder / "adapter", corpus, recipe, folder, progress)


def prove(
    corpus: data.Corpus,
    store: FeatureStore,
    base: BaseLanguageModel,
    recipe: Recipe,
    folder: Path,
    preferred: Path | None,
    registry: ModelRegistry,
    progress: Progress,
) -> tuple[Path, Evaluation, dict[str, Any]]:
    """The adapter that is to be registered, what it proved, and what became of the preference step, if there was one."""
    adapter = folder / "adapter"
    proof = measure(corpus, store, base, recipe, adapter, progress)
    if preferred is None:
        return adapter, proof, {}
    second = measure(corpus, store, base, recipe, preferred, progress)
    reasons = _worse(second, proof, recipe, registry.champion(corpus.author))
    told = {"preference": {**read_json(folder / "preference.json"), "not_kept": reasons}}
    if corpus.edits or corpus.edits_left_out:
        told["preference"]["edits_left_out"] = corpus.edits_left_out
    return (adapter, proof, told) if reasons else (preferred, second, told)


def _worse(second: Evaluation, first: Evaluation, recipe: Recipe, champion: ModelVersion | None) -> list[str]:
    """Why the preference step is not kept: it has to pass the gate, and to be no worse than the adapter without it."""
    before = [first.figures, *([champion.card.evaluation] if champion else [])]
    return sorted({reason for figures in before for reason in gate(second.figures, recipe, figures)})


def measure(
    corpus: data.Corpus,
    store: FeatureStore,
    base: BaseLanguageModel,
    recipe: Recipe,
    adapter: Path,
    progress: Progress,
) -> Evaluation:
    """What the adapter proves on the corpus' held-out posts."""
    progress("measure", 0, None)
    from peft import PeftModel

    from training_pipeline.evaluation import evaluate

    model: PeftModel = PeftModel.from_pretrained(base.load(), str(adapter))
    return evaluate.evaluate(model, base.tokenizer(), corpus, recipe, progress, store.embedder.embed)


def _card(
    corpus: data.Corpus,
    base: BaseLanguageModel,
    recipe: Recipe,
    run_id: str,
    learned: dict[str, Any],
    proof: Evaluation,
    champion: ModelVersion | None,
) -> AdapterCard:
    parts: tuple[Split, ...] = ("train", "validation", "test")
    return AdapterCard(
        author=corpus.author,
        run_id=run_id,
        created=dt.datetime.now(dt.UTC),
        snapshot=corpus.snapshot,
        posts={
            **{part: tuple(sorted({e.post_id for e in corpus.examples[part]})) for part in parts},
            "train": tuple(sorted({*learned.pop("posts"), *_preferred(learned)})),
        },
        examples=int(learned["examples"]),
        prompt_hash=PROMPT_HASH,
        template_hash=base.template_hash,
        base_model=base.name,
        base_model_hash=base.hash,
        tokenizer_hash=base.tokenizer_hash,
        recipe=recipe.model_dump(),
        seed=recipe.seed,
        libraries={name: installed(name) for name in LIBRARIES},
        environment=hardware.describe(),
        training=learned,
        evaluation=proof.figures,
        gate=gate(proof.figures, recipe, champion.card.evaluation if champion else None),
        parent=champion.name if champion else None,
    )


def _preferred(learned: dict[str, Any]) -> list[str]:
    """Posts whose words the preference step learned with, where that was kept; the card has them with the others."""
    preference = learned.get("preference", {"not_kept": True})
    posts: list[str] = preference.pop("posts", [])
    return [] if preference["not_kept"] else posts


def _registered(registry: ModelRegistry, author: str, run_id: str) -> ModelVersion | None:
    made = [version for version in registry.versions(author) if version.card.run_id == run_id]
    return made[-1] if made else None
