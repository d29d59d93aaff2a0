"""Drafts on the page: as they are written, edited, saved and kept; and nothing of a forgotten post stays in one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from urllib.parse import unquote

import gradio as gr
import pytest

from contracts.errors import NotFound, UsageError
from contracts.feature_store import FeatureStore
from contracts.feature_store.drafts import KeptDraft, Part
from contracts.records import Citation, Copied, Passage
from inference_pipeline.drafting.draft import Piece, draft
from inference_pipeline.drafting.outline import Brief
from inference_pipeline.twin import Twin
from tests.browser import ADA, ON_THE_PAGE, WREN, small, stock
from tests.fakes import WordEmbedder, fill, post
from tests.speaking import Engine, registered
from ui.page import drafting
from ui.page.drafting import Sheet, Writing
from ui.page.shell import Shell
from ui.page.tabs.draft import Draft

pytestmark = ON_THE_PAGE

CLOCK = "The church clock gains four minutes a week. I regulate the pendulum on Sundays."
GLUE = "Hide glue holds for a hundred years. I heat the glue pot slowly, in a bath of water."
SAYS = ["The church clock gains four minutes. I like cheese.", "Hide glue holds for a hundred years, says <everybody>."]
POINTS = ("Why the church clock gains minutes", "My holidays in Patagonia", "Hide glue holds for years")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    made = FeatureStore(tmp_path / "home", WordEmbedder(512))
    fill(made, [post(1, CLOCK), post(2, GLUE), post(3, "Rust comes off in vinegar.")])
    yield made
    made.close()


@pytest.fixture
def twin(store: FeatureStore, tmp_path: Path) -> Twin:
    return Twin(store, registered(tmp_path, "Ada"), Engine(*SAYS), passages=2)


def written(twin: Twin, brief: Brief) -> list[Writing]:
    """After each event."""
    made = [Writing(brief, "base")]
    for event in draft(twin, brief, "base"):
        made.append(made[-1].after(event))
    return made


def kept(text: str, *, posts: tuple[int, ...] = (), title: str = "Clocks", author: str = "Ada") -> KeptDraft:
    """Written from the posts of these numbers."""
    place = {"source_id": "", "title": "", "url": None, "date": None, "start": 0, "end": 1, "text": "T", "score": 1.0}
    shown = tuple(Passage.model_validate({"post_id": post(number, "").id, **place}) for number in posts)
    part = Part(point="A point", passages=shown)
    return KeptDraft(author=author, title=title, text=text, parts=(part,), model="base", snapshot="s")


# ---- as it is written -----------------------------------------------------------------------------------------------


def test_points_are_lines_with_or_without_bullets() -> None:
    assert drafting.points(" - One \n\n2. Two  words\n* Three\n4) Four\n2024 was five\n") == (
        "One",
        "Two words",
        "Three",
        "Four",
        "2024 was five",
    )


def test_sections_come_one_after_another_with_the_markers_of_the_whole(twin: Twin) -> None:
    steps = written(twin, Brief("Ada", "Old <things>", POINTS, words=120))
    assert "Looking through the posts" in steps[0].paper()
    middle = next(step for step in steps if len(step.sections) == 2 and len(step.piece) > 20)
    shown = middle.paper()
    assert "<h2>Old &lt;things&gt;</h2>" in shown
    assert (
        shown.index("four minutes") < shown.index("<em>Nothing of yours on this.</em>") < shown.index("Hide glue holds")
    )
    assert re.search(r'<a class="marker" href="#passage--1-1" title="[^"]+&#10;[^"]*four minutes[^"]*">1</a>', shown)
    whole = steps[-1]
    assert whole.whole
    assert "&lt;everybody&gt;" in whole.paper()
    assert middle.kept().parts[0] == whole.kept().parts[0]
    assert whole.kept().text == whole.whole.text
    assert whole.kept().text.startswith(
        "# Old <things>\n\n## Why the church clock gains minutes\n\nThe church clock gains"
    )
    assert {citation.marker for part in whole.kept().parts for citation in part.citations} == {1, 2}


def test_what_was_written_stays_beside_its_edits_with_what_posts_say_to_it(twin: Twin, store: FeatureStore) -> None:
    made = written(twin, Brief("Ada", "Old things", POINTS))[-1].kept()
    id = store.drafts.keep("", made.model_copy(update={"text": "All mine."}))
    shown = drafting.as_written(store.drafts.get("", id))
    assert '<span class="unsupported" title="No post says so">I like cheese.</span>' in shown
    assert "underlined in red: no post says so." in shown
    assert ">Hide glue holds for a hundred years</mark>" in shown
    assert '7 words in a row, here highlighted, stand in “<a href="https://ada.example/2"' in shown
    assert shown.count('class="marker"') == 2
    assert drafting.as_written(kept("Older, without its sentences.", posts=(1,))) == ""


def test_a_draft_that_copies_a_post_goes_with_it(store: FeatureStore) -> None:
    copied = Copied(words=9, start=0, end=1, post_id=post(2, "").id, title="", url=None, post_start=0, post_end=1)
    made = kept("Mine.", posts=(1,))
    (part,) = made.parts
    store.drafts.keep("", made.model_copy(update={"parts": (part.model_copy(update={"copied": copied}),)}))
    store.forget("Ada", [post(2, "").id])
    assert store.drafts.all("", "Ada") == []


def test_the_outline_names_the_posts_behind_each_point_or_says_that_there_are_none(twin: Twin) -> None:
    (_, outlined, *_) = written(twin, Brief("Ada", "Old things", POINTS))
    assert outlined.planned
    shown = drafting.outline(drafting.parts(outlined.planned))
    clock, patagonia, glue = shown.split("<strong>")[1:]
    assert "<bdi>Post 1</bdi>, <time>2024-01-02</time>" in clock
    assert "Nothing of yours on this. It will not be written." in patagonia
    assert "Post 2" in glue
    assert "Say in points" in drafting.outline([])


def test_each_section_has_its_passages_with_the_spans_that_it_cites(twin: Twin) -> None:
    made = written(twin, Brief("Ada", "Old things", POINTS))[-1].kept()
    first, second = drafting.sources(made.parts).split("<h2>")[1:]
    assert first.startswith(POINTS[0])
    assert "<mark>The church clock gains four minutes a week.</mark>" in first
    assert second.startswith(POINTS[2])
    assert '<article class="passage cited" id="passage--1-2">' in second
    assert "will stand here" in drafting.sources(written(twin, Brief("Ada", "Old things", POINTS))[1].kept().parts)


def test_a_passage_that_two_sections_cite_stands_once_with_the_spans_of_both() -> None:
    text = "One thing. Another thing."
    passage = Passage(
        post_id="p", source_id="p", title="P", url=None, date=dt.date(2024, 1, 1), text=text, start=5, end=30, score=1.0
    )
    cited = [
        Citation(marker=1, post_id="p", title="P", url=None, start=start, end=end, text=text[start - 5 : end - 5])
        for start, end in ((5, 15), (16, 30))
    ]
    parts = [Part(point=f"Point {n}", passages=(passage,), citations=(one,)) for n, one in enumerate(cited)]
    shown = drafting.sources(parts)
    assert shown.count('id="passage--1-1"') == 1
    assert "<mark>One thing.</mark>" in shown
    assert "<mark>Another thing.</mark>" in shown
    page = drafting.markdown("It is said. [1] And [2].\n", parts)
    assert page == "It is said. [1] And [2].\n\n[1] P: “One thing.”\n\n[1] P: “Another thing.”\n"
    assert drafting.markdown("Without.", parts) == "Without.\n"
    many = [part.model_copy(update={"citations": (cited[0].model_copy(update={"marker": 100}),)}) for part in parts[:1]]
    assert drafting.markdown("It is said. [100]", many).endswith("\n\n[100] P: “One thing.”\n")
    link = drafting.download('A "clock"', "Ticks. [1]", parts)
    assert 'download="A--clock.md"' in link
    assert "Ticks. [1]\n\n[1] P: “One thing.”" in unquote(link)


def test_what_was_stopped_or_failed_half_way_is_there(twin: Twin) -> None:
    steps = written(twin, Brief("Ada", "", POINTS, format="note"))
    begun = next(step for step in steps if step.piece)
    assert begun.kept().text == ""
    assert begun.kept().title == POINTS[0]
    half = next(step for step in steps if len(step.sections) == 1).after(Piece(1, "My"))
    assert half.kept().text.startswith("The church clock gains four minutes. [1] I like cheese.")
    assert [len(part.citations) for part in half.kept().parts] == [1, 0, 0]


# ---- kept -----------------------------------------------------------------------------------------------------------


def test_a_draft_is_kept_edited_and_deleted_by_whoever_wrote_it(store: FeatureStore) -> None:
    drafts = store.drafts
    first = kept("# Clocks\n\nThey tick.", posts=(1,), title="  Winding \n it ")
    id = drafts.keep("", first)
    edited = first.model_copy(update={"text": "They tock."})
    assert drafts.keep("", edited, id) == id
    assert drafts.get("", id) == edited.model_copy(update={"title": "Winding it"})
    assert [(one.id, one.title) for one in drafts.all("", "Ada")] == [(id, "Winding it")]
    assert drafts.all("", "Bea") == drafts.all("eve", "Ada") == []
    for of_another in (drafts.get, drafts.delete):
        with pytest.raises(NotFound):
            of_another("eve", id)
    with pytest.raises(NotFound, match="kept no more"):
        drafts.keep("eve", first, id)
    assert drafts.all("eve", "Ada") == []
    with pytest.raises(UsageError):
        drafts.keep("", kept(" \n"))
    drafts.delete("", id)
    assert drafts.all("", "Ada") == []


def test_a_draft_of_a_forgotten_post_goes_with_it_whatever_became_of_its_text(store: FeatureStore) -> None:
    drafts = store.drafts
    drafts.keep("", kept("All of it was rewritten.", posts=(1, 3)))
    said = kept("They say: I regulate the pendulum on Sundays. The church clock gains four minutes a week.")
    by_words = drafts.keep("eve", said)
    stays = drafts.keep("", kept("Hide glue.", posts=(2,)))
    store.forget("Ada", [post(1, "").id])
    assert [one.id for user in ("", "eve") for one in drafts.all(user, "Ada")] == [stays]
    with pytest.raises(NotFound, match="stored no more"):
        drafts.keep("", kept("The clock of a page that was open all the while.", posts=(1,)))
    with pytest.raises(NotFound, match="kept no more"):
        drafts.keep("eve", said, by_words)
    store.forget_author("Ada")
    assert drafts.all("", "Ada") == []


# ---- the tab --------------------------------------------------------------------------------------------------------

BRIEF = (WREN, "Old things", "The church clock and its pendulum", 100, "article")
HERE, THERE = (gr.Request(username=name, session_hash=f"{name}'s") for name in ("ada", "eve"))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Draft]:
    twin = small(tmp_path_factory.mktemp("tab"), pause=0.0)
    stock(twin)
    for name in ("ada", "eve"):
        twin.app.users.add(name, f"{name} and a clock")
    made = Shell(twin.app, WREN).tabs["draft"]
    assert isinstance(made, Draft)
    yield made
    twin.app.store.close()


def sheet(tab: Draft, request: gr.Request = HERE) -> Sheet:
    """A draft as it stands on the page after “Write it”."""
    begun = tab.begun(*BRIEF, None, None, "", request)
    *_, last = tab.written(begun[tab.writing], request)
    made = last[tab.sheet]
    assert isinstance(made, Sheet)
    return made


def test_a_draft_is_kept_as_it_is_written_and_edited_whatever_follows(tab: Draft) -> None:
    drafts, made = tab._app.store.drafts, sheet(tab)
    assert drafts.get("ada", made.id).text == made.draft.text
    tab.shelf.saved(made, "Edited.", made.id, HERE)
    assert drafts.get("ada", made.id).text == "Edited."
    tab.shelf.saved(made, "Of the draft before.", "another", HERE)
    tab.shelf.saved(made, " ", made.id, HERE)
    assert drafts.get("ada", made.id).text == "Edited."
    other = gr.EventData(None, {"id": sheet(tab).id})
    for number, leave in enumerate(
        (
            lambda text: tab.left_behind(made, text, HERE),
            lambda text: tab.shelf.begun(WREN, made, text, HERE),
            lambda text: tab.shelf.opened(WREN, made, text, other, HERE),
            lambda text: tab.begun(*BRIEF, None, made, text, HERE),
        )
    ):
        leave(f"Mine, {number}.")
        assert drafts.get("ada", made.id).text == f"Mine, {number}."
    tab._switches.end(HERE)
    before = drafts.all("ada", WREN)
    tab.left_behind(Sheet(drafts.get("ada", made.id), made.id), "Mine, 3.", HERE)
    assert drafts.all("ada", WREN) == before  # nothing was edited since


def test_an_edit_that_is_too_long_is_told(tab: Draft) -> None:
    made = sheet(tab)
    with pytest.raises(gr.Error, match="17,000 characters"):
        tab.shelf.kept(made, "x" * 17_001, HERE)


@pytest.mark.parametrize("how", ["stopped", "tab closed", "another author", "connection lost"])
def test_the_sections_of_a_draft_that_ended_early_are_kept(tab: Draft, how: str) -> None:
    drafts, before = tab._app.store.drafts, {one.id for one in tab._app.store.drafts.all("ada", WREN)}
    points = "The church clock and its pendulum\nFreeing a seized seatpost"
    begun = tab.begun(WREN, "Two things", points, 100, "article", None, None, "", HERE)
    writing, states = tab.written(begun[tab.writing], HERE), []
    for step in writing:
        states.append(step.get(tab.writing) or (states and states[-1]))
        if states[-1] and len(states[-1].sections) == 1:
            break
    if how == "stopped":
        tab.stopped(HERE)
        *_, last = writing
        assert last[tab.sheet].id
    elif how == "another author":
        tab.left_behind(None, "", HERE)
        assert list(writing) == []
    elif how == "tab closed":
        writing.close()  # type: ignore[attr-defined]  # it is a generator
    else:
        last = tab.refused(states[-1], HERE)
        assert "connection was lost" in last[tab.note]
        assert "pendulum" in last[tab.text]
    new = [one.id for one in drafts.all("ada", WREN) if one.id not in before]
    assert len(new) == 1
    text = drafts.get("ada", new[0]).text
    assert "pendulum" in text
    assert "bolt and all" not in text
    if how == "connection lost":
        tab._switches.end(HERE)
        writing.close()  # type: ignore[attr-defined]


def test_nothing_of_one_browsers_draft_reaches_another(tab: Draft) -> None:
    brief = (ADA, "Looms", "Engines weave patterns as looms", 100, "article")
    ours = tab.written(tab.begun(*BRIEF, None, None, "", HERE)[tab.writing], HERE)
    theirs = tab.written(tab.begun(*brief, None, None, "", THERE)[tab.writing], THERE)
    told: dict[bool, str] = {True: "", False: ""}
    for pair in zip_longest(ours, theirs):
        for step, mine in zip(pair, (True, False), strict=True):
            told[mine] += str([value for part, value in (step or {}).items() if part is not tab.model])
    assert "pendulum" in told[True]
    assert "looms" in told[False]
    assert "looms" not in told[True]
    assert "pendulum" not in told[False]


def test_a_draft_is_found_by_its_words(tab: Draft) -> None:
    made = sheet(tab)
    tab.shelf.kept(made, "Zinc 100% and brass.", HERE)
    assert made.id in tab.shelf.found(WREN, None, "BRASS 100%", HERE)
    assert "No draft has these words" in tab.shelf.found(WREN, None, "brass quasar", HERE)


def test_people_see_their_own_drafts_alone(tab: Draft) -> None:
    made = sheet(tab)
    again = tab.shelf.kept(made, f"{made.draft.text}\n\nMine.", HERE)[tab.sheet]
    assert again.id == made.id
    assert tab.shelf.kept(again, again.draft.text, HERE)[tab.sheet].id == again.id
    assert again.id in tab.shelf.listed(WREN, None, HERE)
    assert "None yet" in tab.shelf.listed(WREN, None, THERE)
    with pytest.raises(gr.Error, match="no such draft"):
        tab.shelf.opened(WREN, None, "", gr.EventData(None, {"id": again.id}), THERE)
    opened = tab.shelf.opened(WREN, None, "", gr.EventData(None, {"id": again.id}), HERE)
    assert opened[tab.sheet] == again
    assert (opened[tab.shelf._tab.title], opened[tab.points]) == BRIEF[1:3]
    with pytest.raises(gr.Error, match="no such draft"):
        tab.shelf.deleted(WREN, again, THERE)
    assert tab.shelf.deleted(WREN, again, HERE)[tab.sheet] is None


def test_one_draft_is_written_at_a_time_for_a_browser_tab(tab: Draft) -> None:
    begun = tab.begun(*BRIEF, None, None, "", HERE)
    for other in (
        lambda: tab.begun(*BRIEF, None, None, "", HERE),
        lambda: tab.shelf.begun(WREN, None, "", HERE),
        lambda: tab.shelf.deleted(WREN, None, HERE),
    ):
        with pytest.raises(gr.Error, match="being written"):
            other()
    sheet(tab, THERE)
    assert set(begun) <= set(tab.drawn_in())
    for step in tab.written(begun[tab.writing], HERE):
        assert set(step) <= {*tab.drawn_in(), tab.points}
    sheet(tab)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({1: " ", 2: "\n"}, "Write a title first, or points"),
        ({0: None}, "Write a title first, or points"),
        ({3: 9}, "20 to 2,500 words"),
        ({3: None}, "20 to 2,500 words"),
        ({2: "One\n" * 13}, "more than 12 points. Change the title or the points"),
    ],
)
def test_a_brief_that_is_none_is_told_without_commands(tab: Draft, changed: dict[int, object], says: str) -> None:
    brief = [changed.get(place, value) for place, value in enumerate(BRIEF)]
    with pytest.raises(gr.Error, match=says):
        tab.planned(*brief)
    with pytest.raises(gr.Error, match=says):
        tab.begun(*brief, None, None, "", HERE)  # type: ignore[arg-type]


def test_a_draft_that_waited_until_its_author_was_left_draws_over_nothing(tab: Draft) -> None:
    assert list(tab.written(None, HERE)) == [gr.skip()]  # Gradio takes no empty dictionary for that
