"""The protocol's published values, its deviations, and the settings it refuses."""

import pytest

from salus.errors import SalusError
from salus.lab.benchmark.protocol import PRESETS, Protocol


def test_the_defaults_are_the_published_values():
    protocol = Protocol()
    assert (protocol.size, protocol.folds, protocol.batch, protocol.epochs, protocol.patience) == (256, 5, 4, 200, 20)
    assert (protocol.learning_rate, protocol.validation, protocol.threshold, protocol.restore_best) == (
        1e-4,
        0.15,
        0.5,
        False,
    )
    assert protocol.deviations() == {}
    assert PRESETS["literature"].change(folds=5) == protocol


def test_deviations_name_value_and_reason():
    deviations = PRESETS["published"].deviations()
    assert set(deviations) == {"folds", "fold_rule", "precision"}
    assert deviations["folds"].startswith("4 instead of 5: ")
    assert deviations["fold_rule"].startswith("grouped instead of by-image: ")
    assert set(Protocol(epochs=3, restore_best=True).deviations()) == {"epochs", "restore_best"}


def test_json_round_trip_and_unknown_settings():
    protocol = Protocol(epochs=7, seed=3)
    assert Protocol.from_json(protocol.to_json()) == protocol
    with pytest.raises(SalusError, match="augment"):
        Protocol.from_json({**protocol.to_json(), "augment": True})


@pytest.mark.parametrize(
    "wrong",
    [{"size": 100}, {"folds": 1}, {"validation": 1.0}, {"batch": 0}, {"epochs": 0}, {"learning_rate": 0.0}]
    + [{"threshold": 1.0}, {"seed": -1}, {"fold_rule": "random"}, {"patience": 0}],
)
def test_settings_that_cannot_run_are_refused(wrong):
    with pytest.raises(SalusError, match=next(iter(wrong))):
        Protocol(**wrong)


def test_change_keeps_settings_that_are_none():
    assert Protocol().change(epochs=None, batch=2) == Protocol(batch=2)
