"""WhatsApp's exported chats, as phones of many places write them."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms import whatsapp
from tests.blog_server import posts, reasons

L = "\u200e"  # left-to-right mark
N = "\u202f"  # narrow no-break space


def read(folder: Path, chat: str, me: str | None = "Ann", name: str = "WhatsApp Chat with Bob.txt") -> list[Item]:
    path = folder / name
    path.write_text(chat, encoding="utf-8", newline="")
    archive = Archive(path)
    assert whatsapp.recognises(archive)
    return list(whatsapp.read(archive, me))


def texts(items: list[Item]) -> list[str]:
    return [post.text for post in posts(items)]


IPHONE = f"""[30/12/2023, 23:59:59] Bob: {L}Messages and calls are end-to-end encrypted. Nobody else can read them.
[31/12/2023, 23:59:30] Ann: Happy new year 👩‍🍳!

With “soup” – at 12:30:
[recipe] 1/2 cup: water
{L}[31/12/2023, 23:59:40] Ann: {L}image omitted
[31/12/2023, 23:59:50] Ann: for you {L}<This message was edited>
[01/01/2024, 00:03:00] Ann: and for all
[01/01/2024, 00:04:00] Bob: THEIRS
two lines of THEIRS
[01/01/2024, 00:05:00] Ann: Thanks: really
{L}[01/01/2024, 00:20:00] Ann: {L}<attached: 00000012-PHOTO-2024-01-01.jpg>
[01/01/2024, 00:20:00] Ann: {L}You deleted this message.
[01/01/2024, 00:21:00] Ann: look at this {L}<attached: 00000013-PHOTO-2024-01-01.jpg>
[01/01/2024, 00:22:00] Ann: This message was deleted.
"""

ANDROID = f"""12/30/23, 11:58{N}PM - Messages and calls are end-to-end encrypted. Tap to learn more.
12/30/23, 11:59{N}PM - Bob added Ann
12/31/23, 11:59{N}PM - Ann: Happy new year 👩‍🍳!

