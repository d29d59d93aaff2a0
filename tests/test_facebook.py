"""Facebook's export: exact Unicode out of escaped bytes, and the author's words only."""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms.facebook import read, recognises, repaired

NEW = "your_facebook_activity/posts/your_posts__check_ins__photos_and_videos_1.json"
WHEN = 1_600_000_000  # 2020-09-13


def bytewise(text: str) -> str:
    return text.encode().decode("latin-1")


def export(tmp_path: Path, files: dict[str, Any], profile: bool = True, ascii_: bool = True) -> Archive:
    path = tmp_path / "facebook-ann-2024-01-02-abc.zip"
    owner = {
        "name": {"full_name": bytewise("Ann Køhler")},
        "profile_uri": "https://www.facebook.com/ann.k",
        "emails": "SECRET",
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, value in files.items():
            content = value if isinstance(value, (str, bytes)) else json.dumps(value, ensure_ascii=ascii_)
            file.writestr(name, content)
        if profile:
            name = "personal_information/profile_information/profile_information.json"
            file.writestr(name, json.dumps({"profile_v2": owner}))
    return Archive(path)


def post(text: str | None, when: int = WHEN, attached: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    data = [{"post": text}, {"update_timestamp": when}] if text is not None else []
    more = {"attachments": [{"data": attached}]} if attached else {}
    return {"timestamp": when, "data": data, "title": "Ann shared a link.", **more}


def comment(text: str, when: int = WHEN, author: str = bytewise("Ann Køhler"), **more: str) -> dict[str, Any]:
    inner = {"timestamp": when, "comment": text, "author": author, **more}
    return {"timestamp": when, "data": [{"comment": inner}], "title": "Ann commented on Bea's post."}


def items(tmp_path: Path, *posts: dict[str, Any], comments: tuple[dict[str, Any], ...] = ()) -> list[Item]:
    archive = export(
        tmp_path,
        {
            NEW: list(posts),
            "your_facebook_activity/comments_and_reactions/comments.json": {"comments_v2": list(comments)},
        },
    )
    assert recognises(archive)
    return list(read(archive))


def texts(found: list[Item]) -> list[str]:
    return [item.text for item in found if isinstance(item, RawPost)]


def test_a_post_and_a_comment(tmp_path: Path) -> None:
    found = items(tmp_path, post(bytewise("Café – “naïve” 👩‍🚀")), comments=(comment(bytewise("Très bien")),))
    assert found == [
        RawPost(
            "facebook:ann.k",
            f"post of {WHEN}",
            "",
            dt.date(2020, 9, 13),
            None,
            "Café – “naïve” 👩‍🚀",
            "plain",
            format="note",
        ),
        RawPost(
            "facebook:ann.k",
            f"comment of {WHEN}",
            "",
            dt.date(2020, 9, 13),
            None,
            "Très bien",
            "plain",
            format="reply",
        ),
    ]


@pytest.mark.parametrize(
    ("escaped", "typed"),
    [
        (bytewise("é 😀 — “q” Ⅷ я 日本"), "é 😀 — “q” Ⅷ я 日本"),
        (bytewise("café") + " and café", "café and café"),
        ("é" + bytewise("é") + "é", "ééé"),
        (bytewise("Ã©"), "Ã©"),  # typed so, for once
        (bytewise("CAFÉ»") + " É", "CAFÉ» É"),
        ("é", "é"),
        ("\xe2\x82 half", "\xe2\x82 half"),
        ("\xed\xa0\x80 no character", "\xed\xa0\x80 no character"),
        ("plain", "plain"),
        ("real — dash", "real — dash"),
    ],
)
def test_escaped_bytes_become_what_they_spell_beside_what_is_real(tmp_path: Path, escaped: str, typed: str) -> None:
    assert repaired(escaped) == typed
    assert texts(items(tmp_path, post(escaped))) == [typed]


@pytest.mark.parametrize("typed", ["« LIBERTÉ» – É°", "café", "日本 é", "Straße"])
def test_an_export_without_the_fault_is_left_alone(tmp_path: Path, typed: str) -> None:
    assert texts(list(read(export(tmp_path, {NEW: [post(typed)]}, ascii_=False)))) == [typed]


def test_layouts_of_all_years(tmp_path: Path) -> None:
    for name, value in (
        ("posts/your_posts_1.json", [post("Hi.")]),
        ("facebook-ann/posts/your_posts.json", {"status_updates": [post("Hi.")]}),
        (NEW, [post("Hi.")]),
    ):
        archive = export(tmp_path, {name: value})
        assert recognises(archive)
        assert texts(list(read(archive))) == ["Hi."]


def test_posts_without_words_of_their_own(tmp_path: Path) -> None:
    link = {"external_context": {"url": "https://other.example"}}
    picture = {"media": {"uri": "posts/media/x.jpg", "description": "A cat."}}
    found = items(
        tmp_path,
        post(None, 1, [link]),
        post("", 2, [link]),
        post(None, 3),
        post("My view:", 4, [link, picture]),
        post(None, 5, [picture, picture, {"media": {"uri": "y.jpg"}}]),
        post(None, 6, [{"media": {"uri": "z.jpg", "description": ""}}]),
    )
    assert [(item.source_id, getattr(item, "text", ""), getattr(item, "reason", "")) for item in found] == [  # type: ignore[union-attr]
        ("post of 1", "", "reshare"),
        ("post of 2", "", "reshare"),
        ("post of 3", "", "reshare"),
        ("post of 4", "My view:", ""),
        ("post of 5", "A cat.", ""),
        ("post of 6", "", "empty"),
    ]


def test_comments_by_others_and_in_groups_are_left_out(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        comments=(
            comment("@[123:2048:Bea Day] I agree with @[5:Cy].", 1),
            comment("SECRET", 2, author="Bea"),
            comment("SECRET", 3, group="Our street"),
            comment("", 4),
        ),
    )
    assert texts(found) == ["I agree with Cy."]
    assert [item.reason for item in found if isinstance(item, Refusal)] == ["other_author", "private", "empty"]
    assert "SECRET" not in repr(found)


def test_two_posts_of_one_second_are_two_and_the_same_one_is_one(tmp_path: Path) -> None:
    found = items(tmp_path, post("One."), post("One."), post("Two."), post("Two."))
    assert texts(found) == ["One.", "Two."]
    assert len({item.source_id for item in found if isinstance(item, RawPost)}) == 2


def test_messages_and_other_people_are_never_opened(tmp_path: Path) -> None:
    files = {
        NEW: [post("Mine.")],
        "your_facebook_activity/messages/inbox/bea/message_1.json": {"messages": [{"content": "SECRET"}]},
        "your_facebook_activity/posts/posts_on_other_pages_and_profiles.json": [post("SECRET")],
        "your_facebook_activity/groups/your_comments_in_groups.json": {"group_comments_v2": [comment("SECRET")]},
        "logged_information/ip.json": "SECRET",
    }
    found = list(read(export(tmp_path, files)))
    assert (texts(found), "SECRET" in repr(found)) == (["Mine."], False)


def test_without_a_profile_the_archive_is_the_source(tmp_path: Path) -> None:
    archive = export(tmp_path, {NEW: [post("Mine.")]}, profile=False)
    assert [item.source for item in read(archive)] == [str(archive.path)]  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [b"[{", b"[" * 100_000, b'[{"timestamp": "\xff"}]', b"[" * 900 + b"]" * 899])
def test_a_damaged_file_imports_nothing(tmp_path: Path, content: bytes) -> None:
    archive = export(tmp_path, {"posts/your_posts_1.json": [post("Mine.")], "posts/your_posts_2.json": content})
    with pytest.raises(SourceError, match=r"your_posts_2\.json") as error:
        list(read(archive))
    assert error.value.hint


def test_a_missing_key_is_named_with_those_found(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='no "timestamp", only: data, time'):
        list(read(export(tmp_path, {NEW: [{"time": 1, "data": []}]})))


def test_odd_items_cost_themselves(tmp_path: Path) -> None:
    odd = {"timestamp": "soon", "data": [1, {"post": 2}], "attachments": [{"data": "x"}, 3]}
    found = items(tmp_path, odd, post("Fine.", 10**30), post("Yes."))
    assert texts(found) == ["Fine.", "Yes."]
    assert [item.date for item in found if isinstance(item, RawPost)] == [None, dt.date(2020, 9, 13)]


def test_other_json_is_not_recognised(tmp_path: Path) -> None:
    assert not recognises(export(tmp_path, {"posts/your_posts_1.html": "<p>", "comments/comments.json": "[]"}))
