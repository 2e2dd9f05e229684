"""The layout of the published set: images/, masks/ and, where maps are shipped, saliency/, with equal file names.

Masks are 0/1 in some files and 0/255 in others; every value above 0 is lesion. An image without a mask is unlabelled.
A manifest.csv beside them (columns name and any of label, patient), as `salus data phantom` writes it, adds labels and
patients.
"""

from __future__ import annotations

from pathlib import Path

from salus.data.case import LABELS, Case, DataSet
from salus.data.layouts.files import find_root, images_by_stem, remark_on
from salus.errors import SalusError
from salus.read.table import read_table


def matches(root: Path) -> bool:
    """Tell whether `root`, or the only folder in it, has images/ and masks/."""
    return find_root(root, has_layout) is not None


def read(root: Path) -> DataSet:
    """List the cases of the published layout.

    Raises:
        SalusError: there are images and masks, but none with equal names; or the table has an unknown label, or a
            name twice.
    """
    folder = find_root(root, has_layout) or root
    remarks: list[str] = []
    images, masks = images_by_stem(folder / "images", remarks), images_by_stem(folder / "masks", remarks)
    maps = images_by_stem(folder / "saliency", remarks)
    if images and masks and not images.keys() & masks.keys():
        image, mask = next(iter(images.values())), next(iter(masks.values()))
        raise SalusError(
            f"{folder}: no image has a mask of its name (there are images/{image.name} and masks/{mask.name}); "
            "give them equal names, or write a manifest.csv with the columns image,mask"
        )
    table = folder / "manifest.csv"
    rows = read_table(table, ("name",), "name the images in it, or take it away") if table.is_file() else []
    metadata: dict[str, dict[str, str]] = {}
    for row in rows:
        row["label"] = row.get("label", "").lower()
        if row["label"] and row["label"] not in LABELS:
            raise SalusError(
                f"{table}: the label of {row['name']} is {row['label']!r}; write {', '.join(LABELS)} or nothing"
            )
        if metadata.setdefault(row["name"], row) is not row:
            raise SalusError(f"{table}: {row['name']!r} stands on several lines; a name must be unique")
    cases = tuple(
        Case(
            name=name,
            image=image,
            masks=(masks[name],) if name in masks else None,
            saliency=maps.get(name),
            patient=metadata.get(name, {}).get("patient") or None,
            label=metadata.get(name, {}).get("label") or None,
            source=folder.resolve().name,
        )
        for name, image in images.items()
    )
    remarks += remark_on((masks[name] for name in masks if name not in images), "a mask without an image")
    remarks += remark_on((images[name] for name in images if name not in masks), "an image without a mask")
    remarks += remark_on(
        (folder / "images" / name for name in metadata if name not in images), "in manifest.csv, but no file"
    )
    remarks += remark_on((maps[name] for name in maps if name not in images), "a saliency map without an image")
    return DataSet(folder, "published", cases, remarks=tuple(remarks))


def has_layout(folder: Path) -> bool:
    """Tell whether a folder itself has images/ and masks/."""
    return (folder / "images").is_dir() and (folder / "masks").is_dir()
