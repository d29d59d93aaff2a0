"""What the chat page shows, as HTML. Posts, titles, names and answers are other people's text: all are escaped here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from types import MappingProxyType

from contracts.records import MARKER, Answer, Citation, Copied, NearestPost, Passage, Sentence, replaced

STEPS = (
    ("Read your posts", 'twin ingest ~/my-posts --author "Me"', "Under Posts: an export, a feed or a website."),
    (
        "Train your twin",
        'twin train --author "Me"',
        "Under Train: a small adapter on top of the base model, in minutes.",
    ),
    ("Talk to it", "twin chat", "Here, with your posts behind every answer."),
)

HEADING = "<h1>LLM twin</h1><p>Answers in one person’s voice, each traced to their own posts.</p>"

SUPPORT = {"unsupported": "No post says so", "inferred": "A post is near it, and does not say it"}

PEEK = 320  # characters of what a marker stands for, beside it
NO_MARKERS: Mapping[int, Sequence[Citation]] = MappingProxyType({})

_WEB = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)


def prose(text: str, turn: int = 0, markers: Mapping[int, Sequence[Citation]] = NO_MARKERS) -> str:
    """Text as it was written; the [n] at each of the places `markers` leads to passage n, and says its spans."""
    parts, at = list[str](), 0
    for found in MARKER.finditer(text):
        if found.start() in markers:
            where, says = _anchor(turn, int(found[1])), _spans(markers[found.start()])
            link = f'<a class="marker" href="#{where}" title="{says}">{int(found[1])}</a>'
            parts += [escape(text[at : found.start()]), link]
            at = found.end()
    return "".join([*parts, escape(text[at:])]).replace("\n", "<br>")


def _spans(cited: Sequence[Citation]) -> str:
    """The post's title, and in the next line what is cited of it. page.js shows it beside the marker; Gradio's chat lets
    no attribute of our own through."""
    words = " … ".join(" ".join(one.text.split()) for one in cited)
    title = " ".join(cited[0].title.split()) if cited else ""
    return f"{escape(title or 'Untitled')}&#10;{escape(short(words, PEEK))}"


def answer(given: Answer, turn: int) -> str:
    return said(given.answer, given.sentences, given.copied, turn)


def said(text: str, sentences: Sequence[Sentence], copied: Copied | None, turn: int) -> str:
    """What was written, with its markers; a sentence that no post supports, or only one that is near, is marked as such, and
    so are the words that a post has."""
    cited = {one.end + 1: [one.evidence] for one in sentences if one.evidence and one.support == "supported"}
    taken = (copied.start, copied.end) if copied else (len(text), len(text))

    def plain(start: int, end: int) -> str:
        return prose(text[start:end], turn, {place - start: spans for place, spans in cited.items()})

    def shown(start: int, end: int) -> str:
        first, last = max(start, taken[0]), min(end, taken[1])
        if not copied or first >= last:
            return plain(start, end)
        words = escape(f"Word for word from “{short(copied.title or 'a note')}”")
        return f'{plain(start, first)}<mark title="{words}">{plain(first, last)}</mark>{plain(last, end)}'

    parts, at = list[str](), 0
    for sentence in sorted(sentences, key=lambda one: one.start):
        if sentence.support in SUPPORT and sentence.start >= at:
            inside = shown(sentence.start, sentence.end)
            parts.append(shown(at, sentence.start))
            parts.append(f'<span class="{sentence.support}" title="{escape(_overlap(sentence))}">{inside}</span>')
            at = sentence.end
    return "".join([*parts, shown(at, len(text))])


def unmarked(given: Answer) -> str:
    """The answer without its markers."""
    found = (MARKER.match(given.answer, place) for place in sorted(given.markers))
    return replaced(given.answer, ((one.start() - 1, one.end(), "") for one in found if one))


def _overlap(sentence: Sentence) -> str:
    """What the mark of a sentence means, and how many of its words the post nearest to it has."""
    words = SUPPORT[sentence.support]
    return f"{words}: {sentence.shared:.0%} of its words are there" if sentence.evidence and sentence.shared else words


def in_words(given: Answer, style: str = "") -> str:
    """What a reader should know of the answer: how it sounds, what nothing supports, what it copies, where it ends early."""
    sounds = [escape(f"{style[:1].upper()}{style[1:]}.")] if style else []
    cut = ["It had more to say than it may: what it had begun of another sentence is left out."] if given.cut else []
    return notes(*sounds, *doubts(given.sentences, [given.copied] if given.copied else []), *cut)


def doubts(sentences: Iterable[Sentence], copies: Iterable[Copied]) -> list[str]:
    """What a reader should know before they take it for the author's own words, as HTML."""
    lines, counts = list[str](), Counter(one.support for one in sentences)
    if counts["unsupported"]:
        lines.append(f"{_sentences(counts['unsupported'])} underlined in red: no post says so.")
    if counts["inferred"]:
        lines.append(f"{_sentences(counts['inferred'])} underlined with dots: a post is near it, and does not say it.")
    lines += [f"{one.words} words in a row, here highlighted, stand in “{_post_link(one)}”." for one in copies]
    return lines


