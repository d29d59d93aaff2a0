"""What is judged: texts written for the instructions of held-out posts, by the base model and by the adapter, with passages
of training posts in the prompt and without."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from contracts.progress import Progress
from contracts.prompt import PASSAGES, encode
from contracts.records import Example, Span
from contracts.sampling import LOOP, NUCLEUS, TEMPERATURE
from training_pipeline import evidence
from training_pipeline.data import Corpus
from training_pipeline.evaluation.records import Condition, Written
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

BATCH = 16  # of like length; twice as many write 14 % more tokens a second, and hold twice the memory


def write(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    examples: Sequence[Example],
    recipe: Recipe,
    progress: Progress,
) -> list[Written]:
    """One text for each condition of the recipe, instruction and seed, in this order: all seeds of a post in a row."""
    shown = _passages(corpus, examples) if any("retrieval" in condition for condition in recipe.conditions) else {}
    total, made = len(recipe.conditions) * len(examples) * recipe.seeds, list[Written]()
    for condition in recipe.conditions:
        asked = [
            example.model_copy(update={"evidence": shown[example.post_id] if "retrieval" in condition else ()})
            for example in examples
            for _ in range(recipe.seeds)
        ]
        with _as(model, condition):
            texts = _generate(model, tokenizer, [encode(tokenizer, corpus.conversation(e)) for e in asked], recipe)
        for n, (example, text) in enumerate(zip(asked, texts, strict=True)):
            made.append(
                Written(
                    condition=condition,
                    post_id=example.post_id,
                    seed=n % recipe.seeds,
                    instruction=example.instruction,
                    text=text,
                    evidence=example.evidence,
                )
            )
        progress("write", len(made), total)
    return made


def _passages(corpus: Corpus, examples: Sequence[Example]) -> dict[str, tuple[Span, ...]]:
    """What serving would show, found among the posts that were trained on."""
    if corpus.search is None:
        return {example.post_id: () for example in examples}
    return {
        example.post_id: evidence.spans(corpus.search(example.instruction, corpus.train_ids, PASSAGES))
        for example in examples
    }


@contextmanager
def _as(model: PeftModel, condition: Condition) -> Iterator[None]:
    """The base model; or the adapter, merged as it is served: a quarter to a half faster than beside the weights."""
    if condition.startswith("base"):
        with model.disable_adapter():
            yield
        return
    model.merge_adapter()
    try:
        yield
    finally:
        model.unmerge_adapter()


def _generate(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[list[int]], recipe: Recipe
) -> list[str]:
    """Prompts of like length together."""
    torch.manual_seed(recipe.seed)
    order = sorted(range(len(prompts)), key=lambda n: len(prompts[n]))
    texts = [""] * len(prompts)
    for first in range(0, len(order), BATCH):
        places = order[first : first + BATCH]
        written = sampled(model, tokenizer, [prompts[n] for n in places], recipe.generation_tokens)
        for n, text in zip(places, tokenizer.batch_decode(written, skip_special_tokens=True), strict=True):
            texts[n] = text
    return texts


class _NoLoops(LogitsProcessor):
    """No run of LOOP tokens is written twice, as in serving; what stands in the prompt may be quoted."""

    def __init__(self, prompt: int) -> None:
        self._prompt = prompt

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        said = input_ids[:, self._prompt :]
        if said.shape[1] >= LOOP:
            runs = said.unfold(1, LOOP, 1)
            begun = (runs[..., :-1] == said[:, None, 1 - LOOP :]).all(dim=-1)
            rows, places = begun.nonzero(as_tuple=True)
            scores[rows, runs[rows, places, -1]] = -torch.inf
        return scores


@torch.inference_mode()
def sampled(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[list[int]], tokens: int
) -> list[list[int]]:
    """At most `tokens` ids for each prompt, side by side, drawn as in serving from the global random state; padded at their
    ends."""
    pad, longest = int(tokenizer.pad_token_id), max(map(len, prompts))
    gaps = [longest - len(prompt) for prompt in prompts]
    ids = [[pad] * gap + prompt for gap, prompt in zip(gaps, prompts, strict=True)]
    mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
    made = model.generate(
        input_ids=torch.tensor(ids, device=model.device),
        attention_mask=torch.tensor(mask, device=model.device),
        max_new_tokens=tokens,
        logits_processor=LogitsProcessorList([_NoLoops(longest)]),
        do_sample=True,
        temperature=TEMPERATURE,
        top_p=NUCLEUS,
        top_k=0,
        pad_token_id=pad,
    )
    rows: list[list[int]] = made[:, longest:].tolist()
    return rows
