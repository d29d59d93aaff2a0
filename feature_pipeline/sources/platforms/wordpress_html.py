"""What WordPress keeps of a post → the HTML that its readers see: paragraphs for blank lines, no shortcodes.

The words between shortcodes stay, as do brackets that are the author's own: [sic], [1], […].
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

CODE_NAMES = "sourcecode|source|code|python|php|css|html|js|javascript|java|ruby|sql|xml|bash|cpp|csharp"
CODE = re.compile(rf"\[({CODE_NAMES})((?:\s[^\[\]]{{0,500}})?)\]", re.IGNORECASE)
LANGUAGE = re.compile(r"\b(?:lang|language)\s*=\s*[\"'“]?([\w+#-]{1,30})", re.IGNORECASE)
# They show what is elsewhere, or a form: with what is between them, which is an address.
GONE_NAMES = (
    "gallery|playlist|audio|video|embed|youtube|vimeo|soundcloud|twitter|tweet|instagram|facebook|dailymotion|slideshare"
    "|googlemaps?|google_map|wpvideo|videopress|spotify|bandcamp|gist|scribd|ted|flickr|contact-form|contact-form-7"
    "|contact-field|wpforms|gravityforms?|ninja_forms?|mc4wp_form|polldaddy|crowdsignal|recent_posts|archives|toc"
    "|jetpack_subscription_form|subscription_form|subscribe2|rev_slider|products|addtoany|display-posts|adsense"
)
GONE = re.compile(rf"(?:{GONE_NAMES})\Z", re.IGNORECASE)
GONE_PAIR = re.compile(
    rf"\[({GONE_NAMES})((?:[\s=][^\[\]]{{0,2000}})?)\][^\[\]]{{0,2000}}\[/\1\]",
    re.IGNORECASE,
)
SHORTCODE = re.compile(r"(\[?)\[(/?)([A-Za-z][\w.-]{0,60})((?:[\s=/][^\[\]]{0,2000})?)\](\]?)")
CLOSING = re.compile(r"\[/([A-Za-z][\w.-]{0,60})\]")
QUOTED_VALUE = re.compile(r"\s[\w-]+\s*=\s*(?:[\"'“”″]|&quot;|&#82\d\d;)")
ANY_VALUE = re.compile(r"\s[\w-]+=\S")
CAPTION = re.compile(r"\scaption=\"([^\"]{1,1000})\"|\scaption='([^']{1,1000})'")
WRAPPED = {"caption": "div", "wp_caption": "div", "quote": "blockquote", "blockquote": "blockquote"}

BLOCK_NAMES = (
    "address|article|aside|blockquote|caption|center|col|colgroup|dd|details|dialog|div|dl|dt|fieldset|figcaption|figure"
    "|footer|form|h[1-6]|header|hr|iframe|legend|li|main|menu|nav|object|ol|p|section|summary|table|tbody|td|tfoot|th"
    "|thead|tr|ul|video|audio"
)
BLOCK_TAG = re.compile(rf"(<(/?)({BLOCK_NAMES})\b[^<>]*>)", re.IGNORECASE)
# What is directly in these is text already, and no paragraph of its own.
LEAVES = frozenset("caption dd dt figcaption h1 h2 h3 h4 h5 h6 legend li p summary td th".split())
LINE_END = re.compile(r"(<[^<>]*>)|(?<![ \t])[ \t]*\n")
EMBEDDED = re.compile(r"<div class=\"wp-block-embed__wrapper\">\s*https?://[^\s<]+\s*</div>")
PRE = ("pre", "script", "style", "textarea")


def to_html(content: str) -> str:
    """Of blocks, of the classic editor, and of posts that begin with one and end with the other."""
    content = EMBEDDED.sub("", content.replace("\r\n", "\n").replace("\r", "\n"))
    content = _without_shortcodes(content) if "[" in content else content
    return "".join(part if depth else _paragraphs(part) for depth, part in _outside_comments(content)).strip()


def plain_title(title: str) -> str:
    """A title without its entities and its inline marks."""
    known = r"</?(?:a|abbr|b|br|cite|code|del|em|i|mark|s|small|span|strong|sub|sup|u|wbr)\b[^<>]*>"
    return " ".join(html.unescape(re.sub(known, "", title, flags=re.IGNORECASE)).split())


def _outside_comments(content: str) -> Iterator[tuple[int, str]]:
    """Each part with how many blocks it is in: blocks say where they begin and end in comments."""
    depth = at = 0
    while (begin := content.find("<!--", at)) >= 0 and (end := content.find("-->", begin)) >= 0:
        yield depth, content[at:begin]
        comment = content[begin + 4 : end].strip()
        if comment.startswith("/wp:"):
            depth = max(0, depth - 1)
        elif comment.startswith("wp:") and not comment.endswith("/") and not comment.startswith("wp:freeform"):
            depth += 1
        at = end + 3
    yield depth, content[at:]


def _paragraphs(part: str) -> str:
    """A blank line ends a paragraph, and a single one a line; what the author set in tags stays as it is."""
    return "".join(text if verbatim else "".join(_wrapped(text)) for verbatim, text in _verbatim(part, PRE))


def _wrapped(text: str) -> Iterator[str]:
    leaf = False
    pieces = BLOCK_TAG.split(text)
    for at in range(0, len(pieces), 4):
        between = pieces[at]
        yield between if leaf or not between.strip() else "".join(map(_paragraph, re.split(r"\n\s*\n", between)))
        if at + 1 < len(pieces):
            leaf = not pieces[at + 2] and pieces[at + 3].lower() in LEAVES
            yield pieces[at + 1]


def _paragraph(text: str) -> str:
    text = text.strip()
    return f"<p>{LINE_END.sub(lambda found: found[1] or '<br>' + chr(10), text)}</p>\n" if text else ""


def _verbatim(text: str, names: tuple[str, ...]) -> Iterator[tuple[bool, str]]:
    """Parts of a text: whether they are an element of one of those names, which is left alone."""
    opening = re.compile(rf"<({'|'.join(names)})\b", re.IGNORECASE)
    closings = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in names}
    at = searched = 0
    while found := opening.search(text, searched):
        closing = closings.get(found[1].lower())
        end = closing.search(text, found.end()) if closing else None
        searched = found.end()
        if end:
            yield False, text[at : found.start()]
            yield True, text[found.start() : end.end()]
            at = searched = end.end()
        else:
            closings.pop(found[1].lower(), None)  # none will be found later either
    yield False, text[at:]


def _without_shortcodes(content: str) -> str:
    content = "".join(text if verbatim else _fenced(text) for verbatim, text in _verbatim(content, (*PRE, "code")))
    closed = frozenset(name.lower() for name in CLOSING.findall(content))
    return "".join(
        text if verbatim else SHORTCODE.sub(lambda found: _shortcode(found, closed), GONE_PAIR.sub("", text))
        for verbatim, text in _verbatim(content, (*PRE, "code"))
    )


def _fenced(text: str) -> str:
    """Code between shortcodes as a code block; it is escaped in some blogs and raw in others."""
    parts, at = [], 0
    while found := CODE.search(text, at):
        end = text.find(f"[/{found[1]}]", found.end())
        if end < 0:
            parts.append(text[at : found.end()])
            at = found.end()
            if len(parts) > 1_000:
                break
            continue
        code = html.escape(html.unescape(text[found.end() : end].strip("\n")), quote=False)
        parts.append(f"{text[at : found.start()]}\n\n<pre><code{_language(found)}>{code}</code></pre>\n\n")
        at = end + len(found[1]) + 3
    return "".join([*parts, text[at:]])


def _language(found: re.Match[str]) -> str:
    said = LANGUAGE.search(found[2])
    name = said[1] if said else "" if found[1].lower() in ("sourcecode", "source", "code") else found[1]
    return f' class="language-{name.lower()}"' if name else ""


def _shortcode(found: re.Match[str], closed: frozenset[str]) -> str:
    before, slash, name, values, after = found.groups()
    if before and after:
        return found[0][1:-1]  # [[name]] is how an author writes of a shortcode
    if not _is_shortcode(slash, name, values, closed):
        return found[0]
    wrap = WRAPPED.get(name.lower(), "") if name.lower() in closed else ""
    caption = "" if slash else _caption(values)
    tag = f"\n\n<{slash}{wrap}>\n\n" if wrap else ""
    return f"{before}{tag}{caption}{after}"


def _is_shortcode(slash: str, name: str, values: str, closed: frozenset[str]) -> bool:
    if GONE.match(name):
        return True
    if values.startswith("=") or (values.startswith("/") and values != "/"):
        return False
    return (
        name.lower() in closed
        or re.search(r"(?:\A|\s)/\s*\Z", values) is not None
        or bool(QUOTED_VALUE.search(values))
        or (("-" in name or "_" in name) and bool(ANY_VALUE.search(values)))
    )


def _caption(values: str) -> str:
    """Old posts have the words of a caption among its values."""
    found = CAPTION.search(values)
    return f"<p>{found[1] or found[2]}</p>\n\n" if found else ""
