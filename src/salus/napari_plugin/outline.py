"""Outline the frames of a layer, take prompts from places in it, and save corrected labels; without napari itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_json
from salus.errors import SalusError
from salus.prompts.prompt import Prompt, make_prompt
from salus.read.frames import open_frames
from salus.read.inputs import as_scan
from salus.scan import Scan, mask_outside_regions
from salus.segmentation.lesion_masks import lesion_masks
from salus.segmentation.region_results import measure_mask
from salus.segmentation.result import Segmentation
from salus.segmentation.review import Review

HALF = 0.5
"""napari names a pixel by its middle; from the image's corner, as prompts count, that lies half a pixel further."""

LEFT_OUT = "what was drawn outside the ultrasound image was left out"
"""The flag of a correction that went beyond the image's regions."""


class LayerImage:
    """The frames behind an image layer.

    Args:
        data: of the layer, (rows, columns), with channels where `is_rgb`, or with frames before.
        is_rgb: whether the last axis is colour.
        path: of the file that the layer was read from by Salus, which then is read with its regions and pixel size;
            None takes the data, whose pixels have no size in mm.

    Raises:
        SalusError: the data are no image and no frames.
    """

    def __init__(self, data: Any, is_rgb: bool = False, path: str | None = None) -> None:
        self.data, self.path = data, path
        self.has_frames = len(data.shape) - is_rgb == 3
        if len(data.shape) - is_rgb not in (2, 3):
            raise SalusError("the layer is no image and no cine; choose one of two dimensions, or of frames and two")
        self.count = data.shape[0] if self.has_frames else 1
        self.shape = (int(data.shape[self.has_frames]), int(data.shape[self.has_frames + 1]))
        self._frames = open_frames(path) if path else None

    def scan(self, index: int) -> Scan:
        """Read a frame, by its index from 0."""
        if self._frames is not None:
            return self._frames.scan(index + 1)
        scan = as_scan(np.asarray(self.data[index] if self.has_frames else self.data))
        return replace(scan, frame=index + 1) if self.has_frames else scan


def make_layer_prompt(points: np.ndarray, not_points: np.ndarray, boxes: Sequence[np.ndarray]) -> Prompt:
    """Make the prompt of a frame from places in the data of its layer.

    Args:
        points: (n, 2) rows and columns inside the tumour.
        not_points: (n, 2) outside it.
        boxes: (corners, 2) of each shape around it, of which the upright rectangle is taken.

    Example:
        >>> make_layer_prompt(np.array([[9, 4]]), np.zeros((0, 2)), [np.array([[0, 1], [8, 6]])]).boxes
        ((1.5, 0.5, 6.5, 8.5),)
    """
    corners = [(*box.min(axis=0)[::-1], *box.max(axis=0)[::-1]) for box in boxes if len(box)]
    prompt = make_prompt(_places(points), _places(not_points))
    for corner in corners:
        prompt += make_prompt((), (), [float(value) + HALF for value in corner])
    return prompt


def _places(rows_and_columns: np.ndarray) -> list[tuple[float, float]]:
    return [(float(column) + HALF, float(row) + HALF) for row, column in np.reshape(rows_and_columns, (-1, 2))]


def correct(result: Segmentation, labels: np.ndarray, scan: Scan, saved: str = "") -> Segmentation:
    """Put corrected labels in place of a network's mask, and measure them.

    Args:
        result: of the frame by the network.
        labels: (rows, columns); what is above 0 is tumour.
        scan: of the frame.
        saved: when, ISO 8601; "" is now.

    Returns:
        The same result where the mask is the same; else one whose lesions are measured anew, in each region with its
        own pixel size, and whose review says that a person drew or corrected them. What lies outside the regions is
        left out, and flagged.
    """
    drawn = np.asarray(labels) > 0
    mask = mask_outside_regions(drawn, scan.regions)
    if np.array_equal(mask, result.mask):
        return result
    lesions = measure_mask(scan.parts, mask, result.probability, scan.pixels)
    flags = result.flags if np.array_equal(mask, drawn) else (*result.flags, LEFT_OUT)
    changed = replace(result, mask=mask, lesions=lesions, flags=flags, pixels=scan.pixels)
    methods = tuple(
        "SEMIAUTOMATIC" if (lesion & result.mask).any() else "MANUAL" for _, lesion in lesion_masks(changed)
    )
    when = saved or datetime.now(UTC).isoformat(timespec="seconds")
    return replace(changed, review=Review("", when, methods))


def save_labels(path: Path, image: LayerImage, results: Mapping[int, Segmentation], labels: np.ndarray) -> int:
    """Save the outlines of the frames that were outlined.

    Args:
        path: its suffix says what is written: .png the mask (255 tumour), of a cine one for each frame in a folder of
            the name; .nii.gz the lesions' numbers, on the file's own grid; .json the measurements; .dcm a DICOM
            segmentation, of a cine .zip one for each frame.
        image: the layer's.
        results: of the network, by index of the frame.
        labels: (rows, columns), or (frames, rows, columns), corrected or not.

    Returns:
        The number of frames.

    Raises:
        SalusError: nothing was outlined, the suffix is none of these, or the format does not suit the image.
        OSError: a file cannot be written.
    """
    if not results:
        raise SalusError("nothing is outlined yet; outline an image, then save")
    frames = [
        correct(results[index], labels[index] if image.has_frames else labels, image.scan(index))
        for index in sorted(results)
    ]
    name = path.name.lower()
    if name.endswith(".png"):
        for frame in frames:
            target = path.with_suffix("") / f"{frame.frame or 1:04}.png" if image.has_frames else path
            target.parent.mkdir(parents=True, exist_ok=True)
            frame.save(target)
    elif name.endswith((".nii", ".nii.gz")):
        from salus.read.geometry import read_geometry
        from salus.write.nifti import write_nifti

        write_nifti(path, iter(frames), read_geometry(image.path) if image.path else None, len(frames))
    elif name.endswith(".json"):
        write_json(path, [frame.to_dict() for frame in frames] if image.has_frames else frames[0].to_dict())
    elif name.endswith((".dcm", ".zip")):
        _save_dicom(path, image, frames)
    else:
        raise SalusError(f"{path}: give .png, .nii.gz, .json, or .dcm (of a cine .zip)")
    return len(frames)


def _save_dicom(path: Path, image: LayerImage, frames: list[Segmentation]) -> None:
    """Write the DICOM segmentation of an image, or of each frame into a ZIP file."""
    from salus.write.dicom_seg import write_seg, write_seg_zip

    if image.path is None:
        raise SalusError(f"{path}: a DICOM segmentation needs a DICOM image that was opened with Salus")
    wanted = ".zip" if image.has_frames else ".dcm"
    if path.suffix.lower() != wanted:
        raise SalusError(f"{path}: give {wanted} for this image")
    source = Path(image.path)
    written = write_seg_zip(path, source, frames) if image.has_frames else write_seg(path, source, frames[0])
    if not written:
        raise SalusError(f"{path}: not written, for DICOM knows no segmentation without a lesion")
