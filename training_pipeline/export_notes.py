"""What stands beside exported weights: README.md with the commands that serve them, and Ollama's Modelfile."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from contracts.base_model import BaseLanguageModel
from contracts.errors import ModelError
from contracts.model_registry import ModelVersion
from contracts.prompt import SYSTEM, messages
from training_pipeline.model_card import base_id, plain, vllm
from training_pipeline.probe import Check

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HOLES = ("⟦system⟧", "⟦first⟧", "⟦reply⟧", "⟦second⟧")


def file_name(version: ModelVersion) -> str:
    """`Wren Halloway@v3` → `wren-halloway-v3`: a name that every file system and Ollama takes."""
    author = re.sub(r"[^a-z0-9]+", "-", version.author.lower()).strip("-")
    return f"{author or 'twin'}-v{version.number}"


def modelfile(author: str, tokenizer: PreTrainedTokenizerBase, weights: str) -> str:
    """Ollama's Modelfile: the weights, the chat template as it renders, the system line and the token that ends a turn."""
    lines = [f"FROM ./{weights}"]
    if tokenizer.chat_template:
        lines.append(f'TEMPLATE """{go_template(tokenizer)}"""')
    system = str(messages(author, "")[0]["content"])
    lines.append(f'SYSTEM """{system.replace(chr(34) * 3, chr(39) * 3)}"""')
    lines.append(f'PARAMETER stop "{tokenizer.eos_token}"')
    return "\n".join(lines) + "\n"


def go_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The tokenizer's Jinja template in Ollama's language, read off a rendered conversation of two turns.

    Ollama fills it once a turn, and puts the turns after each other. Raises ModelError for a template that does not keep
    system line, questions and answers in this order.
    """
    roles = ("system", "user", "assistant", "user")
    turns = [{"role": role, "content": hole} for role, hole in zip(roles, HOLES, strict=True)]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    parts = re.split("|".join(map(re.escape, HOLES)), text)
    if re.findall("|".join(map(re.escape, HOLES)), text) != list(HOLES) or parts[2] != parts[4]:
        raise ModelError(
            "the chat template cannot be said in Ollama's language", "export it as `merged`, or serve it with llama.cpp"
        )
    start, system_end, answer_start, answer_end, _ = parts
    bos = str(tokenizer.bos_token or "")
    if bos and bos != tokenizer.eos_token and tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id:
        start = start.removeprefix(bos)  # Ollama writes it itself
    ended = re.match(re.escape(str(tokenizer.eos_token)) + r"\s*", system_end)
    closing = ended[0] if ended and answer_end.startswith(ended[0]) else ""
    first, later = system_end.removeprefix(closing), answer_end.removeprefix(closing)
    if first != later:
        raise ModelError(
            "the chat template treats a first question otherwise than the next",
            "serve it with llama.cpp, or as `merged`",
        )
    return (
        f"{{{{ if .System }}}}{start}{{{{ .System }}}}{closing}{{{{ end }}}}"
        f"{{{{ if .Prompt }}}}{first}{{{{ .Prompt }}}}{answer_start}{{{{ end }}}}{{{{ .Response }}}}{closing}"
    )


def readme(version: ModelVersion, base: BaseLanguageModel, format_: str, checks: Sequence[Check]) -> str:
    """What it is, how to serve it, and what it proved when it was loaded back."""
    serve = {"peft": _peft, "merged": _merged, "gguf": _gguf}[format_]
    parts = [
        f"# {plain(version.name)}, {format_}",
        _what(version, format_),
        "## Serving it",
        *serve(version, base),
        "It was trained through this system message, and answers to it best:",
        f"```\n{SYSTEM.format(author=version.author)}\n```",
        "## Loaded back",
        "\n".join(f"- {check}" for check in checks),
        *([] if format_ != "gguf" or len(checks) > 1 else ["llama.cpp was not installed where this was made."]),
    ]
    return "\n\n".join(parts) + "\n"


def _what(version: ModelVersion, format_: str) -> str:
    what = {
        "peft": "The LoRA adapter, in PEFT's layout; it needs its base model.",
        "merged": "The base model with the adapter merged into it, in 32-bit safetensors, with tokenizer and configuration.",
        "gguf": "The base model with the adapter merged into it, in one GGUF file, 16-bit.",
    }[format_]
    card = version.card
    return (
        f"{what} Base model `{card.base_model}`, weights `{card.base_model_hash}`, tokenizer `{card.tokenizer_hash}`. "
        "What it was trained on, and what it proved, stands in MODEL_CARD.md where the version has one."
    )


def _peft(version: ModelVersion, base: BaseLanguageModel) -> Iterator[str]:
    if base.gguf:
        yield (
            f"Its base model was read from a GGUF file, `{base.gguf.name}`. For BASE, name the same weights as safetensors, "
            f"which TWIN_HOME has in `base/{base.folder.name}`; or export the version as `merged`."
        )
    served = "BASE" if base.gguf else shlex.quote(base_id(version.card) or str(base.folder))
    yield "In this folder, with vLLM:"
    yield vllm(served, version.name, version.card, ".")


def _merged(version: ModelVersion, base: BaseLanguageModel) -> Iterator[str]:
    yield "In this folder, with vLLM, which takes 32-bit weights as 16-bit unless it is told `--dtype float32`:"
    yield f"```sh\nvllm serve . --served-model-name {shlex.quote(version.name)}\n```"
    yield "With transformers:"
    yield (
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        "tokenizer = AutoTokenizer.from_pretrained(folder)\nmodel = AutoModelForCausalLM.from_pretrained(folder)\n```"
    )


def _gguf(version: ModelVersion, base: BaseLanguageModel) -> Iterator[str]:
    name = file_name(version)
    yield "In this folder, with llama.cpp:"
    yield f"```sh\nllama-server -m {name}.f16.gguf --alias {shlex.quote(version.name)} --port 8080\n```"
    yield "With Ollama, by the Modelfile:"
    yield f"```sh\nollama create {name} -f Modelfile && ollama run {name}\n```"
