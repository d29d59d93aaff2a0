"""The thumbs below answers, in Debian's Chromium: kept, taken back, and wherever their answer stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from contracts.feature_store.conversations import Said
from inference_pipeline.twin import Question
from tests.browser import IN_CHROMIUM, SEATPOST, WREN, Small, answered, ask, free_port, small, stock
from ui.page import server as chat_page
from ui.page.conversation import SHOWN

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]
CLOCK = "Who regulates the church clock pendulum?"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("thumbs"), pause=0.0)
    stock(made)
    return made


def test_an_answer_is_judged_and_the_verdict_kept(site: str, tab: Tab, twin: Small) -> None:
    page = tab(site)
    ask(page, SEATPOST)
    answered(page)
    page.get_by_role("button", name="dislike").click()
    expect(page.get_by_text("Kept, with the version")).to_be_visible()
    expect(page.locator(".toast-title")).to_have_text("Done")
    (given,) = twin.app.store.feedback.all(WREN)
    assert (given.verdict, given.model, given.question) == ("worse", f"{WREN}@v2", SEATPOST)


def test_a_thumb_is_of_its_answer_and_not_of_its_place(site: str, tab: Tab) -> None:
    page = tab(site)
    ask(page, SEATPOST)
    answered(page)
    page.get_by_role("button", name="Like", exact=True).click()
    expect(page.get_by_text("Kept, with the version and the passages")).to_be_visible()
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    page.locator("#again").click()
    expect(page.get_by_role("button", name="Liked")).to_have_count(0)
    answered(page)
    expect(page.get_by_role("button", name="Liked")).to_have_count(0)
    page.get_by_role("button", name="Like", exact=True).click()
    expect(page.get_by_role("button", name="Liked")).to_have_count(1)
    page.get_by_role("button", name="Conversations").click()
    page.locator("#new").click()
    expect(page.locator("#chat .user")).to_have_count(0)
    ask(page, SEATPOST)
    answered(page)
    expect(page.get_by_role("button", name="Liked")).to_have_count(0)


def test_a_thumb_that_is_pressed_again_is_taken_back(tab: Tab, tmp_path: Path) -> None:
    twin = small(tmp_path, pause=0.0)
    stock(twin)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        ask(page, SEATPOST)
        answered(page)
        page.get_by_role("button", name="Like", exact=True).click()
        expect(page.get_by_text("Kept, with the version and the passages")).to_be_visible()
        assert [one.verdict for one in twin.app.store.feedback.all(WREN)] == ["better"]
        page.get_by_role("button", name="Liked").click()
        expect(page.get_by_text("Your verdict is taken back")).to_be_visible()
        assert twin.app.store.feedback.all(WREN) == []
        ask(page, SEATPOST)
        answered(page, answers=2)
        expect(page.get_by_role("button", name="Liked")).to_have_count(0)


def test_a_thumb_stays_with_its_answer_where_the_chat_begins_further_on(tmp_path: Path, tab: Tab) -> None:
    twin = small(tmp_path, pause=0.0)
    stock(twin)
    answer = twin.app.twin.ask(Question(SEATPOST, WREN))
    said = [Said(question=f"Question {n}?", answer=answer) for n in range(1, 2 * SHOWN + 1)]
    twin.app.store.conversations.keep("", WREN, said)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        page.get_by_role("button", name="Conversations").click()
        page.locator("#kept-list button", has_text="Question 1?").click()
        expect(page.locator("#chat .user .md")).to_have_count(2 * SHOWN)
        page.get_by_role("button", name="Like", exact=True).nth(SHOWN + 1).click()
        expect(page.get_by_text("Kept, with the version and the passages")).to_be_visible()
        ask(page, CLOCK)
        answered(page, answers=SHOWN + 1)
        expect(page.locator("#chat .user .md").first).to_have_text(f"Question {SHOWN + 1}?")
        likes = page.get_by_role("button", name=re.compile("^Liked?$"))
        lit = [likes.nth(place).get_attribute("aria-label") for place in range(likes.count())]
        assert lit == ["Liked" if place == 1 else "Like" for place in range(SHOWN + 1)]
        page.locator("#earlier").click()
        expect(likes).to_have_count(2 * SHOWN + 1)
        expect(page.get_by_role("button", name="Liked")).to_have_count(1)
        expect(likes.nth(SHOWN + 1)).to_have_attribute("aria-label", "Liked")


def test_a_conversation_that_is_opened_again_shows_what_was_made_of_its_answers(tab: Tab, tmp_path: Path) -> None:
    twin = small(tmp_path, pause=0.0)
    stock(twin)
    feedback = twin.app.store.feedback
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        ask(page, SEATPOST)
        answered(page)
        ask(page, CLOCK)
        answered(page, answers=2)
        page.get_by_role("button", name="Like", exact=True).first.click()
        expect(page.get_by_role("button", name="Liked")).to_have_count(1)
        page.get_by_role("button", name="Dislike", exact=True).last.click()
        expect(page.get_by_role("button", name="Disliked")).to_have_count(1)
        later = tab(url)
        later.get_by_role("button", name="Conversations").click()
        later.locator("#kept-list button", has_text=SEATPOST).click()
        liked, disliked = (later.get_by_role("button", name=re.compile(f"^{it}$")) for it in ("Liked?", "Disliked?"))
        expect(later.locator("#chat .fine")).to_have_count(2)
        expect(liked.nth(0)).to_have_attribute("aria-label", "Liked")
        expect(disliked.nth(1)).to_have_attribute("aria-label", "Disliked")
        expect(later.get_by_role("button", name=re.compile("^(Liked|Disliked)$"))).to_have_count(2)
        later.get_by_role("button", name="Liked", exact=True).click()
        expect(later.get_by_text("Your verdict is taken back")).to_be_visible()
    assert [(one.verdict, one.question) for one in feedback.all(WREN)] == [("worse", CLOCK)]
