"""The physics of speckle, shadows and log compression, and the grain of whole phantoms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage, stats

from salus.data.phantom.make import make_phantom
from salus.data.phantom.speckle import blur_rows, log_compress, shadow_db, speckle_envelope

RAYLEIGH_SNR = np.sqrt(np.pi / (4.0 - np.pi))
"""Mean over standard deviation of a Rayleigh distributed envelope, about 1.91."""


def correlation(intensity: np.ndarray, lag: int, axis: int) -> float:
    """Normalised autocovariance of an intensity pattern."""
    length = intensity.shape[axis]
    here = np.take(intensity, range(length - lag), axis).ravel()
    there = np.take(intensity, range(lag, length), axis).ravel()
    return float(np.corrcoef(here, there)[0, 1])


def test_homogeneous_tissue_gives_fully_developed_speckle() -> None:
    envelope = speckle_envelope(np.full((500, 500), 3.0), np.random.default_rng(1), axial=1.3, lateral=3.0)
    assert envelope.mean() / envelope.std() == pytest.approx(RAYLEIGH_SNR, rel=0.02)
    assert np.mean(envelope**2) == pytest.approx(9.0, rel=0.05)
    apart = envelope[::12, ::24].ravel()  # samples far enough apart to be independent
    assert stats.kstest(apart, "rayleigh", args=(0, 3.0 / np.sqrt(2.0))).pvalue > 0.01


def test_compounding_raises_the_ratio_and_smooth_surfaces_break_it() -> None:
    flat = np.ones((300, 300))
    four = speckle_envelope(flat, np.random.default_rng(2), axial=1.2, lateral=2.0, looks=4)
    assert four.mean() / four.std() > 1.8 * RAYLEIGH_SNR
    shiny = speckle_envelope(flat, np.random.default_rng(2), axial=1.2, lateral=2.0, specular=flat)
    assert shiny.mean() / shiny.std() > 1.3 * RAYLEIGH_SNR


def test_grain_follows_the_pulse() -> None:
    """For a Gaussian pulse of width s the intensity's autocovariance at lag d is exp(-d^2 / (2 s^2))."""
    envelope = speckle_envelope(np.ones((500, 500)), np.random.default_rng(3), axial=2.0, lateral=4.0)
    intensity = envelope**2
    assert correlation(intensity, 2, axis=0) == pytest.approx(np.exp(-0.5), abs=0.04)
    assert correlation(intensity, 4, axis=1) == pytest.approx(np.exp(-0.5), abs=0.04)
    assert correlation(intensity, 4, axis=1) > correlation(intensity, 4, axis=0) + 0.3


def test_grain_widens_away_from_the_focus_and_keeps_its_brightness() -> None:
    lateral = np.linspace(1.0, 6.0, 600)
    envelope = speckle_envelope(np.ones((600, 400)), np.random.default_rng(4), axial=1.0, lateral=lateral)
    parts = np.split(envelope**2, 3)
    shares = [correlation(part, 3, axis=1) for part in parts]
    assert all(shallow + 0.1 < deep for shallow, deep in pairwise(shares))
    assert all(part.mean() == pytest.approx(1.0, rel=0.12) for part in parts)


def test_images_themselves_have_wider_grain_across_than_along_the_beam() -> None:
    wider = 0
    for seed in range(20):
        image = make_phantom(seed, size=(220, 240)).image.astype(float)
        fine = image - ndimage.gaussian_filter(image, 6.0)
        wider += correlation(fine, 2, axis=1) > correlation(fine, 2, axis=0)
    assert wider >= 19


def test_blur_keeps_constants_and_widens_by_its_sigma() -> None:
    assert np.allclose(blur_rows(np.full((3, 50), 2.0), np.array([0.0, 1.0, 9.0])), 2.0, atol=1e-4)
    spike = np.zeros((1, 201))
    spike[0, 100] = 1.0
    blurred = blur_rows(spike, np.array([5.0]))[0]
    assert blurred.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.sqrt(np.sum(blurred * (np.arange(201) - 100.0) ** 2)) == pytest.approx(5.0, rel=0.01)


def test_shadow_lies_below_what_casts_it() -> None:
    loss = np.zeros((60, 40))
    loss[20:30, 15:25] = 1.5
    shadow = shadow_db(loss, 0.2, np.zeros(60))
    assert np.allclose(shadow[:20], 0.0, atol=1e-5)
    assert np.allclose(shadow[30:, 15:25], 3.0, atol=1e-5)
    assert np.allclose(shadow[:, :15], 0.0, atol=1e-5)


def test_log_compression_is_linear_in_decibels() -> None:
    grey = log_compress(10.0 ** (np.array([[10.0, 0.0, -15.0, -30.0, -60.0, -90.0]]) / 20.0), dynamic_range=60, white=0)
    assert np.allclose(grey, [[1.0, 1.0, 0.75, 0.5, 0.0, 0.0]], atol=1e-6)
