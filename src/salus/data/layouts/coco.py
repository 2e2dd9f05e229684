"""The layout of COCO's object detection files: one or several JSON files, the images beside them or in a folder.

Found are `*.json` in the folder and in its folders, such as `annotations/instances_default.json` as CVAT exports it, or
`train/_annotations.coco.json`. An annotation whose category means a lesion (`class_names`) is the lesion: polygons, run
lengths, or run lengths in COCO's packed form; one with a box alone is left out. A listed image without a lesion has no
tumour; an image that no file lists is unlabelled, and so is one whose lesions all have a box alone. Of an image,
"label" and "patient" are read where they are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_json
from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.class_names import choose_lesion_classes, label_of
from salus.data.layouts.files import find_root, remark_on
from salus.data.layouts.json_files import ImageFinder, json_files, read_dictionary, unique_names, unlisted_images
from salus.data.layouts.outlines import Area, Outlines, PolygonArea, RunArea
from salus.data.layouts.sample import Sample
from salus.errors import SalusError
from salus.measure.outline import encode_polygon_or_runs

FILE = "annotations/instances_default.json"
"""The file that `write` makes, beside images/, where CVAT and Datumaro look for it."""


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has a COCO file in it or in one of its folders."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of COCO files.

    Raises:
        SalusError: a file is damaged, two list the same image, an annotation is of an image or a category that its file
            does not list, or no name tells which category means a lesion.
    """
    folder = find_root(root, _has_layout) or root
    finder = ImageFinder(folder)
    files = [(path, content) for path in json_files(folder) if _is_coco(content := read_dictionary(path))]
    categories = [_categories(path, content) for path, content in files]
    lesions = choose_lesion_classes({name for names in categories for name in names.values()}, folder)
    listed: list[tuple[Path, dict[str, Any], list[dict[str, Any]], dict[str, str]]] = []
    for (path, content), names in zip(files, categories, strict=True):
        images_here = _images(path, content)
        annotations: dict[str, list[dict[str, Any]]] = {number: [] for number in images_here}
        for one in content["annotations"]:
            if (number := _number(one.get("image_id"))) not in annotations:
                raise SalusError(
                    f"{path}: an annotation is of image {number[:20]}, which is not there; export it again"
                )
            if names[_number(one.get("category_id"))] in lesions:
                annotations[number].append(one)
        listed += [(path, image, annotations[number], names) for number, image in images_here.items()]
    images = [finder.find(image["file_name"], path) for path, image, _, _ in listed]
    if len({image.resolve() for image in images}) < len(images):
        raise SalusError(f"{folder}: an image is listed several times in its COCO files; keep one of the files")
    cases, missing, empty = [], [], []
    boxes: list[Path] = []
    unknown: list[Path] = []
    for (path, image, annotations_here, names), file, name in zip(listed, images, unique_names(images), strict=True):
        if not file.is_file():
            missing.append(Path(image["file_name"]))
            continue
        areas = tuple(_area(path, one["segmentation"]) for one in annotations_here if one.get("segmentation"))
        if len(areas) < len(annotations_here):
            (boxes if areas else unknown).append(file)
        elif not annotations_here:
            empty.append(file)
        own = str(image.get("label", "")).lower()
        found = [names[_number(one["category_id"])] for one in annotations_here]
        size = image.get("height"), image.get("width")
        cases.append(
            Case(
                name=name,
                image=file,
                masks=(path,) if areas else None if annotations_here else (),
                patient=str(image["patient"]) if image.get("patient") else None,
                label=own if own in LABELS else label_of(found),
                source=folder.resolve().name,
                annotation=Outlines(areas, (int(size[0]), int(size[1])) if size[0] and size[1] else None),
            )
        )
    others, remarks = unlisted_images(cases, folder, [folder / "images"], "not in a COCO file, so it is unlabelled")
    cases += others
    remarks += remark_on(missing, "listed, but no file")
    remarks += remark_on(empty, "listed without a lesion, so it counts as tumour-free")
    remarks += remark_on(boxes, "has lesions with a box alone, which are left out")
    remarks += remark_on(unknown, "its lesions have a box alone, so it is unlabelled")
    return DataSet(folder, "coco", tuple(sorted(cases, key=lambda case: case.name)), remarks=tuple(remarks))


