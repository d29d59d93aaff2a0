"""Web addresses: which lead to the same page, and which are on the same site. Knows nothing of fetching."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

# A session's number makes a new address of every page, each time that it is asked for.
SESSION = re.compile(
    r"(?:(?<=[?&])|;)(?:jsessionid|phpsessid|aspsessionid\w*|session_?id|sessid|sid|zenid|oscsid)=[\w,.!-]{16,}(?=[?&#]|\Z)&?",
    re.IGNORECASE,
)
# Where hosts that many share keep what is one writer's.
SHARED = re.compile(r"/(?:[~@]|(?:u|users?|people|members)/)")


def host_of(url: str) -> str:
    """With the port; `www.` is the same site."""
    try:
        return urlsplit(url).netloc.lower().removeprefix("www.")
    except ValueError:
        return ""


def common_host(urls: list[str | None]) -> str:
    """Where most of them lead, as a feed may be kept on another host than its blog."""
    hosts = Counter(host_of(url) for url in urls if url)
    host, count = hosts.most_common(1)[0] if hosts else ("", 0)
    return host if count * 2 > len(urls) else ""


def is_root(url: str) -> bool:
    parts = urlsplit(url)
    return not parts.query and re.fullmatch(r"/?(?:index\.\w+)?", parts.path) is not None


def folder_of(url: str) -> str:
    before, _, last = urlsplit(url).path.rpartition("/")
    return f"{before}/" if not last or "." in last else f"{before}/{last}/"


def leads_on(url: str, older: str) -> bool:
    """Whether `older` lies under the page at `url`, as page 2 of a list does: no next post, and no part 2 of one."""
    return re.match(rf"{re.escape(key_of(url))}(?:\?|/(?!\d+\Z))", key_of(older)) is not None


def canonical(url: str) -> str:
    """Without fragments, trackers and sessions."""
    from courlan import clean_url

    url = SESSION.sub("", url.split("#")[0]).rstrip("?&")
    return clean_url(url) or url if url else ""


def key_of(url: str) -> str:
    """The same for addresses that lead to the same page."""
    return re.sub(r"\Ahttps?://(?:www\.)?|(?:/index\.html?|/)\Z", "", canonical(url))


def ours(addresses: list[str], host: str, prefix: str) -> list[str]:
    """Those on the same host, without lists of tags or months as far as their address says."""
    from courlan import is_navigation_page, is_not_crawlable

    found = []
    for address in addresses:
        if host_of(address) == host and not is_root(address):
            parts = urlsplit(address)
            path = f"{parts.scheme}://{parts.netloc}{parts.path}"
            if parts.scheme in ("http", "https") and not is_navigation_page(path) and not is_not_crawlable(path):
                found.append(address)
    # A blog at /~ann/ does not own its host; one at /blog/ may have its posts elsewhere on it.
    under = [address for address in found if urlsplit(address).path.startswith(prefix)]
    return under if under or SHARED.match(prefix) else found
