"""The options for remote files, and what is refused before anything is sent."""

import math
import pickle

import numpy as np
import pytest

from rustfits.codec import registry
from rustfits.container.fitsfile import FITS
from rustfits.container.remote import Remote
from rustfits.errors import LocationError
from rustfits.storage.base import without_user

URL = "https://example.invalid/x.fits"


def test_the_defaults_are_shown():
    remote = Remote()
    assert (remote.ranged, remote.headers, remote.timeout) == (False, None, None)
    assert (remote.block_bytes, remote.cache_bytes) == (1 << 20, 32 << 20)
    assert repr(remote) == (
        "Remote(ranged=False, headers=None, timeout=None, block_bytes=1048576, cache_bytes=33554432)"
    )


def test_headers_are_shown_as_a_number_only():
    remote = Remote(ranged=True, headers={"Authorization": "secret", "X": "y"}, timeout=2.5, block_bytes=7)
    assert "headers=<2 entries>" in repr(remote)
    assert "secret" not in repr(remote)
    assert "timeout=2.5, block_bytes=7" in repr(remote)


def test_headers_are_a_copy_and_an_empty_dict_is_none():
    headers = {"A": "b"}
    remote = Remote(headers=headers)
    headers["C"] = "d"
    assert remote.headers == {"A": "b"}
    assert Remote(headers={}).headers is None


def test_equality_is_identity_and_nothing_can_be_assigned():
    one, other = Remote(), Remote()
    assert one != other
    assert one == one
    assert len({one, other}) == 2
    with pytest.raises(AttributeError):
        one.ranged = True
    with pytest.raises(TypeError):
        Remote(True)
    assert pickle.loads(pickle.dumps(Remote(ranged=True, cache_bytes=0))).cache_bytes == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"ranged": 1}, TypeError, "ranged"),
        ({"headers": [("A", "b")]}, TypeError, "dict"),
        ({"headers": {1: "b"}}, ValueError, "str"),
        ({"headers": {"A": 1}}, ValueError, "str"),
        ({"timeout": 0}, ValueError, "timeout"),
        ({"timeout": -1}, ValueError, "timeout"),
        ({"timeout": math.nan}, ValueError, "timeout"),
        ({"timeout": "5"}, TypeError, "timeout"),
        ({"ranged": True, "block_bytes": 0}, ValueError, "block_bytes"),
        ({"ranged": True, "block_bytes": -1}, OverflowError, "block_bytes"),
        ({"ranged": True, "cache_bytes": -1}, OverflowError, "cache_bytes"),
        ({"ranged": True, "cache_bytes": 1.5}, TypeError, "cache_bytes"),
        ({"block_bytes": 5}, ValueError, "ranged=True"),
        ({"cache_bytes": 0}, ValueError, "ranged=True"),
        ({"unknown": 0}, TypeError, "unknown"),
    ],
)
def test_a_wrong_option_says_what_is_wrong(arguments, kind, words):
    with pytest.raises(kind, match=words):
        Remote(**arguments)


def test_numpy_numbers_will_do():
    remote = Remote(ranged=True, block_bytes=np.int32(5), timeout=np.float32(2))
    assert (remote.block_bytes, remote.timeout) == (5, 2.0)


@pytest.mark.parametrize(
    ("filename", "mode", "remote", "kind", "words"),
    [
        (URL, "r", True, ValueError, "ranged"),
        (URL, "r", False, ValueError, "ranged"),
        ("x.fits", "r", True, ValueError, "ranged"),
        (URL, "r", "whole", ValueError, "'ranged'"),
        (URL, "r", 5, ValueError, "'ranged'"),
        ("x.fits", "w+", {"ranged": True}, ValueError, "'ranged'"),
        ("x.fits", "r", "ranged", ValueError, "only valid for"),
        ("mem://", "w+", Remote(), ValueError, "only valid for"),
        ("file:///x.fits", "r", "ranged", ValueError, "local file"),
        (URL, "r+", None, OSError, "read-only"),
        (URL + ".gz", "w+", "ranged", OSError, "read-only"),
        (URL + ".GZ?a=b#c", "r", "ranged", ValueError, "not seekable"),
        ("ftp://example.invalid/x.gz", "r", "ranged", ValueError, "not seekable"),
        ("ftp://example.invalid/x.fits", "r", "ranged", ValueError, "http"),
        ("ftps://example.invalid/x.fits", "r", Remote(headers={"A": "b"}), ValueError, "http"),
        ("ftp://example.invalid/x.fits", "r", Remote(timeout=5), ValueError, "http"),
    ],
)
def test_what_a_file_cannot_do_is_refused_in_this_order(filename, mode, remote, kind, words):
    with pytest.raises(kind, match=words) as caught:
        FITS(filename, mode, remote=remote)
    assert isinstance(caught.value, LocationError) == (kind is ValueError)


@pytest.mark.parametrize("password", ["pa55", "pa/55", "pa?55", "pa#55"])
@pytest.mark.parametrize(
    ("scheme", "mode", "remote"),
    [
        ("https", "r+", None),
        ("http", "r", "ranged"),
        ("ftp", "r", "ranged"),
        ("ftp", "r", Remote(timeout=5)),
    ],
)
def test_what_is_refused_tells_no_secret(scheme, mode, remote, password):
    name = "x.fits.gz" if scheme == "http" else "x.fits"
    with pytest.raises((ValueError, OSError), match=f"^{scheme}://host/{name}[ :]") as caught:
        FITS(f"{scheme}://me:{password}@host/{name}?sig=5ecret", mode, remote=remote)
    assert not [part for part in ("me:", "pa", "55", "5ecret") if part in str(caught.value).replace("pass", "")]


@pytest.mark.parametrize(
    "url", ["x@y", "http://host/a@b", "s3://b.c/a:b@c?d@e#f@g", "http://[::1]:8/a@b", "ftp://h:1/@"]
)
def test_an_at_sign_that_belongs_to_no_user_is_kept(url):
    assert without_user(url) == url


def test_what_a_url_can_do_gets_as_far_as_looking_for_a_plugin(monkeypatch):
    monkeypatch.setattr(registry, "open_storage", lambda *_: None)
    for url, remote in [(URL, "ranged"), (URL, Remote(timeout=5)), ("ftp://example.invalid/x", Remote()), (URL, None)]:
        with pytest.raises(NotImplementedError, match=r"pip install .*rustfits-remote.*download the file first"):
            FITS(url, remote=remote)
    for url in ("s3://bucket/x.fits", "gs://bucket/x.fits"):
        with pytest.raises(NotImplementedError, match=r"pip install .*rustfits-remote"):
            FITS(url)
    with pytest.raises(NotImplementedError, match=r"unheard://host/x\.fits\)") as caught:
        FITS("unheard://me:pa55@host/x.fits?sig=5ecret", remote="ranged")
    assert "pa55" not in str(caught.value)
    assert "5ecret" not in str(caught.value)
    with pytest.raises(FileNotFoundError):  # it may be a path
        FITS("unheard://host/x.fits")


def test_what_was_given_is_known_from_what_stands_for_it():
    assert Remote().given == frozenset()
    assert Remote(ranged=False, timeout=3).given == {"ranged", "timeout"}
    assert "given" not in repr(Remote())
