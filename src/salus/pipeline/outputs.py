"""Files for archives, viewers and annotation tools, made from a run's masks once they are written.

OUT/nifti/FILE.nii.gz           labels, a cine's frames as third axis
OUT/labelme/NAME.json           polygons
OUT/geojson/NAME.geojson        polygons, for QuPath
OUT/dicom-seg/NAME.dcm          where the input is DICOM, and a lesion was found; a cine has one for each frame
OUT/dicom-sr/FILE.dcm           the measurements (TID 1500), where the input is DICOM
OUT/dicom-sc/NAME.dcm           the overlay as secondary capture, where the input is DICOM
OUT/coco.json                   all images
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.pipeline.cine import file_name_of, group_by_file
from salus.pipeline.jobs import output_path
from salus.pipeline.source_file import source_file
from salus.read.frames import read_scan
from salus.read.image import read_mask
from salus.segmentation.result import Segmentation, findings_of
from salus.write.overlay import draw_overlay
from salus.write.tables import FAILED, Record

SUFFIXES = {
    "nifti": ".nii.gz", "labelme": ".json", "geojson": ".geojson",
    "dicom-seg": ".dcm", "dicom-sr": ".dcm", "dicom-sc": ".dcm",
}  # fmt: skip
"""Suffixes of the products that are made for each file, or each frame."""

COCO = "coco"
PRODUCTS = (*SUFFIXES, COCO)
EACH_FRAME = ("labelme", "geojson", "dicom-seg", "dicom-sc")
"""Products that hold one frame each."""


NAMED = 3
"""Products that a warning names; it counts the others."""


def read_segmentation(record: Record, folder: Path, probability: bool = False) -> Segmentation:
    """Read the segmentation of one image back from the files of a run.

    Args:
        record: of the image; not one that failed.
        folder: OUT.
        probability: read the map as well, to 1/255; without it, the mask stands for it.

    Raises:
        SalusError: a file is missing or damaged.
    """
    mask = read_mask(output_path(folder, "mask", record.name))
    if probability:
        values = read_scan(output_path(folder, "probability", record.name)).pixels
    else:
        values = mask.astype(np.float32)
    return Segmentation(
        mask=mask, probability=values, saliency=np.zeros_like(values), source=record.image, **findings_of(record)
    )


def product_path(folder: Path, product: str, name: str) -> Path:
    """Return the path of a product of a file, or of a frame.

    Example:
        >>> product_path(Path("out"), "dicom-seg", "ward/scan").as_posix()
        'out/dicom-seg/ward/scan.dcm'
    """
    return folder / f"{COCO}.json" if product == COCO else folder / product / f"{name}{SUFFIXES[product]}"


def require_packages(products: Collection[str], *, deidentify: bool = False) -> None:
    """Check, before any image is read, that what the products need is installed.

    Args:
        products: of `PRODUCTS`.
        deidentify: DICOM objects are de-identified.

    Raises:
        SalusError: a package is missing; the error names the command that installs it.
    """
    if "nifti" in products and find_spec("nibabel") is None:
        raise SalusError('NIfTI files need nibabel; pip install "salus[dicom]"')
    if any(name.startswith("dicom-") for name in products):
        from salus.write.dicom_source import import_highdicom

        import_highdicom()
        if deidentify:
            from salus.write.dicom_deidentify import profile_actions

            profile_actions()


def write_products(
    folder: Path,
    records: Sequence[Record],
    changed: set[str],
    products: Collection[str],
    *,
    fractional: bool = False,
    whole_image: bool = False,
    deidentify: bool = False,
    on_warning: Callable[[str], object] = lambda line: None,
) -> int:
    """Write the products of every file of which an image was segmented anew, or whose product is missing.

    Args:
        folder: OUT, with its masks.
        records: of every image, the lesions of cines numbered through their frames.
        changed: names of the images segmented in this run.
        products: of `PRODUCTS`.
        fractional: the DICOM segmentation holds probabilities, from OUT/probability.
        whole_image: the secondary capture shows what lies outside the ultrasound regions too.
        deidentify: DICOM objects are de-identified; see `salus.write.dicom_deidentify`.
        on_warning: called with one line for each reason why products cannot be made.

    Returns:
        How many could not be made.

    Raises:
        OSError: nothing can be written.
    """
    if not products:
        return 0
    reasons: dict[tuple[str, str], list[str]] = {}
    remarks: dict[str, list[str]] = {}
    segmented = [record for record in records if record.result != FAILED]
    changed_files = {file_name_of(record) for record in records if record.name in changed}
    for file_name, file_records in group_by_file(segmented).items():  # file by file, so that each is opened once
        dicom_made = False
        for product in (product for product in SUFFIXES if product in products):
            groups = {r.name: [r] for r in file_records} if product in EACH_FRAME else {file_name: file_records}
            for name, group in groups.items():
                path = product_path(folder, product, name)
                if file_name not in changed_files and path.is_file():  # a new frame may renumber all frames' lesions
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    _write_product(product, path, group, folder, fractional, whole_image, deidentify)
                except SalusError as error:
                    reasons.setdefault((product, str(error)), []).append(name)
                else:
                    dicom_made |= product.startswith("dicom-")
        for remark in _header_remarks(Path(file_records[0].image)) if dicom_made else ():
            remarks.setdefault(remark, []).append(file_name)
    for remark, names in remarks.items():
        on_warning(f"{_list_few(names)}: {remark}")
    for (product, reason), failed in reasons.items():
        on_warning(f"{product} of {_list_few(failed)}: {reason}")
    if COCO in products:
        from salus.write.coco import image_file_names, write_coco

        names = image_file_names(segmented)
        items = ((name, read_segmentation(r, folder)) for name, r in zip(names, segmented, strict=True))
        write_coco(product_path(folder, COCO, ""), items)
    return sum(map(len, reasons.values()))


def _header_remarks(image: Path) -> tuple[str, ...]:
    """Say what of a source's header its DICOM outputs do not repeat; nothing where it is no DICOM image."""
    from salus.read.dicom import DicomFrames
    from salus.write.dicom_source import header_remarks

    source = source_file(image).frames()
    return header_remarks(source) if isinstance(source, DicomFrames) else ()


