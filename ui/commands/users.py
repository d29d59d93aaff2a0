"""The commands for who may use the page where it is for several people."""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Annotated

import typer

from contracts.errors import UsageError
from ui.commands import show
from ui.commands.options import Json, app

commands = typer.Typer(
    help="Who may use the page: with users it asks for a name and a password, and each sees their own conversations.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument()]
LATER = "a page that is open learns of it when it is started again"


@commands.command()
def add(name: Name, as_json: Json = False) -> None:
    """Add a user. The password is asked for; where stdin is no terminal, it is the first line of it."""
    added = app().users.add(name, _password())
    show.note(f"{added} may use the page; {LATER}")
    if as_json:
        show.out({"user": added})


@commands.command()
def passwd(name: Name, as_json: Json = False) -> None:
    """Change a user's password; it is asked for as `add` does. What they have kept stays theirs."""
    app().users.change(name, _password())
    show.note(f"{name} has another password; {LATER}")
    if as_json:
        show.out({"user": name, "changed": True})


@commands.command("list")
def list_(as_json: Json = False) -> None:
    """Every user of the page."""
    names = app().users.names
    if as_json:
        show.out(names)
    elif names:
        print("\n".join(names))
    else:
        show.note("nobody yet: the page is one person's")


@commands.command()
def remove(name: Name, as_json: Json = False) -> None:
    """Remove a user. What they kept stays, and is seen by whoever is added under that name."""
    app().users.remove(name)
    show.note(f"{name} may not use the page any more; {LATER}")
    if as_json:
        show.out({"user": name, "removed": True})


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass()
    if getpass("Again: ") != password:
        raise UsageError("the two passwords differ", "try again")
    return password
