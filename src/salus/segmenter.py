"""Outline tumours: `segment(image)`, and `Segmenter` for many.

    scan -> 256 x 256 -> network -> probability at the scan's size -> calibrated -> mask -> lesions

A network is one ONNX file with its settings inside, under the metadata key "salus":

    input   "image"        (n, S, S, 1) float32 in [0, 1]
    outputs "probability"  (n, S, S, 1);  "saliency" (n, T, T, 1), T = S or less;  "presence" (n, 1), that there is a
            tumour at all;  "strangeness" (n, 1), how far the image lies from those the network knows, 1 at the limit
    settings size, threshold, temperature, presence, strange, smallest, name (`NetworkSettings`), and the card's figures
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from scipy.ndimage import label

from salus.data.prepare import resize, to_bytes
from salus.engine import Network, open_network
from salus.errors import SalusError
from salus.measure import EIGHT, Lesion, by_size, expected_dice, measure, shifted
from salus.saliency.estimate import as_scan
from salus.scan import Region, Scan, scan_image

Given = Scan | np.ndarray | Image.Image | Path | str

T = TypeVar("T")
R = TypeVar("R")

SHIPPED = Path(str(resources.files("salus"))) / "weights" / "segment.onnx"
"""The network in the package."""

OUTPUTS = {"probability", "saliency", "presence", "strangeness"}
STRANGE = "unlike the breast ultrasound the network knows"
"""The flag of an image that lies beyond what the network was trained on: a photo, text, another organ."""

AT_BORDER = "a lesion touches the image's border"
AHEAD = 4
"""Items that are worked on ahead, or wait to be taken, for each worker of `in_order`."""


@dataclass(frozen=True)
class NetworkSettings:
    """What a network's file says about how its outputs are read.

    Attributes:
        name: of the network.
        size: height and width of its input.
        threshold: probability from which on a pixel is tumour.
        temperature: that the logits are divided by, so that probabilities are frequencies.
        presence: below this probability of any tumour at all the mask is left empty.
        strange: strangeness above which an image is flagged.
        smallest: parts that cover less than this share of the image are dropped.
        tta: it was calibrated on the mean of what it says of an image and of its mirror; see `ask`.
    """

    name: str
    size: int
    threshold: float = 0.5
    temperature: float = 1.0
    presence: float = 0.0
    strange: float = 1.0
    smallest: float = 0.0005
    tta: bool = False


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What was found in one image.

    Attributes:
        mask: (height, width) bool, the tumour, at the image's size; all False where none was found.
        probability: (height, width) float32 in [0, 1], calibrated.
        saliency: (height, width) float32 in [0, 1], where the network looked.
        presence: probability that the image shows a tumour at all.
        lesions: each connected part, the largest first.
        confidence: that the answer is right, in [0, 1]: with lesions the expected Dice, without 1 - presence.
        strangeness: how far the image lies from those the network knows, about 1 at the limit.
        flags: what a reader must know, one line each.
        spacing: (row, column) size of a pixel in mm, None where the source does not say.
        source: the image's file, or what made it.
        network: the name of the network.
        regions: the parts of the image that were looked at; empty means all of it.
        frame: number of the frame in its file, from 1; None where the file holds one image.

    Example:
        >>> from salus import make_phantom, segment
        >>> found = segment(make_phantom(3).image)
        >>> found.mask.shape == found.probability.shape, 0 <= found.confidence <= 1
        (True, True)
    """

    mask: np.ndarray
    probability: np.ndarray
    saliency: np.ndarray
    presence: float
    lesions: tuple[Lesion, ...]
    confidence: float
    strangeness: float
    flags: tuple[str, ...]
    spacing: tuple[float, float] | None
    source: str
    network: str
    regions: tuple[Region, ...] = ()
    frame: int | None = None

    @property
    def found(self) -> bool:
        """Whether there is a lesion."""
        return bool(self.lesions)


