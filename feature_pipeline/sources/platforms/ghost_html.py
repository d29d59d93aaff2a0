"""What Ghost's editors keep of a post → HTML with the author's words: lexical (since 2023) and mobiledoc (before).

Cards are told by what the author wrote in them: code, quotations, captions, callouts; what a bookmark or an embed shows is
somebody else's.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 100
FORMATS = ((16, "code"), (1, "strong"), (2, "em"), (4, "s"), (32, "sub"), (64, "sup"))
TAGS = {
    "paragraph": "p",
    "quote": "blockquote",
    "extended-quote": "blockquote",
    "aside": "blockquote",
    "listitem": "li",
}
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
SECTIONS = HEADINGS | frozenset(("p", "blockquote", "aside", "pull-quote"))
MARKUPS = frozenset(("b", "strong", "i", "em", "s", "del", "code", "sub", "sup", "u"))
# What a card has of the author's, in the order in which a reader meets it: plain, or HTML.
PLAIN = frozenset(("alt", "buttonText", "fileTitle", "productTitle"))
WORDS = {
    "image": ("alt", "caption"),
    "gallery": ("caption",),
    "embed": ("caption",),
    "bookmark": ("caption",),
    "video": ("caption",),
    "audio": ("caption",),
    "callout": ("calloutText",),
    "toggle": ("heading", "content"),
    "header": ("heading", "header", "subheading", "subheader"),
    "product": ("productTitle", "productDescription"),
    "file": ("fileTitle", "fileCaption"),
    "call-to-action": ("textValue",),
    "html": ("html",),
    "email": ("html",),
    "email-cta": ("html",),
}


def from_lexical(value: Any) -> str:
    return "".join(_nodes(_children(_object(value).get("root")), 0))


def from_mobiledoc(value: Any) -> str:
    document = _object(value)
    return "".join(_section(section, document) for section in _list(document.get("sections")))


def only_markdown(value: Any) -> str:
    """The whole of a post that is one Markdown card, as those from before 2018 are."""
    cards = [card for card in _list(_object(value).get("cards")) if isinstance(card, list) and len(card) == 2]
    words = [section for section in _list(_object(value).get("sections")) if section != [1, "p", []]]
    one = len(cards) == len(words) == 1 and cards[0][0] in ("markdown", "card-markdown")
    return str(_object(cards[0][1]).get("markdown") or "") if one else ""


def _nodes(nodes: list[Any], depth: int) -> Iterator[str]:
    for node in nodes if depth < MAX_DEPTH else []:
        if isinstance(node, dict):
            yield _node(node, str(node.get("type", "")), depth + 1)


def _node(node: dict[str, Any], kind: str, depth: int) -> str:
    if kind in ("text", "extended-text", "tk"):
        return _formatted(str(node.get("text", "")), node.get("format"))
    if kind == "linebreak":
        return "<br>"
    if "children" not in node:
        return _card(kind, node)
    inside = "".join(_nodes(_children(node), depth))
    tag = TAGS.get(kind, "")
    if kind.endswith("heading"):
        tag = node["tag"] if node.get("tag") in HEADINGS else "h2"
    elif kind == "list":
        tag = "ol" if node.get("tag") == "ol" else "ul"
    return f"<{tag}>{inside}</{tag}>\n" if tag else inside


def _formatted(text: str, bits: Any) -> str:
    told = html.escape(text, quote=False)
    for bit, tag in FORMATS:
        if isinstance(bits, int) and bits & bit:
            told = f"<{tag}>{told}</{tag}>"
    return told


def _card(kind: str, card: dict[str, Any]) -> str:
    kind = kind.removeprefix("card-")
    if kind in ("code", "codeblock"):
        language = re.sub(r"[^\w+#.-]", "", str(card.get("language") or ""))
        code = html.escape(str(card.get("code") or ""), quote=False)
        named = f' class="language-{language}"' if language else ""
        return f"<pre><code{named}>{code}</code></pre>\n{_shown(card, 'caption')}"
    if kind in ("hr", "horizontalrule"):
        return "<hr>\n"
    if kind == "markdown":
        return "".join(_lines(part) for part in re.split(r"\n\s*\n", str(card.get("markdown") or "")))
    return "".join(_shown(card, name) for name in WORDS.get(kind, ()))


def _shown(card: dict[str, Any], name: str) -> str:
    said = card.get(name)
    if not isinstance(said, str) or not said.strip():
        return ""
    if name == "alt" and said in str(card.get("caption") or ""):
        return ""
    return f"<div>{html.escape(said, quote=False) if name in PLAIN else said}</div>\n"


def _lines(text: str) -> str:
    told = html.escape(text.strip(), quote=False).replace("\n", "<br>\n")
    return f"<p>{told}</p>\n" if told else ""


def _section(section: Any, document: dict[str, Any]) -> str:
    """[1, tag, markers], [2, image], [3, list, items of markers] or [10, number of a card]."""
    if not isinstance(section, list) or len(section) < 2:
        return ""
    kind, what = section[:2]
    if kind == 10:
        card = _at(document.get("cards"), what)
        return _card(str(_at(card, 0) or ""), _object(_at(card, 1)))
    markers = _list(_at(section, 2))
    if kind == 1:
        tag = what if what in HEADINGS else "p" if what == "p" or what not in SECTIONS else "blockquote"
        return f"<{tag}>{_marked(markers, document)}</{tag}>\n"
    if kind == 3:
        items = "".join(f"<li>{_marked(_list(item), document)}</li>\n" for item in markers)
        tag = "ol" if what == "ol" else "ul"
        return f"<{tag}>\n{items}</{tag}>\n"
    return ""


def _marked(markers: list[Any], document: dict[str, Any]) -> str:
    """Each marker opens some markups, says its text, and closes as many as it says, the last first."""
    told, within = [], list[str]()
    for marker in markers:
        if not isinstance(marker, list) or len(marker) != 4:
            continue
        kind, opens, closes, value = marker
        for number in _list(opens):
            name = _at(_at(document.get("markups"), number), 0)
            within.append(name if isinstance(name, str) and name in MARKUPS else "")
            told.append(f"<{within[-1]}>" if within[-1] else "")
        told.append(_atom(_at(document.get("atoms"), value)) if kind == 1 else html.escape(str(value), quote=False))
        for _ in range(min(closes if isinstance(closes, int) else 0, len(within))):
            tag = within.pop()
            told.append(f"</{tag}>" if tag else "")
    return "".join(told)


def _atom(atom: Any) -> str:
    return "<br>" if _at(atom, 0) == "soft-return" else html.escape(str(_at(atom, 1) or ""), quote=False)


def _object(value: Any) -> dict[str, Any]:
    """Ghost keeps documents as JSON in a string."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _children(value: Any) -> list[Any]:
    return _list(value.get("children")) if isinstance(value, dict) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(value: Any, number: Any) -> Any:
    """None where there is none."""
    inside = isinstance(value, list) and isinstance(number, int) and 0 <= number < len(value)
    return value[number] if inside else None
