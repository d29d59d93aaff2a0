"""The data card: what a run would learn from is counted, checked and timed before it runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.errors import TrainingError
from contracts.feature_store import FeatureStore
from contracts.records import Post
from feature_pipeline import pipeline
from feature_pipeline.label import combined, label, marks
from tests.fakes import OTHER_WORDS, WORDS, WordEmbedder, fill, one_thread, post, recipe, voice
from training_pipeline import data
from training_pipeline.data import MASKED, Corpus
from training_pipeline.data_card import DataCard, build, by_author, histogram, is_verbatim, rows, worth_it
from training_pipeline.estimate import measure
from training_pipeline.evaluation.records import CONDITIONS
from training_pipeline.recipe import Recipe

SECRET = "Write to ann@example.org, or to me at home. "
OWN = "I mended the clock in the kitchen and it took the whole of a rainy day, which is as long as it takes. "
THEIRS = "Somebody else said this at length, and it is theirs, every word of it, whatever I think about it today."


def posts() -> list[Post]:
    """Thirty that teach, with an address in one and another's name over one; two that do not."""
    made = [post(number, f"{voice(number, WORDS, 60)}\n\n{voice(number + 500, WORDS, 60)}") for number in range(30)]
    made[3] = made[3].model_copy(update={"text": f"{SECRET}{OWN}\n\n{OWN}", "byline": "Ada"})
    made[4] = made[4].model_copy(update={"byline": "Bea Guest"})
    made += [post(30, "Gm.", day=0), post(31, f"> {THEIRS}", day=0)]
    return [one.model_copy(update={"marks": combined(marks(one.text, one.format))}) for one in made]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    store = FeatureStore(tmp_path_factory.mktemp("home"), WordEmbedder())
    fill(store, posts())
    label("Ada", store, changed=True)
    yield data.read(store, "Ada")
    store.close()


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> BaseLanguageModel:
    return BaseLanguageModel(f"{tiny_model}/", tmp_path)


def described(corpus: Corpus, base: BaseLanguageModel, recipe: Recipe, measured: bool = False) -> DataCard:
    return build(corpus, data.select(corpus, base.tokenizer(), recipe), recipe, base if measured else None)


def without_template(tiny_model: Path, folder: Path, template: str = "") -> BaseLanguageModel:
    shutil.copytree(tiny_model, folder)
    for file in folder.glob("*.jinja"):
        file.write_text(template) if template else file.unlink()
    return BaseLanguageModel(f"{folder}/", folder)


