"""The commands of the training pipeline and of the versions that it registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import UsageError
from ui import show
from ui.options import Author, Json, OneAuthor, app

if TYPE_CHECKING:
    from contracts.model_registry import ModelVersion

commands = typer.Typer()
versions = typer.Typer(help="Versions of a twin: list, show, promote, roll back.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="author@v3 or author@champion")]


@commands.command()
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
    parts = app()
    parts.store.require_author(author)
    with show.progress(as_json) as progress:
        from training_pipeline import pipeline

        outcome = pipeline.run(
            author, parts.store, parts.registry, parts.base_model, chosen, parts.home, resume=resume, progress=progress
        )
    show.outcome(outcome, as_json)


@commands.command()
def evaluate(model: Model, as_json: Json = False) -> None:
    """Measure a registered version again, on the posts that are held out today."""
    parts = app()
    parts.registry.get(model)
    with show.progress(as_json) as progress:
        from training_pipeline import pipeline

        version, figures = pipeline.reevaluate(model, parts.store, parts.registry, parts.base_model, progress)
    show.figures(version, figures, as_json)


@versions.command("list")
def list_(author: OneAuthor = None, as_json: Json = False) -> None:
    """Every version, with its figures and whether it is the champion."""
    registry = app().registry
    authors = [author] if author else registry.authors()
    rows = [
        (version, registry.champion(name), registry.forgotten(version))
        for name in authors
        for version in registry.versions(name)
    ]
    show.versions(rows, as_json)


@versions.command("show")
def show_(model: Model, as_json: Json = False) -> None:
    """A version's card: what made it, and what it proved."""
    registry = app().registry
    version = registry.checked(model)
    show.card(version, registry.forgotten(version))


@versions.command()
def promote(model: Model, as_json: Json = False) -> None:
    """Make a version the champion, whatever its gate says."""
    _champion(app().registry.promote(model), as_json)


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
    _champion(registry.rollback(author), as_json)


def _champion(version: ModelVersion, as_json: bool) -> None:
    if as_json:
        show.out({"model": version.name, "champion": True})
    else:
        print(f"{version.name} is the champion")
