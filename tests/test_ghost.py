"""Ghost: exports of all its editors, saved answers, and a site on loopback that answers as Ghost does."""

from __future__ import annotations

import datetime as dt
import json
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, RawPost
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms import ghost
from feature_pipeline.sources.platforms.ghost_html import from_lexical, from_mobiledoc, only_markdown
from feature_pipeline.sources.web.fetch import Fetcher
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, Runs, posts, reasons
from tests.export_samples import read_by

read = partial(read_by, ghost)

KEY = "22444f78447824223cefc48062"


def post(number: int, **values: Any) -> dict[str, Any]:
    return {
        "id": f"5f{number:022x}",
        "title": f"Post {number}",
        "slug": f"post-{number}",
        "html": f"<p>Words of {number}.</p>",
        "status": "published",
        "type": "post",
        "visibility": "public",
        "published_at": "2021-03-04T23:30:00.000Z",
        **values,
    }


def export(path: Path, *rows: dict[str, Any], **tables: Any) -> Path:
    data = {"posts": list(rows), "settings": [{"key": "title", "value": "Ann’s notes"}], **tables}
    path.write_text(json.dumps({"db": [{"meta": {"exported_on": 1, "version": "5.82.0"}, "data": data}]}))
    return path


def test_a_post_is_told_whole(tmp_path: Path) -> None:
    row = post(1, html='<p>Café 👩‍🚀 <a href="__GHOST_URL__/x/">x</a></p>', canonical_url="https://ann.example/1/")
    found = read(
        export(
            tmp_path / "ann.ghost.2024.json",
            row,
            users=[{"id": "1", "name": "Ann"}, {"id": "2", "name": "Bob"}],
            posts_authors=[
                {"post_id": row["id"], "author_id": "2", "sort_order": 1},
                {"post_id": row["id"], "author_id": "1", "sort_order": 0},
            ],
            settings=[{"key": "title", "value": "Ann’s notes"}, {"key": "timezone", "value": "Europe/Berlin"}],
        )
    )
    assert found == [
        RawPost(
            source="ghost",
            source_id=row["id"],
            title="Post 1",
            date=dt.date(2021, 3, 5),
            url="https://ann.example/1/",
            text='<p>Café 👩‍🚀 <a href="/x/">x</a></p>',
            markup="html",
            author="Ann, Bob",
            format="article",
        ),
        Complete(),
    ]


def test_only_what_was_published_is_a_post_and_the_authors_own_posts_for_members_are(tmp_path: Path) -> None:
    found = read(
        export(
            tmp_path / "a.json",
            post(1, status="draft", html="<p>secret</p>"),
            post(2, status="scheduled", html="<p>secret</p>"),
            post(3, status="sent"),
            post(4, visibility="paid"),
            post(5, visibility="members", type="page"),
            post(6, html="<p> </p>"),
            post(4),
        )
    )
    assert [int(found.source_id[2:], 16) for found in posts(found)] == [3, 4, 5]
    assert [(int(number[2:], 16), reason) for number, reason in reasons(found)] == [
        (1, "draft"),
        (2, "draft"),
        (6, "empty"),
        (4, "duplicate_id"),
    ]
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("said", "zone", "day"),
    [
        ("2021-03-04T23:30:00.000Z", None, dt.date(2021, 3, 4)),
        ("2021-03-04 23:30:00", "Asia/Tokyo", dt.date(2021, 3, 5)),
        ("2021-03-04T23:30:00.000-05:00", "Asia/Tokyo", dt.date(2021, 3, 4)),
        (1283780649000, "No/Where", dt.date(2010, 9, 6)),
        ("../../etc/passwd", "../../etc/passwd", None),
        (None, 7, None),
    ],
)
def test_the_day_is_the_blogs_own(tmp_path: Path, said: object, zone: object, day: dt.date | None) -> None:
    path = export(tmp_path / "a.json", post(1, published_at=said), settings=[{"key": "timezone", "value": zone}])
    assert [found.date for found in posts(read(path))] == [day]


