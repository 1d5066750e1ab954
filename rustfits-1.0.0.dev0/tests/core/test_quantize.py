"""The settings of quantised floats."""

from __future__ import annotations

import pickle

import pytest

from rustfits import Quantize
from rustfits.errors import InvalidParameter


def test_the_defaults_are_those_of_fpack():
    settings = Quantize()
    assert (settings.level, settings.method, settings.seed, settings.zquantiz) == (
        4.0,
        "dither1",
        0,
        "SUBTRACTIVE_DITHER_1",
    )
    assert repr(settings) == "Quantize(level=4, method='dither1', seed=0)"


@pytest.mark.parametrize(
    ("given", "name", "header"),
    [
        ("No_Dither", "no_dither", "NO_DITHER"),
        ("SUBTRACTIVE_DITHER_1", "dither1", "SUBTRACTIVE_DITHER_1"),
        ("dither2", "dither2", "SUBTRACTIVE_DITHER_2"),
        ("subtractive_dither_2", "dither2", "SUBTRACTIVE_DITHER_2"),
    ],
)
def test_methods_have_a_short_name_and_that_of_the_header(given, name, header):
    assert (Quantize(method=given).method, Quantize(method=given).zquantiz) == (name, header)


@pytest.mark.parametrize(("level", "shown"), [(-2.5, "-2.5"), (16, "16"), (1e-7, "0.0000001"), (0, "0")])
def test_levels_are_shown_in_plain_decimal(level, shown):
    assert repr(Quantize(level=level)) == f"Quantize(level={shown}, method='dither1', seed=0)"


@pytest.mark.parametrize(
    ("arguments", "error", "found"),
    [
        ({"level": float("nan")}, InvalidParameter, "finite"),
        ({"level": 10**400}, InvalidParameter, "finite"),
        ({"level": float("-inf")}, InvalidParameter, "finite"),
        ({"level": "4"}, TypeError, "level"),
        ({"method": "none"}, InvalidParameter, "unknown method"),
        ({"method": 1}, TypeError, "method"),
        ({"seed": 1.5}, TypeError, None),
        ({"seed": "now"}, InvalidParameter, "'clock' or 'checksum'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(arguments, error, found):
    with pytest.raises(error, match=found):
        Quantize(**arguments)


def test_the_seed_of_the_header_is_1_at_least():
    assert [Quantize(seed=seed).zdither0() for seed in (-5, 0, 1, 12345, "checksum")] == [1, 1, 1, 12345, 1]
    assert 1 <= Quantize(seed="CLOCK").zdither0() <= 10000
    assert repr(Quantize(seed=" Clock")) == "Quantize(level=4, method='dither1', seed='clock')"


def test_settings_are_compared_hashed_and_pickled_by_value():
    settings = Quantize(level=16, method="dither2", seed=3)
    assert settings == Quantize(level=16.0, method="SUBTRACTIVE_DITHER_2", seed=3) != Quantize()
    assert len({settings, pickle.loads(pickle.dumps(settings))}) == 1
    assert settings != "dither2"
    with pytest.raises(TypeError):
        Quantize(16)
    with pytest.raises(AttributeError):
        settings.level = 4
