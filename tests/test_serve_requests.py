"""What the HTTP API takes for a request, whom it refuses, and in what words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import UsageError
from inference_pipeline.grounding.check import NOTHING_FOUND
from inference_pipeline.twin import Exchange
from tests.browser import ADA, SEATPOST, WREN, small
from tests.served import KEY, WRENS_KEY, Site, chat_with, saying, serving, until
from ui.serve.completions import question, unsaid
from ui.serve.keys import Caller, Keys
from ui.serve.schema import LONGEST_QUESTION, MOST_MESSAGES, ChatRequest
from ui.serve.server import running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("locked"), keys=f"{KEY}, {WREN}:{WRENS_KEY}")


def asked(*messages: tuple[str, Any], **more: Any) -> ChatRequest:
    said = [{"role": role, "content": content} for role, content in messages]
    return ChatRequest.model_validate({"model": WREN, "messages": said, **more})


def test_the_last_message_is_the_question_and_the_others_are_the_conversation() -> None:
    body = asked(
        ("system", "Be brief."),
        ("assistant", "Welcome!"),
        ("user", "How?"),
        ("assistant", "With oil."),
        ("assistant", "And heat."),
        ("user", "And then?"),
        ("user", [{"type": "text", "text": "Which"}, {"type": "text", "text": "oil?"}]),
        max_tokens=9999,
        stop="\n",
        seed=4,
        user="visitor",
    )
    made = question(body, WREN, Caller("key-1"))
    assert (made.text, made.author, made.user, made.key) == ("Which\noil?", WREN, "key-1", "key-1/visitor")
    assert made.history == (Exchange("How?", "With oil.\nAnd heat."), Exchange("And then?", ""))
    assert (made.sampling.max_tokens, made.sampling.stop, made.sampling.seed) == (1024, ("\n",), 4)
    assert made.sampling.temperature is None


@pytest.mark.parametrize(
    ("said", "answer", "rest"),
    [
        ("Oil. Then heat.", "Oil. [1] Then heat. [2]", " [2]"),
        ("Oil. ", "Oil.\n\nI wrote: “Oil” [1]", "\n\nI wrote: “Oil” [1]"),
        ("Oil. Heat.", "Oil. [100] Heat. [101]", " [101]"),
        ("", NOTHING_FOUND, NOTHING_FOUND),
        ("# Oil\nOil.", "Oil. [1]", ""),
        ("Oil and th", "Oil", ""),
        ("Oil [3]. Heat.", "Oil. [1] Heat.", ""),
    ],
)
def test_a_stream_ends_with_what_was_not_said_yet(said: str, answer: str, rest: str) -> None:
    assert unsaid(said, answer) == rest


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": WREN}, "messages"),
        (chat_with(model=""), "model"),
        (chat_with(messages=[]), "messages"),
        (chat_with(messages="Hello"), "messages"),
        (chat_with(messages=[{"role": "user", "content": "x"}] * (MOST_MESSAGES + 1)), "messages"),
        (saying(SEATPOST, role="assistant"), None),
        (saying("  \n"), None),
        (saying(None), None),
        (saying("x" * (LONGEST_QUESTION + 1)), None),
        (saying("nul \0"), "messages.0.content"),
        (saying("x", role="tool"), "messages.0.role"),
        (saying([{"type": "image_url", "image_url": {"url": "http://evil.example/a.png"}}]), "messages.0.content"),
        (chat_with(n=2), "n"),
        (chat_with(response_format={"type": "json_object"}), "response_format.type"),
        (chat_with(response_format={"type": "json_schema", "json_schema": {"name": "n"}}), "response_format"),
        (chat_with(tools=[{"type": "function", "function": {"name": "f"}}]), "tools"),
        (chat_with(temperature=3), "temperature"),
        (chat_with(max_tokens=0), "max_tokens"),
        (chat_with(seed=2**63), "seed"),
        (chat_with(stop=["a", "b", "c", "d", "e"]), "stop"),
        (chat_with(stop=""), "stop"),
        (chat_with(user="x" * 301), "user"),
        (chat_with(stream="perhaps"), "stream"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong_with_it(site: Site, body: Any, param: str | None) -> None:
    response = site.client.post("/v1/chat/completions", json=body)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["param"] or "").startswith(param or "")
    assert len(error["message"]) < 400


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b"[" * 20_000,
        b'{"model": NaN, "messages": []}',
        json.dumps(saying("a \ud800 lone surrogate")).encode(),
        json.dumps(chat_with(**{"\ud800": 1}, model="\udfff")).encode(),
        json.dumps(chat_with(seed=10**400)).encode(),
        b'{"model": 1' + b"0" * 5000 + b"}",
    ],
)
def test_what_is_no_request_at_all_is_told_so(site: Site, content: bytes) -> None:
    response = site.client.post("/v1/chat/completions", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_page_elsewhere_cannot_ask_without_saying_json(site: Site) -> None:
    """A browser sends text/plain to any address without asking that address first."""
    content = json.dumps(chat_with()).encode()
    response = site.client.post("/v1/chat/completions", content=content, headers={"content-type": "text/plain"})
    assert (response.status_code, "application/json" in response.text) == (400, True)


def test_what_is_too_large_is_not_read(site: Site) -> None:
    many = chat_with(messages=[{"role": "user", "content": "hello"}] * 10_000)
    responses = [
        site.client.post("/v1/chat/completions", json=saying("x" * 100_000)),
        site.client.post("/v1/chat/completions", json=many),
        site.client.post("/v1/chat/completions", content=iter([b"{}"])),
    ]
    for response in responses:
        assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("model", ["gpt-4", f"{WREN}@v9", "Nobody@base", f"{ADA}@v1", "../Ada@v1", f"{WREN}@champion "])
def test_a_model_that_is_not_there_is_not_found(site: Site, model: str) -> None:
    response = site.chat(model=model)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


def test_a_route_that_is_not_there_and_a_method_that_is_none_have_the_same_shape(site: Site) -> None:
    assert site.client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    response = site.client.get("/v1/chat/completions")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


# ---- who may ask ----------------------------------------------------------------------------------------------------


def test_a_name_that_was_made_to_point_here_is_refused(site: Site) -> None:
    response = site.client.get("/v1/models", headers={"host": "evil.example:8000"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "wrong_host")


@pytest.mark.parametrize("sent", [{}, {"authorization": "Bearer wrong-wrong-wrong-wrong"}, {"authorization": KEY}])
def test_without_a_key_nothing_is_read(locked: Site, sent: dict[str, str]) -> None:
    answers = [
        locked.client.post("/v1/chat/completions", content=b"{", headers=sent),
        locked.client.get("/v1/models", headers=sent),
        locked.client.get("/metrics", headers=sent),
    ]
    for response in answers:
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.json()["error"]["code"] == "invalid_api_key"
    for path in ("/health", "/ready"):
        assert until(lambda path=path: locked.client.get(path).status_code == 200)  # it may still load


def test_a_key_of_one_author_opens_that_twin_alone(locked: Site) -> None:
    one, every = ({"authorization": f"Bearer {key}"} for key in (WRENS_KEY, KEY))
    assert {model["owned_by"] for model in locked.client.get("/v1/models", headers=one).json()["data"]} == {WREN}
    assert {model["owned_by"] for model in locked.client.get("/v1/models", headers=every).json()["data"]} == {WREN, ADA}
    twin = locked.client.post("/v1/chat/completions", json=chat_with(model=f"{ADA}@base"), headers=every).json()["twin"]
    for path, body in (
        ("chat/completions", chat_with(model=f"{ADA}@base")),
        ("search", {"query": "x", "author": ADA}),
        ("feedback", {"answer": twin, "verdict": "worse"}),
    ):
        assert locked.client.post(f"/v1/{path}", json=body, headers=one).status_code == 404
        assert locked.client.post(f"/v1/{path}", json=body, headers=every).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_a_public_address_needs_keys(host: str, tmp_path: Path) -> None:
    twin = small(tmp_path)
    with closing(twin.app.store), pytest.raises(UsageError, match="open to everyone"), running(twin.app, host):
        pass


def test_keys_are_long_and_may_name_an_author() -> None:
    keys = Keys(f" {KEY},,Ada: the second:{WRENS_KEY} ")
    assert keys.caller(f"bearer {WRENS_KEY}", "here") == Caller("key-2", "Ada: the second")
    assert keys.caller(f"Basic {KEY}", "here") is None
    assert Keys(None).caller("", "here") == Caller("here", keyed=False)
    with pytest.raises(UsageError, match="key 2 of TWIN_API_KEYS is shorter"):
        Keys(f"{KEY},Ada:short")
