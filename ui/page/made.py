"""What came of a training, in words: how its version sounds, whether it answers from now on, and else what one can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.model_registry import ModelVersion
from ui.page import markup as html


def result(version: ModelVersion, told: dict[str, Any], seconds: float) -> str:
    """`told` is the outcome as work.py tells it."""
    from training_pipeline.glossary import headline

    lines = [headline(version.card.evaluation)]
    if not told["new"]:
        lines.append(
            f"{version.name} was already trained on exactly these posts by this recipe: nothing was to be done."
        )
    if told["promoted"]:
        lines.append(f"{version.name} passed its gate and is the champion: it answers from now on.")
    if told["replaced"]:
        lines.append(f"{told['replaced']} is deleted: it had learned from posts that are forgotten.")
    inside = html.paragraphs(*lines)
    return html.section(
        f"{version.name}, in {html.duration(seconds)}", inside + ("" if told["promoted"] else _kept_back(version, told))
    )


def _kept_back(version: ModelVersion, told: dict[str, Any]) -> str:
    words = f"{version.name} is registered, and was not made the champion: who answered before answers still."
    reasons = version.card.gate or ((told["refused"],) if told.get("refused") else ())
    why = "<h3>Why not</h3>" + html.items(map(in_words, reasons)) if reasons else ""
    return html.paragraphs(words) + why + "<h3>What you can do</h3>" + html.items(_ways_out(version, told["outdated"]))


def _ways_out(version: ModelVersion, outdated: str) -> Iterator[str]:
    """`outdated` is the champion, where that learned from posts that are forgotten."""
    card = version.card
    if outdated:
        yield (
            f"{outdated}, which answers, learned from posts that are forgotten. To be rid of it all the same, make "
            f"{version.name} the champion and then delete {outdated}, both under Versions."
        )
    yield (
        "Ask it in the Chat, where “Model version” names it. If you like what you read, make it the champion all the same: "
        "open it under Versions, and press Promote."
    )
    if card.recipe.get("name") == "quick":
        yield "Train longer: the recipe “Standard” reads more posts, more often, and proves more, in an hour and more."
    yield f"Take in more posts, under Posts, and train again: it has learned from {len(card.posts['train']):,}."
    if any("reference authors" in reason for reason in card.gate):
        yield (
            "Take in posts of other people, under Posts, with a tick at “Another person, only to compare with”: without "
            "them, nothing proves that it sounds like you, and not like anybody."
        )


def in_words(reason: str) -> str:
    """A reason of the gate, with what its figure means; the gate names it alone."""
    from training_pipeline.glossary import MEANINGS, meaning

    name = reason.split(maxsplit=1)[0].rstrip(":")
    if name.partition("/")[0] not in MEANINGS:
        return reason
    known = meaning(name)
    says = f" ({known.says})" if known.says else ""
    return f"{known.label[:1].upper()}{known.label[1:]}{says}{reason.removeprefix(name)}"
