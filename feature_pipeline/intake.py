"""One source → posts in the store, a batch at a time, and what it no longer shows → gone.

What a source says is compared before it is cleaned, so that a post that has not changed costs one hash.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import islice

from contracts.errors import SourceError
from contracts.feature_store import Key, Place, Sighting
from contracts.records import Post, digest
from feature_pipeline.build import Build
from feature_pipeline.clean import CLEANER
from feature_pipeline.deduplicate import NearDuplicates, compared, sketch
from feature_pipeline.read_ahead import AT_LEAST, batches
from feature_pipeline.report import SourceReport
from feature_pipeline.sources import WITHDRAWN, Complete, Item, RawPost, Refusal, Unchanged, Unread, read
from feature_pipeline.sources.memory import Memory, Seen

NO_MORE = frozenset(("not_found", "gone"))  # what an address answers that is no more
MISSES = 2  # complete runs in which a page was not found, until its post is taken for deleted


@dataclass
class Intake:
    """One run's posts on their way into the store."""

    build: Build
    author: str
    reference: bool
    run: int
    not_found: list[Key] = field(default_factory=list)
    stale: set[Key] = field(default_factory=set)
    """Stored posts whose new words were refused."""

    def __post_init__(self) -> None:
        self.store, self.engine = self.build.store, self.build.engine
        self.report, self.progress = self.build.report, self.build.progress

    @cached_property
    def near(self) -> NearDuplicates:
        """Loaded at the first new post: a run without any needs none."""
        return NearDuplicates(self.store.sketches(self.author))

    def source(self, address: str, limit: int | None, allow_delete: bool) -> None:
        """Everything that one source shows. One that cannot be read is noted, and takes at most the post away that it was.

        `twin sync` reads it again once it could be read: a mistyped one is not kept.
        """
        place, mine = Place(self.author, address, self.run), SourceReport(address)
        self.report.sources.append(mine)
        self.not_found, self.stale = [], set()
        before = self.store.sightings.count(place)  # what comes now must not vouch for what goes
        was_read = any(known.address == address for known in self.store.sightings.sources(self.author))
        lost = False
        memory = Memory(self._remembered(place))
        # Posts that are stored may have moved or been edited, and what became of one is best told beside the others.
        at_least = self.engine.batch if before else AT_LEAST
        try:
            for batch in batches(islice(read(address, memory), limit), self.engine.batch, at_least):
                if any(not isinstance(item, Unread) for item in batch):
                    self.store.sightings.register(self.author, address)
                mine.complete = any(isinstance(item, Complete) for item in batch)
                mine.found += sum(not isinstance(item, Complete) for item in batch)
                mine.error = next((item.detail for item in batch if isinstance(item, Unread)), "")
                lost = any(isinstance(item, Unread) and item.reason in NO_MORE for item in batch)
                self._take(batch, place)
        except SourceError as error:
            mine.error = str(error)
        else:
            if limit is None or mine.found < limit:
                self._keep_memory(place, memory)
            if mine.complete:
                self._delete_missing(place, before, allow_delete)
            elif mine.error:
                self._delete_not_found(place)
        if lost and was_read and not self.store.sightings.count(place):
            self.report.gone[address] = self._way_out(address)
        elif mine.error:
            self.report.failed[address] = mine.error
        self.store.sightings.finish(self.author, address, mine.error or f"{mine.found} found")

    def _way_out(self, address: str) -> str:
        quoted = [shlex.quote(word) for word in (self.author, address)]
        way = f"twin forget --author {quoted[0]} --source {quoted[1]}"
        return f"{address} is no more, and nothing is stored of it → {way} ends that it is asked for"

    # ---- a batch ----------------------------------------------------------------------------------------------------

    def _take(self, batch: Sequence[Item], place: Place) -> None:
        self.report.found += sum(not isinstance(item, Complete) for item in batch)
        self.progress("read", self.report.found, None)
        items = [item for item in batch if not isinstance(item, Complete)]
        known = self.store.sightings.known(place, [(item.source, item.source_id) for item in items])
        raws = {(item.source, item.source_id): item for item in items if isinstance(item, RawPost)}
        self.report.duplicate += sum(isinstance(item, RawPost) for item in items) - len(raws)
        fresh = _fresh(raws, known)
        same = [key for key in raws if key not in fresh]
        for item in items:
            if isinstance(item, Unchanged):
                key = (item.source, item.source_id)
                if key in known:
                    same.append(key)
                else:  # its memory is not kept, so that the next run reads it
                    self.report.refuse(Refusal(*key, "unknown", "it is said to be unchanged, but is not stored"))
        for key in same:
            self._count_unchanged(known[key])
        met = list(same)
        for item in items:
            if isinstance(item, Refusal):
                met += self._refused(item, known, place)
        met += self._clean([(raws[key], raw_hash) for key, raw_hash in fresh.items()], known, place)
        self.store.sightings.touch(place, met)

    def _count_unchanged(self, sighting: Sighting) -> None:
        copy = sighting.post_id != digest(self.author, *sighting.key)
        self.report.duplicate += copy
        self.report.unchanged += not copy

    def _refused(self, refusal: Refusal, known: dict[Key, Sighting], place: Place) -> list[Key]:
        """Returns what was met all the same: the old version of a page that cannot be read today stays."""
        self.report.refuse(refusal)
        key = (refusal.source, refusal.source_id)
        if key not in known:
            return []
        if refusal.reason in WITHDRAWN:
            self.report.deleted += self.store.drop(self.author, place.address, [key], refusal.reason)
            return []
        if refusal.reason == "not_found":
            self.not_found.append(key)
            return []
        return [key]

    def _clean(self, raws: Sequence[tuple[RawPost, str]], known: dict[Key, Sighting], place: Place) -> list[Key]:
        """Clean what is fresh and store it. Returns what was refused though it is known: its old version stays."""
        stay: list[Key] = []
        posts: list[tuple[Post, Sighting]] = []
        cleaned = self.engine.clean([raw for raw, _ in raws], self.author)
        hashes = {value for post in cleaned if isinstance(post, Post) for value in (post.id, post.text_hash)}
        forgotten = self.store.is_forgotten(self.author, hashes)
        for (raw, raw_hash), post in zip(raws, cleaned, strict=True):
            if isinstance(post, Post) and not forgotten.isdisjoint((post.id, post.text_hash)):
                post = Refusal(raw.source, raw.source_id, "forgotten", "you said to forget it")
            if isinstance(post, Refusal):
                stay += self._refused(post, known, place)
            else:
                posts.append((post, Sighting((raw.source, raw.source_id), post.id, raw_hash, raw.url)))
        stay += self._store(posts, known, place)
        self.stale.update(stay)
        return stay

    def _store(self, posts: Sequence[tuple[Post, Sighting]], known: dict[Key, Sighting], place: Place) -> list[Key]:
        """Returns what no features could be made of: if it is known, its old version stays."""
        stored = self.store.known([post.id for post, _ in posts])
        before = [known[sighting.key] for _, sighting in posts if sighting.key in known]
        new, seen, sketches = self._originals(posts, stored, self.store.sightings.leading(place, before))
        features, vectors, broken = self.build.features(new, sketches)
        self.report.changed += sum(feature.post.id in stored for feature in features)
        self.report.added += sum(feature.post.id not in stored for feature in features)
        usable = [sighting for sighting in seen if sighting.post_id not in broken]
        if usable:
            self.store.write(self.build.version, features, vectors, self.reference, place, usable)
        return [sighting.key for sighting in seen if sighting.post_id in broken]

    def _originals(
        self, posts: Sequence[tuple[Post, Sighting]], stored: dict[str, str], leading: dict[Key, str]
    ) -> tuple[list[Post], list[Sighting], dict[str, bytes]]:
        """The posts that are new or changed; what each thing that was seen is: a post of its own, or a copy of one; and
        the sketches of the new posts, by id.

        `leading`: copies that a post has its words from, for its own source shows it no more.
        """
        same = self.store.same_text(self.author, {post.text_hash for post, _ in posts})
        now = {post.id: post.text_hash for post, _ in posts}
        contents = {post.id: post.content_hash for post, _ in posts}
        same = {
            text: id_ for text, id_ in same.items() if now.get(id_, text) == text
        }  # what is edited here has it no more
        new: dict[str, Post] = {}
        sketches: dict[str, bytes] = {}

        def text_of(post_id: str) -> str | None:
            if post_id in new:
                return compared(new[post_id])
            if post_id in now and stored.get(post_id) != contents[post_id]:
                return None  # its words are others now, or those of another post
            return next((compared(post) for post in self.store.posts_by_id([post_id])), None)

        def original(post: Post, sketched: bytes) -> str:
            if stored.get(post.id) == post.content_hash:
                return post.id
            if same.setdefault(post.text_hash, post.id) != post.id:
                return same[post.text_hash]
            edited = post.id in stored or post.id in new
            return (not edited and self.near.find(post.id, compared(post), sketched, text_of)) or post.id

        seen: list[Sighting] = []
        for post, sighting in sorted(posts, key=lambda pair: pair[0].id not in stored):  # what is known comes first
            sketched = sketch(compared(post))
            post_id = original(post, sketched)
            seen.append(replace(sighting, post_id=post_id))
            if post_id not in now and leading.get(sighting.key) == post_id:
                post = self._in_place_of(post_id, post)
                stored.update(self.store.known([post_id]))
            if post_id != post.id:
                self.report.duplicate += 1
            elif stored.get(post.id) == post.content_hash:
                self.report.unchanged += 1
            else:
                self.near.add(post.id, sketched)
                new[post.id], sketches[post.id] = post, sketched
        return list(new.values()), seen, sketches

    def _in_place_of(self, post_id: str, copy: Post) -> Post:
        """The post whose own source shows it no more, as its first copy has it now."""
        old = self.store.post(post_id, self.author)
        return copy.model_copy(update={"source": old.source, "source_id": old.source_id, "date": old.date or copy.date})

    # ---- the end of a source ----------------------------------------------------------------------------------------

    def _remembered(self, place: Place) -> dict[str, Seen]:
        """Without what the source could say "as it was" by, where a post is to be looked at again whatever it says."""
        memory = self.store.sightings.memory(place.author, place.address, CLEANER)
        again = self.store.sightings.to_look_at(place)
        return {
            url: Seen(**seen) if again.isdisjoint(seen["posts"]) else Seen(posts=seen["posts"])
            for url, seen in memory.items()
        }

    def _keep_memory(self, place: Place, memory: Memory) -> None:
        """Of addresses whose posts are all stored as they are now: what was refused or deleted is to be looked at again."""
        keys = {key for seen in memory.now.values() for key in seen.posts}
        stored = self.store.sightings.known(place, list(keys)).keys() - self.stale
        kept = {
            url: asdict(seen if stored.issuperset(seen.posts) else Seen())
            for url, seen in memory.now.items()
            if stored.issuperset(seen.posts) or url in memory.before
        }
        self.store.sightings.remember(place.author, place.address, CLEANER, kept)

    def _delete_not_found(self, place: Place) -> None:
        """Of a source that is one page: all that there was to ask is its own address."""
        gone = self.store.sightings.miss(place, self.not_found, MISSES)
        self.report.deleted += self.store.drop(self.author, place.address, gone, "deleted")

    def _delete_missing(self, place: Place, before: int, allow_delete: bool) -> None:
        """`before`: how many were known before the source was read."""
        gone = self.store.sightings.miss(place, self.not_found, MISSES)
        missing = self.store.sightings.missing(place)
        lost = [*gone, *missing]
        doubted = self.store.sightings.doubted(place)
        known = before if doubted is None else min(before, doubted)
        if 2 * len(lost) > known and not allow_delete:
            self.report.withheld += len(lost)
            self.store.sightings.doubt(place, known)
            return
        self.report.deleted += self.store.drop(self.author, place.address, lost, "deleted")
        if doubted is not None:
            self.store.sightings.doubt(place, None)


def _fresh(raws: dict[Key, RawPost], known: dict[Key, Sighting]) -> dict[Key, str]:
    """The hashes of what says something else than at the last run; with the copies of posts that do."""
    hashes = {key: _raw_hash(raw) for key, raw in raws.items()}
    changed = {key for key, value in hashes.items() if key not in known or known[key].raw_hash != value}
    posts = {known[key].post_id for key in changed if key in known}
    return {key: value for key, value in hashes.items() if key in changed or known[key].post_id in posts}


def _raw_hash(raw: RawPost) -> str:
    date = raw.date.isoformat() if raw.date else ""
    return digest(CLEANER, raw.title, date, raw.url or "", raw.markup, raw.format, raw.text)
