"""Generation against transformers.generate as it comes:  python -m benchmarks.generation_speed ../shared/data [PROMPTS]

A prompt of 1,500 tokens built from a real blog's passages as serving builds it, and 200 tokens of answer, greedy, an adapter
applied: five times, interleaved. Then faithfulness on 50 prompts: the reference, transformers with PEFT, writes an answer,
and both are asked for each next token of it, alone and while other answers are written. The adapter's weights are drawn.
The floor: the operations of reading the prompt, and the bytes of all weights, one each, for every token of the answer.
With 0 PROMPTS only what is ours alone is timed: pieces of a prompt, prompts of which a part was read before, several answers
in the same steps, and the scoring of an answer.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from benchmarks.speed import TIMES, machine, multiplied, ratio, read, rounded
from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.prompt import Message, encode, messages
from contracts.records import Passage, Post
from feature_pipeline import pipeline
from feature_pipeline.chunk import chunk
from feature_pipeline.report import Report
from inference_pipeline.engines.decoders import Decoder, TorchDecoder, pieces
from inference_pipeline.engines.graph import GraphDecoder, Step, graph_of
from inference_pipeline.engines.local import merged
from inference_pipeline.engines.memory import Memory

TOKENS_IN, TOKENS_OUT = 1500, 200
TAIL, SCORED = 40, 128  # tokens: of a question and what follows it in a prompt; of an answer
ANSWER = 50  # tokens of each answer that is compared
SIZES = (64, 128, 256, 512, TOKENS_IN)  # tokens of a piece
COMPANY = 4  # answers at once
DRAWN = 0.005  # standard deviation of the adapter's B


def main(data: Path, prompts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = BaseLanguageModel(DEFAULT, Path(folder))
        adapter = drawn(base, Path(folder) / "adapter")
        reference: Any = PeftModel.from_pretrained(base.load(), str(adapter)).eval()
        traced = time.perf_counter()
        graph = graph_of(base)
        assert graph, "the default model has not become a graph"
        print(f"traced once in {time.perf_counter() - traced:.1f} s", flush=True)
        loaded = time.perf_counter()
        decoder = GraphDecoder(graph, merged(base, adapter)[1])
        print(f"a version loaded in {time.perf_counter() - loaded:.1f} s", flush=True)
        made = _prompts(data, base, prompts or 10)
        long = next(prompt[:TOKENS_IN] for prompt in made if len(prompt) >= TOKENS_IN)
        if prompts:
            _speed(reference, decoder, long)
            _floor(reference)
        _in_pieces(decoder, long)
        _read_before(decoder, long)
        _in_company(decoder, long)
        _scored(decoder, long)
        if prompts:
            _faithfulness(reference, decoder, made)
    print(machine())


def _speed(reference: Any, decoder: Decoder, prompt: list[int]) -> None:
    took: dict[str, list[float]] = {"transformers": [], "ours": [], "ours, first token": []}
    _ours(decoder, prompt, 2)
    for _ in range(TIMES):
        began = time.perf_counter()
        _generate(reference, prompt, TOKENS_OUT)
        took["transformers"].append(time.perf_counter() - began)
        first, total = _ours(decoder, prompt, TOKENS_OUT)
        took["ours"].append(total)
        took["ours, first token"].append(first)
    print(f"{len(prompt)} tokens in, {TOKENS_OUT} out")
    for name, seconds in took.items():
        print(f"  {name}: median {median(seconds):.2f} s {rounded(seconds)}")
    rates = [(TOKENS_OUT - 1) / (a - b) for a, b in zip(took["ours"], took["ours, first token"], strict=True)]
    print(f"  ours: {median(rates):.1f} tokens/s after the first")
    print(f"  {ratio(took['transformers'], took['ours'])}", flush=True)


def _floor(reference: Any) -> None:
    """Of a prompt only the last token's logits are wanted, so the head is multiplied once for it."""
    head = reference.get_output_embeddings().weight
    adapted = [m.base_layer.weight for m in reference.modules() if hasattr(m, "base_layer")]
    body = sum(weight.numel() for weight in adapted)
    operations, bytes_ = 2 * TOKENS_IN * body, body + head.numel()
    products, memory = multiplied(576, 1536, adapted[0].dtype), read(bytes_)
    first, rest = operations / products, (TOKENS_OUT - 1) * bytes_ / memory
    print(
        f"  floor {first + rest:.2f} s: first token {first:.2f} s at {products / 1e9:.0f} GFLOP/s in {adapted[0].dtype},"
        f" then {memory / bytes_:.0f} tokens/s, of {bytes_ / 1e6:.0f} MB each at {memory / 1e9:.1f} GB/s, attention aside",
        flush=True,
    )


