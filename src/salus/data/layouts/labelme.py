"""The layout of LabelMe: a JSON file for each image, beside it or in a folder of its own (versions 4 to 6).

Polygons, rectangles, circles and masks whose class means a lesion (`class_names`) are the lesion; what is labelled
"hole" is cut out of the shapes of its group (by the even-odd rule, as Salus writes holes). Points and lines have no
area and are left out. A file without a lesion says that there is no tumour; an image without a file is unlabelled, and
so is one whose lesions are all points or lines. The image's flags may say benign, malignant or normal, and "patient"
names the patient: LabelMe keeps both.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections import defaultdict
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from salus.atomic import write_json
from salus.data.case import Case, DataSet
from salus.data.layouts.class_names import HOLE, choose_lesion_classes, label_of
from salus.data.layouts.files import find_root, remark_on
from salus.data.layouts.json_files import ImageFinder, json_files, read_dictionary, unique_names, unlisted_images
from salus.data.layouts.outlines import Area, EvenOddArea, Outlines, PolygonArea, Ring, RunArea
from salus.data.layouts.sample import Sample
from salus.errors import SalusError
from salus.measure.outline import encode_runs, polygons, signed_area
from salus.read.formats import IMAGE_SUFFIXES

CIRCLE_CORNERS = 180
"""Corners of the polygon that stands for a circle."""


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has LabelMe's files in it or in one of its folders."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of LabelMe's files.

    Raises:
        SalusError: a file is damaged, or no name tells which class means a lesion.
    """
    folder = find_root(root, _has_layout) or root
    finder = ImageFinder(folder)
    files = [(path, content) for path in json_files(folder) if _is_labelme(content := read_dictionary(path))]
    names = {str(shape.get("label", "")) for _, content in files for shape in _shapes(content)}
    lesions = choose_lesion_classes(names, folder)
    images = [_find_image(finder, path, content) for path, content in files]
    cases, missing = [], []
    flat: list[Path] = []
    unknown: list[Path] = []
    for (path, content), image, name in zip(files, images, unique_names(images), strict=True):
        if image.suffix.lower() == ".json" or not image.is_file():
            missing.append(path)
            continue
        shapes = [shape for shape in _shapes(content) if shape.get("label") in lesions | {HOLE}]
        flags = content.get("flags") or {}
        said = [name for name, value in flags.items() if value] + [str(shape.get("label")) for shape in shapes]
        areas, has_flat_lesions = _areas(path, shapes)
        if has_flat_lesions:
            (flat if areas else unknown).append(path)
        cases.append(
            Case(
                name=name,
                image=image,
                masks=(path,) if areas else None if has_flat_lesions else (),
                patient=str(content["patient"]) if content.get("patient") else None,
                label=label_of(said),
                source=folder.resolve().name,
                annotation=Outlines(areas, _size(content)),
            )
        )
    others, remarks = unlisted_images(cases, folder, [folder], "without a file of LabelMe, so it is unlabelled")
    cases += others
    remarks += remark_on(missing, "its image is not there as a file of its own; put it beside")
    remarks += remark_on(flat, "points and lines have no area, and are left out")
    remarks += remark_on(unknown, "its lesions are points or lines alone, which have no area, so it is unlabelled")
    if others_named := sorted(names - lesions - {HOLE}):
        remarks.append(f"{folder}: classes that are no lesion are left out: {', '.join(others_named)}")
    return DataSet(folder, "labelme", tuple(sorted(cases, key=lambda case: case.name)), remarks=tuple(remarks))


