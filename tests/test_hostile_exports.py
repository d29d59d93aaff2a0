"""Exports that are cut, damaged, recoded or say something else than they should: read, refused or told, and nothing else."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Item, read
from feature_pipeline.sources.files.exports import READERS
from tests.blog_server import posts, reasons
from tests.export_samples import EXPORTS, Export, folder, packed

WEIRD: list[Any] = [
    None,
    5,
    -1.5,
    True,
    "",
    [],
    {},
    [[]],
    {"a": 1},
    "\ud800",
    "\udfff x",
    "x\0y",
    10**40,
    ["x"],
    [None],
]
WEIRD += ["9" * 400, "0000-99-99", "https://[::1", "javascript:x", 1e308]
ENCODINGS = ("utf-16", "utf-16-le", "cp1252", "shift-jis", "utf-8-sig", "utf-7")


def told(path: Path, me: str) -> list[Item]:
    """What is read, none of it unstorable. Fails for what no reader foresaw."""
    found: list[Item] = []
    said = ""
    try:
        found = list(read(f"{path}#{me}" if me else str(path)))
    except SourceError as error:
        said = error.message
    assert "was not expected" not in said
    for item in found:
        "".join(value for value in vars(item).values() if isinstance(value, str)).encode()
    return found


def contents(export: Export) -> dict[str, bytes]:
    return {name: made.encode() if isinstance(made, str) else made for name, made in export.files.items()}


def mutated(value: Any, chance: random.Random, share: float) -> Any:
    if chance.random() < share:
        return chance.choice(WEIRD)
    if isinstance(value, dict):
        return {key: mutated(one, chance, share) for key, one in value.items()}
    return [mutated(one, chance, share) for one in value] if isinstance(value, list) else value


def damaged(data: bytes, chance: random.Random, how: int) -> bytes:
    changed = bytearray(data)
    if how % 3 == 0:
        return bytes(changed[: chance.randrange(len(changed) + 1)])
    if how % 3 == 1:
        for _ in range(4 if changed else 0):
            changed[chance.randrange(len(changed))] = chance.choice([0, 0xFF, 0xED, 0x22, 0x5C, 0x7B, 0x5B])
        return bytes(changed)
    return data.decode("utf-8", "replace").encode(chance.choice(ENCODINGS), "replace")


def other_values(name: str, data: bytes, chance: random.Random, how: int) -> bytes:
    before, is_js, text = data.decode("utf-8", "replace").rpartition("= ") if name.endswith(".js") else ("", "", "")
    try:
        values = json.loads(text if is_js else data)
    except ValueError:
        return data
    return f"{before}{is_js}{json.dumps(mutated(values, chance, (0.02, 0.1, 0.3)[how % 3]))}".encode()


@pytest.mark.parametrize("name", READERS)
def test_files_of_any_bytes_and_any_values(tmp_path: Path, name: str) -> None:
    export, chance = EXPORTS[name], random.Random(name)
    for how in range(3):
        made = {file: damaged(data, chance, how) for file, data in contents(export).items()}
        told(folder(tmp_path / f"a{how}", made), export.me)
        made = {file: other_values(file, data, chance, how) for file, data in contents(export).items()}
        told(folder(tmp_path / f"b{how}", made), export.me)


@pytest.mark.parametrize("name", READERS)
def test_zips_that_end_too_soon_or_have_wrong_bytes(tmp_path: Path, name: str) -> None:
    export, chance = EXPORTS[name], random.Random(name)
    whole = packed(tmp_path / "a.zip", export.files).read_bytes()
    for cut in (1, 4, 30, len(whole) // 2, len(whole) - 22, len(whole) - 1):
        (tmp_path / "b.zip").write_bytes(whole[:cut])
        assert told(tmp_path / "b.zip", export.me) == []
    for _ in range(3):
        wrong = bytearray(whole)
        for _ in range(6):
            wrong[chance.randrange(len(wrong))] = chance.randrange(256)
        (tmp_path / "b.zip").write_bytes(wrong)
        told(tmp_path / "b.zip", export.me)


def test_links_in_a_circle_and_to_devices(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("A.")
    links = {"self": ".", "up": "..", "b": "c", "c": "b", "x.md": "x.md", "n.md": "nowhere", "z.md": "/dev/zero"}
    for name, target in {**links, "p.md": "/etc/passwd"}.items():
        (tmp_path / name).symlink_to(target)
    found = list(read(str(tmp_path)))
    assert [post.source_id for post in posts(found)] == ["a.md"]
    assert {reason for _, reason in reasons(found)} == {"unsafe_entry"}
