"""Settings: environment variables (TWIN_…) or one twin.toml in TWIN_HOME, in that order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from contracts.base_model import DEFAULT as DEFAULT_BASE_MODEL
from contracts.embedder import DEFAULT as DEFAULT_EMBEDDER
from contracts.errors import UsageError
from contracts.prompt import PASSAGES
from contracts.sampling import TEMPERATURE


def home() -> Path:
    """The one folder in which everything of a user's lives."""
    return Path(os.environ.get("TWIN_HOME") or platformdirs.user_data_dir("llm-twin")).expanduser().resolve()


class Settings(BaseSettings):
    """Each field is TWIN_<NAME> in the environment or <name> in twin.toml."""

    model_config = SettingsConfigDict(env_prefix="TWIN_", extra="forbid", use_attribute_docstrings=True)

    base_model: str = DEFAULT_BASE_MODEL
    """A hub id, a folder of safetensors or a .gguf file."""
    engine: Literal["fast", "torch"] = "fast"
    """How this process generates: on a CPU as an OpenVINO graph where the model can become one, or always in torch."""
    embedder: str = DEFAULT_EMBEDDER
    """A hub id or folder of a sentence-transformers model. Changing it rebuilds the vectors at the next ingest; without
    thresholds of its own, words alone then decide what is refused and supported."""
    chunk_size: int = Field(default=1000, ge=200, le=4000)
    """Characters of a chunk. Changing it rebuilds the chunks at the next ingest."""
    database_url: str | None = None
    """A SQLAlchemy address for the ledger, such as postgresql+psycopg://…; default: SQLite in TWIN_HOME."""
    qdrant_url: str | None = None
    """A Qdrant server or cluster; default: Qdrant's engine in this process."""
    qdrant_api_key: str | None = None
    remote_url: str | None = None
    """An OpenAI-compatible server that generates instead of this process (vLLM, llama.cpp, Ollama)."""
    remote_model: str | None = None
    """The server's name for the base model; adapters are asked for as author@v3."""
    remote_api_key: str | None = None
    remote_timeout: float = Field(default=60.0, gt=0)
    """Seconds that the server may say nothing, before its first word and between two."""
    api_keys: str | None = None
    """Who may use `twin serve`: keys with commas between them; written author:key, a key opens that author's twin alone."""
    passages: int = Field(default=PASSAGES, ge=1)
    """How many passages an answer may draw on."""
    max_new_tokens: int = Field(default=128, ge=1)
    temperature: float = Field(default=TEMPERATURE, ge=0)
    """Low, for answers that stay with their passages; 0 is greedy."""
    generations: int = Field(default=4, ge=1)
    """Answers that are written at the same time: together they are quicker than one by one, and each needs memory."""
    waiting: int = Field(default=32, ge=0)
    """Requests that wait for their turn; one more is refused at once."""
    voice_examples: int = Field(default=0, ge=0, le=5)
    """How many texts a model without an adapter is shown of how the author writes."""
    challenger_share: float = Field(default=0.0, ge=0, le=1)
    """Of the conversations that name no version, the share that the challenger answers instead of the champion."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home() / "twin.toml")


def load() -> Settings:
    try:
        return Settings()
    except (ValidationError, ValueError) as error:
        detail = (
            "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            if isinstance(error, ValidationError)
            else str(error)
        )
        raise UsageError(
            f"a setting is wrong: {detail}", f"check TWIN_… variables and {home() / 'twin.toml'}"
        ) from error
