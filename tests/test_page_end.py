"""The page's process ends while it works: in order where it is told to, and else its page says so and finds it again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import IN_CHROMIUM, SEATPOST, ask, free_port
from tests.fakes import hear_ctrl_c

pytestmark = IN_CHROMIUM

ROOT = Path(__file__).parents[1]
# In the midst of an answer, and as the style of one that is there is measured.
MOMENTS = ["document.querySelector('#chat .bot .md')?.innerText.length > 30", "document.querySelector('#chat .fine')"]


@contextmanager
def started(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """The process, once its page is up; ended with the block, whatever became of it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.page_process", str(home), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=hear_ctrl_c,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == f"http://127.0.0.1:{port}/\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("moment", MOMENTS, ids=["answering", "measuring"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_it_ends_in_order_while_it_works(
    how: signal.Signals, moment: str, tab: Callable[..., Page], tmp_path: Path
) -> None:
    port = free_port()
    with started(tmp_path, port) as process:
        page = tab(f"http://127.0.0.1:{port}/")
        expect(page.locator("#loading")).to_be_hidden()
        ask(page, SEATPOST)
        page.wait_for_function(moment)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("closed\n", 0), err
    assert "terminate" not in err
    assert not (tmp_path / "page").exists()


def test_a_question_that_is_lost_with_its_server_stands_in_the_box_again(
    tab: Callable[..., Page], tmp_path: Path
) -> None:
    port = free_port()
    with started(tmp_path, port) as process:
        page = tab(f"http://127.0.0.1:{port}/")
        ask(page, SEATPOST)
        page.wait_for_function(MOMENTS[0])
        process.kill()
        process.communicate()
    expect(page.get_by_text("The page has lost its server")).to_be_visible()
    with started(tmp_path, port) as process:
        expect(page.locator("#question textarea")).to_have_value(SEATPOST, timeout=30_000)
        expect(page.locator("#chat .user")).to_have_count(0)
        page.locator("#send").click()
        expect(page.locator("#chat .user .md")).to_have_text(SEATPOST)
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize("typed", ["", "And which oil?"], ids=["sent", "typed"])
def test_what_is_sent_or_typed_while_the_server_is_away_stands_in_the_box_again(
    typed: str, tab: Callable[..., Page], tmp_path: Path
) -> None:
    port = free_port()
    with started(tmp_path, port) as process:
        page = tab(f"http://127.0.0.1:{port}/")
        expect(page.locator("#loading")).to_be_hidden()
        expect(page.locator("#question textarea")).to_be_enabled()
        process.kill()
        process.communicate()
    ask(page, SEATPOST)
    expect(page.get_by_text("The page has lost its server")).to_be_visible()
    if typed:
        page.fill("#question textarea", typed)
    page.evaluate("window.before = true")
    with started(tmp_path, port) as process:
        page.wait_for_function("!window.before", timeout=30_000)
        expect(page.locator("#question textarea")).to_have_value(typed or SEATPOST, timeout=30_000)
        expect(page.locator("#chat .user")).to_have_count(0)
        page.locator("#send").click()
        expect(page.locator("#chat .user .md")).to_have_text(typed or SEATPOST)
        process.terminate()
        process.communicate(timeout=30)


def test_an_idle_page_whose_server_was_started_anew_says_so_and_keeps_what_was_typed(
    tab: Callable[..., Page], tmp_path: Path
) -> None:
    port = free_port()
    with started(tmp_path, port) as process:
        page = tab(f"http://127.0.0.1:{port}/")
        expect(page.locator("#loading")).to_be_hidden()
        page.get_by_role("tab", name="Draft").click()
        page.fill("#draft-title :is(textarea, input)", "On clocks")
        page.get_by_role("tab", name="Chat").click()
        page.fill("#question textarea", "And which oil?")
        page.wait_for_timeout(3_000)  # nothing is asked of the server any more, so Gradio does not miss it
        process.kill()
        process.communicate()
    page.evaluate("dispatchEvent(new Event('focus'))")  # looked at again, and nothing is pressed
    notice = page.locator("#server-notice")
    expect(notice).to_contain_text("The page has lost its server")
    assert page.locator(".toast-title").count() == 0
    with started(tmp_path, port) as process:
        expect(notice).to_contain_text("started anew", timeout=30_000)
        expect(page.locator("#question textarea")).to_have_value("And which oil?", timeout=30_000)
        page.get_by_role("tab", name="Draft").click()
        expect(page.locator("#draft-title :is(textarea, input)")).to_have_value("On clocks")
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize("status", [200, 502])
def test_what_a_proxy_says_is_no_server_that_was_started_anew(
    status: int, tab: Callable[..., Page], tmp_path: Path
) -> None:
    port = free_port()
    with started(tmp_path, port):
        page = tab(f"http://127.0.0.1:{port}/")
        expect(page.locator("#question textarea")).to_be_enabled()
        page.route("**/app_id", lambda route: route.fulfill(status=status, json={"error": "Bad gateway"}))
        page.evaluate("window.before = true; setTimeout(() => dispatchEvent(new Event('focus')), 2000)")
        expect(page.locator("#server-notice")).to_contain_text("The page has lost its server")
        page.unroute("**/app_id")
        expect(page.locator("#server-notice")).to_be_empty()
        assert page.evaluate("window.before")
