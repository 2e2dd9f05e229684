"""The panel in napari's window: outline a layer, point at its tumour, correct the labels, save them."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import CheckBox, Container, FileEdit, Label, PushButton, create_widget

from salus.errors import SalusError
from salus.napari_plugin.outline import LayerImage, make_layer_prompt, save_labels
from salus.napari_plugin.reader import PATH
from salus.prompts.prompt import NO_PROMPT, Prompt
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter

if TYPE_CHECKING:
    import napari

OUTLINE = "tumour"
"""Ends the name of the layer of labels that the panel makes."""

WIDTH = 46
"""Largest number of letters in a line of the panel."""

NOTE = "Research software, not a medical device."


class OutlinePanel(Container):
    """Outline tumours in the layers of a viewer; see docs/how-to/napari.md.

    Args:
        viewer: that the panel stands in.
        segmenter: the network; None opens the shipped one at the first outline.
    """

    def __init__(self, viewer: napari.viewer.Viewer, segmenter: Segmenter | None = None) -> None:
        self.viewer, self._segmenter = viewer, segmenter
        self.results: dict[str, dict[int, Segmentation]] = {}
        self.image = create_widget(label="Image", annotation="napari.layers.Image")
        self.points, self.not_points = (
            create_widget(label=label, annotation="napari.layers.Points", options={"nullable": True})
            for label in ("Points in the tumour", "Points outside")
        )
        self.boxes = create_widget(
            label="Boxes around it", annotation="napari.layers.Shapes", options={"nullable": True}
        )
        self.every_frame = CheckBox(label="All frames of a cine", value=False)
        self.outline_button = PushButton(text="Outline")
        self.file = FileEdit(mode="w", label="File", value="outline.nii.gz")
        self.save_button = PushButton(text="Save labels")
        self.answer = Label(value=NOTE)
        super().__init__(
            widgets=[
                self.image, self.points, self.not_points, self.boxes, self.every_frame, self.outline_button, self.file,
                self.save_button, self.answer,
            ]
        )  # fmt: skip
        self.outline_button.clicked.connect(lambda: self._report(self.outline))
        self.save_button.clicked.connect(lambda: self._report(self.save))

    def outline(self) -> str:
        """Outline the frame that is shown, or all frames, as labels in a layer; return a line on what was found.

        A frame in which places are pointed at is outlined by them. Labels of other frames stay as they are.

        Raises:
            SalusError: no image is chosen, it cannot be read, or the network takes no prompts.
        """
        layer, image = self._read_layer()
        segmenter = self._segmenter = self._segmenter or Segmenter()
        shown = round(layer.world_to_data(self.viewer.dims.point)[-3]) if image.has_frames else 0
        indices = range(image.count) if image.has_frames and self.every_frame.value else [min(shown, image.count - 1)]
        results = self.results.setdefault(layer.name, {})
        labels = self._label_layer(layer, image)
        for index in indices:
            result = segmenter(image.scan(index), self._prompt(layer, image, index))
            results[index] = result
            if image.has_frames:
                labels.data[index] = result.mask
            else:
                labels.data[...] = result.mask
        labels.refresh()
        last = results[indices[-1]]
        sizes = ", ".join(f"{lesion.longest:.3g} x {lesion.across:.3g} {lesion.unit}" for lesion in last.lesions)
        count = f"{len(indices)} frames; the last: " if len(indices) > 1 else ""
        return "\n".join([f"{count}{last.result} {sizes}; confidence {last.confidence:.2f}", *last.flags, NOTE])

    def save(self) -> str:
        """Save the labels of the chosen image as the file's suffix says; return a line on what was written.

        Raises:
            SalusError: see `salus.napari_plugin.outline.save_labels`.
        """
        layer, image = self._read_layer()
        path = Path(self.file.value)
        count = save_labels(path, image, self.results.get(layer.name, {}), self._label_layer(layer, image).data)
        return f"{path.name}: {'1 frame' if count == 1 else f'{count} frames'}\n{NOTE}"

    def _report(self, action: Any) -> None:
        """Do what a button says, and show its answer or its mistake."""
        try:
            text = action()
        except (SalusError, OSError) as error:
            text = str(error)
        self.answer.value = "\n".join(fill(line, WIDTH) for line in text.splitlines())

    def _read_layer(self) -> tuple[Any, LayerImage]:
        layer = self.image.value
        if layer is None:
            raise SalusError("no image layer is chosen; open an image")
        path = layer.metadata.get(PATH)
        return layer, LayerImage(layer.data, layer.rgb, path)

    def _label_layer(self, layer: Any, image: LayerImage) -> Any:
        """Return the layer of labels of an image layer; it is made where there is none."""
        name = f"{layer.name} {OUTLINE}"
        shape = (image.count, *image.shape) if image.has_frames else image.shape
        if name in self.viewer.layers and self.viewer.layers[name].data.shape == shape:
            return self.viewer.layers[name]
        axes = len(shape)
        return self.viewer.add_labels(
            np.zeros(shape, np.uint8),
            name=name,
            scale=layer.scale[-axes:],
            translate=layer.translate[-axes:],
            opacity=0.5,
        )

    def _prompt(self, layer: Any, image: LayerImage, index: int) -> Prompt:
        """Gather what is pointed at in a frame, in the image layer's own pixels."""
        points, outside = (
            np.zeros((0, 2)) if marks is None else _in_frame(layer, image, marks, marks.data, index)
            for marks in (self.points.value, self.not_points.value)
        )
        shapes = self.boxes.value
        corners = [] if shapes is None else [_in_frame(layer, image, shapes, data, index) for data in shapes.data]
        boxes = [box for box in corners if len(box)]
        return make_layer_prompt(points, outside, boxes) if len(points) or len(outside) or boxes else NO_PROMPT


def _in_frame(layer: Any, image: LayerImage, marks: Any, places: np.ndarray, index: int) -> np.ndarray:
    """Convert places of another layer to rows and columns of the image layer, and keep those in a frame.

    Places of a layer without frames are in every one.
    """
    converted = [np.asarray(layer.world_to_data(marks.data_to_world(place))) for place in places]
    if image.has_frames and marks.ndim > 2:
        converted = [place for place in converted if round(place[-3]) == index]
    return np.array([place[-2:] for place in converted]).reshape(-1, 2)
