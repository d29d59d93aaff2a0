"""The page with much in it, in Debian's Chromium: a map of the posts, and a conversation as long as there may be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from contracts.feature_store.conversations import Said
from inference_pipeline.twin import Question
from tests.browser import IN_CHROMIUM, SEATPOST, WREN, Small, answered, ask, small, stock, written
from tests.fakes import fill
from tests.test_topics import BREAD, CLOCKS, about
from ui.page.conversation import first_shown
from ui.page.tabs.chat import TURNS

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]
FAY = "Fay"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Wren has said much; Fay has written of clocks and of bread."""
    made = small(tmp_path_factory.mktemp("scale"), pause=0.0)
    stock(made)
    store = made.app.store
    fill(store, [written(FAY, f"{words[0]} {n}", about(words, n)) for words in (CLOCKS, BREAD) for n in range(12)])
    answer = made.app.twin.ask(Question(SEATPOST, WREN))
    said = [Said(question=f"Question {number}?", answer=answer) for number in range(1, TURNS)]
    store.conversations.keep("", WREN, said)
    return made


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_map_shows_topics_and_leads_to_posts(site: str, tab: Tab, width: int, dark: bool) -> None:
    page = tab(site, width, dark)
    page.get_by_role("tab", name="Posts").click()
    expect(page.locator("#topics")).to_contain_text("once there are ten posts")
    page.locator("#author input").click()
    page.get_by_role("option", name=FAY).click()
    expect(page.locator("#topics circle")).to_have_count(24)
    expect(page.locator("#topics summary")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dot = page.locator("#topics circle").last  # the one on top: another may cover the first
    title = dot.locator("title").text_content() or ""
    dot.click()
    expect(page.locator("#post h2")).to_have_text(title.partition(" · ")[0])
    summary = page.locator("#topics summary").last
    summary.focus()
    page.keyboard.press("Enter")
    button = page.locator("#topics details").last.locator("button").first
    name = button.locator(".name").inner_text()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#post h2")).to_have_text(name)


def test_a_conversation_is_kept_whole_and_its_end_is_told(site: str, tab: Tab, twin: Small) -> None:
    page = tab(site)
    page.get_by_role("button", name="Conversations").click()
    page.locator("#kept-list button", has_text="Question 1?").click()
    first = first_shown(TURNS)
    expect(page.locator("#earlier")).to_have_text(f"{first} earlier questions")
    expect(page.locator("#chat .fine")).to_have_count(TURNS - 1 - first)
    ask(page, SEATPOST)
    answered(page, answers=TURNS - first)
    (kept,) = twin.app.store.conversations.all("", WREN)
    assert (kept.title, kept.turns) == ("Question 1?", TURNS)
    question = page.locator("#question textarea")
    expect(question).to_be_disabled()
    expect(question).to_have_attribute("placeholder", f"{TURNS} questions are kept here: begin a new conversation")
    page.get_by_role("button", name="New conversation").click()
    expect(question).to_be_enabled()
    expect(page.locator("#chat .bot")).to_have_count(0)
