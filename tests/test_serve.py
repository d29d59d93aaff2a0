"""The HTTP API: what it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from inference_pipeline.grounding.check import NOTHING_FOUND
from inference_pipeline.twin import Twin
from tests.attacks import ACTS
from tests.browser import ADA, SEATPOST, WREN
from tests.served import Site, events, serving
from tests.speaking import Engine as Says
from tests.test_inert import Acting


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each test gives it something to say."""
    yield from serving(tmp_path_factory.mktemp("speaking"))


def test_every_model_carries_its_author_the_default_first(site: Site) -> None:
    listed = site.client.get("/v1/models").json()["data"]
    assert [model["id"] for model in listed] == [
        ADA,
        f"{ADA}@base",
        WREN,
        f"{WREN}@champion",
        f"{WREN}@v2",
        f"{WREN}@v1",
        f"{WREN}@base",
    ]
    assert all(model["id"].startswith(model["owned_by"]) for model in listed)
    assert site.client.get(f"/v1/models/{WREN}@v1").json() == listed[5]


def test_a_completion_has_its_evidence_beside_it(site: Site) -> None:
    body = site.chat().json()
    twin = body["twin"]
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == twin["answer"]
    assert body["choices"][0]["finish_reason"] == "stop"
    assert (twin["author"], twin["model"], body["system_fingerprint"]) == (WREN, f"{WREN}@v2", twin["snapshot"])
    assert twin["citations"]
    for citation in twin["citations"]:
        post = site.twin.app.store.post(citation["post_id"], WREN)
        assert post.text[citation["start"] : citation["end"]] == citation["text"]
    assert {sentence["support"] for sentence in twin["sentences"]} == {"supported"}
    assert twin["timings"]["first_token"] > 0


def test_the_pieces_of_a_stream_are_the_answer_and_its_end_has_the_evidence(site: Site) -> None:
    response = site.chat(stream=True, stream_options={"include_usage": True})
    first, *pieces, ended, usage = events(response)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert first["twin"]["passages"] == ended["twin"]["passages"]
    text = "".join(piece["choices"][0]["delta"]["content"] for piece in pieces)
    assert text.replace(" ", "") == ended["twin"]["answer"].replace(" [1]", "", 1).replace(" ", "")
    assert ended["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"]) == ([], None)  # this engine counts no tokens
    assert len({event["id"] for event in (first, *pieces, ended, usage)}) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ACTS)
