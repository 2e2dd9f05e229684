"""Near-duplicates: images of a data set that show the same scan.

A copy with other calipers, gain, crop or compression, or the next frame of the same sweep, must not sit on the other
side of a fold. Grey values alone do not tell: every sonogram is bright above and dark below. So a fingerprint keeps the
local structure only: the image at 64 x 64, less its surroundings, over its local contrast (a perceptual hash after
Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, kept as numbers instead of bits).

Two images are linked where their fingerprints correlate
- as they lie, or one of them mirrored, by `SAME` or more (all pairs, one matrix product), or
- shifted or stretched by up to a seventh or so, by `SHIFTED` or more (tried for the `NEIGHBOURS` most alike, coarsely).
Links are followed: clusters are the connected components. Black round a sector scan does not count.

Measured on images scaled to at most 384 pixels a side, every cluster judged by eye:
- BUSI, 624 images: 124 clusters of 290 images, so 166 (27%) repeat another; all are true. 6 clusters hold images of
  different classes, all of them true: benign/malignant 4, benign/normal 2.
- BUS-BRA, 1,509 images of 852 patients: 23 clusters of 48 images. 17 lie within a patient. Of the 6 across patients 5
  are the same tissue: patients 56 and 91, 341 and 356, 305 and 306 look like one each. The sixth (74, 590) is false.
- Copies of 120 of each, cropped at random by up to 10% a side, with other gain and as JPEG 70, are all found; by up to
  15%, 89% and 75%. Mirrored ones are all found up to 3%, some 90% up to 6%, few beyond.
Pictures of whole screens share the machine's frame. What all images share is taken out, but a mixture of frames is not
and links: crop such pictures first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from PIL import Image
from scipy import fft
from scipy.ndimage import binary_dilation, gaussian_filter, label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from salus.data.case import Case, DataSet
from salus.errors import SalusError

SAME = 0.55
"""Least correlation of two fingerprints as they lie, or mirrored, in [-1, 1]."""

SHIFTED = 0.60
"""Least correlation of two fingerprints after the best shift and stretch: above `SAME`, for it is a best of many."""

NEIGHBOURS = 8
"""How many of the images most like an image are tried with shifts and stretches."""

SIDE = 64  # pixels, of a fingerprint
STRETCHES = (0.875, 1.0, 1.14)  # of the side, to which the second image of a pair is stretched
REACH = 0.22  # of the side, twice the largest shift over the edge
BLACK = 0.02  # grey in [0, 1], the most that is taken for no signal
COMMON_FROM = 16  # images from which on what all of them share (a machine's frame, a logo) is taken out


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """The local structure of one image.

    Attributes:
        detail: (64, 64) float32 of mean 0 and deviation 1; all 0 for an image of one grey.
    """

    detail: np.ndarray


@dataclass(frozen=True)
class Duplicates:
    """Which images of a data set show the same scan.

    Attributes:
        groups: the cluster of each image by name: its first member's name. An image without a copy is its own cluster.
        clusters: the clusters of two and more, each sorted, the largest first.
        unreadable: images that could not be read, with the reason; each is its own cluster.
    """

    groups: dict[str, str]
    clusters: tuple[tuple[str, ...], ...]
    unreadable: dict[str, str] = field(default_factory=dict)


def fingerprint(pixels: np.ndarray) -> Fingerprint:
    """The fingerprint of one image.

    Args:
        pixels: (height, width) in [0, 1].

    Example:
        >>> import numpy as np
        >>> image = np.random.default_rng(0).random((90, 120))
        >>> a, b = fingerprint(image), fingerprint(0.5 * image)
        >>> bool((a.detail * b.detail).mean() > 0.99)
        True
    """
    image = Image.fromarray(np.ascontiguousarray(pixels, np.float32))
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))
    inside = _inside(small)

    def mean(values: np.ndarray, sigma: float) -> np.ndarray:
        weight = gaussian_filter(inside, sigma, mode="constant")
        return gaussian_filter(values * inside, sigma, mode="constant") / np.maximum(weight, 1e-3)

    rest = small - mean(small, SIDE / 12)
    rest = mean(rest / (np.sqrt(mean(rest**2, SIDE / 8)) + 0.015), 0.8)
    return Fingerprint(_standard((rest * inside)[None])[0])


def _inside(small: np.ndarray) -> np.ndarray:
    """1 where the scan is, 0 in the black that reaches the border, one pixel more for its blur; like `small`."""
    regions, _ = label(np.pad(small <= BLACK, 1, constant_values=True))
    inside = ~binary_dilation(regions[1:-1, 1:-1] == regions[0, 0])
    return (inside if inside.mean() > 0.1 else np.ones_like(inside)).astype(np.float32)


def find_duplicates(
    cases: Sequence[Case], *, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> Duplicates:
    """Read the images of `cases` and cluster those that show the same scan.

    Args:
        cases: of one data set or several; names must be unique.
        workers: threads that read.
        progress: called with (done, all) after each image.
    """
    prints: dict[str, Fingerprint] = {}
    unreadable: dict[str, str] = {}

    def one(case: Case) -> Fingerprint | str:
        try:
            return fingerprint(case.read_image().pixels)
        except SalusError as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        for done, (case, found) in enumerate(zip(cases, pool.map(one, cases), strict=True), start=1):
            if isinstance(found, str):
                unreadable[case.name] = found
            else:
                prints[case.name] = found
            if progress:
                progress(done, len(cases))
    return cluster(prints, unreadable)


def cluster(prints: Mapping[str, Fingerprint], unreadable: Mapping[str, str] | None = None) -> Duplicates:
    """Cluster images by their fingerprints; see the module for the rule.

    Args:
        prints: the fingerprint of each image by name.
        unreadable: images without one, with the reason.
    """
    names = sorted(prints)
    details = np.zeros((len(names), SIDE, SIDE), np.float32)
    for row, name in enumerate(names):
        details[row] = prints[name].detail
    if len(names) >= COMMON_FROM:
        details = _standard(details - details.mean(axis=0))
    links, candidates = _links(details)
    shifted = candidates[_best_correlation(details, candidates) >= SHIFTED]
    groups, clusters = _components(names, np.concatenate([links, shifted]))
    groups.update({name: name for name in unreadable or {}})
    return Duplicates(groups, clusters, dict(unreadable or {}))


def group_of(
    data: DataSet,
    *,
    duplicates: Duplicates | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, str]:
    """The independent group of each case: cases of one patient, and near-duplicates, belong together.

    A near-duplicate of two patients joins the two: most likely they are one.

    Args:
        data: a data set.
        duplicates: what `find_duplicates` found, where that is at hand; None reads the images.
        workers: threads that read.
        progress: called with (done, all) after each image.

    Returns:
        Group by case name: the patient; of joined patients "a + b"; where patients are unknown the first case's name.
    """
    found = duplicates or find_duplicates(data.cases, workers=workers, progress=progress)
    row = {case.name: index for index, case in enumerate(data.cases)}
    patients = {case.name: case.patient for case in data.cases if case.patient is not None}
    first: dict[str, int] = {}  # the first row of each copy and each patient
    links = [(row[name], first.setdefault(f"copy {found.groups[name]}", row[name])) for name in row]
    links += [(row[name], first.setdefault(f"patient {patient}", row[name])) for name, patient in patients.items()]
    components, _ = _components(list(row), np.asarray(links))
    members: dict[str, list[str]] = {}
    for name in row:
        members.setdefault(components[name], []).append(name)
    groups: dict[str, str] = {}
    titles: set[str] = set()
    for together in members.values():
        shown = sorted({patients[name] for name in together if name in patients})
        title = " + ".join(shown) or together[0]
        while title in titles:  # a case named as a patient is
            title += "'"
        titles.add(title)
        groups.update(dict.fromkeys(together, title))
    return {name: groups[name] for name in row}


def _standard(details: np.ndarray) -> np.ndarray:
    """Each image of (n, height, width) to mean 0 and deviation 1; without contrast to 0."""
    centred = details - details.mean(axis=(1, 2), keepdims=True)
    deviation = centred.std(axis=(1, 2), keepdims=True)
    return np.where(deviation > 1e-4, centred / np.maximum(deviation, 1e-4), 0).astype(np.float32)


def _links(details: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(linked pairs as they lie or mirrored, candidate pairs), both (k, 2) rows with the lower row first."""
    n = len(details)
    if n < 2:
        return np.empty((0, 2), int), np.empty((0, 2), int)
    flat = details.reshape(n, -1) / SIDE
    mirrored = details[:, :, ::-1].reshape(n, -1) / SIDE
    coarse = _standard(gaussian_filter(details, (0, 4, 4))[:, 2::4, 2::4]).reshape(n, -1) / 16
    neighbours = min(NEIGHBOURS, n - 1)
    links, candidates = [], []
    for start in range(0, n, 512):
        block = slice(start, start + 512)
        alike = np.maximum(flat[block] @ flat.T, flat[block] @ mirrored.T)
        rows, columns = np.nonzero(alike >= SAME)
        links.append(np.stack([rows + start, columns], axis=1))
        near = coarse[block] @ coarse.T
        itself = np.arange(start, start + len(near))
        near[itself - start, itself] = -2
        columns = np.argpartition(-near, neighbours - 1, axis=1)[:, :neighbours].ravel()
        candidates.append(np.stack([np.repeat(itself, neighbours), columns], axis=1))
    return _ordered(links), _ordered(candidates)


