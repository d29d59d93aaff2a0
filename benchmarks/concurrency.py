"""Several users at once:  python -m benchmarks.concurrency ../shared/data [--fifty]

Each level is ANSWERS answers of 100 tokens to different prompts of about 1,500 tokens, by the default model with an adapter,
through the queue as serving uses it. Times count from the request on, waiting included. Then what a version costs in memory
and a switch in seconds. With --fifty, only 50 requests at once, and what they need at most.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.generation_speed import conversations, drawn
from benchmarks.speed import machine
from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.errors import Busy
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.prompt import PROMPT_HASH, Message
from inference_pipeline.engines.local import LocalEngine
from inference_pipeline.queue import Queue
from tests.fakes import card

ANSWERS, TOKENS = 8, 100
LEVELS = (
    (1, 1),
    (2, 2),
    (4, 2),
    (4, 4),
    (8, 2),
    (8, 4),
    (8, 8),
)  # users, and answers that are written at the same time


@dataclass(frozen=True)
class Served:
    first: float
    """Seconds from the request to the first piece."""
    total: float
    tokens: int


def main(data: Path, fifty: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = BaseLanguageModel(DEFAULT, Path(folder))
        version, other = (_version(Path(folder), base, run) for run in ("one", "other"))
        asked = conversations(data, 1 + (50 if fifty else ANSWERS * len(LEVELS)))  # what was read once is read faster
        engine = LocalEngine(base)
        began = time.perf_counter()
        engine.chat_model(version).invoke(asked.pop(), max_tokens=2)
        print(f"the first answer after a base model was chosen waits {time.perf_counter() - began:.1f} s", flush=True)
        if fifty:
            _fifty(engine, version, asked)
        else:
            for place, (users, at_once) in enumerate(LEVELS):
                _level(engine, version, asked[place * ANSWERS : (place + 1) * ANSWERS], users, at_once)
            _switches(engine, version, other, asked[0])
    print(machine())


def _level(engine: LocalEngine, version: ModelVersion, asked: list[list[Message]], users: int, at_once: int) -> None:
    """Every user asks one question after the other."""
    queue, served = Queue(at_once), list[Served]()
    _forget_peak()
    began = time.perf_counter()

    def ask(user: int) -> None:
        served.extend(_answer(engine, version, queue, str(user), asked[n], TOKENS) for n in range(user, ANSWERS, users))

    _at_once(ask, users)
    took, tokens = time.perf_counter() - began, sum(one.tokens for one in served)
    firsts = sorted(one.first for one in served)
    each = median(one.tokens / one.total for one in served)
    print(
        f"{users} users, {at_once} at once: {tokens / took:.1f} tokens/s in all, {each:.1f} for each; first token "
        f"{median(firsts):.1f} s, slowest of {len(firsts)} {firsts[-1]:.1f} s; at most {_peak():,.0f} MB",
        flush=True,
    )


def _fifty(engine: LocalEngine, version: ModelVersion, asked: list[list[Message]]) -> None:
    queue, served, refused = Queue(), list[Served](), list[int]()
    before = _now()
    _forget_peak()

    def ask(user: int) -> None:
        try:
            served.append(_answer(engine, version, queue, str(user), asked[user], 20))
        except Busy:
            refused.append(user)

    _at_once(ask, 50)
    print(f"50 at once: {len(served)} answered, {len(refused)} told to come again, {before:,.0f} MB before, ", end="")
    print(f"at most {_peak():,.0f} MB", flush=True)


def _answer(
    engine: LocalEngine, version: ModelVersion, queue: Queue, user: str, asked: list[Message], tokens: int
) -> Served:
    began, first, said = time.perf_counter(), 0.0, 0
    with queue.place(user):
        for piece in engine.chat_model(version).stream(asked, max_tokens=tokens, temperature=0.3):
            if piece.content:
                first = first or time.perf_counter() - began
                said += 1
    return Served(first, time.perf_counter() - began, said)


def _switches(engine: LocalEngine, version: ModelVersion, other: ModelVersion, asked: list[Message]) -> None:
    """To a version that is not in memory, and back to one that is."""
    for name, to in (("a version that is not in memory", other), ("one that is", version)):
        before, began = _now(), time.perf_counter()
        chat = engine.chat_model(to)
        took = time.perf_counter() - began
        chat.invoke(asked, max_tokens=2)
        print(f"switch to {name}: {took:.2f} s, {_now() - before:+,.0f} MB", flush=True)


def _version(home: Path, base: BaseLanguageModel, run: str) -> ModelVersion:
    fits = {"base_model_hash": base.hash, "tokenizer_hash": base.tokenizer_hash, "prompt_hash": PROMPT_HASH}
    return ModelRegistry(home).register(card(run_id=run, **fits), drawn(base, home / "adapter"))


def _at_once(do: object, count: int) -> None:
    threads = [threading.Thread(target=do, args=(number,)) for number in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    return _status("VmHWM")


def _now() -> float:
    return _status("VmRSS")


def _status(name: str) -> float:
    """MB of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1000


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--fifty" in sys.argv)
