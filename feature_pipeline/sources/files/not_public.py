"""Files that look like posts and are private: pages of an export that was asked for as HTML, chats, drafts.

Where such a page says whose words it has, it does so for a reader only; so none of them is taken.
"""

from __future__ import annotations

import re
from pathlib import PurePath

AS_JSON = "a page of an export as HTML, where messages stand as posts do: ask for the export as JSON"
# What every page of these has, and nobody's own page.
PAGES = (
    (re.compile(r"uiBoxWhite noborder|<body class=\"_5vb_ "), AS_JSON),  # Facebook, Instagram
    (re.compile(r"page_body chat_page"), AS_JSON),  # Telegram
    (re.compile(r"outer-cell mdl-cell"), "Google's record of what somebody did"),
)
HEAD = 5_000  # characters of a chat


def told(text: str, path: PurePath) -> tuple[str, str] | None:
    """The reason and the detail of a refusal; None for what may be a post."""
    kind = path.suffix.lower()
    if kind in (".html", ".htm"):
        if path.name.startswith("draft_") and 'data-field="body"' in text:
            return "draft", "Medium has not published it"
        return next((("private", why) for pattern, why in PAGES if pattern.search(text)), None)
    if kind == ".txt":
        from feature_pipeline.sources.platforms.whatsapp import is_chat

        if is_chat(text[:HEAD]):
            return "private", f"a chat; to read your part of it, give {path.name}#Name, with your name in it"
    return None
