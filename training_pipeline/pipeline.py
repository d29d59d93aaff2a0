"""The training pipeline: read → card → train → evaluate → register → promote → report.

A run has a folder of its own, named by everything that decides its outcome. Stopped at any moment, it goes on from its
last checkpoint; once its version is registered, the same run has nothing left to do, and says so before torch is loaded.
"""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from contracts.records import AdapterCard, Figure, Split, digest
from training_pipeline import data, edits, folds, model_card, report, run_folder
from training_pipeline.evaluation.gate import gate, without_gain
from training_pipeline.recipe import Recipe
from training_pipeline.recipe import of as recipe_of
from training_pipeline.run_folder import held, is_first, within_memory
from training_pipeline.stages import Run

if TYPE_CHECKING:
    from training_pipeline.data_card import DataCard
    from training_pipeline.evaluation.records import Evaluation

PROOF = "proof.json"  # in a run's folder: what it proved, with the texts
LIBRARIES = ("torch", "transformers", "peft", "trl", "tokenizers")


@dataclass(frozen=True)
class Parts:
    """The parts of the application that a training works with; `home` is where they keep their files."""

    store: FeatureStore
    registry: ModelRegistry
    base: BaseLanguageModel
    home: Path


@dataclass(frozen=True)
class Options:
    """What may be asked of a run beside its recipe."""

    resume: bool = False
    preference: bool = False
    """Train on by the recipe's [preference], and keep that where it passes the gate too."""
    with_edits: bool = False
    """Then also what people made of answers is preferred, as far as the feature pipeline has made lessons of it."""
    without_forgotten: bool = False
    """The version replaces a champion that learned from posts which are forgotten since."""
    new_split: bool = False
    """The newest fifth of today's posts is held out, though a champion depends on an older border. Done by the feature
    pipeline before the run."""
    folds: bool = False
    """Few posts: measure every one of them by a training that has not seen it, too."""


PLAIN = Options()


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
    parts: Parts,
    recipe: Recipe,
    options: Options = PLAIN,
    progress: Progress = silent,
    look: Callable[[DataCard], None] = lambda card: None,
    beside: Callable[[str], object] = lambda name: None,
) -> Outcome | None:
    """Train, evaluate and register a version; promote it where it passes the recipe's gate.

    `look` is shown what is learned from, before the first step. `beside`, given the name of a version that is replaced,
    removes what others keep about it.
    None in all but the first of several processes, which alone measures and registers.
    """
    began = time.monotonic()
    recipe, corpus = _recipe(recipe, options), _corpus(author, parts.store, options)
    run_id = _id(corpus, recipe, parts.base, options)
    registry, champion = parts.registry, parts.registry.champion(author)
    done = _registered(registry, author, run_id) if options.resume else None
    if done and not (parts.home / "runs" / run_id).exists():
        return Outcome(done, champion is not None and champion.number == done.number, False, time.monotonic() - began)
    replaces = _outdated(champion, registry, author) if options.without_forgotten and not done else {}
    with held(parts.home / "runs" / run_id, author, parts.base.name, options.resume) as folder, within_memory(recipe):
        version = done  # where it was stopped after it was registered, before it could be promoted
        if not version:
            made = Run(corpus, parts.base, recipe, folder, progress if is_first() else silent)
            learned = (replace(made, look=look) if is_first() else made).train()
            preferred = made.prefer() if options.preference else None
            folded = folds.train(made) if options.folds else []
            if is_first():
                champion = registry.champion(author)
                adapter, proof, kept = prove(made, preferred, champion, parts.home)
                proof = proof.model_copy(update={"figures": proof.figures | (folds.measure(folded) if folded else {})})
                card = _card(made, run_id, learned | kept | replaces, proof, champion)
                version = _register(parts, card, proof, adapter, folder)
        if not version or not is_first():
            return None
        report.keep(parts.home, version, folder / PROOF)
        promoted, refused = _decide(version, parts)
        replaced = _replace(version, parts, beside) if promoted else ""
        page = report.write(parts.home, version, parts.store, registry.aliases(author))
        shutil.rmtree(folder, ignore_errors=True)  # last: while the folder is there, the run is not over
    return Outcome(version, promoted, not done, time.monotonic() - began, page, refused, replaced)


