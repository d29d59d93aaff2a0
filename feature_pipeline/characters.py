"""Characters that no reader sees go, and those that make an emoji or a word what it is stay; or letters alone."""

from __future__ import annotations

import re
import unicodedata

# \u escapes throughout: the characters themselves would be invisible here too.
SPACES_OF_LINES = re.compile("\r\n?|[\u2028\u2029\u0085\v\f]")
_EMOJI = "[\u00a9\u00ae\u203c-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
_AFTER_EMOJI = "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\u20e3]"
_IDEOGRAPH = "[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
# Persian, Arabic and the scripts of South and South-East Asia spell words with joiners.
_JOINED_SCRIPT = "[\u0600-\u08ff\u0900-\u109f\u1780-\u17ff\ufb50-\ufdff\ufe70-\ufefc]"
_FLAGS = "|".join(  # England, Scotland, Wales: the only flags made of tag characters
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in code) + "\U000e007f"
    for code in ("gbeng", "gbsct", "gbwls")
)
# One variation selector shows a sign as emoji, or picks a form of an ideograph; a row of them hides data.
_KEPT = (
    rf"{_FLAGS}"
    rf"|(?<={_EMOJI})\u200d(?={_EMOJI})|(?<={_AFTER_EMOJI})\u200d(?={_EMOJI})|(?<={_JOINED_SCRIPT})[\u200c\u200d]"
    rf"|(?:(?<=[0-9#*])|(?<={_EMOJI})|(?<={_IDEOGRAPH}))[\ufe00-\ufe0f](?![\ufe00-\ufe0f])"
    rf"|(?<={_IDEOGRAPH})[\U000e0100-\U000e01ef](?![\U000e0100-\U000e01ef])"
)
_UNSEEN = (
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_ANY_UNSEEN = re.compile(_UNSEEN)
_VISIBLE = re.compile(f"(?P<kept>{_KEPT})|{_UNSEEN}")
ASCII = bytes(range(128))
_LOWER, _OTHERS = bytes(range(256)).lower(), bytes(sign for sign in ASCII if not chr(sign).isalnum())
_NO_LETTERS = re.compile(r"[\W_]+")


def tidy(text: str) -> str:
    """NFC, line feeds only, nothing invisible; case, quotes, dashes, emoji and spaces as they were typed."""
    # Two surrogates that make a character are joined; a lone one is none, and cannot be stored.
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    if not text.isascii() or "\r" in text or "\v" in text or "\f" in text:
        text = SPACES_OF_LINES.sub("\n", text)
    if _ANY_UNSEEN.search(text):  # in most posts there is none, and to look for them one by one takes ten times as long
        text = _VISIBLE.sub(lambda match: match["kept"] or "", text)
    return unicodedata.normalize("NFC", text)


def one_line(text: str) -> str:
    return " ".join(tidy(text).split())


def letters(text: str) -> str:
    """And digits, in lower case: what stays the same however a text is laid out."""
    if text.isascii():  # the same, ten times as fast
        return text.encode().translate(_LOWER, _OTHERS).decode()
    return _NO_LETTERS.sub("", text.casefold())
