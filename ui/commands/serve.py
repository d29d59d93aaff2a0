"""The commands by which other programs use the twin."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from ui.commands import show
from ui.commands.options import app

commands = typer.Typer()


@commands.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; anything but this machine needs TWIN_API_KEYS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Serve the twins to other programs, in the shape of OpenAI's API."""
    parts = app()
    show.note("starting the API…")
    from ui.serve.server import serve as run

    run(parts, host, port, ready=lambda url: show.note(f"The API is at {url}/v1  (Ctrl-C stops it)"))


@commands.command()
def mcp(
    author: Annotated[str | None, typer.Option(help="Open this author's posts alone.")] = None,
) -> None:
    """Let an assistant search the posts and ask the twin: an MCP server on stdin and stdout, which the assistant starts."""
    parts = app()
    if author:
        parts.store.require_author(author)
    from ui.serve.mcp_server import run

    show.note("An MCP server: it waits on stdin for an assistant.")
    with suppress(KeyboardInterrupt):
        run(parts, author)
