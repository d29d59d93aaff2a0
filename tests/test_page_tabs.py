"""The page's tabs in Debian's Chromium: training, versions, the blind game and settings, by hand and by keyboard."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from contracts.records import Figure
from feature_pipeline.label import label
from tests import fakes
from tests.browser import (
    ADA,
    EVE,
    IN_CHROMIUM,
    WREN,
    Engine,
    Small,
    answered,
    ask,
    choose_author,
    crowded,
    free_port,
    nameless,
    open_tab,
    serious,
)
from tests.fakes import adapter, card, hashes
from ui.page import server as chat_page
from ui.settings import Settings
from ui.wiring import App

TABS = ["Chat", "Draft", "Compare", "Posts", "Train", "Versions", "Which one is me?", "Settings"]
SEIZED = "Freeing a seized seatpost"

pytestmark = IN_CHROMIUM

Tab = Callable[..., Page]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory, embedder: Path, tiny_model: Path) -> Small:
    """Real stores, with models that jobs load in no time; answers are read aloud."""
    made = crowded(tmp_path_factory.mktemp("tabs"), embedder, tiny_model)
    for name in (WREN, ADA, EVE, "Fay"):
        label(name, made.app.store, changed=True)
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


# ---- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_every_tab_fits_its_width_and_names_what_can_be_used(
    site: str, tab: Tab, width: int, dark: bool, tmp_path: Path
) -> None:
    page = tab(site, width, dark)
    shots = os.environ.get("SHOTS", str(tmp_path))
    choose_author(page, "Fay")  # she has posts, versions and figures
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


# ---- versions -------------------------------------------------------------------------------------------------------


def test_a_version_is_promoted_against_its_gate_rolled_back_and_deleted(site: str, tab: Tab, twin: Small) -> None:
    page = tab(site)
    choose_author(page, "Fay")
    open_tab(page, "Versions")
    expect(page.locator("#version")).to_contain_text("62 % of the way from the base model to your own writing [53, 71]")
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
    expect(page.locator("#version-sure")).to_contain_text("Delete Fay@v2 and its report?")
    expect(page.locator("#version-sure")).not_to_contain_text("champion")
    page.locator("#version-yes").click()
    expect(page.locator("#versions button")).to_have_count(1)
    assert [version.number for version in twin.app.registry.versions("Fay")] == [1]


def test_the_champion_is_deleted_once_it_is_said_who_answers_then(site: str, tab: Tab, twin: Small) -> None:
    for run in ("1", "2"):
        twin.app.registry.register(card(EVE, run), adapter(twin.app.home / "adapter"))
    twin.app.registry.promote(f"{EVE}@v2")
    page = tab(site)
    choose_author(page, EVE)
    open_tab(page, "Versions")
    page.locator("#delete").click()
    expect(page.locator("#version-sure")).to_contain_text(f"Delete {EVE}@v2 and its report?")
    expect(page.locator("#version-sure")).to_contain_text("the base model answers then, until another is promoted")
    page.locator("#version-yes").click()
    expect(page.locator("#versions button")).to_have_count(1)
    expect(page.locator("#versions")).not_to_contain_text("champion")
    assert twin.app.registry.names(EVE) == [f"{EVE}@v1"]
    assert twin.app.registry.champion(EVE) is None


# ---- the blind game, and settings -----------------------------------------------------------------------------------


def test_a_guess_is_counted_once_and_shown_with_the_version(site: str, tab: Tab) -> None:
    page = tab(site)
    choose_author(page, "Fay")
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
        choose_author(page, ADA)
        open_tab(page, "Train")
        page.get_by_label("Your own: steady").check()
        page.locator("#train").click()
        expect(page.locator("#losses svg").first).to_be_visible(timeout=120_000)
        while not list((tmp_path / "home" / "runs").glob("*/checkpoint-*/trainer_state.json")):
            page.wait_for_timeout(100)
        page.locator("#stop-training").click()
        expect(page.locator("#train")).to_have_text("Go on with the training")
        expect(page.locator("#training-note")).to_contain_text("It goes on from its last checkpoint")
        expect(page.locator("#training-progress")).to_contain_text("stopped")
        late: list[tuple[Route, APIResponse]] = []

        def slow(route: Route) -> None:
            answer = route.fetch()
            if "Go on with the training" in answer.text():
                late.append((route, answer))
            else:
                route.fulfill(response=answer)

        open_tab(page, "Versions")
        expect(page.locator("#versions")).to_be_visible()
        page.route("**/run/**", slow)
        open_tab(page, "Train")
        while not late:  # what the tab shows anew is long on its way
            page.wait_for_timeout(100)
        page.get_by_label("Quick").check()
        expect(page.locator("#train")).to_have_text("Train")
        for route, answer in late:
            route.fulfill(response=answer)
        page.wait_for_timeout(1_000)
        page.unroute_all(behavior="wait")
        expect(page.get_by_label("Quick")).to_be_checked()
        expect(page.locator("#train")).to_have_text("Train")
        expect(page.locator("#training-note")).to_contain_text("choose “Your own: steady”")
    app = App(settings, tmp_path / "home")
    with chat_page.running(app, port=free_port()) as url:
        page = tab(url)
        choose_author(page, ADA)
        open_tab(page, "Train")
        expect(page.get_by_label("Your own: steady")).to_be_checked()
        expect(page.locator("#training-note")).to_contain_text("It goes on from its last checkpoint")
        expect(page.locator("#losses svg").first).to_be_visible()
        page.get_by_role("button", name="Go on with the training").click()
        expect(page.locator("#outcome")).to_contain_text(f"{ADA}@v1", timeout=240_000)
        expect(page.locator("#train")).to_have_text("Train")
    assert not list((tmp_path / "home" / "runs").glob("*/whose.json"))
