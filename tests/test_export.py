"""What other programs are given says what the adapter says, or is not written."""

from __future__ import annotations

import importlib.util
import multiprocessing
import re
import resource
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.errors import Mismatch, ModelError, UsageError
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.progress import silent
from contracts.prompt import encode, encode_target, messages
from inference_pipeline.engines import local
from tests import invented
from tests.fakes import WORDS, card, one_thread, recipe, voice
from training_pipeline import gguf_file, probe
from training_pipeline.export import FORMATS, Format, export
from training_pipeline.export_notes import file_name, go_template, modelfile
from training_pipeline.stages import Run

LLAMA_CPP = importlib.util.find_spec("xllamacpp") is not None
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "llama": (LlamaConfig, [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]),
    "qwen2": (
        Qwen2Config,
        [
            pre_tokenizers.Split(Regex(gguf_file.WORDS.format(digits="")), "isolated"),
            pre_tokenizers.ByteLevel(False, use_regex=False),
        ],
    ),
    "qwen3": (
        Qwen3Config,
        [
            pre_tokenizers.Split(Regex(gguf_file.WORDS.format(digits="{1,3}")), "isolated"),
            pre_tokenizers.ByteLevel(False, use_regex=False),
        ],
    ),
}


def tiny(folder: Path, kind: str = "llama", tied: bool = True, **changes: Any) -> Path:
    """A model of two layers with random weights, and a tokenizer that merges bytes, as a hub would deliver them."""
    configuration, cuts = KINDS[kind]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(
        [" ".join(WORDS), "system user assistant You are Ada's twin, it's 1234 words"] * 3, trainer
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<|endoftext|>",
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
    )
    tokenizer.chat_template = CHATML
    torch.manual_seed(3)
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 0.3,
        "tie_word_embeddings": tied,
    }
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    AutoModelForCausalLM.from_config(configuration(**{**sizes, **tokens, **changes})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Twin:
    base: BaseLanguageModel
    version: ModelVersion


def registered(home: Path, name: str | Path, strength: float = 0.3) -> Twin:
    """A version whose adapter moves every linear layer, as far as `strength`."""
    base = BaseLanguageModel(str(name), home)
    torch.manual_seed(5)
    adapted = get_peft_model(base.load(), LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    for parameter_name, weights in adapted.named_parameters():
        if "lora_B" in parameter_name:
            torch.nn.init.normal_(weights, std=strength)
    adapted.save_pretrained(str(home / "adapter"), save_embedding_layers=False)
    made = card(
        base_model=base.name,
        base_model_hash=base.hash,
        tokenizer_hash=base.tokenizer_hash,
        template_hash=base.template_hash,
        recipe={"rank": 4},
    )
    return Twin(base, ModelRegistry(home).register(made, home / "adapter", readme=lambda of: f"# {of}, a card\n"))


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    home = tmp_path_factory.mktemp("home")
    return registered(home, tiny(home / "base"))


def logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=torch.tensor([ids])).logits[0]
    return found


@pytest.mark.parametrize("format_", FORMATS)
def test_an_export_says_what_the_adapter_says(twin: Twin, tmp_path: Path, format_: Format) -> None:
    with one_thread():
        made = export(twin.version, twin.base, format_, tmp_path / "out")
    checks = {check.by.split()[0]: check for check in made.checks}
    assert list(checks) == ["transformers", "llama.cpp"][: 1 + (format_ == "gguf" and LLAMA_CPP)]
    for check in checks.values():
        assert check.tokens > 20
        assert check.same == check.tokens or check.ties > 0
        assert abs(check.nll - check.reference_nll) < 0.01
    if format_ != "gguf":
        assert abs(checks["transformers"].nll - checks["transformers"].reference_nll) < 1e-5
    folder = tmp_path / "out"
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == made.files
    assert not [name for name in made.files if Path(name).suffix in {".bin", ".pt", ".pth", ".pkl"}]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # nothing half-made is left beside it
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert str(made.checks[0]) in text
    assert twin.version.card.base_model_hash in text
    assert (folder / "MODEL_CARD.md").read_text(encoding="utf-8") == "# Ada@v1, a card\n"


def test_merged_weights_load_as_any_model_does(twin: Twin, tmp_path: Path) -> None:
    with one_thread():
        export(twin.version, twin.base, "merged", tmp_path / "out")
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
        adapted = PeftModel.from_pretrained(twin.base.load(torch.float32), str(twin.version.folder)).eval()
        ids = encode(tokenizer, messages("Ada", "What about rain on brass?"))
        assert ids == encode(twin.base.tokenizer(), messages("Ada", "What about rain on brass?"))
        assert merged.dtype == torch.float32
        assert torch.allclose(logits(merged, ids), logits(adapted, ids), atol=1e-3)
        assert not torch.allclose(logits(twin.base.load(torch.float32), ids), logits(adapted, ids), atol=1e-1)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json"} <= names


@pytest.mark.parametrize(("kind", "tied"), [("llama", False), ("qwen2", True), ("qwen3", False)])
def test_a_gguf_file_of_each_kind(tmp_path: Path, kind: str, tied: bool) -> None:
    with one_thread():
        made = registered(tmp_path / "home", tiny(tmp_path / "base", kind, tied))
        export(made.version, made.base, "gguf", tmp_path / "out")  # which fails where it says something else
    reader = gguf.GGUFReader(tmp_path / "out" / "ada-v1.f16.gguf")
    facts = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer.ggml.t")}
    assert facts["general.architecture"] == kind
    assert facts["general.name"] == "Ada@v1"
    assert facts["general.file_type"] == 1
    assert facts["tokenizer.chat_template"] == CHATML
    assert facts["tokenizer.ggml.pre"] == {"llama": "smollm", "qwen2": "qwen2", "qwen3": "llama-bpe"}[kind]
    types = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert {name: kind_ for name, kind_ in types.items() if kind_ != "F16"} == {
        name: "F32" for name in types if "norm" in name or name.endswith(".bias")
    }
    assert ("output.weight" in types) is not tied


def test_a_base_model_from_a_gguf_file_gives_its_facts(twin: Twin, tmp_path: Path) -> None:
    with one_thread():
        export(twin.version, twin.base, "gguf", tmp_path / "first")
        source = tmp_path / "first" / "ada-v1.f16.gguf"
        again = registered(tmp_path / "home", source)
        export(again.version, again.base, "gguf", tmp_path / "second")
        (tmp_path / "file").write_text("no folder", encoding="utf-8")
        with pytest.raises(ModelError, match=r"cannot be unpacked: .*\n  → make room, or let it be written, in "):
            _ = BaseLanguageModel(str(source), tmp_path / "file").folder
    before, after = (
        {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items() if not name.startswith("GGUF.")}
        for path in (source, tmp_path / "second" / "ada-v1.f16.gguf")
    )
    assert before == after
    names = [
        [tensor.name for tensor in gguf.GGUFReader(path).tensors]
        for path in (source, tmp_path / "second" / source.name)
    ]
    assert sorted(names[0]) == sorted(names[1])


def test_rows_of_q_and_k_are_interleaved() -> None:
    rows = np.arange(8 * 3).reshape(8, 3)
    assert gguf_file._interleaved(rows, 2)[:, 0].tolist() == [0, 6, 3, 9, 12, 18, 15, 21]


def test_an_export_that_says_something_else_is_not_written(twin: Twin) -> None:
    with one_thread():
        base = twin.base.load(torch.float32).eval()
        adapted = PeftModel.from_pretrained(twin.base.load(torch.float32), str(twin.version.folder)).eval()
        expected = probe.reference(adapted, probe.prompts("Ada", twin.base.tokenizer()), {2})
        with pytest.raises(ModelError, match="does not say what the adapter says"):
            probe.by_transformers(base, expected, {2})
        assert probe.by_transformers(adapted, expected, {2}).same == sum(len(said.tokens) for said in expected)


def test_an_export_of_which_no_token_can_be_compared_is_not_written() -> None:
    """All texts part at their first token, each at a tie: nothing says that the programs agree."""
    wanted = probe.Said(
        prompt=(1,), tokens=(5, 6), logprobs=(-1.0, -1.0), margins=(0.01, 1.0), ended=False, text_nll=2.0
    )
    other = probe.Said(prompt=(1,), tokens=(6, 5), logprobs=(-1.0, -1.0), ended=False)
    with pytest.raises(ModelError, match="0 of 6 greedy tokens of 3 prompts are the same"):
        probe._compare("another program", [wanted] * 3, [other] * 3)
    same = wanted.model_copy(update={"text_nll": None})
    assert probe._compare("another program", [wanted] * 3, [other, other, same]).same == 2


def test_what_cannot_be_said_in_gguf_is_refused_and_leaves_nothing(tmp_path: Path, tiny_model: Path) -> None:
    with one_thread():
        made = registered(tmp_path / "home", tiny_model)
        with pytest.raises(ModelError, match="tokenizer of this kind: WordLevel"):
            export(made.version, made.base, "gguf", tmp_path / "out" / "deep")
        scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
        other = registered(tmp_path / "home2", tiny(tmp_path / "base2", rope_parameters=scaled))
        with pytest.raises(ModelError, match="linear rotary embedding"):
            export(other.version, other.base, "gguf", tmp_path / "out" / "deep")
    assert list((tmp_path / "out").iterdir()) == []


def test_only_a_whole_version_on_its_own_base_model_is_exported_and_nothing_is_overwritten(
    twin: Twin, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        export(twin.version, twin.base, "peft", tmp_path / "mine")
    with pytest.raises(UsageError, match="is there already"):
        export(twin.version, twin.base, "peft", tmp_path / "mine" / "notes.txt")
    another = BaseLanguageModel(str(tiny(tmp_path / "other", "qwen2")), tmp_path / "home")
    with pytest.raises(Mismatch, match="another base model"):
        export(twin.version, another, "peft", tmp_path / "out")
    with pytest.raises(ModelError, match="the export cannot be written"):
        export(twin.version, twin.base, "peft", tmp_path / "mine" / "notes.txt" / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("broken", ["{}", "[]", "no JSON"])
def test_a_folder_that_is_no_adapter_is_told_in_a_sentence(twin: Twin, tmp_path: Path, broken: str) -> None:
    """As whole as its card knows, so that no hash gives it away; when it is exported, measured and asked."""
    made = tmp_path / "adapter"
    made.mkdir()
    (made / "adapter_model.safetensors").write_bytes((twin.version.folder / "adapter_model.safetensors").read_bytes())
    (made / "adapter_config.json").write_text(broken, encoding="utf-8")
    version = ModelRegistry(tmp_path).register(twin.version.card, made)
    with pytest.raises(ModelError, match="holds no adapter"):
        export(version, twin.base, "merged", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ModelError, match="holds no adapter"):
        Run(invented.corpus(), twin.base, recipe(), tmp_path, silent).load(version.folder)
    with pytest.raises(ModelError, match="holds no adapter"):
        local.merged(twin.base, version.folder)
    (made / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="holds no adapter"):
        local.merged(twin.base, made)
    (made / "adapter_config.json").unlink()
    with pytest.raises(ModelError, match="expected a hash in its card, found no such file"):
        export(
            ModelRegistry(tmp_path / "other").register(twin.version.card, made), twin.base, "merged", tmp_path / "out"
        )


def _with_little_room(twin: Twin, format_: Format, target: Path, said: Connection) -> None:
    """No file may grow beyond 5 kB, as on a disk that is nearly full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
    try:
        with one_thread():
            export(twin.version, twin.base, format_, target)
    except ModelError as error:
        said.send(error.message)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_full_disk_is_told_and_nothing_half_made_is_left(twin: Twin, tmp_path: Path, format_: Format) -> None:
    spawn = multiprocessing.get_context("spawn")
    told, said = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_with_little_room, args=(twin, format_, tmp_path / "out", said))
    process.start()
    said.close()
    assert told.poll(120)
    assert told.recv().startswith("the export cannot be written: ")
    process.join(10)
    assert list(tmp_path.iterdir()) == []


def filled(template: str, system: str, turns: list[tuple[str, str]]) -> str:
    """As Ollama fills a template: once a turn, one after the other; the system line with the first."""
    text = ""
    for place, (question, reply) in enumerate(turns):
        shown = system if place == 0 else ""
        turn = re.sub(r"\{\{ if \.System \}\}(.*?)\{\{ end \}\}", r"\1" if shown else "", template, flags=re.DOTALL)
        turn = re.sub(r"\{\{ if \.Prompt \}\}(.*?)\{\{ end \}\}", r"\1", turn, flags=re.DOTALL)
        values = {"{{ .System }}": shown, "{{ .Prompt }}": question}
        for name, value in values.items():
            turn = turn.replace(name, value)
        text += turn.partition("{{ .Response }}")[0] if not reply else turn.replace("{{ .Response }}", reply)
    return text


def test_the_modelfile_asks_as_the_twin_is_asked(twin: Twin) -> None:
    tokenizer: PreTrainedTokenizerBase = twin.base.tokenizer()
    template = go_template(tokenizer)
    (system, question) = messages("Ada", "Why brass?")
    talk = [system, question, {"role": "assistant", "content": "It sings."}, {"role": "user", "content": "And rain?"}]
    for length, turns in ((2, [("Why brass?", "")]), (4, [("Why brass?", "It sings."), ("And rain?", "")])):
        wanted = tokenizer.apply_chat_template(talk[:length], tokenize=False, add_generation_prompt=True)
        assert filled(template, system["content"], turns) == wanted
    text = modelfile("Ada", tokenizer, "ada-v1.f16.gguf")
    assert text.startswith("FROM ./ada-v1.f16.gguf\n")
    assert f'SYSTEM """{system["content"]}"""' in text
    assert 'PARAMETER stop "<|im_end|>"' in text
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'][::-1] }}{% endfor %}"
    with pytest.raises(ModelError, match="cannot be said in Ollama's language"):
        go_template(tokenizer)


@pytest.mark.parametrize(
    ("author", "name"), [("Wren Halloway", "wren-halloway-v1"), ("百合", "twin-v1"), ("../x", "x-v1")]
)
def test_files_have_names_that_every_system_takes(twin: Twin, author: str, name: str) -> None:
    assert file_name(ModelVersion(author, 1, twin.version.folder, twin.version.card)) == name


@pytest.mark.slow
def test_the_default_model_says_the_same_in_llama_cpp_after_a_few_steps_of_training(tmp_path: Path) -> None:
    base = BaseLanguageModel(DEFAULT, tmp_path)
    tokenizer = base.tokenizer()
    model = get_peft_model(base.load(), LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    optimizer = torch.optim.AdamW([weights for weights in model.parameters() if weights.requires_grad], lr=1e-3)
    losses = []
    for number in range(8):
        ids = encode(tokenizer, messages("Ada", "Write about clocks.")) + encode_target(tokenizer, voice(number, WORDS))
        inputs = torch.tensor([ids], device=model.device)
        loss = model(input_ids=inputs, labels=inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.3
    model.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
    hashes = {name: getattr(base, name) for name in ("tokenizer_hash", "template_hash")}
    made = card(base_model=base.name, base_model_hash=base.hash, recipe={"rank": 8}, **hashes)
    version = ModelRegistry(tmp_path).register(made, tmp_path / "adapter")
    exported = export(version, base, "gguf", tmp_path / "out")
    for check in exported.checks:
        assert check.same == check.tokens or check.ties
        assert abs(check.nll - check.reference_nll) < 0.01
    assert len(exported.checks) == 1 + LLAMA_CPP
    facts = gguf.GGUFReader(tmp_path / "out" / "ada-v1.f16.gguf").fields
    assert facts["tokenizer.ggml.pre"].contents() == "smollm"  # as the base model's file says
    assert facts["general.file_type"].contents() == 1
