"""Front matter: what a post says about itself before it begins, as YAML, TOML, JSON or Pelican's bare lines.

Not python-frontmatter: it reads TOML through an abandoned library, and expands a YAML alias bomb.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from feature_pipeline.sources.text import to_date, web_address

MAX_CHARACTERS = 64 * 1024
# One of these opens each level of YAML, so that this many of them cannot be nested deeper.
LEVEL = re.compile(r"[\[{]|[-?:](?=\s)")
MAX_QUICK_LEVELS = 500
# Between two parts of a TOML key, which take time by the square of their number; also between sentences.
DOT = re.compile(r"[\w\"'-][ \t]*\.[ \t]*[\w\"'-]")
MAX_DOTS = 1_000
FENCED = re.compile(
    r"\A\s*?(?P<fence>---|\+\+\+)(?P<kind>json|toml|yaml)?[ \t]*\r?\n(?P<block>.*?)^(?:(?P=fence)|\.\.\.)[ \t]*(?:\r?\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
# Hexo needs no first fence, Nikola has a comment, Hugo may have JSON without any fence.
UNOPENED = re.compile(r"\A((?:[A-Za-z][\w-]*:(?:[ \t].*)?\n(?:(?:[ \t]|-[ \t]).*\n)*)+)-{3,}[ \t]*\r?(?:\n|\Z)")
COMMENT = re.compile(r"\A\s*<!--\s*\n((?:\.\. [\w-]+:.*\n)+)\s*-->[ \t]*\r?\n?")
OBJECT = re.compile(r"\s*\{\s*\"")
LINE = re.compile(r"([A-Za-z][\w-]*)[ \t]*[:=](?:[ \t]+(.*)|)$")
# Without the signs between words, which each generator sets as it likes.
DATES = (
    *("date", "publishedat", "published", "pubdate", "pubdatetime", "publishdate", "datepublished", "publisheddate"),
    *("publishedon", "posted", "created", "createdat", "datecreated"),
)
URLS = ("url", "permalink", "canonical", "canonicalurl")
BETWEEN = re.compile(r"[-_ ]")
# All of a title: what a generator or Obsidian fills in when it makes a post of its template.
PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}|<%.*%>|\{%.*%\}")
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


AGAIN = (yaml.reader.ReaderError, yaml.scanner.ScannerError, yaml.parser.ParserError)


class BadFrontMatterError(Exception):
    """It is dangerous: no part of the file is read."""


@dataclass(frozen=True)
class FrontMatter:
    title: str = ""
    date: dt.date | None = None
    url: str | None = None
    author: str | None = None
    draft: str = ""
    """Why the post is not public; empty where it is."""

    @property
    def is_template(self) -> bool:
        return bool(PLACEHOLDER.fullmatch(self.title))


class _Strings(yaml.SafeLoader):
    """Plain values stay as they were typed (a title of 2012 or Yes is no number or truth), and aliases are refused."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise BadFrontMatterError("it has a YAML alias, which can grow without end")
        return super().compose_node(parent, index)


