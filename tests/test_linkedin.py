"""LinkedIn's export: posts letter by letter, whatever the quoting, and nothing of anybody else."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms.linkedin import read, recognises

HEADER = "Date,ShareLink,ShareCommentary,SharedUrl,MediaUrl,Visibility\r\n"
FEED = "https://www.linkedin.com/feed/update/urn%3Ali%3A"
ARTICLE = (
    "<html><head><style>p {{}}</style><title>Soup</title></head><body><img src='x.jpg'>"
    '<h1><a href="https://www.linkedin.com/pulse/{slug}">Soup &amp; bread</a></h1>'
    '<p class="created">Created on 2019-12-30 10:00</p>{published}<div><p>It is hot.</p></div></body></html>'
)


def export(tmp_path: Path, **files: str | bytes) -> Archive:
    path = tmp_path / "Complete_LinkedInDataExport_01-02-2024.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return Archive(path)


def shares(tmp_path: Path, *lines: str, header: str = HEADER, encoding: str = "utf-8") -> list[Item]:
    archive = export(tmp_path, **{"Shares.csv": (header + "\r\n".join(lines)).encode(encoding)})
    assert recognises(archive)
    return list(read(archive))


def text(items: list[Item]) -> str:
    (item,) = items
    assert isinstance(item, RawPost), item
    return item.text


def test_a_post(tmp_path: Path) -> None:
    line = f'2023-05-01 23:30:00,{FEED}share%3A7000000000000000001,"Hello, ""world"" 👩‍🚀 𝗯𝗼𝗹𝗱 café","",,MEMBER_NETWORK'
    assert shares(tmp_path, line) == [
        RawPost(
            "linkedin:profile",
            "urn:li:share:7000000000000000001",
            "",
            dt.date(2023, 5, 1),
            "https://www.linkedin.com/feed/update/urn:li:share:7000000000000000001",
            'Hello, "world" 👩‍🚀 𝗯𝗼𝗹𝗱 café',
            "plain",
            format="note",
        )
    ]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('"One.""\n""\n""Two."', "One.\n\nTwo."),
        ('"One.""\n""Two."', "One.\nTwo."),
        ('"One.""\r\n""""\r\n""Two, ""really""."', 'One.\n\nTwo, "really".'),
        ('"One ""word"".""\n""""\n""Two."', 'One "word".\n\nTwo.'),
        ('"""One.""\n""""\n""Two."""', "One.\n\nTwo."),
        ('"""One """"word"""".""\n""""\n""Two."""', 'One "word".\n\nTwo.'),
        ('"One.\n\nTwo."', "One.\n\nTwo."),
        ('"He said ""hello""\n""Bye"" was her answer."', 'He said "hello"\n"Bye" was her answer.'),
        ('"""Be yourself.""\n""Others are taken."""', '"Be yourself."\n"Others are taken."'),
    ],
)
def test_line_ends_that_are_wrapped_in_quotes(tmp_path: Path, cell: str, expected: str) -> None:
    assert text(shares(tmp_path, f"2023-05-01 10:00:00,{FEED}share%3A1,{cell},,,PUBLIC")) == expected


