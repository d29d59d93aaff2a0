"""X's archive: what was typed, in threads, with long posts whole; nothing that is deleted, private or by others."""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms.x import read, recognises

ME, NAME = "77", "ann_k"
START = (
    "This begins a long post about soup, bread, and all the small things that a kitchen needs before the winter " * 3
)


def js(kind: str, key: str, *values: dict[str, Any], part: int = 0) -> str:
    return f"window.YTD.{kind}.part{part} = {json.dumps([{key: value} for value in values], indent=2)}"


def tweet(number: int | str, text: str, when: str = "Wed Oct 10 20:19:24 +0000 2018", **more: Any) -> dict[str, Any]:
    return {"id_str": str(number), "id": str(number), "created_at": when, "full_text": text, "retweeted": False, **more}


def answer(number: int, text: str, to: str, parent: str = "9", **more: Any) -> dict[str, Any]:
    return tweet(number, text, in_reply_to_status_id_str=parent, in_reply_to_user_id_str=to, **more)


def note(number: int, text: str, when: str = "2018-10-10T20:19:24.000Z", urls: tuple[Any, ...] = ()) -> dict[str, Any]:
    core = {"styletags": [], "urls": list(urls), "text": text, "mentions": [], "cashtags": [], "hashtags": []}
    return {"noteTweetId": str(number), "updatedAt": when, "lifecycle": {}, "createdAt": when, "core": core}


def export(tmp_path: Path, files: dict[str, str], account: bool = True) -> Archive:
    path = tmp_path / "twitter-2024-01-02-abc.zip"
    owner = {"username": NAME, "accountId": ME, "email": "SECRET"}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
        if account:
            file.writestr("data/account.js", js("account", "account", owner))
    return Archive(path)


def items(tmp_path: Path, *tweets: dict[str, Any], notes: tuple[dict[str, Any], ...] = ()) -> list[Item]:
    files = {
        "data/tweets.js": js("tweets", "tweet", *tweets),
        "data/note-tweet.js": js("note_tweet", "noteTweet", *notes),
    }
    archive = export(tmp_path, files)
    assert recognises(archive)
    found = list(read(archive))
    assert found[-1] == Complete()
    return found[:-1]


def texts(found: list[Item]) -> dict[str, str]:
    return {item.source_id: item.text for item in found if isinstance(item, RawPost)}


def reasons(found: list[Item]) -> dict[str, str]:
    return {item.source_id: item.reason for item in found if isinstance(item, Refusal)}


def test_a_post(tmp_path: Path) -> None:
    urls = [{"url": "https://t.co/ab", "expanded_url": "https://ann.example/soup?a=1&b=2", "indices": ["0", "1"]}]
    media = [{"url": "https://t.co/pic", "media_url_https": "https://pbs.example/x.jpg"}]
    found = items(
        tmp_path,
        tweet(
            1,
            "Soup &amp; bread &lt;3 &amp;amp; &copy; 👩‍🚀\nhttps://t.co/ab and https://t.co/abc https://t.co/pic",
            "Wed Oct 10 23:59:59 +0000 2018",
            entities={"urls": urls, "media": media},
            extended_entities={"media": media},
        ),
    )
    assert found == [
        RawPost(
            "x:@ann_k",
            "1",
            "",
            dt.date(2018, 10, 10),
            "https://x.com/ann_k/status/1",
            "Soup & bread <3 &amp; &copy; 👩‍🚀\nhttps://ann.example/soup?a=1&b=2 and https://t.co/abc",
            "plain",
            format="note",
        )
    ]


def test_parts_and_older_archives(tmp_path: Path) -> None:
    files = {
        "wrapped/data/tweets.js": js("tweets", "tweet", tweet(1, "One.")),
        "wrapped/data/tweets-part1.js": js("tweets", "tweet", tweet(2, "Two."), tweet(1, "One."), part=1) + ";\n",
    }
    archive = export(tmp_path, files)
    assert (recognises(archive), texts(list(read(archive)))) == (True, {"1": "One.", "2": "Two."})
    old = "\ufeffwindow.YTD.tweet.part0 = " + json.dumps([tweet(3, "Three.")])
    archive = export(tmp_path, {"tweet.js": old}, account=False)
    found = list(read(archive))
    assert (recognises(archive), texts(found)) == (True, {"3": "Three."})
    assert found[0].source == str(archive.path)  # type: ignore[union-attr]
    assert Complete() not in found  # whose it is, and so what it replaces, is not known


