"""Convert decoded DICOM values to grey in [0, 1]: palette or colour, modality transform, VOI transform, inversion."""

from __future__ import annotations

from collections.abc import MutableSequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.dicom_tables import LookupTable, read_lookup_table
from salus.scan import LUMA

SMALLEST_WIDTH = {"LINEAR": 1.0, "LINEAR_EXACT": 0.0, "SIGMOID": 0.0}
"""VOI LUT functions, and the width from which on (LINEAR) or above which each is defined (PS3.3 C.11.2.1.2, .3)."""


@dataclass(frozen=True)
class Window:
    """A VOI window: `function` is a key of `SMALLEST_WIDTH`."""

    center: float
    width: float
    function: str

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Map values to [0, 1] (PS3.3 C.11.2.1.2 and C.11.2.1.3).

        Example:
            >>> Window(100, 201, "LINEAR").apply(np.array([-5.0, 99.5, 200.0])).tolist()
            [0.0, 0.5, 1.0]
        """
        if self.function == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700)))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)


def apply_grey_transforms(values: np.ndarray, header: Any, index: int = 0) -> np.ndarray:
    """Convert the decoded values of one frame to grey values.

    Colour becomes luma (ITU-R BT.601). Grey values go through the modality transform (look-up table or rescale, PS3.3
    C.11.1) and the first VOI transform (look-up table or window, C.11.2), whose range becomes 0 to 1. Without a VOI
    transform the range of up to eight stored bits, and that of a modality table, becomes 0 to 1; more stored bits say
    nothing of their range, so they are stretched from 0 (or a negative minimum) to the frame's own maximum, as by
    `salus.scan.to_grey`. MONOCHROME1 is inverted, unless PresentationLUTShape is IDENTITY.

    Args:
        values: (rows, columns) as stored, or (rows, columns, 3) RGB.
        header: the pydicom Dataset.
        index: of the frame, from 0; an enhanced object may have transforms of its own for each.

    Returns:
        (rows, columns) float32 in [0, 1].

    Raises:
        SalusError: an attribute cannot be applied; the message names no file.
    """
    bits = int(header.get("BitsStored") or header.get("BitsAllocated") or 8)
    photometric = read_photometric(header)
    if photometric == "PALETTE COLOR":
        values, bits = _apply_palette(values, header), 16
    if values.ndim == 3:
        luma = values[..., :3].astype(np.float32) @ np.asarray(LUMA, np.float32)
        return np.clip(luma / (2.0**bits - 1), 0, 1).astype(np.float32)
    grey, limits = _apply_modality(values, header, index, bits)
    voi = _read_voi(header, index)
    if isinstance(voi, LookupTable):
        grey = voi.look_up(grey) / (2.0**voi.bits - 1)
    elif voi is not None:
        grey = voi.apply(grey)
    else:
        low, high = limits or (min(float(grey.min()), 0.0), float(grey.max()))
        grey = (grey - low) / (high - low) if high != low else np.zeros(grey.shape)
    # The shape, where there is one, states the same inversion as MONOCHROME1, not a second (PS3.3 C.8.11.3.1.2).
    shape = str(header.get("PresentationLUTShape", ""))
    if shape == "INVERSE" or (photometric == "MONOCHROME1" and shape != "IDENTITY"):
        grey = 1 - grey
    return np.clip(grey, 0, 1).astype(np.float32)


def read_photometric(header: Any) -> str:
    """Read the photometric interpretation; that of grey or RGB values where a file states none."""
    default = "RGB" if header.get("SamplesPerPixel") == 3 else "MONOCHROME2"
    return str(header.get("PhotometricInterpretation") or default)


def describe_ignored_fields(header: Any) -> tuple[str, ...]:
    """Make a note of each field of a header that is not applied as it stands.

    These are a window that the standard does not define, and a modality table's number of bits of which its entries
    leave four or more unused.

    Raises:
        SalusError: a field is none of the standard's; the message names no file.
    """
    if header.get("VOILUTSequence") or read_photometric(header) not in ("MONOCHROME1", "MONOCHROME2"):
        return ()
    notes: tuple[str, ...] = ()
    voi = _read_voi(header, 0)
    stated = [name for name in ("WindowCenter", "WindowWidth") if header.get(name) not in (None, "")]
    if stated and voi is None:
        notes += ("its window (WindowCenter, WindowWidth) is not valid and was not applied",)
    if header.get("ModalityLUTSequence") and voi is None:
        table = _read_modality_table(header)
        if table.used_bits:
            notes += (
                f"its modality table says {table.bits} bits; its entries have {table.used_bits}, which were taken",
            )
    return notes


def _apply_palette(values: np.ndarray, header: Any) -> np.ndarray:
    """Return (rows, columns, 3) RGB of 16 bits."""
    if "SegmentedRedPaletteColorLookupTableData" in header:
        raise SalusError("its colours are a segmented palette, which is not read; save it as RGB")
    colours = []
    for name in ("Red", "Green", "Blue"):
        table = read_lookup_table(
            header, f"{name}PaletteColorLookupTableDescriptor", f"{name}PaletteColorLookupTableData",
            is_little_endian=_is_little_endian(header), is_input_signed=_is_signed(header),
        )  # fmt: skip
        colours.append(table.look_up(values) * (65535 / (2**table.bits - 1)))
    return np.stack(colours, axis=-1)


def _apply_modality(
    values: np.ndarray, header: Any, index: int, bits: int
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Apply the modality table, or the rescale slope and intercept.

    Returns:
        The values, and what becomes black and white without a VOI transform; None where that is not known.
    """
    limits: tuple[float, float] | None = None
    if bits <= 8:
        limits = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if _is_signed(header) else (0.0, 2.0**bits - 1)
    grey = values.astype(np.float64)
    if header.get("ModalityLUTSequence"):
        table = _read_modality_table(header)
        return table.look_up(grey).astype(np.float64), (0.0, 2.0 ** (table.used_bits or table.bits) - 1)
    group = _functional_group(header, index, "PixelValueTransformationSequence") or header
    slope, intercept = (_read_number(group, name, default) for name, default in (("Slope", 1.0), ("Intercept", 0.0)))
    if slope == 0 or not (isfinite(slope) and isfinite(intercept)):
        raise SalusError("its RescaleSlope or RescaleIntercept is no number, or the slope is 0")
    if limits is not None:
        low, high = limits
        limits = (slope * low + intercept, slope * high + intercept)
        limits = (min(limits), max(limits))
    return grey * slope + intercept, limits


