"""The graph says what torch says, for the base model and with an adapter; what cannot become a graph stays in torch."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.prompt import encode, messages
from contracts.records import Passage
from inference_pipeline.engines import graph, pages
from inference_pipeline.engines.decoders import Decoder, TorchDecoder
from inference_pipeline.engines.graph import DONE, GraphDecoder, Step, faithful, graph_of
from inference_pipeline.engines.local import LocalEngine
from tests.fakes import drawn_adapter, tiny_llama
from tests.test_engine import register

pytestmark = pytest.mark.usefixtures("single")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseLanguageModel:
    folder = tmp_path_factory.mktemp("tiny")
    return BaseLanguageModel(str(tiny_llama(folder / "model")), folder)


@pytest.fixture(scope="module")
def adapted(base: BaseLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_adapter(base, tmp_path_factory.mktemp("adapter"), std=0.5)


def decoder(engine: LocalEngine, version: object = None) -> Decoder:
    return engine.chat_model(version).decoder  # type: ignore[arg-type, attr-defined, no-any-return]


def log_odds(of: Decoder, ids: list[int], at_once: int) -> torch.Tensor:
    """Of the token after each of the ids that are fed one by one, after the first `at_once`."""
    session = of.open()
    rows = [session.feed(ids[:at_once]), *(session.feed([token]) for token in ids[at_once:])]
    return torch.stack(rows).log_softmax(-1)


def test_the_graph_foretells_what_torch_foretells(base: BaseLanguageModel) -> None:
    ids = base.tokenizer()("What of clocks? They are slow when rain falls.")["input_ids"]
    own = log_odds(TorchDecoder(base.load(torch.float32).eval()), ids, 20)
    made = decoder(LocalEngine(base))
    assert isinstance(made, GraphDecoder)
    assert torch.allclose(log_odds(made, ids, 20), own, atol=0.1)


def test_a_long_prompt_in_pieces_is_the_same_prompt(base: BaseLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = base.tokenizer()("tea and rain " * 12)["input_ids"]
    monkeypatch.setattr(graph, "PIECE", 64)
    assert len(ids) > 2 * 64
    own = log_odds(TorchDecoder(base.load(torch.float32).eval()), ids, len(ids) - 2)
    in_pieces = log_odds(decoder(LocalEngine(base)), ids, len(ids) - 2)
    assert torch.allclose(in_pieces, own, atol=0.1)
    monkeypatch.setattr(graph, "PIECE", 4096)
    assert torch.equal(log_odds(decoder(LocalEngine(base)), ids, len(ids) - 2), in_pieces)


def test_what_was_read_and_cut_off_is_read_on_bit_for_bit(base: BaseLanguageModel) -> None:
    of, ids = decoder(LocalEngine(base)), base.tokenizer()("tea and rain " * 12)["input_ids"]
    session = of.open()
    whole = session.feed(ids)
    for length in (100, 64, 33):
        assert session.rewind(length)
        assert session.ids == ids[:length]
        assert torch.equal(session.feed(ids[length:]), whole)


def test_two_texts_at_once_do_not_meet(base: BaseLanguageModel) -> None:
    of, ids = decoder(LocalEngine(base)), base.tokenizer()("What of clocks?")["input_ids"]
    one, two = of.open(), of.open()
    alone = of.open().feed(ids)
    one.feed(ids[:5])
    two.feed(ids[3:])
    assert torch.equal(one.feed(ids[5:]).argmax(), alone.argmax())


def test_texts_that_are_read_in_one_step_say_what_each_says_alone(base: BaseLanguageModel) -> None:
    of = decoder(LocalEngine(base))
    assert isinstance(of, GraphDecoder)
    texts = ["What of clocks? " * n for n in (1, 9, 4)]
    ids = [base.tokenizer()(text)["input_ids"] for text in texts]
    alone = [log_odds(of, some, len(some) - 6) for some in ids]
    sessions = [of.open() for _ in ids]
    rows: list[list[torch.Tensor]] = [[] for _ in ids]
    for first, last in [(0, -6), (-6, -5), (-5, -4), (-4, -3), (-3, -2), (-2, -1), (-1, None)]:
        steps = [Step(session, some[first:last], 1) for session, some in zip(sessions, ids, strict=True)]
        for made, row, step in zip(of.steps(steps), rows, steps, strict=True):
            row.append(made[-1])
            step.session.ids += step.ids
    for row, own in zip(rows, alone, strict=True):
        assert torch.allclose(torch.stack(row).log_softmax(-1), own, atol=0.1)


def test_what_a_text_held_is_free_when_it_is_gone(base: BaseLanguageModel) -> None:
    of = decoder(LocalEngine(base))
    assert isinstance(of, GraphDecoder)
    ids = base.tokenizer()("tea and rain " * 30)["input_ids"]
    kept, held = of.open(), set[int]()
    kept.feed(ids)
    for _ in range(40):
        session = of.open()
        session.feed(ids)
        assert not set(session.pages) & set(kept.pages)
        held |= set(session.pages)
        assert session.bytes_ == len(session.pages) * of.pages.bytes_ >= len(ids) * 2 * 2 * 2 * 16
    assert len(held) <= 2 * len(kept.pages)


def test_keys_and_values_stay_while_room_is_made_for_more(
    base: BaseLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MORE", 1)
    of, ids = decoder(LocalEngine(base)), base.tokenizer()("tea and rain " * 12)["input_ids"]
    whole = of.open().feed(ids)
    session = decoder(LocalEngine(base)).open()
    for token in ids[:-1]:
        session.feed([token])
    assert torch.allclose(session.feed(ids[-1:]).log_softmax(-1), whole.log_softmax(-1), atol=0.1)


def test_a_version_is_the_same_graph_with_its_own_weights(
    base: BaseLanguageModel, adapted: Path, tmp_path: Path
) -> None:
    version = register(tmp_path, base, adapted)
    ids = base.tokenizer()("What of clocks? They are slow when rain falls.")["input_ids"]
    reference = log_odds(decoder(LocalEngine(base, graphs=False), version), ids, 20)
    made = decoder(LocalEngine(base), version)
    assert isinstance(made, GraphDecoder)
    found = log_odds(made, ids, 20)
    plain = log_odds(decoder(LocalEngine(base)), ids, 20)
    assert (found - reference).abs().mean() < 0.02
    assert (plain - reference).abs().mean() > 0.1
    assert len(list(base.compiled.iterdir())) == 1


def test_weights_that_the_graph_has_not_are_an_error_not_a_silent_base_model(base: BaseLanguageModel) -> None:
    folder = graph_of(base)
    assert folder
    with pytest.raises(ValueError, match=r"no model\.layers\.9\.mlp"):
        GraphDecoder(folder, {"model.layers.9.mlp.weight": torch.ones(2, 2)})


def test_a_graph_of_another_model_is_not_faithful(base: BaseLanguageModel, tmp_path: Path) -> None:
    other = BaseLanguageModel(str(tiny_llama(tmp_path / "other", seed=1)), tmp_path)
    folder, ids = graph_of(base), base.tokenizer()("What of clocks? " * 8)["input_ids"]
    assert folder
    assert faithful(GraphDecoder(folder), base.load(torch.float32).eval(), ids)
    assert not faithful(GraphDecoder(folder), other.load(torch.float32).eval(), ids)


def test_a_torn_graph_is_traced_anew_and_where_none_can_be_kept_torch_answers(tmp_path: Path) -> None:
    base = BaseLanguageModel(str(tiny_llama(tmp_path / "model")), tmp_path / "home")
    folder = graph_of(base)
    assert folder
    (folder / DONE).write_text("{")
    (folder / "graph.bin").unlink()
    assert graph_of(base) == folder
    assert isinstance(decoder(LocalEngine(base)), GraphDecoder)
    shutil.rmtree(base.compiled)
    base.compiled.write_text("not a folder")
    assert isinstance(decoder(LocalEngine(base)), TorchDecoder)


@pytest.mark.slow
def test_the_default_model_answers_from_passages_as_torch_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = BaseLanguageModel(DEFAULT, tmp_path_factory.getbasetemp() / "default")
    text = "The clock runs slow when rain falls, because the spring slackens. I wind it on Sundays. " * 8
    place = {"post_id": "p", "source_id": "p", "title": "Clocks", "url": None, "date": None, "start": 0, "end": 9}
    ids = encode(base.tokenizer(), messages("Ada", "Why is it slow?", [Passage(text=text, score=1, **place)]))
    reference, session = TorchDecoder(base.load(torch.float32).eval()).open(), decoder(LocalEngine(base)).open()
    agree, logits, made = 0, reference.feed(ids), session.feed(ids)
    for _ in range(40):
        agree += int(logits.argmax() == made.argmax())
        token = int(logits.argmax())
        logits, made = reference.feed([token]), session.feed([token])
    assert agree >= 38
