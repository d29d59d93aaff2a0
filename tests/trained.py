"""A home in which one training has been run to its end, on a model that trains in a second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import PeftModel

from contracts.base_model import BaseLanguageModel
from contracts.feature_store import FeatureStore
from contracts.model_registry import ModelRegistry
from contracts.records import Split
from tests.fakes import WordEmbedder, recipe, stock
from training_pipeline import data
from training_pipeline.data import MASKED, Corpus, Encoded
from training_pipeline.pipeline import Options, Outcome, Parts, run
from training_pipeline.recipe import Recipe

RESUME = Options(resume=True)


@dataclass
class Trained:
    """The outcome, and what the training told on its way."""

    parts: Parts
    outcome: Outcome
    steps: list[tuple[str, int, int | None]]

    @property
    def home(self) -> Path:
        return self.parts.home

    @property
    def store(self) -> FeatureStore:
        return self.parts.store

    @property
    def registry(self) -> ModelRegistry:
        return self.parts.registry

    @property
    def base(self) -> BaseLanguageModel:
        return self.parts.base

    def run(self, chosen: Recipe, registry: ModelRegistry | None = None, resume: bool = False) -> Outcome:
        parts = replace(self.parts, registry=registry or self.registry)
        made = run("Ada", parts, chosen, Options(resume=resume))
        assert made
        return made

    def corpus(self) -> Corpus:
        return data.read(self.store, "Ada")

    def encoded(self, part: Split) -> list[Encoded]:
        corpus = self.corpus()
        return data.encode_all(corpus, corpus.examples[part], self.base.tokenizer(), 512)

    def loss(self, examples: list[Encoded]) -> tuple[float, float]:
        """Mean loss a target token, in fp32 and by transformers' own count: of the base model, and with the adapter."""
        model = PeftModel.from_pretrained(self.base.load(torch.float32), str(self.outcome.version.folder)).eval()
        with torch.inference_mode(), model.disable_adapter():
            base = _loss(model, examples)
        return base, _loss(model, examples)


def trained_in(home: Path, model: Path) -> Iterator[Trained]:
    store = FeatureStore(home, WordEmbedder())
    stock(store)
    parts = Parts(store, ModelRegistry(home), BaseLanguageModel(f"{model}/", home), home)
    steps: list[tuple[str, int, int | None]] = []
    outcome = run("Ada", parts, recipe(), progress=lambda *step: steps.append(step))
    assert outcome
    yield Trained(parts, outcome, steps)
    store.close()


@torch.inference_mode()
def _loss(model: PeftModel, examples: list[Encoded]) -> float:
    total = tokens = 0.0
    for example in examples:
        count = sum(label != MASKED for label in example.labels)
        made = model(input_ids=torch.tensor([example.ids]), labels=torch.tensor([example.labels]))
        total, tokens = total + float(made.loss) * count, tokens + count
    return total / tokens
