"""Champion and challenger: who stands for what, who may, and what is remembered of every decision."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from contracts.errors import Mismatch, ModelError, NotFound, UsageError
from contracts.model_registry import ModelRegistry, ModelVersion
from tests.fakes import adapter, card


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    """Four versions of Ada's, the third of which did not pass its gate."""
    made = ModelRegistry(tmp_path)
    for number in range(1, 5):
        gate = ("specificity is .01, its bound is .02",) if number == 3 else ()
        made.register(card(run_id=str(number), gate=gate), adapter(tmp_path / "made"))
    return made


def held(registry: ModelRegistry) -> tuple[str | None, str | None]:
    champion, challenger = registry.champion("Ada"), registry.challenger("Ada")
    return champion.name if champion else None, challenger.name if challenger else None


def decisions(registry: ModelRegistry) -> list[tuple[str, int, int | None, str, str]]:
    return [(d.did, d.version, d.before, d.by, d.why) for d in registry.aliases("Ada").history]


def test_the_gate_decides_and_every_decision_is_remembered(registry: ModelRegistry) -> None:
    before = dt.datetime.now(dt.UTC)
    assert [registry.decide(f"Ada@v{number}") for number in (1, 2, 3, 3)] == [True, True, False, False]
    assert held(registry) == ("Ada@v2", None)
    registry.promote("Ada@v3")
    registry.rollback("Ada")
    assert decisions(registry) == [
        ("promoted", 1, None, "gate", "it passed its gate"),
        ("promoted", 2, 1, "gate", "it passed its gate"),
        ("not promoted", 3, 2, "gate", "specificity is .01, its bound is .02"),
        ("promoted", 3, 2, "hand", "although specificity is .01, its bound is .02"),
        ("rolled back", 2, 3, "hand", "asked for"),
    ]
    times = [decision.at for decision in registry.aliases("Ada").history]
    assert times == sorted(times)
    assert before <= times[0]
    assert times[-1] <= dt.datetime.now(dt.UTC)


def test_a_version_is_judged_against_the_champion_of_that_moment_and_once(registry: ModelRegistry) -> None:
    seen: list[str | None] = []

    def judge(champion: ModelVersion | None) -> list[str]:
        seen.append(champion.name if champion else None)
        return ["worse than v2"] if champion and champion.number == 2 else []

    assert registry.decide("Ada@v1", judge)
    registry.promote("Ada@v2")
    assert not registry.decide("Ada@v4", judge)
    assert seen == [None, "Ada@v2"]
    assert not registry.decide(
        "Ada@v1", judge
    )  # decided before another took its place: no run that goes on undoes that
    registry.rollback("Ada")
    assert not registry.decide("Ada@v4", judge)
    assert seen == [None, "Ada@v2"]
    assert [(d.did, d.version, d.why) for d in registry.aliases("Ada").history if d.by == "gate"] == [
        ("promoted", 1, "it passed its gate"),
        ("not promoted", 4, "worse than v2"),
    ]


def test_a_challenger_stands_beside_the_champion_until_it_is_promoted(registry: ModelRegistry) -> None:
    registry.promote("Ada@v1")
    with pytest.raises(NotFound, match="no challenger"):
        registry.get("Ada@challenger")
    assert registry.challenge("Ada@v2").name == "Ada@v2"
    assert registry.get("Ada@challenger").name == "Ada@v2"
    registry.challenge("Ada@v4")  # in place of the one before
    assert held(registry) == ("Ada@v1", "Ada@v4")
    registry.promote("Ada@v2")  # another one: the challenger goes on
    assert held(registry) == ("Ada@v2", "Ada@v4")
    registry.promote("Ada@challenger")  # itself: it challenges no more
    assert held(registry) == ("Ada@v4", None)
    with pytest.raises(UsageError, match="v4 is the champion and cannot challenge itself"):
        registry.challenge("Ada@v4")


def test_rolling_back_to_the_challenger_ends_its_challenge(registry: ModelRegistry) -> None:
    registry.promote("Ada@v1")
    registry.promote("Ada@v2")
    registry.challenge("Ada@v1")
    registry.rollback("Ada")
    assert held(registry) == ("Ada@v1", None)


