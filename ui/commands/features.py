"""The commands of the feature pipeline: take posts in, keep them in step with their sources, forget them."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import NotFound, UsageError
from ui import acts
from ui.commands import show, show_models, show_report
from ui.commands.options import Author, Json, OneAuthor, app
from ui.page.temporary import uploads

if TYPE_CHECKING:
    from feature_pipeline.batches import Engine
    from feature_pipeline.report import Report
    from ui.wiring import App

commands = typer.Typer()
versions = typer.Typer(
    help="Feature versions, one for each way of cutting and embedding: list, build, use, roll back.",
    no_args_is_help=True,
)


class EngineName(StrEnum):
    local = "local"
    ray = "ray"


AllowDelete = Annotated[
    bool, typer.Option("--allow-delete", help="Delete even where a source lists under half of what it had.")
]
EngineOption = Annotated[EngineName, typer.Option(help="Where posts are cleaned and embedded.")]
Version = Annotated[str, typer.Argument(help="A version's id, or the beginning of it.")]


@commands.command()
def ingest(
    sources: Annotated[list[str], typer.Argument(help="A folder, a file, an export archive, or a web address.")],
    author: Author,
    reference: Annotated[bool, typer.Option(help="Another person, to compare your style with.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Show what would be stored, and store nothing.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most this many posts.")] = None,
    allow_delete: AllowDelete = False,
    engine: EngineOption = EngineName.local,
    as_json: Json = False,
) -> None:
    """Take posts in, or bring them up to date: the same command again changes nothing that has not changed."""
    from feature_pipeline import pipeline

    author = pipeline.check_author(author)
    if dry_run:
        _dry_run(sources, author, limit, as_json)
        return
    parts = app()
    with show.progress(as_json) as progress:
        report = pipeline.run(
            sources,
            author,
            parts.store,
            reference=reference,
            limit=limit,
            allow_delete=allow_delete,
            chunker=parts.chunker,
            engine=_engine(engine),
            progress=progress,
        )
    show_report.report(report.as_json(), as_json)
    if report.failed or not report.stored:
        raise typer.Exit(1)


def _engine(name: EngineName) -> Engine:
    if name == EngineName.ray:
        from feature_pipeline.ray_engine import RayEngine

        return RayEngine()
    from feature_pipeline.batches import LocalEngine

    return LocalEngine()


def _dry_run(sources: list[str], author: str, limit: int | None, as_json: bool) -> None:
    from feature_pipeline import pipeline
    from feature_pipeline.report import Report
    from feature_pipeline.sources import Refusal

    report = Report(author)
    taken = 0
    for item in pipeline.collect(sources, author, report, limit):
        refused = isinstance(item, Refusal)
        taken += not refused
        row: dict[str, Any] = {
            "source": item.source,
            "id": item.source_id,
            "title": None if isinstance(item, Refusal) else item.title,
            "date": None if isinstance(item, Refusal) else item.date,
            "author": author if isinstance(item, Refusal) else item.byline or author,
            "text": None if isinstance(item, Refusal) else item.text,
            "status": "refused" if refused else "ok",
            "reason": f"{item.reason}: {item.detail}".rstrip(": ") if isinstance(item, Refusal) else None,
        }
        if as_json:
            show.out(row, lines=True)
        else:
            what = row["title"] or row["reason"] or "(a note)"
            print(show.one_line(f"{row['date'] or '?'!s:10}  {what}  ({row['id']})"))
    for source, error in report.failed.items():
        print(show_report.failure(source, error), file=sys.stderr)
    if report.failed or not taken:
        raise typer.Exit(1)


@commands.command()
def sync(
    author: OneAuthor = None,
    allow_delete: AllowDelete = False,
    engine: EngineOption = EngineName.local,
    as_json: Json = False,
) -> None:
    """Read every source again that was ever taken in; one that fails does not stop the others."""
    from feature_pipeline import pipeline

    parts = app()
    uploaded = uploads(parts.home)  # they are read once, and not kept
    named = [source for source in parts.store.sightings.sources(author) if uploaded not in Path(source.address).parents]
    if not named:
        raise NotFound("there is no source to read again", "twin ingest SOURCE --author NAME")
    reference = {known.name: known.reference for known in parts.store.authors()}
    reports: list[Report] = []
    for name in dict.fromkeys(source.author for source in named):
        with show.progress(as_json) as progress:
            report = pipeline.run(
                [source.address for source in named if source.author == name],
                name,
                parts.store,
                reference=reference.get(name, False),
                allow_delete=allow_delete,
                chunker=parts.chunker,
                engine=_engine(engine),
                progress=progress,
            )
        reports.append(report)
        if not as_json:
            show_report.report(report.as_json(), as_json=False)
    if as_json:
        show.out([report.as_json() for report in reports])
    if any(report.failed for report in reports) or not any(report.stored for report in reports):
        raise typer.Exit(1)


@commands.command()
def sources(author: OneAuthor = None, as_json: Json = False) -> None:
    """What was taken in, how many posts each source shows, and how its last reading went."""
    show_report.sources(app().store.sightings.sources(author), as_json)


@commands.command()
def report(author: OneAuthor = None, as_json: Json = False) -> None:
    """The report of the last ingest or sync."""
    found = app().store.last_report(author)
    if found is None:
        raise NotFound("no ingest has come to its end yet", "twin ingest SOURCE --author NAME")
    show_report.report(found, as_json)


@commands.command()
def forget(
    author: Author,
    post: Annotated[list[str] | None, typer.Option(help="A post, by its id, address or file name; repeatable.")] = None,
    source: Annotated[str | None, typer.Option(help="A source, as `twin sources` lists it.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="All of this author's.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="With --everything: delete the author's versions, too, champion and all.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove posts from everywhere, for good, and flag the adapters that learned from them."""
    if [bool(post), source is not None, everything].count(True) != 1:
        raise UsageError("say what to forget", "one of --post ID, --source ADDRESS, --everything")
    if models and not everything:
        raise UsageError("--models goes with --everything", "twin models delete MODEL deletes one version")
    if as_json and not yes:
        raise UsageError("--json cannot ask", "add --yes where you are sure")
    parts = app()
    if not (models and parts.registry.names(author)):  # of an author who is forgotten there may be versions left
        acts.require_author(parts, author)
    ids = [parts.store.find_post(author, name, deleted=True) for name in post or []]  # before anything is asked
    what = f"everything of {author}" if everything else f"{source or ', '.join(post or [])} of {author}"
    what += f" and delete {', '.join(parts.registry.names(author)) or 'no version'}" if models else ""
    if not yes and not typer.confirm(f"Forget {what}? This cannot be undone.", err=True):
        raise typer.Exit(1)
    gone, flagged, reports, warning, deleted = acts.forget(parts, author, ids, source, models)
    if warning:
        show.note(warning)
    if as_json:
        show.out({"author": author, "posts": gone, "adapters": flagged, "deleted": deleted})
        return
    print(f"{len(gone)} posts of {author} are forgotten" + (f", {len(reports)} reports deleted" if reports else ""))
    for name in deleted:
        print(f"  {name} is deleted")
    _flagged(parts, author, [name for name in flagged if name not in deleted])


