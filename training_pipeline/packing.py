"""What a training step computes, and nothing beside it: a batch is one row without padding, in which each text attends to
itself alone, and the head answers at the targets alone.

It knows nothing about trainers or adapters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from training_pipeline.data import MASKED

ROWS = 128  # targets whose logits are in fp32 at once: 25 MB for 49,152 tokens
Batch = dict[str, torch.Tensor]


def pack(examples: Sequence[dict[str, Sequence[int]]]) -> Batch:
    """Examples one after another in a row [1, tokens], each counting its positions from 0; a first token is no target."""
    lengths = [len(example["input_ids"]) for example in examples]
    ids = [token for example in examples for token in example["input_ids"]]
    labels = [label for example in examples for label in (MASKED, *example["labels"][1:])]
    return {
        "input_ids": torch.tensor([ids]),
        "labels": torch.tensor([labels]),
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "lengths": torch.tensor(lengths),
    }


def summed_loss(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Negative log likelihood of a packed batch's targets, in nats, summed."""
    places = (batch["labels"][0] != MASKED).nonzero()[:, 0]
    made = model(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        lengths=tuple(batch["lengths"].tolist()),
        logits_to_keep=places - 1,
        use_cache=False,
    )
    loss: torch.Tensor = _SummedLoss.apply(made.logits[0], batch["labels"][0, places])  # type: ignore[no-untyped-call]
    return loss


def attend_apart(model: PreTrainedModel) -> None:
    """Let each text of a row attend to itself, by its length; without a mask, so that the fast causal kernels are used.

    A model with a sliding window or with attention of its own keeps it: transformers masks packed rows by their positions.
    """
    config = model.config.get_text_config()
    if config._attn_implementation == "sdpa" and getattr(config, "sliding_window", None) is None:
        AttentionInterface.register("apart", _apart)
        model.set_attn_implementation("apart")


@contextmanager
def attended_as_usual(model: Any) -> Iterator[None]:
    """For writing: one text, token by token. Afterwards each text of a row attends to itself again."""
    config = model.config.get_text_config()
    before = config._attn_implementation
    if before == "apart":
        model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        if before == "apart":
            model.set_attn_implementation(before)


def _apart(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    lengths: tuple[int, ...],
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention [1, heads, tokens, width] → [1, tokens, heads, width] within each of `lengths` tokens."""
    texts = zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    return torch.cat([sdpa_attention_forward(module, q, k, v, None, **kwargs)[0] for q, k, v in texts], dim=1), None


class _SummedLoss(torch.autograd.Function):
    """Cross entropy of logits [targets, vocabulary], in fp32 a few rows at a time; the gradient is made on the way."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float32, device=logits.device)
        gradient = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        for first in range(0, len(targets), ROWS):
            rows = slice(first, first + ROWS)
            logs = logits[rows].log_softmax(dim=-1, dtype=torch.float32)
            chosen = targets[rows, None]
            total -= logs.gather(1, chosen).sum()
            if gradient is not None:
                likely = logs.exp_()
                likely.scatter_add_(1, chosen, -torch.ones_like(chosen, dtype=likely.dtype))
                gradient[rows] = likely
        ctx.gradient = gradient
        return total

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.gradient.mul_(outer[0]), None
