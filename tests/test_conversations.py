"""Conversations are kept for the person who had them, and nothing of a forgotten post stays in them."""

from __future__ import annotations

import pytest

from contracts.errors import NotFound, UsageError
from contracts.feature_store import FeatureStore
from contracts.feature_store.conversations import Said
from contracts.records import Answer, Passage
from tests.fakes import fill, post
from ui.page.tabs.kept import markdown

WORDS = "the pendulum of the church clock wants a quarter turn on Sundays"


def said(store: FeatureStore, number: int, answer: str, question: str = "How?") -> Said:
    """Answered from the post of that number."""
    text = store.posts("Ada")[-1 - number].text
    shown = Passage(
        post_id=post(number, "").id,
        start=0,
        end=len(text),
        source_id=f"{number}.md",
        title="",
        url=None,
        date=None,
        text=text,
        score=1.0,
        similarity=1.0,
    )
    given = Answer(answer=answer, citations=(), passages=(shown,), model="base", snapshot="s", timings={})
    return Said(question=question, answer=given)


@pytest.fixture
def filled(store: FeatureStore) -> FeatureStore:
    fill(store, [post(0, f"I say that {WORDS}."), post(1, "A spring bends in the rain, and I count every screw.")])
    return store


def test_a_conversation_grows_is_found_renamed_and_deleted_by_whoever_had_it(filled: FeatureStore) -> None:
    kept = filled.conversations
    first = said(filled, 0, "On Sundays.", "When do you wind it?")
    id = kept.keep("", "Ada", [first])
    assert kept.keep("", "Ada", [first, said(filled, 1, "Every 100% screw.")], id) == id
    assert [(one.title, one.turns) for one in kept.all("", "Ada")] == [("When do you wind it?", 2)]
    assert kept.all("", "Ada", "SCREW sundays") == kept.all("", "Ada", "100%") == kept.all("", "Ada")
    assert kept.all("", "Ada", "zinc") == kept.all("", "Bea") == kept.all("eve", "Ada") == []
    kept.rename("", id, "  Winding \n it ")
    assert kept.get("", id).title == "Winding it"
    with pytest.raises(UsageError):
        kept.rename("", id, " ")
    for of_another in (kept.get, kept.delete, lambda user, id: kept.rename(user, id, "mine")):
        with pytest.raises(NotFound):
            of_another("eve", id)
    with pytest.raises(NotFound, match="is deleted"):
        kept.keep("eve", "Ada", [first], id)
    assert kept.all("eve", "Ada") == []
    kept.delete("", id)
    assert kept.all("", "Ada") == []


def test_turns_that_hold_a_forgotten_post_go_with_it(filled: FeatureStore) -> None:
    kept = filled.conversations
    by_passage, by_words = said(filled, 0, "Quarterly."), said(filled, 1, f"It is known that {WORDS}.")
    stays = said(filled, 1, "I count screws.", "What do you count?")
    mixed = kept.keep("", "Ada", [by_passage, by_words, stays])
    gone = kept.keep("", "Ada", [by_passage])
    filled.forget("Ada", [post(0, "").id])
    left = kept.get("", mixed)
    assert [turn.answer.answer for turn in left.turns] == ["I count screws."]
    assert left.title == "What do you count?"
    assert kept.all("", "Ada", "pendulum") == []
    with pytest.raises(NotFound):
        kept.get("", gone)
    filled.forget_author("Ada")
    assert kept.all("", "Ada") == []


def test_a_page_that_was_open_all_the_while_brings_nothing_of_a_forgotten_post_back(filled: FeatureStore) -> None:
    kept = filled.conversations
    gone, stays = (
        said(filled, 0, "On Sundays.", "When do you wind it?"),
        said(filled, 1, "I count screws.", "And then?"),
    )
    id, alone = kept.keep("", "Ada", [gone, stays]), kept.keep("", "Ada", [gone])
    at = kept.get("", id).at
    filled.forget("Ada", [post(0, "").id])
    again = kept.keep("", "Ada", [gone, stays, stays], id, at)
    one = kept.get("", again)
    assert (again, one.title, one.turns) == (id, "And then?", (stays, stays))
    assert kept.all("", "Ada", "sundays") == kept.all("", "Ada", "wind") == []
    with pytest.raises(NotFound, match="is deleted"):
        kept.keep("", "Ada", [gone, stays], alone)
    assert kept.keep("", "Ada", [gone], again) == ""
    assert kept.all("", "Ada") == []
    assert kept.keep("", "Ada", [gone]) == ""


def test_what_has_changed_since_it_was_read_is_left_as_it_is(filled: FeatureStore) -> None:
    kept, first = filled.conversations, said(filled, 0, "On Sundays.")
    id = kept.keep("", "Ada", [first])
    read = kept.get("", id).at
    assert kept.keep("", "Ada", [first, said(filled, 1, "Here.")], id, read) == id
    other = kept.keep("", "Ada", [first, said(filled, 1, "There.")], id, read)
    assert other != id
    assert [kept.get("", one).turns[1].answer.answer for one in (id, other)] == ["Here.", "There."]


def test_what_was_answered_from_a_post_that_its_source_deleted_is_kept(filled: FeatureStore) -> None:
    turn = said(filled, 0, "On Sundays.")
    with filled._begin(write=True) as db:
        filled._bury(db, [post(0, "").id], "/posts", "gone")
    id = filled.conversations.keep("", "Ada", [turn])
    assert filled.conversations.get("", id).turns == (turn,)
    filled.forget_author("Ada")
    assert filled.conversations.keep("", "Ada", [turn], id) == ""


def test_a_conversation_is_markdown(filled: FeatureStore) -> None:
    page = markdown("Winding", [said(filled, 0, "On Sundays.", "When?")])
    assert page == "# Winding\n\n## When?\n\nOn Sundays.\n\n*base, snapshot s*\n"
