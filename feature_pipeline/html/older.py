"""Which link of a list of posts leads to the older ones: the one that says so (rel="next"), else the one that a reader
would take: "Older posts", or the next of the numbered pages. A calendar's "next month" is neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import SplitResult, urljoin, urlsplit

from lxml.html import HtmlElement

POSTS = r"(?:(?:blog )?posts?|entries|articles|stories|notes)"
OLDER = re.compile(
    rf"(?:view |see |read |show )?(?:older|earlier)(?: {POSTS})?|(?:previous|more|next) {POSTS}|next page"
    r"|ältere (?:beiträge|posts|artikel|einträge)|(?:articles|billets|messages) (?:plus anciens|précédents)"
    r"|entradas (?:más )?(?:antiguas|anteriores)|(?:post|articoli) (?:più vecchi|precedenti)"
    r"|(?:postagens|publicações) mais antigas|oudere (?:berichten|posts)|äldre inlägg|starsze posty|以前の投稿|古い投稿"
)
NEWER = re.compile(
    rf"(?:newer|more recent|later)(?: {POSTS})?|neuere (?:beiträge|posts|artikel|einträge)"
    r"|(?:articles|billets|messages) plus récents|entradas (?:más )?(?:recientes|nuevas)|(?:post|articoli) più recenti"
    r"|(?:postagens|publicações) mais recentes|nieuwere (?:berichten|posts)|nyare inlägg|nowsze posty|新しい投稿"
)
MARKED = re.compile(r"(?:^|[\s_-])(older|newer)(?:[\s_-]|$)", re.IGNORECASE)
# A page's number: /page/2/, /page2.html, /index2.html, ?page=2.
IN_PATH = re.compile(
    r"(?<=/)(?:(?:page|seite|pagina)[/_-]?(\d{1,5})(?:/(?:index\.html?)?|\.html?)?|index(\d{1,5})\.html?)\Z",
    re.IGNORECASE,
)
IN_QUERY = re.compile(r"(?:^|&)(?:page|paged|pagina)=(\d{1,5})(?=&|\Z)", re.IGNORECASE)
# Rows of months and days have no end.
CALENDAR = re.compile(r"calendar|month|event|agenda|kalender", re.IGNORECASE)
MONTH = 28  # cells of a table
MAX_LABEL = 60  # characters


def row_of(root: HtmlElement, url: str | None) -> tuple[list[str], bool]:
    """Links to the page of older posts, the likeliest first, none where the page is in no row of lists, or is the last; and
    whether it is in one."""
    links = list(_links(root))
    own, others = _numbered(links, url or "")
    older = _related(root, "next") or own or _labelled(links, OLDER, "older") or others
    in_one = bool(older or _related(root, "prev") or _labelled(links, NEWER, "newer")) or _number(url or "") > 1
    return older, in_one


def _related(root: HtmlElement, how: str) -> list[str]:
    return [link.get("href", "") for link in root.iter("a", "link") if how in link.get("rel", "").split()]


def _labelled(links: list[HtmlElement], words: re.Pattern[str], mark: str) -> list[str]:
    """By what the link says, or how the blog's program calls it, in whatever language."""
    return [
        link.get("href", "")
        for link in links
        if (mark in _marks(link) or any(words.fullmatch(label) for label in _labels(link))) and not _of_days(link)
    ]


def _links(root: HtmlElement) -> Iterator[HtmlElement]:
    for link in root.iter("a"):
        if link.get("href", "").strip(" #") and not CALENDAR.search(link.get("href", "")):
            yield link


def _of_days(link: HtmlElement) -> bool:
    """Asked last: of all links of a page it would take longer than finding the article."""
    return any(map(_is_calendar, [link, *islice(link.iterancestors("table", "aside", "div", "nav"), 3)]))


def _is_calendar(node: HtmlElement) -> bool:
    of_days = node.tag == "table" and sum(1 for _ in islice(node.iter("td"), MONTH)) == MONTH
    return of_days or CALENDAR.search(f"{node.get('class') or ''} {node.get('id') or ''}") is not None


def _labels(link: HtmlElement) -> list[str]:
    said = (link.text_content() or "", link.get("aria-label") or "", link.get("title") or "")
    return [re.sub(r"[^\w ]+", " ", text).strip().lower() for text in map(_one_line, said) if len(text) <= MAX_LABEL]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _marks(link: HtmlElement) -> set[str]:
    return {found.lower() for found in MARKED.findall(f"{link.get('class') or ''} {link.get('id') or ''}")}


def _numbered(links: list[HtmlElement], url: str) -> tuple[list[str], list[str]]:
    """The page after this one; of several rows, as of each tag, the page's own, and those that the first page shows."""
    wanted, here = _number(url) + 1, _base(url)
    found = [(link, _joined(url, link)) for link in links if str(wanted) in link.get("href", "")]
    next_ones = [(link, to) for link, to in found if _number(to) == wanted and not _of_days(link)]
    own = [link.get("href", "") for link, to in next_ones if _base(to) == here]
    return own, [link.get("href", "") for link, _ in next_ones if wanted == 2 and "2" in _labels(link)]


def _joined(url: str, link: HtmlElement) -> str:
    try:
        return str(urljoin(url, link.get("href", "").strip()))
    except ValueError:
        return ""


def _number(url: str) -> int:
    """1 for a page without a number."""
    parts = _parts(url)
    found = IN_PATH.search(parts.path) or IN_QUERY.search(parts.query)
    return int(found[found.lastindex or 1]) if found else 1


def _base(url: str) -> tuple[str, str]:
    """The same for the pages of one row."""
    parts = _parts(url)
    path = re.sub(r"index\.html?\Z", "", IN_PATH.sub("", parts.path))
    return path.rstrip("/"), IN_QUERY.sub("", parts.query)


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
