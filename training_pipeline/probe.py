"""Does an exported model say what the adapter says? The same prompts to both: greedy tokens, and the NLL of one text.

llama.cpp answers where its wheel is installed (`pip install -e '.[llamacpp]'`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version as installed
from math import nan
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

from contracts.errors import ModelError
from contracts.prompt import encode, messages
from contracts.records import Record

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

INSTRUCTIONS = (
    "Write a post about something small that you changed your mind about.",
    "What did you learn from the last thing that you built?",
    "Write the opening of a post titled “Notes on a quiet week”.",
)
TOKENS = 48
NLL_TOLERANCE = 0.01  # nats per token
TIE = 0.05
"""Nats. Where two tokens are as likely as this, F16 or another order of the same sums may choose either."""


class Said(Record):
    """What a model says to one prompt: its greedy tokens, and the log-probabilities behind them."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float | None, ...]
    """Of each of `tokens`; None where the program does not say."""
    margins: tuple[float, ...] = ()
    """By how many nats each of `tokens`, and the end after them, is likelier than the next best."""
    ended: bool
    """Whether a special token ended it, rather than TOKENS: programs differ in which of them end a turn."""
    text_nll: float | None = None
    """Mean over the reference's prompt and greedy tokens, nats per token; None where the program cannot say."""


class Check(Record):
    """An exported model against the adapter in place, over all prompts."""

    by: str
    prompts: int
    tokens: int
    """Greedy tokens of the adapter in place."""
    same: int
    """How many of them the export says too, up to the first that differs in each text."""
    ties: int
    """Texts that part at a token where the adapter itself is undecided by less than TIE nats."""
    nll: float
    """Nats per token: of prompts and greedy text; by llama.cpp of the greedy text alone."""
    reference_nll: float

    @property
    def passed(self) -> bool:
        """As to the NLL; a difference that is no number has not passed."""
        return abs(self.nll - self.reference_nll) <= NLL_TOLERANCE

    def __str__(self) -> str:
        tied = f", {self.ties} texts part at a tie" if self.ties else ""
        return (
            f"{self.by}: {self.same} of {self.tokens} greedy tokens of {self.prompts} prompts are the same{tied}; "
            f"NLL {self.nll:.4f} against {self.reference_nll:.4f} nats per token"
        )


