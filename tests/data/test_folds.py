"""Folds: groups stay together, strata stay even, leaks are found, files are checked."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.data.folds import (
    Folds,
    grouped_validation_split,
    keras_validation_split,
    load_folds,
    make_grouped_folds,
    make_image_folds,
    make_official_folds,
    stratify,
)
from salus.errors import SalusError


def sample(seed=0, patients=60):
    rng = np.random.default_rng(seed)
    groups, strata = {}, {}
    for p in range(patients):
        for i in range(rng.integers(1, 4)):
            groups[f"{p}-{i}"] = f"p{p}"
            strata[f"{p}-{i}"] = rng.choice(["benign/small", "benign/large", "malignant/large"])
    return groups, strata


@given(st.integers(0, 50), st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_every_case_once_and_no_group_split(seed, k):
    groups, strata = sample(seed)
    folds = make_grouped_folds(groups, strata, k, seed)
    assert set(folds.test) == set(groups)
    assert folds.numbers == tuple(range(1, k + 1))
    assert folds.leaks() == {}
    for number in folds.numbers:
        train, test = folds.split(number)
        assert sorted(train + test) == sorted(groups)
        assert not {groups[n] for n in train} & {groups[n] for n in test}


def test_strata_are_even():
    groups, strata = sample(1, 200)
    folds = make_grouped_folds(groups, strata, 4)
    for stratum in set(strata.values()):
        share = [sum(strata[n] == stratum for n in folds.split(f)[1]) for f in folds.numbers]
        assert max(share) - min(share) <= 4, (stratum, share)
    sizes = [len(folds.split(f)[1]) for f in folds.numbers]
    assert max(sizes) - min(sizes) <= 6


def test_seed_decides():
    groups, strata = sample(2)
    assert make_grouped_folds(groups, strata, 4, 3) == make_grouped_folds(groups, strata, 4, 3)
    assert make_grouped_folds(groups, strata, 4, 3).test != make_grouped_folds(groups, strata, 4, 4).test


def test_by_image_leaks_and_says_so():
    groups, _ = sample(3)
    leaks = make_image_folds(groups, 4).leaks()
    assert leaks
    assert all(len(names) > 1 and len({groups[n] for n in names}) == 1 for names in leaks.values())


@pytest.mark.parametrize(("n", "k", "seed"), [(163, 4, 1), (40, 5, 1), (11, 3, 7)])
def test_by_image_is_scikit_learns_deal(n, k, seed):
    model_selection = pytest.importorskip("sklearn.model_selection")
    names = [f"{i:03}" for i in range(n)]
    ours = make_image_folds({name: name for name in reversed(names)}, k, seed)
    theirs = model_selection.KFold(k, shuffle=True, random_state=seed).split(names)
    for number, (training, test) in enumerate(theirs, 1):
        assert ours.split(number) == ([names[i] for i in training], [names[i] for i in test])


@pytest.mark.parametrize(("n", "kept"), [(122, 103), (123, 104), (40, 34), (7, 5)])
def test_the_last_part_is_as_keras_splits_it(n, kept):
    """int(floor(n * (1 - .15))), as `keras.src.trainers.data_adapters.array_slicing.train_validation_split` has it."""
    names = [str(i) for i in range(n)]
    fitting, validation = keras_validation_split(names)
    assert fitting == names[:kept]
    assert fitting + validation == names


def test_one_patient_alone_cannot_be_parted():
    with pytest.raises(SalusError, match="give more patients"):
        grouped_validation_split(["a", "b"], {"a": "p", "b": "p"})


def test_round_trip_and_files_that_do_not_fit(tmp_path):
    groups, strata = sample(4)
    folds = make_grouped_folds(groups, strata, 3)
    folds.save(tmp_path / "folds.json")
    again = load_folds(tmp_path / "folds.json", groups)
    assert again.test == folds.test
    with pytest.raises(SalusError, match="does not fit"):
        load_folds(tmp_path / "folds.json", {**groups, "new": "p"})
    for content in ("no", "[]", '{"test": 3}', json.dumps({"test": {"a": "x"}})):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(SalusError, match=r"bad\.json"):
            load_folds(tmp_path / "bad.json", groups)
    (tmp_path / "one.json").write_text(json.dumps({"test": dict.fromkeys(groups, 1)}))
    with pytest.raises(SalusError, match="two or more"):
        load_folds(tmp_path / "one.json", groups)


def test_a_file_is_judged_by_todays_groups(tmp_path):
    Folds({"a": 1, "b": 2}, {"a": "x", "b": "y"}, "grouped", 0).save(tmp_path / "f.json")
    assert load_folds(tmp_path / "f.json", {"a": "same", "b": "same"}).leaks() == {"same": ["a", "b"]}


def test_too_few_and_official():
    with pytest.raises(SalusError, match="fewer folds"):
        make_grouped_folds({"a": "p", "b": "p"}, {"a": "x", "b": "x"}, 2)
    with pytest.raises(SalusError, match="cross-validation"):
        make_grouped_folds({"a": "p", "b": "q"}, {"a": "x", "b": "x"}, 1)
    with pytest.raises(SalusError, match="no official"):
        make_official_folds({}, {"a": "a"})
    with pytest.raises(SalusError, match="leave 1 cases out"):
        make_official_folds({"a": 1}, {"a": "a", "b": "b"})


def test_strata_by_label_and_size():
    area = [0, 0.01, 0.02, 0.1, 0.11, 0.3, 0.31]
    found = stratify(list("abcdefg"), ["normal"] + ["benign"] * 5 + [None], area)
    assert [found[n] for n in "abcdefg"] == [
        "normal/none",
        "benign/small",
        "benign/small",
        "benign/medium",
        "benign/medium",
        "benign/large",
        "unlabelled/large",
    ]
    assert set(stratify(["a"], ["normal"], [0.0]).values()) == {"normal/none"}


def test_validation_is_the_last_share_in_whole_groups():
    names = [f"{i:02}" for i in range(20)]
    fit, val = grouped_validation_split(names, {n: n for n in names})
    assert val == ["17", "18", "19"]
    assert fit + val == names
    pairs = {n: str(int(n) // 4) for n in names}
    fit, val = grouped_validation_split(names, pairs)
    assert val == ["16", "17", "18", "19"]
    one, two = grouped_validation_split(names, pairs, seed=1), grouped_validation_split(names, pairs, seed=2)
    assert one == grouped_validation_split(names, pairs, seed=1)
    assert one != two
    fit, val = grouped_validation_split(["a", "b"], {"a": "p", "b": "q"}, 0.9)
    assert (fit, val) == (["a"], ["b"])  # something is always left to fit on


@pytest.mark.parametrize("content", ['{"test": {"a": Infinity, "b": 1}}', "[" * 100_000])
def test_numbers_and_nesting_without_end_are_no_folds_file(tmp_path, content):
    (tmp_path / "folds.json").write_text(content)
    with pytest.raises(SalusError, match="not a folds file"):
        load_folds(tmp_path / "folds.json", {"a": "a", "b": "b"})
