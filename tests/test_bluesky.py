"""Bluesky: repositories as they are exported, whole and hostile, and a server on loopback that answers as the app's does."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cbor2
import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.platforms import bluesky
from feature_pipeline.sources.web.fetch import Fetcher, FetchError
from feature_pipeline.sources.web.visit import Visit
from tests.blog_server import Blog, Reply, Runs, posts, reasons

ME = "did:plc:ann0000000000000000000a"
BOB = "did:plc:bob0000000000000000000b"
SOURCE = f"bluesky:{ME}"
PROFILE = "/xrpc/app.bsky.actor.getProfile?actor=ann.example"
FEED = f"/xrpc/app.bsky.feed.getAuthorFeed?actor={ME.replace(':', '%3A')}&filter=posts_with_replies&limit=100"


def record(text: str, answers: str = "", **more: Any) -> dict[str, Any]:
    made = {
        "$type": "app.bsky.feed.post",
        "text": text,
        "createdAt": "2024-05-06T23:59:59.123Z",
        "langs": ["en"],
        **more,
    }
    if answers:
        made["reply"] = {"root": {"uri": answers, "cid": "x"}, "parent": {"uri": answers, "cid": "x"}}
    return made


def facet(text: str, shown: str, kind: str, **more: str) -> dict[str, Any]:
    start = text.encode().index(shown.encode())
    index = {"byteStart": start, "byteEnd": start + len(shown.encode())}
    return {"index": index, "features": [{"$type": f"app.bsky.richtext.facet#{kind}", **more}]}


def own(key: str) -> str:
    return f"at://{ME}/app.bsky.feed.post/{key}"


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


class Repository:
    """Writes a CAR file, block by block."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}

    def put(self, block: Any) -> cbor2.CBORTag:
        data = block if isinstance(block, bytes) else cbor2.dumps(block)
        cid = b"\x01\x71\x12\x20" + hashlib.sha256(data).digest()
        self.blocks[cid] = data
        return cbor2.CBORTag(42, b"\0" + cid)

    def tree(self, records: dict[str, Any]) -> cbor2.CBORTag:
        """Two levels: the odd records are in the branches below."""
        keys = sorted(records)
        entries, before = [], b""
        for number, key in enumerate(keys[::2]):
            after = keys[number * 2 + 1 : number * 2 + 2]
            below = [{"p": 0, "k": name.encode(), "v": self.put(records[name]), "t": None} for name in after]
            shared = next(
                (n for n, pair in enumerate(zip(before, key.encode(), strict=False)) if pair[0] != pair[1]), 0
            )
            branch = self.put({"l": None, "e": below}) if below else None
            entries.append({"p": shared, "k": key.encode()[shared:], "v": self.put(records[key]), "t": branch})
            before = key.encode()
        return self.put({"l": self.put({"l": None, "e": []}), "e": entries})

    def car(self, root: cbor2.CBORTag) -> bytes:
        frames = [cbor2.dumps({"roots": [root], "version": 1}), *(cid + block for cid, block in self.blocks.items())]
        return b"".join(varint(len(frame)) + frame for frame in frames)

    def whole(self, records: dict[str, Any]) -> bytes:
        return self.car(self.commit(self.tree(records)))

    def commit(self, data: Any) -> cbor2.CBORTag:
        return self.put({"did": ME, "version": 3, "data": data, "rev": "3k", "prev": None, "sig": b"s"})


def read(folder: Path, data: bytes) -> list[Item]:
    (folder / "repo.car").write_bytes(data)
    archive = Archive(folder / "repo.car")
    assert bluesky.recognises(archive)
    return list(bluesky.read(archive))


def exported(folder: Path, records: dict[str, Any]) -> list[Item]:
    full = {f"app.bsky.feed.post/{key}" if "/" not in key else key: value for key, value in records.items()}
    return read(folder, Repository().whole(full))


@pytest.fixture
def server() -> Iterator[Blog]:
    made = Blog()
    made[PROFILE] = json.dumps({"did": ME, "handle": "ann.example", "displayName": "Ann"})
    yield made
    made.close()


def visited(server: Blog, profile: str = "ann.example") -> list[Item]:
    with Fetcher(allow_private=True) as fetcher:
        return list(bluesky.visit(Visit(fetcher), f"https://bsky.app/profile/{profile}", api=server.url))


def entry(key: str, said: dict[str, Any], did: str = ME, **more: Any) -> dict[str, Any]:
    return {"post": {"uri": f"at://{did}/app.bsky.feed.post/{key}", "author": {"did": did}, "record": said}, **more}


