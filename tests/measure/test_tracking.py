"""Tracking of lesions through the frames of a cine."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from salus.measure.lesions import measure_lesions
from salus.measure.tracking import assign_track_numbers, box_iou


def lesions(*boxes, shape=(100, 140)):
    """The lesions of a mask of boxes (top, left, height, width)."""
    mask = np.zeros(shape, bool)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    return measure_lesions(mask, mask.astype(float))


def numbers(frames):
    """By frame, the numbers of its lesions by their left edge."""
    return [
        [lesion.number for lesion in sorted(lesions, key=lambda lesion: lesion.box[1])]
        for lesions in assign_track_numbers(frames)
    ]


def test_two_lesions_keep_their_numbers_when_the_other_grows_larger():
    frames = [lesions((10, 10 + i, 20, 30 - 3 * i), (50, 80 - i, 12 + 3 * i, 20 + 3 * i)) for i in range(6)]
    assert [len({lesion.number for lesion in assign_track_numbers(frames)[i]}) for i in range(6)] == [2] * 6
    assert numbers(frames) == [[1, 2]] * 6
    assert frames[0][0].box[1] < frames[5][0].box[1]  # untracked, number 1 changes from one to the other


def test_a_lesion_missed_for_some_frames_keeps_its_number_and_one_gone_for_long_does_not():
    here = lesions((10, 10, 20, 30))
    assert numbers([here, *[()] * 10, here]) == [[1], *[[]] * 10, [1]]
    assert numbers([here, *[()] * 11, here]) == [[1], *[[]] * 11, [2]]
    assert numbers([here, (), here])[2] == [1]
    assert [lesion.number for lesion in assign_track_numbers([here, (), here], max_gap=0)[2]] == [2]


def test_the_gap_is_counted_in_frames_of_the_cine_whichever_were_chosen():
    here = lesions((10, 10, 20, 30))

    def last_number(frames, frame_numbers):
        return assign_track_numbers(frames, frame_numbers=frame_numbers)[-1][0].number

    assert last_number([here, (), here], [1, 11, 21]) == 2
    assert last_number([here, (), here], [1, 2, 12]) == 1
    assert last_number([here, (), here], [1, 2, 13]) == 2
    assert last_number([here, here, here], [1, 51, 101]) == 1  # nobody looked in between


def test_a_lesion_elsewhere_is_new_and_a_split_passes_the_number_on_once():
    assert numbers([lesions((10, 10, 20, 30)), lesions((60, 90, 20, 30))]) == [[1], [2]]
    split = assign_track_numbers([lesions((10, 10, 20, 40)), lesions((10, 10, 20, 25), (10, 40, 20, 10))])
    assert [lesion.number for lesion in split[1]] == [1, 2]  # the larger part first


def test_no_lesion_is_lost_or_reordered():
    frames = [lesions((10, 10, 20, 30), (50, 80, 12, 20)), (), lesions((50, 80, 12, 20))]
    for before, after in zip(frames, assign_track_numbers(frames), strict=True):
        assert [lesion.box for lesion in before] == [lesion.box for lesion in after]


boxes = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20))


@given(boxes, boxes)
def test_box_iou_equals_the_iou_of_the_pixels(box, other):
    first, second = np.zeros((2, 60, 60), bool)
    for mask, (top, left, height, width) in ((first, box), (second, other)):
        mask[top : top + height, left : left + width] = True
    assert np.isclose(box_iou(box, other), (first & second).sum() / (first | second).sum())
