"""Random tables of every type of column, as astropy writes them, and what fpack and funpack make of them."""

import shutil
import subprocess

import numpy as np
import pytest

fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")

NUMBERS = {"B": "u1", "I": "i2", "J": "i4", "K": "i8", "E": "f4", "D": "f8", "C": "c8", "M": "c16"}
UNSIGNED = {"I": 1 << 15, "J": 1 << 31, "K": 1 << 63}
ALGORITHMS = {
    "B": ("GZIP_1", "RICE_1"),
    "I": ("GZIP_1", "GZIP_2", "RICE_1"),
    "J": ("GZIP_1", "GZIP_2", "RICE_1"),
    "K": ("GZIP_1", "GZIP_2"),
    "E": ("GZIP_1", "GZIP_2"),
    "D": ("GZIP_1", "GZIP_2"),
}
LEAST_NBYTES = 5760  # of a data unit that fpack compresses; it copies smaller ones


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"peer not installed: {program}")


def run(*command):
    done = subprocess.run(
        [str(each) for each in command], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert not done.returncode, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def numbers_of(random, dtype, shape):
    """Smooth, constant or random numbers, with the extremes of their type among them."""
    kind = np.dtype(dtype)
    style = random.integers(0, 4)
    if kind.kind == "c":
        parts = f"f{kind.itemsize // 2}"
        return numbers_of(random, parts, shape) + 1j * numbers_of(random, parts, shape).astype(kind)
    if style == 0:
        return np.full(shape, random.integers(0, 100), kind)
    if style == 1:
        return np.cumsum(random.integers(0, 3, shape)).reshape(shape).astype(kind)
    if kind.kind == "f":
        out = (random.normal(size=shape) * 10.0 ** random.integers(-20, 20)).astype(kind)
        if out.size:
            out.flat[random.integers(0, out.size)] = random.choice([np.nan, np.inf, -0.0])
        return out
    limits = np.iinfo(kind)
    out = random.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    if style == 2:
        out = (out % kind.type(50)).astype(kind)
    if out.size:
        out.flat[random.integers(0, out.size)] = random.choice([limits.min, limits.max])
    return out


def strings_of(random, width, shape):
    letters = random.integers(0x21, 0x7F, (*shape, width), dtype=np.uint8)
    letters[np.arange(width) >= random.integers(0, width + 1, (*shape, 1))] = 0
    return letters.view(f"S{width}")[..., 0]


def fixed_column(random, name, nrows, letters="LXBIJKEDCMA"):
    letter = random.choice(list(letters))
    repeat = int(random.choice([1, 1, 1, 2, 3, 6, 17]))
    more = {}
    if letter == "A":
        width = int(random.integers(1, 20))
        return fits.Column(name, f"{width}A", array=strings_of(random, width, (nrows,)), unit="mag")
    if letter in "LX":
        values = random.integers(0, 2, (nrows, repeat)).astype(bool)
        values = values if letter == "X" or repeat > 1 else values[:, 0]
        return fits.Column(name, f"{repeat}{letter}", array=values)
    values = numbers_of(random, NUMBERS[letter], (nrows, repeat) if repeat > 1 else (nrows,))
    style = random.integers(0, 6)
    if letter in UNSIGNED and style == 0:
        more["bzero"] = UNSIGNED[letter]
        unsigned = values.view(values.dtype.str.replace("i", "u"))
        return fits.Column(name, f"{repeat}{letter}", array=unsigned, **more)
    if letter in "BIJK" and style == 1:
        more["null"] = int(values.flat[0]) if values.size else 7
    if repeat == 6 and style < 4:
        more["dim"] = "(3,2)"
        values = values.reshape(nrows, 2, 3)
    return fits.Column(name, f"{repeat}{letter}", array=values, **more)


def heap_column(random, name, nrows, letters="LBIJKEDCMA"):
    letter, descriptor = random.choice(list(letters)), random.choice(["P", "Q"])
    longest = int(random.choice([1, 5, 60, 300]))
    cells = np.empty(nrows, dtype=object)
    for row in range(nrows):
        length = int(random.integers(0, longest + 1))
        if letter == "A":
            cells[row] = "".join(map(chr, random.integers(0x21, 0x7F, length)))
        elif letter in "LX":
            cells[row] = random.integers(0, 2, length).astype(bool)
        else:
            cells[row] = numbers_of(random, NUMBERS[letter], (length,))
    return fits.Column(name, f"{descriptor}{letter}()", array=cells)


def random_table(seed, *, letters="LXBIJKEDCMA", heap="LBIJKEDCMA", least_nbytes=LEAST_NBYTES, heap_columns=3):
    """Return an HDU of astropy with random columns, large enough for fpack."""
    random = np.random.default_rng(seed)
    nrows = int(random.choice([1, 2, 7, 100, 101, 640]))
    columns, nbytes = [], 0
    while nbytes <= least_nbytes or len(columns) < random.integers(1, 8):
        columns.append(fixed_column(random, f"c{len(columns)}", nrows, letters))
        nbytes += np.asarray(columns[-1].array).nbytes // (8 if columns[-1].format.endswith("X") else 1)
    for _ in range(random.integers(0, heap_columns + 1) if heap else 0):
        columns.append(heap_column(random, f"v{len(columns)}", nrows, heap))
    order = random.permutation(len(columns))
    hdu = fits.BinTableHDU.from_columns([columns[number] for number in order], name="TABLE")
    if random.integers(0, 2):  # one of the columns is scaled
        number = int(random.integers(1, len(columns) + 1))
        plain = hdu.columns[number - 1]
        if plain.bzero in (None, "") and plain.format[-1] in "BIJKED":
            hdu.header[f"TSCAL{number}"], hdu.header[f"TZERO{number}"] = 0.5, -3.0
    return hdu, random


def choose_codecs(hdu, random):
    """Ask fpack for tiles of some rows, and for other algorithms than it would take by itself."""
    header = hdu.header
    header["FZTILELN"] = int(random.choice([1, 3, 50, 100, 1000]))
    for number in range(1, header["TFIELDS"] + 1):
        letter = header[f"TFORM{number}"].lstrip("0123456789PQ")[0]
        if letter in ALGORITHMS and random.integers(0, 2):
            header[f"FZALG{number}"] = str(random.choice(ALGORITHMS[letter]))


def packed(hdu, folder):
    """Write a table, compress it with fpack, and return both paths."""
    plain = folder / "t.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(plain, overwrite=True, checksum=True)
    coded = folder / "t.fits.fz"
    coded.unlink(missing_ok=True)
    run("fpack", "-table", plain)
    return plain, coded
