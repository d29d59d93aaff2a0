"""What the page does with answers, without a browser: when they count as finished, what is kept of them, who judged what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from langchain_core.outputs import ChatGenerationChunk

from contracts.errors import ModelError
from contracts.feature_store import FeatureStore
from contracts.files import write_json
from contracts.model_registry import ModelRegistry
from contracts.prompt import Message
from inference_pipeline.queue import Queue
from inference_pipeline.twin import BASE, Twin
from tests.fakes import WordEmbedder, adapter, card, fill, post
from tests.speaking import CLOCK, QUESTION, SAYS, Engine, Speaks
from training_pipeline.votes import preferred
from ui.page.comparison import SAME
from ui.page.conversation import Heard
from ui.page.shell import Shell
from ui.page.tabs.chat import Chat
from ui.page.tabs.compare import Compare
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
    breaks: bool = False

    def _stream(self, *given: Any, **options: Any) -> Iterator[ChatGenerationChunk]:
        if self.breaks:
            raise ModelError("the model fell over", "start it again")
        yield from super()._stream(*given, **options)

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
    for name in ("ada", "eve"):
        made.users.add(name, f"{name} and a clock")
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


def ask(chat: Chat, question: str, after: Any = None, heard: Heard = NOT_HEARD, request: Any = HERE) -> list[Any]:
    """Each update of the page as the question is asked and answered, `after` the page stood so."""
    asked = chat.asked(question, "Ada", list(after[chat.turns]) if after else [], heard, request)
    return [asked, *answer(chat, asked, after, request)]


def answer(chat: Chat, asked: Any, after: Any = None, request: Any = HERE) -> list[Any]:
    """Each update as what was asked is answered, in the conversation that stood there."""
    id, at = (after[chat.kept.id], after[chat.kept.at]) if after else ("", None)
    return list(chat.answered("Ada@v2", asked[chat.turns], id, at, request))


def test_who_chose_no_version_hears_the_champion_or_whom_the_split_draws(app: App, chat: Chat, model: Listens) -> None:
    def heard(choice: str) -> str:
        page = chat.asked("How is the church clock regulated?", "Ada", [], NOT_HEARD, HERE)
        *_, last = chat.answered(choice, page[chat.turns], "", None, HERE)
        return str(last[chat.turns][-1].answer.model)

    plain = app.twin
    assert [heard(choice) for choice in ("", "Ada@v1", "base", "Bea@v1")] == ["Ada@v2", "Ada@v1", "base", "Ada@v2"]
    app.registry.challenge("Ada@v1")
    app.twin = Twin(app.store, app.registry, app.engine, passages=2, challenger_share=1.0)
    try:
        assert [heard(choice) for choice in ("", "Ada@v2")] == ["Ada@v1", "Ada@v2"]
    finally:
        app.twin = plain
        app.registry.withdraw("Ada")


def edit(chat: Chat, page: Any, question: str, place: int = 0) -> Any:
    event: Any = SimpleNamespace(index=(2 * place,), value=question)
    return chat.edited(0, "Ada", page[chat.turns], NOT_HEARD, event, HERE)


def questions(app: App, id: str) -> list[str]:
    """Of a kept conversation."""
    return [turn.question for turn in app.store.conversations.get("ada", id).turns]


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
    heard = chat.measured(last[chat.turns], Heard(), HERE)
    assert heard.style
    assert len(model.listened) == 2
    drawn = chat.styled(last[chat.turns], 0, heard)
    assert f"{heard.style[1:]}." in drawn[-1]["content"]["text"]
    assert heard.style[1:] not in last[chat.chat][-1]["content"]["text"]


def test_words_that_come_late_stay_with_the_answer_that_they_are_of(chat: Chat, model: Listens) -> None:
    *_, first = ask(chat, QUESTION)
    heard = chat.measured(first[chat.turns], Heard(), HERE)
    asked, *_, second = ask(chat, "What takes rust off?", first, heard)
    for later in (asked, second, chat.repeated(first[chat.turns], HERE), {chat.turns: []}):
        assert chat.styled(later[chat.turns], 0, heard) == gr.skip()
    assert [turn.style for turn in second[chat.turns]] == [heard.style, ""]
    chat._switches.end(HERE)
    assert chat.measured(asked[chat.turns], Heard(), HERE) == gr.skip()  # it is being written


def test_an_answer_stands_though_it_cannot_be_measured(chat: Chat, model: Listens) -> None:
    *_, last = ask(chat, QUESTION)
    model.fails = True
    assert chat.measured(last[chat.turns], Heard(), HERE) == gr.skip()


def test_the_whole_question_is_kept_of_a_follow_up(chat: Chat, app: App) -> None:
    *_, first = ask(chat, QUESTION)
    *_, last = ask(chat, FOLLOW_UP, first)
    reopened = chat.kept.opened("Ada", SimpleNamespace(id=last[chat.kept.id]), HERE)  # type: ignore[arg-type]
    for turns in (last[chat.turns], reopened[chat.turns]):
        chat.thumbs.judged(turns, 0, {}, SimpleNamespace(index=(3,), liked=False), HERE)  # type: ignore[arg-type]
        given = app.store.feedback.all("Ada")[-1]
        assert (given.verdict, given.by) == ("worse", "ada")
        assert given.question.startswith(QUESTION)
        assert given.question.endswith(FOLLOW_UP)
        assert f"Understood as: {QUESTION}" in chat._talk(turns, busy=False)[chat.chat][-1]["content"]["text"]


def test_an_answer_has_one_verdict_and_its_thumb_wherever_the_answer_stands(chat: Chat, app: App) -> None:
    def judge(liked: Any, of: dict[str, Any]) -> Any:
        event: Any = SimpleNamespace(index=(1,), liked=liked)
        return chat.thumbs.judged(last[chat.turns], 0, of, event, HERE)

    *_, last = ask(chat, QUESTION)
    before = len(app.store.feedback.all("Ada"))
    liked = judge(True, {})[chat.thumbs.given]
    stands = ["another", *last[chat.stand]]
    assert chat.thumbs.drawn(stands, liked)["feedback_value"] == [None, "Like"]
    other = judge(False, liked)[chat.thumbs.given]
    assert chat.thumbs.drawn(stands, other)["feedback_value"] == [None, "Dislike"]
    assert [given.verdict for given in app.store.feedback.all("Ada")[before:]] == ["worse"]
    app.store.feedback.delete([given.id for given in other.values()])  # as it goes with a post that is forgotten
    none = judge("", other)
    assert (none[chat.thumbs.given], none[chat.chat]["feedback_value"]) == ({}, [None])
    assert len(app.store.feedback.all("Ada")) == before


def test_a_verdict_takes_the_place_of_those_that_other_browser_tabs_gave(chat: Chat, app: App) -> None:
    def opened() -> Any:
        return chat.kept.opened("Ada", SimpleNamespace(id=last[chat.kept.id]), HERE)  # type: ignore[arg-type]

    def kept() -> list[str]:
        return [given.verdict for given in app.store.feedback.all("Ada")[before:]]

    def judge(tab: Any, liked: Any) -> Any:
        event: Any = SimpleNamespace(index=(1,), liked=liked)
        return tab | chat.thumbs.judged(tab[chat.turns], 0, tab[chat.thumbs.given], event, HERE)

    *_, last = ask(chat, QUESTION)
    before = len(app.store.feedback.all("Ada"))
    judge(opened(), True)
    one, other = opened(), opened()
    judge(one, False)
    assert kept() == ["worse"]
    assert not judge(other, None)[chat.thumbs.given]  # the Like that this one shows is no more; what is kept goes
    assert kept() == []
    one, other = opened(), opened()
    judge(one, True)
    judge(other, True)
    assert kept() == ["better"]


@pytest.mark.parametrize("why", ["busy", "broken", "stopped"])
@pytest.mark.parametrize("question", ["", "And what of the pendulum?"])
def test_an_answer_stands_until_another_has_come_in_its_place(
    chat: Chat, app: App, model: Listens, why: str, question: str
) -> None:
    *_, first = ask(chat, QUESTION)
    again = edit(chat, first, question) if question else chat.repeated(first[chat.turns], HERE)
    model.breaks = why == "broken"
    if why == "stopped":
        assert chat.stopped(again[chat.turns], HERE)[chat.stop]["value"] == "Stopping…"
    full, usual = Queue(at_once=1, waiting=0), app.twin.queue
    app.twin.queue = full if why == "busy" else usual
    with full.place():
        *_, last = answer(chat, again, first)
    app.twin.queue = usual
    (turn,) = last[chat.turns]
    assert (turn.question, turn.answer) == (QUESTION, first[chat.turns][0].answer)
    assert ("problem" in turn.reply()) == (why != "stopped")
    assert "cheese" in turn.reply()
    assert last[chat.send]["visible"]
    assert questions(app, first[chat.kept.id]) == [QUESTION]
    model.breaks = False
    *_, other = answer(chat, chat.repeated(last[chat.turns], HERE), first)
    (turn,) = other[chat.turns]
    assert (turn.problem, turn.before) == (None, None)
    assert other[chat.kept.id] == first[chat.kept.id]
    assert questions(app, other[chat.kept.id]) == [QUESTION]


def test_a_question_that_failed_keeps_nothing(chat: Chat, app: App, model: Listens) -> None:
    *_, first = ask(chat, QUESTION)
    model.breaks = True
    *_, last = ask(chat, FOLLOW_UP, first)
    assert "fell over" in last[chat.turns][-1].reply()
    assert chat.kept.id not in last
    assert questions(app, first[chat.kept.id]) == [QUESTION]


def test_an_early_question_that_is_edited_goes_on_as_another_conversation(chat: Chat, app: App) -> None:
    *_, first = ask(chat, QUESTION)
    *_, both = ask(chat, FOLLOW_UP, first)
    edited = edit(chat, both, "What takes rust off?")
    assert edited[chat.kept.id] == ""
    *_, last = answer(chat, edited, edited)
    assert questions(app, both[chat.kept.id]) == [QUESTION, FOLLOW_UP]
    assert questions(app, last[chat.kept.id]) == ["What takes rust off?"]
    emptied = edit(chat, both, " \n")
    assert [m["role"] for m in emptied[chat.chat]] == ["user", "assistant"] * 2
    assert chat.turns not in emptied


def test_what_two_tabs_say_in_one_conversation_is_all_kept(chat: Chat, app: App) -> None:
    there = gr.Request(username="ada", session_hash="another tab")
    *_, first = ask(chat, QUESTION)
    event: Any = SimpleNamespace(id=first[chat.kept.id])
    opened = chat.kept.opened("Ada", event, there)
    *_, elsewhere = ask(chat, FOLLOW_UP, opened, request=there)
    *_, here = ask(chat, "What takes rust off?", first)
    assert questions(app, elsewhere[chat.kept.id]) == [QUESTION, FOLLOW_UP]
    assert questions(app, here[chat.kept.id]) == [QUESTION, "What takes rust off?"]
    *_, more = ask(chat, FOLLOW_UP, here)
    assert more[chat.kept.id] == here[chat.kept.id]


def test_a_conversation_that_is_deleted_in_another_tab_does_not_come_back(chat: Chat, app: App) -> None:
    *_, first = ask(chat, QUESTION)
    app.store.conversations.delete("ada", first[chat.kept.id])
    before = app.store.conversations.all("ada", "Ada")
    with pytest.warns(UserWarning, match="is deleted"):
        *_, last = ask(chat, FOLLOW_UP, first)
    assert last[chat.turns][-1].answer
    assert app.store.conversations.all("ada", "Ada") == before


def test_stop_frees_a_page_for_which_nothing_is_being_written(chat: Chat, compare: Compare) -> None:
    asked = chat.asked(QUESTION, "Ada", [], NOT_HEARD, HERE)
    chat._switches.end(HERE)  # the connection was lost
    freed = chat.stopped(asked[chat.turns], HERE)
    assert freed[chat.turns] == []
    assert chat.turns not in chat.stopped([], HERE)
    for page, send in ((freed, chat.send), (compare.stopped(HERE), compare.send)):
        assert page[send]["visible"]
    lost = chat.refused(asked[chat.turns], HERE)[chat.turns][-1].reply()
    assert "connection was lost" in lost


def test_the_version_that_was_chosen_stays_as_long_as_it_is_there(chat: Chat) -> None:
    *_, last = ask(chat, QUESTION)
    for turns in ([], last[chat.turns]):
        for choice, shown in (("Ada@v1", "Ada@v1"), ("", "Ada@v2"), ("Ada@v9", "Ada@v2")):
            assert chat.seen("Ada", turns, choice, HERE)[chat.model]["value"] == shown
    assert chat.opened("Ada", HERE)[chat.choice] == ""


# ---- side by side ---------------------------------------------------------------------------------------------------


@pytest.fixture
def compare(shell: Shell, model: Listens) -> Compare:
    tab = shell.tabs["compare"]
    assert isinstance(tab, Compare)
    return tab


def both(compare: Compare, first: str, second: str, blind: bool, question: str = QUESTION) -> list[Any]:
    asked = compare.asked(question, "Ada", first, second, blind, HERE)
    return [asked, *compare.answered(asked[compare.comparison], HERE)]


def test_both_answer_from_the_same_passages_and_blind_nothing_tells_which_is_which(compare: Compare) -> None:
    orders = set()
    for _ in range(12):
        updates = both(compare, "Ada@v1", "Ada@v2", blind=True)
        last = updates[-1]
        drawn = str(
            [{box.elem_id: value for box, value in one.items() if box is not compare.comparison} for one in updates]
        )
        assert "Ada@" not in drawn
        assert "tokens/s" not in drawn
        orders.add(last[compare.comparison].models)
    assert orders == {("Ada@v1", "Ada@v2"), ("Ada@v2", "Ada@v1")}
    one, other = last[compare.comparison].answers
    assert one.passages == other.passages
    assert 'href="#passage-0-1"' in last[compare.left]
    assert 'id="passage-0-1"' in last[compare.sources]
    assert last[compare.vote_same]["visible"]


@pytest.mark.parametrize("choice", [0, 1, SAME])
@pytest.mark.parametrize("blind", [True, False])
def test_a_vote_is_counted_once_and_names_both(compare: Compare, app: App, choice: int, blind: bool) -> None:
    *_, last = both(compare, "Ada@v2", BASE, blind)
    models = last[compare.comparison].models
    voted = compare._vote(choice)(last[compare.comparison], HERE)
    given = app.store.feedback.all("Ada")[-1]
    assert (given.by, given.blind, given.question) == ("ada", blind, QUESTION)
    found = preferred([given], "Ada@v2", BASE)
    counted, others = (found.blind, found.open) if blind else (found.open, found.blind)
    won = choice != SAME and models[choice] == "Ada@v2"
    assert (counted.wins, counted.losses, counted.ties) == (won, choice != SAME and not won, choice == SAME)
    assert others.people == 0
    columns = voted[compare.left] + voted[compare.right]
    assert "Ada@v2" in columns
    assert "base model" in columns
    assert ("A: " in columns) is blind
    assert columns.count("your choice") == (choice != SAME)
    assert "by 1 person" in voted[compare.outcome]
    assert "cannot measure" in voted[compare.outcome]
    with pytest.raises(gr.Error, match="no two answers"):
        compare._vote(choice)(voted[compare.comparison], HERE)


def test_a_whole_set_of_votes_has_an_interval(compare: Compare, app: App) -> None:
    for number in range(6):
        *_, last = both(compare, "Ada@v1", "Ada@v2", False, f"{QUESTION} {number}")
        voted = compare._vote(0)(last[compare.comparison], HERE)
    assert "6 won, 0 lost" in voted[compare.outcome]
    assert "100 % [61, 100], n = 6" in voted[compare.outcome]


def test_what_cannot_be_judged_is_not(compare: Compare, app: App) -> None:
    *_, nothing = both(compare, "Ada@v1", "Ada@v2", True, "What of quantum chromodynamics?")
    assert "Neither has written anything" in nothing[compare.outcome]
    asked = compare.asked(QUESTION, "Ada", "Ada@v1", "Ada@v2", True, HERE)
    with pytest.raises(gr.Error, match="being written"):
        compare.asked(QUESTION, "Ada", "Ada@v1", "Ada@v2", True, HERE)
    *_, stopped = (compare.stopped(HERE) and one for one in compare.answered(asked[compare.comparison], HERE))
    assert "Stopped" in stopped[compare.outcome]
    *_, gone = both(compare, "Ada@v1", "Ada@v7", True)
    assert "Ada@v7" in gone[compare.outcome]
    for update in (nothing, stopped, gone):
        assert not update[compare.vote_left]["visible"]
        with pytest.raises(gr.Error):
            compare._vote(0)(update[compare.comparison], HERE)
    with pytest.raises(gr.Error, match="two different"):
        compare.asked(QUESTION, "Ada", "Ada@v1", "Ada@v1", True, HERE)


def test_another_author_ends_what_is_written_for_the_one_before(compare: Compare) -> None:
    asked = compare.asked(QUESTION, "Ada", "Ada@v1", "Ada@v2", True, HERE)
    writing = compare.answered(asked[compare.comparison], HERE)
    next(writing)
    assert compare.left_behind(HERE)[compare.comparison] is None
    assert list(writing) == []
    *_, again = both(compare, "Ada@v1", "Ada@v2", True)
    assert again[compare.vote_left]["visible"]


def test_the_tab_says_what_to_do_before_there_are_two(compare: Compare, app: App) -> None:
    opened = compare.opened("Ada")
    assert [value for _, value in opened[compare.first]["choices"]] == ["Ada@v2", "Ada@v1", BASE]
    assert (opened[compare.first]["value"], opened[compare.second]["value"]) == ("Ada@v2", "Ada@v1")
    kept = compare.revisited("Ada", None, BASE, "Ada@v1")
    assert (kept[compare.first]["value"], kept[compare.second]["value"]) == (BASE, "Ada@v1")
    untrained, nobody = compare.opened("Bea"), compare.opened(None)
    assert "Train a version" in untrained[compare.words]
    assert "take posts in" in nobody[compare.words]
    assert not untrained[compare.form]["visible"]
    assert not nobody[compare.form]["visible"]


def test_what_waited_until_its_author_was_left_draws_over_nothing(chat: Chat, compare: Compare) -> None:
    assert list(compare.answered(None, HERE)) == [gr.skip()]  # Gradio takes no empty dictionary for that
    assert list(chat.answered("Ada@v2", [], "", None, HERE)) == [gr.skip()]
