"""A feed that was saved as a file."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, RawPost, Refusal, read

LONG = " ".join(f"word{number}" for number in range(200))


def rss(*items: str, title: str = "On seas") -> str:
    channel = f"<title>{title}</title><link>https://ada.example/</link>{''.join(items)}"
    return f'<?xml version="1.0"?><rss version="2.0" xmlns:content="c"><channel>{channel}</channel></rss>'.replace(
        'xmlns:content="c"', 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    )


def item(name: str, content: str = "", description: str = "", title: str = "A day out") -> str:
    titled = f"<title>{title}</title>" if title else ""
    whole = f"<content:encoded><![CDATA[{content}]]></content:encoded>" if content else ""
    return (
        f"<item><guid isPermaLink='false'>{name}</guid>{titled}<link>https://ada.example/{name}</link>"
        f"<pubDate>Mon, 04 Mar 2024 10:00:00 GMT</pubDate>{whole}<description>{description}</description></item>"
    )


def read_saved(folder: Path, text: str, name: str = "feed.xml") -> list[Item]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return list(read(str(path)))


@pytest.mark.parametrize("name", ["feed.xml", "ada.rss", "saved.atom", "feed", "feed.html", "feed.txt"])
def test_a_saved_feed_gives_its_posts_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (post,) = read_saved(tmp_path, rss(item("a", content="<p>We <b>sailed</b>.</p>")), name)
    assert post == RawPost(
        source=str(tmp_path / name),
        source_id="a",
        title="A day out",
        date=dt.date(2024, 3, 4),
        url="https://ada.example/a",
        text="<p>We <b>sailed</b>.</p>",
        markup="html",
        author=None,
    )


def test_a_feed_is_never_all_that_there_is(tmp_path: Path) -> None:
    found = read_saved(tmp_path, rss(item("a", content="Words.")))
    assert not any(isinstance(part, Complete) for part in found)


def test_what_may_be_only_a_beginning_is_no_post(tmp_path: Path) -> None:
    found = read_saved(
        tmp_path,
        rss(
            item("short", description="We left at dawn."),
            item("cut", description=f"{LONG} [&#8230;]"),
            item("long", description=LONG),
            item("note", description="We left at dawn.", title=""),
            item("nothing"),
        ),
    )
    assert {part.source_id: getattr(part, "reason", "kept") for part in found if not isinstance(part, Complete)} == {
        "short": "summary",
        "cut": "summary",
        "long": "kept",
        "note": "kept",
        "nothing": "empty",
    }


def test_a_json_feed(tmp_path: Path) -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "On seas",
        "items": [{"id": "1", "title": "A day out", "content_text": "We sailed.", "url": "https://ada.example/1"}],
    }
    (post,) = read_saved(tmp_path, json.dumps(feed), "feed.json")
    assert isinstance(post, RawPost)
    assert (post.source_id, post.title, post.text) == ("1", "A day out", "We sailed.")


def test_an_entry_that_is_listed_twice_is_one_post_and_the_first_counts(tmp_path: Path) -> None:
    (post,) = read_saved(tmp_path, rss(item("a", content="New words."), item("a", content="Old words.")))
    assert isinstance(post, RawPost)
    assert post.text == "New words."


def test_an_empty_feed_is_told(tmp_path: Path) -> None:
    (refused,) = read_saved(tmp_path, rss())
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.source_id) == ("empty", "feed.xml")


def test_a_feed_with_entities_of_its_own_is_not_read(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    with pytest.raises(SourceError, match="declares entities"):
        read_saved(tmp_path, rss(item("a", content="&b;")).replace("<rss", f"{bomb}<rss", 1))


def test_no_name_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text(rss(item("a", content="Words.")))
    with pytest.raises(SourceError, match="no chat"):
        list(read(f"{tmp_path / 'feed.xml'}#Ada"))
