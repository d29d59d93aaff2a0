"""Whether a page is a list of posts: an archive, the posts of a tag, a front page. What it shows of each stands elsewhere.

By what it holds: titles that lead to other pages of the site, each with the beginning of its text or without. Where the page
lies is a hint only, as a post may well lie in a folder called `tags`.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin, urlsplit

from lxml.html import HtmlElement

from feature_pipeline.characters import letters
from feature_pipeline.html.article import Run, named, runs_of
from feature_pipeline.html.chrome import CHROME, is_others

ENTRIES = 3
LONG = 8  # letters: what is shorter may stand in a title by chance
# Where generators put their lists; the numbered ones are older pages of one.
HINT = re.compile(
    r"(?:^|/)(?:tags?|categor(?:y|ies)|topics?|authors?|archives?|series|page/?\d+)(?:/|\.html?$|$)"
    r"|(?:^|/)(?:19|20)\d\d/(?:\d\d/)?(?:index\.html?)?$|(?:^|/)index\d+\.html?$|^/?index\.html?$",
    re.IGNORECASE,
)
TITLE = re.compile(r"(?:^|[\s_-])(?:title|headline|permalink|post-link)(?:[\s_-]|$)", re.IGNORECASE)
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
PAGE_NAME = re.compile(r"(?:/?index)?\.html?$|/index$")


def is_listing(root: HtmlElement, url: str | None, hosts: set[str]) -> bool:
    """`url` may be the path of a file; `hosts` are the site's. `root` has been through `prune`."""
    everything = runs_of(_region(root))
    hinted = bool(HINT.search(urlsplit(url or "").path))
    if hinted and 2 * sum(run.linked for run in everything) > sum(len(run.letters) for run in everything):
        return True
    boxes: dict[HtmlElement, bool] = {}
    runs = [run for run in everything if not _aside(run.owner, boxes)]
    called = [letters(text) for text in named(root)]
    leads = ["" if _is_own(run, called) else _lead(run, url or "", hosts) for run in runs]
    if len({lead for lead in leads if lead}) < (1 if hinted else ENTRIES):
        return False
    inside = _inside(runs, leads, hinted)
    others = sum(len(run.letters) for run, shown in zip(runs, inside, strict=True) if shown)
    own = sum(len(run.letters) for run in runs) - others
    return others > (1 if hinted else 2) * own


def _is_own(run: Run, called: list[str]) -> bool:
    """Whether it is the page's title: also where that leads to the address at which a saved page was found."""
    return any(run.letters == name or (len(run.letters) > LONG and run.letters in name) for name in called)


def _region(root: HtmlElement) -> HtmlElement:
    """The one part that the page marks as its own: an <article> with its own title, beside which others are shown."""
    articles = root.findall(".//article")
    if len(articles) == 1 and articles[0].find(".//h1") is not None:
        return articles[0]
    marked = root.findall(".//main")
    return marked[0] if len(marked) == 1 else root


def _aside(owner: HtmlElement, boxes: dict[HtmlElement, bool]) -> bool:
    """In a menu or a box of the page; the header of an entry is none. `boxes` keeps what was found of each element."""
    of_the_page = False
    for node in (owner, *owner.iterancestors()):
        if node.tag in ("header", "footer"):
            of_the_page = True
        elif node.tag in ("article", "li", "main"):
            of_the_page = False
        elif node not in boxes:
            boxes[node] = (node.tag in CHROME and node.find(".//article") is None) or is_others(node)
        if boxes.get(node):
            return True
    return of_the_page


def _lead(run: Run, url: str, hosts: set[str]) -> str:
    """The page of the site that a run leads to and says little else; "" for any other run."""
    if 2 * run.linked <= len(run.letters):
        return ""
    for node, name in run.places:
        inside = node if name == "text" else node.getparent()
        link = inside if inside.tag == "a" else next(inside.iterancestors("a"), None)
        href = (link.get("href") or "").strip() if link is not None else ""
        if not href or href.startswith("#"):
            continue
        try:
            target = urlsplit(urljoin(url, href))
            host = (target.hostname or "").removeprefix("www.")
        except ValueError:
            continue
        place = _place(target.path)
        if place and target.scheme in ("", "http", "https") and (not host or host in hosts):
            return "" if _same(place, _place(urlsplit(url).path)) else place
    return ""


def _place(path: str) -> str:
    """The path of a page, however its file is named."""
    return PAGE_NAME.sub("", unquote(path).rstrip("/")).strip("/").lower()


def _same(place: str, own: str) -> bool:
    """A folder may be a part of the site, or hold it: then one of the two ends as the other."""
    return place == own or f"/{own}".endswith(f"/{place}") or (bool(own) and f"/{place}".endswith(f"/{own}"))


def _inside(runs: list[Run], leads: list[str], hinted: bool) -> list[bool]:
    """For each run, whether it belongs to what the page says of another page; a single title needs a hint."""
    titles = {run.owner: lead for run, lead in zip(runs, leads, strict=True) if lead and _is_title(run.owner)}
    beside: dict[HtmlElement, set[str]] = {}
    for owner, lead in titles.items():
        for node in owner.iterancestors():
            beside.setdefault(node, set()).add(lead)
    alone = len(set(titles.values())) == 1
    if alone and not hinted:
        return list(map(bool, leads))
    inside = []
    part: HtmlElement | None = None
    for run, lead in zip(runs, leads, strict=True):
        above = [run.owner, *run.owner.iterancestors()]
        if run.owner in titles:
            part = _part(run.owner, None if alone else beside)
        elif part is not None and part not in above and (alone or not _goes_on(run.owner.tag, part.tag)):
            part = None
        inside.append(bool(lead) or part is not None)
    return inside


def _goes_on(tag: str, heading: str) -> bool:
    """Whether an element belongs to the heading before it, where nothing else holds both."""
    return heading in HEADINGS and (tag not in HEADINGS or tag > heading)


def _part(owner: HtmlElement, beside: dict[HtmlElement, set[str]] | None) -> HtmlElement:
    """The largest element around a title that has no title of another page; of a single title, its <article> or <li>."""
    if beside is None:
        return next(owner.iterancestors("article", "li"), owner)
    for node in owner.iterancestors():
        if len(beside[node]) > 1:
            break
        owner = node
    return owner


def _is_title(owner: HtmlElement) -> bool:
    if any(node.tag in HEADINGS for node in (owner, *owner.iterancestors())):
        return True
    return any(TITLE.search(node.get("class") or "") for node in (owner, *owner.iter("a")))
