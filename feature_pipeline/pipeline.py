"""The feature pipeline: collect → clean → deduplicate → chunk → embed → label → store.

Everything is written in whole batches, so a run that is stopped at any moment has stored some posts completely and the
others not at all, and the next run goes on where it ended.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from contracts.errors import NotFound, SourceError, UsageError
from contracts.feature_store import FeatureStore, FeatureVersion
from contracts.progress import Progress, silent
from contracts.records import Post
from feature_pipeline.batches import Engine, LocalEngine
from feature_pipeline.build import Build
from feature_pipeline.chunk import DEFAULT, Chunker
from feature_pipeline.clean import clean
from feature_pipeline.intake import Intake
from feature_pipeline.label import label
from feature_pipeline.report import Report
from feature_pipeline.sources import Item, RawPost, Refusal, Unread, read
from feature_pipeline.sources.text import storable

LONGEST_NAME = 80  # bytes: three times as many in a folder's name, where a file system allows 255


def run(
    sources: Sequence[str],
    author: str,
    store: FeatureStore,
    *,
    reference: bool = False,
    limit: int | None = None,
    allow_delete: bool = False,
    chunker: Chunker = DEFAULT,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Report:
    """Bring the author's features in step with the sources. A source that cannot be read does not stop the others."""
    began = time.monotonic()
    addresses = [address(source) for source in sources]
    with store.writing(f"an ingest of {author!r}"):
        report, version = Report(author), version_to_build(store, chunker)
        run_id = store.start_run(author, [*map(_shown, addresses)], reference)
        build = Build(store, version, Chunker.of(version.chunker) or chunker, engine or LocalEngine(), report, progress)
        build.complete()  # and served, before anything is changed: an edit is written for one version only
        if store.active() not in (None, version):
            store.versions.activate(version)
        intake = Intake(build, author, reference, run_id)
        for source in addresses:
            if why := _why_not(source):
                report.failed[_shown(source)] = why
            elif limit is None or report.found < limit:
                intake.source(source, None if limit is None else limit - report.found, allow_delete)
        del intake  # what it knows of every post, before labelling knows as much
        label(author, store, store.stopped_before(run_id) or bool(report.added or report.changed or report.deleted))
        report.snapshot, report.corpus = store.snapshot(), store.corpus(author)
        report.seconds = round(time.monotonic() - began, 3)
        store.finish_run(run_id, report.as_json())
    return report


def version_to_build(store: FeatureStore, chunker: Chunker) -> FeatureVersion:
    """The version that a person chose, as long as this program can go on with it; else the one of the settings."""
    chosen = store.versions.chosen()
    return chosen if chosen and Chunker.of(chosen.chunker) else settings_version(store, chunker)


def settings_version(store: FeatureStore, chunker: Chunker) -> FeatureVersion:
    return FeatureVersion(str(chunker), store.embedder.fingerprint, store.embedder.name)


def build_version(store: FeatureStore, version: FeatureVersion, progress: Progress) -> FeatureVersion:
    """Build the version of all stored posts, beside the one that is served; what older rules labelled is labelled anew."""
    chunker = Chunker.of(version.chunker)
    if chunker is None:
        raise NotFound(f"this program cannot cut posts by {version.chunker!r}", "twin features list")
    with store.writing(f"building feature version {version.id}"):
        Build(store, version, chunker, LocalEngine(), Report(""), progress).complete()
        for author in store.authors():
            label(author.name, store, changed=False)
    return version


def use_version(store: FeatureStore, version: FeatureVersion, progress: Progress) -> None:
    """Serve the version, once it is complete; ingests keep to it from now on."""
    store.versions.activate(build_version(store, version, progress), chosen=True)


def collect(sources: Sequence[str], author: str, report: Report, limit: int | None = None) -> Iterator[Post | Refusal]:
    """Cleaned posts and refusals of all sources in turn, at most `limit` of them; nothing is stored."""

    def items() -> Iterator[Item]:
        for source in map(address, sources):
            if why := _why_not(source):
                report.failed[_shown(source)] = why
                continue
            try:
                for item in read(source):
                    if isinstance(item, Unread):
                        report.failed[source] = item.detail
                    yield item
            except SourceError as error:
                report.failed[source] = str(error)

    found = (item for item in items() if isinstance(item, (RawPost, Refusal)))
    for item in islice(found, limit):
        yield item if isinstance(item, Refusal) else clean(item, author)


def address(source: str) -> str:
    """As it is registered: a path from the root, so that it can be read again from anywhere."""
    if "://" in source or not source:  # no name is not the folder that one is in
        return source
    try:
        return str(Path(source).expanduser().absolute())
    except (RuntimeError, ValueError):  # no such home, or a NUL: its reader says so
        return source


def without_secret(source: str) -> str:
    """An address as it may be kept and shown: without the user name and password that somebody put into it."""
    return re.sub(r"\A([a-z][a-z0-9+.-]*://)[^/?#]*@", r"\1…@", source, flags=re.IGNORECASE)


def _shown(source: str) -> str:
    return without_secret(storable(source))


def _why_not(source: str) -> str:
    """Why an address is not even looked at: it could not be kept as it is, for the next run."""
    if storable(source) != source:
        return "its name is no text in UTF-8: rename it, and give it again"
    why = "it has a user name or password in it, and is not read: give it without a user name and password"
    return why if without_secret(source) != source else ""


def check_author(name: str) -> str:
    """The name without surrounding spaces. Raises UsageError for one that no folder or address could carry."""
    name = name.strip()
    if not name or not name.isprintable() or len(name.encode()) > LONGEST_NAME or any(mark in name for mark in "@/\\"):
        raise UsageError(f"{name!r} cannot be an author's name", f"use up to {LONGEST_NAME} bytes, without @ / or \\")
    return name
