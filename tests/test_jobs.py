"""What the page does beside answering: background jobs, the list of posts, the blind game, its own temporary files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.errors import Busy, NotFound, UsageError
from contracts.feature_store import FeatureStore
from feature_pipeline.label import label
from inference_pipeline.queue import Queue
from tests import fakes
from tests.browser import register, small, written
from tests.fakes import adapter, card, fill
from training_pipeline.evaluation.bootstrap import wilson
from ui import acts
from ui.guard import LARGEST_REQUEST, Guard
from ui.page import game
from ui.page.jobs import Job, Jobs
from ui.page.temporary import temporary
from ui.settings import Settings
from ui.wiring import App


@pytest.fixture
def jobs(tmp_path: Path, embedder: Path, tiny_model: Path) -> Iterator[Jobs]:
    made = Jobs(App(Settings(embedder=str(embedder), base_model=str(tiny_model)), tmp_path / "home"))
    yield made
    made.close()


def ended(job: Job, within: float = 60) -> Job:
    limit = time.monotonic() + within
    while job.ended is None:
        assert time.monotonic() < limit, f"{job.what} is not finished"
        time.sleep(0.05)
    return job


def ingest(folder: Path, author: str = "Ada") -> dict[str, object]:
    return {"do": "ingest", "parts": [{"sources": [str(folder)], "author": author, "reference": False}]}


# ---- jobs -----------------------------------------------------------------------------------------------------------


def test_a_job_does_its_work_in_a_process_of_its_own(jobs: Jobs, tmp_path: Path, embedder: Path) -> None:
    (tmp_path / "clock.md").write_text("# A clock\n\n" + "The clock runs slow when rain falls on brass. " * 8)
    (tmp_path / "empty.md").write_text("")
    after: list[bool] = []
    job = ended(jobs.start("posts", "Reading", "Ada", ingest(tmp_path), lambda: after.append(True)))
    assert (job.state, job.problem) == ("done", ("", ""))
    (report,) = job.result["reports"]
    assert (report["added"], report["refused"]) == (1, {"empty": 1})
    assert job.stages["read"] == (2, None)
    assert after == [True]
    store = FeatureStore(tmp_path / "home", fakes.WordEmbedder())
    assert [author.name for author in store.authors()] == ["Ada"]
    store.close()


def test_what_fails_says_why_and_what_to_do(jobs: Jobs) -> None:
    job = ended(jobs.start("training", "Training", "Nobody", {"do": "train", "author": "Nobody", "recipe": "quick"}))
    assert job.state == "failed"
    assert job.problem[0].startswith("no posts by 'Nobody'")
    assert job.problem[1].startswith("twin ingest")


def test_one_of_a_kind_runs_at_a_time_and_stops_at_once(jobs: Jobs, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.md")  # its reader waits for ever
    job = jobs.start("posts", "Reading the posts of Ada", "Ada", ingest(tmp_path / "never.md"))
    with pytest.raises(UsageError, match="Reading the posts of Ada is not finished"):
        jobs.start("posts", "Reading more", "Ada", ingest(tmp_path))
    assert [running.what for running in jobs.running()] == ["Reading the posts of Ada"]
    began = time.monotonic()
    jobs.stop("posts")
    assert time.monotonic() - began < 3
    assert ended(job).state == "stopped"
    assert jobs.running() == []


def test_a_job_ends_with_the_page_that_began_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never.md")
    code = (
        "import os, time; from pathlib import Path; from ui.page.jobs import Jobs; from ui.settings import Settings\n"
        "from ui.wiring import App\n"
        f"jobs = Jobs(App(Settings(), Path({str(tmp_path / 'home')!r})))\n"
        f"request = {{'do': 'preview', 'parts': [{{'sources': [{str(tmp_path / 'never.md')!r}], 'author': 'A'}}]}}\n"
        "jobs.start('posts', 'Reading', 'A', request); print(jobs._processes['posts'].pid, flush=True); os._exit(0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    child = Path("/proc") / run.stdout.strip()
    limit = time.monotonic() + 20
    while child.exists() and "Z" not in (child / "stat").read_text().rpartition(")")[2].split()[0]:
        assert time.monotonic() < limit, "the job outlives its page"
        time.sleep(0.05)


# ---- the list of posts ----------------------------------------------------------------------------------------------


def test_posts_are_listed_searched_and_counted(store: FeatureStore) -> None:
    texts = ["The clock runs 100% slow.", "A spring bends.", "The clock is brass."]
    fill(store, [fakes.post(number, text, day=400 * number) for number, text in enumerate(texts)])
    fill(store, [fakes.post(9, "The clock of another.", author="Bea")])
    total, rows = store.catalogue.page("Ada", limit=2)
    assert (total, [row.beginning for row in rows]) == (3, ["The clock is brass.", "A spring bends."])
    assert [row.title for row in store.catalogue.page("Ada", first=2)[1]] == ["Post 0"]
    assert store.catalogue.page("Ada", "clock THE")[0] == 2
    assert store.catalogue.page("Ada", "100%")[0] == 1
    assert store.catalogue.page("Ada", format="note")[0] == 0
    assert store.catalogue.years("Ada") == {2024: {"/posts": 1}, 2025: {"/posts": 1}, 2026: {"/posts": 1}}
    assert store.catalogue.lengths("Ada") == [3, 0, 0, 0, 0, 0, 0]
    assert store.catalogue.sources("Ada") == {"/posts": 3}


# ---- the game -------------------------------------------------------------------------------------------------------


def test_a_round_shows_a_held_out_post_beside_what_the_twin_writes(tmp_path: Path) -> None:
    twin = small(tmp_path, pause=0.0)
    text = "I wind the church clock on Sundays, and count every turn. " * 6
    linked = text.replace("church clock", "[church clock](https://wren.example/clock)")
    fill(twin.app.store, [fakes.post(number, f"{number} {linked}") for number in range(12)])
    label("Ada", twin.app.store, changed=True)
    held_out = sorted({example.post_id for example in twin.app.store.examples("Ada", "test")})
    made = card(posts={"train": (), "validation": (), "test": tuple(held_out)})
    version = twin.app.registry.register(made, adapter(tmp_path / "adapter"))
    later = twin.app.registry.register(card(run_id="later", posts=made.posts), adapter(tmp_path / "later"))
    played: list[str] = []
    for seed in range(len(held_out)):
        dealt = game.deal(twin.app, version, seed=seed)
        assert dealt
        real, other = dealt.texts[dealt.mine], dealt.texts[1 - dealt.mine]
        assert dealt.post_id in held_out
        assert dealt.post_id not in played
        assert real.split()[1:6] == text.split()[:5]
        assert "church clock" not in other
        assert max(len(real.split()), len(other.split())) <= game.WORDS + 1
        played.append(dealt.post_id)
        game.keep(twin.app, dealt, right=True)
        game.keep(twin.app, dealt, right=False)  # in another browser: by now it is known
    with pytest.raises(NotFound, match="guessed about every held-out post"):
        game.deal(twin.app, later)
    twin.app.store.guesses.add("Ada", later.name, dealt.post_id, right=True)
    assert game.figure(twin.app, later).n == 0
    assert game.deal(twin.app, later, by="eve")
    score = game.figure(twin.app, version)
    assert (score.value, score.n) == (1.0, len(held_out))
    assert "50 % would be chance" in game.said(score) or len(held_out) < 4
    twin.app.store.forget("Ada", [dealt.post_id])
    assert game.figure(twin.app, version).n == len(held_out) - 1
    with pytest.raises(NotFound, match="stored no more"):
        game.keep(twin.app, dealt, right=True)
    acts.delete_version(twin.app, version.name)
    assert game.figure(twin.app, version).value is None
    twin.app.store.close()


def test_a_round_takes_its_turn_with_those_who_ask(tmp_path: Path) -> None:
    twin = small(tmp_path, pause=0.0)
    fill(twin.app.store, [fakes.post(number, f"{number} I wind the church clock. " * 9) for number in range(12)])
    label("Ada", twin.app.store, changed=True)
    held_out = tuple(sorted({example.post_id for example in twin.app.store.examples("Ada", "test")}))
    made = card(posts={"train": (), "validation": (), "test": held_out})
    version = twin.app.registry.register(made, adapter(tmp_path / "adapter"))
    twin.app.twin.queue = Queue(at_once=1, waiting=0)
    with twin.app.twin.queue.place(), pytest.raises(Busy):
        game.deal(twin.app, version)
    assert not twin.engine.logs
    dealt, stop = game.deal(twin.app, version), threading.Event()
    assert dealt
    assert dealt.post_id in held_out
    stop.set()
    assert game.deal(twin.app, version, stop=stop) is None
    twin.app.store.close()


def test_a_round_needs_a_held_out_post(tmp_path: Path) -> None:
    twin = small(tmp_path)
    fill(twin.app.store, [written("Ada", "A title", "Too short to be told.")])
    with pytest.raises(NotFound, match="no held-out post"):
        game.deal(twin.app, register(twin.app, "Ada"))
    twin.app.store.close()


@pytest.mark.parametrize(
    ("right", "of", "low", "high"), [(5, 10, 0.237, 0.763), (10, 10, 0.722, 1.0), (0, 10, 0.0, 0.278)]
)
def test_the_score_has_wilsons_interval(right: int, of: int, low: float, high: float) -> None:
    assert wilson(right, of) == pytest.approx((low, high), abs=0.001)


def test_a_beginning_ends_with_a_sentence_where_one_is_near() -> None:
    assert game.beginning("One two three four. Five six seven eight nine.", 6) == "One two three four."
    assert game.beginning("One. Two three four five six seven eight.", 7) == "One. Two three four five six seven …"


# ---- files and requests ---------------------------------------------------------------------------------------------


def test_the_pages_files_are_its_own_and_go_with_it(tmp_path: Path) -> None:
    dead = tmp_path / "page" / "999999999" / "left.zip"
    dead.parent.mkdir(parents=True)
    dead.touch()
    with temporary(tmp_path) as folder:
        assert not dead.exists()
        assert folder.stat().st_mode & 0o077 == 0
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert not (tmp_path / "page").exists()
    assert "GRADIO_TEMP_DIR" not in os.environ


@pytest.mark.parametrize(("path", "length", "refused"), [
    ("/gradio_api/upload", 5_000_000, 0),
    ("/gradio_api/upload", 5_000_001, 413),
    ("/gradio_api/upload/", LARGEST_REQUEST + 1, 413),
    ("/gradio_api/run/predict", LARGEST_REQUEST + 1, 413),
])  # fmt: skip
def test_only_an_upload_may_be_large(path: str, length: int, refused: int) -> None:
    async def never(*_: object) -> None:
        raise AssertionError

    guard = Guard(never, uploads={"/gradio_api/upload": 5_000_000})
    headers = [(b"content-length", str(length).encode()), (b"host", b"localhost")]
    assert guard._refused({"type": "http", "path": path, "headers": headers}) == refused
