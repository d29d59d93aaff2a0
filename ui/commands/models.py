"""The commands of the training pipeline and of the versions that it registers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import UsageError
from ui import acts
from ui.commands import show, show_models
from ui.commands.options import Author, Json, OneAuthor, app

if TYPE_CHECKING:
    from contracts.model_registry import ModelVersion

commands = typer.Typer()
versions = typer.Typer(
    help="Versions of a twin: list, compare, promote, roll back, export, delete.", no_args_is_help=True
)

Model = Annotated[str, typer.Argument(help="author@v3, author@champion or author@challenger")]


class Format(StrEnum):
    peft = "peft"
    merged = "merged"
    gguf = "gguf"


@commands.command()
def train(
    author: Author,
    recipe: Annotated[str | None, typer.Option(help="quick (the default), standard, gpu, or a .toml file.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Show what would be learned from, and train nothing.")] = False,
    preference: Annotated[
        bool, typer.Option(help="Then train by preference, and keep that if it passes the gate too.")
    ] = False,
    with_edits: Annotated[
        bool, typer.Option(help="With --preference: learn from edited answers, too (`twin feedback --edited`).")
    ] = False,
    without_forgotten: Annotated[
        bool,
        typer.Option(
            help="Train the champion's successor without posts that are forgotten, by its recipe; replace it."
        ),
    ] = False,
    folds: Annotated[
        bool,
        typer.Option(
            help="Under 30 posts: three more trainings, so that each post is measured by one that has not seen it."
        ),
    ] = False,
    new_split: Annotated[
        bool,
        typer.Option(
            help="Hold out the newest fifth of today's posts, and learn from those that were held out before."
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option(help="Go on with the same run where it was stopped; do nothing if done.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Fine-tune an adapter on the author's posts, measure it, register it, and promote it if it proves itself."""
    from training_pipeline import pipeline

    parts = app()
    parts.store.require_author(author)
    if dry_run and new_split:
        raise UsageError("--dry-run stores nothing, and a new split is stored", "leave one of them out")
    options = pipeline.Options(resume, preference, with_edits, without_forgotten, new_split, folds)
    chosen, options = acts.followed(parts, author, recipe, options)
    if dry_run:
        show_models.data_card(acts.plan(parts, author, chosen, options), as_json)
        return
    with show.progress(as_json) as progress:
        look = show_models.noted if not as_json else lambda card: None
        outcome = acts.train(parts, author, chosen, options, progress, look)
    if outcome:  # None in all but the first of several processes
        show_models.outcome(outcome, as_json)


