"""Saliency of any image by any shipped method: resize to a square, estimate, and resize the map back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.preprocess import resize, to_uint8
from salus.read.formats import IMAGE_SUFFIXES, strip_suffix
from salus.read.frames import read_scan
from salus.read.inputs import as_scan
from salus.saliency.confidence import gate_maps
from salus.saliency.contour import FORMS
from salus.saliency.map import SaliencyMap
from salus.saliency.registry import get_confidence, get_method, get_prior
from salus.scan import Scan

SIZE = 256
"""Height and width at which maps are estimated, whatever the image's shape."""

FILES = "file"
"""Name of the method that reads maps from a folder."""


def estimate_saliency(
    scan: Scan | np.ndarray | Path | str,
    method: str = "learned",
    *,
    gate: bool = False,
    one_contour: str | None = None,
    folder: Path | str | None = None,
    device: str = "cpu",
) -> SaliencyMap:
    """Estimate where in an image a tumour is.

    Args:
        scan: a scan; a grey array (height, width), uint8 or floating point in [0, 1]; or an image file.
        method: a name in `salus.saliency.registry.METHODS`, or "file" for a map from `folder`.
        gate: move the map toward the location prior, the more the lower its confidence.
        one_contour: "hard" or "soft" keeps the strongest region; see `salus.saliency.contour`. It precedes the gate.
        folder: for the method "file": the folder with a map of the image's name, whatever its suffix and size.
        device: where the method "learned" runs: "cpu", "gpu", "cuda" or "cuda:1".

    Raises:
        SalusError: the image cannot be read, is no grey image, has a side below 8 or more than 16 million pixels; the
            method is unknown or its weights are missing; the gate has no fitted confidence; the map is missing.

    Example:
        >>> import numpy as np, tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from salus.saliency.estimate import estimate_saliency
        >>> from salus.scan import Scan
        >>> maps = Path(tempfile.mkdtemp())
        >>> Image.fromarray(np.full((9, 9), 51, np.uint8)).save(maps / "case1.png")
        >>> result = estimate_saliency(Scan(np.zeros((20, 30), np.float32), "images/case1.jpg"), "file", folder=maps)
        >>> result.shape, round(float(result.values.mean()), 3), result.confidence
        ((20, 30), 0.2, None)
    """
    scan = as_scan(scan)
    if method == FILES:
        maps, confidence = postprocess(_read_map(folder, scan)[None], FILES, gate, one_contour)
    else:
        image = to_uint8(resize(scan.pixels, (SIZE, SIZE)))
        maps, confidence = estimate_maps(image[None], method, gate=gate, one_contour=one_contour, device=device)
    values = np.clip(resize(maps[0], scan.shape), 0, 1)
    return SaliencyMap(values, method, None if confidence is None else float(confidence[0]), scan.source)


def estimate_maps(
    images: np.ndarray,
    method: str = "learned",
    *,
    gate: bool = False,
    one_contour: str | None = None,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray | None]:
    """Estimate the maps of many prepared images.

    Args:
        images: (n, s, s) uint8, as `salus.data.prepare.prepare` makes them.
        method: a name in `salus.saliency.registry.METHODS`.
        gate: as in `estimate_saliency`.
        one_contour: as in `estimate_saliency`.
        device: as in `estimate_saliency`.

    Returns:
        Maps (n, s, s) float32 in [0, 1]; and their confidences (n,) in [0, 1], None where the method has none fitted.

    Raises:
        SalusError: as `estimate_saliency`.
    """
    return postprocess(get_method(method, device).estimate(images), method, gate, one_contour)


def postprocess(
    maps: np.ndarray, method: str, gate: bool = False, one_contour: str | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Predict the confidence of a method's maps (n, h, w), then keep one contour and gate the maps where wanted.

    Returns:
        Maps (n, h, w); and the confidences (n,) of the maps as they were given, None where the method has none fitted.

    Raises:
        SalusError: as `check_method`, or the form of the contour is unknown.
    """
    check_method(method, gate)
    predictor, confidence = get_confidence(method), None
    if predictor is not None:
        prior = get_prior().resized(maps.shape[1:])
        confidence = predictor.predict(maps, prior)
    if one_contour is not None:
        if one_contour not in FORMS:
            raise SalusError(f"unknown form {one_contour!r} of one contour; choose one of {', '.join(FORMS)}")
        maps = np.array([FORMS[one_contour](saliency) for saliency in maps], np.float32).reshape(maps.shape)
    return (gate_maps(maps, confidence, prior) if gate and confidence is not None else maps), confidence


def check_method(method: str, gate: bool = False, device: str = "cpu") -> None:
    """Check that a method, and its gate where one is wanted, can be used.

    Raises:
        SalusError: the method is unknown or cannot run on the device, or a file that it or its gate needs is missing.
    """
    if method != FILES:
        get_method(method, device)
    elif device != "cpu":
        raise SalusError("maps from files need no device; leave out --device")
    if gate:
        get_prior()
        if get_confidence(method) is None:
            raise SalusError(f"no confidence is fitted for the method {method!r}; leave out the gate")


def _read_map(folder: Path | str | None, scan: Scan) -> np.ndarray:
    """Read the map in a folder that has the name of the scan's file; (h, w) float32 in [0, 1]."""
    if folder is None:
        raise SalusError("the method 'file' reads maps from a folder; name it (folder=..., or --maps-from FOLDER)")
    folder, file = Path(folder), Path(scan.source)
    if not folder.is_dir():
        raise SalusError(f"{folder}: no such folder of saliency maps")
    for stem in (file.name, strip_suffix(file)):  # the whole name where another image has the same without its suffix
        for suffix in (*IMAGE_SUFFIXES, *map(str.upper, IMAGE_SUFFIXES)):
            if (path := folder / f"{stem}{suffix}").is_file():
                return read_scan(path).pixels
    raise SalusError(f"{folder}: holds no map named as {scan.source}; wanted {strip_suffix(file)}.png")