def write(root: Path, samples: Iterable[Sample]) -> None:
    """Write images/ and annotations/: one annotation for each lesion, its category the label of the image."""
    for part in ("images", "annotations"):
        (root / part).mkdir()
    categories = {"lesion": 1, "benign": 2, "malignant": 3}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for sample in samples:
        path = sample.save_image(root / "images")
        if sample.mask is None:
            continue
        height, width = sample.mask.shape
        metadata = {"label": sample.case.label, "patient": sample.case.patient}
        image = {"id": len(images) + 1, "file_name": path.name, "height": height, "width": width}
        images.append(image | {key: value for key, value in metadata.items() if value})
        for lesion in sample.lesions():
            rows, columns = np.nonzero(lesion)
            top, left = int(rows.min()), int(columns.min())
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": categories.get(sample.case.label or "", 1),
                    "segmentation": encode_polygon_or_runs(lesion),
                    "area": len(rows),
                    "bbox": [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top],
                    "iscrowd": 0,
                }
            )
    listed = [{"id": number, "name": name, "supercategory": "breast"} for name, number in categories.items()]
    write_json(root / FILE, {"images": images, "annotations": annotations, "categories": listed})


def unpack_runs(text: str) -> list[int]:
    """Decode the packed form of COCO's run lengths: five bits a character, differences from the run before the last.

    The format is that of `rleFrString` in COCO's maskApi.c.

    Raises:
        ValueError: it is cut short.

    Example:
        >>> unpack_runs("521")
        [5, 2, 1]
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("packed run lengths that are cut short")
    return runs


def _is_coco(content: dict[str, Any]) -> bool:
    return all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def _number(value: Any) -> str:
    """Return the number of an image or a category as text: files have 1, 1.0 and "1" for the same."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _categories(path: Path, content: dict[str, Any]) -> dict[str, str]:
    """Read the names of the categories that are used, by number."""
    try:
        names = {_number(one["id"]): str(one["name"]) for one in content.get("categories", [])}
        used = {_number(one.get("category_id")) for one in content["annotations"]}
    except (KeyError, TypeError, AttributeError):
        raise SalusError(f"{path}: its categories or annotations are damaged; export it again") from None
    if missing := sorted(used - set(names)):
        raise SalusError(f"{path}: an annotation is of category {missing[0][:20]}, which is not there; export it again")
    return {number: names[number] for number in used}


def _images(path: Path, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Read the images by number."""
    images = list(content["images"])
    if not all(isinstance(one, dict) and "id" in one and isinstance(one.get("file_name"), str) for one in images):
        raise SalusError(f"{path}: an image has no id or no file_name; export it again")
    by_number = {_number(one["id"]): one for one in images}
    if len(by_number) < len(images):
        raise SalusError(f"{path}: two images have the same id; export it again")
    return by_number


def _area(path: Path, segmentation: Any) -> Area:
    """Read COCO's "segmentation": a list of polygons, or a dictionary of run lengths."""
    try:
        if isinstance(segmentation, dict):
            height, width = (int(side) for side in segmentation["size"])
            counts = segmentation["counts"]
            return RunArea(unpack_runs(counts) if isinstance(counts, str) else counts, (0, 0, height, width))
        rings = [list(zip(ring[::2], ring[1::2], strict=True)) for ring in segmentation]
        if any(len(ring) < 3 for ring in rings):
            raise ValueError("corners")
        return PolygonArea([[(float(x), float(y)) for x, y in ring] for ring in rings])
    except (KeyError, TypeError, ValueError) as error:
        raise SalusError(f"{path}: a damaged segmentation ({type(error).__name__}); export it again") from None


def _has_layout(folder: Path) -> bool:
    return any(_is_coco(read_dictionary(path)) for path in json_files(folder))
