"""What stands in the Chat tab as long as there is no author: three steps, one's own posts, and the sample author."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.page import passages as html
from ui.page import sample
from ui.page.jobs import Jobs
from ui.page.markup import aside, job
from ui.page.tabs.shared import NOW, PLAIN, QUEUED, Updates, told

if TYPE_CHECKING:
    from ui.page.shell import Shell


class FirstSteps:
    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def lay_out(self) -> None:
        with gr.Column(visible=False, elem_id="first") as self.box:
            self.steps: gr.HTML = gr.HTML(html.steps(), elem_id="steps", **PLAIN)
            with gr.Row(elem_id="begin"):
                self.own = gr.Button("Take in your own posts", variant="primary", elem_id="own", scale=0, min_width=270)
                self.sample = gr.Button("Try it with a sample author", elem_id="sample", scale=0, min_width=300)
            gr.HTML("" if sample.here() else aside(sample.ABSENT), elem_id="no-sample", **PLAIN)
            self.progress: gr.HTML = gr.HTML(elem_id="sample-progress", **PLAIN)

    def wire(self, shell: Shell) -> None:
        self.timer = shell.timer
        self.sample.click(self.sampled, None, [self.progress, self.sample, self.own, shell.timer], **QUEUED)
        self.own.click(lambda: gr.Tabs(selected="posts"), None, shell.strip, **NOW)

    def outputs(self) -> list[Any]:
        return [self.box, self.steps, self.progress, self.sample, self.own]

    def drawn(self) -> Updates:
        reading = self._jobs.get("posts")
        busy = reading is not None and reading.state == "running"
        return {
            self.progress: job(reading),
            self.sample: gr.update(interactive=sample.here() and not busy),
            self.own: gr.update(interactive=True),
        }

    @told
    def sampled(self) -> Updates:
        """Take in the sample author, and those to compare with."""
        sample.take_in(self._jobs)
        return {**self.drawn(), self.timer: gr.Timer(active=True)}
