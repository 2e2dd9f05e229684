"""Tracking: one lesion, one number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from salus.measure.lesions import measure
from salus.measure.tracking import overlap, track


def lesions(*boxes, shape=(100, 140)):
    """The lesions of a mask of boxes (top, left, height, width)."""
    mask = np.zeros(shape, bool)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    return measure(mask, mask.astype(float))


def numbers(frames):
    """By frame, the numbers of its lesions by their left edge."""
    return [[one.number for one in sorted(lesions, key=lambda one: one.box[1])] for lesions in track(frames)]


def test_two_lesions_keep_their_numbers_when_the_other_grows_larger():
    frames = [lesions((10, 10 + i, 20, 30 - 3 * i), (50, 80 - i, 12 + 3 * i, 20 + 3 * i)) for i in range(6)]
    assert [len({one.number for one in track(frames)[i]}) for i in range(6)] == [2] * 6
    assert numbers(frames) == [[1, 2]] * 6
    assert frames[0][0].box[1] < frames[5][0].box[1]  # untracked, number 1 changes from one to the other


def test_a_lesion_missed_for_some_frames_keeps_its_number_and_one_gone_for_long_does_not():
    here = lesions((10, 10, 20, 30))
    assert numbers([here, *[()] * 10, here]) == [[1], *[[]] * 10, [1]]
    assert numbers([here, *[()] * 11, here]) == [[1], *[[]] * 11, [2]]
    assert numbers([here, (), here])[2] == [1]
    assert [one.number for one in track([here, (), here], gap=0)[2]] == [2]


def test_what_appears_elsewhere_is_new_and_a_split_gives_the_number_once():
    assert numbers([lesions((10, 10, 20, 30)), lesions((60, 90, 20, 30))]) == [[1], [2]]
    split = track([lesions((10, 10, 20, 40)), lesions((10, 10, 20, 25), (10, 40, 20, 10))])
    assert [one.number for one in split[1]] == [1, 2]  # the larger part first


def test_nothing_is_lost_or_reordered():
    frames = [lesions((10, 10, 20, 30), (50, 80, 12, 20)), (), lesions((50, 80, 12, 20))]
    for before, after in zip(frames, track(frames), strict=True):
        assert [one.box for one in before] == [one.box for one in after]


boxes = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20))


@given(boxes, boxes)
def test_overlap_is_that_of_the_pixels(one, other):
    first, second = np.zeros((2, 60, 60), bool)
    for mask, (top, left, height, width) in ((first, one), (second, other)):
        mask[top : top + height, left : left + width] = True
    assert np.isclose(overlap(one, other), (first & second).sum() / (first | second).sum())
