"""A recipe: everything about a training run that a person may choose. Recipes are data, in recipes/*.toml."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import UsageError
from contracts.records import AdapterCard
from training_pipeline.evaluation.records import CONDITIONS, Condition


class Gate(BaseModel):
    """What a version must prove before it becomes champion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delta_nll_low: float
    specificity_low: float
    copy_excess_high: float
    forgetting_high: float = 0.1


class Preference(BaseModel):
    """A second training, by preference (DPO): the author's text is to be likelier than what the base model writes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: int = Field(gt=0)
    epochs: int = Field(default=1, gt=0)
    beta: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    batch: int = Field(gt=0)
    accumulate: int = Field(default=1, gt=0)


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    seed: int = 7
    rank: int = Field(gt=0)
    alpha: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    learning_rate: float = Field(gt=0)
    batch: int = Field(gt=0)
    accumulate: int = Field(default=1, gt=0)
    precision: Literal["auto", "fp32"] = "auto"
    quantise: Literal["none", "nf4"] = "none"
    recompute: bool = False
    max_tokens: int = Field(gt=32)
    evidence_share: float = Field(default=0.0, ge=0, le=1)
    epochs: int = Field(gt=0)
    newest: int | None = Field(default=None, gt=0)
    """Train on so many of the newest posts that have examples; None: on all."""
    train_tokens: int = Field(gt=0)
    validate_times: int = Field(gt=0)
    validation_examples: int = Field(gt=0)
    patience: int = Field(gt=0)
    samples: int = Field(default=0, ge=0)
    sample_tokens: int = Field(default=48, gt=0)
    eval_posts: int = Field(gt=0)
    generations: int = Field(gt=0)
    generation_tokens: int = Field(gt=0)
    conditions: tuple[Condition, ...] = CONDITIONS
    seeds: int = Field(default=1, gt=0)
    preference: Preference | None = None
    gate: Gate

    def deciding(self) -> str:
        """All of it that decides what comes of a run: samples are for whoever looks on."""
        return self.model_dump_json(exclude={"samples", "sample_tokens"})


def of(card: AdapterCard, name: str) -> Recipe:
    """By which the version of that name was made. Raises UsageError where it is not one of today's."""
    try:
        return Recipe.model_validate(card.recipe)
    except ValidationError as error:
        raise UsageError(f"the recipe of {name} cannot be read", "train a version by a recipe that can") from error


def load(name: str) -> Recipe:
    """A shipped recipe by name, or one of the user's by path. Raises UsageError, naming what is wrong."""
    shipped = resources.files("training_pipeline") / "recipes"
    names = sorted(path.name.removesuffix(".toml") for path in shipped.iterdir() if path.name.endswith(".toml"))
    try:
        if name in names:
            text = (shipped / f"{name}.toml").read_text(encoding="utf-8")
        else:
            text = Path(name).read_text(encoding="utf-8")
        return Recipe.model_validate({"name": Path(name).stem, **tomllib.loads(text)})
    except OSError as error:
        raise UsageError(f"no recipe {name!r}", f"choose one of {', '.join(names)}, or a .toml file") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the recipe {name} is not valid TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError(
            f"the recipe {name} is wrong: {problems}", "start from a copy of recipes/quick.toml"
        ) from error
