"""What a whole HTML page states about its article: title, day of publication, author.

Stated, not guessed: structured data and <meta> first, then what a reader of the page sees. Knows no site by name.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from lxml.html import HtmlElement

from feature_pipeline.characters import letters
from feature_pipeline.html.article import titled
from feature_pipeline.html.byline import DAY, beside, host_of, one_line, people, signed
from feature_pipeline.sources.text import to_date

Node = dict[str, Any]

ARTICLE = re.compile(r"(?:Article|Posting|Report|Review|Recipe|Chapter)$")
MAX_JSON = 1_000_000
MAX_NODES = 2_000
TITLES = (
    *("dc.title", "dc:title", "dcterms.title", "dcterm:title", "og:title", "citation_title", "parsely-title"),
    *("sailthru.title", "headline", "twitter:title", "title"),
)
AUTHORS = (
    *("dc.creator", "dc:creator", "dcterms.creator", "dcterm:creator", "author", "article:author", "parsely-author"),
    *("sailthru.author", "citation_author", "byl", "authors", "creator", "og:author", "og:article:author"),
)
DATES = (
    *("article:published_time", "og:published_time", "og:article:published_time", "datepublished", "parsely-pub-date"),
    *("sailthru.date", "citation_publication_date", "citation_online_date", "dc.date.issued", "dcterms.issued"),
    *("dc.date.created", "dcterms.created", "dcterms.date", "dc.date", "dc:date", "dc:created", "article.published"),
    *("published_time", "published", "published-date", "publish_date", "publish-date", "publishdate", "pubdate"),
    *("pub_date", "publication_date", "article_date_original", "release_date", "originalpublicationdate", "date"),
)
SITES = ("og:site_name", "application-name", "apple-mobile-web-app-title", "twitter:site", "article:publisher")
# What stands between a title and the name of a site; a hyphen without spaces is part of a word.
BARS = re.compile(r"\s*[|｜·•»«]\s*|\s+::\s+|\s+/\s+")
DASHES = re.compile(r"\s+[-–—:~]\s+|\s+@\s+")
DATED = re.compile(
    r"(?:(?:first |originally )?(?:posted|published|written|date|created|on|by [^\d\n]{2,40}?)[\s:,|–—·-]*)*"
    rf"(?:[^\W\d]{{3,10}}\.?,? )?({DAY})\b[^\n]{{0,30}}",
    re.IGNORECASE,
)
# What Blogger, WordPress and microformats call the heading of a post; the <h1> may be the blog's.
HEADINGS = ("entry-title", "post-title", "p-name", "article-title", "post_title", "blog-post-title", "blog_post_title")
NAMED_HEADING = (
    "//*[self::h1 or self::h2 or self::h3]["
    + " or ".join(f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')" for name in HEADINGS)
    + " or @itemprop='headline']"
)
CHANGED = re.compile(r"updat|modif|edited|revis|change", re.IGNORECASE)
DAY_IN_ADDRESS = re.compile(r"/((?:19|20)\d\d)[/-](0?[1-9]|1[0-2])[/-](0?[1-9]|[12]\d|3[01])(?:[/-]|\b)")


def stated(root: HtmlElement, url: str | None = None) -> dict[str, Any]:
    """`title` (may be ""), `date` and `author` (may be None) of a page that has not been through `prune`."""
    nodes = list(_nodes(root))
    meta = _meta(root)
    names = _site_names(nodes, meta)
    hosts = _hosts(root, meta, url)
    called = [name for host in hosts for name in (host, host.rpartition(".")[0])]
    title = _title(root, nodes, meta, {*map(letters, names + called)} - {""})
    return {
        "title": title,
        "date": _date(root, nodes, meta, url),
        "author": _author(root, nodes, meta, {letters(title), *_no_person(names, nodes)}, hosts),
    }


def _nodes(root: HtmlElement) -> Iterator[Node]:
    """Each object of the structured data, articles first; an @id is replaced by what it names."""
    found: list[Node] = []
    for script in root.iter("script"):
        if script.get("type", "").split(";")[0].strip().lower() == "application/ld+json":
            found += _flat(_json(script.text or ""))
    named = {node["@id"]: node for node in found if isinstance(node.get("@id"), str) and len(node) > 1}
    for node in found:
        authors = node.get("author")
        if authors:
            listed = authors if isinstance(authors, list) else [authors]
            node["author"] = [named.get(str(one.get("@id")), one) if isinstance(one, dict) else one for one in listed]
    yield from sorted(found, key=lambda node: not _is_article(node))


def _json(text: str) -> Any:
    text = re.sub(r"\A\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*;?\s*\Z", "", text)
    try:
        return json.loads(text.strip().rstrip(";"), strict=False) if len(text) <= MAX_JSON else None
    except (ValueError, RecursionError):
        return None


def _flat(value: Any) -> Iterator[Node]:
    """Breadth first, so that a page's own article stands before what it refers to."""
    queue = [value]
    for place in range(MAX_NODES):
        if place >= len(queue):
            return
        one = queue[place]
        if isinstance(one, dict):
            yield one
            queue += [inner for inner in one.values() if isinstance(inner, (dict, list))]
        elif isinstance(one, list):
            queue += one


