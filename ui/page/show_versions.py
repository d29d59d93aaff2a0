"""How versions, what they proved and where they came from look on the page, as HTML. All text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from contracts.aliases import CHAMPION
from contracts.model_registry import parse
from training_pipeline.glossary import headline, meaning, said, value
from ui.page import markup
from ui.page.made import in_words
from ui.page.passages import version_name

if TYPE_CHECKING:
    from contracts.aliases import Aliases
    from contracts.model_registry import ModelVersion
    from contracts.records import Figure
    from training_pipeline.evaluation.records import Comparison
    from training_pipeline.lineage import Difference, Lineage
    from training_pipeline.votes import Preferred

PARTS = {"train": "learned from", "validation": "stopped by", "test": "held out"}

REPLACED = "train again, under Train. Once the new version has passed its gate, it answers, and this one is deleted."
"""What to do with a champion that learned from forgotten posts; any other is to be deleted."""


def timeline(versions: Sequence[ModelVersion], aliases: Aliases, chosen: str) -> str:
    """Newest first; each is a button."""
    rows = (
        (
            one.name,
            f"v{one.number}{badge(aliases.of.get(one.number, ''))}",
            f"{one.card.created:%Y-%m-%d %H:%M} · {escape(str(one.card.recipe.get('name', '')))}",
        )
        for one in reversed(versions)
    )
    return markup.buttons(rows, chosen, "No version yet: train one, under Train.")


def learned(names: Sequence[str], aliases: Aliases) -> str:
    """What to do with those that learned from what is forgotten now."""
    ways = {name: REPLACED for name in names if int(parse(name)[1][1:]) == aliases.in_force}
    if rest := [name for name in names if name not in ways]:
        ways[", ".join(rest)] = f"delete {'it' if len(rest) == 1 else 'them'}, under Versions."
    return "".join(f" {who} learned from what is forgotten: {way}" for who, way in ways.items())


def badge(alias: str) -> str:
    return f'<span class="badge">{escape(alias)}</span>' if alias else ""


def version(one: ModelVersion, alias: str, forgotten: int, played: str) -> str:
    """What it proved, in words first."""
    card = one.card
    lines = [headline(card.evaluation), _learned(one)]
    if forgotten:
        way = REPLACED if alias == CHAMPION else "delete it."
        lines.append(f"{_posts(forgotten)} forgotten since, whose words may be in its weights: {way}")
    verdict = "It passed its gate." if not card.gate else "It did not pass its gate:"
    inside = markup.paragraphs(*lines, played, verdict) + markup.items(map(in_words, card.gate))
    title = f"<h2>{escape(one.name)}{badge(alias)}</h2>"
    return f'<section class="card">{title}{inside}</section>{figures(card.evaluation)}'


def _posts(count: int) -> str:
    return "It was trained on a post that is" if count == 1 else f"It was trained on {count:,} posts that are"


def _learned(one: ModelVersion) -> str:
    card, training = one.card, one.card.training
    words = f"{card.examples:,} examples of {len(card.posts['train']):,} posts"
    if "base_validation_loss" in training:
        before, after = training["base_validation_loss"], training["best_validation_loss"]
        words += f"; validation loss {before:.3f} → {after:.3f} nats per token"
    return f"Learned from {words}. Base model: {card.base_model}."


def figures(measured: Mapping[str, Figure]) -> str:
    """Those that could be measured; of the others the reasons, once each."""
    rows, reasons = [], dict[str, list[str]]()
    for name, figure in measured.items():
        words = meaning(name)
        if figure.value is None:
            reasons.setdefault(figure.note, []).append(words.label)
            continue
        note = f"<small>{escape(figure.note)}</small>" if figure.note else ""
        says = f"<small>{escape(words.says)}</small>" if words.says else ""
        label = escape(words.label[:1].upper() + words.label[1:])
        value = escape(markup.unbroken(said(name, figure)))
        rows.append(f'<tr><th scope="row">{label}{says}</th><td>{value}{note}</td></tr>')
    shown = f'<div class="wide"><table class="facts"><tbody>{"".join(rows)}</tbody></table></div>' if rows else ""
    unknown = "".join(
        f"<h3>Cannot measure: {escape(reason)}</h3>{markup.paragraphs('; '.join(labels))}"
        for reason, labels in reasons.items()
    )
    return markup.section("What it proved, with 95 % intervals", shown + unknown)


def lineage(traced: Lineage) -> str:
    """Version → its parents → snapshot → features → posts."""
    rows = [("Version", traced.name)]
    rows += [
        (
            "Its parent",
            f"{one.name}, {f'made {one.created:%Y-%m-%d} of snapshot {one.snapshot}' if one.created else one.note}",
        )
        for one in traced.ancestors
    ]
    shot, features = traced.snapshot, traced.features
    rows.append(("Snapshot", f"{shot.id}: {shot.posts:,} posts, {shot.chunks:,} chunks"))
    cut = f"cut by {features.chunker}, embedded by {features.embedder}" if features else "not built any more"
    rows.append(("Features", f"{shot.feature_version}, {cut}"))
    for part, words in PARTS.items():
        posts = [post for post in traced.posts if post.part == part]
        if not posts:
            continue
        titles = ", ".join(f"“{post.title}”" for post in posts if post.title)[:400]
        gone = sum(not post.stored for post in posts)
        left = f"; {gone:,} not stored any more" if gone else ""
        rows.append((f"Posts {words}", f"{len(posts):,}{left}" + (f": {titles} …" if titles else "")))
    return f'<details class="card"><summary>Where it came from</summary>{markup.table(rows)}</details>'


def history(aliases: Aliases) -> str:
    """Every decision, the latest first."""
    rows = [
        (f"{one.at:%Y-%m-%d %H:%M}", f"v{one.version} {one.did}", f"by {one.by}: {one.why}") for one in aliases.history
    ]
    if not rows:
        return ""
    return f'<details class="card"><summary>Decisions</summary>{markup.table(reversed(rows))}</details>'


def difference(found: Difference) -> str:
    """What the second version has that the first has not."""
    rows = [
        (f"{group}: {name}", str(before), str(after))
        for group in ("recipe", "base", "snapshot", "libraries", "environment")
        for name, (before, after) in getattr(found, group).items()
    ]
    for part, words in PARTS.items():
        added, removed = found.posts_added.get(part, ()), found.posts_removed.get(part, ())  # type: ignore[call-overload]
        if added or removed:
            rows.append((f"posts {words}", "", f"+{len(added):,} −{len(removed):,}"))
    measured = []
    for name, pair in found.figures.items():
        before, after = (said(name, one) if one else "not measured" for one in pair)
        measured.append((meaning(name).label, before, after))
    head = ("", *found.names)
    return markup.section(
        f"{found.names[0]} → {found.names[1]}",
        (markup.table(rows, head) if rows else markup.aside("Made in the same way, of the same posts."))
        + markup.table(measured, head),
    )


def compared(model: str, other: str, found: Mapping[str, Comparison], left_out: Sequence[str]) -> str:
    """What tells the two apart on the same posts, in words first. `found` holds `model` − `other`."""
    first, second = version_name(model), version_name(other)
    rows = [
        (
            meaning(name).label,
            _apart(one, f"higher for {first}", f"higher for {second}", f"no difference that n = {one.n} can tell"),
            f"{value(name, one.difference)} [{value(name, one.low)}, {value(name, one.high)}], n = {one.n}, "
            f"p = {one.p:.3f}; a difference of {value(name, one.smallest_detectable)} is found four times in five",
        )
        for name, one in found.items()
    ]
    said_ = ""
    if fits := found.get("delta_nll"):
        on = f"{fits.n} of your posts that neither has seen"
        said_ = _apart(
            fits,
            f"{first} expects what you write better than {second} does, on {on}.",
            f"{second} expects what you write better than {first} does, on {on}.",
            f"On {on}, nothing tells which of the two expects what you write better.",
        )
    inside = markup.paragraphs(said_) + (markup.table(rows, ("", "", f"{first} − {second}, 95 %")) if rows else "")
    return markup.section(f"{first} and {second}, on the same posts", inside + markup.items(left_out))


def _apart(one: Comparison, more: str, less: str, unknown: str) -> str:
    return more if one.low > 0 else less if one.high < 0 else unknown


def preferred(found: Preferred) -> str:
    """What people made of the two, each kind of verdict apart."""
    rows = [
        (
            kind,
            f"{votes.wins} won, {votes.losses} lost, {votes.ties} tied, by {_people(votes.people)}",
            _share(votes.share),
        )
        for kind, votes in (("Blind votes", found.blind), ("Open votes", found.open))
        if votes.people
    ]
    rows += [
        (
            f"{one.model} alone",
            f"{one.better} better than hoped, {one.worse} worse, {one.edited} edited",
            _share(one.share),
        )
        for one in found.ratings
        if one.better + one.worse + one.edited
    ]
    if found.difference.value is not None:
        drawn = f"{version_name(found.model)} − {version_name(found.other)}, where traffic drew who answers"
        rows.append((drawn, "the shares rated better than hoped, one less the other", _share(found.difference)))
    words = f"{version_name(found.model)} against {version_name(found.other)}: what people said"
    return markup.section(words, markup.table(rows) if rows else markup.aside("Nobody has judged their answers yet."))


def _people(count: int) -> str:
    return f"{count} {'person' if count == 1 else 'people'}"


def _share(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return f"cannot measure: {figure.note}"
    return f"{100 * figure.value:.0f} % [{100 * figure.low:.0f}, {100 * figure.high:.0f}], n = {figure.n}"


def report(page: str, name: str) -> str:
    """The report in a frame of its own, in which nothing can run and from which nothing can be reached."""
    return f'<iframe class="report" sandbox title="Report of {escape(name)}" srcdoc="{escape(page)}"></iframe>'
