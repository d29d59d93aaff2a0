"""What the commands print: people read tables and sentences, programs read JSON on stdout; progress goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contracts.model_registry import ModelVersion
    from contracts.records import Figure, Passage
    from inference_pipeline.twin import Event
    from training_pipeline.pipeline import Outcome
    from ui.doctor import Check

Progress = Callable[[str, int, int | None], None]


def out(value: Any, lines: bool = False) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=None if lines else 2, default=str), flush=True)


def one_line(text: str) -> str:
    """A name from elsewhere may hold line ends, or what a terminal obeys."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A bar a stage on stderr; where that is no terminal, a line at each tenth of a stage."""
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet)
    if not console.is_terminal:
        yield lambda *step: None if quiet else _line(*step)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, of: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=of)
            bars.update(tasks[stage], completed=done, total=of)

        yield update


def _line(stage: str, done: int, of: int | None) -> None:
    tenth = max(1, (of or 1) // 10)
    if (of and (done % tenth == 0 or done == of)) or (done == 0 and of is None):
        note(f"{stage:>12} {done}/{of}" if of else f"{stage:>12} …")


def passages(found: Sequence[Passage]) -> None:
    for number, passage in enumerate(found, start=1):
        print(
            f"[{number}] {passage.title or 'Untitled'} ({passage.date or 'no date'})  {passage.url or passage.source_id}"
        )
        print("    " + " ".join(passage.text.split())[:200])
    if not found:
        print("nothing found")


def outcome(outcome: Outcome, as_json: bool) -> None:
    version = outcome.version
    if as_json:
        out({"model": version.name, "promoted": outcome.promoted, "new": outcome.new, **_card(version)})
        return
    if not outcome.new:
        print(f"{version.name} is already trained on exactly this; nothing to do")
        return
    card = version.card
    print(
        f"{version.name}: {card.examples} examples of {len(card.posts['train'])} posts, "
        f"{card.training['steps']} steps in {outcome.seconds:.0f} s with the measuring"
    )
    print(
        f"  validation loss {card.training['base_validation_loss']:.3f} → {card.training['best_validation_loss']:.3f}"
    )
    for name, figure in card.evaluation.items():
        print(f"  {name:20} {figure}" + (f"; {figure.note}" if figure.note and figure.value is not None else ""))
    print("  promoted: it is the champion" if outcome.promoted else "  registered, not promoted:")
    for reason in card.gate:
        print(f"    {reason}")


def figures(version: ModelVersion, measured: dict[str, Figure], as_json: bool) -> None:
    if as_json:
        out({"model": version.name, "evaluation": {name: figure.model_dump() for name, figure in measured.items()}})
        return
    print(version.name)
    for name, figure in measured.items():
        print(f"  {name:20} {figure}")


def versions(rows: Sequence[tuple[ModelVersion, ModelVersion | None, int]], as_json: bool) -> None:
    """Each with its author's champion, and how many posts that it was trained on are forgotten since."""
    listed = [
        {
            "model": version.name,
            "champion": bool(champion and champion.number == version.number),
            "created": version.card.created.isoformat(timespec="seconds"),
            "recipe": version.card.recipe["name"],
            "base_model": version.card.base_model,
            "snapshot": version.card.snapshot.id,
            "evaluation": {name: figure.model_dump() for name, figure in version.card.evaluation.items()},
            "gate": list(version.card.gate),
            "forgotten": forgotten,
        }
        for version, champion, forgotten in rows
    ]
    if as_json:
        out(listed)
        return
    for (version, _, forgotten), row in zip(rows, listed, strict=True):
        print(f"{'*' if row['champion'] else ' '} {row['model']}  {row['created']}  {row['recipe']}")
        print(f"    ΔNLL {version.card.evaluation['delta_nll']}")
        for reason in version.card.gate:
            print(f"    not promoted by itself: {reason}")
        if forgotten:
            print(f"    {forgotten} posts that it was trained on are forgotten: train again")
    print("* champion" if rows else "no versions yet; twin train --author NAME")


def card(version: ModelVersion, forgotten: int) -> None:
    """The whole card, as JSON for people too: it is its own best table."""
    out({"model": version.name, **_card(version), "forgotten": forgotten})


def _card(version: ModelVersion) -> dict[str, Any]:
    return version.card.model_dump(mode="json")


def answer(events: Iterable[Event], as_json: bool) -> None:
    """For a person the text as it comes, then its citations; for a program the whole answer at the end."""
    from contracts.records import Answer

    whole: Answer | None = None
    for event in events:
        if isinstance(event, Answer):
            whole = event
    assert whole is not None
    if as_json:
        out(whole.model_dump(mode="json", exclude={"passages"}))
        return
    print(whole.answer)
    for citation in whole.citations:
        print(f"\n[{citation.marker}] {citation.title or 'Untitled'}  {citation.url or citation.post_id}")
        print(f"    “{' '.join(citation.text.split())}”")
    print(f"\n{whole.model}, snapshot {whole.snapshot}, {whole.timings['total']:.1f} s", file=sys.stderr)


def status(state: dict[str, Any], as_json: bool) -> None:
    if as_json:
        out(state)
        return
    print(f"{state['home']}: {state['posts']} posts, {state['chunks']} chunks, snapshot {state['snapshot']}")
    for author in state["authors"]:
        kind = "reference" if author["reference"] else author["champion"] or "not trained yet"
        print(f"  {author['name']}: {author['posts']} posts, {author['chunks']} chunks, {kind}")
    if not state["authors"]:
        print("  nobody's posts yet; twin ingest FOLDER --author NAME")


def checks(results: Sequence[Check], as_json: bool) -> None:
    import typer

    if as_json:
        out([result.__dict__ for result in results])
    else:
        for result in results:
            print(f"{'ok  ' if result.ok else 'FAIL'} {result.what}: {result.detail}")
    if not all(result.ok for result in results):
        raise typer.Exit(1)


def page_is_up(url: str) -> None:
    note(f"The twin is at {url}  (Ctrl-C stops it)")
