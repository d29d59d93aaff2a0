"""How feedback, and what it says of two versions, is printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.commands.show import one_line, out

if TYPE_CHECKING:
    from contracts.feature_store.feedback import Feedback
    from contracts.records import Figure
    from training_pipeline.votes import Preferred, Votes

SHOWN = 70  # characters of a text in a list


def added(kept: Sequence[Feedback], as_json: bool) -> None:
    if as_json:
        out([one.model_dump(mode="json") for one in kept])
        return
    for one in kept:
        print(f"{one.id}: {_said(one)}")


def listed(given: Sequence[Feedback], as_json: bool) -> None:
    if as_json:
        out([one.model_dump(mode="json") for one in given])
        return
    for one in given:
        whose = f"{f', by {one_line(one.by)}' if one.by else ''}{', over the API' if one.sent else ''}"
        print(f"{one.id}  {one.at:%Y-%m-%d %H:%M}  {_said(one)}{whose}")
        print(f"    {_short(one.question)}")
        print(f"    {_short(one.edited or one.answer)}")
    if not given:
        print("no feedback yet; twin ask … --json | twin feedback --answer - --better")


def _said(one: Feedback) -> str:
    if one.verdict == "edited":
        return f"{one.model}, edited"
    against = (f" as {one.other}" if one.verdict == "same" else f" than {one.other}") if one.other else ""
    return f"{one.model} {'as good' if one.verdict == 'same' else one.verdict}{against}{', blind' if one.blind else ''}"


def _short(text: str) -> str:
    line = one_line(" ".join(text.split()))
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def preferred(found: Preferred, as_json: bool) -> None:
    if as_json:
        out(found.model_dump(mode="json"))
        return
    print(f"{found.model} against {found.other}, by what people said of their answers")
    _votes("blind votes", found.blind)
    _votes("open votes", found.open)
    for one in found.ratings:
        counted = f"{one.better} better, {one.worse} worse, {one.edited} edited"
        print(f"  ratings of {one.model} alone: {counted}\n    rated better: {_share(one.share)}")
    mine, others = (one.better + one.worse for one in found.drawn)
    print(f"  ratings of answers that traffic drew: {mine} of {found.model}, {others} of {found.other}")
    print(f"    rated better, {found.model} − {found.other}: {_share(found.difference, '+.0%')}")


def _votes(name: str, votes: Votes) -> None:
    people = f"{votes.people} {'person' if votes.people == 1 else 'people'}"
    print(f"  {name}: {votes.wins} won, {votes.losses} lost, {votes.ties} tied, by {people}")
    sign = "" if votes.p is None else f", sign test p = {votes.p:.3f}"
    print(f"    won of those decided: {_share(votes.share)}{sign}")


def _share(figure: Figure, form: str = ".0%") -> str:
    if figure.value is None:
        return str(figure)
    return f"{figure.value:{form}} [{figure.low:{form}}, {figure.high:{form}}] (n={figure.n})"
