"""The readers of exports, and which of them knows an archive by its content."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, Refusal
from feature_pipeline.sources.files.archive import MAX_ENTRIES, Archive

# Asked in this order; each is imported when it is asked.
READERS = tuple(
    "linkedin x facebook reddit mastodon bluesky telegram whatsapp wordpress ghost blogger medium substack"
    " wix buttondown newsletters".split()
)
NAMES = (
    "LinkedIn, X, Facebook, Reddit, Mastodon, Bluesky, Telegram, WhatsApp, WordPress, Squarespace, "
    "Ghost, Blogger, Medium, Substack, Wix, Buttondown, Beehiiv, Letterdrop, Curated"
)


# What they read does not say who of its writers the author is.
ASKING = frozenset(("telegram", "whatsapp"))

# Their exports have pages, also of what others wrote, that nobody can name one by one.
WITH_PAGES = frozenset(("x", "facebook", "telegram", "whatsapp", "blogger"))

# Reasons that leave open which post it was: it may be one that was stored before.
UNTOLD = frozenset(
    "unsafe_entry unreadable not_text too_large bad_file bad_line bad_row bad_entry bad_item bad_post".split()
)


def recognised(archive: Archive) -> ModuleType | None:
    """The reader of this archive; None where it is no export that any of them knows.

    Raises SourceError for an export with more files than are listed: nobody knows what would be left out.
    """
    readers = (import_module(f"feature_pipeline.sources.platforms.{name}") for name in READERS)
    reader = next((reader for reader in readers if reader.recognises(archive)), None)
    if reader and archive.cut:
        hint = "leave out the folders of its pictures and videos"
        raise SourceError(f"{archive.path} is an export of {_name(reader)}, and has over {MAX_ENTRIES:,} files", hint)
    return reader


def asks(reader: ModuleType) -> bool:
    """Whether it takes the author's name."""
    return _name(reader) in ASKING


def has_pages(reader: ModuleType) -> bool:
    """Whether HTML among its files may be a part of the export that is no post."""
    return _name(reader) in WITH_PAGES


def _name(reader: ModuleType) -> str:
    return reader.__name__.rpartition(".")[2]


def read(reader: ModuleType, archive: Archive, me: str = "") -> Iterator[Item]:
    """What `reader` finds; `me` is the author's name in a chat, empty where it is not said. Raises SourceError.

    An export of which a part cannot be read is not complete, whatever its reader says.
    """
    found: Iterator[Item] = reader.read(archive, me or None) if asks(reader) else reader.read(archive)
    whole = True
    for item in found:
        whole = whole and not (isinstance(item, Refusal) and item.reason in UNTOLD)
        if not isinstance(item, Complete) or (whole and not archive.refused):
            yield item
