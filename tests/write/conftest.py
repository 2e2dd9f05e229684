"""Fixtures of the tests of DICOM objects."""

import numpy as np
import pytest
from tests.read.wrap import wrap_dicom
from tests.write.dicom_sources import MASK, REGIONS, as_pixels


@pytest.fixture
def image(tmp_path):
    return wrap_dicom(tmp_path / "us.dcm", as_pixels(MASK), regions=REGIONS)


@pytest.fixture
def cine(tmp_path):
    return wrap_dicom(tmp_path / "cine.dcm", np.stack([as_pixels(MASK)] * 3), regions=REGIONS)
