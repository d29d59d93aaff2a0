"""Obsidian's notes → Markdown: links show their words; embeds, comments and block ids are no words of the author's."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable

from feature_pipeline.liquid import FENCE
from feature_pipeline.sources.files.archive import Archive

TEMPLATES = frozenset(("templates", "template", "_templates"))
CODE = rf"(?P<code>{FENCE}|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n)[\s\S]){{1,2000}}?(?<!`)(?P=ticks)(?!`))"
LINK = r"\[\[(?P<page>[^\[\]|\n]+?)(?:\\?\|(?P<shown>[^\[\]\n]*))?\]\](?![(\[])"
# Outside a vault: `[[ -f x ]]` is a shell's test, `[[1]]` a reference and `[[1, 2]]` a matrix.
TELLS = re.compile(rf"{CODE}|!?\[\[(?P<told>[^\W\d][^\[\]\n]*(?<! ))\]\](?![(\[])", re.MULTILINE)
NOTE = re.compile(
    "|".join(
        (
            CODE,
            r"!\[\[[^\[\]\n]*\]\][ \t]*",
            LINK,
            r"%%(?:(?!%%)[\s\S])*%%[ \t]*",
            r"(?:(?<=[ \t])|^)\^[A-Za-z0-9-]+[ \t]*$",
            r"(?P<callout>^[ \t]*>[ \t>]*)\[![\w-]+\][+-]?[ \t]*",
        )
    ),
    re.MULTILINE,
)


def is_vault(archive: Archive) -> bool:
    if not archive.is_zip:
        return (archive.path / ".obsidian").is_dir()
    with zipfile.ZipFile(archive.path) as zipped:  # an archive's own names have nothing hidden
        return any(name.startswith(".obsidian/") or "/.obsidian/" in name for name in zipped.namelist())


def templates(archive: Archive) -> frozenset[str]:
    """Folders of templates, in lower case: the usual names, and what an unpacked vault's settings say."""
    try:
        with (archive.path / ".obsidian" / "templates.json").open("rb") as file:
            settings = json.loads(file.read(10_000))
    except (OSError, ValueError, RecursionError):
        return TEMPLATES
    folder = settings.get("folder") if isinstance(settings, dict) else None
    return TEMPLATES | {folder.strip("/ ").lower()} if isinstance(folder, str) and folder.strip("/ ") else TEMPLATES


def is_template(name: str, folders: Iterable[str]) -> bool:
    within = f"/{name.lower()}"
    return any(f"/{folder}/" in within for folder in folders)


def tells(text: str) -> bool:
    """Whether a note by itself shows that it is Obsidian's."""
    return "[[" in text and any(found["told"] for found in TELLS.finditer(text))


def to_markdown(text: str) -> str:
    """Tags stay as they were typed, and code, with Dataview's queries, as it is."""

    def put(match: re.Match[str]) -> str:
        part = match.groupdict()
        if part["page"]:
            return part["shown"] or _shown(part["page"])
        return part["code"] or part["callout"] or ""

    return NOTE.sub(put, text)


def _shown(page: str) -> str:
    """`Page#Part` as Obsidian shows it; the id of a block is no word."""
    parts = [part.strip() for part in page.rstrip("\\").split("#") if part.strip() and not part.startswith("^")]
    return " > ".join(parts)
