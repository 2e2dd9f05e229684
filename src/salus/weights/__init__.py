"""The shipped networks and saliency models, and the path of each."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

SHIPPED_WEIGHTS = Path(str(resources.files("salus.weights")))
"""The folder of the shipped files."""

SHIPPED_NETWORK = SHIPPED_WEIGHTS / "segment.onnx"
"""The network of `salus segment`."""
