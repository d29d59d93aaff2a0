"""What stands around an article on its page, by the elements and the names that themes give it: menus, comments, boxes."""

from __future__ import annotations

import copy
import re

from lxml.html import HtmlElement

CHROME = frozenset(("nav", "header", "footer", "aside", "form", "dialog"))
# Names that themes give to comments, and to what invites a click: not the author's words, though inside the article.
OTHERS = re.compile(
    r"(?:^|[\s_-])(?:comments?|respond|disqus|webmentions?|related|share|sharing|social|sidebar|newsletter|subscribe"
    r"|breadcrumbs?|pagination|pager)(?:[\s_-]|$)",
    re.IGNORECASE,
)


def without_chrome(part: HtmlElement) -> HtmlElement:
    part = copy.deepcopy(part)
    for element in list(part.iterdescendants()):
        if element.tag in CHROME or is_others(element):
            element.drop_tree()
    return part


def is_others(element: HtmlElement) -> bool:
    """Whether a theme calls it so; a wrapper called after its sidebar that holds the whole page as well is none."""
    named = OTHERS.search(f"{element.get('id') or ''} {element.get('class') or ''}")
    return bool(named) and element.find(".//h1") is None and element.find(".//main") is None