def _flagged(parts: App, author: str, names: list[str]) -> None:
    """What to do with versions that learned from what is forgotten; without a post left, none is trained in their place."""
    left = any(one.name == author and one.posts for one in parts.store.authors())
    aliases = parts.registry.aliases(author).of
    for name in names:
        way = show_models.way(author, name, aliases.get(parts.registry.get(name).number, ""))
        print(f"  {name} was trained on some of them" + (f": {way}" if left else ""))
    if names and not left:
        print(
            f"  to delete {'it' if len(names) == 1 else 'them'}: twin forget --author {author!r} --everything --models"
        )


@versions.command("list")
def list_(as_json: Json = False) -> None:
    """Every version, what made it, and which one is served."""
    show_report.feature_versions(app().store.versions.all(), as_json)


@versions.command()
def build(as_json: Json = False) -> None:
    """Build the version that the settings describe, beside the one that is served."""
    from feature_pipeline import pipeline

    parts = app()
    with show.progress(as_json) as progress:
        version = pipeline.build_version(parts.store, pipeline.settings_version(parts.store, parts.chunker), progress)
    _built(parts, version.id, as_json, f"to serve it: twin features use {version.id}")


@versions.command()
def use(version: Version, as_json: Json = False) -> None:
    """Serve a version from now on, completed first; ingests keep to it until you choose another."""
    from feature_pipeline import pipeline

    parts = app()
    chosen = parts.store.versions.get(version)
    with show.progress(as_json) as progress:
        pipeline.use_version(parts.store, chosen, progress)
    _built(parts, chosen.id, as_json, "it is served")


@versions.command()
def rollback(as_json: Json = False) -> None:
    """Serve the version that was served before."""
    from feature_pipeline import pipeline

    parts = app()
    previous = parts.store.versions.previous()
    with show.progress(as_json) as progress:
        pipeline.use_version(parts.store, previous, progress)
    _built(parts, previous.id, as_json, "it is served")


@versions.command()
def instruct(author: Author, as_json: Json = False) -> None:
    """Have a capable model say what your posts could have been asked by: more examples to train on."""
    from contracts.base_model import DEFAULT as DEFAULT_BASE_MODEL
    from feature_pipeline import back_translation

    parts = app()
    if not parts.settings.remote_url and parts.settings.base_model == DEFAULT_BASE_MODEL:
        raise UsageError(
            "no capable model is configured, and the default one asks poor questions",
            "set TWIN_REMOTE_URL and TWIN_REMOTE_MODEL, or TWIN_BASE_MODEL",
        )
    parts.store.require_author(author)
    chat = parts.engine.chat_model(None)

    def model(prompt: str) -> str:
        return str(chat.invoke(prompt, max_tokens=100, temperature=0).content)

    with parts.store.writing("making examples"), show.progress(as_json) as progress:
        counts = back_translation.instruct(author, parts.store, model, progress)
    if as_json:
        show.out({"author": author, **counts})
        return
    refused = "; ".join(f"{count} {reason}" for reason, count in counts.items() if reason != "made")
    print(f"{counts['made']} examples were made" + (f", and not used: {refused}" if refused else ""))


def _built(parts: App, version_id: str, as_json: bool, then: str) -> None:
    rows = [row for row in parts.store.versions.all() if row.id == version_id]
    if not rows:
        raise NotFound("there are no posts to build features of", "twin ingest SOURCE --author NAME")
    if as_json:
        show.out(rows[0].model_dump(mode="json"))
    else:
        print(f"{rows[0].id}: {rows[0].posts} posts, {rows[0].chunks} chunks; {then}")