def _in_pieces(decoder: GraphDecoder, prompt: list[int]) -> None:
    """Seconds to the first token by the size of the pieces that the prompt is read in, and for the slowest piece."""
    took: dict[int, list[float]] = {size: [] for size in SIZES}
    slowest: dict[int, list[float]] = {size: [] for size in SIZES}
    said = []
    for size in [*SIZES[::-1], *SIZES * TIMES]:
        session, times = decoder.open(), []
        for piece, keep in pieces(prompt, 1, size):
            began = time.perf_counter()
            logits = decoder.step(Step(session, piece, keep))
            session.ids += piece
            times.append(time.perf_counter() - began)
        took[size].append(sum(times))
        slowest[size].append(max(times))
        said.append(logits)
    for size in SIZES:
        first = f"first token {median(took[size]):.2f} s {rounded(took[size])}"
        print(f"  pieces of {size}: {first}, slowest piece {max(slowest[size]):.2f} s")
    print(f"  the same logits bit for bit: {all(torch.equal(said[0], logits) for logits in said)}", flush=True)


def _in_company(decoder: GraphDecoder, prompt: list[int]) -> None:
    """Tokens a second where 1, 2, 4 and 8 answers are written in the same steps, nothing drawn."""
    for number in (1, 2, 4, 8):
        sessions = [decoder.open() for _ in range(number)]
        for session in sessions:
            session.feed(prompt)
        rates = []
        for _ in range(TIMES):
            began = time.perf_counter()
            for token in prompt[:ANSWER]:
                decoder.steps([Step(session, [token], 1) for session in sessions])
                for session in sessions:
                    session.ids.append(token)
            rates.append(number * ANSWER / (time.perf_counter() - began))
        print(
            f"  {number} answers at once: {median(rates):.1f} tokens/s in all {[round(r, 1) for r in rates]}",
            flush=True,
        )


def _read_before(decoder: Decoder, prompt: list[int]) -> None:
    """Seconds to the first token where the prompt, or all but its last TAIL tokens, was read for an answer before."""
    took: dict[str, list[float]] = {"nothing": [], "the whole prompt": [], f"all but the last {TAIL} tokens": []}
    same = []
    for number in range(TIMES):
        memory, answers = Memory(decoder), []
        for name, asked in zip(took, (prompt, prompt, [*prompt[:-TAIL], *prompt[number : number + TAIL]]), strict=True):
            began = time.perf_counter()
            *_, begun = memory.begin(asked)
            took[name].append(time.perf_counter() - began)
            said = [int(begun.logits.argmax())]
            for _ in range(ANSWER - 1):
                said.append(int(begun.session.feed(said[-1:]).argmax()))
            memory.end(begun)
            answers.append(said)
        same += [a == b for a, b in zip(answers[0], answers[1], strict=True)]
    for name, seconds in took.items():
        print(f"  first token where {name} was read before: {median(seconds):.2f} s {rounded(seconds)}")
    print(f"  {sum(same)} of {len(same)} tokens the same where the prompt was read before", flush=True)


