"""Near-duplicates: images of a data set that show the same scan.

A copy with other calipers, gain, crop or compression, or the next frame of the same sweep, must not sit on the other
side of a fold. Grey values alone do not tell, because every sonogram is bright above and dark below. So the hash of an
image keeps its local structure only: the image at 64 x 64, minus its surroundings, divided by its local contrast. It is
a perceptual hash after Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010, kept as
numbers instead of bits.

Two images are linked if their hashes correlate
- as they are, or with one of them mirrored, by `MIN_CORRELATION` or more (all pairs, one matrix product), or
- shifted or stretched by up to about a seventh, by `MIN_SHIFTED_CORRELATION` or more (tried for the `NEIGHBOURS` that
  are most alike on a coarse scale).
Clusters are the connected components of the links. Black around a sector scan does not count.

Measured on images scaled to at most 384 pixels a side, every cluster judged by eye:
- BUSI, 624 images: 124 clusters of 290 images, so 166 (27%) repeat another; all are true. 6 clusters hold images of
  different classes, all of them true: benign/malignant 4, benign/normal 2.
- BUS-BRA, 1,509 images of 852 patients: 23 clusters of 48 images. 17 lie within a patient. Of the 6 across patients 5
  are the same tissue: patients 56 and 91, 341 and 356, 305 and 306 look like one each. The sixth (74, 590) is false.
- Copies of 120 of each, cropped at random by up to 10% a side, with other gain and as JPEG 70, are all found; by up to
  15%, 89% and 75%. Mirrored ones are all found up to 3%, some 90% up to 6%, few beyond.
Pictures of whole screens share the machine's frame. What all images share is taken out, but a mixture of frames is not
and links them: crop such pictures first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from salus.parallel import map_in_order

MIN_CORRELATION = 0.55
"""Least correlation, in [-1, 1], that links two hashes as they are, or mirrored."""

MIN_SHIFTED_CORRELATION = 0.60
"""Least correlation after the best shift and stretch: higher, because it is the best of many."""

NEIGHBOURS = 8
"""Number of the most similar images that are tried with shifts and stretches, for each image."""

SIDE = 64  # pixels, height and width of a hash
STRETCHES = (0.875, 1.0, 1.14)  # sizes to which the second image of a pair is stretched, relative to the side
SHIFT_RANGE = 0.22  # twice the largest shift beyond the edge, relative to the side
BLACK = 0.02  # largest grey value, in [0, 1], that counts as no signal
MIN_IMAGES_WITH_FRAME = 16  # from so many images on, what all of them share (a machine's frame, a logo) is taken out


@dataclass(frozen=True, eq=False)
class PerceptualHash:
    """The local structure of one image.

    Attributes:
        detail: (64, 64) float32 of mean 0 and standard deviation 1; all 0 for an image of one grey value.
    """

    detail: np.ndarray


@dataclass(frozen=True)
class Duplicates:
    """Images of a data set that show the same scan.

    Attributes:
        groups: the cluster of each image by name: its first member's name. An image without a copy is its own cluster.
        clusters: the clusters of two or more, each sorted, the largest first.
        unreadable: images that could not be read, with the reason; each is its own cluster.
    """

    groups: dict[str, str]
    clusters: tuple[tuple[str, ...], ...]
    unreadable: dict[str, str] = field(default_factory=dict)


def perceptual_hash(pixels: np.ndarray) -> PerceptualHash:
    """Compute the perceptual hash of one image.

    Args:
        pixels: (height, width) in [0, 1].

    Example:
        >>> import numpy as np
        >>> image = np.random.default_rng(0).random((90, 120))
        >>> a, b = perceptual_hash(image), perceptual_hash(0.5 * image)
        >>> bool((a.detail * b.detail).mean() > 0.99)
        True
    """
    image = Image.fromarray(np.ascontiguousarray(pixels, np.float32))
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))
    inside = _scan_area(small)

    def local_mean(values: np.ndarray, sigma: float) -> np.ndarray:
        weight = gaussian_filter(inside, sigma, mode="constant")
        return gaussian_filter(values * inside, sigma, mode="constant") / np.maximum(weight, 1e-3)

    detail = small - local_mean(small, SIDE / 12)
    detail = local_mean(detail / (np.sqrt(local_mean(detail**2, SIDE / 8)) + 0.015), 0.8)
    return PerceptualHash(_standardise((detail * inside)[None])[0])


def _scan_area(small: np.ndarray) -> np.ndarray:
    """Mark the scan with 1 and the black that reaches the border, one pixel wider for its blur, with 0."""
    regions, _ = label(np.pad(small <= BLACK, 1, constant_values=True))
    inside = ~binary_dilation(regions[1:-1, 1:-1] == regions[0, 0])
    return (inside if inside.mean() > 0.1 else np.ones_like(inside)).astype(np.float32)


def find_duplicates(
    cases: Sequence[Case], *, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> Duplicates:
    """Read the images of cases and cluster those that show the same scan.

    Args:
        cases: of one data set or several; names must be unique.
        workers: number of reading threads.
        progress: called with (done, total) after each image.
    """

    def read_hash(case: Case) -> PerceptualHash | str:
        try:
            return perceptual_hash(case.read_image().pixels)
        except SalusError as error:
            return str(error)

    hashes: dict[str, PerceptualHash] = {}
    unreadable: dict[str, str] = {}
    for done, (case, result) in enumerate(zip(cases, map_in_order(read_hash, cases, workers), strict=True), start=1):
        if isinstance(result, str):
            unreadable[case.name] = result
        else:
            hashes[case.name] = result
        if progress:
            progress(done, len(cases))
    return cluster_hashes(hashes, unreadable)


def cluster_hashes(hashes: Mapping[str, PerceptualHash], unreadable: Mapping[str, str] | None = None) -> Duplicates:
    """Cluster images by their hashes, by the rule in the module's docstring.

    Args:
        hashes: the hash of each image by name.
        unreadable: images without one, with the reason.
    """
    names = sorted(hashes)
    details = np.zeros((len(names), SIDE, SIDE), np.float32)
    for row, name in enumerate(names):
        details[row] = hashes[name].detail
    if len(names) >= MIN_IMAGES_WITH_FRAME:
        details = _standardise(details - details.mean(axis=0))
    links, candidates = _compare_all(details)
    shifted = candidates[_best_correlation(details, candidates) >= MIN_SHIFTED_CORRELATION]
    groups, clusters = _components(names, np.concatenate([links, shifted]))
    groups.update({name: name for name in unreadable or {}})
    return Duplicates(groups, clusters, dict(unreadable or {}))


def independent_groups(
    data: DataSet,
    *,
    duplicates: Duplicates | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, str]:
    """Group the cases that belong together: those of one patient, and near-duplicates.

    A near-duplicate of two patients joins the two: most likely they are one.

    Args:
        data: a data set.
        duplicates: the result of `find_duplicates`, if it is known; None reads the images.
        workers: number of reading threads.
        progress: called with (done, total) after each image.

    Returns:
        Group by case name: the patient; of joined patients "a + b"; where patients are unknown the first case's name.
    """
    duplicates = duplicates or find_duplicates(data.cases, workers=workers, progress=progress)
    row = {case.name: index for index, case in enumerate(data.cases)}
    patients = {case.name: case.patient for case in data.cases if case.patient is not None}
    first: dict[str, int] = {}  # the first row of each cluster and each patient
    links = [(row[name], first.setdefault(f"copy {duplicates.groups[name]}", row[name])) for name in row]
    links += [(row[name], first.setdefault(f"patient {patient}", row[name])) for name, patient in patients.items()]
    components, _ = _components(list(row), np.asarray(links))
    members: dict[str, list[str]] = {}
    for name in row:
        members.setdefault(components[name], []).append(name)
    groups: dict[str, str] = {}
    titles: set[str] = set()
    for names in members.values():
        title = " + ".join(sorted({patients[name] for name in names if name in patients})) or names[0]
        while title in titles:  # a case has the name of a patient
            title += "'"
        titles.add(title)
        groups.update(dict.fromkeys(names, title))
    return {name: groups[name] for name in row}


def _standardise(details: np.ndarray) -> np.ndarray:
    """Scale each image of (n, height, width) to mean 0 and standard deviation 1; an image without contrast to 0."""
    centred = details - details.mean(axis=(1, 2), keepdims=True)
    deviation = centred.std(axis=(1, 2), keepdims=True)
    return np.where(deviation > 1e-4, centred / np.maximum(deviation, 1e-4), 0).astype(np.float32)


def _compare_all(details: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare all pairs of (n, height, width) hashes as they are and mirrored.

    Returns:
        Linked pairs, and pairs to be tried with shifts and stretches: both (k, 2) rows, the lower row first.
    """
    n = len(details)
    if n < 2:
        return np.empty((0, 2), int), np.empty((0, 2), int)
    flat = details.reshape(n, -1) / SIDE
    mirrored = details[:, :, ::-1].reshape(n, -1) / SIDE
    coarse = _standardise(gaussian_filter(details, (0, 4, 4))[:, 2::4, 2::4]).reshape(n, -1) / 16
    neighbours = min(NEIGHBOURS, n - 1)
    links, candidates = [], []
    for start in range(0, n, 512):
        block = slice(start, start + 512)
        correlation = np.maximum(flat[block] @ flat.T, flat[block] @ mirrored.T)
        rows, columns = np.nonzero(correlation >= MIN_CORRELATION)
        links.append(np.stack([rows + start, columns], axis=1))
        coarse_correlation = coarse[block] @ coarse.T
        itself = np.arange(start, start + len(coarse_correlation))
        coarse_correlation[itself - start, itself] = -2
        columns = np.argpartition(-coarse_correlation, neighbours - 1, axis=1)[:, :neighbours].ravel()
        candidates.append(np.stack([np.repeat(itself, neighbours), columns], axis=1))
    return _unique_pairs(links), _unique_pairs(candidates)


