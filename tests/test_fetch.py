"""Fetching: where a request may go, and what a server may do to us."""

from __future__ import annotations

import datetime as dt
import gzip
import shutil
import socket
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources.web.connect import may_connect
from feature_pipeline.sources.web.fetch import Fetcher, FetchError
from tests.blog_server import Blog, Reply, article, posts, reasons, visit

# 200 MB of zeros.
BROTLI = (
    "cfffff7ff82700e2b14020f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c32200ddfb7ffeffffc33f0110870500baf7fffcffff877f"
    "02200e0b0074effff9ffff0fff04401c1600e8defff3ffff1ffe0980382c00d0bdffe7ffff3ffc1300715800a07bffcfffff7ff82700e2b00040"
    "f7fe9ffffffff04f00c4610180eefd3fffffffe19f0088c30200ddfbfffc0f5ec73f0110870500bab9eb"
)
ZSTD = b"\x28\xb5\x2f\xfd\x00\x58" + b"\x02\x00\x10\x00" * 1599 + b"\x03\x00\x10\x00"


@pytest.fixture
def other() -> Iterator[Blog]:
    made = Blog()
    yield made
    made.close()


# Where a request may go


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"),
        *("0x7f.0x0.0x0.0x1", "017700000001", "0x7f.1", "[0:0:0:0:0:ffff:7f00:1]", "[2001:0:7f00:1::]"),
        *("[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]", "[2002:a9fe:a9fe::]", "[fd00:ec2::254]"),
        *("[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a83f:8110]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::7f00:1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1"),
        *(
            "169.254.169.254",
            "168.63.129.16",
            "224.0.0.1",
            "0.0.0.0",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]",
            "0",
            "[::]",
        ),
    ],
)
def test_addresses_that_are_never_connected_to(blog: Blog, host: str) -> None:
    with pytest.raises(FetchError) as error, Fetcher(allow_private=False) as fetcher:
        fetcher.get(f"http://{host}:{blog.port}/")
    assert error.value.reason == "blocked_address"
    assert error.value.hint
    assert blog.asked == []


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"])
def test_public_addresses(address: str) -> None:
    assert may_connect(address, allow_private=False)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "168.63.129.16", "::ffff:169.254.169.254", "fe80::1%eth0", "0.0.0.0"]
)
def test_metadata_stays_out_of_reach_on_a_private_network(address: str) -> None:
    assert may_connect("10.0.0.1", allow_private=True)
    assert not may_connect(address, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a.example/x",
        "data:text/html,x",
        "http://",
        "http://u:p@a.example/",
        "http://[::1",
        "",
    ],
)
def test_a_bad_address_is_refused_before_it_is_looked_up(url: str) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(f"looked up {host}")

    with pytest.raises(FetchError) as error, Fetcher(resolve=never) as fetcher:
        fetcher.get(url)
    assert error.value.reason == "bad_url"


def test_the_address_that_was_checked_is_connected_to(blog: Blog) -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    def rebinding(host: str, port: int) -> list[str]:
        return answers.pop(0)

    blog["/"] = Reply("ok", headers={"Connection": "close"})
    with Fetcher(allow_private=True, resolve=rebinding) as fetcher:
        assert fetcher.get(f"http://ann.example:{blog.port}/").content == b"ok"
        with pytest.raises(FetchError, match="blocked_address"):
            fetcher.get(f"http://ann.example:{blog.port}/")
    assert blog.headers[0]["host"] == f"ann.example:{blog.port}"
    assert len(blog.asked) == 1


def test_of_several_addresses_the_permitted_ones_are_tried(blog: Blog) -> None:
    def mixed(host: str, port: int) -> list[str]:
        return ["169.254.169.254", "::1", "127.0.0.1"]

    blog["/"] = "ok"
    with Fetcher(allow_private=True, resolve=mixed) as fetcher:
        assert fetcher.get(f"http://ann.example:{blog.port}/").content == b"ok"


