"""The names of those who wrote a page, among what it states and shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import chain
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from feature_pipeline.characters import letters
from feature_pipeline.html.markdown import BLOCKS

BY = re.compile(
    r"(?:(?:view|see|read) all|more) (?:posts|articles|stories) (?:by|from)\s+"
    r"|(?:(?:written|posted|published|authored|words|story|text|article|report)\s+)?(?:by|von|par|por|door|author)\b[:\s]+",
    re.IGNORECASE,
)
# Where a name ends: at a number, a sign, or the words that say when and for whom.
AFTER_NAME = re.compile(
    r"\s*(?:[|•·—–\[/]|\d|(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]*\.? \d"
    r"|,?\s(?:on|in|at|for|(?i:published|posted|(?:last )?updated)|\w+day,)(?:\s|\Z)|\s@).*",
    re.DOTALL,
)
# Where sites keep what they say of their writers.
WRITERS = re.compile(r"/(?:authors?|writers?|contributors?|editors|by)/[^/?#]+/?(?:[/?#]|$)", re.IGNORECASE)
DAY = (
    r"(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}"
    r"|\d{1,2}(?:st|nd|rd|th)?\.? (?:of )?[^\W\d]{3,10}\.?,? (?:19|20)\d\d"
    r"|[^\W\d]{3,10}\.? \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d"
    r"|\d{1,2}\.\d{1,2}\.(?:19|20)\d\d"
    r"|(?:19|20)\d\d ?[年년] ?\d{1,2} ?[月월] ?\d{1,2}"
)
# What stands with a name in the line that says who wrote a page, and when.
WITH_NAME = re.compile(
    rf"{DAY}|\b(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]*\b|\w+day\b|\d+\w*|[^\w\s]+"
    r"|\b(?:first|last|originally|posted|published|written|updated|on|at|by|and|min(?:ute)?s?|read|no|comments?"
    r"|veröffentlicht|am|von|publié|le|par|publicado|el|por|door|op)\b",
    re.IGNORECASE,
)
MAX_BYLINE = 400
BESIDE_NAME = 20  # characters of other words, such as a section's name
BETWEEN_NAMES = re.compile(r"\s*[,;&]\s*(?:and\s+)?|\s+and\s+")
NOBODY = frozenset(
    (
        *("admin", "administrator", "anonymous", "author", "by", "editor", "editorial team", "guest", "name", "none"),
        *("null", "root", "staff", "team", "the editors", "unknown", "user", "webmaster", "follow author", "share"),
        *("autor", "auteur", "redaktion", "redaction", "published by", "posted by", "written by", "view all posts"),
    )
)
# Who wrote a comment, or is quoted in a box beside the article, did not write the article.
ASIDE_TAGS = frozenset(("aside", "nav", "footer"))
ASIDE = re.compile(
    r"(?:^|[\s_-])(?:comment\w*|replies|respond|disqus|related|recommend\w*|sidebar|widget|teaser|footer|promo)(?:[\s_-]|$)",
    re.I,
)


def people(text: str, taken: set[str]) -> Iterator[str]:
    """One name, or each of several that stand in one line."""
    if one := _person(text, taken):
        yield one
    elif len(text) <= MAX_BYLINE:
        for name in BETWEEN_NAMES.split(text):
            if len(name.split()) > 1 and _looks_like_a_name(name) and (one := _person(name, taken)):
                yield one


def _person(name: str, taken: set[str]) -> str:
    """A name without "By" and what follows it; "" for what is no name."""
    name = _bare(name)
    if "://" in name or "@" in name or re.match(r"\S+\.[a-z]{2,5}\Z|www\.", name):
        return ""
    said = letters(name)
    if not said or name.casefold() in NOBODY or said in taken or len(name) > 80 or len(name.split()) > 9:
        return ""
    return name


def _bare(text: str) -> str:
    """Without "By" before the name, and what stands behind it."""
    text = BY.sub("", re.sub(r"\s*\([^()]*\)\s*$", "", one_line(text)), count=1)
    return text if "://" in text else AFTER_NAME.sub("", text).strip(" ,;:-–—")


def signed(root: HtmlElement, taken: set[str], hosts: set[str]) -> Iterator[str]:
    """What the page shows as its byline; the first is enough, as later ones are in boxes about other posts."""
    for text in chain(_marked(root), _lines_by(root), _one_writer(root, taken, hosts)):
        if any(people(text, taken)):
            yield text
            return


def _marked(root: HtmlElement) -> Iterator[str]:
    marked = "//*[@rel='author' or @itemprop='author' or contains(@class, 'p-author') or contains(@class, 'h-card')]"
    classes = (
        "//body//*[contains(@class, 'byline') or contains(@class, 'Byline') or contains(@class, 'author') or "
        "contains(@class, 'Author') or contains(@id, 'byline') or contains(@id, 'author')"
        " or contains(concat(' ', normalize-space(@class), ' '), ' writer ')]"
    )
    for query, alone in ((marked, ASIDE_TAGS - {"aside"}), (classes, ASIDE_TAGS)):
        for element in root.xpath(query)[:20]:
            named = element.xpath("descendant-or-self::*[@itemprop='name' or @rel='author' or contains(@class, 'fn')]")
            text = one_line(((named or [element])[0]).text_content() or "")
            leads = [] if named else element.xpath("descendant::a[contains(@href, '/author/') and normalize-space()]")
            names = _led(text, leads)
            text = names or text
            before, at, _ = text.partition("@")
            if at and len(before.split()) > 1:  # a name, and what the writer is called elsewhere
                text = before
            nick = bool(named) and "fn" in (named[0].get("class") or "").split() and len(text.split()) == 1
            if 2 < len(text) < 100 and (nick or names or _looks_like_a_name(text)) and not beside(element, alone):
                yield text


def _led(text: str, links: list[HtmlElement]) -> str:
    """The names of links with which a line of names begins, one after the other: what follows may speak of others."""
    found, rest = [], text
    for name in dict.fromkeys(_bare(one_line(link.text_content() or "")) for link in links):
        before, at, after = rest.partition(name)
        if not at or _left(before) or not _looks_like_a_name(name):
            break
        found.append(name)
        rest = after
    others = BETWEEN_NAMES.match(rest) and _looks_like_a_name(text)
    return "" if others else ", ".join(found)


def _lines_by(root: HtmlElement) -> Iterator[str]:
    for text in root.xpath(
        "//body//text()[starts-with(normalize-space(.), 'By ') or normalize-space(.) = 'By'"
        " or normalize-space(.) = 'Written by']"
    )[:20]:
        line = one_line(
            text
            if len(text.strip()) > 3 and not text.strip().endswith(" by")
            else (text.getparent().text_content() or "")
        )
        if len(line) < 80 and _looks_like_a_name(line) and not beside(text.getparent()):
            yield line


def _one_writer(root: HtmlElement, taken: set[str], hosts: set[str]) -> Iterator[str]:
    """The name that leads to a writer's page of the site, where the page shows one such name."""
    links = [link for link in root.iter("a") if WRITERS.search(link.get("href") or "")]
    links = [link for link in links if host_of(link.get("href", "")) in hosts | {""} and not beside(link)][:20]
    named = {link: name for link in links if (name := _bare(one_line(link.text_content() or "")))}
    names = {name for name in named.values() if len(name.split()) > 1 and _looks_like_a_name(name)}
    writers = [name for name in names if _person(name, taken)]
    if len(writers) == 1 and any(_alone(link, name) for link, name in named.items() if name == writers[0]):
        yield writers[0]


