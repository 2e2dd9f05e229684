"""Jobs: names of outputs, frames of a cine, and parts of a run."""

from pathlib import Path

import numpy as np
import pytest
from tests.read.wrap import wrap_dicom

from salus.errors import SalusError
from salus.pipeline.jobs import Job, parse_frames, plan_jobs, select_part


def test_every_image_is_in_one_part_with_all_its_frames():
    jobs = [Job(Path("x"), f"{i}/{frame}", str(i), frame) for i in range(50) for frame in (1, 2)]
    parts = [select_part(jobs, part, 7) for part in range(1, 8)]
    assert sorted(job.name for part in parts for job in part) == sorted(job.name for job in jobs)
    assert all(sum(job.file_name == str(i) for job in part) in (0, 2) for part in parts for i in range(50))
    assert np.std([len(part) for part in parts]) < 8


def test_the_part_of_a_file_does_not_depend_on_other_files():
    jobs = [Job(Path("x"), str(i), str(i)) for i in range(50)]
    assert select_part(jobs[10:20], 2, 3) == [job for job in select_part(jobs, 2, 3) if job in jobs[10:20]]


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        (None, [1, 2, 3, 4, 5]),
        ("2", [2]),
        ("4-", [4, 5]),
        ("1-5:2", [1, 3, 5]),
        ("5, 1-2,2", [1, 2, 5]),
        ("4-9", [4, 5]),
    ],
)
def test_lists_of_frames(text, frames):
    assert parse_frames(text, 5) == frames


@pytest.mark.parametrize("text", ["", "0", "a", "3-2", "1-5:0", "1,,2", "-3"])
def test_a_list_of_frames_that_is_none_is_refused(text):
    with pytest.raises(SalusError, match="--frames"):
        parse_frames(text, 5)


def test_a_cine_has_a_job_for_each_frame_and_a_damaged_file_one_job(tmp_path):
    pytest.importorskip("pydicom")
    wrap_dicom(tmp_path / "a.dcm", np.zeros((3, 20, 30), np.uint8))
    wrap_dicom(tmp_path / "b.dcm", np.zeros((20, 30), np.uint8))
    (tmp_path / "c.dcm").write_bytes(b"no DICOM")
    jobs = plan_jobs([tmp_path], tmp_path / "out", "2-")
    assert [(job.name, job.file_name, job.frame) for job in jobs] == [
        ("a/0002", "a", 2), ("a/0003", "a", 3), ("b", "b", None), ("c", "c", None),
    ]  # fmt: skip
