"""What must not become a post: walls, stubs of paid posts, garbled text, and what says that a machine translated it.

Never for being short, and never by style: a wall says what it is, and only one that says little else is one.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

WALL_WORDS, STUB_WORDS = 120, 60
WORDS_OF_ITS_OWN = 6  # in sentences that no wall says
A_SAYING = 15  # different plain words: who says so much in plain words may show whatever he likes beside them
SAMPLE = 20_000  # characters: text that is garbled is so from the beginning
OPENING = 1000  # of them: nearly all posts have so many plain words in it

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
# May begin anybody's sentence: something else has to sound like a wall.
_ANYBODYS = re.compile(r"just a moment ?(?:\.\.\.|…)|(?:we use|this (?:web)?site uses) cookies", re.IGNORECASE)
_BESIDE_WALL = re.compile(
    r"\bray id\b|process is automatic|redirect(?:ed)? (?:to|shortly)|allow up to|(?:reload|refresh) (?:the|this) page"
    r"|security of your|security (?:service|check|verification)|performance (?:&|and) security|\bcookies?\b|javascript"
    r"|browser|captcha|robot|\bbots?\b|\blog[- ]?in\b|\bsign (?:in|up)\b|password|account|accept|reject|consent|privacy"
    r"|terms of|experience|reference id|incident|your ip\b|suspicious|automated|\bblocked\b|resolve this|verif|proceed"
    r"|datenschutz|akzeptieren|connexion|confidentialité",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(
    r"\b(?!I (?:have to complete|am not a robot|do to)|I['’]m not a robot)(?:I|I['’]\w+|my|ich|je|mein|mon)\b"
    r"(?! been blocked)"
)
# A sentence from its beginning, without its markup; behind quotation marks it is somebody else's, and talked about.
_PAID = re.compile(
    r"(?:this (?:post|article|story|content|episode) is (?:only )?for (?:paid |paying )?(?:subscribers|members)"
    r"|(?:subscribe|sign up|become a (?:paid )?(?:subscriber|member)|upgrade) (?:to [^.!?\n]{1,60} )?"
    r"to (?:continue|keep) reading"
    r"|(?:subscribe|upgrade) to (?:read|unlock) (?:the (?:rest|full)|this)|(?:subscribers|members)[- ]only (?:post|content)"
    r"|keep reading with a 7-day free trial|unlock this post|dieser (?:artikel|beitrag) ist nur für abonnenten"
    r"|(?:cet )?article (?:est )?réservé (?:aux|à nos) abonnés|contenido exclusivo para suscriptores"
    r"|(?:contenuto|articolo) riservato agli abbonati|conteúdo exclusivo para (?:assinantes|membros)"
    r"|dit artikel is alleen voor abonnees"
    r"|(?:この|本)(?:記事|投稿|続き)は[^。\n]{0,12}(?:会員|購読者|購入者)(?:限定|のみ)[^。\n]{0,12}"
    r"|(?:本文|这篇文章|此内容)(?:仅限|只对|为)(?:付费|会员|订阅)[^。\n]{0,12})"
    r"(?:(?! (?:my|our)\b)[ ,]+[^\s.!?]+){0,10}[^\w\n]*$",
    re.IGNORECASE,
)
# A sentence may end so too (“I want to … read more”): with a capital, a link or [...] before it, it leads on.
_MORE = re.compile(
    r"(?:\[(?:…|\.\.\.)\]\s*\W{0,4}(?i:read|continue|keep)|(?:…|\.\.\.)\s*\W{0,4}(?:Read|Continue|Keep|(?<=\[)(?i:read|continue)))"
    r" (?:more|reading)\b(?:\W{0,9}|[^\n]{0,300}(?:\]\(\S{1,300}|[→»”\"])\W{0,9})\Z"
)
_TRANSLATED = re.compile(
    r"(?:machine|automatically|auto-?)[- ]translated (?:by|from|with|using|into)\b"
    r"|translated (?:automatically|(?:by|with|using|via) (?:google translate|deepl|microsoft translator|bing translator"
    r"|machine translation))\b|translated with www\.deepl\.com[\w/]*|this is (?:a machine|an automatic) translation"
    r"|a été traduite? (?:automatiquement|par (?:google|deepl))|traduit (?:automatiquement|par google|par deepl)"
    r"|traduction automatique (?:de|par)|(?:automatisch|maschinell) übersetzt"
    r"|mit (?:deepl|google translate|google übersetzer) übersetzt"
    r"|traducid[oa] (?:automáticamente|(?:por|con) (?:google|deepl))"
    r"|traduzid[oa] (?:automaticamente|(?:pelo|por|com) (?:google|deepl))"
    r"|tradott[oa] (?:automaticamente|(?:da|con) (?:google|deepl))|automatisch vertaald"
    r"|переведен[оа]? (?:автоматически|с помощью (?:google|deepl))|автоматический перевод|自動翻訳され|机器翻译|機械翻訳",
    re.IGNORECASE,
)
_TRANSLATION_SIGNS = ("translat", "tradu", "tradott", "übersetzt", "vertaald", "перев", "翻訳", "翻译")
_THIS_TEXT = re.compile(
    r"(?:(?:note|nb|ps|p\.s\.|disclaimer|edit|update|hinweis|anmerkung|nota|remarque)\W{1,4})?(?:$"
    r"|this (?:post|article|text|page|story|content|blog|translation|entry|essay|interview)\b(?!.*\b(?:about|how|why)\b)"
    r"|dies(?:er|e|es) (?:artikel|beitrag|text|seite|übersetzung)\b|c(?:et|ette|e) (?:article|texte|billet|page)\b"
    r"|est[ea] (?:artículo|texto|página|entrada|artigo|post|traducción)\b|quest[oa] (?:articolo|testo|pagina|post)\b"
    r"|dit (?:artikel|bericht)\b|deze (?:tekst|pagina)\b|эт(?:а статья|от текст|от пост)\b|この|本記事|本文|此文|这篇)",
    re.IGNORECASE,
)
_SAYS_FROM_WHAT = re.compile(
    r"\W*$|[ (]*(?:from|into|to|aus|ins|vom|du|de|del|dal|by|with|using|on|via|von|par|por|con|per|en|wurde|werden|worden)"
    r"(?: [^\s,]+){1,4}\W*(?:$|[.;(|–—])|[ ]*(?:worden|wurde|ました|。).{0,40}$|[.;|–—(]",
    re.IGNORECASE,
)
_MARKUP = "#*_>~-–—|<[( \t"
_SENTENCE = re.compile(r"(?<=[.!?…])[\"”’')\]*_]{0,4}\s+|\n+")
# Code, rows of tables, targets of links.
_NO_WORDS = re.compile(
    r"^[ \t>]*(```|~~~)[\s\S]*?(?:^[ \t>]*\1|\Z)|^(?: {4}|\t|[ ]{0,3}\|).*$|`[^`\n]{1,20000}`|\]\([^()\n]{1,2000}\)",
    re.M,
)
_ROUND = ".,;:!?\"'()*_-“”’"
_BROKEN_SIGNS = ("\ufffd", "Ã", "â€", "Ð", "Â")
_MOJIBAKE = re.compile(
    r"Ã[\x80-\xbf©¨¤¶¼Ÿ§ª«\u0192\u201a\u2020]|â€[\x80-\xff™œ\u02dc¦“”]|Â[\xa0-\xbf]|Ð[\x80-\xbf°-¿]|ï»¿|ï¿½"
)


def refusal(title: str, text: str) -> tuple[str, str] | None:
    """(reason, detail) for what must not become a post; None for what may."""
    words = len(text[: 20 * WALL_WORDS].split())
    if words <= WALL_WORDS and len(text) <= 20 * WALL_WORDS:
        if wall := _wall(title, text):
            return "blocked_page", f"says “{wall}” and little else"
        if paid := _paid(text):
            return "paywall", f"says “{paid[:80]}” after {words} words"
        if words < STUB_WORDS and (more := _MORE.search(text[-600:])):
            return "paywall", f"ends with “{' '.join(more[0].split())[:80]}” after {words} words"
    if notice := _notice(text):
        return "machine_translated", f"says “{notice}”"
    return _garbled(text)


def _wall(title: str, text: str) -> str:
    """What a wall says; empty where somebody says more than a wall does, such as what he thinks of it."""
    if not _WALL.search(f"{title}\n{text}"):
        return ""
    said = [(sentence, _says_wall(sentence)) for sentence in _sentences(text)]
    walls = [wall for _, wall in [(title, _says_wall(title)), *said] if wall]
    rest = [_ANYBODYS.sub("", sentence) for sentence, wall in said if not wall or _ANYBODYS.match(wall)]
    if not walls or any(map(_FIRST_PERSON.search, rest)):
        return ""
    own = sum(len(sentence.split()) for sentence in rest if not _BESIDE_WALL.search(sentence))
    alone = all(map(_ANYBODYS.match, walls)) and not _BESIDE_WALL.search(_WALL.sub(" ", f"{title}\n{text}"))
    return walls[0] if own < (1 if alone else WORDS_OF_ITS_OWN) else ""


def _says_wall(sentence: str) -> str:
    """A wall's words begin the sentence or are most of it, and nobody says I."""
    found = _WALL.search(sentence)
    most = found and (not found.start() or 2 * len(found[0].split()) >= len(sentence.split()))
    quoted = found and sentence[: found.start()].endswith(tuple("“\"«„‘'"))
    return found[0] if found and most and not quoted and not _FIRST_PERSON.search(sentence) else ""


