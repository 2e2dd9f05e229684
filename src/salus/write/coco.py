"""COCO: one JSON file for many images, an annotation a lesion (cocodataset.org, "Data format").

A lesion of one plain outline is a polygon; one with holes, or with an outline that touches itself, is a run-length
list, counts by column. Its score is the lesion's confidence, under "score" as in results files. The file is written
image by image, so that memory does not grow with them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from salus.atomic import write_whole
from salus.measure.outline import encode_polygon_or_runs
from salus.measure.simplify import COCO_TOLERANCE, simplified_polygons
from salus.segmentation.lesion_masks import lesion_masks
from salus.segmentation.result import Segmentation
from salus.write.tables import Record

CATEGORY = {"id": 1, "name": "lesion", "supercategory": "breast"}
INFO = {"description": "made by Salus, research software; not a medical device"}


def image_file_names(records: Sequence[Record]) -> list[str]:
    """Return the file names of images in a COCO file: their own, or paths from the folder that holds all of them.

    Paths are taken where two files in different folders have the same name. A frame of a cine has no file of its own;
    it is named as its mask, NAME/NUMBER.png.

    Args:
        records: of the images.

    Example:
        >>> image_file_names([Record("x/a.JPG", "a", "failed"), Record("c.dcm", "c/0002", "failed", frame=2)])
        ['a.JPG', 'c/0002.png']
        >>> image_file_names([Record(path, "", "failed") for path in ("x/a.png", "y/z/a.png", "x/b")])
        ['x/a.png', 'y/z/a.png', 'x/b']
    """
    paths = {record.image: os.path.abspath(record.image) for record in records if record.frame is None}
    names = {image: os.path.basename(path) for image, path in paths.items()}
    if len(set(names.values())) < len(names):
        root = os.path.commonpath(map(os.path.dirname, paths.values()))
        names = {image: Path(os.path.relpath(path, root)).as_posix() for image, path in paths.items()}
        counts = Counter(names.values())
        names = {image: name if counts[name] == 1 else image for image, name in names.items()}
    frames: dict[str, list[str]] = {record.image: [] for record in records if record.frame is not None}
    for record in records:
        if record.frame is not None:
            frames[record.image].append(f"{record.name}.png")
    own = set(names.values())
    ambiguous = {image for image, pictures in frames.items() if not own.isdisjoint(pictures)}

    def name_frame(record: Record) -> str:
        picture = PurePosixPath(f"{record.name}.png")
        return f"{Path(record.image).name}/{picture.name}" if record.image in ambiguous else str(picture)

    return [names[record.image] if record.frame is None else name_frame(record) for record in records]


def write_coco(path: Path, items: Iterable[tuple[str, Segmentation]]) -> None:
    """Write the outlines in many images as one COCO file.

    Args:
        path: of the JSON file.
        items: file name and segmentation of each image; one is in memory at a time.

    Raises:
        OSError: the file cannot be written.
    """
    with TemporaryFile("w+", encoding="utf-8", dir=path.parent) as annotations:
        write_whole(path, lambda temporary: _write(temporary, items, annotations))


def _write(path: Path, items: Iterable[tuple[str, Segmentation]], annotations: IO[str]) -> None:
    """Write the images as they come, and their annotations to another file, which is added in the end."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"info": {json.dumps(INFO)},\n"images": [')
        for number, (name, segmentation) in enumerate(items, 1):
            height, width = segmentation.mask.shape
            image = {"id": number, "file_name": name, "height": height, "width": width}
            file.write(("" if number == 1 else ",") + "\n" + json.dumps(image))
            for annotation in _annotations(segmentation, number):
                count += 1
                annotations.write(("" if count == 1 else ",") + "\n" + json.dumps({"id": count, **annotation}))
        file.write('],\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write(f'],\n"categories": {json.dumps([CATEGORY])}}}\n')


def _annotations(segmentation: Segmentation, image: int) -> Iterable[dict[str, Any]]:
    for lesion, mask in lesion_masks(segmentation):
        top, left, box_height, box_width = lesion.box
        yield {
            "image_id": image,
            "category_id": 1,
            "segmentation": _encode(mask),
            "area": lesion.area_px,
            "bbox": [left, top, box_width, box_height],
            "iscrowd": 0,
            "score": lesion.confidence,
            "lesion": lesion.number,
        }


def _encode(mask: np.ndarray) -> list[list[float]] | list[list[int]] | dict[str, Any]:
    """Encode a mask as a polygon with few corners, of which COCO's tools make the mask again, or as run lengths."""
    segmentation = encode_polygon_or_runs(mask)
    if isinstance(segmentation, dict):
        return segmentation
    return [[value for point in ring for value in point] for ring in simplified_polygons(mask, COCO_TOLERANCE)]
