"""Decoded DICOM values to grey in [0, 1]: palette or colour, modality transform, VOI transform, inversion."""

from __future__ import annotations

from typing import Any

import numpy as np

from salus.scan import LUMA

FAR = 1e12
"""A value beyond every window, which a window turns into an end of its range."""


def grey_of(values: np.ndarray, header: Any) -> np.ndarray:
    """Grey values of one frame.

    Colour becomes luma (ITU-R BT.601). Grey values go through the modality transform (rescale or look-up table, PS3.3
    C.11.1) and the first VOI transform (look-up table or window, C.11.2), whose range becomes 0 to 1. Without a VOI
    transform eight stored bits are divided by 255; more say nothing of their range, so they are stretched from 0 (or
    a negative minimum) to the frame's own maximum, as in `salus.read.frames.read_scan`. MONOCHROME1 is inverted.

    Args:
        values: (rows, columns) as stored, or (rows, columns, 3) RGB.
        header: the pydicom Dataset.

    Returns:
        (rows, columns) float32 in [0, 1].
    """
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

    bits = int(header.get("BitsStored") or header.get("BitsAllocated") or 8)
    photometric = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    if photometric == "PALETTE COLOR":
        values = apply_color_lut(values, header)
        bits = 8 * values.dtype.itemsize
    if values.ndim == 3:
        luma = values[..., :3].astype(np.float32) @ np.asarray(LUMA, np.float32)
        return np.clip(luma / (2.0**bits - 1), 0, 1).astype(np.float32)
    grey: np.ndarray
    values = np.asarray(apply_modality_lut(values, header))
    if _has_voi(header):
        low, high = _range_of_voi(header)
        grey = (np.asarray(apply_voi_lut(values, header), np.float64) - low) / max(high - low, 1e-12)
    elif bits == 8 and values.dtype.kind == "u":
        grey = values / 255
    else:
        low, high = min(float(values.min()), 0.0), float(values.max())
        grey = (values - low) / (high - low) if high > low else np.zeros(values.shape)
    if (photometric == "MONOCHROME1") != (str(header.get("PresentationLUTShape", "")) == "INVERSE"):
        grey = 1 - grey
    return np.clip(grey, 0, 1).astype(np.float32)


def _has_voi(header: Any) -> bool:
    if header.get("VOILUTSequence"):
        return True
    return all(header.get(name) not in (None, "") for name in ("WindowCenter", "WindowWidth"))


def _range_of_voi(header: Any) -> tuple[float, float]:
    """The least and greatest value that the VOI transform gives."""
    from pydicom.pixels import apply_voi_lut

    if header.get("VOILUTSequence"):
        return 0.0, 2.0 ** int(header.VOILUTSequence[0].LUTDescriptor[2]) - 1
    low, high = apply_voi_lut(np.array([-FAR, FAR]), header)
    return float(low), float(high)
