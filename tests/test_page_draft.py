"""The Draft tab in Debian's Chromium: from a title or points to a draft that is edited, saved and kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from inference_pipeline.queue import Queue
from tests.browser import ADA, IN_CHROMIUM, WREN, Small, choose, free_port, serious, small, stock
from tests.served import until
from ui.page import server as chat_page

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]

SEATPOST, CLOCK, WHALES = "Freeing a seized seatpost", "The church clock and its pendulum", "Whales of the quasar"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Small:
    made = small(tmp_path_factory.mktemp("draft"))
    stock(made)
    return made


def opened(page: Page) -> Page:
    page.get_by_role("tab", name="Draft").click()
    expect(page.locator("#draft-title textarea, #draft-title input")).to_be_visible()
    return page


def put(page: Page, box: str, text: str) -> None:
    page.locator(f"#{box} textarea, #{box} input").first.fill(text)


def text(page: Page) -> str:
    return page.locator("#draft-text textarea").input_value()


def brief(page: Page, points: str) -> None:
    put(page, "draft-title", "Old things")
    put(page, "draft-points", points)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_from_a_title_to_a_draft_that_is_edited_and_kept(
    site: str, tab: Tab, twin: Small, width: int, dark: bool
) -> None:
    page = opened(tab(site, width, dark))
    put(page, "draft-title", "Freeing a seized seatpost")
    page.locator("#draft-plan").click()
    expect(page.locator("#draft-outline li > strong").first).to_be_visible()
    found = page.locator("#draft-points textarea").input_value()
    assert found
    put(page, "draft-points", f"{SEATPOST}\n- {WHALES}\n{CLOCK}")
    page.locator("#draft-plan").click()
    expect(page.locator("#draft-outline li > strong")).to_have_text([SEATPOST, WHALES, CLOCK])
    expect(page.locator("#draft-outline .outline > li").nth(1)).to_contain_text("Nothing of yours on this")
    expect(page.locator("#draft-outline .outline > li").nth(2)).to_contain_text("The church clock, 2024-05-06")
    put(page, "draft-points", f"{CLOCK}\n{SEATPOST}")
    page.locator("#draft-write").click()
    expect(page.locator("#draft-paper h3").first).to_have_text(CLOCK)
    expect(page.locator("#draft-text textarea")).to_be_visible()
    expect(page.locator("#draft-note")).to_contain_text(f"; {WREN}@v2, snapshot")
    expect(page.locator("#draft-write")).to_be_visible()
    assert f"# Freeing a seized seatpost\n\n## {CLOCK}\n\nThe church clock gains" in text(page)
    assert text(page).index("pendulum on Sundays. [1]") < text(page).index("bolt and all. [2]")
    expect(page.locator("#draft-sources h2")).to_have_text([CLOCK, SEATPOST])
    expect(page.locator("#draft-sources article").first.locator("mark").first).to_contain_text("church clock")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious(page) == []

    put(page, "draft-text", f"{text(page)}\n\nAnd mine, at {width}.")
    expect(page.locator("#draft-export a")).to_have_attribute("href", re.compile(rf"mine%2C%20at%20{width}"))
    with page.expect_download() as download:
        page.get_by_text("Save as Markdown").click()
    assert download.value.suggested_filename == "Freeing-a-seized-seatpost.md"
    saved = Path(download.value.path()).read_text(encoding="utf-8")
    assert f"And mine, at {width}.\n\n[1] The church clock: “" in saved
    until(lambda: twin.app.store.drafts.all("", WREN, f"mine, at {width}."))
    page.locator("#draft-keep").click()
    expect(page.get_by_text("The draft is kept")).to_be_visible()
    put(page, "draft-title", "Another")
    page.locator("#draft-write").click()
    expect(page.locator("#draft-text textarea")).to_have_value(re.compile("# Another"))  # the one before is kept

    page.reload()
    opened(page)
    page.get_by_role("button", name="Kept drafts").click()
    expect(page.locator("#drafts-list button")).not_to_have_count(0)
    put(page, "drafts-words", f"mine, at {width}.")
    expect(page.locator("#drafts-list button")).to_have_count(1)
    page.locator("#drafts-list button", has_text=SEATPOST).first.click()
    expect(page.locator("#draft-text textarea")).to_be_visible()
    assert text(page).endswith(f"And mine, at {width}.")
    expect(page.locator("#draft-sources mark").first).to_be_visible()
    expect(page.locator("#draft-outline li > strong")).to_have_text([CLOCK, SEATPOST])
    assert page.locator("#draft-points textarea").input_value() == f"{CLOCK}\n{SEATPOST}"
    paper = page.locator("#draft-paper details")
    paper.locator("summary").click()
    expect(paper.locator("mark").first).to_have_attribute("title", re.compile("^Word for word from “"))
    expect(paper.locator(".note a").last).to_have_attribute("href", "https://wren.example/seatpost")
    expect(paper.locator("a.marker").first).to_be_visible()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#draft-delete").click()
    page.locator("#draft-yes").click()
    expect(page.locator("#draft-text textarea")).to_be_hidden()
    expect(page.locator("#drafts-list button", has_text=SEATPOST)).to_have_count(0)
    assert twin.app.store.drafts.all("", WREN, f"mine, at {width}.") == []


def test_what_is_missing_is_said(site: str, tab: Tab) -> None:
    page = opened(tab(site))
    page.locator("#draft-write").click()
    expect(page.get_by_text("Write a title first, or points")).to_be_visible()
    put(page, "draft-title", WHALES)
    page.locator("#draft-write").click()
    expect(page.locator("#draft-outline")).to_contain_text("Say in points what it is to be about")
    expect(page.locator("#draft-text textarea")).to_be_hidden()


def test_another_author_has_an_empty_desk(site: str, tab: Tab) -> None:
    page = opened(tab(site))
    brief(page, CLOCK)
    page.locator("#draft-write").click()
    expect(page.locator("#draft-text textarea")).to_be_visible()
    choose(page, "author", ADA)
    expect(page.locator("#draft-text textarea")).to_be_hidden()
    expect(page.locator("#draft-sources .passage")).to_have_count(0)
    expect(page.locator("#draft-model input")).to_have_value("base model, untrained")


def test_stop_keeps_what_is_written_and_a_tab_that_closes_ends_the_draft(tmp_path: Path, tab: Tab) -> None:
    twin = small(tmp_path, pause=0.05, repeat=100)
    stock(twin)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = opened(tab(url))
        brief(page, f"{CLOCK}\n{SEATPOST}")
        before = len(twin.engine.logs)
        page.locator("#draft-write").click()
        page.wait_for_function("document.querySelector('#draft-paper .draft')?.innerText.length > 120")
        page.locator("#draft-stop").click()
        assert twin.engine.logs[-1].ended.wait(1)
        expect(page.locator("#draft-text textarea")).to_be_visible()
        expect(page.locator("#draft-note")).to_contain_text("Stopped: ")
        assert "church clock" in text(page)
        assert len(twin.engine.logs) == before + 1  # the second section is not begun
        page.locator("#draft-write").click()
        page.wait_for_function("document.querySelector('#draft-paper .draft')?.innerText.length > 120")
        log = twin.engine.logs[-1]
        page.context.close()
        assert log.ended.wait(3)


def test_a_twin_that_is_busy_says_so(tmp_path: Path, tab: Tab) -> None:
    twin = small(tmp_path, pause=0.0)
    stock(twin)
    twin.app.twin.queue = Queue(at_once=1, waiting=0)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = opened(tab(url))
        brief(page, f"{CLOCK}\n{SEATPOST}")
        with twin.app.twin.queue.place("somebody else"):
            page.locator("#draft-write").click()
            expect(page.locator("#draft-note .problem")).to_contain_text("requests are waiting already")
            expect(page.locator("#draft-write")).to_be_visible()
        page.locator("#draft-write").click()
        expect(page.locator("#draft-text textarea")).to_be_visible()
        expect(page.locator("#draft-note .problem")).to_have_count(0)


def test_a_model_that_fails_half_way_leaves_what_is_written(tmp_path: Path, tab: Tab) -> None:
    twin = small(tmp_path, pause=0.0, fails_after=16)  # words: the first section has 14, the second 19
    stock(twin)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = opened(tab(url))
        brief(page, f"{CLOCK}\n{SEATPOST}")
        page.locator("#draft-write").click()
        expect(page.locator("#draft-note .problem")).to_contain_text("The model fell over")
        assert "pendulum on Sundays. [1]" in text(page)
        assert "bolt and all" not in text(page)
