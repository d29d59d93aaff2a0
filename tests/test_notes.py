"""Obsidian, Org mode and MDX: what the author wrote, without the tools around it."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from feature_pipeline.sources import Complete, RawPost, Refusal, read
from feature_pipeline.sources.files import mdx, obsidian
from feature_pipeline.sources.files.org import from_org


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    return path


def post(path: Path) -> RawPost:
    item, complete = read(str(path))
    assert isinstance(item, RawPost), item
    assert complete == Complete()
    return item


NOTE = """---
created: 2024-03-05
tags: [food]
---
See [[Soup|my soup]], [[Bread#Crust]] and [[recipes/Salt]]. #cooking/slow
![[pot.png]]
A claim. ^claim-1

%%not for
anyone%%
> [!note] Careful
> Hot.

`[[code]]` and [[1]](https://a.example)

```dataview
LIST FROM [[Soup]]
```
"""


def test_a_vault_of_obsidian(tmp_path: Path) -> None:
    write(tmp_path, ".obsidian/templates.json", '{"folder": "Moulds"}')
    write(tmp_path, "Soup - a love_story.md", NOTE)
    write(tmp_path, "Moulds/Day.md", "{{date}}")
    write(tmp_path, "templates/Week.md", "{{date}}")
    write(tmp_path, ".trash/Old.md", "Gone.")
    write(tmp_path, "papers/other.pdf", "%PDF-")
    items = list(read(str(tmp_path)))
    assert [(item.source_id, item.reason) for item in items if isinstance(item, Refusal)] == [
        ("Moulds/Day.md", "not_a_post"),
        ("papers/other.pdf", "not_a_post"),
        ("templates/Week.md", "not_a_post"),
    ]
    (found,) = (item for item in items if isinstance(item, RawPost))
    assert items[-1] == Complete()
    assert (found.title, found.date, found.markup) == ("Soup - a love_story", dt.date(2024, 3, 5), "markdown")
    assert found.text == (
        "See my soup, Bread > Crust and recipes/Salt. #cooking/slow\n\nA claim. \n\n\n> Careful\n> Hot.\n\n"
        "`[[code]]` and [[1]](https://a.example)\n\n```dataview\nLIST FROM [[Soup]]\n```\n"
    )


def test_a_note_alone_is_known_by_its_links(tmp_path: Path) -> None:
    assert post(write(tmp_path, "a.md", "Of [[Soup|soup]] %%hidden%%\n")).text == "Of soup \n"


@pytest.mark.parametrize("text", ["if [[ -f x ]]; then 100 %% 7", "see [[1]], [[1, 2], [3, 4]]", "`[[x]]` 5%% a %% b"])
def test_what_only_looks_like_a_link_stays(tmp_path: Path, text: str) -> None:
    assert post(write(tmp_path, "a.md", text)).text == text


ORG = """#+TITLE: On soup
#+date: <2020-01-02 Thu>
#+AUTHOR: Ann
#+OPTIONS: toc:nil
* TODO [#A] First part [1/2] :kitchen:
:PROPERTIES:
:ID: secret-id
:END:
SCHEDULED: <2020-01-01 Wed>
Some /slanted/, *bold* and =verbatim= words, ~code~, +old+, /usr/bin and 2*3*4.
See [[https://a.example/b][the /other/ page]], [[https://a.example]] [[./pot.png]]
# a comment
#+begin_src python
* no heading
,* escaped
print("#+TITLE: x")
#+end_src
** Diary :noexport:
Private.
*** Under it
Private too.
** DONE Second
#+BEGIN_QUOTE
Said she.
#+END_QUOTE
| a | b |
|---+---|
- soup :: hot
Note[fn:1] of <2020-05-06 Wed>.
[fn:1] Below.
"""


def test_org_mode(tmp_path: Path) -> None:
    found = post(write(tmp_path, "x.org", ORG))
    assert (found.title, found.date, found.author, found.markup) == (
        "On soup",
        dt.date(2020, 1, 2),
        "Ann",
        "markdown",
    )
    assert found.text == (
        "# First part\n"
        "Some *slanted*, **bold** and `verbatim` words, `code`, ~~old~~, /usr/bin and 2*3*4.\n"
        "See the *other* page, https://a.example \n"
        '```python\n* no heading\n* escaped\nprint("#+TITLE: x")\n```\n'
        "## Second\n> Said she.\n| a | b |\n|---|---|\n- soup: hot\nNote[^1] of 2020-05-06 Wed.\n[^1]: Below."
    )


def test_org_drafts_and_other_states(tmp_path: Path) -> None:
    (item, _) = read(str(write(tmp_path, "x.org", "#+DRAFT: t\nB")))
    assert isinstance(item, Refusal)
    assert item.reason == "draft"
    assert from_org("#+TODO: SOON(s) | LATER\n* SOON Eat\n* COMMENT Hidden\nx\n* LATER Sleep")[1] == "# Eat\n# Sleep"


MDX = """---
title: Charts
---
import Chart from "../chart"
import {
  A,
  B,
} from '@site/b'
export const meta = {
  tags: ["x"],

  done: true,
}
export const double = (n) =>
  n * 2

import duties are high. {" "}And {"kept"}, {meta.tags[0]}{/* not this */}.

<Callout kind="info" render={() => <b>{x > 1}</b>}>
  Some **text** with `<B/>` and `{x}`.
</Callout>

<Chart data={[1, 2]} />

```jsx
import Y from "y"
export const z = <A>{b}</A>
```

Math $x_{i}$ and 5 < 6, a <Em>stressed</Em> word.
<style>{`p { color: red }`}</style>
"""


def test_mdx_with_components(tmp_path: Path) -> None:
    found = post(write(tmp_path, "x.mdx", MDX))
    assert found.title == "Charts"
    assert found.text == (
        "\nimport duties are high.  And kept, .\n\n  Some **text** with `<B/>` and `{x}`.\n\n\n"
        '```jsx\nimport Y from "y"\nexport const z = <A>{b}</A>\n```\n\n'
        "Math $x_{i}$ and 5 < 6, a stressed word.\n"
    )


@pytest.mark.parametrize(
    "text", ["{" * 50_000, "<a " * 50_000, "<A x={" * 20_000, "import x\n" * 20_000, "export const a = [\n" * 20_000]
)
def test_mdx_that_never_closes_costs_little(text: str) -> None:
    started = time.perf_counter()
    mdx.to_markdown(text)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("text", ["[[" * 50_000, "%%a" * 50_001, "`[[a" * 20_000, "![[a|" * 20_000])
def test_a_hostile_note_costs_little(text: str) -> None:
    started = time.perf_counter()
    obsidian.to_markdown(text)
    obsidian.tells(text)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "text", ["[[a][" * 20_000, "*a /b " * 20_000, "=a" * 50_000, "* \n" * 20_000, "#+begin_quote\n" * 3_000]
)
def test_hostile_org_costs_little(tmp_path: Path, text: str) -> None:
    started = time.perf_counter()
    list(read(str(write(tmp_path, "x.org", text))))
    assert time.perf_counter() - started < 5