def test_posts_and_users_of_an_old_blog_are_numbered_alike(tmp_path: Path) -> None:
    users = [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}]
    path = export(tmp_path / "a.json", post(1, id=1, author_id=2), post(2, id=2, author_id=1), users=users)
    assert [found.author for found in posts(read(path))] == ["Bob", "Ann"]


def test_all_shapes_are_read(tmp_path: Path) -> None:
    one = post(1, author_id=1)
    bare = {"meta": {"exported_on": 1, "version": "000"}, "data": {"posts": [one], "users": [{"id": 1, "name": "Ann"}]}}
    (tmp_path / "bare.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(bare).encode())
    (found, last) = read(tmp_path / "bare.json")
    assert isinstance(found, RawPost)
    assert (found.source, found.author, last) == ("ghost", "Ann", Complete())
    (tmp_path / "data.json").write_text(json.dumps({"data": {"posts": [one]}}))
    assert [found.title for found in posts(read(tmp_path / "data.json"))] == ["Post 1"]
    answer = {"posts": [{**one, "url": "https://www.ann.example/post-1/", "primary_author": None}], "meta": {}}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    (found,) = read(tmp_path / "answer.json")  # not complete, as it is a page of a list
    assert (found.source, getattr(found, "url", "")) == ("ghost", "https://www.ann.example/post-1/")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        packed.write(tmp_path / "bare.json", "ghost/content/data/bare.json")
        packed.writestr("ghost/content/images/a.json", "{}")
    assert read(tmp_path / "all.zip")[-1] == Complete()


def test_what_is_broken_is_said(tmp_path: Path) -> None:
    path = export(tmp_path / "a.json", post(1))
    path.write_text(path.read_text()[:-9])
    assert reasons(read(path)) == [("a.json", "damaged")]
    path.write_text('{"db": [{"meta": {"exported_on": 1}, "data": {"tags": [], "users": []}}]}')
    with pytest.raises(SourceError, match='no "posts", only: tags, users'):
        read(path)
    path.write_text(json.dumps({"db": [{"meta": {"exported_on": 1}, "data": {"posts": [1, None, post(2)]}}]}))
    assert [found.title for found in posts(read(path))] == ["Post 2"]


@pytest.mark.parametrize("text", ["", "[]", '{"posts": []}', '{"data": {"posts": [{"text": "x"}]}}', '{"db": 1}', "\0"])
def test_what_is_not_ghosts_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert not ghost.recognises(Archive(tmp_path / "x.json"))


# The editors


def lexical(*nodes: object) -> str:
    return json.dumps({"root": {"type": "root", "children": list(nodes)}})


def text(said: str, bits: int = 0) -> dict[str, object]:
    return {"type": "extended-text", "text": said, "format": bits}


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        ({"type": "paragraph", "children": [text("a < b "), text("bold", 1), text("both", 3)]}, None),
        ({"type": "extended-heading", "tag": "h3", "children": [text("H")]}, "<h3>H</h3>\n"),
        ({"type": "heading", "tag": "script", "children": [text("H")]}, "<h2>H</h2>\n"),
        ({"type": "extended-quote", "children": [text("Q")]}, "<blockquote>Q</blockquote>\n"),
        (
            {"type": "list", "tag": "ol", "children": [{"type": "listitem", "children": [text("one")]}]},
            "<ol><li>one</li>\n</ol>\n",
        ),
        (
            {
                "type": "paragraph",
                "children": [text("a"), {"type": "linebreak"}, {"type": "link", "children": [text("b")]}],
            },
            "<p>a<br>b</p>\n",
        ),
        (
            {"type": "codeblock", "code": "if a < b:\n\n  x", "language": "py"},
            '<pre><code class="language-py">if a &lt; b:\n\n  x</code></pre>\n',
        ),
        (
            {"type": "image", "src": "x.png", "alt": "A cat", "caption": "<i>My</i> cat"},
            "<div>A cat</div>\n<div><i>My</i> cat</div>\n",
        ),
        ({"type": "callout", "calloutText": "<p>Mind</p>", "calloutEmoji": "💡"}, "<div><p>Mind</p></div>\n"),
        ({"type": "toggle", "heading": "Why?", "content": "<p>So.</p>"}, "<div>Why?</div>\n<div><p>So.</p></div>\n"),
        ({"type": "markdown", "markdown": "One *two*\nthree\n\nfour"}, "<p>One *two*<br>\nthree</p>\n<p>four</p>\n"),
        ({"type": "bookmark", "metadata": {"title": "Theirs"}, "caption": "mine"}, "<div>mine</div>\n"),
        ({"type": "horizontalrule"}, "<hr>\n"),
        ({"type": "paywall"}, ""),
        ({"type": 7, "children": 8}, ""),
    ],
)
def test_lexical(node: dict[str, object], shown: str | None) -> None:
    bold = "<p>a &lt; b <strong>bold</strong><em><strong>both</strong></em></p>\n"
    assert from_lexical(lexical(node)) == (bold if shown is None else shown)


