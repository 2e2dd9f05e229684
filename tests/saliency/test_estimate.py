"""Saliency of any image by shipped methods, here with weights made on the spot."""

import numpy as np
import pytest
from PIL import Image

from salus.errors import SalusError
from salus.preprocess import resize, to_uint8
from salus.saliency import registry
from salus.saliency.confidence import DESCRIPTORS, Confidence, gate_maps
from salus.saliency.contour import keep_strongest_contour, weigh_contours
from salus.saliency.estimate import SIZE, estimate_maps, estimate_saliency
from salus.saliency.methods.prior import PriorSaliency
from salus.scan import Scan


class Darkness:
    """A method whose map is the inverted image."""

    def estimate(self, images):
        return 1 - images.astype(np.float32) / 255


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Shipped files: a prior, and a method 'dark' whose confidence is 0.25 for every map."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(registry, "SHIPPED_WEIGHTS", folder)
    monkeypatch.setitem(registry.METHODS, "dark", Darkness)
    prior = PriorSaliency()
    masks = np.zeros((3, 64, 64), bool)
    masks[:, 20:36, 24:40] = True
    prior.fit(np.zeros((3, 64, 64), np.uint8), masks)
    prior.save(folder / "prior.npz")
    zeros = np.zeros(len(DESCRIPTORS))
    Confidence(zeros, zeros + 1, zeros, -np.log(3)).save(folder / "confidence-dark.npz")
    caches = registry.get_method, registry.get_confidence, registry.get_prior
    for cached in caches:
        cached.cache_clear()
    yield folder
    for cached in caches:
        cached.cache_clear()


def smooth(shape, seed=0):
    return np.clip(resize(np.random.default_rng(seed).random((6, 6)), shape), 0, 1)


def test_a_map_has_the_images_size_and_is_the_methods_map_of_the_square(weights):
    pixels = smooth((200, 330))
    saliency = estimate_saliency(Scan(pixels, "a.png"), "dark")
    assert saliency.shape == (200, 330)
    assert saliency.values.dtype == np.float32
    assert (saliency.method, saliency.source) == ("dark", "a.png")
    assert saliency.confidence == pytest.approx(0.25)
    squashed = Darkness().estimate(to_uint8(resize(pixels, (SIZE, SIZE)))[None])[0]
    np.testing.assert_allclose(saliency.values, resize(squashed, (200, 330)), atol=1e-6)
    assert np.abs(saliency.values - (1 - pixels)).mean() < 0.01  # in place: neither mirrored nor turned


def test_scan_array_bytes_and_file_agree(weights, tmp_path):
    image = to_uint8(smooth((90, 70)))
    Image.fromarray(image).save(tmp_path / "a.png")
    whole = estimate_saliency(image, "dark").values
    for scan in (image / 255, (image / 255).astype(np.float32), tmp_path / "a.png", str(tmp_path / "a.png")):
        np.testing.assert_allclose(estimate_saliency(scan, "dark").values, whole, atol=0.005)


def test_many_at_a_time_are_as_one_at_a_time(weights):
    images = np.stack([to_uint8(smooth((SIZE, SIZE), seed)) for seed in range(3)])
    maps, confidence = estimate_maps(images, "dark", gate=True, one_contour="soft")
    for image, one, c in zip(images, maps, confidence, strict=True):
        alone = estimate_saliency(image, "dark", gate=True, one_contour="soft")
        np.testing.assert_allclose(alone.values, one, atol=1e-6)
        assert alone.confidence == pytest.approx(c)


def test_one_contour_and_gate_are_the_published_steps_in_order(weights):
    image = to_uint8(smooth((SIZE, SIZE)))
    raw = Darkness().estimate(image[None])[0]
    prior = estimate_saliency(image, "prior").values
    for form, step in (("hard", keep_strongest_contour), ("soft", weigh_contours)):
        single = estimate_saliency(image, "dark", one_contour=form)
        np.testing.assert_allclose(single.values, step(raw), atol=1e-6)
        gated = estimate_saliency(image, "dark", one_contour=form, gate=True)
        np.testing.assert_allclose(gated.values, gate_maps(step(raw)[None], [0.25], prior)[0], atol=1e-5)


