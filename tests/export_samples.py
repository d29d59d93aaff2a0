"""One small export of every platform, as its platform writes it; all of it invented."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cbor2

from feature_pipeline.sources import Item, read
from feature_pipeline.sources.files.archive import Archive

GHOST_ID = "5f" + "0" * 21 + "1"
DID = "did:plc:annannannannannannannann"


def table(*rows: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def car(said: dict[str, Any]) -> bytes:
    """A repository with one record."""
    blocks: dict[bytes, bytes] = {}

    def put(block: Any) -> cbor2.CBORTag:
        data = cbor2.dumps(block)
        cid = b"\x01\x71\x12\x20" + hashlib.sha256(data).digest()
        blocks[cid] = data
        return cbor2.CBORTag(42, b"\0" + cid)

    entry = {"p": 0, "k": b"app.bsky.feed.post/3kaaa", "v": put(said), "t": None}
    tree = put({"l": None, "e": [entry]})
    root = put({"did": DID, "version": 3, "data": tree, "rev": "3k", "prev": None, "sig": b"s"})
    frames = [cbor2.dumps({"roots": [root], "version": 1}), *(cid + data for cid, data in blocks.items())]
    sizes = [bytes([n]) if (n := len(frame)) < 128 else bytes([n & 127 | 128, n >> 7]) for frame in frames]
    return b"".join(size + frame for size, frame in zip(sizes, frames, strict=True))


@dataclass(frozen=True)
class Export:
    files: dict[str, str | bytes]
    found: list[tuple[str, str]]
    """Source and id of each post."""
    complete: bool = True
    alone: tuple[str, str] = ("", "")
    """An entry that is read by itself, and a name that a person may have given it."""
    me: str = ""
    by_archive: bool = False
    """Nothing in it names the account, so that the archive's path does."""


TWEETS = [
    {"tweet": {"id_str": "5", "created_at": "Wed Oct 10 20:19:24 +0000 2018", "full_text": "Hot soup. One sentence."}}
]
OUTBOX = {
    "@context": "https://www.w3.org/ns/activitystreams",
    "type": "OrderedCollection",
    "orderedItems": [
        {
            "id": "https://social.example/users/ann/statuses/9/activity",
            "type": "Create",
            "actor": "https://social.example/users/ann",
            "published": "2023-03-04T10:00:00Z",
            "to": ["https://www.w3.org/ns/activitystreams#Public"],
            "object": {
                "id": "https://social.example/users/ann/statuses/9",
                "type": "Note",
                "attributedTo": "https://social.example/users/ann",
                "published": "2023-03-04T10:00:00Z",
                "to": ["https://www.w3.org/ns/activitystreams#Public"],
                "content": "<p>Hot soup.</p>",
            },
        }
    ],
}
ACTOR = {
    "id": "https://social.example/users/ann",
    "type": "Person",
    "preferredUsername": "ann",
    "name": "Ann",
    "url": "https://social.example/@ann",
}
GROUP = {
    "name": "Soup",
    "type": "private_group",
    "id": 7,
    "messages": [
        {"id": 1, "type": "message", "date": "2022-01-02T10:00:00", "from": "Ann", "from_id": "user1", "text": "Hot."},
        {
            "id": 2,
            "type": "message",
            "date": "2022-01-02T10:09:00",
            "from": "Bob",
            "from_id": "user2",
            "text": "THEIRS",
        },
    ],
}
CHAT = "30/12/2023, 23:59 - Ann: Hot soup.\n31/12/2023, 10:00 - Bob: THEIRS\n"
WXR = (
    '<?xml version="1.0"?><rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wp="http://wordpress.org/export/1.2/"><channel>'
    "<title>Ann</title><link>https://ann.example</link><wp:wxr_version>1.2</wp:wxr_version><item><title>Soup</title>"
    "<link>https://ann.example/1/</link><content:encoded><![CDATA[<p>Hot soup.</p>]]></content:encoded>"
    "<wp:post_id>1</wp:post_id><wp:post_date>2020-05-06 10:00:00</wp:post_date><wp:status>publish</wp:status>"
    "<wp:post_type>post</wp:post_type></item></channel></rss>"
)
GHOST = {
    "id": GHOST_ID,
    "title": "Soup",
    "slug": "soup",
    "html": "<p>Hot soup.</p>",
    "status": "published",
    "type": "post",
    "visibility": "public",
    "published_at": "2021-03-04T10:00:00.000Z",
}
ATOM = (
    "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'"
    " xmlns:blogger='http://schemas.google.com/blogger/2018'><id>tag:blogger.com,1999:blog-77</id><title>Ann</title>"
    "<entry><id>tag:blogger.com,1999:blog-77.post-1</id><blogger:type>POST</blogger:type>"
    "<blogger:status>LIVE</blogger:status><title>Soup</title><content type='html'>&lt;p&gt;Hot soup.&lt;/p&gt;</content>"
    "<published>2020-05-06T10:00:00Z</published></entry></feed>"
)
MEDIUM = (
    '<!DOCTYPE html><html><head><title>Soup</title></head><body><article class="h-entry"><header>'
    '<h1 class="p-name">Soup</h1></header><section data-field="body" class="e-content"><p>Hot soup.</p></section>'
    '<footer><p>By <a href="https://medium.com/@AnnLee" class="p-author h-card">Ann Lee</a> on '
    '<time class="dt-published" datetime="2024-01-02T10:00:00.000Z">A day</time></p>'
    '<p><a href="https://medium.com/@AnnLee/soup-0a1b2c3d4e5f" class="p-canonical">Canonical link</a></p></footer>'
    "</article></body></html>"
)
RICH = {"nodes": [{"type": "PARAGRAPH", "nodes": [{"type": "TEXT", "textData": {"text": "Hot soup."}}]}]}
LINKEDIN = "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A7"
REDDIT = {"permalink": "https://www.reddit.com/r/soup/comments/p1/x/", "date": "2023-01-15 10:00:00 UTC"}
FACEBOOK = {
    "timestamp": 1_600_000_000,
    "data": [{"post": "Hot soup."}, {"update_timestamp": 1_600_000_000}],
    "title": "Ann wrote something.",
}
PROFILE = {"profile_v2": {"name": {"full_name": "Ann"}, "profile_uri": "https://www.facebook.com/ann.k"}}

