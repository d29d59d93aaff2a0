"""The bytes of one file → a post, by the ending of its name."""

from __future__ import annotations

from pathlib import PurePath

from feature_pipeline.html.parser import Facts, ParseError, page
from feature_pipeline.sources import Found, RawPost, Refusal
from feature_pipeline.sources.files import not_public, notion
from feature_pipeline.sources.files.front_matter import BadFrontMatterError, FrontMatter, from_values, split
from feature_pipeline.sources.files.headings import date_of_name, split_title, title_of_name
from feature_pipeline.sources.text import decode, web_address

MARKDOWN = frozenset((".md", ".markdown", ".mdown", ".mdx", ".qmd", ".dj"))
HTML = frozenset((".html", ".htm"))
TEXT = frozenset((".txt",))
ORG = frozenset((".org",))
RST = frozenset((".rst",))
TEXTS = MARKDOWN | HTML | TEXT | ORG | RST
MAX_BYTES = 5_000_000
A_LIST = "it lists posts, which are read where each stands; to read it all the same, give the file itself"


def from_bytes(data: bytes, path: PurePath, source: str, source_id: str, vault: bool = False) -> Found:
    """`data` is up to one byte more than the limit."""
    if len(data) > MAX_BYTES:
        return Refusal(source, source_id, "too_large", f"over {MAX_BYTES:,} bytes")
    text = decode(data)
    if text is None:
        return Refusal(source, source_id, "not_text", "its bytes are those of another kind of file")
    if why := not_public.told(text, path):
        return Refusal(source, source_id, *why)
    return from_text(text, path, source, source_id, vault)


def from_text(text: str, path: PurePath, source: str, source_id: str, vault: bool = False) -> Found:
    """The post in a text that is called `path`; in a vault, Markdown is Obsidian's."""
    kind = path.suffix.lower()
    try:
        front, body, has_front = _org(text) if kind in ORG else _rst(text) if kind in RST else split(text)
        if kind in MARKDOWN and notion.is_page(path) and not has_front:
            (front, body), path = notion.split(text), notion.without_id(path)
        if front.is_template:
            return Refusal(
                source, source_id, "not_a_post", f"a template that posts are made from: it is called {front.title}"
            )
        if front.draft:
            return Refusal(source, source_id, "draft", front.draft)
        if not body.strip():
            return Refusal(source, source_id, "empty")
        if kind in HTML:
            return _html(path, source, source_id, front, body, has_front)
    except BadFrontMatterError as error:
        return Refusal(source, source_id, "bad_front_matter", str(error))
    except ParseError as error:
        return Refusal(source, source_id, "quarantined", str(error))
    markup, title = "html" if kind in RST else "plain", front.title
    if kind in MARKDOWN | ORG:
        markup = "markdown"
        title, body = split_title(_markdown(body, kind, vault), title)
        if not body.strip():
            return Refusal(source, source_id, "empty", "a title and nothing else")
    date = front.date or date_of_name(path)
    return RawPost(source, source_id, title or title_of_name(path), date, front.url, body, markup, front.author)


def _markdown(body: str, kind: str, vault: bool) -> str:
    if kind == ".mdx":
        from feature_pipeline.sources.files import mdx

        return mdx.to_markdown(body)
    if kind not in ORG and (vault or "[[" in body):
        from feature_pipeline.sources.files import obsidian

        return obsidian.to_markdown(body) if vault or obsidian.tells(body) else body
    return body


def _org(text: str) -> tuple[FrontMatter, str, bool]:
    from feature_pipeline.sources.files.org import from_org

    keywords, body = from_org(text)
    draft = keywords.get("draft") or keywords.get("hugo_draft", "")
    return from_values({**keywords, "draft": "true" if draft.lower() == "t" else draft}), body, bool(keywords)


def _rst(text: str) -> tuple[FrontMatter, str, bool]:
    from feature_pipeline.sources.files import documents

    html, values = documents.rst(text)
    hidden = {"draft", "private"} & {tag.strip() for tag in values.get("tags", "").split(",")}  # as Nikola had it once
    return from_values({**values, "status": next(iter(hidden), values.get("status", ""))}), html, True


def _html(path: PurePath, source: str, source_id: str, front: FrontMatter, body: str, has_front: bool) -> Found:
    """Jekyll's HTML posts have front matter and a fragment for a body; other pages speak for themselves."""
    is_body = has_front and front.title
    text, said = (body, Facts()) if is_body else page(body, path.as_posix())
    if said.listing and source != str(path):  # one that was named by itself is meant
        return Refusal(source, source_id, "not_an_article", A_LIST)
    return RawPost(
        source,
        source_id,
        title=front.title or said.title or title_of_name(path),
        date=front.date or said.date or date_of_name(path),
        url=front.url or web_address(said.url),
        text=text,
        markup="html" if is_body else "article",
        author=front.author or said.author,
    )
