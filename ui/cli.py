"""The `twin` command. Each command is a few lines: it asks wiring.py for the parts, calls a pipeline, prints the outcome."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import NotFound, TwinError, UsageError
from ui import show

if TYPE_CHECKING:
    from contracts.model_registry import ModelVersion
    from ui.wiring import App

# A twin never reports to anyone, be it a library's usage statistics or a framework's traces; and what libraries draw and
# log is for their developers: this command has its own progress bars.
os.environ.update(
    # Threads that wait sleep instead of spinning: beside any other busy program, spinning made a training step four
    # times as slow, and alone it gains a tenth.
    OMP_WAIT_POLICY=os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    GRADIO_ANALYTICS_ENABLED="False",
    HF_HUB_DISABLE_TELEMETRY="1",
    LANGSMITH_TRACING="false",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    TQDM_DISABLE="1",
    TRANSFORMERS_VERBOSITY="error",
)

cli = typer.Typer(
    help="A twin that writes like you, from what you have written. Everything stays on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
models = typer.Typer(help="Versions of a twin: list, show, promote, roll back.", no_args_is_help=True)
cli.add_typer(models, name="models")

Author = Annotated[str, typer.Option(help="Whose posts.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]
Model = Annotated[str, typer.Argument(help="author@v3 or author@champion")]


@cli.command()
def ingest(
    sources: Annotated[list[str], typer.Argument(help="A folder, a file, a page, a feed or a blog's address.")],
    author: Author,
    reference: Annotated[bool, typer.Option(help="Another person, to compare your style with.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Show what would be stored, and store nothing.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most this many posts.")] = None,
    as_json: Json = False,
) -> None:
    """Take posts in, or bring them up to date: the same command again changes nothing that has not changed."""
    from feature_pipeline import pipeline

    author = pipeline.check_author(author)
    if dry_run:
        _dry_run(sources, author, limit, as_json)
        return
    with show.progress(as_json) as progress:
        report = pipeline.run(sources, author, _app().store, reference=reference, limit=limit, progress=progress)
    show.report(report, as_json)
    if not report.stored:
        raise typer.Exit(1)


def _dry_run(sources: list[str], author: str, limit: int | None, as_json: bool) -> None:
    from feature_pipeline import pipeline
    from feature_pipeline.sources import Refusal

    report = pipeline.Report(author)
    taken = 0
    for item in pipeline.collect(sources, author, report, limit):
        refused = isinstance(item, Refusal)
        taken += not refused
        row: dict[str, Any] = {
            "source": item.source,
            "id": item.source_id,
            "title": None if isinstance(item, Refusal) else item.title,
            "date": None if isinstance(item, Refusal) else item.date,
            "author": author,
            "text": None if isinstance(item, Refusal) else item.text,
            "status": "refused" if refused else "ok",
            "reason": f"{item.reason}: {item.detail}".rstrip(": ") if isinstance(item, Refusal) else None,
        }
        if as_json:
            show.out(row, lines=True)
        else:
            print(f"{row['date'] or '?'!s:10}  {row['title'] or row['reason']}  ({row['id']})")
    for source, error in report.failed.items():
        print(f"{source}: {error}", file=sys.stderr)
    if not taken:
        raise typer.Exit(1)


@cli.command()
def search(
    author: Author,
    query: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Many at once: JSON Lines of {id, query}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Passages a query.")] = 5,
    as_json: Json = False,
) -> None:
    """Find the passages in which the author wrote about something."""
    from inference_pipeline.retrieve import search as find

    if (query is None) == (queries is None):
        raise UsageError("give a QUERY or --queries FILE", "twin search 'a question' --author NAME")
    store = _app().store
    for asked in _queries(query, queries):
        found = find(store, asked["query"], author, limit)
        if as_json or queries:
            passages = [passage.model_dump(mode="json", exclude={"similarity"}) for passage in found]
            show.out({"id": asked["id"], "query": asked["query"], "passages": passages}, lines=True)
        else:
            show.passages(found)


def _queries(query: str | None, file: Path | None) -> list[dict[str, Any]]:
    if file is None:
        return [{"id": None, "query": query}]
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
        rows = [json.loads(line) for line in lines if line.strip()]
        return [{"id": row["id"], "query": str(row["query"])} for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is not JSON Lines of {{id, query}}: {error}") from error


@cli.command()
def train(
    author: Author,
    recipe: Annotated[str, typer.Option(help="quick, standard, or a .toml file.")] = "quick",
    resume: Annotated[
        bool, typer.Option(help="Go on with the same run where it was stopped; do nothing if done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fine-tune an adapter on the author's posts, measure it, register it, and promote it if it proves itself."""
    from training_pipeline.recipe import load

    chosen = load(recipe)
    app = _app()
    app.store.require_author(author)
    with show.progress(as_json) as progress:
        from training_pipeline import pipeline

        outcome = pipeline.run(
            author, app.store, app.registry, app.base_model, chosen, app.home, resume=resume, progress=progress
        )
    show.outcome(outcome, as_json)