def test_mobiledoc() -> None:
    document = {
        "version": "0.3.1",
        "atoms": [["soft-return", "", {}]],
        "cards": [["code", {"code": "x < y"}], ["hr", {}], ["image", {"src": "a", "alt": "A cat"}], ["bookmark", {}]],
        "markups": [["strong"], ["a", ["href", "javascript:alert(1)"]], ["em"]],
        "sections": [
            [1, "h2", [[0, [], 0, "Head"]]],
            [1, "p", [[0, [], 0, "a "], [0, [0, 2], 1, "b"], [0, [], 1, "c"], [1, [], 0, 0], [0, [1], 1, "<d>"]]],
            [3, "ul", [[[0, [], 0, "one"]], [[0, [], 0, "two"]]]],
            *([10, number] for number in range(6)),
            [1, "aside", [[0, [], 0, "Said"]]],
            [2, "picture.png"],
        ],
    }
    assert from_mobiledoc(json.dumps(document)) == (
        "<h2>Head</h2>\n<p>a <strong><em>b</em>c</strong><br>&lt;d&gt;</p>\n<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n"
        "<pre><code>x &lt; y</code></pre>\n<hr>\n<div>A cat</div>\n<blockquote>Said</blockquote>\n"
    )


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", None, 7, '{"root": 1}', '{"sections": [[1], 2, [3, "ul", [4]], [10, "x"]]}']
)
def test_broken_documents_have_no_words(broken: object) -> None:
    assert from_lexical(broken) == ""
    assert from_mobiledoc(broken).replace("<ul>\n<li></li>\n</ul>\n", "") == ""


def test_a_document_nested_without_end_costs_nothing() -> None:
    node: dict[str, object] = text("deep")
    for _ in range(150):
        node = {"type": "link", "children": [node]}
    assert from_lexical({"root": {"children": [node]}}) == ""
    assert from_lexical('{"root":' + '{"children":[' * 50_000) == ""


def test_where_there_is_no_html_the_editors_document_is_read_and_plain_text_last(tmp_path: Path) -> None:
    markdown = json.dumps({"cards": [["markdown", {"markdown": "# Hi\n\nYou *there*"}]], "sections": [[10, 0]]})
    assert only_markdown(markdown) == "# Hi\n\nYou *there*"
    path = export(
        tmp_path / "a.json",
        post(1, html=None, lexical=lexical({"type": "paragraph", "children": [text("L")]})),
        post(2, html="", mobiledoc=json.dumps({"sections": [[1, "p", [[0, [], 0, "M"]]]]})),
        post(3, html=None, mobiledoc=markdown),
        post(4, html=None, lexical=None, mobiledoc="{", plaintext="P\n\np"),
    )
    assert [(found.text, found.markup) for found in posts(read(path))] == [
        ("<p>L</p>\n", "html"),
        ("<p>M</p>\n", "html"),
        ("# Hi\n\nYou *there*", "markdown"),
        ("P\n\np", "plain"),
    ]


