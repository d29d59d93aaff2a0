"""What is no question to the author: a greeting, thanks, a question about the twin itself. It gets a fixed reply.

No post is searched and no model is asked, so that nothing greets a reader as the person. Whoever asks anything besides
("Hello, which glue do you use?") is answered from the posts, and so is what may mean the answer before ("Is this real?").
The patterns are English.
"""

from __future__ import annotations

import re

from contracts.feature_store import FeatureStore
from contracts.orders import is_order
from inference_pipeline.grounding.inert import stands
from inference_pipeline.grounding.sentences import WORD

TITLES = 10  # of the newest posts, looked through for one to ask about
LONGEST_TITLE = 80  # characters

_COURTESIES = set(
    "hello hi hey hiya howdy there good morning evening afternoon day night thanks thank thx you very much so ok okay bye "
    "goodbye cheers great nice cool please welcome yo greetings".split()
)
_OPENINGS = (
    ("You are welcome.", {"thanks", "thank", "thx", "cheers"}),
    ("Goodbye.", {"bye", "goodbye", "night"}),
    ("Hello.", {"hello", "hi", "hey", "hiya", "howdy", "yo", "greetings", "morning", "day", "evening", "afternoon"}),
)
_PRAISE = {"good", "great", "nice", "cool", "ok", "okay"}
_SAID = _PRAISE.union(*(of for _, of in _OPENINGS))
_BEFORE = r"(?:hello|hi|hey|hiya|there|good|morning|day|evening|afternoon|thanks|ok|okay|so|and|but|please)"
_AFTER = r"(?:please|thanks|today|then|really|exactly|here|for me)"
_THING = (
    r"(?:an? )?(?:real |actual )?(?:ai|bot|chatbot|robot|machine|computer|program|llm|language model|twin|clone|"
    r"human|human being|person|real|alive)"
)
_ITSELF = (
    r"who (?:are you|am i (?:talking|speaking|chatting|writing) (?:to|with))",
    r"(?:what are you|what model are you|how are you(?: doing)?|what(?:'s| is) your name|introduce yourself|help)",
    r"what (?:can you (?:do|tell me)|can i ask(?: you)?|(?:should|could) i ask(?: you)?|can you help(?: me)? with)",
    r"how can you help(?: me)?|who (?:made|built|trained|created) you",
    rf"are you (?:really )?{_THING}(?: or {_THING})?",
)
_THIS = (r"who is this", rf"is this (?:really )?{_THING}(?: or {_THING})?")


def is_talk(text: str, author: str, first: bool = True) -> bool:
    """`first`: nothing was asked before, so that "this" can only be the twin."""
    typed = WORD.findall(text.replace("’", "'"))
    words = {word.lower() for word in typed}
    if words <= _COURTESIES:
        return bool(words & _SAID)
    name = _name(author)
    asked = (*_ITSELF, rf"(?:are you|am i talking to) {name}", *((*_THIS, rf"is this {name}") if first else ()))
    itself = rf"(?:{_BEFORE} )*(?:{'|'.join(asked)})(?: {_AFTER})*"
    return bool(re.fullmatch(itself, " ".join(typed), re.IGNORECASE))


def _name(author: str) -> str:
    """The pattern of a name. One word of it may be a word ("Are you happy?"): it counts as it is written, or capitalised."""
    words = WORD.findall(author.replace("’", "'"))
    alone = {spelt for word in words[:1] for spelt in (word, word.capitalize())}
    whole = [re.escape(" ".join(words))] if len(words) > 1 else []
    return rf"(?:really )?(?:{'|'.join([*whole, *(f'(?-i:{re.escape(spelt)})' for spelt in sorted(alone))])})"


def reply(store: FeatureStore, author: str, text: str) -> str:
    """Who answers, from what, and what it can be asked; thanks alone are only returned. NotFound without posts."""
    store.require_author(author)
    words = {word.lower() for word in WORD.findall(text)}
    opening = next((said for said, of in _OPENINGS if words & of), "")
    if words <= _COURTESIES and opening != "Hello.":
        return opening or "You are welcome."
    return " ".join(part for part in (opening, _itself(store, author)) if part)


def _itself(store: FeatureStore, author: str) -> str:
    known = store.corpus(author)
    count, first, last = known["posts"], *((known[end] or "")[:4] for end in ("first", "last"))
    posts = "one post" if count == 1 else f"{count:,} posts"
    years = "" if not first else f" of {first}" if first == last else f" from {first} to {last}"
    made = (
        f"I am a twin of {author}, and not {author}: a program made from {posts}{years}. I answer from them alone, show "
        "which ones, and say so where they hold nothing."
    )
    titles = (" ".join(post.title.split()) for post in store.posts(author, TITLES))
    fit = (title for title in titles if title and len(title) <= LONGEST_TITLE and "“" not in title)
    shown = next((title for title in fit if stands(title, ()) and not is_order(title)), None)
    return f"{made} Ask, for example: What did you write in “{shown}”?" if shown else made
