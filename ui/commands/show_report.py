"""How the feature pipeline's reports are printed: a table for people, the whole report as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.commands.show import one_line, out

if TYPE_CHECKING:
    from contracts.records import SourceStatus, VersionStatus

PLURALS = {"article": "articles", "note": "notes", "reply": "replies", "document": "documents"}


def report(found: Mapping[str, Any], as_json: bool) -> None:
    """`found` is a report as it is stored: `feature_pipeline.report.Report.as_json`."""
    if as_json:
        out(found)
        return
    kept = f"{found['added']} new, {found['changed']} changed, {found['unchanged']} unchanged"
    print(f"{found['author']}: {found['found']} found, in {found['seconds']:.1f} s")
    print(f"  {'kept':10} {found['kept']:>6}   {kept}")
    print(f"  {'duplicate':10} {found['duplicate']:>6}")
    print(f"  {'refused':10} {sum(found['refused'].values()):>6}")
    for reason, count in sorted(found["refused"].items(), key=lambda pair: (-pair[1], pair[0])):
        print(one_line(f"    {reason} × {count}: {'; '.join(found['examples_of_refusals'][reason])[:160]}"))
    print(f"  {'failed':10} {len(found['failed']):>6}")
    for source, error in found["failed"].items():
        print(f"    {failure(source, error)}")
    for sentence in found.get("gone", {}).values():
        print(f"  {'gone':10}        {sentence}")
    print(f"  {'deleted':10} {found['deleted']:>6}")
    if found["withheld"]:
        print(
            f"    {found['withheld']} more are missing, over half of what is known: if that is meant, add --allow-delete"
        )
    if found["chunks"]:
        print(f"  {found['chunks']} chunks, {found['embedded']} embedded, {found['examples']} examples")
    _corpus(found["author"], found["corpus"])
    for source in found["sources"]:
        print(f"  from {source['address']}: {source['found']} found{'' if source['complete'] else ', not all of it'}")
    if found["snapshot"]:
        print(f"  snapshot {found['snapshot']['id']}")


def failure(source: str, error: str) -> str:
    """A source that could not be read, named once."""
    return error if source in error else f"{source}: {error}"


def _corpus(author: str, corpus: Mapping[str, Any]) -> None:
    if not corpus.get("posts"):
        return
    dates = f"{corpus['first']} to {corpus['last']}" if corpus["first"] else "without dates"
    shares = ", ".join(f"{name} {count}" for name, count in corpus["languages"].items())
    formats = ", ".join(f"{count} {name if count == 1 else PLURALS[name]}" for name, count in corpus["formats"].items())
    print(f"  stored of {author}: {corpus['words']:,} words, {dates}; {formats}; languages: {shares}")


def sources(rows: Sequence[SourceStatus], as_json: bool) -> None:
    if as_json:
        out([row.model_dump(mode="json") for row in rows])
        return
    for row in rows:
        read = row.read.isoformat(" ", "minutes") if row.read else "never to the end"
        print(f"{row.author}  {row.address}\n    {row.posts} posts; read {read}: {row.outcome or 'not finished'}")
    if not rows:
        print("no sources yet; twin ingest SOURCE --author NAME")


def feature_versions(rows: Sequence[VersionStatus], as_json: bool) -> None:
    if as_json:
        out([row.model_dump(mode="json") for row in rows])
        return
    for row in rows:
        print(f"{'*' if row.active else ' '} {row.id}  {row.built.isoformat(' ', 'minutes')}  {row.posts} posts")
        print(f"    {row.chunks} chunks by {row.chunker}, {row.dimension} dimensions by {row.embedder}")
    print("* served" if rows else "no features yet; twin ingest SOURCE --author NAME")
