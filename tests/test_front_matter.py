"""Front matter: what its lines say, however broken; and no form of it costs time, memory or the process."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from feature_pipeline.sources import Refusal
from feature_pipeline.sources.files.front_matter import AGAIN, _Quick, _Strings
from tests.test_files import items_of, post, refusal, write


def test_broken_yaml_gives_what_its_lines_say(tmp_path: Path) -> None:
    found = post(write(tmp_path, "x.md", "---\ntitle: Rust: the good parts\ntags: [a\ndate: 2020-01-02\n---\nB"))
    assert (found.title, found.date, found.text) == ("Rust: the good parts", dt.date(2020, 1, 2), "B")
    assert post(write(tmp_path, "some-name.md", "---\nfoo: [\n---\nB")).title == "some name"
    assert refusal(write(tmp_path, "z.md", "---\nfoo: [\ndraft: true\n---\nB")).reason == "draft"


def test_broken_toml_too(tmp_path: Path) -> None:
    found = post(write(tmp_path, "x.md", '+++\ntitle = "A"\ndate = 2020-01-02\nx = \n+++\nB'))
    assert (found.title, found.date, found.text) == ("A", dt.date(2020, 1, 2), "B")


@pytest.mark.parametrize(
    "front",
    [
        "title: A\ndate: 2020-01-02 10:00:00\ntags:\n- b\n  - c\nx:\n---\n",  # Hexo
        "title: A\r\ndate: 2020-01-02\r\n---\r\n",
        "<!--\n.. title: A\n.. slug: a\n.. date: 2020-01-02 10:00:00 UTC+01:00\n.. tags:\n-->\n",  # Nikola
        '{\n  "title": "A",\n  "date": "2020-01-02",\n  "tags": ["b"]\n}\n',  # Hugo
        '---json\n{"title": "A", "date": "2020-01-02"}\n---\n',  # Eleventy
        '---toml\ntitle = "A"\ndate = 2020-01-02\n---\n',
    ],
)
def test_generators_mark_it_in_other_ways(tmp_path: Path, front: str) -> None:
    found = post(write(tmp_path, "x.md", f"{front}\nB\n"))
    assert (found.title, found.date, found.text.strip()) == ("A", dt.date(2020, 1, 2), "B")


@pytest.mark.parametrize(
    "lines", ["title: a\n" + "      x\n" * 5_000, "<!--\n" + "\n" * 50_000, "<!--\n" + ".. a: b\n" * 5_000]
)
def test_what_never_closes_costs_little(tmp_path: Path, lines: str) -> None:
    started = time.perf_counter()
    items_of(write(tmp_path, "x.md", lines))
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("name", ["publishedAt", "pubDatetime", "publish_date", "datePublished", "date-created"])
def test_generators_call_the_date_as_they_like(tmp_path: Path, name: str) -> None:
    assert post(write(tmp_path, "x.md", f"---\ntitle: A\n{name}: 2020-01-02\n---\nB")).date == dt.date(2020, 1, 2)


@pytest.mark.parametrize("line", ["isDraft: true", "publish: false", "private: yes"])
def test_generators_call_a_draft_as_they_like(tmp_path: Path, line: str) -> None:
    assert refusal(write(tmp_path, "x.md", f"---\ntitle: A\n{line}\n---\nB")).reason == "draft"


@pytest.mark.parametrize(
    "text",
    ["Note: this is a heading\n---\n\nB\n", '{"a": 1}\n\nB\n', "{" * 10_000, '{"a":' * 10_000, "<!-- a -->\nB\n"],
)
def test_what_only_begins_like_it_is_text(tmp_path: Path, text: str) -> None:
    assert post(write(tmp_path, "x.md", text)).text == text


def test_two_rules_are_no_front_matter(tmp_path: Path) -> None:
    text = "---\n\nJust a thought between rules.\n\n---\n\nAnd more.\n"
    assert post(write(tmp_path, "x.md", text)).text == text


@pytest.mark.parametrize(
    "front",
    [
        "a: &a [x]\nb: *a",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "a: !!python/object/apply:os.system ['touch pwned']",
        "title: " + "x" * 70_000,
        "a: " + "[" * 5_000 + "]" * 5_000,
    ],
)
def test_dangerous_front_matter_is_refused(tmp_path: Path, front: str) -> None:
    assert refusal(write(tmp_path, "x.md", f"---\ntitle: A\n{front}\n---\nB")).reason == "bad_front_matter"
    assert not (Path.cwd() / "pwned").exists()


@pytest.mark.parametrize(
    "front",
    [
        "x = " + "9" * 60_000,
        "x = 1e999999999\ny = 0x" + "f" * 20_000,
        "x = " + "[" * 30_000 + "]" * 30_000,
        "x = " + "{a=" * 10_000 + "1" + "}" * 10_000,
        ".".join("a" * 30_000) + " = 1",
        "x = {" + '. "a,"' * 8_000 + " = 1}",
        "x = {" + " .".join(["'a='"] * 8_000) + " = 1}",
        ".".join("a" * 900) + " = 1",
        "date = 9999-99-99",
        "[" * 30_000,
    ],
)
def test_toml_that_is_deep_huge_or_broken_costs_little(tmp_path: Path, front: str) -> None:
    started = time.perf_counter()
    (item,) = items_of(write(tmp_path, "a-post.md", f'+++\ntitle = "A"\n{front}\n+++\nB'))
    assert time.perf_counter() - started < 5
    if isinstance(item, Refusal):
        assert (item.reason, item.detail) == ("bad_front_matter", "it is nested too deeply")
    else:
        assert (item.title, item.text) == ("A", "B")


TRICKY = """
title: "a: b # c"
plain: a b:c #d
comment: x # gone
colons: "12:30"
time: 12:30:00
number: 0o17
float: .5
nothing:
tilde: ~
yes: No
on: off
tagged: !!str 12
single: 'it''s'
double: "a\\tb\\u00e9\\n\\x41"
wide: "\\U0001F469"
emoji: 👩‍🚀 “quoted”
folded: >-
  one
  two

  three
