"""The answer holds the library's result, reads back from JSON, and is measured anew for another mask."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from salus.measure.lesions import measure_lesions
from salus.scan import Region
from salus.segmentation.region_results import AT_BORDER
from salus.segmentation.result import FOUND, NONE, Segmentation
from salus.serve.result_json import answer_record, make_answer, read_answer, remeasure
from salus.write.tables import make_record

REGIONS = (Region(0, 0, 40, 30, (0.1, 0.2)), Region(0, 30, 40, 30))


@pytest.fixture
def segmentation():
    mask = np.zeros((40, 60), bool)
    mask[5:15, 10:20] = True
    p = np.where(mask, 0.9, 0.1).astype(np.float32)
    return Segmentation(
        mask=mask,
        probability=p,
        saliency=p,
        presence=0.8,
        lesions=measure_lesions(mask, p, (0.1, 0.2)),
        confidence=0.75,
        strangeness=0.5,
        flags=("a", AT_BORDER),
        spacing=None,
        source="x.png",
        network="net",
        regions=REGIONS,
        frame=3,
    )


def test_keys_of_the_answer_stay_in_their_order(segmentation):
    assert list(asdict(make_answer(segmentation))) == [
        "result", "height", "width", "presence", "lesions", "confidence", "strangeness", "flags", "spacing", "regions",
        "frame", "network", "threshold", "corrected", "mask", "probability", "saliency",
    ]  # fmt: skip


def test_an_answer_reads_back_from_json(segmentation):
    answer = make_answer(segmentation, ("mask",))
    assert (answer.result, answer.threshold, answer.frame, answer.regions) == (
        FOUND,
        segmentation.threshold,
        3,
        REGIONS,
    )
    assert read_answer(json.loads(json.dumps(asdict(answer)))) == answer


def test_the_record_of_an_answer_is_that_of_the_segmentation(segmentation):
    assert answer_record(make_answer(segmentation), "case") == make_record(segmentation, "case", "case")


def test_another_mask_is_measured_in_each_region_with_its_own_spacing(segmentation):
    answer, p = make_answer(segmentation), segmentation.probability
    mask = np.zeros((40, 60), bool)
    mask[5:10, 5:10] = mask[20:30, 40:50] = True
    changed = replace(answer, **remeasure(answer, mask, p, p))
    assert [(one.area_px, one.unit, one.box[:2]) for one in changed.lesions] == [
        (100, "px", (20, 40)),
        (25, "mm", (5, 5)),
    ]
    assert (changed.result, changed.flags) == (FOUND, ("a",))  # no lesion touches the border any more
    mask[:5, 5:10] = True
    assert remeasure(answer, mask, p, p)["flags"] == ("a", AT_BORDER)


def test_without_a_lesion_the_confidence_is_that_of_absence(segmentation):
    answer, p = make_answer(segmentation), segmentation.probability
    changed = replace(answer, **remeasure(answer, np.zeros_like(segmentation.mask), p, p))
    assert (changed.result, changed.lesions, changed.confidence) == (NONE, (), pytest.approx(0.2))
