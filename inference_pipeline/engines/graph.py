"""A language model as one OpenVINO graph that reads and writes several texts at a time, its large matrices in 8 bits.

The base model is traced once and kept beside it. A version of a twin is the same graph with other weights, so it needs no
file of its own: its merged weights are put into the graph as it is loaded. docs/decisions/0017 has the measurements.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from contracts.base_model import BaseLanguageModel
from contracts.compiled import openvino, settings
from contracts.files import read_json, staged, write_json
from inference_pipeline.engines.decoders import Session, pieces
from inference_pipeline.engines.pages import Pages
from inference_pipeline.engines.together import Together

PIECE = 256  # tokens of a prompt at a time: who waits may leave between two, and smaller ones are read more slowly
COMPANY = 32  # more tokens in the same step: next ones of other texts, or the end of a prompt
PROBE, SINGLY = 48, 16  # tokens fed at once, and then one by one, to compare a graph with its model
MOST_LOST = 0.05  # KL(model || graph) as a share of what the model says, which is KL(model || uniform)
DONE = "graph.json"  # written last
FORM = 3  # of the graph's inputs and outputs: another one is traced anew
PREFIX = "self.model."  # how tracing names what belongs to the model below
TEXT = (
    "I have kept this clock since my grandfather gave it to me. It is slow by four minutes a week, and I have never "
    "minded. When rain comes the spring slackens, so I wind it on Sundays, after tea, and write the date inside the door."
)


class Step(NamedTuple):
    """What one session reads next, and of how many of these ids, from the last, the logits are wanted."""

    session: GraphSession
    ids: Sequence[int]
    keep: int


class GraphDecoder:
    """The graph of `folder`, with `weights` by their name in the model in place of its own."""

    def __init__(self, folder: Path, weights: Mapping[str, torch.Tensor] | None = None) -> None:
        core = openvino().Core()
        graph = core.read_model(str(folder / "graph.xml"))
        weights = weights or {}
        if absent := set(weights) - _quantise(graph, weights):
            raise ValueError(f"the graph has no {sorted(absent)[0]}")
        _paged(graph)
        chosen = settings(core)
        # As computed, so that what was read, cut off and read on is the very same; what this costs: docs/decisions/0017.
        chosen["KV_CACHE_PRECISION"] = "bf16" if chosen["INFERENCE_PRECISION_HINT"] == "bf16" else "f16"
        compiled = core.compile_model(graph, "CPU", chosen)
        self._request = compiled.create_infer_request()
        self.pages = Pages(compiled, self._request)
        self.step = Together(self.steps, most=PIECE + COMPANY, size=lambda step: len(step.ids))

    def open(self, alone: bool = False) -> GraphSession:
        return GraphSession(self, alone)

    def steps(self, steps: Sequence[Step]) -> list[torch.Tensor]:
        """Each text sees what was read of it before, and its new ids one after the other; none sees another."""
        known = [len(step.session.ids) for step in steps]
        new = [len(step.ids) for step in steps]
        whole = [before + count for before, count in zip(known, new, strict=True)]
        held = [self.pages.hold(step.session.pages, length) for step, length in zip(steps, whole, strict=True)]
        ends = np.cumsum(new)
        places = [np.arange(end - step.keep, end) for step, end in zip(steps, ends, strict=True)]
        inputs = {
            "input_ids": np.concatenate([np.array(step.ids, dtype=np.int64) for step in steps]),
            "position_ids": np.concatenate([np.arange(a, b) for a, b in zip(known, whole, strict=True)]),
            "keep": np.concatenate(places),
            "past_lens": np.array(known, dtype=np.int32),
            "subsequence_begins": np.array([0, *ends], dtype=np.int32),
            "block_indices": np.concatenate(held).astype(np.int32),
            "block_indices_begins": np.cumsum([0, *map(len, held)], dtype=np.int32),
            "max_context_len": np.array(max(whole), dtype=np.int32),
        }
        made = self._request.infer(inputs, share_inputs=True)[0]
        # A copy, as the request's own memory is written over by the next step.
        logits = torch.from_numpy(made.reshape(len(inputs["keep"]), -1).copy())
        return list(logits.split([step.keep for step in steps]))


class GraphSession(Session):
    """`alone`: its steps are never joined with another's, whose company changes the last digits."""

    def __init__(self, decoder: GraphDecoder, alone: bool) -> None:
        self._decoder, self._alone = decoder, alone
        self.ids: list[int] = []
        self.pages = decoder.pages.open(self)

    def reading(self, ids: Sequence[int], last: int = 1) -> Iterator[torch.Tensor]:
        for piece, keep in pieces(ids, last, PIECE):
            logits = self._decoder.step(Step(self, piece, keep), self._alone)
            self.ids += piece
            yield logits

    def rewind(self, length: int) -> bool:
        del self.ids[length:]
        return True

    @property
    def bytes_(self) -> int:
        return len(self.pages) * self._decoder.pages.bytes_


