"""What every ONNX file of Salus has: outputs by name, a dimension called batch, its settings inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from salus.engine import SETTINGS

if TYPE_CHECKING:
    import onnx

BATCH = "batch"
"""The name of every input's and output's first dimension, which is free."""


def finish(graph: onnx.ModelProto, outputs: Sequence[str], settings: dict[str, Any]) -> None:
    """Name a converter's outputs and batch, and lay settings in, in place of what was there.

    Args:
        graph: as the converter made it; changed in place.
        outputs: a name for each output, in its order.
        settings: of the network; plain values.
    """
    import onnx

    new = dict(zip((port.name for port in graph.graph.output), outputs, strict=True))
    for node in graph.graph.node:
        node.output[:] = [new.get(name, name) for name in node.output]
        node.input[:] = [new.get(name, name) for name in node.input]
    for port in graph.graph.output:
        port.name = new[port.name]
    for port in (*graph.graph.input, *graph.graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = BATCH
    onnx.helper.set_model_props(graph, {SETTINGS: json.dumps(settings)})
    onnx.checker.check_model(graph)
