"""Evaluate an adapter against its own base model and against the author, on posts that it has never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from contracts.records import Example, Figure
from training_pipeline import bootstrap, guards, judge, style
from training_pipeline.data import FIRST, Corpus, encode_all
from training_pipeline.evaluation import Comparison, Evaluation
from training_pipeline.likelihood import by_itself, nats_per_byte
from training_pipeline.recipe import Recipe
from training_pipeline.scoring import Outputs, asked_for, in_same_pools
from training_pipeline.texts import thinned
from training_pipeline.votes import wilson
from training_pipeline.writing import write

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

    from training_pipeline.content import Embed
    from training_pipeline.verify import Verifier

Progress = Callable[[str, int, int | None], None]


def evaluate(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recipe: Recipe,
    progress: Progress,
    embed: Embed | None = None,
) -> Evaluation:
    """All that the adapter on `model` proves. Without `embed`, nearness to the instruction is not measured."""
    model.eval()
    held_out = [example for example in corpus.examples["test"] if example.kind in FIRST][-recipe.eval_posts :]
    figures, deltas, reference_deltas = _likelihood(model, tokenizer, corpus, held_out, recipe, progress)
    figures["forgetting"] = _forgetting(model, tokenizer, progress)
    progress("verify", 0, None)
    found, verifier = verified(corpus)
    asked = thinned(held_out, recipe.generations)
    written = write(model, tokenizer, corpus, asked, recipe, progress)
    outputs = Outputs(
        corpus, asked, written, recipe, lambda texts: fluency(model, tokenizer, texts, progress), tokenizer
    )
    figures = {
        **figures,
        **found,
        **outputs.verified(verifier, judge.why_not(found["verification_auc"])),
        **outputs.copied(),
        **outputs.guarded(embed),
    }
    return Evaluation(
        figures=judge.compared_with(style.believed(figures), {example.author for example in corpus.reference}),
        deltas=deltas,
        reference_deltas=reference_deltas,
        written=tuple(written),
        verification=outputs.scores(verifier),
        longest_copy=outputs.longest_copy(),
    )


def verified(corpus: Corpus) -> tuple[dict[str, Figure], Verifier | None]:
    """The figures of the corpus' verifier, and the verifier if it may judge."""
    test = frozenset(example.post_id for example in corpus.examples["test"])
    return judge.figures(judge.Sides.of(list(corpus.posts.values()), corpus.author, corpus.train_ids, test))


def _likelihood(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    held_out: Sequence[Example],
    recipe: Recipe,
    progress: Progress,
) -> tuple[dict[str, Figure], dict[str, float], dict[str, float]]:
    """ΔNLL of the author's held-out posts and of as many of others, through the serving prompt."""
    author = encode_all(corpus, held_out, tokenizer, recipe.max_tokens)
    others = encode_all(corpus, _evenly(corpus, recipe.eval_posts), tokenizer, recipe.max_tokens)
    both, pad = [*author, *others], int(tokenizer.pad_token_id)
    adapted = nats_per_byte(model, both, pad, progress)
    base = nats_per_byte(model, both, pad, progress, adapted=False)
    deltas = [high - low for low, high in zip(adapted, base, strict=True)]
    mine, theirs = deltas[: len(author)], deltas[len(author) :]
    figures = {
        "delta_nll": style.delta_nll(mine),
        "delta_nll_reference": style.delta_nll(theirs),
        "specificity": style.specificity(mine, theirs),
        "specificity_auc": style.auc(mine, theirs),
    }
    names = [[example.post_id for example in side] for side in (author, others)]
    return figures, dict(zip(names[0], mine, strict=True)), dict(zip(names[1], theirs, strict=True))


def _forgetting(model: PeftModel, tokenizer: PreTrainedTokenizerBase, progress: Progress) -> Figure:
    passages, pad = by_itself(tokenizer, guards.generic_passages()), int(tokenizer.pad_token_id)
    base = nats_per_byte(model, passages, pad, progress, adapted=False)
    return guards.forgetting(base, nats_per_byte(model, passages, pad, progress))