def _ordered(pairs: list[np.ndarray]) -> np.ndarray:
    """Each pair once, the lower row first; no image with itself."""
    both = np.sort(np.concatenate(pairs), axis=1)
    return np.unique(both[both[:, 0] < both[:, 1]], axis=0)


def _best_correlation(details: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The best correlation of each pair over shifts and stretches of its second image, on what overlaps: (k,).

    Pairs that are hopeless at half the size keep that score; the others are scored at full size.
    """
    if not len(pairs):
        return np.zeros(0)
    halves = _standard(details.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4)))
    best = _register(halves, pairs)
    hopeful = best >= SHIFTED - 0.1
    if not hopeful.any():
        return best
    used, local = np.unique(pairs[hopeful], return_inverse=True)
    best[hopeful] = _register(details[used], local.reshape(-1, 2))
    return best


def _register(details: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """As `_best_correlation`, at the size of `details`."""
    side = details.shape[1]
    best = np.full(len(pairs), -1.0)
    stretches, reach = [round(side * stretch) for stretch in STRETCHES], round(side * REACH)
    room = fft.next_fast_len(stretches[-1] + reach, real=True)
    size = (room, room)
    one, energy = fft.rfft2(details, size), fft.rfft2(details**2, size)
    extent = fft.rfft2(np.ones((side, side), np.float32), size)
    for height, width in product(stretches, stretches):
        images = (Image.fromarray(detail).resize((width, height), Image.Resampling.BILINEAR) for detail in details)
        other = np.stack([np.asarray(image) for image in images])
        window = fft.rfft2(np.ones((height, width), np.float32), size)
        at = np.ix_(_shifts(side, height, reach) % room, _shifts(side, width, reach) % room)
        turned = np.conj(fft.rfft2(other, size))
        inside = fft.irfft2(energy * np.conj(window), size)[:, *at]
        outside = fft.irfft2(extent * np.conj(fft.rfft2(other**2, size)), size)[:, *at]
        for start in range(0, len(pairs), 256):
            a, b = pairs[start : start + 256].T
            products = fft.irfft2(one[a] * turned[b], size)[:, *at]
            correlation = products / np.sqrt(np.maximum(inside[a] * outside[b], side**2))
            best[start : start + 256] = np.maximum(best[start : start + 256], correlation.max(axis=(1, 2)))
    return best


def _shifts(side: int, length: int, reach: int) -> np.ndarray:
    """Where a part of `length` pixels may begin, along `side` pixels: inside or over the edge by half of `reach`."""
    return np.arange(min(0, side - length) - reach // 2, max(0, side - length) + reach // 2 + 1)


def _components(names: Sequence[str], links: np.ndarray) -> tuple[dict[str, str], tuple[tuple[str, ...], ...]]:
    """Connected components of (k, 2) links: (first member's name by name, those of two and more)."""
    n = len(names)
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(n, n))
    _, numbers = connected_components(graph, directed=False) if n else (0, np.empty(0, int))
    members: dict[int, list[str]] = {}
    for name, number in zip(names, numbers.tolist(), strict=True):
        members.setdefault(number, []).append(name)
    groups = {name: together[0] for together in members.values() for name in together}
    clusters = sorted((tuple(m) for m in members.values() if len(m) > 1), key=lambda m: (-len(m), m))
    return groups, tuple(clusters)
