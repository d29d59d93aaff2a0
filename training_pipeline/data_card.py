"""What a run would learn from: how much, of what kinds, whose words, what is left out, how long it takes, is it worth it."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from contracts.errors import TrainingError
from contracts.labels import SHORTEST, TRAIN, VALIDATION
from contracts.records import Example, Post, Record, Split
from training_pipeline.data import FIRST, MASKED, Corpus, Encoded, Selection
from training_pipeline.estimate import Estimate, measure
from training_pipeline.evaluation.bootstrap import FEWEST
from training_pipeline.recipe import Recipe

if TYPE_CHECKING:
    from contracts.base_model import BaseLanguageModel

LENGTHS = (64, 128, 256, 512, 1024, 2048)  # tokens of a target, the histogram's borders
FEW, MANY = 10, 100  # posts
WITHHELD = (
    "{count:,} posts more than a fifth, as posts that came since there is a champion are never learned from; "
    "in a terminal, twin train --new-split holds out the newest fifth of today"
)
MEASURED = (
    "twins of two authors passed their gates from 20 training posts on, measured on 37 and 40 held-out ones "
    "(docs/training.md). What yours proves is not known before it is measured."
)


PLAIN = "as plain text, since the base model has no chat template: if it should, its folder lacks chat_template.jinja"


class Part(Record):
    posts: int
    examples: int


class DataCard(Record):
    author: str
    snapshot: str
    recipe: str
    posts: int
    words: int
    first: dt.date | None
    last: dt.date | None
    formats: dict[str, int]
    purity: float
    """Share of the posts whose byline names the author, or nobody."""
    other_bylines: dict[str, int]
    splits: dict[Split, Part]
    kinds: dict[str, int]
    """Of the examples that the run trains on, as are the next five."""
    examples: int
    trained_posts: int
    tokens: int
    learned_tokens: int
    with_passages: int
    lengths: dict[str, int]
    """Tokens of a target → how many targets."""
    verbatim: float
    """Share of the targets that are found word for word in their posts: 1, or there is no card."""
    private: dict[str, int]
    """What is masked in the author's posts."""
    dropped: dict[str, int]
    """Reason → posts or examples that are not learned from."""
    other_languages: tuple[str, ...] = ()
    """Reference authors who write in another language than the author."""
    edits: int = 0
    """Answers that people edited, of which the preference step learns."""
    edits_left_out: dict[str, int] = Field(default_factory=dict)
    """Reason → edited answers that teach nothing."""
    withheld: int = 0
    """Held-out posts beyond a fifth: since a champion depends on the split, whatever is newer is held out."""
    templated: bool = True
    """Whether the base model has a chat template."""
    estimate: Estimate | None
    worth_it: str


def build(
    corpus: Corpus, selection: Selection, recipe: Recipe, base: BaseLanguageModel | None = None, folds: int = 0
) -> DataCard:
    """The card of a run; with `base`, its time and memory are measured, which takes some seconds.

    Raises TrainingError where nothing could be trained, or where a target is not found in its post.
    """
    posts = [post for post in corpus.posts.values() if post.author == corpus.author]
    made = [example for part in corpus.examples.values() for example in part]
    verbatim = _verbatim(made, corpus.posts)
    train = selection.train
    others = Counter(post.byline for post in posts if not by_author(post))
    dates = [post.date for post in posts if post.date]
    targets = [sum(label != MASKED for label in encoded.labels) for encoded in train]
    return DataCard(
        author=corpus.author,
        snapshot=corpus.snapshot.id,
        recipe=recipe.name,
        posts=len(posts),
        words=sum(len(post.text.split()) for post in posts),
        first=min(dates, default=None),
        last=max(dates, default=None),
        formats=_counted(post.format for post in posts),
        purity=1 - others.total() / max(1, len(posts)),
        other_bylines=dict(others.most_common(5)),
        splits={part: _part(examples) for part, examples in corpus.examples.items()},
        kinds=_counted(encoded.kind for encoded in train),
        examples=len(train),
        trained_posts=len({encoded.post_id for encoded in train}),
        tokens=sum(len(encoded.ids) for encoded in train),
        learned_tokens=sum(targets),
        with_passages=sum(encoded.passages > 0 for encoded in train),
        lengths=histogram(targets),
        verbatim=verbatim,
        private=_counted(mark.instead.strip("[]") for post in posts for mark in post.marks if mark.kind == "private"),
        dropped=_dropped(corpus, posts, made, selection.considered),
        other_languages=corpus.other_languages,
        edits=len(corpus.edits),
        edits_left_out=corpus.edits_left_out,
        withheld=_withheld(corpus),
        templated=base is None or bool(base.tokenizer().chat_template),
        estimate=measure(base, corpus, selection, recipe, folds) if base else None,
        worth_it=worth_it(*_measured_by(corpus)),
    )


