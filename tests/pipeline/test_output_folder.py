"""OUT while a run writes into it."""

import pytest
from tests.lock_systems import system  # noqa: F401  (a fixture)

from salus.errors import SalusError
from salus.pipeline.output_folder import output_folder


def test_a_folder_that_gets_no_output_is_removed_with_those_made_for_it(tmp_path):
    with pytest.raises(SalusError, match="no image"), output_folder(tmp_path / "deep" / "out"):
        raise SalusError("no image")
    assert list(tmp_path.iterdir()) == []
    with output_folder(tmp_path / "deep" / "out"):
        (tmp_path / "deep" / "out" / "a.png").touch()
    assert [path.name for path in (tmp_path / "deep" / "out").iterdir()] == ["a.png"]


def test_a_folder_that_was_there_stays(tmp_path):
    with output_folder(tmp_path):
        pass
    assert tmp_path.is_dir()


@pytest.mark.usefixtures("system")
def test_whole_runs_exclude_all_others_and_parts_exclude_the_same_part(tmp_path):
    for held, refused, admitted in [
        (None, [None, (1, 2)], []),
        ((1, 2), [None, (1, 2)], [(2, 2), (1, 3)]),
    ]:
        with output_folder(tmp_path, held):
            for part in refused:
                with pytest.raises(SalusError, match="another run writes there"), output_folder(tmp_path, part):
                    pass
            for part in admitted:
                with output_folder(tmp_path, part):
                    pass
    assert list(tmp_path.iterdir()) == []
