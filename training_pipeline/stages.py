"""The stages of a run: train, prefer, measure. Each begins where a stopped one left off."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.base_model import BaseLanguageModel
from contracts.model_registry import require_adapter
from contracts.progress import Progress
from training_pipeline import data
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from peft import PeftModel

    from training_pipeline.data_card import DataCard
    from training_pipeline.evaluation.records import Evaluation


@dataclass(frozen=True)
class Run:
    """What is learned from, by which model and recipe, and the folder that holds all of it until it is registered."""

    corpus: data.Corpus
    base: BaseLanguageModel
    recipe: Recipe
    folder: Path
    progress: Progress
    look: Callable[[DataCard], None] = field(default=lambda card: None, compare=False)
    """Is shown what is learned from, before the first step."""

    @property
    def adapter(self) -> Path:
        return self.folder / "adapter"

    def train(self) -> dict[str, Any]:
        """Fine-tune the adapter; the data card of what was learned from, the loss curves and what it cost.

        Raises TrainingError where nothing could be trained.
        """
        from training_pipeline import data_card

        tokenizer = self.base.tokenizer()
        selection = data.select(self.corpus, tokenizer, self.recipe)
        card, train = data_card.build(self.corpus, selection, self.recipe), selection.train
        self.look(card)
        self.progress("load models", 0, None)
        from training_pipeline import lora, samples

        self.progress("train", 0, None)
        began = time.monotonic()
        asked = samples.asked(self.corpus, tokenizer, self.recipe)
        curve = lora.train(self.base, train, selection.validation, self.recipe, self.folder, self.progress, asked)
        seconds = time.monotonic() - began
        posts = sorted({post_id for example in train for post_id in (example.post_id, *example.shown)})
        return {
            "data": card.model_dump(mode="json"),
            "posts": posts,
            "examples": len(train),
            "tokens": sum(len(e.ids) for e in train),
            "seconds": round(seconds, 1),
            **curve,
        }

    def prefer(self) -> Path:
        """Train on from the adapter by preference; the folder of the adapter that it makes."""
        from training_pipeline import preference

        return preference.improve(self.base, self.adapter, self.corpus, self.recipe, self.folder, self.progress)

    def measure(self, adapter: Path) -> Evaluation:
        """What an adapter proves on the corpus' held-out posts."""
        self.progress("measure", 0, None)
        from training_pipeline.evaluation import evaluate

        return evaluate.evaluate(self.load(adapter), self.base.tokenizer(), self.corpus, self.recipe, self.progress)

    def load(self, adapter: Path) -> PeftModel:
        from peft import PeftModel

        model: PeftModel = PeftModel.from_pretrained(self.base.load(), str(require_adapter(adapter)))
        return model.eval()
