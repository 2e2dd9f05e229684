"""Settings: a token is made where one is needed; settings that make no sense are refused."""

from pathlib import Path

import pytest

from salus.errors import SalusError
from salus.serve.settings import ServeSettings, complete_settings


def test_other_computers_need_a_token_and_a_random_one_is_made():
    assert complete_settings(ServeSettings()).token is None
    tokens = {complete_settings(ServeSettings(host="0.0.0.0")).token for _ in range(2)}
    assert len(tokens) == 2
    assert all(len(token) > 30 for token in tokens)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "0.0.0.0", "token": "short"}, "16 ASCII characters"),
        ({"certificate": Path("a.pem")}, "go together"),
        ({"certificate": Path("a.pem"), "key": Path("a.key")}, "no such file"),
        ({"output": Path("out")}, "--folder"),
        ({"queue_size": 0}, "queue size 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(SalusError, match=message):
        complete_settings(ServeSettings(**settings))
