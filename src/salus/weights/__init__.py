"""Shipped networks and saliency models, and their paths."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

SHIPPED_WEIGHTS = Path(str(resources.files("salus.weights")))
"""Folder of the shipped files."""

SHIPPED_NETWORK = SHIPPED_WEIGHTS / "segment.onnx"
"""Network of `salus segment`."""