def test_a_challenge_can_be_withdrawn(registry: ModelRegistry) -> None:
    registry.promote("Ada@v1")
    registry.challenge("Ada@v2")
    registry.withdraw("Ada")
    registry.withdraw("Ada")  # nothing is left to withdraw
    assert held(registry) == ("Ada@v1", None)
    assert decisions(registry)[1:] == [
        ("challenges", 2, None, "hand", "asked for"),
        ("withdrawn", 2, 2, "hand", "asked for"),
    ]


def test_what_is_so_already_is_not_noted_again(registry: ModelRegistry) -> None:
    for _ in range(2):
        registry.promote("Ada@v1")
        registry.challenge("Ada@v2")
    assert len(decisions(registry)) == 2


def test_a_damaged_version_becomes_neither(registry: ModelRegistry) -> None:
    (registry.get("Ada@v2").folder / "adapter_model.safetensors").write_bytes(b"others")
    for change in (registry.promote, registry.challenge, registry.decide):
        with pytest.raises(Mismatch):
            change("Ada@v2")
    assert held(registry) == (None, None)
    assert decisions(registry) == []


def test_a_file_from_before_challengers_reads_and_goes_on(registry: ModelRegistry) -> None:
    path = registry.get("Ada@v1").folder.parent / "aliases.json"
    path.write_text('{"champion": [1, 2]}\n', encoding="utf-8")
    assert held(registry) == ("Ada@v2", None)
    assert registry.rollback("Ada").name == "Ada@v1"
    registry.promote("Ada@v4")
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["champion"] == [1, 4]  # where a reader of the old layout looks for it
    assert [decision["did"] for decision in stored["history"]] == ["rolled back", "promoted"]


def test_what_a_later_layout_adds_does_not_lose_the_champion(registry: ModelRegistry) -> None:
    path = registry.get("Ada@v1").folder.parent / "aliases.json"
    for more, challenger in (
        ('"shadow": 3', None),
        ('"challenger": 3, "history": [{"did": "shadowed"}]', "Ada@v3"),
        ('"challenger": {"share": 0.5}', None),
    ):
        path.write_text(f'{{"champion": [2], {more}}}', encoding="utf-8")
        assert held(registry) == ("Ada@v2", challenger)


def test_an_aliased_version_is_not_deleted_and_a_deleted_ones_number_is_not_used_again(registry: ModelRegistry) -> None:
    for number in (1, 4, 2):
        registry.promote(f"Ada@v{number}")
    registry.challenge("Ada@v3")
    for model, alias in (("Ada@v2", "champion"), ("Ada@v3", "challenger"), ("Ada@champion", "champion")):
        with pytest.raises(UsageError, match=f"is the {alias}"):
            registry.delete(model)
    assert registry.delete("Ada@v4", "too large") == "Ada@v4"
    assert [version.name for version in registry.versions("Ada")] == ["Ada@v1", "Ada@v2", "Ada@v3"]
    with pytest.raises(NotFound, match=r"Ada@v4 was deleted on \d{4}-\d\d-\d\d \(registered: Ada@v1"):
        registry.get("Ada@v4")
    with pytest.raises(NotFound, match="was deleted"):
        registry.delete("Ada@v4")
    with pytest.raises(NotFound, match="no model Ada@v9"):
        registry.delete("Ada@v9")
    assert registry.rollback("Ada").name == "Ada@v1"  # v4 is no way back any more
    made = registry.register(card(run_id="5"), registry.get("Ada@v1").folder)
    assert made.name == "Ada@v5"
    assert decisions(registry)[-2] == ("deleted", 4, None, "hand", "too large")
    assert [*registry.deleted("Ada")] == [4]
    (stone,) = (made.folder.parent / "v4").iterdir()
    assert json.loads(stone.read_text(encoding="utf-8"))["why"] == "too large"


def test_by_force_an_aliased_version_is_deleted_and_no_earlier_champion_comes_back_unasked(
    registry: ModelRegistry,
) -> None:
    for number in (1, 2):
        registry.promote(f"Ada@v{number}")
    registry.challenge("Ada@v3")
    assert registry.delete("Ada@champion", "unwanted", force=True) == "Ada@v2"
    assert held(registry) == (None, "Ada@v3")
    with pytest.raises(NotFound, match="no earlier champion"):
        registry.rollback("Ada")
    assert registry.delete("Ada@v3", "unwanted", force=True) == "Ada@v3"
    assert registry.delete("Ada@v4", force=True) == "Ada@v4"  # no alias stands for it
    assert held(registry) == (None, None)
    assert decisions(registry)[3:] == [
        ("retired", 2, 2, "hand", "unwanted"),
        ("deleted", 2, None, "hand", "unwanted"),
        ("withdrawn", 3, 3, "hand", "unwanted"),
        ("deleted", 3, None, "hand", "unwanted"),
        ("deleted", 4, None, "hand", "asked for"),
    ]
    assert registry.names("Ada") == ["Ada@v1"]
    assert registry.promote("Ada@v1").number == registry.aliases("Ada").in_force == 1


