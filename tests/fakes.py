"""Small real things: an embedder whose vectors mean something, and a Llama that trains in a second."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import signal
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.base_model import BaseLanguageModel
from contracts.feature_store import FeatureStore, FeatureVersion
from contracts.progress import silent
from contracts.prompt import PROMPT_HASH
from contracts.records import AdapterCard, Figure, Post, Snapshot
from feature_pipeline.batches import LocalEngine
from feature_pipeline.build import Build
from feature_pipeline.chunk import DEFAULT
from feature_pipeline.label import label
from feature_pipeline.report import Report
from training_pipeline.recipe import Recipe


def hear_ctrl_c() -> None:
    """As Popen's preexec_fn: a shell's background job ignores SIGINT, and so would every process that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class WordEmbedder:
    """A bag of hashed words: texts with words in common are near, and it loads no model."""

    def __init__(self, dimension: int = 64, name: str = "words") -> None:
        self.dimension, self.name, self.fingerprint = dimension, name, f"{name}-{dimension}"
        self.embedded = 0

    def embed(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        self.embedded += len(texts)
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            row[0] = 0.01  # a text without words has a direction too
            for word in re.findall(r"\w+", text.lower()):
                row[zlib.crc32(word.encode()) % self.dimension] += 1
        if progress:
            progress(len(texts), len(texts))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def post(number: int, text: str, author: str = "Ada", title: str = "", day: int | None = None) -> Post:
    date = dt.date(2024, 1, 1) + dt.timedelta(days=number if day is None else day)
    return Post(
        author=author,
        source="/posts",
        source_id=f"{number}.md",
        title=title or f"Post {number}",
        date=date,
        url=f"https://ada.example/{number}",
        text=text,
    )


def fill(store: FeatureStore, posts: Sequence[Post], reference: bool = False) -> None:
    """Chunk, embed and store posts, as the feature pipeline does."""
    version = FeatureVersion(str(DEFAULT), store.embedder.fingerprint, store.embedder.name)
    build = Build(store, version, DEFAULT, LocalEngine(), Report(posts[0].author), silent)
    features, vectors, _ = build.features(posts)
    store.write(version, features, vectors, reference)


WORDS = [
    "the",
    "clock",
    "runs",
    "slow",
    "and",
    "a",
    "spring",
    "bends",
    "when",
    "rain",
    "falls",
    "on",
    "brass",
    "i",
    "count",
    "every",
    "screw",
    "twice",
    "then",
    "drink",
    "tea",
]


OTHER_WORDS = ["zinc", "volt", "amp", "relay", "coil"]


@contextmanager
def one_thread() -> Iterator[None]:
    """For models of this size: two threads that wait for each other on a busy machine take 17 times as long."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_llama(folder: Path, seed: int = 0) -> Path:
    """A Llama of two layers with a word-level tokenizer and a chat template, saved as a hub would deliver it."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    characters = [chr(code) for code in range(32, 127)] + ["\n", "“", "”", "’", "é", "…"]
    vocabulary = {token: i for i, token in enumerate(["<unk>", "<|im_start|>", "<|im_end|>", *characters])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    from tokenizers import decoders

    core.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<unk>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        bos_token="<|im_start|>",
    )
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=2,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def card(author: str = "Ada", run_id: str = "run", **changes: Any) -> AdapterCard:
    """A card that says as little as it may; `changes` replace its fields."""
    values: dict[str, Any] = {
        "author": author,
        "run_id": run_id,
        "created": dt.datetime(2024, 6, 1, tzinfo=dt.UTC),
        "snapshot": Snapshot(id="s", feature_version="f", posts=1, chunks=1),
        "posts": {"train": ("a",), "validation": ("b",), "test": ("c",)},
        "examples": 1,
        "prompt_hash": PROMPT_HASH,
        "base_model": "tiny",
        "base_model_hash": "weights",
        "tokenizer_hash": "tokens",
        "recipe": {"name": "none"},
        "seed": 7,
        "libraries": {},
        "environment": {},
        "training": {},
        "evaluation": {"delta_nll": Figure(value=None, n=0, note="not measured")},
        "gate": (),
        "parent": None,
    }
    return AdapterCard.model_validate({**values, **changes})


def hashes(base: BaseLanguageModel) -> dict[str, str]:
    """What a card says of the base model that its version belongs to."""
    names = {"base_model_hash": "hash", "tokenizer_hash": "tokenizer_hash", "template_hash": "template_hash"}
    return {field: getattr(base, name) for field, name in names.items()}


def adapter(folder: Path, weights: bytes = b"weights") -> Path:
    """A folder of the files that a training leaves, which nothing could load."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


def voice(number: int, words: Sequence[str], length: int = 28) -> str:
    """A short post in the words of one author; the same for the same number."""
    drawn = random.Random(number).choices(words, k=length)
    return " ".join(word + "." * (place % 7 == 6) for place, word in enumerate(drawn))


def stock(store: FeatureStore, posts: int = 25) -> None:
    """Ada's posts, and those of two reference authors who have other words and shout them."""
    fill(store, [post(number, voice(number, WORDS)) for number in range(posts)])
    for author in ("Bea", "Cy"):
        shouted = [
            voice(zlib.crc32(f"{author}{n}".encode()), ["ZINC", "VOLT", "AMP", "RELAY", "COIL"]) for n in range(6)
        ]
        fill(store, [post(n, text, author=author) for n, text in enumerate(shouted)], reference=True)
    for author in ("Ada", "Bea", "Cy"):
        label(author, store, changed=True)


def recipe(**changes: Any) -> Recipe:
    """Nine steps that a tiny model takes in a second; `changes` replace its fields."""
    values: dict[str, Any] = {
        "name": "tiny",
        "rank": 8,
        "alpha": 16,
        "dropout": 0.0,
        "learning_rate": 1e-2,
        "batch": 4,
        "max_tokens": 512,
        "epochs": 2,
        "train_tokens": 100_000,
        "validate_times": 3,
        "validation_examples": 4,
        "patience": 5,
        "eval_posts": 12,
        "generations": 5,
        "generation_tokens": 16,
        "gate": {"delta_nll_low": 0.0, "specificity_low": 0.0, "copy_excess_high": 0.5},
    }
    return Recipe.model_validate({**values, **changes})


def recipe_file(path: Path, made: Recipe) -> Path:
    """The recipe as a person would write it."""
    values = made.model_dump(exclude={"name", "gate", "preference"})
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]
    lines += ["[gate]", *(f"{name} = {value}" for name, value in made.gate.model_dump().items())]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def tiny_embedder(folder: Path, words: Sequence[str]) -> Path:
    """A sentence-transformers model that knows these words alone: a text's vector is the mean of its words'."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {word: place for place, word in enumerate(dict.fromkeys(["<unk>", *(w.lower() for w in words)]))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.normalizer, core.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    module = StaticEmbedding(core, embedding_dim=128)
    SentenceTransformer(modules=[module], device="cpu").save_pretrained(str(folder))
    return folder


def tiny_encoder(folder: Path, pooling: str = "mean", prompt: str = "") -> Path:
    """A sentence-transformers model of the usual kind, a small BERT with random weights that reads characters."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {
        token: place for place, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *map(chr, range(32, 127))])
    }
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size)).save_pretrained(
        str(folder / "bert")
    )
    tokenizer.save_pretrained(str(folder / "bert"))
    modules = [Transformer(str(folder / "bert"), max_seq_length=64), Pooling(32, pooling)]
    prompts = {"prompts": {"text": prompt}, "default_prompt_name": "text"} if prompt else {}
    SentenceTransformer(modules=modules, device="cpu", **prompts).save_pretrained(str(folder))
    return folder


def taught_adapter(base: BaseLanguageModel, folder: Path, steps: int = 30) -> Path:
    """An adapter that has learned to answer in WORDS."""
    import torch
    from peft import LoraConfig, get_peft_model

    from contracts.prompt import encode, encode_target, messages

    torch.manual_seed(0)
    tokenizer = base.tokenizer()
    model = get_peft_model(base.load(torch.float32), LoraConfig(r=8, target_modules="all-linear"))
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    prompt = encode(tokenizer, messages("Ada", "Write about clocks."))
    for number in range(steps):
        target = encode_target(tokenizer, voice(number, WORDS))
        labels = torch.tensor([[-100] * len(prompt) + target])
        model(input_ids=torch.tensor([prompt + target]), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


def drawn_adapter(base: BaseLanguageModel, folder: Path, std: float) -> Path:
    """An adapter that changes every answer: its weights are drawn, not trained."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    model = get_peft_model(base.load(torch.float32), LoraConfig(r=4, target_modules="all-linear"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=std)
    model.save_pretrained(str(folder))
    return folder
