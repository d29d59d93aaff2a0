"""Pages that Notion exports as Markdown."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.test_files import post, refusal, write

ID = "0c1d2e3f405162738495a6b7c8d9e0f3"
PROPERTIES = "Created: May 3, 2021 10:12 AM\nTags: Essay, Life\nURL: https://ann.example/city\n"


def test_properties_are_what_the_page_says_of_itself_and_not_its_words(tmp_path: Path) -> None:
    text = f"# Why I left\n\n{PROPERTIES}\nThe rent doubled.\n\n<aside>\n💡 Mind: trees.\n\n</aside>\n\nEnd.\n"
    found = post(write(tmp_path, f"Blog {ID}/Why I left {ID}.md", text))
    assert (found.title, found.date, found.url) == ("Why I left", dt.date(2021, 5, 3), "https://ann.example/city")
    assert found.text.split() == "The rent doubled. 💡 Mind: trees. End.".split()


@pytest.mark.parametrize("said", ["Status: Draft\n", "Tags: a\nPublished: No\n", "Draft: Yes\nMood: fine\n"])
def test_a_draft_says_so(tmp_path: Path, said: str) -> None:
    assert refusal(write(tmp_path, f"A {ID}.md", f"# A\n\n{said}\nWords.")).reason == "draft"


def test_the_id_is_no_part_of_a_title(tmp_path: Path) -> None:
    assert post(write(tmp_path, f"On tea {ID}.md", "Just words.")).title == "On tea"


def test_a_first_sentence_with_a_colon_is_the_authors(tmp_path: Path) -> None:
    text = "# A\n\nOne thing is sure: it rains.\n\nB: c"
    assert post(write(tmp_path, f"A {ID}.md", text)).text.strip() == "One thing is sure: it rains.\n\nB: c"
    assert post(write(tmp_path, "A.md", f"# A\n\n{PROPERTIES}")).text.strip().startswith("Created")


@pytest.mark.parametrize(
    "lines",
    [
        "Anna: Is it raining?\nBert: It is.",
        "TL;DR: stay in.\nIn short: do not go.",
        "Q: Why?\nA: Because.",
        "Type of rain: thin.",
    ],
)
def test_lines_with_colons_under_names_that_no_property_has_are_the_authors(tmp_path: Path, lines: str) -> None:
    assert post(write(tmp_path, f"A {ID}.md", f"# A\n\n{lines}\n\nWords.")).text.strip() == f"{lines}\n\nWords."


def test_a_property_of_any_name_stands_beside_a_usual_one(tmp_path: Path) -> None:
    found = post(write(tmp_path, f"A {ID}.md", "# A\n\nMood: fine\nPublished: May 3, 2021\n\nWords."))
    assert (found.date, found.text.strip()) == (dt.date(2021, 5, 3), "Words.")


@pytest.mark.parametrize("fence", ["```html", "~~~", "````"])
def test_code_about_callouts_stays(tmp_path: Path, fence: str) -> None:
    code = f"{fence}\n<aside>\nA note.\n</aside>\n{fence.removesuffix('html')}"
    text = f"Words.\n\n{code}\n\n<aside>\nMind: trees.\n</aside>\n"
    assert post(write(tmp_path, f"A {ID}.md", text)).text.strip() == f"Words.\n\n{code}\n\nMind: trees."


def test_what_another_program_put_above_the_page_is_believed(tmp_path: Path) -> None:
    found = post(write(tmp_path, f"A {ID}.md", "---\ntitle: On tea\ndate: 2020-01-02\n---\nWords."))
    assert (found.title, found.date, found.text) == ("On tea", dt.date(2020, 1, 2), "Words.")
