"""The README.md of a version: a header that hubs read, figures that agree with the card, and nothing of any post."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.records import Figure
from tests.fakes import card
from training_pipeline import model_card

NAME = "Ada@v3"
EVALUATION = {
    "gap_closed": Figure(value=0.62, low=0.53, high=0.71, n=40),
    "delta_nll": Figure(value=0.0578, low=0.0543, high=0.062, n=40, unit="nats/byte"),
    "copy_excess": Figure(value=None, n=3, note="3 texts, needs 5"),
}


def header(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_the_header_is_what_hubs_read() -> None:
    text = model_card.text(NAME, card(base_model=DEFAULT, evaluation=EVALUATION), "apache-2.0")
    assert header(text) == {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "license": "apache-2.0",
        "tags": ["lora", "peft", "llm-twin"],
    }
    assert ModelCard(text, ignore_metadata_errors=False).data.to_dict() == header(text)


@pytest.mark.parametrize(
    ("name", "id_"),
    [("Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-4B-Instruct-2507"), ("/home/ada/models/mine", None), ("m.gguf", None)],
)
def test_a_folder_of_this_machine_is_no_id_of_a_base_model(name: str, id_: str | None) -> None:
    made = header(model_card.text(NAME, card(base_model=name), ""))
    assert made.get("base_model") == id_
    assert "license" not in made


def test_the_licence_is_the_base_models_own(tmp_path: Path, tiny_model: Path) -> None:
    assert model_card.licence(BaseLanguageModel(DEFAULT, tmp_path)) == "apache-2.0"
    assert model_card.licence(BaseLanguageModel(f"{tiny_model}/", tmp_path)) == ""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "README.md").write_text("---\ntags: [x]\nlicense: 'llama3.2'\n---\n# A model\nlicense: mit\n", "utf-8")
    assert model_card.licence(BaseLanguageModel(str(folder), tmp_path)) == "llama3.2"


def test_a_person_reads_what_it_is_and_what_it_proved() -> None:
    posts = {"train": ("a", "b"), "validation": ("c",), "test": ("d", "e")}
    made = card(evaluation=EVALUATION, posts=posts, examples=9, parent="Ada@v1", recipe={"name": "quick", "rank": 24})
    text = model_card.text(NAME, made, "")
    for said in (
        "# Ada@v3: a twin of Ada\n",
        "--lora-modules Ada@v3=FOLDER\n",
        "twin models export Ada@v3 --format gguf --to FOLDER\n",
        "Sounds like you: 62 % of the way from the base model to your own writing [53, 71].",
        "on 9 examples of 2 of their posts. 1 later posts chose its checkpoint, and the 2 newest",
        "It passed every bound that its recipe sets.",
        "Its parent is `Ada@v1`.\n",
        "| ΔNLL | 0.0578 [0.0543, 0.062] nats/byte, n = 40 |",
        "| copy excess | cannot measure: 3 texts, needs 5 |",
        "You are Ada. You write posts",
        "--max-lora-rank 32 ",
        "rank 24, seed 7; run `run`, 2024-06-01",
        "licence, which the adapter’s use is subject to, stands on its own page",
    ):
        assert said in text, said


def test_a_successor_without_forgotten_posts_says_so() -> None:
    made = card(parent="Ada@v1", training={"without_forgotten": 3})
    assert "trained anew without the 3 posts that were forgotten" in model_card.text(NAME, made, "")


def test_a_failed_gate_and_a_name_that_is_markup_stay_words() -> None:
    made = card("<b>*Ada*</b> [x](http://x.example)", gate=("copy_excess | is <above> 0.02",), base_model="a`b")
    text = model_card.text(NAME, made, "")
    assert ": a twin of \\<b\\>\\*Ada\\*\\</b\\> \\[x\\](http://x.example)\n" in text
    assert "- copy\\_excess \\| is \\<above\\> 0.02\n" in text
    assert "for `a'b`, trained" in text
