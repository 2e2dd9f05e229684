"""Learned saliency: a small network, read from an ONNX file and run without any training framework.

The file's contract, which training writes and this checks:

    input   "image"     (n, S, S, 1) float32 in [0, 1], S fixed
    output  "saliency"  (n, T, T, 1) float32, the probability of tumour, T = S or less
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from salus.data.prepare import resize
from salus.errors import SalusError

BATCH = 16
"""Images that pass through the network at once, which bounds memory."""


class LearnedSaliency:
    """Maps from a network in an ONNX file. The session is opened once and uses one thread unless told otherwise.

    Args:
        path: the .onnx file.
        threads: processor threads of one inference.

    Raises:
        SalusError: onnxruntime is missing, or the file is missing, damaged or of another contract.
    """

    def __init__(self, path: Path | str, threads: int = 1) -> None:
        self.session = _open(Path(path), threads)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        shape = list(inputs[0].shape)
        names = [i.name for i in inputs], [o.name for o in outputs if o.name == "saliency"]
        if names != (["image"], ["saliency"]) or len(shape) != 4 or shape[1:] != [shape[1], shape[1], 1]:
            raise SalusError(f'{path}: no saliency network; it needs the input "image" (n, S, S, 1) and "saliency" out')
        if not isinstance(shape[1], int) or shape[0] == 0 or (isinstance(shape[0], int) and shape[0] > 1):
            raise SalusError(f"{path}: its input is {shape}; export it with a fixed size and a free number of images")
        self.size = shape[1]
        """Height and width of the network's input."""
        self.batch = 1 if shape[0] == 1 else BATCH

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """A map for each image.

        Args:
            images: (n, s, s) uint8, any s.

        Returns:
            (n, s, s) float32 in [0, 1].
        """
        shape = images.shape[1:]
        maps = np.empty(images.shape, np.float32)
        for start in range(0, len(images), self.batch):
            part = images[start : start + self.batch]
            small = np.stack([resize(image, (self.size, self.size)) for image in part]) / np.float32(255)
            (found,) = self.session.run(["saliency"], {"image": small[..., None]})
            for index, one in enumerate(found[..., 0]):
                maps[start + index] = resize(one, shape)
        return np.clip(maps, 0, 1, out=maps)


def _open(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise SalusError("learned saliency needs onnxruntime; install it: pip install onnxruntime") from None
    if not path.is_file():
        raise SalusError(f"{path}: no such file; name the .onnx file of a saliency network")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many kinds, all straight from Exception
        raise SalusError(f"{path}: cannot be read as a network ({' '.join(str(error).split())[:120]})") from None
