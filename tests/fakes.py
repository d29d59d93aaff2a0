"""Small real things: an embedder whose vectors mean something, and a Llama that trains in a second."""

from __future__ import annotations

import datetime as dt
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.feature_store import Features, FeatureStore, FeatureVersion
from contracts.records import Post
from feature_pipeline.chunk import CHUNKER, chunk
from feature_pipeline.label import examples


class WordEmbedder:
    """A bag of hashed words: texts with words in common are near, and it loads no model."""

    def __init__(self, dimension: int = 64, name: str = "words") -> None:
        self.dimension, self.fingerprint = dimension, f"{name}-{dimension}"
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
    version = FeatureVersion(CHUNKER, store.embedder.fingerprint)
    features, texts = [], {}
    for one in posts:
        chunks = chunk(one)
        embedded = [piece.embedded(one.text) for piece in chunks]
        keys = [store.vector_key(text) for text in embedded]
        texts.update(zip(keys, embedded, strict=True))
        features.append(Features(one, chunks, keys, examples(one)))
    vectors = dict(zip(texts, store.embedder.embed(list(texts.values())), strict=True))
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


def tiny_llama(folder: Path) -> Path:
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
    torch.manual_seed(0)
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