def write(root: Path, samples: Iterable[Sample]) -> None:
    """Write images and LabelMe's files beside them; each outline is a polygon, those of holes too."""
    for sample in samples:
        image = sample.save_image(root)
        if sample.mask is None:
            continue
        height, width = sample.mask.shape
        label = sample.case.label if sample.case.label in ("benign", "malignant") else "lesion"
        shapes = [
            {
                "label": HOLE if signed_area(ring) < 0 else label,
                "points": [[float(x), float(y)] for x, y in ring],
                "group_id": number,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
            }
            for number, lesion in enumerate(sample.lesions(), 1)
            for ring in polygons(lesion)
        ]
        content: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {"no tumour found": not shapes, **({sample.case.label: True} if sample.case.label else {})},
            "shapes": shapes,
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        if sample.case.patient:
            content["patient"] = sample.case.patient
        write_json(root / f"{sample.name}.json", content)


def _is_labelme(content: dict[str, Any]) -> bool:
    return isinstance(content.get("shapes"), list) and isinstance(content.get("imagePath"), str)


def _find_image(finder: ImageFinder, path: Path, content: dict[str, Any]) -> Path:
    """Find the image of a file, by the path it gives, or by its own name: some name themselves, and hold a copy."""
    image = finder.find(content["imagePath"], path)
    if image.is_file() and image.suffix.lower() != ".json":
        return image
    beside = (path.with_suffix(suffix) for suffix in IMAGE_SUFFIXES)
    return next((file for file in beside if file.is_file()), image)


def _shapes(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [shape for shape in content["shapes"] if isinstance(shape, dict)]


def _size(content: dict[str, Any]) -> tuple[int, int] | None:
    height, width = content.get("imageHeight"), content.get("imageWidth")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _areas(path: Path, shapes: list[dict[str, Any]]) -> tuple[tuple[Area, ...], bool]:
    """Collect the areas of the shapes of one image: polygons by group, then masks; tell whether a lesion has none."""
    rings: dict[Any, list[Ring]] = defaultdict(list)
    holes: dict[Any, list[Ring]] = defaultdict(list)
    areas: list[Area] = []
    has_flat_lesions = False
    for index, shape in enumerate(shapes):
        try:
            if shape.get("shape_type") == "mask":
                areas.append(_mask_area(shape))
                continue
            ring = _ring(shape.get("shape_type", "polygon"), np.asarray(shape["points"], float))
        except (KeyError, TypeError, ValueError, OSError, SyntaxError, binascii.Error) as error:
            raise SalusError(f"{path}: a damaged shape ({type(error).__name__}); save it again in LabelMe") from None
        group = shape.get("group_id")
        if ring is None:
            has_flat_lesions |= shape["label"] != HOLE
        elif shape["label"] == HOLE:
            holes[group].append(ring)
        else:
            rings[index if group is None else group].append(ring)
    loose = holes.pop(None, [])  # cut out of every polygon
    for group in rings:
        areas.append(EvenOddArea(rings[group] + holes[group]) if group in holes else PolygonArea(rings[group], loose))
    return tuple(areas), has_flat_lesions


def _ring(kind: str, points: np.ndarray) -> Ring | None:
    """Return a shape's outline as a polygon; None for one without an area."""
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError("points")
    if kind in ("polygon", "rectangle", "oriented_rectangle") and len(points) > 2:
        return [tuple(point) for point in points]
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    if kind == "circle" and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(edge_x - x, edge_y - y)
        angles = 2 * math.pi * np.arange(CIRCLE_CORNERS) / CIRCLE_CORNERS
        return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]
    return None


def _mask_area(shape: dict[str, Any]) -> Area:
    """Read a shape of the type mask: a PNG in base64, and the rectangle of pixels that it fills."""
    (left, top), *_ = shape["points"]
    with Image.open(BytesIO(base64.b64decode(shape["mask"], validate=True)), formats=("PNG",)) as picture:
        values = np.asarray(picture) > 0
    if values.ndim != 2:
        raise ValueError("mask")
    height, width = values.shape
    return RunArea(encode_runs(values.ravel()), (round(top), round(left), height, width), by_column=False)


def _has_layout(folder: Path) -> bool:
    return any(_is_labelme(read_dictionary(path)) for path in json_files(folder))
