"""A version's report: one HTML page in TWIN_HOME/reports, made from its card, its evaluation and the posts in the store.

It holds text of posts, so it is no part of the version: `delete` removes it when a post of its author is forgotten, and
`write` makes it anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from contracts.aliases import Aliases
from contracts.feature_store import FeatureStore
from contracts.files import file_name, read_json, write_atomic
from contracts.model_registry import ModelVersion
from contracts.records import AdapterCard, Figure, Post
from training_pipeline.data_card import DataCard, rows
from training_pipeline.evaluation.records import CONDITIONS, HUMAN, OTHERS, Evaluation, Written
from training_pipeline.glossary import CONDITIONS as NAMES
from training_pipeline.glossary import MARKS, headline, meaning, said, value
from training_pipeline.plots import Curve, Row, bar, curves, ends_of, scale, strips
from training_pipeline.votes import told_apart

Kept = TypeVar("Kept", bound=BaseModel)

SCORES = ("verification", "verification_raw", "verification_masked")
SAMPLES = 10
SHORTEST = 600  # characters of a held-out post that are shown at least, where it has them
KINDS = {HUMAN: "you", "adapter": "twin", "adapter+retrieval": "twin"}


def write(home: Path, version: ModelVersion, store: FeatureStore, aliases: Aliases) -> Path:
    """Make the version's report, in place of an earlier one. `aliases`: what was decided about it and others."""
    evaluation = kept(home, version)
    ids = [written.post_id for written in evaluation.written] if evaluation else []
    if evaluation and evaluation.longest_copy:
        ids.append(evaluation.longest_copy.post_id)
    posts = {post.id: post for post in store.posts_by_id(sorted(set(ids)))}
    path = place(home, version.author, version.number)
    write_atomic(path, html(version, evaluation, posts, aliases, told_apart(*store.guesses.counted(version.name))))
    return path


def keep(home: Path, version: ModelVersion, evaluation: Path) -> None:
    """Keep what was written when the version was measured, in the file `evaluation`, for its reports."""
    if evaluation.is_file():  # not where a run that was stopped had kept it before
        target = _texts(home, version)
        target.parent.mkdir(parents=True, exist_ok=True)
        evaluation.replace(target)


def kept(home: Path, version: ModelVersion) -> Evaluation | None:
    """What the version proved, with the texts where these are kept: they go when a post of the author's is forgotten."""
    return _valid(Evaluation, read_json(_texts(home, version))) or proof(version)


def proof(version: ModelVersion) -> Evaluation | None:
    """What the version proved, without texts, or None where it is older than that is kept as it is today."""
    return _valid(Evaluation, read_json(version.folder / "evaluation.json"))


def _valid(kind: type[Kept], stored: Any) -> Kept | None:
    try:
        return kind.model_validate(stored)
    except ValidationError:
        return None


def place(home: Path, author: str, number: int) -> Path:
    return home / "reports" / f"{file_name(author)}@v{number}.html"


def _texts(home: Path, version: ModelVersion) -> Path:
    return place(home, version.author, version.number).with_suffix(".json")


def delete(home: Path, author: str, number: int | None = None) -> list[Path]:
    """Remove every report of the author's versions, or of one, with what they are made from: they hold text of posts."""
    pattern = re.compile(re.escape(file_name(author)) + rf"@v{number or '[0-9]+'}\.(html|json)")
    found = (home / "reports").iterdir() if (home / "reports").is_dir() else []
    gone = sorted(path for path in found if pattern.fullmatch(path.name))
    for path in gone:
        path.unlink(missing_ok=True)
    return [path for path in gone if path.suffix == ".html"]


