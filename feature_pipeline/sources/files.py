"""Posts in a folder or a file: Markdown, HTML, plain text, JSON Lines."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from contracts.errors import SourceError
from feature_pipeline.parser import Facts, ParseError, facts
from feature_pipeline.sources import Found, Item, RawPost, Refusal
from feature_pipeline.sources.front_matter import BadFrontMatterError, FrontMatter, from_values, split
from feature_pipeline.sources.text import decode, to_date, web_address

MARKDOWN = frozenset((".md", ".markdown", ".mdown", ".mdx", ".qmd", ".dj"))
HTML = frozenset((".html", ".htm"))
LINES = frozenset((".jsonl", ".ndjson"))
TEXT = frozenset((".txt",))
KNOWN = MARKDOWN | HTML | LINES | TEXT
MAX_BYTES = 5_000_000
MAX_TITLE = 1_000
# What site generators make or fill in; every post in these is elsewhere too, or is none.
NOT_POSTS = frozenset(("_site", "_layouts", "_includes", "node_modules", "__pycache__"))
DATED = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})[-_ ]?")
FENCE = re.compile(r"\s*(`{3,}|~{3,})")
# May stand above a post's heading without being its text: comments, images, badges, MDX imports, Djot attributes.
PREAMBLE = re.compile(r"\s*(?:<!--.*-->|!?\[.*\]\(.*\)|(?:import|export)\s.*|\{.*\})?\s*$")

IMPORTS = re.compile(r"\A(?:\s*(?:import|export)\s[^\n]*\n)+")


def read_path(source: str) -> Iterator[Item]:
    """Posts of a folder, by path, or of one file. Raises SourceError where there is nothing to read."""
    path = Path(source).expanduser()
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(f"there is no {source}", "give a folder or a file of posts, or an http address") from error
    if found.is_dir():
        yield from _folder(found)
        return
    if not found.is_file() or path.suffix.lower() not in KNOWN:
        raise SourceError(f"{source} is no file of posts", f"these are: {' '.join(sorted(KNOWN))}")
    if path.suffix.lower() in LINES:
        yield from _json_lines(found, str(found))
    else:
        yield _post(found, str(found), path.name)


def _folder(root: Path) -> Iterator[Item]:
    files = list(_walk(root))
    if not files:
        raise SourceError(f"{root} has no posts", f"these are read: {' '.join(sorted(KNOWN))}; hidden ones are not")
    # In a folder of posts, a .txt is a licence, a robots.txt or a word list; in one of .txt files only, it is the post.
    only_text = all(path.suffix.lower() in TEXT for path in files)
    for path in files:
        kind, name = path.suffix.lower(), _name(path.relative_to(root))
        if "_drafts" in path.relative_to(root).parts:
            yield Refusal(str(root), name, "draft", "it is in _drafts")
        elif kind in TEXT and not only_text:
            yield Refusal(str(root), name, "not_a_post", "a .txt beside other posts; to read it, give the file itself")
        elif kind not in LINES:
            yield _post(path, str(root), name)
        elif _has_texts(path):
            yield from _json_lines(path, str(path))  # the file is their source, so that their own ids stay as they are
        else:
            yield Refusal(str(root), name, "not_a_post", 'its first line is no JSON object with a "text"')


def _walk(root: Path) -> Iterator[Path]:
    """Files with the ending of a post, by path; nothing hidden, nothing outside the folder."""
    found = []
    for folder, folders, names in os.walk(root):  # does not enter linked folders, which may be loops
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NOT_POSTS]
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in KNOWN:
                continue
            if path.is_file() and path.resolve().is_relative_to(root):
                found.append(path)
    yield from sorted(found, key=lambda path: path.relative_to(root).parts)


def _name(path: Path) -> str:
    """As text, even where the name's bytes are none."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _post(path: Path, source: str, source_id: str) -> Found:
    try:
        if path.stat().st_size > MAX_BYTES:
            return Refusal(source, source_id, "too_large", f"over {MAX_BYTES:,} bytes")
        text = decode(path.read_bytes())
    except OSError as error:
        return Refusal(source, source_id, "unreadable", error.strerror or str(error))
    if text is None:
        return Refusal(source, source_id, "not_text", "its bytes are those of another kind of file")
    return from_text(text, path, source, source_id)


def from_text(text: str, path: PurePath, source: str, source_id: str) -> Found:
    """The post in a text that is called `path`."""
    try:
        front, body, has_front = split(text)
        if front.draft:
            return Refusal(source, source_id, "draft", front.draft)
        if not body.strip():
            return Refusal(source, source_id, "empty")
        if path.suffix.lower() in HTML:
            return _html(path, source, source_id, front, body, has_front)
    except BadFrontMatterError as error:
        return Refusal(source, source_id, "bad_front_matter", str(error))
    except ParseError as error:
        return Refusal(source, source_id, "quarantined", str(error))
    markup, title = "plain", front.title
    if path.suffix.lower() in MARKDOWN:
        markup = "markdown"
        title, body = _heading(IMPORTS.sub("", body) if path.suffix.lower() == ".mdx" else body, title)
        if not body.strip():
            return Refusal(source, source_id, "empty", "a title and nothing else")
    date = front.date or _date_of_name(path)
    return RawPost(source, source_id, title or _title_of_name(path), date, front.url, body, markup, front.author)