def test_the_prior_fits_itself_to_any_size_and_lies_in_place(weights):
    saliency = estimate_saliency(np.zeros((300, 150)), "prior")
    assert saliency.confidence is None
    assert saliency.values.max() == pytest.approx(1, abs=0.02)
    rows, columns = np.mgrid[:300, :150]
    centre = [(saliency.values * axis).sum() / saliency.values.sum() / n for axis, n in ((rows, 300), (columns, 150))]
    assert centre == pytest.approx([28 / 64, 32 / 64], abs=0.01)


@pytest.mark.parametrize("shape", [(8, 8), (8, 3000), (1999, 9), (257, 255), (3200, 5000)])
@pytest.mark.parametrize("method", ["prior", "dark"])
def test_any_shape_and_constant_images(shape, method, weights):
    for value in (0.0, 1.0):
        saliency = estimate_saliency(
            np.full(shape, value, np.float32), method, gate=method == "dark", one_contour="soft"
        )
        assert saliency.shape == shape
        assert 0 <= saliency.values.min() <= saliency.values.max() <= 1


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (np.zeros((7, 30)), "8 or more"),
        (np.zeros((2, 30, 30, 3)), "batch"),
        (np.zeros((4001, 4000), np.uint8), "16,000,000"),
        (np.full((9, 9), np.nan), "not finite"),
        (np.full((9, 9), -3.0), "image"),
        (Scan(np.full((9, 9), np.inf, np.float32), "x.png"), "x.png"),
        ("absent.png", "no such file"),
    ],
)
def test_what_is_no_grey_image_is_an_error_of_one_line(given, part, weights):
    with pytest.raises(SalusError, match=part) as error:
        estimate_saliency(given, "dark")
    assert "\n" not in str(error.value)


def test_errors_say_what_to_do(weights, tmp_path):
    image = np.zeros((20, 20))
    with pytest.raises(SalusError, match="choose one of prior, hybrid, anatomy, regions, learned"):
        estimate_saliency(image, "magic")
    with pytest.raises(SalusError, match="hard, soft"):
        estimate_saliency(image, "dark", one_contour="middle")
    with pytest.raises(SalusError, match="leave out the gate"):
        estimate_saliency(image, "prior", gate=True)
    with pytest.raises(SalusError, match=r"saliency\.onnx: this installation lacks"):
        estimate_saliency(image, "learned")
    (weights / "prior.npz").unlink()
    for cached in (registry.get_method, registry.get_prior):
        cached.cache_clear()
    with pytest.raises(SalusError, match=r"prior\.npz: this installation lacks"):
        estimate_saliency(image, "prior")
    np.savez(weights / "prior.npz", map=np.zeros(3))
    with pytest.raises(SalusError, match="no location prior"):
        estimate_saliency(image, "prior")
    (weights / "prior.npz").write_bytes(b"")
    with pytest.raises(SalusError, match="cannot be read"):
        estimate_saliency(image, "prior")


def test_a_method_is_made_once(weights, monkeypatch):
    made = []
    monkeypatch.setitem(registry.METHODS, "counted", lambda: made.append(1) or Darkness())
    for _ in range(3):
        estimate_saliency(np.zeros((20, 20)), "counted")
    assert made == [1]


def test_maps_from_a_folder_are_found_by_name_whatever_their_suffix_and_size(weights, tmp_path):
    values = to_uint8(smooth((50, 40)))
    Image.fromarray(values).save(tmp_path / "case.BMP")
    scan = Scan(np.zeros((100, 80), np.float32), "elsewhere/case.jpg")
    saliency = estimate_saliency(scan, "file", folder=tmp_path)
    assert (saliency.method, saliency.confidence) == ("file", None)
    np.testing.assert_allclose(saliency.values, resize(values / np.float32(255), (100, 80)), atol=1e-6)
    single = estimate_saliency(scan, "file", folder=tmp_path, one_contour="hard").values
    np.testing.assert_allclose(single, resize(keep_strongest_contour(values / 255), (100, 80)), atol=1e-6)


def test_a_missing_map_is_an_error(tmp_path):
    scan = Scan(np.zeros((9, 9), np.float32), "case.png")
    with pytest.raises(SalusError, match=r"wanted case\.png"):
        estimate_saliency(scan, "file", folder=tmp_path)
    with pytest.raises(SalusError, match="no such folder"):
        estimate_saliency(scan, "file", folder=tmp_path / "absent")
    with pytest.raises(SalusError, match="--maps-from"):
        estimate_saliency(scan, "file")
    with pytest.raises(SalusError, match="no map named"):
        estimate_saliency(np.zeros((9, 9)), "file", folder=tmp_path)
