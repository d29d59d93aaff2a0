"""Evaluate an adapter against its own base model, on posts that it has never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from contracts.prompt import encode
from contracts.records import Example, Figure
from training_pipeline import style
from training_pipeline.data import MASKED, Corpus, Encoded, encode_all
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

BATCH = 8
Progress = Callable[[str, int, int | None], None]


def evaluate(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, recipe: Recipe, progress: Progress
) -> dict[str, Figure]:
    """Every figure of style.py, for the adapter on `model`."""
    model.eval()
    held_out = [example for example in corpus.examples["test"] if example.kind == "title"][-recipe.eval_posts :]
    reference = _evenly(corpus, recipe.eval_posts)
    author = encode_all(corpus, held_out, tokenizer, recipe.max_tokens)
    others = encode_all(corpus, reference, tokenizer, recipe.max_tokens)
    deltas = delta_nll(model, [*author, *others], int(tokenizer.pad_token_id), progress)
    mine, theirs = deltas[: len(author)], deltas[len(author) :]
    training = {example.post_id for example in corpus.examples["train"]}
    return {
        "delta_nll": style.delta_nll(mine),
        "delta_nll_reference": style.delta_nll(theirs),
        "specificity": style.specificity(mine, theirs),
        "specificity_auc": style.auc(mine, theirs),
        "copy_excess": style.copy_excess(
            generate(model, tokenizer, corpus, held_out, recipe, progress),
            # As long as the outputs are, at four characters a token: a longer text has more runs to share.
            [corpus.target(example)[: 4 * recipe.generation_tokens] for example in held_out],
            [corpus.posts[post_id].text for post_id in training],
        ),
    }


def delta_nll(model: PeftModel, examples: Sequence[Encoded], pad: int, progress: Progress) -> list[float]:
    """(NLL(base) − NLL(adapter)) / bytes of each example's target, in nats per byte, in the examples' order."""
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].ids))
    deltas = [0.0] * len(examples)
    for first in range(0, len(order), BATCH):
        places = order[first : first + BATCH]
        batch = [examples[i] for i in places]
        adapted = _nll(model, batch, pad)
        with model.disable_adapter():
            base = _nll(model, batch, pad)
        for place, example, low, high in zip(places, batch, adapted, base, strict=True):
            deltas[place] = (high - low) / max(example.bytes_, 1)
        progress("measure", min(first + BATCH, len(order)), len(order))
    return deltas


@torch.inference_mode()
def _nll(model: PeftModel, batch: Sequence[Encoded], pad: int) -> list[float]:
    """Negative log likelihood of each target, in nats."""
    longest = max(len(example.ids) for example in batch)
    ids = torch.tensor([[*e.ids, *[pad] * (longest - len(e.ids))] for e in batch], device=model.device)
    labels = torch.tensor([[*e.labels, *[MASKED] * (longest - len(e.ids))] for e in batch], device=model.device)
    mask = torch.tensor([[1] * len(e.ids) + [0] * (longest - len(e.ids)) for e in batch], device=model.device)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], ignore_index=MASKED, reduction="none"
    )
    return [float(loss) for loss in losses.sum(dim=1)]


@torch.inference_mode()
def generate(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    examples: Sequence[Example],
    recipe: Recipe,
    progress: Progress,
) -> list[str]:
    """Texts that the twin writes for held-out instructions, taken in turn until there are enough."""
    if not examples:
        return []
    torch.manual_seed(recipe.seed)
    chosen = [examples[i % len(examples)] for i in range(recipe.generations)]
    texts: list[str] = []
    for first in range(0, len(chosen), BATCH * 3):
        prompts = [encode(tokenizer, corpus.conversation(example)) for example in chosen[first : first + BATCH * 3]]
        longest = max(map(len, prompts))
        pad = int(tokenizer.pad_token_id)
        written = model.generate(
            input_ids=torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=model.device),
            attention_mask=torch.tensor(
                [[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=model.device
            ),
            max_new_tokens=recipe.generation_tokens,
            do_sample=True,
            temperature=0.7,
            top_p=0.9,
            pad_token_id=pad,
        )
        texts += tokenizer.batch_decode(written[:, longest:], skip_special_tokens=True)
        progress("write", len(texts), len(chosen))
    return texts


def gate(figures: dict[str, Figure], recipe: Recipe) -> tuple[str, ...]:
    """Why the version may not become champion; empty when every bound holds."""
    reasons = []
    for name, bound, end in (
        ("delta_nll", recipe.gate.delta_nll_low, "low"),
        ("specificity", recipe.gate.specificity_low, "low"),
        ("copy_excess", recipe.gate.copy_excess_high, "high"),
    ):
        figure = figures[name]
        if figure.value is None or figure.low is None or figure.high is None:
            reasons.append(f"{name} cannot be measured: {figure.note}")
        elif end == "low" and not figure.low > bound:  # so that a figure that is no number fails too
            reasons.append(f"{name}: the interval's lower end {figure.low:+.4f} is not above {bound}")
        elif end == "high" and not figure.high <= bound:
            reasons.append(f"{name}: the interval's upper end {figure.high:+.4f} is above {bound}")
    return tuple(reasons)


def _evenly(corpus: Corpus, count: int) -> list[Example]:
    """Up to `count` reference examples, as many of each author as can be."""
    by_author: dict[str, list[Example]] = {}
    for example in corpus.reference:
        by_author.setdefault(example.author, []).append(example)
    rounds = max(map(len, by_author.values()), default=0)
    turns = [examples[-1 - turn] for turn in range(rounds) for examples in by_author.values() if turn < len(examples)]
    return turns[:count]
