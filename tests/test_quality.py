"""What must not become a post, and the posts about it that must."""

from __future__ import annotations

import base64
import random
import time

import pytest

from feature_pipeline.quality import refusal

OWN = "The soup was hot, and I ate it all the same, as I had nothing else to eat. "


def reason(text: str, title: str = "") -> str:
    found = refusal(title, text)
    return found[0] if found else ""


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Just a moment...", "Enable JavaScript and cookies to continue"),
        ("", "Verify you are human by completing the action below."),
        ("Access", "Please enable JavaScript to view this page."),
        ("Log in", "You must be logged in to see this."),
        ("", "We use cookies to give you the best experience. Accept all. Reject all."),
    ],
)
def test_walls(title: str, text: str) -> None:
    assert reason(text, title) == "blocked_page"


CLOUDFLARE = (
    "soup.example\n\nVerify you are human by completing the action below.\n\nsoup.example needs to review the security of "
    "your connection before proceeding.\n\nWhy do I have to complete a CAPTCHA?\n\nRay ID: 8f0\n\n"
    "Performance & security by Cloudflare"
)


def test_a_wall_with_all_that_stands_around_it() -> None:
    assert reason(CLOUDFLARE, "Just a moment...") == "blocked_page"
    assert reason("Just a moment...", "Just a moment...") == "blocked_page"


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("", OWN * 10 + "Then Cloudflare said “Just a moment…” and asked me to verify you are human."),
        ("", "I hate it when a page says that it must verify you are human, on a Sunday, before I had my soup."),
        ("", "Just a moment… is what every second page says to me now, before it shows a word."),
        ("", "“Just a moment…” Cloudflare again. Third time today!"),
        ("Just a moment...", "Sitting by the lake with a coffee, no phone, and a heron that looks at the soup."),
        (
            "Just a moment...",
            "What Cloudflare's waiting room says, in nine languages, is longer than most pages behind it.",
        ),
        ("", "We use cookies to bribe the reviewers."),
        ("", "Forgot your password? My father never did: it was soup, everywhere, until the day he died."),
    ],
)
def test_posts_about_walls_stay(title: str, text: str) -> None:
    assert reason(text, title) == ""


@pytest.mark.parametrize(
    "text",
    [
        OWN + "\n\nThis post is for paid subscribers",
        OWN + "\n\nSubscribe to continue reading",
        OWN + "[…] Read more",
        OWN + "… [Continue reading](https://example.com/soup)",
        OWN + "\n\nContenuto riservato agli abbonati",
        "スープを作った。\n\nこの記事は会員限定です。",
        "スープを作った。\n\nこの続きは有料会員のみご覧いただけます",
        "我做了汤。\n\n本文仅限付费会员阅读。",
    ],
)
def test_stubs(text: str) -> None:
    assert reason(text) == "paywall"


def test_a_whole_post_that_asks_to_subscribe_stays() -> None:
    assert reason(OWN * 20 + "\n\nSubscribe to continue reading") == reason("Read more books.") == ""


@pytest.mark.parametrize(
    "text",
    [
        OWN * 5 + "Subscribe to continue reading my newsletter, if you want more of it.",
        "“This post is for paid subscribers” ends half of what I read now. " + OWN * 3,
        "This post is for paid subscribers, says the page, and I close it. " + OWN * 3,
        "Subscribe to continue reading. No, thanks. I close the page and eat my soup.",
        OWN + "\n\n> Subscribe to continue reading\n\nI did not.",
        "This year I want to … read more",
        "Notes to self … read more books, and keep reading them.",
        "「この記事は会員限定です」と書いてあって、閉じた。",
        "この記事は会員限定ですと言われて、私はページを閉じてスープを飲むことにした。",
    ],
)
def test_posts_about_paid_posts_stay(text: str) -> None:
    assert reason(text) == ""


def test_the_title_of_a_post_about_paid_posts_is_none() -> None:
    assert reason(OWN * 3, "Subscribe to continue reading") == ""


@pytest.mark.parametrize(
    "notice",
    [
        "This article was automatically translated from German.",
        "Translated by Google Translate",
        "*Translated with www.DeepL.com/Translator*",
        "Cet article a été traduit automatiquement.",
        "Dieser Artikel wurde maschinell übersetzt.",
        "Este texto ha sido traducido automáticamente.",
    ],
)
def test_notices_of_a_machine_translation(notice: str) -> None:
    assert reason(f"{notice}\n\n{OWN}") == reason(f"{OWN}\n\n{notice}") == "machine_translated"


@pytest.mark.parametrize(
    "text",
    [
        "My grandmother's letters, which I once had translated by Google Translate on a phone, were about soup.",
        "I use DeepL for my letters to Lisbon.",
        "The manual of my oven was translated with DeepL.",
        "Translated by DeepL, my grandmother's letters are poems.",
        "This post is about a manual that was translated by Google Translate.",
        "Das Kochbuch wurde maschinell übersetzt und schmeckt so.",
        "Powered by Google Translate, my holiday was a success.",
    ],
)
def test_a_post_about_translation_stays(text: str) -> None:
    assert reason(f"{text}\n\n{OWN}") == reason(f"{OWN}\n\n{text}") == reason(text) == ""


def test_garbled() -> None:
    signs = random.Random(1)
    noise = " ".join("".join(signs.choices("bcdfghjklmnpqrstvwxz", k=8)) for _ in range(60))
    assert reason("so\ufffdp w\ufffds h\ufffdt, \ufffd at\ufffd it") == "garbled"
    assert reason("Ã©tÃ© Ã  la crÃ¨me brÃ»lÃ©e, dÃ©jÃ\xa0 mangÃ©e, lÃ©gÃ¨re, Ã©tÃ©, Ã©pÃ©e, bÃ©bÃ©") == "garbled"
    assert reason(noise) == "garbled"
    assert reason(base64.b64encode(bytes(signs.choices(range(256), k=600))).decode()) == "garbled"


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "👍👍👍",
        "hmmmm pfff tsk tsk tsk brrr",
        "まずコーヒー、それから庭。" * 20,
        "القهوة أولا ثم الحديقة. " * 20,
        "Strč prst skrz krk. Vlk zmrzl, zhltl hrst zrn. " * 4,
        "Soup,\n  soup;\n    o soup!\n\n        hot.\n" * 10,
        "Look:\n\n```\n" + "x[i++] ^= (y>>3)&0x7f;\n" * 40 + "```\n\nIt works.",
        "- [Soup](https://example.com/a)\n- [Pots](https://example.com/b)\n" * 9,
        "apples\npears\nplums\n" * 20,
        "One \ufffd sign was lost.",
        'What it gives back:\n\n`["soup/pots","' + "soup/pots-1-a-b-c" * 30 + '"]`\n\nThat was it.',
        "| name | type |\n|---|---|\n" + "|soup_pot_lid_characteristics|1|c_1_a_2|\n" * 9,
        "I tried to find out what is in this file, and it seems that the key of it is not what we thought: "
        + "aGVsbG8gc291cA0K1" * 60,
    ],
)
def test_what_is_short_strange_or_code_stays(text: str) -> None:
    assert refusal("", text) is None


@pytest.mark.parametrize(
    "piece",
    [
        "```\n",
        "`",
        "](",
        "a",
        "a.",
        "… read ",
        "translated by ",
        "Ã",
        "> ~~~\n",
        "just a moment ",
        "| ",
        "a`\n",
        "bcdfg ",
        "\ufffd",
        "é",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.perf_counter()
    refusal(text[:100], text)
    assert time.perf_counter() - start < 1
