"""What registered versions prove on the posts that are held out today: one of them, or two on the same posts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import UsageError
from contracts.model_registry import ModelVersion
from contracts.progress import Progress, silent
from training_pipeline import data, report
from training_pipeline.evaluation import judge
from training_pipeline.evaluation.against import differences
from training_pipeline.pipeline import Parts
from training_pipeline.recipe import of as recipe_of
from training_pipeline.run_folder import enough_memory
from training_pipeline.stages import Run

if TYPE_CHECKING:
    from training_pipeline.evaluation.records import Comparison, Evaluation

SAME_TEXT = ("max_tokens", "generations", "generation_tokens")  # of a recipe: what is measured, and as far as it goes


def reevaluate(model: str, parts: Parts, progress: Progress = silent) -> tuple[ModelVersion, Evaluation]:
    """What a registered version proves on today's held-out posts; its card stays as it is."""
    version = parts.registry.get(model)
    return version, _again(version, (version,), parts, progress)


def compare(
    model: str, against: str, parts: Parts, progress: Progress = silent
) -> tuple[ModelVersion, ModelVersion, dict[str, Comparison]]:
    """`model` − `against` on the same posts: as they proved it then, or both measured again where that was on others.

    V is compared where the texts of both are kept, ΔNLL where both are of one base model.
    """
    versions = parts.registry.checked(against), parts.registry.checked(model)
    if len({version.author for version in versions}) > 1:
        raise UsageError(f"{model} and {against} are of two authors", "compare versions of one author")
    before, now = kept(versions, parts.home) or [_again(version, versions, parts, progress) for version in versions]
    with_texts = before.has_texts and now.has_texts
    verifier = judge.headline(data.read(parts.store, versions[0].author, keep=False)) if with_texts else None
    compared = differences(before, now, verifier)
    if len({version.card.base_model_hash for version in versions}) > 1:  # ΔNLL counts from each version's own
        compared = {name: one for name, one in compared.items() if not name.startswith("delta_nll")}
    return versions[1], versions[0], compared


def kept(versions: Sequence[ModelVersion], home: Path) -> list[Evaluation]:
    """What each proved when it was made, where that was on the same posts and as far; else nothing."""
    found = [proof for version in versions if (proof := report.kept(home, version))]
    posts = {frozenset(proof.deltas) for proof in found}
    text = {tuple(version.card.recipe.get(name) for name in SAME_TEXT) for version in versions}
    return found if len(found) == len(versions) and len(posts) == len(text) == 1 else []


def left_out(version: ModelVersion, against: ModelVersion, compared: Collection[str]) -> list[str]:
    """What could not be compared, and why."""
    reasons = [] if compared else ["nothing was measured on both"]
    if version.card.base_model_hash != against.card.base_model_hash:
        reasons.append("cannot compare ΔNLL: it counts from the base model, and these have two")
    if not any(name.startswith("verification/") for name in compared):
        reasons.append(
            "cannot measure V of both: that takes their texts for the same instructions, in 5 pools of 150 words"
        )
    return reasons


def _again(version: ModelVersion, judged: Sequence[ModelVersion], parts: Parts, progress: Progress) -> Evaluation:
    """Measure the version on the posts that are held out today, and that none of `judged` has seen.

    By its recipe, but as far as the recipe of the first of `judged` goes: so all of them are measured on the same text.
    """
    version.check(parts.base)
    corpus = data.read(parts.store, version.author)
    seen = {id_ for one in judged for id_ in (*one.card.posts["train"], *one.card.posts["validation"])}
    corpus.examples["test"] = [example for example in corpus.examples["test"] if example.post_id not in seen]
    recipe, first = (recipe_of(one.card, one.name) for one in (version, judged[0]))
    alike = {name: getattr(first, name) for name in (*SAME_TEXT, "eval_posts", "conditions", "seeds")}
    made = Run(corpus, parts.base, recipe.model_copy(update=alike), version.folder, progress)
    with enough_memory(f"to measure {version.name}", "end other programs"):
        return made.measure(version.folder)
