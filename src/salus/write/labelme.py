"""LabelMe: a JSON file an image, a polygon for each outline of each lesion (version 5 of its format).

LabelMe has no holes: those of a lesion are polygons of their own, labelled "hole".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from salus.segmentation.result import Segmentation
from salus.write.polygons import labels_of, polygons
from salus.write.tables import write_json


def write_labelme(path: Path, image: str, found: Segmentation) -> None:
    """Write the file.

    Args:
        path: where to.
        image: the image's file name, as LabelMe shall look for it beside the JSON file.
        found: in the image.

    Raises:
        OSError: it cannot be written.
    """
    labels = labels_of(found)
    shapes: list[dict[str, Any]] = [
        {
            "label": "hole" if _is_hole(ring) else "lesion",
            "points": [[float(x), float(y)] for x, y in ring],
            "group_id": lesion.number,
            "description": f"confidence {lesion.confidence:.2f}",
            "shape_type": "polygon",
            "flags": {},
        }
        for lesion in found.lesions
        for ring in polygons(labels == min(lesion.number, 255))
    ]
    height, width = found.mask.shape
    content = {
        "version": "5.5.0",
        "flags": {"no tumour found": not found.lesions},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    write_json(path, content)


def _is_hole(ring: list[tuple[int, int]]) -> bool:
    """Outlines go round clockwise as seen, holes the other way."""
    points = np.array(ring)
    after = np.roll(points, -1, axis=0)
    return bool((points[:, 0] * after[:, 1] - points[:, 1] * after[:, 0]).sum() < 0)
