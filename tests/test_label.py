from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from contracts.feature_store import Dated, FeatureStore
from contracts.records import Mark, Post
from feature_pipeline.label import EVIDENCE, LABELS, NOTE, REPLY, TARGET, combined, examples, label, marks, split
from tests.fakes import WORDS, fill, post, voice

PARAGRAPHS = "\n\n".join(
    f"Paragraph {n} has a few sentences. Here is one more of them! And another?" for n in range(60)
)


def dated(posts: Iterable[Post]) -> list[Dated]:
    return [Dated(one.id, one.date) for one in posts]


def test_every_target_is_a_slice_that_ends_with_a_sentence() -> None:
    one = post(1, PARAGRAPHS)
    made = examples(one)
    assert {example.kind for example in made} == {"title", "continue", "question"}
    for example in made:
        target = example.target(one)
        assert target == target.strip()
        assert target.endswith("?")
        assert len(target) <= TARGET


def test_the_answer_to_a_question_stands_in_the_passages_shown() -> None:
    for number in range(8):
        (question,) = [example for example in examples(post(number, PARAGRAPHS)) if example.kind == "question"]
        assert len(question.evidence) == 2
        ((start, end),) = question.slices
        assert any(span.start <= start and end <= span.end for span in question.evidence)
        assert all(span.end - span.start <= EVIDENCE for span in question.evidence)


def test_the_answer_is_not_always_in_the_same_passage() -> None:
    places = set()
    for number in range(30):
        (question,) = [example for example in examples(post(number, PARAGRAPHS)) if example.kind == "question"]
        ((start, _),) = question.slices
        places.add([span.start <= start < span.end for span in question.evidence].index(True))
    assert places == {0, 1}


def test_a_short_post_teaches_whole_and_a_word_teaches_nothing() -> None:
    one = post(1, "One paragraph that is long enough to teach something about a voice, which is to say, this one.")
    assert [(e.kind, e.slices) for e in examples(one)] == [
        ("title", ((0, len(one.text)),)),
        ("question", ((0, len(one.text)),)),
    ]
    assert examples(post(2, "Gm.")) == []


def test_split_by_time_oldest_to_train_newest_to_test() -> None:
    posts = [post(n, f"text {n}") for n in range(100)]
    made = split(dated(reversed(posts)), {}, False)
    parts = [made[one.id] for one in posts]
    assert parts == ["train"] * 70 + ["validation"] * 10 + ["test"] * 20


def test_three_posts_fill_three_parts() -> None:
    posts = [post(n, f"text {n}") for n in range(3)]
    assert list(split(dated(posts), {}, False).values()) == ["train", "validation", "test"]


def test_a_frozen_split_never_changes_and_a_new_post_takes_the_part_of_its_time() -> None:
    posts = [post(n, f"text {n}", day=2 * n) for n in range(10)]
    before = split(dated(posts), {}, False)
    newer, older = post(50, "new", day=500), post(51, "old but found late", day=1)
    after = split(dated([*posts, newer, older]), before, True)
    assert {key: after[key] for key in before} == before
    assert (after[newer.id], after[older.id]) == ("test", "train")


def test_undated_corpora_split_by_hash_and_stay_so() -> None:
    posts = [Post(**{**post(n, f"t{n}").model_dump(), "date": None}) for n in range(400)]
    made = split(dated(posts), {}, False)
    shares = [list(made.values()).count(part) / 400 for part in ("train", "validation", "test")]
    assert 0.6 < shares[0] < 0.8
    assert 0.05 < shares[1] < 0.15
    assert 0.13 < shares[2] < 0.27
    again = split(dated([*posts, Post(**{**post(999, "x").model_dump(), "date": None})]), made, True)
    assert {key: again[key] for key in made} == made


def test_an_undated_post_in_a_dated_corpus_is_trained_on() -> None:
    posts = [post(n, f"t{n}") for n in range(9)]
    undated = Post(**{**post(100, "when?").model_dump(), "date": None})
    assert split(dated([*posts, undated]), {}, False)[undated.id] == "train"
    assert undated.date is None
    assert posts[0].date == dt.date(2024, 1, 1)


def test_a_frozen_split_that_lacks_a_part_is_made_again() -> None:
    posts = [post(n, f"t{n}") for n in range(30)]
    assert set(split(dated(posts), {posts[0].id: "train"}, True).values()) == {"train", "validation", "test"}


def marked(one: Post) -> Post:
    return one.model_copy(update={"marks": combined(marks(one.text, one.format))})


OWN = "I mended the clock in the kitchen and it took the whole of a rainy day, which is as long as it takes. "
THEIRS = "Somebody else said this at length, and it is theirs, every word of it, whatever I think about it today. "


def test_only_own_words_are_learned_and_what_is_private_is_masked() -> None:
    code = "```python\nprint('not prose')\n```"
    contact = f"Write to ann@example.org or call +44 20 7946 0958. {OWN}"
    text = "\n\n".join([OWN, f"> {THEIRS}", code, contact, OWN * 2, "Share this post on Twitter"])
    one = marked(post(1, text))
    made = examples(one)
    assert {example.kind for example in made} == {"title", "continue", "question"}
    for example in made:
        shown = [example.target(one), example.instruction, *(one.shown(s.start, s.end) for s in example.evidence)]
        for secret in ("ann@example.org", "7946", "Share this"):
            assert all(secret not in words for words in shown)
        assert all(words not in example.target(one) for words in ("theirs", "not prose"))
    (title,) = [example for example in made if example.kind == "title"]
    assert title.target(one).startswith(OWN.strip())
    assert "Write to [e-mail address] or call [phone number]." in title.target(one)
    assert "".join(text[a:b] for a, b in title.slices).count(OWN.strip()) == 4  # word for word, apart from the mask


def test_a_note_without_a_title_is_not_asked_for_by_one() -> None:
    note = post(1, OWN * 3).model_copy(update={"title": "", "format": "note"})
    reply = note.model_copy(update={"format": "reply"})
    for one, words in ((note, NOTE), (reply, REPLY)):
        (example,) = examples(one)
        assert example.instruction in words


def test_marks_are_in_order_and_never_overlap() -> None:
    found = [
        Mark(start=5, end=9, kind="private"),
        Mark(start=0, end=7, kind="code"),
        Mark(start=6, end=7, kind="quote"),
    ]
    assert [(mark.start, mark.end, mark.kind) for mark in combined(found)] == [(0, 7, "code"), (7, 9, "private")]


def test_what_recurs_across_a_site_is_marked_once_the_site_is_known(store: FeatureStore) -> None:
    footer = "I write this newsletter from a shed in Cornwall that has one window and two chairs."
    bodies = [voice(number, WORDS, 40) for number in range(6)]
    fill(store, [post(number, f"{body}\n\n{footer}") for number, body in enumerate(bodies)])
    label("Ada", store, changed=True)
    for one in store.posts("Ada"):
        assert [one.text[mark.start : mark.end] for mark in one.marks if mark.kind == "recurring"] == [footer]
        assert footer in one.text
    for part in ("train", "validation", "test"):
        made = store.examples("Ada", part)  # type: ignore[arg-type]
        assert made
        assert all(footer not in example.target(store.post(example.post_id, "Ada")) for example in made)
    assert store.outdated("Ada", LABELS) == set()
