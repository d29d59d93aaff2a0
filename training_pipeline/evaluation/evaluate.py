"""Evaluate an adapter against its own base model and against the author, on posts that it has never seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contracts.progress import Progress
from contracts.records import Example, Figure
from training_pipeline.data import FIRST, Corpus, encode_all
from training_pipeline.evaluation import guards, judge, style
from training_pipeline.evaluation.likelihood import by_itself, nats_per_byte
from training_pipeline.evaluation.records import Evaluation
from training_pipeline.evaluation.scoring import Outputs
from training_pipeline.evaluation.texts import thinned
from training_pipeline.evaluation.writing import write
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

    from training_pipeline.evaluation.content import Embed


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
    found, verifier = judge.verified(corpus)
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
