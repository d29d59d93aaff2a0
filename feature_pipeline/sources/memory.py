"""What a source's last run learned of it, so that the next one asks for no more than what is new."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """One address as it was last read: what to ask it with, and the posts that it gave."""

    etag: str = ""
    last_modified: str = ""
    listed: str = ""
    """The date that its listing gave for it (a sitemap's lastmod, an API's `modified`)."""
    posts: tuple[tuple[str, str], ...] = ()
    """(source, source_id) of each."""


@dataclass
class Memory:
    """By address. `before` comes from the last run; a reader puts what it learned into `now`, which is kept only once the
    posts themselves are stored."""

    before: dict[str, Seen] = field(default_factory=dict)
    now: dict[str, Seen] = field(default_factory=dict)

    def left(self, listing: str) -> str:
        """Where the cap of the last run stopped the listing; empty where none did. Kept only if `leave` says so again."""
        place = self.before.get(listing, Seen()).listed
        if place:
            self.now[listing] = Seen()
        return place

    def leave(self, listing: str, place: str) -> None:
        """The next run goes on there, and reads from the newest on after that."""
        self.now[listing] = Seen(listed=place)
