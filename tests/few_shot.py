"""What the real base model writes when it is shown three posts by an invented author, kept in few_shot.json.

python -m tests.few_shot [HOME]    asks it anew, which takes minutes; HOME keeps the base model's weights
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.style_verifier import prompted
from contracts.base_model import DEFAULT, BaseLanguageModel
from tests.invented import corpus

KEPT = Path(__file__).with_suffix(".json")
TOKENS = 130  # some 100 words: two texts make a pool


def texts() -> list[str]:
    """One for each held-out instruction of tests/invented.py."""
    made: list[str] = json.loads(KEPT.read_text("utf-8"))["texts"]
    return made


def main(home: Path) -> None:
    base, found = BaseLanguageModel(DEFAULT, home), corpus()
    written = prompted(found, found.examples["test"], base.load().eval(), base.tokenizer(), TOKENS)
    made: dict[str, Any] = {"command": "python -m tests.few_shot", "base_model": DEFAULT, "weights": base.hash}
    KEPT.write_text(
        json.dumps({**made, "tokens": TOKENS, "texts": written}, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder))