def graph_of(base: BaseLanguageModel) -> Path | None:
    """The folder of the base model's graph, traced at the first use; None for a model that cannot be traced."""
    folder = base.compiled / f"openvino-{version('openvino')}-{FORM}"
    if read_json(folder / DONE) is not None:
        return folder
    try:
        with staged(folder, DONE) as made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tracing warns of every branch on a shape
                model = base.load(torch.float32).eval()
                openvino().save_model(_traced(model), made / "graph.xml", compress_to_fp16=True)
            if not faithful(GraphDecoder(made), model, base.tokenizer()(TEXT)["input_ids"]):
                raise ValueError("the graph says something else than the model")
            write_json(made / DONE, {"base_model": base.name})
    except (RuntimeError, ValueError, TypeError, AttributeError, OSError):  # tracing, converting, a full disk
        return folder if read_json(folder / DONE) is not None else None  # where another process was quicker
    return folder


def faithful(decoder: GraphDecoder, model: Any, ids: Sequence[int]) -> bool:
    """Whether the graph foretells what comes after the first PROBE ids, and after each of SINGLY more, as the model does."""
    ids = list(ids)[: PROBE + SINGLY]
    first = max(len(ids) - SINGLY, 1)
    with torch.inference_mode():
        own = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, first - 1 :].float().cpu()
    session = decoder.open()
    made = torch.stack([session.feed(ids[:first]), *(session.feed([token]) for token in ids[first:])])
    told, known = made.log_softmax(-1), own.log_softmax(-1)
    divergence = (known.exp() * (known - told)).sum(-1).mean()
    says = (known.exp() * known).sum(-1).mean() + math.log(known.shape[-1])  # KL(model || uniform)
    return bool(divergence <= MOST_LOST * says)  # and so not where it is no number


