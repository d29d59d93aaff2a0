"""What `twin ask --json` printed, or the HTTP API sent, read back to be judged: one answer, or several to one question."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from contracts.errors import UsageError
from contracts.feature_store.feedback import Feedback, Judged, Verdict
from contracts.records import Span


class Shown(Span):
    model_config = ConfigDict(extra="ignore")


class Said(Judged):
    """As much of an answer as feedback keeps; the rest of the object is passed over."""

    model_config = ConfigDict(extra="ignore")

    passages: tuple[Shown, ...]


def read(file: Path) -> list[Said]:
    """The answers in `file`, or on standard input for -. Raises UsageError."""
    try:
        made = TypeAdapter(Said | list[Said]).validate_python(_unwrapped(json.loads(text(file))))
    except (ValueError, RecursionError) as error:
        found = error.errors() if isinstance(error, ValidationError) else []
        wrong = ", ".join(dict.fromkeys(str(e["loc"][-1]) for e in found if e["type"] == "missing" and e["loc"]))
        said = f"no {wrong}" if wrong else "it is not JSON of that shape"
        raise UsageError(f"{file} is not what twin ask --json prints: {said}", "twin ask … --json > FILE") from error
    answers = made if isinstance(made, list) else [made]
    if not answers or len({(one.author, one.question) for one in answers}) > 1:
        raise UsageError(f"{file} holds no answers to one question", "twin ask … --json > FILE")
    return answers


def _unwrapped(printed: Any) -> Any:
    """The API gives an answer as `twin` of a completion, and several as `answers`."""
    return (printed.get("twin") or printed.get("answers") or printed) if isinstance(printed, dict) else printed


def text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", "name a file, or - for standard input") from error


def feedback(
    answers: Sequence[Said], of: str | None, verdict: Verdict, edited: str, blind: bool, by: str
) -> list[Feedback]:
    """On the answer of the version `of`; where several answered, against each of the others. Raises UsageError."""
    names = [one.model for one in answers]
    if (of or (names[0] if len(names) == 1 else "")) not in names:
        problem = f"{of} did not answer" if of else "several versions answered"
        raise UsageError(f"{problem}: {', '.join(names)}", "say which one you judge: --of MODEL")
    judged = answers[names.index(of) if of else 0]
    said: dict[str, Any] = {**dict(judged), "verdict": verdict, "edited": edited, "by": by}
    others = [one for one in answers if one is not judged and verdict != "edited"]
    if not others:
        return [Feedback(**said, blind=blind)]
    return [Feedback(**said, blind=blind, other=one.model, other_answer=one.answer) for one in others]
