"""What must not become a post: walls, stubs of paid posts, garbled text, and what says that a machine translated it.

Never for being short, and never by style: a wall says what it is, and only one that says little else is one.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

WALL_WORDS, STUB_WORDS = 120, 60
SAMPLE = 20_000  # characters: text that is garbled is so from the beginning

_WALL = re.compile(
    r"just a moment ?(?:\.\.\.|…)|verify(?:ing)? (?:that )?you are (?:a )?human|confirm (?:that )?you are (?:a )?human"
    r"|checking (?:your browser before|if the site connection is secure)|(?:please )?enable javascript (?:and cookies )?to"
    r"|please (?:enable|turn on|accept) (?:javascript|cookies)|you need to enable javascript|attention required! ?\|"
    r"|complete the (?:captcha|security check)|pardon our interruption|before you continue to (?:google|youtube)"
    r"|unusual traffic from your|ddos protection by|access to this page has been denied|request unsuccessful\. incapsula"
    r"|(?:we use|this (?:web)?site uses) cookies|(?:please )?(?:log|sign) in to (?:continue|your account|view|see)"
    r"|you must be logged in|forgot (?:your )?password\?|bitte aktivieren sie javascript|veuillez activer javascript",
    re.IGNORECASE,
)
_PAID = re.compile(
    r"this (?:post|article|story|content|episode) is (?:only )?for (?:paid |paying )?(?:subscribers|members)"
    r"|(?:subscribe|sign up|become a (?:paid )?(?:subscriber|member)|upgrade) to (?:continue|keep) reading"
    r"|(?:subscribe|upgrade) to (?:read|unlock) (?:the (?:rest|full)|this)|(?:subscribers|members)[- ]only (?:post|content)"
    r"|keep reading with a 7-day free trial|unlock this post|dieser (?:artikel|beitrag) ist nur für abonnenten"
    r"|(?:cet )?article (?:est )?réservé (?:aux|à nos) abonnés|contenido exclusivo para suscriptores",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"(?:\[(?:…|\.\.\.)\]|…|\.\.\.)\s*\W{0,4}(?:read|continue|keep) (?:more|reading)\b[^\n]{0,300}\Z", re.I
)
_TRANSLATED = re.compile(
    r"(?:machine|automatically|auto-?)[- ]translated (?:by|from|with|using|into)\b"
    r"|translated (?:automatically|(?:by|with|using|via) (?:google translate|deepl|microsoft translator|bing translator"
    r"|machine translation))\b|translated with www\.deepl\.com|this is (?:a machine|an automatic) translation"
    r"|a été traduite? (?:automatiquement|par (?:google|deepl))|traduit (?:automatiquement|par google|par deepl)"
    r"|traduction automatique (?:de|par)|(?:automatisch|maschinell) übersetzt"
    r"|mit (?:deepl|google translate|google übersetzer) übersetzt"
    r"|traducid[oa] (?:automáticamente|(?:por|con) (?:google|deepl))"
    r"|traduzid[oa] (?:automaticamente|(?:pelo|por|com) (?:google|deepl))"
    r"|tradott[oa] (?:automaticamente|(?:da|con) (?:google|deepl))|automatisch vertaald"
    r"|переведено (?:автоматически|с помощью (?:google|deepl))|автоматический перевод|自動翻訳され|机器翻译|機械翻訳"
    r"|goog-te-|powered by google translate|microsofttranslatorwidget",
    re.IGNORECASE,
)
_NO_WORDS = re.compile(
    r"^[ \t>]*(```|~~~)[\s\S]*?(?:^[ \t>]*\1|\Z)|^(?: {4}|\t).*$|`[^`\n]{1,300}`|\]\([^()\n]{1,2000}\)", re.M
)
_MOJIBAKE = re.compile(
    r"Ã[\x80-\xbf©¨¤¶¼Ÿ§ª«\u0192\u201a\u2020]|â€[\x80-\xff™œ\u02dc¦“”]|Â[\xa0-\xbf]|Ð[\x80-\xbf°-¿]|ï»¿|ï¿½"
)


def refusal(title: str, text: str) -> tuple[str, str] | None:
    """(reason, detail) for what must not become a post; None for what may."""
    words = len(text.split())
    said = f"{title}\n{text[:4000]}"
    if words <= WALL_WORDS and (wall := _WALL.search(said)) and _is_most(wall[0], title, text, words):
        return "blocked_page", f"says “{wall[0]}” and little else"
    if words < 2 * STUB_WORDS and (paid := _PAID.search(said)):
        return "paywall", f"says “{paid[0]}” after {words} words"
    if words < STUB_WORDS and (more := _MORE.search(text[-600:])):
        return "paywall", f"ends with “{' '.join(more[0].split())[:80]}” after {words} words"
    if notice := _notice(title, text):
        return "machine_translated", f"says “{notice}”"
    return _garbled(text)


def _is_most(wall: str, title: str, text: str, words: int) -> bool:
    """A note that quotes a wall has words of its own; a wall begins with it, or has it as its title."""
    begins = text.lstrip("#*_ \n").lower().startswith(wall.lower()) or title.lower().startswith(wall.lower())
    return begins or 4 * len(wall.split()) >= words


def _notice(title: str, text: str) -> str:
    """A notice stands at an edge, in a paragraph that is not much longer."""
    for edge in (text[:600], text[-600:]):
        for line in edge.split("\n"):
            found = _TRANSLATED.search(line) if len(line) <= 250 else None
            if found and 4 * len(found[0]) >= len(line.strip("*_>[]() ")) - 40:
                return found[0]
    return ""


def _garbled(text: str) -> tuple[str, str] | None:
    prose = _NO_WORDS.sub(" ", text[:SAMPLE])
    size = len("".join(prose.split()))
    lost = prose.count("\ufffd")
    if lost >= 5 and 50 * lost > size:
        return "garbled", f"{lost} of {size} characters were lost before it came here"
    broken = len(_MOJIBAKE.findall(prose))
    if broken >= 8 and 40 * broken > size:
        return "garbled", f"{broken} of {size} characters were read in the wrong encoding"
    return _no_language(prose.split())


def _no_language(words: list[str]) -> tuple[str, str] | None:
    """Most of the text is base64, or of letters that no script's words have: long runs, or signs inside of words."""
    own = [word for word in words if "://" not in word and not word.startswith(("www.", "@", "#", "["))]
    size = sum(map(len, own))
    if size < 80:
        return None
    odd = [word for word in own if _is_blob(word) or _is_mash(word)]
    share = sum(map(len, odd)) / size
    if share > 0.5:
        return "garbled", f"{share:.0%} of its characters are in words such as “{max(odd, key=len)[:40]}”"
    return None


def _is_blob(word: str) -> bool:
    """A long run of ASCII letters in both cases with digits: base64, a hash, a key."""
    return len(word) >= 40 and word.isascii() and any(map(str.isdigit, word)) and any(map(str.isalpha, word))


def _is_mash(word: str) -> bool:
    """Latin letters with five consonants in a row and hardly a vowel, or one word of signs and letters by turns."""
    bare = word.strip(".,;:!?\"'()*_-“”’").lower()
    if len(bare) < 5 or not bare.isascii():
        return False
    if bare.isalpha():
        vowels = sum(bare.count(vowel) for vowel in "aeiouy")
        return 6 * vowels < len(bare) and len(Counter(bare)) > 2
    kinds = ["a" if sign.isalpha() else "0" if sign.isdigit() else "-" for sign in bare]
    return 2 * sum(a != b for a, b in pairwise(kinds)) > len(bare) and kinds.count("-") >= 2
