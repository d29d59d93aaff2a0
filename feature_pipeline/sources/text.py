"""Bytes → text, and the dates that people write: what every source needs."""

from __future__ import annotations

import datetime as dt
import re
from email.utils import parsedate_to_datetime
from typing import Any

from feature_pipeline.characters import ASCII

# What cannot be a text, whatever its name says: PDF, PNG, GIF, JPEG, WebP, ZIP, gzip, 7-Zip, old Office, a program.
MAGIC = (
    *(b"%PDF-", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"RIFF", b"PK\x03\x04", b"\x1f\x8b"),
    *(b"7z\xbc\xaf\x27\x1c", b"\xd0\xcf\x11\xe0", b"\x7fELF"),
)
# Bytes that no text in a one-byte encoding has, but for a stray one.
CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r\x1a\x1b"})
UTF16 = (b"\xff\xfe", b"\xfe\xff")
DECLARED = re.compile(rb"(?:<meta[^>]+charset|<\?xml[^>]+encoding)\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
# It has just failed, says no more than that Windows-1252 was meant, or cannot be where no byte is 0.
MISTAKEN = re.compile(r"(?:utf[-_]?(?:8|16|32)\w*|(?:us-)?ascii|iso-8859-1|latin-?1)(?:[-_]?[lb]e)?\Z", re.IGNORECASE)
FORMATS = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y")
LEADING_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")


def decode(data: bytes, charset: str | None = None) -> str | None:
    """Text in whatever encoding it is in; None where it is no text. `charset` is what the source says it is."""
    if data.startswith(UTF16):
        return _try(data, "utf-16")
    if data.startswith(MAGIC) or b"\0" in data:
        return None
    text = _try(data, "utf-8-sig") or _halves(data)
    if text is not None:
        return text
    declared = DECLARED.search(data[:2048])
    for name in (charset, declared[1].decode("ascii") if declared else None):
        if name and not MISTAKEN.match(name):
            text = _try(data, name)
            if text is not None:
                return text
    return _guess(data)


def _halves(data: bytes) -> str | None:
    """UTF-8 in which a program wrote halves of characters: two make one, and a lone one is no character."""
    if b"\xed" not in data:
        return None
    try:
        text = data.decode("utf-8", "surrogatepass").removeprefix("\ufeff")
    except UnicodeError:
        return None
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _guess(data: bytes) -> str | None:
    """Western text has few bytes over 127, and guessers get it wrong; Greek, Cyrillic or Japanese has many."""
    if len(data) - len(data.translate(None, CONTROLS)) > len(data) / 200:
        return None
    high = len(data.translate(None, ASCII)) / max(1, len(data))
    western = _try(data, "cp1252") if high < 0.2 else None
    if western is not None:
        return western
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    return str(best) if best else _try(data, "cp1252")


def _try(data: bytes, encoding: str) -> str | None:
    """None also for an encoding that makes halves of characters of honest bytes, such as `unicode_escape`."""
    try:
        text = data.decode(encoding)
        if encoding not in ("utf-8-sig", "utf-16"):
            text.encode()
    except (UnicodeError, LookupError):
        return None
    return text


def storable(text: str) -> str:
    """As UTF-8 can say it: a JSON text can name halves of characters, and a file's name may be in no encoding at all.

    They are shown by their numbers, so that two names stay two.
    """
    if "\0" in text:
        text = text.replace("\0", "\\0")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def whole_characters(value: Any) -> Any:
    """A JSON value without halves of characters, which nothing can be asked for by."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {whole_characters(key): whole_characters(one) for key, one in value.items()}
    return value


def to_date(value: object) -> dt.date | None:
    """The day as it was written, in the author's own time zone; None for what is no date."""
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    return _iso(text) or _leading(text) or _worded(text)


def _iso(text: str) -> dt.date | None:
    try:
        return dt.datetime.fromisoformat(text).date()
    except ValueError:
        return None


def _leading(text: str) -> dt.date | None:
    found = LEADING_DATE.match(text)
    try:
        return dt.date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def _worded(text: str) -> dt.date | None:
    try:
        return parsedate_to_datetime(text).date()
    except ValueError:
        pass
    for form in FORMATS:
        try:
            return dt.datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def web_address(value: object) -> str | None:
    """`value` if it is an absolute http or https address; a path says nothing about where the post is."""
    text = value.strip() if isinstance(value, str) else ""
    return text if re.match(r"https?://[^\s/]", text, re.IGNORECASE) else None
