"""Scores of a segmentation, each defined once; training, evaluation and report call this file.

With A_g the true mask, A_p the predicted mask and |.| a number of pixels:

| field       | definition                                                                   | range         |
|-------------|------------------------------------------------------------------------------|---------------|
| `dice`      | 2 |A_g ∩ A_p| / (|A_g| + |A_p|)                                              | 0..1          |
| `jaccard`   | |A_g ∩ A_p| / |A_g ∪ A_p|                                                    | 0..1          |
| `tpr`       | |A_g ∩ A_p| / |A_g|                                                          | 0..1          |
| `fpr`       | |A_g ∪ A_p − A_g| / |A_g|, relative to the lesion and not to the background  | 0 and up      |
| `precision` | |A_g ∩ A_p| / |A_p|                                                          | 0..1          |
| `accuracy`  | pixels whose class is right / all pixels                                     | 0..1          |
| `auc`       | chance that a tumour pixel is more probable than another pixel; a tie is 1/2 | 0..1          |
| `hd95`      | larger of the two directed 95th percentiles of boundary distance             | 0..diagonal   |
| `assd`      | mean distance over the pixels of both boundaries                             | 0..diagonal   |
| `nsd`       | share of the pixels of both boundaries within `tolerance` of the other one   | 0..1          |

The first six are those of Vakanski, Xian & Freer 2020 (UMB 46:2819). Their notebooks pass the binarised prediction as
truth to the AUC, which makes it (PPV + NPV) / 2; `auc` here is the true area, the Mann-Whitney statistic.

Boundary: the pixels of a mask that have one of their four neighbours outside it; beyond the image counts as outside.
Distances run between pixel centres, in pixels, or in mm where the pixel spacing is given. The 95th percentile
interpolates linearly and is taken in each direction (not over both directions pooled, as other programs do).

Lesions are 8-connected components. A true lesion is found where one predicted component overlaps it with IoU >= 0.1;
a predicted component is false where it overlaps no true lesion that well. 0.1 is the rule of the PI-CAI challenge
(picai_eval): it asks for the right place, not for the right outline, which the other scores judge. One component that
covers two lesions may find both; no smallest size is imposed, so a single stray pixel is a false lesion.

Scores with empty masks are set so that a miss is never rewarded and every image with a tumour has every score:

| truth  | prediction | dice, jaccard | tpr, fpr  | precision | auc  | hd95, assd     | nsd |
|--------|------------|---------------|-----------|-----------|------|----------------|-----|
| lesion | empty      | 0             | 0, 0      | 0         | real | image diagonal | 0   |
| empty  | empty      | 1             | NaN       | NaN       | NaN  | 0              | 1   |
| empty  | something  | 0             | NaN       | NaN       | NaN  | image diagonal | 0   |

The diagonal, hypot(height, width) in the unit of the distances, is more than any distance in the image. A low `fpr`
alone favours an empty prediction: read it beside `tpr`. Tumour-free images belong in rows of their own: their Dice is
0 or 1, and an average over both describes neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, isfinite, nan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from salus.errors import SalusError
from salus.measure.lesions import EIGHT_CONNECTED
from salus.metrics.curves import Mask, as_mask, require_same_shape, roc_auc

LESION_IOU = 0.1
"""Least intersection over union at which a predicted component finds a true lesion."""


class ScoreInfo(NamedTuple):
    """How a report shows a score: short title, unit ("" for a ratio), and whether higher is better (None: neither)."""

    title: str
    unit: str
    higher_is_better: bool | None


SCORES: Mapping[str, ScoreInfo] = {
    "dice": ScoreInfo("DSC", "", True),
    "jaccard": ScoreInfo("JI", "", True),
    "tpr": ScoreInfo("TPR", "", True),
    "fpr": ScoreInfo("FPR", "", False),
    "precision": ScoreInfo("Precision", "", True),
    "accuracy": ScoreInfo("ACC", "", True),
    "auc": ScoreInfo("AUC-ROC", "", True),
    "hd95": ScoreInfo("HD95", "px", False),
    "assd": ScoreInfo("ASSD", "px", False),
    "nsd": ScoreInfo("NSD", "", True),
    "lesions_true": ScoreInfo("Lesions", "", None),
    "lesions_predicted": ScoreInfo("Predicted lesions", "", None),
    "lesions_found": ScoreInfo("Found lesions", "", True),
    "false_lesions": ScoreInfo("False lesions", "", False),
    "area_true": ScoreInfo("True area", "px", None),
    "area_predicted": ScoreInfo("Predicted area", "px", None),
}
"""Every field of `Scores`, in order. The unit of `hd95` and `assd` is mm where `score` was given a spacing."""


@dataclass(frozen=True)
class Scores:
    """The scores of one image; the module's docstring defines each.

    Ratios lie in 0..1 (`fpr` may exceed 1); areas are in pixels; `hd95` and `assd` are in pixels, or in mm where the
    spacing was given. NaN stands where a score is undefined.
    """

    dice: float
    jaccard: float
    tpr: float
    fpr: float
    precision: float
    accuracy: float
    auc: float
    hd95: float
    assd: float
    nsd: float
    lesions_true: int
    lesions_predicted: int
    lesions_found: int
    false_lesions: int
    area_true: int
    area_predicted: int


def score(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    probability: npt.ArrayLike | None = None,
    *,
    spacing: tuple[float, float] | None = None,
    tolerance: float = 2.0,
) -> Scores:
    """Score one predicted mask against the true one.

    Args:
        truth: True mask, (height, width), booleans or only 0 and 1.
        prediction: Predicted mask, of the same shape and kind.
        probability: Predicted probability of tumour, same shape, 0..1; without it `auc` is NaN.
        spacing: Height and width of a pixel in mm, in the order of the axes; without it distances are in pixels.
        tolerance: Distance that still counts as the same boundary in `nsd`, in pixels, or in mm with `spacing`.

    Returns:
        The scores. The module's docstring defines each, also for empty masks.

    Raises:
        SalusError: The shapes differ or are not (height, width), a mask holds other values than 0 and 1, a
            probability lies outside 0..1, or the spacing or the tolerance is no length.

    Example:
        >>> truth = np.zeros((8, 8), dtype=bool)
        >>> truth[2:6, 2:6] = True
        >>> moved = np.roll(truth, 1, axis=1)
        >>> scores = score(truth, moved)
        >>> scores.dice, scores.fpr, scores.hd95, scores.lesions_found
        (0.75, 0.25, 1.0, 1)
        >>> score(truth, moved, spacing=(0.1, 0.2)).hd95
        0.2
    """
    true, predicted = as_mask(truth, "the true mask"), as_mask(prediction, "the predicted mask")
    if true.ndim != 2 or true.size == 0:
        raise SalusError(f"a mask to score must be (height, width), but the true mask has shape {true.shape}")
    require_same_shape(true, predicted, "the predicted mask")
    row, column = spacing if spacing is not None else (1.0, 1.0)
    if not (row > 0 and column > 0 and isfinite(row) and isfinite(column)):
        raise SalusError(f"the pixel spacing must be two positive lengths in mm, but is {spacing}")
    if not tolerance >= 0:
        raise SalusError(f"the tolerance must be a length of at least 0, but is {tolerance}")

    area_true, area_predicted = int(np.count_nonzero(true)), int(np.count_nonzero(predicted))
    shared = int(np.count_nonzero(true & predicted))
    union = area_true + area_predicted - shared
    lesions_true = lesions_predicted = lesions_found = false_lesions = 0
    if union:
        # Components and boundaries lie within the box round both masks, so nothing is lost by looking only there.
        box = _bounding_box(true | predicted)
        lesions_true, lesions_predicted, lesions_found, false_lesions = _match_lesions(true[box], predicted[box])
    if area_true and area_predicted:
        hd95, assd, nsd = _boundary_scores(true[box], predicted[box], (row, column), tolerance)
    elif union:
        hd95 = assd = hypot(row * true.shape[0], column * true.shape[1])
        nsd = 0.0
    else:
        hd95, assd, nsd = 0.0, 0.0, 1.0

    return Scores(
        dice=2 * shared / (area_true + area_predicted) if union else 1.0,
        jaccard=shared / union if union else 1.0,
        tpr=shared / area_true if area_true else nan,
        fpr=(union - area_true) / area_true if area_true else nan,
        precision=shared / max(area_predicted, 1) if area_true else nan,
        accuracy=(true.size - union + shared) / true.size,
        auc=nan if probability is None else roc_auc(true, probability),
        hd95=hd95,
        assd=assd,
        nsd=nsd,
        lesions_true=lesions_true,
        lesions_predicted=lesions_predicted,
        lesions_found=lesions_found,
        false_lesions=false_lesions,
        area_true=area_true,
        area_predicted=area_predicted,
    )


def _bounding_box(mask: Mask) -> tuple[slice, slice]:
    """Find the rows and columns that hold the mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _match_lesions(truth: Mask, prediction: Mask) -> tuple[int, int, int, int]:
    """Count true lesions, predicted components, found lesions and false components."""
    true_labels, lesions = ndimage.label(truth, EIGHT_CONNECTED)
    predicted_labels, components = ndimage.label(prediction, EIGHT_CONNECTED)
    overlap = truth & prediction
    pairs, shared = np.unique(
        true_labels[overlap].astype(np.int64) * (components + 1) + predicted_labels[overlap], return_counts=True
    )
    lesion, component = np.divmod(pairs, components + 1)
    areas_true, areas_predicted = np.bincount(true_labels.ravel()), np.bincount(predicted_labels.ravel())
    matched = shared / (areas_true[lesion] + areas_predicted[component] - shared) >= LESION_IOU
    return lesions, components, np.unique(lesion[matched]).size, components - np.unique(component[matched]).size


def _boundary(mask: Mask) -> Mask:
    """Find the pixels of a mask that have one of their four neighbours outside it, or beyond the image."""
    inside = np.pad(mask, 1)
    return mask & ~(inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2])


def _boundary_scores(
    truth: Mask, prediction: Mask, spacing: tuple[float, float], tolerance: float
) -> tuple[float, float, float]:
    """Compute HD95, ASSD and NSD of two masks that are not empty.

    Nearest neighbours among boundary points are exact, and cheaper than distance maps: a lesion of 256 x 256 pixels
    has some 300 boundary points.
    """
    true_points = np.argwhere(_boundary(truth)) * spacing
    predicted_points = np.argwhere(_boundary(prediction)) * spacing
    from_truth = cKDTree(predicted_points).query(true_points)[0]
    from_prediction = cKDTree(true_points).query(predicted_points)[0]
    distances = np.concatenate([from_truth, from_prediction])
    hd95 = max(np.percentile(from_truth, 95), np.percentile(from_prediction, 95))
    # The margin lets 20 pixels of 0.1 mm count as 2 mm in spite of rounding.
    within = distances <= tolerance * (1 + 1e-9)
    return float(hd95), float(distances.mean()), float(within.mean())
