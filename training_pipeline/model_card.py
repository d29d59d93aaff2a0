"""A version's README.md: what it is, what it proved and how to use it, for a person, with the header that hubs read.

Its numbers come from the version's card, so it says nothing of posts but how many.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import yaml

from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.prompt import SYSTEM
from contracts.records import AdapterCard
from training_pipeline.glossary import headline, meaning, said

DEFAULT_ID, DEFAULT_LICENCE = "HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0"
RANKS = (8, 16, 32, 64, 128, 256, 512)  # the limits that vLLM takes


def licence(base: BaseLanguageModel) -> str:
    """The base model's licence as its own card names it; empty where nothing on this machine does."""
    if base.name == DEFAULT:
        return DEFAULT_LICENCE
    readme = base.folder / "README.md"
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    header = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    found = re.search(r"^license:\s*['\"]?([\w.-]+)", header[1], re.MULTILINE) if header else None
    return found[1] if found else ""


def text(name: str, card: AdapterCard, licensed: str) -> str:
    """The README.md of the version `name`; `licensed` is what `licence` found."""
    parts = [
        _header(card, licensed),
        f"# {plain(name)}: a twin of {plain(card.author)}",
        *_introduction(card),
        *_figures(card),
        *_use(name, card),
        *_limits(card, licensed),
    ]
    return "\n\n".join(parts) + "\n"


def _header(card: AdapterCard, licensed: str) -> str:
    values = {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "base_model": base_id(card),
        "license": licensed or None,
        "tags": ["lora", "peft", "llm-twin"],
    }
    said = yaml.safe_dump({name: value for name, value in values.items() if value}, sort_keys=False, allow_unicode=True)
    return f"---\n{said}---"


def base_id(card: AdapterCard) -> str:
    """The base model's id on a hub; empty where it was a folder or a file of this machine."""
    if card.base_model == DEFAULT:
        return DEFAULT_ID
    return card.base_model if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", card.base_model) else ""


def _introduction(card: AdapterCard) -> Iterator[str]:
    yield headline(card.evaluation)
    posts = {part: len(ids) for part, ids in card.posts.items()}
    base = _code(base_id(card) or Path(card.base_model).name)
    yield (
        f"A LoRA adapter for `{base}`, trained to write like {plain(card.author)}: "
        f"on {card.examples} examples of {posts.get('train', 0)} of their posts. {posts.get('validation', 0)} later posts "
        f"chose its checkpoint, and the {posts.get('test', 0)} newest, which it never saw, measured it."
    )
    if card.gate:
        yield "**It did not pass its gate**, and was not promoted:"
        yield "\n".join(f"- {plain(reason)}" for reason in card.gate)
    else:
        yield "It passed every bound that its recipe sets."
    preference = card.training.get("preference")
    if preference:
        kept = "was not kept" if preference["not_kept"] else "was kept"
        edits = preference.get("edits", 0)
        told = f", {edits} of them answers that people edited" if edits else ""
        yield f"A second training by preference, on {preference['pairs']} pairs of texts{told}, {kept}."
    if card.parent:
        yield f"Its parent is `{_code(card.parent)}`." + _replaces(card)


def _replaces(card: AdapterCard) -> str:
    forgotten = card.training.get("without_forgotten")
    if not forgotten:
        return ""
    replaced = _code(card.training.get("replaces", str(card.parent)))
    return (
        f" It was trained anew without the {forgotten} posts that were forgotten after `{replaced}` learned from them."
    )


def _figures(card: AdapterCard) -> Iterator[str]:
    yield "## What it proved"
    yield "Each figure with its 95 % bootstrap interval and the number of posts or texts behind it, or why there is none."
    rows = ["| figure | value | what it says |", "|---|---|---|"]
    for name, figure in card.evaluation.items():
        words = meaning(name)
        rows.append(f"| {_cell(words.label)} | {_cell(said(name, figure))} | {_cell(words.says)} |")
    yield "\n".join(rows)


def _use(name: str, card: AdapterCard) -> Iterator[str]:
    base = base_id(card) or "the base model’s folder"
    yield "## How to use it"
    yield "It answers to the chat template of its base model, with this system message:"
    yield f"```\n{SYSTEM.format(author=card.author)}\n```"
    yield "With PEFT, where `folder` is this one:"
    yield (
        "```python\n"
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"base = {base!r}\n"
        "tokenizer = AutoTokenizer.from_pretrained(base)\n"
        "model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)\n"
        "```"
    )
    yield "With vLLM, which then serves it by its name:"
    yield vllm(shlex.quote(base), name, card, "FOLDER")
    yield "Ollama and llama.cpp read a GGUF file of the merged weights, which this makes:"
    yield f"```sh\ntwin models export {shlex.quote(name)} --format gguf --to FOLDER\n```"


def vllm(base: str, name: str, card: AdapterCard, folder: str) -> str:
    """The command that serves the adapter in `folder` as `name`; `base` is quoted for a shell already."""
    rank = int(card.recipe.get("rank", 1))
    most = next((limit for limit in RANKS if limit >= rank), RANKS[-1])
    served = shlex.quote(f"{name}={folder}")
    return f"```sh\nvllm serve {base} --enable-lora --max-lora-rank {most} --lora-modules {served}\n```"


def _limits(card: AdapterCard, licensed: str) -> Iterator[str]:
    yield "## Limits"
    yield (
        f"- It writes in {plain(card.author)}’s style; what it states is not what they said, and may be wrong.\n"
        "- An adapter can repeat words that it learned from. Give it only to people who may read the posts.\n"
        "- Its figures are of this person’s posts, through this prompt. Another prompt or base model has others."
    )
    yield "## Made with"
    libraries = ", ".join(f"{name} {release}" for name, release in sorted(card.libraries.items()))
    yield (
        f"Recipe `{_code(str(card.recipe.get('name', '?')))}`, rank {card.recipe.get('rank', '?')}, seed {card.seed}; "
        f"run `{card.run_id}`, {card.created:%Y-%m-%d}; {libraries}. "
        f"Base model weights `{card.base_model_hash}`, prompt `{card.prompt_hash}`."
    )
    yield (
        f"The base model is under {licensed}, which the adapter’s use is subject to."
        if licensed
        else "The base model’s licence, which the adapter’s use is subject to, stands on its own page."
    )


def plain(name: str) -> str:
    """A name or a sentence in which Markdown and HTML find nothing to act on."""
    line = " ".join(name.split())
    return re.sub(r"([\\`*_\[\]<>#|&])", r"\\\1", line)


def _code(name: str) -> str:
    return " ".join(name.split()).replace("`", "'")


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
