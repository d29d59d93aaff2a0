"""Notion's pages as Markdown: properties are lines under the title, and an id of the page ends the name of its file."""

from __future__ import annotations

import re
from pathlib import PurePath

from feature_pipeline.sources.files.front_matter import FrontMatter, from_values

ID = re.compile(r"[ -][0-9a-f]{32}\Z")
PROPERTIES = re.compile(r"\A\s*(# [^\n]*\n\s*)((?:[^\s:#>*\d-][^:\n]{0,60}: [^\n]*(?:\n|\Z))+)(?=\n|\Z)")
# Of the lines, one at least has such a name: people in a dialogue have none.
USUAL = re.compile(
    r"(?:created|date|publish(?:ed)?|tags?|status|authors?|last edited|updated|url|type|categor(?:y|ies)|slug"
    r"|draft|private|visibility|password)"
    r"(?: (?:time|date|by|at|on|created|published|edited|slug))?: ",
    re.IGNORECASE,
)
TIME = re.compile(r",? \d{1,2}:\d\d\b.*| →.*")
CODE_OR_CALLOUT = re.compile(
    r"(^[ \t]*(`{3,}(?=[^`\n]*$)|~{3,})[^\n]*\n.*?(?:^[ \t]*\2|\Z))|^</?aside>\n*", re.MULTILINE | re.DOTALL
)


def is_page(path: PurePath) -> bool:
    return bool(ID.search(path.stem))


def without_id(path: PurePath) -> PurePath:
    return path.with_name(f"{ID.sub('', path.stem) or path.stem}{path.suffix}")


def split(text: str) -> tuple[FrontMatter, str]:
    """What the properties say, and the page without them."""
    text = CODE_OR_CALLOUT.sub(lambda found: found[1] or "", text.replace("\r\n", "\n"))
    found = PROPERTIES.match(text)
    lines = found[2].splitlines() if found else []
    if not found or not any(map(USUAL.match, lines)):
        return FrontMatter(), text
    values = {key: TIME.sub("", value.strip()) for key, _, value in (line.partition(":") for line in lines)}
    return from_values(values), found[1] + text[found.end() :]
