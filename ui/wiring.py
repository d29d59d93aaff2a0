"""The one composition root: settings in, the parts of the application out, each made when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ui.settings import Settings, home, load

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

    from contracts.base_model import BaseLanguageModel
    from contracts.feature_store import FeatureStore
    from contracts.model_registry import ModelRegistry
    from feature_pipeline.chunk import Chunker
    from inference_pipeline.engines.remote import RemoteEngine
    from inference_pipeline.twin import Engine, Twin
    from training_pipeline.pipeline import Parts
    from ui.users import Users


class App:
    """The application's parts; tests replace one by assigning it before it is used."""

    def __init__(self, settings: Settings | None = None, folder: Path | None = None) -> None:
        self.settings = settings or load()
        self.home = folder or home()

    @cached_property
    def store(self) -> FeatureStore:
        from contracts.embedder import SentenceEmbedder
        from contracts.feature_store import FeatureStore

        def load(name: str) -> SentenceEmbedder:
            return SentenceEmbedder(name, self.home / "embedders")

        return FeatureStore(
            self.home,
            load(self.settings.embedder),
            self.settings.database_url,
            self._qdrant if self.settings.qdrant_url else None,
            load=load,
        )

    @property
    def chunker(self) -> Chunker:
        """How new feature versions are cut."""
        from feature_pipeline.chunk import Chunker

        return Chunker(size=self.settings.chunk_size, whole=self.settings.chunk_size * 6 // 5)

    @cached_property
    def users(self) -> Users:
        """Who may use the page, where it is for several people."""
        from ui.users import Users

        return Users(self.home)

    @cached_property
    def registry(self) -> ModelRegistry:
        from contracts.model_registry import ModelRegistry

        return ModelRegistry(self.home)

    @cached_property
    def base_model(self) -> BaseLanguageModel:
        from contracts.base_model import BaseLanguageModel

        return BaseLanguageModel(self.settings.base_model, self.home)

    @property
    def training(self) -> Parts:
        """What a training works with."""
        from training_pipeline.pipeline import Parts

        return Parts(self.store, self.registry, self.base_model, self.home)

    @cached_property
    def remote(self) -> RemoteEngine | None:
        """The server that generates, where one is named."""
        if not self.settings.remote_url:
            return None
        from inference_pipeline.engines.remote import RemoteEngine

        asked = self.settings
        return RemoteEngine(asked.remote_url or "", asked.remote_model, asked.remote_api_key, asked.remote_timeout)

    @cached_property
    def engine(self) -> Engine:
        """Where text is generated: on a server, where one is named, else in this process."""
        if self.remote:
            return self.remote
        from inference_pipeline.engines.local import LocalEngine

        return LocalEngine(self.base_model, graphs=self.settings.engine == "fast")

    @cached_property
    def twin(self) -> Twin:
        from inference_pipeline.queue import Queue
        from inference_pipeline.twin import Twin

        return Twin(
            self.store,
            self.registry,
            self.engine,
            passages=self.settings.passages,
            max_new_tokens=self.settings.max_new_tokens,
            temperature=self.settings.temperature,
            queue=Queue(self.settings.generations, self.settings.waiting),
            challenger_share=self.settings.challenger_share,
            voice_examples=self.settings.voice_examples,
        )

    def _qdrant(self) -> QdrantClient:
        from qdrant_client import QdrantClient

        return QdrantClient(
            url=self.settings.qdrant_url,
            api_key=self.settings.qdrant_api_key,
            timeout=30,
            check_compatibility=False,  # it asks in a thread of its own, whose failure nobody can catch
        )
