"""The process of a background job: one request as a JSON line on stdin, progress and the outcome as JSON lines on stdout.

Started by ui/page/jobs.py alone. When whoever started it is gone, stdin ends, and so does this process.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import TwinError
from contracts.progress import Progress
from ui import acts
from ui.wiring import App

if TYPE_CHECKING:
    from training_pipeline.pipeline import Options
    from training_pipeline.recipe import Recipe

REDRAW_S = 0.1
LOOKED_AT = 200  # posts of a preview that are shown; all are counted

Request = Mapping[str, Any]


def ingest(app: App, request: Request, progress: Progress) -> dict[str, Any]:
    """Each part in turn; a part whose sources cannot be read says so in its report, and stops none of the others."""
    from feature_pipeline import pipeline

    reports = []
    for part in request["parts"]:
        report = pipeline.run(
            part["sources"],
            part["author"],
            app.store,
            reference=part["reference"],
            chunker=app.chunker,
            progress=progress,
        )
        reports.append(report.as_json())
    return {"reports": reports}


def preview(app: App, request: Request, progress: Progress) -> dict[str, Any]:
    """What an ingest would store, and what it would refuse; nothing is stored."""
    from contracts.records import Post
    from feature_pipeline import pipeline
    from feature_pipeline.report import Report
    from feature_pipeline.sources import Refusal

    (part,) = request["parts"]
    report, kept = Report(part["author"]), 0
    posts: list[dict[str, Any]] = []
    for number, item in enumerate(pipeline.collect(part["sources"], part["author"], report), start=1):
        progress("read", number, None)
        if isinstance(item, Post) and app.store.is_forgotten(item.author, {item.id, item.text_hash}):
            item = Refusal(item.source, item.source_id, "forgotten", "you said to forget it")
        if isinstance(item, Refusal):
            report.refuse(item)
            continue
        kept += 1
        if len(posts) < LOOKED_AT:
            date = item.date.isoformat() if item.date else ""
            posts.append({"title": item.title, "date": date, "words": len(item.text.split()), "text": item.text[:160]})
    return {"posts": posts, "kept": kept, "report": {**report.as_json(), "found": kept + sum(report.refused.values())}}


def plan(app: App, request: Request, progress: Progress) -> dict[str, Any]:
    from training_pipeline.data_card import rows

    progress("look at the data", 0, None)
    card = acts.plan(app, request["author"], *_followed(app, request))
    return {"rows": rows(card), "recipe": card.recipe}


def train(app: App, request: Request, progress: Progress) -> dict[str, Any]:
    """Goes on where the same run was stopped."""
    author = request["author"]
    made = acts.train(app, author, *_followed(app, request), progress)
    assert made  # None in all but the first of several processes
    outdated = acts.outdated(app, author)
    return {
        "model": made.version.name,
        **{name: getattr(made, name) for name in ("promoted", "new", "refused", "replaced")},
        "outdated": outdated.name if outdated else "",
    }


def _followed(app: App, request: Request) -> tuple[Recipe, Options]:
    return followed(
        app, request["author"], request["recipe"], request.get("folds", False), request.get("new_split", False)
    )


def followed(app: App, author: str, recipe: str, folds: bool, new_split: bool = False) -> tuple[Recipe, Options]:
    """A champion that learned from posts which are forgotten is replaced, whatever the recipe; without one, by its own."""
    from training_pipeline.pipeline import Options

    replaces = acts.outdated(app, author) is not None
    options = Options(resume=True, without_forgotten=replaces, folds=folds, new_split=new_split)
    return acts.followed(app, author, recipe, options)


def compare(app: App, request: Request, progress: Progress) -> dict[str, Any]:
    """Both versions on the same posts: measured, where they were not when they were made."""
    from training_pipeline.compare import compare as measure
    from training_pipeline.compare import left_out

    version, against, compared = measure(request["model"], request["other"], app.training, progress)
    return {
        "model": version.name,
        "other": against.name,
        "compared": {name: one.model_dump() for name, one in compared.items()},
        "left_out": left_out(version, against, compared),
    }


def export(app: App, request: Request, progress: Progress) -> dict[str, Any]:
    """The version as one zip file, checked before it is packed."""
    import shutil

    from training_pipeline.export import export as write

    folder = Path(request["folder"])
    version = app.registry.get(request["model"])
    made = write(version, app.base_model, request["format"], folder, progress)
    progress("pack", 0, None)
    file = shutil.make_archive(str(folder), "zip", folder)
    shutil.rmtree(folder)
    return {"file": file, "model": version.name, "checks": [str(check) for check in made.checks]}


TASKS = {task.__name__: task for task in (ingest, preview, plan, train, compare, export)}


def main() -> None:
    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints must not stand among the answers
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(5)  # an answer that somebody waits for comes first

    def say(**said: Any) -> None:
        print(json.dumps(said, default=str), file=out, flush=True)

    try:
        say(result=TASKS[request["do"]](App(), request, _progress(say)))
    except TwinError as error:
        say(problem=(error.message, error.hint))
    except Exception:  # the page shows no insides; they are for the terminal that runs it
        traceback.print_exc()
        say(problem=("Something failed inside the twin", "the terminal that runs this page says what"))


def _progress(say: Callable[..., None]) -> Progress:
    """A line for a stage that begins or ends, and else ten a second at most."""
    told: dict[str, float] = {}

    def progress(stage: str, done: int, of: int | None) -> None:
        now = time.monotonic()
        if stage not in told or done == of or now - told[stage] > REDRAW_S:
            told[stage] = now
            say(stage=stage, done=done, of=of)

    return progress


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