def check(author: str, parts: Parts, recipe: Recipe, options: Options, made: Mapping[str, Split]) -> None:
    """Raises what a run would refuse before it trains, were the posts divided as `made` says. Loads no model."""
    from training_pipeline.load import require_machine

    require_machine(_recipe(recipe, options))
    if options.without_forgotten:
        _outdated(parts.registry.champion(author), parts.registry, author)
    if options.folds:
        folds.check(data.read(parts.store, author, keep=False).divided(made))


def _recipe(recipe: Recipe, options: Options) -> Recipe:
    """As it is followed. Told before anything is trained: raises UsageError."""
    if options.with_edits and not options.preference:
        raise UsageError("edits are learned from by preference", "add --preference")
    if not options.preference:
        return recipe.model_copy(update={"preference": None})
    if recipe.preference is None:
        raise UsageError(f"the recipe {recipe.name} has no section [preference]", "add one: see recipes/standard.toml")
    return recipe


def _corpus(author: str, store: FeatureStore, options: Options, keep: bool = True) -> data.Corpus:
    corpus = data.read(store, author, keep)
    if options.folds:
        folds.check(corpus)
    return edits.added(corpus, store) if options.with_edits else corpus


def _id(corpus: data.Corpus, recipe: Recipe, base: BaseLanguageModel, options: Options) -> str:
    """Of everything that decides what comes of a run."""
    folded = ["folds"] if options.folds else []
    return digest(corpus.author, recipe.deciding(), base.hash, base.tokenizer_hash, PROMPT_HASH, corpus.hash, *folded)


def _register(parts: Parts, card: AdapterCard, proof: Evaluation, adapter: Path, folder: Path) -> ModelVersion:
    write_atomic(folder / PROOF, proof.model_dump_json(indent=2) + "\n")
    write_atomic(adapter / "evaluation.json", proof.without_texts().model_dump_json(indent=2) + "\n")
    licensed = model_card.licence(parts.base)
    return parts.registry.register(card, adapter, readme=lambda name: model_card.text(name, card, licensed))


def _decide(version: ModelVersion, parts: Parts) -> tuple[bool, str]:
    """Promote the version if it may be, and why not. From then on its held-out posts stay held out.

    Judged against the champion of this moment: while it was trained, another may have taken the place of its parent.
    """
    card, registry = version.card, parts.registry
    if not card.gate:
        parts.store.freeze_split(version.author)
    recipe = recipe_of(card, version.name)

    def judged(now: ModelVersion | None) -> tuple[str, ...]:
        if (now.name if now else None) == card.parent:
            return card.gate
        corpus, proof = data.read(parts.store, version.author, keep=False), report.kept(parts.home, version)
        return gate(_against(card.evaluation, proof, now, parts.home, corpus), recipe)

    promoted = registry.decide(version.name, judged, parts.base)
    history = registry.aliases(version.author).history
    refused = [one.why for one in history if one.version == version.number and one.did == "not promoted"]
    return promoted, "" if promoted else "; ".join(refused[-1:])


def plan(
    author: str, store: FeatureStore, base: BaseLanguageModel, recipe: Recipe, options: Options = PLAIN
) -> DataCard:
    """What a run would learn from, how long it would take, and whether it is worth it. Trains and stores nothing."""
    from training_pipeline import data_card

    recipe, corpus = _recipe(recipe, options), _corpus(author, store, options, keep=False)
    with within_memory(recipe):
        selection = data.select(corpus, base.tokenizer(), recipe)
        return data_card.build(corpus, selection, recipe, base, folds.BLOCKS if options.folds else 0)


def unfinished(author: str, parts: Parts, asked: Mapping[str, tuple[Recipe, Options]]) -> dict[str, Path]:
    """What of this was stopped before its end, with the run's folder: asked for again, it goes on from a checkpoint.

    Where a run on this base model was stopped, that is on this machine: nothing is fetched to tell.
    """
    begun, corpora = set(run_folder.stopped(parts.home, author, parts.base.name)), dict[Options, data.Corpus]()
    found = {}
    for name, (recipe, options) in asked.items() if begun else ():
        if options not in corpora:
            corpora[options] = _corpus(author, parts.store, options, keep=False)
        run_id = _id(corpora[options], _recipe(recipe, options), parts.base, options)
        if (folder := parts.home / "runs" / run_id) in begun and not run_folder.goes_on(folder):
            found[name] = folder
    return found


