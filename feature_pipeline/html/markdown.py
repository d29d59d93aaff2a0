"""An HTML tree → Markdown, losing no words: for what is known to be all the author's, such as a feed entry.

Knows nothing of boilerplate; page.py finds the article in a whole page first. Links become their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from lxml import etree
from lxml.html import HtmlElement

SKIP = frozenset(
    (
        *("script", "style", "template", "noscript", "head", "iframe", "object", "embed", "svg", "canvas", "audio"),
        *("video", "select", "option", "button", "input", "textarea", "form", "nav", "map", "datalist", "dialog"),
    )
)
BLOCKS = frozenset(
    (
        *(
            "html",
            "body",
            "p",
            "div",
            "section",
            "article",
            "main",
            "header",
            "footer",
            "aside",
            "figure",
            "figcaption",
        ),
        *("address", "details", "summary", "dl", "dt", "dd", "center", "fieldset", "hgroup", "blockquote", "hr"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "menu", "li", "pre", "listing", "xmp"),
        *("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"),
    )
)
MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "del": "~~", "s": "~~", "strike": "~~"}
CODE = frozenset(("code", "tt", "kbd", "samp"))
PRE = frozenset(("pre", "listing", "xmp"))
# HTML collapses these only; a no-break space is the author's.
SPACES = re.compile(r"[ \t\r\n\f]+")
HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0*\.?0*\s*(?:;|!|$)"
    r"|font-size\s*:\s*(?:(?:0+(?:\.0\d*)?|\.0\d*)(?:em|rem)?|[01]?(?:\.\d+)?(?:px|pt|%))\s*(?:;|!|$)"
    r"|(?:^|[;\s])(?:width|height|max-height|max-width)\s*:\s*[01]px"
    r"|(?:left|right|top|bottom|text-indent|margin-left|margin-top)\s*:\s*-\d{3,}"
    r"|clip\s*:\s*rect\(\s*[01](?:px)?\b|clip-path\s*:\s*inset\(\s*(?:50|100)%",
    re.IGNORECASE,
)
UNSEEN = frozenset(("script", "style", "template", "noscript"))
# What HIDDEN_STYLE finds has one of these, and to look for them takes a tenth of the time.
HIDING = ("none", "hidden", "opacity", "font-size", "0px", "1px", "clip")
FAR_AWAY = re.compile(r"-\d{3}")
HIDDEN_CLASS = frozenset(("sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text"))
# What a page's own style sheet may say; a part that fades in is not hidden, and one for print is not what is seen.
RULE = re.compile(r"\{([^{}]{0,2000})\}")
BEFORE_SELECTORS = re.compile(r"[{}@;]")
PLAIN_NAME = re.compile(r"\s*[.#][\w-]+\s*")
DECLARES = re.compile(r"display\s*:|visibility\s*:")
FADES = re.compile(r"opacity\s*:[^;]*|transition|animation", re.IGNORECASE)
CONDITION = re.compile(r"@[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
MAX_STYLE = 100_000
GUTTER_CLASS = frozenset(("gutter", "rouge-gutter", "lineno", "linenos", "linenodiv", "line-numbers", "lnt", "ln"))
POINTERS = frozenset(("#", "¶", "§", "↩", "↩︎", "↩️", "⏎", "↑", "^", "🔗"))
LANGUAGE = re.compile(
    r"(?:language-|lang-|highlight-source-|brush:\s*|sourceCode\s+)([\w+#.-]+)|highlight-(?!default|none)(\w+) notranslate"
)


def to_markdown(root: HtmlElement) -> str:
    """`root` must have been through `prune`."""
    return "\n\n".join(block for block in _blocks(root) if block.strip())


def prune(root: HtmlElement) -> None:
    """Takes away what a reader of the page would not see: hidden text, scripts, comments, line-number columns."""
    hidden = _hidden_names(root)
    for element in list(root.iter()):
        tag = element.tag
        if element is root:
            continue
        if not isinstance(tag, str) or _unseen(element, tag, hidden) or (tag == "a" and _points_back(element)):
            _drop(element)
        elif tag == "sup" and element.find("a") is not None and (element.text_content() or "").strip().isdigit():
            _number(element)


def code_block(element: HtmlElement) -> str:
    """A <pre> as a fence longer than any run of backticks inside it."""
    for br in list(element.iter("br")):
        br.tail = "\n" + (br.tail or "")
    code = (element.text_content() or "").replace("\r\n", "\n").strip("\n")
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language(element)}\n{code}\n{fence}" if code.strip() else ""


def language(element: HtmlElement) -> str:
    around = [element, *element.iter("code"), *islice(element.iterancestors("div", "figure"), 2)]
    for node in around:
        found = LANGUAGE.search(node.get("class", "")) or re.fullmatch(r"([\w+#.-]+)", node.get("data-lang", ""))
        if found:
            return str(next(filter(None, found.groups())))
    return ""


def _hidden_names(root: HtmlElement) -> frozenset[str]:
    """`.class` and `#id` that the page's own style sheet hides, unless that hides much of the page until a script runs."""
    style = " ".join(node.text or "" for node in root.iter("style"))[:MAX_STYLE]
    if not _hides(style):
        return frozenset()
    hidden: set[str] = set()
    plain = CONDITION.sub("", re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL))
    for rule in RULE.finditer(plain):
        if _hides(FADES.sub("", rule[1])):
            hidden |= _plain_names(plain, rule.start())
        elif DECLARES.search(rule[1]):
            hidden -= _plain_names(plain, rule.start())
    # Shown on wide screens, or on narrow ones.
    hidden -= set(re.findall(r"[.#][\w-]+", " ".join(CONDITION.findall(style))))
    counts, most = _paragraphs_in(root, hidden) if hidden else ({}, 0)
    return frozenset(name for name in hidden if counts[name] <= max(1, most / 10))


