"""What the commands and the page both do, where it is more than one call of one pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from contracts.base_model import BaseLanguageModel
    from contracts.model_registry import ModelVersion
    from contracts.progress import Progress
    from training_pipeline.data_card import DataCard
    from training_pipeline.pipeline import Options, Outcome
    from training_pipeline.recipe import Recipe
    from ui.wiring import App


IN_LOG = "Its words may stand in the ledger's log until every program that uses this twin, such as its page, has ended."
"""Said beside what is deleted, where somebody reads the ledger meanwhile."""
NEW_SPLIT = "new split"  # the stage of a training that says that the borders are moved, for good


class Forgotten(NamedTuple):
    """Ids of posts that are gone, names of versions that learned from them, reports and versions that are deleted."""

    posts: list[str]
    adapters: list[str]
    reports: list[Path]
    warning: str
    versions: list[str]


def left(settled: bool) -> str:
    """What there is to say beside something that is deleted, as the store says whether its log is rid of it, too."""
    return "" if settled else IN_LOG


def forget(
    app: App, author: str, ids: Sequence[str] = (), source: str | None = None, models: bool = False
) -> Forgotten:
    """Remove these posts, or those of a source, or without either all of the author's, from everywhere, for good; with
    `models` every version of the author, too, the champion among them.

    Raises StoreBusy while a training of the author runs: it would leave their words in its version, and nobody flagged it.
    """
    from training_pipeline import report, run_folder
    from ui.page import temporary

    what = f"{len(ids)} posts" if ids else source or "everything"
    if source:
        from feature_pipeline.pipeline import address

        source = address(source)
    with app.store.writing(f"forgetting {what} of {author}"):
        run_folder.forget(app.home, author)  # first: it refuses while a training learns from them
        # The rest before the posts: stopped in between, it is done again, and what is gone could not be found any more.
        gone = _meant(app, author, ids, source)
        flagged = app.registry.flag_forgotten(gone)
        reports = report.delete(app.home, author)
        temporary.forget_copies(app.home, [path.name for path in reports])
        temporary.forget_uploads(app.home, author)
        temporary.forget_found(app.home, author)
        names = app.registry.names(author) if models else []
        deleted = [delete_version(app, name, force=True) for name in names]
        settled = _forget(app, author, ids, source)
    return Forgotten(gone, [version.name for version in flagged], reports, left(settled), deleted)


def require_author(app: App, author: str) -> None:
    """Raises NotFound for whoever is forgotten already, after the last step of that: it may have been stopped before."""
    from contracts.errors import NotFound

    try:
        app.store.require_author(author)
    except NotFound:
        app.store.leave_no_trace()
        raise


def _meant(app: App, author: str, ids: Sequence[str], source: str | None) -> list[str]:
    if ids or source is None:
        return list(ids) or app.store.ever(author)
    return app.store.sightings.posts(author, source)


def _forget(app: App, author: str, ids: Sequence[str], source: str | None) -> bool:
    if ids:
        return app.store.forget(author, ids)
    if source is None:
        return app.store.forget_author(author)
    return app.store.forget_source(author, source)


def outdated(app: App, author: str) -> ModelVersion | None:
    """The champion, where it learned from posts that are forgotten since: a training can replace it."""
    champion = app.registry.champion(author)
    return champion if champion and app.registry.forgotten(champion) else None


def followed(app: App, author: str, recipe: str | None, options: Options) -> tuple[Recipe, Options]:
    """What a training is done by: without a recipe `quick`, or, where it replaces the champion, all that made that."""
    from training_pipeline import pipeline
    from training_pipeline.recipe import load

    if recipe or not options.without_forgotten:
        return load(recipe or "quick"), options
    chosen, preferred, edited = pipeline.recipe_of_champion(author, app.registry)
    preference, with_edits = options.preference or preferred, options.with_edits or edited
    return chosen, replace(options, preference=preference, with_edits=with_edits)


def label_edits(app: App, author: str, options: Options) -> None:
    """Make lessons of edited answers, where a training learns from them: what they are decides which run it is."""
    if options.with_edits:
        from feature_pipeline import edits

        edits.label(author, app.store)


def plan(app: App, author: str, recipe: Recipe, options: Options) -> DataCard:
    """What a training would learn from, of the lessons that are to be made now, too."""
    from training_pipeline import pipeline

    label_edits(app, author, options)
    return pipeline.plan(author, app.store, app.base_model, recipe, options)


def train(
    app: App,
    author: str,
    recipe: Recipe,
    options: Options,
    progress: Progress,
    look: Callable[[DataCard], None] = lambda card: None,
) -> Outcome | None:
    """Train a version; before it lessons are made of edited answers, where it learns from them, and the split is made anew
    where that is asked for, and nothing else that is asked for is refused. `look` is shown the data."""
    from training_pipeline import pipeline

    label_edits(app, author, options)
    if options.new_split:
        from feature_pipeline.label import divide_anew

        divide_anew(author, app.store, lambda made: pipeline.check(author, app.training, recipe, options, made))
        progress(NEW_SPLIT, 0, None)
    return pipeline.run(
        author, app.training, recipe, options, progress, look, beside=lambda name: _forget_beside(app, name)
    )


def delete_version(app: App, model: str, force: bool = False) -> str:
    """Delete a version with all that is about it, and return its name. UsageError while an alias is its, unless by
    `force`."""
    return app.registry.delete(model, force=force, first=lambda name: _forget_beside(app, name))


def _forget_beside(app: App, name: str) -> None:
    """The guesses about a version, its report, and what the page has made of it for a download."""
    from contracts.model_registry import parse
    from training_pipeline import report
    from training_pipeline.export import FORMATS
    from ui.page import temporary

    author, version = parse(name)
    number = int(version[1:])
    report.delete(app.home, author, number)
    exports = (f"{temporary.export_of(name, format)}.zip" for format in FORMATS)
    temporary.forget_copies(app.home, [report.place(app.home, author, number).name, *exports])
    app.store.guesses.forget(name)  # after what makes room on a full disk


def promote(app: App, model: str) -> ModelVersion:
    """Make it the champion, whatever its gate says. Mismatch where today's prompt or base model is another."""
    return app.registry.promote(model, base=_served_with(app))


def rollback(app: App, author: str) -> ModelVersion:
    """Make the previous champion the champion again. Mismatch where today's prompt or base model is another."""
    return app.registry.rollback(author, base=_served_with(app))


def _served_with(app: App) -> BaseLanguageModel | None:
    """None where a server answers, with a base model of its own: of what it answers by, only the prompt is known."""
    return None if app.settings.remote_url else app.base_model
