"""What users hold for an image becomes the same scan, by one rule; what fits none of it is refused with a repair."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import salus
from salus.errors import SalusError
from salus.read.inputs import as_scan
from salus.scan import Scan

GREY = np.random.default_rng(0).integers(0, 256, (24, 30), dtype=np.uint8)
GREY[0, 0], GREY[0, 1] = 0, 255
TRUTH = GREY.astype(np.float64) / 255  # closed form of the rule


class OnlyArray:
    """A container that offers `__array__` and nothing else."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def png(array, kind="PNG"):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return stream


@pytest.mark.parametrize(
    "given",
    [
        GREY,
        GREY[..., None],
        GREY[None],
        np.dstack([GREY] * 3),
        np.dstack([GREY] * 3 + [np.full_like(GREY, 9)]),
        GREY.astype(np.uint16) * 257,
        GREY.astype(np.int64),
        GREY.astype(np.int16),
        GREY.astype(np.float32),
        GREY.astype(np.float16),
        GREY.astype(">f8"),
        GREY / 255,
        np.dstack([GREY] * 3) / 255,
        np.asfortranarray(GREY),
        np.ma.masked_array(GREY),
        GREY.tolist(),
        OnlyArray(GREY),
        OnlyArray(GREY / 255),
        Image.fromarray(GREY),
        Image.fromarray(GREY).convert("RGB"),
        png(GREY),
        png(GREY, "BMP"),
        png(GREY).getvalue(),
        Scan(GREY, "x"),
    ],
    ids=lambda given: f"{type(given).__name__} {getattr(given, 'dtype', '')} {getattr(given, 'shape', '')}",
)
def test_everything_that_holds_one_picture_is_the_same_scan(given):
    scan = as_scan(given)
    assert scan.pixels.dtype == np.float32
    np.testing.assert_allclose(scan.pixels, TRUTH, atol=1e-3 if getattr(given, "dtype", None) == np.float16 else 1e-6)


def test_tensors_are_taken_from_torch():
    torch = pytest.importorskip("torch")
    for tensor in (torch.tensor(GREY), torch.tensor(TRUTH, requires_grad=True), torch.tensor(GREY)[None]):
        np.testing.assert_allclose(as_scan(tensor).pixels, TRUTH, atol=1e-6)
    np.testing.assert_allclose(as_scan(torch.tensor(TRUTH).bfloat16()).pixels, TRUTH, atol=1e-2)


@pytest.mark.slow
def test_arrays_of_jax_are_taken():
    jax = pytest.importorskip("jax.numpy")
    np.testing.assert_allclose(as_scan(jax.asarray(GREY)).pixels, TRUTH, atol=1e-6)
    np.testing.assert_allclose(as_scan(jax.asarray(TRUTH, jax.bfloat16)).pixels, TRUTH, atol=1e-2)


def test_colour_is_luma_as_of_a_file(tmp_path):
    colour = np.random.default_rng(1).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.png")
    for given in (colour, colour / 255, colour.astype(float)):
        np.testing.assert_allclose(as_scan(given).pixels, as_scan(tmp_path / "a.png").pixels, atol=1e-6)


def test_twelve_bits_are_stretched_as_a_file_of_them_is(tmp_path):
    wide = np.random.default_rng(2).integers(0, 4096, (12, 14)).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "a.png")
    np.testing.assert_array_equal(as_scan(wide).pixels, as_scan(tmp_path / "a.png").pixels)
    np.testing.assert_allclose(as_scan(wide).pixels, wide / wide.max(), atol=1e-6)


def test_overshoot_of_interpolation_is_cut_off():
    np.testing.assert_allclose(as_scan(TRUTH * 1.1 - 0.05).pixels, np.clip(TRUTH * 1.1 - 0.05, 0, 1), atol=1e-6)
    pixels = as_scan(GREY * 1.1 - 10.0).pixels
    np.testing.assert_allclose(pixels, np.clip((GREY * 1.1 - 10) / 255, 0, 1), atol=1e-6)


def test_a_stream_is_read_from_its_start_and_dicom_is_told_by_its_content(tmp_path):
    stream = png(GREY)
    stream.read(20)
    np.testing.assert_allclose(as_scan(stream).pixels, TRUTH, atol=1e-6)
    pydicom = pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    path = get_testdata_file("CT_small.dcm")
    scan = as_scan(io.BytesIO(Path(path).read_bytes()))
    assert scan.source == "the image"
    assert scan.shape == pydicom.dcmread(path).pixel_array.shape
    np.testing.assert_array_equal(scan.pixels, as_scan(path).pixels)


NAN = TRUTH.copy()
NAN[3, 4] = np.nan
INFINITE = np.dstack([TRUTH] * 3)
INFINITE[5, 6, 1] = np.inf


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (NAN, "1 values are not finite, the first NaN in row 3, column 4"),
        (INFINITE, "the first infinite in row 5, column 6"),
        (TRUTH - 0.5, "values from -0.5 to 0.5; floating point must lie in 0..1 or 0..255"),
        (TRUTH * 4095, "to 4095; floating point must lie in"),
        (GREY[None, ..., None], "with a batch axis: .*batch.*each"),
        (np.zeros((2, 3, 24, 30)), "with a batch axis: .*batch.*each"),
        (np.stack([GREY] * 5), "these are 5 images; .*batch"),
        (np.stack([GREY] * 3), r"channels come last, np\.moveaxis\(image, 0, -1\), or these are 3 images"),
        ([GREY, GREY], "these are 2 images; .*batch"),
        (["a.png", "b.png"], "holds no grey values; .*batch"),
        ([GREY, GREY[:-1]], "cannot make an array of this list"),
        (GREY[0], "give one image"),
        (GREY + 0j, "ndarray is no image"),
        (None, "NoneType is no image"),
        ({}, "dict is no image"),
        (np.zeros((0, 0)), "0 x 0 pixels"),
        (np.zeros((24, 30, 0)), "24 images"),
        (io.StringIO("x"), "binary mode"),
        (io.BytesIO(), "these 0 bytes are no PNG"),
        (b"x" * 200, "these 200 bytes are no PNG, .* or NRRD file"),
        (png(GREY).getvalue()[:200], "damaged image data"),
        (b"\0" * 128 + b"DICM", "^the image: "),
    ],
)
def test_what_is_no_single_image_is_refused_in_one_line(given, part):
    with pytest.raises(SalusError, match=part) as caught:
        as_scan(given)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_public_function_follows_the_rule():
    phantom = salus.make_phantom(3)
    truth = salus.segment(phantom.image)
    for given in (phantom.image.astype(float), np.dstack([phantom.image] * 3), png(phantom.image)):
        np.testing.assert_array_equal(salus.segment(given).mask, truth.mask)


class TensorInGraph:
    """PyTorch's interface: an array only after it is detached and on the processor."""

    def __init__(self, values, free=False, here=False):
        self.values, self.free, self.here, self.dtype = values, free, here, f"torch.{values.dtype}"

    def detach(self):
        return TensorInGraph(self.values, True, self.here)

    def cpu(self):
        return TensorInGraph(self.values, self.free, True)

    def __array__(self, dtype=None, copy=None):
        if not (self.free and self.here):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad, or lies on a device")
        return self.values


def test_a_tensor_is_taken_off_its_graph_and_device():
    np.testing.assert_allclose(as_scan(TensorInGraph(TRUTH)).pixels, TRUTH, atol=1e-6)
