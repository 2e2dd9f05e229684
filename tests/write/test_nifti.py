"""NIfTI label files, read back."""

import tracemalloc

import numpy as np
import pytest
from tests.write.segmentations import l_and_ring, segmentation_of

from salus.errors import SalusError
from salus.read.frames import open_frames
from salus.read.geometry import read_geometry
from salus.write.nifti import write_nifti

nibabel = pytest.importorskip("nibabel")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("frames", [1, 3])
def test_labels_come_back_upright_in_millimetres(suffix, frames, tmp_path):
    masks = [np.roll(l_and_ring(), 2 * i, axis=1) for i in range(frames)]
    path = tmp_path / f"labels{suffix}"
    write_nifti(path, (segmentation_of(mask, (0.2, 0.1)) for mask in masks))
    file = open_frames(path)
    assert file.count == frames
    for number, mask in enumerate(masks, 1):
        scan = file.scan(number)
        np.testing.assert_array_equal(scan.pixels > 0, mask)
        assert scan.spacing == (pytest.approx(0.2), pytest.approx(0.1))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_without_a_calibration_no_unit_is_named(tmp_path):
    write_nifti(tmp_path / "a.nii", [segmentation_of(l_and_ring())])
    image = nibabel.load(tmp_path / "a.nii")
    assert image.header.get_xyzt_units()[0] == "unknown"
    assert open_frames(tmp_path / "a.nii").scan(1).spacing is None
    assert sorted(np.unique(image.dataobj)) == [0, 1, 2]


def test_memory_does_not_grow_with_the_frames_of_a_cine(tmp_path):
    mask, frames = l_and_ring(), 400
    tracemalloc.start()
    write_nifti(tmp_path / "a.nii", (segmentation_of(np.roll(mask, i, axis=1)) for i in range(frames)), count=frames)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < frames * mask.size / 2
    values = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    assert values.shape == (*mask.shape[::-1], frames)
    np.testing.assert_array_equal(values[..., -1].T > 0, np.roll(mask, frames - 1, axis=1))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("header_class", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_the_place_of_a_nifti_file_of_any_name_is_known(suffix, header_class, tmp_path):
    source = make_nifti(tmp_path / f"source{suffix}", (64, 40, 3), header_class=header_class)
    affine = nibabel.load(source).affine
    geometry = read_geometry(source.rename(tmp_path / "1.2.840"))
    assert geometry.shape == (64, 40, 3)
    np.testing.assert_array_equal(geometry.affine, affine)


def make_nifti(path, shape, *, header_class=None, sform=1, qform=0):
    """A picture that is turned, mirrored and moved, as ITK, dcm2niix and others write them."""
    affine = np.array([[0.08, 0.01, 0, -12.5], [0.02, -0.1, 0, 33], [0, 0, 1.5, 7], [0, 0, 0, 1]])
    rng = np.random.default_rng(3)
    image = (header_class or nibabel.Nifti1Image)(rng.integers(0, 255, shape).astype(np.uint8), affine)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform, strip_shears=True)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"Doe^Jane"
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(64, 40), (64, 40, 1), (64, 40, 3), (64, 40, 2, 2), (64, 40, 1, 1, 3)])
@pytest.mark.parametrize("header_class", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_mask_lies_on_its_nifti_source(shape, header_class, suffix, tmp_path):
    source = make_nifti(tmp_path / f"source{suffix}", shape, header_class=header_class)
    count = int(np.prod(shape[2:]))
    masks = {number: np.roll(l_and_ring(), number, axis=1) for number in range(1, count + 1) if number != 2}
    frames = [segmentation_of(mask, (0.1, 0.08), number if count > 1 else None) for number, mask in masks.items()]
    write_nifti(tmp_path / f"mask{suffix}", frames, read_geometry(source))
    one, other = nibabel.load(source), nibabel.load(tmp_path / f"mask{suffix}")
    assert other.shape == one.shape
    np.testing.assert_array_equal(other.affine, one.affine)
    for name in ("sform_code", "qform_code", "pixdim", "xyzt_units"):
        np.testing.assert_array_equal(other.header[name], one.header[name], name)
    np.testing.assert_array_equal(other.get_qform(), one.get_qform())
    assert b"Doe" not in other.header.binaryblock
    values = np.asarray(other.dataobj).reshape(64, 40, count, order="F")
    for number in range(1, count + 1):
        expected = masks.get(number, np.zeros((40, 64), bool))  # frame 2 failed
        np.testing.assert_array_equal(values[..., number - 1].T > 0, expected)
    assert other.get_data_dtype() == np.uint8


SPACES = {
    "left-posterior-superior": (-1, -1, 1), "right-anterior-superior": (1, 1, 1), "LPS": (-1, -1, 1),
    "left-anterior-superior": (-1, 1, 1), "scanner-xyz": (-1, -1, 1),
}  # fmt: skip


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("unit", "length"), [(None, 1), ("mm", 1), ("um", 0.001), ("cm", 10)])
@pytest.mark.parametrize("frames", [0, 3])
def test_a_mask_lies_on_its_nrrd_source(space, unit, length, frames, tmp_path):
    """A corner of the picture is where pynrrd's header puts it, in NIfTI's axes and in mm."""
    nrrd = pytest.importorskip("nrrd")
    directions = np.array([[0.08, 0.0, 0.01], [0.0, 0.1, 0.0], [0.0, 0.0, 0.5]]) / length
    origin = np.array([-12.5, 33.0, 7.0]) / length
    shape = (64, 40, frames or 1)
    header = {"space": space, "space directions": directions, "space origin": origin, "kinds": ["domain"] * 3}
    header |= {"space units": [unit] * 3} if unit else {}
    values = np.random.default_rng(2).integers(0, 255, shape).astype(np.uint8)
    nrrd.write(str(tmp_path / "a.nrrd"), values, header)
    read = nrrd.read_header(str(tmp_path / "a.nrrd"))
    corner = read["space origin"] + np.array([63, 39, shape[2] - 1]) @ read["space directions"]
    spacing = open_frames(tmp_path / "a.nrrd").scan(1).spacing
    assert spacing == (pytest.approx(0.1), pytest.approx(np.hypot(0.08, 0.01)))
    segmentations = [segmentation_of(l_and_ring(), spacing, i if frames else None) for i in range(1, (frames or 1) + 1)]
    write_nifti(tmp_path / "mask.nii.gz", segmentations, read_geometry(tmp_path / "a.nrrd"))
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert mask.shape == shape
    assert mask.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(mask.affine[:3, 3], origin * length * SPACES[space], rtol=1e-5)
    np.testing.assert_allclose(
        (mask.affine @ [63, 39, shape[2] - 1, 1])[:3], corner * length * SPACES[space], rtol=1e-5
    )


