"""LabelMe: a JSON file an image, a polygon for each outline of each lesion (version 5 of its format).

LabelMe has no holes: those of a lesion are polygons of their own, labelled "hole". Polygons are simplified so that they
can be edited: within half a pixel, and filled they are the mask (`salus.measure.simplify`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from salus.atomic import write_json
from salus.measure.simplify import simplified_polygons
from salus.segmentation.result import Segmentation
from salus.write.polygons import lesion_masks, signed_area


def write_labelme(path: Path, image: str, segmentation: Segmentation) -> None:
    """Write the outlines in one image as a LabelMe file.

    Args:
        path: of the JSON file.
        image: name of the image's file, which LabelMe looks for beside the JSON file.
        segmentation: of the image.

    Raises:
        OSError: the file cannot be written.
    """
    shapes: list[dict[str, Any]] = [
        {
            "label": "hole" if signed_area(ring) < 0 else "lesion",
            "points": [[float(x), float(y)] for x, y in ring],
            "group_id": lesion.number,
            "description": f"confidence {lesion.confidence:.2f}",
            "shape_type": "polygon",
            "flags": {},
        }
        for lesion, mask in lesion_masks(segmentation)
        for ring in simplified_polygons(mask)
    ]
    height, width = segmentation.mask.shape
    content = {
        "version": "5.5.0",
        "flags": {"no tumour found": not segmentation.lesions},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    write_json(path, content)
