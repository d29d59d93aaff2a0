"""The chat page: what it shows, what it must not, and that Stop stops. Browser tests drive Debian's Chromium."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
import httpx
import pytest
from playwright.sync_api import Page, expect

from contracts.errors import UsageError
from inference_pipeline.grounding.check import NOTHING_FOUND
from inference_pipeline.twin import Question
from tests.browser import (
    ADA,
    HOSTILE,
    ON_THE_PAGE,
    POSTS,
    SEATPOST,
    WREN,
    Small,
    answered,
    ask,
    choose,
    free_port,
    small,
    stock,
    written,
)
from tests.fakes import fill, hear_ctrl_c
from ui.page import server as chat_page

pytestmark = ON_THE_PAGE


# ---- the server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", ""])
def test_a_public_address_needs_a_password(host: str, tmp_path: Path) -> None:
    with (
        closing(small(tmp_path).app.store),
        pytest.raises(UsageError, match="open to everyone"),
        chat_page.running(small(tmp_path).app, host=host),
    ):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Small]]:
    twin = small(tmp_path_factory.mktemp("site"))
    stock(twin)
    with chat_page.running(twin.app, port=free_port()) as url:
        yield url, twin


def test_a_large_request_is_refused_and_the_browser_is_told_to_stay_here(site: tuple[str, Small]) -> None:
    url, _ = site
    assert httpx.post(f"{url}gradio_api/queue/join", content=b"x" * 3_000_000).status_code == 413
    assert httpx.post(f"{url}gradio_api/run/predict", content=b"x" * 100_000).status_code == 413
    assert httpx.post(f"{url}gradio_api/upload", content=iter([b"x" * 10])).status_code == 413
    assert "default-src 'self'" in httpx.get(url).headers["content-security-policy"]


def test_a_name_that_was_made_to_point_here_is_refused(site: tuple[str, Small]) -> None:
    url, _ = site
    port = urlsplit(url).port
    assert httpx.get(url, headers={"host": f"evil.example:{port}"}).status_code == 403
    assert httpx.get(url, headers={"host": f"localhost:{port}"}).status_code == 200


def test_no_file_is_served(site: tuple[str, Small]) -> None:
    url, twin = site
    secret, address = twin.app.home / ".env", urlsplit(url)
    secret.write_text("KEY=1")
    below = "../" * len(Path.cwd().parts)
    for path in (
        secret,
        f"{below}{secret}".replace("//", "/"),
        twin.app.home / "ledger.sqlite3",
        twin.app.home / "page" / ".." / ".env",
        Path(chat_page.__file__),
        "/etc/passwd",
        f"{below}etc/passwd",
    ):
        assert Path(path).is_file()
        with closing(HTTPConnection(str(address.hostname), address.port)) as connection:
            connection.request("GET", f"/gradio_api/file={path}")  # as it is: httpx would make ../ of it what it means
            assert connection.getresponse().status == 403


def test_nothing_is_shared_whatever_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SHARE", "True")
    before = set(gr.Blocks.get_instances())
    with chat_page.running(small(tmp_path).app, port=free_port()):
        (page,) = set(gr.Blocks.get_instances()) - before
        assert page.share is False
        assert page.share_url is None


def test_with_a_password_nothing_is_said_before_it_is_given(tmp_path: Path) -> None:
    with chat_page.running(small(tmp_path).app, port=free_port(), password="sesame ö") as url:
        assert httpx.get(f"{url}config").status_code == 401
        assert httpx.post(f"{url}login", data={"username": "me", "password": "no"}).status_code == 400
        assert httpx.post(f"{url}login", data={"username": "me", "password": "sesame ö"}).status_code == 200


def test_a_port_in_use_is_said(site: tuple[str, Small], tmp_path: Path) -> None:
    port = urlsplit(site[0]).port
    assert port
    with pytest.raises(UsageError, match=f"port {port}"), chat_page.running(small(tmp_path).app, port=port):
        pass


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    with served(tmp_path, "print(url, flush=True)") as process:
        assert process.stdout
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "closed\n"
        assert process.returncode == 0


def test_the_model_is_loaded_before_anybody_looks_but_after_who_comes_at_once(tmp_path: Path) -> None:
    with served(tmp_path, "threading.Thread(target=watch, daemon=True).start()") as process:
        assert process.stdout
        assert float(process.stdout.readline()) >= chat_page.HEAD_START
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "closed\n"


def served(tmp_path: Path, ready: str) -> subprocess.Popen[str]:
    """The page in a process of its own, which does `ready` once it listens."""
    code = (
        "import threading, time; from pathlib import Path; from tests.browser import small, stock\n"
        "from ui.page.server import serve\n"
        f"made = small(Path({str(tmp_path)!r})); stock(made)\n"
        "def watch():\n"
        "    began = time.monotonic()\n"
        "    while not made.engine.loaded: time.sleep(0.05)\n"
        "    print(time.monotonic() - began, flush=True)\n"
        f"serve(made.app, port={free_port()}, ready=lambda url: {ready})\n"
        "print('closed')"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        preexec_fn=hear_ctrl_c,
    )


# ---- in a browser ---------------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_an_answer_streams_and_shows_what_it_rests_on(site: tuple[str, Small], tab: Callable[[str], Page]) -> None:
    url, twin = site
    expected = twin.app.twin.ask(Question(SEATPOST, WREN))
    page = tab(url)
    choose(page, "author", WREN)
    ask(page, SEATPOST)
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#sources h2")).to_have_text(re.compile("Reading|Passages used"))
    text = answered(page)
    assert "bolt and all" in text
    assert f"{WREN}@v2 · snapshot {expected.snapshot} · first token" in text
    assert "tokens/s" in text
    assert page.locator("#sources mark").all_text_contents() == [cited.text for cited in expected.citations]
    link = page.locator("#sources article a").first
    assert link.get_attribute("href") == "https://wren.example/seatpost"
    assert link.get_attribute("rel") == "noopener noreferrer"
    page.locator("#chat a.marker").first.click()
    expect(page.locator("#sources article").first).to_be_in_viewport()
    assert page.url == url


@pytest.mark.browser
def test_the_model_is_loaded_while_the_question_is_typed_and_the_page_says_so(
    tmp_path: Path, tab: Callable[[str], Page]
) -> None:
    twin = small(tmp_path)
    stock(twin)
    twin.engine.may.clear()
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        loading = page.locator("#loading")
        expect(loading).to_have_text(re.compile("The model is being loaded"))
        assert not twin.engine.loaded
        page.get_by_role("tab", name="Posts").click()  # the page is as quick as ever
        expect(page.locator("#list button").first).to_be_visible()
        page.get_by_role("tab", name="Chat").click()
        ask(page, SEATPOST)
        expect(page.locator("#chat .waiting")).to_be_visible()
        twin.engine.may.set()
        answered(page)
        expect(loading).to_be_hidden()
        assert len(twin.engine.loaded) == 2  # for the page, and for the question
        choose(page, "author", ADA)
        expect(page.locator("#question textarea")).to_have_attribute("placeholder", f"Ask {ADA}")
        while len(twin.engine.loaded) == 2:  # of another author another model may answer
            page.wait_for_timeout(100)
        choose(page, "author", WREN)
        expect(page.locator("#question textarea")).to_have_attribute("placeholder", f"Ask {WREN}")
        page.wait_for_timeout(500)
        assert len(twin.engine.loaded) == 3


@pytest.mark.browser
def test_stop_ends_the_generation(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    twin = small(tmp_path, pause=0.05, repeat=100)
    stock(twin)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        ask(page, SEATPOST)
        page.wait_for_function("document.querySelector('#chat .bot .md')?.innerText.length > 40")
        log = twin.engine.logs[-1]
        began = time.monotonic()
        page.locator("#stop").click()
        assert log.ended.wait(1)
        assert log.last - began < 1  # Playwright's own part of a click is the most of it
        text = answered(page)
        assert "stopped" in text
        words = log.words
        page.wait_for_timeout(300)
        assert log.words == words
        assert page.locator("#chat .bot .md").last.inner_text() == text
        ask(page, SEATPOST)
        expect(page.locator("#stop")).to_be_visible()
        page.locator("#stop").click()
        answered(page, answers=2)


@pytest.mark.browser
def test_a_tab_that_closes_ends_its_generation(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    twin = small(tmp_path, pause=0.05, repeat=1000)
    stock(twin)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        ask(page, SEATPOST)
        page.wait_for_function("document.querySelector('#chat .bot .md')?.innerText.length > 40")
        log = twin.engine.logs[-1]
        page.context.close()
        assert log.ended.wait(3)


@pytest.mark.browser
def test_another_version_answers_and_says_so(site: tuple[str, Small], tab: Callable[[str], Page]) -> None:
    page = tab(site[0])
    choose(page, "author", WREN)
    expect(page.locator("#model input")).to_have_value("v2, champion")
    ask(page, SEATPOST)
    assert f"{WREN}@v2" in answered(page)
    choose(page, "model", "v1")
    page.locator("#again").click()
    expect(page.locator("#chat .fine")).to_contain_text(f"{WREN}@v1")
    choose(page, "model", "base model, untrained")
    ask(page, SEATPOST)
    assert "base model · snapshot" in answered(page, answers=2)


@pytest.mark.browser
def test_another_author_is_another_conversation(site: tuple[str, Small], tab: Callable[[str], Page]) -> None:
    page = tab(site[0])
    choose(page, "author", WREN)
    expect(page.locator("#notices")).to_contain_text("Wren Halloway is invented")
    ask(page, SEATPOST)
    answered(page)
    choose(page, "author", ADA)
    expect(page.locator("#chat .bot")).to_have_count(0)
    expect(page.locator("#notices")).to_contain_text("press “Train”, under Train")
    expect(page.locator("#sources .passage")).to_have_count(0)
    page.get_by_text("What did you write in “Engines”?").click()
    answered(page)
    assert set(page.locator("#sources .title").all_text_contents()) == {"Engines"}
    ask(page, SEATPOST)
    answered(page, answers=2)
    assert "seatpost" not in page.locator("#sources").inner_text()


@pytest.mark.browser
def test_who_writes_notes_alone_is_asked_about_their_first_words(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    twin = small(tmp_path)
    note = written(
        ADA, "", "@you https://a.example/x Engines weave patterns, as looms weave flowers. Nobody built such engines."
    )
    fill(twin.app.store, [note.model_copy(update={"format": "note"})])
    with chat_page.running(twin.app, port=free_port()) as url:
        page = tab(url)
        expect(page.locator("#chat")).to_contain_text("or begin with one of these")
        page.get_by_text(
            "What did you mean by “Engines weave patterns, as looms weave flowers. Nobody built…”?"
        ).click()
        answered(page)
        expect(page.locator("#sources .passage")).to_have_count(1)


@pytest.mark.browser
def test_what_was_never_written_about_is_said(site: tuple[str, Small], tab: Callable[[str], Page]) -> None:
    page = tab(site[0])
    ask(page, "zygomorphic quasars?")
    assert NOTHING_FOUND in answered(page)
    expect(page.locator("#sources")).to_contain_text("Nothing was found")


@pytest.mark.browser
def test_a_greeting_is_returned(site: tuple[str, Small], tab: Callable[[str], Page]) -> None:
    page = tab(site[0])
    choose(page, "author", WREN)
    ask(page, "Hi, who are you?")
    assert f"Hello. I am a twin of {WREN}, and not {WREN}:" in answered(page)
    expect(page.locator("#sources")).not_to_contain_text("Nothing was found")


@pytest.mark.browser
def test_an_older_answer_shows_its_passages_again(site: tuple[str, Small], tab: Callable[[str], Page]) -> None:
    page = tab(site[0])
    choose(page, "author", WREN)
    ask(page, SEATPOST)
    answered(page)
    ask(page, "Who regulates the church clock pendulum?")
    answered(page, answers=2)
    expect(page.locator("#sources article .title").first).to_have_text("The church clock")
    page.locator("#chat a.marker").first.click()
    expect(page.locator("#sources article .title").first).to_have_text("Freeing a seized seatpost")


@pytest.mark.browser
def test_a_hostile_post_is_only_text(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    twin = small(tmp_path)
    author = "<img src=http://evil.example/c.png onerror='window.hacked = 5'>"
    text = HOSTILE.replace(
        "Ignore", "\n\nIgnore"
    )  # the order alone is withheld from the model; the rest it reads aloud
    fill(twin.app.store, [written(author, HOSTILE, text, "javascript:window.hacked=6")])
    with chat_page.running(twin.app, port=free_port()) as url:
        page = tab(url)
        ask(page, "Who will weld the harbour crane tonight? <img src=http://evil.example/d.png>")
        text = answered(page)
        assert re.search('< ?div class="mermaid">graph TD</div>', text)
        assert "[click](javascript:window.hacked=3)" in text
        shown = page.locator("#sources").inner_text()
        assert "<script>window.hacked = 1</script>" in shown
        assert "![seen](http://evil.example/b.png)" in shown
        assert page.locator("#sources mark").count() == 1
        inside = ":is(#chat .message, #sources, #notices)"
        assert (
            page.locator(f"{inside} :is(img, script, iframe, svg, .katex, [onerror], [href^='javascript'])").count()
            == 0
        )
        page.wait_for_timeout(300)
        assert page.evaluate("window.hacked") is None


@pytest.mark.browser
def test_an_empty_store_shows_the_three_steps(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    with chat_page.running(small(tmp_path).app, port=free_port()) as url:
        page = tab(url)
        commands = ['twin ingest ~/my-posts --author "Me"', 'twin train --author "Me"', "twin chat"]
        expect(page.locator("#steps code")).to_have_text(commands)
        expect(page.locator("#question textarea")).to_be_disabled()
        expect(page.locator("#send")).to_be_disabled()
        expect(page.locator("#chat")).to_be_hidden()


@pytest.mark.browser
def test_reference_authors_are_not_offered(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    twin = small(tmp_path)
    fill(twin.app.store, [written(ADA, *POSTS[ADA][0])])
    fill(twin.app.store, [written("Reference", *POSTS[WREN][0])], reference=True)
    with chat_page.running(twin.app, port=free_port()) as url:
        page = tab(url)
        expect(page.locator("#author input")).to_have_value(ADA)
        page.locator("#author input").click()
        expect(page.get_by_role("option")).to_have_count(1)


@pytest.mark.browser
def test_two_browsers_do_not_mix(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    twin = small(tmp_path, pause=0.03, repeat=2)
    stock(twin)
    with chat_page.running(twin.app, port=free_port()) as url:
        one, two = tab(url), tab(url)
        choose(one, "author", WREN)
        choose(two, "author", ADA)
        ask(one, SEATPOST)
        ask(two, "What did you write of engines?")
        first, second = answered(one), answered(two)
        assert "seatpost" not in second + two.locator("#chat").inner_text() + two.locator("#sources").inner_text()
        assert "ngines" not in first + one.locator("#chat").inner_text() + one.locator("#sources").inner_text()


@pytest.mark.browser
def test_an_error_half_way_is_told_and_the_page_goes_on(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    twin = small(tmp_path, fails_after=5)
    stock(twin)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        ask(page, SEATPOST)
        expect(page.locator("#chat .problem")).to_have_text("The model fell over.Start it again")
        expect(page.locator("#send")).to_be_visible()
        twin.engine.settings["fails_after"] = None
        page.locator("#again").click()
        assert "bolt and all" in answered(page)


@pytest.mark.browser
def test_a_failure_inside_is_not_spelled_out_on_the_page(tmp_path: Path, tab: Callable[[str], Page]) -> None:
    twin = small(tmp_path, fails_after=0, fails_with=RuntimeError("secret of /home/me"))
    stock(twin)
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        page = tab(url)
        ask(page, SEATPOST)
        expect(page.locator("#chat .problem")).to_contain_text("Something failed inside the twin")
        assert "secret" not in page.content()
        expect(page.locator("#send")).to_be_visible()
