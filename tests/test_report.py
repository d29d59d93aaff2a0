"""A version's report: what it says, that nothing from a post acts, that it asks nobody, and that it can be forgotten."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from contracts.aliases import Aliases
from contracts.feature_store import FeatureStore
from contracts.files import write_json
from contracts.model_registry import ModelRegistry, ModelVersion
from contracts.records import Figure, Mark, Post
from tests.fakes import WORDS, adapter, card, fill, post, voice
from training_pipeline import report
from training_pipeline.evaluation.records import CONDITIONS, Evaluation, LongestCopy, Written
from training_pipeline.glossary import value
from training_pipeline.plots import Curve, Row, curves, scale, strips

HOSTILE = "<script>hacked=1</script><img src=http://evil.example/a.png onerror=x()> {{ 7*7 }} &amp; 'q' \"q\""
CHAMPION = Aliases().promote(1, "gate", "it passed its gate")
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags with their attributes and the text of a page; refuses a tag that is not closed in turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def figure(value: float, spread: float = 0.1, n: int = 12, unit: str = "") -> Figure:
    return Figure(value=value, low=value - spread, high=value + spread, n=n, unit=unit)


def held_out() -> list[Post]:
    posts = [post(number, voice(number, WORDS, length=80), title=f"Title {number}") for number in range(12)]
    secret = "Write to ada@ada.example for tea. " + posts[1].text
    posts[1] = posts[1].model_copy(
        update={"text": secret, "marks": (Mark(start=9, end=24, kind="private", instead="[e-mail address]"),)}
    )
    posts[2] = posts[2].model_copy(update={"text": HOSTILE, "title": HOSTILE})
    return posts


def proven(posts: list[Post], hostile: str = HOSTILE) -> Evaluation:
    written = [
        Written(
            condition=condition, post_id=one.id, seed=7, instruction=f"On {hostile}", text=f"{condition}: {hostile}"
        )
        for condition in CONDITIONS
        for one in posts
    ]  # fmt: skip
    levels: dict[str, float] = {"others": -1.0, "base": -0.6, "base+retrieval": -0.4, "adapter": 0.4, "human": 1.0}
    levels["adapter+retrieval"] = 0.5
    scores = {name: [level + (n % 7 - 3) / 10 for n in range(14)] for name, level in levels.items()}
    return Evaluation(
        figures={
            "delta_nll": figure(0.058, 0.004, unit="nats/byte"),
            "delta_nll_reference": figure(0.038, 0.003, unit="nats/byte"),
            "gap_closed": Figure(value=0.62, low=0.53, high=0.71, n=12),
            "copy_excess": Figure(value=None, n=3, note="3 texts, needs 5"),
            "longest_copy_words": Figure(value=9, n=24, note="in one text"),
            **{f"verification/{name}": figure(level) for name, level in levels.items()},
        },
        deltas={one.id: 0.05 + n / 1000 for n, one in enumerate(posts)},
        reference_deltas={f"other{n}": 0.03 + n / 1000 for n in range(8)},
        written=tuple(written),
        verification=scores,
        longest_copy=LongestCopy(
            words=9, text=f"count every screw {hostile}", post_id=posts[2].id, condition="adapter"
        ),
    )


TRAINING = {
    "train_loss": [(step, 3.0 - step / 50) for step in range(1, 41)],
    "validation_loss": [(0, 2.991), (20, 2.8), (40, 2.753)],
    "base_validation_loss": 2.991,
    "best_validation_loss": 2.753,
    "steps": 40,
}


def registered(
    home: Path, evaluation: Evaluation | None, gate: tuple[str, ...] = (), author: str = "Ada"
) -> ModelVersion:
    made = card(author, training=TRAINING, gate=gate, evaluation=evaluation.figures if evaluation else {})
    version = ModelRegistry(home).register(made, adapter(home / "adapter"))
    if evaluation:
        write_json(version.folder / "evaluation.json", evaluation.model_dump(mode="json"))
    return version


@pytest.fixture
def posts(store: FeatureStore) -> list[Post]:
    made = held_out()
    fill(store, made)
    return made


def test_a_report_says_in_words_and_figures_what_the_version_proved(
    tmp_path: Path, store: FeatureStore, posts: list[Post]
) -> None:
    version = registered(tmp_path, proven(posts))
    path = report.write(tmp_path, version, store, CHAMPION)
    assert path == tmp_path / "reports" / "Ada@v1.html"
    page = Page(path.read_text(encoding="utf-8"))
    for said in (
        "Sounds like you: 62 % of the way from the base model to your own writing [53, 71].",
        "It passed its gate, and it is the champion.",
        "0.058 [0.054, 0.062] nats/byte, n = 12",
        "62 % [53 %, 71 %], n = 12",
        "cannot measure: 3 texts, needs 5",
        "9, n = 24",
        "Validation loss went from 2.991 to 2.753",
        "9 words in a row, with “",
        "adapter with passages (as it answers), n = 14",
        "Write to [e-mail address] for tea.",
    ):
        assert said in page.text, said
    assert "ada@ada.example for tea" not in page.text
    svgs = [attributes for tag, attributes in page.tags if tag == "svg" and "role" in attributes]
    assert [svg["role"] for svg in svgs] == ["img"] * 3
    assert all(svg["aria-label"] for svg in svgs)
    samples = [attributes for tag, attributes in page.tags if tag == "article"]
    assert len(samples) == 10 + 1  # and the longest copy
    assert page.text.count("adapter+retrieval: ") == 10
    assert "told from you" not in page.text.lower()
    for who, right in enumerate((True, True, False, True)):
        store.guesses.add("Ada", version.name, posts[0].id, right, by=f"person {who}")
    played = Page(report.write(tmp_path, version, store, CHAMPION).read_text(encoding="utf-8"))
    assert "Told from you by people" in played.text
    assert "75 % [30.1 %, 95.4 %], n = 4" in played.text


def test_nothing_from_a_post_or_a_model_acts_and_nothing_is_asked_for(
    tmp_path: Path, store: FeatureStore, posts: list[Post]
) -> None:
    version = registered(tmp_path, proven(posts), gate=(f"the {HOSTILE} bound",))
    text = report.write(tmp_path, version, store, Aliases()).read_text(encoding="utf-8")
    page = Page(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "object", "form", "base", "audio"})
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("href", "src", "action", "data", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,")), (tag, attributes)
    assert "url(" not in text
    assert "@import" not in text
    assert HOSTILE.split(" {{")[0] in page.text
    assert "{{ 7*7 }} &amp;" in page.text
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
    assert policy
    assert policy.startswith("default-src 'none'")


def test_why_a_version_was_not_promoted(tmp_path: Path, store: FeatureStore, posts: list[Post]) -> None:
    reason = "specificity: the interval's lower end -0.0100 is not above 0.0"
    page = Page(
        report.write(tmp_path, registered(tmp_path, proven(posts), (reason,)), store, Aliases()).read_text("utf-8")
    )
    assert "Why it was not promoted" in page.text
    assert "1 of its recipe’s bounds does not hold" in page.text
    assert reason in page.text


REASON = "specificity: the interval's upper end -0.0100 is not above 0.0"


@pytest.mark.parametrize(
    ("bounds", "aliases", "says", "why"),
    [
        ((), CHAMPION, "It passed its gate, and it is the champion.", "Why it is the champion"),
        ((), CHAMPION.promote(2, "hand", "asked for"), "It passed its gate, and it was the champion before another.",
         "Why it was promoted"),
        ((REASON,), Aliases().refuse(1, REASON).promote(1, "hand", f"although {REASON}"),
         r"It did not pass its gate, and it is the champion: it was promoted by hand on [\d-]+\.",
         "Why it is the champion"),
        ((), CHAMPION.promote(2, "hand", "asked for").roll_back({1, 2}, "asked for"),
         r"It passed its gate, and it is the champion: it was rolled back to by hand on [\d-]+\.",
         "Why it is the champion"),
        ((), Aliases().refuse(1, REASON), "It did not pass its gate.", "Why it was not promoted"),  # by another champion
        ((), Aliases().refuse(1, REASON).promote(1, "hand", "asked for"),  # by another champion, and then
         r"It did not pass its gate, and it is the champion: it was promoted by hand on [\d-]+\.",
         "Why it is the champion"),
        ((REASON,), Aliases(), "It did not pass its gate.", "Why it was not promoted"),
        ((), Aliases(), "It passed its gate.", "Why it may be promoted"),
    ],
    ids=["gate", "before", "by hand", "rolled back", "refused", "by hand later", "older, failed", "older, passed"],
)  # fmt: skip
def test_the_heading_says_what_was_decided(
    tmp_path: Path,
    store: FeatureStore,
    posts: list[Post],
    bounds: tuple[str, ...],
    aliases: Aliases,
    says: str,
    why: str,
) -> None:
    version = registered(tmp_path, proven(posts), bounds)
    page = Page(report.write(tmp_path, version, store, aliases).read_text("utf-8"))
    verdict = page.text.partition("[53, 71].")[2].partition(" Promotion ")[0]
    assert re.fullmatch(says, verdict.strip()), verdict
    assert why in page.text
    promoted_by_bounds = "Every bound that its recipe sets holds" in page.text
    assert promoted_by_bounds is not (REASON in page.text.partition(why)[2])


def test_every_interval_is_drawn_and_v_stands_in_three_ways(
    tmp_path: Path, store: FeatureStore, posts: list[Post]
) -> None:
    found = proven(posts)
    beside = {
        f"verification{how}/{condition}": figure(level, n=14)
        for how, level in (("_raw", 0.77), ("_masked", 0.33))
        for condition in (*CONDITIONS, "others", "human")
    }
    plain = Page(report.write(tmp_path, registered(tmp_path, found), store, Aliases()).read_text("utf-8"))
    assert "Topics masked" not in plain.text
    found = found.model_copy(update={"figures": {**found.figures, **beside}})
    text = report.write(tmp_path, registered(tmp_path, found), store, Aliases()).read_text("utf-8")
    page = Page(text)
    assert "Topics masked" in page.text
    assert page.text.count("0.77 [0.67, 0.87], n = 14") == page.text.count("0.33 [0.23, 0.43], n = 14") == 6
    bars = text.count('<div class="interval" aria-hidden="true">')
    assert bars == 3  # of the figures that have an interval, but the scores, which are drawn above
    assert re.search(
        r'<line class="mark" x1="0%".*?<line class="mark" x1="100%".*?<span>0 %</span><span>100 %</span>', text
    )


def test_headings_go_down_by_one_and_every_link_leads_somewhere(
    tmp_path: Path, store: FeatureStore, posts: list[Post]
) -> None:
    page = Page(report.write(tmp_path, registered(tmp_path, proven(posts)), store, Aliases()).read_text("utf-8"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for tag, attributes in page.tags if tag == "a"} <= {f"#{id_}" for id_ in ids}
    named = {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes}
    assert named <= set(ids)
    assert page.tags[0] == ("html", {"lang": "en"})


def test_a_version_without_an_evaluation_has_a_report_of_its_card(tmp_path: Path, store: FeatureStore) -> None:
    page = Page(report.write(tmp_path, registered(tmp_path, None), store, Aliases()).read_text("utf-8"))
    assert "How much it sounds like you was not measured for this version." in page.text
    assert "No texts were kept for this version." in page.text


def test_what_an_earlier_release_kept_otherwise_is_left_out(tmp_path: Path, store: FeatureStore) -> None:
    version = registered(tmp_path, None)
    write_json(version.folder / "evaluation.json", {"figures": {}, "texts": ["another form"]})
    assert report.proof(version) is None
    assert "No texts were kept" in Page(report.write(tmp_path, version, store, Aliases()).read_text("utf-8")).text


def test_a_post_that_is_gone_is_said_to_be_gone(tmp_path: Path, store: FeatureStore, posts: list[Post]) -> None:
    version = registered(tmp_path, proven(posts))
    with store.writing("forgetting"):
        store.forget("Ada", [posts[2].id])
    page = Page(report.write(tmp_path, version, store, Aliases()).read_text("utf-8"))
    assert "with a post that is not stored any more" in page.text


def test_an_authors_reports_are_deleted_and_nobody_elses(tmp_path: Path, store: FeatureStore) -> None:
    names = ("Ada", "Ada", "Ada.", "Ada@v1", "Ada/..", "Bea")
    paths = [report.write(tmp_path, registered(tmp_path, None, author=name), store, Aliases()) for name in names]
    assert all(path.parent == tmp_path / "reports" for path in paths)
    assert len(set(paths)) == len(names)
    other = tmp_path / "reports" / "Ada@v1.html.txt"
    other.touch()
    assert report.delete(tmp_path, "Ada") == paths[:2]
    assert [path.exists() for path in (*paths, other)] == [False, False, True, True, True, True, True]
    assert report.delete(tmp_path, "Ada") == []
    assert report.delete(tmp_path / "empty", "Ada") == []


@pytest.mark.parametrize(
    ("gap", "says"),
    [
        (Figure(value=0.62, low=0.53, high=0.71, n=9), "Sounds like you: 62 % of the way"),
        (Figure(value=0.1, low=-0.05, high=0.3, n=9), "Does not provably sound more like you than the base model"),
        (Figure(value=1.4, low=1.2, high=1.6, n=9), "Sounds more like you than you do: 140 %"),
        (Figure(value=None, n=2, note="2 posts, needs 5"), "Cannot measure how much it sounds like you: 2 posts"),
    ],
)
def test_the_headline_says_no_more_than_the_interval(gap: Figure, says: str) -> None:
    assert report.headline({"gap_closed": gap}).startswith(says)


@pytest.mark.parametrize(
    ("name", "number", "shown"),
    [
        ("delta_nll", 0.0578, "0.0578"),
        ("delta_nll", -0.00001, "0"),
        ("delta_nll", -12.5, "−12.5"),
        ("longest_copy_words", 10.0, "10"),
        ("gap_closed", 1.0, "100 %"),
        ("copy_excess", -0.125, "−12.5 %"),
    ],
)
def test_numbers_are_written_as_people_write_them(name: str, number: float, shown: str) -> None:
    assert value(name, number) == shown


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 1.0], (0.0, 0.5, 1.0)),
        ([0, 40], (0, 10, 20, 30, 40)),
        ([2.753, 2.991], (2.7, 2.8, 2.9, 3.0)),
        ([-0.3, 0.21], (-0.4, -0.2, 0.0, 0.2, 0.4)),
        ([5.0], (4.0, 6.0)),
        ([0.0, 0.0], (0.0, 0.5)),
    ],
)
def test_ticks_are_round_and_span_the_values(values: list[float], ticks: tuple[float, ...]) -> None:
    made = scale(values)
    assert made.low <= min(values)
    assert max(values) <= made.high
    assert made.ticks == pytest.approx(ticks)


def test_a_plot_draws_values_where_they_are_and_leaves_out_what_is_no_number() -> None:
    drawn = strips("A & B", [Row("<you>", "you", [0.0, 1.0, float("nan")], 0.5, 0.25, 0.75)], {"floor": 0.0}, "V")
    assert re.findall(r'cx="([\d.]+)%"', drawn) == ["0", "100"]
    assert 'class="bar you" x1="25%" x2="75%"' in drawn
    assert "&lt;you&gt;" in drawn
    assert 'aria-label="A &amp; B"' in drawn
    line = curves("Loss", [Curve("loss", "train", [(0, 2.0), (1, float("nan")), (2, 1.0)])], "step")
    assert 'points="0,0 100,100"' in line
    assert curves("Loss", [Curve("loss", "train", [])], "step") == ""
    assert strips("V", [], {}, "V") == ""
