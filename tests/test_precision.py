"""Precisions are measured once a processor and version, kept where a user's cache belongs, and chosen by time."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from salus import precision
from salus.engine import speed_test
from salus.precision import PrecisionTimes, measure_once, measurement_path, read_measurement, time_in_turn

VERSIONS = {"salus": "1", "openvino": "2"}
TIMES = {"float32": 2.0, "bfloat16": 1.0}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep measurements in a folder that is not there yet."""
    if sys.platform != "linux":
        pytest.skip("XDG_CACHE_HOME is Linux's")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "salus"


def refuse():
    raise AssertionError("measured again")


@pytest.mark.parametrize(
    ("times", "fastest"),
    [
        ({"float32": 2.0, "bfloat16": 1.0}, "bfloat16"),
        ({"float32": 1.0, "bfloat16": 1.8}, "float32"),
        ({"float32": 1.05, "bfloat16": 1.0}, "float32"),
        ({"float32": 1.0}, "float32"),
        ({"float32": 3.0, "bfloat16": 2.0, "float16": 1.0}, "float16"),
    ],
)
def test_a_lower_precision_is_taken_where_it_is_clearly_faster(times, fastest):
    assert PrecisionTimes(times).fastest == fastest


def test_the_shortest_time_of_each_call_counts_and_calls_take_turns():
    order = []
    times = time_in_turn({"slow": lambda: order.append("slow") or sum(range(300_000)), "fast": lambda: order.append(1)})
    assert times["slow"] > 10 * times["fast"] > 0
    assert order[::2] == ["slow"] * (len(order) // 2)


def test_it_is_measured_once_and_kept(cache):
    assert measure_once("openvino", VERSIONS, lambda: TIMES).milliseconds == TIMES
    assert measure_once("openvino", VERSIONS, refuse).milliseconds == TIMES
    assert [path.parent for path in cache.iterdir()] == [cache]
    assert measure_once("openvino", VERSIONS, lambda: {"float32": 9.0}, again=True).milliseconds == {"float32": 9.0}
    assert read_measurement("openvino", VERSIONS).milliseconds == {"float32": 9.0}


def test_another_version_processor_or_subject_is_measured_anew(monkeypatch):
    measure_once("openvino", VERSIONS, lambda: TIMES)
    assert read_measurement("openvino", VERSIONS | {"openvino": "3"}) is None
    assert read_measurement("tensorflow", VERSIONS) is None
    with monkeypatch.context() as other:
        other.setattr(precision, "processor_name", lambda: "another")
        assert read_measurement("openvino", VERSIONS) is None
    with monkeypatch.context() as other:
        other.setattr(precision, "processor_features", lambda: {"amx": True})
        assert read_measurement("openvino", VERSIONS) is None
    assert read_measurement("openvino", VERSIONS) is not None


@pytest.mark.parametrize(
    "damage", ["", "[]", "null", "{", '{"milliseconds": 3}', "times", "nan", "zero", "text", "key"]
)
def test_a_damaged_file_is_measured_anew(damage):
    measure_once("openvino", VERSIONS, lambda: TIMES)
    path = measurement_path("openvino", VERSIONS)
    content = json.loads(path.read_text())
    changes = {
        "times": {"milliseconds": {"bfloat16": 1.0}},
        "nan": {"milliseconds": {"float32": float("nan")}},
        "zero": {"milliseconds": {"float32": 0.0}},
        "text": {"milliseconds": {"float32": "1"}},
        "key": {"processor": "another"},
    }
    path.write_text(json.dumps(content | changes[damage]) if damage in changes else damage)
    assert read_measurement("openvino", VERSIONS) is None
    assert measure_once("openvino", VERSIONS, lambda: TIMES).milliseconds == TIMES
    assert measure_once("openvino", VERSIONS, refuse).milliseconds == TIMES


def test_a_cache_that_cannot_be_written_is_no_error(cache):
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    for _ in range(2):
        assert measure_once("openvino", VERSIONS, lambda: TIMES).milliseconds == TIMES


def test_many_at_once_leave_one_whole_file(cache):
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda _: measure_once("openvino", VERSIONS, lambda: TIMES), range(40))
        assert all(result.milliseconds == TIMES for result in results)
    assert list(cache.iterdir()) == [measurement_path("openvino", VERSIONS)]


def test_openvino_is_measured_in_a_fraction_of_a_second_and_not_again(cache):
    pytest.importorskip("openvino")
    assert speed_test.earlier_measurement() is None
    times = speed_test.measure_precisions()
    assert 0 < times.milliseconds["float32"] < 1000
    assert set(times.milliseconds) <= {"float32", "bfloat16"}
    assert speed_test.measure_precisions() == speed_test.earlier_measurement() == times
    assert len(list(cache.iterdir())) == 1