def test_a_file_is_quoted_in_one_way(tmp_path: Path) -> None:
    """What looks wrapped in one post is a quotation where another post is not."""
    lines = [
        f'2023-05-01 10:00:00,{FEED}share%3A1,"An odd quote ""\n""here",,,PUBLIC',
        f'2023-05-01 10:00:00,{FEED}share%3A2,"plain\nlines",,,PUBLIC',
    ]
    posts = shares(tmp_path, *lines)
    assert [item.text for item in posts if isinstance(item, RawPost)] == ['An odd quote "\n"here', "plain\nlines"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    line = f"2023-05-01 10:00:00,{FEED}share%3A1,Café – naïve,,,PUBLIC"
    assert text(shares(tmp_path, line, encoding=encoding)) == "Café – naïve"


def test_columns_that_a_program_numbered(tmp_path: Path) -> None:
    header = "Date,ShareLink,ShareLink_2,ShareCommentary_2\n"
    (item,) = shares(tmp_path, f"2023-05-01,,{FEED}ugcPost%3A9,Text.", header=header)
    assert (item.source_id, isinstance(item, RawPost)) == ("urn:li:ugcPost:9", True)  # type: ignore[union-attr]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='no column "ShareCommentary", only: Date, ShareLink, Text'):
        shares(tmp_path, "1,2,3", header="Date,ShareLink,Text\n")


def test_what_is_no_post_says_why(tmp_path: Path) -> None:
    items = shares(
        tmp_path,
        f"2023-05-01 10:00:00,{FEED}share%3A1,,https://other.example,,PUBLIC",
        f'2023-05-01 10:00:00,{FEED}share%3A2,"  ",,,MEMBER_NETWORK',
        f"2023-05-01 10:00:00,{FEED}share%3A3,secret,,,CONNECTIONS",
        f"2023-05-01 10:00:00,{FEED}groupPost%3A4-5,secret,,,",
        f"2023-05-01 10:00:00,{FEED}share%3A6,Hi.,,,",
        f"2023-05-01 10:00:00,{FEED}share%3A6,Hi.,,,",
        f"2023-05-01 10:00:00,{FEED}share%3A6,Other.,,,",
        f"2023-05-01 10:00:00,{FEED}share%3A7,commas,out,of,quotes,,,PUBLIC",
        "2023-05-02 10:00:00,https://www.linkedin.com/posts/ann_x-activity-7100000000000000009-Ab,Yes.,,,",
        "2023-05-03 10:00:00,,No address.,,,",
    )
    assert [(item.source_id, getattr(item, "reason", "")) for item in items if not isinstance(item, Complete)] == [
        ("urn:li:share:1", "reshare"),
        ("urn:li:share:2", "reshare"),
        ("urn:li:share:3", "private"),
        ("urn:li:groupPost:4", "private"),
        ("urn:li:share:6", ""),
        ("urn:li:share:6", "duplicate_id"),
        ("Shares.csv:9", "bad_row"),
        ("urn:li:activity:7100000000000000009", ""),
        ("share of 2023-05-03 10:00:00", ""),
    ]
    assert "secret" not in repr(items)


def test_comments_are_replies_with_backslashes_before_their_quotes(tmp_path: Path) -> None:
    table = (
        "Date,Link,Message\n"
        f'2024-01-02 10:00:00,{FEED}activity%3A1,"I led the \\"tea\\" team,\n\nit was \\"hot\\""\n'
        f"2024-01-02 10:00:05,{FEED}activity%3A1,Again.\n"
        f'2024-01-03 10:00:00,{FEED}activity%3A1,"Doubled ""too"", and C:\\new\\"\n'
        f"2024-01-04 10:00:00,{FEED}activity%3A2,\n"
        f"2024-01-04 10:00:00,{FEED}groupPost%3A2-3,secret\n"
    )
    archive = export(tmp_path, **{"x/Comments_1234.csv": table})
    assert recognises(archive)
    items = list(read(archive))
    posts = [item for item in items if isinstance(item, RawPost)]
    assert [post.text for post in posts] == [
        'I led the "tea" team,\n\nit was "hot"',
        "Again.",
        'Doubled "too", and C:\\new\\',
    ]
    assert {(post.format, post.url) for post in posts} == {
        ("reply", "https://www.linkedin.com/feed/update/urn:li:activity:1")
    }
    assert posts[0].source_id == "comment on urn:li:activity:1 of 2024-01-02 10:00:00"
    assert [item.reason for item in items if isinstance(item, Refusal)] == ["empty", "private"]
    assert "secret" not in repr(items)


def test_articles(tmp_path: Path) -> None:
    published = '<p class="published">Published on 2020-01-02 23:10</p>'
    archive = export(
        tmp_path,
        **{
            "Articles/Articles/soup.html": ARTICLE.format(slug="soup-ann", published=published),
            "Articles/Articles/draft.html": ARTICLE.format(slug="draft-ann", published=""),
            "Articles/Articles/plain.html": "<h1>Bare</h1><p>Published on 2021-02-03 10:00</p><p>Text.</p>",
            "Articles/Articles/picture.html": b"\x89PNG\r\n",
        },
    )
    assert recognises(archive)
    assert list(read(archive)) == [
        RawPost(
            "linkedin:profile",
            "article soup-ann",
            "Soup & bread",
            dt.date(2020, 1, 2),
            "https://www.linkedin.com/pulse/soup-ann",
            "<div><p>It is hot.</p></div>",
            "html",
        ),
        Refusal("linkedin:profile", "article draft-ann", "draft", "it has no date of publication"),
        RawPost(
            "linkedin:profile",
            "Articles/Articles/plain.html",
            "Bare",
            dt.date(2021, 2, 3),
            None,
            "<p>Text.</p>",
            "html",
        ),
        Refusal("linkedin:profile", "Articles/Articles/picture.html", "not_text"),
    ]


WHOLE = {
    "Shares.csv": f"{HEADER}2023-05-01 10:00:00,{FEED}share%3A1,Mine.,,,PUBLIC\n",
    "Comments.csv": "Date,Link,Message\n",
    "messages.csv": "FROM,CONTENT\nBea,SECRET\n",
    "Connections.csv": "First Name\nSECRET\n",
    "Profile.csv": "First Name\nSECRET\n",
    "Logins.csv": "IP Address\nSECRET\n",
}


def test_other_people_are_never_read_and_a_whole_export_is_complete(tmp_path: Path) -> None:
    items = list(read(Guarded(export(tmp_path, **WHOLE).path)))
    assert [type(item) for item in items] == [RawPost, Complete]
    assert "SECRET" not in repr(items)


class Guarded(Archive):
    """Two of its entries may be opened."""

    def read(self, name: str, limit: int = 0) -> bytes:
        assert name in ("Shares.csv", "Comments.csv")
        return super().read(name, limit)


@pytest.mark.parametrize("left_out", ["Shares.csv", "Comments.csv"])
def test_a_part_of_an_export_is_never_complete(tmp_path: Path, left_out: str) -> None:
    archive = export(tmp_path, **{name: content for name, content in WHOLE.items() if name != left_out})
    assert Complete() not in list(read(archive))


def test_refused_entries_are_reported_and_leave_the_listing_open(tmp_path: Path) -> None:
    items = list(read(export(tmp_path, **WHOLE, **{"../Shares.csv": "x"})))
    assert [item.reason for item in items if isinstance(item, Refusal)] == ["unsafe_entry"]
    assert Complete() not in items


def test_an_export_without_posts_says_what_to_ask_for(tmp_path: Path) -> None:
    archive = export(tmp_path, **{"Profile.csv": "x", "Connections.csv": "x"})
    assert recognises(archive)
    with pytest.raises(SourceError) as error:
        list(read(archive))
    assert "larger archive" in error.value.hint


def test_other_tables_are_not_recognised(tmp_path: Path) -> None:
    assert not recognises(export(tmp_path, **{"Comments.csv": "id,permalink,date\n", "Shares.csv": "Ticker,Price\n"}))
    assert not recognises(export(tmp_path, **{"Articles/Articles/a.html": "<p>A blog's own.</p>"}))
