"""One page from the web, or a typed reason why not. Knows nothing of robots, feeds or posts."""

from __future__ import annotations

import datetime as dt
import os
import re
import socket
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType

import httpcore
import httpx

from contracts.errors import SourceError
from feature_pipeline.sources.web.connect import BlockedAddressError, CheckedTransport, Resolver, system_resolver

USER_AGENT = "llm-twin/1.0 (reads the posts of one author, for that author)"
DEADLINE_S = 30.0
MAX_BYTES = 5_000_000
MAX_REDIRECTS = 5
TRIES = 3
MAX_WAIT_S = 10.0
LONGEST_VALIDATOR = 500
SAID_BYTES = 2_000
GZIP = b"\x1f\x8b"
_NONE: Mapping[str, str] = {}
NUMERIC_HOST = re.compile(r"https?://(?:0x|\d)[\da-fx.]*(?::\d+)?(?:[/?#]|\Z)", re.IGNORECASE)

NUMBERED = r"\A\[Errno -?\d+\] "

HINTS = {
    "bad_url": "give an address such as https://example.com, without a user name or password in it",
    "blocked_address": "for a blog on your own network, set TWIN_ALLOW_PRIVATE_ADDRESSES=1",
    "unreachable": "check the address and your connection",
    "tls": "the site's certificate is not valid; it is never read without one",
    "blocked_page": "the site refuses programs: export your posts, and give the folder or file instead",
    "not_found": "open it in your browser, and give the address that you find the posts at",
    "gone": "open it in your browser, and give the address that you find the posts at",
    "robots_disallowed": "the site asks programs to stay out: export your posts, and give the folder or file instead",
    "not_text": "give the address of a page; a document can be downloaded, and given as a file",
    "too_large": "no post is that long: give the address of one post, or of the feed",
    "deferred": "the site asks to be left alone for now: try again later",
}


class FetchError(SourceError):
    """A page could not be fetched. `reason` is one word for the report; `status` is the server's answer, if any.

    `said`: the beginning of what came with a 400, by which an API says what it did not like.
    """

    def __init__(self, reason: str, detail: str, status: int | None = None, said: bytes = b"") -> None:
        super().__init__(f"{detail} ({reason})", HINTS.get(reason, "try again later, or give another address"))
        self.reason, self.detail, self.status, self.said = reason, detail, status, said


@dataclass(frozen=True)
class Page:
    url: str
    """Where the redirects led."""
    content: bytes
    content_type: str
    charset: str | None
    etag: str = ""
    """With `last_modified`, what the server wants to be asked with next time; empty where it gave none."""
    last_modified: str = ""


class Fetcher:
    """Fetches over http and https, from public addresses only, unless the person allows private ones."""

    def __init__(
        self,
        allow_private: bool | None = None,
        resolve: Resolver = system_resolver,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        if allow_private is None:
            allow_private = os.environ.get("TWIN_ALLOW_PRIVATE_ADDRESSES", "") == "1"
        self.deadline_s = deadline_s
        self._transport = CheckedTransport(resolve, allow_private)

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def get(self, url: str, max_bytes: int = MAX_BYTES, cut: bool = False, headers: Mapping[str, str] = _NONE) -> Page:
        """Raises FetchError. A body over `max_bytes` is an error, or with `cut` is cut there.

        `headers` are for the server of `url`: where a redirect leads to another, they are not sent on.
        """
        self._transport.deadline = time.monotonic() + self.deadline_s
        here = _checked(url)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._try(here, max_bytes, cut, headers)
            if isinstance(answer, Page):
                return answer
            if _origin(answer) != _origin(here):
                headers = _NONE
            here = answer
        raise FetchError("too_many_redirects", f"{url} redirects more than {MAX_REDIRECTS} times")

    def _try(self, url: httpx.URL, max_bytes: int, cut: bool, headers: Mapping[str, str]) -> Page | httpx.URL:
        """The page, or where it sends us. A server that is busy or broken is asked three times."""
        for attempt in range(TRIES):
            try:
                answer, wait = self._ask(url, max_bytes, cut, headers)
            except FetchError as error:
                if error.reason != "truncated" or attempt == TRIES - 1:
                    raise
                wait = 0.0
            else:
                if not isinstance(answer, FetchError):
                    return answer
                if attempt == TRIES - 1 or not _worth_another(answer):
                    raise answer
            pause = wait or 0.25 * 2**attempt
            if pause > MAX_WAIT_S or time.monotonic() + pause >= self._transport.deadline:
                raise FetchError("deferred", f"{url} asks us to wait for {pause:.0f} s")
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _ask(
        self, url: httpx.URL, max_bytes: int, cut: bool, headers: Mapping[str, str]
    ) -> tuple[Page | httpx.URL | FetchError, float]:
        """One request. Neither cookies nor credentials are kept, so none can reach another origin."""
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", **headers}
        try:
            response = self._transport.handle_request(httpx.Request("GET", url, headers=headers))
            try:
                if response.has_redirect_location:
                    return _checked(response.headers["location"], base=url), 0.0
                if not response.is_success:
                    told = _decoded(response, SAID_BYTES, True, str(url)) if response.status_code == 400 else ()
                    refused = _refused(url, response.status_code, b"".join(told))
                    return refused, _retry_after(response.headers.get("retry-after", ""))
                content = b"".join(_decoded(response, max_bytes, cut, str(url)))
            finally:
                response.close()
        except BlockedAddressError as error:
            raise FetchError("blocked_address", f"{error}: no public address") from error
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise FetchError("timeout", f"{url} took longer than {self.deadline_s:.0f} s") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, UnicodeError) as error:
            raise _broken(url, error) from error
        kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
        etag, date = (_validator(response.headers.get(name, "")) for name in ("etag", "last-modified"))
        return Page(str(url), content, kind, response.charset_encoding, etag, date), 0.0