def _plain_names(style: str, end: int) -> set[str]:
    """Of the selectors that end at `end`, those that are one class or id."""
    selectors = BEFORE_SELECTORS.split(style[max(0, end - 500) : end])[-1]
    return {one.strip() for one in selectors.split(",") if PLAIN_NAME.fullmatch(one)}


def _hides(style: str) -> bool:
    lowered = style.lower()
    likely = any(sign in lowered for sign in HIDING) or FAR_AWAY.search(lowered)
    return bool(likely and HIDDEN_STYLE.search(style))


def _paragraphs_in(root: HtmlElement, hidden: set[str]) -> tuple[dict[str, int], int]:
    """How many paragraphs each of the names is around, and how many there are."""
    inside: dict[str, set[HtmlElement]] = {name: set() for name in hidden}
    for element in root.iter(etree.Element):
        for name in hidden.intersection(_names(element)):
            inside[name].update(element.iter("p", "pre", "li"))
    return {name: len(found) for name, found in inside.items()}, sum(1 for _ in root.iter("p", "pre", "li"))


def _names(element: HtmlElement) -> list[str]:
    names = [f".{name}" for name in element.get("class", "").split()]
    return [*names, f"#{element.get('id')}"] if element.get("id") else names


def _unseen(element: HtmlElement, tag: str, hidden: frozenset[str]) -> bool:
    if tag in UNSEEN or element.get("hidden") is not None:
        return True
    style, classes = element.get("style"), element.get("class", "").split()
    return (
        (style is not None and _hides(style))
        or not HIDDEN_CLASS.isdisjoint(classes)
        or (bool(hidden) and not hidden.isdisjoint(_names(element)))
        or (not GUTTER_CLASS.isdisjoint(classes) and not re.search(r"[^\d\s]", element.text_content() or ""))
    )


def _points_back(element: HtmlElement) -> bool:
    """The signs that link to a heading, or from a footnote to its place, are not the author's words."""
    return element.get("href", "").startswith("#") and (element.text_content() or "").strip() in POINTERS


def _number(note: HtmlElement) -> None:
    """A footnote's number in brackets, or it would join the word before it."""
    number = (note.text_content() or "").strip()
    for child in list(note):
        note.remove(child)
    note.text = f"[{number}]"