def prompts(author: str, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    return [encode(tokenizer, messages(author, instruction)) for instruction in INSTRUCTIONS]


def reference(model: torch.nn.Module, asked: Sequence[Sequence[int]], stops: set[int]) -> list[Said]:
    """What the adapter in place says to each prompt."""
    return [_said(model, prompt, stops) for prompt in asked]


def by_transformers(model: PreTrainedModel, expected: Sequence[Said], stops: set[int]) -> Check:
    """Raises ModelError where the loaded model says something else."""
    found = [_said(model, wanted.prompt, stops, (*wanted.prompt, *wanted.tokens)) for wanted in expected]
    return _compare(f"transformers {installed('transformers')}", expected, found)


def by_llama_cpp(
    path: Path, expected: Sequence[Said], stops: set[int], rendered: Callable[[Sequence[int]], str]
) -> Check | None:
    """The same by llama.cpp, which also has to cut the prompts' text into the same tokens; None where it is not installed.

    Its server listens on loopback, at a free port, while this runs.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        return None
    import httpx
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = max(len(said.prompt) for said in expected) + TOKENS + 8
    params.n_parallel = 1
    params.warmup = False
    params.verbosity = -1
    params.cpuparams.n_threads = torch.get_num_threads()
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"llama.cpp cannot load the exported file: {error}", "export it as `merged`") from error

    def ask(what: str, **asked: Any) -> Any:
        return httpx.post(f"{server.listening_address}/{what}", json=asked, timeout=600).raise_for_status().json()

    found = []
    for wanted in expected:
        cut = ask("tokenize", content=rendered(wanted.prompt), parse_special=True, add_special=False)["tokens"]
        if cut != list(wanted.prompt):
            raise ModelError("llama.cpp cuts a prompt into other tokens than the tokenizer", "export it as `merged`")
        found.append(_completed(ask, wanted, stops))
    return _compare(f"llama.cpp (xllamacpp {installed('xllamacpp')})", expected, found)


def _completed(ask: Callable[..., Any], wanted: Said, stops: set[int]) -> Said:
    room = len(wanted.tokens) + wanted.ended
    asked = {"prompt": list(wanted.prompt), "n_predict": room, "temperature": 0, "n_probs": 1, "cache_prompt": False}
    answer = ask("completion", return_tokens=True, **asked)
    tokens = answer["tokens"][: len(wanted.tokens)]
    return Said(
        prompt=wanted.prompt,
        tokens=tuple(tokens),
        logprobs=tuple(_aligned(tokens, answer["completion_probabilities"])),
        ended=answer["stop_type"] == "eos" or not stops.isdisjoint(answer["tokens"][len(tokens) :]),
    )


def _aligned(tokens: Sequence[int], rows: Sequence[dict[str, Any]]) -> Iterator[float | None]:
    """llama.cpp gives no probability for a token that ends within a character."""
    left = list(rows)
    for token in tokens:
        yield left.pop(0)["logprob"] if left and left[0]["id"] == token else None


@torch.inference_mode()
def _said(model: torch.nn.Module, prompt: Sequence[int], stops: set[int], text: Sequence[int] = ()) -> Said:
    """Greedy, token by token, without what a generation configuration adds; the NLL is of `text`, or of what it says."""
    tokens, logprobs, margins = list[int](), list[float](), list[float]()
    device = next(model.parameters()).device
    inputs, cache = torch.tensor([list(prompt)], device=device), None
    while len(tokens) < TOKENS:
        output = model(input_ids=inputs, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        best = torch.log_softmax(output.logits[0, -1].float(), dim=-1).topk(2)
        token = int(best.indices[0])
        margins.append(float(best.values[0] - best.values[1]))
        if token in stops:
            break
        tokens.append(token)
        logprobs.append(float(best.values[0]))
        inputs = torch.tensor([[token]], device=device)
    return Said(
        prompt=tuple(prompt),
        tokens=tuple(tokens),
        logprobs=tuple(logprobs),
        margins=tuple(margins),
        ended=len(margins) > len(tokens),
        text_nll=_text_nll(model, text or (*prompt, *tokens)),
    )


@torch.inference_mode()
def _text_nll(model: torch.nn.Module, ids: Sequence[int]) -> float:
    inputs = torch.tensor([list(ids)], device=next(model.parameters()).device)
    logits = model(input_ids=inputs).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, inputs[0, 1:]))


def _compare(by: str, expected: Sequence[Said], found: Sequence[Said]) -> Check:
    same = [_common(wanted.tokens, said.tokens) for wanted, said in zip(expected, found, strict=True)]
    parted = [
        wanted.margins[n]
        for wanted, said, n in zip(expected, found, same, strict=True)
        if n < len(wanted.tokens) or (wanted.ended and not said.ended)
    ]
    if all(said.text_nll is not None for said in found):
        nll, wanted_nll = ([said.text_nll or 0.0 for said in group] for group in (found, expected))
    else:  # of the tokens that both said
        pairs = list(zip(expected, found, same, strict=True))
        both = [
            (p, q) for wanted, said, n in pairs for p, q in zip(said.logprobs[:n], wanted.logprobs[:n], strict=True)
        ]
        nll, wanted_nll = (
            [-p for p, q in both if p is not None and q is not None],
            [-q for p, q in both if p is not None and q is not None],
        )
    check = Check(
        by=by,
        prompts=len(expected),
        tokens=sum(len(wanted.tokens) for wanted in expected),
        same=sum(same),
        ties=len(parted),
        nll=fmean(nll) if nll else nan,
        reference_nll=fmean(wanted_nll) if wanted_nll else nan,
    )
    if not check.passed or max(parted, default=0.0) > TIE:
        raise ModelError(f"the export does not say what the adapter says: {check}", "nothing was written")
    return check


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