def _checked(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """The URL that will be connected to, taken apart by the library that connects. Raises FetchError."""
    try:
        parsed = base.join(url) if base is not None else httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError) as error:
        # httpx takes no octal; whoever writes an address so means to hide it.
        reason = "blocked_address" if NUMERIC_HOST.match(url.strip()) else "bad_url"
        raise FetchError(reason, f"{url!r} is not a web address") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise FetchError("bad_url", f"{url!r} is not an http or https address")
    if parsed.userinfo:
        raise FetchError("bad_url", f"the address of {parsed.host} has a user name or password in it")
    return parsed.copy_with(fragment=None)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _validator(header: str) -> str:
    """As the server gave it, unless it is nothing that could be sent back."""
    return header if len(header) <= LONGEST_VALIDATOR and header.isascii() and header.isprintable() else ""


def _worth_another(error: FetchError) -> bool:
    return error.status is not None and (error.status == 429 or error.status >= 500)


def _refused(url: httpx.URL, status: int, said: bytes) -> FetchError:
    reasons = {401: "blocked_page", 403: "blocked_page", 404: "not_found", 410: "gone", 429: "deferred"}
    reason = reasons.get(status, "server_error" if status >= 500 else "http_error")
    return FetchError(reason, f"{url} answered {status}", status, said)


def _broken(url: httpx.URL, error: Exception) -> FetchError:
    causes = [error, error.__cause__, error.__context__]
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or "CERTIFICATE" in str(error):
        return FetchError("tls", f"{url}: {error}")
    if isinstance(error, (httpcore.ProtocolError, httpcore.ReadError)):
        return FetchError("truncated", f"{url} broke off: {error}")
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return FetchError("unreachable", f"no such host: {url.host}")
    said = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), str(error))
    return FetchError("unreachable", f"{url.host} cannot be reached: {re.sub(NUMBERED, '', said)}")


def _retry_after(header: str) -> float:
    """Seconds, from either form of the header; 0 where it says nothing."""
    if header.isascii() and header.strip().isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (at - dt.datetime.now(at.tzinfo)).total_seconds())


def _decoded(response: httpx.Response, max_bytes: int, cut: bool, url: str) -> Iterator[bytes]:
    """The body, at most `max_bytes` of it."""
    total = 0
    for part in _unpacked(response, max_bytes, url):
        total += len(part)
        if total > max_bytes and not cut:
            raise FetchError("too_large", f"{url} is over {max_bytes:,} bytes")
        yield part[: len(part) - max(0, total - max_bytes)]
        if total > max_bytes:
            return


def _unpacked(response: httpx.Response, step: int, url: str) -> Iterator[bytes]:
    """Unpacks at most `step` bytes at a time, so that a bomb can be stopped; hence gzip only is asked for."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from response.iter_raw()
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FetchError("bad_encoding", f"{url} is packed as {encoding}, which was not asked for")
    unpack = zlib.decompressobj(47)  # 47: gzip or zlib, told apart by the header
    try:
        for raw in response.iter_raw():
            while raw:
                if unpack.eof and raw[:2] not in (GZIP, GZIP[:1]):
                    return  # padding
                if unpack.eof:  # a gzip file may be several, one after the other
                    unpack = zlib.decompressobj(47)
                yield unpack.decompress(raw, step)
                raw = unpack.unconsumed_tail or unpack.unused_data
    except zlib.error as error:
        raise FetchError("bad_encoding", f"{url} is not the {encoding} it says: {error}") from error
    if not unpack.eof:
        raise FetchError("truncated", f"{url} broke off")