def notes(*lines: str) -> str:
    return "".join(f'<div class="note">{line}</div>' for line in lines)


def _post_link(one: Copied) -> str:
    """To the post where it was published, else as it is stored, under Posts."""
    title = escape(short(one.title or "a note"))
    if one.url and _WEB.fullmatch(one.url):
        return f'<a href="{escape(one.url)}" target="_blank" rel="noopener noreferrer">{title}</a>'
    return f'<a class="post" href="#post-{escape(one.post_id)}">{title}</a>'


def understood(asked: str) -> str:
    """A follow-up, as it was searched for."""
    return notes(escape(f"Understood as: {asked}"))


def _sentences(count: int) -> str:
    return "One sentence is" if count == 1 else f"{count} sentences are"


def waiting(found: bool) -> str:
    return f'<span class="waiting">{"Writing" if found else "Looking through the posts"}…</span>'


def loading() -> str:
    """While the first question is being typed, below it."""
    return '<p class="aside" role="status">The model is being loaded; you can ask already, and the answer waits for it.</p>'


def waits() -> str:
    return '<span class="waiting">Waiting for its turn…</span>'


def fine_print(answer: Answer, stopped: bool, turn: int = 0) -> str:
    """Which model said it, from which snapshot, and how fast; in the chat, where turns have numbers, a way to rewrite it."""
    facts = [version_name(answer.model), f"snapshot {answer.snapshot}"]
    timings = answer.timings
    if "first_token" in timings:
        facts.append(f"first token {timings['first_token']:.1f} s")
        seconds, further = timings["total"] - timings["first_token"], timings["tokens"] - 1
        if further > 0 and seconds > 0:
            facts.append(f"{further / seconds:.0f} tokens/s")
    if stopped:
        facts.append("stopped")
    mine = f' · <a class="mine" href="#mine-{turn}">I would have written…</a>' if turn else ""
    return f'<div class="fine">{escape(" · ".join(facts))} · <a class="copy" href="#copy">Copy</a>{mine}</div>'


def problem(message: str, hint: str) -> str:
    """An error: what was found, and what to do about it. A hint that is a command stays one."""
    sentence = message[:1].upper() + message[1:] + ("" if message.endswith((".", "!", "?")) else ".")
    advice = f"<code>{escape(hint)}</code>" if hint.startswith("twin ") else escape(hint[:1].upper() + hint[1:])
    return f'<div class="problem"><div>{escape(sentence)}</div><div class="hint">{advice}</div></div>'


def sources(
    passages: Sequence[Passage],
    citations: Sequence[Citation] | None,
    turn: int,
    author: str,
    nearest: Sequence[NearestPost] = (),
) -> str:
    """The passages behind a turn. `citations` is None while the answer is being written."""
    if not passages or nearest:
        words = f"Nothing was found in the posts by {author} that fits this question."
        return f'<div class="sources"><p class="aside">{escape(words)}</p></div>{_nearest(nearest)}'
    cited: dict[int, list[Citation]] = {}
    for citation in citations or ():
        cited.setdefault(citation.marker, []).append(citation)
    cards = [_passage(passage, number, turn, cited.get(number, ())) for number, passage in enumerate(passages, start=1)]
    if citations is None:
        count = f"{len(passages)} passages" if len(passages) > 1 else "one passage"
        return _section(f"Reading {count}", cards)
    used = [card for number, card in enumerate(cards, start=1) if number in cited]
    others = [card for number, card in enumerate(cards, start=1) if number not in cited]
    return _section("Passages used", used) + _section("Also read", others)


def used(title: str, passages: Sequence[tuple[int, Passage]], citations: Sequence[Citation], turn: int) -> str:
    """Numbered passages that a part of a text cites, under the part's name."""
    cards = [
        _passage(passage, number, turn, [one for one in citations if one.marker == number])
        for number, passage in passages
    ]
    return _section(escape(title), cards)


