"""Make phantoms: synthetic breast sonograms with exact masks, to test and try everything without a patient's image.

A phantom is simulated from physics: layers of tissue full of unresolved scatterers (`tissue`), a tumour (`lesion`), a
pulse, speckle and shadows (`speckle`), a scanner's geometry, gain and log compression (`scanner`), and what is written
over the image (`annotations`). Phantoms stand in for real images in tests and in a first try. How well a network does
on them says nothing about patients.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from salus.data.phantom.annotations import draw_marks
from salus.data.phantom.lesion import draw_lesion
from salus.data.phantom.scanner import draw_scanner, scan
from salus.data.phantom.tissue import draw_tissue
from salus.errors import SalusError

MIN_SIDE = 64
"""The shortest side a phantom may have, pixels."""

COLUMNS = ("name", "label", "patient", "spacing_row_mm", "spacing_column_mm")
"""The columns of the manifest that `write_phantoms` writes."""


@dataclass(frozen=True, eq=False)
class Phantom:
    """One synthetic sonogram with its mask.

    Attributes:
        image: (height, width) uint8.
        mask: (height, width) bool, the tumour; False everywhere in a normal one.
        label: "benign", "malignant" or "normal".
        spacing: (row, column) size of a pixel, mm.
    """

    image: np.ndarray
    mask: np.ndarray
    label: str
    spacing: tuple[float, float]


def make_phantom(
    seed: int, *, size: tuple[int, int] | None = None, tumour: bool = True, marks: bool = False
) -> Phantom:
    """Make one phantom.

    The same arguments give the same bytes with the same versions of NumPy, SciPy and Pillow on one machine; elsewhere
    rounding may move a pixel by one grey level.

    Args:
        seed: 0 or more.
        size: (height, width) in pixels, each at least `MIN_SIDE`; None draws 300 to 480 for either.
        tumour: whether there is a tumour, benign or malignant, or only normal tissue.
        marks: whether calipers and text are written over the image; the other pixels and the mask stay the same.

    Raises:
        SalusError: the seed is negative or the size too small.

    Example:
        >>> from salus.data.phantom.make import make_phantom
        >>> phantom = make_phantom(7, size=(200, 240))
        >>> phantom.image.shape, phantom.image.dtype.name, phantom.label
        ((200, 240), 'uint8', 'benign')
        >>> 0.0 < float(phantom.mask.mean()) < 0.5
        True
    """
    _check_seed(seed)
    if size is not None and min(size) < MIN_SIDE:
        raise SalusError(f"size {size[0]}x{size[1]}: a phantom needs {MIN_SIDE} pixels or more on either side")
    label = "normal"
    if tumour:
        label = "malignant" if np.random.default_rng([seed, 0]).random() < 0.5 else "benign"
    return _render((seed, 1), (seed, 2), label, size=size, marks=marks)


def write_phantoms(
    folder: Path,
    n: int,
    seed: int = 0,
    *,
    normal: float = 0.15,
    marks: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write phantoms in the published layout: images/NAME.png, masks/NAME.png (0 or 255), manifest.csv.

    About half of the patients have two images: the same breast, tumour and scanner in another pose with new speckle.
    Image i depends only on the seed, i and the two shares, so a longer set begins with the images of a shorter one.

    Args:
        folder: the folder to write; it is made, and may exist only if it is empty.
        n: number of images, 1 or more.
        seed: 0 or more.
        normal: share of patients without a tumour, 0 to 1; a set of any length comes close to it.
        marks: share of images with calipers and text, 0 to 1; a set of any length comes close to it.
        progress: called with (images written, n) after each.

    Returns:
        The image files, in order. The manifest, written last, has the columns `COLUMNS`.

    Raises:
        SalusError: an argument is out of range, or the folder is not empty or cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> from salus.data.phantom.make import write_phantoms
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in write_phantoms(pathlib.Path(folder) / "phantoms", 2)]
        ['phantom_00000.png', 'phantom_00001.png']
    """
    folder = Path(folder)
    if n < 1:
        raise SalusError(f"{n} phantoms: ask for 1 or more")
    _check_seed(seed)
    for name, share in (("normal", normal), ("marks", marks)):
        if not 0.0 <= share <= 1.0:
            raise SalusError(f"{name} {share}: give a share between 0 and 1")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SalusError(f"{folder}: exists and is not an empty folder; name a new one")
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        rows, written = [], []
        for i in range(n):
            name = f"phantom_{i:05d}"
            phantom, patient = _make_set_member(seed, i, normal, marks)
            written.append(folder / "images" / f"{name}.png")
            Image.fromarray(phantom.image).save(written[-1])
            Image.fromarray(phantom.mask.astype(np.uint8) * 255).save(folder / "masks" / f"{name}.png")
            rows.append((name, phantom.label, patient, *phantom.spacing))
            if progress is not None:
                progress(i + 1, n)
        with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    except OSError as error:
        raise SalusError(f"{folder}: cannot be written ({error.strerror or error}); name another folder") from error
    return written


def _check_seed(seed: int) -> None:
    """Check that a seed is 0 or more."""
    if seed < 0:
        raise SalusError(f"seed {seed}: give 0 or more")


def _evenly_spread(seed: int, index: int, step: float) -> float:
    """Return a number in [0, 1), evenly spread over the indices: an additive recurrence with an irrational step."""
    offset = np.random.default_rng([seed, int(step * 1e6)]).random()
    return float((offset + index * step) % 1.0)


def _make_set_member(seed: int, i: int, normal: float, marks: float) -> tuple[Phantom, str]:
    """Make image i of a set, and name its patient; in about half of all pairs 2k, 2k + 1 the patient is the same."""
    first = i // 2 * 2
    patient = first if np.random.default_rng([seed, 3, first]).random() < 0.5 else i
    label = "normal"
    if _evenly_spread(seed, patient, 0.6180339887) >= normal:
        label = "malignant" if _evenly_spread(seed, patient, 0.7320508076) < 0.45 else "benign"
    with_marks = _evenly_spread(seed, i, 0.4142135624) < marks
    return _render((seed, 4, patient), (seed, 5, i), label, size=None, marks=with_marks), f"patient_{patient:05d}"


def _render(
    patient: tuple[int, ...], view: tuple[int, ...], label: str, *, size: tuple[int, int] | None, marks: bool
) -> Phantom:
    """Make one image; `patient` seeds scanner, tissue and tumour, `view` seeds the pose, the speckle and the marks."""
    scanner_rng, tissue_rng, lesion_rng = (np.random.default_rng([*patient, part]) for part in range(3))
    pose_rng, marks_rng = (np.random.default_rng([*view, part]) for part in range(2))
    scanner = draw_scanner(scanner_rng, size)
    depth, width = scanner.extent
    tissue = draw_tissue(tissue_rng, depth=depth, width=width)
    lesion = None
    if label != "normal":
        depth, width = scanner.common_extent()
        lesion = draw_lesion(lesion_rng, label, depth=depth, width=width, zone=tissue.gland)
        lesion = lesion.in_new_pose(pose_rng, depth=depth, width=width)
    image, mask = scan(scanner, tissue, lesion, pose_rng)
    if marks:
        image = draw_marks(image, mask, scanner.spacing, marks_rng)
    return Phantom(image, mask, label, scanner.spacing)
