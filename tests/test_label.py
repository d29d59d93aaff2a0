from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.errors import UsageError
from contracts.feature_store import Dated, FeatureStore
from contracts.records import Example, Mark, Post, Split
from feature_pipeline import label as labelling
from feature_pipeline import pipeline
from feature_pipeline.examples import EVIDENCE, examples
from feature_pipeline.instructions import NOTE, REPLY
from feature_pipeline.label import LABELS, combined, divide_anew, label, marks
from feature_pipeline.pieces import TARGET
from feature_pipeline.split import split
from tests.fakes import WORDS, WordEmbedder, fill, post, voice

PARAGRAPHS = "\n\n".join(
    f"Paragraph {n} has a few sentences. Here is one more of them! And another?" for n in range(60)
)


def of_kind(one: Post, kind: str) -> list[Example]:
    return [example for example in examples(one) if example.kind == kind]


def sections(count: int, length: int) -> str:
    """A post of `count` sections under headings, each of about `length` characters in whole paragraphs."""
    sentence = "The {0} of the {1} clock is a story that I tell to whoever asks. "
    paragraphs = [
        f"## Part {n} of it\n\n" + "\n\n".join([(sentence * 2).format(n, m).strip() for m in range(length // 130)])
        for n in range(count)
    ]
    return "\n\n".join(paragraphs)


def test_every_target_is_a_slice_that_ends_with_a_sentence() -> None:
    one = post(1, PARAGRAPHS)
    made = examples(one)
    assert {example.kind for example in made} == {"title", "outline", "continue", "question"}
    for example in made:
        target = example.target(one)
        assert target == target.strip()
        assert target in one.text
        assert target.endswith("?")
        assert len(target) <= TARGET


def test_all_of_a_long_post_is_learned_in_pieces_each_once_by_title_section_or_opening() -> None:
    for text in (PARAGRAPHS, sections(6, 900), sections(3, 4000)):
        one = post(1, text)
        first, *others = [
            e for e in examples(one) if e.kind in ("title", "section") or e.instruction not in _openings(one)
        ]
        covered = sorted(
            slice_ for e in (first, *others) if e.kind not in ("question", "outline") for slice_ in e.slices
        )
        assert all(end <= start for (_, end), (start, _) in pairwise(covered))
        left = [
            text[end:start].strip() for (_, end), (start, _) in pairwise([(0, 0), *covered, (len(text), len(text))])
        ]
        assert all(words.startswith("## ") for words in left if words)


def _openings(one: Post) -> list[str]:
    """The instruction that goes on from the post's first paragraphs, which repeats what its title asks for."""
    return [example.instruction for example in of_kind(one, "continue")[:1]]


def test_a_long_post_is_cut_at_its_sections_and_each_is_asked_for_by_its_heading() -> None:
    one = post(1, sections(6, 1100), title="On clocks")
    (title,) = of_kind(one, "title")
    assert title.target(one).count("## ") == 1  # a second section does not fit
    asked = of_kind(one, "section")
    assert len(asked) == 5
    for number, example in enumerate(asked, start=1):
        target = example.target(one)
        assert f"Part {number} of it" in example.instruction
        assert "On clocks" in example.instruction
        assert target.startswith(f"The {number} of the 0 clock")
        assert target.endswith(f"The {number} of the {1100 // 130 - 1} clock is a story that I tell to whoever asks.")
        assert "##" not in target


def test_a_heading_without_words_of_the_authors_own_is_no_section_and_ends_no_target() -> None:
    code = "```\nx = 1\n```"
    one = marked(post(1, f"{sections(2, 1200)}\n\n## Listing\n\n{code}\n\n## End\n\n{OWN * 3}"))
    assert [example.instruction for example in examples(one) if "Listing" in example.instruction] == []
    assert all("Listing" not in example.target(one).split("\n")[-1] for example in examples(one))


def test_no_target_ends_in_mid_sentence() -> None:
    """Neither after an abbreviation, nor where a line is broken, nor in a text that has no sentence at all."""
    hard = "I asked Mr. Harrison, e.g. at noon,\nwhether J. S. Bach wound\nhis clock. "
    for example in examples(post(1, hard * 60)):
        assert example.target(post(1, hard * 60)).endswith("wound\nhis clock.")
    assert examples(post(2, "tick tock " * 400)) == []
    assert [e.target(post(3, "钟慢了四分钟。" * 300))[-1] for e in examples(post(3, "钟慢了四分钟。" * 300))[:1]] == [
        "。"
    ]


def test_an_outline_is_made_of_the_posts_own_words() -> None:
    firsts = ["The mainspring was broken", "I wrote to a man in Leeds", "A new one came by post"]
    one = post(1, "\n\n".join(f"{first}, which is how it goes with clocks. {OWN}" for first in firsts))
    (outline,) = of_kind(one, "outline")
    assert [line[2:] for line in outline.instruction.split("\n") if line.startswith("- ")] == firsts
    assert outline.target(one) == one.text.strip()
    headed = post(2, "\n\n".join(f"## {first}\n\n{OWN * 2}" for first in firsts))
    (by_headings,) = of_kind(headed, "outline")
    assert [line[2:] for line in by_headings.instruction.split("\n") if line.startswith("- ")] == firsts
    assert of_kind(post(3, f"{OWN}\n\n{OWN}"), "outline") == []


def test_a_topic_names_what_a_short_post_is_about_and_does_not_give_it_away() -> None:
    (titled,) = of_kind(post(1, OWN, title="The kitchen clock."), "topic")
    assert "The kitchen clock" in titled.instruction
    assert "short post" in titled.instruction
    note = post(2, OWN).model_copy(update={"title": "", "format": "note"})
    (about,) = of_kind(note, "topic")
    assert "a note" in about.instruction
    assert "mended, kitchen, clock" not in about.instruction  # the longest words, in their order
    assert "kitchen" in about.instruction
    assert OWN[:30] not in about.instruction
    assert about.target(note) == OWN.strip()
    assert of_kind(post(3, OWN * 9), "topic") == []


def test_a_reply_is_asked_for_by_what_it_quotes_and_only_the_answer_is_learned() -> None:
    text = f"> {THEIRS.strip()} Write to ann@example.org.\n\n{OWN}"
    reply = marked(post(1, text).model_copy(update={"title": "", "format": "reply"}))
    (example,) = of_kind(reply, "reply")
    assert THEIRS.strip() in example.instruction
    assert "[e-mail address]" in example.instruction
    assert "ann@example.org" not in example.instruction
    assert example.target(reply) == OWN.strip()
    bare = marked(post(2, OWN).model_copy(update={"title": "", "format": "reply"}))
    assert [(one.kind, one.instruction in REPLY) for one in examples(bare)] == [("reply", True)]


def test_each_kind_is_asked_for_in_several_wordings_and_always_in_the_same_one() -> None:
    wordings: dict[str, set[str]] = {}
    for number in range(40):
        one = post(number, f"{OWN}\n\n{OWN}\n\n{OWN}\n\n{sections(3, 1300)}", title="T")
        assert examples(one) == examples(one)
        for example in examples(one):
            wordings.setdefault(example.kind, set()).add(example.instruction.split("\n")[0][:20])
    assert {kind: len(made) > 1 for kind, made in wordings.items()} == dict.fromkeys(
        ("title", "outline", "section", "continue", "question"), True
    )


def test_the_answer_to_a_question_stands_in_the_passages_shown() -> None:
    for number in range(8):
        (question,) = of_kind(post(number, PARAGRAPHS), "question")
        assert len(question.evidence) == 2
        ((start, end),) = question.slices
        assert any(span.start <= start and end <= span.end for span in question.evidence)
        assert all(span.end - span.start <= EVIDENCE for span in question.evidence)


def test_the_answer_is_not_always_in_the_same_passage() -> None:
    places = set()
    for number in range(30):
        (question,) = of_kind(post(number, PARAGRAPHS), "question")
        ((start, _),) = question.slices
        places.add([span.start <= start < span.end for span in question.evidence].index(True))
    assert places == {0, 1}


def test_a_short_post_teaches_whole_and_a_word_teaches_nothing() -> None:
    one = post(1, "One paragraph that is long enough to teach something about a voice, which is to say, this one.")
    assert [(e.kind, e.slices) for e in examples(one)] == [
        (kind, ((0, len(one.text)),)) for kind in ("title", "topic", "question")
    ]
    assert examples(post(2, "Gm.")) == []


def test_examples_that_were_stored_before_are_still_read() -> None:
    for kind in ("title", "continue", "question"):
        stored = {"post_id": "1", "author": "Ada", "kind": kind, "instruction": "?", "slices": [[0, 9]], "evidence": []}
        assert Example.model_validate(stored).slices == ((0, 9),)


def dated(posts: Iterable[Post]) -> list[Dated]:
    return [Dated(one.id, one.date) for one in posts]


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


def test_a_new_split_holds_out_the_newest_fifth_of_today_and_stays(store: FeatureStore) -> None:
    fill(store, [post(n, voice(n, WORDS)) for n in range(10)])
    label("Ada", store, changed=True)
    store.freeze_split("Ada")
    fill(store, [post(n, voice(n, WORDS)) for n in range(10, 20)])
    label("Ada", store, changed=True)
    assert Counter(store.splits("Ada")[0].values()) == {"train": 7, "validation": 1, "test": 12}

    def refused(made: Mapping[str, Split]) -> None:
        assert Counter(made.values())["test"] == 4
        raise UsageError("no", "never")

    with pytest.raises(UsageError):
        divide_anew("Ada", store, refused)
    assert Counter(store.splits("Ada")[0].values())["test"] == 12
    divide_anew("Ada", store)
    made, frozen = store.splits("Ada")
    assert (Counter(made.values()), frozen) == ({"train": 14, "validation": 2, "test": 4}, True)
    assert {made[post(n, voice(n, WORDS)).id] for n in range(16, 20)} == {"test"}
    fill(store, [post(30, voice(30, WORDS))])
    label("Ada", store, changed=True)
    assert {id_: part for id_, part in store.splits("Ada")[0].items() if id_ in made} == made


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
    assert {example.kind for example in made} == {"title", "topic", "continue", "question"}
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
    assert [example.kind for example in examples(note)] == ["title", "topic", "continue"]
    assert examples(note)[0].instruction in NOTE
    longer = post(2, f"{OWN}\n\n{OWN}\n\n{OWN}\n\n{OWN * 5}").model_copy(update={"title": "", "format": "note"})
    (rest,) = of_kind(longer, "continue")
    assert rest.instruction.count(OWN.strip()) == 3
    assert "titled" not in rest.instruction


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


def test_a_text_published_twice_teaches_once(store: FeatureStore, tmp_path: Path) -> None:
    """Also where it is a copy since a later edit."""
    folder = tmp_path / "posts"
    folder.mkdir()
    texts = [voice(number, WORDS, 120) for number in range(3)]

    def publish(name: str, text: str) -> None:
        (folder / f"{name}.md").write_text(
            f"---\ndate: 2024-01-0{'0abcd'.index(name)}\n---\n\n{text}\n", encoding="utf-8"
        )

    for name, text in {"a": texts[0], "b": texts[0] + " Indeed.", "c": texts[1], "d": texts[2]}.items():
        publish(name, text)
    pipeline.run([str(folder)], "Ada", store)
    assert _learned(store) == {"a.md", "c.md", "d.md"}
    publish("d", f"{texts[1]} Indeed.")
    pipeline.run([str(folder)], "Ada", store)
    assert _learned(store) == {"a.md", "c.md"}
    (folder / "c.md").unlink()
    pipeline.run([str(folder)], "Ada", store)
    assert _learned(store) == {"a.md", "d.md"}


def _learned(store: FeatureStore) -> set[str]:
    made = [e for part in ("train", "validation", "test") for e in store.examples("Ada", part)]  # type: ignore[arg-type]
    return {store.post(example.post_id, "Ada").source_id for example in made}


def test_other_rules_label_stored_posts_anew_and_embed_nothing(store: FeatureStore) -> None:
    """At the next ingest, which has nothing to read, and when a feature version is built."""
    fill(store, [post(number, voice(number, WORDS, 60)) for number in range(5)])
    label("Ada", store, changed=True)
    before = store.examples("Ada", "train")
    store.relabel("rules of last year", [(one, one.marks, []) for one in store.posts("Ada")])
    assert (len(store.outdated("Ada", LABELS)), store.examples("Ada", "train")) == (5, [])
    embedder = store.embedder
    assert isinstance(embedder, WordEmbedder)
    embedded = embedder.embedded
    active = store.active()
    assert active is not None
    for again in (lambda: label("Ada", store, changed=False), lambda: pipeline.build_version(store, active, print)):
        store.relabel("rules of last year", [(one, one.marks, []) for one in store.posts("Ada")])
        again()
        assert store.outdated("Ada", LABELS) == set()
        assert store.examples("Ada", "train") == before
    assert embedder.embedded == embedded


def test_what_nobody_foresaw_costs_the_examples_of_that_post(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(one: Post) -> list[Example]:
        raise KeyError(one.title)

    monkeypatch.setattr(labelling, "examples", broken)
    assert labelling._examples(post(1, PARAGRAPHS)) == []
    assert "KeyError" in caplog.text
