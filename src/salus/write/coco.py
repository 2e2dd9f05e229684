"""COCO: one JSON file for many images, an annotation a lesion (cocodataset.org, "Data format").

A lesion of one plain outline is a polygon; one with holes, or with an outline that touches itself, is a run-length
list, counts by column. Its score is the lesion's confidence, under "score" as in results files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_json
from salus.segmentation.result import Segmentation
from salus.write.polygons import lesion_masks, polygons

CATEGORY = {"id": 1, "name": "lesion", "supercategory": "breast"}


def write_coco(path: Path, items: Iterable[tuple[str, Segmentation]]) -> None:
    """Write the outlines in many images as one COCO file.

    Args:
        path: of the JSON file.
        items: name and segmentation of each image; one is in memory at a time.

    Raises:
        OSError: the file cannot be written.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, segmentation) in enumerate(items, 1):
        height, width = segmentation.mask.shape
        is_file = segmentation.frame is None  # a frame of a cine has no file of its own
        suffix = (Path(segmentation.source).suffix if is_file else "") or ".png"
        images.append({"id": number, "file_name": f"{name}{suffix}", "height": height, "width": width})
        for lesion, mask in lesion_masks(segmentation):
            top, left, box_height, box_width = lesion.box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "segmentation": encode_polygon_or_runs(mask),
                    "area": lesion.area_px,
                    "bbox": [left, top, box_width, box_height],
                    "iscrowd": 0,
                    "score": lesion.confidence,
                    "lesion": lesion.number,
                }
            )
    info = {"description": "made by Salus, research software; not a medical device"}
    content = {"info": info, "images": images, "annotations": annotations, "categories": [CATEGORY]}
    write_json(path, content)


def encode_polygon_or_runs(mask: np.ndarray) -> list[list[int]] | dict[str, Any]:
    """Encode a mask as a COCO polygon, or as uncompressed run lengths where it is not one plain polygon.

    Example:
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 1:4] = True
        >>> encode_polygon_or_runs(mask)
        [[1, 1, 4, 1, 4, 3, 1, 3]]
    """
    rings = polygons(mask)
    if len(rings) == 1 and len(set(rings[0])) == len(rings[0]):
        return [[value for point in rings[0] for value in point]]
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], changes[changes < mask.size], [mask.size]]))
    return {"size": list(mask.shape), "counts": [int(count) for count in counts]}
