"""The plugin in napari's own test viewer; `make napari-check` runs these tests on a display in memory."""

import os
import sys

import nibabel
import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import region, wrap_dicom

napari = pytest.importorskip("napari", reason='napari is not installed; pip install "salus[napari]" pytest-qt')
pytest.importorskip("pytestqt", reason="pytest-qt is not installed; pip install pytest-qt")

from salus import Segmenter, make_phantom, read_scan, segment  # noqa: E402
from salus.napari_plugin.panel import OutlinePanel  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform == "linux" and not os.environ.get("DISPLAY"),
        reason="napari draws by OpenGL, which needs a display; xvfb-run gives one",
    ),
]
PHANTOM = make_phantom(3).image


@pytest.fixture
def viewer(make_napari_viewer):
    npe2 = pytest.importorskip("npe2")
    manager = npe2.PluginManager.instance()
    if "salus" not in manager:
        manager.register(npe2.PluginManifest.from_distribution("salus"))
    return make_napari_viewer()


@pytest.fixture
def cine(tmp_path):
    frames = np.stack([PHANTOM, PHANTOM[:, ::-1], PHANTOM[::-1]])
    return wrap_dicom(tmp_path / "cine.dcm", frames, regions=[region(0, 0, *PHANTOM.shape, (0.2, 0.1))])


def panel_in(viewer):
    _, panel = viewer.window.add_plugin_dock_widget("salus", "Outline tumours")
    assert isinstance(panel, OutlinePanel)
    return panel


def test_an_image_of_napari_is_outlined_corrected_and_saved(viewer, tmp_path):
    layer = viewer.add_image(PHANTOM, name="scan")
    panel = panel_in(viewer)
    assert panel.image.value is layer
    panel.outline_button.clicked.emit(True)
    labels = viewer.layers["scan tumour"]
    np.testing.assert_array_equal(labels.data > 0, segment(PHANTOM).mask)
    assert "not a medical device" in panel.answer.value
    labels.selected_label, labels.brush_size = 1, 9
    labels.paint((20, 20), 1)
    panel.file.value = tmp_path / "scan.png"
    panel.save_button.clicked.emit(True)
    saved = np.asarray(Image.open(tmp_path / "scan.png")) > 0
    assert saved[20, 20]
    np.testing.assert_array_equal(saved, labels.data > 0)


def test_a_cine_is_opened_and_its_frames_outlined(viewer, cine, tmp_path):
    (layer,) = viewer.open(str(cine), plugin="salus")
    assert layer.data.shape == (3, *PHANTOM.shape)
    assert tuple(layer.scale) == (1, 0.2, 0.1)
    panel = panel_in(viewer)
    viewer.dims.set_point(0, 1)
    panel.outline_button.clicked.emit(True)
    labels = viewer.layers["cine.dcm tumour"]
    np.testing.assert_array_equal(labels.scale, layer.scale)
    assert [bool(frame.any()) for frame in labels.data] == [False, True, False]
    assert " mm" in panel.answer.value
    panel.every_frame.value = True
    panel.outline_button.clicked.emit(True)
    assert all(frame.any() for frame in labels.data)
    panel.file.value = tmp_path / "cine.nii.gz"
    panel.save_button.clicked.emit(True)
    assert nibabel.load(tmp_path / "cine.nii.gz").shape[2] == 3


def test_points_and_boxes_are_prompts_in_the_pixels_of_the_image(viewer, cine):
    (layer,) = viewer.open(str(cine), plugin="salus")
    panel = panel_in(viewer)
    mask = segment(PHANTOM).mask
    row, column = (int(values.mean()) for values in np.nonzero(mask))
    points = viewer.add_points([[0, row, column], [1, 9, 9]], scale=layer.scale, ndim=3, name="in")
    world = np.array([[row - 30, column - 40], [row + 30, column + 40]]) * layer.scale[1:]  # a layer of scale 1
    (top, left), (bottom, right) = world
    box = viewer.add_shapes(
        [np.array([[0, top, left], [0, top, right], [0, bottom, right], [0, bottom, left]])], ndim=3
    )
    panel.points.value, panel.boxes.value = points, box
    viewer.dims.set_point(0, 0)
    panel.outline_button.clicked.emit(True)
    places = {"points": [(column + 0.5, row + 0.5)]}
    places["box"] = (column - 39.5, row - 29.5, column + 40.5, row + 30.5)
    expected = Segmenter()(read_scan(cine), **places).mask
    np.testing.assert_array_equal(viewer.layers["cine.dcm tumour"].data[0] > 0, expected)


def test_a_mistake_is_told_in_the_panel(viewer, tmp_path):
    panel = panel_in(viewer)
    panel.outline_button.clicked.emit(True)
    assert "no image layer is chosen" in panel.answer.value
    viewer.add_image(PHANTOM, name="scan")
    panel.file.value = tmp_path / "a.png"
    panel.save_button.clicked.emit(True)
    assert "nothing is outlined" in panel.answer.value
