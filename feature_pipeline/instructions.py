"""What an author could have been asked, so that each piece of a post is the answer. Words of the post, no model's.

Each kind has several wordings, and the post's id chooses among them: a twin hears its kind in other words, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from contracts import labels
from contracts.private import masked
from contracts.records import Post, digest
from feature_pipeline.pieces import PARAGRAPH, last_end

OPENING = 500  # characters that a post is gone on with from
BULLETS = (3, 8)  # of an outline: of fewer it is none, of more every second or third paragraph is named
TOPIC = 3  # words that name what a post without a title is about
LONG_WORD = 5  # letters: shorter words seldom name a topic

TITLE = ("Write a post titled “{title}”.", "Write about this: {title}", "Your next post is called “{title}”. Write it.")
NOTE = ("Write a short post.", "Say something.", "What is on your mind?")
REPLY = ("Answer somebody.", "Write a reply.", "Somebody has written to you. Reply.")
REPLY_TO = (
    "Somebody wrote:\n\n{said}\n\nWrite your reply.",
    "Reply to this:\n\n{said}",
    "What do you answer to this?\n\n{said}",
)
SECTION = (
    labels.SECTION,
    "In your post “{title}”, what stands under “{heading}”? Write it.",
    "Your post “{title}” needs its part on this: {heading}",
)
OUTLINE = (
    "Write the post “{title}” from this outline:\n\n{outline}",
    "Turn these notes into a post titled “{title}”:\n\n{outline}",
    "{outline}\n\nMake a post called “{title}” of these points.",
)
ABOUT = (labels.ABOUT, "{topic}: write {format} on this.", "Can you write {format} about {topic}?")
QUESTION = ("What do you think about {title}?", "What have you written about {title}?", "Tell me about {title}.")
QUESTION_IN = (
    "What do you say about “{heading}” in “{title}”?",
    "“{title}”: what about “{heading}”?",
    "Tell me about “{heading}”, as in your post “{title}”.",
)
CONTINUE = (
    "Go on with this post, “{title}”:\n\n{opening}",
    "This is from your post “{title}”. What comes next?\n\n{opening}",
    "{opening}\n\nGo on from here. The post is called “{title}”.",
)
CONTINUE_UNTITLED = ("Go on with this:\n\n{opening}", "You have begun to write this. Go on.\n\n{opening}")

TEMPLATES = digest(
    str((OPENING, BULLETS, labels.CLAUSE.pattern, TOPIC, LONG_WORD, labels.FORMATS)),
    *(*TITLE, *NOTE, *REPLY, *REPLY_TO, *SECTION, *OUTLINE, *ABOUT, *QUESTION, *QUESTION_IN, *CONTINUE),
    *CONTINUE_UNTITLED,
)
"""Changes with any instruction that can be made."""

_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_LINE_SIGN = re.compile(r"^\s*(?:#{1,6}|[-*+]|\d{1,3}[.)])\s+")
_FIRST_SENTENCE = re.compile(r".+?(?:[.!?…。！？]|$)", re.DOTALL)
_NO_WORD = re.compile(r"https?://\S+|[@#]\w+|\[[^\]]*\]|<[^>]*>")


def choose(templates: Sequence[str], post: Post, place: int = 0) -> str:
    """A wording for what begins at `place` of the post; always the same one."""
    return templates[int(digest(post.id, str(place), templates[0], length=8), 16) % len(templates)]


def title(post: Post) -> str:
    return masked(post.title)


def heading(post: Post, words: str) -> str:
    return masked(plain(words)).rstrip(".?!: ")


def shown_slices(post: Post, slices: Sequence[tuple[int, int]]) -> str:
    return "\n\n".join(post.shown(start, end) for start, end in slices)


def asked_for(post: Post) -> str:
    """What the whole post answers: its title, the text that it replies to, or nothing in particular."""
    if post.format == "reply":
        said = answered(post)
        return choose(REPLY_TO, post).format(said=said) if said else choose(REPLY, post)
    return choose(TITLE, post).format(title=title(post)) if post.title else choose(NOTE, post)


def answered(post: Post) -> str:
    """The words that a reply quotes before its own; empty where it quotes none. They are shown, and never learned."""
    quotes = [mark for mark in post.marks if mark.kind == "quote"]
    if not quotes or post.text[: quotes[0].start].strip():
        return ""
    lines = post.text[quotes[0].start : quotes[0].end].split("\n")
    said = "\n".join(line.lstrip("> ") for line in lines if not line.rstrip().endswith(":")).strip()
    return masked(said[: last_end(said, 0, len(said), OPENING)]).strip()


def outline(post: Post, slices: Sequence[tuple[int, int]]) -> str:
    """The headings of a text as bullet points, else the first clause of each paragraph; empty where these are few."""
    paragraphs = [part for part in PARAGRAPH.split(shown_slices(post, slices)) if part.strip()]
    least, most = BULLETS
    named = [plain(part.split("\n")[0]) for part in paragraphs if part.startswith("#")]
    if len(named) < least:
        named = [clause(part) for part in paragraphs if not part.startswith("#")]
    points = [point for point in dict.fromkeys(named) if len(point.split()) > 1]
    every = -(-len(points) // most) or 1
    return "\n".join(f"- {point}" for point in points[::every]) if len(points) >= least else ""


def clause(paragraph: str) -> str:
    """The first words of a paragraph, up to where a reader would first draw breath."""
    found = labels.CLAUSE.match(plain(paragraph))
    return found[0].rstrip(" ,;:-") if found else ""


def topic(post: Post, slices: Sequence[tuple[int, int]]) -> str:
    """The title as one would say it in a sentence; of a post without one the longest words of its first sentence."""
    if post.title:
        return title(post).rstrip(".?! ")
    first = _FIRST_SENTENCE.match(_NO_WORD.sub(" ", plain(shown_slices(post, slices))))
    words = list(dict.fromkeys(re.findall(r"[^\W\d_]+", first[0]))) if first else []
    longest = sorted((word for word in words if len(word) >= LONG_WORD), key=lambda word: (-len(word), word))[:TOPIC]
    return ", ".join(word for word in words if word in longest)


def plain(words: str) -> str:
    """Without Markdown's signs."""
    without = _LINK.sub(r"\1", _LINE_SIGN.sub("", words))
    return " ".join(re.sub(r"[*`]|(?<!\w)_|_(?!\w)", "", without).split())
