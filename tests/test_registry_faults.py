"""The registry when processes die, race or find the disk full: every listed version is whole, and nothing is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import resource
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from contracts.errors import NotFound, TwinError, UsageError
from contracts.model_registry import ModelRegistry
from tests.fakes import adapter, card

FORK = multiprocessing.get_context("fork")
WEIGHTS = os.urandom(300_000)


def _work(home: Path, made: Path, seed: int, said: Connection) -> None:
    """Register, promote, challenge and delete until the process ends; what is done is said after it is done."""
    registry, drawn = ModelRegistry(home), random.Random(seed)
    for run in range(10_000):
        said.send(("registered", registry.register(card(run_id=f"{seed}-{run}"), made).number))
        some = drawn.choice(registry.versions("Ada")).name
        try:
            change = drawn.choice((registry.promote, registry.challenge, registry.delete))
            if change == registry.delete:
                said.send(("deleting", int(some.rpartition("@v")[2])))
                registry.delete(some, force=drawn.random() < 0.5)
            else:
                change(some)
        except (UsageError, NotFound):  # it is the champion, or another process has deleted it
            pass


def _told(told: Connection) -> list[tuple[str, int]]:
    heard = []
    while told.poll():
        try:
            heard.append(told.recv())
        except EOFError:  # killed, maybe while it spoke
            break
    return heard


def _whole(registry: ModelRegistry) -> set[int]:
    """The numbers of the versions, after checking that all there is is whole."""
    folder = registry.versions("Ada")[0].folder.parent
    aliases = folder / "aliases.json"
    assert not aliases.exists() or json.loads(aliases.read_text(encoding="utf-8"))["history"]
    assert [
        problem for found in registry.verify("Ada") for problem in found.damage if "deleted.json." not in problem
    ] == []
    champion = registry.champion("Ada")
    assert champion is None or champion.number == registry.aliases("Ada").in_force
    return {version.number for version in registry.versions("Ada")}


def test_a_process_killed_at_any_moment_leaves_the_registry_whole(tmp_path: Path) -> None:
    made, home = adapter(tmp_path / "made", WEIGHTS), tmp_path / "home"
    registry, drawn = ModelRegistry(home), random.Random(5)
    registry.register(card(), made)
    registered, deleting = {1}, set[int]()
    for seed in range(40):
        told, said = FORK.Pipe(duplex=False)
        process = FORK.Process(target=_work, args=(home, made, seed, said))
        process.start()
        said.close()
        if seed % 2:
            told.poll(30)  # every other one has done something before
        time.sleep(drawn.uniform(0.005, 0.1))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(10)
        for did, number in _told(told):
            (registered if did == "registered" else deleting).add(number)
        there = _whole(registry)
        assert registered - deleting <= there
    assert len(registered) >= 20
    last = registry.register(card(run_id="after"), made)
    assert last.number > max(registered)
    left = [
        path.name for path in last.folder.parent.iterdir() if not re.fullmatch(r"v\d+|aliases\.json|\.lock", path.name)
    ]
    assert left == []
    assert registry.damaged("Ada") == []
    for number in registry.deleted("Ada"):
        assert [path.name for path in (last.folder.parent / f"v{number}").iterdir()] == ["deleted.json"]


def _some(home: Path, made: Path, seed: int, said: Connection) -> None:
    """Ten registrations, each followed by a change of aliases or a deletion of an own version."""
    registry = ModelRegistry(home)
    for run in range(10):
        version = registry.register(card(run_id=f"{seed}-{run}"), made)
        deleted = False
        try:
            (registry.promote, registry.challenge, registry.delete)[run % 3](version.name)
            deleted = run % 3 == 2
        except UsageError:
            pass
        said.send((version.number, deleted))
    said.close()


def test_processes_that_write_at_once_collide_in_nothing_and_lose_nothing(tmp_path: Path) -> None:
    made, home = adapter(tmp_path / "made", WEIGHTS), tmp_path / "home"
    pipes = [FORK.Pipe(duplex=False) for _ in range(6)]
    processes = [FORK.Process(target=_some, args=(home, made, seed, said)) for seed, (_, said) in enumerate(pipes)]
    for process in processes:
        process.start()
    heard = [told.recv() for told, _ in pipes for _ in range(10)]
    for process in processes:
        process.join(30)
    registry = ModelRegistry(home)
    assert sorted(number for number, _ in heard) == list(range(1, 61))
    assert {version.number for version in registry.versions("Ada")} == {number for number, gone in heard if not gone}
    assert set(registry.deleted("Ada")) == {number for number, gone in heard if gone}
    assert len({version.card.run_id for version in registry.versions("Ada")}) == 60 - len(registry.deleted("Ada"))
    assert [found.damage for found in registry.verify("Ada") if found.damage] == []
    did = [decision.did for decision in registry.aliases("Ada").history]
    assert did.count("deleted") == len(registry.deleted("Ada")) == 18
    assert did.count("promoted") == 24
    times = [decision.at for decision in registry.aliases("Ada").history]
    assert times == sorted(times)  # one at a time, none overwritten


def _with_little_room(home: Path, made: Path, room: int, said: Connection) -> None:
    """No file may grow beyond `room` bytes, as on a disk that is nearly full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    registry = ModelRegistry(home)
    for change in (
        lambda: registry.register(card(), made),
        lambda: registry.promote("Ada@v2"),
        lambda: registry.delete("Ada@v1"),
    ):
        try:
            change()
            said.send("done")
        except TwinError as error:
            said.send(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("room", [100_000, 0])
def test_a_full_disk_is_told_and_a_deletion_makes_room_on_it(tmp_path: Path, room: int) -> None:
    made, home = adapter(tmp_path / "made", WEIGHTS), tmp_path / "home"
    registry = ModelRegistry(home)
    for number in range(2):
        registry.register(card(run_id=str(number)), made)
    told, said = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_with_little_room, args=(home, made, room, said))
    process.start()
    heard = [told.recv() for _ in range(3)]
    process.join(10)
    assert heard[0].startswith("ModelError: the model registry cannot be written: [Errno 27]")
    assert "make room" in heard[0]
    if room == 0:
        assert all(text.startswith("ModelError: the model registry cannot be written") for text in heard)
        assert _whole(registry) == {2}
        assert [*registry.deleted("Ada")] == [
            1
        ]  # nothing could be written about it, and its weights are gone all the same
        (stone,) = (home / "models" / "Ada" / "v1").iterdir()
        assert stone.stat().st_size < 10_000
        assert registry.champion("Ada") is None
    else:  # small files still have room
        assert heard[1:] == ["done", "done"]
        assert _whole(registry) == {2}
    assert not list((home / "models" / "Ada").glob(".staging-*"))
    assert registry.register(card(run_id="after"), made).name == "Ada@v3"
    assert (home / "models" / "Ada" / "v1" / "deleted.json").read_text(encoding="utf-8").count('"why"') == 1
    assert list((home / "models" / "Ada" / "v1").iterdir()) == [home / "models" / "Ada" / "v1" / "deleted.json"]
