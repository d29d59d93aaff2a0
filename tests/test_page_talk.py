"""Answers on the page, in Debian's Chromium: two versions side by side, and a style meter that nobody waits for."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from playwright.sync_api import Page, expect

from contracts.files import write_json
from contracts.prompt import Message
from tests.browser import (
    ADA,
    IN_CHROMIUM,
    SEATPOST,
    WREN,
    Engine,
    Log,
    ReadsAloud,
    Small,
    answered,
    ask,
    choose,
    free_port,
    serious,
    small,
)
from tests.browser import stock as stock_with
from training_pipeline.votes import preferred
from ui.page import server as chat_page

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]


class Listens(ReadsAloud):
    """Says how likely a text is, as soon as `may` is set."""

    may: Any

    def nll(self, messages: Sequence[Message], text: str) -> tuple[float, int]:
        assert self.may.wait(30)
        return float(len(text)), len(text.encode())


class Meters(Engine):
    """Its models can be asked how likely a text is; they answer once they may."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.may_meter = threading.Event()

    def made(self, log: Log) -> BaseChatModel:
        return Listens(log=log, may=self.may_meter, **self.settings)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Wren's second version, the champion, knows how her own posts sound."""
    made = small(tmp_path_factory.mktemp("talk"))
    engine = Meters(pause=0.01)
    made.app.engine = made.app.twin._engine = engine
    stock_with(made)
    folder = made.app.registry.get(f"{WREN}@v2").folder
    write_json(folder / "evaluation.json", {"deltas": {str(n): 0.001 * n for n in range(20)}})
    return Small(made.app, engine)


@pytest.fixture
def may(twin: Small) -> Iterator[threading.Event]:
    """What the meters wait for."""
    assert isinstance(twin.engine, Meters)
    twin.engine.may_meter.clear()
    yield twin.engine.may_meter
    twin.engine.may_meter.set()


def open_compare(page: Page) -> None:
    expect(page.locator("#author input")).not_to_have_value("")
    page.get_by_role("tab", name="Compare").click()


def test_where_nothing_is_asked_the_page_says_so_and_goes_on(site: str, tab: Tab, may: threading.Event) -> None:
    may.set()
    page = tab(site)
    expect(page.locator("#author input")).not_to_have_value("")
    question = page.locator("#question textarea")
    expect(question).to_be_enabled()
    page.locator("#send").click()
    expect(question).to_have_attribute("placeholder", "Write a question first")
    page.wait_for_timeout(500)  # what follows a question does not unsay it
    expect(question).to_have_attribute("placeholder", "Write a question first")
    ask(page, SEATPOST)
    answered(page)
    expect(page.locator("#chat .note", has_text="Not like you.")).to_have_count(1)  # nothing more comes of this answer
    text = page.locator("#chat .bot .md").inner_text()
    page.locator("#send").click()
    expect(question).to_have_attribute("placeholder", "Write a question first")
    assert page.locator("#chat .bot .md").inner_text() == text
    ask(page, SEATPOST)
    answered(page, answers=2)


def test_what_is_refused_is_told(site: str, tab: Tab, may: threading.Event) -> None:
    may.set()
    page = tab(site)
    ask(page, SEATPOST)
    answered(page)
    page.locator("#kept button").first.click()
    name = page.locator("#kept-title textarea, #kept-title input")
    expect(name).not_to_have_value("")
    name.fill("")
    name.press("Enter")
    expect(page.get_by_text("A conversation needs a name")).to_be_visible()
    expect(page.locator(".toast-title")).to_have_text("Not done")
    page.locator("#kept-delete").click()
    expect(page.locator("#kept-yes")).to_be_in_viewport()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_an_answer_is_kept_as_it_should_have_been(
    site: str, tab: Tab, twin: Small, may: threading.Event, width: int, dark: bool
) -> None:
    may.set()
    page = tab(site, width, dark)
    ask(page, SEATPOST)
    answered(page)
    ask(page, "Who regulates the church clock pendulum?")
    answered(page, answers=2)
    page.locator("#chat a.mine").first.click()
    words = page.locator("#mine textarea")
    expect(words).to_have_value(re.compile("bolt and all"))
    expect(words).to_be_focused()
    expect(page.locator("#mine-save")).to_be_in_viewport()
    assert "[1]" not in words.input_value()
    assert serious(page) == []
    page.locator("#mine-save").click()
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    words.fill(" Oil first, and then I wait. ")
    page.locator("#mine-save").click()
    expect(page.get_by_text("Your words are kept")).to_be_visible()
    expect(words).to_be_hidden()
    given = twin.app.store.feedback.all(WREN)[-1]
    assert (given.verdict, given.edited) == ("edited", "Oil first, and then I wait.")
    assert (given.question, given.model, bool(given.passages)) == (SEATPOST, f"{WREN}@v2", True)
    page.locator("#chat a.mine").last.click()
    expect(words).to_have_value(re.compile("pendulum"))
    page.get_by_label("Clear").click()
    expect(words).to_be_hidden()


# ---- the style meter ------------------------------------------------------------------------------------------------