def test_the_names_of_blocked_addresses_are_blocked(blog: Blog) -> None:
    """A public name may lead anywhere; of several addresses, only those that are permitted are tried."""

    def leads(host: str, port: int) -> list[str]:
        return ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1%eth0"]

    with pytest.raises(FetchError) as error, Fetcher(allow_private=False, resolve=leads) as fetcher:
        fetcher.get(f"http://ann.example:{blog.port}/")
    assert (error.value.reason, blog.asked) == ("blocked_address", [])


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:a9fe:a9fe]/",
            "//168.63.129.16",
            "http://0xa9fea9fe/",
        ),
        *("http://[64:ff9b::a9fe:a9fe]/", "http://2852039166/", "http://0251.0376.0251.0376/", "http://224.0.0.1/"),
    ],
)
def test_a_redirect_to_a_blocked_address_stops_there(blog: Blog, target: str) -> None:
    blog["/p"] = Reply(status=302, headers={"Location": target})
    with pytest.raises(FetchError, match="blocked_address"):
        visit(f"{blog.url}/p")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://u:p@127.0.0.1/", "javascript:alert(1)"])
def test_a_redirect_to_no_web_address(blog: Blog, target: str) -> None:
    blog["/p"] = Reply(status=301, headers={"Location": target})
    with pytest.raises(FetchError, match="bad_url"):
        visit(f"{blog.url}/p")


def test_redirects_are_followed_five_times(blog: Blog) -> None:
    for hop in range(5):
        blog[f"/{hop}"] = Reply(status=302, headers={"Location": f"/{hop + 1}"})
    blog["/5"] = article("End")
    assert [post.url for post in posts(visit(f"{blog.url}/0"))] == [f"{blog.url}/5"]
    blog["/5"] = Reply(status=302, headers={"Location": "/0"})
    assert reasons(visit(f"{blog.url}/0")) == [(f"{blog.url}/0", "too_many_redirects")]


def test_no_cookie_or_credential_reaches_another_origin(blog: Blog, other: Blog) -> None:
    blog["/p"] = Reply(status=302, headers={"Location": f"{other.url}/q", "Set-Cookie": "secret=1"})
    other["/q"] = article("Q")
    assert [post.title for post in posts(visit(f"{blog.url}/p"))] == ["Q"]
    assert other.asked == ["/q", "/robots.txt"]
    assert all("cookie" not in headers and "authorization" not in headers for headers in other.headers)


