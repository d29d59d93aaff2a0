"""All commands of `twin`. Each is a few lines: it asks wiring.py for the parts, calls a pipeline, prints the outcome."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.errors import UsageError
from ui.commands import features, models, serve, show, users, write
from ui.commands.options import After, Author, Before, Json, Kind, Source, app

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
    context_settings={"max_content_width": 120},
)
cli.add_typer(features.commands)  # without a name: its commands stand beside the others
cli.add_typer(features.versions, name="features")
cli.add_typer(models.commands)
cli.add_typer(models.versions, name="models")
cli.add_typer(serve.commands)
cli.add_typer(write.commands)
cli.add_typer(write.opinions, name="feedback")
cli.add_typer(users.commands, name="users")


@cli.command()
def search(
    author: Author,
    query: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Many at once: JSON Lines of {id, query}.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Passages a query.")] = 5,
    after: After = "",
    before: Before = "",
    source: Source = "",
    format: Kind = None,
    as_json: Json = False,
) -> None:
    """Find the passages in which the author wrote about something."""
    from contracts.feature_store import Filters
    from contracts.feature_store.retrieve import search as find

    if (query is None) == (queries is None):
        raise UsageError("give a QUERY or --queries FILE", "twin search 'a question' --author NAME")
    filters, store = Filters.of(after, before, source, format), app().store
    for asked in _queries(query, queries):
        found = find(store, asked["query"], author, limit, filters=filters)
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
def ask(
    question: Annotated[str, typer.Argument()],
    author: Author,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="author@v3, author@champion or base; default: the champion. Several answer from the same passages."
        ),
    ] = None,
    after: After = "",
    before: Before = "",
    source: Source = "",
    format: Kind = None,
    meters: Annotated[bool, typer.Option("--meters", help="Also measure its style, and what it copies.")] = False,
    as_json: Json = False,
) -> None:
    """Ask the twin; it answers from the author's posts and says which."""
    if not question.strip():
        raise UsageError("the question is empty", "twin ask 'What do you think about …?' --author NAME")
    from contracts.feature_store import Filters
    from inference_pipeline.side_by_side import side_by_side
    from inference_pipeline.twin import Question

    filters = Filters.of(after, before, source, format)
    twin, asked = app().twin, Question(question, author, filters=filters)
    several = side_by_side(twin, asked, model) if model and len(model) > 1 else None
    events = several or twin.stream(asked, model[0] if model else None)
    show.answers(twin.metered(asked, events) if meters else events, as_json, meters)


@cli.command()
def chat(
    author: Annotated[str | None, typer.Option(help="Whose twin to begin with.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but this machine needs a password.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
) -> None:
    """Open the chat page in the browser."""
    parts = app()
    if author:
        parts.store.require_author(author)
    show.note("starting the page…")
    from ui.page.server import serve

    serve(parts, host=host, port=port, author=author, password=os.environ.get("TWIN_PASSWORD"), ready=show.page_is_up)


@cli.command()
def status(as_json: Json = False) -> None:
    """What is stored, and which versions are in force."""
    parts = app()
    champions = {name: parts.registry.champion(name) for name in parts.registry.authors()}
    rows = []
    for author in parts.store.authors():
        champion = champions.get(author.name)
        rows.append({**author.model_dump(), "champion": champion.name if champion else None})
    snapshot = parts.store.snapshot()
    show.status(
        {
            "home": str(parts.home),
            "authors": rows,
            "snapshot": snapshot.id,
            "feature_version": snapshot.feature_version,
            "posts": snapshot.posts,
            "chunks": snapshot.chunks,
            "base_model": parts.settings.base_model,
            "embedder": parts.settings.embedder,
        },
        as_json,
    )


@cli.command()
def doctor(as_json: Json = False) -> None:
    """Check that everything the twin needs is there and whole; exit code 1 where something is not.

    A search index that does not hold what is stored is made again.
    """
    from ui.doctor import checks

    show.checks(list(checks(app)), as_json)