def test_an_answer_is_whole_while_its_style_is_measured(site: str, tab: Tab, twin: Small, may: threading.Event) -> None:
    page = tab(site)
    ask(page, SEATPOST)
    answered(page)
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#again")).to_be_enabled()
    page.locator("#chat a.marker").first.click()
    expect(page.locator("#sources article.cited").first).to_be_in_viewport()
    sounds = page.locator("#chat .note", has_text="Not like you.")
    expect(sounds).to_have_count(0)
    may.set()
    expect(sounds).to_have_count(1)
    ask(page, SEATPOST)
    answered(page, answers=2)
    expect(sounds).to_have_count(2)


def test_words_on_style_that_come_late_reach_no_other_conversation(site: str, tab: Tab, may: threading.Event) -> None:
    page = tab(site)
    ask(page, SEATPOST)
    answered(page)
    choose(page, "author", ADA)
    expect(page.locator("#chat .bot")).to_have_count(0)
    ask(page, "What did you write of engines?")
    text = answered(page)
    may.set()
    page.wait_for_timeout(1000)
    assert page.locator("#chat .bot .md").last.inner_text() == text
    assert "Not like you" not in page.locator("#chat").inner_text()


# ---- side by side ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_two_versions_are_compared_blind_and_voted_on(
    site: str, tab: Tab, twin: Small, width: int, dark: bool, tmp_path: Path
) -> None:
    page = tab(site, width, dark)
    open_compare(page)
    expect(page.locator("#compare-first input")).to_have_value("v2, champion")
    choose(page, "compare-second", "base model, untrained")
    page.locator("#compare-question :is(textarea, input)").fill(SEATPOST)
    page.locator("#compare-send").click()
    expect(page.locator("#compare-stop")).to_be_visible()
    expect(page.locator("#vote-1")).to_be_visible()
    expect(page.locator("#compare-send")).to_be_visible()
    for place, letter in ((1, "A"), (2, "B")):
        expect(page.locator(f"#answer-{place} h3")).to_have_text(letter)
        expect(page.locator(f"#answer-{place} .said")).to_contain_text("bolt and all")
    assert "base model" not in page.locator("#compare-columns").inner_text()
    page.locator("#answer-2 a.marker").first.click()
    expect(page.locator("#compare-sources article").first).to_be_in_viewport()
    fits(page, width)
    page.screenshot(path=os.environ.get("SHOTS", str(tmp_path)) + f"/blind-{width}.png", full_page=True)

    page.locator("#vote-2").click()
    expect(page.locator("#answer-1 h3")).to_contain_text("A: ")
    expect(page.locator("#answer-2 h3")).to_contain_text("your choice")
    names = page.locator("#answer-1 h3").inner_text() + page.locator("#answer-2 h3").inner_text()
    assert "base model" in names
    assert f"{WREN}@v2" in names
    expect(page.locator("#compare-outcome")).to_contain_text("by 1 person")
    expect(page.locator("#compare-outcome")).to_contain_text("cannot measure: 1 comparisons")
    expect(page.locator("#vote-1")).to_be_hidden()
    fits(page, width)
    page.screenshot(path=os.environ.get("SHOTS", str(tmp_path)) + f"/voted-{width}.png", full_page=True)
    given = twin.app.store.feedback.all(WREN)[-1]
    assert (given.verdict, given.blind, {given.model, given.other}) == ("better", True, {f"{WREN}@v2", "base"})
    assert preferred([given], f"{WREN}@v2", "base").blind.people == 1


def fits(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == []


def test_a_comparison_stands_when_the_tab_is_looked_at_again_and_ends_with_its_author(site: str, tab: Tab) -> None:
    page = tab(site)
    open_compare(page)
    page.locator("#compare-blind input").uncheck()
    choose(page, "compare-first", "base model, untrained")
    page.locator("#compare-question :is(textarea, input)").fill(SEATPOST)
    expect(page.get_by_role("option")).to_have_count(0)
    choose(page, "compare-second", "base model, untrained")
    page.locator("#compare-send").click()
    expect(page.get_by_text("Choose two different versions.")).to_be_visible()
    choose(page, "compare-second", "v1")
    page.locator("#compare-question :is(textarea, input)").press("Enter")
    expect(page.locator("#vote-1")).to_have_text("base model is better")
    page.get_by_role("tab", name="Chat").click()
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare-first input")).to_have_value("base model, untrained")
    expect(page.locator("#answer-1 .said")).to_contain_text("bolt and all")
    choose(page, "author", ADA)
    expect(page.locator("#compare-words")).to_contain_text("Train a version")
    expect(page.locator("#compare-form")).to_be_hidden()
    expect(page.locator("#answer-1")).to_be_hidden()


def test_stop_ends_both(tmp_path: Path, tab: Tab) -> None:
    twin = small(tmp_path, pause=0.05, repeat=100)
    stock_with(twin)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        open_compare(page)
        page.locator("#compare-question :is(textarea, input)").fill(SEATPOST)
        page.locator("#compare-send").click()
        page.wait_for_function("document.querySelector('#answer-1 .said')?.innerText.length > 40")
        expect(page.locator("#answer-2 .said")).to_have_text("Waiting for its turn…")
        log = twin.engine.logs[-1]
        page.locator("#compare-stop").click()
        assert log.ended.wait(1)
        expect(page.locator("#compare-outcome")).to_contain_text("Stopped")
        expect(page.locator("#compare-send")).to_be_visible()
        expect(page.locator("#vote-1")).to_be_hidden()
        assert twin.engine.logs[-1] is log
