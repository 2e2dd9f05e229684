"""Decode frames of a DICOM file to values as stored, colour as RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.dicom_header import DicomHeader, import_pydicom, open_data_set
from salus.read.dicom_pixels import read_photometric

PHOTOMETRICS = {
    1: ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"),
    3: ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),
}
"""Photometric interpretations that are read, for each number of samples of a pixel."""

RUN_LENGTH = "1.2.840.10008.1.2.5"
JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203")
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
"""Transfer syntaxes."""


def check_pixel_description(path: Path, dataset: Any) -> None:
    """Check that every attribute that says how pixel values are stored can be applied.

    Raises:
        SalusError: one cannot.
    """
    samples, allocated, stored, signed = (
        _integer(dataset, name, default)
        for name, default in (
            ("SamplesPerPixel", 1), ("BitsAllocated", 8), ("BitsStored", None), ("PixelRepresentation", 0)
        )
    )  # fmt: skip
    if samples not in PHOTOMETRICS or allocated not in (8, 16):
        raise SalusError(
            f"{path}: {samples} values of {allocated} bits a pixel are not read; convert it to 8 or 16 bits"
        )
    photometric = read_photometric(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    if photometric not in PHOTOMETRICS[samples] or (photometric in ("YBR_ICT", "YBR_RCT") and syntax not in JPEG_2000):
        known = photometric if photometric.replace("_", "").replace(" ", "").isalnum() else "unknown"
        raise SalusError(
            f"{path}: pixels of the kind {known[:16]} with {samples} {'value' if samples == 1 else 'values'} are not "
            "read; convert it to MONOCHROME2 or RGB"
        )
    stored = allocated if stored is None else stored
    high = _integer(dataset, "HighBit", stored - 1)
    if not 1 <= stored <= high + 1 <= allocated or signed not in (0, 1) or (signed and samples == 3):
        raise SalusError(
            f"{path}: its pixels are said to have {stored} of {allocated} bits with the highest at {high}"
            f"{', signed' * bool(signed)}, which is not possible; it is damaged"
        )
    if high != stored - 1 and not _is_stored_in_words(syntax):
        raise SalusError(f"{path}: its compressed pixels are said to have the highest bit at {high}; decompress it")
    if stored != allocated and photometric.startswith("YBR"):
        raise SalusError(f"{path}: YBR pixels of {stored} of {allocated} bits are not read; convert it to RGB")


def decode_frame(path: Path, header: DicomHeader, frames: int, index: int) -> np.ndarray:
    """Decode one frame.

    Args:
        path: the file.
        header: of the file.
        frames: how many the pixel data hold.
        index: from 0.

    Returns:
        (rows, columns) integers as stored, or (rows, columns, 3) RGB.

    Raises:
        Exception: pydicom and the decoders raise many kinds for damaged data.
    """
    pydicom, dataset = import_pydicom(), header.dataset
    syntax = dataset.file_meta.TransferSyntaxUID
    allocated = int(dataset.get("BitsAllocated", 8))
    stored = int(dataset.get("BitsStored") or allocated)
    is_signed = bool(dataset.get("PixelRepresentation"))
    photometric = read_photometric(dataset)
    options = pydicom.pixels.utils.as_pixel_options(
        dataset, number_of_frames=frames, transfer_syntax_uid=syntax, pixel_vr=header.pixel_type,
        pixel_keyword="PixelData", photometric_interpretation=photometric, bits_allocated=allocated,
        bits_stored=stored, pixel_representation=int(is_signed),
        samples_per_pixel=int(dataset.get("SamplesPerPixel") or 1),
    )  # fmt: skip
    if options["samples_per_pixel"] == 3:
        options.setdefault("planar_configuration", 0)
    has_other_bits = _is_stored_in_words(syntax) and stored < allocated
    if has_other_bits:  # overlays or noise may fill the other bits: they are cut off below
        options |= {"bits_stored": allocated, "pixel_representation": 0}
    with open_data_set(path) as file:
        file.seek(header.pixel_offset)
        decoder = pydicom.pixels.get_decoder(syntax)
        values = np.asarray(decoder.as_array(file, index=index, validate=True, raw=False, **options)[0])
    if has_other_bits:
        high = dataset.get("HighBit")
        values = _extract_bits(values, stored, stored - 1 if high is None else int(high), is_signed)
    return values


def _extract_bits(values: np.ndarray, stored: int, high: int, is_signed: bool) -> np.ndarray:
    """Take the bits from `high` downwards that hold a value (PS3.5 8.1.1)."""
    extracted = (values.astype(np.int32) >> (high + 1 - stored)) & (2**stored - 1)
    if is_signed:
        extracted -= (extracted >> (stored - 1)) << stored
    return extracted


def _is_stored_in_words(syntax: Any) -> bool:
    """Tell whether values are stored in words of BitsAllocated, as uncompressed and run-length files do."""
    return not syntax.is_encapsulated or syntax == RUN_LENGTH


def _integer(dataset: Any, name: str, default: Any) -> Any:
    value = dataset.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1