EXPORTS = {
    "linkedin": Export(
        {
            "Shares.csv": table({"Date": "2023-05-01 10:00:00", "ShareLink": LINKEDIN, "ShareCommentary": "Hot soup."}),
            "Comments.csv": table({"Date": "2023-05-02 10:00:00", "Link": f"{LINKEDIN}?c=1", "Message": "Indeed."}),
            "Profile.csv": "First Name,Last Name\nAnn,Lee\n",
        },
        [
            ("linkedin:profile", "urn:li:share:7"),
            ("linkedin:profile", "comment on urn:li:share:7 of 2023-05-02 10:00:00"),
        ],
        alone=("Shares.csv", "Shares_1.csv"),
    ),
    "x": Export(
        {
            "data/tweets.js": f"window.YTD.tweets.part0 = {json.dumps(TWEETS)}",
            "data/account.js": 'window.YTD.account.part0 = [{"account": {"username": "ann_k", "accountId": "7"}}]',
        },
        [("x:@ann_k", "5")],
        alone=("data/tweets.js", "tweets.js"),
    ),
    "facebook": Export(
        {
            "your_facebook_activity/posts/your_posts_1.json": json.dumps([FACEBOOK]),
            "personal_information/profile_information/profile_information.json": json.dumps(PROFILE),
        },
        [("facebook:ann.k", "post of 1600000000")],
        complete=False,  # an export is of the days that were asked for
        alone=("your_facebook_activity/posts/your_posts_1.json", "your_posts_2020.json"),
    ),
    "reddit": Export(
        {
            "posts.csv": table(
                {
                    "id": "p1",
                    **REDDIT,
                    "ip": "203.0.113.7",
                    "subreddit": "soup",
                    "title": "Soup",
                    "url": "",
                    "body": "Hot.",
                }
            ),
            "comments.csv": table(
                {"id": "c1", **REDDIT, "ip": "203.0.113.7", "subreddit": "soup", "link": "", "body": "Indeed."}
            ),
        },
        [("", "t3_p1"), ("", "t1_c1")],
        complete=False,
        alone=("posts.csv", "posts.csv"),
        by_archive=True,
    ),
    "mastodon": Export(
        {"outbox.json": json.dumps(OUTBOX), "actor.json": json.dumps(ACTOR)},
        [("mastodon:@ann@social.example", "9")],
        alone=("outbox.json", "outbox.json"),
    ),
    "bluesky": Export(
        {"repo.car": car({"$type": "app.bsky.feed.post", "text": "Hot soup.", "createdAt": "2024-01-02T10:00:00Z"})},
        [(f"bluesky:{DID}", "3kaaa")],
        alone=("repo.car", "ann 2024.car"),
    ),
    "telegram": Export(
        {"DataExport_2024/result.json": json.dumps(GROUP, indent=1)},
        [("telegram:chat7", "1")],
        alone=("DataExport_2024/result.json", "soup group.json"),
        me="Ann",
    ),
    "whatsapp": Export(
        {"WhatsApp Chat with Bob.txt": CHAT, "IMG-20231230-WA0001.jpg": b"\xff\xd8\xff"},
        [("whatsapp:Bob", "2023-12-30T23:59")],
        alone=("WhatsApp Chat with Bob.txt", "bob.txt"),
        me="Ann",
    ),
    "wordpress": Export(
        {"ann.wordpress.2024-01-02.xml": WXR},
        [("wordpress:ann.example", "1")],
        alone=("ann.wordpress.2024-01-02.xml", "my old blog.xml"),
    ),
    "ghost": Export(
        {
            "ann.ghost.2024.json": json.dumps(
                {
                    "db": [
                        {
                            "meta": {"exported_on": 1, "version": "5.82.0"},
                            "data": {"posts": [GHOST], "settings": [{"key": "title", "value": "Ann"}]},
                        }
                    ]
                }
            )
        },
        [("ghost", GHOST_ID)],
        alone=("ann.ghost.2024.json", "backup (1).json"),
    ),
    "blogger": Export(
        {"Takeout/Blogger/Blogs/Ann/feed.atom": ATOM},
        [("blogger:77", "1")],
        alone=("Takeout/Blogger/Blogs/Ann/feed.atom", "blog.xml"),
    ),
    "medium": Export(
        {"posts/2024-01-02_Soup-0a1b2c3d4e5f.html": MEDIUM, "profile/profile.html": "<h1>Ann</h1>"},
        [("medium:@annlee", "0a1b2c3d4e5f")],
    ),
    "substack": Export(
        {
            "posts.csv": table(
                {
                    "post_id": "1.soup",
                    "post_date": "2024-01-02T10:00:00.000Z",
                    "is_published": "true",
                    "type": "newsletter",
                    "title": "Soup",
                }
            ),
            "posts/1.soup.html": '<p>Hot soup.</p><p><a href="https://ann.substack.com/subscribe?">Subscribe</a></p>',
        },
        [("substack:ann", "1")],
    ),
    "wix": Export(
        {
            "posts.csv": table(
                {
                    "Title": "Soup",
                    "Plain Content": "Hot soup.",
                    "Rich Content": json.dumps(RICH),
                    "Published Date": "2024-01-02T10:00:00Z",
                    "ID": "w1",
                    "Post Page URL": "https://www.ann.example/post/soup",
                }
            )
        },
        [("wix:ann.example", "w1")],
        alone=("posts.csv", "Blog Posts.csv"),
    ),
    "buttondown": Export(
        {
            "emails.csv": table(
                {"id": "b1", "subject": "Soup", "publish_date": "2024-01-02", "slug": "soup", "body": ""}
            ),
            "emails/soup.md": "Hot soup.\n",
        },
        [("", "b1")],
        by_archive=True,
    ),
    "newsletters": Export(
        {
            "posts_2024.csv": table(
                {
                    "id": "n1",
                    "web_title": "Soup",
                    "status": "confirmed",
                    "content_html": "<p>Hot soup.</p>",
                    "url": "https://ann.beehiiv.com/p/soup",
                }
            )
        },
        [("beehiiv:ann", "n1")],
        alone=("posts_2024.csv", "mine.csv"),
    ),
}


def folder(path: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def packed(path: Path, files: Mapping[str, str | bytes], within: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(within + name, content)
    return path


def read_by(platform: ModuleType, path: Path) -> list[Item]:
    """An export that the platform's reader takes for its own."""
    with closing(Archive(path)) as archive:
        assert platform.recognises(archive)
        return list(platform.read(archive))


def items(path: Path, me: str = "") -> list[Item]:
    """What is read of it as a person names it, and whose chat it is."""
    return list(read(f"{path}#{me}" if me else str(path)))