def fluency(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], progress: Progress
) -> list[float]:
    """Nats per byte of each text by itself, under the base model."""
    return nats_per_byte(model, by_itself(tokenizer, texts), int(tokenizer.pad_token_id), progress, adapted=False)


def _evenly(corpus: Corpus, count: int) -> list[Example]:
    """Up to `count` reference examples, as many of each author as can be."""
    by_author: dict[str, list[Example]] = {}
    for example in corpus.reference:
        by_author.setdefault(example.author, []).append(example)
    rounds = max(map(len, by_author.values()), default=0)
    turns = [examples[-1 - turn] for turn in range(rounds) for examples in by_author.values() if turn < len(examples)]
    return turns[:count]


def gate(figures: dict[str, Figure], recipe: Recipe, champion: dict[str, Figure] | None = None) -> tuple[str, ...]:
    """Why the version may not become champion, nor replace the one whose figures are given; empty when it may."""
    reasons = []
    for name, bound, end in (
        ("delta_nll", recipe.gate.delta_nll_low, "low"),
        ("specificity", recipe.gate.specificity_low, "low"),
        ("copy_excess", recipe.gate.copy_excess_high, "high"),
        ("forgetting", recipe.gate.forgetting_high, "high"),
    ):
        figure = figures.get(name, Figure(value=None, n=0, note="it is not among the figures"))
        if figure.value is None or figure.low is None or figure.high is None:
            reasons.append(f"{name} cannot be measured: {figure.note}")
        elif end == "low" and not figure.low > bound:  # so that a figure that is no number fails too
            reasons.append(f"{name}: the interval's lower end {figure.low:+.4f} is not above {bound}")
        elif end == "high" and not (figure.high <= bound or (name == "copy_excess" and _few_and_none(figure, bound))):
            reasons.append(f"{name}: the interval's upper end {figure.high:+.4f} is above {bound}")
    return (*reasons, *_worse(figures, champion or {}))


def _few_and_none(copies: Figure, bound: float) -> bool:
    """Of so few posts that no copy at all would not prove the bound: no more copies than the author's own, then."""
    return copies.value is not None and copies.value <= 0 and wilson(0, copies.n)[1] > bound


def _worse(figures: dict[str, Figure], champion: dict[str, Figure]) -> list[str]:
    """V as it answers, else by itself: worse where even the interval's upper end is under the champion's V."""
    for name in ("verification/adapter+retrieval", "verification/adapter"):
        before = champion.get(name)
        if before is None or before.value is None:
            continue
        now = figures.get(name)
        if now is None or now.value is None or now.high is None:
            return [f"{name} cannot be measured, and the champion's is {before.value:+.4f}"]
        if now.high < before.value:
            return [f"{name}: the interval's upper end {now.high:+.4f} is under the champion's {before.value:+.4f}"]
        return []
    return []


def compare(a: Evaluation, b: Evaluation, verifier: Verifier | None = None) -> dict[str, Comparison]:
    """b − a where both were measured on the same posts: ΔNLL by post, V by pool of posts.

    V is scored anew, by one verifier in pools that are the same for both: those in which each was scored by itself depend
    on how long its texts are. Without a verifier, or without the texts of both, it is not compared.
    """
    pairs = {
        "delta_nll": _shared(a.deltas, b.deltas),
        "delta_nll_reference": _shared(a.reference_deltas, b.reference_deltas),
    }
    if verifier and a.has_texts and b.has_texts and asked_for(a.written) == asked_for(b.written):
        pairs |= {f"verification/{name}": pair for name, pair in in_same_pools(a.written, b.written, verifier).items()}
    compared = {name: bootstrap.paired(*pair) for name, pair in pairs.items()}
    return {name: comparison for name, comparison in compared.items() if comparison}


def _shared(a: dict[str, float], b: dict[str, float]) -> tuple[list[float], list[float]]:
    both = sorted(a.keys() & b.keys())
    return [a[post_id] for post_id in both], [b[post_id] for post_id in both]