def recipe_of_champion(author: str, registry: ModelRegistry) -> tuple[Recipe, bool, bool]:
    """What a successor of it is trained by: its recipe; whether by preference, too; and whether from edits, too."""
    card = registry.get(f"{author}@champion").card
    told = card.training.get("preference", {"not_kept": True})
    kept = not told["not_kept"]
    return recipe_of(card, f"{author}@champion"), kept, kept and told.get("edits", 0) > 0


def _outdated(champion: ModelVersion | None, registry: ModelRegistry, author: str) -> dict[str, Any]:
    """What the card says of the champion that learned from posts which are forgotten since. NotFound where none has."""
    count = registry.forgotten(champion) if champion else 0
    if not champion or not count:
        raise NotFound(
            f"no champion of {author!r} has learned from posts that are forgotten", f"twin train --author {author!r}"
        )
    return {"without_forgotten": count, "replaces": champion.name}


def _replace(version: ModelVersion, parts: Parts, beside: Callable[[str], object]) -> str:
    """Delete the version that it was made to replace, if it was: forgotten words are in its weights."""
    wanted, held = version.card.training.get("replaces"), parts.registry.aliases(version.author).of
    for other in parts.registry.versions(version.author):
        if other.name == wanted and other.number not in held:
            report.delete(
                parts.home, version.author, other.number
            )  # first: whoever goes on finds no version to do it for
            why = f"{version.name} replaces it, trained without posts that are forgotten"
            return parts.registry.delete(other.name, why, first=beside)
    return ""


def prove(
    made: Run, preferred: Path | None, champion: ModelVersion | None, home: Path
) -> tuple[Path, Evaluation, dict[str, Any]]:
    """The adapter that is to be registered, what it proved, and what became of the preference step, if there was one."""
    corpus = made.corpus

    def against_champion(proof: Evaluation) -> Evaluation:
        return proof.model_copy(update={"figures": _against(proof.figures, proof, champion, home, corpus)})

    first = against_champion(made.measure(made.adapter))
    if preferred is None:
        return made.adapter, first, {}
    second = against_champion(made.measure(preferred))
    reasons = _worse(second, first, made.recipe, corpus)
    told = {"preference": {**read_json(made.folder / "preference.json"), "not_kept": reasons}}
    if corpus.edits or corpus.edits_left_out:
        told["preference"]["edits_left_out"] = corpus.edits_left_out
    return (made.adapter, first, told) if reasons else (preferred, second, told)


def _worse(second: Evaluation, first: Evaluation, recipe: Recipe, corpus: data.Corpus) -> list[str]:
    """Why the preference step is not kept: it has to pass the gate, and to be no worse than the adapter without it."""
    from training_pipeline.evaluation.against import gained

    alone = without_gain(second.figures)
    worse = {*gate(alone | gained(second, first, "it", corpus), recipe)} - {*gate(alone, recipe)}
    return sorted([*gate(second.figures, recipe), *(f"against the adapter without it, {reason}" for reason in worse)])


def _against(
    figures: dict[str, Figure], proof: Evaluation | None, champion: ModelVersion | None, home: Path, corpus: data.Corpus
) -> dict[str, Figure]:
    """The figures, with that of V against the champion's in place of any other; without it where there is no champion."""
    from training_pipeline.evaluation.against import gained

    plain = without_gain(figures)
    if not champion or not proof:
        return plain
    return plain | gained(proof, report.kept(home, champion), champion.name, corpus)


def _card(
    made: Run, run_id: str, learned: dict[str, Any], proof: Evaluation, champion: ModelVersion | None
) -> AdapterCard:
    parts: tuple[Split, ...] = ("train", "validation", "test")
    corpus, base, recipe = made.corpus, made.base, made.recipe
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
        gate=gate(proof.figures, recipe),
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