def _list_few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _write_product(
    product: str,
    path: Path,
    records: Sequence[Record],
    folder: Path,
    fractional: bool,
    whole_image: bool,
    deidentified: bool,
) -> None:
    """Write one product of one file, or of one frame, from the masks of a run; see `write_products`."""
    segmentations = (read_segmentation(r, folder, fractional and product == "dicom-seg") for r in records)
    image = Path(records[0].image)
    write_product(
        product,
        path,
        image,
        records,
        segmentations,
        fractional=fractional,
        whole_image=whole_image,
        deidentified=deidentified,
    )


def write_product(
    product: str,
    path: Path,
    image: Path,
    records: Sequence[Record],
    segmentations: Iterator[Segmentation],
    *,
    file_name: str = "",
    fractional: bool = False,
    whole_image: bool = False,
    deidentified: bool = False,
) -> None:
    """Write one product of one file, or of one frame.

    Args:
        product: of `SUFFIXES`.
        path: of the product, in a folder that exists.
        image: the file that was segmented.
        records: of its frames, or of the one frame.
        segmentations: of the same.
        file_name: of the image, where it is stored under another one; "" takes that of `image`.
        fractional: see `write_products`, as are the others.
        whole_image: of the secondary capture.
        deidentified: of DICOM objects.

    Raises:
        SalusError: it cannot be made of this image.
        OSError: it cannot be written.
    """
    if product == "nifti":
        from salus.read.geometry import read_geometry
        from salus.write.nifti import write_nifti

        write_nifti(path, segmentations, read_geometry(image), len(records))
        return
    if product == "labelme":
        from salus.write.labelme import write_labelme

        write_labelme(path, file_name or image.name, next(segmentations))
        return
    if product == "geojson":
        from salus.write.geojson import write_geojson

        write_geojson(path, records[0], next(segmentations))
        return
    from salus.read.dicom import DicomFrames

    source = source_file(image).frames()
    if not isinstance(source, DicomFrames):
        raise SalusError("needs a DICOM image; this one is none")
    if product == "dicom-seg":
        from salus.write.dicom_seg import write_seg

        write_seg(path, source, next(segmentations), fractional=fractional, deidentified=deidentified)
    elif product == "dicom-sr":
        from salus.write.dicom_sr import write_sr

        write_sr(path, source, segmentations, deidentified=deidentified)
    else:
        from salus.write.dicom_sc import write_secondary_capture

        segmentation = next(segmentations)
        pixels = source.scan(segmentation.frame or 1).pixels
        picture = draw_overlay(pixels, segmentation.mask, () if whole_image else segmentation.regions)
        write_secondary_capture(path, source, picture, segmentation, deidentified=deidentified)