class _Step(torch.nn.Module):
    """One step as a function of tensors alone: the cache goes in and comes out, layer by layer, keys before values."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, position_ids: torch.Tensor, *past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        from transformers.cache_utils import DynamicCache, DynamicLayer

        cache = DynamicCache()
        for keys, values in zip(past[::2], past[1::2], strict=True):
            layer = DynamicLayer()
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys, values
            cache.layers.append(layer)
        made = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        return made.logits, *(part for layer in made.past_key_values.layers for part in (layer.keys, layer.values))


def _traced(model: Any) -> Any:
    """The graph of `_Step`, in which the cache has become the graph's own state."""
    shape = model.config
    heads = shape.num_key_value_heads
    size = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    count = 2 * shape.num_hidden_layers
    past = [torch.randn(1, heads, 4, size) for _ in range(count)]
    ids, places = torch.ones(1, 3, dtype=torch.long), torch.arange(4, 7)[None]
    ov = openvino()
    graph = ov.convert_model(_Step(model), example_input=(ids, torch.zeros(1, 1, 3, 7), places, *past))
    names = ["input_ids", "attention_mask", "position_ids", *(f"past.{place}" for place in range(count))]
    shapes = [[-1, -1], [-1, 1, -1, -1], [-1, -1], *[[-1, heads, -1, size]] * count]
    for port, name in zip(graph.inputs, names, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(graph.outputs[1:], names[3:], strict=True):
        port.get_tensor().set_names({name.replace("past", "present")})
    graph.reshape({port: ov.PartialShape(sizes) for port, sizes in zip(graph.inputs, shapes, strict=True)})
    _own_state(graph, count)
    return graph


def _own_state(graph: Any, count: int) -> None:
    """In the shape that OpenVINO knows as a cache: chosen by `beam_idx`, empty at first."""
    openvino()
    from openvino import opset13 as op
    from openvino._offline_transformations import apply_make_stateful_transformation

    beam = op.parameter([-1], np.int32, name="beam_idx")
    beam.output(0).get_tensor().add_names({"beam_idx"})
    graph.add_parameters([beam])
    for port in graph.inputs[3 : 3 + count]:
        readers = port.get_node().output(0).get_target_inputs()
        chosen = op.gather(port.get_node(), beam, op.constant(np.int64(0)))
        for reader in readers:
            reader.replace_source_output(chosen.output(0))
    graph.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(graph, {f"past.{place}": f"present.{place}" for place in range(count)})
    batch = op.gather(op.shape_of(graph.input("input_ids").get_node()), op.constant([0]), op.constant(0))
    for node in graph.get_ops():
        if node.get_type_name() == "ReadValue":
            sizes = node.get_output_partial_shape(0)
            parts = [batch, *(op.constant(np.array([n])) for n in (sizes[1].get_length(), 0, sizes[3].get_length()))]
            node.set_arguments([op.broadcast(op.constant(np.float32(0)), op.concat(parts, axis=0))])
    graph.validate_nodes_and_infer_types()


def _paged(graph: Any) -> None:
    """Its state becomes pages that it is handed, its inputs the tokens of several texts one after the other, and only the
    places `keep` of these get logits: those of a whole prompt would be a fifth of its work, and of no use."""
    openvino()
    from openvino import opset13 as op
    from openvino._offline_transformations import paged_attention_transformation

    paged_attention_transformation(graph)
    head = graph.outputs[0].get_node()
    while head.get_type_name() != "MatMul":
        head = head.input_value(0).get_node()
    keep = op.parameter([-1], np.int64, name="keep")
    keep.output(0).get_tensor().add_names({"keep"})
    kept = op.gather(head.input_value(0), keep, op.constant(np.int64(0)))
    head.input(0).replace_source_output(kept.output(0))
    graph.add_parameters([keep])
    graph.validate_nodes_and_infer_types()


def _quantise(graph: Any, weights: Mapping[str, torch.Tensor]) -> set[str]:
    """Every matrix to 8 bits, a scale for each of its rows; returns the names of those that `weights` replaced.

    What a token costs is reading the matrices from memory, so half the bytes are twice the speed.
    """
    from openvino import opset13 as op

    replaced = set()
    for node in graph.get_ordered_ops():
        constant = _matrix(node)
        if constant is None:
            continue
        name = constant.get_friendly_name().removesuffix("_compressed").removeprefix(PREFIX)
        if name in weights:
            replaced.add(name)
        matrix = weights[name].float().numpy() if name in weights else constant.get_data().astype(np.float32)
        scale = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-9) / 127
        small = op.convert(op.constant(np.rint(matrix / scale).astype(np.int8)), "f32")
        node.input(1).replace_source_output(op.multiply(small, op.constant(scale)).output(0))
    return replaced


def _matrix(node: Any) -> Any:
    """The constant that a product multiplies with, rows being outputs; None for any other node."""
    if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
        return None
    source = node.input_value(1).get_node()
    if source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    return source if source.get_type_name() == "Constant" and len(source.shape) == 2 else None
