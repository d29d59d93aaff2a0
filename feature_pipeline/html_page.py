"""A whole HTML page → its article as Markdown, and the facts about it. Runs in the parser's child process.

trafilatura finds the article. It also drops blank lines in code, the bars of quotations and emoji joiners, so those are
kept out of its sight and put back: what the author typed is the voice.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

from lxml.html import HtmlElement, HTMLParser, document_fromstring

from feature_pipeline.html_markdown import SKIP, prune, to_markdown
from feature_pipeline.liquid import from_html

PAGE = re.compile(r"<!doctype\s+html|<(?:html|head|body|frameset)\b|\A\s*<title\b", re.IGNORECASE)
FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
FEED_LINK = re.compile(r"(?:^|/)(?:feed|rss|atom|index)(?:\.xml|\.json|\.rss|\.atom|/)?$", re.IGNORECASE)
ARTICLE_TYPES = re.compile(r'"@type"\s*:\s*(?:\[\s*)?"(?:Article|BlogPosting|NewsArticle|SocialMediaPosting)"')
CHROME = frozenset(("nav", "header", "footer", "aside", "form", "dialog"))
# Not the author's words, though inside the article: names that themes give to comments and to what invites a click.
OTHERS = re.compile(
    r"(?:^|[\s_-])(?:comments?|respond|disqus|webmentions?|related|share|sharing|social|sidebar|newsletter|subscribe"
    r"|breadcrumbs?|pagination|pager)(?:[\s_-]|$)",
    re.IGNORECASE,
)
# Printable, or trafilatura drops them; no one writes them.
BREAK, JOIN, PART = "⸨br⸩", "⸨zwj⸩", "⸨zwnj⸩"


def markdown(html: str) -> str:
    """The article of a page; the whole of a fragment, of which trafilatura lost 2 % of the words, and of one 47 %."""
    whole = PAGE.search(html)
    # A page that shows template tags shows them to its readers; a fragment may be a template.
    root = parse(html if whole else from_html(html))
    if root is None:
        return ""
    prune(root)
    if not whole:
        return to_markdown(root)
    marked = root.findall(".//article") or root.findall(".//main")
    region = to_markdown(_without_chrome(marked[0] if len(marked) == 1 else root))
    article = _article(root)
    # A post of one sentence is too short for trafilatura to see; a page that marks its article is believed over it.
    missed = len(article.split()) < len(region.split()) / 2 if len(marked) == 1 else not article
    return region if missed else article


def facts(html: str, url: str | None = None) -> dict[str, Any]:
    """What the page says about itself; the keys are those of `parser.Facts`."""
    root = parse(html)
    if root is None:
        return {}
    links = {name: _links(root, find, url) for name, find in (("canonical", _canonical), ("feeds", _feeds))}
    found: dict[str, Any] = _metadata(root)
    found["url"] = next((link for link in links["canonical"] if link.startswith(("http://", "https://"))), None)
    found["feeds"] = links["feeds"]
    og_type = "".join(root.xpath("//meta[@property='og:type']/@content")[:1]).strip().lower()
    structured = any(ARTICLE_TYPES.search(node.text or "") for node in root.iter("script"))
    found["article"] = og_type == "article" or structured or len(root.findall(".//article")) == 1
    found["password"] = bool(root.xpath("//input[@type='password']"))
    prune(root)
    body = root.find("body")
    words = " ".join(_visible(root if body is None else body)).split()
    found["words"], found["opening"] = len(words), " ".join(words[:300])
    found["link_words"] = sum(len((link.text_content() or "").split()) for link in root.iter("a"))
    return found


def parse(html: str) -> HtmlElement | None:
    """Bytes in a known encoding, so that a wrong <meta charset> or an XML declaration changes nothing."""
    data = html.replace("\0", "").encode("utf-8", "ignore")
    try:
        return document_fromstring(data, parser=HTMLParser(encoding="utf-8", no_network=True, huge_tree=False))
    except (ValueError, SyntaxError):  # lxml: an empty document
        return None


def _article(root: HtmlElement) -> str:
    import trafilatura
    from lxml.html import tostring

    kept = _shield(root)
    found = trafilatura.extract(
        tostring(root, encoding="unicode"),
        output_format="markdown",
        favor_precision=True,
        include_formatting=True,
        include_links=False,
        include_tables=True,
        include_comments=False,
        with_metadata=False,
    )
    return _unshield(found or "", kept)


def _without_chrome(part: HtmlElement) -> HtmlElement:
    part = copy.deepcopy(part)
    for element in list(part.iterdescendants()):
        if element.tag in CHROME or OTHERS.search(f"{element.get('id', '')} {element.get('class', '')}"):
            element.drop_tree()
    return part


def _shield(root: HtmlElement) -> list[str]:
    """Marks what trafilatura would flatten; returns the Markdown of each marked block."""
    kept: list[str] = []
    for element in list(root.iter("pre", "blockquote")):
        if next(element.iterancestors("pre", "blockquote"), None) is None:
            block = to_markdown(element)
            if element.tag == "pre":
                code = (element.text_content() or "").replace("`", "'")
                for child in list(element):
                    element.remove(child)
                element.text = code
            slots = [(node, name) for node, name in _texts(element) if (getattr(node, name) or "").strip()]
            if block and slots:
                (first, at_first), (last, at_last) = slots[0], slots[-1]
                setattr(first, at_first, f"⸨{len(kept)}⸩\n{getattr(first, at_first)}")
                setattr(last, at_last, f"{getattr(last, at_last)}\n⸨/{len(kept)}⸩")
                kept.append(block)
    # In a <div> a <br> may stand for a paragraph, and trafilatura knows how to tell.
    for br in [br for br in root.iter("br") if br.getparent().tag in ("p", "li", "td", "dd", "h1", "h2", "h3")]:
        br.tail = BREAK + (br.tail or "")
        br.drop_tag()
    for raised in list(root.iter("sup", "sub")):  # trafilatura writes these as tags
        raised.drop_tag()
    _replace(root, {"\u200d": JOIN, "\u200c": PART})
    return kept


def _unshield(text: str, kept: list[str]) -> str:
    def block(match: re.Match[str]) -> str:
        return f"\n\n{kept[int(match[1])]}\n\n"

    text = re.sub(rf" *{BREAK} *", "\n", text).replace(JOIN, "\u200d").replace(PART, "\u200c")
    text = re.sub(r"\s*(?:`{1,3}[^\n`]*\n?)?⸨(\d+)⸩.*?⸨/\1⸩(?:\s*`{1,3})?\s*", block, text, flags=re.DOTALL)
    return re.sub(r"⸨/?\d+⸩\s?", "", text).strip()


def _texts(element: HtmlElement) -> Iterator[tuple[HtmlElement, str]]:
    """Where text hangs inside an element, in reading order."""
    yield element, "text"
    for child in element:
        yield from _texts(child)
        yield child, "tail"


def _replace(root: HtmlElement, changes: dict[str, str]) -> None:
    for node, name in _texts(root):
        value = getattr(node, name)
        if value:
            for old, new in changes.items():
                value = value.replace(old, new)
            setattr(node, name, value)


def _metadata(root: HtmlElement) -> dict[str, Any]:
    import trafilatura

    # extensive_search guesses a date from any number in the text: no date is better.
    found = trafilatura.extract_metadata(root, date_config={"original_date": True, "extensive_search": False})
    return {"title": _title(root, found.title or ""), "date": found.date, "author": found.author}


def _title(root: HtmlElement, found: str) -> str:
    """trafilatura takes a lone <h1>; outside the article that is often the blog's name, and <title> knows better."""
    title = " ".join((root.findtext(".//title") or "").split())
    in_article = root.xpath("//article//h1 | //main//h1")
    named = root.xpath("//meta[@property='og:title']/@content")
    if not title or named or in_article or found.casefold() in title.casefold():
        return found or title
    return title.split(" | ")[0]


