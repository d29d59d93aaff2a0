"""The ledger in PostgreSQL: a real server holds what SQLite would, and keeps writers on other machines apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sql
from numpy.typing import NDArray

from contracts.errors import NotFound, StoreBusy, StoreError
from contracts.feature_store import FeatureStore, drafts
from contracts.feature_store import tables as t
from contracts.feature_store.conversations import Said
from contracts.feature_store.database import now
from contracts.feature_store.drafts import KeptDraft, Part
from contracts.feature_store.feedback import Feedback
from contracts.feature_store.retrieve import search
from contracts.records import Answer, Passage, Span
from feature_pipeline import pipeline
from tests.conftest import Postgres
from tests.fakes import WordEmbedder

FEEDBACK = Feedback(
    author="Ada",
    question="Of what?",
    answer="",
    model="Ada@v1",
    snapshot="s",
    prompt_hash="p",
    passages=(),
    verdict="better",
)


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    """Emptied after each test."""
    yield postgres
    engine = sql.create_engine(postgres)
    with engine.begin() as db:
        db.execute(sql.text("drop schema public cascade"))
        db.execute(sql.text("create schema public"))
    engine.dispose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "posts"
    made.mkdir()
    for number in range(12):
        text = f"---\ntitle: Post {number}\ndate: 2024-01-{number + 1:02}\n---\nAbout subject{number} and brass. 🧵\n"
        (made / f"{number:02}.md").write_text(text, encoding="utf-8")
    return made


def test_a_life_in_postgres_is_the_one_in_sqlite(url: str, folder: Path, tmp_path: Path) -> None:
    homes = (tmp_path / "sqlite", None), (tmp_path / "postgres", url)
    lives = []
    for home, address in homes:
        store = FeatureStore(home, WordEmbedder(), address)
        first = pipeline.run([str(folder)], "Ada", store)
        edited, gone = folder / "03.md", folder / "04.md"
        before = edited.read_text("utf-8"), gone.read_text("utf-8")
        edited.write_text("---\ntitle: Post 3\n---\nNow of copper.", encoding="utf-8")
        gone.unlink()
        second = pipeline.run([str(folder)], "Ada", store)
        for name in ("05.md", "06.md"):
            shown = (Span(post_id=store.find_post("Ada", name), start=0, end=5),)
            store.feedback.add(FEEDBACK.model_copy(update={"answer": name, "passages": shown}))
        store.forget("Ada", [store.find_post("Ada", "05.md")])
        said = [one.model_dump(exclude={"id", "at"}) for one in store.feedback.all("Ada")]
        third = pipeline.run([str(folder)], "Ada", store)
        found = [passage.model_dump() for passage in search(store, "copper", "Ada", 3)]
        answer = Answer(answer="", citations=(), passages=(), model="base", snapshot="s", timings={})
        store.conversations.keep("", "Ada", [Said(question=word, answer=answer) for word in ("Why?", "And then?")])
        listed = [(one.title, one.turns) for one in store.conversations.all("", "Ada")]
        mean = {key: vector.tolist() for key, vector in store.meanings([found[0]["post_id"]]).items()}
        counts = [(one.added, one.changed, one.unchanged, one.deleted, one.refused) for one in (first, second, third)]
        looked = (store.catalogue.page("Ada", "COPPER")[0], len(store.catalogue.page("Ada", first=1)[1]))
        stored = (store.snapshot(), store.splits("Ada"), store.corpus("Ada"), store.index_size())
        lives.append((counts, found, said, listed, mean, looked, stored))
        store.close()
        edited.write_text(before[0], encoding="utf-8")
        gone.write_text(before[1], encoding="utf-8")
    assert lives[0] == lives[1]
    assert [one["answer"] for one in lives[0][2]] == ["06.md"]
    assert lives[0][3] == [("Why?", 2)]
    assert lives[0][5] == (1, 9)
    assert lives[0][0] == [(12, 0, 0, 0, {}), (0, 1, 10, 1, {}), (0, 0, 10, 0, {"forgotten": 1})]


def test_a_writer_on_another_machine_is_waited_for(url: str, folder: Path, tmp_path: Path) -> None:
    here = FeatureStore(tmp_path / "here", WordEmbedder(), url)
    there = FeatureStore(tmp_path / "there", WordEmbedder(), url)
    with there.writing("an ingest"), pytest.raises(StoreBusy, match="another machine"):
        pipeline.run([str(folder)], "Ada", here)
    assert pipeline.run([str(folder)], "Ada", here).added == 12
    assert search(there, "subject7", "Ada", 1)[0].source_id == "07.md"
    here.close()
    there.close()


@pytest.mark.parametrize("keeps", ["feedback", "conversation", "draft", "guess"])
def test_words_of_a_post_that_is_being_forgotten_are_not_kept(
    keeps: str, url: str, folder: Path, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path / "home", WordEmbedder(), url)
    pipeline.run([str(folder)], "Ada", store)
    post = store.find_post("Ada", "05.md")
    with ThreadPoolExecutor(1) as other:
        with store._begin(write=True) as db:
            store._erase(db, [post])
            kept = other.submit(keep, keeps, store, post)
            assert wait([kept], timeout=0.5).not_done
        if keeps == "conversation":
            assert kept.result() == ""
        else:
            with pytest.raises(NotFound, match="stored no more"):
                kept.result()
    store.close()


def test_words_that_are_being_kept_are_forgotten_with_their_post(url: str, folder: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "home", WordEmbedder(), url)
    pipeline.run([str(folder)], "Ada", store)
    post = store.find_post("Ada", "05.md")
    draft = KeptDraft(author="Ada", title="", text="Brass", parts=(part(post),), model="base", snapshot="s")
    with ThreadPoolExecutor(1) as other:
        with store._begin(write=True) as db:
            drafts._require(db, draft)
            forgotten = other.submit(store.forget, "Ada", [post])
            assert wait([forgotten], timeout=0.5).not_done
            values = {**draft.model_dump(mode="json"), "id": "a", "user": "", "at": now()}
            db.execute(sql.insert(t.drafts).values(**values))
        forgotten.result()
    assert store.drafts.all("", "Ada") == []
    store.close()


def part(post: str) -> Part:
    place = {"source_id": "", "title": "", "url": None, "date": None, "start": 0, "end": 1, "text": "A", "score": 1.0}
    return Part(point="A point", passages=(Passage.model_validate({"post_id": post, **place}),))


def keep(what: str, store: FeatureStore, post: str) -> object:
    """Something that is written from the post."""
    if what == "feedback":
        shown = (Span(post_id=post, start=0, end=5),)
        return store.feedback.add(FEEDBACK.model_copy(update={"passages": shown}))
    if what == "guess":
        return store.guesses.add("Ada", "Ada@v1", post, right=True)
    made = part(post)
    if what == "draft":
        draft = KeptDraft(author="Ada", title="", text="Brass", parts=(made,), model="base", snapshot="s")
        return store.drafts.keep("", draft)
    answer = Answer(answer="", citations=(), passages=made.passages, model="base", snapshot="s", timings={})
    return store.conversations.keep("", "Ada", [Said(question="Of what?", answer=answer)])


class Stopping(WordEmbedder):
    """The server goes away while it embeds."""

    def __init__(self, server: Postgres) -> None:
        super().__init__()
        self.server = server

    def embed(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        self.server.control("-m", "fast", "stop")
        return super().embed(texts, progress)


def test_a_server_that_goes_away_in_mid_run_is_told_as_such_and_nothing_is_lost(
    url: str, postgres_server: Postgres, folder: Path, tmp_path: Path
) -> None:
    store = FeatureStore(tmp_path / "home", WordEmbedder(), url)
    assert pipeline.run([str(folder)], "Ada", store).added == 12
    store.close()
    (folder / "12.md").write_text("Of zinc, which nobody thanks.", encoding="utf-8")
    store = FeatureStore(tmp_path / "home", Stopping(postgres_server), url)
    try:
        with pytest.raises(StoreError, match="the ledger failed: "):
            pipeline.run([str(folder)], "Ada", store)
        store.close()
    finally:
        postgres_server.control("start")
    store = FeatureStore(tmp_path / "home", WordEmbedder(), url)
    report = pipeline.run([str(folder)], "Ada", store)
    assert (report.added, report.unchanged) == (1, 12)
    store.close()


def test_a_server_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        FeatureStore(tmp_path, WordEmbedder(), "postgresql+psycopg://twin@127.0.0.1:1/none")
