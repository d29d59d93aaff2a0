"""“Which one is me?”: two texts for one instruction, one of them real, and how often people tell which.

The real one is a held-out post, so the twin has never seen it; the other is what the twin writes when it is asked for the
same. Scores stand in TWIN_HOME/games/<author>.json, with ids of posts and no text.
"""

from __future__ import annotations

import datetime as dt
import random
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import NotFound
from contracts.files import read_json, write_json
from contracts.model_registry import ModelVersion, file_name, parse
from contracts.prompt import messages
from contracts.records import Example, Figure
from training_pipeline.votes import wilson
from ui.wiring import App

WORDS = 60  # of each text at most: what a model writes at length is told by its length
FEWEST = 25  # words of a real text that can be judged
KINDS = ("title", "topic", "reply")
TOKENS = 110

_lock = threading.Lock()


@dataclass(frozen=True)
class Round:
    """Two texts for one instruction; `mine` is the place of the real one, 0 or 1."""

    model: str
    post_id: str
    instruction: str
    texts: tuple[str, str]
    mine: int


def deal(app: App, version: ModelVersion, played: Sequence[str] = (), seed: int | None = None) -> Round:
    """A round about a held-out post, one that was not `played` while there is any. Raises NotFound."""
    draw = random.Random(seed)
    held_out = set(version.card.posts.get("test", ()))
    examples = [e for e in app.store.examples(version.author, "test") if e.kind in KINDS and e.post_id in held_out]
    posts = {post.id: post for post in app.store.posts_by_id([e.post_id for e in examples])}
    fit = [e for e in examples if len(e.target(posts[e.post_id]).split()) >= FEWEST]
    if not fit:
        raise NotFound(
            f"no held-out post of {version.author!r} is long enough to be told from a twin's",
            "take in more posts, and train again",
        )
    fresh = [example for example in fit if example.post_id not in played]
    example = draw.choice(fresh or fit)
    real, written = example.target(posts[example.post_id]), _write(app, version, example)
    most = min(WORDS, *(len(text.split()) for text in (real, written)))
    pair = [beginning(real, most), beginning(written, most)]
    mine = draw.randrange(2)
    return Round(version.name, example.post_id, example.instruction, (pair[mine], pair[1 - mine]), mine)


def _write(app: App, version: ModelVersion, example: Example) -> str:
    """What the twin writes for the instruction that the post would be an answer to. Raises NotFound where it is nothing."""
    chat = app.engine.chat_model(version)
    asked = messages(version.author, example.instruction)
    text = str(chat.invoke(asked, max_tokens=TOKENS, temperature=app.settings.temperature).content).strip()
    if len(text.split()) < FEWEST // 2:
        raise NotFound("the twin wrote next to nothing this time", "deal another pair")
    return text


def beginning(text: str, words: int) -> str:
    """The first `words` words, up to a sentence's end where one is near: so that neither text is told by its cut."""
    found = re.match(rf"(?:\S+\s+){{0,{max(0, words - 1)}}}\S+", text.strip())
    cut = found[0] if found else ""
    end = max((match.end() for match in re.finditer(r"[.!?…][\"”’)]*(?=\s|$)", cut)), default=0)
    return cut[:end] if end > len(cut) // 2 else f"{cut.rstrip('.,;:')} …"


def keep(home: Path, played: Round, right: bool) -> None:
    """Note one guess."""
    author, number = parse(played.model)
    path = _place(home, author)
    with _lock:
        stored = read_json(path) or {}
        told: list[dict[str, Any]] = stored.setdefault(number, [])
        told.append(
            {"post": played.post_id, "right": right, "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
        )
        write_json(path, stored)


def figure(home: Path, version: ModelVersion) -> Figure:
    """The share of guesses that were right, with Wilson's 95 % interval; half is what chance gives."""
    stored = read_json(_place(home, version.author)) or {}
    guesses = [bool(one["right"]) for one in stored.get(f"v{version.number}", [])]
    if not guesses:
        return Figure(value=None, n=0, note="nobody has played yet")
    low, high = wilson(sum(guesses), len(guesses))
    return Figure(value=sum(guesses) / len(guesses), low=low, high=high, n=len(guesses), unit="of guesses")


def forget(home: Path, model: str) -> None:
    """The guesses about a version that is deleted."""
    author, number = parse(model)
    with _lock:
        stored = read_json(_place(home, author)) or {}
        if stored.pop(number, None) is not None:
            write_json(_place(home, author), stored)


def forget_author(home: Path, author: str) -> None:
    """Every guess about this author's versions."""
    with _lock:
        _place(home, author).unlink(missing_ok=True)


def said(score: Figure) -> str:
    """In words; nothing where nobody has played."""
    if score.value is None or score.low is None or score.high is None:
        return ""
    guesses = "one blind guess" if score.n == 1 else f"{score.n} blind guesses"
    interval = f"{100 * score.value:.0f} % of {guesses} [{100 * score.low:.0f}, {100 * score.high:.0f}]"
    if score.low <= 0.5 <= score.high:
        return (
            f"People told you from this twin in {interval}: no better than chance, as far as so many guesses can tell."
        )
    return f"People told you from this twin in {interval}; 50 % would be chance."


def _place(home: Path, author: str) -> Path:
    return home / "games" / f"{file_name(author)}.json"
