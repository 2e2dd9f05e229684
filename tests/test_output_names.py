"""Names of outputs: unique, stable, within OUT, and short enough for the file system."""

import itertools
import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.output_names import MAX_BYTES, OUTPUT_SUFFIXES, OutputNames, short_part, stays_inside
from salus.pipeline.jobs import PICTURE_FILES
from salus.pipeline.outputs import SUFFIXES

PARTS = st.sampled_from(["a", "A", "b", "ward", "0001", "a.png", "a.jpg", "ä", "a\u0308", "a\udcff", "n" * 255])
FILES = st.sampled_from(["a.png", "A.png", "a.jpg", "a.dcm", "a.nii.gz", "a", "0001.png", "...dcm", "ü" * 127])
PATHS = st.builds(
    lambda root, folders, name: Path(root, *folders, name),
    st.sampled_from(["", "/", "../..", "."]),
    st.lists(PARTS, max_size=3),
    FILES,
)
IMAGES = st.lists(st.tuples(PATHS, st.booleans()), max_size=12, unique_by=lambda item: item[0])


def name_all(images):
    names = OutputNames()
    return [names.add(path, is_folder=is_cine) for path, is_cine in images]


def output_files(images):
    """Every file that outputs of these images may have, with and without frames."""
    for name, (_, is_cine) in zip(name_all(images), images, strict=True):
        for suffix in OUTPUT_SUFFIXES:
            yield f"{name}{suffix}"
            if is_cine:
                yield from (f"{name}/{number:04}{suffix}" for number in (1, 2))


@settings(deadline=None)
@given(IMAGES)
def test_no_output_replaces_another_or_lies_outside(images):
    files = list(output_files(images))
    assert len({file.casefold() for file in files}) == len(files)
    folders = {parent.as_posix() for file in files for parent in PurePosixPath(file.casefold()).parents}
    assert folders.isdisjoint(file.casefold() for file in files)  # a name is a file or a folder, not both
    assert all(stays_inside(file) for file in files)
    assert all(len(os.fsencode(part)) <= 255 for file in files for part in file.split("/"))


@settings(deadline=None)
@given(IMAGES)
def test_names_stay_when_inputs_are_added(images):
    names = name_all(images)
    for count in range(len(images)):
        assert name_all(images[:count]) == names[:count]


def test_a_name_has_room_for_the_suffix_of_every_output():
    suffixes = [suffix for _, suffix in PICTURE_FILES.values()] + list(SUFFIXES.values())
    assert set(suffixes) == set(OUTPUT_SUFFIXES)


def test_equal_names_take_suffixes_and_folders_as_the_user_wrote_them():
    paths = ["a.dcm", "a/0001.png", "b/0001.png", "b/c/0001.png", "x/b/c/0001.png", "/data/b/0001.png", "b/0001.jpg"]
    assert name_all([(Path(path), path.endswith("dcm")) for path in paths]) == [
        "a", "0001", "b/0001", "c/0001", "b/c/0001", "data/b/0001", "b/0001.jpg",
    ]  # fmt: skip


def test_names_that_differ_in_case_or_in_the_form_of_an_umlaut_are_kept_apart():
    for one, other in itertools.permutations(["ü.png", "u\u0308.png", "Ü.PNG"], 2):
        first, second = name_all([(Path(one), False), (Path("x") / other, False)])
        assert (first, second) == (one[:-4], f"x/{other[:-4]}")


def test_the_folder_of_a_cine_is_no_other_s_file():
    names = name_all([(Path("a.ima"), False), (Path("a.dcm"), True)])
    assert names == ["a", "a.dcm_"]  # dicom-seg/a.dcm is a file


@pytest.mark.parametrize("part", ["n" * 255, "ü" * 127, "n" * 249])
def test_long_parts_are_cut_at_a_letter_and_stay_apart(part):
    short = short_part(part)
    assert len(os.fsencode(short)) <= MAX_BYTES
    assert short.isprintable()
    assert short_part(part[:-1] + "x") != short
    assert short_part(part[:50]) == part[:50]


def test_two_long_names_that_begin_alike_are_two():
    names = name_all([(Path("n" * 250 + letter + ".png"), False) for letter in "ab"])
    assert len(set(names)) == 2
