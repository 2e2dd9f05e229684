"""A Ray that does not start is told in one line, with what to do."""

import pytest

from salus import SalusError
from salus.ray_cluster import ray_cluster

ray = pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.mark.parametrize(("address", "told"), [(None, "leave out --engine ray"), ("host:6379", "leave out --address")])
@pytest.mark.parametrize("error", [Exception("The current node timed out"), ConnectionError("nobody there")])
def test_a_ray_that_does_not_start_is_told_in_one_line(monkeypatch, address, told, error):
    def fail(**options):
        raise error

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(SalusError, match=told) as refused, ray_cluster(address):
        pass
    assert str(error) in str(refused.value)
    assert "\n" not in str(refused.value)
