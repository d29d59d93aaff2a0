"""A model in memory as one GGUF file in F16, for llama.cpp and Ollama.

Where the base model came from a GGUF file, everything but the weights is copied from it. Else it is made from the
configuration and the tokenizer, for the few kinds whose translation is certain; any other is refused, not guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import torch

from contracts.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PERMUTED = {"llama": True, "qwen2": False, "qwen3": False}
"""Model type, the same in transformers and GGUF → whether the rows of q and k are interleaved: llama.cpp turns pairs of
neighbours for llama's rotary embedding, where transformers turns the two halves of a head."""
NOT_COPIED = ("GGUF.", "general.architecture", "general.name", "general.file_type", "general.quantization_version")
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CUTS = {  # how the tokenizer cuts a text before it merges bytes → llama.cpp's name for that
    ("ByteLevel",): "gpt-2",
    ("Digits", "ByteLevel"): "smollm",
    (WORDS.format(digits=""), "ByteLevel"): "qwen2",
    (WORDS.format(digits="{1,3}"), "ByteLevel"): "llama-bpe",
}
ELSEWHERE = "export it as `merged`, and convert that folder with the converter that llama.cpp brings"


def write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str, base: Path | None, path: Path) -> None:
    """Write `model`, called `name`, to `path`; `base` is the GGUF file that it was made from, where there is one.

    Matrices in F16, vectors in F32, as llama.cpp's own converter does. Raises ModelError where it cannot be said in GGUF.
    """
    kind = str(model.config.model_type)
    if kind not in PERMUTED:
        raise ModelError(f"no GGUF file is written of a {kind} model, but of {', '.join(PERMUTED)}", ELSEWHERE)
    writer = gguf.GGUFWriter(path, kind)
    try:
        writer.add_name(name)
        writer.add_file_type(int(gguf.LlamaFileType.MOSTLY_F16))
        if base:
            _copy_facts(writer, base)
        else:
            _add_shape(writer, model.config)
            _add_tokenizer(writer, tokenizer, model.config.vocab_size)
        _write_tensors(writer, model, kind)
    finally:
        writer.close()


def _copy_facts(writer: gguf.GGUFWriter, base: Path) -> None:
    for name, field in gguf.GGUFReader(base).fields.items():
        if not name.startswith(NOT_COPIED):
            writer.add_key_value(name, field.contents(), *field.types[:2])


def _add_shape(writer: gguf.GGUFWriter, config: Any) -> None:
    rope = config.rope_parameters
    if rope.get("rope_type", "default") != "default":
        raise ModelError(f"no GGUF file is written of a model with {rope['rope_type']} rotary embedding", ELSEWHERE)
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase, size: int) -> None:
    made = json.loads(tokenizer.backend_tokenizer.to_str())
    writer.add_tokenizer_model("gpt2")  # GGUF's name for merged bytes, whoever trained them
    writer.add_tokenizer_pre(_cut(made))
    special = set(tokenizer.all_special_ids)
    added = {token["id"]: token for token in made["added_tokens"]}
    by_id = {number: token for token, number in tokenizer.get_vocab().items()}
    tokens, types = [], []
    for number in range(size):
        tokens.append(by_id.get(number, f"[PAD{number}]"))  # a model may have more rows than its tokenizer has tokens
        if number in special or added.get(number, {}).get("special"):
            types.append(gguf.TokenType.CONTROL)
        elif number in added:
            types.append(gguf.TokenType.USER_DEFINED)
        else:
            types.append(gguf.TokenType.NORMAL if number in by_id else gguf.TokenType.UNUSED)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = made["model"]["merges"]
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in merges])
    for add, number in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, tokenizer.eos_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if number is not None:
            add(int(number))
    writer.add_add_bos_token(tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)


def _cut(made: dict[str, Any]) -> str:
    """llama.cpp's name for how a tokenizer cuts texts. Raises ModelError for one that it may know by none."""
    cut = made["pre_tokenizer"] or {"type": "none"}
    steps = cut.get("pretokenizers", [cut])
    found = tuple(step["pattern"].get("Regex") if step["type"] == "Split" else step["type"] for step in steps)
    if made["model"]["type"] != "BPE" or found not in CUTS:
        what = f"{made['model']['type']}, cut by {' and '.join(map(str, found))}"
        raise ModelError(f"no GGUF file is written with a tokenizer of this kind: {what}", ELSEWHERE)
    return CUTS[found]


def _write_tensors(writer: gguf.GGUFWriter, model: PreTrainedModel, kind: str) -> None:
    """Named first, then converted one at a time: the file is never in memory as a whole."""
    tensors = list(_tensors(model, kind))
    for name, tensor, _ in tensors:
        dtype = np.dtype(np.float16 if tensor.ndim > 1 else np.float32)
        writer.add_tensor_info(name, list(tensor.shape), dtype, tensor.numel() * dtype.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, tensor, heads in tensors:
        values = tensor.detach().to("cpu", torch.float16 if tensor.ndim > 1 else torch.float32).numpy()
        if not np.isfinite(values).all():
            raise ModelError("a weight is too large for F16, or no number", "export it as `merged`, in F32")
        writer.write_tensor_data(_interleaved(values, heads) if heads else values)


def _tensors(model: PreTrainedModel, kind: str) -> Iterator[tuple[str, torch.Tensor, int]]:
    """Each tensor under GGUF's name for it, with how many heads its rows are to be interleaved for: 0, none."""
    config = model.config
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, kind.upper()), config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads} if PERMUTED[kind] else {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ModelError(f"GGUF has no name for the tensor {name}", ELSEWHERE)
        yield found, tensor, heads.get(name.split(".")[-2], 0)


def _interleaved(rows: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Each head's two halves, row by row in turn; llama.cpp's `convert_hf_to_gguf.py` calls this `permute`."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)