class _Quick(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same in C: eight lines take 44 µs and not 386. It would expand aliases, and some 30,000 levels overflow its
    stack and end the process: see `_yaml`."""


_Strings.yaml_implicit_resolvers = _Quick.yaml_implicit_resolvers = {}


def split(text: str) -> tuple[FrontMatter, str, bool]:
    """What it says, the text after it, and whether there is any. Raises BadFrontMatterError."""
    values, end = _marked(text)
    if values is not None:
        return from_values(values), text[end:], True
    # Also for a first fence that never closes: its lines may still be read.
    start = re.match(r"\s*(?:---|\+\+\+)[ \t]*\r?\n", text)
    values, end = _bare_lines(text[start.end() :] if start else text)
    if "title" in values:
        return from_values(values), text[end + (start.end() if start else 0) :], True
    return FrontMatter(), text, False


def _marked(text: str) -> tuple[dict[str, Any] | None, int]:
    """What stands between marks, and where they end; None for what is no front matter."""
    if found := FENCED.match(text):
        return _values(found["kind"] or ("toml" if found["fence"] == "+++" else "yaml"), found["block"]), found.end()
    if found := UNOPENED.match(text):
        values = _values("yaml", found[1]) or {}
        return (values if "title" in values else None), found.end()
    if found := COMMENT.match(text):
        return _bare_lines(re.sub(r"^\.\. ", "", found[1], flags=re.MULTILINE), to_the_end=True)[0], found.end()
    if OBJECT.match(text):
        try:
            values, end = json.JSONDecoder().raw_decode(text[: MAX_CHARACTERS + 1], text.index("{"))
        except (ValueError, RecursionError):
            return None, 0
        return (values if "title" in values else None), end
    return None, 0


def _values(kind: str, block: str) -> dict[str, Any] | None:
    """None for what is no front matter, such as the text between two rules."""
    if len(block) > MAX_CHARACTERS:
        raise BadFrontMatterError(f"it is over {MAX_CHARACTERS // 1024} KiB")
    if kind == "toml" and len(DOT.findall(block)) > MAX_DOTS:
        raise BadFrontMatterError("it is nested too deeply")
    try:
        loaded = LOADERS[kind](block)
    except yaml.constructor.ConstructorError as error:
        if error.problem == "found unhashable key":  # `{{ title }}`, which is no object in the languages of generators
            return _bare_lines(block, to_the_end=True)[0] or None
        raise BadFrontMatterError(f"it has a YAML tag that makes objects: {error.problem}") from error
    except RecursionError as error:
        raise BadFrontMatterError("it is nested too deeply") from error
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError):
        # A title with a colon in it breaks YAML: what its lines say is better than nothing.
        return _bare_lines(block, to_the_end=True)[0] or None
    if loaded is None:
        return {}
    return {str(key): value for key, value in loaded.items()} if isinstance(loaded, dict) else None


def _yaml(block: str) -> Any:
    if "*" not in block and len(LEVEL.findall(block)) <= MAX_QUICK_LEVELS:
        try:
            return _Quick(block).get_single_data()
        except AGAIN:
            pass  # the other one decides: they disagree on a tab here and there
    return _Strings(block).get_single_data()


LOADERS: dict[str, Callable[[str], Any]] = {"toml": tomllib.loads, "yaml": _yaml, "json": json.loads}


def _bare_lines(text: str, to_the_end: bool = False) -> tuple[dict[str, Any], int]:
    """`key: value` lines up to the first blank line, as Pelican has them, and where they end."""
    values: dict[str, Any] = {}
    key, end = "", 0
    for line in text.splitlines(keepends=True):
        found = LINE.match(line.rstrip())
        if found:
            key = found[1].lower()
            values.setdefault(key, (found[2] or "").strip().strip("\"'"))
        elif line.strip() and key and line[0] in " \t":
            values[key] = f"{values[key]} {line.strip()}".strip()
        elif not line.strip() and not to_the_end:
            return values, end
        elif not to_the_end:
            return {}, 0
        end += len(line)
    return values, end


def from_values(values: dict[str, Any]) -> FrontMatter:
    """From keys and values, however they were written."""
    values = {BETWEEN.sub("", key.lower()): value for key, value in values.items()}
    dates = (to_date(values.get(key)) for key in DATES)
    urls = (web_address(values.get(key)) for key in URLS)
    return FrontMatter(
        title=_one_line(values.get("title")),
        date=next(filter(None, dates), None),
        url=next(filter(None, urls), None),
        author=_one_line(values.get("author") or values.get("authors")) or None,
        draft=_draft(values),
    )


def _one_line(value: object) -> str:
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("name")
    text = " ".join(_word(value).split())
    return "" if text in ("~", "null") else text


def _word(value: object) -> str:
    """A plain value as it was typed; "" for nothing, lists and tables, and for a number of a million digits."""
    number = isinstance(value, int) and abs(value) > 10**18
    return str(value) if isinstance(value, (str, int, float, dt.date)) and not number else ""


def _draft(values: dict[str, Any]) -> str:
    words = {key: _word(value).split(" #")[0].strip().lower() for key, value in values.items()}
    for key in ("draft", "isdraft", "private"):
        if words.get(key) in YES:
            return f"{key}: true"
    for key in ("published", "ispublished", "publish"):
        if words.get(key) in NO:
            return f"{key}: false"
    if words.get("status") in ("draft", "private", "hidden") or words.get("visibility") == "private":
        return "its status is draft, private or hidden"
    return "it has a password" if values.get("password") and words["password"] not in NO else ""
