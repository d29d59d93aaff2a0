"""The style meter: own words stand in the band, others' below it; and where nothing can be said, nothing is."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contracts.base_model import BaseLanguageModel
from contracts.feature_store import FeatureStore
from contracts.files import write_json
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.prompt import messages
from contracts.records import Answer, Style
from inference_pipeline.engines.local import LocalEngine
from inference_pipeline.engines.remote import RemoteEngine
from inference_pipeline.grounding.style_meter import measure, own_posts, place, said
from inference_pipeline.queue import Queue
from inference_pipeline.twin import Question, Twin
from tests.fakes import WORDS, WordEmbedder, card, fill, post, taught_adapter, voice
from tests.served import events
from ui.commands import show
from ui.serve.server import running
from ui.settings import Settings
from ui.wiring import App

pytestmark = pytest.mark.usefixtures("single")

CLOCK = "The clock runs slow and a spring bends when rain falls on brass. I count every screw twice, then drink tea."
QUESTION = Question("Why does the clock run slow when rain falls?", "Ada")
OTHERS = "ZINC VOLT AMP RELAY COIL! " * 5


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[BaseLanguageModel, ModelVersion]:
    """A version that has learned Ada's few words, with the gains of her held-out posts beside it."""
    home = tmp_path_factory.mktemp("home")
    base = BaseLanguageModel(str(tiny_model), home)
    taught_adapter(base, home / "adapter")
    hashes = {"base_model_hash": base.hash, "tokenizer_hash": base.tokenizer_hash}
    engine, registry = LocalEngine(base, graphs=False), ModelRegistry(home)
    draft = registry.register(card(run_id="draft", **hashes), home / "adapter")
    own = [gain(engine, draft, voice(number, WORDS)) for number in range(100, 120)]
    write_json(home / "adapter" / "evaluation.json", {"deltas": {str(n): value for n, value in enumerate(own)}})
    return base, registry.register(card(run_id="whole", **hashes), home / "adapter")


def gain(engine: LocalEngine, version: ModelVersion, text: str) -> float:
    adapted, base = engine.chat_model(version), engine.chat_model(None)
    return measure(adapted, base, messages("Ada", "Write about clocks."), text, [0.0]).delta  # type: ignore[arg-type]


@pytest.fixture
def twin(trained: tuple[BaseLanguageModel, ModelVersion], tmp_path: Path) -> Iterator[Twin]:
    base, version = trained
    store = FeatureStore(tmp_path / "home", WordEmbedder(512))
    fill(store, [post(1, CLOCK)])
    yield Twin(store, ModelRegistry(version.folder.parents[2]), LocalEngine(base, graphs=False), max_new_tokens=20)
    store.close()


def answer(twin: Twin, text: str, model: str = "Ada@v2") -> Answer:
    passages = twin.find(QUESTION).passages
    assert passages
    facts = {"citations": (), "snapshot": "s", "timings": {}}
    return Answer(answer=text, model=model, passages=passages, **facts)


@pytest.mark.parametrize("engine", ["torch", "graph"])
def test_own_words_stand_in_the_band_and_others_below_it(
    trained: tuple[BaseLanguageModel, ModelVersion], engine: str
) -> None:
    base, version = trained
    local, own = LocalEngine(base, graphs=engine == "graph"), own_posts(version)
    assert len(own) == 20
    hers, theirs = (place(gain(local, version, text), own) for text in (voice(500, WORDS), OTHERS))
    assert hers.low < hers.delta < hers.high
    assert 0 < hers.share < 1
    assert theirs.delta < theirs.low
    assert theirs.share == 0


def test_the_twin_measures_what_the_model_said(twin: Twin) -> None:
    hers = twin.meter(QUESTION, answer(twin, CLOCK.replace(".", ". [1]")))
    theirs = twin.meter(QUESTION, answer(twin, OTHERS))
    assert hers
    assert theirs
    assert hers == twin.meter(QUESTION, answer(twin, CLOCK))
    assert hers.delta > theirs.delta
    assert "less like you" in theirs.says or theirs.says == "not like you"
    assert twin.queue.length() == 0


