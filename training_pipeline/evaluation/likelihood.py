"""How likely a model finds texts, in nats per byte: comparable between models, whatever their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

from contracts.progress import Progress
from training_pipeline.data import MASKED, Encoded

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

BATCH = 8
LONGEST = 512  # tokens of a text that is read by itself


def nats_per_byte(
    model: PeftModel, examples: Sequence[Encoded], pad: int, progress: Progress, adapted: bool = True
) -> list[float]:
    """NLL of each example's target under the adapter or, where not `adapted`, the base model; in the examples' order."""
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].ids))
    found = [0.0] * len(examples)
    with nullcontext() if adapted else model.disable_adapter():
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            for place, nats in zip(places, _nll(model, [examples[i] for i in places], pad), strict=True):
                found[place] = nats / max(examples[place].bytes_, 1)
            progress("measure", min(first + BATCH, len(order)), len(order))
    return found


def by_itself(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Encoded]:
    """Texts without a prompt, after the token that a text begins with."""
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    made = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"][:LONGEST]
        length = len(text.encode()) if len(ids) < LONGEST else len(str(tokenizer.decode(ids)).encode())
        made.append(Encoded("", (int(start), *ids), (MASKED, *ids), length))
    return made


@torch.inference_mode()
def _nll(model: PeftModel, batch: Sequence[Encoded], pad: int) -> list[float]:
    """Negative log likelihood of each target, in nats."""
    longest = max(len(example.ids) for example in batch)
    ids = torch.tensor([[*e.ids, *[pad] * (longest - len(e.ids))] for e in batch], device=model.device)
    labels = torch.tensor([[*e.labels, *[MASKED] * (longest - len(e.ids))] for e in batch], device=model.device)
    mask = torch.tensor([[1] * len(e.ids) + [0] * (longest - len(e.ids)) for e in batch], device=model.device)
    learned = labels[:, 1:] != MASKED
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1][learned].float()
    losses = torch.nn.functional.cross_entropy(logits, labels[:, 1:][learned], reduction="none")
    rows = learned.nonzero()[:, 0]
    return torch.zeros(len(batch), dtype=losses.dtype, device=losses.device).index_add(0, rows, losses).tolist()
