"""Run networks from ONNX files with an inference engine; arrays in and out, no training framework.

    openvino      the default on processors: fastest measured (docs/results/speed.md), bfloat16 where there is
    onnxruntime   the alternative, and the engine of GPUs

Both give the same numbers within 1e-4 in float32; bfloat16 changes probabilities by about 1e-2.

    opening             open_network: checks the options and picks the engine
    network             what every open network is; settings in a file's metadata
    openvino_network    a network that OpenVINO runs; openvino_import loads OpenVINO quickly
    onnxruntime_network a network that ONNX Runtime runs
    speed_test          which precision is faster here, measured once
"""

from salus.engine.network import BFLOAT16_HOLDS, SETTINGS, Network
from salus.engine.onnxruntime_network import GPU_PROVIDERS
from salus.engine.opening import DEVICES, ENGINES, PRECISIONS, open_network

__all__ = ["BFLOAT16_HOLDS", "DEVICES", "ENGINES", "GPU_PROVIDERS", "PRECISIONS", "SETTINGS", "Network", "open_network"]
