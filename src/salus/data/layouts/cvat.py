"""The layout of CVAT's own export, "CVAT for images 1.1": annotations.xml, the images in images/ or beside it.

Polygons, boxes, ellipses and masks whose label means a lesion (`class_names`) are the lesion, turned by their rotation.
Other shapes, such as points and polylines, have no area and are left out. An image without a lesion is tumour-free; an
image that the file does not list is unlabelled, and so is one whose lesions have no area. A tag of an image may say
benign, malignant or normal, and a tag "patient" has the attribute "id". CVAT also exports COCO, which is read as such.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from salus.atomic import write_text
from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.class_names import choose_lesion_classes, label_of
from salus.data.layouts.files import find_root, remark_on
from salus.data.layouts.json_files import MAX_JSON, ImageFinder, unique_names, unlisted_images
from salus.data.layouts.outlines import Area, Outlines, PolygonArea, RunArea
from salus.data.layouts.sample import Sample
from salus.errors import SalusError
from salus.measure.outline import encode_runs, polygons

FILE = "annotations.xml"
AREAS = ("polygon", "box", "ellipse", "mask")
"""Kinds of shapes that have an area."""

ELLIPSE_CORNERS = 180


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has an XML file that starts as CVAT's."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of CVAT's export.

    Raises:
        SalusError: the file is damaged, is of a video, or no name tells which label means a lesion.
    """
    folder = find_root(root, _has_layout) or root
    path = _file(folder) or folder / FILE
    tree, finder = _parse(path), ImageFinder(folder)
    if tree.find("track") is not None:
        raise SalusError(f"{path}: holds the tracks of a video; export it as CVAT for images 1.1")
    elements = tree.findall("image")
    shapes = [[shape for shape in element if shape.tag != "tag"] for element in elements]
    names = {shape.get("label", "") for those in shapes for shape in those}
    lesions = choose_lesion_classes(names, path)
    images = [finder.find(element.get("name", ""), path) for element in elements]
    cases, missing, empty = [], [], []
    flat: list[Path] = []
    unknown: list[Path] = []
    for element, those, image, name in zip(elements, shapes, images, unique_names(images), strict=True):
        if not image.is_file():
            missing.append(Path(element.get("name", "")))
            continue
        try:
            found = [shape for shape in those if shape.get("label") in lesions]
            areas = tuple(_area(shape) for shape in found if shape.tag in AREAS)
            size = (int(element.attrib["height"]), int(element.attrib["width"]))
        except (KeyError, ValueError) as error:
            raise SalusError(f"{path}: damaged at the image {image.name} ({error}); export it again") from None
        if len(areas) < len(found):
            (flat if areas else unknown).append(image)
        elif not found:
            empty.append(image)
        tags = [tag.get("label", "") for tag in element.findall("tag")]
        patient = element.find("tag[@label='patient']/attribute[@name='id']")
        cases.append(
            Case(
                name=name,
                image=image,
                masks=(path,) if areas else None if found else (),
                patient=patient.text if patient is not None else None,
                label=label_of([*tags, *(shape.get("label", "") for shape in those)]),
                source=folder.resolve().name,
                annotation=Outlines(areas, size),
            )
        )
    others, remarks = unlisted_images(cases, folder, [folder / "images"], f"not in {path.name}, so it is unlabelled")
    cases += others
    remarks += remark_on(missing, f"in {path.name}, but no file")
    remarks += remark_on(empty, "listed without a lesion, so it counts as tumour-free")
    remarks += remark_on(flat, "has lesions that are points or lines, which have no area, and are left out")
    remarks += remark_on(unknown, "its lesions are points or lines alone, which have no area, so it is unlabelled")
    if left_out := sorted(names - lesions):
        remarks.append(f"{path}: labels that are no lesion are left out: {', '.join(left_out)}")
    return DataSet(folder, "cvat", tuple(sorted(cases, key=lambda case: case.name)), remarks=tuple(remarks))