def test_an_answer_does_nothing_in_whoever_shows_it(speaking: Site, name: str, stream: bool) -> None:
    speaking.twin.app.twin = Twin(
        speaking.twin.app.store, speaking.twin.app.registry, Says(f"The clamp comes off first.\n\n{ACTS[name]}\n\nOak.")
    )
    response = speaking.chat(stream=stream)
    if stream:
        pieces = [event["choices"][0]["delta"].get("content", "") for event in events(response) if event["choices"]]
        text = "".join(pieces)
        assert len(pieces) > 20  # as it came
    else:
        text = response.json()["choices"][0]["message"]["content"]
    assert text.startswith("The clamp comes off first.")
    assert Acting(text).found == []


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_posts_do_not_cover_is_said_to_be_so(site: Site, stream: bool) -> None:
    response = site.chat("Whither quantum chromodynamics?", stream=stream)
    twin = events(response)[-1]["twin"] if stream else response.json()["twin"]
    assert (twin["answer"], twin["passages"], twin["citations"]) == (NOTHING_FOUND, [], [])
    if stream:
        assert events(response)[1]["choices"][0]["delta"]["content"] == NOTHING_FOUND
    else:
        assert response.json()["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize("stream", [False, True])
def test_a_greeting_is_returned_and_counts_as_no_refusal(site: Site, stream: bool) -> None:
    before = site.figures()
    response = site.chat("Hello, who are you?", stream=stream)
    twin = events(response)[-1]["twin"] if stream else response.json()["twin"]
    assert twin["answer"].startswith(f"Hello. I am a twin of {WREN}, and not {WREN}:")
    assert (twin["passages"], twin["citations"], twin["nearest"]) == ([], [], [])
    if stream:
        assert events(response)[1]["choices"][0]["delta"]["content"] == twin["answer"]
    assert site.figures().get("twin_refusals_total", 0) == before.get("twin_refusals_total", 0)


def test_what_has_no_effect_is_named(site: Site) -> None:
    messages = [{"role": "system", "content": "Speak like a pirate."}, {"role": "user", "content": SEATPOST}]
    body = {"model": WREN, "messages": messages, "top_p": 0.5, "not a name": 1, "response_format": {"type": "text"}}
    reply = site.client.post("/v1/chat/completions", json=body).json()
    assert reply["twin"]["ignored"] == ["system message", "top_p"]


def test_versions_answer_side_by_side_from_the_same_passages(site: Site) -> None:
    def compared(*models: str) -> httpx.Response:
        body = {"models": models, "messages": [{"role": "user", "content": SEATPOST}]}
        return site.client.post("/v1/side_by_side", json=body)

    found = compared(f"{WREN}@v1", f"{WREN}@champion", f"{WREN}@base").json()
    assert found["author"] == WREN
    assert [answer["model"] for answer in found["answers"]] == [f"{WREN}@v1", f"{WREN}@v2", "base"]
    assert all(answer["passages"] == found["answers"][0]["passages"] for answer in found["answers"])
    assert compared(f"{WREN}@v1", f"{ADA}@base").json()["error"]["code"] == "bad_request"
    assert compared(f"{WREN}@v2", WREN).json()["error"]["code"] == "bad_request"
    assert [compared(f"{WREN}@v1", f"{WREN}@v9").status_code, compared(WREN).status_code] == [404, 400]


def test_a_post_is_drafted_from_its_own_evidence(site: Site) -> None:
    body = {"model": WREN, "title": "Freeing a seized seatpost", "points": ["Oil and heat free the seized seatpost"]}
    made = site.client.post("/v1/drafts", json=body).json()
    assert (made["author"], made["model"], made["title"]) == (WREN, f"{WREN}@v2", body["title"])
    [section] = made["sections"]
    assert section["status"] == "written"
    for citation in made["citations"]:
        text = site.twin.app.store.post(citation["post_id"], WREN).text
        assert text[citation["start"] : citation["end"]] == citation["text"]
    for wrong in ({"points": []}, {"title": " ", "points": []}, {"points": ["\ud800"]}, {"words": 9}):
        content = json.dumps({"model": WREN, **wrong})
        response = site.client.post("/v1/drafts", content=content, headers={"content-type": "application/json"})
        assert response.status_code == 400, wrong


def test_a_draft_is_counted_section_by_section(speaking: Site) -> None:
    speaking.twin.app.twin = Twin(
        speaking.twin.app.store, speaking.twin.app.registry, Says("The clamp comes off first.")
    )
    before = speaking.figures()
    body = {
        "model": WREN,
        "title": "Old things",
        "points": ["Oil and heat free the seized seatpost", "Quantum chromodynamics"],
    }
    made = speaking.client.post("/v1/drafts", json=body).json()
    assert [section["status"] for section in made["sections"]] == ["written", "nothing"]
    after = speaking.figures()
    grown = {name: round(after[name] - before.get(name, 0)) for name in after if name.startswith("twin_")}
    assert grown["twin_tokens_total"] == len("The clamp comes off first.")
    assert grown["twin_first_token_seconds_count"] == 1
    assert grown["twin_retrieval_seconds_count"] == 2
    assert grown["twin_refusals_total"] == 1
    line = speaking.log[-2]  # the last is of the figures
    assert (line["route"], line["tokens"], line["covered"]) == ("/v1/drafts", grown["twin_tokens_total"], True)
    assert line["citations"] == len(made["citations"])


@pytest.mark.parametrize(
    ("route", "body", "found"),
    [
        (
            "chat/completions",
            {"model": WREN, "messages": [{"role": "user", "content": SEATPOST}]},
            ("twin", "passages"),
        ),
        ("search", {"author": WREN, "query": SEATPOST}, ("passages",)),
        ("drafts", {"model": WREN, "points": [SEATPOST]}, ("sections", 0, "evidence")),
    ],
)
def test_filters_narrow_what_is_found_on_every_route(
    site: Site, route: str, body: dict[str, Any], found: tuple[str | int, ...]
) -> None:
    def asked(**filters: str) -> Any:
        answer = site.client.post(f"/v1/{route}", json={**body, "filters": filters}).json()
        for key in found if "error" not in answer else ():
            answer = answer[key]
        return answer

    assert asked()
    assert asked(after="2024", format="article") == asked()
    assert asked(before="2024") == []
    assert asked(format="reply") == []
    assert "is no date" in asked(after="yesterday")["error"]["message"]
    assert asked(after="2024", until="2025")["error"]["param"] == "filters.until"
    assert "has no source called 'elsewhere'" in asked(source="elsewhere")["error"]["message"]


def test_what_was_made_of_an_answer_is_kept(speaking: Site) -> None:
    app, said = speaking.twin.app, Says("The clamp comes off first.")
    app.twin = Twin(app.store, app.registry, said, challenger_share=0.5)
    app.registry.challenge(f"{WREN}@v1")
    answers = {twin["model"]: twin for twin in (speaking.chat(user=str(n)).json()["twin"] for n in range(12))}
    assert {model: twin["instead"] for model, twin in answers.items()} == {
        f"{WREN}@v1": f"{WREN}@v2",
        f"{WREN}@v2": f"{WREN}@v1",
    }
    twin = answers[f"{WREN}@v1"]

    def judged(answer: Any = twin, verdict: str = "better", **more: Any) -> httpx.Response:
        return speaking.client.post("/v1/feedback", json={"answer": answer, "verdict": verdict, **more})

    kept = [judged(user="7").json(), judged(verdict="edited", edited="Heat it first.\n").json()]
    assert [one.model_dump(mode="json") for one in app.store.feedback.all(WREN)] == kept
    assert (kept[0]["verdict"], kept[0]["by"], kept[0]["question"]) == ("better", "7", SEATPOST)
    assert kept[0]["passages"] == [{key: one[key] for key in ("post_id", "start", "end")} for one in twin["passages"]]
    assert (kept[1]["edited"], kept[1]["instead"], kept[1]["by"]) == ("Heat it first.", f"{WREN}@v2", "")
    assert all(one["sent"] for one in kept)
    refused = [
        judged(verdict="edited"),
        judged(edited="So."),
        judged(verdict="same"),
        judged({**twin, "question": "nul \0"}),
        judged({key: value for key, value in twin.items() if key != "prompt_hash"}),
        judged({**twin, "model": f"{WREN}@v9"}),
        judged({**twin, "author": ADA}),
        judged({**twin, "passages": [{"post_id": "nowhere", "start": 0, "end": 1}]}),
    ]
    assert [response.status_code for response in refused] == [400] * 5 + [404] * 3
    assert len(app.store.feedback.all()) == 2
    app.registry.withdraw(WREN)


def test_search_gives_one_authors_passages(site: Site) -> None:
    body = {"query": "the church clock", "author": WREN, "limit": 1}
    found = site.client.post("/v1/search", json=body).json()
    assert found["author"] == WREN
    assert [passage["title"] for passage in found["passages"]] == ["The church clock"]


def test_two_at_once_hear_their_own_author_alone(site: Site) -> None:
    heard: dict[str, list[httpx.Response]] = {ADA: [], WREN: []}

    def ask(author: str, text: str) -> None:
        heard[author] += [site.chat(text, author) for _ in range(4)]

    asked = {ADA: "What did I write of engines and looms?", WREN: SEATPOST}
    threads = [threading.Thread(target=ask, args=pair) for pair in asked.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for author, responses in heard.items():
        for response in responses:
            twin = response.json()["twin"]
            assert twin["author"] == author
            assert twin["passages"]
            for passage in twin["passages"]:
                assert site.twin.app.store.post(passage["post_id"], author).author == author