def html(
    version: ModelVersion, evaluation: Evaluation | None, posts: Mapping[str, Post], aliases: Aliases, guessed: Figure
) -> str:
    """The page; `guessed`: how often people told the twin from its author.

    Everything from posts, names and models is escaped by the template.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    template = Environment(
        loader=PackageLoader("training_pipeline", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("report.html")
    card = version.card
    figures = {**card.evaluation, **(evaluation.figures if evaluation else {})}
    if guessed.n:
        figures["told_apart"] = guessed
    # The template takes these as they are: numbers, and names that plots.py escapes.
    plots = {"stands": _stands(evaluation), "deltas": _deltas(evaluation), "losses": _losses(card)}
    return template.render(
        version=version,
        card=card,
        headline=headline(figures),
        decided=_decided(version, aliases),
        figures=list(_rows({name: figure for name, figure in figures.items() if name.partition("/")[0] not in SCORES})),
        verification=list(_scores(figures)),
        learned=_learned(card),
        samples=list(_samples(evaluation.written if evaluation else (), posts)),
        copy=_copy(evaluation, posts),
        learned_from=_learned_from(card),
        settings=list(_settings(card)),
        **plots,
    )


def _decided(version: ModelVersion, aliases: Aliases) -> dict[str, Any]:
    """Whether it answers, why, and which bounds do not hold: as its gate found it, or as a person decided."""
    card, champion = version.card, aliases.in_force == version.number
    made = {"promoted": "promoted", "not promoted": "", "rolled back": "rolled back to"}
    last = next((one for one in reversed(aliases.history) if one.version == version.number and one.did in made), None)
    refused = last is not None and last.did == "not promoted"
    found = [one.why for one in aliases.history if one.version == version.number and one.did == "not promoted"]
    bounds = tuple(found[-1].split("; ")) if found else card.gate
    verdict = "It passed its gate" if not bounds else "It did not pass its gate"
    by_hand = f"{made[last.did]} by hand on {last.at:%Y-%m-%d}" if last and last.by == "hand" else ""
    if champion:
        verdict += f", and it is the champion: it was {by_hand}" if by_hand else ", and it is the champion"
    elif last and not refused:
        verdict += ", and it was the champion before another"
    why = "is the champion" if champion else "was promoted" if last and not refused else "was not promoted"
    if not last and not champion and not bounds:
        why = "may be promoted"
    return {
        "verdict": f"{verdict}.",
        "why": why,
        "by_hand": by_hand,
        "bounds": bounds,
        "answers": champion or not bounds,
    }


def _rows(figures: Mapping[str, Figure]) -> Iterator[dict[str, Any]]:
    for name, figure in figures.items():
        words = meaning(name)
        measured = figure.value is not None
        yield {
            "label": words.label[:1].upper() + words.label[1:],
            "says": words.says,
            "said": _said(name, figure),
            "note": figure.note if measured else "",
            "measured": measured,
            **_interval(name, figure),
        }


def _said(name: str, figure: Figure) -> str:
    return said(name, figure).replace("n = ", "n\u00a0=\u00a0")  # not broken over two lines


def _interval(name: str, figure: Figure) -> dict[str, Any]:
    """The figure drawn on a scale of its own, whose ends are named; nothing without an interval."""
    marks = MARKS.get(name.partition("/")[0], ())
    if len(ends_of(figure)) < 3:
        return {"plot": "", "ends": ()}
    across = scale([*ends_of(figure), *marks])
    return {"plot": bar(figure, across, marks), "ends": (value(name, across.low), value(name, across.high))}


def _scores(figures: Mapping[str, Figure]) -> Iterator[dict[str, Any]]:
    """The mean verification scores, from the floor to the ceiling: of stripped texts; as they are written; masked."""
    for condition in (OTHERS, *CONDITIONS, HUMAN):
        names = [f"{kind}/{condition}" for kind in SCORES]
        if names[0] in figures:
            label = NAMES[condition]
            known = [figures[name] for name in names if name in figures]
            columns = [{"said": _said(names[0], one), "measured": one.value is not None} for one in known]
            yield {"label": label[:1].upper() + label[1:], "columns": columns}


def _stands(evaluation: Evaluation | None) -> str:
    """Where the texts of each condition lie between the floor, other authors, and the ceiling, the author."""
    if evaluation is None:
        return ""
    rows, means = [], {}
    for condition in (OTHERS, *CONDITIONS, HUMAN):
        figure = evaluation.figures.get(f"verification/{condition}")
        values = evaluation.verification.get(condition, [])
        if not values or figure is None:
            continue
        name = f"{NAMES[condition]}, n = {len(values)}"
        rows.append(Row(name, KINDS.get(condition, "base"), values, figure.value, figure.low, figure.high))
        means[condition] = figure.value
    marks = {name: means.get(condition) for condition, name in ((OTHERS, "floor"), (HUMAN, "ceiling"))}
    return strips(
        "Verification scores of each kind of text, as in the table below",
        rows,
        {name: mean for name, mean in marks.items() if mean is not None},
        "verification score V",
    )


def _deltas(evaluation: Evaluation | None) -> str:
    if evaluation is None or not evaluation.deltas:
        return ""
    rows = []
    for name, kind, figure, deltas in (
        ("your held-out posts", "you", "delta_nll", evaluation.deltas),
        ("other authors’ posts", "base", "delta_nll_reference", evaluation.reference_deltas),
    ):
        if deltas:
            mean = evaluation.figures[figure]
            title = f"{name}, n = {len(deltas)}"
            rows.append(Row(title, kind, list(deltas.values()), mean.value, mean.low, mean.high))
    return strips("ΔNLL of each post, yours and other authors’", rows, {"nothing learned": 0.0}, "ΔNLL, nats per byte")


def _losses(card: AdapterCard) -> str:
    drawn = [
        Curve("training", "train", card.training.get("train_loss", ())),
        Curve("validation", "validation", card.training.get("validation_loss", ())),
    ]
    return curves("Loss in nats per token over training steps", drawn, "step")


def _learned(card: AdapterCard) -> str:
    training = card.training
    if "base_validation_loss" not in training:
        return ""
    return (
        f"{card.examples} examples of {len(card.posts['train'])} posts. Validation loss went from "
        f"{training['base_validation_loss']:.3f} to {training['best_validation_loss']:.3f} nats per token; the best "
        "checkpoint is the version."
    )


def _learned_from(card: AdapterCard) -> list[tuple[str, str]]:
    """The rows of the data card that was kept with the version, but those of the histogram's bars."""
    data = _valid(DataCard, card.training.get("data"))
    return [(what, told) for what, told in (rows(data) if data else ()) if not what.endswith(" tokens")]


