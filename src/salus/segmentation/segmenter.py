"""Outline tumours: `segment(image)`, and `Segmenter` for many images.

    scan -> 256 x 256 -> network -> probability at the scan's size -> calibrated -> mask -> lesions

The network and its file: `salus.segmentation.network`; from its outputs to a mask: `salus.segmentation.postprocess`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from salus.engine import open_network
from salus.errors import SalusError
from salus.parallel import map_in_order
from salus.read.inputs import ImageInput, as_scan
from salus.scan import Region, Scan
from salus.segmentation.network import OUTPUTS, predict, prepare_image, read_settings
from salus.segmentation.postprocess import clipped_logit, expected_confidence, measure_regions, outline, resize_map
from salus.segmentation.result import Segmentation
from salus.weights import SHIPPED_NETWORK

STRANGE = "unlike the breast ultrasound the network knows"
"""The flag of an image that lies beyond what the network was trained on: a photo, text, another organ."""

AT_BORDER = "a lesion touches the image's border"
"""The flag of an image with a lesion of which a part may lie outside."""


class Segmenter:
    """A network, loaded once, for many images. Safe to use from several threads.

    Args:
        network: an .onnx file that `salus train` wrote; None or "shipped" takes the one in the package.
        threshold: probability from which on a pixel is tumour; None takes the network's own.
        tta: also segment the mirrored image and average, at twice the time (test-time augmentation); None does what
            the network was calibrated for.
        engine: "openvino", "onnxruntime" or "auto"; see `salus.engine.open_network`, also for the next four.
        threads: of the processor; None takes all cores.
        precision: "float32" or "bfloat16".
        device: "cpu" or "gpu".
        streams: images that the engine runs at a time.

    Raises:
        SalusError: the network is missing, damaged, or no network of Salus; or see `open_network`.

    Example:
        >>> from salus import Segmenter, make_phantom
        >>> segmenter = Segmenter()
        >>> [result.network for result in segmenter.each(make_phantom(i).image for i in range(2))]
        ['salus-4', 'salus-4']
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
        self._options = {
            "network": None if network in (None, "shipped") else Path(str(network)).absolute(),
            "threshold": threshold,
            "tta": tta,
            "engine": engine,
            "threads": threads,
            "precision": precision,
            "device": device,
            "streams": streams,
        }
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

    def __getstate__(self) -> dict[str, Any]:
        """Return the options alone: a pickled segmenter opens its network's file again, and carries no weights."""
        return dict(self._options)

    def __setstate__(self, options: dict[str, Any]) -> None:
        self.__init__(**options)  # type: ignore[misc]

    def __call__(self, image: ImageInput) -> Segmentation:
        """Outline the tumours of one image.

        Args:
            image: an image file; an array (height, width) or (height, width, 3), uint8, floating point or wider; a
                tensor; a Pillow image; a scan; or a stream. `segment` has the rule.

        Raises:
            SalusError: see `salus.read.inputs.as_scan`.
        """
        scan = as_scan(image)
        results = []
        for region in scan.parts:
            pixels = region.crop(scan.pixels)
            outputs = predict(self.network, prepare_image(pixels, self.settings.size)[None], self.tta)
            results.append(self._interpret(region, pixels, outputs))
        return self._combine(scan, results)

    def batch(self, images: Sequence[ImageInput]) -> list[Segmentation]:
        """Outline the tumours of several images in one pass of the network; all of them are in memory at a time.

        Args:
            images: each as for one image.

        Raises:
            SalusError: one of them cannot be read; none is then segmented.

        Example:
            >>> from salus import Segmenter, make_phantom
            >>> len(Segmenter().batch([make_phantom(3).image, make_phantom(5).image]))
            2
        """
        scans = [as_scan(image) for image in images]
        parts = [(region, region.crop(scan.pixels)) for scan in scans for region in scan.parts]
        if not parts:
            return []
        prepared = np.stack([prepare_image(pixels, self.settings.size) for _, pixels in parts])
        outputs = predict(self.network, prepared, self.tta)
        results = iter(
            [
                self._interpret(region, pixels, {name: values[i : i + 1] for name, values in outputs.items()})
                for i, (region, pixels) in enumerate(parts)
            ]
        )
        return [self._combine(scan, list(islice(results, len(scan.parts)))) for scan in scans]

    def each(self, images: Iterable[ImageInput], workers: int = 2) -> Iterator[Segmentation]:
        """Outline many images, lazily and in order; a few are read ahead, so that memory stays flat.

        Args:
            images: each as for one image; taken as they are needed.
            workers: images that are worked on at a time.

        Raises:
            SalusError: at the image that cannot be read. To go on after bad files call the segmenter for each instead.
        """
        return map_in_order(self, images, workers)

    def _interpret(self, region: Region, pixels: np.ndarray, outputs: dict[str, np.ndarray]) -> _RegionResult:
        """Turn the network's outputs for one region into arrays of the region's size."""
        shape = (region.height, region.width)
        presence, strangeness = (float(outputs[name].item()) for name in ("presence", "strangeness"))
        logits = clipped_logit(outputs["probability"][0, ..., 0])
        probability, mask = outline(logits, presence, shape, self.settings, self.threshold)
        saliency = resize_map(outputs["saliency"][0, ..., 0], shape)
        return _RegionResult(region, pixels, mask, probability, saliency, presence, strangeness)

    def _combine(self, scan: Scan, results: Sequence[_RegionResult]) -> Segmentation:
        """Combine the results of a scan's regions into one, in the scan's own coordinates."""
        lesions = measure_regions((r.region, r.mask, r.probability, r.pixels) for r in results)
        mask, probability = _paste(scan, results, "mask"), _paste(scan, results, "probability")
        presence = max(result.presence for result in results)
        strangeness = max(result.strangeness for result in results)
        flags = [STRANGE] if strangeness > self.settings.strange else []
        if any(lesion.at_border for lesion in lesions):
            flags.append(AT_BORDER)
        return Segmentation(
            mask=mask,
            probability=probability,
            saliency=_paste(scan, results, "saliency"),
            presence=presence,
            lesions=lesions,
            confidence=expected_confidence(mask, probability, presence),
            strangeness=strangeness,
            flags=(*flags, *scan.notes),
            spacing=scan.spacing,
            source=scan.source,
            network=self.settings.name,
            regions=scan.regions,
            frame=scan.frame,
            pixels=scan.pixels,
        )


