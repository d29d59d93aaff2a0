"""Prompt injection: orders to a model inside posts. A post is evidence; what it tells a model to do is withheld.

A paragraph is withheld where it holds the marks of a chat template, a forged turn, or words that tell a model what to
ignore, whom to be or what to say. A reader still sees it among the passages. Missed is what is put in other words than
these: docs/grounding.md says what then still holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from contracts.prompt import Quotable
from contracts.records import replaced

WITHHELD = "[…]"

_PARAGRAPH = re.compile(r"\S(?:.|\n(?!\s*\n))*")
_FORGED_HEADER = re.compile(r"^(\s*)\[(\d{1,2})\]", re.MULTILINE)
# Cyrillic and Greek letters that look like Latin ones, and digits that stand for letters in a word.
_LOOKALIKES = str.maketrans("аеорсухіјѕԁɡοαενικρτυχΑΕΟΡСНВКМТХІ", "aeopcyxijsdgoaevikptuxAEOPCHBKMTXI")
_LEET = str.maketrans("013457@$", "oieastas")
_SPACED = re.compile(r"\b(?:\w[ .\-_*]){3,}\w\b")
_WORDLIKE = re.compile(r"\b(?=\w*[a-z])(?=\w*[\d@$])[\w@$]+\b", re.IGNORECASE)

TEMPLATE = re.compile(
    r"<\s*\|[^|<>\n]{1,40}\|\s*>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<bos>|<eos>|<\|?endoftext\|?>",
    re.IGNORECASE,
)

_RULES = (
    r"instructions?|prompts?|rules|guidelines|directions|directives?|commands?|orders|constraints|programming|"
    r"system messages?|(?:what|everything|anything|all)(?: (?:that )?you (?:were|have been|are) told| (?:above|before)|"
    r" of the above)|(?:previous|prior|earlier|above) (?:text|messages?|context|conversation)"
)
_MODEL = r"(?:ai|a\.i\.|llms?|gpt|chat ?bots?|bots?|assistants?|language models?|the model|digital twin|the twin)"
_REPLY = r"(?:answers?|repl(?:y|ies)|responses?|outputs?|messages?|completions?)"
_SAY = (
    r"(?:print|say|output|reply|respond|answer|write|repeat|echo|append|include|insert|add|type|display|emit|put|utter)"
)
_ENGLISH = (
    rf"\b(?:ignor(?:e|ing)|disregard|forget|override|bypass|neglect|discard|disobey|stop (?:following|obeying)|"
    rf"(?:do not|don't|never) (?:follow|obey)|pay no attention to)\b(?:\W+[\w']+){{0,6}}?\W+(?:{_RULES})\b",
    r"\b(?:new|updated|real|actual|hidden|secret|following) (?:system )?"
    r"(?:instructions?|rules?|prompts?|task|persona)\b\W*:",
    r"\byou are (?:now|no longer|going to be|hereby)\b|\bfrom now on\b.{0,40}\b(?:you|answer|reply|respond|say|write)\b",
    r"\b(?:pretend|imagine|act|behave) (?:to be|that you are|you are|as if you|as an?|like an?)\b.{0,60}"
    r"\b(?:ai|assistant|model|pirate|hacker|terminal|unrestricted|rules|restrictions|bot)\b",
    r"\b(?:developer|debug|admin|god|jailbreak|dan|sudo) mode\b|\bjailbreak|\bdo anything now\b",
    r"\b(?:reveal|leak|show|print|repeat|output|tell me|disclose)\b.{0,40}\b(?:system|hidden|initial|secret) "
    r"(?:prompt|instructions?|message)",
    r"\b(?:to|dear|attention|note (?:to|for)|message (?:to|for)|hey|hello|if you are|as)\b[\s,:]+"
    rf"(?:all |an? |any |every |the |my )?{_MODEL}\b"
    rf"(?:.{{0,60}}?)\b(?:must|should|shall|please|reading|reads|processing|{_SAY}|ignore|follow)\b",
    rf"\b{_MODEL}\b.{{0,30}}\b(?:must|shall|is (?:required|instructed|ordered) to|are (?:required|instructed|ordered) to)\b",
    rf"\b{_MODEL}\b.{{0,30}}\bshould\b.{{0,20}}\b{_SAY}\b",
    rf"\b{_SAY}\b.{{0,60}}\b(?:(?:in|to|at the (?:end|start|beginning) of|before|after|as|instead of) )?"
    rf"(?:your|every|each|all(?: of)?(?: your)?) (?:\w+ )?{_REPLY}\b",
    rf"\b(?:your|every|each|all(?: your)?) (?:\w+ )?{_REPLY}\b.{{0,40}}"
    r"\b(?:must|should|shall|has to|have to|is|are|with|will)\b",
    r"\b(?:the|only|correct|right|true|final) answer (?:to|for) (?:every|any|all|each|this|the)\b.{0,30}\b(?:is|must)\b",
    r"\bwhen(?:ever)? (?:you are |you're |someone |anyone |anybody |a user |the user |users? )?"
    rf"ask(?:s|ed)?\b.{{0,80}}\b{_SAY}\b",
    r"\b(?:reply|respond|answer) (?:only |always |just |exactly |simply )*(?:with|using) (?:only |exactly |just )?"
    r"(?:the (?:word|string|text|phrase|token|code|secret)|nothing|one word|[\"'“‘«])",
    r"\b(?:(?:always|instead|please) (?:reply|respond|answer|say|print|output|repeat|utter)|only (?:reply|respond))\b",
    r"\b(?:decode|decrypt|decipher|translate)\b.{0,60}"
    r"\b(?:follow|obey|execute|do what|instructions?|say it|print it|and (?:say|print|output))",
    r"\b(?:include|add|append|insert|embed|render|display|put|show)\b.{0,40}\b(?:image|link|url|markdown|pixel|tag)\b.{0,60}"
    r"\b(?:answer|reply|response|user|reader|https?|exactly)\b",
    r"\bsend\b.{0,60}\b(?:conversation|question|prompt|history|data|answer)\b.{0,40}\bto\b",
    r"\b(?:end|start|beginning) of (?:the )?(?:passages?|data|context|posts?|documents?|untrusted|system)\b.{0,40}"
    r"(?:\binstruction|\bnow\b|\bnew\b|\bsystem\b|[-=>\]#]{2})",
    r"\b(?:important|urgent|warning|attention|override|notice)\b\s*[:!\-—]+\s*"
    r"(?:system|admin|assistant|ai|model|ignore|override|you)\b",
)
_OTHER_LANGUAGES = (
    r"\b(?:ignor[ae]d?|olvid[ae]|no hagas caso|desobedece)\b.{0,50}(?:instrucci|indicaci|reglas|lo anterior)",
    r"\b(?:ignor(?:e|ez|er)|oubli(?:e|ez|er))\b.{0,50}(?:instruction|consigne|règle|directive|tout ce qui précède)",
    r"\b(?:ignorier\w*|vergiss|vergessen|missacht\w*|überg\w*)\b.{0,50}(?:anweisung|instruktion|regel|vorgabe|bisherige)",
    r"\b(?:ignora|ignorate|dimentica\w*)\b.{0,50}(?:istruzion|regol|indicazion)",
    r"\b(?:ignore|ignora|esqueça|esquece|desconsidere)\b.{0,50}(?:instruç|regras|orientaç)",
    r"\b(?:negeer|vergeet)\b.{0,50}(?:instructie|regels|opdracht|aanwijzing)",
    r"\b(?:zignoruj|zapomnij|ignoruj)\b.{0,50}(?:instrukcj|polece|zasad)",
    r"\b(?:ignorera|glöm|ignorér|glem)\b.{0,50}(?:instruktion|regler|anvisning)",
    r"(?:игнорируй|проигнорируй|забудь)\w*.{0,50}(?:инструкц|указан|правил|команд)",
    r"(?:ігноруй|забудь)\w*.{0,50}(?:інструкц|вказівк|правил)",
    r"(?:忽略|无视|無視|忘记|忘掉|忘記|不要理会).{0,20}(?:指令|指示|说明|說明|提示|规则|規則|命令)",
    r"(?:指示|命令|プロンプト|ルール|規則).{0,12}(?:無視|忘れ)",
    r"(?:지시|명령|지침|규칙).{0,12}(?:무시|잊)",
    r"(?:تجاهل|انس|تجاوز).{0,40}(?:تعليمات|أوامر|الأوامر|القواعد)",
    r"(?:talimat|kural|yönerge)\w*.{0,30}(?:yoksay|unut|görmezden)",
    r"(?:निर्देश|नियम)\S*.{0,30}(?:अनदेखा|भूल|नज़रअंदाज़|उपेक्षा)",
    r"(?:התעלם|תתעלם|שכח).{0,30}(?:הוראות|ההוראות|הכללים)",
)
_ORDER = re.compile("|".join((*_ENGLISH, *_OTHER_LANGUAGES)), re.IGNORECASE | re.DOTALL)
_SHOUTED = re.compile(
    r"\b(?:[Pp]rint|[Ss]ay|[Oo]utput|[Rr]epeat|[Uu]tter|[Ee]mit|[Rr]eply|[Rr]espond)\b[^.\n]{0,30}?\b[A-Z]{5,}\b"
)
_TURN = re.compile(
    r"^[\s>*#\-]*(?:system|assistant|user|human|developer|ai)[\s*]{0,3}:|^#{1,6}\s*(?:instructions?|response|system|assistant|user|human)\b\W*$|"
    r"</?(?:system|assistant|user|instructions?|human)>|\b(?:begin|end) (?:system|of) (?:prompt|message|instructions?)\b",
    re.IGNORECASE | re.MULTILINE,
)


def is_order(text: str) -> bool:
    """Whether a text tells a model what to do, however its letters are disguised."""
    return any(pattern.search(form) for form in _forms(text) for pattern in (TEMPLATE, _TURN, _ORDER, _SHOUTED))


@lru_cache(maxsize=1024)
def withheld(text: str) -> tuple[tuple[int, int], ...]:
    """Where the paragraphs stand that hold an order. One that goes on in the next paragraph is an order with it."""
    paragraphs = [match.span() for match in _PARAGRAPH.finditer(text)]
    return tuple((start, end) for start, end in paragraphs if is_order(text[start:end]))


@dataclass(frozen=True)
class Quoted:
    """A passage as the prompt shows it."""

    title: str
    date: object
    text: str


def harmless(passages: Sequence[Quotable]) -> list[Quoted]:
    """The passages as the model sees them, in training and in serving: without orders, and without numbers at a line's
    start, which are the prompt's."""
    return [
        Quoted(
            WITHHELD if is_order(passage.title) else " ".join(passage.title.split()),
            passage.date,
            _FORGED_HEADER.sub(r"\1(\2)", without_orders(passage.text)),
        )
        for passage in passages
    ]


def without_orders(text: str) -> str:
    return replaced(text, ((start, end, WITHHELD) for start, end in withheld(text)))


def _forms(text: str) -> list[str]:
    """The text as a reader reads it: without invisible characters, styled letters plain, lookalikes and gaps undone."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(c for c in plain if unicodedata.category(c) not in ("Cf", "Mn", "Co", "Cn"))
    plain = plain.replace("’", "'")
    latin = plain.translate(_LOOKALIKES)
    undone = _SPACED.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]), latin)
    undone = _WORDLIKE.sub(lambda match: match[0].translate(_LEET), undone)
    return list(dict.fromkeys((text, plain, latin, undone)))
