"""The model registry: versions are whole or are none, numbers are never shared, and no name leads out of its folder."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import pytest

from contracts.base_model import BaseLanguageModel
from contracts.errors import Mismatch, ModelError, NotFound, UsageError
from contracts.model_registry import ModelRegistry, parse
from tests.fakes import adapter, card, hashes


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return adapter(tmp_path / "made")


def names(registry: ModelRegistry, author: str = "Ada") -> list[str]:
    return [version.name for version in registry.versions(author)]


def test_versions_count_from_one_for_each_author(registry: ModelRegistry, made: Path) -> None:
    assert registry.authors() == []
    assert [registry.register(card(run_id=str(n)), made).name for n in range(2)] == ["Ada@v1", "Ada@v2"]
    assert registry.register(card("Bob"), made).name == "Bob@v1"
    assert registry.authors() == ["Ada", "Bob"]
    assert names(registry) == ["Ada@v1", "Ada@v2"]
    assert registry.get("Ada@v2").card.run_id == "1"
    with pytest.raises(NotFound, match="Ada@v1, Ada@v2"):
        registry.get("Ada@v3")
    with pytest.raises(NotFound, match="none"):
        registry.get("ada@v1")


def test_a_version_keeps_the_adapter_and_the_hash_of_every_file(registry: ModelRegistry, made: Path) -> None:
    (made / "optimizer.pt").write_bytes(b"a trainer's own")
    version = registry.register(card(), made)
    assert set(version.card.files) == {"adapter_config.json", "adapter_model.safetensors"}
    assert {path.name for path in version.folder.iterdir()} == {*version.card.files, "card.json"}
    assert registry.checked("Ada@v1").card == version.card


@pytest.mark.parametrize("text", ["", '{"author": "Ada"', '{"author": "Ada"}', "[]"])
def test_a_folder_without_a_whole_card_is_no_version(registry: ModelRegistry, made: Path, text: str) -> None:
    first, second = (registry.register(card(run_id=str(n)), made) for n in range(2))
    (second.folder / "card.json").write_text(text, encoding="utf-8")
    assert names(registry) == [first.name]
    assert registry.damaged("Ada") == [second.folder]
    again = registry.register(card(run_id="again"), made)
    assert again.name == "Ada@v3"  # a number is never used again, and what cannot be read is not destroyed
    assert (second.folder / "adapter_model.safetensors").is_file()


def test_a_folder_that_has_no_card_is_cleaned_up_and_its_number_stays_used(registry: ModelRegistry, made: Path) -> None:
    first, second = (registry.register(card(run_id=str(n)), made) for n in range(2))
    (second.folder / "card.json").unlink()
    assert names(registry) == [first.name]
    assert registry.damaged("Ada") == [second.folder]
    assert registry.register(card(run_id="again"), made).name == "Ada@v3"
    assert [path.name for path in second.folder.iterdir()] == ["deleted.json"]
    assert registry.damaged("Ada") == []


def test_what_a_dead_process_left_is_cleaned_up_and_what_is_not_ours_stays(registry: ModelRegistry, made: Path) -> None:
    folder = registry.register(card(), made).folder.parent
    (folder / ".staging-2").mkdir()
    (folder / ".staging-2" / "adapter_model.safetensors").write_bytes(b"half")
    (folder / ".staging-9-an-older-name").mkdir()
    (folder / ".aliases.json.4711").write_text("{", encoding="utf-8")
    (folder / "v1" / ".deleted.json.4711").write_text("{", encoding="utf-8")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    assert registry.register(card(run_id="2"), made).name == "Ada@v2"
    assert {path.name for path in folder.iterdir()} == {"v1", "v2", "notes.txt", ".lock"}
    assert [found.damage for found in registry.verify("Ada")] == [(), ()]


def test_the_model_card_is_kept_with_the_versions_name_and_checked(registry: ModelRegistry, made: Path) -> None:
    (made / "README.md").write_text("what PEFT writes", encoding="utf-8")
    (made / "evaluation.json").write_text("{}", encoding="utf-8")
    version = registry.register(card(), made, readme=lambda name: f"# {name}\n")
    assert (version.folder / "README.md").read_text(encoding="utf-8") == "# Ada@v1\n"
    assert {"README.md", "evaluation.json"} < set(version.card.files)
    (version.folder / "README.md").write_text("# better\n", encoding="utf-8")
    with pytest.raises(Mismatch, match=r"README\.md of Ada@v1"):
        registry.checked("Ada@v1")


def test_a_card_from_before_template_hashes_reads(registry: ModelRegistry, made: Path) -> None:
    version = registry.register(card(template_hash="new"), made)
    stored = json.loads((version.folder / "card.json").read_text(encoding="utf-8"))
    assert stored.pop("template_hash") == "new"
    (version.folder / "card.json").write_text(json.dumps(stored), encoding="utf-8")
    assert registry.checked("Ada@v1").card.template_hash == ""


def test_while_the_champions_card_is_torn_the_one_before_it_serves(registry: ModelRegistry, made: Path) -> None:
    for number in range(2):
        registry.promote(registry.register(card(run_id=str(number)), made).name)
    (registry.get("Ada@v2").folder / "card.json").write_text("{", encoding="utf-8")
    serving = registry.champion("Ada")
    assert serving is not None
    assert serving.name == "Ada@v1"
    assert registry.get("Ada@champion").name == "Ada@v1"


def _register(home: Path, made: Path, who: int, results: multiprocessing.Queue[tuple[int, int]]) -> None:
    for n in range(5):
        results.put((who, ModelRegistry(home).register(card(run_id=f"{who}-{n}"), made).number))


def test_processes_that_register_at_once_get_numbers_of_their_own(tmp_path: Path, made: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[int, int]] = spawn.Queue()
    processes = [spawn.Process(target=_register, args=(tmp_path, made, who, results)) for who in range(4)]
    for process in processes:
        process.start()
    numbers = sorted(results.get(timeout=60)[1] for _ in range(20))
    for process in processes:
        process.join(10)
    assert numbers == list(range(1, 21))
    versions = ModelRegistry(tmp_path).versions("Ada")
    assert [version.number for version in versions] == numbers
    assert len({version.card.run_id for version in versions}) == 20
    assert not list(versions[0].folder.parent.glob(".staging*"))


def test_promoting_and_rolling_back(registry: ModelRegistry, made: Path) -> None:
    for n in range(3):
        registry.register(card(run_id=str(n)), made)
    assert registry.champion("Ada") is None
    with pytest.raises(NotFound, match="no champion"):
        registry.get("Ada@champion")
    for wanted in ("Ada@v1", "Ada@v3", "Ada@v3", "Ada@v2"):  # the second time changes nothing
        assert registry.promote(wanted).name == wanted
        assert registry.get("Ada@champion").name == wanted
    assert registry.rollback("Ada").name == "Ada@v3"
    assert registry.rollback("Ada").name == "Ada@v1"
    with pytest.raises(NotFound, match="no earlier champion"):
        registry.rollback("Ada")
    champion = registry.champion("Ada")
    assert champion is not None
    assert champion.name == "Ada@v1"
    assert names(registry) == ["Ada@v1", "Ada@v2", "Ada@v3"]
    with pytest.raises(NotFound, match="no best"):
        registry.get("Ada@best")


def test_a_changed_file_is_seen_and_never_promoted(registry: ModelRegistry, made: Path) -> None:
    version = registry.register(card(), made)
    expected = version.card.files["adapter_model.safetensors"]
    (version.folder / "adapter_model.safetensors").write_bytes(b"others")
    with pytest.raises(Mismatch, match=r"adapter_model\.safetensors of Ada@v1") as caught:
        registry.checked("Ada@v1")
    assert expected in str(caught.value)
    with pytest.raises(Mismatch):
        registry.promote("Ada@v1")
    assert registry.champion("Ada") is None
    (version.folder / "adapter_model.safetensors").unlink()
    with pytest.raises(Mismatch, match="no such file"):
        registry.checked("Ada@v1")


def test_a_card_that_holds_no_hash_of_the_adapter_vouches_for_nothing(registry: ModelRegistry, made: Path) -> None:
    path = registry.register(card(), made).folder / "card.json"
    edited = json.loads(path.read_text(encoding="utf-8")) | {"files": {}}
    path.write_text(json.dumps(edited), encoding="utf-8")
    with pytest.raises(Mismatch, match=r"adapter_config\.json of Ada@v1: expected a hash in its card"):
        registry.promote("Ada@v1")
    assert len(registry.verify("Ada")[0].damage) > 1


@pytest.mark.parametrize(
    "edited",
    [
        {"posts": {"train": ["a"]}},
        {"parent": "nobody"},
        {"parent": "Ada@champion"},
        {"training": {"train_loss": [[1, None]]}},
        {"training": {"train_loss": [[1, "nan"]]}},
        {"training": {"validation_loss": "falling"}},
        {"training": {"base_validation_loss": 3.1}},
        {"training": {"base_validation_loss": "3.1", "best_validation_loss": 2.0}},
        {"training": {"base_validation_loss": None, "best_validation_loss": None}},
        {"training": {"preference": {"pairs": 3}}},
        {"training": {"preference": {"not_kept": [], "edits": "2"}}},
        {"training": {"preference": None}},
    ],
)
def test_a_card_without_what_everyone_reads_of_it_is_told_to_be_unreadable(
    registry: ModelRegistry, made: Path, edited: dict[str, Any]
) -> None:
    path = registry.register(card(), made).folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | edited), encoding="utf-8")
    assert registry.versions("Ada") == []
    assert registry.verify("Ada")[0].damage == ("its card cannot be read",)
    assert registry.register(card(), made).name == "Ada@v2"


def test_a_card_may_say_little_of_its_training_and_more_than_anyone_reads(registry: ModelRegistry, made: Path) -> None:
    for told in (
        {},
        {"preference": {"not_kept": False}},
        {"base_validation_loss": 3, "best_validation_loss": 2.5, "x": {}},
    ):
        path = registry.register(card(), made).folder / "card.json"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"training": told}), encoding="utf-8")
    assert len(registry.versions("Ada")) == 3


def test_a_version_that_was_copied_to_another_author_is_not_served(registry: ModelRegistry, made: Path) -> None:
    theirs = registry.register(card("Bea"), made).folder
    shutil.copytree(theirs, theirs.parents[1] / "Ada" / "v1")
    with pytest.raises(Mismatch, match="the author of Ada@v1: expected Ada, found Bea"):
        registry.promote("Ada@v1")
    assert registry.verify("Ada")[0].damage != ()


@pytest.mark.parametrize("name", ["adapter_model.bin", "extra.pt", "weights.pkl"])
def test_pickled_weights_are_refused(registry: ModelRegistry, made: Path, name: str) -> None:
    version = registry.register(card(), made)
    (version.folder / name).write_bytes(b"\x80\x04N.")
    with pytest.raises(ModelError, match=name):
        registry.checked("Ada@v1")


def test_what_the_base_model_at_hand_cannot_serve_is_no_champion(
    tmp_path: Path, tiny_model: Path, registry: ModelRegistry, made: Path
) -> None:
    base = BaseLanguageModel(str(tiny_model), tmp_path)
    registry.register(card(), made)
    registry.register(card(run_id="2", **hashes(base)), made)
    for change in (registry.promote, registry.decide):
        with pytest.raises(Mismatch, match="Ada@v1 was trained with another base model"):
            change("Ada@v1", base=base)  # type: ignore[operator]
    assert registry.decide("Ada@v2", base=base)
    registry.promote("Ada@v1")
    registry.promote("Ada@v2", base=base)
    with pytest.raises(Mismatch, match="Ada@v1 was trained with another base model"):
        registry.rollback("Ada", base=base)
    assert registry.get("Ada@champion").number == 2


def test_a_version_of_another_prompt_is_no_champion_wherever_the_base_model_is(
    registry: ModelRegistry, made: Path
) -> None:
    old, *_ = (registry.register(card(run_id=str(number)), made) for number in range(2))
    for number in (1, 2):
        registry.promote(f"Ada@v{number}")
    (old.folder / "card.json").write_text(old.card.model_copy(update={"prompt_hash": "older"}).model_dump_json())
    for change in (registry.promote, registry.challenge, registry.decide, lambda _: registry.rollback("Ada")):
        with pytest.raises(Mismatch, match=r"Ada@v1 was trained with another prompt .*expected older") as told:
            change("Ada@v1")
        assert told.value.hint == "train again"
    assert registry.checked("Ada@v1").card.prompt_hash == "older"
    assert [len(one.misfits) for one in registry.verify("Ada")] == [1, 0]
    assert registry.get("Ada@champion").number == 2


def test_a_forgotten_post_counts_once_however_often_it_is_forgotten(registry: ModelRegistry, made: Path) -> None:
    learned = {"train": ("a", "b"), "validation": ("c",), "test": ("d",)}
    version = registry.register(card(posts=learned), made)
    other = registry.register(card(run_id="2", posts={"train": ("x",), "validation": (), "test": ("a",)}), made)
    for gone, count in ((["a", "c", "d"], 2), (["a"], 2), (["b"], 3), (["d", "e"], 3)):
        flagged = [one.name for one in registry.flag_forgotten(gone)]
        assert flagged == (["Ada@v1"] if set(gone) & {"a", "b", "c"} else [])
        assert registry.forgotten(version) == count, gone
    assert registry.forgotten(other) == 0
    flags = version.folder.parent / "forgotten.json"
    flags.write_text('{"1": 2}', encoding="utf-8")  # as they were counted before there were ids
    assert registry.forgotten(version) == 2
    registry.flag_forgotten(["b"])
    assert registry.forgotten(version) == 3


def test_torn_aliases_lose_the_champion_and_no_version(registry: ModelRegistry, made: Path) -> None:
    version = registry.register(card(), made)
    registry.promote("Ada@v1")
    aliases = version.folder.parent / "aliases.json"
    for torn in (aliases.read_text(encoding="utf-8")[:9], "", "[1]", "null"):
        aliases.write_text(torn, encoding="utf-8")
        assert names(registry) == ["Ada@v1"]
        assert registry.champion("Ada") is None
    registry.promote("Ada@v1")
    assert registry.get("Ada@champion").number == 1


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("ada@v1", ("ada", "v1")),
        ("Wren Halloway@champion", ("Wren Halloway", "champion")),
        ("a@b@v12", ("a@b", "v12")),
        ("Inês/..@v3", ("Inês/..", "v3")),
    ],
)
def test_a_models_name_has_an_author_and_a_version(model: str, parts: tuple[str, str]) -> None:
    assert parse(model) == parts


@pytest.mark.parametrize(
    "model", ["", "ada", "@v1", "ada@", "ada@v0", "ada@v01", "ada@V1", "ada@3", "ada@v-1", "ada@v1 ", "ada@v1\n"]
)
def test_what_names_no_version_is_refused(model: str) -> None:
    with pytest.raises(UsageError, match="names no model version"):
        parse(model)


@pytest.mark.parametrize(
    "author",
    ["..", ".", "../../up", "/etc", "a/b", "C:\\x", ".hidden", "Dr. No.", "Inês ÆØ", "百合", "%2E", "a\0b", " "],
)
def test_no_authors_name_leads_out_of_the_models_folder(tmp_path: Path, made: Path, author: str) -> None:
    home = tmp_path / "deep" / "home"
    registry = ModelRegistry(home)
    version = registry.register(card(author), made)
    registry.promote(version.name)
    assert version.folder.parent.parent == home / "models"
    assert version.folder.resolve() == version.folder
    assert registry.authors() == [author]
    assert names(registry, author) == [f"{author}@v1"]
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "made"}
    assert {path.name for path in (home / "models").iterdir()} == {version.folder.parent.name}


def test_verifying_says_of_every_version_what_is_damaged_and_what_does_not_fit(
    tmp_path: Path, tiny_model: Path, registry: ModelRegistry, made: Path
) -> None:
    base = BaseLanguageModel(str(tiny_model), tmp_path)
    fits = hashes(base)
    for number in range(1, 6):
        registry.register(card(run_id=str(number), **{**fits, "template_hash": ""} if number == 5 else fits), made)
    other = registry.register(card(run_id="6", **{**fits, "template_hash": "another"}), made)
    registry.promote("Ada@v3")
    folder = other.folder.parent
    (folder / "v2" / "adapter_model.safetensors").write_bytes(b"others")
    (folder / "v2" / "adapter_config.json").unlink()
    (folder / "v3" / "card.json").write_text("{", encoding="utf-8")
    (folder / "v4" / "extra.txt").write_text("?", encoding="utf-8")
    found = {checked.name: checked for checked in registry.verify("Ada", base)}
    assert list(found) == ["Ada@v1", "Ada@v2", "Ada@v4", "Ada@v5", "Ada@v6", "Ada@v3", "Ada@champion"]
    assert [name for name, checked in found.items() if not checked.damage and not checked.misfits] == [
        "Ada@v1",
        "Ada@v5",
    ]
    assert [text.split(":")[0] for text in found["Ada@v2"].damage] == [
        "adapter_config.json of Ada@v2",
        "adapter_model.safetensors of Ada@v2",
    ]
    assert found["Ada@v3"].damage == ("its card cannot be read",)
    assert found["Ada@v4"].damage == ("extra.txt is not in the card of Ada@v4",)
    assert found["Ada@champion"].damage == ("v3, which it stands for, cannot be read",)
    assert found["Ada@v6"].misfits == (
        f"Ada@v6 was trained with another chat template (tiny): expected another, found {base.template_hash}",
    )
    assert [checked.misfits for checked in registry.verify("Ada")] == [()] * 7  # without a base model at hand
    with pytest.raises(Mismatch, match="another chat template"):
        other.check(base)
