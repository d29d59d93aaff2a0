"""What the page does with answers, without a browser: when they count as finished, what is kept of them, who judged what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from contracts.feature_store import FeatureStore
from contracts.files import write_json
from contracts.model_registry import ModelRegistry
from contracts.prompt import Message
from inference_pipeline.twin import Twin
from tests.fakes import WordEmbedder, adapter, card, fill, post
from tests.speaking import CLOCK, QUESTION, SAYS, Engine, Speaks
from ui.page.conversation import Heard
from ui.page.shell import Shell
from ui.page.tabs.chat import Chat
from ui.settings import Settings
from ui.wiring import App

pytestmark = [
    pytest.mark.usefixtures("swept"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

FOLLOW_UP = "And how often is it regulated?"
NOT_HEARD = Heard()
HERE = gr.Request(username="ada", session_hash="one tab")


class Listens(Speaks):
    """Also says how likely a text is, as an adapter or its base would; `listened` counts how often it was asked."""

    listened: list[str]
    fails: bool = False

    def nll(self, messages: Sequence[Message], text: str) -> tuple[float, int]:
        if self.fails:
            raise RuntimeError("the model fell over")
        self.listened.append(messages[-1]["content"])
        return float(len(self.listened)), len(text.encode())


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """Ada with a church clock, and two versions of her twin; the second knows how her own posts sound, and is champion."""
    home = tmp_path_factory.mktemp("talk")
    made = App(Settings(), home)
    made.store, made.registry, made.engine = FeatureStore(home, WordEmbedder(512)), ModelRegistry(home), Engine()
    fill(made.store, [post(1, CLOCK), post(2, "Rust comes off in vinegar.")])
    made.registry.register(card(run_id="first"), adapter(home / "first"))
    folder = adapter(home / "second")
    write_json(folder / "evaluation.json", {"deltas": {str(n): 0.001 * n for n in range(20)}})
    made.registry.promote(made.registry.register(card(run_id="second"), folder).name)
    made.twin = Twin(made.store, made.registry, made.engine, passages=2)
    yield made
    made.store.close()


@pytest.fixture
def model(app: App) -> Listens:
    """The one that speaks for every version in this test."""
    assert isinstance(app.engine, Engine)
    app.engine.model = Listens(responses=[SAYS], heard=[], options=[], listened=[])
    return app.engine.model


@pytest.fixture(scope="module")
def shell(app: App) -> Shell:
    return Shell(app)


@pytest.fixture
def chat(shell: Shell, model: Listens) -> Chat:
    return shell.chat


def ask(chat: Chat, question: str, turns: Sequence[Any] = (), heard: Heard = NOT_HEARD, kept: str = "") -> list[Any]:
    """Each update of the page as the question is asked and answered."""
    asked = chat.asked(question, "Ada", list(turns), heard, HERE)
    return [asked, *chat.answered("Ada@v2", asked[chat.turns], kept, HERE)]


# ---- chat -----------------------------------------------------------------------------------------------------------


def test_an_answer_is_finished_before_anybody_measures_how_it_sounds(chat: Chat, model: Listens) -> None:
    *_, last = ask(chat, QUESTION)
    assert model.listened == []
    assert last[chat.send]["visible"]
    assert not last[chat.stop]["visible"]
    assert last[chat.again]["interactive"]
    assert 'class="passage cited"' in last[chat.sources]
    assert 'class="marker"' in last[chat.chat][-1]["content"]["text"]
    assert chat._app.store.conversations.get("ada", last[chat.kept.id]).turns[0].question == QUESTION
    heard = chat.measured(last[chat.turns], HERE)
    assert heard.style
    assert len(model.listened) == 2
    drawn = chat.styled(last[chat.turns], heard)
    assert f"{heard.style[1:]}." in drawn[-1]["content"]["text"]
    assert heard.style[1:] not in last[chat.chat][-1]["content"]["text"]


def test_words_that_come_late_stay_with_the_answer_that_they_are_of(chat: Chat, model: Listens) -> None:
    *_, first = ask(chat, QUESTION)
    heard = chat.measured(first[chat.turns], HERE)
    asked, *_, second = ask(chat, "What takes rust off?", first[chat.turns], heard)
    for later in (asked, second, chat.repeated(first[chat.turns], HERE), {chat.turns: []}):
        assert chat.styled(later[chat.turns], heard) == gr.skip()
    assert [turn.style for turn in second[chat.turns]] == [heard.style, ""]
    chat._switches.end(HERE)
    assert chat.measured(asked[chat.turns], HERE) == gr.skip()  # it is being written


def test_an_answer_stands_though_it_cannot_be_measured(chat: Chat, model: Listens) -> None:
    *_, last = ask(chat, QUESTION)
    model.fails = True
    assert chat.measured(last[chat.turns], HERE) == gr.skip()


def test_the_whole_question_is_kept_of_a_follow_up(chat: Chat, app: App) -> None:
    *_, first = ask(chat, QUESTION)
    *_, last = ask(chat, FOLLOW_UP, first[chat.turns], kept=first[chat.kept.id])
    reopened = chat.kept.opened("Ada", SimpleNamespace(id=last[chat.kept.id]), HERE)  # type: ignore[arg-type]
    for turns in (last[chat.turns], reopened[chat.turns]):
        chat.judged(turns, SimpleNamespace(index=(3,), liked=False), HERE)  # type: ignore[arg-type]
        given = app.store.feedback.all("Ada")[-1]
        assert (given.verdict, given.by) == ("worse", "ada")
        assert given.question.startswith(QUESTION)
        assert given.question.endswith(FOLLOW_UP)
        assert f"Understood as: {QUESTION}" in chat._talk(turns, busy=False)[chat.chat][-1]["content"]["text"]
