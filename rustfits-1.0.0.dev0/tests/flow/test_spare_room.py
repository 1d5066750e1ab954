"""Room behind the heap of an image that is changed again and again, with other HDUs behind it."""

import shutil
import subprocess

import numpy as np
import pytest

import rustfits
from rustfits import FITS
from rustfits.heap import spare

TILES, NOISE = (10, 20), np.random.default_rng(5)


def noise(shape):
    return NOISE.integers(-(1 << 30), 1 << 30, shape, dtype="i4")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(spare, "SMALL_TAIL_NBYTES", 0)
    path = tmp_path / "file.fits"
    with FITS(path, "w+") as fits:
        fits.write_image(noise((40, 60)), extname="SCI", compress=rustfits.Gzip2(tile_shape=TILES))
        fits.write_image(noise((50, 50)), extname="BEHIND")
    return path


def assert_verified(path):
    if shutil.which("fitsverify") is not None:
        done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False)
        assert "verification OK" in done.stdout, done.stdout


def moves(fits, number):
    """Set tiles one after the other; return the sizes of the heap after each."""
    model, sizes = fits["SCI"].read(), []
    for turn in range(number):
        row, column = 10 * (turn % 4), 20 * (turn % 3)
        model[row : row + 10, column : column + 20] = tile = noise(TILES)
        fits["SCI"][row : row + 10, column : column + 20] = tile
        sizes.append(fits["SCI"].header["PCOUNT"])
        assert (fits["SCI"].read() == model).all()
    return model, sizes


def test_one_change_takes_no_more_room_than_it_needs(path):
    with FITS(path, "r+") as fits:
        before = fits["SCI"].header["PCOUNT"]
        _, (after,) = moves(fits, 1)
    assert after - before < 1000


def test_what_is_behind_moves_ever_less_often(path):
    with FITS(path, "r+") as fits:
        behind = fits["BEHIND"].read()
        model, sizes = moves(fits, 40)
        assert len(set(sizes)) < 20
        assert (fits["BEHIND"].read() == behind).all()
    assert_verified(path)
    with FITS(path, "r+") as fits:
        assert (fits["SCI"].read() == model).all()
        fits["SCI"].repack()
        assert fits["SCI"].header["PCOUNT"] < sizes[0]
        assert (fits["SCI"].read() == model).all()
        assert (fits["BEHIND"].read() == behind).all()
    assert_verified(path)


@pytest.mark.parametrize("between", ["extend", "repack", "write", "undone", "header"])
def test_other_changes_may_come_between(path, between):
    with FITS(path, "r+") as fits:
        behind = fits["BEHIND"].read()
        moves(fits, 5)
        if between == "extend":
            fits["SCI"].extend(noise((17, 60)))
        elif between == "repack":
            fits["SCI"].repack()
        elif between == "write":
            fits["SCI"].write(noise((40, 60)))
        elif between == "header":
            fits["SCI"].header.update({f"KEY{number}": number for number in range(100)})
        else:
            with pytest.raises(KeyError), fits.transaction():
                moves(fits, 5)
                raise KeyError
        model, _ = moves(fits, 7)
        assert (fits["BEHIND"].read() == behind).all()
    assert_verified(path)
    with FITS(path) as fits:
        assert (fits["SCI"].read() == model).all()
        assert (fits["BEHIND"].read() == behind).all()
