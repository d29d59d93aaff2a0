"""What the commands print: people read tables and sentences, programs read JSON on stdout; progress goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contracts.progress import Progress
    from contracts.records import Answer, Citation, Passage
    from inference_pipeline.twin import Question
    from ui.doctor import Check


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


def answers(events: Iterable[object], as_json: bool, meters: bool = False) -> None:
    """For a person each answer with its citations, under its version's name where there are several; for a program one
    object, or a list of several. It is what `twin feedback --answer` reads."""
    from contracts.records import Answer
    from inference_pipeline.twin import Found

    found, whole = None, list[Answer]()
    for event in events:
        if isinstance(event, Found):
            found = event
        elif isinstance(event, Answer):
            whole.append(event)
    assert found is not None
    if as_json:
        said = [_answer_json(found.question, one) for one in whole]
        out(said if len(said) > 1 else said[0])
        return
    for one in whole:
        if len(whole) > 1:
            print(f"{'' if one is whole[0] else chr(10)}{one.model}\n{'─' * len(one.model)}")
        _answer(one, meters)


def _answer_json(asked: Question, answer: Answer) -> dict[str, Any]:
    from contracts.prompt import PROMPT_HASH

    shown = [{"post_id": one.post_id, "start": one.start, "end": one.end} for one in answer.passages]
    return {
        "author": asked.author,
        **answer.model_dump(mode="json"),
        "passages": shown,
        "prompt_hash": PROMPT_HASH,
    }


def _answer(answer: Answer, meters: bool) -> None:
    print(answer.answer)
    citations(answer.citations)
    if answer.nearest:
        print("\nThe nearest posts:")
    for post in answer.nearest:
        print(f"    {post.title or 'Untitled'} ({post.date or 'no date'})  {post.url or post.post_id}")
    for line in (*_doubts(answer), *(_meters(answer) if meters else ())):
        print(f"\n{line}")
    print(f"\n{answer.model}, snapshot {answer.snapshot}, {answer.timings['total']:.1f} s", file=sys.stderr, flush=True)


def _doubts(answer: Answer) -> Iterator[str]:
    """What a reader should know before they take it for the author's own words."""
    if claims := answer.unsupported_claims:
        said = "One sentence speaks" if claims == 1 else f"{claims} sentences speak"
        yield f"{said} as the author, and no post says so."
    if answer.copied:
        yield (
            f"{answer.copied.words} words in a row stand in “{answer.copied.title or 'a note'}”, "
            f"{answer.copied.url or answer.copied.post_id}\n"
            f"    “{' '.join(answer.answer[answer.copied.start : answer.copied.end].split())}”"
        )


def _meters(answer: Answer) -> Iterator[str]:
    if answer.style:
        own = f"closer to you than {answer.style.share:.0%} of {answer.style.posts} of your own posts"
        yield f"Style: {answer.style.says} ({own})."
    else:
        yield "Style: not measured. It takes a trained version that runs here, ten held-out posts, and a sentence or two."
    if not answer.copied:
        from contracts.copies import FEWEST

        yield f"Copied: nothing; no {FEWEST} words in a row stand in a post."


def citations(cited: Sequence[Citation]) -> None:
    shown = 0
    for citation in cited:  # those of one passage follow each other
        if citation.marker != shown:
            print(f"\n[{citation.marker}] {citation.title or 'Untitled'}  {citation.url or citation.post_id}")
        print(f"    “{' '.join(citation.text.split())}”")
        shown = citation.marker


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