literal: |
  one
   two
kept: |+
  one

list: [a, "b", 'c', 1, [d]]
inline: {a: 1, b: [x, y], c: }
indented:
  - a
  -   b: 1
      c: 2
  - - x
    - y
same:
- a
- b
key with spaces: 1
"quoted key": 2
? asked
: answered
<<: {merged: 1}
=: 3
empty: ""
multi line
  plain: 4
plain lines: one
  two
  three
title: twice
last: [a,
  b]
"""


def loaded(loader: type[yaml.SafeLoader], block: str) -> object:
    try:
        return loader(block).get_single_data()
    except (yaml.YAMLError, ValueError) as error:
        return type(error)


def test_the_quick_way_through_yaml_says_what_the_safe_one_says() -> None:
    blocks = [TRICKY.replace("multi line\n  plain: 4\n", ""), TRICKY]
    entries = re.split(r"\n(?=[\w\"?<=])", TRICKY.strip())
    blocks += [*entries, *("\n".join(pair) for pair in itertools.pairwise(entries))]
    blocks += [
        "",
        "# only\n",
        "- a\n- b\n",
        "text",
        "a: b\r\nc: d\r\n",
        "a:\tb\n",
        "a: [",
        "a: 'b",
        "a: b: c",
        "%x",
        "@a",
    ]
    blocks += [
        "---\na: b\n",
        "a: b\n...\n",
        "a: b\n---\nc: d\n",
        "a: \x07",
        "a: \x85b\n",
        "a: \u2028b\n",
        "\ufeffa: b",
        "a: !x b",
    ]
    blocks += [
        "a: !!python/object/apply:os.system ['x']",
        "a: !!binary aGk=",
        "a: !!set {x}",
        "a: !!int 0x10",
        "a: !!bool yes",
    ]
    # Where the quick one stumbles, the safe one is asked.
    both = {block: (loaded(_Quick, block), loaded(_Strings, block)) for block in blocks}
    assert {block: quick for block, (quick, said) in both.items() if quick != said and quick not in AGAIN} == {
        "a:\tb\n": {"a": "b"}  # which the safe one takes for broken
    }
    safe = loaded(_Strings, blocks[0])
    assert isinstance(safe, dict)
    assert (safe["time"], safe["yes"], safe["list"]) == ("12:30:00", "No", ["a", "b", "c", "1", ["d"]])


DEEP = """
import sys
from feature_pipeline.sources.files.front_matter import BadFrontMatterError, split
levels = int(sys.argv[1])
blocks = ["[" * levels + "]" * levels, "{a: " * levels + "}" * levels, "\\n" + "- " * levels + "x", "? " * levels + "x",
          "\\n" + "".join(" " * at + "a:\\n" for at in range(1, min(levels, 300))), "[{a: " * (levels // 2),
          "-\\t" * levels, '{"a":' * levels, "[" * levels + "*a"]
for block in blocks:
    try:
        print(split(f"---\\ntitle: A\\nb: {block}\\n---\\nB")[0].title or "none")
    except BadFrontMatterError as error:
        print(error)
"""


@pytest.mark.parametrize("levels", [400, 10_000, 31_000])
def test_no_depth_of_yaml_ends_the_process(levels: int) -> None:
    """In C, 31,000 levels overflow the stack: a process of its own shows that none gets there."""
    done = subprocess.run([sys.executable, "-c", DEEP, str(levels)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 9)
    told = {
        "it is nested too deeply",
        "it is over 64 KiB",
        "it has a YAML alias, which can grow without end",
        "A",
        "none",
    }
    assert set(done.stdout.splitlines()) <= {*told, *(line for line in done.stdout.splitlines() if "YAML tag" in line)}


@pytest.mark.parametrize(
    "front",
    [
        "---\ntitle: {{ title }}\ndate: {{ date }}\ntags:\n---\n",  # Hexo's scaffolds
        "+++\ndate = '{{ .Date }}'\ndraft = true\ntitle = '{{ replace .File.ContentBaseName \"-\" \" \" | title }}'\n+++\n",
        '---\ntitle: "{{ replace .Name "-" " " | title }}"\ndate: {{ .Date }}\ndraft: true\n---\n',  # Hugo's archetypes
        "---\ntitle: {{title}}\n---\n",
        "---\ntitle: <% tp.file.title %>\n---\n",
    ],
)
def test_what_posts_are_made_from_is_none(tmp_path: Path, front: str) -> None:
    found = refusal(write(tmp_path, "post.md", f"{front}\nWrite here.\n"))
    assert (found.reason, "template" in found.detail) == ("not_a_post", True)


def test_a_post_about_templates_is_one(tmp_path: Path) -> None:
    found = post(
        write(tmp_path, "x.md", "---\ntitle: Why {{ title }} is not {{ name }}\nimage: {{ site.logo }}\n---\nB")
    )
    assert (found.title, found.text) == ("Why {{ title }} is not {{ name }}", "B")
    assert post(write(tmp_path, "y.md", "---\ntitle: A\nimage: {{ site.logo }}\n---\nB")).title == "A"
