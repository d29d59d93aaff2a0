"""How posts and what became of them look on the page: reports, lists and single posts, as HTML. All text is escaped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from contracts.feature_store.catalogue import LENGTHS, Listed
from contracts.records import Post, SourceStatus
from feature_pipeline.topics import Topic, TopicMap
from ui.commands.show_report import PLURALS, failure
from ui.page import markup
from ui.page.passages import problem, web_link

REASONS_SHOWN = 3
SOURCES_SHOWN = 8
COLOURS = 6  # places that have one of their own
MAP_HEIGHT = 340  # pixels
LABEL_WIDTH, LABEL_HEIGHT = 24, 16  # percent of the map, and pixels: two labels nearer than both would overlap


def outcome(result: Mapping[str, Any]) -> str:
    """What a reading, or a look before it, has found."""
    if "posts" in result:
        return _preview(result)
    return "".join(report(found) for found in result.get("reports", ()))


def report(found: Mapping[str, Any]) -> str:
    """`found` is a report as it is stored: `feature_pipeline.report.Report.as_json`."""
    refused = sum(found["refused"].values())
    rows = [
        ("Found", f"{found['found']:,} in {markup.duration(found['seconds'])}"),
        ("Kept", f"{found['added']:,} new, {found['changed']:,} changed, {found['unchanged']:,} unchanged"),
        ("Duplicates", f"{found['duplicate']:,}, kept once"),
        ("Refused", f"{refused:,}"),
        ("Deleted", f"{found['deleted']:,} that the source shows no more"),
    ]
    rows = [row for row in rows if row[0] in {"Found", "Kept"} or not row[1].startswith("0")]
    left = ""
    if found["withheld"]:
        left = markup.paragraphs(
            f"{found['withheld']:,} more are missing, over half of what is known; they were kept. If they are meant to go, "
            "open each in the list and press “Forget this post”, or forget the whole place, under “Places that they were "
            "read from”. In a terminal, twin sync --allow-delete lets all of them go."
        )
    failed = "".join(
        problem(failure(source, error).split("\n")[0], _hint(error)) for source, error in found["failed"].items()
    )
    gone = "".join(
        markup.paragraphs(
            f"{source} is no more, and nothing is stored of it. It is asked for again each time, until you forget it, under "
            "“Places that they were read from”."
        )
        for source in found.get("gone", {})
    )
    return markup.section(f"Posts of {found['author']}", markup.table(rows) + _refusals(found) + left + failed + gone)


def _hint(error: str) -> str:
    return error.partition("→ ")[2].strip()


def _refusals(found: Mapping[str, Any]) -> str:
    """Each reason, how often, and some of the posts that it met."""
    lines = []
    for reason, count in sorted(found["refused"].items(), key=lambda pair: (-pair[1], pair[0])):
        shown = found["examples_of_refusals"].get(reason, ())[:REASONS_SHOWN]
        examples = "".join(f"<small>{escape(one[:200])}</small>" for one in shown)
        lines.append(f"<tr><th scope='row'>{escape(reason.replace('_', ' '))} × {count:,}</th><td>{examples}</td></tr>")
    if not lines:
        return ""
    return f'<h3>Why some were refused</h3><table class="facts"><tbody>{"".join(lines)}</tbody></table>'


def _preview(result: Mapping[str, Any]) -> str:
    found = result["report"]
    rows = "".join(
        f"<tr><th scope='row'>{escape(post['title'] or post['text'] or 'Untitled')}</th>"
        f"<td>{escape(post['date'] or 'no date')}</td><td>{post['words']:,} words</td></tr>"
        for post in result["posts"]
    )
    more = result["kept"] - len(result["posts"])
    failed = "".join(problem(str(error).split("\n")[0], _hint(error)) for error in found["failed"].values())
    refused = sum(found["refused"].values())
    return markup.section(
        f"{result['kept']:,} {'post' if result['kept'] == 1 else 'posts'} would be taken in"
        + (f", {refused:,} refused" if refused else ""),
        '<p class="aside">Nothing is stored yet: “Take in” does that.</p>'
        + failed
        + _refusals(found)  # before the posts, which may be many
        + f'<div class="wide"><table class="facts"><tbody>{rows}</tbody></table></div>'
        + (markup.paragraphs(f"And {more:,} more.") if more > 0 else ""),
    )


def summary(
    author: str,
    corpus: Mapping[str, Any],
    years: Mapping[int, Mapping[str, int]],
    lengths: Sequence[int],
    sources: Mapping[str, int],
) -> str:
    """What is stored of the author: how much, when it was written, how long it is, and where it came from."""
    if not corpus.get("posts"):
        return markup.aside(f"Nothing of {author} is stored.")
    dates = f", {corpus['first']} to {corpus['last']}" if corpus["first"] else ""
    formats = ", ".join(f"{n:,} {name if n == 1 else PLURALS[name]}" for name, n in corpus["formats"].items())
    languages = ", ".join(f"{name} {n:,}" for name, n in corpus["languages"].items())
    shown = list(sources.items())[:SOURCES_SHOWN]
    more = f" and {len(sources) - len(shown)} more places" if len(sources) > len(shown) else ""
    rows = [
        ("Kinds", formats),
        ("Languages", languages),
        ("From", "; ".join(f"{place(source)} ({n:,})" for source, n in shown) + more),
    ]
    told = markup.paragraphs(f"{corpus['posts']:,} posts of {corpus['words']:,} words{dates}.")
    pictures = _years(years, list(sources)) + _lengths(lengths)
    return markup.section(f"Stored of {author}", told + pictures + markup.table(rows))


def sources(rows: Sequence[tuple[str, SourceStatus]], chosen: str) -> str:
    """Each place by its id, as a button: how many posts it shows, and how its last reading went."""
    shown = ((id, escape(place(row.address)), escape(_reading(row))) for id, row in rows)
    return markup.buttons(shown, chosen, "None yet.")


def _reading(row: SourceStatus) -> str:
    read = f"read {row.read:%Y-%m-%d}: {row.outcome}" if row.read else "never read to its end"
    return f"{row.posts:,} {'post' if row.posts == 1 else 'posts'} · {read}"


def place(source: str) -> str:
    """A site as it is; of a folder or file on this machine the name alone, for the way to it is nobody's business."""
    return source if "://" in source else source.rstrip("/").rpartition("/")[2] or source


