"""PII and secrets: addresses, numbers and keys that no model is to say to strangers. Known by their form alone.

Names are left: a post without them is another post. Nothing is looked up: the plans of telephone numbers come with
phonenumbers, all other rules are here.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Iterator

from contracts.records import Mark, replaced

Found = Iterator[tuple[int, int]]

# Most of these patterns begin with one character and look behind it: twice as fast as to look behind every one.
_LOCAL = re.compile(r"(?<![\w.+%@/-])[\w.+%-]{1,64}\Z")
_HOST = re.compile(r"(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,16}(?![\w@-]|\.\w|:[\w~])")
_AT_SPELT = re.compile(r"[\[({<] ?(?:at|@) ?[\])}>]", re.IGNORECASE)
_SPELT = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64} ?[\[({<] ?(?:at|@) ?[\])}>] ?"
    r"(?:[\w-]{1,63} ?(?:[\[({<] ?dot ?[\])}>]|\.) ?){1,4}[a-z]{2,12}\b",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"\.(?:png|jpe?g|gif|svg|webp|css|js|html?|py|php|so|service|target|socket|timer|local|internal)$", re.I
)

# Not in a row of bytes: “48 8d 05 00 00 00 00”.
_DIGITS = re.compile(
    r"[(+0-9](?<![\w.,/:=#%&?@+\-].)(?<!\d[0-9a-f] .)(?<![a-f]\d .)(?:(?<=\()\+?\d|(?<=\+)\d|(?<=\d))"
    r"(?:[ .()/\-]{0,3}\d){6,18}(?![\w%]|[.,/:=\-]\d)",
    re.DOTALL,
)
_CALL = re.compile(
    r"(?:(?:\b(?:tel|(?:tele)?phone|mobile|whatsapp|fax|sms|handy|telefon|téléphone|mobil|móvil|teléfono|telefono)\b"
    r"|[☎📞📱]|\b(?:call|text|ring|reach|phone) (?:me|us)\b)"
    r"(?:[\s:.*_(#\-–\ufe0f]|(?:number|no|nr|is|me|us|at|on)\b){0,8})$",
    re.IGNORECASE,
)
# The forms in which people write numbers at home, each with the country whose plan has to know the number.
_AT_HOME = (
    (re.compile(r"(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{4}$"), "US"),
    (re.compile(r"0[1-9](?:[ .]\d\d){4}$"), "FR"),
    (re.compile(r"0\d{4} \d{6}$|0\d{3} \d{3} \d{4}$|020 \d{4} \d{4}$"), "GB"),
)

_CARD = re.compile(
    r"[2-6](?<![\w.\-]\d)\d{3}(?:(?:[ -]?\d{4}){3}(?:[ -]?\d{3})?|[ -]?\d{6}[ -]?\d{4,5})(?![\w\-]|[.,]\d)"
)
_ISSUER = {
    14: re.compile(r"30[0-5]|3[689]"),
    15: re.compile(r"3[47]"),
    16: re.compile(r"4|5[1-5]|2[2-7]|6(?:011|4[4-9]|5|2)|35(?:2[89]|[3-8])"),
    19: re.compile(r"4|6[25]"),
}
_CARD_NEAR = re.compile(
    r"\b(?:cards?|visa|master ?card|amex|cvv|cvc|kreditkarte|karte|carte|tarjeta|cartão|carta)\b", re.I
)
_IBAN = re.compile(r"[A-Z](?<!\w[A-Z])[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")

_IP4 = re.compile(r"[0-9](?<![\w.\-]\d)\d{0,2}(?:\.\d{1,3}){3}(?![\w\-]|\.\d)")
_COLONS = re.compile(r":[0-9a-fA-F]{0,4}:")
_IP6 = re.compile(
    r"[0-9a-fA-F](?<![\w:.].)[0-9a-fA-F]{0,3}:{1,2}(?:[0-9a-fA-F]{1,4}:{1,2}){2,6}[0-9a-fA-F]{1,4}(?![\w:])"
)
_VERSION = re.compile(r"(?:\bv|versions?|release|build|section|§|chapter|kernel|firmware|driver|/)[ :]{0,2}$", re.I)
_EVERYBODYS = frozenset(("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "4.2.2.2", "208.67.222.222"))

_KEY = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"
    r"|glpat-[A-Za-z0-9_-]{20,64}|sk-(?:[a-z]{2,8}-)?(?=[A-Za-z_-]{0,40}\d)[A-Za-z0-9_-]{20,200}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,200}|xox[abeoprs]-[A-Za-z0-9-]{10,250}|AIza[A-Za-z0-9_-]{35}"
    r"|hf_[A-Za-z0-9]{30,60}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,500}|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"
    r"|eyJ(?<!-eyJ)[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000})(?![A-Za-z0-9_])"
)
_KEY_SIGNS = (
    "AKIA ASIA ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- sk- sk_ rk_ pk_ xox AIza hf_ npm_ pypi- SG. eyJ".split()
)
_ASSIGNED_SIGNS = (
    *(f"{one}{dash}key" for one in ("api", "access", "private") for dash in ("", "-", "_")),
    *("bearer", "passw", "pwd", "secret", "token"),
)
_KEY_BLOCK = re.compile(r"-----(BEGIN|END) (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_IN_ADDRESS = re.compile(r"://[^\s/:@\"'<>]{1,64}:([^\s/@\"'<>$\{\[]{4,64})@")
_ASSIGNED = re.compile(
    r"[aAbBpPsStT](?i:(?<=a)(?:pi|ccess)[_-]?key|(?<=b)earer|(?<=p)(?:assw(?:or)?d|asswd|wd|rivate[_-]?key)|(?<=s)ecret"
    r"|(?<=t)oken)[\"'`]?(?:[ \t]{0,3}(?:=>|:=|[=:])[ \t]{0,3}|[ \t])[\"'`]?"
    r"([A-Za-z0-9+/_~\-!@#%^&*]{12,200}={0,2})(?![\w(\[.])"
)
SHORTEST_KEY = 12  # characters without a space
SECRET_BITS = 3.2  # of entropy a character: what a machine made has more, and a name or a word seldom


def marks(text: str) -> list[Mark]:
    """In order, without overlaps: of two, the one whose rule comes first. `instead` says what stood there."""
    found: list[tuple[int, int, str]] = []
    taken = bytearray()
    for rule, instead in RULES:
        for start, end in rule(text):
            taken = taken or bytearray(len(text))
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                found.append((start, end, instead))
    return [Mark(start=start, end=end, kind="private", instead=instead) for start, end, instead in sorted(found)]


def masked(words: str) -> str:
    """Words that are no slice of a post's text, such as its title, each private thing replaced by its kind."""
    return replaced(words, ((mark.start, mark.end, mark.instead) for mark in marks(words)))


