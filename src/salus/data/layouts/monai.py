"""The layout of a MONAI datalist: a JSON file with lists of images and label maps, "training", "validation", "test".

Each entry has "image" and "label", paths from the JSON file's folder; every value above 0 is lesion. "fold" is the fold
in which it is validated. Entries of "test" may be bare paths, or have no label, and are unlabelled. "patient" and
"pathology" (benign, malignant, normal) are read where they are there; MONAI hands such keys on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from salus.atomic import write_json
from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.files import find_root, remark_on
from salus.data.layouts.json_files import ImageFinder, json_files, read_dictionary, unique_names
from salus.data.layouts.label_maps import LabelMap
from salus.data.layouts.sample import Sample
from salus.errors import SalusError

FILE = "datalist.json"
PARTS = ("training", "validation", "test", "testing")


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has a datalist."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of a datalist.

    Raises:
        SalusError: there are several in the folder, or an entry is damaged.
    """
    folder = find_root(root, _has_layout) or root
    files = _datalists(folder)
    if len(files) > 1:
        raise SalusError(f"{folder}: has several datalists ({', '.join(p.name for p in files[:4])}); keep one there")
    path = files[0]
    content, finder = read_dictionary(path), ImageFinder(folder)
    entries = [_entry(path, entry) for part in PARTS for entry in content.get(part, [])]
    images = [finder.find(entry["image"], path) for entry in entries]
    cases, folds, missing = [], {}, []
    for entry, image, name in zip(entries, images, unique_names(images), strict=True):
        label = finder.find(entry["label"], path) if entry.get("label") else None
        missing += [file for file in (image, label) if file is not None and not file.is_file()]
        pathology = str(entry.get("pathology", "")).lower()
        case = Case(
            name=name,
            image=image,
            masks=None if label is None else (label,),
            patient=str(entry["patient"]) if entry.get("patient") else None,
            label=pathology if pathology in LABELS else None,
            source=folder.resolve().name,
            annotation=LabelMap(),
        )
        cases.append(case)
        if isinstance(entry.get("fold"), int):
            folds[case.name] = entry["fold"]
    remarks = remark_on(missing, f"named in {path.name}, but no file")
    return DataSet(folder, "monai", tuple(sorted(cases, key=lambda case: case.name)), folds, tuple(remarks))


def write(root: Path, samples: Iterable[Sample]) -> None:
    """Write images/, labels/ (PNG, 1 in the lesion) and datalist.json."""
    for part in ("images", "labels"):
        (root / part).mkdir()
    lists: dict[str, list[dict[str, Any]]] = {"training": [], "test": []}
    for sample in samples:
        entry: dict[str, Any] = {"image": f"images/{sample.save_image(root / 'images').name}"}
        if sample.mask is not None:
            sample.save_mask(root / "labels" / f"{sample.name}.png", value=1)
            entry["label"] = f"labels/{sample.name}.png"
        metadata = {"fold": sample.fold, "patient": sample.case.patient, "pathology": sample.case.label}
        entry |= {key: value for key, value in metadata.items() if value is not None}
        lists["test" if sample.mask is None else "training"].append(entry)
    write_json(root / FILE, {"name": root.resolve().name, "labels": {"0": "background", "1": "lesion"}, **lists})


def _entry(path: Path, entry: Any) -> dict[str, Any]:
    """Check one entry; a bare path is an image without a label."""
    if isinstance(entry, str):
        entry = {"image": entry}
    if isinstance(entry, dict) and isinstance(entry.get("image"), list) and entry["image"]:
        entry = entry | {"image": entry["image"][0]}  # the channels of one image
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise SalusError(f"{path}: an entry has no image; write {{'image': path, 'label': path}}")
    if not isinstance(entry.get("label", ""), str | None):
        raise SalusError(f"{path}: the label of {entry['image']} is no path but a class; Salus needs a mask's path")
    return entry


def _datalists(folder: Path) -> list[Path]:
    return [path for path in json_files(folder) if path.parent == folder and _is_datalist(read_dictionary(path))]


def _is_datalist(content: dict[str, Any]) -> bool:
    lists = [content[part] for part in PARTS if isinstance(content.get(part), list)]
    entries = [entry for entries in lists for entry in entries[:1]]
    return any(isinstance(entry, dict) and "image" in entry for entry in entries)


def _has_layout(folder: Path) -> bool:
    return bool(_datalists(folder))