def _paid(text: str) -> str:
    """The offer that a paid post is cut off with: the last that is said, or a line of its own."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for place, line in enumerate(lines):
        said = _sentences(line)
        offer = said and _PAID.match(said[-1])
        after = lines[place + 1 :]
        if offer and (not after or (len(said) == 1 and not any(map(_FIRST_PERSON.search, after)))):
            return offer[0]
    return ""


def _sentences(text: str) -> list[str]:
    """Without the markup before each."""
    return [said for sentence in _SENTENCE.split(text) if (said := sentence.lstrip(_MARKUP).rstrip())]


def _notice(text: str) -> str:
    """That a machine translated this very text, said in a sentence at an edge."""
    for edge in (text[:600], text[-600:]):
        if any(sign in edge.lower() for sign in _TRANSLATION_SIGNS):
            for sentence in _sentences(edge):
                found = _TRANSLATED.search(sentence) if len(sentence) <= 250 else None
                if found and _THIS_TEXT.match(sentence[: found.start()]) and _ends_so(sentence, found):
                    return found[0]
    return ""


def _ends_so(sentence: str, found: re.Match[str]) -> bool:
    return found.start() > 0 or bool(_SAYS_FROM_WHAT.match(sentence[found.end() :]))


def _garbled(text: str) -> tuple[str, str] | None:
    read = text[:SAMPLE]
    if any(map(read.__contains__, _BROKEN_SIGNS)) and (found := _lost(_NO_WORDS.sub(" ", read))):
        return found
    return None if _is_said(text[:OPENING]) or _is_said(text[:SAMPLE]) else _no_language(text)


def _lost(prose: str) -> tuple[str, str] | None:
    lost = prose.count("\ufffd")
    size = (
        len("".join(prose.split())) if lost >= 5 or "Ã" in prose or "â€" in prose or "Ð" in prose or "Â" in prose else 0
    )
    if lost >= 5 and 50 * lost > size:
        return "garbled", f"{lost} of {size} characters were lost before it came here"
    broken = len(_MOJIBAKE.findall(prose)) if size else 0
    if broken >= 8 and 40 * broken > size:
        return "garbled", f"{broken} of {size} characters were read in the wrong encoding"
    return None


def _is_said(text: str) -> bool:
    """Whether it has many different plain words outside code and tables."""
    plain: set[str] = set()
    for typed in _NO_WORDS.sub(" ", text).split():
        word = typed.strip(_ROUND)
        if len(word) > 1 and word.isalpha() and not _is_mash(word):
            plain.add(word.lower())
            if len(plain) >= A_SAYING:
                return True
    return False


def _no_language(text: str) -> tuple[str, str] | None:
    """Most of the text is base64, or of letters that no script's words have: long runs, or signs inside of words."""
    words = _NO_WORDS.sub(" ", text[:SAMPLE]).split()
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
    bare = word.strip(_ROUND).lower()
    if len(bare) < 5 or not bare.isascii():
        return False
    if bare.isalpha():
        vowels = sum(bare.count(vowel) for vowel in "aeiouy")
        return 6 * vowels < len(bare) and len(Counter(bare)) > 2
    kinds = ["a" if sign.isalpha() else "0" if sign.isdigit() else "-" for sign in bare]
    return 2 * sum(a != b for a, b in pairwise(kinds)) > len(bare) and kinds.count("-") >= 2
