"""Cut a post into chunks whose offsets into its text are exact."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from contracts.records import Chunk, Post

if TYPE_CHECKING:
    from langchain_text_splitters import RecursiveCharacterTextSplitter


@dataclass(frozen=True)
class Chunker:
    """How posts are cut, in characters (measured in docs/decisions/0004); `str()` of it names it in a feature version."""

    size: int = 1000
    """The embedder reads 256 tokens, about 1,000 characters of English."""
    whole: int = 1200
    """A post up to this length is one chunk: a second one would be a scrap without its context."""
    overlap: int = 0
    header: bool = True
    """Whether title, date and section are embedded with the words."""

    def __str__(self) -> str:
        return f"markdown/{self.size}/{self.whole}/{self.overlap}/{'header' if self.header else 'bare'}"

    @classmethod
    def of(cls, name: str) -> Chunker | None:
        """The chunker of that name; None for one that this program does not know."""
        found = re.fullmatch(r"markdown/(\d+)/(\d+)/(\d+)/(header|bare)", name)
        return cls(int(found[1]), int(found[2]), int(found[3]), found[4] == "header") if found else None


DEFAULT = Chunker()

_FENCE = re.compile(r"^(```|~~~)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def chunk(post: Post, chunker: Chunker = DEFAULT) -> list[Chunk]:
    """The post's chunks in order; none for a text without a word character."""
    if not re.search(r"\w", post.text):
        return []
    short = len(post.text.strip()) <= chunker.whole
    pieces = [post.text.strip()] if short else _splitter(chunker.size, chunker.overlap).split_text(post.text)
    found = headings(post.text)
    made: list[Chunk] = []
    cursor = 0
    for piece in pieces:
        start = post.text.index(piece, max(0, cursor - chunker.overlap))
        cursor = start + len(piece)
        if not re.search(r"\w", piece):
            continue
        before = bisect_right(found, start, key=lambda heading: heading[0])
        section = found[before - 1][1] if before else ""
        made.append(
            Chunk(
                post_id=post.id,
                author=post.author,
                ordinal=len(made),
                start=start,
                end=cursor,
                section=section,
                header=_header(post, section) if chunker.header else "",
            )
        )
    return made


def _header(post: Post, section: str) -> str:
    """Who would look for this chunk knows the title, the year or the section, none of which its words need name."""
    date = f" ({post.date.isoformat()})" if post.date else ""
    return f"{post.title}{date}".strip() + (f": {section}" if section and section != post.title else "")


def headings(text: str) -> list[tuple[int, str]]:
    """Offset and words of each Markdown heading; a `#` inside fenced code is none."""
    fences = [match.start() for match in _FENCE.finditer(text)]

    def in_code(at: int) -> bool:
        return bisect_left(fences, at) % 2 == 1

    return [(match.start(), match.group(1)) for match in _HEADING.finditer(text) if not in_code(match.start())]


@cache
def _splitter(size: int, overlap: int) -> RecursiveCharacterTextSplitter:
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
        chunk_size=size,
        chunk_overlap=overlap,
    )
