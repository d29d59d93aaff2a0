"""HTML that several tabs share: tables, jobs and their stages. Everything from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from ui.page.jobs import Job
from ui.page.passages import problem

STAGES = {
    "read": "Reading",
    "clean": "Cleaning",
    "embed": "Making them searchable",
    "label": "Making examples",
    "look at the data": "Looking at the data",
    "new split": "Holding out the newest posts",
    "load models": "Loading the model",
    "train": "Training",
    "prefer": "Training by preference",
    "write pairs": "Writing what it should not sound like",
    "measure": "Measuring on held-out posts",
    "verify": "Getting to know the other authors",
    "write": "Writing samples",
    "pack": "Packing",
}


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = (), caption: str = "") -> str:
    """The first cell of a row is its heading."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    top = f"<thead><tr>{top}</tr></thead>" if top else ""
    return f'<div class="wide"><table class="facts">{said}{top}<tbody>{body}</tbody></table></div>'


def unbroken(measured: str) -> str:
    """A value with its interval, which no line ends in the midst of a number of."""
    return measured.replace(" %", "\N{NO-BREAK SPACE}%").replace("n = ", "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def paragraphs(*lines: str) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in lines if line)


def items(lines: Iterable[str]) -> str:
    made = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="plain">{made}</ul>' if made else ""


def section(title: str, inside: str) -> str:
    return f'<section class="card"><h2>{escape(title)}</h2>{inside}</section>' if inside else ""


def aside(words: str) -> str:
    return f'<p class="aside">{escape(words)}</p>'


def kept_list(rows: Sequence[Any], id: str, none: str, most: int) -> str:
    """What a person has kept, by `id`, `title` and `at`, each a button that opens it; `none` where there is nothing.

    Of `most` there may be more.
    """
    more = aside(f"The latest {most}: words find older ones.") if len(rows) >= most else ""
    return buttons(((row.id, escape(row.title), f"{row.at:%Y-%m-%d %H:%M}") for row in rows), id, none) + more


def buttons(rows: Iterable[tuple[str, str, str]], chosen: str, none: str) -> str:
    """A list of which one is chosen: of each its id, and as HTML its name and small print; `none` where there is nothing."""
    lines = "".join(
        f'<li><button type="button" data-id="{escape(id)}" aria-pressed="{str(id == chosen).lower()}">'
        f'<span class="name" dir="auto">{name}</span><small>{small}</small></button></li>'
        for id, name, small in rows
    )
    return f'<ul class="list">{lines}</ul>' if lines else aside(none)


def download(title: str, markdown: str, untitled: str) -> str:
    """A link that holds the text itself, so that no file is made of it."""
    file = "".join(character if character.isalnum() else "-" for character in title)[:60].strip("-") or untitled
    address = f"data:text/markdown;charset=utf-8,{quote(markdown, safe='')}"
    return f'<a class="whole" download="{escape(file)}.md" href="{address}">Save as Markdown</a>'


def duration(seconds: float) -> str:
    """`40 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 6000:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def job(running: Job | None) -> str:
    """How far a job is, or how it ended where it did not end well. A job that is done speaks through what it made."""
    if running is None or running.state == "done":
        return ""
    if running.state == "failed":
        return problem(*running.problem)
    last = next(reversed(running.stages), "")
    stages = "".join(_stage(name, done, of, name != last) for name, (done, of) in running.stages.items())
    if running.state == "stopped":
        words = f"{running.what}: stopped after {duration(running.seconds)}. What was done by then is kept."
        return f'<div class="job" role="status"><p>{escape(words)}</p></div>'
    words = f"{running.what} · {duration(running.seconds)}"
    stages = (
        stages
        or '<div class="stage"><span>Starting</span><div class="busy" role="progressbar" aria-label="Starting"></div></div>'
    )
    return f'<div class="job" role="status"><p>{escape(words)}</p>{stages}</div>'


def _stage(name: str, done: int, of: int | None, over: bool) -> str:
    label = escape(STAGES.get(name, name[:1].upper() + name[1:]))
    if of is None and over:
        bar = f'<progress aria-label="{label}" max="1" value="1"></progress><span>{f"{done:,}" if done else "✓"}</span>'
    elif of:
        bar = f'<progress aria-label="{label}" max="{of}" value="{done}"></progress><span>{done:,} of {of:,}</span>'
    else:
        so_far = f"{done:,}" if done else "…"
        bar = f'<div class="busy" role="progressbar" aria-label="{label}"></div><span>{so_far}</span>'
    return f'<div class="stage"><span>{label}</span>{bar}</div>'
