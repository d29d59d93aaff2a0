"""The map of an author's posts: the same each time, with what belongs together in one place, under its own words."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from contracts.feature_store import FeatureStore
from feature_pipeline import topics
from feature_pipeline.topics import Maps, draw
from tests.fakes import fill, post
from ui.page import show_posts

CLOCKS = "pendulum escapement mainspring winding chime arbor pallet verge".split()
BREAD = "flour sourdough oven crumb crust yeast proofing baker".split()
COMMON = "the and a of then it was by one day".split()


def about(words: list[str], number: int) -> str:
    drawn = random.Random(number)
    return " ".join(drawn.choice(words) + " " + drawn.choice(COMMON) for _ in range(40))


def two_topics(store: FeatureStore, of_each: int = 12) -> None:
    posts = [post(n, about(CLOCKS, n), title=f"{CLOCKS[n % 8]} {n}") for n in range(of_each)]
    posts += [
        post(100 + n, about(BREAD, 100 + n), title=f"{BREAD[n % 8]} https://baked.example/{n}") for n in range(of_each)
    ]
    fill(store, posts)


def test_posts_of_a_topic_stand_together_and_are_named_by_its_words(store: FeatureStore) -> None:
    two_topics(store)
    drawn = draw(store, "Ada")
    assert drawn.of == len(drawn.dots) == 24
    assert [topic.posts for topic in drawn.topics] == [12, 12]
    by_topic = {n: {dot.title.split()[0] for dot in drawn.dots if dot.topic == n} for n in (0, 1)}
    assert sorted(map(sorted, by_topic.values())) == sorted([sorted(CLOCKS), sorted(BREAD)])
    for number, topic in enumerate(drawn.topics):
        assert len(topic.words) == topics.WORDS
        assert set(topic.words) <= by_topic[number]
        assert {drawn.dots[place].topic for place in topic.examples} == {number}
    assert all(0 <= share <= 1 for dot in drawn.dots for share in (dot.x, dot.y))
    middle = [sum(dot.x for dot in drawn.dots if dot.topic == n) / 12 for n in (0, 1)]
    high = [sum(dot.y for dot in drawn.dots if dot.topic == n) / 12 for n in (0, 1)]
    assert abs(middle[0] - middle[1]) + abs(high[0] - high[1]) > 0.3


def test_equal_posts_give_an_equal_map_that_is_made_once_a_snapshot(store: FeatureStore) -> None:
    two_topics(store)
    maps = Maps(store)
    assert maps.get("Ada") is None
    drawn = maps.of("Ada")
    assert maps.get("Ada") is maps.of("Ada") is drawn
    assert draw(store, "Ada") == drawn
    gone = drawn.dots[0].id
    store.forget("Ada", [gone])
    assert maps.get("Ada") is None
    assert gone not in [dot.id for dot in maps.of("Ada").dots]


@pytest.mark.parametrize("posts", [[], ["one and only"], [about(CLOCKS, n) for n in range(9)], ["all the same"] * 12])
def test_too_few_posts_or_too_much_alike_are_no_map(store: FeatureStore, posts: list[str]) -> None:
    if posts:
        fill(store, [post(n, text, title="same", day=len(set(posts)) // 2 * n) for n, text in enumerate(posts)])
    drawn = draw(store, "Ada")
    assert (drawn.of, drawn.dots, drawn.topics) == (len(posts), (), ())
    assert ("once there are ten posts" in show_posts.topics("Ada", drawn)) == bool(posts)


def test_of_many_posts_a_sample_is_drawn_evenly_over_time_and_said_to_be_one(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_topics(store, 20)
    monkeypatch.setattr(topics, "MOST", 15)
    drawn = draw(store, "Ada")
    days = sorted(dot.date.toordinal() for dot in drawn.dots if dot.date)
    assert (drawn.of, len(days)) == (40, 15)
    assert sum(day < days[0] + 20 for day in days) in {7, 8}
    shown = show_posts.topics("Ada", drawn)
    assert "15 posts of 40, evenly over time" in shown
    shares = [round(100 * topic.posts / 15) for topic in drawn.topics]
    assert re.findall(r"<small>(\d+ % of them)</small></summary>", shown) == [f"{share} % of them" for share in shares]


def test_titles_are_text_on_the_map_and_below_it(store: FeatureStore) -> None:
    hostile = "<script>window.hacked = 1</script>"
    fill(store, [post(n, about(CLOCKS, n), title=hostile) for n in range(12)])
    shown = show_posts.topics("<b>Ada", draw(store, "Ada"))
    assert "<script" not in shown
    assert "<b>Ada" not in shown
    assert shown.count("&lt;script&gt;") >= 12


def test_a_post_means_the_mean_of_its_chunks(store: FeatureStore, tmp_path: Path) -> None:
    long = "\n\n".join(about(CLOCKS, n) * 4 for n in range(6))
    fill(store, [post(0, long), post(1, "flour")])
    ids = [found.id for found in store.posts("Ada")]
    meanings = store.meanings([*ids, "absent"])
    assert set(meanings) == set(ids)
    found = store.search("pendulum", "Ada", among=[ids[1]])
    vectors = store.vectors_of([hit.chunk_id for hit in found])
    assert len(vectors) == len(store.spans_of(ids[1])) > 1
    assert abs(meanings[ids[1]] - sum(vectors.values()) / len(vectors)).max() < 1e-5