class Segmenter:
    """A network, loaded once, for many images. Safe to use from several threads.

    Args:
        network: an .onnx file that `salus train` wrote; None takes the one in the package.
        threshold: probability from which on a pixel is tumour; None takes the network's own.
        tta: also look at the mirrored image and average, at twice the time (test-time augmentation); None does what
            the network was calibrated for.
        engine: see `salus.engine.open_network`; so are threads, precision, device and streams.

    Raises:
        SalusError: the network is missing, damaged, or no network of Salus; or see `open_network`.

    Example:
        >>> from salus import Segmenter, make_phantom
        >>> segmenter = Segmenter()
        >>> [len(found.lesions) >= 0 for found in segmenter.each(make_phantom(i).image for i in range(2))]
        [True, True]
    """

    def __init__(
        self,
        network: Path | str | None = None,
        *,
        threshold: float | None = None,
        tta: bool | None = None,
        engine: str = "auto",
        threads: int | None = None,
        precision: str = "float32",
        device: str = "cpu",
        streams: int = 1,
    ) -> None:
        self.path = path = Path(network) if network is not None else SHIPPED
        self.network = open_network(path, engine, threads=threads, precision=precision, device=device, streams=streams)
        self.settings = _read_settings(self.network.settings, path)
        self.threshold = self.settings.threshold if threshold is None else threshold
        if not 0 < self.threshold < 1:
            raise SalusError(f"threshold {self.threshold}: give a number between 0 and 1")
        self.tta = self.settings.tta if tta is None else tta
        self.precision, self.device = precision, device
        side = self.settings.size
        if not set(self.network.outputs) >= OUTPUTS or self.network.inputs.get("image", ())[1:] != (side, side, 1):
            raise SalusError(f"{path}: is no segmentation network of Salus; export it with salus train")

    def __call__(self, given: Given) -> Segmentation:
        """Outline the tumours of one image.

        Args:
            given: a scan; a grey array (height, width), uint8 or floating point in [0, 1]; a Pillow
                image; or an image file.

        Raises:
            SalusError: see `salus.saliency.estimate.as_scan`.
        """
        scan = as_scan(scan_image(given) if isinstance(given, Image.Image) else given)
        looks = [self._look(part, part.of(scan.pixels)) for part in scan.parts]
        return self._conclude(scan, looks)

    def batch(self, given: Sequence[Given]) -> list[Segmentation]:
        """Outline the tumours of some images in one pass of the network, all of them in memory at a time.

        Args:
            given: each as for one image.

        Raises:
            SalusError: one of them cannot be read; none is then answered.

        Example:
            >>> from salus import Segmenter, make_phantom
            >>> len(Segmenter().batch([make_phantom(3).image, make_phantom(5).image]))
            2
        """
        scans = [as_scan(scan_image(one) if isinstance(one, Image.Image) else one) for one in given]
        parts = [(scan, part) for scan in scans for part in scan.parts]
        if not parts:
            return []
        raw = ask(self.network, np.stack([self._prepare(part.of(scan.pixels)) for scan, part in parts]), self.tta)
        looks = iter(
            [
                self._read(part, part.of(scan.pixels), {k: v[i : i + 1] for k, v in raw.items()})
                for i, (scan, part) in enumerate(parts)
            ]
        )
        return [self._conclude(scan, list(islice(looks, len(scan.parts)))) for scan in scans]

    def each(self, given: Iterable[Given], workers: int = 2) -> Iterator[Segmentation]:
        """Outline many images, lazily and in order; a few are read ahead, so that memory stays flat.

        Args:
            given: as for one image; taken as it is needed.
            workers: images that are worked on at a time.

        Raises:
            SalusError: at the image that cannot be read. To go on after bad files call the segmenter for each instead.
        """
        return in_order(self, given, workers)

    def _look(self, part: Region, pixels: np.ndarray) -> _Look:
        """One region, by the network."""
        return self._read(part, pixels, ask(self.network, self._prepare(pixels)[None], self.tta))

    def _prepare(self, pixels: np.ndarray) -> np.ndarray:
        """(S, S, 1) float32: the squashed image in bytes, as in training, scaled to [0, 1]."""
        side = self.settings.size
        return to_bytes(resize(pixels, (side, side)))[..., None] / np.float32(255)

    def _read(self, part: Region, pixels: np.ndarray, found: dict[str, np.ndarray]) -> _Look:
        """Outputs for one region to what they mean at its own size."""
        settings, shape = self.settings, (part.height, part.width)
        logit = to_logit(found["probability"][0, ..., 0]) / settings.temperature
        probability = np.clip(resize(from_logit(logit), shape), 0, 1)
        presence = float(found["presence"].ravel()[0])
        mask = cut(probability, self.threshold, settings.smallest)
        if presence < settings.presence:
            mask = np.zeros_like(mask)
        saliency = np.clip(resize(found["saliency"][0, ..., 0], shape), 0, 1)
        return _Look(part, pixels, mask, probability, saliency, presence, float(found["strangeness"].ravel()[0]))

    def _conclude(self, scan: Scan, looks: Sequence[_Look]) -> Segmentation:
        """What was seen in a scan's regions, as one answer in the scan's own coordinates."""
        lesions = by_size(one for look in looks for one in look.lesions())
        mask = _paste(scan, looks, "mask")
        probability = _paste(scan, looks, "probability")
        presence = max(look.presence for look in looks)
        strangeness = max(look.strangeness for look in looks)
        flags = [STRANGE] if strangeness > self.settings.strange else []
        if any(lesion.at_border for lesion in lesions):
            flags.append(AT_BORDER)
        return Segmentation(
            mask=mask,
            probability=probability,
            saliency=_paste(scan, looks, "saliency"),
            presence=presence,
            lesions=lesions,
            confidence=expected_dice(mask, probability) if lesions else 1 - presence,
            strangeness=strangeness,
            flags=(*flags, *scan.notes),
            spacing=scan.spacing,
            source=scan.source,
            network=self.settings.name,
            regions=scan.regions,
            frame=scan.frame,
        )