def test_reshares_and_replies(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        tweet(1, "RT @bob: not mine"),
        answer(2, "@bob @carol I do not think so, @bob", "55"),
        answer(3, "@bob", "55"),
        tweet(4, "RT is a word"),
        tweet(5, ".@bob is right"),
        answer(6, "@bob's idea", "55"),
        answer(7, "My own first post is gone.", ME, parent="404"),
    )
    assert texts(found) == {
        "2": "I do not think so, @bob",
        "4": "RT is a word",
        "5": ".@bob is right",
        "6": "@bob's idea",
        "7": "My own first post is gone.",
    }
    assert [(item.source_id, item.format) for item in found if isinstance(item, RawPost) and item.format != "note"] == [
        ("2", "reply"),
        ("6", "reply"),
    ]
    assert reasons(found) == {"1": "reshare", "3": "empty"}


def test_threads_are_one_post_in_order(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        answer(1000, "@ann_k Third.", ME, parent="999"),
        answer(999, "Second.", ME, parent="998"),
        tweet(998, "First."),
        answer(500, "@bob An answer,", "55"),
        answer(501, "@bob in two parts.", ME, parent="500"),
    )
    assert texts(found) == {"500": "An answer,\n\nin two parts.", "998": "First.\n\nSecond.\n\nThird."}
    assert {item.source_id: item.format for item in found if isinstance(item, RawPost)} == {
        "500": "reply",
        "998": "note",
    }


def test_threads_without_an_account(tmp_path: Path) -> None:
    tweets = js(
        "tweets", "tweet", tweet(1, "One."), answer(2, "Two.", ME, parent="1"), answer(3, "Lost.", ME, parent="0")
    )
    found = list(read(export(tmp_path, {"tweets.js": tweets}, account=False)))
    assert texts(found) == {"1": "One.\n\nTwo.", "3": "Lost."}
    assert {item.format for item in found if isinstance(item, RawPost)} == {"note"}


def test_a_long_post_is_whole(tmp_path: Path) -> None:
    link = {"shortUrl": "https://t.co/note", "expandedUrl": "https://ann.example/1", "fromIndex": "0"}
    short = [{"url": "https://t.co/twee", "expanded_url": "https://ann.example/1"}]
    more = [{"url": "https://t.co/more", "expanded_url": "https://x.com/i/web/status/1"}]
    found = items(
        tmp_path,
        tweet(1, f"See https://t.co/twee &amp; {START[:240]}… https://t.co/more", entities={"urls": short + more}),
        tweet(2, START[:275], "Thu Oct 11 20:19:24 +0000 2018"),
        answer(3, f"@bob Sorry, {START[:250]}…", "55"),
        tweet(4, "Something else…"),
        tweet(5, "By number…"),
        notes=(
            note(901, f"See https://t.co/note &amp; {START}End.\n\n– A", urls=(link,)),
            note(902, START + "Two.", "2018-10-11T20:19:24.000Z"),
            note(903, f"Sorry, {START}Three."),
            note(5, "A long text under the post's own number."),
            note(904, f"{START}Of a post that was deleted.", "2017-01-01T00:00:00.000Z"),
        ),
    )
    assert texts(found) == {
        "1": f"See https://ann.example/1 & {START}End.\n\n– A",
        "2": START + "Two.",
        "3": f"Sorry, {START}Three.",
        "4": "Something else…",
        "5": "A long text under the post's own number.",
    }
    assert reasons(found) == {}


def test_of_two_posts_that_begin_alike_the_moment_decides(tmp_path: Path) -> None:
    later = "Wed Oct 10 21:00:00 +0000 2018"
    found = items(
        tmp_path, tweet(1, f"{START[:250]}…"), tweet(2, f"{START[:250]}…", later), notes=(note(9, START + "!"),)
    )
    assert texts(found) == {"1": START + "!", "2": f"{START[:250]}…"}


