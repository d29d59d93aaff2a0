"""The pictures in the documents, of the page as it is:  make screenshots

Takes them in Debian's Chromium, of the store that `make demo` leaves (TWIN_HOME). What cannot be taken, because there is no
version yet, is said and left as it was. Pictures are written in few colours, for they stand in the repository.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Error, Page, expect

from tests.browser import chromium, free_port
from ui.page import sample, server
from ui.wiring import App

HERE = Path(__file__).parent
WIDE, TALL, PHONE = (1280, 860), (1280, 1120), (390, 844)
QUESTION = "How do you free a seized seatpost?"
PATIENCE = 180_000  # milliseconds: the first answer waits until the model is loaded
COLOURS = 256


def chat(page: Page) -> None:
    question = page.locator("#question textarea")
    expect(question).to_be_enabled(timeout=PATIENCE)
    question.fill(QUESTION)
    question.press("Enter")
    expect(page.locator("#chat .fine")).to_have_count(1, timeout=PATIENCE)
    expect(page.locator("#send")).to_be_visible(timeout=PATIENCE)


def phone(page: Page) -> None:
    chat(page)
    page.locator("#chat .user").first.scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#chat').scrollIntoView()")


def posts(page: Page) -> None:
    _open(page, "Posts")
    page.wait_for_selector("#topics svg", timeout=PATIENCE)


def train(page: Page) -> None:
    _open(page, "Train")
    page.locator("#plan").click()
    expect(page.locator("#outcome table")).to_be_visible(timeout=PATIENCE)


def versions(page: Page) -> None:
    _open(page, "Versions")
    page.wait_for_selector("#version h2", timeout=PATIENCE)


def game(page: Page) -> None:
    _open(page, "Which one is me?")
    page.locator("#deal").click()
    expect(page.locator(".blind")).to_have_count(2, timeout=PATIENCE)


SHOTS: tuple[tuple[str, Callable[[Page], None], tuple[int, int], bool], ...] = (
    ("page", chat, WIDE, False),
    ("tour-posts", posts, TALL, False),
    ("tour-train", train, WIDE, False),
    ("tour-versions", versions, WIDE, False),
    ("tour-game", game, WIDE, False),
    ("tour-phone", phone, PHONE, True),
)


def main() -> int:
    app, missed = App(), 0
    with server.running(app, port=free_port(), author=sample.AUTHOR) as url, _browser() as opened:
        chat(opened(url, WIDE, False))  # the model is loaded, as it is for whoever has asked before
        for name, act, viewport, dark in SHOTS:
            page = opened(url, viewport, dark)
            try:
                act(page)
                page.wait_for_timeout(700)  # what moves has come to rest
                size = _kept(page.screenshot(), HERE / f"{name}.png")
                print(f"{name}.png: {size // 1000} kB", flush=True)
            except (AssertionError, Error) as error:
                print(f"{name}.png: not taken: {str(error).splitlines()[0]}", flush=True)
                missed += 1
            page.context.close()
    return missed


def _open(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()


def _kept(picture: bytes, path: Path) -> int:
    """Write it with few colours; the value is its size in bytes."""
    drawn = Image.open(io.BytesIO(picture)).convert("RGB")
    drawn.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    return path.stat().st_size


@contextmanager
def _browser() -> Iterator[Callable[[str, tuple[int, int], bool], Page]]:
    with chromium() as browser:
        if browser is None:
            sys.exit("no chromium here: apt-get install chromium")

        def opened(url: str, size: tuple[int, int], dark: bool) -> Page:
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
            )
            page = context.new_page()
            page.goto(url)
            page.wait_for_function("document.querySelector('#author input')")
            return page

        yield opened


if __name__ == "__main__":
    sys.exit(main())
