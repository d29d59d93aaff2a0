"""Pages that answer 200 and are not what was asked for."""

from __future__ import annotations

import re

from feature_pipeline.html.parser import Facts

# A wall says little: a post about Cloudflare or passwords says more than this.
WALL_WORDS = 200
WALL = re.compile(
    r"just a moment\s*(?:\.\.\.|…)|verify (?:that )?you are (?:a )?human|are you a (?:human|robot)"
    r"|checking your browser|enable javascript and cookies|attention required!|please (?:enable|accept) cookies"
    r"|unusual traffic from your"
    r"|before you continue to|pardon our interruption|ddos protection by|complete the (?:captcha|security check)"
    r"|access (?:to this page has been )?denied|request unsuccessful\. incapsula|confirm (?:that )?you are human",
    re.IGNORECASE,
)
LOGIN = re.compile(r"\b(?:log|sign) ?in\b|\blogin\b|subscribers only|member[- ]only|your password", re.IGNORECASE)


def blocked(page: Facts) -> bool:
    """Whether a page that answers 200 is a bot wall, a login or a cookie page instead of what was asked for."""
    if page.words > WALL_WORDS:
        return False
    said = f"{page.title}\n{page.opening}"
    return bool(WALL.search(said)) or (page.password and bool(LOGIN.search(said)) and not page.article)
