"""Outline tumours: `segment(image)`, and `Segmenter` for many.

    scan -> 256 x 256 -> network -> probability at the scan's size -> calibrated -> mask -> lesions

The network and its file: `salus.segmentation.network`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from salus.engine import open_network
from salus.errors import SalusError
from salus.measure.lesions import Lesion, by_size, expected_dice, measure, shifted
from salus.parallel import in_order
from salus.preprocess import resize, to_bytes
from salus.read.image import scan_image
from salus.read.inputs import as_scan
from salus.scan import Region, Scan
from salus.segmentation.network import OUTPUTS, ask, read_settings
from salus.segmentation.postprocess import cut, from_logit, to_logit
from salus.segmentation.result import Segmentation
from salus.weights import SHIPPED_NETWORK

Given = Scan | np.ndarray | Image.Image | Path | str

STRANGE = "unlike the breast ultrasound the network knows"
"""The flag of an image that lies beyond what the network was trained on: a photo, text, another organ."""

AT_BORDER = "a lesion touches the image's border"


class Segmenter:
    """A network, loaded once, for many images. Safe to use from several threads.

    Args:
        network: an .onnx file that `salus train` wrote; None or "shipped" takes the one in the package.
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
        self.path = path = SHIPPED_NETWORK if network in (None, "shipped") else Path(network)
        self.network = open_network(path, engine, threads=threads, precision=precision, device=device, streams=streams)
        self.settings = read_settings(self.network.settings, path)
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
            SalusError: see `salus.read.inputs.as_scan`.
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
        'salus-4'
    """
    return _kept(**options)(given)


@lru_cache(maxsize=4)
def _kept(**options: Any) -> Segmenter:
    return Segmenter(**options)