# A live site


@pytest.fixture
def site() -> Iterator[Blog]:
    blog = Blog()
    put(blog, "pages", 1, {"pages": []})
    yield blog
    blog.close()


def put(blog: Blog, kind: str, page: int, answer: object, size: int = 100, status: int = 200) -> None:
    body = answer if isinstance(answer, str) else json.dumps(answer)
    path = f"/ghost/api/content/{kind}/?key={KEY}&limit={size}&page={page}&include=authors&formats=html"
    blog[path] = Reply(body, status)


def visited(blog: Blog) -> list[Item]:
    page = (
        '<meta name="generator" content="Ghost 5.82"><script defer src="https://cdn.example/portal.min.js" data-i18n="true"'
        f' data-ghost="{blog.url}/" data-key="{KEY}" data-api="{blog.url}/ghost/api/content/"></script>'
    )
    api = ghost.found_in(page, f"{blog.url}/")
    assert api == f"{blog.url}/ghost/api/content/?key={KEY}"
    with Fetcher(allow_private=True) as fetcher:
        return list(ghost.visit(Visit(fetcher), f"{blog.url}/about/", api))


def test_a_site_is_listed_page_by_page_and_what_is_behind_a_paywall_is_not(site: Blog) -> None:
    ann = {"authors": [{"name": "Ann"}], "url": "https://ann.example/x/", "access": True}
    more = {"pagination": {"page": 1, "limit": 50, "pages": 2, "next": 2}}  # fewer than were asked for
    put(site, "posts", 1, {"posts": [post(number, **ann) for number in range(50)], "meta": more})
    cut = {"visibility": "paid", "access": False, "html": "<p>The beginning…</p>"}
    put(site, "posts", 2, {
        "posts": [post(49), post(100, **cut), post(101, visibility="members", html=None), post(103, status=["draft"])]
    })  # fmt: skip
    put(site, "pages", 1, {"pages": [post(102, published_at="2021-03-04T23:30:00.000+09:00")]})
    found = visited(site)
    assert posts(found)[0] == RawPost(
        source="ghost",
        source_id=f"5f{0:022x}",
        title="Post 0",
        date=dt.date(2021, 3, 4),
        url="https://ann.example/x/",
        text="<p>Words of 0.</p>",
        markup="html",
        author="Ann",
        format="article",
    )
    assert [int(found.source_id[2:], 16) for found in posts(found)] == [*range(50), 102]
    assert [reason for _, reason in reasons(found)] == ["paywall", "paywall", "draft"]
    assert "beginning" not in str(found)
    assert found[-1] == Complete()


def test_what_the_cap_leaves_is_read_by_the_next_run(site: Blog) -> None:
    for page in range(1, 4):
        rows = [post(number) for number in range(100 * page, 100 * page + 100)]
        put(site, "posts", page, {"posts": rows, "meta": {"pagination": {"next": page + 1 if page < 3 else None}}})
    runs = Runs(ghost.visit, f"{site.url}/", f"{site.url}/ghost/api/content/?key={KEY}")
    first = runs.again(requests=2)
    second = runs.again()
    assert [len(posts(items)) for items in (first, second)] == [200, 300]
    assert posts(second)[0].source_id == post(300)["id"]
    assert (len(posts(runs.again())), reasons(second)) == (300, [])


