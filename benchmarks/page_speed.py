"""How long the page takes on a large store:  python -m benchmarks.page_speed ../shared/data [CHUNKS]

A store of real sentences under random vectors (benchmarks/search_speed.py fills it). Chromium opens the page, looks
through the posts, asks, and asks again until a conversation has TURNS turns. Each time is from the click to what it leads to
standing on the screen, so the browser's own work and Playwright's are in it; of a question, from the key to the paint, by
the browser's clock, for Playwright looks only some times a second. The model reads its first passage out loud, 50 words a
second: what it is asked of the page is to show them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from benchmarks.search_speed import AUTHOR, Drawn, fill
from benchmarks.speed import machine
from contracts.feature_store import FeatureStore
from contracts.feature_store.conversations import Said
from inference_pipeline.twin import Question, Twin
from tests.browser import Engine, answered, ask, chromium, free_port
from ui.page import server
from ui.page.conversation import first_shown
from ui.settings import Settings
from ui.wiring import App

CHUNKS, TIMES, TURNS, ASKED, PAUSE = 100_000, 15, 200, 3, 0.02
QUESTION = "What about the first of these?"
WATCH = """count => { const chat = document.querySelector('#chat'); let length = 0;
  window.watch?.disconnect();
  const seen = window.seen = {drawn: [], pressed: 0, stood: 0, first: 0};  // what the last one still paints is its own
  addEventListener('keydown', () => { seen.pressed = performance.now() }, {capture: true, once: true});
  const painted = what => requestAnimationFrame(() => setTimeout(() => { seen[what] ||= performance.now() }));
  const answer = () => chat.querySelectorAll('.bot .md')[count - 1];
  window.watch = new MutationObserver(() => {
    if (chat.textContent.length !== length) { length = chat.textContent.length; seen.drawn.push(performance.now()); }
    if (chat.querySelectorAll('.user .md').length === count) painted('stood');
    if (answer() && !answer().querySelector('.waiting')) painted('first');
  });
  window.watch.observe(chat, {subtree: true, childList: true, characterData: true}) }"""


def main(data: Path, chunks: int) -> None:
    words = " ".join(path.read_text(encoding="utf-8") for path in sorted((data / "chunk_chroma/corpora").glob("*.md")))
    print("| action | p50 ms | p95 ms |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, _site(Path(folder), words, chunks) as url, _browser() as opened:
        _measure(url, opened)
    print(machine())


@contextmanager
def _site(home: Path, words: str, chunks: int) -> Iterator[str]:
    app = App(Settings(), home)
    app.store = FeatureStore(home, Drawn())
    fill(app.store, words, chunks)
    app.engine = Engine(pause=PAUSE)
    app.twin = Twin(app.store, app.registry, app.engine)
    said = Said(question=QUESTION, answer=app.twin.ask(Question(QUESTION, AUTHOR)))
    app.store.conversations.keep("", AUTHOR, [said] * (TURNS - ASKED))  # it may have no more
    app.store.search("warm", AUTHOR)  # the index is filled once, by whoever asks first; the page's server does it, too
    with server.running(app, port=free_port(), author=AUTHOR) as url:
        yield url


@contextmanager
def _browser() -> Iterator[Callable[[], Page]]:
    with chromium() as browser:
        if browser is None:
            sys.exit("no chromium here: apt-get install chromium")
        yield lambda: browser.new_context(viewport={"width": 1280, "height": 860}).new_page()


def _measure(url: str, opened: Callable[[], Page]) -> None:
    _first_paint(url, opened)
    page = opened()
    page.goto(url)
    expect(page.locator("#question textarea")).to_be_enabled(timeout=60_000)
    _tabs(page)
    _search(page)
    page.get_by_role("tab", name="Chat").click()
    _asked(page, "a new conversation", 0)
    page.get_by_text("Conversations", exact=True).click()
    kept = TURNS - ASKED
    opened_at = _milliseconds(
        page.locator("#kept-list button").last.click,  # the older of the two
        lambda: expect(page.locator("#chat .fine")).to_have_count(kept - first_shown(kept), timeout=60_000),
    )
    _told(f"a conversation of {TURNS - ASKED} turns is opened", [opened_at])
    _asked(page, f"below {TURNS - ASKED} turns", TURNS - ASKED)


def _search(page: Page) -> None:
    """From the last letter to the list that it leads to."""
    found = []
    for word in ("house", "water", "people", "night", "system", "market", "trust", "engine"):
        before = page.locator("#list").inner_text()
        found.append(
            _milliseconds(
                lambda word=word: page.fill("#words textarea, #words input", word),
                lambda before=before: page.wait_for_function(
                    "before => document.querySelector('#list').innerText !== before", arg=before
                ),
            )
        )
    _told("words are looked for among the posts", found)


def _asked(page: Page, where: str, before: int) -> None:
    """A few questions: until the question stands there, until the first word of the answer, and how often it grew."""
    shown, first, often = [], [], []
    for number in range(before + 1, before + ASKED + 1):
        page.evaluate(WATCH, number - first_shown(number))
        ask(page, QUESTION)
        answered(page, number - first_shown(number))
        shown.append(page.evaluate("seen.stood - seen.pressed"))
        first.append(page.evaluate("seen.first - seen.pressed"))
        drawn = page.evaluate("seen.drawn")
        often.append(len({round(at / 10) for at in drawn}) / max((drawn[-1] - drawn[0]) / 1000, 0.001))
    _told(f"{where}: the question stands there", shown)
    _told(f"{where}: the first word of the answer", first)
    print(f"| {where}: changes a second while it is written | {sorted(often)[len(often) // 2]:.0f} | |", flush=True)


def _first_paint(url: str, opened: Callable[[], Page]) -> None:
    painted, usable = [], []
    for _ in range(TIMES):
        page = opened()
        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        expect(page.locator("#question textarea")).to_be_enabled(timeout=60_000)
        usable.append(1000 * (time.perf_counter() - began))
        painted.append(
            page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now()")
        )
        page.context.close()
    _told("first contentful paint", painted)
    _told("the page can be used: a question can be typed", usable)


def _tabs(page: Page) -> None:
    chat, posts = page.get_by_role("tab", name="Chat"), page.get_by_role("tab", name="Posts")
    began = time.perf_counter()
    shown = [_milliseconds(posts.click, lambda: page.wait_for_selector("#list button", state="visible"))]
    _told("Posts for the first time: the list stands", shown)
    page.wait_for_selector("#topics svg", timeout=60_000)
    _told("the same: the map of topics stands, once a snapshot", [1000 * (time.perf_counter() - began)])
    shown = []
    for _ in range(TIMES):
        chat.click()
        page.wait_for_selector("#question", state="visible")
        shown.append(_milliseconds(posts.click, lambda: page.wait_for_selector("#list button", state="visible")))
    _told("a click on Posts: the list stands", shown)


def _milliseconds(act: Callable[[], object], shown: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    shown()
    return 1000 * (time.perf_counter() - began)


def _told(what: str, times: Sequence[float]) -> None:
    ordered = sorted(times)
    print(f"| {what} | {ordered[len(ordered) // 2]:.0f} | {ordered[len(ordered) * 95 // 100]:.0f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else CHUNKS)