def _key_blocks(text: str) -> Found:
    """From BEGIN to END; what never ends has a line of them alone."""
    begun: re.Match[str] | None = None
    for line in _KEY_BLOCK.finditer(text) if "PRIVATE KEY" in text else ():
        if line[1] == "BEGIN":
            if begun:
                yield begun.span()
            begun = line
        elif begun:
            yield begun.start(), line.end()
            begun = None
    if begun:
        yield begun.span()


def _keys(text: str) -> Found:
    for match in _KEY.finditer(text) if any(map(text.__contains__, _KEY_SIGNS)) and _has_key_sign(text) else ():
        yield match.span()
    lowered = text.lower()
    for match in _ASSIGNED.finditer(text) if any(map(lowered.__contains__, _ASSIGNED_SIGNS)) else ():
        if _is_random(match[1]):
            yield match.span(1)


def _has_key_sign(text: str) -> bool:
    """In a word that is long enough: “task-based” has one too."""
    long = " ".join([word for word in text.split() if len(word) >= SHORTEST_KEY])
    return any(map(long.__contains__, _KEY_SIGNS))


def _is_random(value: str) -> bool:
    if (
        not any(map(str.isdigit, value))
        or not any(map(str.isalpha, value))
        or (value == value.lower() and len(value) < 20)
    ):
        return False
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values()) >= SECRET_BITS


