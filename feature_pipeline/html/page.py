"""A whole HTML page → its article as Markdown, and the facts about it. Runs in the parser's child process.

article.py finds the article and facts.py what is stated about it; this parses the page, once for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml.etree import ElementDefaultClassLookup, LxmlError
from lxml.html import HtmlComment, HtmlElement, HTMLParser, HtmlProcessingInstruction, document_fromstring

from feature_pipeline.html.article import article, length
from feature_pipeline.html.chrome import without_chrome
from feature_pipeline.html.facts import stated
from feature_pipeline.html.listing import is_listing
from feature_pipeline.html.markdown import SKIP, prune, to_markdown
from feature_pipeline.html.older import row_of
from feature_pipeline.liquid import from_html

PAGE = re.compile(r"<!doctype\s+html|<(?:html|head|body|frameset)\b|\A\s*<title\b", re.IGNORECASE)
FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
# No XML can hold them, so that trafilatura gives a page up where one stands in its text; two of them are white space.
CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\ufffe\uffff]")
# Browsers read on behind them; libxml2 takes the page for an empty one.
CLOSED_AT_ONCE = re.compile(r"(<(?:!doctype|html|head|body)\b[^<>]*)/>", re.IGNORECASE)
OPENING = 20_000  # characters that may hold them
FEED_LINK = re.compile(r"(?:^|/)(?:feed|rss|atom|index)(?:\.xml|\.json|\.rss|\.atom|/)?$", re.IGNORECASE)
ARTICLE_TYPES = re.compile(r'"@type"\s*:\s*(?:\[\s*)?"(?:Article|BlogPosting|NewsArticle|SocialMediaPosting)"')
# lxml.html asks Python for the class of every element that is met; no form needs a class of its own here.
CLASSES = ElementDefaultClassLookup(element=HtmlElement, comment=HtmlComment, pi=HtmlProcessingInstruction)


def markdown(html: str) -> str:
    """The article of a page; the whole of a fragment, of which trafilatura lost 2 % of the words, and of one 47 %."""
    root = _parsed(html)
    if root is None:
        return ""
    prune(root)
    return _written(html, root)


def facts(html: str, url: str | None = None) -> dict[str, Any]:
    """What the page says about itself; the keys are those of `parser.Facts`."""
    root = parse(html)
    return {} if root is None else _facts(root, url)


def page(html: str, url: str | None = None) -> tuple[str, dict[str, Any]]:
    """`markdown` and `facts` of a page that is parsed once."""
    root = _parsed(html)
    if root is None:
        return "", {}
    found = _facts(root, url)
    return _written(html, root), found


def _parsed(html: str) -> HtmlElement | None:
    """A page that shows template tags shows them to its readers; a fragment may be a template."""
    return parse(html if PAGE.search(html) else from_html(html))


def _written(html: str, root: HtmlElement) -> str:
    return _article(root) if PAGE.search(html) else to_markdown(root)


def _facts(root: HtmlElement, url: str | None) -> dict[str, Any]:
    """Leaves `root` as `prune` does."""
    older, in_a_row = row_of(root, url)
    stands = {
        **{"canonical": _canonical(root), "feeds": _feeds(root), "own": _own(root), "older": older},
        "all": [link.get("href", "") for link in root.iter("a")] if in_a_row else [],
    }
    base = urljoin(url or "", "".join(root.xpath("//base/@href")[:1]).strip())
    links = {name: _joined(base, found) for name, found in stands.items()}
    found = stated(root, url)
    found["older"], found["links"] = "".join(links["older"][:1]), links["all"]
    found["url"] = next((link for link in links["canonical"] if link.startswith(("http://", "https://"))), None)
    found["feeds"] = links["feeds"]
    og_type = "".join(root.xpath("//meta[@property='og:type']/@content")[:1]).strip().lower()
    structured = sum(len(ARTICLE_TYPES.findall(node.text or "")) for node in root.iter("script"))
    found["article"] = og_type == "article" or structured > 0 or len(root.findall(".//article")) == 1
    found["password"] = bool(root.xpath("//input[@type='password']"))
    prune(root)
    body = root.find("body")
    words = " ".join(_visible(root if body is None else body)).split()
    found["words"], found["opening"] = len(words), " ".join(words[:300])
    told = og_type == "article" or structured == 1  # a list may describe each of its posts
    found["listing"] = not told and is_listing(root, url, _hosts(links, url))
    found["link_words"] = sum(len((link.text_content() or "").split()) for link in root.iter("a"))
    return found


def _hosts(links: dict[str, list[str]], url: str | None) -> set[str]:
    """Of the page itself, as it and its links to feeds say."""
    named = [url or "", *links["canonical"], *links["own"]]
    return {(urlsplit(link).hostname or "").removeprefix("www.") for link in named} - {""}


def parse(html: str) -> HtmlElement | None:
    """Bytes in a known encoding, so that a wrong <meta charset> or an XML declaration changes nothing."""
    html = CLOSED_AT_ONCE.sub(r"\1>", html[:OPENING]) + html[OPENING:]
    data = CONTROLS.sub("", html.replace("\v", " ").replace("\f", " ")).encode("utf-8", "ignore")
    parser = HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    parser.set_element_class_lookup(CLASSES)
    try:
        return document_fromstring(data, parser=parser)
    except (ValueError, LxmlError):  # an empty document, or one of comments alone
        return None


def _article(root: HtmlElement) -> str:
    """A post of one sentence is too short to be found; a page that marks its article is believed over what was found."""
    marked = root.findall(".//article") or root.findall(".//main")
    region = without_chrome(marked[0]) if len(marked) == 1 else None
    enough = 1 if region is None else length(region) // 2
    return article(root, enough) or to_markdown(without_chrome(root) if region is None else region)


def _canonical(root: HtmlElement) -> list[str]:
    return [str(link) for link in root.xpath("//link[contains(concat(' ', @rel, ' '), ' canonical ')]/@href")]


def _own(root: HtmlElement) -> list[str]:
    """What a page says of where it is, beside its canonical address: its feeds, else its first link, which leads home."""
    named = root.xpath(
        "//link[contains(concat(' ', @rel, ' '), ' alternate ')]/@href | //meta[@property='og:url']/@content"
    )
    return list(map(str, named or root.xpath("(//a[starts-with(@href, 'http')])[1]/@href")))


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


def _joined(base: str, links: list[str]) -> list[str]:
    found = []
    for link in links:
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
