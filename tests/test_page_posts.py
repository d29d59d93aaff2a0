"""The Posts tab in Debian's Chromium: files are taken in, posts looked through, and posts and authors forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from contracts.feature_store.conversations import Said
from inference_pipeline.twin import Question
from tests.browser import (
    ADA,
    IN_CHROMIUM,
    WREN,
    Small,
    choose_author,
    crowded,
    free_port,
    open_tab,
    serious,
    small,
    stock,
)
from ui.page import server as chat_page
from ui.page.temporary import LARGEST_UPLOAD

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory, embedder: Path, tiny_model: Path) -> Small:
    """Real stores, with models that jobs load in no time."""
    return crowded(tmp_path_factory.mktemp("posts"), embedder, tiny_model)


def test_a_hostile_post_is_only_text_in_the_list_too(site: str, tab: Tab) -> None:
    page = tab(site)
    choose_author(page, "Eve")
    open_tab(page, "Posts")
    page.locator("#list button").first.click()
    expect(page.locator("#post .text")).to_contain_text("<script>window.hacked = 1</script>")
    inside = ":is(#list, #post, #summary)"
    assert page.locator(f"{inside} :is(img, script, iframe, svg, [onerror], [href^='javascript'])").count() == 0
    for name in ("Train", "Versions", "Settings"):
        open_tab(page, name)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None


def test_posts_are_searched_turned_over_and_forgotten(site: str, tab: Tab, twin: Small) -> None:
    page = tab(site)
    choose_author(page, "Fay")
    open_tab(page, "Posts")
    expect(page.locator("#list")).to_contain_text("1 to 20 of 25 posts")
    page.locator("#older").click()
    expect(page.locator("#list button")).to_have_count(5)
    page.locator("#words textarea, #words input").fill("24 wind")
    expect(page.locator("#list button")).to_have_count(1)
    page.locator("#list button").click()
    page.locator("#forget").click()
    expect(page.get_by_text("Kept answers and drafts with its words go, too")).to_be_visible()
    page.locator("#forget-no").click()
    expect(page.locator("#forget-yes")).to_be_hidden()
    page.locator("#forget").click()
    page.locator("#forget-yes").click()
    expect(page.locator("#list")).to_contain_text("No post fits")
    expect(page.locator("#summary")).to_contain_text("24 posts")
    assert len(twin.app.store.posts("Fay")) == 24


def test_files_are_looked_at_then_taken_in_and_not_kept(site: str, tab: Tab, twin: Small, tmp_path: Path) -> None:
    (tmp_path / "rain.md").write_text("# Rain\n\n" + "Rain falls on brass when the spring bends. " * 8)
    (tmp_path / "empty.md").write_text("")
    page = tab(site)
    open_tab(page, "Posts")
    page.locator("#whose textarea, #whose input").fill("Gil")
    page.locator("#take").click()
    expect(page.get_by_text("There is nothing to read")).to_be_visible()
    page.locator("#address textarea, #address input").fill("/etc")
    page.locator("#take").click()
    expect(page.get_by_text("“/etc” is no web address")).to_be_visible()
    page.locator("#address textarea, #address input").fill("https://")
    page.locator("#take").click()
    expect(page.get_by_text("“https://” is no web address")).to_be_visible()
    page.locator("#address textarea, #address input").fill("")
    page.locator("#files input[type=file]").set_input_files([tmp_path / "rain.md", tmp_path / "empty.md"])
    expect(page.locator("#files")).to_contain_text("rain")
    page.locator("#look").click()
    expect(page.locator("#report")).to_contain_text("1 post would be taken in", timeout=120_000)
    assert "Gil" not in [known.name for known in twin.app.store.authors()]
    page.locator("#take").click()
    later = tab(site)  # a tab that comes later finds the work going on, and sees it end
    open_tab(later, "Posts")
    expect(later.locator("#posts-progress")).to_contain_text("Reading the posts of Gil")
    expect(page.locator("#report")).to_contain_text("1 new", timeout=120_000)
    expect(page.locator("#report")).to_contain_text("empty × 1")
    expect(later.locator("#report")).to_contain_text("1 new")
    assert [post.title for post in twin.app.store.posts("Gil")] == ["Rain"]
    assert list(twin.app.home.rglob("rain.md")) == []
    page.locator("#author input").click()
    expect(page.get_by_role("option", name="Gil")).to_be_visible()


def test_uploads_are_bounded_and_nothing_else_is_large(site: str) -> None:
    address = urlsplit(site)
    with closing(HTTPConnection(str(address.hostname), address.port)) as connection:
        connection.putrequest("POST", "/gradio_api/upload")
        connection.putheader("content-length", str(LARGEST_UPLOAD + 1))
        connection.endheaders()
        assert connection.getresponse().status == 413  # before a byte of it is read
    with httpx.Client() as client:
        sent = client.post(f"{site}gradio_api/upload", files={"files": ("a.md", b"x" * 100_000)})
        assert sent.status_code == 200
        (path,) = sent.json()
        assert "/page/" in path
        assert client.post(f"{site}gradio_api/queue/join", content=b"x" * 3_000_000).status_code == 413


@pytest.mark.parametrize(("count", "says"), [(3, "too large together"), (1, "Too large: “0.zip”")])
def test_files_that_are_too_large_are_told_with_the_limit(
    site: str, tab: Tab, tmp_path: Path, count: int, says: str
) -> None:
    files = [tmp_path / f"{number}.zip" for number in range(count)]
    for file in files:
        file.touch()
        os.truncate(file, LARGEST_UPLOAD // count + 1_000)
    page = tab(site)
    open_tab(page, "Posts")
    expect(page.locator("#files-limit")).to_contain_text("At most 200 MB at once")
    page.locator("#files input[type=file]").set_input_files(files)
    expect(page.get_by_test_id("toast-text")).to_contain_text(says, timeout=30_000)
    expect(page.get_by_test_id("toast-text")).to_contain_text("At most 200 MB at once, all files together")


def test_four_hundred_files_are_dropped_at_once(site: str, tab: Tab, twin: Small, tmp_path: Path) -> None:
    files = [tmp_path / f"a note about rain on brass, number {number}.md" for number in range(400)]
    for number, file in enumerate(files):
        file.write_text(f"# Rain {number}\n\nRain number {number} falls on brass when the spring bends.")
    page = tab(site)
    open_tab(page, "Posts")
    page.locator("#whose textarea, #whose input").fill("Hal")
    page.locator("#files input[type=file]").set_input_files(files)
    expect(page.locator("#files")).to_contain_text("number 399", timeout=60_000)
    page.locator("#look").click()
    expect(page.locator("#report")).to_contain_text("400 posts would be taken in", timeout=120_000)


def test_an_author_is_forgotten_with_versions_and_conversations_and_the_page_goes_over_to_another(
    tab: Tab, tmp_path: Path
) -> None:
    made = small(tmp_path)
    stock(made)
    store, registry = made.app.store, made.app.registry
    answer = made.app.twin.ask(Question("What of the church clock?", WREN))
    store.conversations.keep("", WREN, [Said(question="What of the church clock?", answer=answer)])
    with chat_page.running(made.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        open_tab(page, "Posts")
        page.locator("#author-forget").click()
        asked = page.locator("#author-sure")
        expect(asked).to_contain_text(
            f"Forget every post of {WREN} and delete every version (v1, v2), also the champion?"
        )
        expect(asked).to_be_in_viewport(ratio=0.99)
        assert serious(page) == []
        page.locator("#author-no").click()
        expect(asked).to_be_hidden()
        assert len(store.posts(WREN)) == 2
        page.locator("#author-forget").click()
        page.locator("#author-yes").click()
        expect(page.get_by_text(f"{WREN} is forgotten: 2 posts, and {WREN}@v1, {WREN}@v2 deleted.")).to_be_visible()
        expect(page.locator("#author input")).to_have_value(ADA)
        expect(page.locator("#summary")).to_contain_text("1 post")
        assert (store.posts(WREN), registry.versions(WREN), store.conversations.all("", WREN)) == ([], [], [])
        page.locator("#author-forget").click()
        page.locator("#author-yes").click()
        expect(page.locator("#summary")).to_contain_text("Nothing is stored yet")
        expect(page.locator("#author-forget")).to_be_hidden()
        open_tab(page, "Chat")
        expect(page.locator("#sample")).to_be_visible()
        assert store.authors() == []


@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_asked_before_a_post_is_forgotten_comes_into_view(site: str, tab: Tab, width: int) -> None:
    page = tab(site, width)
    choose_author(page, "Fay")
    open_tab(page, "Posts")
    page.locator("#list button").first.click()
    button = page.locator("#forget")
    button.evaluate("button => scrollBy(0, button.getBoundingClientRect().bottom - innerHeight + 4)")
    for _ in range(2):  # also a second time
        button.click()
        expect(page.locator("#forget-sure")).to_be_in_viewport(ratio=0.99)
        page.locator("#forget-no").click()
        expect(page.locator("#forget-sure")).to_be_hidden()
