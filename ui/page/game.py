"""“Which one is me?”: two texts for one instruction, one of them real, and how often people tell which.

The real one is a held-out post, so the twin has never seen it; the other is what the twin writes when it is asked for the
same. Guesses stand in the ledger, with ids of posts and no text.
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass

from contracts.errors import NotFound
from contracts.model_registry import ModelVersion
from contracts.prompt import messages
from contracts.records import Example, Figure
from inference_pipeline.sampling import Sampling
from training_pipeline.evaluation.texts import without_links
from training_pipeline.votes import told_apart
from ui.wiring import App

WORDS = 60  # of each text at most: what a model writes at length is told by its length
FEWEST = 25  # words of a real text that can be judged
KINDS = ("title", "topic", "reply")
TOKENS = 110


@dataclass(frozen=True)
class Round:
    """Two texts for one instruction; `mine` is the place of the real one, 0 or 1."""

    model: str
    post_id: str
    instruction: str
    texts: tuple[str, str]
    mine: int


def deal(
    app: App,
    version: ModelVersion,
    by: str = "",
    seed: int | None = None,
    user: str = "",
    stop: threading.Event | None = None,
) -> Round | None:
    """A round about a held-out post that `by` has never guessed about, for then it is known which text is real.

    `user` takes turns with those who ask. None where `stop` was set; raises NotFound, and Busy.
    """
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
    known = app.store.guesses.known(version.author, by)
    fresh = [example for example in fit if example.post_id not in known]
    if not fresh:
        count = len({example.post_id for example in fit})
        raise NotFound(
            f"you have guessed about every held-out post of {version.author}, {count} by now: you know which are real",
            "let somebody else play, or take in newer posts and train again",
        )
    example = draw.choice(fresh)
    real, written = example.target(posts[example.post_id]), _write(app, version, example, user, stop)
    if stop and stop.is_set():
        return None
    if len(written.split()) < FEWEST // 2:
        raise NotFound("the twin wrote next to nothing this time", "deal another pair")
    most = min(WORDS, *(len(text.split()) for text in (real, written)))
    pair = [beginning(real, most), beginning(written, most)]
    mine = draw.randrange(2)
    return Round(version.name, example.post_id, example.instruction, (pair[mine], pair[1 - mine]), mine)


def _write(app: App, version: ModelVersion, example: Example, user: str, stop: threading.Event | None) -> str:
    """What the twin writes, in its turn, for the instruction that the post would be an answer to; less, where it is stopped.

    Raises Busy where too many wait.
    """
    asked = messages(version.author, example.instruction)
    return "".join(app.twin.say(asked, version, user, Sampling(TOKENS), stop)).strip()


def beginning(text: str, words: int) -> str:
    """The first `words` words, up to a sentence's end where one is near: neither text is told by its cut, nor by a link."""
    found = re.match(rf"(?:\S+\s+){{0,{max(0, words - 1)}}}\S+", without_links(text).strip())
    cut = found[0] if found else ""
    end = max((match.end() for match in re.finditer(r"[.!?…][\"”’)]*(?=\s|$)", cut)), default=0)
    return cut[:end] if end > len(cut) // 2 else f"{cut.rstrip('.,;:')} …"


def keep(app: App, played: Round, right: bool, by: str = "") -> None:
    """Note one guess."""
    app.store.guesses.add(app.registry.get(played.model).author, played.model, played.post_id, right, by)


def figure(app: App, version: ModelVersion) -> Figure:
    """How often people have told the version from its author."""
    return told_apart(*app.store.guesses.counted(version.name))


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
