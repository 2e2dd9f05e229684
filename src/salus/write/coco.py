"""COCO: one JSON file for many images, an annotation a lesion (cocodataset.org, "Data format").

A lesion of one plain outline is a polygon; one with holes, or with an outline that touches itself, is a run-length
list, counts by column. Its score is the lesion's confidence, under "score" as in results files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from salus.segmentation.result import Segmentation
from salus.write.polygons import labels_of, polygons
from salus.write.tables import write_json

CATEGORY = {"id": 1, "name": "lesion", "supercategory": "breast"}


def write_coco(path: Path, items: Iterable[tuple[str, Segmentation]]) -> None:
    """Write the file.

    Args:
        path: where to.
        items: each image's name and what was found in it.

    Raises:
        OSError: it cannot be written.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, found) in enumerate(items, 1):
        height, width = found.mask.shape
        suffix = ".png" if found.frame is not None else Path(found.source).suffix or ".png"  # a frame has no file
        images.append({"id": number, "file_name": f"{name}{suffix}", "height": height, "width": width})
        labels = labels_of(found)
        for lesion in found.lesions:
            top, left, tall, wide = lesion.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "segmentation": outline(labels == min(lesion.number, 255)),
                    "area": lesion.area_px,
                    "bbox": [left, top, wide, tall],
                    "iscrowd": 0,
                    "score": lesion.confidence,
                    "lesion": lesion.number,
                }
            )
    network = {"description": "made by Salus, research software; not a medical device"}
    content = {"info": network, "images": images, "annotations": annotations, "categories": [CATEGORY]}
    write_json(path, content)


def outline(mask: np.ndarray) -> list[list[int]] | dict[str, Any]:
    """A mask as COCO polygons, or as uncompressed run lengths where one polygon does not do.

    Example:
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 1:4] = True
        >>> outline(mask)
        [[1, 1, 4, 1, 4, 3, 1, 3]]
    """
    rings = polygons(mask)
    if len(rings) == 1 and len(set(rings[0])) == len(rings[0]):
        return [[value for point in rings[0] for value in point]]
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], changes[changes < mask.size], [mask.size]]))
    return {"size": list(mask.shape), "counts": [int(count) for count in counts]}
