"""How versions, and what they proved, are printed: sentences and tables for people, the whole of it as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pipeline.glossary import headline, meaning, said
from ui.commands.show import note, one_line, out

if TYPE_CHECKING:
    from contracts.aliases import Aliases
    from contracts.model_registry import ModelVersion, Verified
    from contracts.records import Figure
    from training_pipeline.data_card import DataCard
    from training_pipeline.evaluation.records import Comparison
    from training_pipeline.export import Exported
    from training_pipeline.lineage import Difference, Lineage
    from training_pipeline.pipeline import Outcome

CARRIED = 12  # posts of a lineage that are shown to a person; --json has all

_WAYS = {
    "champion": "twin train --author {author!r} --without-forgotten",
    "challenger": "twin models challenge {name!r} --withdraw, then: twin models delete {name!r}",
    "": "twin models delete {name!r}",
}


def way(author: str, name: str, alias: str) -> str:
    """What to do with a version that learned from forgotten posts."""
    return _WAYS[alias].format(author=author, name=name)


def unled(aliases: Aliases, names: Sequence[str]) -> str:
    """Who answers, beside a deletion by which there is no champion any more."""
    if aliases.in_force is not None or not any(one.did == "retired" for one in aliases.history[-2:]):
        return ""
    other = f"; another becomes champion by: twin models promote {names[-1]!r}" if names else ""
    return f", and was the champion: the base model answers{other}"


def data_card(card: DataCard, as_json: bool) -> None:
    if as_json:
        out(card.model_dump(mode="json"))
        return
    print(f"{_of(card)}; nothing was trained")
    print("\n".join(_rows(card)))


def noted(card: DataCard) -> None:
    """On stderr, before the first step of a training."""
    note("\n".join([_of(card), *_rows(card)]))


def _of(card: DataCard) -> str:
    return f"{card.author}, by the recipe {card.recipe}, from snapshot {card.snapshot}"


def _rows(card: DataCard) -> list[str]:
    from training_pipeline.data_card import rows

    table = rows(card)
    wide = max(len(what) for what, _ in table)
    return [one_line(f"  {what:{wide}}  {told}") for what, told in table]


def outcome(outcome: Outcome, as_json: bool) -> None:
    version, card = outcome.version, outcome.version.card
    if as_json:
        became = {
            "promoted": outcome.promoted,
            "new": outcome.new,
            "replaced": outcome.replaced,
            "report": outcome.report,
        }
        out({"model": version.name, **became, **_card(version)})
        return
    if not outcome.new:
        print(f"{version.name} is already trained on exactly this; nothing to do")
        return
    print(f"{version.name}: {headline(card.evaluation)}")
    print(
        f"  {card.examples} examples of {len(card.posts['train'])} posts, "
        f"{card.training['steps']} steps in {outcome.seconds:.0f} s with the measuring"
    )
    print(
        f"  validation loss {card.training['base_validation_loss']:.3f} → {card.training['best_validation_loss']:.3f}"
    )
    if told := card.training.get("preference"):
        print(f"  by preference: {told['pairs']} pairs, {told['edits']} of them edited answers")
        for reason, count in told.get("edits_left_out", {}).items():
            print(f"    {count} edits left out: {reason}")
    _figures(card.evaluation)
    print("  promoted: it is the champion" if outcome.promoted else "  registered, not promoted:")
    for reason in outcome.refused.split("; ") if outcome.refused else ():
        print(f"    {reason}")
    if not outcome.promoted:
        print(f"  ask it by its name, --model {version.name!r}; or: twin models promote {version.name!r}")
    if outcome.replaced:
        print(f"  {outcome.replaced}, which had learned from posts that are forgotten, is deleted")
    if outcome.report:
        print(f"  report: {outcome.report}")


def figures(version: ModelVersion, measured: Mapping[str, Figure], as_json: bool) -> None:
    if as_json:
        out({"model": version.name, "evaluation": {name: figure.model_dump() for name, figure in measured.items()}})
        return
    print(version.name)
    _figures(measured)


def _figures(measured: Mapping[str, Figure]) -> None:
    """Those that could be measured, a line each; of the others the reasons, and for which figures each is one."""
    known = {name: figure for name, figure in measured.items() if figure.value is not None}
    wide = max((len(meaning(name).label) for name in known), default=0)
    for name, figure in known.items():
        print(f"  {meaning(name).label:{wide}}  {said(name, figure)}" + (f"; {figure.note}" if figure.note else ""))
    reasons: dict[str, list[str]] = {}
    for name, figure in measured.items():
        if figure.value is None:
            reasons.setdefault(figure.note, []).append(meaning(name).label)
    for reason, labels in reasons.items():
        print(f"  cannot measure: {reason}\n    {'; '.join(labels)}")


def comparison(version: ModelVersion, against: ModelVersion, compared: Mapping[str, Comparison], as_json: bool) -> None:
    """`compared` holds version − against, on the same posts."""
    if as_json:
        rows = {name: one.model_dump() for name, one in compared.items()}
        out({"model": version.name, "against": against.name, "comparison": rows})
        return
    from training_pipeline.compare import left_out

    print(f"{version.name} against {against.name}, on the same posts")
    wide = max((len(meaning(name).label) for name in compared), default=0)
    print(f"  {'':{wide}}  {'difference':>10}  {'95 % interval':>20}  {'p':>6}  {'detectable':>10}  {'n':>4}")
    for name, one in compared.items():
        interval = f"[{one.low:+.4f}, {one.high:+.4f}]"
        print(
            f"  {meaning(name).label:{wide}}  {one.difference:>+10.4f}  {interval:>20}  {one.p:>6.3f}  "
            f"{one.smallest_detectable:>10.4f}  {one.n:>4}"
        )
    if compared:
        print("  detectable: the difference that a test on so many posts finds four times in five")
    for reason in left_out(version, against, compared):
        print(f"  {reason}")


def versions(rows: Sequence[tuple[ModelVersion, str, int]], as_json: bool) -> None:
    """Each with its alias, if it has one, and how many posts that it was trained on are forgotten since."""
    if as_json:
        out([_listed(*row) for row in rows])
        return
    for version, alias, forgotten in rows:
        mark = {"champion": "*", "challenger": "+"}.get(alias, " ")
        card = version.card
        print(f"{mark} {version.name}  {card.created.isoformat(timespec='seconds')}  {card.recipe.get('name', '?')}")
        for name in ("gap_closed", "delta_nll"):
            if name in card.evaluation:
                print(f"    {meaning(name).label} {said(name, card.evaluation[name])}")
        for reason in card.gate:
            print(f"    not promoted by itself: {reason}")
        if forgotten:
            out_of_it = way(version.author, version.name, alias)
            print(f"    {forgotten} posts that it was trained on are forgotten: {out_of_it}")
    print("* champion, + challenger" if rows else "no versions yet; twin train --author NAME")


def _listed(version: ModelVersion, alias: str, forgotten: int) -> dict[str, Any]:
    card = version.card
    return {
        "model": version.name,
        "champion": alias == "champion",
        "challenger": alias == "challenger",
        "created": card.created.isoformat(timespec="seconds"),
        "recipe": card.recipe.get("name"),
        "base_model": card.base_model,
        "snapshot": card.snapshot.id,
        "evaluation": {name: figure.model_dump() for name, figure in card.evaluation.items()},
        "gate": list(card.gate),
        "forgotten": forgotten,
    }


def card(version: ModelVersion, forgotten: int) -> None:
    """The whole card, as JSON for people too: it is its own best table."""
    out({"model": version.name, **_card(version), "forgotten": forgotten})


def _card(version: ModelVersion) -> dict[str, Any]:
    return version.card.model_dump(mode="json")


def lineage(traced: Lineage, as_json: bool) -> None:
    if as_json:
        out(traced.model_dump(mode="json"))
        return
    print(traced.name)
    for ancestor in traced.ancestors:
        made = (
            f"made {ancestor.created:%Y-%m-%d} of snapshot {ancestor.snapshot}" if ancestor.created else ancestor.note
        )
        print(f"  ← {ancestor.name}, {made}")
    snapshot, features = traced.snapshot, traced.features
    print(f"  of snapshot {snapshot.id}: {snapshot.posts} posts, {snapshot.chunks} chunks")
    cut = f"cut by {features.chunker}, embedded by {features.embedder}" if features else "not built any more"
    print(f"  of features {snapshot.feature_version}, {cut}")
    gone = sum(not post.stored for post in traced.posts)
    print(f"  of {len(traced.posts)} posts" + (f", {gone} of them not stored any more" if gone else ""))
    for post in traced.posts[:CARRIED]:
        print(one_line(f"    {post.part:10} {post.date or '?'!s:10}  {post.title or post.post_id}"))
    if len(traced.posts) > CARRIED:
        print(f"    and {len(traced.posts) - CARRIED} more: --json")


def difference(found: Difference, as_json: bool) -> None:
    if as_json:
        out(found.model_dump(mode="json"))
        return
    print(f"{found.names[0]} → {found.names[1]}")
    for group in ("recipe", "base", "snapshot", "libraries", "environment"):
        for name, (before, after) in getattr(found, group).items():
            print(f"  {group}: {name} {before} → {after}")
    for part, added in found.posts_added.items():
        removed = found.posts_removed[part]
        if added or removed:
            print(f"  posts: {part} +{len(added)} −{len(removed)}")
    wide = max((len(meaning(name).label) for name in found.figures), default=0)
    for name, pair in found.figures.items():
        before, after = (said(name, figure) if figure else "not measured" for figure in pair)
        print(f"  {meaning(name).label:{wide}}  {before} → {after}")


def verified(rows: Sequence[Verified], as_json: bool) -> None:
    if as_json:
        out([{"model": row.name, "whole": not row.damage, **_problems(row)} for row in rows])
        return
    for row in rows:
        print(f"{'FAIL' if row.damage else 'ok  '} {row.name}")
        for problem in (*row.damage, *row.misfits):
            print(f"       {problem}")
    if not rows:
        print("no versions yet; twin train --author NAME")


def _problems(row: Verified) -> dict[str, Any]:
    return {"damage": list(row.damage), "misfits": list(row.misfits)}


def exported(made: Exported, as_json: bool) -> None:
    if as_json:
        out(made.model_dump(mode="json"))
        return
    print(
        f"{made.version} as {made.format} in {made.folder}, in {made.seconds:.0f} s; its README.md says how to serve it"
    )
    for name, size in made.files.items():
        print(f"  {size / 1e6:8.1f} MB  {name}")
    for check in made.checks:
        print(f"  {check}")


def done(said_: str, value: Mapping[str, Any], as_json: bool) -> None:
    """A command that changes one thing says which."""
    if as_json:
        out(value)
    else:
        print(said_)


def written(path: Path, version: ModelVersion, as_json: bool) -> None:
    done(f"{version.name}: {path}", {"model": version.name, "path": str(path)}, as_json)