def _samples(written: Sequence[Written], posts: Mapping[str, Post]) -> Iterator[dict[str, Any]]:
    """Up to SAMPLES texts of the twin, evenly over the held-out posts, written as it answers where that was measured."""
    conditions = {text.condition for text in written}
    how = "adapter+retrieval" if "adapter+retrieval" in conditions else "adapter"
    first: dict[str, dict[str, Written]] = {}
    for text in written:
        first.setdefault(text.post_id, {}).setdefault(text.condition, text)
    ids = [post_id for post_id, texts in first.items() if how in texts and texts[how].instruction]
    for post_id in ids[:: max(1, len(ids) // SAMPLES)][:SAMPLES]:
        twin, base, post = first[post_id][how], first[post_id].get("base"), posts.get(post_id)
        yield {
            "instruction": twin.instruction,
            "how": "with passages" if how == "adapter+retrieval" else "without passages",
            "twin": twin.text.strip() or "(nothing)",
            "yours": _beginning(post, len(twin.text)) if post else "This post is not stored any more.",
            "date": post.date.isoformat() if post and post.date else "",
            "base": base.text.strip() if base else "",
        }


def _beginning(post: Post, characters: int) -> str:
    """About as much of the post as the twin wrote, up to a word's end; what is private is masked."""
    text = post.shown(0, len(post.text)).strip()
    end = max(characters, SHORTEST)
    return text if len(text) <= end else text[:end].rsplit(maxsplit=1)[0] + " …"


def _copy(evaluation: Evaluation | None, posts: Mapping[str, Post]) -> dict[str, Any] | None:
    if evaluation is None or evaluation.longest_copy is None:
        return None
    copied = evaluation.longest_copy
    post = posts.get(copied.post_id)
    named = f"“{post.title or 'a note'}”" if post else "a post that is not stored any more"
    return {"words": copied.words, "text": copied.text, "post": named, "how": NAMES[copied.condition]}


def _settings(card: AdapterCard) -> Iterator[tuple[str, str]]:
    yield "made", card.created.strftime("%Y-%m-%d %H:%M UTC")
    yield "parent", card.parent or "none: the first of its line"
    yield "posts", ", ".join(f"{len(ids)} {part}" for part, ids in card.posts.items())
    yield "snapshot", f"{card.snapshot.id}, features {card.snapshot.feature_version}"
    yield "base model", f"{card.base_model}, {card.base_model_hash}"
    yield "prompt and tokenizer", f"{card.prompt_hash}, {card.tokenizer_hash}"
    yield "run", card.run_id
    for name, setting in card.recipe.items():
        if isinstance(setting, Mapping):
            yield from ((f"{name}: {bound.replace('_', ' ')}", str(value)) for bound, value in setting.items())
        else:
            yield f"recipe: {name.replace('_', ' ')}", str(setting)
    for name, count in card.training.items():
        if isinstance(count, int | float | str):
            yield f"training: {name.replace('_', ' ')}", str(count)
    yield "libraries", ", ".join(f"{name} {release}" for name, release in card.libraries.items())
    yield "machine", ", ".join(f"{name} {told}" for name, told in card.environment.items())
