"""A question from the key to the chat, in Debian's Chromium: at once, whole, edited; and what is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from contracts.feature_store.conversations import Said
from inference_pipeline.twin import Question
from tests.browser import IN_CHROMIUM, SEATPOST, WREN, Small, answered, ask, serious, small, stock
from ui.page.conversation import SHOWN
from ui.page.tabs.shared import LONGEST_QUESTION

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]
TURNS, CLOCK = 35, "Who regulates the church clock pendulum?"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Wren was asked TURNS questions, of which the 16th alone is about her clock."""
    made = small(tmp_path_factory.mktemp("asking"), pause=0.0)
    stock(made)
    answer, other = (made.app.twin.ask(Question(question, WREN)) for question in (SEATPOST, CLOCK))
    said = [Said(question=f"Question {n}?", answer=other if n == 16 else answer) for n in range(1, TURNS + 1)]
    made.app.store.conversations.keep("", WREN, said)
    return made


def held(page: Page) -> list[Route]:
    """What the page asks its server from now on, which goes no further."""
    waiting: list[Route] = []
    page.route("**/gradio_api/queue/join*", lambda route: waiting.append(route))
    return waiting


def test_a_question_stands_there_before_the_server_has_said_a_word(site: str, tab: Tab) -> None:
    page = tab(site)
    expect(page.locator("#question textarea")).to_be_enabled()
    waiting = held(page)
    ask(page, "Is <b>this</b>\nbold?")
    expect(page.locator("#chat .user .md")).to_have_text("Is <b>this</b>\nbold?", use_inner_text=True)
    page.press("#question textarea", "Enter")  # a second time is not a second question
    expect(page.locator("#chat .user .md")).to_have_count(1)
    for one in waiting:
        one.continue_()
    page.unroute_all()
    answered(page)
    expect(page.locator("#chat .user .md")).to_have_text("Is <b>this</b>\nbold?", use_inner_text=True)
    expect(page.locator("#chat .user .md")).to_have_count(1)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_question_that_is_too_long_stays_whole_and_says_so(site: str, tab: Tab, width: int, dark: bool) -> None:
    page = tab(site, width, dark)
    box = page.locator("#question textarea")
    expect(box).to_be_enabled()
    pasted = "why " * (LONGEST_QUESTION // 4) + "at all?"
    page.evaluate(
        """text => { document.querySelector('#question textarea').focus();
            document.execCommand('insertText', false, text) }""",
        pasted,
    )
    expect(box).to_have_value(pasted)
    note = page.locator(".cut")
    expect(note).to_have_text(
        "7 characters too many: a question may have 4,000 characters. Shorten it; a whole text is taken in under Posts."
    )
    assert serious(page) == []
    page.locator("#send").click()
    expect(page.get_by_text("A question may have 4,000 characters; this one has 4,007.")).to_be_visible()
    expect(page.locator("#chat .user")).to_have_count(0)
    expect(box).to_have_value(pasted)
    box.fill(SEATPOST)
    expect(note).to_have_count(0)


def test_what_a_box_cuts_off_a_paste_is_said_below_it(site: str, tab: Tab) -> None:
    page = tab(site)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("tab", name="Posts").click()
    box = page.locator("#whose :is(textarea, input)")
    page.evaluate("navigator.clipboard.writeText('x'.repeat(83))")
    box.focus()
    page.keyboard.press("Control+V")
    expect(page.locator("#whose .cut")).to_contain_text("3 characters of what you pasted did not fit")
    assert serious(page) == []
    page.keyboard.press("Backspace")
    expect(page.locator("#whose .cut")).to_have_count(0)


def test_a_long_conversation_begins_with_its_last_questions_and_shows_the_others(site: str, tab: Tab) -> None:
    page = tab(site)
    page.get_by_role("button", name="Conversations").click()
    page.locator("#kept-list button", has_text="Question 1?").click()
    questions, earlier = page.locator("#chat .user .md"), page.locator("#earlier")
    expect(questions.first).to_have_text("Question 26?")
    expect(questions).to_have_count(10)
    expect(earlier).to_have_text("25 earlier questions")
    earlier.click()
    expect(earlier).to_have_text("5 earlier questions")
    earlier.click()
    expect(questions.first).to_have_text("Question 1?")
    expect(earlier).to_be_hidden()
    page.locator("#chat .bot .md").nth(15).click()  # what is clicked is the 16th, wherever the chat begins
    expect(page.locator("#sources .title").first).to_have_text("The church clock")
    ask(page, SEATPOST)
    answered(page, answers=SHOWN + 1)
    expect(questions.first).to_have_text("Question 31?")
    page.get_by_role("button", name="Edit").nth(1).click()
    expect(page.locator("#chat .user textarea")).to_have_value("Question 32?")
    page.locator("#chat .user textarea").fill(CLOCK)
    assert page.locator("#chat .user textarea").evaluate("box => box.scrollHeight <= box.clientHeight")
    page.get_by_role("button", name="Submit").click()
    answered(page, answers=SHOWN + 2)
    expect(questions.last).to_have_text(CLOCK)
    expect(questions.first).to_have_text("Question 26?")
    expect(page.locator("#sources .title").first).to_have_text("The church clock")


def test_a_question_is_edited_and_asked_again(site: str, tab: Tab) -> None:
    page = tab(site)
    ask(page, "Who will <b>weld</b> it?")
    answered(page)
    page.get_by_role("button", name="Edit").first.click()
    box = page.locator("#chat .user textarea")
    expect(box).to_have_value("Who will <b>weld</b> it?")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Edit").first.click()
    expect(box).to_have_value("Who will <b>weld</b> it?")
    box.fill(SEATPOST)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#chat .bot .md")).to_contain_text("bolt and all")
    assert page.locator("#chat .user .md").inner_text() == SEATPOST


def test_an_early_question_that_is_edited_leaves_the_conversation_as_it_was(site: str, tab: Tab) -> None:
    page = tab(site)
    ask(page, "Who regulates the church clock?")
    answered(page)
    ask(page, SEATPOST)
    answered(page, answers=2)
    page.get_by_role("button", name="Conversations").click()
    kept = page.locator("#kept-list button", has_text="Who regulates the church clock?")
    expect(kept.and_(page.locator("[aria-pressed=true]"))).to_have_count(1)
    before = kept.count()
    page.get_by_role("button", name="Edit").first.click()
    page.locator("#chat .user textarea").fill("")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#chat .fine")).to_have_count(2)
    expect(page.locator("#chat .user .md").first).to_have_text("Who regulates the church clock?")
    page.get_by_role("button", name="Edit").first.click()
    page.locator("#chat .user textarea").fill("Who regulates the church clock pendulum?")
    page.get_by_role("button", name="Submit").click()
    answered(page)
    expect(page.locator("#kept-list button", has_text="clock pendulum?")).to_have_attribute("aria-pressed", "true")
    assert kept.count() == before


def test_an_answer_is_copied_without_its_markers(site: str, tab: Tab) -> None:
    page = tab(site)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, SEATPOST)
    answered(page)
    page.get_by_text("Copy", exact=True).click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("The clamp comes off first, bolt and all.")
    assert "[1]" not in copied
    assert "snapshot" not in copied


def test_a_conversation_is_kept_found_again_saved_and_deleted(site: str, tab: Tab) -> None:
    page = tab(site)
    ask(page, SEATPOST)
    answered(page)
    later = tab(site)
    later.get_by_role("button", name="Conversations").click()
    later.locator("#kept-list button", has_text=SEATPOST).first.click()
    expect(later.locator("#chat .fine")).to_have_count(1)
    expect(later.locator("#sources .passage").first).to_be_visible()
    later.locator("#kept-title textarea, #kept-title input").fill("The seatpost")
    later.locator("#rename").click()
    expect(later.locator("#kept-list")).to_contain_text("The seatpost")
    ask(later, "Who regulates the church clock pendulum?")
    answered(later, answers=2)
    expect(later.locator("#kept-list button", has_text="The seatpost")).to_have_count(1)
    with later.expect_download() as download:
        later.get_by_text("Save as Markdown").click()
    assert download.value.suggested_filename == "The-seatpost.md"
    later.locator("#kept-delete").click()
    later.locator("#kept-yes").click()
    expect(later.locator("#kept-list")).not_to_contain_text("The seatpost")
    expect(later.locator("#chat .bot")).to_have_count(0)
