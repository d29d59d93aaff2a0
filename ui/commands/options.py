"""What the commands have in common: options of one meaning, and the application's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contracts.formats import Format

if TYPE_CHECKING:
    from ui.wiring import App

Author = Annotated[str, typer.Option(help="Whose posts.")]
OneAuthor = Annotated[str | None, typer.Option("--author", help="Only this author's.")]
After = Annotated[str, typer.Option(help="Only posts of this day, month or year, or later: 2015, 2015-03, 2015-03-12.")]
Before = Annotated[str, typer.Option(help="Only posts from before this day, month or year.")]
Source = Annotated[str, typer.Option(help="Only posts from places with this in their name; twin sources lists them.")]
Kind = Annotated[Format | None, typer.Option("--format", help="Only posts of this kind.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]


def app() -> App:
    from ui.wiring import App

    return App()