def write(root: Path, samples: Iterable[Sample]) -> None:
    """Write images/ and annotations.xml; a mask that is not one plain polygon is a mask there."""
    (root / "images").mkdir()
    document = ElementTree.Element("annotations")
    ElementTree.SubElement(document, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(document, "meta"), "task")
    labels = ElementTree.SubElement(task, "labels")
    for name in ("lesion", *LABELS, "patient"):
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        attributes = ElementTree.SubElement(label, "attributes")
        if name == "patient":
            attribute = ElementTree.SubElement(attributes, "attribute")
            for key, text in (("name", "id"), ("input_type", "text"), ("mutable", "False"), ("values", "")):
                ElementTree.SubElement(attribute, key).text = text
    for sample in samples:
        path = sample.save_image(root / "images")
        if sample.mask is None:
            continue
        height, width = sample.mask.shape
        place = {"id": str(len(document) - 2), "name": path.name, "width": str(width), "height": str(height)}
        element = ElementTree.SubElement(document, "image", place)
        if sample.case.label:
            ElementTree.SubElement(element, "tag", {"label": sample.case.label, "source": "file"})
        if sample.case.patient:
            tag = ElementTree.SubElement(element, "tag", {"label": "patient", "source": "file"})
            ElementTree.SubElement(tag, "attribute", {"name": "id"}).text = sample.case.patient
        for lesion in sample.lesions():
            _add_lesion(element, lesion)
    ElementTree.indent(document)
    write_text(root / FILE, ElementTree.tostring(document, "unicode", xml_declaration=False) + "\n")


def _add_lesion(element: ElementTree.Element, lesion: np.ndarray) -> None:
    """Add a polygon where a lesion is one plain outline, else a mask."""
    rings = polygons(lesion)
    common = {"label": "lesion", "source": "file", "occluded": "0", "z_order": "0"}
    if len(rings) == 1 and len(set(rings[0])) == len(rings[0]):
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in rings[0])
        ElementTree.SubElement(element, "polygon", common | {"points": points})
        return
    rows, columns = np.nonzero(lesion)
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    runs = encode_runs(lesion[top:bottom, left:right].ravel())
    box = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    numbers = {name: str(value) for name, value in box.items()}
    ElementTree.SubElement(element, "mask", common | {"rle": ", ".join(map(str, runs))} | numbers)


def _area(shape: ElementTree.Element) -> Area:
    """Read one shape.

    Raises:
        KeyError, ValueError: an attribute is missing or no number.
    """

    def number(name: str, default: str | None = None) -> float:
        value = float(shape.attrib[name] if default is None else shape.get(name, default))
        if not math.isfinite(value):
            raise ValueError(name)
        return value

    if shape.tag == "mask":
        runs = [int(text) for text in shape.attrib["rle"].split(",")]
        top, left, height, width = (int(number(name)) for name in ("top", "left", "height", "width"))
        return RunArea(runs, (top, left, height, width), by_column=False)
    if shape.tag == "polygon":
        corners = [tuple(map(float, pair.split(","))) for pair in shape.attrib["points"].split(";")]
        if len(corners) < 3 or any(len(corner) != 2 or not all(map(math.isfinite, corner)) for corner in corners):
            raise ValueError("points")
        return PolygonArea([corners])
    if shape.tag == "ellipse":
        x, y, across, down = (number(name) for name in ("cx", "cy", "rx", "ry"))
        angles = 2 * np.pi * np.arange(ELLIPSE_CORNERS) / ELLIPSE_CORNERS
        points = np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)
    else:
        x0, y0, x1, y1 = (number(name) for name in ("xtl", "ytl", "xbr", "ybr"))
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    angle = math.radians(number("rotation", "0"))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])  # clockwise as seen
    return PolygonArea([((points - (x, y)) @ turn + (x, y)).tolist()])


def _parse(path: Path) -> ElementTree.Element:
    """Parse an XML file that declares no entities, which could grow without bound."""
    try:
        if path.stat().st_size > MAX_JSON:
            raise SalusError(f"{path}: is larger than {MAX_JSON / 2**30:.0f} GiB; export it in parts")
        text = path.read_text(encoding="utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise SalusError(f"{path}: declares entities, which CVAT's files do not; export it again")
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise SalusError(f"{path}: is damaged XML ({error}); export it again") from None
    except OSError as error:
        raise SalusError(f"{path}: cannot be read ({error.strerror})") from None


def _has_layout(folder: Path) -> bool:
    return _file(folder) is not None


def _file(folder: Path) -> Path | None:
    """Find the file that starts as CVAT's: annotations.xml, or another one, as Datumaro names it."""
    for path in (folder / FILE, *sorted(folder.glob("*.xml"))):
        if path.is_file():
            with path.open("rb") as file:
                if b"<annotations" in file.read(4096):
                    return path
    return None