def page(*entries: Any, cursor: str = "") -> str:
    return json.dumps({"feed": entries, "cursor": cursor} if cursor else {"feed": entries})


def after(cursor: str) -> str:
    return f"{FEED}&{urlencode({'cursor': cursor})}"


def test_a_repository_and_the_api_give_the_same_post(tmp_path: Path, server: Blog) -> None:
    text = "👩‍🚀 “soup” at soup.example/long-pa... and my notes @bob.example #soup"
    facets = [
        facet(text, "@bob.example", "mention", did=BOB),
        facet(text, "soup.example/long-pa...", "link", uri="https://soup.example/long-path?é=1"),
        facet(text, "my notes", "link", uri="https://notes.example/"),
        facet(text, "#soup", "tag", tag="soup"),
    ]
    quoted = {"$type": "app.bsky.embed.record", "record": {"uri": f"at://{BOB}/app.bsky.feed.post/1", "cid": "x"}}
    said = record(text, facets=facets, embed=quoted)
    items = exported(tmp_path, {"3k1": said, "app.bsky.actor.profile/self": {"displayName": "Ann"}})
    server[FEED] = page(entry("3k1", said))
    assert visited(server) == items
    (post,) = posts(items)
    assert post == RawPost(
        SOURCE,
        "3k1",
        title="",
        date=dt.date(2024, 5, 6),
        url=f"https://bsky.app/profile/{ME}/post/3k1",
        text="👩‍🚀 “soup” at https://soup.example/long-path?é=1 and my notes @bob.example #soup",
        markup="plain",
        author="Ann",
        format="note",
    )
    assert items[-1] == Complete()


def test_threads_replies_and_reposts_of_a_repository(tmp_path: Path) -> None:
    hello = "@bob.example @cat.example yes, @bob.example"
    names = [facet(hello, "@bob.example", "mention", did=BOB), facet(hello, "@cat.example", "mention", did=BOB)]
    items = exported(
        tmp_path,
        {
            "3k1": record("one"),
            "3k2": record("two\nlines", own("3k1")),
            "3k3": record(hello, f"at://{BOB}/app.bsky.feed.post/9", facets=names),
            "3k4": record("three", own("3k2")),
            "3k5": record("to myself", own("3k3")),
            "3k6": record("its start is deleted", own("3a0")),
            "3k7": record(""),
            "app.bsky.feed.repost/3k8": {"$type": "repost", "subject": {"uri": f"at://{BOB}/app.bsky.feed.post/9"}},
            "app.bsky.feed.like/3k9": {"subject": {"uri": f"at://{BOB}/app.bsky.feed.post/9"}},
            "app.bsky.graph.follow/3ka": {"subject": BOB},
            "chat.bsky.actor.declaration/self": {"allowIncoming": "none"},
        },
    )
    assert {post.source_id: (post.format, post.text) for post in posts(items)} == {
        "3k1": ("note", "one\n\ntwo\nlines\n\nthree"),
        "3k3": ("reply", "yes, @bob.example\n\nto myself"),
        "3k6": ("note", "its start is deleted"),
    }
    assert sorted(reasons(items)) == [("3k7", "empty"), ("app.bsky.feed.repost/3k8", "reshare")]
    assert items[-1] == Complete()


@pytest.mark.parametrize(("start", "end"), [(-1, 4), (2, 99), (4, 2), (2, 2), ("0", 4), (None, None), (2**62, 2**63)])
def test_a_facet_that_is_nowhere_changes_nothing(tmp_path: Path, start: Any, end: Any) -> None:
    wrong = {
        "index": {"byteStart": start, "byteEnd": end},
        "features": [{"$type": "link", "uri": "https://a.example/"}],
    }
    (post,) = posts(exported(tmp_path, {"3k1": record("a.example", facets=[wrong, "x", {"index": None}])}))
    assert post.text == "a.example"


def test_overlapping_facets_lose_no_word(tmp_path: Path) -> None:
    text = "see soup.example/a... now"
    link = facet(text, "soup.example/a...", "link", uri="https://soup.example/abc")
    inside = facet(text, "example/a... now", "link", uri="https://example/a and more now")
    (post,) = posts(exported(tmp_path, {"3k1": record(text, facets=[inside, link, link])}))
    assert post.text == "see https://soup.example/abc now"


def test_a_repository_that_was_cut_short_gives_what_it_has(tmp_path: Path) -> None:
    records = {f"app.bsky.feed.post/3k{number}": record(f"post {number}") for number in range(8)}
    made = Repository()
    root = made.commit(made.tree(records))
    # As a server streams it: the commit and the tree before the records.
    made.blocks = dict(sorted(made.blocks.items(), key=lambda item: b"text" in item[1]))
    data = made.car(root)
    items = read(tmp_path, data[:-200])
    assert 5 <= len(posts(items)) < 8
    assert {reason for _, reason in reasons(items)} == {"damaged"}
    assert ("repo.car", "damaged") in reasons(items)
    assert Complete() not in items


