"""Reddit's data request: own words only, and no address anywhere."""

from __future__ import annotations

import datetime as dt
import itertools
import zipfile
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.tables import MAX_TABLE
from feature_pipeline.sources.platforms.reddit import read, recognises

POSTS = "id,permalink,date,ip,subreddit,gildings,title,url,body\n"
COMMENTS = "id,permalink,date,ip,subreddit,gildings,link,parent,body,media\n"
IP = "203.0.113.77"
WHEN = "2023-01-15 23:34:56 UTC"


def export(tmp_path: Path, files: dict[str, str], name: str = "export_ann_k_20240102.zip") -> Archive:
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as file:
        for entry, content in files.items():
            file.writestr(entry, content)
    return Archive(path)


def post(number: str, title: str, body: str, url: str = "") -> str:
    link = f"https://www.reddit.com/r/soup/comments/{number}/x/"
    return f'{number},{link},{WHEN},{IP},soup,0,"{title}",{url or link},"{body}"\n'


def comment(number: str, body: str) -> str:
    return f'{number},/r/soup/comments/p/x/{number}/,{WHEN},{IP},soup,0,https://l.example,t3_p,"{body}",\n'


def items(tmp_path: Path, posts: str = "", comments: str = "") -> list[Item]:
    archive = export(tmp_path, {"posts.csv": POSTS + posts, "comments.csv": COMMENTS + comments})
    assert recognises(archive)
    found = list(read(archive))
    assert IP not in repr(found)
    return found


def test_a_post_and_a_comment(tmp_path: Path) -> None:
    found = items(
        tmp_path, post("p1", "Soup, “hot”", "**Bread** &amp; 👩‍🚀\n\n> a proverb\n\nEnd."), comment("c1", "Yes.")
    )
    assert found == [
        RawPost(
            "reddit:ann_k",
            "t3_p1",
            "Soup, “hot”",
            dt.date(2023, 1, 15),
            "https://www.reddit.com/r/soup/comments/p1/x/",
            "**Bread** &amp; 👩‍🚀\n\n> a proverb\n\nEnd.",
            "markdown",
            format="article",
        ),
        RawPost(
            "reddit:ann_k",
            "t1_c1",
            "",
            dt.date(2023, 1, 15),
            "https://www.reddit.com/r/soup/comments/p/x/c1/",
            "Yes.",
            "markdown",
            format="reply",
        ),
    ]


def test_posts_without_words_of_their_own(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        post("a", "Look", "", "https://other.example/x")
        + post("b", "A picture", "", "https://i.redd.it/x.jpg")
        + post("c", "Is soup a drink?", "")
        + post("d", "Gone", "[removed]")
        + post("e", "[deleted by user]", "")
        + post("f", "", "")
        + post("g", "With words", "About the link.", "https://other.example/x")
        + post("g", "With words", "About the link.", "https://other.example/x"),
    )
    assert [(item.source_id, getattr(item, "reason", ""), getattr(item, "text", "")) for item in found] == [  # type: ignore[union-attr]
        ("t3_a", "link_only", ""),
        ("t3_b", "link_only", ""),
        ("t3_c", "", "Is soup a drink?"),
        ("t3_d", "deleted", ""),
        ("t3_e", "deleted", ""),
        ("t3_f", "empty", ""),
        ("t3_g", "", "About the link."),
    ]


def test_a_comment_is_without_the_words_that_it_answers(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        comments=comment("a", "> their words\n> go on\n\nMine.\n\n>!a spoiler!<\n   > theirs")
        + comment("b", "> theirs only")
        + comment("c", "[deleted]")
        + comment("d", "[Removed]")
        + comment("e", "x" * 200_000),
    )
    texts = [item.text for item in found if isinstance(item, RawPost)]
    assert texts == ["Mine.\n\n>!a spoiler!<", "x" * 200_000]
    assert [(item.source_id, item.reason) for item in found if isinstance(item, Refusal)] == [
        ("t1_b", "empty"),
        ("t1_c", "deleted"),
        ("t1_d", "deleted"),
    ]


def test_broken_rows_cost_themselves(tmp_path: Path) -> None:
    found = items(tmp_path, f"a,b,c,{IP},e,f,g,h,i,j,k\n,,{WHEN},{IP},soup,0,No id,,x\n" + post("z", "Fine", "Yes."))
    assert [(item.source_id, getattr(item, "reason", "")) for item in found] == [  # type: ignore[union-attr]
        ("posts.csv:2", "bad_row"),
        ("posts.csv:3", "bad_row"),
        ("t3_z", ""),
    ]


def test_a_table_of_any_length_is_read_a_row_at_a_time(tmp_path: Path) -> None:
    long = comment("c1", "Yes.").replace("https://l.example", "x" * 1_000_000)
    with (tmp_path / "comments.csv").open("w") as file:
        file.write(COMMENTS)
        file.writelines(itertools.repeat(long, MAX_TABLE // len(long) + 1))
    assert [item.source_id for item in read(Archive(tmp_path))] == ["t1_c1"]  # type: ignore[union-attr]


def test_other_tables_are_never_opened(tmp_path: Path) -> None:
    secret = dict.fromkeys(
        ("drafts.csv", "messages.csv", "chat_history.csv", "post_headers.csv", "saved_posts.csv", "ip_logs.csv"),
        f"id,permalink,date,ip,subreddit,title,url,body\n1,/x,{WHEN},{IP},soup,SECRET,,SECRET\n",
    )
    statistics = {"statistics.csv": "statistic,value\naccount name,Ann-K\nemail address,SECRET\n"}
    archive = export(tmp_path, {"x/posts.csv": POSTS + post("p", "T", "B")} | secret | statistics, "reddit.zip")
    found = list(read(archive))
    assert [(item.source, item.source_id) for item in found] == [("reddit:Ann-K", "t3_p")]  # type: ignore[union-attr]
    assert "SECRET" not in repr(found)
    assert IP not in repr(found)
    assert not recognises(export(tmp_path, secret))


def test_who_wrote_it_is_not_always_known(tmp_path: Path) -> None:
    archive = export(tmp_path, {"posts.csv": POSTS + post("p", "T", "B")}, "mine.zip")
    assert [item.source for item in read(archive)] == [str(archive.path)]  # type: ignore[union-attr]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    archive = export(tmp_path, {"posts.csv": "id,permalink,date,ip,subreddit,title,url\n"})
    assert recognises(archive)
    with pytest.raises(SourceError, match='no column "body", only: id, permalink, date, ip, subreddit, title, url'):
        list(read(archive))


def test_comments_of_others_are_not_recognised(tmp_path: Path) -> None:
    assert not recognises(export(tmp_path, {"comments.csv": "Comment ID,Channel ID,Comment Text\n"}))
