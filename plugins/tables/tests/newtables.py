"""Random columns of every type, with values, for tables that are written and changed."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

NUMBERS = ["u1", "i2", "i4", "i8", "u2", "u4", "u8", "f4", "f8", "c8", "c16", "?"]
INNER = ["u1", "i2", "i4", "i8", "f4", "f8", "c8", "c16", "?", "U"]
LETTERS = np.array(list("abcXYZ 019~"))


@dataclass
class Schema:
    """Columns by their names: (dtype, shape), or ("O", inner dtype)."""

    columns: dict
    bits: list = field(default_factory=list)
    heap_format: str = "P"

    @property
    def var_dtypes(self):
        return {name: shape for name, (dtype, shape) in self.columns.items() if dtype == "O"}

    @property
    def options(self):
        return {"var_dtypes": self.var_dtypes, "bit_columns": self.bits, "heap_format": self.heap_format}

    @property
    def dtype(self):
        parts = [(n, d) if d == "O" else (n, d, s) for n, (d, s) in self.columns.items()]
        return np.dtype(parts)

    def values(self, seed, nrows):
        """A dict of columns with random values."""
        rng = np.random.default_rng(seed)
        return {name: column(rng, dtype, shape, nrows) for name, (dtype, shape) in self.columns.items()}


def structured(columns, dtype):
    out = np.zeros(len(next(iter(columns.values()))), dtype)
    for name, values in columns.items():
        out[name] = values
    return out


def column(rng, dtype, shape, nrows):
    if dtype == "O":
        out = np.empty(nrows, dtype=object)
        for row in range(nrows):
            out[row] = cell(rng, shape)
        return out
    kind = np.dtype(dtype)
    if kind.kind in "SU":
        width = kind.itemsize // (4 if kind.kind == "U" else 1)
        texts = [text(rng, width) for _ in range(nrows * int(np.prod(shape, dtype=int)))]
        return np.array(texts, dtype=f"U{width}").reshape(nrows, *shape).astype(kind)
    return numbers(rng, kind, (nrows, *shape))


def text(rng, width):
    return "".join(rng.choice(LETTERS, rng.integers(0, width + 1))).rstrip(" ")


def numbers(rng, kind, shape):
    kind = np.dtype(kind)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype("?")
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return rng.integers(limits.min, limits.max, shape, dtype=kind.newbyteorder("="), endpoint=True).astype(kind)
    if kind.kind == "f":
        return rng.normal(size=shape).astype(kind)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(kind)


def cell(rng, inner):
    length = int(rng.integers(0, 4)) if rng.integers(0, 10) else int(rng.integers(0, 40))
    return text(rng, length) if inner == "U" else numbers(rng, inner, (length,))


@st.composite
def columns(draw):
    """One column."""
    what = draw(st.integers(0, 9))
    if what < 3:
        return "O", draw(st.sampled_from(INNER))
    dtype = draw(st.sampled_from([*NUMBERS, "S1", "S7", "U4", "U11", ">i4", ">f8", ">u2"]))
    return dtype, draw(st.sampled_from([(), (), (3,), (2, 3), (1,), (2, 1, 2)]))


@st.composite
def schemas(draw, max_columns=6):
    found = {f"c{n}": draw(columns()) for n in range(draw(st.integers(1, max_columns)))}
    bools = [n for n, (dtype, shape) in found.items() if dtype == "?" or (dtype == "O" and shape == "?")]
    bits = draw(st.lists(st.sampled_from(bools), unique=True)) if bools else []
    return Schema(found, bits, draw(st.sampled_from("PQ")))


def read_back(values):
    """What reading gives of values that were written: text, and native order of bytes."""
    if values.dtype.kind == "S":
        return values.astype("U")
    return values if values.dtype == object else values.astype(values.dtype.newbyteorder("="))


def assert_same(found, expected):
    expected = read_back(expected)
    assert found.shape == expected.shape
    if expected.dtype == object:
        for one, other in zip(found, expected, strict=True):
            assert type(one) is type(other)
            if isinstance(other, str):
                assert one == other
            else:
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)
        return
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def assert_table(hdu, expected):
    """Compare a table, read whole, with a dict of columns."""
    rows = hdu.read()
    assert rows.dtype.names == tuple(expected)
    for name, values in expected.items():
        assert_same(rows[name], values)
