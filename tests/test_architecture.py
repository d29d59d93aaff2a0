"""The rules that imports keep, beyond what `lint-imports` sees."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_contracts_load_no_torch() -> None:
    heavy = ["torch", "transformers", "sentence_transformers", "gradio", "peft", "langchain_core"]
    program = (
        "import sys, contracts, contracts.records, contracts.prompt, contracts.model_registry, contracts.base_model, "
        "contracts.feature_store, contracts.embedder\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, ui.commands.twin; print([n for n in ('torch','sqlalchemy','gradio','numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_every_package_is_under_the_architecture_rules_and_in_the_wheel() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert set(CONFIG["tool"]["importlinter"]["root_packages"]) == packages
    assert set(CONFIG["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages
