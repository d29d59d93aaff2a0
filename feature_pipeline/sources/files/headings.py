"""What a text is called: its heading, or the name of its file, which may also say its day."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import PurePath

from feature_pipeline.characters import letters
from feature_pipeline.sources.text import to_date

MAX_TITLE = 1_000
DATED = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})[-_ ]?")
DATED_FOLDERS = re.compile(r"(?:^|/)((?:19|20)\d\d)/(\d\d)/(\d\d)(?:[-_][^/]*|/[^/]+)\Z")
FENCE = re.compile(r"\s*(`{3,}|~{3,})")
FIRST_LEVEL = re.compile(r" {0,3}#[ \t]+\S")
UNDERLINE = re.compile(r"={3,}\s*$")
ANY = re.compile(r"^(?: {0,3}#[ \t]|={3})", re.MULTILINE)
# May stand above a post's heading without being its text: comments, images, badges, Djot attributes.
PREAMBLE = re.compile(r"\s*(?:<!--.*-->|!?\[.*\]\(.*\)|\{.*\})?\s*$")


def split_title(body: str, title: str) -> tuple[str, str]:
    """The title and the Markdown without it: a title is no sentence of the post, and would stand there twice."""
    if not ANY.search(body):
        return title, body
    lines = body.splitlines(keepends=True)
    headings = list(_headings(lines))
    if not headings:
        return title, body
    at, length, heading = headings[0]
    opens = all(len(line) <= MAX_TITLE and PREAMBLE.match(line) for line in lines[:at])
    if opens and (not title or letters(title) == letters(heading)):
        return title or heading, "".join(lines[:at] + lines[at + length :])
    # The only one is a title wherever it stands; of several, each is a section's.
    return title or (heading if len(headings) == 1 else ""), body


def title_of_name(path: PurePath) -> str:
    """Words of a slug; a name that has spaces already is a title as it was typed."""
    name = _own_name(path).encode("utf-8", "replace").decode()
    words = DATED.sub("", name, count=1).strip()
    return (words if " " in words else " ".join(re.split(r"[-_\s]+", words)).strip()) or name


def date_of_name(path: PurePath) -> dt.date | None:
    """Of the file or of the folders that it is in, as in `2020/01/31/a-post.md`."""
    if found := DATED.match(_own_name(path)):
        return to_date(found[1])
    found = DATED_FOLDERS.search((path.parent if _is_index(path) else path).as_posix())
    return to_date("-".join(found.groups())) if found else None


def _headings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """First-level headings outside code: the line, how many lines it takes, and its words."""
    fence = ""
    for at, line in enumerate(lines):
        mark = FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif fence or len(line) > MAX_TITLE:
            continue
        elif FIRST_LEVEL.match(line):
            yield at, 1, _plain(line.strip().lstrip("#"))
        elif at and UNDERLINE.match(line) and 0 < len(lines[at - 1].strip()) <= MAX_TITLE:
            yield at - 1, 2, _plain(lines[at - 1])


def _plain(heading: str) -> str:
    """Without the marks that are not words: closing #s, attributes, link targets, backslashes."""
    heading = re.sub(r"\s*\{[#.:][^}]*\}\s*$|\s+#+\s*$", "", heading.strip())
    heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", heading).strip()


def _own_name(path: PurePath) -> str:
    """`my-post/index.md` is called after its folder."""
    return path.parent.name if _is_index(path) else path.stem


def _is_index(path: PurePath) -> bool:
    return path.stem.lower() in ("index", "_index")