def test_an_ambiguous_long_text_leaves_the_short_ones_and_says_so(tmp_path: Path) -> None:
    cut = f"{START[:250]}…"
    found = items(tmp_path, tweet(1, cut), tweet(2, cut), notes=(note(9, START + "Secret of one."),))
    assert texts(found) == {"1": cut, "2": cut}
    assert [item for item in found if isinstance(item, Refusal)] == [
        Refusal("x:@ann_k", "note 9", "ambiguous_note", "its post may be any of 1, 2; they stay short")
    ]
    found = items(tmp_path, tweet(1, cut), notes=(note(8, START + "One."), note(9, START + "Two.")))
    assert (texts(found), reasons(found)) == ({"1": cut}, {"note of 1": "ambiguous_note"})


def test_of_an_edited_post_the_last_version_counts(tmp_path: Path) -> None:
    versions = {"editTweetIds": ["1", "2"], "editableUntil": "", "isEditEligible": True}
    found = items(
        tmp_path,
        tweet(1, "Tpyo.", edit_info={"initial": versions}),
        tweet(2, "Typo.", edit_info={"edit": {"initialTweetId": "1", "editControlInitial": versions}}),
        tweet(3, "Never edited.", edit_info={"initial": {"editTweetIds": ["3"]}}),
    )
    assert texts(found) == {"2": "Typo.", "3": "Never edited."}


@pytest.mark.parametrize(("last", "open_"), [("Protect", False), ("Unprotect", True)])
def test_a_protected_account_is_private(tmp_path: Path, last: str, open_: bool) -> None:
    history = js(
        "protected_history",
        "protectedHistory",
        {"protectedAt": "2024-01-02T00:00:00.000Z", "action": last},
        {"protectedAt": "2023-01-02T00:00:00.000Z", "action": "Protect"},
    )
    tweets = js(
        "tweets", "tweet", tweet(1, "secret"), tweet(2, "more", in_reply_to_status_id_str="1"), tweet(3, "RT @bob: x")
    )
    found = list(read(export(tmp_path, {"data/tweets.js": tweets, "data/protected-history.js": history})))
    seen = ({"1": "secret\n\nmore"}, {"3": "reshare"}) if open_ else ({}, {"1": "private", "2": "private"})
    assert (texts(found), reasons(found)) == seen


def test_messages_and_deleted_posts_are_never_opened(tmp_path: Path) -> None:
    files = {
        "data/tweets.js": js("tweets", "tweet", tweet(1, "Mine.")),
        "data/deleted-tweets.js": js("deleted_tweets", "tweet", tweet(2, "SECRET")),
        "data/direct-messages.js": js("direct_messages", "dmConversation", {"messages": ["SECRET"]}),
        "data/like.js": js("like", "like", {"fullText": "SECRET"}),
        "data/ip-audit.js": "SECRET",
    }
    found = list(read(export(tmp_path, files)))
    assert (texts(found), "SECRET" in repr(found)) == ({"1": "Mine."}, False)


@pytest.mark.parametrize("content", ["window.YTD.tweets.part0 = [{", "window.YTD.tweets.part0 = {}", "[" * 100_000])
def test_a_damaged_file_imports_nothing(tmp_path: Path, content: str) -> None:
    files = {"data/tweets.js": js("tweets", "tweet", tweet(1, "Mine.")), "data/tweets-part1.js": content}
    with pytest.raises(SourceError, match=r"data/tweets-part1\.js") as error:
        list(read(export(tmp_path, files)))
    assert error.value.hint


def test_one_broken_post_costs_itself(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        tweet(1, "Fine."),
        {"id_str": "2"},
        {"full_text": "Whose?"},
        tweet(4, "When?", "yesterday"),
        tweet(5, "Odd.", entities=[1], extended_entities="x", edit_info="y", in_reply_to_user_id_str=None),
    )
    assert texts(found) == {"1": "Fine.", "4": "When?", "5": "Odd."}
    assert reasons(found) == {"2": "bad_post", "?": "bad_post"}


def test_other_scripts_are_not_recognised(tmp_path: Path) -> None:
    assert not recognises(export(tmp_path, {"tweets.js": "export const tweets = []"}))
    assert not recognises(export(tmp_path, {"data/deleted-tweets.js": js("deleted_tweets", "tweet")}))