def _read_modality_table(header: Any) -> LookupTable:
    return read_lookup_table(
        header.ModalityLUTSequence[0], "LUTDescriptor", "LUTData",
        is_little_endian=_is_little_endian(header), is_input_signed=_is_signed(header),
    )  # fmt: skip


def _read_number(group: Any, name: str, default: float) -> float:
    value = group.get(f"Rescale{name}")
    return default if value in (None, "") else _first_number(value)


def _read_voi(header: Any, index: int) -> LookupTable | Window | None:
    """Read the first VOI table, else the first window; None without one, and where it is not valid."""
    group = _functional_group(header, index, "FrameVOILUTSequence") or header
    if group.get("VOILUTSequence"):
        return read_lookup_table(
            group.VOILUTSequence[0], "LUTDescriptor", "LUTData",
            is_little_endian=_is_little_endian(header), is_input_signed=_is_signed(header),
        )  # fmt: skip
    center, width = (_first_number(group.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if not (isfinite(center) and isfinite(width)):
        return None
    function = str(group.get("VOILUTFunction") or "LINEAR")
    if function not in SMALLEST_WIDTH:
        raise SalusError("its VOILUTFunction is none of LINEAR, LINEAR_EXACT and SIGMOID")
    smallest = SMALLEST_WIDTH[function]
    is_valid = width >= smallest if function == "LINEAR" else width > smallest
    return Window(center, width, function) if is_valid else None


def _first_number(value: Any) -> float:
    """Return the first number of an attribute's value; NaN where there is none."""
    first = next(iter(value), None) if isinstance(value, MutableSequence) else value
    try:
        return float(first)  # type: ignore[arg-type]  # a number or its text
    except (TypeError, ValueError):
        return nan


def _functional_group(header: Any, index: int, name: str) -> Any:
    """Return the item that holds for a frame in an enhanced object (PS3.3 C.7.6.16); None without one."""
    for sequence, position in (("PerFrameFunctionalGroupsSequence", index), ("SharedFunctionalGroupsSequence", 0)):
        items = header.get(sequence) or ()
        if position < len(items) and items[position].get(name):
            return items[position].get(name)[0]
    return None


def _is_signed(header: Any) -> bool:
    return bool(header.get("PixelRepresentation"))


def _is_little_endian(header: Any) -> bool:
    return bool(header.file_meta.TransferSyntaxUID.is_little_endian)
