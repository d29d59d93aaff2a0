"""Who may use the page where it is for several people: their names, their passwords, and that each sees their own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from contracts.errors import NotFound, UsageError
from tests.browser import ON_THE_PAGE, SEATPOST, WREN, answered, ask, free_port, small, stock
from tests.conftest import Twin
from ui.page import server as chat_page
from ui.users import FILE, Users

pytestmark = ON_THE_PAGE

PASSWORDS = {"Ada": "a loom and flowers", "Bea": "brass, and ö rain"}


def test_a_password_is_kept_as_a_salted_hash_that_nobody_else_reads(tmp_path: Path) -> None:
    users = Users(tmp_path)
    assert (users.names, users.who("Ada"), users.may("Ada", "")) == ([], "", False)
    for name in (" Ada ", "Bea", "Cleo"):
        users.add(name, "one and the same")
    file = tmp_path / FILE
    assert file.stat().st_mode & 0o077 == 0
    assert "one and" not in file.read_text()
    assert len({one["hash"] for one in json.loads(file.read_text()).values()}) == 3
    again = Users(tmp_path)
    assert again.names == ["Ada", "Bea", "Cleo"]
    assert again.may("Ada", "one and the same")
    assert not again.may("Ada", "one and the other")
    assert not again.may("Dan", "one and the same")
    assert (again.who("Ada"), again.who("Dan"), again.who(" "), again.who(None)) == ("Ada", "", "", "")
    again.change("Ada", "one and another")
    assert not again.may("Ada", "one and the same")
    assert Users(tmp_path).may("Ada", "one and another")
    assert Users(tmp_path).may("Bea", "one and the same")
    with pytest.raises(NotFound):
        again.change("Dan", "one and another")
    with pytest.raises(UsageError, match="at least 8"):
        again.change("Ada", "short")
    again.remove("Ada")
    assert not again.may("Ada", "one and another")
    assert Users(tmp_path).names == ["Bea", "Cleo"]
    for wrong in ("Bea", " ", "a\nb\x07", "x" * 81):
        with pytest.raises(UsageError):
            again.add(wrong, "one and the same")
    with pytest.raises(UsageError, match="at least 8"):
        again.add("Dan", "short")
    with pytest.raises(NotFound):
        again.remove("Dan")


@pytest.mark.parametrize("torn", ["", "{", "[1]", '{"Ada": {}}'])
def test_a_torn_file_opens_the_page_to_nobody(tmp_path: Path, torn: str) -> None:
    (tmp_path / FILE).write_text(torn)
    with pytest.raises(UsageError, match="cannot be read"):
        Users(tmp_path).may("Ada", "")
    with pytest.raises(UsageError, match="cannot be read"), chat_page.running(small(tmp_path).app, port=free_port()):
        pass


def test_users_are_added_listed_and_removed_by_command(
    twin: Twin, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "one person's" in twin("users", "list").err
    monkeypatch.setattr("sys.stdin", io.StringIO("a loom and flowers\n"))
    added = twin("users", "add", "Ada", "--json")
    assert (added.code, added.json) == (0, {"user": "Ada"})
    assert "a loom" not in added.out + added.err
    assert Users(own_home).may("Ada", "a loom and flowers")
    assert twin("users", "list", "--json").json == ["Ada"]
    assert twin("users", "list").out == "Ada\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("a loom and flowers\n"))
    taken = twin("users", "add", "Ada")
    assert taken.code == 2
    assert "twin users passwd 'Ada'" in taken.err
    monkeypatch.setattr("sys.stdin", io.StringIO("a loom of brass\n"))
    changed = twin("users", "passwd", "Ada", "--json")
    assert (changed.code, changed.json) == (0, {"user": "Ada", "changed": True})
    assert "of brass" not in changed.out + changed.err
    assert Users(own_home).may("Ada", "a loom of brass")
    monkeypatch.setattr("sys.stdin", io.StringIO("a loom of brass\n"))
    assert twin("users", "passwd", "Dan").code == 1
    assert twin("users", "remove", "Ada").code == 0
    assert twin("users", "remove", "Ada").code == 1
    assert Users(own_home).names == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    made = small(tmp_path_factory.mktemp("people"))
    stock(made)
    for name, password in PASSWORDS.items():
        made.app.users.add(name, password)
    with chat_page.running(made.app, port=free_port(), author=WREN, password="for everybody") as url:
        yield url


def test_with_users_a_name_and_its_password_are_asked_for_on_this_machine_too(site: str) -> None:
    assert httpx.get(f"{site}config").status_code == 401
    wrong = [("Ada", PASSWORDS["Bea"]), ("Ada", "for everybody"), (" ", "for everybody"), ("Eve", PASSWORDS["Ada"])]
    for name, password in wrong:
        assert httpx.post(f"{site}login", data={"username": name, "password": password}).status_code == 400
    for name, password in PASSWORDS.items():
        assert httpx.post(f"{site}login", data={"username": name, "password": password}).status_code == 200


def test_another_address_needs_no_password_of_its_own_where_there_are_users(tmp_path: Path) -> None:
    app = small(tmp_path).app
    app.users.add("Ada", PASSWORDS["Ada"])
    port = free_port()
    with chat_page.running(app, host="0.0.0.0", port=port):
        assert httpx.get(f"http://127.0.0.1:{port}/config").status_code == 401


def log_in(page: Page, name: str, password: str) -> None:
    page.locator("input:not([type=password]), textarea").first.fill(name)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="Login").click()
    expect(page.locator("#author input")).not_to_have_value("")


@pytest.fixture
def comes_in(chromium: Browser) -> Iterator[Callable[[str, str, str], Page]]:
    """A browser of their own, in which a person has logged in."""
    contexts = []

    def come_in(url: str, name: str, password: str) -> Page:
        contexts.append(chromium.new_context())
        page = contexts[-1].new_page()
        page.goto(url)
        log_in(page, name, password)
        return page

    yield come_in
    for context in contexts:
        context.close()


def kept(page: Page) -> str:
    page.get_by_role("button", name="Conversations").click()
    expect(page.locator("#kept-list")).not_to_be_empty()
    return page.locator("#kept-list").inner_text()


@pytest.mark.browser
def test_two_people_log_in_and_each_sees_their_own(site: str, comes_in: Callable[[str, str, str], Page]) -> None:
    said = {"Ada": SEATPOST, "Bea": "Who regulates the church clock pendulum?"}
    for name, question in said.items():
        page = comes_in(site, name, PASSWORDS[name])
        ask(page, question)
        answered(page)
    for name, question in said.items():
        (other,) = (theirs for who, theirs in said.items() if who != name)
        shown = kept(comes_in(site, name, PASSWORDS[name]))
        assert question in shown
        assert other not in shown


def asked_both(page: Page, question: str) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-question :is(textarea, input)").fill(question)
    page.locator("#compare-send").click()
    expect(page.locator("#vote-1")).to_be_visible()


@pytest.mark.browser
def test_a_comparison_and_its_vote_are_of_the_one_who_asked(
    tmp_path: Path, comes_in: Callable[[str, str, str], Page]
) -> None:
    made = small(tmp_path, pause=0.0)
    stock(made)
    for name, password in PASSWORDS.items():
        made.app.users.add(name, password)
    with chat_page.running(made.app, port=free_port(), author=WREN) as url:
        ada, bea = (comes_in(url, name, PASSWORDS[name]) for name in ("Ada", "Bea"))
        asked_both(ada, SEATPOST)
        ada.locator("#vote-1").click()
        expect(ada.locator("#compare-outcome")).to_contain_text("by 1 person")
        bea.get_by_role("tab", name="Compare").click()
        expect(bea.locator("#compare-send")).to_be_visible()
        assert SEATPOST not in bea.locator("#tabs").inner_text()
        assert "person" not in bea.locator("#compare-outcome").inner_text()  # a vote before hers does not lead her
        asked_both(bea, "Who regulates the church clock pendulum?")
        expect(bea.locator("#compare-outcome")).to_be_empty()
        bea.locator("#vote-same").click()
        outcome = bea.locator("#compare-outcome")
        expect(outcome).to_contain_text("by 2 people")  # counted, as in a terminal; nobody's name, nobody's words
        assert "Ada" not in bea.locator("#tabs").inner_text()
        assert SEATPOST not in bea.locator("#tabs").inner_text()
        ada.reload()
        ada.get_by_role("tab", name="Compare").click()
        expect(ada.locator("#compare-send")).to_be_visible()
        expect(ada.locator("#compare-columns")).to_be_hidden()
        assert "church clock" not in ada.locator("#compare-outcome").inner_text()
    given = made.app.store.feedback.all(WREN)
    assert [(one.by, one.question) for one in given] == [
        ("Ada", SEATPOST),
        ("Bea", "Who regulates the church clock pendulum?"),
    ]


@pytest.mark.browser
def test_with_one_password_there_is_one_user_whatever_name_is_typed(
    tmp_path: Path, comes_in: Callable[[str, str, str], Page]
) -> None:
    made = small(tmp_path)
    stock(made)
    with chat_page.running(made.app, port=free_port(), author=WREN, password="sesame ö") as url:
        page = comes_in(url, "Ada", "sesame ö")
        ask(page, SEATPOST)
        answered(page)
        assert SEATPOST in kept(comes_in(url, "Bea", "sesame ö"))
    assert len(made.app.store.conversations.all("", WREN)) == 1


@pytest.mark.browser
@pytest.mark.parametrize(("name", "typed"), [("Ada", "And which oil?"), ("Bea", "")])
def test_after_a_restart_what_was_typed_stands_in_the_box_of_whom_it_is_of(
    tmp_path: Path, comes_in: Callable[[str, str, str], Page], name: str, typed: str
) -> None:
    made, port = small(tmp_path), free_port()
    stock(made)
    for who, password in PASSWORDS.items():
        made.app.users.add(who, password)
    with chat_page.running(made.app, port=port, author=WREN) as url:
        page = comes_in(url, "Ada", PASSWORDS["Ada"])
        page.fill("#question textarea", "And which oil?")
    with chat_page.running(small(tmp_path).app, port=port, author=WREN):
        page.evaluate("dispatchEvent(new Event('focus'))")
        expect(page.locator("input[type=password]")).to_be_visible(timeout=30_000)
        log_in(page, name, PASSWORDS[name])
        expect(page.locator("#question textarea")).to_be_enabled()
        page.wait_for_timeout(1_000)  # so long it may take until it stands there
        expect(page.locator("#question textarea")).to_have_value(typed)
        assert page.evaluate("sessionStorage.length") == 0