def test_where_nothing_can_be_said_nothing_is(twin: Twin) -> None:
    assert twin.meter(QUESTION, answer(twin, CLOCK, "base")) is None
    assert twin.meter(QUESTION, answer(twin, CLOCK, "Ada@v1")) is None  # no band is kept
    assert twin.meter(QUESTION, answer(twin, "It runs slow.")) is None
    assert twin.meter(QUESTION, answer(twin, CLOCK).model_copy(update={"passages": ()})) is None
    twin._engine = RemoteEngine("http://127.0.0.1:1/v1", "smol", None)
    assert twin.meter(QUESTION, answer(twin, CLOCK)) is None


def test_answers_are_measured_as_they_come_and_are_there_without_where_many_wait(twin: Twin) -> None:
    twin.queue = Queue(at_once=1, waiting=0)
    one = answer(twin, CLOCK)
    style = twin.meter(QUESTION, one)
    assert style
    measured = one.model_copy(update={"style": style})
    assert list(twin.metered(QUESTION, iter(["It runs", one]))) == ["It runs", measured]
    with twin.queue.place():
        assert list(twin.metered(QUESTION, iter([one]))) == [one]


def test_nothing_is_measured_for_who_has_stopped(twin: Twin) -> None:
    stop, one = threading.Event(), answer(twin, CLOCK)
    assert twin.meter(QUESTION, one, stop)
    stop.set()
    assert twin.queue.length() == 0  # though nobody waits
    assert twin.meter(QUESTION, one, stop) is None


def test_the_api_measures_where_it_is_asked_to(twin: Twin, tmp_path: Path) -> None:
    app = App(Settings(), tmp_path)
    app.store, app.registry, app.twin = twin._store, twin._registry, twin
    asked = {"messages": [{"role": "user", "content": QUESTION.text}], "max_tokens": 100, "temperature": 0, "seed": 1}
    chat, both = "/v1/chat/completions", ["Ada@v2", "Ada@base"]
    with running(app, log=lambda line: None) as url, httpx.Client(base_url=url, timeout=30) as client:
        plain, measured = (
            client.post(chat, json={**asked, "model": "Ada@v2", "meters": meters}).json()["twin"]
            for meters in (False, True)
        )
        assert (plain["answer"], plain["style"]) == (measured["answer"], None)
        assert (measured["style"]["posts"], measured["ignored"]) == (20, [])
        assert set(measured["style"]) == set(Style.model_fields)
        streamed = client.post(chat, json={**asked, "model": "Ada@v2", "meters": True, "stream": True})
        assert events(streamed)[-1]["twin"]["style"] == measured["style"]
        answers = client.post("/v1/side_by_side", json={**asked, "models": both, "meters": True}).json()["answers"]
        assert [bool(one["style"]) for one in answers] == [True, False]


def test_a_quotation_that_was_put_behind_is_not_measured(twin: Twin) -> None:
    made = twin.ask(QUESTION, "Ada@v2")
    text = said(made)
    assert "I wrote" not in text
    assert "[1]" not in text
    assert made.answer.startswith(text[:10])


def test_the_command_says_it(twin: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    found, one = twin.find(QUESTION), answer(twin, CLOCK).model_copy(update={"timings": {"total": 1.0}})
    show.answers(twin.metered(QUESTION, iter([found, one])), as_json=False, meters=True)
    said = capsys.readouterr().out
    assert re.search(r"^Style: .* \(closer to you than \d+% of 20 of your own posts\)\.$", said, re.MULTILINE)
    assert "Copied: nothing" in said


@pytest.mark.parametrize(
    ("delta", "says", "share"),
    [
        (0.5, "more like you than your own posts are: imitation overdone", 1),
        (0.16, "as much like you as your own posts", 0.6),
        (0.12, "like you, though 80% of your own posts are more so", 0.2),
        (0.05, "less like you than nearly all of your own posts", 0),
        (-0.1, "not like you", 0),
    ],
)
def test_it_is_said_in_words(delta: float, says: str, share: float) -> None:
    style = place(delta, [0.1 + 0.01 * n for n in range(10)])
    assert (style.says, style.share) == (says, pytest.approx(share, abs=0.11))
    assert isinstance(style, Style)
    assert style.low == pytest.approx(0.1045)
