"""Lists of posts in a folder of generated pages are no posts; a post is one wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_pipeline.sources import RawPost, Refusal, read
from tests.blog_server import PROSE, Blog, article, posts, reasons, sitemap, visit

NAMES = ("kettles", "pans", "ladles", "sieves")
MENU = "<header><h1><a href='/'>Ann</a></h1><nav><a href='/tags/'>Tags</a></nav></header>"


def page(title: str, body: str, head: str = "") -> str:
    return f"<!doctype html><html><head><title>{title} - Ann</title>{head}</head><body>{MENU}{body}</body></html>"


def entry(name: str, text: str = PROSE) -> str:
    """As most themes show a post among others."""
    return (
        f"<article><header><h2><a href='/posts/{name}/'>About {name}</a></h2></header><p>{text}</p>"
        f"<footer>In <a href='/tags/{name}/'>{name}</a></footer></article>"
    )


def found(folder: Path, **pages: str) -> tuple[list[str], list[tuple[str, str]]]:
    for name, html in pages.items():
        path = folder / name.replace("__", "/").replace("_html", ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html)
    items = list(read(str(folder)))
    kept = [item.source_id for item in items if isinstance(item, RawPost)]
    return kept, [(item.source_id, item.reason) for item in items if isinstance(item, Refusal)]


LISTS = {
    "entries with teasers": "<main><h1>Kitchen</h1>" + "".join(map(entry, NAMES)) + "</main>",
    "headings and paragraphs side by side": "<main>"
    + "".join(
        f"<h2><a href='../{name}.html'>About {name}</a></h2><p>{PROSE}</p><h3>More</h3><p>{PROSE}</p>" for name in NAMES
    )
    + "</main>",
    "links with dates": "<h1>Archive</h1><p>All that I wrote.</p><ul>"
    + "".join(f"<li>1 May 2020 <a href='/posts/{name}/'>About {name}</a></li>" for name in NAMES)
    + "</ul>",
    "cards that are links": "".join(
        f"<a class=card href='/posts/{name}/'><div class=card-title>About {name}</div></a><div>2020</div>"
        for name in NAMES
    ),
    "absolute links": "<link rel=alternate href='https://ann.example/feed'>"
    + "".join(f"<div class=post-title><a href='https://ann.example/{name}'>About {name}</a></div>" for name in NAMES),
}


@pytest.mark.parametrize("body", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("name", ["tags__kitchen_html", "kitchen__page__2__index_html", "index_html", "kitchen_html"])
def test_a_list_is_no_post_whatever_it_is_called(tmp_path: Path, body: str, name: str) -> None:
    kept, refused = found(tmp_path, **{name: page("Kitchen", body)})
    assert (kept, [reason for _, reason in refused]) == ([], ["not_an_article"])


@pytest.mark.parametrize("folder", ["tags", "category", "author", "archives/2020"])
def test_a_list_of_one_is_told_by_where_it_lies(tmp_path: Path, folder: str) -> None:
    body = f"<aside id=featured>{entry('kettles')}</aside>"
    kept, refused = found(tmp_path, **{f"{folder}/k_html": page("Kitchen", body)})
    assert (kept, refused) == ([], [(f"{folder}/k.html", "not_an_article")])


POSTS = {
    "as it is": f"<h1>On tags</h1><p>{PROSE}</p>",
    "its title leads to itself": f"<article><h1><a href='./on-tags.html'>On tags</a></h1><p>{PROSE}</p></article>",
    "or to where it was published": f"<article><h1><a href='/2020/on-tags/'>On tags, again</a></h1><p>{PROSE}</p></article>",
    "others are named after it": f"<article><h1>On tags</h1><p>{PROSE * 5}</p></article>" + "".join(map(entry, NAMES)),
    "beside others in a sidebar": f"<h1>On tags</h1><p>{PROSE}</p><div class=sidebar>{''.join(map(entry, NAMES))}</div>",
    "cards of what to read next": f"<main><article><h1>On tags</h1><p>{PROSE}</p></article><h2>Read next</h2>"
    + "".join(f"<div class=card><h3><a href='/{n}/'>About {n}</a></h3><p>{PROSE}</p></div>" for n in NAMES)
    + "</main>",
    "a poem between others": "<h1>On tags</h1>"
    + "".join(f"<p>{line}</p>" for line in PROSE.split(". "))
    + "<p><a href='/pans/'>Older: About pans</a></p><p><a href='/sieves/'>Newer: About sieves</a></p>",
    "links to other people's": "<h1>Links</h1>"
    + "".join(f"<h2><a href='https://{name}.example/a'>About {name}</a></h2><p>{PROSE}</p>" for name in NAMES),
    "links to its own sections": "".join(f"<h2 id={n}><a href='#{n}'>About {n}</a></h2><p>{PROSE}</p>" for n in NAMES),
    "parts of a series": "<ul>"
    + "".join(f"<li><a href='/{n}/'>Part {n}</a></li>" for n in NAMES)
    + f"</ul><p>{PROSE}</p>",
}


@pytest.mark.parametrize("body", POSTS.values(), ids=POSTS.keys())
@pytest.mark.parametrize("name", ["tags__on-tags_html", "on-tags_html"])
def test_a_post_is_one_wherever_it_lies(tmp_path: Path, body: str, name: str) -> None:
    kept, refused = found(tmp_path, **{name: page("On tags, again", body)})
    assert (len(kept), refused) == (1, [])


def test_a_file_that_is_named_by_itself_is_read_whatever_it_holds(tmp_path: Path) -> None:
    found(tmp_path, kitchen_html=page("Kitchen", LISTS["entries with teasers"]))
    (refused,) = (item for item in read(str(tmp_path)) if isinstance(item, Refusal))
    assert "give the file itself" in refused.detail
    (post, _) = read(str(tmp_path / "kitchen.html"))
    assert isinstance(post, RawPost)
    assert "mending the kettle" in post.text


def test_what_says_that_it_is_an_article_is_believed(tmp_path: Path) -> None:
    said = "<meta property='og:type' content='article'>"
    kept, _ = found(tmp_path, tags__best_html=page("The best", "".join(map(entry, NAMES)), said))
    assert kept == ["tags/best.html"]


def test_a_sitemap_may_list_lists_with_long_beginnings() -> None:
    blog = Blog()
    blog["/"] = "<html><body>Hi</body></html>"
    blog["/sitemap.xml"] = sitemap("/kettles", "/kitchen/")
    blog["/kettles"] = article("Kettles")
    blog["/kitchen/"] = page("Kitchen", "".join(map(entry, NAMES)))
    items = visit(blog.url)
    blog.close()
    assert [post.title for post in posts(items)] == ["Kettles"]
    assert reasons(items) == [(f"{blog.url}/kitchen/", "not_an_article")]