def _is_article(node: Node) -> bool:
    kinds = node.get("@type")
    return any(
        isinstance(kind, str) and ARTICLE.search(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])
    )


def _meta(root: HtmlElement) -> dict[str, list[str]]:
    """<meta> by the name, property or itemprop it has, in lower case; a property may hold several names."""
    found: dict[str, list[str]] = {}
    for element in root.iter("meta"):
        content = " ".join((element.get("content") or "").split())
        for attribute in ("property", "name", "itemprop"):
            for name in (element.get(attribute) or "").lower().split() if content else ():
                found.setdefault(name, []).append(content)
    return found


def _site_names(nodes: list[Node], meta: dict[str, list[str]]) -> list[str]:
    names = [name for key in SITES for name in meta.get(key, [])]
    return names + [name for node in nodes for name in _names(node.get("name")) if node.get("@type") == "WebSite"]


def _hosts(root: HtmlElement, meta: dict[str, list[str]], url: str | None) -> set[str]:
    """Of the page."""
    links = [url or "", *meta.get("og:url", []), *map(str, root.xpath("//link[@rel='canonical']/@href"))]
    return {host for link in links if (host := host_of(link))}


def _no_person(names: list[str], nodes: list[Node]) -> set[str]:
    """A blog may well be called after its author: its name is no person's if it is a firm's, a word, or "The …"."""
    firms = [node for node in nodes if "NewsMedia" in str(node.get("@type"))]
    firms += [node["publisher"] for node in nodes if isinstance(node.get("publisher"), dict)]
    taken = [name for firm in firms if firm.get("@type") != "Person" for name in _names(firm.get("name"))]
    taken += [name for name in names if len(name.split()) < 2 or name.casefold().startswith("the ")]
    return {letters(name) for name in taken}


def _title(root: HtmlElement, nodes: list[Node], meta: dict[str, list[str]], sites: set[str]) -> str:
    """The heading that the page shows, where structured data, <meta> or <title> agree that it is the title."""
    tag = " ".join((root.findtext(".//title") or "").split())
    structured = [
        str(node["headline"]) for node in nodes if _is_article(node) and isinstance(node.get("headline"), str)
    ]
    named = [title for key in TITLES for title in meta.get(key, [])]
    said = [plain for text in (*named[:1], *structured[:1], *named[1:], tag) if (plain := one_line(text))]
    said = [text for text in said if letters(text) not in sites] or said
    posts = set(_headings(root.xpath(NAMED_HEADING)))
    headings = _headings(list(root.iter("h1")))
    # A page of one post may be called after its blog in all else.
    agreed = any(letters(min(posts)) in letters(text) for text in said) if posts else False
    if len(posts) == 1 and (agreed or not (headings or named or structured)):
        return posts.pop()
    for heading in headings:
        short = letters(heading)
        if len(short) > 2 and short not in sites and any(_opens_or_ends(short, letters(text)) for text in said):
            return heading
    called = [_without_site(text, sites) for text in said]
    inside = _headings(root.xpath("//article//h1 | //main//h1"))
    only = inside[0] if len(inside) == 1 and not (named or structured) else ""
    if heading := _called(root, called, sites, only):
        return heading
    if not said and (shown := titled(root)):
        return shown
    if said and not only:
        return _without_site(said[0], sites)
    return next(iter(inside or headings), "") or (_without_site(tag, sites) if tag else "")