def _canonical(root: HtmlElement) -> list[str]:
    return [str(link) for link in root.xpath("//link[contains(concat(' ', @rel, ' '), ' canonical ')]/@href")]


def _feeds(root: HtmlElement) -> list[str]:
    """Feeds that the page names, not those of comments; else links that look like one."""
    named = [
        link.get("href", "")
        for link in root.xpath("//link[contains(concat(' ', @rel, ' '), ' alternate ')]")
        if link.get("type", "").split(";")[0].strip().lower() in FEED_TYPES
        and "comment" not in (link.get("href", "") + link.get("title", "")).lower()
    ]
    linked = [str(href) for href in root.xpath("//a/@href") if FEED_LINK.search(str(href).split("?")[0])]
    return [link for link in named or linked if not link.endswith(("index", "index/"))]


def _links(root: HtmlElement, find: Callable[[HtmlElement], list[str]], url: str | None) -> list[str]:
    base = urljoin(url or "", "".join(root.xpath("//base/@href")[:1]).strip())
    found = []
    for link in find(root):
        try:
            found.append(urljoin(base, link.strip()))
        except ValueError:  # such as an unclosed [ in a host
            continue
    return list(dict.fromkeys(found))


def _visible(root: HtmlElement) -> Iterator[str]:
    for element in root.iter():
        if element.tag not in SKIP and element.text:
            yield element.text
        if element.tail:
            yield element.tail
