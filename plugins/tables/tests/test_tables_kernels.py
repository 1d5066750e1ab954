"""The compiled kernels and those in NumPy give the same values, and find the same faults."""

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from schemas import BINARY, CHARACTERS, COMPILED, NUMPY, arrays_of, dtype_of, fields, rows_of, same

from rustfits_tables import Fault, Field, FieldArray, Kind, Reason
from rustfits_tables.fields import BITMAPS, OFFSETS
from rustfits_tables.kernels import BLOCK_NBYTES

SEEDS = st.integers(0, 2**32 - 1)
KERNELS = pytest.mark.parametrize("kernels", [NUMPY, COMPILED], ids=["numpy", "compiled"])


def decoded(kernels, found, row_nbytes, raw, rows, parts, together):
    """Decode rows in parts, into arrays with two rows more than needed."""
    nrows = len(raw) if rows is None else len(rows)
    placed = arrays_of(found, nrows + 2, together)
    decoder, faults = kernels.decoder(row_nbytes, placed), []
    cuts = [nrows * part // parts for part in range(parts + 1)]
    for begin, stop in itertools.pairwise(cuts):
        if rows is None:
            faults += decoder.decode(raw[begin:stop], begin)
        else:
            faults += decoder.decode(raw, begin, rows[begin:stop])
        if faults:
            break
    return placed, faults


def check_decoding(schema, seed, nrows, parts, chosen, together):
    found, row_nbytes = schema
    numbers = np.random.default_rng(seed)
    raw = rows_of(numbers, nrows, row_nbytes, found)
    rows = numbers.integers(0, nrows, int(numbers.integers(0, 2 * nrows))) if chosen and nrows else None
    one, faults = decoded(NUMPY, found, row_nbytes, raw, rows, parts, together)
    other, others = decoded(COMPILED, found, row_nbytes, raw, rows, parts, together)
    assert faults == others
    bad = {fault.field for fault in faults}
    for number, (first, second) in enumerate(zip(one, other, strict=True)):
        if number not in bad:
            assert same(first.array, second.array), first.field
            if first.text is not None:  # behind the last string there may be anything
                used = int(first.array[(nrows if rows is None else len(rows)) * first.field.count])
                assert same(first.text[:used], second.text[:used])


@settings(deadline=None, max_examples=300)
@given(fields(BINARY), SEEDS, st.integers(0, 70), st.integers(1, 3), st.booleans(), st.booleans())
def test_rows_of_binary_tables_are_decoded_alike(schema, seed, nrows, parts, chosen, together):
    check_decoding(schema, seed, nrows, parts, chosen, together)


@settings(deadline=None, max_examples=150)
@given(fields(CHARACTERS), SEEDS, st.integers(0, 70), st.integers(1, 3), st.booleans(), st.booleans())
def test_rows_of_ascii_tables_are_decoded_alike(schema, seed, nrows, parts, chosen, together):
    check_decoding(schema, seed, nrows, parts, chosen, together)


@settings(deadline=None, max_examples=10)
@given(fields(BINARY), SEEDS, st.booleans())
def test_many_rows_are_decoded_alike(schema, seed, chosen):
    _, row_nbytes = schema
    check_decoding(schema, seed, 5 * BLOCK_NBYTES // 4 // row_nbytes, 1, chosen, True)


@settings(deadline=None, max_examples=300)
@given(fields(BINARY), SEEDS, st.integers(0, 70), st.booleans(), st.booleans())
def test_rows_are_encoded_alike(schema, seed, nrows, chosen, together):
    found, row_nbytes = schema
    numbers = np.random.default_rng(seed)
    placed = arrays_of(found, nrows + 3, together)
    for each in placed:
        fill(numbers, each)
    raw = numbers.integers(0, 256, (nrows + 5, row_nbytes), dtype=np.uint8)
    rows = numbers.permutation(nrows + 5)[:nrows] if chosen else None
    results = []
    for kernels in (NUMPY, COMPILED):
        out = raw.copy() if chosen else raw[:nrows].copy()
        results.append((out, kernels.encoder(row_nbytes, placed).encode(out, 2, rows)))
    (one, faults), (other, others) = results
    assert faults == others
    kept = np.ones(row_nbytes, dtype=bool)
    for number, each in enumerate(placed):
        inside = slice(each.field.offset, each.field.offset + each.field.nbytes)
        kept[inside] = False
        if number not in {fault.field for fault in faults}:
            same_bytes = one[:, inside] == other[:, inside]
            assert same_bytes.all() or is_nan(each.field, one[:, inside], other[:, inside])
    untouched = raw if chosen else raw[:nrows]
    assert (one[:, kept] == untouched[:, kept]).all()
    assert (other[:, kept] == untouched[:, kept]).all()


TOGETHER = [Kind.COPY, Kind.SWAP, Kind.FLIP] * 3 + [Kind.LOGICAL, Kind.TEXT, Kind.BYTES]


def structure_of(placed):
    """The structured array that fields are of."""
    (base,) = {id(each.array.base): each.array.base for each in placed if each.array.base is not None}.values()
    return base


@settings(deadline=None, max_examples=150)
@given(fields(TOGETHER, 5, 20), SEEDS, st.integers(300, 900), st.integers(0, 3), st.booleans())
def test_fields_that_lie_together_are_moved_alike(schema, seed, nrows, first, shuffled):
    """Sixteen bytes at a time, which must not reach into what is not of these fields."""
    found, row_nbytes = schema
    found = [replace(field, count=min(field.count, 5)) for field in found if field.size or field.kind == Kind.LOGICAL]
    assume(found)
    numbers = np.random.default_rng(seed)
    raw = numbers.integers(1, 0x80, (nrows, row_nbytes), dtype=np.uint8)
    order = numbers.permutation(len(found)) if shuffled else np.arange(len(found))
    results = []
    for kernels in (NUMPY, COMPILED):
        placed = arrays_of(found, nrows + first, True)
        structure = structure_of(placed)
        structure["gap"] = b"abc"
        fields_in_order = [placed[number] for number in order]
        assert kernels.decoder(row_nbytes, fields_in_order).decode(raw, first) == []
        assert (structure["gap"] == np.void(b"abc")).all()
        start = np.full(raw.shape, 0xA5, dtype=np.uint8)
        back = start.copy()
        assert kernels.encoder(row_nbytes, fields_in_order).encode(back, first) == []
        results.append((structure.tobytes(), start, back))
    (one, _, written), (other, start, again) = results
    assert one == other
    kept = np.ones(row_nbytes, dtype=bool)
    for field in found:
        kept[field.offset : field.offset + field.nbytes] = False
    assert (written[:, ~kept] == again[:, ~kept]).all()
    assert (again[:, kept] == start[:, kept]).all()


@settings(deadline=None, max_examples=150)
@given(fields([Kind.BYTES, Kind.TEXT, Kind.SWAP]), SEEDS, st.integers(0, 40), st.booleans())
def test_the_first_character_that_is_no_text_is_found_alike(schema, seed, nrows, together):
    found, row_nbytes = schema
    numbers = np.random.default_rng(seed)
    placed = arrays_of(found, nrows + 2, together)
    for each in placed:
        fill(numbers, each)
        if each.field.kind == Kind.BYTES and each.array.size and numbers.integers(0, 2):
            each.array[numbers.integers(0, len(each.array)), -1] = b"a\xe9"[: each.field.size]
        if each.field.kind == Kind.BYTES and each.array.size and numbers.integers(0, 2):
            each.array[...] = b"".join(numbers.choice([b"a", b" ", b"~", b"B"], each.field.size))
            each.array[numbers.integers(0, len(each.array)), -1] = numbers.choice([b"a\0b", b"ab\0", b"\x1f", b"a\x7f"])
    expected = NUMPY.encoder(row_nbytes, placed).check_text(2, nrows)
    assert COMPILED.encoder(row_nbytes, placed).check_text(2, nrows) == expected
    for number, each in enumerate(placed):
        if each.field.kind in (Kind.BYTES, Kind.TEXT) and each.field.size:
            texts = each.array[2 : 2 + nrows].reshape(-1).tolist()
            codes = [text if isinstance(text, bytes) else list(map(ord, text)) for text in texts]
            odd = any(not 0x20 <= code <= 0x7E for text in codes for code in text)
            assert odd == (number in {fault.field for fault in expected})


def is_nan(field, one, other):
    """Whether floats differ in the sign or payload of NaN alone."""
    dtype = {Kind.SCALED_F4: ">f4", Kind.SCALED_F8: ">f8"}.get(field.kind)
    return dtype and all(
        np.array_equal(np.ascontiguousarray(one).view(dtype), np.ascontiguousarray(other).view(dtype), equal_nan=True)
        for _ in "1"
    )


def fill(numbers, each):
    """Fill an array with what a user may have in it."""
    field, array = each.field, each.array
    if field.kind in OFFSETS:
        lengths = numbers.integers(0, field.size + 1 + (numbers.integers(0, 10) == 0), array.size - 1)
        ends = np.cumsum(lengths)
        array[1:] = ends
        if ends.size and ends[-1] > each.text.size:
            array[1:] = np.minimum(ends, each.text.size)
        each.text[...] = numbers.integers(0, 0x80 + (numbers.integers(0, 10) == 0), each.text.size)
        if numbers.integers(0, 8) == 0:
            array[numbers.integers(0, array.size)] = numbers.choice([-1, 10**6, 0])
    elif field.kind in BITMAPS:
        array[...] = numbers.integers(0, 256, array.size)
    elif dtype_of(field) == "f8":
        array[...] = numbers.normal(0, 10.0 ** int(numbers.integers(-2, 12)), array.shape)
        if array.size and numbers.integers(0, 6) == 0:
            array[numbers.integers(0, len(array))] = numbers.choice([np.nan, np.inf, -np.inf, 1e300])
    elif dtype_of(field) == "?":
        array[...] = numbers.integers(0, 2, array.shape)
    elif field.kind == Kind.TEXT and field.size:
        array[..., None].view(np.uint32)[...] = numbers.integers(0, 0x80, (*array.shape, field.size))
        if array.size and numbers.integers(0, 6) == 0:
            array[numbers.integers(0, len(array)), 0] = "\u00e9\U0001f600"[: field.size]
    elif array.size:
        most = 0x80 if field.kind == Kind.BYTES else 0x100
        array[..., None].view(np.uint8)[...] = numbers.integers(0, most, (*array.shape, array.itemsize))


@settings(deadline=None, max_examples=200)
@given(fields([kind for kind in BINARY if kind not in (*OFFSETS, Kind.NULL, Kind.VALID)]), SEEDS, st.integers(1, 40))
def test_what_was_encoded_is_decoded_as_it_was(schema, seed, nrows):
    found, row_nbytes = schema
    found = [field if field.kind not in range(7, 13) else Field(field.kind, field.offset, field.size, field.count, 0.5)
             for field in found]  # fmt: skip
    numbers = np.random.default_rng(seed)
    placed, back = arrays_of(found, nrows, True), arrays_of(found, nrows, False)
    for each in placed:
        if dtype_of(each.field) == "f8":
            each.array[...] = numbers.integers(0, 256, each.array.shape) * 0.5
        elif each.field.kind in (Kind.BYTES, Kind.TEXT):
            each.array[...] = "x" if each.field.size else ""
        else:
            fill(numbers, each)
    for kernels in (NUMPY, COMPILED):
        raw = np.zeros((nrows, row_nbytes), dtype=np.uint8)
        assert kernels.encoder(row_nbytes, placed).encode(raw, 0) == []
        assert kernels.decoder(row_nbytes, back).decode(raw, 0) == []
        for one, other in zip(placed, back, strict=True):
            nbits = nrows * one.field.count
            if one.field.kind in BITMAPS:
                bits = [np.unpackbits(each.array, bitorder="little")[:nbits] for each in (one, other)]
                assert (bits[0] == bits[1]).all()
            else:
                assert same(one.array, other.array), one.field


@KERNELS
def test_no_rows_are_no_fault(kernels):
    found = [Field(Kind.SWAP, 0, 4), Field(Kind.UTF8_32, 4, 3), Field(Kind.VALID, 7, 1), Field(Kind.TEXT, 8, 2)]
    for first in (0, 3):
        placed = arrays_of(found, first, True)
        assert kernels.decoder(10, placed).decode(np.zeros(0, dtype=np.uint8), first) == []
        assert kernels.encoder(10, placed).encode(np.zeros(0, dtype=np.uint8), first) == []
        assert (
            kernels.decoder(10, placed).decode(np.zeros(30, dtype=np.uint8), first, np.zeros(0, dtype=np.int64)) == []
        )


@KERNELS
def test_strings_end_where_they_should(kernels):
    cells = [b"ab   ", b"a\0b  ", b"     ", b"\0abcd", b" a b ", b"abcde", b"a \0 b", b"~\x7f\0\xff\xff"]
    raw = np.frombuffer(b"".join(cells), dtype=np.uint8)
    out, wide = np.zeros(8, dtype="S5"), np.zeros(8, dtype="U5")
    placed = [FieldArray(Field(Kind.BYTES, 0, 5), out), FieldArray(Field(Kind.TEXT, 0, 5), wide)]
    assert kernels.decoder(5, placed).decode(raw, 0) == []
    assert out.tolist() == [b"ab", b"a", b"", b"", b" a b", b"abcde", b"a", b"~\x7f"]
    assert wide.tolist() == [each.decode() for each in out.tolist()]


@KERNELS
@pytest.mark.parametrize("kind", [Kind.BYTES, Kind.TEXT, Kind.UTF8_32, Kind.UTF8_64])
def test_a_byte_that_is_not_ascii_is_named_with_its_place(kernels, kind):
    raw = np.frombuffer(b"abcdefghij" * 5, dtype=np.uint8).reshape(5, 10).copy()
    raw[3, 7] = 0xE9
    raw[4, 0] = 0xFF
    field = Field(kind, 1, 4, 2)
    (placed,) = arrays_of([field], 5, False)
    assert kernels.decoder(10, [placed]).decode(raw, 0) == [Fault(0, Reason.FOREIGN, 3, 1, 2, 0xE9)]


@KERNELS
def test_bits_around_those_of_the_rows_stay(kernels):
    bitmap = np.full(3, 0xFF, dtype=np.uint8)
    field = Field(Kind.LOGICAL_BITMAP, 0, 1, 3)
    kernels.decoder(3, [FieldArray(field, bitmap)]).decode(np.zeros(6, dtype=np.uint8), 3)
    assert np.unpackbits(bitmap, bitorder="little").tolist() == [1] * 9 + [0] * 6 + [1] * 9


@KERNELS
def test_unsigned_numbers_are_those_of_the_conventions(kernels):
    for size, stored in ((2, ">i2"), (4, ">i4"), (8, ">i8")):
        limits = np.iinfo(stored[1:])
        raw = np.array([limits.min, -1, 0, limits.max], dtype=stored).view(np.uint8)
        out = np.zeros(4, dtype=f"u{size}")
        kernels.decoder(size, [FieldArray(Field(Kind.FLIP, 0, size), out)]).decode(raw, 0)
        half = 1 << (8 * size - 1)
        assert out.tolist() == [0, half - 1, half, 2 * half - 1]
    signed = np.zeros(3, dtype="i1")
    kernels.decoder(1, [FieldArray(Field(Kind.FLIP, 0, 1), signed)]).decode(np.array([0, 128, 255], dtype="u1"), 0)
    assert signed.tolist() == [-128, 0, 127]


@KERNELS
def test_values_that_no_integer_stands_for_are_found(kernels):
    for kind, size, most in ((Kind.SCALED_U1, 1, 255), (Kind.SCALED_I2, 2, 32767), (Kind.SCALED_I8, 8, 2**63 - 1024)):
        raw = np.zeros(4 * size, dtype=np.uint8)
        for value, reason in ((most, None), (most * 1.01 + 1, Reason.RANGE), (np.nan, Reason.NOT_FINITE)):
            field = Field(kind, 0, size)
            values = np.array([1.0, 2.0, value, value])
            faults = kernels.encoder(size, [FieldArray(field, values)]).encode(raw, 0)
            assert faults == ([] if reason is None else [Fault(0, reason, 2)])


@KERNELS
def test_text_without_room_is_refused_and_writes_nothing_behind_it(kernels):
    field = Field(Kind.UTF8_32, 0, 4)
    text, offsets = np.zeros(6, dtype=np.uint8), np.zeros(4, dtype=np.int32)
    raw = np.frombuffer(b"abcdefghijkl", dtype=np.uint8)
    faults = kernels.decoder(4, [FieldArray(field, offsets, text[:5])]).decode(raw, 0)
    assert faults == [Fault(0, Reason.NO_ROOM, 1, 0, 0, 4)]
    assert text[5] == 0


@KERNELS
def test_threads_fill_one_array_from_many_ranges(kernels):
    nrows, numbers = 40_000, np.random.default_rng(7)
    raw = numbers.integers(0, 0x80, (nrows, 30), dtype=np.uint8)
    found = [
        Field(Kind.SWAP, 0, 8),
        Field(Kind.TEXT, 8, 11),
        Field(Kind.BITS_BITMAP, 20, 1, 13),
        Field(Kind.FLIP, 25, 4),
    ]
    whole, parts = arrays_of(found, nrows, True), arrays_of(found, nrows, True)
    kernels.decoder(30, whole).decode(raw, 0)
    decoder = kernels.decoder(30, parts)
    threads = [
        threading.Thread(target=lambda at=at: decoder.decode(raw[at : at + 5000], at)) for at in range(0, nrows, 5000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(one.array, other.array) for one, other in zip(whole, parts, strict=True))


@settings(deadline=None)
@given(st.data())
@example(None)
def test_nulls_of_no_such_integer_are_never_met(data):
    null = 300 if data is None else data.draw(st.integers(256, 2**63 - 1) | st.integers(-(2**63), -1))
    for kernels in (NUMPY, COMPILED):
        out = np.ones(256, dtype=bool)
        placed = FieldArray(Field(Kind.NULL, 0, 1, null=null), out)
        kernels.decoder(1, [placed]).decode(np.arange(256, dtype=np.uint8), 0)
        assert not out.any()
        with pytest.raises(ValueError, match="the null must be from 0 to 255"):
            kernels.encoder(1, [placed])
