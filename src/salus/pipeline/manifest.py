"""The manifest of a run over many images, report.json: versions, machine, settings, inputs, timing and failures."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from salus import __version__
from salus.processor import processor_cores, processor_name
from salus.segmentation.result import FOUND, NONE
from salus.segmentation.segmenter import Segmenter
from salus.write.tables import FAILED, Record

PACKAGES = ("numpy", "scipy", "pillow", "openvino", "onnxruntime")


def build_manifest(
    segmenter: Segmenter, settings: dict[str, Any], records: Sequence[Record], timing: dict[str, Any]
) -> dict[str, Any]:
    """Build the manifest's content, ready for JSON.

    Args:
        segmenter: of the run.
        settings: of the run.
        records: of every image, including those of an earlier run that was resumed.
        timing: of the run: when it began, seconds, how many images it segmented.
    """
    return {
        "salus": __version__,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "machine": {"system": platform.platform(), "processor": processor_name(), "cores": processor_cores()},
        "network": asdict(segmenter.settings),
        "settings": settings,
        "timing": timing,
        "results": {result: sum(r.result == result for r in records) for result in (FOUND, NONE, FAILED)},
        "images": [
            {
                "image": r.image,
                "frame": r.frame,
                "name": r.name,
                "sha256": r.sha256,
                "result": r.result,
                "flags": r.flags,
                "seconds": r.seconds,
            }
            for r in records
        ],
        "failures": [{"image": r.image, "error": r.error} for r in records if r.result == FAILED],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
