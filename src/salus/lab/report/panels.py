"""Panels: scans with the true outline and each method's, for the best, the median and the worst images.

They show images of the data set, so they are part of the HTML page only, never of the Markdown or a file.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from itertools import count
from math import isfinite

import numpy as np
from contourpy import contour_generator
from matplotlib import colormaps
from PIL import Image

from salus.lab.report.image_data import ImageData
from salus.lab.report.number_format import DASH, format_ratio
from salus.lab.report.run_data import Method, RunData
from salus.preprocess import resize, to_uint8

IMAGES_PER_KIND = 3
MAX_SIDE = 300
"""Longest side of a panel's image in pixels."""
_JPEG_QUALITY = 78


@dataclass(frozen=True)
class CaseSelection:
    """The images of the panels.

    Attributes:
        ranked_by: the score by which images are ranked, in words.
        kinds: "best", "median", "worst" to case names, the best first.
        mean: DSC by which each case was ranked.
    """

    ranked_by: str
    kinds: dict[str, list[str]]
    mean: dict[str, float]

    @property
    def names(self) -> list[str]:
        """All selected cases."""
        return [name for names in self.kinds.values() for name in names]


@dataclass(frozen=True)
class Outline:
    """A method's outline of an image: its SVG path, its DSC as printed, and whether it is empty."""

    method: Method
    path: str
    dice: str
    empty: bool


@dataclass(frozen=True)
class Panel:
    """An image with its outlines.

    Attributes:
        name: name of the case.
        number: number of the panel, for anchors in the page.
        label: label of the case, or "".
        fold: fold in which it was tested.
        rank: score by which it was selected, e.g. "mean DSC of both: .873".
        width: width of the drawing in pixels.
        height: height of the drawing in pixels.
        scan: data URI of the image.
        saliency: data URI of the saliency map, or "".
        truth: SVG path of the true outline.
        outlines: outlines of the methods.
    """

    name: str
    number: int
    label: str
    fold: int
    rank: str
    width: int
    height: int
    scan: str
    saliency: str
    truth: str
    outlines: tuple[Outline, ...]


def select_cases(run_data: RunData) -> CaseSelection | None:
    """Rank the images with a lesion that all methods were tested on, and select some; None if there are none."""
    methods = run_data.tested
    if not methods:
        return None
    scores = [run_data.scores[method.name, "network"].with_lesion() for method in methods]
    shared = set.intersection(*(set(s.cases) for s in scores))
    if not shared:  # rank by the first method alone
        methods, scores = methods[:1], scores[:1]
        shared = set(scores[0].cases)
    dice: dict[str, list[float]] = {}
    for method_scores in scores:
        for case, value in zip(method_scores.cases, method_scores.values["dice"], strict=True):
            if case in shared:
                dice.setdefault(case, []).append(float(value))
    mean = {case: float(np.mean(values)) for case, values in dice.items()}
    order = sorted(mean, key=lambda case: (-mean[case], case))
    if not order:
        return None
    n = min(IMAGES_PER_KIND, max(1, len(order) // 3))
    middle = max(0, (len(order) - n) // 2)
    ranges = {"best": order[:n], "median": order[middle : middle + n], "worst": order[-n:]}
    kinds: dict[str, list[str]] = {}
    for kind, cases in ranges.items():
        taken = {name for names in kinds.values() for name in names}
        kinds[kind] = [name for name in cases if name not in taken]
    return CaseSelection(_ranked_by(methods), {kind: names for kind, names in kinds.items() if names}, mean)


def _ranked_by(methods: tuple[Method, ...]) -> str:
    """Describe the score that images are ranked by."""
    if len(methods) == 1:
        return f"DSC of {methods[0].title}"
    return "mean DSC of both" if len(methods) == 2 else f"mean DSC of all {len(methods)}"


def draw_panels(run_data: RunData, image_data: ImageData, selection: CaseSelection) -> dict[str, list[Panel]]:
    """Draw the panels of the selected images, by kind."""
    numbers = count(1)
    return {
        kind: [_draw_panel(run_data, image_data, selection, name, next(numbers)) for name in names]
        for kind, names in selection.kinds.items()
    }


def _draw_panel(run_data: RunData, image_data: ImageData, selection: CaseSelection, name: str, number: int) -> Panel:
    """Draw the panel of one image."""
    case = image_data.case(name)
    scan = case.read_image()
    height, width = scan.shape
    shrink = min(1.0, MAX_SIDE / max(height, width))
    shape = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    outlines = []
    for method in run_data.tested:
        probability = image_data.probability.get((method.name, name))
        if probability is None:
            continue
        threshold = run_data.config.protocol.threshold if method.trained else 0.5
        path = outline_path(resize(probability, shape), threshold)
        outlines.append(Outline(method, path, _format_dice(run_data, method, name), not path))
    saliency = image_data.saliency.get(name)
    return Panel(
        name=name,
        number=number,
        label=case.label or "",
        fold=run_data.folds.test[name],
        rank=f"{selection.ranked_by}: {format_ratio(selection.mean[name])}",
        width=shape[1],
        height=shape[0],
        scan=jpeg_data_uri(to_uint8(resize(scan.pixels, shape))),
        saliency="" if saliency is None else jpeg_data_uri(apply_colour_map(resize(saliency, shape) / 255)),
        truth=outline_path(resize(case.read_mask(scan.shape), shape), 0.5),
        outlines=tuple(outlines),
    )


def _format_dice(run_data: RunData, method: Method, name: str) -> str:
    """Format a method's DSC of an image."""
    scores = run_data.scores[method.name, "network"]
    value = float(scores.values["dice"][scores.cases.index(name)])
    return format_ratio(value) if isfinite(value) else DASH


def apply_colour_map(values: np.ndarray) -> np.ndarray:
    """Colour values in [0, 1] from black to pale yellow ("magma"): (height, width, 3) uint8."""
    return np.rint(255 * colormaps["magma"](np.clip(values, 0, 1))[..., :3]).astype(np.uint8)


def jpeg_data_uri(pixels: np.ndarray) -> str:
    """Encode (height, width) or (height, width, 3) uint8 as the data URI of a JPEG without metadata."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def outline_path(values: np.ndarray, level: float) -> str:
    """Trace the SVG path round all values at or above `level`, closed at the image's edge; "" if there are none.

    Example:
        >>> import numpy as np
        >>> outline_path(np.zeros((4, 4)), 0.5)
        ''
    """
    padded = np.pad(np.asarray(values, np.float64), 1)
    lines = contour_generator(z=padded).lines(level)
    paths = []
    for line in lines:
        points = np.clip(np.asarray(line) - 0.5, 0, [values.shape[1], values.shape[0]])
        if len(points) > 2:
            paths.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(paths)
