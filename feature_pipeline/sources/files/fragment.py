"""The HTML of a post without what its platform put there: buttons, cards, a repeated title.

Knows nothing of Markdown. The tree is only cut and written out again; what takes long is done in the parser's process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.html import HtmlElement


def tree(html: str) -> HtmlElement | None:
    """None for an empty one, or for one of comments only."""
    from lxml.etree import LxmlError

    from feature_pipeline.html.page import parse

    try:
        return parse(html)
    except LxmlError:
        return None


def body(html: str) -> HtmlElement | None:
    root = tree(html)
    return root.find("body") if root is not None else None


def of_class(name: str) -> str:
    """An XPath condition: one of the element's classes is `name`."""
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


def drop(root: HtmlElement, *paths: str) -> None:
    """Takes away what the XPaths find, and leaves the text after it."""
    for path in paths:
        for element in root.xpath(path):
            cut(element)


def cut(element: HtmlElement) -> None:
    """Nothing of it is left but an empty <span>: to take that out too costs the square of how many there are."""
    element.clear(keep_tail=True)
    element.tag = "span"


def inner(element: HtmlElement) -> str:
    """What is inside an element, as a fragment that no one takes for a page or a template."""
    from html import escape

    from lxml.html import tostring

    html = escape(element.text or "", quote=False) + "".join(tostring(child, encoding="unicode") for child in element)
    return html.replace("{{", "&#123;{").replace("{%", "&#123;%").strip()


def words(element: HtmlElement | None) -> str:
    return " ".join((element.text_content() or "").split()) if element is not None else ""