def test_an_export_and_the_live_site_bring_the_same_posts_up_to_date(site: Blog, tmp_path: Path) -> None:
    """By ids that no other blog gives. Those before Ghost 1.0 begin with 1 in every blog: its title tells them apart."""
    put(site, "posts", 1, {"posts": [post(1), post(2), post(3, id=7)]})
    named = {
        (item.source, item.source_id) for item in posts(read(export(tmp_path / "a.json", *map(post, range(1, 9)))))
    }
    live = {(item.source, item.source_id) for item in posts(visited(site))}
    assert len(live & named) == 2
    assert live - named == {(f"ghost:127.0.0.1:{site.port}", "7")}
    assert [item.source for item in posts(read(export(tmp_path / "b.json", post(1, id=7))))] == ["ghost:Ann’s notes"]


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ("oops", 500, "server_error"),
        ('{"posts": [', 200, "bad_answer"),
        ({"errors": []}, 200, "bad_answer"),
        ({"posts": [post(number) for number in range(100)]}, 200, "bad_answer"),
        ({"errors": [{"message": "Unknown Content API Key"}]}, 401, "blocked_page"),
    ],
)
def test_a_page_that_fails_ends_the_listing_without_complete(
    site: Blog, answer: object, status: int, reason: str
) -> None:
    put(site, "posts", 1, {"posts": [post(number) for number in range(100)]})
    put(site, "posts", 2, answer, status=status)
    found = visited(site)
    assert len(posts(found)) == 100
    assert [reason for _, reason in reasons(found)] == [reason]
    assert KEY not in str(found)
    assert "/ghost/api/content/pages/" in site.asked[-1]  # the other list is read all the same
    assert Complete() not in found


def test_answers_that_are_too_large_are_asked_for_in_parts(site: Blog) -> None:
    put(site, "posts", 1, " " * 5_100_000)
    put(site, "posts", 1, {"posts": [post(number) for number in range(20)]}, size=20)
    put(site, "posts", 2, {"posts": []}, size=20)
    found = visited(site)
    assert len(posts(found)) == 20
    assert found[-1] == Complete()


@pytest.mark.parametrize(
    ("page", "api"),
    [
        (
            f"<script data-ghost='https://a.example/blog/' data-key='{KEY}'>",
            "https://a.example/blog/ghost/api/content/",
        ),
        (f'<script data-key="{KEY}" data-sodo-search="https://a.example/">', "https://a.example/ghost/api/content/"),
        (f'<script data-ghost="https://a.example/" data-key="{KEY}&x=1">', None),
        (f'<script data-ghost="javascript:x" data-key="{KEY}" data-api="javascript:x">', None),
        ('<meta name="generator" content="Ghost 5.8">', None),
        ('<script data-ghost="https://a.example/">', None),
    ],
)
def test_a_page_names_its_api(page: str, api: str | None) -> None:
    assert ghost.found_in(page, "https://a.example/") == (f"{api}?key={KEY}" if api else None)


# Real ones


@pytest.mark.real_data
def test_real_answers_and_exports(real_data: Path) -> None:
    folder = real_data / "export_ghostmigrate/packages"
    (found,) = read(folder / "mg-ghost-api/src/test/fixtures/posts.json")
    assert found == RawPost(
        source="ghost",
        source_id="5c7ece47da174000c0c5c6d7",
        title="Welcome",
        date=dt.date(2012, 11, 27),
        url="https://demo.ghost.io/welcome-short/",
        text="<p>👋 Welcome, it's great to have you here.</p>",
        markup="html",
        author="Ghost",
        format="article",
    )
    path = folder / "mg-json/test/fixtures/multi-post-only.json"
    many = read(path)
    assert [(found.source_id, found.title, found.date, found.author) for found in posts(many)] == [
        ("blog-post-title", "Blog Post Title", dt.date(2018, 8, 11), "Joe Bloggs"),
        ("another-post", "Another Post", dt.date(2018, 8, 10), "Joe Bloggs"),
        ("a-post-by-someone-else", "A post by someone else", dt.date(2018, 8, 10), "Jane doe"),
    ]
    assert {found.source for found in posts(many)} == {str(path)}
    assert posts(many)[0].url == "https://medium.com/space/testpost-efefef12121212"
    counts = {path.name: len(posts(read(path))) for path in sorted(path.parent.glob("single-*.json"))}
    assert counts == dict.fromkeys(counts, 1)
    assert len(counts) == 8
