"""reStructuredText as Pelican and Nikola have it, and as Sphinx writes it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path, PurePath

import pytest

from feature_pipeline.clean import clean
from feature_pipeline.sources import Found, RawPost, Refusal, read
from feature_pipeline.sources.files import documents
from feature_pipeline.sources.files.post_file import from_text

# As its manual has it.
PELICAN = """My super title
##############

:date: 2010-10-03 10:20
:modified: 2010-10-04 18:40
:tags: thats, awesome
:category: yeah
:slug: my-super-post
:authors: Alexis Metaireau, Conan Doyle
:summary: Short version for index and feeds

This is the content of my *super* blog post, with ``code`` and a `link <https://a.example>`_.

.. code-block:: python
   :linenos:
   :caption: Said aloud

   print("hi")
"""
NIKOLA = """.. title: How to make money
.. slug: how-to-make-money
.. date: 2012-09-15 19:52:05 UTC
.. tags:
.. link:
.. type: text

Write it down.

.. TEASER_END

First
=====

Sell it.
"""
SPHINX = """See :doc:`the soup <soup>`, :py:func:`~os.path.join` and `nothing`_ of |version|.

.. versionadded:: 2.0 Salt was added.

   And **pepper** too.

.. seealso::
   :icon: x

   - A spoon.

.. glossary::

   Broth
      What is left.

.. figure:: pot.png
   :figwidth: fifty

   The pot.

.. toctree::

   other-page
"""


def told(text: str) -> Found:
    return from_text(text, PurePath("2011-02-03-soup.rst"), "/posts", "soup.rst")


def words(text: str) -> str:
    found = told(text)
    assert isinstance(found, RawPost), found
    post = clean(found, "Ann")
    assert not isinstance(post, Refusal)
    return post.text


def test_a_post_of_pelican() -> None:
    post = told(PELICAN)
    assert isinstance(post, RawPost)
    assert (post.title, post.date, post.author) == (
        "My super title",
        dt.date(2010, 10, 3),
        "Alexis Metaireau, Conan Doyle",
    )
    assert words(PELICAN) == (
        'This is the content of my *super* blog post, with `code` and a link.\n\nSaid aloud\n\n```\nprint("hi")\n```'
    )


def test_a_post_of_nikola() -> None:
    post = told(NIKOLA)
    assert isinstance(post, RawPost)
    assert (post.title, post.date) == ("How to make money", dt.date(2012, 9, 15))
    assert words(NIKOLA) == "Write it down.\n\n## First\n\nSell it."


@pytest.mark.parametrize("fields", [":orphan:", ":blogpost: true\n:date: 2010-10-03"])
def test_fields_may_stand_before_the_title(fields: str) -> None:
    text = (
        f"{fields}\n\n.. _soup:\n\nThe soup\n========\n\nIt is hot.\n\nSalt\n----\n\nA bit.\n\nWater\n-----\n\nMuch.\n"
    )
    post = told(text)
    assert isinstance(post, RawPost)
    assert post.title == "The soup"
    assert words(text) == "It is hot.\n\n## Salt\n\nA bit.\n\n## Water\n\nMuch."


@pytest.mark.parametrize(
    "directive",
    [
        "todo:: ask Bob about the CANARY\n\n   And CANARY.",
        "only:: CANARY\n\n   The CANARY.",
        "ifconfig:: CANARY in ('alpha',)\n\n   The CANARY.",
    ],
)
def test_notes_that_may_be_on_no_page_show_nothing(directive: str) -> None:
    assert words(f"Soup.\n\n.. {directive}\n\nSalt.\n") == "Soup.\n\nSalt."


def test_the_day_of_the_reading_is_no_word_of_the_post() -> None:
    assert words("Soup of |today|, hot.\n\n.. |today| date:: %Y-%m-%d %H:%M:%S\n") == "Soup of , hot."
    assert words("Soup.\n\n.. |logo| raw:: html\n\n   <b>CANARY</b>\n") == "Soup."


@pytest.mark.parametrize(
    "text",
    [
        PELICAN.replace(":slug:", ":status: draft\n:slug:"),
        NIKOLA.replace(".. type:", ".. status: private\n.. type:"),
        NIKOLA.replace(".. tags:", ".. tags: soup, draft"),
    ],
)
def test_a_draft_is_none(text: str) -> None:
    post = told(text)
    assert isinstance(post, Refusal)
    assert post.reason == "draft"


def test_what_only_sphinx_knows_keeps_its_words() -> None:
    text = words(SPHINX)
    for said in (
        *("the soup", "os.path.join", "nothing", "version", "2.0 Salt was added.", "And **pepper** too.", "A spoon."),
        *("Broth", "What is left.", "The pot."),
    ):
        assert said in text
    assert "other-page" not in text


def test_nothing_is_read_that_it_names(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("CANARY,CANARY\n", encoding="utf-8")
    (tmp_path / "docutils.conf").write_text("[general]\nraw_enabled: yes\nfile_insertion_enabled: yes\n")
    hostile = "".join(
        f".. {directive}\n\n"
        for directive in (
            f"include:: {secret}",
            f"literalinclude:: {secret}",
            f"raw:: html\n   :file: {secret}",
            f"raw:: html\n   :url: file://{secret}",
            "raw:: html\n\n   <script>CANARY()</script>",
            f"csv-table:: T\n   :file: {secret}",
            f"image:: {secret}\n   :loading: embed\n   :scale: 50",
            f"figure:: {secret}\n   :figwidth: image",
            f"role:: raw-html(raw)\n   :format: html\n\n:raw-html:`{secret}`",
        )
    )
    (tmp_path / "a.rst").write_text(f"{hostile}\n\nThe words.\n", encoding="utf-8")
    (post,) = (item for item in read(str(tmp_path)) if isinstance(item, RawPost) and item.source_id == "a.rst")
    assert "The words." in post.text
    assert "CANARY" not in post.text


@pytest.mark.parametrize("text", ["", "A title\n=======\n", ".. title: Alone\n"])
def test_a_title_and_nothing_else_is_empty(text: str) -> None:
    post = told(text)
    assert isinstance(post, Refusal)
    assert post.reason == "empty"


def test_a_hostile_one_costs_itself_alone() -> None:
    assert isinstance(told("\n".join("  " * depth + "- x\n" for depth in range(2_000))), Refusal)
    assert words("Soup.\n\n" + "x" * 100_000).startswith("Soup.")
    documents._child.close()
