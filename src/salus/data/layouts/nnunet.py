"""The layout of nnU-Net: imagesTr/NAME_0000.EXT, labelsTr/NAME.EXT and dataset.json (versions 1 and 2, and the MSD's).

Pictures, NIfTI and NRRD, one image a file. Of several channels (NAME_0001) the first is the image. `labels` in
dataset.json tell which values are lesion (`class_names`). Images in imagesTs have the labels in labelsTs, where there
are any, and are unlabelled else. splits_final.json, where it lies there, holds the folds. `write` also puts labels and
patients there, under the key "cases", which nnU-Net leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from salus.atomic import write_json
from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.class_names import choose_lesion_classes
from salus.data.layouts.files import find_root, remark_on
from salus.data.layouts.json_files import read_dictionary, read_json
from salus.data.layouts.label_maps import LabelMap, lesion_values
from salus.data.layouts.sample import Sample
from salus.errors import SalusError
from salus.read.formats import IMAGE_SUFFIXES, NIFTI_SUFFIXES, NRRD_SUFFIXES

ENDINGS = (".nii.gz", *IMAGE_SUFFIXES, *NIFTI_SUFFIXES, *NRRD_SUFFIXES)
CHANNEL = re.compile(r"(?P<name>.+)_(?P<channel>\d{4})")


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has imagesTr/ and labelsTr/ or dataset.json."""
    return find_root(root, _has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of nnU-Net's layout.

    Raises:
        SalusError: dataset.json is damaged, or its labels do not tell which values are lesion.
    """
    folder = find_root(root, _has_layout) or root
    table = folder / "dataset.json"
    description = read_json(table) if table.is_file() else {}
    if not isinstance(description, dict):
        raise SalusError(f"{table}: is no description of a data set; take it from nnU-Net's folder as it is")
    annotation = LabelMap(_lesion_values(table, description))
    cases_known = description.get("cases")
    known = cases_known if isinstance(cases_known, dict) else {}
    remarks: list[str] = []
    cases, without, channels = [], [], []
    for part in ("Tr", "Ts"):
        labels = _files(folder / f"labels{part}")
        images, others = _images(_files(folder / f"images{part}"), labels)
        channels += others
        for name, image in images.items():
            more = known.get(name, {})
            cases.append(
                Case(
                    name=name,
                    image=image,
                    masks=(labels[name],) if name in labels else None,
                    patient=more.get("patient") or None,
                    label=more.get("label") if more.get("label") in LABELS else None,
                    source=folder.resolve().name,
                    annotation=annotation,
                )
            )
        if part == "Tr":
            without += [image for name, image in images.items() if name not in labels]
        remarks += remark_on((path for name, path in labels.items() if name not in images), "labels without an image")
    remarks += remark_on(without, "an image without labels")
    remarks += remark_on(channels, "another channel than the first, which is left out")
    cases = _named_once(folder, cases)
    folds = _read_folds(folder / "splits_final.json", {case.name for case in cases})
    return DataSet(folder, "nnunet", tuple(sorted(cases, key=lambda case: case.name)), folds, tuple(remarks))


def write(root: Path, samples: Iterable[Sample]) -> None:
    """Write nnU-Net's folders (version 2), all images as 8-bit grey PNG; unlabelled ones go to imagesTs."""
    for part in ("imagesTr", "labelsTr"):
        (root / part).mkdir()
    folds: dict[int, list[str]] = {}
    known, count = {}, 0
    for sample in samples:
        part = "Ts" if sample.mask is None else "Tr"
        (root / f"images{part}").mkdir(exist_ok=True)
        sample.save_image(root / f"images{part}", f"{sample.name}_0000", grey=True)
        if sample.mask is not None:
            sample.save_mask(root / "labelsTr" / f"{sample.name}.png", value=1)
            count += 1
            if sample.fold is not None:
                folds.setdefault(sample.fold, []).append(sample.name)
        metadata = {"label": sample.case.label, "patient": sample.case.patient}
        known[sample.name] = {key: value for key, value in metadata.items() if value}
    description: dict[str, Any] = {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": count,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    if any(known.values()):
        description["cases"] = {name: metadata for name, metadata in known.items() if metadata}
    write_json(root / "dataset.json", description)
    if folds:
        names = [name for members in folds.values() for name in members]
        splits = [
            {"train": [name for name in names if name not in set(folds[number])], "val": folds[number]}
            for number in sorted(folds)
        ]
        write_json(root / "splits_final.json", splits)


def _lesion_values(table: Path, description: dict[str, Any]) -> tuple[int, ...] | None:
    """Read which values are lesion; None, every value above 0, where the file does not say."""
    labels = description.get("labels")
    if not isinstance(labels, dict) or not labels:
        return None
    try:
        if all(str(key).isdigit() for key in labels):  # version 1: names by number
            labels = {str(name): int(number) for number, name in labels.items()}
        values: dict[str, int | Sequence[int]] = {
            str(name): int(value) if isinstance(value, int | str) else [int(one) for one in value]
            for name, value in labels.items()
        }
    except (TypeError, ValueError):
        raise SalusError(f"{table}: its labels are no names with numbers; see nnU-Net's description") from None
    named = {name for name, value in values.items() if value not in (0, [0]) and name != "ignore"}
    return lesion_values(values, choose_lesion_classes(named, table))


def _files(folder: Path) -> dict[str, Path]:
    """List the image files of a folder by name without ending."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
        if ending and not path.name.startswith("."):
            found.setdefault(path.name[: -len(ending)], path)
    return found


def _images(files: dict[str, Path], labels: dict[str, Path]) -> tuple[dict[str, Path], list[Path]]:
    """Name images without the number of their channel, and list the files of further channels."""
    images, others = {}, []
    for stem, path in files.items():
        match = CHANNEL.fullmatch(stem)
        if match is None or stem in labels:
            images[stem] = path
        elif match["channel"] == "0000":
            images[match["name"]] = path
        else:
            others.append(path)
    return images, others


def _named_once(folder: Path, cases: list[Case]) -> list[Case]:
    """Check that no test image has the name of a training image."""
    seen: set[str] = set()
    for case in cases:
        if case.name in seen:
            raise SalusError(f"{folder}: {case.name} is in imagesTr and in imagesTs; rename one")
        seen.add(case.name)
    return cases


def _read_folds(path: Path, names: set[str]) -> dict[str, int]:
    """Read nnU-Net's folds: that in which a case is validated, from 1; none where there is no file."""
    if not path.is_file():
        return {}
    try:
        splits = [split["val"] for split in read_json(path)]
        return {name: number for number, members in enumerate(splits, 1) for name in members if name in names}
    except (KeyError, TypeError):
        raise SalusError(f"{path}: is no list of splits with train and val; take it from nnU-Net as it is") from None


def _has_layout(folder: Path) -> bool:
    if not (folder / "imagesTr").is_dir():
        return False
    return (folder / "labelsTr").is_dir() or "labels" in read_dictionary(folder / "dataset.json")