def _nearest(posts: Sequence[NearestPost]) -> str:
    """Posts that come nearest to a question that none answers."""
    cards = [
        f'<article class="passage"><header><span class="title" dir="auto">{escape(post.title or "Untitled")}</span>'
        f"<time>{post.date.isoformat() if post.date else ''}</time></header>{web_link(post.url)}</article>"
        for post in posts
    ]
    return _section("Nearest to it", cards)


def notices(author: str, invented: bool, has_champion: bool, small_model: bool) -> str:
    """What a person should know before they believe an answer."""
    lines = []
    if invented:
        lines.append(f"{escape(author)} is invented: the sample author that ships with the twin.")
    if not has_champion:
        lines.append(
            "No trained model yet, so answers come from the base model. To train one, press “Train”, under Train."
        )
    if small_model:
        lines.append("A 135M-parameter model chats poorly; set <code>TWIN_BASE_MODEL</code> to a better one.")
    return f'<ul class="notices">{"".join(f"<li>{line}</li>" for line in lines)}</ul>' if lines else ""


def steps() -> str:
    """What a newcomer with an empty store does first."""
    items = "".join(
        f"<li><strong>{escape(title)}</strong><code>{escape(command)}</code><span>{escape(why)}</span></li>"
        for title, command, why in STEPS
    )
    return (
        '<div class="steps"><h2>No posts yet</h2><p>Three steps, each a tab of this page; or, in a terminal, a command.</p>'
        f"<ol>{items}</ol></div>"
    )


def model_choices(models: Sequence[str]) -> list[tuple[str, str]]:
    """Labels and names for a picker of versions, of which the first is the default."""
    return [(_model_label(name, name == models[0]), name) for name in models]


def _model_label(name: str, default: bool) -> str:
    """Next to its author. Plain text: Gradio itself escapes a choice's label."""
    if name == "base":
        return "base model, untrained"
    version = name.rpartition("@")[2]
    return f"{version}, champion" if default else version


def version_name(name: str) -> str:
    return "base model" if name == "base" else name


def short(title: str, limit: int = 60) -> str:
    return title if len(title) <= limit else title[: limit - 1].rstrip() + "…"


def idle_sources() -> str:
    return '<div class="sources"><p class="aside">The passages behind each answer will stand here.</p></div>'


def in_plain(citation: Citation) -> str:
    """What a marker stands for, as a line of a text."""
    where = f", {citation.url}" if citation.url else ""
    return f"[{citation.marker}] {citation.title or 'Untitled'}{where}: “{' '.join(citation.text.split())}”"


def _section(title: str, cards: Sequence[str]) -> str:
    return f'<section class="sources"><h2>{title}</h2>{"".join(cards)}</section>' if cards else ""


def _passage(passage: Passage, number: int, turn: int, citations: Sequence[Citation]) -> str:
    where = escape(passage.date.isoformat() if passage.date else passage.source_id)
    title = f'<span class="title" dir="auto">{escape(passage.title or "Untitled")}</span>'
    head = f'<span class="number">{number}</span>{title}<time>{where}</time>'
    body = _marked(passage, citations)
    body = f'<blockquote dir="auto">{body}</blockquote>{web_link(passage.url)}'
    anchor = _anchor(turn, number)
    if citations:
        return f'<article class="passage cited" id="{anchor}"><header>{head}</header>{body}</article>'
    return f'<details class="passage" id="{anchor}"><summary>{head}</summary>{body}</details>'


def web_link(url: str | None) -> str:
    if not url or not _WEB.fullmatch(url):
        return ""
    return f'<a class="whole" href="{escape(url)}" target="_blank" rel="noopener noreferrer">Read the post ↗</a>'


def _marked(passage: Passage, citations: Sequence[Citation]) -> str:
    """The passage's text with the cited spans marked; offsets of both are into the post."""
    text, parts, at = passage.text, list[str](), 0
    for citation in sorted(citations, key=lambda citation: citation.start):
        start = min(max(citation.start - passage.start, at), len(text))
        end = min(max(citation.end - passage.start, start), len(text))
        if end > start:  # else another has marked it
            parts.append(f"{escape(text[at:start])}<mark>{escape(text[start:end])}</mark>")
            at = end
    return "".join([*parts, escape(text[at:])])


def _anchor(turn: int, number: int) -> str:
    return f"passage-{turn}-{number}"
