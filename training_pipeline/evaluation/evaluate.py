"""Evaluate an adapter against its own base model and against the author, on posts that it has never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def evaluate(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recipe: Recipe,
    progress: Progress,
) -> Evaluation:
    """All that the adapter on `model` proves."""
    model.eval()
    held_out = [example for example in corpus.examples["test"] if example.kind in FIRST][-recipe.eval_posts :]
    mine, theirs = deltas(model, tokenizer, corpus, held_out, recipe, progress)
    forgotten = _forgetting(model, tokenizer, progress)
    progress("verify", 0, None)
    judges = judge.verified(corpus)
    asked = thinned(held_out, recipe.generations)
    written = write(model, tokenizer, corpus, asked, recipe, progress)
    outputs = Outputs(
        corpus, asked, written, recipe, lambda texts: fluency(model, tokenizer, texts, progress), tokenizer
    )
    figures = {
        **learned(mine, theirs),
        "forgetting": forgotten,
        **judges.figures,
        **outputs.verified(judges),
        **outputs.copied(),
        **outputs.guarded(corpus.embed),
    }
    return Evaluation(
        figures=judge.compared_with(style.believed(figures), {example.author for example in corpus.reference}),
        deltas=mine,
        reference_deltas=theirs,
        written=tuple(written),
        verification=outputs.scores(judges),
        longest_copy=outputs.longest_copy(),
        verifier=judges.verifier.fingerprint if judges.verifier else "",
    )


def deltas(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    held_out: Sequence[Example],
    recipe: Recipe,
    progress: Progress,
) -> tuple[dict[str, float], dict[str, float]]:
    """ΔNLL of each of the author's held-out posts and of as many of others, through the serving prompt."""
    author = encode_all(corpus, held_out, tokenizer, recipe.max_tokens)
    others = encode_all(corpus, evenly(corpus, recipe.eval_posts), tokenizer, recipe.max_tokens)
    both, pad = [*author, *others], int(tokenizer.pad_token_id)
    adapted = nats_per_byte(model, both, pad, progress)
    base = nats_per_byte(model, both, pad, progress, adapted=False)
    gained = [high - low for low, high in zip(adapted, base, strict=True)]
    names = [[example.post_id for example in side] for side in (author, others)]
    return (
        dict(zip(names[0], gained[: len(author)], strict=True)),
        dict(zip(names[1], gained[len(author) :], strict=True)),
    )


def learned(mine: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, Figure]:
    """What was learned of the author, and what of the genre: from the ΔNLL of posts of the author's and of others."""
    author, others = list(mine.values()), list(theirs.values())
    return {
        "delta_nll": style.delta_nll(author),
        "delta_nll_reference": style.delta_nll(others),
        "specificity": style.specificity(author, others),
        "specificity_auc": style.auc(author, others),
    }


def _forgetting(model: PeftModel, tokenizer: PreTrainedTokenizerBase, progress: Progress) -> Figure:
    passages, pad = by_itself(tokenizer, guards.generic_passages()), int(tokenizer.pad_token_id)
    base = nats_per_byte(model, passages, pad, progress, adapted=False)
    return guards.forgetting(base, nats_per_byte(model, passages, pad, progress))


def fluency(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], progress: Progress
) -> list[float]:
    """Nats per byte of each text by itself, under the base model."""
    return nats_per_byte(model, by_itself(tokenizer, texts), int(tokenizer.pad_token_id), progress, adapted=False)


def evenly(corpus: Corpus, count: int) -> list[Example]:
    """Up to `count` reference examples, as many of each author as can be."""
    by_author: dict[str, list[Example]] = {}
    for example in corpus.reference:
        by_author.setdefault(example.author, []).append(example)
    rounds = max(map(len, by_author.values()), default=0)
    turns = [examples[-1 - turn] for turn in range(rounds) for examples in by_author.values() if turn < len(examples)]
    return turns[:count]