def test_a_deletion_that_fails_leaves_the_champion_in_force_and_all_of_it(registry: ModelRegistry) -> None:
    registry.promote("Ada@v2")
    folder, before = registry.get("Ada@v2").folder, decisions(registry)
    held_back = []

    def fails(name: str) -> None:
        held_back.append(json.loads((folder.parent / ".deleted.json.stone").read_text(encoding="utf-8"))["why"])
        raise OSError(f"the report of {name} cannot be removed")

    with pytest.raises(ModelError, match="the report of Ada@v2 cannot be removed"):
        registry.delete("Ada@champion", "unwanted", force=True, first=fails)
    assert held_back == ["unwanted"]  # what may need room is written before anything is removed
    assert held(registry) == ("Ada@v2", None)
    assert decisions(registry) == before
    assert registry.checked("Ada@v2")
    assert [one.damage for one in registry.verify("Ada")] == [()] * 4
    assert registry.delete("Ada@champion", force=True) == "Ada@v2"


def test_a_deletion_that_was_stopped_is_done_whoever_reads_and_is_brought_to_its_end_by_the_same_again(
    registry: ModelRegistry,
) -> None:
    for number in (1, 2):
        registry.promote(f"Ada@v{number}")
    folder = registry.get("Ada@v2").folder
    (folder / "deleted.json").write_text('{"at": "2026-05-04T03:02:01+00:00", "why": "asked for"}', encoding="utf-8")
    assert held(registry) == (None, None)
    assert registry.aliases("Ada").of == {}
    with pytest.raises(NotFound, match="'Ada' has no champion"):
        registry.delete("Ada@champion", force=True)
    assert [path.name for path in folder.iterdir()] == ["deleted.json"]
    assert [one[:3] for one in decisions(registry)[2:]] == [("retired", 2, 2), ("deleted", 2, None)]
    assert decisions(registry) == decisions(ModelRegistry(folder.parents[2]))  # it stands there
    assert registry.names("Ada") == ["Ada@v1", "Ada@v3", "Ada@v4"]


def test_nobody_is_looked_for_without_a_folder_of_theirs(registry: ModelRegistry) -> None:
    for model in ("Eve@champion", "Eve@v1"):
        with pytest.raises(NotFound):
            registry.delete(model)
    assert registry.authors() == ["Ada"]


def test_who_deletes_the_champion_means_the_torn_one_and_not_the_one_before_it(registry: ModelRegistry) -> None:
    for number in (1, 2):
        registry.promote(f"Ada@v{number}")
    (registry.get("Ada@v2").folder / "card.json").write_text("{", encoding="utf-8")
    assert held(registry) == ("Ada@v1", None)
    with pytest.raises(UsageError, match="v2 is the champion"):
        registry.delete("Ada@champion")
    assert registry.delete("Ada@champion", force=True) == "Ada@v2"
    assert registry.names("Ada") == ["Ada@v1", "Ada@v3", "Ada@v4"]


def test_a_version_whose_card_is_torn_can_be_deleted(registry: ModelRegistry) -> None:
    (registry.get("Ada@v4").folder / "card.json").write_text("{", encoding="utf-8")
    assert registry.delete("Ada@v4") == "Ada@v4"
    assert registry.damaged("Ada") == []


def test_a_card_that_comes_back_makes_its_version_the_champion_again(registry: ModelRegistry) -> None:
    for model in ("Ada@v1", "Ada@v2"):
        registry.promote(model)
    card = registry.get("Ada@v2").folder / "card.json"
    kept = card.read_bytes()
    card.unlink()  # as a program that copies folders may, for a while
    registry.flag_forgotten(["nothing of hers"])
    assert held(registry) == ("Ada@v1", None)
    assert [one.damage for one in registry.verify("Ada") if one.name == "Ada@v2"] == [("its card cannot be read",)]
    card.write_bytes(kept)
    registry.verify("Ada")
    assert held(registry) == ("Ada@v2", None)
    assert registry.checked("Ada@v2").number == 2
