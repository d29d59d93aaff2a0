"""The readers of exports, and which of them knows an archive by its content."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from feature_pipeline.sources.archive import Archive

# Asked in this order; each is imported when it is asked.
READERS = tuple(
    "linkedin x facebook reddit mastodon bluesky telegram whatsapp wordpress ghost blogger medium substack"
    " wix buttondown newsletters".split()
)
NAMES = (
    "LinkedIn, X, Facebook, Reddit, Mastodon, Bluesky, Telegram, WhatsApp, WordPress, Ghost, Blogger, "
    "Medium, Substack, Wix, Buttondown, Beehiiv"
)


def recognised(archive: Archive) -> ModuleType | None:
    """The reader of this archive; None where it is no export that any of them knows."""
    return next((reader for reader in _readers() if reader.recognises(archive)), None)


def _readers() -> Iterator[ModuleType]:
    for name in READERS:
        if find_spec(f"feature_pipeline.sources.{name}"):
            yield import_module(f"feature_pipeline.sources.{name}")