def test_a_redirect_to_a_name_that_leads_to_a_blocked_address_stops_there(blog: Blog, other: Blog) -> None:
    def leads(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "ann.example" else ["168.63.129.16", "169.254.169.254"]

    blog["/p"] = Reply(status=302, headers={"Location": f"http://intern.example:{other.port}/q"})
    with pytest.raises(FetchError) as error, Fetcher(allow_private=True, resolve=leads) as fetcher:
        fetcher.get(f"http://ann.example:{blog.port}/p")
    assert (error.value.reason, blog.asked, other.asked) == ("blocked_address", ["/p"], [])


def test_what_is_for_one_server_is_not_sent_to_another(blog: Blog, other: Blog) -> None:
    secret = {"If-None-Match": '"1"', "Authorization": "Bearer x", "Cookie": "a=b"}
    blog["/p"] = Reply(status=307, headers={"Location": "/q"})
    blog["/q"] = Reply(status=308, headers={"Location": f"{other.url}/r"})
    other["/r"] = Reply(status=302, headers={"Location": f"{blog.url}/end"})
    blog["/end"] = "ok"
    with Fetcher(allow_private=True) as fetcher:
        assert fetcher.get(f"{blog.url}/p", headers=secret).content == b"ok"
    sent = [{"if-none-match", "authorization", "cookie"} & set(headers) for headers in blog.headers]
    assert [len(names) for names in sent] == [3, 3, 0]
    assert not {"if-none-match", "authorization", "cookie"} & set(other.headers[0])


def test_cookies_are_not_kept_at_all(blog: Blog) -> None:
    blog["/p"] = Reply("ok", headers={"Set-Cookie": "secret=1"})
    with Fetcher(allow_private=True) as fetcher:
        fetcher.get(f"{blog.url}/p")
        fetcher.get(f"{blog.url}/p")
    assert all("cookie" not in headers for headers in blog.headers)


# What a server may do to us


def fails(url: str, deadline_s: float = 5) -> FetchError:
    with pytest.raises(FetchError) as error, Fetcher(allow_private=True, deadline_s=deadline_s) as fetcher:
        fetcher.get(url)
    return error.value


def test_a_byte_now_and_then_does_not_reset_the_clock(blog: Blog) -> None:
    blog["/slow"] = Reply("x" * 100, drip=0.2)
    started = time.monotonic()
    assert fails(f"{blog.url}/slow", deadline_s=1).reason == "timeout"
    assert time.monotonic() - started < 2
    assert Fetcher().deadline_s == 30


def test_nor_does_a_header_now_and_then() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = threading.Event()

        def drip() -> None:
            connection = listening.accept()[0]
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
                while not stop.wait(0.1):
                    try:
                        connection.sendall(b"a")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        started = time.monotonic()
        assert fails(f"http://127.0.0.1:{listening.getsockname()[1]}/", deadline_s=1).reason == "timeout"
        assert time.monotonic() - started < 2
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b"a" * 5_000_001), "too_large"),
        (Reply(b"abc", headers={"Content-Encoding": "br"}), "bad_encoding"),
        (Reply(b"abc", headers={"Content-Encoding": "zstd"}), "bad_encoding"),
        (Reply(b"abc", headers={"Content-Encoding": "gzip"}), "bad_encoding"),
        (Reply(b"a" * 100, cut=50), "truncated"),
        (Reply(gzip.compress(b"a" * 100)[:-9], headers={"Content-Encoding": "gzip"}), "truncated"),
        (Reply("", 404), "not_found"),
        (Reply("", 410), "gone"),
        (Reply("", 401), "blocked_page"),
        (Reply("", 500, {"Retry-After": "0"}), "server_error"),
    ],
)
def test_what_breaks_a_fetch_has_a_name(blog: Blog, reply: Reply, reason: str) -> None:
    blog["/p"] = reply
    error = fails(f"{blog.url}/p", deadline_s=10)
    assert (error.reason, bool(error.hint), "\n" in error.detail) == (reason, True, False)


