"""Settings: the environment, then twin.toml, then defaults; what is wrong in either is one line and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import UsageError
from ui.settings import Settings, home, load


@pytest.fixture
def toml(own_home: Path) -> Path:
    own_home.mkdir()
    return own_home / "twin.toml"


def test_without_any_the_defaults_need_no_network() -> None:
    made = load()
    assert (made.base_model, made.embedder) == ("SmolLM2-135M-Instruct", "all-MiniLM-L6-v2")
    assert (made.database_url, made.qdrant_url, made.remote_url) == (None, None, None)


def test_the_environment_is_over_the_file(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text('passages = 7\ntemperature = 0.5\nbase_model = "~/model"\n', encoding="utf-8")
    assert (load().passages, load().temperature, load().base_model) == (7, 0.5, "~/model")
    monkeypatch.setenv("TWIN_PASSAGES", "3")
    assert (load().passages, load().temperature) == (3, 0.5)
    assert Settings(passages=2).passages == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pasages = 7", "pasages: Extra inputs are not permitted"),
        ('passages = "many"', "passages: Input should be a valid integer"),
        ("passages = 0", "passages: Input should be greater than or equal to 1"),
        ("temperature = -1", "temperature: Input should be greater"),
        ("temperature = nan", "temperature: "),
        ("[tool]\npassages = 7", "tool: Extra inputs"),
        ("passages 7", "Expected '='"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(toml: Path, text: str, says: str) -> None:
    toml.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load()
    assert says in caught.value.message
    assert str(toml) in caught.value.hint


def test_what_is_wrong_in_the_environment_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_TEMPERATURE", "hot")
    monkeypatch.setenv("TWIN_MAX_NEW_TOKENS", "-5")
    with pytest.raises(UsageError, match=r"max_new_tokens: .*; temperature: .*valid number"):
        load()


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TWIN_HOME", "~/twins/../mine")
    assert home() == tmp_path / "mine"
    monkeypatch.setenv("TWIN_HOME", "")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert home().name == "llm-twin"
    assert home().is_relative_to(tmp_path)
