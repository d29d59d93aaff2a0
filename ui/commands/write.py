"""The commands around what the twin writes: drafts of posts, and what people make of its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from contracts.errors import UsageError
from contracts.formats import Format
from ui import acts
from ui.commands import show, show_feedback
from ui.commands.options import After, Author, Before, Json, OneAuthor, Source, app

if TYPE_CHECKING:
    from contracts.feature_store.feedback import Verdict

commands = typer.Typer()
opinions = typer.Typer(
    help="Say what you make of an answer, and see what was said.", no_args_is_help=True, invoke_without_command=True
)

OneModel = Annotated[str | None, typer.Option("--model", help="Only on this version, or against it.")]


@commands.command()
def draft(
    author: Author,
    title: Annotated[str, typer.Argument(help="What it is called; may be left out where points are given.")] = "",
    point: Annotated[list[str] | None, typer.Option(help="What a section is to say; repeatable.")] = None,
    words: Annotated[int, typer.Option(help="About how long.")] = 400,
    format: Annotated[
        Literal["article", "note"], typer.Option(help="Sections under headings, or paragraphs.")
    ] = "article",
    model: Annotated[
        str | None, typer.Option(help="author@v3, author@champion or base; default: the champion.")
    ] = None,
    outline: Annotated[bool, typer.Option("--outline", help="Only the outline, with its evidence.")] = False,
    after: After = "",
    before: Before = "",
    source: Source = "",
    from_format: Annotated[Format | None, typer.Option(help="Only from posts of this kind.")] = None,
    as_json: Json = False,
) -> None:
    """Draft a post, section by section, each from what the author has written on it."""
    from contracts.feature_store import Filters
    from inference_pipeline.drafting import draft as drafting
    from inference_pipeline.drafting.outline import Brief
    from inference_pipeline.drafting.outline import outline as plan
    from ui.commands import show_draft

    filters = Filters.of(after, before, source, from_format)
    brief = Brief(author, title, tuple(point or ()), words, format, filters=filters)
    twin = app().twin
    if outline:
        show_draft.outline(plan(twin, brief), as_json)
    else:
        show_draft.draft(drafting.draft(twin, brief, model), as_json)


@opinions.callback()
def give(
    context: typer.Context,
    answer: Annotated[Path | None, typer.Option(help="What `twin ask --json` printed; - for standard input.")] = None,
    better: Annotated[bool, typer.Option("--better", help="Better than the other; alone, than hoped.")] = False,
    worse: Annotated[bool, typer.Option("--worse", help="Worse than the other; alone, than hoped.")] = False,
    same: Annotated[bool, typer.Option("--same", help="As good as the other.")] = False,
    edited: Annotated[Path | None, typer.Option(help="A file of the answer as it should have been.")] = None,
    of: Annotated[str | None, typer.Option(help="The version that you judge, where several answered.")] = None,
    blind: Annotated[bool, typer.Option("--blind", help="You did not know which version wrote which.")] = False,
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
    as_json: Json = False,
) -> None:
    if context.invoked_subcommand:
        return
    given = {"better": better, "worse": worse, "same": same, "edited": edited is not None}
    if answer is None or list(given.values()).count(True) != 1:
        raise UsageError(
            "say which answer, and what you make of it",
            "twin feedback --answer FILE, and one of --better, --worse, --same, --edited FILE",
        )
    from ui.commands import answer_file

    verdict: Verdict = next(name for name in ("better", "worse", "same", "edited") if given[name])
    answers = answer_file.read(answer)
    text = answer_file.text(edited) if edited else ""
    log = app().store.feedback
    made = answer_file.feedback(answers, of, verdict, text.strip(), blind, by)
    show_feedback.added([log.add(one) for one in made], as_json)


@opinions.command("list")
def list_(author: OneAuthor = None, model: OneModel = None, as_json: Json = False) -> None:
    """What was said, oldest first."""
    show_feedback.listed(app().store.feedback.all(author, model), as_json)


@opinions.command()
def delete(
    ids: Annotated[list[str], typer.Argument(help="As `twin feedback list` names them.")], as_json: Json = False
) -> None:
    """Remove feedback for good."""
    if warning := acts.left(app().store.feedback.delete(ids)):
        show.note(warning)
    if as_json:
        show.out({"deleted": ids})
    else:
        print(f"{', '.join(ids)} deleted")


@opinions.command()
def export(
    to: Annotated[Path, typer.Argument(help="A file that is not there yet: JSON Lines.")],
    author: OneAuthor = None,
    as_json: Json = False,
) -> None:
    """Write what was said to a file, one a line. It holds words of posts, and no forgetting reaches it there."""
    given = app().store.feedback.all(author)
    lines = [json.dumps(one.model_dump(mode="json"), ensure_ascii=False) + "\n" for one in given]
    try:
        with to.open("x", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error}", "name a file that is not there yet") from error
    if as_json:
        show.out({"file": str(to), "feedback": len(given)})
    else:
        print(f"{len(given)} in {to}")
