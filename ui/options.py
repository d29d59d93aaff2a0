"""What the commands have in common: options of one meaning, and the application's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ui.wiring import App

Author = Annotated[str, typer.Option(help="Whose posts.")]
OneAuthor = Annotated[str | None, typer.Option("--author", help="Only this author's.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]


def app() -> App:
    from ui.wiring import App

    return App()
