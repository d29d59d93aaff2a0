"""Invented authors who write of the same things, each in habits of their own: what tells them apart is style."""

from __future__ import annotations

import random

THINGS = "the spring|a brass screw|the lathe|my bench|the valve|an oil can|the clock|a bent file|the kettle".split("|")
DEEDS = "broke|held|turned|rusted|came loose|sang|was late|would not move|fell|ran well".split("|")
HABITS: dict[str, list[str]] = {
    "Ada": [
        "Well, {a} {d}, and so I thought that {b} had to be looked at; it was.",
        "I must say that {a} {d} - which, to be fair, is what I had hoped for.",
        "Perhaps {b} {e}? Perhaps not; I would not bet on it.",
        "And then, of course, {a} {d}, which is to say that {b} {e}.",
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
        a, b = random_.sample(THINGS, 2)
        d, e = random_.sample(DEEDS, 2)
        made.append(random_.choice(HABITS[author]).format(a=a, b=b, d=d, e=e, A=a.capitalize(), B=b.capitalize()))
    return " ".join(made)


def salad(author: str, number: int, words: int = 160) -> str:
    """The author's words in any order."""
    return " ".join(random.Random(number).choices(" ".join(article(author, n) for n in range(20)).split(), k=words))
