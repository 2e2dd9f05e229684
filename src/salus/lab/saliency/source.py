"""Saliency sources: the base of a network's saliency maps, and the changes made to them.

    SOURCE   = BASE[+CHANGE...]          "prior", "learned+gate", "regions+soft-contour", "learned+shuffled"
    BASE     = file      the data set's own maps
             | truth     the truth mask itself: an upper bound of what any map can give, never a method
             | points    a click in every lesion, as a reader with a mouse would give it: drawn from the truth, never a
                         method; in an image without a tumour a click anywhere
             | an estimator of `salus.lab.saliency.registry`, or package.module:factory
    CHANGE   = gate          S' = cS + (1 - c) prior, c the map's predicted quality
             | one-contour   keep only the contour with the highest saliency (SA-U-Net-C)
             | soft-contour  weigh the other contours down instead
             | shuffled      another image's map: what remains is the gain of attention without information

Changes are made in that order. Nothing is fitted on the test part or the validation part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from salus.data.folds import make_grouped_folds
from salus.data.prepare import Pairs
from salus.errors import SalusError
from salus.lab.saliency.registry import make_estimator
from salus.lab.training.simulated_prompts import draw_simulated, sample_clicks
from salus.preprocess import to_uint8
from salus.saliency.confidence import fit_confidence, gate_maps
from salus.saliency.contour import keep_strongest_contour, weigh_contours
from salus.saliency.methods.prior import PriorSaliency

FILES, TRUTH, POINTS = "file", "truth", "points"
AUTO = "auto"
"""Stands for the data set's maps where it ships one for every image, else for the location prior."""

GATE, HARD, SOFT, SHUFFLED = "gate", "one-contour", "soft-contour", "shuffled"
CHANGES = (GATE, HARD, SOFT, SHUFFLED)
"""The changes, in the order in which they are made."""


@dataclass(frozen=True)
class Source:
    """A saliency source.

    Attributes:
        base: FILES, TRUTH, POINTS or an estimator's name.
        changes: some of `CHANGES`, in their order.
    """

    base: str
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the source as it is written on the command line."""
        return "+".join((self.base, *self.changes))


def parse_source(text: str) -> Source:
    """Parse a source as it is written on the command line.

    Raises:
        SalusError: the base or a change is unknown.

    Example:
        >>> parse_source("learned+shuffled+gate")
        Source(base='learned', changes=('gate', 'shuffled'))
    """
    base, *changes = text.split("+")
    unknown = [c for c in changes if c not in CHANGES]
    if unknown or (HARD in changes and SOFT in changes):
        raise SalusError(f"saliency {text!r}: after + write any of {', '.join(CHANGES)}, one of the contours at most")
    if base not in (FILES, TRUTH, POINTS):
        make_estimator(base)
    return Source(base, tuple(c for c in CHANGES if c in changes))


@dataclass(frozen=True, eq=False)
class FoldIndices:
    """The three parts of a fold, as positions in the prepared pairs.

    Attributes:
        fitting: cases on which networks and estimators are fitted.
        validation: cases that decide when training stops.
        test: cases of the fold's test part.
        groups: the patient or cluster of each case by name.
        seed: of inner folds and shuffles.
    """

    fitting: Sequence[int]
    validation: Sequence[int]
    test: Sequence[int]
    groups: Mapping[str, str]
    seed: int


def estimate_base_maps(base: str, pairs: Pairs, fold: FoldIndices) -> np.ndarray:
    """Estimate the unchanged maps of every case, (n, s, s) uint8.

    An estimator is fitted on the fitting part. Where it learns from single images (`inner_folds`), the maps of the
    fitting part itself come from inner folds.

    Raises:
        SalusError: the data set ships no maps, or an estimator's maps have another shape than the images.
    """
    if base == TRUTH:
        return pairs.masks.astype(np.uint8) * 255
    if base == POINTS:
        return np.stack([_draw_clicks(case.name, mask) for case, mask in zip(pairs.cases, pairs.masks, strict=True)])
    if base == FILES:
        if pairs.saliency is None:
            raise SalusError("not every image has a map in saliency/; estimate one, e.g. --saliency prior")
        return pairs.saliency
    fitting = np.asarray(fold.fitting)
    all_maps = np.zeros(pairs.images.shape, np.uint8)

    def estimate(fit_on: np.ndarray, cases: np.ndarray) -> None:
        estimator = make_estimator(base)
        estimator.fit(pairs.images[fit_on], pairs.masks[fit_on])
        maps = np.asarray(estimator.estimate(pairs.images[cases]))
        if maps.shape != pairs.images[cases].shape:
            raise SalusError(f"saliency {base}: gave maps of shape {maps.shape} for {pairs.images[cases].shape}")
        all_maps[cases] = np.rint(np.clip(maps, 0, 1) * 255)

    inner_folds = int(getattr(make_estimator(base), "inner_folds", 0))
    if inner_folds < 2:
        estimate(fitting, np.arange(len(all_maps)))
        return all_maps
    estimate(fitting, np.setdiff1d(np.arange(len(all_maps)), fitting))
    names = [pairs.cases[i].name for i in fitting]
    groups = {name: fold.groups[name] for name in names}
    folds = make_grouped_folds(groups, dict.fromkeys(names, ""), inner_folds, fold.seed)
    inner_fold = np.asarray([folds.test[name] for name in names])
    for number in folds.numbers:
        estimate(fitting[inner_fold != number], fitting[inner_fold == number])
    return all_maps


def _draw_clicks(name: str, mask: np.ndarray) -> np.ndarray:
    """Draw a click in every lesion of a case, (s, s) uint8; the clicks are the same in every fold and run."""
    clicks = sample_clicks(mask, np.random.default_rng(crc32(name.encode())))
    return to_uint8(draw_simulated(clicks, len(mask))[..., 0])


def apply_changes(maps: np.ndarray, source: Source, pairs: Pairs, fold: FoldIndices) -> np.ndarray:
    """Make a source's changes to the maps of every case, (n, s, s) uint8."""
    if not source.changes:
        return maps
    values = maps.astype(np.float32) / 255
    for change in source.changes:
        if change == GATE:
            values = _gate(values, pairs, np.asarray(fold.fitting))
        elif change == HARD:
            values = np.stack([keep_strongest_contour(saliency) for saliency in values])
        elif change == SOFT:
            values = np.stack([weigh_contours(saliency) for saliency in values])
        else:
            values = _shuffle(values, fold)
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _gate(maps: np.ndarray, pairs: Pairs, fitting: np.ndarray) -> np.ndarray:
    """Gate maps by a confidence and a prior that are fitted on the fitting part."""
    prior = PriorSaliency()
    prior.fit(pairs.images[fitting], pairs.masks[fitting])
    prior_map = prior.estimate(pairs.images[:1])[0]
    confidence = fit_confidence(maps[fitting], pairs.masks[fitting], prior_map)
    return gate_maps(maps, confidence.predict(maps, prior_map), prior_map)


def _shuffle(maps: np.ndarray, fold: FoldIndices) -> np.ndarray:
    """Give every image the map of the next image of its part in a random order; its own where it is alone."""
    rng, shuffled = np.random.default_rng(fold.seed), maps.copy()
    for part in (fold.fitting, fold.validation, fold.test):
        order = rng.permutation(np.asarray(part))
        shuffled[order] = maps[np.roll(order, 1)]
    return shuffled
