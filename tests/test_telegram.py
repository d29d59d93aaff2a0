"""Telegram Desktop's export: of a whole account, of a channel, of a group."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms import telegram
from tests.blog_server import posts, reasons

ABOUT = "Here is the data you requested. Remember: Telegram is ad free, it doesn't use your data for ad targeting."


def message(number: int, text: Any, sender: Any = "user1", **more: Any) -> dict[str, Any]:
    names = {"user1": "Ann", 1: "Ann", "user2": "Bob"}
    return {
        "id": number,
        "type": "message",
        "date": "2022-12-31T23:59:59",
        "date_unixtime": "1672527599",
        "from": names.get(sender, "Soup News"),
        "from_id": sender,
        "text": text,
        "text_entities": [],
        **more,
    }


def chat(kind: str, number: int, *messages: Any) -> dict[str, Any]:
    return {"name": "Soup News", "type": kind, "id": number, "messages": messages}


def account(*chats: Any, **more: Any) -> dict[str, Any]:
    person = {"user_id": 1, "first_name": "Ann", "phone_number": "+44 0000 000000"}
    return {"about": ABOUT, "personal_information": person, "chats": {"about": "x", "list": chats}, **more}


def read(folder: Path, export: Any, me: str | None = None) -> list[Item]:
    path = folder / "DataExport" / "result.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(export if isinstance(export, str) else json.dumps(export, indent=1, ensure_ascii=False))
    archive = Archive(folder)
    assert telegram.recognises(archive)
    return list(telegram.read(archive, me))


def texts(items: list[Item]) -> list[tuple[str, str]]:
    return [(post.source_id, post.text) for post in posts(items)]


def test_a_channel_is_its_authors(tmp_path: Path) -> None:
    news = chat(
        "public_channel",
        77,
        {"id": 1, "type": "service", "date": "2022-01-01T00:00:00", "action": "create_channel", "text": ""},
        message(2, "Soup today 👩‍🍳.\n\nAnd “bread”.", "channel77", edited="2023-01-02T10:00:00", author="Ann B."),
        message(3, "", "channel77", photo="photos/1.jpg"),
        message(4, "THEIRS", "channel77", forwarded_from="Other News", forwarded_from_id="channel8"),
        message(5, "THEIRS", "channel77", forwarded_from=None),
        message(6, "And more.", "channel77", reply_to_message_id=2),
        message(7, "THEIRS", "user2"),
        {"id": 8, "type": "unsupported"},
    )
    items = read(tmp_path, news)
    assert texts(items) == [("2", "Soup today 👩‍🍳.\n\nAnd “bread”."), ("6", "And more.")]
    first, second = posts(items)
    assert (first.source, first.date, first.author) == ("telegram:channel77", dt.date(2022, 12, 31), "Ann B.")
    assert (first.title, first.markup, first.format, first.url) == ("", "plain", "note", None)
    assert (second.format, second.author) == ("note", "Soup News")
    assert reasons(items) == [("3", "empty"), ("4", "reshare"), ("5", "reshare")]
    assert "THEIRS" not in repr(items)
    assert items[-1] == Complete()


def test_of_an_account_what_its_owner_wrote_to_groups(tmp_path: Path) -> None:
    export = account(
        chat(
            "private_supergroup",
            5,
            message(1, "Hello all"),
            message(2, "THEIRS", "user2"),
            message(3, "THEIRS", "channel5"),
        ),
        chat("private_group", 6, message(1, "Old group")),
        chat("personal_chat", 2, message(8, "SECRET"), message(9, "SECRET", "user2")),
        chat("bot_chat", 3, message(8, "SECRET")),
        chat("saved_messages", 1, message(8, "SECRET")),
        chat("public_channel", 77, message(1, "THEIRS", "channel77"), message(2, "THEIRS", "channel77")),
        chat("a kind of tomorrow", 4, message(8, "SECRET")),
        contacts={"list": [{"first_name": "Bob", "phone_number": "+44 0000 111111"}]},
        left_chats={"list": [chat("public_supergroup", 9, message(4, "Bye"), message(5, "via", via_bot="@gif"))]},
        sessions={"list": [{"last_ip": "192.0.2.1"}]},
    )
    items = read(tmp_path, export)
    assert [(post.source, post.source_id, post.text) for post in posts(items)] == [
        ("telegram:channel5", "1", "Hello all"),
        ("telegram:chat6", "1", "Old group"),
        ("telegram:channel9", "4", "Bye"),
    ]
    assert sorted(reasons(items)) == [
        *[("5", "via_bot"), ("8", "private"), ("8", "private"), ("8", "private"), ("8", "private")],
        ("channel77", "whose"),
    ]
    assert not any(word in repr(items) for word in ("SECRET", "THEIRS", "0000", "192.0"))


def test_a_channel_exported_alone_and_its_owners_posts_in_a_group_keep_their_ids(tmp_path: Path) -> None:
    group = chat("private_supergroup", 5, message(1, "Hello all"))
    whole = read(tmp_path, account(group))
    assert read(tmp_path, group, me="Ann") == whole
    assert read(tmp_path, group, me="user1") == whole


@pytest.mark.parametrize("sender", ["user1", 1])
def test_without_personal_information_the_chat_with_oneself_says_who(tmp_path: Path, sender: Any) -> None:
    export = account(
        chat("saved_messages", 1), chat("private_group", 6, message(1, "Hi", sender), message(2, "x", "user2"))
    )
    del export["personal_information"]
    assert texts(read(tmp_path, export)) == [("1", "Hi")]


def test_a_text_in_pieces_is_whole_and_in_order(tmp_path: Path) -> None:
    pieces = [
        "See ",
        {"type": "link", "text": "https://soup.example/a?b=1"},
        " or ",
        {"type": "text_link", "text": "this", "href": "https://bread.example/"},
        ", ",
        {"type": "bold", "text": "now"},
        {"type": "custom_emoji", "text": "🥣", "document_id": "x"},
        " ",
        {"type": "mention", "text": "@bob"},
        {"type": "hashtag", "text": "#soup"},
        {"type": "pre", "text": "x = 1\ny = 2", "language": "python"},
        {"type": "blockquote", "text": "two\nlines"},
        {"type": "of tomorrow", "text": "end"},
        7,
        {"type": "bold"},
    ]
    items = read(tmp_path, chat("private_channel", 7, message(1, pieces, "channel7")))
    assert texts(items) == [
        (
            "1",
            "See https://soup.example/a?b=1 or this (https://bread.example/), now🥣 @bob#soup\n"
            "```python\nx = 1\ny = 2\n```\n> two\n> lines\n\nend",
        )
    ]


def test_replies_to_others_lose_the_names_that_they_begin_with(tmp_path: Path) -> None:
    named = [
        {"type": "mention", "text": "@bob"},
        " ",
        {"type": "mention_name", "text": "Cat", "user_id": 3},
        " yes, ",
        "@dan",
    ]
    export = account(
        chat(
            "public_supergroup",
            5,
            message(1, "One"),
            message(2, "Two", reply_to_message_id=1),
            message(3, named, reply_to_message_id=99),
            message(4, named),
            message(5, "Elsewhere", reply_to_message_id=1, reply_to_peer_id="channel8"),
        )
    )
    assert [(post.format, post.text) for post in posts(read(tmp_path, export))] == [
        ("note", "One"),
        ("note", "Two"),
        ("reply", "yes, @dan"),
        ("note", "@bob Cat yes, @dan"),
        ("reply", "Elsewhere"),
    ]


def test_control_characters_and_mojibake_are_read_as_written(tmp_path: Path) -> None:
    made = chat(
        "private_channel",
        7,
        message(1, "A|B", "channel7"),
        message(2, r"C:\x41", "channel7"),
        message(3, "cafÃ© café", "channel7"),
    )
    export = json.dumps(made, ensure_ascii=False).replace("A|B", r"A\x0BB")
    assert texts(read(tmp_path, export)) == [("1", "A\x0bB"), ("2", r"C:\x41"), ("3", "cafÃ© café")]


@pytest.mark.parametrize("kind", ["personal_chat", "bot_chat", "saved_messages"])
def test_a_private_chat_is_not_read(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceError) as error:
        read(tmp_path, chat(kind, 2, message(1, "SECRET")), me="Ann")
    assert "SECRET" not in str(error.value)
    assert "channel" in error.value.hint


def test_a_group_that_does_not_say_whose_it_is_names_its_writers(tmp_path: Path) -> None:
    group = chat("private_group", 6, message(1, "Hi"), message(2, "x", "user2"), {"type": "service", "id": 3})
    with pytest.raises(SourceError, match="Ann, Bob") as error:
        read(tmp_path, group)
    assert "whole account" in error.value.hint
    assert f"'{tmp_path}#Ann'" in error.value.hint
    with pytest.raises(SourceError, match=r"nobody in .* is 'Cat': its writers are Ann, Bob"):
        read(tmp_path, group, me="Cat")


def test_a_name_that_wrote_nothing_in_a_channel_or_an_account_is_an_error(tmp_path: Path) -> None:
    signed = [message(n, f"Post {n}", "channel7", author=name) for n, name in enumerate(["Ann", "Bob", "Bob"], 1)]
    channel = chat("public_channel", 7, *signed)
    with pytest.raises(SourceError, match=r"nobody in .* is 'Nobody': its writers are Soup News, Bob, Ann"):
        read(tmp_path, channel, me="Nobody")
    assert texts(read(tmp_path, channel, me="Ann")) == [("1", "Post 1")]
    assert len(texts(read(tmp_path, channel, me="Soup News"))) == len(texts(read(tmp_path, channel))) == 3
    whole = account(chat("private_group", 6, message(1, "Hi")), chat("personal_chat", 2, message(2, "x", "user2")))
    with pytest.raises(SourceError, match=r"nobody in .* is 'Nobody': its writers are Ann\n"):
        read(tmp_path, whole, me="Nobody")
    assert texts(read(tmp_path, whole, me="Ann")) == texts(read(tmp_path, whole)) == [("1", "Hi")]


@pytest.mark.parametrize("rest", ["", ', "messages": [', ', "messages": ' + "[" * 99_999, ', "messages": {}}', "}"])
def test_a_broken_export_is_said(tmp_path: Path, rest: str) -> None:
    with pytest.raises(SourceError) as error:
        read(tmp_path, '{"name": "x", "type": "public_channel", "id": 7' + rest)
    assert error.value.hint


def test_odd_messages_do_not_stop_the_others(tmp_path: Path) -> None:
    odd = [7, None, [], {}, {"type": "message"}, {"id": 5, "type": "message", "from_id": "channel7"}]
    items = read(tmp_path, chat("public_channel", 7, *odd, message(6, "Fine", "channel7", date=9, **{"from": None})))
    assert texts(items) == [("6", "Fine")]
    assert reasons(items) == [("5", "empty")]
    assert (posts(items)[0].date, posts(items)[0].author) == (None, None)


def test_other_results_are_no_export(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"about": "my thesis", "type": "experiment", "messages": []}')
    assert not telegram.recognises(Archive(tmp_path))
