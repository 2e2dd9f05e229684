"""Salus, SALiency for UltraSound: outline breast tumours in ultrasound images, and compare the networks that do.

The public names below are loaded when they are first used, so that `import salus` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salus.data.case import Case, DataSet
    from salus.data.layouts import read_data_set
    from salus.data.phantom.make import make_phantom
    from salus.errors import SalusError
    from salus.evaluation.scoring import evaluate
    from salus.measure.lesions import Lesion
    from salus.metrics.segmentation import Scores, score
    from salus.prompts.prompt import Prompt
    from salus.read.frames import read_scan
    from salus.saliency.estimate import estimate_saliency
    from salus.saliency.map import SaliencyMap
    from salus.scan import Scan
    from salus.segmentation.prompt_session import PromptSession
    from salus.segmentation.result import Segmentation
    from salus.segmentation.segment import segment
    from salus.segmentation.segmenter import Segmenter
    from salus.write.lesion_table import read_lesions

__version__ = "0.2.0"

_MODULES = {
    "Case": "salus.data.case",
    "DataSet": "salus.data.case",
    "Lesion": "salus.measure.lesions",
    "Prompt": "salus.prompts.prompt",
    "PromptSession": "salus.segmentation.prompt_session",
    "SalusError": "salus.errors",
    "SaliencyMap": "salus.saliency.map",
    "Scan": "salus.scan",
    "Scores": "salus.metrics.segmentation",
    "Segmentation": "salus.segmentation.result",
    "Segmenter": "salus.segmentation.segmenter",
    "estimate_saliency": "salus.saliency.estimate",
    "evaluate": "salus.evaluation.scoring",
    "make_phantom": "salus.data.phantom.make",
    "read_data_set": "salus.data.layouts",
    "read_lesions": "salus.write.lesion_table",
    "read_scan": "salus.read.frames",
    "score": "salus.metrics.segmentation",
    "segment": "salus.segmentation.segment",
}
"""The module of each public name; a test compares it with the imports above."""

__all__ = [
    "Case",
    "DataSet",
    "Lesion",
    "Prompt",
    "PromptSession",
    "SaliencyMap",
    "SalusError",
    "Scan",
    "Scores",
    "Segmentation",
    "Segmenter",
    "__version__",
    "estimate_saliency",
    "evaluate",
    "make_phantom",
    "read_data_set",
    "read_lesions",
    "read_scan",
    "score",
    "segment",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'salus' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
