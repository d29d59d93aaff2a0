"""The documents keep up with the code: the trees, the commands, their options, the settings and the links."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from ui.commands.twin import cli
from ui.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAP = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
DOCS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = CONFIG["tool"]["importlinter"]["root_packages"]
# Read from the environment where they are needed, so that none of them can stand in twin.toml.
NO_SETTINGS = {"TWIN_HOME", "TWIN_PASSWORD", "TWIN_ALLOW_PRIVATE_ADDRESSES", "TWIN_REQUIRE"}

BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(text: str) -> list[str]:
    return BLOCK.findall(text)


def outside_blocks(text: str) -> str:
    return BLOCK.sub("", text)


def words(line: str) -> list[str]:
    """Of a shell line, without its comment and the variables set in front of it."""
    found = shlex.split(line, comments=True)
    while found and re.match(r"[A-Z_]+=", found[0]):
        found.pop(0)
    return found


def command(arguments: list[str]) -> tuple[Any, list[str]]:
    """The command that `arguments` name, and what they leave to it."""
    found: Any = typer.main.get_command(cli)
    while hasattr(found, "commands"):
        if found.invoke_without_command and (not arguments or arguments[0].startswith("-")):
            break
        assert arguments, f"{found.name} needs a command"
        assert arguments[0] in found.commands, f"there is no command {arguments[0]!r}"
        found, arguments = found.commands[arguments[0]], arguments[1:]
    return found, arguments


def twin_lines() -> list[str]:
    lines = [line for doc in DOCS for block in blocks(doc.read_text("utf-8")) for line in block.splitlines()]
    return [line for line in lines if words_start_with(line, "twin")]


def words_start_with(line: str, name: str) -> bool:
    try:
        return words(line)[:1] == [name]
    except ValueError:  # a quotation mark in a tree or a table: no shell line
        return False


def inline_code(name: str) -> list[str]:
    """Code spans that begin with `name`, in every document."""
    return [
        code
        for doc in DOCS
        for code in INLINE.findall(outside_blocks(doc.read_text("utf-8")))
        if code.startswith(f"{name} ")
    ]


def tree(text: str = MAP) -> Iterator[tuple[str, str]]:
    """Path and comment of each line of a document's tree; a folder's path ends with a slash."""
    [block] = [block for block in blocks(text) if block.startswith("contracts/")]
    above: list[str] = []
    for line in block.splitlines():
        parts = re.fullmatch(r"((?:  )*)(\S+)(?: {2,}(\S.*))?", line)
        assert parts, f"not a line of a tree: {line!r}"
        above = [*above[: len(parts[1]) // 2], parts[2]]
        yield "".join(above), parts[3] or ""


def test_the_first_code_block_is_the_two_commands() -> None:
    first = BLOCK.search(README)
    assert first
    assert README[: first.end()].count("\n") < 25
    commands = [words(line) for line in first[1].splitlines()]
    assert commands == [["make", "demo"], ["make", "test"]]


def test_the_tree_names_every_file_of_the_packages_and_no_other() -> None:
    named = [path for path, _ in tree() if path.split("/")[0] in PACKAGES and not path.endswith("/")]
    present = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.name != "__init__.py" and "__pycache__" not in path.parts and path.name[0] != "."
    ]
    assert sorted(named) == sorted(present)


@pytest.mark.parametrize("text", [README, MAP], ids=["README.md", "map.md"])
def test_each_line_of_a_tree_exists_and_says_what_it_is(text: str) -> None:
    for path, comment in tree(text):
        assert (ROOT / path).exists(), path
        assert comment, f"{path} has no comment"


@pytest.mark.parametrize("text", [README, MAP], ids=["README.md", "map.md"])
def test_one_file_of_each_package_is_read_first(text: str) -> None:
    first = [path.split("/")[0] for path, comment in tree(text) if comment.startswith("READ FIRST")]
    assert sorted(first) == sorted(PACKAGES)


@pytest.mark.parametrize("line", twin_lines())
def test_a_twin_command_in_a_code_block_parses(line: str) -> None:
    """Parsed as the command would be, and not run: names, options, values and what is required."""
    found, arguments = command(words(line)[1:])
    found.make_context(found.name, arguments)


@pytest.mark.parametrize("code", sorted(set(inline_code("twin"))))
def test_a_twin_command_in_a_sentence_exists(code: str) -> None:
    arguments = words(code)[1:]
    if arguments == ["--help"]:
        return
    found, rest = command(arguments)
    options = {option for parameter in found.params for option in [*parameter.opts, *parameter.secondary_opts]}
    assert {word for word in rest if word.startswith("--")} <= options


def test_an_option_in_a_sentence_is_one_of_some_command() -> None:
    named = {code.split()[0] for code in INLINE.findall(outside_blocks(README)) if code.startswith("--")}
    commands = list(typer.main.get_command(cli).commands.values())
    for group in ("models", "features"):
        commands += commands.pop([one.name for one in commands].index(group)).commands.values()
    options = {option for one in commands for parameter in one.params for option in parameter.opts}
    assert named <= options


def test_every_make_task_exists() -> None:
    tasks = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    lines = [line for doc in DOCS for block in blocks(doc.read_text("utf-8")) for line in block.splitlines()]
    named = {words(line)[1] for line in lines if words_start_with(line, "make")}
    assert named | {code.split()[1] for code in inline_code("make")} <= tasks


def test_an_extra_is_installed_from_this_folder_and_there_is_one_of_that_name() -> None:
    """By its name a package index has no llm-twin, or somebody else's."""
    code = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in (".py", ".toml")]
    texts = [path.read_text("utf-8") for path in (*DOCS, *code)]
    named = {found for text in texts for found in re.findall(r"pip install (?:-\S+ )*'((?:llm-twin|\.)\[[^']*)'", text)}
    assert named <= {f".[{extra}]" for extra in CONFIG["project"]["optional-dependencies"]}


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.relative_to(ROOT).as_posix())
def test_every_variable_is_a_setting(doc: Path) -> None:
    known = {f"TWIN_{name.upper()}" for name in Settings.model_fields} | NO_SETTINGS
    named = set(re.findall(r"TWIN_[A-Z_]*[A-Z]", doc.read_text("utf-8")))
    assert named <= known


def test_the_table_of_settings_has_each_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `TWIN_([A-Z_]+)` \| `?([^`|]+?)`? \|", README, re.MULTILINE))
    fields = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    assert rows == {name: "none" if default is None else str(default) for name, default in fields.items()}


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_to_one(doc: Path) -> None:
    for target in LINK.findall(doc.read_text("utf-8")):
        if not target.startswith("http") and Path(target).suffix != ".png":
            assert (doc.parent / target).is_file(), target
