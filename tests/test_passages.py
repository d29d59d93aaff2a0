"""What the page renders of posts and answers: exact marks, and nothing of theirs as markup."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from contracts.feature_store.catalogue import Listed
from contracts.records import Answer, Citation, Copied, Mark, NearestPost, Passage, Post, Sentence, SourceStatus
from tests.browser import HOSTILE, WREN
from ui.page import passages as html
from ui.page import show_posts


def passage(text: str, *, start: int = 0, title: str = "A title", url: str | None = None) -> Passage:
    return Passage(
        post_id="p", source_id="a.md", title=title, url=url, date=dt.date(2024, 5, 6), text=text, start=start,
        end=start + len(text), score=1.0,
    )  # fmt: skip


def citation(start: int, end: int, text: str) -> Citation:
    return Citation(marker=1, post_id="p", title="A title", url=None, start=start, end=end, text=text)


def test_the_mark_is_the_cited_span_whatever_it_holds() -> None:
    shown = html.sources([passage("One <b>. Two & three. Four.", start=100)], [citation(109, 121, "")], 1, WREN)
    assert "One &lt;b&gt;. <mark>Two &amp; three.</mark> Four." in shown
    assert "Passages used" in shown
    assert "Also read" not in shown


def test_every_cited_span_of_a_passage_is_marked() -> None:
    shown = html.sources([passage("One. Two. Three.")], [citation(10, 16, ""), citation(0, 4, "")], 1, WREN)
    assert "<mark>One.</mark> Two. <mark>Three.</mark>" in shown


def test_uncited_passages_are_folded_away_under_their_own_heading() -> None:
    shown = html.sources([passage("One two."), passage("Three four.")], [citation(0, 8, "One two.")], 7, WREN)
    assert re.findall(r'<(\w+) class="passage[^"]*" id="([^"]+)"', shown) == [
        ("article", "passage-7-1"),
        ("details", "passage-7-2"),
    ]
    assert shown.index("Passages used") < shown.index("passage-7-1") < shown.index("Also read")


def test_nothing_that_others_wrote_is_markup() -> None:
    shown = html.sources([passage(HOSTILE, title=HOSTILE)], [], 1, HOSTILE)
    shown += html.sources([], [], 1, HOSTILE) + html.prose(HOSTILE) + html.problem(HOSTILE, HOSTILE)
    shown += html.notices(HOSTILE, True, False, False)
    assert set(re.findall(r"<(\w+)", shown)) <= {
        "section", "h2", "details", "summary", "span", "time", "blockquote", "div", "p", "ul", "li", "code",
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "java\nscript:alert(1)", " https://a.example", "//a.example", "", None],
)
def test_only_web_addresses_become_links(url: str | None) -> None:
    assert "<a" not in html.sources([passage("Text.", url=url)], [], 1, WREN)


def test_a_link_cannot_break_out_of_its_attribute() -> None:
    shown = html.sources([passage("Text.", url='https://a.example/"onmouseover="x')], [], 1, WREN)
    assert 'href="https://a.example/&quot;onmouseover=&quot;x" target="_blank" rel="noopener noreferrer"' in shown


def test_only_markers_with_a_citation_lead_somewhere() -> None:
    shown = html.prose("Yes [1], no [2].", 3, {4: [citation(0, 3, "So\nit is.")]})
    assert shown == 'Yes <a class="marker" href="#passage-3-1" title="A title&#10;So it is.">1</a>, no [2].'
    assert 'href="#passage-3-100"' in html.prose("Yes [100]", 3, {4: [citation(0, 3, "So")]})


def test_code_is_no_marker_also_where_its_number_is_one() -> None:
    cited = citation(0, 9, "said so")
    said = Sentence(start=0, end=20, support="supported", first_person=True, evidence=cited)
    near = said.model_copy(update={"start": 25, "end": 38, "support": "inferred", "shared": 0.5})
    given = Answer(
        answer="I said so: argv[1]<. [1] I, x[1] <too>.", citations=(cited,), passages=(), model="base", snapshot="s",
        timings={}, sentences=(said, near),
    )  # fmt: skip
    assert html.answer(given, 2) == (
        'I said so: argv[1]&lt;. <a class="marker" href="#passage-2-1" title="A title&#10;said so">1</a> <span '
        'class="inferred" title="A post is near it, and does not say it: 50% of its words are there">I, x[1] '
        "&lt;too&gt;</span>."
    )


def test_the_small_print_counts_speed_after_the_first_token() -> None:
    timings = {"retrieve": 0.1, "first_token": 1.0, "total": 3.0, "tokens": 41.0}
    answer = Answer(answer="", citations=(), passages=(), model="ada@v3", snapshot="5af3", timings=timings)
    assert "ada@v3 · snapshot 5af3 · first token 1.0 s · 20 tokens/s · stopped" in html.fine_print(answer, stopped=True)


def test_an_error_is_a_sentence_and_its_command_can_be_pasted() -> None:
    shown = html.problem("no model ada@v9", "twin models list --author Ada")
    assert shown.index("<div>No model ada@v9.</div>") < shown.index("<code>twin models list --author Ada</code>")


def test_sentences_that_no_post_supports_are_marked_and_counted() -> None:
    text = "I said <b>so</b> [1]. Never did I. Nearly."
    cited = citation(0, 9, "said so")
    sentences = (
        Sentence(start=0, end=16, support="supported", first_person=True, evidence=cited),
        Sentence(start=22, end=34, support="unsupported", first_person=True, evidence=None),
        Sentence(start=35, end=42, support="inferred", first_person=False, evidence=cited),
    )
    copied = Copied(words=14, start=0, end=9, post_id="p", title=HOSTILE, url=None, post_start=0, post_end=9)
    given = Answer(
        answer=text, citations=(cited,), passages=(), model="base", snapshot="s", timings={}, sentences=sentences,
        copied=copied, cut=True,
    )  # fmt: skip
    shown = html.answer(given, 2)
    taken = html.escape(f"Word for word from “{html.short(HOSTILE)}”")
    assert f'<mark title="{taken}">I said &lt;b</mark>&gt;so&lt;/b&gt;' in shown
    assert '<a class="marker" href="#passage-2-1" title="A title&#10;said so">1</a>' in shown
    assert '<span class="unsupported" title="No post says so">Never did I.</span>' in shown
    assert '<span class="inferred" title="A post is near it, and does not say it">Nearly.</span>' in shown
    words = html.in_words(given, "like you")
    assert re.findall(r'<div class="note">([^<&]+)', words) == [
        "Like you.",
        "One sentence is underlined in red: no post says so.",
        "One sentence is underlined with dots: a post is near it, and does not say it.",
        "14 words in a row, here highlighted, stand in “",
        "It had more to say than it may: what it had begun of another sentence is left out.",
    ]
    assert '<a class="post" href="#post-p">&lt;script&gt;' in words
    known = given.model_copy(update={"copied": copied.model_copy(update={"url": "https://a.example/p"})})
    assert '<a href="https://a.example/p" target="_blank" rel="noopener noreferrer">&lt;script&gt;' in html.in_words(
        known
    )


def test_posts_reports_and_what_is_nearest_are_only_text() -> None:
    marks = (Mark(start=0, end=8, kind="quote"),)
    post = Post(author=HOSTILE, source=HOSTILE, source_id="a", title=HOSTILE, date=None, url="javascript:1", text=HOSTILE,
                byline=HOSTILE, marks=marks)  # fmt: skip
    report = {
        "author": HOSTILE, "found": 2, "added": 1, "changed": 0, "unchanged": 0, "duplicate": 0, "deleted": 0, "withheld": 3,
        "refused": {"empty": 1}, "examples_of_refusals": {"empty": [HOSTILE]},
        "failed": {HOSTILE: f"{HOSTILE}\n  → {HOSTILE}"},
        "seconds": 61.0,
    }  # fmt: skip
    nearest = [NearestPost(post_id="p", title=HOSTILE, date=None, url="javascript:1")]
    corpus = {"posts": 1, "words": 2, "first": None, "last": None, "formats": {"note": 1}, "languages": {HOSTILE: 1}}
    shown = show_posts.post(post) + show_posts.report(report) + html.sources([], [], 1, HOSTILE, nearest)
    shown += show_posts.listing([Listed(HOSTILE, HOSTILE, None, HOSTILE, "note", 2, HOSTILE)], 1, 0, False)
    years = {2023: {HOSTILE: 1}, 2024: {HOSTILE: 1, "b": 2}}
    shown += show_posts.summary(HOSTILE, corpus, years, [2, 0, 0, 0, 0, 0, 1], {HOSTILE: 2, "b": 2})
    told = SourceStatus(author=HOSTILE, address=HOSTILE, posts=1, read=dt.datetime(2024, 1, 1), outcome=HOSTILE)
    shown += show_posts.sources([("id", told)], "id")
    shown += show_posts.outcome(
        {"posts": [{"title": HOSTILE, "date": "", "words": 2, "text": ""}], "kept": 3, "report": report}
    )
    assert set(re.findall(r"<(\w+)", shown)) <= set(
        "article section h2 h3 p span div table tbody tr th td small ul li i bdi button header time".split()
    )
    assert "Posts of up to so many words. 50: 2, 150: 0, 300: 0, 600: 0, 1,200: 0, 2,400: 0, more: 1" in shown
    assert "Posts a year. 2023: 1 (" in shown
    assert "onerror='" not in shown
    assert "javascript:1" not in shown