def _passwords(text: str) -> Found:
    for match in _IN_ADDRESS.finditer(text) if "://" in text else ():
        yield match.span(1)


def _mails(text: str) -> Found:
    """All, whoever's they are. `git@host:path`, `@name@server` and what a web address has in it are none."""
    at = text.find("@")
    while at >= 0:
        host = _HOST.match(text, at + 1)
        local = _LOCAL.search(text, max(0, at - 65), at) if host else None
        if host and local and local[0] != "git" and not _FILE.search(host[0]) and not _in_address(text, local.start()):
            yield local.start(), host.end()
        at = text.find("@", at + 1)
    for match in _SPELT.finditer(text) if _AT_SPELT.search(text) else ():
        yield match.span()


def _in_address(text: str, at: int) -> bool:
    """Whether a web address goes on up to `at`, as those of mailing lists' archives do."""
    return not text[at - 1 : at].isspace() and "://" in f"-{text[max(0, at - 400) : at]}".split()[-1]


def _ibans(text: str) -> Found:
    """ISO 13616: the check digits are a remainder by 97."""
    for match in _IBAN.finditer(text):
        number = match[0].replace(" ", "")
        moved = "".join(str(int(sign, 36)) for sign in number[4:] + number[:4])
        if 15 <= len(number) <= 34 and int(moved) % 97 == 1:
            yield match.span()


def _cards(text: str) -> Found:
    """By issuer and check digit. A tenth of all numbers have the right one, so in one piece it needs a word for it near."""
    for match in _CARD.finditer(text):
        number = re.sub(r"\D", "", match[0])
        near = text[max(0, match.start() - 60) : match.end() + 20]
        if (
            len(number) in _ISSUER
            and _ISSUER[len(number)].match(number)
            and _luhn(number)
            and (number != match[0] or _CARD_NEAR.search(near))
        ):
            yield match.span()


def _luhn(number: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return len(set(number)) > 1 and sum(n - 9 * (n > 9) for n in doubled) % 10 == 0


def _hosts(text: str) -> Found:
    """Addresses of the public internet; those of a home, of documentation and of public resolvers are nobody's."""
    for match in (*_IP4.finditer(text), *(_IP6.finditer(text) if _COLONS.search(text) else ())):
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        known = match[0] in _EVERYBODYS or _VERSION.search(text, max(0, match.start() - 12), match.start())
        if not known and address.is_global and not address.is_multicast and not _is_version(address):
            yield match.span()


def _is_version(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """1.0.57.0 is a version or a network and 2.14.3.1 a version: few hosts have such an address."""
    return address.version == 4 and (address.packed[3] == 0 or all(part < 32 for part in address.packed))


def _phones(text: str) -> Found:
    """With a +, if some country's plan knows it; without, if it is called one, or has a form that nothing else has."""
    for match in _DIGITS.finditer(text):
        said = match[0]
        digits = sum(map(str.isdigit, said))
        if said.lstrip("(").startswith("+"):
            is_one = _known(said, None)
        else:
            is_one = 7 <= digits <= 13 and bool(_CALL.search(text, max(0, match.start() - 40), match.start()))
            is_one = is_one or any(form.match(said) and _known(said, country) for form, country in _AT_HOME)
        if is_one:
            yield match.start() + (said[0] == "(" and ")" not in said), match.end()


def _known(said: str, country: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(said, country))
    except phonenumbers.NumberParseException:
        return False


RULES = (
    (_key_blocks, "[key]"),
    (_keys, "[key]"),
    (_passwords, "[password]"),
    (_mails, "[e-mail address]"),
    (_ibans, "[IBAN]"),
    (_cards, "[card number]"),
    (_hosts, "[address]"),
    (_phones, "[phone number]"),
)
