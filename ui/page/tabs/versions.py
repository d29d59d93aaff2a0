"""The Versions tab: what each version proved and where it came from; promote, roll back, compare, export, delete."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from contracts.aliases import CHALLENGER, CHAMPION
from contracts.errors import NotFound, UsageError
from contracts.model_registry import ModelVersion
from ui import acts
from ui.page import game
from ui.page import markup as html
from ui.page import show_versions as shown
from ui.page.intervals import over_versions
from ui.page.tabs.shared import (
    CLICKS,
    NOW,
    PLAIN,
    QUEUED,
    Sure,
    Tab,
    Updates,
    author_or_sorry,
    into_view,
    options,
    say,
    told,
)
from ui.page.temporary import export_of, own

if TYPE_CHECKING:
    from ui.page.shell import Shell

FORMATS = [
    ("Adapter, for PEFT and vLLM", "peft"),
    ("Whole model, in safetensors", "merged"),
    ("One GGUF file, for Ollama and llama.cpp", "gguf"),
]
UNLED = {
    "": "",
    CHAMPION: " It is the champion: the base model answers then, until another is promoted.",
    CHALLENGER: " It is the challenger: nothing challenges the champion then.",
}


class Versions(Tab):
    id, label = "versions", "Versions"

    def lay_out(self) -> None:
        self.version: gr.State = gr.State("")
        self.doing: gr.State = gr.State("")
        with gr.Row(elem_classes="columns"):
            with gr.Column(scale=2, min_width=320):
                self.list: gr.HTML = gr.HTML(elem_id="versions", **CLICKS)
                self.plots: gr.HTML = gr.HTML(elem_id="intervals", **PLAIN)
                self.history: gr.HTML = gr.HTML(elem_id="history", **PLAIN)
            with gr.Column(scale=3, min_width=320):
                with gr.Column(visible=False, elem_id="acts") as self.acts:
                    self._lay_out_acts()
                self.sure = Sure("version", "Do it")
                self.progress: gr.HTML = gr.HTML(elem_id="export-progress", **PLAIN)
                self.measured: gr.HTML = gr.HTML(elem_id="measured", **PLAIN)
                self.one: gr.HTML = gr.HTML(elem_id="version", **PLAIN)
                self.more: gr.HTML = gr.HTML(elem_id="more", **PLAIN)

    def _lay_out_acts(self) -> None:
        with gr.Row():
            self.promote = gr.Button("Promote", variant="primary", elem_id="promote", min_width=120)
            self.back = gr.Button("Roll back", elem_id="back", min_width=100)
            self.report = gr.Button("Report", elem_id="show-report", min_width=90)
            self.delete = gr.Button("Delete", variant="stop", elem_id="delete", min_width=90)
        with gr.Row():
            self.other: gr.Dropdown = gr.Dropdown([], label="Compare with", elem_id="other", min_width=120)
            self.format: gr.Dropdown = gr.Dropdown(
                FORMATS, value="peft", label="Export as", elem_id="export-as", min_width=160
            )
        with gr.Row():
            self.compare = gr.Button("Compare", elem_id="compare", min_width=100)
            self.measure = gr.Button("Measure both on the same posts", elem_id="measure", min_width=160)
            self.stop = gr.Button("Stop", variant="stop", elem_id="stop-measuring", visible=False, min_width=90)
            self.export = gr.Button("Export", elem_id="export", min_width=100)
            self.download = gr.DownloadButton("Download", visible=False, elem_id="download", min_width=120)

    def wire(self, shell: Shell) -> None:
        self.timer = shell.timer
        at, drawn = [shell.author, self.version], self.outputs()
        self.list.click(self.chosen, shell.author, drawn, **QUEUED)
        ask = [self.doing, *self.sure.outputs()]
        self.promote.click(self.ask_promote, self.version, ask, **QUEUED)
        self.back.click(self.ask_back, shell.author, ask, **QUEUED)
        self.delete.click(self.ask_delete, self.version, ask, **QUEUED)
        self.sure.yes.click(self.done, [*at, self.doing], drawn, **QUEUED)
        compared = self.compare.click(self.compared, [self.version, self.other], self.more, **QUEUED)
        measuring = [self.measured, self.measure, self.stop]
        self.measure.click(self.begun, [self.version, self.other], [*measuring, shell.timer], **QUEUED)
        self.stop.click(self.stopped, at, measuring, **NOW)
        reported = self.report.click(self.reported, self.version, [self.more, self.download], **QUEUED)
        for below in (reported, compared):
            below.success(None, js=into_view("more"), **NOW)
        self.export.click(
            self.exported, [self.version, self.format], [self.progress, self.download, shell.timer], **QUEUED
        )

    def outputs(self) -> list[Any]:
        acts_ = [self.acts, self.promote, self.back, self.other, self.download]
        return [
            self.version, self.list, self.plots, self.history, self.one, self.more, self.progress,
            self.measured, self.measure, self.stop,
            *acts_, *self.sure.outputs(),
        ]  # fmt: skip

    # ---- what stands on it ------------------------------------------------------------------------------------------

    def standing(self) -> list[Any]:
        return [self.version, self.other]

    def opened(self, author: str | None) -> Updates:
        return self._drawn(author, "")

    def revisited(self, author: str | None, *standing: Any) -> Updates:
        """The version that was chosen, with the report or the comparison that is open."""
        name, other = standing
        drawn = self._drawn(author, name, other)
        if drawn[self.version] == name:
            del drawn[self.more]
        return drawn

    def ticked(self, author: str | None, *standing: Any) -> Updates:
        return {self.progress: html.job(self._jobs.get("export")), **self._measured(author, standing[0])}

    @told
    def chosen(self, author: str | None, event: gr.EventData) -> Updates:
        return self._drawn(author, str(event.id))

    def _drawn(self, author: str | None, name: str, other: str | None = None) -> Updates:
        registry = self._app.registry
        versions = registry.versions(author) if author else []
        champion = registry.champion(author) if author else None
        one = next((v for v in versions if v.name == name), champion or next(reversed(versions), None))
        if one is None or author is None:
            nothing = dict.fromkeys([self.one, self.plots, self.history, self.more, self.progress, self.measured], "")
            words = "No version yet: train one, under Train." if author else "There is no author yet."
            shut = {self.acts: gr.update(visible=False), **self.sure.closed()}
            return {**nothing, **shut, self.list: html.aside(words), self.version: ""}
        aliases = registry.aliases(author)
        others = [v.name for v in versions if v.name != one.name]
        return {
            self.version: one.name,
            self.list: shown.timeline(versions, aliases, one.name),
            self.plots: over_versions(versions, aliases.of, one.name),
            self.history: shown.history(aliases),
            self.one: self._one(one, aliases.of.get(one.number, "")),
            self.more: "",
            self.acts: gr.update(visible=True),
            self.promote: gr.update(interactive=aliases.in_force != one.number),
            self.back: gr.update(interactive=len(aliases.champion) > 1),
            self.other: options(others, other),
            **self._exported(one.name),
            **self._measured(author, one.name),
            **self.sure.closed(),
        }

    def _one(self, one: ModelVersion, alias: str) -> str:
        from training_pipeline.lineage import lineage

        registry, store = self._app.registry, self._app.store
        played = game.said(game.figure(self._app, one))
        made = shown.version(one, alias, registry.forgotten(one), played)
        return made + shown.lineage(lineage(one, registry, store))

    def _exported(self, name: str) -> Updates:
        """What the last export made, where it was of this version and is still there."""
        job = self._jobs.get("export")
        file = Path(job.result["file"]) if job and job.result.get("model") == name else None
        ready = file is not None and file.is_file()
        label = f"Download {file.name}" if file else "Download"
        return {
            self.progress: html.job(job),
            self.download: gr.update(visible=ready, value=str(file) if ready else None, label=label),
        }

    def _measured(self, author: str | None, name: str) -> Updates:
        """How far a measuring is; what came of the last one, where it was of this version and another."""
        from training_pipeline.evaluation.records import Comparison

        job = self._jobs.get("comparison")
        busy = job is not None and job.state == "running"
        made, said = job.result if job else {}, html.job(job if busy or (job and job.author == author) else None)
        if made.get("model") == name:
            found = {figure: Comparison(**one) for figure, one in made["compared"].items()}
            said = shown.compared(name, made["other"], found, made["left_out"])
        return {
            self.measured: said,
            self.measure: gr.update(visible=not busy),
            self.stop: gr.update(visible=busy),
        }

    # ---- acts that are asked about first ----------------------------------------------------------------------------

    @told
    def ask_promote(self, name: str) -> Updates:
        gate = self._app.registry.get(name).card.gate
        words = f"Make {name} the champion, which answers from now on?"
        if gate:
            words = f"{name} did not pass its gate: {'; '.join(gate)}. Make it the champion all the same?"
        return {self.doing: "promote", **self.sure.ask(words)}

    @told
    def ask_back(self, author: str | None) -> Updates:
        champion = self._app.registry.champion(author_or_sorry(author))
        now = champion.name if champion else "the champion"
        return {
            self.doing: "back",
            **self.sure.ask(f"Put the champion before {now} back in its place? {now} stays registered."),
        }

    @told
    def ask_delete(self, name: str) -> Updates:
        alias = self._alias(name)
        words = f"Delete {name} and its report? Its number is never used again. This cannot be undone.{UNLED[alias]}"
        return {self.doing: f"delete {alias}", **self.sure.ask(words)}

    def _alias(self, name: str) -> str:
        """That of this version, empty where it has none. Raises NotFound."""
        one = self._app.registry.get(name)
        return self._app.registry.aliases(one.author).of.get(one.number, "")

    @told
    def done(self, author: str | None, name: str, doing: str) -> Updates:
        author = author_or_sorry(author)
        if not name.startswith(f"{author}@"):
            raise NotFound(f"{name} is no version of {author}", "choose one from the list")
        if doing == "promote":
            acts.promote(self._app, name)
            say(f"{name} is the champion")
        elif doing == "back":
            name = acts.rollback(self._app, author).name
            say(f"{name} is the champion again")
        elif doing.startswith("delete "):
            if (alias := self._alias(name)) != doing.removeprefix("delete "):
                raise UsageError(
                    f"{name} is {f'the {alias}' if alias else 'neither champion nor challenger'} by now", "ask again"
                )
            say(f"{acts.delete_version(self._app, name, force=bool(alias))} is deleted")
            name = ""
        return self._drawn(author, name)

    # ---- acts that change nothing -----------------------------------------------------------------------------------

    @told
    def compared(self, name: str, other: str | None) -> Any:
        from training_pipeline.lineage import diff
        from training_pipeline.votes import preferred

        if not other:
            raise UsageError("there is no other version to compare with", "train one, under Train")
        registry = self._app.registry
        before, after = registry.checked(other), registry.checked(name)
        said = self._app.store.feedback.all(after.author)
        return shown.difference(diff(before, after)) + shown.preferred(preferred(said, name, other))

    @told
    def begun(self, name: str, other: str | None) -> Updates:
        from training_pipeline.compare import kept

        if not other:
            raise UsageError("there is no other version to compare with", "train one, under Train")
        versions = [self._app.registry.checked(model) for model in (name, other)]
        anew = "" if kept(versions, self._app.home) else ", anew: as long as the measuring after two trainings takes"
        author = versions[0].author
        request = {"do": "compare", "model": name, "other": other}
        self._jobs.start("comparison", f"Measuring {name} and {other} on the same posts{anew}", author, request)
        return {**self._measured(author, name), self.timer: gr.Timer(active=True)}

    def stopped(self, author: str | None, name: str) -> Updates:
        self._jobs.stop("comparison")
        return self._measured(author, name)

    @told
    def reported(self, name: str) -> Updates:
        from training_pipeline import report

        registry = self._app.registry
        version = registry.checked(name)
        path = report.write(self._app.home, version, self._app.store, registry.aliases(version.author))
        page = path.read_text(encoding="utf-8")
        copy = own(self._app.home) / path.name
        copy.write_text(page, encoding="utf-8")
        ready = gr.update(visible=True, value=str(copy), label="Download the report")
        return {self.more: shown.report(page, name), self.download: ready}

    @told
    def exported(self, name: str, format: str) -> Updates:
        if format not in dict(FORMATS).values():
            raise UsageError(f"there is no format {format!r}", "choose one of the list")
        folder = own(self._app.home) / uuid.uuid4().hex[:8] / export_of(name, format)
        folder.parent.mkdir(parents=True)
        author = self._app.registry.get(name).author
        request = {"do": "export", "model": name, "format": format, "folder": str(folder)}
        job = self._jobs.start("export", f"Exporting {name}", author, request)
        return {
            self.progress: html.job(job),
            self.download: gr.update(visible=False),
            self.timer: gr.Timer(active=True),
        }
