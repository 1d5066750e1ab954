"""What `compress=` may be, and what is installed; plugins themselves are tried in tests/plugins."""

import numpy as np
import pytest

import rustfits
from rustfits.codec import registry
from rustfits.codec.builtin import PLUGINS, Gzip1, Gzip2, NoCompress
from rustfits.errors import CodecNotInstalled, FitsError, InvalidParameter

NAMES = [
    ("GZIP_1", Gzip1()),
    ("GZIP", Gzip1()),
    ("gzip_2", Gzip2()),
    ("  Gzip_2 ", Gzip2()),
    ("nocompress", NoCompress()),
]


@pytest.mark.parametrize(("name", "codec"), NAMES)
def test_a_name_gives_the_codec_with_default_parameters(name, codec):
    assert registry.as_codec(name) == codec


@pytest.mark.parametrize("codec", [Gzip2(level=1), NoCompress(tile_shape=(3, 4))])
def test_a_codec_stands_for_itself(codec):
    assert registry.as_codec(codec) is codec


def test_none_is_no_compression():
    assert registry.as_codec(None) is None


@pytest.mark.parametrize("name", ["", "GZIP_3", "ZIP", "gzip-1", "GZIP 1"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(InvalidParameter, match=r"unknown compression algorithm name \(installed: GZIP_1"):
        registry.as_codec(name)


@pytest.mark.parametrize("compress", [True, False, 1, 1.5, Gzip1, b"GZIP_1", ("GZIP_1",), np.str_, {}])
def test_other_kinds_of_things_are_refused(compress):
    with pytest.raises(TypeError, match="compress="):
        registry.as_codec(compress)


def test_other_spellings_of_a_name_are_one_algorithm():
    spellings = {
        "RICE": "RICE_1",
        "rice_one": "RICE_1",
        "HCOMPRESS": "HCOMPRESS_1",
        "PLIO ": "PLIO_1",
        "gzip": "GZIP_1",
    }
    assert {name: registry.algorithm_name(name) for name in spellings} == spellings


def test_a_class_is_the_same_every_time():
    assert registry.codec_class("GZIP_2") is registry.codec_class("gzip_2 ") is Gzip2


def test_a_missing_codec_can_be_caught_in_every_way_that_is_promised():
    for kind in (CodecNotInstalled, LookupError, ValueError, FitsError):
        with pytest.raises(kind, match="NO_SUCH_1"):
            registry.codec_class("NO_SUCH_1")


def test_the_core_has_the_codecs_that_it_says_it_has():
    assert tuple(PLUGINS) == registry.OWN


def test_the_list_of_codecs_begins_with_those_of_the_core():
    listed = rustfits.codecs()
    assert list(listed)[: len(PLUGINS)] == ["GZIP_1", "GZIP_2", "NOCOMPRESS"]
    assert listed["GZIP_2"] == ("rustfits", rustfits.__version__, "rustfits.codec.builtin:Gzip2")
    assert listed["GZIP_2"].distribution == "rustfits"


def test_a_url_of_an_unheard_scheme_has_no_storage():
    assert registry.open_storage("unheard://host/file.fits", "r", None) is None