def _drop(element: HtmlElement) -> None:
    """Removes an element and leaves the text after it."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        before = element.getprevious()
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
        element.tail = None
    parent.remove(element)


def _blocks(element: HtmlElement) -> Iterator[str]:
    """Each paragraph, heading, list, quotation, table and code block under `element`."""
    tag = element.tag
    if tag in SKIP:
        return
    if tag in PRE:
        yield code_block(element)
    elif tag == "hr":
        yield "---"
    elif re.fullmatch("h[1-6]", tag):
        text = " ".join(_inline(element).split("\n")).strip()
        yield f"{'#' * int(tag[1])} {text}" if text else ""
    elif tag in ("ul", "ol", "menu"):
        yield _list(element)
    elif tag == "blockquote":
        text = "\n\n".join(filter(None, _children(element)))
        yield "\n".join(f"> {line}".rstrip() for line in text.split("\n")) if text else ""
    elif tag == "table":
        yield from _table(element)
    else:
        yield from _children(element)


def _children(element: HtmlElement) -> Iterator[str]:
    """Runs of inline content become paragraphs; block children speak for themselves."""
    run = [SPACES.sub(" ", element.text or "")]
    for child in element:
        if _is_block(child):
            yield _paragraph(run)
            yield from _blocks(child)
            run = []
        else:
            run.append(_inline_node(child))
        run.append(SPACES.sub(" ", child.tail or ""))
    yield _paragraph(run)


def _is_block(element: HtmlElement) -> bool:
    """A <span> or <a> around paragraphs counts as a block, as a browser shows it."""
    if not isinstance(element.tag, str) or element.tag in SKIP:
        return False
    return element.tag in BLOCKS or any(node.tag in BLOCKS for node in element.iterdescendants() if node.tag != "a")


def _paragraph(run: list[str]) -> str:
    lines = [re.sub(" {2,}", " ", line).strip(" ") for line in "".join(run).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _inline(element: HtmlElement) -> str:
    parts = [SPACES.sub(" ", element.text or "")]
    for child in element:
        parts += [_inline_node(child), SPACES.sub(" ", child.tail or "")]
    return "".join(parts)


def _inline_node(node: HtmlElement) -> str:
    tag = node.tag
    if not isinstance(tag, str) or tag in SKIP:
        return ""
    if tag == "br":
        return "\n"
    if tag in CODE:
        return _code_span(node.text_content() or "")
    text = _inline(node)
    if tag == "q":
        return f"“{text}”"
    if tag in MARKS:
        return _marked(text, MARKS[tag])
    return text


def _code_span(code: str) -> str:
    if not code.strip():
        return code
    ticks = "`" * (max((len(run) for run in re.findall("`+", code)), default=0) + 1)
    pad = " " if code.startswith("`") or code.endswith("`") else ""
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _marked(text: str, mark: str) -> str:
    """Emphasis with its spaces outside the marks, where Markdown wants them."""
    inner = text.strip()
    if not inner or inner.startswith(mark):
        return text
    start = text.index(inner)
    return f"{text[:start]}{mark}{inner}{mark}{text[start + len(inner) :]}"


def _list(element: HtmlElement) -> str:
    ordered = element.tag == "ol"
    start = element.get("start", "1")
    number = int(start) if start.isdigit() else 1
    lines = []
    for child in element:
        if not isinstance(child.tag, str) or child.tag in SKIP:
            continue
        bullet = f"{number}. " if ordered else "- "
        parts = [part for part in (_children(child) if child.tag == "li" else _blocks(child)) if part.strip()]
        if not parts:
            continue
        number += 1
        # Nested lists sit tight under their item, paragraphs keep their blank line.
        body = parts[0]
        for part in parts[1:]:
            body += ("\n" if re.match(r"(?:- |\d+\. )", part) else "\n\n") + part
        lines.append(bullet + body.replace("\n", "\n" + " " * len(bullet)))
    return re.sub(r"^[ ]+$", "", "\n".join(lines), flags=re.MULTILINE)


def _table(element: HtmlElement) -> Iterator[str]:
    """A grid of short cells as a Markdown table; a table used for layout as the blocks in its cells."""
    rows = [[cell for cell in row if cell.tag in ("td", "th")] for row in element.iter("tr")]
    rows = [row for row in rows if row]
    width = max(map(len, rows), default=0)
    if width < 2 or any(_is_layout(cell) for row in rows for cell in row):
        for child in element.iter("caption", "td", "th"):
            if next(child.iterancestors("table")) is element:
                yield from _children(child)
        return
    for caption in element.iter("caption"):
        yield _paragraph([_inline(caption)])
    cells = [[" ".join(_inline(cell).split()).replace("|", "\\|") for cell in row] for row in rows]
    grid = [row + [""] * (width - len(row)) for row in cells]
    grid.insert(1, ["---"] * width)
    yield "\n".join(f"| {' | '.join(row)} |" for row in grid)


def _is_layout(cell: HtmlElement) -> bool:
    blocks = [node for node in cell.iterdescendants() if node.tag in BLOCKS and node.tag not in ("p", "div")]
    return bool(blocks) or len(cell.findall(".//p")) > 1
