"""Salus, SALiency for UltraSound: outlines breast tumours in ultrasound images and compares the networks that do.

The public names below are loaded when they are first used, so that `import salus` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Case": "salus.data.case",
    "DataSet": "salus.data.case",
    "SalusError": "salus.errors",
    "SaliencyMap": "salus.saliency.map",
    "Scan": "salus.scan",
    "Segmentation": "salus.segmenter",
    "Segmenter": "salus.segmenter",
    "estimate_saliency": "salus.saliency.estimate",
    "evaluate": "salus.evaluate",
    "make_phantom": "salus.data.phantom",
    "read_data_set": "salus.data.layouts",
    "read_scan": "salus.scan",
    "score": "salus.metrics",
    "segment": "salus.segmenter",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'salus' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
