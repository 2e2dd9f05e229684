"""Panels: scans with the truth and each network's outline, for the best, the median and the worst images.

They show images of the data set, so they go into the page only, never into the Markdown or a file of their own.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from math import isfinite

import numpy as np
from contourpy import contour_generator
from matplotlib import colormaps
from PIL import Image

from salus.lab.report.evidence import Evidence
from salus.lab.report.material import Entrant, Material
from salus.lab.report.numbers import DASH, ratio
from salus.preprocess import resize, to_bytes

EACH = 3
"""Images of each kind."""
LONGEST = 300
"""Longest side of a panel's image, pixels."""
_QUALITY = 78


@dataclass(frozen=True)
class Choice:
    """Which images are shown.

    Attributes:
        ranked_by: in words.
        kinds: "best", "median", "worst" to case names, each the best first.
        mean: the DSC by which a case was ranked.
    """

    ranked_by: str
    kinds: dict[str, list[str]]
    mean: dict[str, float]

    @property
    def names(self) -> list[str]:
        """All cases chosen."""
        return [name for names in self.kinds.values() for name in names]


@dataclass(frozen=True)
class Outline:
    """One network on one image: the outline's SVG path, its scores, and the outline's absence in words."""

    entrant: Entrant
    path: str
    dice: str
    empty: bool


@dataclass(frozen=True)
class Panel:
    """One image.

    Attributes:
        name: the case's.
        number: counts the panels, for anchors.
        label: the case's or "".
        fold: in which it was tested.
        rank: by what it was chosen, e.g. "mean DSC .873".
        width: of the drawing, and height: likewise, pixels.
        scan: data URI of the image.
        saliency: data URI of the map, "" where there is none.
        truth: SVG path of the true outline.
        outlines: of the networks.
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


def choose(material: Material) -> Choice | None:
    """Rank the images with a lesion that all tested entrants share; None where there is none."""
    parts = {e.name: material.scores[e.name, "network"].lesions() for e in material.tested}
    if not parts:
        return None
    shared = set.intersection(*(set(p.cases) for p in parts.values()))
    entrants = material.tested
    if not shared:
        entrants = entrants[:1]
        shared = set(parts[entrants[0].name].cases)
    ranked_by = _ranked_by(entrants)
    dice: dict[str, list[float]] = {}
    for entrant in entrants:
        part = parts[entrant.name]
        for case, value in zip(part.cases, part.values["dice"], strict=True):
            if case in shared:
                dice.setdefault(case, []).append(float(value))
    mean = {case: float(np.mean(values)) for case, values in dice.items()}
    order = sorted(mean, key=lambda case: (-mean[case], case))
    if not order:
        return None
    each = min(EACH, max(1, len(order) // 3))
    middle = max(0, (len(order) - each) // 2)
    spans = {"best": (0, each), "median": (middle, middle + each), "worst": (max(0, len(order) - each), len(order))}
    kinds: dict[str, list[str]] = {}
    for kind, (start, end) in spans.items():
        taken = {name for names in kinds.values() for name in names}
        kinds[kind] = [name for name in order[start:end] if name not in taken]
    return Choice(ranked_by, {kind: names for kind, names in kinds.items() if names}, mean)


def _ranked_by(entrants: tuple[Entrant, ...]) -> str:
    if len(entrants) == 1:
        return f"DSC of {entrants[0].title}"
    return "mean DSC of both" if len(entrants) == 2 else f"mean DSC of all {len(entrants)}"


def draw(material: Material, evidence: Evidence, choice: Choice) -> dict[str, list[Panel]]:
    """The panels by kind."""
    drawn: dict[str, list[Panel]] = {}
    number = 0
    for kind, names in choice.kinds.items():
        for name in names:
            number += 1
            drawn.setdefault(kind, []).append(_panel(material, evidence, choice, name, number))
    return drawn


def _panel(material: Material, evidence: Evidence, choice: Choice, name: str, number: int) -> Panel:
    case = evidence.case(name)
    scan = case.read_image()
    height, width = scan.shape
    shrink = min(1.0, LONGEST / max(height, width))
    shape = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    outlines = []
    for entrant in material.tested:
        probability = evidence.probability.get((entrant.name, name))
        if probability is None:
            continue
        threshold = material.settings.protocol.threshold if entrant.trained else 0.5
        path = outline(resize(probability, shape), threshold)
        outlines.append(Outline(entrant, path, _dice(material, entrant, name), not path))
    saliency = evidence.saliency.get(name)
    return Panel(
        name=name,
        number=number,
        label=case.label or "",
        fold=material.folds.test[name],
        rank=f"{choice.ranked_by}: {ratio(choice.mean[name])}",
        width=shape[1],
        height=shape[0],
        scan=data_uri(to_bytes(resize(scan.pixels, shape))),
        saliency="" if saliency is None else data_uri(_coloured(resize(saliency, shape) / 255)),
        truth=outline(resize(case.read_mask(scan.shape), shape), 0.5),
        outlines=tuple(outlines),
    )


def _dice(material: Material, entrant: Entrant, name: str) -> str:
    part = material.scores[entrant.name, "network"]
    value = float(part.values["dice"][part.cases.index(name)])
    return ratio(value) if isfinite(value) else DASH


def _coloured(values: np.ndarray) -> np.ndarray:
    return np.rint(255 * colormaps["magma"](np.clip(values, 0, 1))[..., :3]).astype(np.uint8)


def data_uri(pixels: np.ndarray) -> str:
    """A JPEG of (height, width) or (height, width, 3) uint8, without a word of metadata."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def outline(values: np.ndarray, level: float) -> str:
    """The SVG path round everything at or above `level`, closed at the image's edge; "" where nothing is.

    Example:
        >>> import numpy as np
        >>> outline(np.zeros((4, 4)), 0.5)
        ''
    """
    padded = np.pad(np.asarray(values, np.float64), 1)
    lines = contour_generator(z=padded).lines(level)
    steps = []
    for line in lines:
        points = np.clip(np.asarray(line) - 0.5, 0, [values.shape[1], values.shape[0]])
        if len(points) > 2:
            steps.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z")
    return "".join(steps)
