"""GeoJSON for QuPath and other viewers of regions: a file an image, a feature for each lesion (RFC 7946).

Coordinates are pixels: x to the right and y down from the image's upper left corner, so that the first pixel covers 0
to 1 in both, as QuPath counts. A lesion is a polygon with its holes, or several polygons where its parts touch at
corners alone. Outlines are simplified within half a pixel, and filled they are the mask (`salus.measure.simplify`).
The member "images" holds the image's record as in lesions.json, which `salus.read_lesions` reads; other readers pass
over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_json
from salus.measure.lesions import Lesion
from salus.measure.outline import fill_polygons
from salus.measure.simplify import simplified_polygons
from salus.segmentation.result import Segmentation
from salus.write.polygons import lesion_masks, signed_area
from salus.write.tables import Record, record_json

COLOUR = (255, 200, 0)
"""Red, green and blue of the class, in which QuPath draws outlines."""

Ring = Sequence[tuple[float, float]]


def write_geojson(path: Path, record: Record, segmentation: Segmentation) -> None:
    """Write the outlines in one image as a GeoJSON feature collection.

    Args:
        path: of the file.
        record: of the image.
        segmentation: of the image.

    Raises:
        OSError: the file cannot be written.
    """
    features = [_feature(lesion, mask) for lesion, mask in lesion_masks(segmentation)]
    write_json(path, {"type": "FeatureCollection", "features": features, "images": [record_json(record)]})


def polygon_geometry(mask: np.ndarray) -> dict[str, Any]:
    """Make the GeoJSON geometry of a mask: a polygon with its holes, or several.

    Args:
        mask: (h, w) bool, with at least one pixel.

    Returns:
        A Polygon or MultiPolygon; rings are closed, outer ones have a positive area by the shoelace formula.

    Example:
        >>> mask = np.zeros((4, 5), bool)
        >>> mask[1:3, 1:4] = True
        >>> geometry = polygon_geometry(mask)
        >>> (outline,) = geometry["coordinates"]
        >>> geometry["type"], outline[0] == outline[-1]
        ('Polygon', True)
    """
    rings = simplified_polygons(mask)
    outer = [ring for ring in rings if signed_area(ring) > 0]
    parts: list[list[Ring]] = [[ring] for ring in outer]
    areas = [fill_polygons([ring], mask.shape) for ring in outer] if len(outer) > 1 else []
    for hole in (ring for ring in rings if signed_area(ring) <= 0):
        within = fill_polygons([hole], mask.shape)
        around = [(area.sum(), index) for index, area in enumerate(areas) if not (within & ~area).any()]
        parts[min(around)[1] if around else 0].append(hole)
    coordinates = [[[list(point) for point in (*ring, ring[0])] for ring in part] for part in parts]
    if len(coordinates) == 1:
        return {"type": "Polygon", "coordinates": coordinates[0]}
    return {"type": "MultiPolygon", "coordinates": coordinates}


def _feature(lesion: Lesion, mask: np.ndarray) -> dict[str, Any]:
    unit = lesion.unit
    measurements = {
        "confidence": lesion.confidence,
        "area px^2": float(lesion.area_px),
        f"longest {unit}": lesion.longest,
        f"across {unit}": lesion.across,
    }
    if unit != "px":
        measurements[f"area {unit}^2"] = lesion.area
    properties = {
        "objectType": "annotation",
        "name": f"lesion {lesion.number}",
        "classification": {"name": "Lesion", "color": list(COLOUR)},
        "isLocked": False,
        "measurements": measurements,
    }
    return {"type": "Feature", "geometry": polygon_geometry(mask), "properties": properties}
