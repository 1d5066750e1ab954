"""The settings of a compressed image: classes, their values and spellings, and which images they are refused for."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import rustfits
from rustfits import Quantize

NAMES = {
    "GZIP_1": ("Gzip1", {"tile_shape": None, "heap_format": "P", "level": None}, ["GZIP"]),
    "GZIP_2": ("Gzip2", {"tile_shape": None, "heap_format": "P", "level": None}, []),
    "RICE_1": ("Rice1", {"tile_shape": None, "heap_format": "P", "blocksize": 32}, ["RICE", "RICE_ONE"]),
    "HCOMPRESS_1": (
        "Hcompress1",
        {"tile_shape": None, "heap_format": "P", "scale": 0, "smooth": False},
        ["HCOMPRESS"],
    ),
    "PLIO_1": ("Plio1", {"tile_shape": None, "heap_format": "P"}, ["PLIO"]),
    "NOCOMPRESS": ("NoCompress", {"tile_shape": None, "heap_format": "P"}, []),
}


@pytest.fixture(params=list(NAMES))
def name(request):
    if request.param not in rustfits.codecs():
        pytest.skip(f"codec not installed: {request.param}")
    return request.param


@pytest.fixture
def kind(name):
    return getattr(rustfits, NAMES[name][0])


def test_the_defaults_and_the_name_are_attributes(name, kind):
    config = kind()
    assert config.zcmptype == name
    assert {key: getattr(config, key) for key in NAMES[name][1]} == NAMES[name][1]
    assert {field.name for field in dataclasses.fields(config) if field.compare} == set(NAMES[name][1])


def test_every_argument_is_given_by_keyword(kind):
    with pytest.raises(TypeError):
        kind((3, 4))
    with pytest.raises(TypeError):
        kind(strength=3)


@pytest.mark.parametrize("shape", [(3, 4), [3, 4], np.array([3, 4]), np.array([3, 4], "u1"), range(3, 5)])
def test_a_tile_shape_is_any_sequence_of_integers_and_comes_back_as_a_tuple(kind, shape):
    assert kind(tile_shape=shape).tile_shape == (3, 4)
    assert all(type(axis) is int for axis in kind(tile_shape=shape).tile_shape)


@pytest.mark.parametrize(
    ("arguments", "error", "found"),
    [
        ({"tile_shape": (0, 4)}, ValueError, r"tile_shape.*positive"),
        ({"tile_shape": (4, -4)}, ValueError, r"tile_shape.*positive"),
        ({"tile_shape": ()}, ValueError, None),
        ({"tile_shape": 4}, TypeError, None),
        ({"tile_shape": (4.0, 4.0)}, TypeError, None),
        ({"tile_shape": (axis for axis in (4, 4))}, TypeError, None),
        ({"tile_shape": "44"}, TypeError, None),
        ({"tile_shape": (4, 1 << 64)}, OverflowError, None),
        ({"heap_format": "R"}, ValueError, "must be 'P' or 'Q'"),
        ({"heap_format": ""}, ValueError, "must be 'P' or 'Q'"),
        ({"heap_format": None}, TypeError, None),
        ({"heap_format": 1}, TypeError, None),
    ],
)
def test_arguments_of_every_class_are_checked(kind, arguments, error, found):
    with pytest.raises(error, match=found):
        kind(**arguments)


@pytest.mark.parametrize("given", ["q", "Q"])
def test_the_heap_format_may_have_either_letter_case(kind, given):
    assert kind(heap_format=given).heap_format == "Q"


OWN = [
    ("GZIP_1", {"level": 10}, ValueError, "0..=9"),
    ("GZIP_2", {"level": -1}, OverflowError, None),
    ("GZIP_1", {"level": "9"}, TypeError, None),
    ("GZIP_2", {"level": 6.0}, TypeError, None),
    ("RICE_1", {"blocksize": 0}, ValueError, "blocksize must be > 0"),
    ("RICE_1", {"blocksize": -1}, ValueError, "blocksize must be > 0"),
    ("RICE_1", {"blocksize": 16.0}, TypeError, None),
    ("HCOMPRESS_1", {"scale": -1}, ValueError, "scale"),
    ("HCOMPRESS_1", {"scale": 1.0}, TypeError, None),
    ("HCOMPRESS_1", {"smooth": 1}, TypeError, None),
    ("HCOMPRESS_1", {"smooth": "yes"}, TypeError, None),
    ("HCOMPRESS_1", {"tile_shape": (16,)}, ValueError, "2-D"),
    ("HCOMPRESS_1", {"tile_shape": (16, 16, 16)}, ValueError, "2-D"),
]


@pytest.mark.parametrize(("name", "arguments", "error", "found"), OWN)
def test_arguments_of_one_class_are_checked(name, arguments, error, found):
    if name not in rustfits.codecs():
        pytest.skip(f"codec not installed: {name}")
    with pytest.raises(error, match=found):
        getattr(rustfits, NAMES[name][0])(**arguments)


@pytest.mark.parametrize("level", [None, 0, 1, 9])
def test_levels_from_0_to_9_are_accepted(level):
    assert rustfits.Gzip2(level=level).level == level


def test_settings_are_values(kind):
    config = kind(tile_shape=(16, 20), heap_format="Q")
    assert config == kind(tile_shape=[16, 20], heap_format="q")
    assert config != kind(tile_shape=(16, 21), heap_format="Q")
    assert config != kind()
    assert (config == "GZIP_1", config == None) == (False, False)  # noqa: E711
    with pytest.raises(AttributeError):
        config.tile_shape = (1, 1)
    with pytest.raises(AttributeError):
        config.zcmptype = "X"
    with pytest.raises(TypeError):
        config < config  # noqa: B015
    assert len({config, copy.deepcopy(config), pickle.loads(pickle.dumps(config))}) == 1


def test_settings_of_two_classes_differ():
    assert rustfits.Gzip1() != rustfits.Gzip2()


REPRS = [
    ("GZIP_1", {"tile_shape": (3, 4), "heap_format": "Q", "level": 9}),
    ("RICE_1", {}),
    ("HCOMPRESS_1", {}),
    ("PLIO_1", {}),
    ("GZIP_2", {}),
]
SHOWN = [
    "Gzip1(tile_shape=[3, 4], heap_format='Q', level=9)",
    "Rice1(tile_shape=None, heap_format='P', blocksize=32)",
    "Hcompress1(tile_shape=None, heap_format='P', scale=0, smooth=False)",
    "Plio1(tile_shape=None, heap_format='P')",
    "Gzip2(tile_shape=None, heap_format='P', level=None)",
]


@pytest.mark.parametrize(
    ("name", "arguments", "shown"), [(*given, text) for given, text in zip(REPRS, SHOWN, strict=True)]
)
def test_the_representation_looks_like_the_call(name, arguments, shown):
    if name not in rustfits.codecs():
        pytest.skip(f"codec not installed: {name}")
    assert repr(getattr(rustfits, NAMES[name][0])(**arguments)) == shown


def test_strings_stand_for_the_default_settings(name, kind):
    pixels = np.ones((8, 8), "u1")
    for text in [name, *NAMES[name][2]]:
        for spelling in (text, text.lower(), f"  {text.title()} "):
            with rustfits.FITS("mem://", "w+") as file:
                hdu = file.write_image(pixels, compress=spelling)
                assert dataclasses.replace(hdu.compression, tile_shape=None) == kind()
                assert hdu.header["ZCMPTYPE"] == name


@pytest.mark.parametrize("given", [True, False, 1, 0, 2.5, b"RICE", ["RICE"], {"RICE": 1}, rustfits.Gzip1, object()])
def test_what_is_neither_a_string_nor_settings_is_a_type_error(given):
    with rustfits.FITS("mem://", "w+") as file:
        with pytest.raises(TypeError, match="compress="):
            file.create_image_hdu("i4", (5, 5), compress=given)
        assert len(file) == 0


@pytest.mark.parametrize("given", [4, 4.0, "dither1", True, {"level": 4}, Quantize])
def test_quantize_takes_its_own_class_alone(given):
    with rustfits.FITS("mem://", "w+") as file:
        with pytest.raises(TypeError, match="quantize"):
            file.write_image(np.ones((5, 5)), compress="GZIP_1", quantize=given)
        assert len(file) == 0


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, "Quantize(level=4, method='dither1', seed=0)"),
        ({"level": 0.1}, "Quantize(level=0.1, method='dither1', seed=0)"),
        ({"level": -2.5, "method": "DITHER2"}, "Quantize(level=-2.5, method='dither2', seed=0)"),
        ({"level": 1e-5}, "Quantize(level=0.00001, method='dither1', seed=0)"),
        ({"level": 1e22}, "Quantize(level=10000000000000000000000, method='dither1', seed=0)"),
        ({"seed": -7, "method": "no_dither"}, "Quantize(level=4, method='no_dither', seed=-7)"),
        ({"seed": 10**30}, f"Quantize(level=4, method='dither1', seed={10**30})"),
    ],
)
def test_the_representation_of_a_quantisation_is_in_plain_decimal(arguments, shown):
    assert repr(Quantize(**arguments)) == shown


@pytest.mark.parametrize(("seed", "card"), [(0, 1), (-3, 1), (1, 1), (10000, 10000), (12345678, 12345678)])
def test_the_seed_of_the_header_is_the_one_given_or_1(seed, card):
    with rustfits.FITS("mem://", "w+") as file:
        file.create_image_hdu("f4", (5, 50), compress="GZIP_1", quantize=Quantize(seed=seed))
        assert file[1].header["ZDITHER0"] == card