@dataclass(frozen=True, eq=False)
class _RegionResult:
    """The network's result for one region of a scan; arrays are of the region's size."""

    region: Region
    pixels: np.ndarray
    mask: np.ndarray
    probability: np.ndarray
    saliency: np.ndarray
    presence: float
    strangeness: float


def _paste(scan: Scan, results: Sequence[_RegionResult], name: str) -> np.ndarray:
    """Paste an array of each region into one of the scan's size: 0 outside, the maximum where regions overlap."""
    if not scan.regions:
        whole: np.ndarray = getattr(results[0], name)
        return whole
    pasted = np.zeros(scan.shape, getattr(results[0], name).dtype)
    for result in results:
        target = result.region.crop(pasted)
        np.maximum(target, getattr(result, name), out=target)
    return pasted


_cached_segmenter = lru_cache(maxsize=4)(Segmenter)


def segment(
    image: ImageInput,
    *,
    network: Path | str | None = None,
    threshold: float | None = None,
    tta: bool | None = None,
    engine: str = "auto",
    threads: int | None = None,
    precision: str = "float32",
    device: str = "cpu",
    streams: int = 1,
) -> Segmentation:
    """Outline the tumours of one image; the network is loaded at the first call and kept.

    Args:
        image: an image file, its bytes or a binary stream of them; a Pillow image; a `Scan`; or an array, a PyTorch or
            JAX tensor, or anything with `__array__`, by this rule. Shape: (height, width), or (height, width, channels)
            with 1, 3 or 4 channels; several images go to `Segmenter.batch`. Integers from 0 to 255: 255 is white; wider
            ones are stretched from 0 to their maximum, as 16-bit files are. Floating point in 0..1: 1 is white; in
            0..255: 255 is white. NaN, and what fits no line of the rule, is refused.
        network: an .onnx file that `salus train` wrote; None or "shipped" takes the one in the package.
        threshold: probability from which on a pixel is tumour; None takes the network's own.
        tta: also segment the mirrored image and average; None does what the network was calibrated for.
        engine: see `Segmenter`, also for threads, precision, device and streams.

    Raises:
        SalusError: as `Segmenter`.

    Example:
        >>> from salus import make_phantom, segment
        >>> segment(make_phantom(3).image).network
        'salus-4'
    """
    segmenter = _cached_segmenter(
        network,
        threshold=threshold,
        tta=tta,
        engine=engine,
        threads=threads,
        precision=precision,
        device=device,
        streams=streams,
    )
    return segmenter(image)