def test_a_record_that_was_changed_is_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    data = Repository().whole({f"app.bsky.feed.post/3k{n}": record(f"post number {n}") for n in range(3)})
    items = read(tmp_path, data.replace(b"post number 1", b"post number 9"))
    assert [post.source_id for post in posts(items)] == ["3k0", "3k2"]
    assert reasons(items) == [("3k1", "damaged")]
    assert items[-1] == Complete()


@pytest.mark.parametrize(
    "block",
    [
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a list within itself
        b"\xa1dtext\xd8\x23\x64(a+)",  # a regular expression
        b"\xa1dtext\xc2\x58\x20" + b"\xff" * 32,  # an integer as large as one likes
        b"\x81" * 100_000 + b"\x00",
        b"\x9f" * 100_000,
        b"\xbf",
        b"\x9b\x00\x00\xff\xff\xff\xff\xff\xff",
        b"\x7b\x00\x00\xff\xff\xff\xff\xff\xff",
        b"\xa1dtext\xd8\x2a\x41\x01",
        b"\xa1\x81\x01\x01",
        b"\xff",
        b"\x01",
    ],
)
def test_a_hostile_record_is_refused(tmp_path: Path, block: bytes) -> None:
    made = Repository()
    entries = [
        {"p": 0, "k": b"app.bsky.feed.post/3k1", "v": made.put(block), "t": None},
        {"p": 0, "k": b"app.bsky.feed.post/3k2", "v": made.put(record("fine")), "t": None},
    ]
    items = read(tmp_path, made.car(made.commit(made.put({"l": None, "e": entries}))))
    assert [post.text for post in posts(items)] == ["fine"]
    assert reasons(items) == [("3k1", "damaged")]


def test_one_record_under_many_names_is_read_once(tmp_path: Path) -> None:
    made = Repository()
    large = made.put(record("x" * 1_000_000))
    entries = [{"p": 0, "k": b"app.bsky.feed.post/3k%06d" % n, "v": large, "t": None} for n in range(10_000)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    items = read(tmp_path, made.car(made.commit(made.put({"l": None, "e": entries}))))
    assert len(posts(items)) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_tree_that_is_none_is_said(tmp_path: Path) -> None:
    made = Repository()
    entries = [{"p": -5, "k": b"app.bsky.feed.post/3k1", "v": made.put(record("fine")), "t": None}, {"p": "x"}]
    items = read(tmp_path, made.car(made.commit(made.put({"l": made.put({"e": 7}), "e": entries}))))
    assert [post.text for post in posts(items)] == ["fine"]
    assert reasons(items) == [("repo.car", "damaged")]


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        b"\xff\xff\xff\xff\xff\x01",
        b"\x00",
        b"\xff\xff\xff\x7f" + b"x" * 99,
        b"\x7f",
    ],
)
def test_a_frame_of_an_impossible_size_ends_the_file(tmp_path: Path, frames: bytes) -> None:
    header = cbor2.dumps({"roots": [Repository().put({})], "version": 1})
    with pytest.raises(SourceError) as error:
        read(tmp_path, varint(len(header)) + header + frames)
    assert error.value.hint


@pytest.mark.parametrize("commit", [{"did": 7, "data": b"x"}, {"version": 3}, [1]])
def test_a_repository_of_nobody_is_said(tmp_path: Path, commit: Any) -> None:
    made = Repository()
    with pytest.raises(SourceError):
        read(tmp_path, made.car(made.put(commit)))


def test_other_files_are_no_repositories(tmp_path: Path) -> None:
    for name, content in (("a.car", b"Ford Fiesta, 2003, roots"), ("b.car", b""), ("repo.txt", b"\x3a\xa2eroots")):
        (tmp_path / name).write_bytes(content)
    assert not bluesky.recognises(Archive(tmp_path))


