"""Convert decoded DICOM values to grey in [0, 1]: palette or colour, modality transform, VOI transform, inversion."""

from __future__ import annotations

from typing import Any

import numpy as np

from salus.scan import LUMA

BEYOND_WINDOW = 1e12
"""Value outside every window; a window maps it, and its negative, to the ends of its range."""


def apply_grey_transforms(values: np.ndarray, header: Any) -> np.ndarray:
    """Convert the decoded values of one frame to grey values.

    Colour becomes luma (ITU-R BT.601). Grey values go through the modality transform (rescale or look-up table, PS3.3
    C.11.1) and the first VOI transform (look-up table or window, C.11.2), whose range becomes 0 to 1. Without a VOI
    transform eight stored bits are divided by 255; more say nothing of their range, so they are stretched from 0 (or
    a negative minimum) to the frame's own maximum, as by `salus.scan.to_grey`. MONOCHROME1 is inverted.

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
    if _has_voi_transform(header):
        low, high = _voi_range(header)
        grey = (np.asarray(apply_voi_lut(values, header), np.float64) - low) / max(high - low, 1e-12)
    elif bits == 8 and values.dtype.kind == "u":
        grey = values / 255
    else:
        low, high = min(float(values.min()), 0.0), float(values.max())
        grey = (values - low) / (high - low) if high > low else np.zeros(values.shape)
    if (photometric == "MONOCHROME1") != (str(header.get("PresentationLUTShape", "")) == "INVERSE"):
        grey = 1 - grey
    return np.clip(grey, 0, 1).astype(np.float32)


def _has_voi_transform(header: Any) -> bool:
    if header.get("VOILUTSequence"):
        return True
    return all(header.get(name) not in (None, "") for name in ("WindowCenter", "WindowWidth"))


def _voi_range(header: Any) -> tuple[float, float]:
    """Return the smallest and the largest value that the first VOI transform can give."""
    from pydicom.pixels import apply_voi_lut

    if header.get("VOILUTSequence"):
        return 0.0, 2.0 ** int(header.VOILUTSequence[0].LUTDescriptor[2]) - 1
    low, high = apply_voi_lut(np.array([-BEYOND_WINDOW, BEYOND_WINDOW]), header)
    return float(low), float(high)
