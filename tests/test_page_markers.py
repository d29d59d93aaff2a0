"""A marker that is pointed at, clicked or tapped: what it stands for is shown, the sentence in view or a button away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import IN_CHROMIUM, SEATPOST, WREN, answered, ask, free_port, serious, small, stock, written
from tests.fakes import fill
from ui.page import server as chat_page

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]
CLOCK = "Who regulates the church clock pendulum?"
SEIZED = "Freeing a seized seatpost"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    twin = small(tmp_path_factory.mktemp("markers"), pause=0.0)
    stock(twin)
    fill(twin.app.store, [written(WREN, f"Oil {n}", f"Oil and heat, number {n}. " * 20) for n in range(4)])
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        yield url


def two_answers(page: Page) -> None:
    for number, question in enumerate((SEATPOST, CLOCK), start=1):
        ask(page, question)
        answered(page, answers=number)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_beside_the_chat_the_passage_is_shown_and_the_sentence_stays(site: str, tab: Tab, dark: bool) -> None:
    page = tab(site, 1280, dark)
    two_answers(page)
    page.get_by_role("button", name="Conversations").click()  # pushes the passages down
    expect(page.locator("#kept-title")).to_be_visible()
    for marker in (page.locator("#chat a.marker").last, page.locator("#chat a.marker").first):
        marker.click()
        passage = page.locator(marker.get_attribute("href") or "")
        expect(passage.locator("mark").first).to_be_in_viewport(ratio=1)
        expect(marker).to_be_in_viewport(ratio=1)
        expect(page.locator("#to-sentence")).to_be_hidden()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(page.locator("#question")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_on_a_phone_a_button_leads_back_to_the_sentence(site: str, tab: Tab, dark: bool) -> None:
    page = tab(site, 390, dark)
    two_answers(page)
    back = page.locator("#to-sentence")
    marker = page.locator("#chat a.marker").first
    marker.click()
    passage = page.locator(marker.get_attribute("href") or "")
    expect(passage.locator("mark").first).to_be_in_viewport(ratio=1)
    expect(back).to_be_visible()
    assert serious(page) == []
    back.click()
    expect(marker).to_be_in_viewport(ratio=1)
    expect(marker).to_be_focused()
    expect(back).to_be_hidden()
    marker.click()
    expect(back).to_be_visible()
    page.get_by_role("tab", name="Posts").click()  # there is no sentence to go back to
    expect(back).to_be_hidden()


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_copied_words_are_highlighted_and_their_post_is_a_click_away(
    site: str, tab: Tab, width: int, dark: bool
) -> None:
    page = tab(site, width, dark)
    two_answers(page)
    expect(page.locator("#chat .note a[href='https://wren.example/seatpost']")).to_be_visible()
    expect(page.locator("#chat mark").first).to_contain_text("The clamp comes off first")
    assert serious(page) == []
    page.locator("#chat .note a.post").click()  # the clock's post has no address
    post = page.locator("#post")
    expect(post.locator("h2")).to_have_text("The church clock")
    expect(page.locator("#topics")).not_to_contain_text("Placing the posts")
    expect(post.locator("h2")).to_be_in_viewport()
    expect(page.locator("#list button").first).to_be_visible()
    page.get_by_role("tab", name="Chat").click()
    expect(page.locator("#chat .note a.post")).to_be_visible()


def test_nothing_moves_where_the_cited_words_are_in_view(site: str, tab: Tab) -> None:
    page = tab(site)
    two_answers(page)
    cited = page.locator("#sources mark").first
    cited.evaluate("""mark => mark.after(Object.assign(document.createElement("div"), {style: "height: 2000px"}))""")
    expect(cited).to_be_in_viewport(ratio=1)
    moved = "() => [scrollY, document.querySelector('#sources').scrollTop]"
    before = page.evaluate(moved)
    page.locator("#chat a.marker").last.click()
    page.wait_for_timeout(500)
    assert page.evaluate(moved) == before


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_passage_is_shown_from_the_cited_words_on(site: str, tab: Tab, width: int) -> None:
    page = tab(site, width, False)
    two_answers(page)
    marker = page.locator("#chat a.marker").last
    cited = page.locator(marker.get_attribute("href") or "").locator("mark").first
    cited.evaluate("""mark => mark.before(Object.assign(document.createElement("div"), {style: "height: 3000px"}))""")
    marker.click()
    expect(cited).to_be_in_viewport()
    assert serious(page) == []  # also where the box of passages scrolls


def test_a_marker_that_is_pointed_at_shows_what_its_own_sentence_rests_on(site: str, tab: Tab) -> None:
    page = tab(site)
    ask(page, SEATPOST)
    answered(page)
    marker, second = (page.locator("#chat a.marker").nth(place) for place in range(2))
    peek = page.locator("#peek")
    assert marker.inner_text() == second.inner_text() == "1"  # both of one passage
    expect(peek).to_be_hidden()
    second.hover()
    expect(peek).to_have_text(f"{SEIZED}Penetrating oil goes in overnight, and heat follows in the morning.")
    marker.hover()
    expect(peek).to_have_text(f"{SEIZED}The clamp comes off first, bolt and all.")
    expect(peek).to_be_in_viewport(ratio=1)
    assert serious(page) == []
    page.keyboard.press("Escape")
    expect(peek).to_be_hidden()
    page.mouse.move(0, 0)
    marker.focus()
    expect(peek).to_be_visible()
    expect(marker).to_have_accessible_description(re.compile("The clamp comes off"))
    page.locator("#question textarea").focus()
    expect(peek).to_be_hidden()
    ask(page, "Who regulates the church clock pendulum?")
    answered(page, answers=2)
    expect(page.locator("#sources .title").first).to_have_text("The church clock")
    marker.hover()  # of the answer before, whose passages stand there no more
    expect(peek).to_have_text(f"{SEIZED}The clamp comes off first, bolt and all.")