def rows(card: DataCard) -> list[tuple[str, str]]:
    """The card for a terminal: what each line is about, and what it says."""
    span = f", {card.first} to {card.last}" if card.first else ""
    others = f"; others: {_said(card.other_bylines)}" if card.other_bylines else ""
    return [
        ("posts", f"{card.posts:,} of {card.words:,} words{span} ({_said(card.formats)})"),
        ("whose", f"{card.purity:.1%} name the author or nobody{others}"),
        ("split", "; ".join(f"{name} {p.posts:,} posts, {p.examples:,} examples" for name, p in card.splits.items())),
        *[("held out", WITHHELD.format(count=card.withheld)) for _ in range(card.withheld > 0)],
        ("trained on", f"{card.examples:,} examples of {card.trained_posts:,} posts ({_said(card.kinds)})"),
        ("tokens", f"{card.tokens:,} an epoch, {card.learned_tokens:,} of them learned"),
        ("passages", f"shown in {card.with_passages:,} prompts"),
        *((f"{length} tokens", f"{count:,} {_bar(count, card.lengths)}") for length, count in card.lengths.items()),
        ("word for word", f"{card.verbatim:.0%} of the targets stand in their posts"),
        ("masked", _said(card.private) or "nothing private was found"),
        ("left out", _said(card.dropped) or "nothing"),
        *[("edited answers", _edits(card)) for _ in range(bool(card.edits or card.edits_left_out))],
        *[("prompts", PLAIN) for _ in range(not card.templated)],
        *[("not compared", f"{name}: writes in another language") for name in card.other_languages],
        *[("on this machine", _time(made)) for made in (card.estimate,) if made],
        ("worth it?", card.worth_it),
    ]


def _edits(card: DataCard) -> str:
    left_out = [f"{count:,} left out: {reason}" for reason, count in card.edits_left_out.items()]
    return "; ".join([f"{card.edits:,} learned from", *left_out])


def _time(of: Estimate) -> str:
    beside = (("of preference", of.preference_minutes), ("of folds", of.folds_minutes))
    parts = (("of training", of.minutes), *(part for part in beside if part[1]), ("of measuring", of.measuring_minutes))
    said = " + ".join(f"{minutes:g} minutes {what}" for what, minutes in parts)
    return f"{said}; {of.peak_memory_mib:,} MiB, at {of.tokens_per_second:g} tokens a second"


def by_author(post: Post) -> bool:
    """Whether the byline names the author or nobody: the words of one name are all in the other."""
    said, author = (set(re.findall(r"\w+", name.casefold())) for name in (post.byline, post.author))
    return said <= author or author <= said