def _years(years: Mapping[int, Mapping[str, int]], sources: Sequence[str]) -> str:
    """A bar a year, from the first to the last, in a colour for each of the largest places, with its number below."""
    if len(years) < 2:
        return ""
    span = range(min(years), max(years) + 1)
    shown = sources[:COLOURS] if len(sources) <= COLOURS else sources[: COLOURS - 1]
    names = [*map(place, shown), *(["other places"] if len(sources) > len(shown) else [])]
    bars = []
    for year in span:
        of = years.get(year, {})
        counts = [of.get(source, 0) for source in shown]
        bars.append((str(year), [*counts, sum(of.values()) - sum(counts)]))
    legend = "".join(f'<li><i class="topic-{n}"></i><bdi>{escape(name)}</bdi></li>' for n, name in enumerate(names))
    key = f'<ul class="key">{legend}</ul>' if len(names) > 1 else ""
    return _bars("Posts a year", bars, names) + key


def _lengths(lengths: Sequence[int]) -> str:
    """A bar for each length that posts have, with the most words of it below."""
    if sum(lengths) < 2:
        return ""
    named = [*(f"{words:,}" for words in LENGTHS), "more"]
    return _bars("Posts of up to so many words", [(name, [count]) for name, count in zip(named, lengths, strict=True)])


