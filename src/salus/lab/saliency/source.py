"""Where a network's saliency maps come from: a base, and what is done to its maps.

    SOURCE   = BASE[+CHANGE...]          "prior", "learned+gate", "regions+soft-contour", "learned+shuffled"
    BASE     = file      the data set's own maps
             | truth     the truth mask itself: the ceiling of what any map can give, never a method
             | an estimator of `salus.lab.saliency.registry`, or package.module:factory
    CHANGE   = gate          S' = cS + (1 - c) prior, c the map's predicted quality
             | one-contour   keep the contour with the highest saliency alone (SA-U-Net-C)
             | soft-contour  weigh the other contours down instead
             | shuffled      another image's map: what is left is what attention gains without information

Changes are made in that order. Nothing of the test part, and nothing of the validation part, is fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from salus.data.folds import make_folds
from salus.data.prepare import Pairs
from salus.errors import SalusError
from salus.lab.saliency.registry import make_estimator
from salus.saliency.methods.prior import PriorSaliency

FILES, TRUTH = "file", "truth"
AUTO = "auto"
"""The data set's maps where it ships one for every image, else the location prior."""

GATE, HARD, SOFT, SHUFFLED = "gate", "one-contour", "soft-contour", "shuffled"
CHANGES = (GATE, HARD, SOFT, SHUFFLED)


@dataclass(frozen=True)
class Source:
    """A saliency source.

    Attributes:
        base: FILES, TRUTH or an estimator's name.
        changes: of CHANGES, in the order in which they are made.
    """

    base: str
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is written on the command line."""
        return "+".join((self.base, *self.changes))


def parse_source(text: str) -> Source:
    """Read a source's name.

    Raises:
        SalusError: no such base or change.

    Example:
        >>> parse_source("learned+shuffled+gate")
        Source(base='learned', changes=('gate', 'shuffled'))
    """
    base, *changes = text.split("+")
    unknown = [c for c in changes if c not in CHANGES]
    if unknown or (HARD in changes and SOFT in changes):
        raise SalusError(f"saliency {text!r}: after + write any of {', '.join(CHANGES)}, one of the contours at most")
    if base not in (FILES, TRUTH):
        make_estimator(base)
    return Source(base, tuple(c for c in CHANGES if c in changes))


@dataclass(frozen=True, eq=False)
class Parting:
    """One fold's parts, as positions in the prepared pairs.

    Attributes:
        fitting: what networks and estimators are fitted on.
        validation: what decides when training stops.
        test: the fold's test part.
        groups: the group of each case by name.
        seed: of inner folds and shuffles.
    """

    fitting: Sequence[int]
    validation: Sequence[int]
    test: Sequence[int]
    groups: Mapping[str, str]
    seed: int


def base_maps(base: str, pairs: Pairs, parting: Parting) -> np.ndarray:
    """The unchanged maps of every case, (n, s, s) uint8.

    Estimators are fitted on the fitting part; where one learns from single images, the fitting part itself gets its
    maps from inner folds.

    Raises:
        SalusError: the data set ships no maps, or an estimator's maps have another shape than the images.
    """
    if base == TRUTH:
        return pairs.masks.astype(np.uint8) * 255
    if base == FILES:
        if pairs.saliency is None:
            raise SalusError("not every image has a map in saliency/; estimate one, e.g. --saliency prior")
        return pairs.saliency
    fitting = np.asarray(parting.fitting)
    found = np.zeros(pairs.images.shape, np.uint8)

    def estimate(fit_on: np.ndarray, wanted: np.ndarray) -> None:
        estimator = make_estimator(base)
        estimator.fit(pairs.images[fit_on], pairs.masks[fit_on])
        maps = np.asarray(estimator.estimate(pairs.images[wanted]))
        if maps.shape != pairs.images[wanted].shape:
            raise SalusError(f"saliency {base}: gave maps of shape {maps.shape} for {pairs.images[wanted].shape}")
        found[wanted] = np.rint(np.clip(maps, 0, 1) * 255)

    inner = int(getattr(make_estimator(base), "inner_folds", 0))
    if inner < 2:
        estimate(fitting, np.arange(len(found)))
        return found
    estimate(fitting, np.setdiff1d(np.arange(len(found)), fitting))
    names = [pairs.cases[i].name for i in fitting]
    folds = make_folds({n: parting.groups[n] for n in names}, dict.fromkeys(names, ""), inner, parting.seed)
    held = np.asarray([folds.test[n] for n in names])
    for fold in folds.numbers:
        estimate(fitting[held != fold], fitting[held == fold])
    return found


def changed(maps: np.ndarray, source: Source, pairs: Pairs, parting: Parting) -> np.ndarray:
    """The maps after the source's changes, (n, s, s) uint8."""
    if not source.changes:
        return maps
    from salus.saliency.confidence import fit_confidence, gate
    from salus.saliency.contour import one_contour, soft_contour

    values = maps.astype(np.float32) / 255
    fitting = np.asarray(parting.fitting)
    for change in source.changes:
        if change == GATE:
            prior = PriorSaliency()
            prior.fit(pairs.images[fitting], pairs.masks[fitting])
            place = prior.estimate(pairs.images[:1])[0]
            confidence = fit_confidence(values[fitting], pairs.masks[fitting], place)
            values = gate(values, confidence.of(values, place), place)
        elif change == HARD:
            values = np.stack([one_contour(v) for v in values])
        elif change == SOFT:
            values = np.stack([soft_contour(v) for v in values])
        else:
            values = _shuffled(values, parting)
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _shuffled(values: np.ndarray, parting: Parting) -> np.ndarray:
    """Within each part, every image gets the map of the next one in a random order: its own where it is alone."""
    rng, found = np.random.default_rng(parting.seed), values.copy()
    for part in (parting.fitting, parting.validation, parting.test):
        order = rng.permutation(np.asarray(part))
        found[order] = values[np.roll(order, 1)]
    return found