@dataclass(frozen=True, eq=False)
class _Look:
    """What the network saw in one region; arrays are of the region's size."""

    part: Region
    pixels: np.ndarray
    mask: np.ndarray
    probability: np.ndarray
    saliency: np.ndarray
    presence: float
    strangeness: float

    def lesions(self) -> tuple[Lesion, ...]:
        """Of the mask, measured with the region's spacing, at their places in the scan."""
        return tuple(
            shifted(one, self.part.top, self.part.left)
            for one in measure(self.mask, self.probability, self.part.spacing, self.pixels)
        )


def _paste(scan: Scan, looks: Sequence[_Look], name: str) -> np.ndarray:
    """An array of the scan's size: what was seen in each region, 0 outside them, the greater where they overlap."""
    if not scan.regions:
        whole: np.ndarray = getattr(looks[0], name)
        return whole
    pasted = np.zeros(scan.shape, getattr(looks[0], name).dtype)
    for look in looks:
        place = look.part.of(pasted)
        np.maximum(place, getattr(look, name), out=place)
    return pasted


def ask(network: Network, images: np.ndarray, tta: bool) -> dict[str, np.ndarray]:
    """A network's outputs for some images.

    Args:
        network: as the head of this file describes.
        images: (n, S, S, 1) float32 in [0, 1].
        tta: the outputs are the means of those of the images and of their mirrors, less the strangeness, which is the
            images' own.
    """
    if not tta:
        return network.run({"image": images})
    n, both = len(images), network.run({"image": np.concatenate([images, images[:, :, ::-1]])})
    maps = {name: (both[name][:n] + both[name][n:, :, ::-1]) / 2 for name in ("probability", "saliency")}
    presence = (both["presence"][:n] + both["presence"][n:]) / 2
    return maps | {"presence": presence, "strangeness": both["strangeness"][:n]}


def segment(given: Given, **options: Any) -> Segmentation:
    """Outline the tumours of one image; the network is loaded at the first call and kept.

    Args:
        given: a scan; a grey array (height, width), uint8 or floating point in [0, 1]; a Pillow
            image; or an image file.
        options: of `Segmenter`.

    Raises:
        SalusError: as `Segmenter`.

    Example:
        >>> from salus import make_phantom, segment
        >>> segment(make_phantom(3).image).network
        'salus-2'
    """
    return _kept(**options)(given)


@lru_cache(maxsize=4)
def _kept(**options: Any) -> Segmenter:
    return Segmenter(**options)


def in_order(work: Callable[[T], R], given: Iterable[T], workers: int) -> Generator[R, None, None]:
    """Work on items in threads; results in the items' order, with few of either in memory at a time.

    The first is worked on alone, so that one thread alone loads what is loaded at the first use.

    Example:
        >>> list(in_order(abs, [-3, 2, -1], workers=2))
        [3, 2, 1]
    """
    items = iter(given)
    for first in islice(items, 1):
        yield work(first)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for one in items:
                waiting.append(pool.submit(work, one))
                if len(waiting) >= AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def cut(probability: np.ndarray, threshold: float, smallest: float) -> np.ndarray:
    """A mask of a probability: (h, w) bool where it reaches the threshold, less parts below a share of the image.

    Example:
        >>> import numpy as np
        >>> cut(np.array([[0.9, 0.1, 0.1], [0.8, 0.1, 0.7]]), 0.5, 0.3).astype(int).tolist()
        [[1, 0, 0], [1, 0, 0]]
    """
    mask = probability >= threshold
    parts, count = label(mask, EIGHT)
    if count:
        areas = np.bincount(parts.ravel())
        small = areas < smallest * mask.size
        small[0] = False
        mask &= ~small[parts]
    return mask


def to_logit(probability: np.ndarray) -> np.ndarray:
    """ln(p / (1 - p)), p held within 1e-6 of 0 and 1."""
    p = np.clip(np.asarray(probability, np.float32), 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))


def from_logit(logit: np.ndarray) -> np.ndarray:
    """The sigmoid."""
    return 1 / (1 + np.exp(-logit))


def _read_settings(found: dict[str, Any], path: Path) -> NetworkSettings:
    try:
        return NetworkSettings(**{f.name: found[f.name] for f in fields(NetworkSettings) if f.name in found})
    except TypeError:
        raise SalusError(f"{path}: is no segmentation network of Salus; export it with salus train") from None
