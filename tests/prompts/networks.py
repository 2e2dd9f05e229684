"""Tiny networks that take prompts, whose answer is known."""

import json

import onnx
from onnx import helper

SIDE = 64


def write_prompt_network(path, *, side=SIDE, prompt_side=None, **settings):
    """Probability (1 - image + prompt) / 2, clipped: dark is tumour where a prompt is 1, and nothing is without one.

    Saliency is the prompt's absolute value, presence the largest probability, strangeness twice mean grey.
    """
    fixed = [
        *(helper.make_tensor(n, 1, [], [v]) for n, v in (("zero", 0.0), ("one", 1.0), ("half", 0.5), ("two", 2.0))),
        helper.make_tensor("pixels", 7, [2], [1, 2]),
    ]
    nodes = [
        helper.make_node("Sub", ["one", "image"], ["dark"]),
        helper.make_node("Add", ["dark", "prompt"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["mean"]),
        helper.make_node("Clip", ["mean", "zero", "one"], ["probability"]),
        helper.make_node("Abs", ["prompt"], ["saliency"]),
        helper.make_node("ReduceMax", ["probability", "pixels"], ["presence"], keepdims=0),
        helper.make_node("ReduceMean", ["image", "pixels"], ["grey"], keepdims=0),
        helper.make_node("Mul", ["grey", "two"], ["strangeness"]),
    ]

    def value(name, size=side):
        shape = ["n", 1] if name in ("presence", "strangeness") else ["n", size, size, 1]
        return helper.make_tensor_value_info(name, 1, shape)

    outputs = [value(name) for name in ("probability", "saliency", "presence", "strangeness")]
    graph = helper.make_graph(nodes, "g", [value("image"), value("prompt", prompt_side or side)], outputs, fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content = {"name": "pointed", "size": side, "strange": 1.9, "threshold": 0.6} | settings
    helper.set_model_props(model, {"salus": json.dumps(content)})
    onnx.save(model, path)
    return path
