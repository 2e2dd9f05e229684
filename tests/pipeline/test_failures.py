"""Frames that fail one after another are one record."""

from pathlib import Path

from salus.pipeline.failures import GIVE_UP, NOT_TRIED, FailureCounter, join_failures
from salus.segmentation.result import NONE
from salus.write.tables import FAILED, Record


def frame(number, reason=None, image="a.dcm"):
    if reason is None:
        return Record(image, f"a/{number:04}", NONE, frame=number)
    return Record(image, f"a/{number:04}", FAILED, f"{image}: frame {number} {reason}", frame=number, seconds=1.0)


def test_equal_failures_in_a_row_are_one_record_and_others_stay():
    records = [
        frame(1),
        *(frame(number, "is damaged") for number in range(2, 6)),
        frame(6),
        frame(7, "is damaged"),
        frame(8, "is empty"),
        Record("b.png", "b", FAILED, "b.png: no such file"),
        frame(1, "is damaged", "c.dcm"),
        frame(1, "is damaged", "d.dcm"),
    ]
    joined = list(join_failures(records))
    assert [(record.image, record.frame, record.result == FAILED) for record in joined] == [
        ("a.dcm", 1, False), ("a.dcm", 2, True), ("a.dcm", 6, False), ("a.dcm", 7, True), ("a.dcm", 8, True),
        ("b.png", None, True), ("c.dcm", 1, True), ("d.dcm", 1, True),
    ]  # fmt: skip
    assert joined[1].error == "a.dcm: frame 2 is damaged; the same of frames 2 to 5"
    assert joined[1].seconds == 4.0
    assert joined[3] == records[6]


def test_a_file_is_given_up_after_many_failures_in_a_row_and_not_before():
    counter, image = FailureCounter(), Path("a.dcm")
    for _ in range(GIVE_UP - 1):
        counter.note(image, failed=True)
    counter.note(image, failed=False)
    for _ in range(GIVE_UP - 1):
        counter.note(image, failed=True)
    assert not counter.gave_up(image)
    counter.note(image, failed=True)
    assert counter.gave_up(image)
    assert not counter.gave_up(Path("b.dcm"))


def test_frames_that_were_not_tried_are_counted_in_the_record():
    records = [frame(number, "is damaged") for number in range(1, 4)]
    records += [Record("a.dcm", f"a/{number}", FAILED, NOT_TRIED, frame=number) for number in range(4, 9)]
    (record,) = join_failures(records)
    assert "the same of frames 1 to 8, 5 of which were not tried" in record.error
