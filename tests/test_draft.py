"""Drafting: an outline with evidence for each point, sections in the trained words, and no section without evidence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.errors import NotFound, UsageError
from contracts.feature_store import FeatureStore, Filters
from inference_pipeline.drafting.draft import Draft, Piece, Section, draft, instruction, write
from inference_pipeline.drafting.outline import Brief, Outline, outline
from inference_pipeline.twin import BASE, Twin
from tests.fakes import WordEmbedder, fill, post
from tests.speaking import Engine, registered
from ui.commands import show_draft

CLOCK = "The church clock gains four minutes a week. I regulate the pendulum on Sundays."
GLUE = "Hide glue holds for a hundred years. I heat the glue pot slowly, in a bath of water."
SAYS = ["The church clock gains four minutes. I like cheese.", "Hide glue holds for a hundred years, says everybody."]
POINTS = ("Why the church clock gains minutes", "Hide glue holds for years", "My holidays in Patagonia")
DONE = ((1, "written"), (2, "written"), (3, "nothing"))
BRIEF = Brief("Ada", "Old things", POINTS, words=120)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    made = FeatureStore(tmp_path / "home", WordEmbedder(512))
    fill(made, [post(1, CLOCK), post(2, GLUE), post(3, "Rust comes off in vinegar.")])
    fill(made, [post(4, "My own holidays in Patagonia were long.", author="Bea")])
    yield made
    made.close()


@pytest.fixture
def engine() -> Engine:
    return Engine(*SAYS)


@pytest.fixture
def twin(store: FeatureStore, engine: Engine, tmp_path: Path) -> Twin:
    return Twin(store, registered(tmp_path, "Ada"), engine, passages=2)


def drafted(twin: Twin, brief: Brief = BRIEF, model: str | None = None) -> Draft:
    *_, made = draft(twin, brief, model)
    assert isinstance(made, Draft)
    return made


def test_sections_are_asked_for_in_words_that_a_twin_was_trained_on() -> None:
    assert instruction(BRIEF, "Glue. ") == "Write the section “Glue” of your post “Old things”."
    assert instruction(Brief("Ada", "Old things", format="note"), "Glue") == "Write a note about Glue."
    assert instruction(Brief("Ada", points=("Glue",)), "Glue?") == "Write a short post about Glue."


def test_the_outline_has_evidence_for_each_point_of_its_own_and_asks_no_model(twin: Twin, engine: Engine) -> None:
    made = outline(twin, BRIEF)
    assert [section.point for section in made.sections] == list(POINTS)
    clock, glue, patagonia = ([p.text for p in section.found.passages] for section in made.sections)
    assert CLOCK in clock
    assert GLUE in glue
    assert patagonia == []
    assert not set(clock) & set(glue)
    assert engine.asked == []


def test_a_draft_comes_as_outline_pieces_sections_and_the_whole(twin: Twin, engine: Engine) -> None:
    events = list(draft(twin, BRIEF))
    assert isinstance(events[0], Outline)
    sections = [event for event in events if isinstance(event, Section)]
    assert [section.status for section in sections] == ["written", "written", "nothing"]
    for place, says in enumerate(SAYS):
        assert "".join(e.text for e in events if isinstance(e, Piece) and e.place == place) == says
    whole = events[-1]
    assert isinstance(whole, Draft)
    assert whole.text.startswith("# Old things\n\n## Why the church clock gains minutes\n\nThe church clock gains")
    assert whole.text.endswith("## My holidays in Patagonia\n\n*Nothing of yours on this.*")
    assert (whole.model, whole.asked_words, whole.words) == (BASE, 120, sum(len(says.split()) for says in SAYS))
    asked = [str(heard[-1].content) for heard in engine.model.heard]
    assert len(asked) == 2  # the third has no evidence, and no model was asked
    for prompt, point, text in zip(asked, POINTS, (CLOCK, GLUE), strict=False):
        assert f"Write the section “{point}” of your post “Old things”." in prompt
        assert text in prompt
    assert {options["max_tokens"] for options in engine.model.options} == {90}  # 60 words each


def test_every_citation_is_a_slice_of_its_post_under_the_marker_in_the_text(twin: Twin, store: FeatureStore) -> None:
    made = drafted(twin)
    assert {citation.marker for citation in made.citations} == {1, 2}
    for citation in made.citations:
        assert store.post(citation.post_id, "Ada").text[citation.start : citation.end] == citation.text
    first, second, _ = made.sections
    assert "four minutes. [1] I like cheese." in first.text
    assert "says everybody. [2]" in second.text
    assert f"{first.text}\n\n## Hide glue holds for years\n\n{second.text}" in made.text
    assert (first.supported, first.unsupported) == (1, 1)
    said = [(first.text[one.start : one.end], one.support) for one in first.sentences]
    assert said == [("The church clock gains four minutes.", "supported"), ("I like cheese.", "unsupported")]
    for section in (first, second):
        assert section.evidence
        for citation in section.citations:
            assert any(s.post_id == citation.post_id and s.start <= citation.start < s.end for s in section.evidence)


def test_one_passage_has_one_number_in_all_sections(twin: Twin) -> None:
    points = ("The church clock and its minutes", "The pendulum of the church clock")
    made = drafted(twin, Brief("Ada", "Clocks", points))
    cited = {(citation.post_id, citation.marker) for citation in made.citations}
    assert len({marker for _, marker in cited}) == len({post_id for post_id, _ in cited}) == len(cited)


def test_only_markers_are_numbered_anew_and_not_what_was_said(twin: Twin, engine: Engine) -> None:
    code = "Hide glue holds for a hundred years. So does argv[1].\n\n```\nargv[1] = x[2]\n```"
    engine.model.responses = [SAYS[0], code]
    made = drafted(twin, Brief("Ada", "Old things", POINTS[:2]))
    _, second = made.sections
    assert second.text == code.replace("years.", "years. [2]")
    assert [second.text[place : place + 3] for place in second.markers] == ["[2]"]
    assert second.text[second.sentences[1].start : second.sentences[1].end] == "So does argv[1]."
    assert made.text.endswith(second.text)


def test_code_of_a_draft_without_a_title_keeps_its_fences(twin: Twin, engine: Engine) -> None:
    engine.model.responses = ["Hide glue holds for a hundred years.\n\n```\nx\n```\n\n---\n\nSo."]
    made = drafted(twin, Brief("Ada", points=POINTS[1:2]))
    assert "\n\n```\nx\n```\n\n---\n\nSo." in made.text


def test_a_heading_that_comes_from_a_post_does_nothing(twin: Twin, store: FeatureStore) -> None:
    fill(
        store,
        [post(6, "<img src=//3232235777/p> shows how ht*tps://evil.example/x the weathervane turns. It is of tin.")],
    )
    made = drafted(twin, Brief("Ada", "The weathervane", words=100))
    assert made.sections
    for text in (made.text, *(section.point for section in made.sections)):
        assert "<img" not in text
        assert "evil.example" not in text


def test_filters_narrow_what_a_draft_is_written_from(twin: Twin, engine: Engine) -> None:
    made = drafted(twin, Brief("Ada", "Old things", POINTS[:2], filters=Filters.of(before="2024-01-03")))
    assert [section.status for section in made.sections] == ["written", "nothing"]
    assert {span.post_id for section in made.sections for span in section.evidence} == {post(1, CLOCK).id}


def test_a_section_says_how_long_it_took(twin: Twin) -> None:
    written, _, nothing = drafted(twin).sections
    assert written.timings["tokens"] == len(SAYS[0])
    assert 0 <= written.timings["retrieve"] <= written.timings["first_token"] <= written.timings["total"]
    assert set(nothing.timings) == {"retrieve", "tokens"}


def test_a_title_alone_becomes_an_outline_of_what_was_written_on_it(twin: Twin, store: FeatureStore) -> None:
    fill(store, [post(5, "The clock of the church stands in the tower. I climb to the church clock by ladder.")])
    made = outline(twin, Brief("Ada", "The church clock", words=300))
    points = {section.point for section in made.sections}
    assert len(points) == 2
    for point in points:
        assert any(point in whole.text for whole in store.posts("Ada"))
    assert all(section.found.passages for section in made.sections)
    assert len(outline(twin, Brief("Ada", "The church clock", words=100)).sections) == 1


def test_a_heading_that_the_model_repeats_is_left_out(twin: Twin, engine: Engine) -> None:
    engine.model.responses = [f"**{POINTS[0]}**\n\nThe church clock gains four minutes.\n\nOld things"]
    made = drafted(twin, Brief("Ada", "Old things", POINTS[:1]))
    assert made.text == f"# Old things\n\n## {POINTS[0]}\n\nThe church clock gains four minutes. [1]"


def test_what_is_copied_is_told_where_it_stands_under_the_markers_of_the_draft(twin: Twin, engine: Engine) -> None:
    words = "I heat the glue pot slowly, in a bath of water"
    engine.model.responses = [
        SAYS[0],
        f"Hide glue holds for a hundred years. Old things\n\n{POINTS[1]}\n\n{words}.",
    ]
    _, second, _ = drafted(twin).sections
    assert second.copied
    assert second.text[second.copied.start : second.copied.end] == words
    assert (second.copied.words, second.copied.post_id) == (11, post(2, GLUE).id)
    assert POINTS[1] not in second.text


def test_a_run_that_holds_a_heading_is_told_from_there_on(twin: Twin, engine: Engine, store: FeatureStore) -> None:
    fill(store, [post(7, f"Hide glue again. {POINTS[1]}. It is boiled from skins and smells of the stable for days.")])
    engine.model.responses = [f"{POINTS[1]}\n\nIt is boiled from skins and smells of the stable for days."]
    (section,) = drafted(twin, Brief("Ada", points=POINTS[1:2])).sections
    assert section.copied
    assert (section.copied.start, section.copied.words) == (0, 12)


def test_where_nothing_was_written_no_model_is_asked_and_the_draft_is_empty(twin: Twin, engine: Engine) -> None:
    planned, made = draft(twin, Brief("Ada", "Quantum chromodynamics"))
    assert isinstance(planned, Outline)
    assert isinstance(made, Draft)
    assert (planned.sections, made.sections, made.words, made.citations) == ((), (), 0, ())
    assert engine.asked == []


def test_notes_and_drafts_without_a_title_have_no_headings(twin: Twin) -> None:
    made = drafted(twin, Brief("Ada", points=POINTS[1:], format="note"))
    assert "#" not in made.text
    assert made.text.endswith("*My holidays in Patagonia: Nothing of yours on this.*")


def test_stopping_ends_the_section_and_begins_no_other(twin: Twin, engine: Engine) -> None:
    stop, seen = threading.Event(), []
    for event in draft(twin, BRIEF, stop=stop):
        seen.append(event)
        if sum(isinstance(one, Piece) for one in seen) == 5:
            stop.set()
    whole = seen[-1]
    assert isinstance(whole, Draft)
    assert [section.status for section in whole.sections] == ["stopped", "stopped", "nothing"]
    assert whole.sections[0].text.startswith(SAYS[0][:5])
    assert whole.sections[1].text == ""
    assert "Hide glue holds" not in whole.text
    assert len(engine.model.heard) == 1


def test_closing_a_draft_ends_it(twin: Twin, engine: Engine) -> None:
    events = draft(twin, BRIEF)
    while not isinstance(next(events), Piece):
        pass
    events.close()  # type: ignore[attr-defined]
    assert len(engine.model.heard) == 1
    assert twin.queue.place("", None).__enter__()  # its place is free


def test_a_draft_is_printed_with_what_its_markers_stand_for(twin: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    show_draft.draft(draft(twin, BRIEF), as_json=False)
    said = capsys.readouterr()
    text, first, second = said.out.split("\n\n[")
    assert text == drafted(twin).text
    assert first.startswith("1] Post 1  https://ada.example/1\n    “The church clock gains four minutes a week.”")
    assert second.startswith("2] Post 2  https://ada.example/2\n    “Hide glue holds for a hundred years.”")
    assert said.err.splitlines()[:4] == ["3 sections", *(f"  {n}: {POINTS[n - 1]}: {s}" for n, s in DONE)]
    assert "of 120 words, 1 sentence without support, 1 point without evidence; base, snapshot" in said.err


def test_a_changed_outline_is_written_as_it_stands(twin: Twin) -> None:
    planned = outline(twin, BRIEF)
    shorter = Outline(planned.brief, planned.sections[1:2], planned.snapshot)
    *_, made = write(twin, shorter, "Ada@v1")
    assert isinstance(made, Draft)
    assert ([section.point for section in made.sections], made.model) == ([POINTS[1]], "Ada@v1")


@pytest.mark.parametrize(
    ("brief", "says"),
    [
        ({}, "neither a title nor a point"),
        ({"title": " "}, "neither a title nor a point"),
        ({"title": "Old", "points": ("Glue", "")}, "a point is empty"),
        ({"points": ("Glue",) * 13}, "more than 12 points"),
        ({"title": "x" * 301}, "longer than 300"),
        ({"title": "Old", "words": 0}, "20 to 5,000 words"),
    ],
)
def test_a_brief_that_is_none_is_told(brief: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Brief("Ada", **brief)  # type: ignore[arg-type]


def test_a_version_that_is_not_there_is_told_before_anything_is_searched(twin: Twin) -> None:
    with pytest.raises(NotFound, match="no model Ada@v9"):
        next(draft(twin, BRIEF, "Ada@v9"))
    with pytest.raises(NotFound, match="no posts by 'Nobody'"):
        list(draft(twin, Brief("Nobody", "Old things")))