def is_verbatim(example: Example, post: Post) -> bool:
    """Whether the target's words stand in the post in their order, each part between two masks or paragraphs whole."""
    masks = {re.escape(mark.instead) for mark in post.marks if mark.instead}
    at = 0
    for part in re.split("|".join([*sorted(masks), r"\n\n"]), example.target(post)):
        found = post.text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def worth_it(posts: int, held_out: int, others: int) -> str:
    """In words, from how many posts examples could be made of, and how many a version can be measured on: the author's
    held-out ones, and those of reference authors."""
    if posts < FEW:
        return (
            f"No: a tenth of at least {FEW} posts is needed to know when to stop training. It can be tried all the same; "
            "the version is not promoted."
        )
    proof = f"a figure needs {FEWEST}, so that no version can prove itself and be promoted"
    if held_out < FEWEST:
        return (
            f"Hardly: {held_out} posts are held out, and {proof}. Of 25 posts with dates, 5 are held out. A tick at “Few "
            f"posts” or --folds measures the recipe on all {posts}."
        )
    if others < FEWEST:
        return (
            f"Hardly: there are {others} posts of reference authors in your language to compare with, and {proof}. "
            "Take other people's posts in, under Posts with a tick at “Another person, only to compare with”, or with "
            "twin ingest --reference."
        )
    return f"{'Perhaps' if posts < MANY else 'Probably'}: {MEASURED}"


def _measured_by(corpus: Corpus) -> tuple[int, int, int]:
    made = {example.post_id for part in corpus.examples.values() for example in part}
    held_out = {example.post_id for example in corpus.examples["test"] if example.kind in FIRST}
    return len(made), len(held_out), len(corpus.reference)


def histogram(lengths: Sequence[int]) -> dict[str, int]:
    """Counts between the borders, without the empty ends."""
    names = [f"under {LENGTHS[0]}", *(f"{a} to {b - 1}" for a, b in pairwise(LENGTHS))]
    names.append(f"{LENGTHS[-1]} and more")
    places = Counter(sum(length >= border for border in LENGTHS) for length in lengths)
    return {names[place]: places[place] for place in range(min(places, default=0), max(places, default=-1) + 1)}


def _verbatim(examples: Sequence[Example], posts: dict[str, Post]) -> float:
    bad = [example for example in examples if not is_verbatim(example, posts[example.post_id])]
    if bad:
        raise TrainingError(
            f"{len(bad)} of {len(examples)} targets are not found in their posts, as in {posts[bad[0].post_id].source_id}",
            "run `twin features build`, which labels the posts anew",
        )
    return 1.0


def _dropped(
    corpus: Corpus, posts: Sequence[Post], made: Sequence[Example], considered: Sequence[Encoded | None]
) -> dict[str, int]:
    learned = {example.post_id for example in made}
    without = [_own(post) for post in posts if post.id not in learned]
    reasons = {
        "duplicates": corpus.copies,
        "posts without own words": sum(own == 0 for own in without),
        "posts too short": sum(0 < own < SHORTEST for own in without),
        "posts without a whole sentence, or a copy of another": sum(own >= SHORTEST for own in without),
        "prompts too long": sum(encoded is None for encoded in considered),
        "targets truncated": sum(encoded is not None and encoded.cut for encoded in considered),
        "examples of older posts, or beyond the recipe's tokens": len(corpus.examples["train"]) - len(considered),
    }
    return {reason: count for reason, count in reasons.items() if count}


def _own(post: Post) -> int:
    """Characters of the author's own words, blank space apart."""
    at, own = 0, 0
    for start, end in [*((m.start, m.end) for m in post.marks if m.kind != "private"), (len(post.text),) * 2]:
        own += len(post.text[at:start].strip())
        at = max(at, end)
    return own


def _part(examples: Sequence[Example]) -> Part:
    return Part(posts=len({example.post_id for example in examples}), examples=len(examples))


def _withheld(corpus: Corpus) -> int:
    """How many more posts are held out than if the split was made today; a few more or less are no matter."""
    if not corpus.frozen:
        return 0
    posts = {part: len({example.post_id for example in made}) for part, made in corpus.examples.items()}
    return max(0, posts["test"] - round(sum(posts.values()) * (1 - TRAIN - VALIDATION)))


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _bar(count: int, counts: dict[str, int]) -> str:
    return "█" * round(30 * count / max(1, *counts.values()))
