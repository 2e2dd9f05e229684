"""Outline tumours: `Segmenter`, for one image or many.

    scan -> square -> network -> probability at the scan's size -> calibrated -> mask -> lesions

The network and its file: `salus.segmentation.network`; from its outputs to a mask: `salus.segmentation.postprocess`;
from regions to one result: `salus.segmentation.region_results`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.parallel import map_in_order
from salus.prompts.prompt import NO_PROMPT, Numbers, Prompt, make_prompt
from salus.prompts.render import render_prompts
from salus.read.inputs import ImageInput, as_scan
from salus.scan import Scan
from salus.segmentation.loading import load_network, network_path
from salus.segmentation.network import (
    OUTPUTS,
    PROMPT,
    predict,
    prepare_image,
    read_settings,
    restrain,
    takes_prompts,
)
from salus.segmentation.prompt_session import PromptSession
from salus.segmentation.region_results import PreparedScan, interpret_outputs
from salus.segmentation.result import Segmentation
from salus.segmentation.strangeness_memory import StrangenessMemory


class Segmenter:
    """A network, loaded once, for many images. Safe to use from several threads.

    Args:
        network: an .onnx file that `salus train` wrote; None or "shipped" takes the one in the package.
        threshold: probability from which on a pixel is tumour; None takes the network's own, which may differ from
            image to image; see `salus.segmentation.postprocess.image_threshold`.
        restraint: how readily an image is left empty: "none" outlines whatever lies above the threshold,
            "balanced" and "strict" leave images of little presence empty; None does what the network's file says.
        tta: average over several passes (test-time augmentation): also segment the mirrored image, at twice the time;
            and if the network's file says `refine` and there is no prompt, give it its own answer back as the map, at
            three times the time. None does what the network was calibrated for.
        engine: "openvino", "onnxruntime" or "auto"; see `salus.engine.open_network`, also for the next four.
        threads: of the processor; None takes all cores.
        precision: "float32", "bfloat16" or "auto".
        device: "cpu", "gpu", "cuda" or "cuda:1".
        streams: images that the engine runs at a time.

    Raises:
        SalusError: the network is missing, damaged, or no network of Salus; or see `open_network`.

    Example:
        >>> from salus import Segmenter, make_phantom
        >>> segmenter = Segmenter()
        >>> [result.network for result in segmenter.each(make_phantom(i).image for i in range(2))]
        ['salus-7', 'salus-7']
    """

    def __init__(
        self,
        network: Path | str | None = None,
        *,
        threshold: float | None = None,
        restraint: str | None = None,
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
            "restraint": restraint,
            "tta": tta,
            "engine": engine,
            "threads": threads,
            "precision": precision,
            "device": device,
            "streams": streams,
        }
        self.path = path = network_path(network)
        self.network = load_network(
            network, tta, engine=engine, threads=threads, precision=precision, device=device, streams=streams
        )
        self.settings = restrain(read_settings(self.network.settings, path), restraint, path)
        self.threshold = _check_threshold(self.settings.threshold if threshold is None else threshold)
        self.tta = self.settings.tta if tta is None else tta
        self.precision, self.device = self.network.precision, device
        self._strangeness = StrangenessMemory()
        self._options["precision"] = self.precision  # a copy in another process computes in the same
        side = self.settings.size
        if not set(self.network.outputs) >= OUTPUTS or self.network.inputs.get("image", ())[1:] != (side, side, 1):
            raise SalusError(f"{path}: is no segmentation network of Salus; export it with salus train")
        if self.takes_prompts and self.network.inputs[PROMPT][1:] != (side, side, 1):
            raise SalusError(f"{path}: its input for prompts has not the image's size; export the network again")

    def __getstate__(self) -> dict[str, Any]:
        """Return the options alone: a pickled segmenter opens its network's file again, and carries no weights."""
        return dict(self._options)

    def __setstate__(self, options: dict[str, Any]) -> None:
        self.__init__(**options)  # type: ignore[misc]  # unpickled as it was made

    @property
    def takes_prompts(self) -> bool:
        """Whether the network takes prompts: points, boxes, scribbles and maps beside the image."""
        return takes_prompts(self.network)

    def require_prompts(self) -> None:
        """Check that the network takes prompts.

        Raises:
            SalusError: it does not.
        """
        if not self.takes_prompts:
            raise SalusError(
                f"the network {self.settings.name} takes no prompts (points, boxes, scribbles, maps); leave them out, "
                "or name a network that was trained with them"
            )

    def __call__(
        self,
        image: ImageInput,
        prompt: Prompt = NO_PROMPT,
        *,
        points: Numbers = (),
        not_points: Numbers = (),
        box: Numbers | None = None,
        scribble: Numbers | None = None,
        prompt_map: np.ndarray | Path | str | None = None,
        threshold: float | None = None,
    ) -> Segmentation:
        """Outline the tumours of one image.

        Args:
            image: a scan; a grey array (height, width), uint8 or floating point in [0, 1]; a Pillow
                image; or an image file.
            prompt: what a person points at; the next arguments add to it.
            points: places (x, y) inside the lesion, in pixels from the image's upper left corner; see
                `salus.prompts.prompt.make_prompt`, also for the next four.
            not_points: places (x, y) outside it.
            box: (x0, y0, x1, y1) around it.
            scribble: places (x, y) along a line inside it.
            prompt_map: (height, width) in [0, 1], high where the lesion is; or the image file of one.
            threshold: in place of the segmenter's own.

        Raises:
            SalusError: see `salus.read.inputs.as_scan`; or the prompt lies outside the image, or the network takes no
                prompts.
        """
        prompt += make_prompt(points, not_points, box, scribble, prompt_map)
        return self.segment_prepared(self.prepare(image), prompt, threshold)

    def open(self, image: ImageInput) -> PromptSession:
        """Open an image to point at its lesions, one click after another.

        Args:
            image: as for one image.

        Raises:
            SalusError: see `salus.read.inputs.as_scan`; or the network takes no prompts.
        """
        self.require_prompts()
        return PromptSession(self, self.prepare(image))

    def prepare(self, image: ImageInput) -> PreparedScan:
        """Read an image, and make the network's input of each of its regions.

        Args:
            image: as for one image.

        Raises:
            SalusError: see `salus.read.inputs.as_scan`.
        """
        scan = as_scan(image)
        inputs = [prepare_image(region.crop(scan.pixels), self.settings) for region in scan.parts]
        return PreparedScan(scan, tuple(inputs))

    def segment_prepared(
        self, prepared: PreparedScan, prompt: Prompt = NO_PROMPT, threshold: float | None = None
    ) -> Segmentation:
        """Outline the tumours of an image that `prepare` made.

        Args:
            prepared: of this segmenter, or of one whose network has the same input.
            prompt: what a person points at.
            threshold: in place of the segmenter's own.

        Raises:
            SalusError: the prompt lies outside the image, or the network takes none.
        """
        scan = prepared.scan
        prompts = self._render([scan], [prompt])
        outputs = [
            self._predict(image[None], None if prompts is None else prompts[i : i + 1])
            for i, image in enumerate(prepared.inputs)
        ]
        return interpret_outputs(scan, outputs, self.settings, self._threshold_or(threshold), prompt)

    def batch(
        self,
        images: Sequence[ImageInput],
        prompts: Sequence[Prompt] | None = None,
        threshold: float | None = None,
    ) -> list[Segmentation]:
        """Outline the tumours of several images in one pass of the network; all of them are in memory at a time.

        Args:
            images: each as for one image.
            prompts: one for each image; None gives none.
            threshold: in place of the segmenter's own, for all of them.

        Raises:
            SalusError: one of them cannot be read, or its prompt does not suit it; none is then segmented.

        Example:
            >>> from salus import Segmenter, make_phantom
            >>> len(Segmenter().batch([make_phantom(3).image, make_phantom(5).image]))
            2
        """
        scans = [as_scan(image) for image in images]
        if not scans:
            return []
        prompts = [NO_PROMPT] * len(scans) if prompts is None else prompts
        level = self._threshold_or(threshold)
        prepared = np.stack(
            [prepare_image(region.crop(scan.pixels), self.settings) for scan in scans for region in scan.parts]
        )
        outputs = self._predict(prepared, self._render(scans, prompts))
        rows = iter([{name: values[i : i + 1] for name, values in outputs.items()} for i in range(len(prepared))])
        return [
            interpret_outputs(scan, [next(rows) for _ in scan.parts], self.settings, level, prompt)
            for scan, prompt in zip(scans, prompts, strict=True)
        ]

    def each(self, images: Iterable[ImageInput], workers: int = 2) -> Iterator[Segmentation]:
        """Outline many images, lazily and in order; a few are read ahead, so that memory stays flat.

        Args:
            images: each as for one image; taken as they are needed.
            workers: images that are worked on at a time.

        Raises:
            SalusError: at the image that cannot be read. To go on after bad files call the segmenter for each instead.
        """
        return map_in_order(self, images, workers)

    def _predict(self, images: np.ndarray, prompts: np.ndarray | None) -> dict[str, np.ndarray]:
        """Run the network on its inputs, in as many passes as the options say."""
        return predict(self.network, images, self.tta, prompts, self.tta and self.settings.refine, self._strangeness)

    def _threshold_or(self, threshold: float | None) -> float | None:
        """Return a threshold that a caller gives, or the segmenter's own."""
        return self.threshold if threshold is None else _check_threshold(threshold)

    def _render(self, scans: Sequence[Scan], prompts: Sequence[Prompt]) -> np.ndarray | None:
        """Draw the prompts of scans for every one of their regions; None where there is nothing to draw."""
        if not any(prompts):
            return None
        self.require_prompts()
        return render_prompts(prompts, scans, self.settings.size, self.settings.keep_aspect)


def _check_threshold(threshold: float | None) -> float | None:
    if threshold is not None and not 0 < threshold < 1:
        raise SalusError(f"threshold {threshold}: give a number between 0 and 1")
    return threshold