def test_pages_are_followed_to_the_end(server: Blog) -> None:
    server[FEED] = page(
        entry("3k5", record("three", own("3k4"))),
        entry("9", record("theirs"), did=BOB, reason={"$type": "app.bsky.feed.defs#reasonRepost"}),
        entry("3k4", record("two", own("3k1")), reply={"parent": {"record": {"text": "THEIRS"}}}),
        cursor="2024-05-06T00:00:00Z",
    )
    server[after("2024-05-06T00:00:00Z")] = [
        Reply("slow down", 429, {"Retry-After": "0"}),
        Reply(page(entry("8", record("theirs"), did=BOB), {"post": 7}, entry("3k2", record("other")), cursor="end")),
    ]
    server[after("end")] = page(entry("3k1", record("one")))
    items = visited(server)
    assert [(post.source_id, post.text) for post in posts(items)] == [("3k1", "one\n\ntwo\n\nthree"), ("3k2", "other")]
    assert [reason for _, reason in reasons(items)] == ["reshare", "other_author", "other_author"]
    assert "THEIRS" not in repr(items)
    assert items[-1] == Complete()
    assert server.asked.count(after("2024-05-06T00:00:00Z")) == 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("oh", 500), "server_error"),
        (Reply('{"feed": ['), "bad_answer"),
        (Reply('{"feed": {}}'), "bad_answer"),
        (Reply(page(cursor="two")), "bad_answer"),
    ],
)
def test_a_listing_that_breaks_off_keeps_what_it_gave(server: Blog, reply: Reply, reason: str) -> None:
    server[FEED] = page(entry("3k9", record("nine")), entry("3k8", record("eight", own("3k1"))), cursor="two")
    server[after("two")] = reply
    items = visited(server)
    assert [post.source_id for post in posts(items)] == ["3k9"]
    assert isinstance(items[-1], Refusal)
    assert [why for _, why in reasons(items)] == ["thread_cut", reason]
    assert Complete() not in items


def test_what_the_cap_leaves_is_read_by_the_next_run_and_reposts_are_no_posts(server: Blog) -> None:
    reposted = {"reason": {"$type": "app.bsky.feed.defs#reasonRepost"}}
    keys = [f"3k{number:03}" for number in range(899, -1, -1)]
    for at in range(0, 900, 100):
        answers = {keys[490]: own(keys[510])}
        mine = [entry(key, record(key, answers.get(key, ""))) for key in keys[at : at + 100]]
        theirs = [entry(key, record("theirs"), did=BOB, **reposted) for key in keys[at : at + 100]]
        server[after(str(at)) if at else FEED] = page(*theirs, *mine, cursor=str(at + 100) if at < 800 else "")
    runs = Runs(bluesky.visit, "https://bsky.app/profile/ann.example", server.url)
    first = runs.again(requests=6)
    assert [post.source_id for post in posts(first)] == sorted({*keys[:500]} - {keys[490]})
    assert [reason for _, reason in reasons(first) if reason != "reshare"] == ["thread_cut", "page_cap"]
    second = runs.again(requests=9)
    assert [post.source_id for post in posts(second)] == sorted({*keys[:300], *keys[500:]})
    assert next(post.text for post in posts(second) if post.source_id == keys[510]) == f"{keys[510]}\n\n{keys[490]}"
    assert Complete() not in second
    third = runs.again()
    assert (len(posts(third)), third[-1]) == (899, Complete())


def test_robots_are_obeyed(server: Blog) -> None:
    server["/robots.txt"] = "User-agent: *\nDisallow: /xrpc/"
    with pytest.raises(FetchError) as error:
        visited(server)
    assert error.value.reason == "robots_disallowed"


def test_who_asks_for_readers_to_be_logged_in_is_not_read(server: Blog) -> None:
    server[PROFILE] = json.dumps({"did": ME, "labels": [{"src": ME, "val": "!no-unauthenticated"}]})
    with pytest.raises(FetchError) as error:
        visited(server)
    assert "export" in error.value.hint
    assert FEED not in server.asked


@pytest.mark.parametrize(
    "reply", [Reply('{"error": "InvalidRequest"}', 400), Reply("[]"), Reply('{"did": 7}'), Reply("<p>")]
)
def test_a_profile_that_is_none_is_said(server: Blog, reply: Reply) -> None:
    server[PROFILE] = reply
    with pytest.raises(FetchError):
        visited(server)


def test_a_profile_by_its_did(server: Blog) -> None:
    server[PROFILE.replace("ann.example", ME.replace(":", "%3A"))] = json.dumps({"did": ME, "displayName": ""})
    server[FEED] = page(entry("3k1", record("hello")))
    (post,) = posts(visited(server, ME))
    assert (post.source, post.author) == (SOURCE, None)


def test_a_profile_is_recognised_by_its_address() -> None:
    for path in ("profile/ann.example", f"profile/{ME}", "profile/ann.example/"):
        assert bluesky.claims(f"https://bsky.app/{path}")
    for url in ("https://bsky.app/", "https://bsky.app/profile/a/post/1", "https://b.example/profile/a", "https://[x"):
        assert not bluesky.claims(url)
