"""What a source says → the words of the post, with the voice left in: line breaks, case, punctuation, emoji, code."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from contracts.records import Post
from feature_pipeline.characters import letters, one_line, tidy
from feature_pipeline.html.parser import ParseError, markdown
from feature_pipeline.label import combined, marks
from feature_pipeline.language import detect
from feature_pipeline.liquid import FENCE, from_markdown
from feature_pipeline.quality import refusal
from feature_pipeline.sources import RawPost, Refusal

log = logging.getLogger(__name__)

CLEANER = "clean/3"
"""Names these rules: what others have cleaned is cleaned anew at the next run."""

FENCES = re.compile(FENCE, re.MULTILINE)
# What liquid's pattern looks for begins with or has one of these: most posts have none, and are not looked through.
TAGS = ("{%", "{{", "{:", "<!--", "<script", "<style", "<template")
HIDDEN_TAG = re.compile(r"<\w[^<>]*(?:hidden|display)")
BLANK_LINES = re.compile(r"\n{4,}")
# WordPress ends every entry of its feeds with it.
FEED_FOOTER = re.compile(r"\n+The post [^\n]{1,300}? (?:first )?appeared (?:first )?on [^\n]{1,200}\s*\Z")
HEADING = re.compile(r"\A#{1,6} +(.+)\n*")


def clean(raw: RawPost, author: str) -> Post | Refusal:
    """The post of `author` that `raw` holds, or why it holds none. What is wrong with one post costs no other."""
    try:
        return _cleaned(raw, author)
    except Exception as error:
        log.exception("%s of %s could not be cleaned", raw.source_id, raw.source)
        return Refusal(raw.source, raw.source_id, "quarantined", f"{type(error).__name__}: {error}")


def _cleaned(raw: RawPost, author: str) -> Post | Refusal:
    title = one_line(raw.title)
    try:
        text = _text(raw, title)
    except ParseError as error:
        return Refusal(raw.source, raw.source_id, "quarantined", str(error))
    if not text:
        return Refusal(raw.source, raw.source_id, "empty")
    unfit = refusal(title, text)
    if unfit:
        return Refusal(raw.source, raw.source_id, *unfit)
    return Post(
        author=author,
        source=raw.source,
        source_id=raw.source_id,
        title=title,
        date=raw.date,
        url=raw.url,
        text=text,
        format=raw.format,
        byline=one_line(raw.author or ""),
        language=detect(text),
        marks=combined(marks(text, raw.format)),
    )


def _text(raw: RawPost, title: str) -> str:
    if raw.markup in ("html", "article"):
        written = markdown(raw.text) if raw.markup == "html" else raw.text
        text = _outside_fences(tidy(written), _repaired)
        return _without_title(FEED_FOOTER.sub("", _evened(text)), title)
    text = tidy(raw.text)
    if raw.markup == "markdown":
        return _evened(from_markdown(text) if any(sign in text for sign in TAGS) or HIDDEN_TAG.search(text) else text)
    return _trimmed(_repaired(text))


def _repaired(text: str) -> str:
    """Undoes mojibake and nothing else: quotes stay curly, ligatures and wide letters stay."""
    import ftfy

    only_encoding = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )
    return tidy(ftfy.fix_text(text, only_encoding))


def _evened(text: str) -> str:
    """Outside code, no spaces at the ends of lines and no more than two blank lines together."""
    ends_clean = " \n" not in text and "\t\n" not in text and text[-1:] not in (" ", "\t")
    if ends_clean and "\n\n\n\n" not in text:
        return _trimmed(text)
    return _trimmed(_outside_fences(text, lambda part: BLANK_LINES.sub("\n\n", _ends_cut(part))))


def _ends_cut(text: str) -> str:
    return "\n".join([line.rstrip(" \t") for line in text.split("\n")])


def _outside_fences(text: str, change: Callable[[str], str]) -> str:
    parts, at = [], 0
    for fence in FENCES.finditer(text):
        parts += [change(text[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*parts, change(text[at:])])


def _trimmed(text: str) -> str:
    """Without blank lines around it; the first line keeps its indentation."""
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip() if text.strip() else ""


def _without_title(text: str, title: str) -> str:
    """A page's own heading is the title again."""
    heading = HEADING.match(text)
    return text[heading.end() :] if heading and letters(heading[1]) == letters(title) else text