def _alone(link: HtmlElement, name: str) -> bool:
    """Whether little stands with it: in a sentence or a list it names somebody whom the page speaks of."""
    block = next((node for node in link.iterancestors() if node.tag in BLOCKS), link)
    before, _, after = one_line(block.text_content() or "").partition(name)
    return not _left(before) and len(_left(after)) < (1 if block.tag == "li" else BESIDE_NAME)


def _left(text: str) -> str:
    """Without what stands with a name."""
    return " ".join(WITH_NAME.sub(" ", text).split())


def _looks_like_a_name(text: str) -> bool:
    """Few words, none of them in small letters but the like of "van"; any for scripts without capitals."""
    words = _bare(text).split()
    small = [word for word in words if word[0].islower() and len(word) > 3]
    return 0 < len(words) <= 6 and not small


def beside(element: HtmlElement, tags: frozenset[str] = ASIDE_TAGS) -> bool:
    """In a comment, a sidebar or a list of other posts."""
    for node in [element, *element.iterancestors()]:
        own = node.tag == "footer" and next(node.iterancestors("article"), None) is not None
        if (node.tag in tags and not own) or ASIDE.search(f"{node.get('id') or ''} {node.get('class') or ''}"):
            # A wrapper called after its sidebar holds the article as well.
            whole = node.tag in ("body", "html") or node.find(".//h1") is not None or node.find(".//main") is not None
            if not whole:
                return True
    return False


def host_of(url: str) -> str:
    try:
        return (urlsplit(url.strip()).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def one_line(text: str) -> str:
    """Without tags and signs of HTML, which some generators write where plain text is meant."""
    return " ".join(re.sub(r"</?[a-z][^<>]{0,200}>", "", unescape(text)).split())
