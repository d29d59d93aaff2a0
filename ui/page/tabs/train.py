"""The Train tab: what a training would learn from and cost, the training itself, and what came of it in words."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from contracts.errors import NotFound, UsageError
from contracts.model_registry import ModelVersion
from ui import acts
from ui.page import learning, made
from ui.page import markup as html
from ui.page.jobs import Job
from ui.page.tabs.shared import NOW, PLAIN, QUEUED, WATCHED, Tab, Updates, author_or_sorry, told
from ui.page.tabs.versions import Versions
from ui.page.work import followed

if TYPE_CHECKING:
    from ui.page.shell import Shell

SHIPPED = [
    ("Quick: minutes on two processor cores (five, or more on older ones); enough to hear the voice", "quick"),
    ("Standard: more posts, more passes, more proof; an hour and more", "standard"),
    ("For a graphics card", "gpu"),
]
AGAIN = (
    "As {name} was made, without what is forgotten since: once the new version has passed its gate, {name} is deleted"
)
FOLDS = "Few posts: measure the recipe on each of them, by three more trainings"
NEW_SPLIT = "Hold out the newest fifth of today’s posts, and learn from those that were held out before"
NOBODY = ("", 0.0)
BEFORE = (
    "Look at the data first: how much there is, what is left out, how long it takes here, and whether it is worth it."
)


class Standing(NamedTuple):
    """What somebody has made of the tab, in the order of `standing`."""

    recipe: str
    folds: bool
    unfinished: Mapping[str, Path] = MappingProxyType({})
    new_split: bool = False
    asked: tuple[str, float] = NOBODY
    by_hand: bool = False


class Train(Tab):
    id, label = "train", "Train"

    def lay_out(self) -> None:
        self.unfinished: gr.State = gr.State({})  # by recipe, the folders of trainings that were stopped
        self.by_hand: gr.State = gr.State(False)  # the recipe was chosen, not offered
        self.asked: gr.State = gr.State(NOBODY)  # whose posts are to be divided anew, and when that was ticked
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=2, min_width=320):
                gr.HTML('<h2 class="title2">Train a version</h2>', **PLAIN)
                self.recipe: gr.Radio = gr.Radio(SHIPPED, value="quick", label="Recipe", elem_id="recipe")
                self.folds = gr.Checkbox(label=FOLDS, visible=False, elem_id="folds")
                self.new_split = gr.Checkbox(label=NEW_SPLIT, visible=False, elem_id="new-split")
                with gr.Row():
                    self.plan = gr.Button("Look at the data", elem_id="plan", min_width=120)
                    self.train = gr.Button("Train", variant="primary", elem_id="train", min_width=120)
                    self.stop = gr.Button("Stop", variant="stop", elem_id="stop-training", visible=False, min_width=90)
                self.note: gr.HTML = gr.HTML(elem_id="training-note", **WATCHED)
            with gr.Column(scale=3, min_width=320):
                self.progress: gr.HTML = gr.HTML(elem_id="training-progress", **PLAIN)
                self.plot: gr.HTML = gr.HTML(elem_id="losses", **PLAIN)
                self.written: gr.HTML = gr.HTML(elem_id="samples", **PLAIN)
                self.outcome: gr.HTML = gr.HTML(elem_id="outcome", **PLAIN)
                self.look = gr.Button("Open it under Versions", visible=False, elem_id="open-version")

    def wire(self, shell: Shell) -> None:
        self.timer = shell.timer
        given, drawn = [shell.author, self.recipe, self.folds], [*self.outputs(), shell.timer]
        self.plan.click(self.planned, [*given, self.new_split], drawn, **QUEUED)
        self.train.click(self.begun, [*given, self.new_split, self.asked], drawn, **QUEUED)
        self.stop.click(self.stopped, [shell.author, *self.standing()], drawn, **NOW)
        self.recipe.input(self.chosen, [*given, self.unfinished], self.outputs(), **QUEUED)
        self.folds.input(self.folded, [*given, self.new_split], self.outputs(), **QUEUED)
        self.new_split.input(self.parted, [*given, self.new_split], self.outputs(), **QUEUED)
        # What is drawn for one recipe may arrive after another is chosen; what the note says then tells that.
        self.note.change(told(self._drawn), [shell.author, self.recipe, self.unfinished], self.outputs(), **NOW)
        versions = shell.tabs["versions"]
        assert isinstance(versions, Versions)
        self.look.click(self.looked, None, [shell.strip, versions.version], **NOW)

    def outputs(self) -> list[Any]:
        return [
            self.recipe,
            self.folds,
            self.new_split,
            self.plan,
            self.train,
            self.stop,
            self.note,
            self.progress,
            self.plot,
            self.written,
            self.outcome,
            self.look,
            self.unfinished,
            self.asked,
            self.by_hand,
        ]

    # ---- what stands on it ------------------------------------------------------------------------------------------

    def standing(self) -> list[Any]:
        return [self.recipe, self.folds, self.unfinished, self.new_split, self.asked, self.by_hand]

    def opened(self, author: str | None) -> Updates:
        return {**self.revisited(author, SHIPPED[0][1], False), self.by_hand: False}

    def revisited(self, author: str | None, *standing: Any) -> Updates:
        """Whoever has chosen nothing in particular is offered what was begun, else the first recipe."""
        was, choices, few = Standing(*standing), self._recipes(author), self._few(author)
        settled = author is not None and self._app.store.splits(author)[1]
        new_split = settled and self._to_part(author, was.new_split, was.asked)
        recipe, folds = was.recipe, few and bool(was.folds)
        begun = self._unfinished(author, folds, new_split)
        if few and not begun and (begun := self._unfinished(author, True, new_split)):
            folds = True
        names = [name for _, name in choices]
        if recipe not in names or (recipe == SHIPPED[0][1] and not was.by_hand):
            recipe = next(iter(begun), names[0])
        return {
            **self._drawn(author, recipe, begun),
            self.recipe: gr.update(choices=choices, value=recipe),
            self.folds: gr.update(value=folds, visible=few),
            self.new_split: gr.update(value=new_split, visible=settled),
        }

    def ticked(self, author: str | None, *standing: Any) -> Updates:
        """What was stopped is not looked for: that reads every post."""
        was = Standing(*standing)
        return self._drawn(author, was.recipe, was.unfinished)

    def _recipes(self, author: str | None) -> list[tuple[str, str]]:
        """That of a champion which is to be replaced, those that are shipped, and the author's own."""
        outdated = acts.outdated(self._app, author) if author else None
        again = [(AGAIN.format(name=outdated.name), "")] if outdated else []
        own = sorted((self._app.home / "recipes").glob("*.toml"))
        return [*again, *SHIPPED, *((f"Your own: {path.stem}", str(path)) for path in own)]

    def _few(self, author: str | None) -> bool:
        """Whether folds are of use; told as the data card and the training itself tell it."""
        from training_pipeline.data import FIRST
        from training_pipeline.folds import are_of_use

        count = self._app.store.exemplified
        return author is not None and are_of_use(count(author), count(author, "test", FIRST))

    def _to_part(self, author: str | None, ticked: bool = False, asked: tuple[str, float] = NOBODY) -> bool:
        """Whether a new split is ticked for this author's posts, and no training has made it since."""
        whose, at = asked
        job = self._jobs.get("training")
        made = job and job.author == author and job.began > at and acts.NEW_SPLIT in job.stages
        return ticked and whose == author and not made

    def _unfinished(self, author: str | None, folds: bool, new_split: bool = False) -> dict[str, Path]:
        """By recipe, the folders of trainings that were stopped, and that the same posts and recipe go on with: never on
        a new split."""
        from training_pipeline.pipeline import unfinished

        if not author or new_split or self._running():
            return {}
        asked = {}
        for _, recipe in self._recipes(author):
            with suppress(UsageError):  # a recipe of one's own may be wrong; training by it says so
                asked[recipe] = chosen = followed(self._app, author, recipe, folds)
                acts.label_edits(self._app, author, chosen[1])
        with suppress(UsageError):  # of few posts even fewer can be measured on; training says so
            return unfinished(author, self._app.training, asked)
        return {}

    def _running(self) -> bool:
        job = self._jobs.get("training")
        return job is not None and job.state == "running"

    def _drawn(self, author: str | None, recipe: str, begun: Mapping[str, Path]) -> Updates:
        job, busy = self._jobs.get("training"), self._running()
        mine = job if job and (busy or job.author == author) else None
        begun = {} if busy else begun
        train = "Go on with the training" if recipe in begun else "Train"
        return {
            self.plan: gr.update(visible=not busy, interactive=bool(author)),
            self.train: gr.update(visible=not busy, interactive=bool(author), value=train),
            self.stop: gr.update(visible=busy),
            self.note: html.aside(self._note(author, recipe, begun)),
            self.progress: html.job(mine),
            **self._learning(mine, begun.get(recipe)),
            self.outcome: self._outcome(mine),
            self.look: gr.update(visible=bool(mine and mine.state == "done" and "model" in mine.result)),
            self.unfinished: begun,
        }

    def _note(self, author: str | None, recipe: str, begun: Collection[str]) -> str:
        if not author:
            return "There is no author yet: take posts in, under Posts."
        if recipe in begun:
            return "A training by this recipe was stopped before its end. It goes on from its last checkpoint."
        label = next((label for label, name in self._recipes(author) if name in begun), "") if begun else ""
        if not label:
            return ""
        return f"A training was stopped before its end. To go on with it, choose “{label.partition(';')[0]}”."

    def _learning(self, job: Job | None, begun: Path | None) -> Updates:
        """Losses, and what it writes, of a training that runs or was begun; the losses of the version that was made."""
        nothing, run = {self.plot: "", self.written: ""}, begun
        if job and (version := self._made(job)):
            told = version.card.training
            return {**nothing, self.plot: learning.curves(told.get("train_loss", ()), told.get("validation_loss", ()))}
        if job and job.state == "running" and job.what.startswith("Training"):
            run = learning.running(self._app.home, job.author, job.began)
        if run is None or (job and job.state == "done"):
            return nothing
        return {
            self.plot: learning.curves(*learning.losses(run)),
            self.written: learning.written(learning.samples(run)),
        }

    def _outcome(self, job: Job | None) -> str:
        if job is None:
            return html.aside(BEFORE)
        if job.state != "done":
            return ""
        if "rows" in job.result:
            return html.section(f"What {job.author}’s twin would learn from", _card(job.result["rows"]))
        version = self._made(job)
        if version is None:
            return html.aside("That version is deleted.")
        return made.result(version, job.result, job.seconds)

    def _made(self, job: Job) -> ModelVersion | None:
        try:
            return self._app.registry.get(job.result["model"]) if "model" in job.result else None
        except NotFound:
            return None

    def looked(self) -> tuple[Any, str]:
        """The tab with the versions, and there the one that was made."""
        job = self._jobs.get("training")
        return gr.Tabs(selected="versions"), str(job.result.get("model", "")) if job else ""

    # ---- handlers ---------------------------------------------------------------------------------------------------

    @told
    def chosen(self, author: str | None, recipe: str, folds: bool, unfinished: Mapping[str, Path]) -> Updates:
        return {**self._drawn(author, recipe, unfinished), self.by_hand: True}

    @told
    def folded(self, author: str | None, recipe: str, folds: bool, new_split: bool = False) -> Updates:
        return self._drawn(author, recipe, self._unfinished(author, folds, new_split))

    @told
    def parted(self, author: str | None, recipe: str, folds: bool, new_split: bool) -> Updates:
        drawn = self._drawn(author, recipe, self._unfinished(author, folds, new_split))
        return {**drawn, self.asked: (author or "", time.time())}

    @told
    def planned(self, author: str | None, recipe: str, folds: bool, new_split: bool = False) -> Updates:
        if new_split:
            raise UsageError(
                "looking at the data stores nothing, and new held-out posts are stored", "untick them first"
            )
        return self._begin(author, recipe, folds, "plan", "Looking at the posts of")

    @told
    def begun(self, author: str | None, recipe: str, folds: bool, *new_split: Any) -> Updates:
        """A training, or the rest of one that was stopped: the same posts and recipe are the same run."""
        part = self._to_part(author, *new_split)
        return self._begin(author, recipe, folds, "train", "Training the twin of", part)

    def _begin(
        self, author: str | None, recipe: str, folds: bool, do: str, what: str, new_split: bool = False
    ) -> Updates:
        author = author_or_sorry(author)
        if recipe not in dict(self._recipes(author)).values():
            raise NotFound(f"there is no recipe {recipe!r}", "choose one of the list")
        self._app.store.require_author(author)
        request = {"do": do, "author": author, "recipe": recipe, "folds": folds, "new_split": new_split}
        self._jobs.start("training", f"{what} {author}", author, request)
        return {**self._drawn(author, recipe, {}), self.timer: gr.Timer(active=True)}

    @told
    def stopped(self, author: str | None, *standing: Any) -> Updates:
        self._jobs.stop("training")
        return self.changed(self.revisited(author, *standing), standing)


def _card(rows: list[list[str]]) -> str:
    """The data card's rows; its last one, whether it is worth it, comes first."""
    told_ = [(what[:1].upper() + what[1:], said) for what, said in rows]
    *others, (_, worth) = told_
    return html.paragraphs(worth) + html.table(others)
