"""Private pages and chats that lie in a folder as posts do: none of their words is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import read
from tests.blog_server import posts, reasons
from tests.export_samples import folder, packed

WORDS = "THEIRS are you coming to the house on Sunday for the dinner that we talked about?"
PAGES = {
    "messages/inbox/bob_1/message_1.html": f'<div class="pam _3-95 _2ph- _a6-g uiBoxWhite noborder">{WORDS}</div>',
    "messages/inbox/eve_1/message_1.html": f'<div class="pam _3-95 _2pi0 _2lej uiBoxWhite noborder">{WORDS}</div>',
    "profile/profile_information.html": f'<html><body class="_5vb_ _2yq">{WORDS}</body></html>',
    "messages.html": f'<div class="page_body chat_page"><div class="history">{WORDS}</div></div>',
    "My Activity/MyActivity.html": f'<div class="outer-cell mdl-cell mdl-cell--12-col">{WORDS}</div>',
}
CHAT = "1/13/24, 9:05 AM - Tap to learn more.\n1/13/24, 9:06 AM - Ann: Hello\n1/13/24, 9:07 AM - Bob: THEIRS\n"


@pytest.mark.parametrize("as_zip", [True, False])
def test_pages_of_an_export_as_html_are_private(tmp_path: Path, as_zip: bool) -> None:
    files: dict[str, str | bytes] = {**PAGES, "own.html": "<h1>Tea</h1><p>My own words about tea.</p>"}
    found = list(read(str(packed(tmp_path / "a.zip", files) if as_zip else folder(tmp_path / "a", files))))
    assert dict(reasons(found)) == dict.fromkeys(PAGES, "private")
    assert [post.source_id for post in posts(found)] == ["own.html"]
    assert "THEIRS" not in repr(found)


def test_chats_among_texts_are_private_whatever_they_are_called(tmp_path: Path) -> None:
    diary = "2024-01-13 9:05 - Went out.\nIt rained.\n2024-01-14 9:05 - Stayed in.\n"
    files: dict[str, str | bytes] = {"bob.txt": CHAT, "eve.txt": CHAT.replace("\n", "\r\n"), "diary.txt": diary}
    found = list(read(str(folder(tmp_path, files))))
    assert dict(reasons(found)) == {"bob.txt": "private", "eve.txt": "private"}
    assert [post.source_id for post in posts(found)] == ["diary.txt"]
    assert "THEIRS" not in repr(found)
    assert [post.text for post in posts(list(read(f"{tmp_path / 'bob.txt'}#Ann")))] == ["Hello"]


def test_drafts_in_a_part_of_an_export_are_no_posts(tmp_path: Path) -> None:
    page = '<article class="h-entry"><h1 class="p-name">T</h1><section data-field="body">Words.</section></article>'
    found = list(read(str(folder(tmp_path / "medium/posts", {"draft_T-1.html": page, "2024-01-02_T-2.html": page}))))
    assert dict(reasons(found)) == {"draft_T-1.html": "draft"}
    assert [post.source_id for post in posts(found)] == ["2024-01-02_T-2.html"]
    root = folder(
        tmp_path / "substack", {"posts.csv": "post_id,is_published\n1.t,false\n", "posts/1.t.html": "<p>T</p>"}
    )
    with pytest.raises(SourceError, match="says what is a draft"):
        list(read(str(root / "posts")))