def _scored(decoder: Decoder, prompt: list[int]) -> None:
    """Seconds to score an answer through a prompt without passages."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        decoder.open().read(prompt[: 80 + SCORED], last=SCORED)
        took.append(time.perf_counter() - began)
    print(f"  an answer of {SCORED} tokens scored: {median(took):.2f} s {rounded(took)}", flush=True)


def _ours(decoder: Decoder, prompt: list[int], tokens: int) -> tuple[float, float]:
    """Seconds to the first token and to the last."""
    began = time.perf_counter()
    session = decoder.open()
    token = int(session.feed(prompt).argmax())
    first = time.perf_counter() - began
    for _ in range(tokens - 1):
        token = int(session.feed([token]).argmax())
    return first, time.perf_counter() - began


def _generate(model: Any, prompt: list[int], tokens: int) -> list[int]:
    ids = torch.tensor([prompt], device=model.device)
    with torch.inference_mode():
        made = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
        )
    return [int(token) for token in made[0, len(prompt) :]]


def _faithfulness(reference: Any, decoder: Decoder, prompts: list[list[int]]) -> None:
    answers = [_generate(reference, prompt, ANSWER) for prompt in prompts]
    asked = list(zip(prompts, answers, strict=True))
    known = [
        TorchDecoder(reference).open().read([*prompt, *answer[:-1]], len(answer)).cpu().log_softmax(-1)
        for prompt, answer in asked
    ]
    alone = [_told(decoder, *one) for one in asked]
    with ThreadPoolExecutor(COMPANY) as threads:
        together = list(threads.map(lambda one: _told(decoder, *one), asked))
    tokens = torch.tensor([token for answer in answers for token in answer])[:, None]

    def nll(told: list[torch.Tensor]) -> float:
        return float(-torch.cat(told).gather(1, tokens).mean())

    print(f"{len(prompts)} prompts, {len(tokens)} tokens: mean NLL {nll(known):.4f} in transformers")
    for name, told in (("alone", alone), (f"{COMPANY} at once", together)):
        same = (torch.cat(told).argmax(-1) == torch.cat(known).argmax(-1)).float().mean()
        print(f"  ours, {name}: the same next token {same:.4f}, mean NLL {nll(told):.4f}", flush=True)


def _told(decoder: Decoder, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """Log odds of the token at each place of the answer."""
    session = decoder.open()
    rows = [session.feed(prompt), *(session.feed([token]) for token in answer[:-1])]
    return torch.stack(rows).cpu().log_softmax(-1)


def _prompts(data: Path, base: BaseLanguageModel, number: int) -> list[list[int]]:
    tokenizer = base.tokenizer()
    return [encode(tokenizer, asked) for asked in conversations(data, number)]


def conversations(data: Path, number: int) -> list[list[Message]]:
    """Questions with passages as serving builds them, of eight chunks each."""
    read = pipeline.collect([str(data / "blogs" / "skeeto" / "_posts")], "skeeto", Report(""))
    posts = [post for post in read if isinstance(post, Post)]
    rng, made = random.Random(0), []
    for post in rng.sample(posts, number):
        passages = [passage for each in [post, *rng.sample(posts, 3)] for passage in _passages(each)[:2]]
        made.append(messages("skeeto", f"What do you think about {post.title}?", passages))
    return made


def _passages(post: Post) -> list[Passage]:
    facts = {"post_id": post.id, "source_id": post.source_id, "title": post.title, "url": post.url, "date": post.date}
    return [
        Passage(text=post.text[piece.start : piece.end], start=piece.start, end=piece.end, score=1, **facts)
        for piece in chunk(post)
    ]


def drawn(base: BaseLanguageModel, folder: Path) -> Path:
    """An adapter of rank 16 on every linear layer, that nobody has trained."""
    torch.manual_seed(0)
    model = get_peft_model(base.load(torch.float32), LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=DRAWN)
    model.save_pretrained(str(folder))
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50)