def _headings(elements: list[HtmlElement]) -> list[str]:
    """Without the sign that some generators put behind a heading, to link to it."""
    texts = (re.sub(r"\s*[¶§🔗]+$|\s+#$", "", one_line(element.text_content() or "")) for element in elements)
    return list(filter(None, texts))


def _called(root: HtmlElement, called: list[str], sites: set[str], only: str) -> str:
    """The article's <h1>, if reworded, or another heading: what an <h1> beside the article says may be a section, or
    the blog; what another heading says behind the article's <h1>, or in a link, is a section, or another post."""
    found, own = "", False
    for element in root.iter("h1", "h2", "h3"):
        heading = "".join(_headings([element]))
        inside = next(element.iterancestors("article"), None) is not None
        if not heading or letters(heading) in sites:
            continue
        if element.tag == "h1":
            own |= heading == only
            if any(_is_reworded(heading, title) for title in called):
                if inside:
                    return heading
                found = found or heading
        elif own or (found and not inside) or not any(_is_most(letters(heading), letters(title)) for title in called):
            continue
        elif not beside(element) and not _leads_away(element):
            return heading
    return found


def _leads_away(heading: HtmlElement) -> bool:
    """A sign that links to the heading itself says little."""
    links = [link for link in (*heading.iter("a"), *heading.iterancestors("a")) if link.get("href", "#")[:1] != "#"]
    most = len(letters(heading.text_content() or "")) / 2
    return any(len(letters(link.text_content() or "")) > most for link in links)


def _opens_or_ends(short: str, text: str) -> bool:
    """Whether a title is this heading, or this heading and a site's name."""
    return (text.startswith(short) and len(short) * 3 >= len(text)) or (
        text.endswith(short) and len(short) * 4 >= len(text) * 3
    )


def _is_most(short: str, text: str) -> bool:
    return short in text and len(short) * 4 >= len(text) * 3 > 0