def _unique_pairs(pairs: list[np.ndarray]) -> np.ndarray:
    """Keep each pair once, the lower row first, and no image with itself."""
    both = np.sort(np.concatenate(pairs), axis=1)
    return np.unique(both[both[:, 0] < both[:, 1]], axis=0)


def _best_correlation(details: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Find the best correlation of each pair over shifts and stretches of its second image, where they overlap: (k,).

    Pairs that are far from a link at half the size keep that score; the others are scored at full size.
    """
    if not len(pairs):
        return np.zeros(0)
    halves = _standardise(details.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4)))
    best = _register(halves, pairs)
    promising = best >= MIN_SHIFTED_CORRELATION - 0.1
    if not promising.any():
        return best
    rows, local_pairs = np.unique(pairs[promising], return_inverse=True)
    best[promising] = _register(details[rows], local_pairs.reshape(-1, 2))
    return best


def _register(details: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Find the best correlation of each pair, as `_best_correlation` does, at the size of `details`, by FFT."""
    side = details.shape[1]
    best = np.full(len(pairs), -1.0)
    stretches, reach = [round(side * stretch) for stretch in STRETCHES], round(side * SHIFT_RANGE)
    padded = fft.next_fast_len(stretches[-1] + reach, real=True)
    size = (padded, padded)
    first, first_energy = fft.rfft2(details, size), fft.rfft2(details**2, size)
    first_window = fft.rfft2(np.ones((side, side), np.float32), size)
    for height, width in product(stretches, stretches):
        images = (Image.fromarray(detail).resize((width, height), Image.Resampling.BILINEAR) for detail in details)
        stretched = np.stack([np.asarray(image) for image in images])
        window = fft.rfft2(np.ones((height, width), np.float32), size)
        shifts = np.ix_(_shifts(side, height, reach) % padded, _shifts(side, width, reach) % padded)
        second = np.conj(fft.rfft2(stretched, size))
        energy = fft.irfft2(first_energy * np.conj(window), size)[:, *shifts]
        second_energy = fft.irfft2(first_window * np.conj(fft.rfft2(stretched**2, size)), size)[:, *shifts]
        for start in range(0, len(pairs), 256):
            a, b = pairs[start : start + 256].T
            products = fft.irfft2(first[a] * second[b], size)[:, *shifts]
            correlation = products / np.sqrt(np.maximum(energy[a] * second_energy[b], side**2))
            best[start : start + 256] = np.maximum(best[start : start + 256], correlation.max(axis=(1, 2)))
    return best


def _shifts(side: int, length: int, reach: int) -> np.ndarray:
    """List where `length` pixels may begin along `side` pixels: inside, or beyond the edge by half of `reach`."""
    return np.arange(min(0, side - length) - reach // 2, max(0, side - length) + reach // 2 + 1)


def _components(names: Sequence[str], links: np.ndarray) -> tuple[dict[str, str], tuple[tuple[str, ...], ...]]:
    """Find the connected components of (k, 2) links: the first member's name by name, and those of two or more."""
    n = len(names)
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(n, n))
    _, numbers = connected_components(graph, directed=False) if n else (0, np.empty(0, int))
    members: dict[int, list[str]] = {}
    for name, number in zip(names, numbers.tolist(), strict=True):
        members.setdefault(number, []).append(name)
    groups = {name: component[0] for component in members.values() for name in component}
    clusters = sorted((tuple(m) for m in members.values() if len(m) > 1), key=lambda m: (-len(m), m))
    return groups, tuple(clusters)