With “soup” – at 12:30:
[recipe] 1/2 cup: water
12/31/23, 11:59{N}PM - Ann: <Media omitted>
12/31/23, 11:59{N}PM - Ann: for you <This message was edited>
1/1/24, 12:03{N}AM - Ann: and for all
1/1/24, 12:04{N}AM - Bob: THEIRS
two lines of THEIRS
1/1/24, 12:05{N}AM - Ann: Thanks: really
1/1/24, 12:20{N}AM - Ann: You deleted this message
1/1/24, 12:21{N}AM - Ann: {L}IMG-20240101-WA0001.jpg (file attached)
look at this
1/1/24, 12:22{N}AM - Ann: null
1/1/24, 12:22{N}AM - Bob changed the subject from “Soup: a love” to “Bread”
"""


@pytest.mark.parametrize("chat", [IPHONE, ANDROID, IPHONE.replace("\n", "\r\n"), "\ufeff" + ANDROID])
def test_own_messages_are_whole_and_alone(tmp_path: Path, chat: str) -> None:
    items = read(tmp_path, chat)
    assert [(post.source_id, post.date, post.text) for post in posts(items)] == [
        (
            "2023-12-31T23:59",
            dt.date(2023, 12, 31),
            "Happy new year 👩‍🍳!\n\nWith “soup” – at 12:30:\n[recipe] 1/2 cup: water\nfor you\nand for all",
        ),
        ("2024-01-01T00:05", dt.date(2024, 1, 1), "Thanks: really"),
        ("2024-01-01T00:21", dt.date(2024, 1, 1), "look at this"),
    ]
    post = posts(items)[0]
    assert (post.source, post.title, post.url, post.markup) == ("whatsapp:Bob", "", None, "plain")
    assert (post.author, post.format) == ("Ann", "note")
    assert "THEIRS" not in repr(items)
    assert items[-1] == Complete()
    assert reasons(items) == []


def test_what_the_phone_adds_is_no_word_of_the_last_message_either(tmp_path: Path) -> None:
    """The file ends with a line end, and so does its last message."""
    items = read(tmp_path, "13/1/24, 10:00 - Bob: THEIRS\n13/1/24, 10:01 - Ann: Bye <This message was edited>\n")
    assert texts(items) == ["Bye"]


@pytest.mark.parametrize(
    ("start", "moment"),
    [
        ("[31.12.23, 21:05:59] ", "2023-12-31T21:05"),
        ("31.12.23, 21:05 - ", "2023-12-31T21:05"),
        ("31.12.2023, 21.05 - ", "2023-12-31T21:05"),
        ("1.2.23, 21:05 - ", "2023-02-01T21:05"),
        ("[1.2.2023 klo 12.05.59] ", "2023-02-01T12:05"),
        ("31/12/2023 21:05 - ", "2023-12-31T21:05"),
        ("31-12-2023 21:05 - ", "2023-12-31T21:05"),
        ("2023-12-31, 21:05 - ", "2023-12-31T21:05"),
        ("2023-02-01 21:05 - ", "2023-02-01T21:05"),
        ("2023/2/1 下午9:05 - ", "2023-02-01T21:05"),
        ("31/12/23, 9:05 p. m. - ", "2023-12-31T21:05"),
        (f"31/12/23, 9:05{N}p.{N}m. - ", "2023-12-31T21:05"),
        ("31/12/23, 12:05 a. m. - ", "2023-12-31T00:05"),
        ("12/31/23, 9:05 pm - ", "2023-12-31T21:05"),
        (f"[12/31/23, 12:05:59{N}PM] ", "2023-12-31T12:05"),
        ("[2023-12-31 21:05:59] ", "2023-12-31T21:05"),
        ("٣١\u200f/١٢\u200f/٢٠٢٣, ٩:٠٥ م - ", "2023-12-31T21:05"),
        ("31/12/23, 21:05 – ", "2023-12-31T21:05"),
        ("[٣١/١٢/٢٠٢٣، ٩:٠٥:٥٩ م] ", "2023-12-31T21:05"),
        ("31.12.23 г., 21:05 - ", "2023-12-31T21:05"),
        ("31/12/2023, 9:05 PTG - ", "2023-12-31T21:05"),
        ("31/12/2023, 9:05 PG - ", "2023-12-31T09:05"),
        ("31/12/2566 21:05 - ", "2023-12-31T21:05"),
        ("31/12/66 21:05 - ", "2023-12-31T21:05"),
    ],
)
def test_dates_that_phones_write(tmp_path: Path, start: str, moment: str) -> None:
    items = read(tmp_path, f"{start}Ann: Hello: you\nagain\n{start}Bob: THEIRS\n")
    assert [(post.source_id, post.text) for post in posts(items)] == [(moment, "Hello: you\nagain")]
    assert reasons(items) == []


def test_a_day_of_another_calendar_is_none(tmp_path: Path) -> None:
    """Of the year 1402 no date is better than one that is 600 years old."""
    items = read(tmp_path, "۱۴۰۲/۱۰/۱۰، ۲۱:۰۵ - Ann: Hello\n۱۴۰۲/۱۰/۱۰، ۲۱:۰۶ - Bob: THEIRS\n")
    assert [(post.date, post.text) for post in posts(items)] == [(None, "Hello")]


def test_one_day_over_the_twelfth_decides_for_the_whole_chat(tmp_path: Path) -> None:
    chat = "3/4/24, 10:00 - Ann: one\n{}, 10:00 - Bob: THEIRS\n"
    assert posts(read(tmp_path, chat.format("13/4/24")))[0].date == dt.date(2024, 4, 3)
    assert posts(read(tmp_path, chat.format("4/13/24")))[0].date == dt.date(2024, 3, 4)


@pytest.mark.parametrize("other", ["5/4/24", "13/4/24, 09:00 - Bob: x\n4/13/24"])
def test_where_no_day_decides_no_date_is_guessed(tmp_path: Path, other: str) -> None:
    items = read(tmp_path, f"3/4/24, 10:00 - Ann: one\n{other}, 10:00 - Ann: two\n5/4/24, 10:03 - Ann: three\n")
    assert [post.date for post in posts(items)] == [None] * len(posts(items))
    assert [reason for _, reason in reasons(items)] == ["ambiguous_dates"]
    assert posts(items)[0].source_id == "3/4/24 10:00"


def test_messages_within_five_minutes_are_one_note_unless_somebody_answers(tmp_path: Path) -> None:
    minutes = [(0, "Ann", "a"), (5, "Ann", "b"), (10, "Ann", "c"), (16, "Ann", "d"), (16, "Bob", "x"), (16, "Ann", "e")]
    chat = "".join(f"[31/12/2023, 10:{minute:02}:00] {name}: {text}\n" for minute, name, text in minutes)
    assert [(post.source_id, post.text) for post in posts(read(tmp_path, chat))] == [
        ("2023-12-31T10:00", "a\nb\nc"),
        ("2023-12-31T10:16", "d"),
        ("2023-12-31T10:16 2", "e"),
    ]


@pytest.mark.parametrize(
    "left_out",
    [
        *("<Media omitted>", "<Medien ausgeschlossen>", "<Multimedia omitido>", "<Médias omis>", "<Без медиафайлов>"),
        *("IMG-20240101-WA0001.jpg (file attached)", f"{L}Bob.vcf (Datei angehängt)", "null", "Mensagem apagada"),
        *("This message was deleted", "Diese Nachricht wurde gelöscht.", "Missed voice call", ""),
    ],
)
def test_what_the_phone_wrote_is_left_out(tmp_path: Path, left_out: str) -> None:
    chat = f"31.12.23, 23:00 - Ann: {left_out}\n31.12.23, 23:50 - Ann: see main.py (at last) <grin> <3\n"
    assert texts(read(tmp_path, chat)) == ["see main.py (at last) <grin> <3"]


def test_a_name_is_asked_for_and_those_found_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Ann, Bob") as error:
        read(tmp_path, IPHONE, me=None)
    assert "#Ann'" in error.value.hint
    with pytest.raises(SourceError, match=r"nobody .* 'Cat': Ann, Bob"):
        read(tmp_path, ANDROID, me="Cat")
    assert "THEIRS" not in str(error.value)


def test_names_as_phones_mark_them(tmp_path: Path) -> None:
    chat = "[31/12/2023, 10:00:00] ~\u202fAnn Bee: hi\n[31/12/2023, 10:01:00] \u202a+44 20 0000 0000\u202c: THEIRS\n"
    assert texts(read(tmp_path, chat, me="ann bee")) == ["hi"]
    with pytest.raises(SourceError, match=r"Ann Bee, \+44 20 0000 0000"):
        read(tmp_path, chat, me=None)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("WhatsApp Chat with Bob & Cat.txt", "whatsapp:Bob & Cat"),
        ("WhatsApp-Chat mit Bob.txt", "whatsapp:Bob"),
        ("Conversa do WhatsApp com Bob.txt", "whatsapp:Bob"),
        ("Chat de WhatsApp con Bob (2).txt", "whatsapp:Bob"),
        ("my talks.txt", "my talks.txt"),
    ],
)
def test_a_chat_is_its_own_source(tmp_path: Path, name: str, source: str) -> None:
    (post,) = posts(read(tmp_path, "31.12.23, 23:00 - Ann: hi\n", name=name))
    assert post.source == source if ":" in source else post.source == str(tmp_path / source)


def test_the_zip_of_an_iphone(tmp_path: Path) -> None:
    path = tmp_path / "WhatsApp Chat - Bob.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("_chat.txt", IPHONE)
        made.writestr("00000012-PHOTO.jpg", b"\xff\xd8\xff")
        made.writestr("../_chat.txt", IPHONE)
    archive = Archive(path)
    assert whatsapp.recognises(archive)
    items = list(whatsapp.read(archive, "Ann"))
    assert {post.source for post in posts(items)} == {"whatsapp:Bob"}
    assert reasons(items) == [("../_chat.txt", "unsafe_entry")]


def test_an_export_as_long_as_they_come_is_not_complete(tmp_path: Path) -> None:
    items = read(tmp_path, "31.12.23, 23:00 - Ann: hi\n" * 10_000)
    assert len(posts(items)) == 1
    assert Complete() not in items


def test_long_lines_cost_no_time(tmp_path: Path) -> None:
    for filling in (" ", "<", "< ", "< edited", "1", f"{L}", f"{L}<", "a: ", "12/31/23, "):
        text = filling * 100_000
        (post,) = posts(read(tmp_path, f"31.12.23, 23:00 - Ann: hi\n{text}.\n"))
        assert post.text == f"hi\n{text}."


def test_other_texts_are_no_chats(tmp_path: Path) -> None:
    (tmp_path / "whatsapp.txt").write_text("WhatsApp is a messenger.\n31.12.23 was a Sunday.\n")
    (tmp_path / "diary.txt").write_text("31.12.23, 23:00 - Ann: hi\n")
    assert not whatsapp.recognises(Archive(tmp_path))
