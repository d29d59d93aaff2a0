"""Filters: by date, source and format, in the search itself; and no way through them to another author's posts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sql

from contracts.errors import NotFound, UsageError
from contracts.feature_store import FeatureStore, Filters, Place, Sighting
from contracts.feature_store.retrieve import search
from contracts.formats import Format
from contracts.records import Passage, Post
from inference_pipeline.retrieval.retrieve import retrieve
from tests.conftest import Twin
from tests.fakes import WordEmbedder, fill, post

CLOCK = "The church clock gains four minutes"


def placed(
    number: int, author: str = "Ada", source: str = "/posts", format: Format = "article", **changes: object
) -> Post:
    made = post(number, f"{CLOCK}, says number{number}.", author=author)
    return made.model_copy(update={"source": source, "format": format, **changes})


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    """Three hundred posts of Ada's on one thing, a day each from 2024 on, among as many of Bea's."""
    made = FeatureStore(tmp_path_factory.mktemp("home"), WordEmbedder(512))
    places = ("/posts", "https://ada.example", "/exports/Mastodon")
    kinds: tuple[Format, ...] = ("article", "note", "reply")
    fill(made, [placed(n, source=places[n % 3], format=kinds[n // 3 % 3]) for n in range(299)])
    fill(made, [placed(999, date=None)])
    fill(made, [placed(n, "Bea") for n in range(300)])
    yield made
    made.close()


def numbers(found: list[Passage]) -> list[int]:
    return sorted(int(passage.source_id.removesuffix(".md")) for passage in found)


def test_a_filtered_search_has_as_many_candidates_as_any(clocks: FeatureStore) -> None:
    hits = clocks.search("the church clock", "Ada", 100, filters=Filters.of(after="2024-06"))
    assert [
        sum(share is not None for share in found) for found in zip(*((h.dense, h.bm25) for h in hits), strict=True)
    ] == [100, 100]


def test_dates_are_from_a_day_on_and_before_another(clocks: FeatureStore) -> None:
    found = search(clocks, CLOCK, "Ada", 300, filters=Filters.of(after="2024-01-03", before="2024-01-06"))
    assert numbers(found) == [2, 3, 4]
    assert numbers(search(clocks, CLOCK, "Ada", 400, filters=Filters.of(before="2024-02"))) == list(range(31))
    assert 999 not in numbers(search(clocks, CLOCK, "Ada", 400, filters=Filters.of(after="1900", before="2100")))


def test_a_source_is_named_whole_or_in_part(clocks: FeatureStore) -> None:
    for name in ("/exports/Mastodon", "mastodon"):
        found = numbers(search(clocks, CLOCK, "Ada", 400, filters=Filters.of(source=name)))
        assert found == [n for n in range(299) if n % 3 == 2]
    with pytest.raises(NotFound, match=r"no source called 'linkedin'.*ada.example"):
        search(clocks, CLOCK, "Ada", 4, filters=Filters.of(source="linkedin"))


def test_a_post_that_stands_in_two_places_is_found_by_either(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "home", WordEmbedder(512))
    fill(store, [placed(0, source="https://ada.example"), placed(1)])
    first, _ = sorted(store.posts("Ada"), key=lambda one: one.source_id)
    version = store.active()
    assert version
    seen = [Sighting(("/exports/Mastodon", "copy"), first.id, "hash", None)]
    store.write(version, [], {}, place=Place("Ada", "archive.zip", 1), seen=seen)
    for name in ("mastodon", "archive.zip", "ada.example"):
        filters = Filters.of(source=name)
        assert numbers(search(store, CLOCK, "Ada", 4, filters=filters)) == [0]
        assert numbers(store.newest("Ada", 4, filters)) == [0]
    store.close()


def test_what_stands_at_a_source_is_asked_once_until_it_changes(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "home", WordEmbedder(512))
    fill(store, [placed(0, source="https://ada.example"), placed(1)])
    first, _ = sorted(store.posts("Ada"), key=lambda one: one.source_id)
    version, place, asked = store.active(), Place("Ada", "archive.zip", 1), list[str]()
    assert version
    sql.event.listen(store._database._engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    def at_posts(words: str) -> list[int]:
        asked.clear()
        return numbers(search(store, f"{CLOCK} {words}", "Ada", 4, filters=Filters.of(source="/posts")))

    def looked_up() -> bool:
        return any("FROM sightings" in statement for statement in asked)

    assert at_posts("a") == [1]
    assert looked_up()
    assert at_posts("b") == [1]
    assert not looked_up()
    store.write(version, [], {}, place=place, seen=[Sighting(("/posts", "copy"), first.id, "hash", None)])
    assert at_posts("c") == [0, 1]
    store.drop("Ada", "archive.zip", [("/posts", "copy")], "gone")
    assert at_posts("d") == [1]
    fill(store, [placed(2)])
    assert at_posts("e") == [1, 2]
    store.forget("Ada", [first.id])
    assert at_posts("f") == [1, 2]
    store.close()


def test_all_filters_hold_at_once(clocks: FeatureStore) -> None:
    filters = Filters.of(after="2024-02", before="2024-03", source="posts", format="reply")
    found = numbers(search(clocks, CLOCK, "Ada", 400, filters=filters))
    assert found == [n for n in range(31, 60) if n % 3 == 0 and n // 3 % 3 == 2]
    assert numbers(retrieve(clocks, "what of the church clock that gains minutes", "Ada", 400, filters)) == found


def test_what_is_new_is_new_among_those_that_pass(clocks: FeatureStore) -> None:
    found = retrieve(clocks, "What is new?", "Ada", 2, Filters.of(before="2024-02", format="note"))
    assert [passage.date for passage in found] == [dt.date(2024, 1, 31), dt.date(2024, 1, 24)]


def test_where_nothing_passes_nothing_is_found(clocks: FeatureStore) -> None:
    assert retrieve(clocks, f"{CLOCK}?", "Ada", 4, Filters.of(format="document")) == []
    assert search(clocks, CLOCK, "Ada", 4, filters=Filters.of(after="2031")) == []


def test_no_filter_opens_a_way_to_another_authors_posts(clocks: FeatureStore) -> None:
    theirs = {one.id for one in clocks.posts("Bea")}
    for filters in (
        Filters(),
        Filters.of(after="2024", before="2025"),
        Filters.of(source="/posts"),
        Filters.of(format="article"),
    ):
        found = search(clocks, CLOCK, "Ada", 400, filters=filters)
        assert found
        assert not {passage.post_id for passage in found} & theirs
    assert clocks.search(CLOCK, "Ada", 100, theirs) == []
    with pytest.raises(NotFound, match="no source called"):  # Bea has none of that name
        clocks.search(CLOCK, "Bea", filters=Filters.of(source="mastodon"))
    with pytest.raises(NotFound, match="no posts by ''"):
        search(clocks, CLOCK, "", 4, filters=Filters.of(after="2024"))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2015", dt.date(2015, 1, 1)),
        (" 2015-3 ", dt.date(2015, 3, 1)),
        ("2015-03-12", dt.date(2015, 3, 12)),
        ("", None),
    ],
)
def test_a_date_may_be_a_year_or_a_month(text: str, day: dt.date | None) -> None:
    assert Filters.of(after=text).after == day


@pytest.mark.parametrize("text", ["yesterday", "2015-13", "2015-02-30", "15", "0000", "2015/03", "2015-03-12T10"])
def test_what_is_no_date_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="is no date"):
        Filters.of(before=text)


def test_a_span_without_a_day_is_an_error() -> None:
    with pytest.raises(UsageError, match="no day is on or after 2020-01-01 and before 2019-01-01"):
        Filters.of(after="2020", before="2019")


def test_the_commands_take_filters(home: Path, twin: Twin) -> None:
    found = twin(
        "search", "church clock", "--author", "Ada", "--after", "2024-01-03", "--format", "article", "--json"
    ).lines
    assert [row["source_id"] for row in found[0]["passages"]] == ["2.md"]
    said = twin("ask", "How many minutes does the church clock gain?", "--author", "Ada", "--before", "2023", "--json")
    assert said.json["citations"] == []
    assert twin("search", "clock", "--author", "Ada", "--after", "soon").code == 2
    assert twin("search", "clock", "--author", "Ada", "--source", "nowhere").code == 1


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, embedder: Path) -> Path:
    """A home with three posts, embedded by the tiny model."""
    from contracts.embedder import SentenceEmbedder

    folder = tmp_path_factory.mktemp("settled") / "home"
    made = FeatureStore(folder, SentenceEmbedder(str(embedder)))
    fill(made, [placed(n) for n in range(3)])
    made.close()
    return folder
