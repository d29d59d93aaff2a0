"""What is private is found by its form; what only looks like it is left. No number or key here is anybody's."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import pytest

from contracts.private import marks


def found(text: str) -> list[tuple[str, str]]:
    return [(mark.instead, text[mark.start : mark.end]) for mark in marks(text)]


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com",
        "ann.b+soup@mail.example.co.uk",
        "änn@exämple.de",
        "ann [at] example [dot] org",
        "ann (at) example.org",
    ],
)
def test_mail_addresses(address: str) -> None:
    assert found(f"Write to {address}, or do not.") == [("[e-mail address]", address)]
    assert found(f"[Write](mailto:{address})") == [("[e-mail address]", address)]


@pytest.mark.parametrize(
    "text",
    [
        "git clone git@github.com:ann/soup.git",
        "I am @ann@social.example and @bob.",
        "![](pot@2x.png) getty@tty1.service",
        "https://lists.example.com/archive/%3CAA11@mail.example.com%3E",
        "a @ b.c, n@m, @property.setter, npm i soup@1.2.3",
        "What I look at (at home) is soup.",
    ],
)
def test_what_is_no_mail_address(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Call me: «212-387-1234».",
        "It is «(212) 387-1234» here.",
        "«+44 20 7946 0018»",
        "«+49 30 901820»",
        "Tel. «030 901820», evenings",
        "☎ «0171 2345678»",
        "Appelle le «06 12 34 56 78» !",
        "My phone number is «5551234567».",
    ],
)
def test_phone_numbers(text: str) -> None:
    number = text[text.index("«") + 1 : text.index("»")]
    assert found(text.replace("«", "").replace("»", "")) == [("[phone number]", number)]


@pytest.mark.parametrize(
    "text",
    [
        "On 2015-03-02 and 02/03/2015 at 10:15:20.",
        "ISBN 978-0-306-40615-7, ISBN 0306406152",
        "The phone had 1000000 pixels; 12345678 of them were red.",
        "Version 1.2.3-20150302, commit 1234567890123456, 0.25 0.25 1 0.040000",
        "8:   48 8d 05 00 00 00 00    lea",
        "1 2 3 4 5 6 7 8 9 10, 1,234,567,890, +1234567",
        "1984-2015, 100 000 000, 3.14159265358979",
        "https://example.com/posts/2123871234?id=212-387-1234",
    ],
)
def test_what_is_no_phone_number(text: str) -> None:
    assert found(text) == []


def test_card_numbers() -> None:
    assert found("Mine is 4111 1111 1111 1111.") == [("[card number]", "4111 1111 1111 1111")]
    assert found("Amex 3782-822463-10005") == [("[card number]", "3782-822463-10005")]
    assert found("my card, 4111111111111111") == [("[card number]", "4111111111111111")]
    assert found("the hash 4111111111111111") == found("4111 1111 1111 1112") == found("3019 0000 1000 0100") == []


def test_ibans() -> None:
    assert found("Pay to DE89 3704 0044 0532 0130 00 soon.") == [("[IBAN]", "DE89 3704 0044 0532 0130 00")]
    assert found("GB82WEST12345698765432") == [("[IBAN]", "GB82WEST12345698765432")]
    assert found("DE88 3704 0044 0532 0130 00, AB12 CDEF GHIJ KLMN") == []


def test_addresses_of_the_public_internet() -> None:
    assert found("from 93.184.216.34 to 2606:2800:220:1:248:1893:25c8:1946") == [
        ("[address]", "93.184.216.34"),
        ("[address]", "2606:2800:220:1:248:1893:25c8:1946"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1 192.168.1.20 10.0.0.7 172.16.0.1 0.0.0.0 255.255.255.0 192.0.2.44 8.8.8.8 fe80::1:2:3:4",
        "version 93.184.216.34, 1.2.3.4, SBCL 1.0.57.0, Chrome/80.0.3987.132, 999.1.1.1, 1.2.3.4.5",
        "12:34:56, aa:bb:cc:dd:ee:ff, std::vector, a::b",
    ],
)
def test_addresses_that_are_nobodys(text: str) -> None:
    assert found(text) == []


def mixed(length: int) -> str:
    """Signs in an order that no person would type, made here so that no key stands in this file."""
    signs = "aB3dE5gH7jK9mN2pQ4rS6tU8vW1xY0z"
    return (signs * (length // len(signs) + 1))[:length]


@pytest.mark.parametrize(
    "key",
    [
        "AKIA" + "B3D5" * 4,
        "ghp_" + mixed(36),
        "github_pat_" + mixed(60),
        "sk-" + mixed(48),
        "sk-proj-" + mixed(48),
        "xoxb-" + mixed(40),
        "hf_" + mixed(34),
        "AIza" + mixed(35),
        "eyJ" + mixed(20) + ".eyJ" + mixed(40) + "." + mixed(43),
    ],
)
def test_keys(key: str) -> None:
    assert found(f"export IT={key}\n") == [("[key]", key)]


def test_a_secret_is_known_by_what_it_is_assigned_to() -> None:
    assert found(f'API_KEY = "{mixed(24)}"') == [("[key]", mixed(24))]
    assert found(f"password: {mixed(14)}") == [("[key]", mixed(14))]
    assert found(f"Authorization: Bearer {mixed(30)}") == [("[key]", mixed(30))]
    assert found("https://ann:hunter22@example.com/") == [("[password]", "hunter22")]


def test_a_private_key_is_one_mark() -> None:
    block = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + mixed(70) + "\nann@example.com\n-----END OPENSSH PRIVATE KEY-----"
    assert found(f"Look:\n\n{block}\n\nOops.") == [("[key]", block)]
    assert found("-----BEGIN PUBLIC KEY-----") == []


@pytest.mark.parametrize(
    "text",
    [
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 and 313a3e1",
        "The token parser_next_token_for_expressions is a secret = of(mine).",
        "password: correct horse battery staple, token: TokenKind.Identifier2",
        'secret = os.environ["SECRET_1"], token = lexer2.next_token_of_kind3(x)',
        "https://example.com:8080/@ann sk-learn-contrib-and-other-packages",
    ],
)
def test_what_is_no_key(text: str) -> None:
    assert found(text) == []


def test_marks_are_in_order_and_never_overlap() -> None:
    text = f"tel +44 20 7946 0018, ann@example.com, token={mixed(20)}, 93.184.216.34"
    spans = [(mark.start, mark.end) for mark in marks(text)]
    assert len(spans) == 4
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert {mark.kind for mark in marks(text)} == {"private"}
    assert marks("") == []


def test_no_socket_is_opened() -> None:
    """In a process of its own, so that the first import is seen too."""
    program = (
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, _: opened.append(event) if event.startswith('socket.') else None)\n"
        "from contracts.private import marks\n"
        "found = marks('ann@example.com +44 20 7946 0018 93.184.216.34 DE89 3704 0044 0532 0130 00')\n"
        "print(len(found), opened, 'spacy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "4 [] False"


PIECES = [
    "1 ",
    "1",
    "a@",
    "a",
    "a.",
    "4111 ",
    "AA11",
    "1.",
    "a:",
    "token=",
    "token ",
    "eyJ",
    "-----BEGIN PRIVATE KEY-----",
    "://a:b",
]


@pytest.mark.parametrize(
    "piece", [*PIECES, "+1 ", "(", " [at] ", "a [at] a.", "tel ", "sk-", "@", "x@a.", "1@a.b ", "A1 "]
)
def test_no_text_takes_long(piece: str) -> None:
    found("+44 20 7946 0018")
    text = piece * (1_000_000 // len(piece))
    start = time.perf_counter()
    marks(text)
    assert time.perf_counter() - start < 2
