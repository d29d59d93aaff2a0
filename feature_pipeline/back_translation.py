"""Instructions by back-translation: a capable model is shown a piece of a post, and says what could have been asked for it.

After Panza (arXiv 2407.10994) and Humpback (arXiv 2308.06259). The model's words are the instruction, never the target; what
is private in a post is masked before the model sees it. Examples made so stand beside those of instructions.py, and are made
anew for a post that was changed or labelled anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from contracts.feature_store import FeatureStore
from contracts.feature_store.shared_words import share_a_run
from contracts.private import masked
from contracts.progress import Progress
from contracts.records import Example, Split

PARTS: tuple[Split, ...] = ("train", "validation")  # the test is asked for by titles, as it was before
LONGEST = 60  # words of an instruction
ASK = """\
Below is something that {author} wrote. Say what somebody could have asked {author} to write, so that this is the answer.
One request of one or two sentences, to {author}. Do not quote the text, and say nothing else.

Text:
{target}"""

_WORD = re.compile(r"[^\W_]+")
Model = Callable[[str], str]
"""A prompt in, the model's reply out."""


def instruct(author: str, store: FeatureStore, model: Model, progress: Progress) -> dict[str, int]:
    """One more example for each piece of the posts that has none yet; how many were made, and refused by reason.

    Each post is stored when its pieces are done, so that a run which is stopped goes on with the others.
    """
    counts = {"made": 0}
    by_post = _without(author, store)
    for done, (post_id, pieces) in enumerate(by_post.items(), start=1):
        post, made = store.post(post_id, author), list[Example]()
        for example in pieces:
            target = example.target(post)
            asked = " ".join(model(ASK.format(author=author, target=target)).split()).strip("\"“”'* ")
            reason = unusable(asked, target)
            counts[reason or "made"] = counts.get(reason or "made", 0) + 1
            if not reason:
                made.append(example.model_copy(update={"kind": "request", "instruction": masked(asked)}))
        store.add_examples(made)
        progress("instruct", done, len(by_post))
    return counts


def unusable(asked: str, target: str) -> str:
    """Why an instruction is not used; empty where it is."""
    words = _WORD.findall(asked)
    if not words:
        return "empty"
    if len(words) > LONGEST:
        return "too long"
    return "quotes the text" if share_a_run(asked, target) else ""  # it would give the answer away


def _without(author: str, store: FeatureStore) -> dict[str, list[Example]]:
    """The beginning and the sections of every post of which no piece has a request."""
    found: dict[str, dict[tuple[tuple[int, int], ...], Example]] = {}
    asked: set[str] = set()
    for example in (example for part in PARTS for example in store.examples(author, part)):
        if example.kind == "request":
            asked.add(example.post_id)
        elif example.kind in ("title", "section"):
            found.setdefault(example.post_id, {}).setdefault(example.slices, example)
    return {post_id: list(pieces.values()) for post_id, pieces in found.items() if post_id not in asked}
