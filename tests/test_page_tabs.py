"""The page's tabs in Debian's Chromium: posts, training, versions, the blind game and settings, by hand and by keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from contracts.records import Figure
from feature_pipeline.label import label
from tests import fakes
from tests.browser import (
    ADA,
    HOSTILE,
    IN_CHROMIUM,
    SEATPOST,
    WREN,
    Engine,
    Small,
    answered,
    ask,
    free_port,
    nameless,
    serious,
    stock,
    written,
)
from tests.fakes import adapter, card, fill, hashes
from ui.page import server as chat_page
from ui.page.temporary import LARGEST_UPLOAD
from ui.settings import Settings
from ui.wiring import App

TABS = ["Chat", "Draft", "Compare", "Posts", "Train", "Versions", "Which one is me?", "Settings"]
EVE = "Eve <img src=http://evil.example/e.png onerror='window.hacked = 7'>"
SEIZED = "Freeing a seized seatpost"
CLOCK = "I wind the church clock on Sundays, and count every turn. "

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")


def author(page: Page, name: str) -> None:
    page.locator("#author input").click()
    page.get_by_role("option", name=name).click()
    changed_over = re.compile(f"^Ask {name}")
    expect(page.locator("#question textarea")).to_have_attribute("placeholder", changed_over)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory, embedder: Path, tiny_model: Path) -> Small:
    """Real stores, with models that jobs load in no time; answers are read aloud."""
    home = tmp_path_factory.mktemp("tabs")
    app = App(Settings(embedder=str(embedder), base_model=str(tiny_model)), home)
    made = Small(app, Engine(pause=0.0))
    app.engine = made.engine
    stock(made)
    fill(app.store, [written(EVE, HOSTILE, f"{HOSTILE} {HOSTILE}", "javascript:window.hacked=6")])
    fill(app.store, [fakes.post(number, f"{number} {CLOCK * 6}", author="Fay", title="") for number in range(25)])
    for name in (WREN, ADA, EVE, "Fay"):
        label(name, app.store, changed=True)
    _versions(made)
    return made


def _versions(made: Small) -> None:
    """Fay has a champion, and a later version that did not pass its gate."""
    app = made.app
    held_out = tuple(sorted({example.post_id for example in app.store.examples("Fay", "test")}))
    proved = {"gap_closed": Figure(value=0.62, low=0.53, high=0.71, n=40)}
    posts = {"train": (), "validation": (), "test": held_out}
    fitting = hashes(app.base_model)
    first = card("Fay", run_id="one", posts=posts, evaluation=proved, **fitting)
    app.registry.promote(app.registry.register(first, adapter(app.home / "a")).name)
    second = card("Fay", run_id="two", posts=posts, gate=("copies too much",), parent="Fay@v1", **fitting)
    app.registry.register(second, adapter(app.home / "b"))


@pytest.fixture(scope="module")
def site(twin: Small) -> Iterator[str]:
    with chat_page.running(twin.app, port=free_port(), author=WREN) as url:
        yield url


# ---- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_every_tab_fits_its_width_and_names_what_can_be_used(
    site: str, tab: Tab, width: int, dark: bool, tmp_path: Path
) -> None:
    page = tab(site, width, dark)
    shots = os.environ.get("SHOTS", str(tmp_path))
    author(page, "Fay")  # she has posts, versions and figures
    ask(page, "How do you wind the church clock?")
    answered(page)
    for name in TABS:
        open_tab(page, name)
        page.wait_for_timeout(300)
        page.screenshot(path=f"{shots}/{TABS.index(name)}-{width}-{'dark' if dark else 'light'}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert nameless(page) == [], name
        assert serious(page) == [], name


def test_tabs_are_reached_by_keyboard(site: str, tab: Tab) -> None:
    page = tab(site)
    page.get_by_role("tab", name="Chat").focus()
    for name in TABS[1 : TABS.index("Versions") + 1]:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.innerText").strip() == name
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Versions")).to_have_attribute("aria-selected", "true")
    page.locator("#versions button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#version")).to_contain_text(f"{WREN}@v2")


# ---- posts ----------------------------------------------------------------------------------------------------------


def test_a_hostile_post_is_only_text_in_the_list_too(site: str, tab: Tab) -> None:
    page = tab(site)
    author(page, "Eve")
    open_tab(page, "Posts")
    page.locator("#list button").first.click()
    expect(page.locator("#post .text")).to_contain_text("<script>window.hacked = 1</script>")
    inside = ":is(#list, #post, #summary)"
    assert page.locator(f"{inside} :is(img, script, iframe, svg, [onerror], [href^='javascript'])").count() == 0
    for name in TABS[2:]:
        open_tab(page, name)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None


def test_posts_are_searched_turned_over_and_forgotten(site: str, tab: Tab, twin: Small) -> None:
    page = tab(site)
    author(page, "Fay")
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


# ---- versions -------------------------------------------------------------------------------------------------------


def test_a_version_is_promoted_against_its_gate_rolled_back_and_deleted(site: str, tab: Tab, twin: Small) -> None:
    page = tab(site)
    author(page, "Fay")
    open_tab(page, "Versions")
    expect(page.locator("#version")).to_contain_text("62 % of the way from the base model to your own writing [53, 71]")
    expect(page.locator("#delete")).to_be_disabled()
    rows = page.locator("#intervals table", has_text="Gap closed").locator("tbody tr")
    expect(rows).to_have_text(
        [re.compile("^v2.*not measured$"), re.compile(r"^v1 champion62.% \[53.%, 71.%\], n.=.40$")]
    )
    expect(rows.nth(0).locator("circle")).to_have_count(0)
    expect(rows.nth(1).locator("circle")).to_have_count(1)
    expect(rows.nth(1)).to_have_attribute("aria-current", "true")
    page.locator("#versions button", has_text="v2").click()
    expect(page.locator("#version")).to_contain_text("copies too much")
    page.locator("#compare").click()
    expect(page.locator("#more")).to_contain_text("Fay@v1 → Fay@v2")
    expect(page.locator("#more")).to_contain_text("Nobody has judged their answers yet")
    page.locator("#promote").click()
    expect(page.locator("#version-sure")).to_contain_text("did not pass its gate: copies too much")
    page.locator("#version-yes").click()
    expect(page.locator("#versions button", has_text="v2")).to_contain_text("champion")
    page.locator("#back").click()
    page.locator("#version-yes").click()
    expect(page.locator("#versions button", has_text="v1")).to_contain_text("champion")
    page.locator("#versions button", has_text="v2").click()
    page.locator("#show-report").click()
    frame = page.frame_locator("#more iframe")
    expect(frame.locator("body")).to_contain_text("copies too much")
    assert page.locator("#more iframe").get_attribute("sandbox") == ""
    with page.expect_download() as download:
        page.locator("#download").click()
    assert "copies too much" in Path(download.value.path()).read_text()
    page.locator("#delete").click()
    page.locator("#version-yes").click()
    expect(page.locator("#versions button")).to_have_count(1)
    assert [version.number for version in twin.app.registry.versions("Fay")] == [1]


# ---- the blind game, and settings -----------------------------------------------------------------------------------


def test_a_guess_is_counted_once_and_shown_with_the_version(site: str, tab: Tab) -> None:
    page = tab(site)
    author(page, "Fay")
    open_tab(page, "Which one is me?")
    expect(page.locator("#score")).to_contain_text("Nobody has played")
    page.locator("#deal").click()
    expect(page.locator(".blind")).to_have_count(2)
    real = 1 if "church clock" in page.locator("#text-1").inner_text() else 2
    page.locator(f"#guess-{real}").click()
    expect(page.locator("#verdict")).to_have_text("Right.")
    expect(page.locator("#guess-1")).to_be_disabled()
    expect(page.locator("#score")).to_contain_text("100 % of one blind guess [21, 100]")
    open_tab(page, "Versions")
    expect(page.locator("#version")).to_contain_text("100 % of one blind guess")


def test_settings_say_what_they_mean_and_keep_keys_to_themselves(site: str, tab: Tab) -> None:
    page = tab(site)
    open_tab(page, "Settings")
    row = page.locator("#settings tr", has_text="TWIN_TEMPERATURE")
    expect(row).to_contain_text("0 is greedy")
    expect(page.locator("#settings tr", has_text="TWIN_QDRANT_API_KEY")).to_contain_text("not set")
    expect(page.locator("#memory")).to_contain_text("posts")
    page.locator("#check").click()
    expect(page.locator("#health")).to_contain_text(r"Everything is there and whole.", timeout=120_000)


# ---- a first visit --------------------------------------------------------------------------------------------------


def test_from_the_sample_author_to_a_version_without_a_terminal(
    tab: Tab, tmp_path: Path, embedder: Path, tiny_model: Path
) -> None:
    app = App(Settings(embedder=str(embedder), base_model=str(tiny_model)), tmp_path / "home")
    app.engine = Engine(pause=0.0)
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True)
    fakes.recipe_file(recipes / "tiny.toml", fakes.recipe(train_tokens=6_000, eval_posts=6, generations=5, samples=2))
    with chat_page.running(app, port=free_port()) as url:
        page = tab(url)
        page.locator("#sample").click()
        expect(page.locator("#sample-progress")).to_contain_text("Reading the posts of Wren Halloway")
        expect(page.locator("#author input")).to_have_value(WREN, timeout=120_000)
        ask(page, "How do you free a seized seatpost?")
        answered(page)
        open_tab(page, "Train")
        page.get_by_label("Your own: tiny").check()
        page.locator("#train").click()
        expect(page.locator("#training-progress")).to_contain_text("Training the twin of Wren Halloway")
        expect(page.locator("#losses svg").first).to_be_visible(timeout=120_000)
        expect(page.locator("#samples")).to_contain_text("Before it learned")
        expect(page.locator("#samples")).to_contain_text(re.compile(r"After \d+ steps"), timeout=60_000)
        expect(page.locator("#samples")).to_contain_text("The real one")
        expect(page.locator("#outcome")).to_contain_text(f"{WREN}@v1", timeout=120_000)
        page.locator("#open-version").click()
        expect(page.locator("#versions button")).to_have_count(1)
    assert not (tmp_path / "home" / "page").exists()


def test_a_training_is_stopped_and_gone_on_with_by_another_page(
    tab: Tab, tmp_path: Path, embedder: Path, tiny_model: Path
) -> None:
    settings = Settings(embedder=str(embedder), base_model=str(tiny_model))
    app = App(settings, tmp_path / "home")
    fakes.stock(app.store)
    (tmp_path / "home" / "recipes").mkdir(parents=True)
    steady = fakes.recipe(epochs=8, validate_times=8, patience=8, conditions=("adapter",))
    fakes.recipe_file(tmp_path / "home" / "recipes" / "steady.toml", steady)
    with chat_page.running(app, port=free_port()) as url:
        page = tab(url)
        author(page, ADA)
        open_tab(page, "Train")
        page.get_by_label("Your own: steady").check()
        page.locator("#train").click()
        expect(page.locator("#losses svg").first).to_be_visible(timeout=120_000)
        while not list((tmp_path / "home" / "runs").glob("*/checkpoint-*/trainer_state.json")):
            page.wait_for_timeout(100)
        page.locator("#stop-training").click()
        expect(page.locator("#train")).to_have_text("Go on with the training")
        page.wait_for_timeout(2_500)  # the clock has drawn the end of the job by then
        expect(page.locator("#training-note")).to_contain_text("It goes on from its last checkpoint")
        page.get_by_label("Quick").check()
        expect(page.locator("#train")).to_have_text("Train")
        expect(page.locator("#training-note")).to_contain_text("choose “Your own: steady”")
    app = App(settings, tmp_path / "home")
    with chat_page.running(app, port=free_port()) as url:
        page = tab(url)
        author(page, ADA)
        open_tab(page, "Train")
        expect(page.get_by_label("Your own: steady")).to_be_checked()
        expect(page.locator("#training-note")).to_contain_text("It goes on from its last checkpoint")
        expect(page.locator("#losses svg").first).to_be_visible()
        page.get_by_role("button", name="Go on with the training").click()
        expect(page.locator("#outcome")).to_contain_text(f"{ADA}@v1", timeout=240_000)
        expect(page.locator("#train")).to_have_text("Train")
    assert not list((tmp_path / "home" / "runs").glob("*/whose.json"))


# ---- conversations --------------------------------------------------------------------------------------------------


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


def test_an_answer_is_judged_and_the_verdict_kept(site: str, tab: Tab, twin: Small) -> None:
    page = tab(site)
    ask(page, SEATPOST)
    answered(page)
    page.get_by_role("button", name="dislike").click()
    expect(page.get_by_text("Kept, with the version")).to_be_visible()
    expect(page.locator(".toast-title")).to_have_text("Done")
    (given,) = twin.app.store.feedback.all(WREN)
    assert (given.verdict, given.model, given.question) == ("worse", f"{WREN}@v2", SEATPOST)
