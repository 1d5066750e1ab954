"""Random rows, fields and arrays, and the two kernels that are compared."""

import numpy as np
from hypothesis import strategies as st

from rustfits_tables import Field, FieldArray, Kind, TableKernels
from rustfits_tables.compiled import CompiledTableKernels
from rustfits_tables.fields import BITMAPS, OFFSETS, STORED

NUMPY, COMPILED = TableKernels(), CompiledTableKernels()
BINARY = [kind for kind in Kind if kind < Kind.INTEGER]
CHARACTERS = [kind for kind in Kind if kind >= Kind.INTEGER]
SIZES = {
    Kind.SWAP: (2, 4, 8),
    Kind.FLIP: (1, 2, 4, 8),
    Kind.NULL: (1, 2, 4, 8),
    Kind.VALID: (1, 2, 4, 8),
    Kind.LOGICAL: (1,),
    Kind.LOGICAL_BITMAP: (1,),
    Kind.BITS: (1,),
    Kind.BITS_BITMAP: (1,),
    **{kind: (np.dtype(stored).itemsize,) for kind, stored in STORED.items()},
}
STRINGS = (Kind.BYTES, Kind.TEXT, *OFFSETS)
SCALES = st.sampled_from([1.0, 0.5, -2.0, 0.1, 1e300, 0.0, float("inf"), float("nan")])
ZEROS = st.sampled_from([0.0, 32768.0, -0.1, 1e308, float("inf")])
# Strings in which what matters is often met: ends, blanks within, NUL anywhere, bytes that are not ASCII.
LETTERS = np.frombuffer(b"  \0\0abc~\x7f A\0 \x80\xff", dtype=np.uint8)
NUMERALS = np.frombuffer(b"0123456789 .-+ED", dtype=np.uint8)


@st.composite
def fields(draw, kinds, least=1, most=6):
    """Fields one behind another, with gaps; and the bytes of a row."""
    found, offset = [], draw(st.integers(0, 3))
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=least, max_size=most)):
        size = draw(st.sampled_from(SIZES[kind]) if kind in SIZES else st.integers(0, 24))
        count = 1 if kind >= Kind.INTEGER else draw(st.integers(0, 3) | st.integers(0, 40))
        null = draw(st.sampled_from([0, 1, 99, 127]))
        text = draw(st.none() | st.sampled_from([b"", b"0", b"-1", b"NULL"]))
        decimals = draw(st.integers(0, 6))
        field = Field(kind, offset, size, count, draw(SCALES), draw(ZEROS), null, text, decimals)
        found.append(field)
        offset = field.offset + field.nbytes + draw(st.integers(0, 3))
    return found, max(offset, 1)


def rows_of(numbers, nrows, row_nbytes, found):
    """Random bytes of rows, with strings and numerals where they are asked for."""
    raw = numbers.integers(0, 256, (nrows, row_nbytes), dtype=np.uint8)
    for field in found:
        cells = raw[:, field.offset : field.offset + field.nbytes]
        if field.kind in STRINGS:
            foreign = numbers.integers(0, 20) == 0
            cells[...] = numbers.choice(LETTERS if foreign else LETTERS[:-2], cells.shape)
        elif field.kind in (Kind.LOGICAL, Kind.LOGICAL_BITMAP):
            cells[...] = numbers.choice(np.frombuffer(b"TTFF\0t\xff", dtype=np.uint8), cells.shape)
        elif field.kind in (Kind.NULL, Kind.VALID):
            cells[...] = np.where(numbers.integers(0, 4, cells.shape) > 0, 0, cells)
            cells[:, field.size - 1 :: field.size] = numbers.choice([0, 1, 99, 127, 200], (nrows, field.count))
        elif field.kind >= Kind.INTEGER:
            cells[...] = numbers.choice(NUMERALS, cells.shape)
            for row in range(nrows):
                cells[row] = np.frombuffer(numeral(numbers, field), dtype=np.uint8)
    return raw


def numeral(numbers, field):
    """The characters of one field: mostly a number, sometimes none."""
    kind, width = numbers.integers(0, 12), field.size
    if kind == 0:
        text = bytes(numbers.choice(NUMERALS, width))
    elif kind == 1:
        text = field.null_text or b""
    elif field.kind == Kind.INTEGER:
        text = b"%d" % int(numbers.integers(-(10 ** min(width, 18)), 10 ** min(width, 18)))
    else:
        value = float(numbers.normal()) * 10.0 ** int(numbers.integers(-30, 30))
        text = (b"%.*E" % (int(numbers.integers(0, 20)), value), b"%d" % int(value), b"%f" % value)[kind % 3]
        text = text.replace(b"E", [b"E", b"D", b"e", b""][kind % 4])
    return (b" " * int(numbers.integers(0, 2)) + text).ljust(width)[:width]


def dtype_of(field):
    size = field.size
    dtypes = {
        Kind.COPY: f"V{size}" if size else "V1",
        Kind.SWAP: f"u{size}",
        Kind.FLIP: f"u{size}",
        Kind.BYTES: f"S{size}" if size else "S1",
        Kind.TEXT: f"U{size}" if size else "U1",
        Kind.INTEGER: "i8",
        Kind.REAL_32: "f4",
        Kind.REAL_64: "f8",
        **dict.fromkeys(STORED, "f8"),
    }
    return dtypes.get(field.kind, "?")


def arrays_of(found, nrows, together):
    """Arrays for fields, filled with some bytes: those of one structured array, or each by itself."""
    dtypes = [
        (f"f{number}", dtype_of(field), (field.count,))
        for number, field in enumerate(found)
        if field.kind not in (*BITMAPS, *OFFSETS)
    ]
    structured = np.zeros(nrows, dtype=[*dtypes, ("gap", "V3")])
    placed = []
    for number, field in enumerate(found):
        if field.kind in BITMAPS:
            placed.append(FieldArray(field, np.full(-(-nrows * field.count // 8) + 1, 0xA5, dtype=np.uint8)))
        elif field.kind in OFFSETS:
            text = np.zeros(nrows * field.count * field.size + 3, dtype=np.uint8)
            placed.append(FieldArray(field, np.zeros(nrows * field.count + 1, dtype=OFFSETS[field.kind]), text))
        else:
            array = structured[f"f{number}"] if together else np.zeros((nrows, field.count), dtype=dtype_of(field))
            if not field.size and field.kind in (Kind.COPY, Kind.BYTES, Kind.TEXT):
                array = array[:, :0]
            placed.append(FieldArray(field, array))
    return placed


def same(one, other):
    """Whether two arrays have the same bytes, but for the sign and the payload of NaN."""
    if one.dtype.kind == "f":
        return np.array_equal(one, other, equal_nan=True) and (np.signbit(one) == np.signbit(other))[one == one].all()
    return one.tobytes() == other.tobytes()
