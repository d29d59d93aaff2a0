"""Invented authors who write of the same things, each in habits of their own: what tells them apart is style."""

from __future__ import annotations

import random

NOUNS = (
    "spring screw lathe bench valve can clock file kettle hinge lamp wheel rope drill chair oven saw pump gate".split()
)
KINDS = (
    "old brass broken heavy cheap blue Dutch second smaller wooden rusty good borrowed spare loud worn steel narrow new "
    "long bent greasy square yellow silent mended other lost crooked polished"
).split()
DEEDS = "broke|held|turned|rusted|came loose|sang|was late|would not move|fell|ran well".split("|")
HABITS: dict[str, list[str]] = {
    "Ada": [
        "Well, {a} {d}, and so {b} had to be seen.",
        "I must say that {a} {d} - which, for once, {b} {e} too.",
        "Perhaps {b} {e}? I would not bet on {a}.",
        "And then, {a} {d}, so to say; {b} {e}.",
    ],
    "Bea": [
        "{A} {d}. {B} {e}. No surprise there!",
        "You know what? {A} {d}! You can not trust that.",
        "So. {A} {d}. Then {b} {e}. Done.",
        "Look at this: {a} {d}! You should see how {b} {e}!",
    ],
    "Cy": [
        "Because {a} {d}, we were able to show how {b} {e} under load.",
        "In this case {a} {d} (see above), whereas {b} {e}.",
        "However, our tests say that if {a} {d} then {b} {e} as well.",
        "We note that {a} {d}, that {b} {e}, and that both are known.",
    ],
    "Dot": [
        "u know {a} {d} lol, {b} {e} too...",
        "ok so {a} {d}... anyway {b} {e} and im tired",
        "my {a} thing {d} again... dont ask me why {b} {e}",
        "tbh {a} {d} bc {b} {e}, it is what it is...",
    ],
}


def article(author: str, number: int, sentences: int = 16) -> str:
    """The same text for the same number."""
    random_ = random.Random(f"{author}{number}")
    made = []
    for _ in range(sentences):
        a, b = (f"the {random_.choice(KINDS)} {random_.choice(NOUNS)}" for _ in range(2))
        d, e = random_.sample(DEEDS, 2)
        made.append(random_.choice(HABITS[author]).format(a=a, b=b, d=d, e=e, A=a.capitalize(), B=b.capitalize()))
    return " ".join(made)


def salad(author: str, number: int, words: int = 160) -> str:
    """The author's words in any order."""
    return " ".join(random.Random(number).choices(" ".join(article(author, n) for n in range(20)).split(), k=words))
