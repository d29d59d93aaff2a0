"""Memory stays bounded however many ask at once (FAULTS 55): measured in a process of its own, with a real graph."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST = 64  # MB more for fifty at once than for as many as are written at once

PROGRAM = """
import re, sys, threading
from pathlib import Path

from transformers import LlamaConfig, LlamaForCausalLM

from contracts.base_model import BaseLanguageModel
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from inference_pipeline.engines.graph import GraphDecoder
from inference_pipeline.engines.local import LocalEngine
from inference_pipeline.queue import Queue
from inference_pipeline.twin import Question, Twin
from tests.fakes import WordEmbedder, fill, post, tiny_llama


def most() -> int:
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024


def at_once(count: int) -> None:
    def ask(number: int) -> None:
        asked = Question("How many minutes does the church clock gain a week?", "Ada", user=str(number))
        said.append(twin.ask(asked).timings["tokens"])

    said = []
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == count and min(said) > 0, said


home, most_at_once = Path(sys.argv[1]), int(sys.argv[2])
store = FeatureStore(home, WordEmbedder(512))
fill(store, [post(1, "The church clock gains four minutes a week. " * 30)])
folder = tiny_llama(home / "model")  # whose texts are made to need much memory: 4 KB a character
heads = {"head_dim": 64, "num_attention_heads": 8, "num_key_value_heads": 8}
LlamaForCausalLM(LlamaConfig.from_pretrained(folder, **heads)).save_pretrained(folder)
engine = LocalEngine(BaseLanguageModel(str(folder), home))
assert isinstance(engine.chat_model(None).decoder, GraphDecoder)
twin = Twin(store, ModelRegistry(home), engine, max_new_tokens=30, queue=Queue(most_at_once, waiting=50))
at_once(4)
at_once(4)
before = most()
at_once(50)
print(before, most())
store.close()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory there was at most")
def test_fifty_at_once_need_hardly_more_memory_than_those_who_are_answered(tmp_path: Path) -> None:
    program = [sys.executable, "-c", PROGRAM, str(tmp_path), "4"]
    made = subprocess.run(program, capture_output=True, text=True, timeout=250, cwd=ROOT)
    assert made.returncode == 0, made.stderr[-2000:]
    before, after = map(int, made.stdout.split())
    assert after - before < MOST