@cli.command()
def evaluate(model: Model, as_json: Json = False) -> None:
    """Measure a registered version again, on the posts that are held out today."""
    app = _app()
    app.registry.get(model)
    with show.progress(as_json) as progress:
        from training_pipeline import pipeline

        version, figures = pipeline.reevaluate(model, app.store, app.registry, app.base_model, progress)
    show.figures(version, figures, as_json)


@models.command("list")
def list_(
    author: Annotated[str | None, typer.Option(help="Only this author's.")] = None, as_json: Json = False
) -> None:
    """Every version, with its figures and whether it is the champion."""
    registry = _app().registry
    authors = [author] if author else registry.authors()
    show.versions(
        [(version, registry.champion(name)) for name in authors for version in registry.versions(name)], as_json
    )


@models.command("show")
def show_(model: Model, as_json: Json = False) -> None:
    """A version's card: what made it, and what it proved."""
    show.card(_app().registry.checked(model))


@models.command()
def promote(model: Model, as_json: Json = False) -> None:
    """Make a version the champion, whatever its gate says."""
    _champion(_app().registry.promote(model), as_json)


@models.command()
def rollback(
    model: Annotated[str, typer.Argument(help="An author, or author@champion.")], as_json: Json = False
) -> None:
    """Make the previous champion the champion again."""
    from contracts.model_registry import parse

    registry = _app().registry
    author = parse(model)[0] if "@" in model else model
    champion = registry.champion(author)
    if "@" in model and champion and registry.get(model).number != champion.number:
        raise UsageError(
            f"{model} is not the champion, {champion.name} is", f"to serve it: twin models promote {model}"
        )
    _champion(registry.rollback(author), as_json)


def _champion(version: ModelVersion, as_json: bool) -> None:
    if as_json:
        show.out({"model": version.name, "champion": True})
    else:
        print(f"{version.name} is the champion")


@cli.command()
def ask(
    question: Annotated[str, typer.Argument()],
    author: Author,
    model: Annotated[
        str | None, typer.Option(help="author@v3, author@champion or base; default: the champion.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask the twin; it answers from the author's posts and says which."""
    if not question.strip():
        raise UsageError("the question is empty", "twin ask 'What do you think about …?' --author NAME")
    show.answer(_app().twin.stream(question, author, model), as_json)


@cli.command()
def chat(
    author: Annotated[str | None, typer.Option(help="Whose twin to begin with.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but this machine needs a password.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
) -> None:
    """Open the chat page in the browser."""
    app = _app()
    if author:
        app.store.require_author(author)
    show.note("starting the page…")
    from ui.page import serve

    serve(app, host=host, port=port, author=author, password=os.environ.get("TWIN_PASSWORD"), ready=show.page_is_up)


@cli.command()
def status(as_json: Json = False) -> None:
    """What is stored, and which versions are in force."""
    app = _app()
    champions = {name: app.registry.champion(name) for name in app.registry.authors()}
    rows = []
    for author in app.store.authors():
        champion = champions.get(author.name)
        rows.append({**author.model_dump(), "champion": champion.name if champion else None})
    snapshot = app.store.snapshot()
    show.status(
        {
            "home": str(app.home),
            "authors": rows,
            "snapshot": snapshot.id,
            "feature_version": snapshot.feature_version,
            "posts": snapshot.posts,
            "chunks": snapshot.chunks,
            "base_model": app.settings.base_model,
            "embedder": app.settings.embedder,
        },
        as_json,
    )


@cli.command()
def doctor(as_json: Json = False) -> None:
    """Check that everything the twin needs is there and whole; exit code 1 where something is not."""
    from ui.doctor import checks

    show.checks(list(checks(_app)), as_json)


def _app() -> App:
    from ui.wiring import App

    return App()


def main() -> None:
    """Errors of ours are one or two lines on stderr: exit code 2 for a wrong request, 1 for anything else."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        cli()
    except UsageError as error:
        print(f"twin: {error}", file=sys.stderr)
        sys.exit(2)
    except (TwinError, NotFound) as error:
        print(f"twin: {error}", file=sys.stderr)
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == 130:  # what Typer makes of Ctrl-C
            print("\ntwin: stopped; what is done is kept (a training goes on with --resume)", file=sys.stderr)
        raise
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