@pytest.mark.parametrize(
    ("bomb", "encoding", "reason"),
    [
        (gzip.compress(bytes(200_000_000), 1), "gzip", "too_large"),
        (zlib.compress(bytes(200_000_000), 1), "deflate", "too_large"),
        (gzip.compress(gzip.compress(bytes(200_000_000), 1)), "gzip, gzip", "bad_encoding"),
        (bytes.fromhex(BROTLI), "br", "bad_encoding"),
        (ZSTD, "zstd", "bad_encoding"),
    ],
)
def test_a_bomb_is_stopped(blog: Blog, bomb: bytes, encoding: str, reason: str) -> None:
    """What is not asked for is refused before a byte of it is unpacked; gzip at 5 MB."""
    blog["/p"] = Reply(bomb, headers={"Content-Encoding": encoding})
    tracemalloc.start()
    error = fails(f"{blog.url}/p", deadline_s=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (error.reason, blog.headers[0]["accept-encoding"]) == (reason, "gzip")
    assert peak < 30_000_000


def test_a_page_of_five_megabytes_is_read(blog: Blog) -> None:
    blog["/p"] = Reply(gzip.compress(b"a" * 5_000_000), headers={"Content-Encoding": "gzip"})
    with Fetcher(allow_private=True) as fetcher:
        assert len(fetcher.get(f"{blog.url}/p").content) == 5_000_000


def test_gzip_is_unpacked(blog: Blog) -> None:
    blog["/p"] = Reply(gzip.compress(article("P").encode()), headers={"Content-Encoding": "gzip"})
    assert [post.title for post in posts(visit(f"{blog.url}/p"))] == ["P"]


def test_gzip_in_several_pieces_is_unpacked_whole(blog: Blog) -> None:
    """As servers send it that pack each block alone; what is no gzip after the last is padding."""
    whole = article("P").encode()
    pieces = b"".join(gzip.compress(whole[at : at + 100]) for at in range(0, len(whole), 100))
    for end, drip in ((b"", 0.0), (bytes(8), 0.0), (b"", 0.0001)):
        blog["/p"] = Reply(pieces + end, headers={"Content-Encoding": "gzip"}, drip=drip)
        with Fetcher(allow_private=True) as fetcher:
            assert fetcher.get(f"{blog.url}/p").content == whole
    blog["/p"] = Reply(pieces[:-9], headers={"Content-Encoding": "gzip"})
    assert fails(f"{blog.url}/p").reason == "truncated"


def test_what_an_api_says_beside_a_400_is_kept(blog: Blog) -> None:
    body = gzip.compress(b'{"code": "no_such_page"}' + b" " * 100_000)
    blog["/p"] = Reply(body, 400, {"Content-Encoding": "gzip"})
    error = fails(f"{blog.url}/p")
    assert (error.status, error.said[:24], len(error.said)) == (400, b'{"code": "no_such_page"}', 2_000)


def test_a_busy_server_is_asked_three_times(blog: Blog) -> None:
    at = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2), usegmt=True)
    blog["/p"] = [Reply("", 429, {"Retry-After": "1"}), Reply("", 503, {"Retry-After": at}), Reply(article("P"))]
    started = time.monotonic()
    assert [post.title for post in posts(visit(f"{blog.url}/p"))] == ["P"]
    assert 1 <= time.monotonic() - started < 6
    blog["/p"] = Reply("", 429, {"Retry-After": "0"})
    assert reasons(visit(f"{blog.url}/p")) == [(f"{blog.url}/p", "deferred")]
    assert blog.pages == ["/p"] * 6


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("in_words", [False, True])
def test_a_long_wait_is_put_off(blog: Blog, status: int, in_words: bool) -> None:
    at = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), usegmt=True)
    blog["/p"] = Reply("", status, {"Retry-After": at if in_words else "3600"})
    started = time.monotonic()
    assert fails(f"{blog.url}/p", deadline_s=30).reason == "deferred"
    assert time.monotonic() - started < 1
    assert blog.asked == ["/p"]


@pytest.mark.parametrize("wait", ["-5", "1e9999", "soon", "Sun, 99 Mar 2013 99:99:99 GMT", "٣"])
def test_a_wait_that_means_nothing(blog: Blog, wait: str) -> None:
    blog["/p"] = [Reply("", 429, {"Retry-After": "0"}), Reply("", 503, {"Retry-After": wait}), Reply("ok")]
    with Fetcher(allow_private=True) as fetcher:
        assert fetcher.get(f"{blog.url}/p").content == b"ok"


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(SourceError, match="unreachable"):
        visit(f"http://127.0.0.1:{port}/")


def test_no_such_host() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(FetchError, match=r"no such host: ann\.example"), Fetcher(resolve=nowhere) as fetcher:
        fetcher.get("http://ann.example/")


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_a_certificate_that_no_one_vouches_for(tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", str(pem), "-out", str(tmp_path / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    pem.write_text(pem.read_text() + (tmp_path / "cert.pem").read_text())
    blog = Blog(certificate=pem)
    try:
        with pytest.raises(SourceError, match=r"\(tls\)"):
            visit(f"{blog.url}/p")
        assert blog.asked == []
    finally:
        blog.close()
