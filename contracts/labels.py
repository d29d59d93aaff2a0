"""What labels promise and other pipelines rely on: the split, the shortest post that teaches, wordings that a twin knows.

All of it is part of the digest that stored labels carry: who changes it labels every post anew.
"""

from __future__ import annotations

import re

from contracts.formats import Format

TRAIN, VALIDATION = 0.7, 0.1  # the newest fifth is the test: a twin is asked about what comes next
SHORTEST = 80  # characters that teach a voice anything
CLAUSE = re.compile(r".{12,70}?(?=[,.;:!?…—–(]|\s-\s|$)|.{12,60}(?=\s)|.{1,70}$")

SECTION = "Write the section “{heading}” of your post “{title}”."
ABOUT = "Write {format} about {topic}."
FORMATS: dict[Format, str] = {
    "article": "a short post",
    "note": "a note",
    "reply": "a reply",
    "document": "a short text",
}
