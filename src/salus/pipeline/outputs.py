"""Files for archives, viewers and annotation tools, made of a run's masks once they are written.

OUT/nifti/FILE.nii.gz           labels, a cine's frames as third axis
OUT/labelme/NAME.json           polygons
OUT/dicom-seg/NAME.dcm          where the input is DICOM, and a lesion was found; a cine has one for each frame
OUT/dicom-sr/FILE.dcm           the measurements (TID 1500), where the input is DICOM; so is the next
OUT/dicom-sc/NAME.dcm           the overlay as secondary capture
OUT/coco.json                   all images
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.pipeline.cine import by_file
from salus.pipeline.jobs import place
from salus.read.frames import kind_of, open_frames, read_scan
from salus.read.image import read_mask
from salus.segmentation.result import Segmentation
from salus.write.overlay import overlay
from salus.write.tables import FAILED, Record

SUFFIXES = {"nifti": ".nii.gz", "labelme": ".json", "dicom-seg": ".dcm", "dicom-sr": ".dcm", "dicom-sc": ".dcm"}
"""Of the products that are made for each file, or each frame."""

COCO = "coco"
PRODUCTS = (*SUFFIXES, COCO)
EACH_FRAME = ("labelme", "dicom-seg", "dicom-sc")
"""Products that hold one frame each."""


def segmentation_of(record: Record, folder: Path, probability: bool = False) -> Segmentation:
    """What was found in one image, from the files of a run.

    Args:
        record: of the image; not one that failed.
        folder: OUT.
        probability: read the map as well, to 1/255; without it, the mask stands for it.

    Raises:
        SalusError: a file is missing or damaged.
    """
    mask = read_mask(place(folder, "mask", record.name))
    values = read_scan(place(folder, "probability", record.name)).pixels if probability else mask.astype(np.float32)
    return Segmentation(
        mask=mask,
        probability=values,
        saliency=np.zeros_like(values),
        presence=record.presence or 0.0,
        lesions=record.lesions,
        confidence=record.confidence or 0.0,
        strangeness=record.strangeness or 0.0,
        flags=record.flags,
        spacing=record.spacing,
        regions=record.regions,
        source=record.image,
        network=record.network,
        frame=record.frame,
    )


def place_of(folder: Path, product: str, name: str) -> Path:
    """Where a product of a file, or of a frame, lies.

    Example:
        >>> str(place_of(Path("out"), "dicom-seg", "ward/scan"))
        'out/dicom-seg/ward/scan.dcm'
    """
    return folder / f"{COCO}.json" if product == COCO else folder / product / f"{name}{SUFFIXES[product]}"


def write_products(
    folder: Path,
    records: Sequence[Record],
    changed: set[str],
    products: Iterable[str],
    *,
    fractional: bool = False,
    whole_image: bool = False,
    deidentify: bool = False,
    told: Callable[[str], object] = lambda line: None,
) -> int:
    """Write the products of every file of which an image was made anew, or whose product is missing.

    Args:
        folder: OUT, with its masks.
        records: tracked, of every image.
        changed: names of the images made in this run.
        products: of `PRODUCTS`.
        fractional: the DICOM segmentation holds probabilities, from OUT/probability.
        whole_image: the secondary capture shows what lies outside the ultrasound regions too.
        deidentify: DICOM objects are de-identified; see `salus.write.dicom_deidentify`.
        told: called with one line for each product that cannot be made.

    Returns:
        How many could not be made.

    Raises:
        OSError: nothing can be written.
    """
    failed = 0
    good = [record for record in records if record.result != FAILED]
    for product in products:
        if product == COCO:
            from salus.write.coco import write_coco

            items = [(record.name, segmentation_of(record, folder)) for record in good]
            write_coco(place_of(folder, COCO, ""), items)
            continue
        groups = {r.name: [r] for r in good} if product in EACH_FRAME else by_file(good)
        for name, group in groups.items():
            path = place_of(folder, product, name)
            if changed.isdisjoint(record.name for record in group) and path.is_file():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write(product, path, group, folder, fractional, whole_image, deidentify)
            except SalusError as error:
                failed += 1
                told(f"{product} of {name}: {error}")
    return failed


def _write(
    product: str,
    path: Path,
    group: Sequence[Record],
    folder: Path,
    fractional: bool,
    whole_image: bool,
    deidentified: bool,
) -> None:
    """One product of one file; see `write_products`."""
    found = [segmentation_of(record, folder, fractional and product == "dicom-seg") for record in group]
    source, first = Path(group[0].image), found[0]
    if product == "nifti":
        from salus.write.nifti import write_nifti

        write_nifti(path, found)
    elif product == "labelme":
        from salus.write.labelme import write_labelme

        write_labelme(path, source.name, first)
    elif kind_of(source) != "dicom":
        raise SalusError("needs a DICOM image; this one is none")
    elif product == "dicom-seg":
        from salus.write.dicom_seg import write_seg

        write_seg(path, source, first, fractional=fractional, deidentified=deidentified)
    elif product == "dicom-sr":
        from salus.write.dicom_sr import write_sr

        write_sr(path, source, found, deidentified=deidentified)
    else:
        from salus.write.dicom_sc import write_capture

        pixels = open_frames(source).scan(first.frame or 1).pixels
        picture = overlay(pixels, first.mask, () if whole_image else first.regions)
        write_capture(path, source, picture, first, deidentified=deidentified)