def _bars(title: str, bars: Sequence[tuple[str, Sequence[int]]], names: Sequence[str] = ()) -> str:
    """Each with what stands below it, and the heights of its parts; of many bars some are without their words."""
    most, every = max(sum(parts) for _, parts in bars), -(-len(bars) // 12)
    drawn, told = "", []
    for number, (label, parts) in enumerate(bars):
        of = "; ".join(f"{name} {part:,}" for name, part in zip(names, parts, strict=False) if part)
        said = f"{label}: {sum(parts):,}" + (f" ({of})" if len(names) > 1 and of else "")
        told.append(said)
        blocks = "".join(
            f'<i class="topic-{place}" style="height:{85 * part / most:.1f}%"></i>'
            for place, part in enumerate(parts)
            if part
        )
        below = escape(label) if number % every == 0 else "&nbsp;"
        drawn += f'<div title="{escape(said)}">{blocks}{below}</div>'
    words = escape(f"{title}. {', '.join(told)}")
    return f'<h3>{escape(title)}</h3><div class="years" role="img" aria-label="{words}">{drawn}</div>'


def topics(author: str, drawn: TopicMap) -> str:
    """The map, a dot a post, and below it each topic with the posts that stand for it: buttons, for keys and for a phone."""
    if not drawn.of:
        return ""
    if not drawn.dots:
        few = "There is a map of the topics once there are ten posts that differ."
        return markup.section("Topics", markup.paragraphs(few))
    told = f"{len(drawn.dots):,} posts" + (f" of {drawn.of:,}, evenly over time" if len(drawn.dots) < drawn.of else "")
    dots = "".join(
        f'<circle class="topic-{dot.topic}" cx="{_across(dot.x)}%" cy="{_down(dot.y)}" r="5" '
        f'data-id="{escape(dot.id)}"><title>{escape(dot.title)} · {_day(dot.date)}</title></circle>'
        for dot in drawn.dots
    )
    names = [_topic_name(topic, number) for number, topic in enumerate(drawn.topics)]
    said = escape(f"{told} of {author} by meaning, in {len(names)} topics: {'; '.join(names)}")
    plot = (
        f'<svg class="plot map" width="100%" height="{MAP_HEIGHT}" role="img" aria-label="{said}" focusable="false">'
        f"{dots}{_labels(drawn.topics)}</svg>"
    )
    legend = "".join(_topic(drawn, number, name) for number, name in enumerate(names))
    note = markup.aside(f"{told}; the nearer, the more alike. A click opens one.")
    return markup.section(f"Topics of {author}", f'{note}{plot}<div class="topics">{legend}</div>')


def _across(share: float) -> float:
    return round(2 + 96 * share, 1)  # no dot is cut off at an edge


def _down(share: float) -> int:
    return round(10 + (MAP_HEIGHT - 20) * share)


def _day(date: dt.date | None) -> str:
    return date.isoformat() if date else "no date"


def _topic_name(topic: Topic, number: int) -> str:
    return ", ".join(topic.words) or f"topic {number + 1}"


def _labels(drawn: Sequence[Topic]) -> str:
    """Each topic's number and first words in its middle, moved down where two would stand on each other."""
    taken: list[tuple[float, int]] = []
    parts = []
    for number, topic in sorted(enumerate(drawn), key=lambda pair: pair[1].y):
        x, y = min(max(_across(topic.x), 12), 88), max(_down(topic.y), 16)
        while any(abs(x - other) < LABEL_WIDTH and abs(y - below) < LABEL_HEIGHT for other, below in taken):
            y += 2
        taken.append((x, y))
        words = escape(", ".join(topic.words[:2]))
        parts.append(
            f'<text x="{x:g}%" y="{y}" text-anchor="middle">{number + 1}<tspan class="wordy"> {words}</tspan></text>'
        )
    return "".join(parts)


def _topic(drawn: TopicMap, number: int, name: str) -> str:
    topic = drawn.topics[number]
    lines = "".join(
        f'<li><button type="button" data-id="{escape(dot.id)}"><span class="name" dir="auto">{escape(dot.title)}</span>'
        f"<small>{_day(dot.date)}</small></button></li>"
        for dot in (drawn.dots[place] for place in topic.examples)
    )
    count = f"{topic.posts:,} {'post' if topic.posts == 1 else 'posts'}"
    if len(drawn.dots) < drawn.of:  # of a sample, a number of posts would be that of the sample
        count = f"{100 * topic.posts / len(drawn.dots):.0f} % of them"
    return (
        f'<details><summary><i class="topic-{number}"></i><b>{number + 1}</b><span dir="auto">{escape(name)}</span>'
        f'<small>{count}</small></summary><ul class="list">{lines}</ul></details>'
    )


def listing(rows: Sequence[Listed], total: int, first: int, narrowed: bool) -> str:
    """A page of the list; each post is a button that opens it."""
    if not rows:
        return markup.aside("No post fits." if narrowed else "")
    lines = "".join(
        f'<li><button type="button" data-id="{escape(row.id)}">{_name(row)}'
        f"<small>{row.date.isoformat() if row.date else 'no date'} · {row.words:,} words</small></button></li>"
        for row in rows
    )
    count = f"{first + 1:,} to {first + len(rows):,} of {total:,}" if total > len(rows) else f"{total:,}"
    return f'<p class="aside">{count} {"post" if total == 1 else "posts"}</p><ul class="list">{lines}</ul>'


def _name(row: Listed) -> str:
    if row.title:
        return f'<span class="name" dir="auto">{escape(row.title)}</span>'
    return f'<span class="name untitled" dir="auto">{escape(row.beginning[:120])}</span>'


def post(found: Post) -> str:
    """The whole post. What is not to be learned from stays visible, and is said to be so."""
    facts = [found.date.isoformat() if found.date else "no date", found.format, place(found.source)]
    if found.byline:
        facts.append(f"by {found.byline}")
    parts, at = [], 0
    for mark in found.marks:
        kind = escape(f"not learned from: {mark.kind}")
        parts.append(escape(found.text[at : mark.start]))
        parts.append(
            f'<span class="not-own" title="{kind}">{escape(found.text[max(at, mark.start) : mark.end])}</span>'
        )
        at = max(at, mark.end)
    text = "".join([*parts, escape(found.text[at:])])
    note = '<p class="aside">Dotted: stays out of what is learned.</p>' if found.marks else ""
    return (
        f'<article class="card post"><h2 dir="auto">{escape(found.title or "Untitled")}</h2>'
        f'<p class="aside">{escape(" · ".join(facts))}</p>{note}{web_link(found.url)}'
        f'<div class="text" dir="auto">{text}</div></article>'
    )
