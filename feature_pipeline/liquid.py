"""Jekyll's and Hugo's tags in a post's source: code blocks become code, the rest is no word of the author's.

Every pattern stops at the next opening of its own kind, so that a thousand tags that never close cost no more than one.
"""

from __future__ import annotations

import re
from html import escape

FENCE = (
    r"^[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?(?P<fence>`{3,}|~{3,})[^`\n]*\n"
    r"(?:.*\n)*?(?:[ \t>]*(?P=fence)[`~]*[ \t]*$|.*\Z)"
)
HIGHLIGHT = (
    r"\{%-?\s*highlight\s+(?P<liquid>[\w+#.-]+)[^%]*%\}[ \t]*\n?"
    r"(?P<liquid_code>(?:(?!\{%-?\s*highlight)[\s\S])*?)\{%-?\s*endhighlight\s*-?%\}"
    r"|\{\{[<%]\s*highlight\s+\"?(?P<hugo>[\w+#.-]*)[^\n]*?[>%]\}\}[ \t]*\n?"
    r"(?P<hugo_code>(?:(?!\{\{[<%]\s*highlight)[\s\S])*?)\{\{[<%]\s*/\s*highlight\s*[>%]\}\}"
)
RAW = r"\{%-?\s*raw\s*-?%\}(?P<raw>(?:(?!\{%-?\s*raw)[\s\S])*?)\{%-?\s*endraw\s*-?%\}"
TAG = (
    r"\{%-?\s*comment\b(?:(?!\{%-?\s*comment)[\s\S])*?endcomment\s*-?%\}"
    r"|\{%(?:(?!\{%|%\})[\s\S])*%\}|\{\{[<%](?:(?!\{\{|[>%]\}\})[\s\S])*[>%]\}\}"
)
# Tried in this order at each place in the text: what matches first shields what is inside it.
IN_MARKDOWN = re.compile(
    "|".join(
        (
            rf"(?P<code>{FENCE}"
            r"|(?<=\n\n)(?:(?:[ ]{4}|\t)[^\n]*(?:\n|\Z))+"
            r"|(?<!`)(?P<ticks>`+)(?!`)(?:(?!\n[ \t]*\n)[\s\S]){1,2000}?(?<!`)(?P=ticks)(?!`))",
            HIGHLIGHT,
            RAW,
            r"<!--(?:(?!<!--)[\s\S])*?-->",
            r"<(?P<silent>script|style|template)\b[^<>]*>(?:(?!<(?P=silent)\b)[\s\S])*?</(?P=silent)\s*>",
            r"<(?P<hidden>\w+)\b[^<>]*?(?:\shidden(?=[\s>=/])|display\s*:\s*none)[^<>]*>"
            r"(?:(?!<(?P=hidden)\b)[\s\S])*?</(?P=hidden)\s*>",
            TAG,
            r"\{\{-?\s*['\"](?P<literal>[^'\"{}]*)['\"][^{}]*\}\}|\{\{-?\s*(?:site|page)\.[^{}]*\}\}",
            # Alone on a line: a shortcode of the site's own, or kramdown's attributes.
            r"^[ \t]*(?:\{\{[^{}\n]*\}\}|\{:[^{}\n]*\})[ \t]*$",
        )
    ),
    re.MULTILINE,
)
IN_HTML = re.compile(
    rf"(?P<code><(?P<element>pre|code)\b(?:(?!<(?P=element)\b)[\s\S])*?</(?P=element)\s*>)|{HIGHLIGHT}|{RAW}|{TAG}",
    re.IGNORECASE,
)


def from_markdown(text: str) -> str:
    """Also without comments, scripts and hidden elements, outside code."""

    def put(match: re.Match[str]) -> str:
        part = match.groupdict()
        if part["code"]:
            return match[0]
        code = _highlighted(part)
        return _fenced(*code) if code else part["raw"] or part["literal"] or ""

    return IN_MARKDOWN.sub(put, text)


def from_html(html: str) -> str:
    def put(match: re.Match[str]) -> str:
        part = match.groupdict()
        found = _highlighted(part)
        if found:
            return f'<pre><code class="language-{found[1]}">{escape(found[0])}</code></pre>'
        return part["code"] or part["raw"] or ""

    return IN_HTML.sub(put, html) if "{%" in html or "{{" in html else html


def _highlighted(part: dict[str, str | None]) -> tuple[str, str] | None:
    for name in ("liquid", "hugo"):
        code = part[f"{name}_code"]
        if code is not None:
            return code, part[name] or ""
    return None


def _fenced(code: str, language: str) -> str:
    code = code.strip("\n").rstrip()
    ticks = "`" * (max((len(run) for run in re.findall("`{3,}", code)), default=2) + 1)
    return f"{ticks}{language}\n{code}\n{ticks}"