def test_a_base_model_without_a_chat_template_is_told_and_one_that_never_answers_is_refused(
    corpus: Corpus, base: BaseLanguageModel, tiny_model: Path, tmp_path: Path
) -> None:
    plain = without_template(tiny_model, tmp_path / "plain")
    assert "no chat template" in dict(rows(described(corpus, plain, recipe(), measured=True)))["prompts"]
    assert "prompts" not in dict(rows(described(corpus, base, recipe(), measured=True)))
    mute = without_template(tiny_model, tmp_path / "mute", "{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(TrainingError, match="no generation prompt"):
        described(corpus, mute, recipe())


def test_a_card_counts_what_the_run_would_learn_from(corpus: Corpus, base: BaseLanguageModel) -> None:
    chosen = recipe(max_tokens=2048, train_tokens=10**7)
    card = described(corpus, base, chosen)
    train = data.select(corpus, base.tokenizer(), chosen).train
    assert (card.author, card.posts, card.words) == ("Ada", 32, sum(len(one.text.split()) for one in posts()))
    assert (str(card.first), str(card.last), card.formats) == ("2024-01-01", "2024-01-30", {"article": 32})
    assert sum(part.posts for part in card.splits.values()) == 30
    assert {name: part.examples for name, part in card.splits.items()} == {
        name: len(made) for name, made in corpus.examples.items()
    }
    assert card.examples == len(train) == sum(card.kinds.values())
    assert card.trained_posts == card.splits["train"].posts
    assert card.tokens == sum(len(example.ids) for example in train)
    assert card.learned_tokens == sum(label != MASKED for example in train for label in example.labels)
    assert sum(card.lengths.values()) == len(train)
    assert card.with_passages == card.kinds["question"]
    assert (card.verbatim, card.estimate, card.private) == (1.0, None, {"e-mail address": 1})
    assert (card.purity, card.other_bylines) == (31 / 32, {"Bea Guest": 1})
    assert card.dropped == {"posts without own words": 1, "posts too short": 1}
    assert card == described(corpus, base, chosen)


def test_what_the_recipe_leaves_out_is_said(corpus: Corpus, base: BaseLanguageModel) -> None:
    few = described(corpus, base, recipe(max_tokens=2048, train_tokens=8000))
    assert few.tokens <= 4000
    assert few.dropped["examples of older posts, or beyond the recipe's tokens"] + few.examples == len(
        corpus.examples["train"]
    )
    late = recipe(max_tokens=2048, newest=3)
    chosen = {encoded.post_id for encoded in data.select(corpus, base.tokenizer(), late).train}
    dates = {example.post_id: corpus.posts[example.post_id].date for example in corpus.examples["train"]}
    assert chosen == set(sorted(dates, key=lambda post_id: str(dates[post_id]))[-3:])
    assert described(corpus, base, late).trained_posts == 3
    narrow = described(corpus, base, recipe(max_tokens=400))
    assert narrow.dropped["targets truncated"] > 0
    assert narrow.dropped["prompts too long"] > 0


def test_copies_are_counted(store: FeatureStore, base: BaseLanguageModel, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for number in range(12):
            text = f"---\ndate: 2024-01-{number + 10}\n---\n\n{voice(number, WORDS, 60)}"
            (tmp_path / folder / f"{number}.md").write_text(text, encoding="utf-8")
    pipeline.run([str(tmp_path / "one")], "Ada", store)
    assert data.read(store, "Ada").copies == 0
    pipeline.run([str(tmp_path / "one"), str(tmp_path / "two")], "Ada", store)
    card = described(data.read(store, "Ada"), base, recipe(max_tokens=2048))
    assert (card.posts, card.dropped["duplicates"]) == (12, 12)


def test_a_target_that_is_not_in_its_post_is_refused(corpus: Corpus, base: BaseLanguageModel) -> None:
    example = corpus.examples["train"][0]
    assert is_verbatim(example, corpus.posts[example.post_id])
    other = {**corpus.posts, example.post_id: corpus.posts[example.post_id].model_copy(update={"marks": ()})}
    assert is_verbatim(example, other[example.post_id])
    lied = example.model_copy(update={"slices": ((40, 200), (0, 40))})  # the right words in another order
    assert not is_verbatim(lied, corpus.posts[example.post_id])
    false = replace(corpus, examples={**corpus.examples, "train": [lied, *corpus.examples["train"]]})
    count = sum(map(len, false.examples.values()))
    with pytest.raises(TrainingError, match=f"1 of {count} targets are not found in their posts"):
        described(false, base, recipe(max_tokens=2048))


def test_what_is_masked_is_verbatim_but_for_the_mask(corpus: Corpus) -> None:
    (masked,) = (one for one in corpus.posts.values() if SECRET in one.text)
    for part in corpus.examples.values():
        for example in part:
            if example.post_id == masked.id and example.kind == "title":
                assert "Write to [e-mail address], or to me" in example.target(masked)
                assert is_verbatim(example, masked)


def test_time_and_memory_are_measured_by_a_step(corpus: Corpus, base: BaseLanguageModel) -> None:
    with one_thread():
        small = described(corpus, base, recipe(max_tokens=1024, epochs=1), measured=True).estimate
        large = described(corpus, base, recipe(max_tokens=1024, epochs=50, train_tokens=10**7), measured=True).estimate
    assert small is not None
    assert large is not None
    assert small.tokens_per_second > 0
    assert 512 < small.measured_on <= 4096
    assert small.peak_memory_mib > 100  # torch alone takes more
    assert large.minutes > small.minutes


def test_what_comes_beside_the_training_is_estimated_apart(corpus: Corpus, base: BaseLanguageModel) -> None:
    """Posts that are read, texts that are written, a preference step and folds: each counts where it is asked for."""
    preference = {"pairs": 2000, "beta": 0.1, "learning_rate": 1e-4, "batch": 2}
    few = recipe(max_tokens=1024, epochs=50, train_tokens=10**7, conditions=("adapter",), generations=1)
    more = few.model_copy(update={"conditions": CONDITIONS, "generations": 5, "seeds": 40, "generation_tokens": 100})
    asked = recipe(**{**more.model_dump(), "preference": preference})
    with one_thread():
        plain, whole = (described(corpus, base, one, measured=True).estimate for one in (few, more))
        selection = data.select(corpus, base.tokenizer(), asked)
        rich = measure(base, corpus, selection, asked, folds=3)
    assert plain
    assert whole
    assert (plain.preference_minutes, plain.folds_minutes) == (0, 0)
    assert whole.measuring_minutes > plain.measuring_minutes
    assert rich.preference_minutes > rich.measuring_minutes
    assert rich.folds_minutes == pytest.approx(3 * rich.minutes, abs=0.1)
    card = described(corpus, base, asked).model_copy(update={"estimate": rich})
    assert re.fullmatch(
        r"[\d.]+ minutes of training \+ [\d.]+ minutes of preference \+ [\d.]+ minutes of folds \+ [\d.]+ minutes of "
        r"measuring; [\d,]+ MiB, at [\d.]+ tokens a second",
        dict(rows(card))["on this machine"],
    )


def test_a_card_is_shown_in_rows(corpus: Corpus, base: BaseLanguageModel) -> None:
    with one_thread():
        said = dict(rows(described(corpus, base, recipe(max_tokens=1024), measured=True)))
    assert said["posts"].startswith("32 of ")
    assert said["whose"] == "96.9% name the author or nobody; others: 1 Bea Guest"
    assert said["word for word"] == "100% of the targets stand in their posts"
    assert said["masked"] == "1 e-mail address"
    assert "minutes" in said["on this machine"]
    assert said["worth it?"].startswith("Hardly: there are 0 posts of reference authors in your language")


def test_a_byline_names_the_author_or_nobody() -> None:
    one = post(1, OWN)
    assert [by_author(one.model_copy(update={"byline": name})) for name in ("", "Ada", "ada lovelace", "Bea")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_whether_it_is_worth_it_grows_with_the_posts() -> None:
    answers = [worth_it(count, count // 5, 60).split(":")[0] for count in (0, 9, 10, 24, 25, 99, 100, 5000)]
    assert answers == ["No", "No", "Hardly", "Hardly", "Perhaps", "Perhaps", "Probably", "Probably"]
    assert worth_it(9, 2, 60) == (
        "No: a tenth of at least 10 posts is needed to know when to stop training. It can be tried all the same; the "
        "version is not promoted."
    )
    assert worth_it(20, 4, 60) == (
        "Hardly: 4 posts are held out, and a figure needs 5, so that no version can prove itself and be promoted. Of 25 "
        "posts with dates, 5 are held out. A tick at “Few posts” or --folds measures the recipe on all 20."
    )


@pytest.mark.parametrize(
    ("dated", "undated", "said"),
    [
        (9, 0, "No: "),
        (12, 0, "Hardly: 2 posts"),
        (22, 0, "Hardly: 4 posts"),
        (23, 0, "Perhaps: "),
        (0, 30, "Hardly: 4"),
    ],
)
def test_whether_it_is_worth_it_is_told_by_what_is_held_out(
    store: FeatureStore, base: BaseLanguageModel, dated: int, undated: int, said: str
) -> None:
    """23 posts hold out five; of 30 without a date, which a hash divides, it may be fewer."""
    mine = [post(number, voice(number, WORDS, 60)) for number in range(dated + undated)]
    fill(store, [one.model_copy(update={"date": None}) if undated else one for one in mine])
    fill(store, [post(number, voice(number, OTHER_WORDS, 60), author="Bea") for number in range(6)], reference=True)
    for author in ("Ada", "Bea"):
        label(author, store, changed=True)
    corpus = data.read(store, "Ada")
    told = described(corpus, base, recipe(max_tokens=1024)).worth_it
    assert told.startswith(said)
    assert told.endswith(f" --folds measures the recipe on all {dated + undated}.") == said.startswith("Hardly")


def test_a_histogram_has_no_empty_ends() -> None:
    assert histogram([100, 130, 127, 600]) == {"64 to 127": 2, "128 to 255": 1, "256 to 511": 0, "512 to 1023": 1}
    assert histogram([]) == {}


@pytest.mark.real_data
def test_every_target_of_a_real_blog_is_verbatim(store: FeatureStore, real_data: Path, base: BaseLanguageModel) -> None:
    pipeline.run([str(real_data / "blogs" / "skeeto" / "_posts")], "skeeto", store, limit=60)
    corpus = data.read(store, "skeeto")
    made = [example for part in corpus.examples.values() for example in part]
    assert len(made) > 200
    assert {example.kind for example in made} >= {"title", "outline", "section", "continue", "question"}
    assert all(is_verbatim(example, corpus.posts[example.post_id]) for example in made)