@commands.command()
def evaluate(
    model: Model,
    against: Annotated[str | None, typer.Option(help="Compare with this version, on the same posts.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a registered version again, on the posts that are held out today."""
    from training_pipeline.compare import compare, reevaluate

    parts = app().training
    for name in (model, against or model):
        parts.registry.get(name)
    with show.progress(as_json) as progress:
        if against:
            compared = compare(model, against, parts, progress)
        else:
            version, evaluation = reevaluate(model, parts, progress)
    if against:
        show_models.comparison(*compared, as_json)
    else:
        show_models.figures(version, evaluation.figures, as_json)


@versions.command("list")
def list_(author: OneAuthor = None, as_json: Json = False) -> None:
    """Every version, with its figures, and which one is champion."""
    registry = app().registry
    authors = [author] if author else registry.authors()
    aliases = {name: registry.aliases(name).of for name in authors}
    rows = [
        (version, aliases[name].get(version.number, ""), registry.forgotten(version))
        for name in authors
        for version in registry.versions(name)
    ]
    show_models.versions(rows, as_json)


@versions.command("show")
def show_(
    model: Model,
    lineage: Annotated[bool, typer.Option(help="Its ancestors, snapshot, features and posts instead.")] = False,
    as_json: Json = False,
) -> None:
    """A version's card: what made it, and what it proved. Without --lineage it is JSON anyway."""
    parts = app()
    version = parts.registry.checked(model)
    if lineage:
        from training_pipeline.lineage import lineage as trace

        show_models.lineage(trace(version, parts.registry, parts.store), as_json)
    else:
        show_models.card(version, parts.registry.forgotten(version))


@versions.command()
def diff(model: Model, other: Model, as_json: Json = False) -> None:
    """What the second version has that the first has not: settings, posts, models, figures."""
    from training_pipeline.lineage import diff as differ

    registry = app().registry
    show_models.difference(differ(registry.checked(model), registry.checked(other)), as_json)


@versions.command()
def compare(
    model: Model,
    other: Annotated[str, typer.Argument(help="Another of the same author's, or base.")],
    as_json: Json = False,
) -> None:
    """Which of two versions people prefer, by their votes and ratings: `twin feedback`, and Compare on the page."""
    from inference_pipeline.twin import BASE
    from training_pipeline.votes import preferred
    from ui.commands import show_feedback

    parts = app()
    first, second = parts.registry.get(model), None if other == BASE else parts.registry.get(other)
    if second and (first.author != second.author or first.number == second.number):
        raise UsageError(f"{model} and {other} are not two versions of one author", "twin models list")
    given = parts.store.feedback.all(first.author)
    show_feedback.preferred(preferred(given, first.name, second.name if second else BASE), as_json)


@versions.command()
def promote(model: Model, as_json: Json = False) -> None:
    """Make a version the champion, whatever its gate says."""
    _champion(acts.promote(app(), model), as_json)


@versions.command()
def challenge(
    model: Model,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Let the challenger challenge no more.")] = False,
    as_json: Json = False,
) -> None:
    """Make a version the challenger, to be tried beside the champion as author@challenger."""
    registry = app().registry
    version = registry.get(model)
    if withdraw:
        held = registry.challenger(version.author)
        if held is None or held.number != version.number:
            raise UsageError(f"{version.name} is not the challenger", f"twin models list --author {version.author!r}")
        registry.withdraw(version.author)
    else:
        registry.challenge(model)
    said = f"{version.name} is the challenger{' no more' if withdraw else ''}"
    show_models.done(said, {"model": version.name, "challenger": not withdraw}, as_json)


@versions.command()
def rollback(
    model: Annotated[str, typer.Argument(help="An author, or author@champion.")], as_json: Json = False
) -> None:
    """Make the previous champion the champion again."""
    from contracts.model_registry import parse

    registry = app().registry
    author = parse(model)[0] if "@" in model else model
    champion = registry.champion(author)
    if "@" in model and champion and registry.get(model).number != champion.number:
        raise UsageError(
            f"{model} is not the champion, {champion.name} is", f"to serve it: twin models promote {model}"
        )
    _champion(acts.rollback(app(), author), as_json)


@versions.command()
def delete(
    model: Model,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also the champion: the base model answers then, until another is promoted."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a version and its report for good. Refused for the champion and the challenger, unless by --force."""
    if as_json and not yes:
        raise UsageError("--json cannot ask", "add --yes where you are sure")
    parts = app()
    registry, name = parts.registry, parts.registry.meant(model)
    author, _, number = name.rpartition("@v")
    alias = registry.aliases(author).of.get(int(number), "")
    which = f"{name}, the {alias}" if alias else name
    if not yes and not typer.confirm(f"Delete {which}? This cannot be undone.", err=True):
        raise typer.Exit(1)
    acts.delete_version(parts, name, force)
    show_models.done(
        f"{name} is deleted" + show_models.unled(registry.aliases(author), registry.names(author)),
        {"model": name, "deleted": True},
        as_json,
    )


@versions.command()
def verify(author: OneAuthor = None, as_json: Json = False) -> None:
    """Compare every version's files with their hashes; exit code 1 where one is damaged."""
    parts = app()
    authors = [author] if author else parts.registry.authors()
    rows = [row for name in authors for row in parts.registry.verify(name, parts.base_model)]
    show_models.verified(rows, as_json)
    if any(row.damage for row in rows):
        raise typer.Exit(1)


@versions.command()
def export(
    model: Model,
    to: Annotated[Path, typer.Option(help="A folder that is not there yet, or is empty.")],
    format: Annotated[
        Format, typer.Option(help="The adapter, a whole model in safetensors, or one GGUF file.")
    ] = Format.peft,
    as_json: Json = False,
) -> None:
    """Write a version for vLLM, Ollama and others, and check that it says there what it says here."""
    from training_pipeline.export import export as write

    parts = app()
    version = parts.registry.get(model)
    with show.progress(as_json) as progress:
        made = write(version, parts.base_model, format.value, to, progress)
    show_models.exported(made, as_json)


@versions.command()
def report(model: Model, as_json: Json = False) -> None:
    """Write the version's report, a page that says what it proved and shows what it writes."""
    from training_pipeline import report as reports

    parts = app()
    version = parts.registry.checked(model)
    path = reports.write(parts.home, version, parts.store, parts.registry.aliases(version.author))
    show_models.written(path, version, as_json)


def _champion(version: ModelVersion, as_json: bool) -> None:
    show_models.done(f"{version.name} is the champion", {"model": version.name, "champion": True}, as_json)
