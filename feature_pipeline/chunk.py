"""Cut a post into chunks whose offsets into its text are exact."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from contracts.records import Chunk, Post, digest

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

# Characters. The embedder reads 256 tokens, about 1,000 characters of English; docs/decisions/0004 has the measurements.
CHUNK = 1000
WHOLE = 1200  # a post up to this length is one chunk: a second one would be a scrap without its context
CHUNKER = digest("markdown-recursive", str(CHUNK), str(WHOLE), "title-date-section")

_FENCE = re.compile(r"^(```|~~~)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def chunk(post: Post) -> list[Chunk]:
    """The post's chunks in order; none for a text without a word character."""
    if not re.search(r"\w", post.text):
        return []
    pieces = [post.text.strip()] if len(post.text.strip()) <= WHOLE else _splitter().split_text(post.text)
    headings = _headings(post.text)
    made: list[Chunk] = []
    cursor = 0
    for piece in pieces:
        start = post.text.index(piece, cursor)
        cursor = start + len(piece)
        if not re.search(r"\w", piece):
            continue
        section = next((title for at, title in reversed(headings) if at <= start), "")
        made.append(
            Chunk(
                post_id=post.id,
                author=post.author,
                ordinal=len(made),
                start=start,
                end=cursor,
                section=section,
                header=_header(post, section),
            )
        )
    return made


def _header(post: Post, section: str) -> str:
    """Who would look for this chunk knows the title, the year or the section, none of which its words need name."""
    date = f" ({post.date.isoformat()})" if post.date else ""
    return f"{post.title}{date}" + (f": {section}" if section and section != post.title else "")


def _headings(text: str) -> list[tuple[int, str]]:
    """Offset and words of each Markdown heading; a `#` inside fenced code is none."""
    fences = [match.start() for match in _FENCE.finditer(text)]

    def in_code(at: int) -> bool:
        return sum(fence < at for fence in fences) % 2 == 1

    return [(match.start(), match.group(1)) for match in _HEADING.finditer(text) if not in_code(match.start())]


@cache
def _splitter() -> RecursiveCharacterTextSplitter:
    from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(
        separators=[
            *RecursiveCharacterTextSplitter.get_separators_for_language(Language.MARKDOWN)[:-4],
            "\n\n",
            "\n",
            r"(?<=[.!?…]) ",
            " ",
            "",
        ],
        is_separator_regex=True,
        keep_separator="start",
        chunk_size=CHUNK,
        chunk_overlap=0,
    )