def _html(path: PurePath, source: str, source_id: str, front: FrontMatter, body: str, has_front: bool) -> RawPost:
    """Jekyll's HTML posts have front matter and a fragment for a body; other pages speak for themselves."""
    page = Facts() if has_front and front.title else facts(body)
    return RawPost(
        source,
        source_id,
        title=front.title or page.title or _title_of_name(path),
        date=front.date or page.date or _date_of_name(path),
        url=front.url or web_address(page.url),
        text=body,
        markup="html",
        author=front.author or page.author,
    )


def _heading(body: str, title: str) -> tuple[str, str]:
    """The title and the text without it: a title is no sentence of the post, and would stand there twice."""
    lines = body.splitlines(keepends=True)
    headings = list(_headings(lines))
    if not headings:
        return title, body
    at, length, heading = headings[0]
    opens = all(len(line) <= MAX_TITLE and PREAMBLE.match(line) for line in lines[:at])
    if opens and (not title or _letters(title) == _letters(heading)):
        return title or heading, "".join(lines[:at] + lines[at + length :])
    # The only one is a title wherever it stands; of several, each is a section's.
    return title or (heading if len(headings) == 1 else ""), body


def _headings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """First-level headings outside code: the line, how many lines it takes, and its words."""
    fence = ""
    for at, line in enumerate(lines):
        mark = FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif fence or len(line) > MAX_TITLE:
            continue
        elif re.match(r" {0,3}#[ \t]+\S", line):
            yield at, 1, _plain(line.strip().lstrip("#"))
        elif at and re.match(r"={3,}\s*$", line) and 0 < len(lines[at - 1].strip()) <= MAX_TITLE:
            yield at - 1, 2, _plain(lines[at - 1])


def _plain(heading: str) -> str:
    """Without the marks that are not words: closing #s, attributes, link targets, backslashes."""
    heading = re.sub(r"\s*\{[#.:][^}]*\}\s*$|\s+#+\s*$", "", heading.strip())
    heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", heading).strip()


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _own_name(path: PurePath) -> str:
    """`my-post/index.md` is called after its folder."""
    return path.parent.name if path.stem.lower() in ("index", "_index") else path.stem


def _title_of_name(path: PurePath) -> str:
    name = _own_name(path).encode("utf-8", "replace").decode()
    return " ".join(re.split(r"[-_\s]+", DATED.sub("", name, count=1))).strip() or name


def _date_of_name(path: PurePath) -> dt.date | None:
    found = DATED.match(_own_name(path))
    return to_date(found[1]) if found else None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered, without the blank ones; what is over the limit is cut, and so cannot be parsed."""
    with path.open("rb") as file:
        for number in itertools.count(1):
            line = file.readline(MAX_BYTES)
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(MAX_BYTES)
            if not line:
                return
            if line.strip():
                yield number, line


def _has_texts(path: Path) -> bool:
    try:
        first = json.loads(next(_lines(path))[1])
    except (OSError, ValueError, RecursionError, StopIteration):
        return False
    return isinstance(first, dict) and "text" in first


def _json_lines(path: Path, source: str) -> Iterator[Found]:
    """A post a line, of any number: the limit of size is for one line."""
    seen: set[str] = set()
    try:
        for number, line in _lines(path):
            item = _line(line, number, source)
            if isinstance(item, RawPost) and item.source_id in seen:
                item = Refusal(source, item.source_id, "duplicate_id", f"line {number} has the id of another")
            seen.add(item.source_id)
            yield item
    except OSError as error:
        yield Refusal(source, path.name, "unreadable", error.strerror or str(error))


def _line(line: bytes, number: int, source: str) -> Found:
    def refuse(reason: str, detail: str = "") -> Refusal:
        return Refusal(source, source_id, reason, detail)

    source_id = str(number)
    try:
        values = json.loads(decode(line) or "")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        return refuse("bad_line", f"line {number} is no JSON object of up to 5 MB")
    if isinstance(values.get("id"), (str, int)) and values["id"] != "":
        source_id = str(values["id"])
    text, title = values.get("text"), values.get("title")
    if not isinstance(text, str):
        return refuse("bad_line", f'line {number} has no "text", only: {", ".join(values) or "nothing"}')
    said = from_values(values)
    if said.draft:
        return refuse("draft", said.draft)
    if not text.strip():
        return refuse("empty")
    title = title if isinstance(title, str) else said.title
    return RawPost(source, source_id, title, said.date, said.url, text, "plain", said.author)