def test_frames_in_time_and_a_flat_space_are_placed_too(tmp_path):
    nrrd = pytest.importorskip("nrrd")
    values = np.zeros((64, 40, 3), np.uint8)
    directions = np.array([[0.2, 0, 0], [0, 0.1, 0], [np.nan] * 3])
    header = {"space": "left-posterior-superior", "space directions": directions, "space origin": [1.0, 2.0, 3.0]}
    nrrd.write(str(tmp_path / "time.nrrd"), values, header)
    geometry = read_geometry(tmp_path / "time.nrrd")
    np.testing.assert_allclose(geometry.affine, [[-0.2, 0, 0, -1], [0, -0.1, 0, -2], [0, 0, 1, 3], [0, 0, 0, 1]])
    flat = {"space dimension": 2, "space directions": [[0.2, 0], [0, 0.1]], "space origin": [1.0, 2.0]}
    nrrd.write(str(tmp_path / "flat.nrrd"), values[..., 0], flat)
    geometry = read_geometry(tmp_path / "flat.nrrd")
    assert geometry.shape == (64, 40)
    np.testing.assert_allclose(geometry.affine, [[-0.2, 0, 0, -1], [0, -0.1, 0, -2], [0, 0, 1, 0], [0, 0, 0, 1]])
    nrrd.write(str(tmp_path / "plain.nrrd"), values[..., 0], {"spacings": [0.2, 0.1]})
    assert read_geometry(tmp_path / "plain.nrrd").unit == "unknown"
    assert read_geometry(tmp_path / "a.png") is None


def test_a_mask_of_another_size_than_its_source_is_refused(tmp_path):
    source = make_nifti(tmp_path / "source.nii", (60, 40))
    with pytest.raises(SalusError, match="the mask is 64 x 40, its source 60 x 40"):
        write_nifti(tmp_path / "mask.nii", [segmentation_of(l_and_ring())], read_geometry(source))
    assert not (tmp_path / "mask.nii").exists()