def _is_reworded(heading: str, title: str) -> bool:
    """Whether a page shows this heading, and calls itself `title` for those who search: the author's words are shown."""
    short, long = sorted((letters(heading), letters(title)), key=len)
    words, others = (set(re.findall(r"\w{4,}", text.casefold())) for text in (heading, title))
    fewer = min(len(words), len(others))
    return (len(short) * 5 >= len(long) * 2 and short in long) or len(words & others) >= max(3, (fewer + 1) // 2)


def _without_site(title: str, sites: set[str]) -> str:
    for mark in (BARS, DASHES):
        parts = mark.split(title)
        if len(parts) < 2:
            continue
        last, first = list(mark.finditer(title))[-1], next(mark.finditer(title))
        if letters(parts[-1]) in sites:
            return _without_site(title[: last.start()], sites)
        if letters(parts[0]) in sites:
            return _without_site(title[first.end() :], sites)
        if mark is BARS and parts[0]:
            return parts[0]
    return title


def _date(root: HtmlElement, nodes: list[Node], meta: dict[str, list[str]], url: str | None) -> dt.date | None:
    """The day as it was written, in the author's own time zone."""
    said: list[object] = [node.get("datePublished") for node in nodes if _is_article(node)]
    said += [content for name in DATES for content in meta.get(name, [])]
    said += [node.get("datePublished") for node in nodes]
    return (
        _first_day(said)
        or _first_day(_times(root))
        or _day_in_address(root, meta, url)
        or _first_day(_written(root))
        or _last_resort(root)
    )


def _first_day(values: Iterable[object]) -> dt.date | None:
    for value in values:
        text = " ".join(value.split()) if isinstance(value, str) else ""
        day = to_date(text) or _worded(text)
        if day and dt.date(1990, 1, 1) <= day <= dt.date.today() + dt.timedelta(days=1):
            return day
    return None


def _worded(text: str) -> dt.date | None:
    found = re.search(DAY, text) if len(text) < 200 else None
    if not found:
        return None
    text = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|\bof ", "", found[0]).replace("Sept ", "Sep ").replace("Sept.", "Sep")
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    try:
        if len(numbers) == 3:
            year, month, day = numbers if numbers[0] > 31 else reversed(numbers)
            return dt.date(year, month, day)
    except ValueError:
        return None
    return to_date(re.sub(r"(?<=[^\W\d])\.|(?<=\d)\.", "", text))


def _times(root: HtmlElement) -> list[str]:
    """<time> and its microdata: those called published, then the first; never those of comments, or of a change."""
    places = root.xpath("//time | //*[@itemprop='datePublished'] | //abbr[contains(@class, 'published') and @title]")
    posts = [post for post in root.iter("article") if post.find(".//h1") is not None]
    if len(posts) == 1:
        places.sort(key=lambda place: posts[0] not in place.iterancestors())
    named: list[str] = []
    others: list[str] = []
    for place in places[:50]:
        about = " ".join(place.get(name) or "" for name in ("class", "itemprop", "id"))
        if (CHANGED.search(about) and "publi" not in about.lower()) or beside(place):
            continue
        value = place.get("datetime") or place.get("content") or place.get("title") or place.text_content() or ""
        is_named = "publi" in about.lower() or place.get("pubdate") is not None or "entry-date" in about
        (named if is_named else others).append(value)
    return named + others


def _day_in_address(root: HtmlElement, meta: dict[str, list[str]], url: str | None) -> dt.date | None:
    canonical = [str(link) for link in root.xpath("//link[@rel='canonical']/@href")]
    for link in [*canonical, *meta.get("og:url", []), url or ""]:
        found = DAY_IN_ADDRESS.search(link)
        day = _first_day(["-".join(part.zfill(2) for part in found.groups())]) if found else None
        if day:
            return day
    return None


def _written(root: HtmlElement) -> Iterator[str]:
    """Lines that hold little but a date."""
    for text in root.xpath("//body//text()[contains(., '20') or contains(., '19')]"):
        line = " ".join(text.split())
        found = DATED.fullmatch(line) if 8 <= len(line) <= 90 else None
        parent = text.getparent()
        if found and parent.tag not in ("script", "style", "option", "a") and not beside(parent):
            before = (parent.text or "") + str(parent.getparent().text or "")
            # Beside a heading cell it says when something else was.
            if not CHANGED.search(before) and not parent.xpath("ancestor-or-self::td[../th]"):
                yield found[1]


def _last_resort(root: HtmlElement) -> dt.date | None:
    """What htmldate knows of other languages; its extensive search guesses from any number, and no date is better."""
    import htmldate

    try:
        found = htmldate.find_date(root, original_date=True, extensive_search=False)
    except (ValueError, TypeError, AttributeError):
        return None
    return _first_day([found])


def _author(
    root: HtmlElement, nodes: list[Node], meta: dict[str, list[str]], taken: set[str], hosts: set[str]
) -> str | None:
    """Names, separated by commas. `taken`: the letters of what is no name here, such as the site's."""
    sources: list[Iterable[str]] = [
        *(_names(node["author"]) for node in nodes if node.get("author") and _is_article(node)),
        *(meta.get(name, []) for name in AUTHORS),
        *(_names(node["author"]) for node in nodes if node.get("author")),
        signed(root, taken, hosts),
    ]
    for source in sources:
        found = list(dict.fromkeys(person for name in source for person in people(name, taken)))
        if found:
            return ", ".join(found[:10])
    return None


def _names(authors: Any) -> list[str]:
    names: list[str] = []
    for one in authors if isinstance(authors, list) else [authors]:
        if isinstance(one, dict):
            given = [one.get(key) for key in ("givenName", "familyName")]
            one = one.get("name") or " ".join(name for name in given if isinstance(name, str))
        names += [name for name in (one if isinstance(one, list) else [one]) if isinstance(name, str)]
    return names
