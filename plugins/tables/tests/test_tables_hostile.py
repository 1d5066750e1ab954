"""Numbers that do not fit are refused before a byte is touched: by Python, and by the binding if that did not look."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from schemas import COMPILED, NUMPY
from tablefiles import table

import rustfits
from rustfits_tables import Field, FieldArray, Kind, _kernel

KERNELS = pytest.mark.parametrize("kernels", [NUMPY, COMPILED], ids=["numpy", "compiled"])
ROWS = np.zeros((4, 10), dtype=np.uint8)
BAD_FIELDS = [
    Field(Kind.SWAP, -1, 4),
    Field(Kind.SWAP, 7, 4),
    Field(Kind.SWAP, 2**62, 4),
    Field(Kind.SWAP, 0, 3),
    Field(Kind.SWAP, 0, -4),
    Field(Kind.SWAP, 0, 4, -1),
    Field(Kind.SWAP, 0, 4, 3),
    Field(Kind.SWAP, 0, 8, 2**61 + 1),
    Field(Kind.TEXT, 0, 2**62),
    Field(Kind.BITS, 9, 1, 9),
    Field(Kind.BITS_BITMAP, 0, 1, 2**63 - 1),
    Field(Kind.NULL, 0, 5),
    Field(Kind.REAL_64, 0, 4, 2),
    Field(Kind.REAL_64, 0, 4, decimals=1001),
]


@KERNELS
@pytest.mark.parametrize("field", BAD_FIELDS, ids=str)
def test_a_field_outside_of_its_row_is_refused(kernels, field):
    array = np.zeros(100, dtype=np.uint8 if field.kind == Kind.BITS_BITMAP else "f8")
    with pytest.raises(ValueError, match=r"outside of a row|has elements of|is one element"):
        kernels.decoder(10, [FieldArray(field, array)])


@pytest.mark.parametrize("field", BAD_FIELDS, ids=str)
def test_the_binding_refuses_it_too(field):
    array = np.full(100, 7, dtype=np.uint8 if field.kind == Kind.BITS_BITMAP else "f8")
    rows = _kernel.Rows(10, [FieldArray(field, array)], True, None)
    with pytest.raises(ValueError, match="the rows do not fit the arrays, or a field not its row"):
        rows.decode(ROWS.reshape(-1), 0, None)
    assert (array == 7).all()


@KERNELS
@pytest.mark.parametrize("rows", [[-1], [4], [0, 2**62], [-(2**63)]], ids=str)
def test_rows_that_are_not_there_are_refused(kernels, rows):
    out = np.full(4, 7, dtype="u2")
    decoder = kernels.decoder(10, [FieldArray(Field(Kind.SWAP, 0, 2), out)])
    with pytest.raises(ValueError, match="rows"):
        decoder.decode(ROWS, 0, np.array(rows, dtype=np.int64))
    assert (out == 7).all()


@KERNELS
@pytest.mark.parametrize("first", [-1, 1, 2**62, 2**63 - 1, -(2**63)])
def test_rows_for_which_arrays_have_no_room_are_refused(kernels, first):
    fields = [
        FieldArray(Field(Kind.SWAP, 0, 2), np.full(4, 7, dtype="u2")),
        FieldArray(Field(Kind.LOGICAL_BITMAP, 0, 1, 2), np.full(1, 7, dtype="u1")),
        FieldArray(Field(Kind.UTF8_64, 0, 2), np.zeros(5, dtype="i8"), np.full(8, 7, dtype="u1")),
    ]
    for each in fields:
        kept = each.array.copy()
        with pytest.raises(ValueError, match="fit"):
            kernels.decoder(10, [each]).decode(ROWS, first)
        with pytest.raises(ValueError, match="fit"):
            kernels.encoder(10, [each]).encode(ROWS.copy(), first)
        assert (each.array == kept).all()


@KERNELS
@pytest.mark.parametrize(
    "array",
    [
        np.zeros(4, dtype="u4"),
        np.zeros((4, 3), dtype="u2"),
        np.zeros((4, 6), dtype="u2")[:, ::3],
        np.zeros(4, dtype="u2")[::-1],
        np.zeros((), dtype="u2"),
    ],
    ids=["size", "shape", "gaps", "backwards", "scalar"],
)
def test_an_array_of_other_elements_is_refused(kernels, array):
    field = Field(Kind.SWAP, 0, 2, 2 if array.ndim == 2 else 1)
    with pytest.raises(ValueError, match=r"do not fit|strides"):
        kernels.decoder(10, [FieldArray(field, array)])


def test_the_binding_refuses_arrays_that_it_cannot_walk():
    field = Field(Kind.SWAP, 0, 2, 2)
    for array in (np.zeros((4, 6), dtype="u2")[:, ::3], np.zeros((4, 2), dtype="u2")[::-1], np.zeros((), dtype="u2")):
        with pytest.raises(ValueError, match=r"lie together|axis of rows"):
            _kernel.Rows(10, [FieldArray(field, array)], True, None)
    frozen = np.zeros((4, 2), dtype="u2")
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _kernel.Rows(10, [FieldArray(field, frozen)], True, None)


def test_the_binding_refuses_kinds_that_there_are_not_and_powers_that_are_missing():
    for kind in (-1, len(Kind), 2**31 - 1, Kind.REAL_64):
        field = SimpleNamespace(
            kind=kind, offset=0, size=4, count=1, scale=1.0, zero=0.0, null=0, decimals=0, null_text=None
        )
        place = SimpleNamespace(field=field, array=np.zeros(4), text=None)
        with pytest.raises(ValueError, match="a field not its row"):
            _kernel.Rows(10, [place], True, None).decode(ROWS.reshape(-1), 0, None)


def test_arrays_that_are_to_be_read_are_not_written():
    rows = _kernel.Rows(10, [FieldArray(Field(Kind.SWAP, 0, 2), np.zeros(4, dtype="u2"))], False, None)
    with pytest.raises(ValueError, match="are to be read"):
        rows.decode(ROWS.reshape(-1), 0, None)


@KERNELS
def test_rows_of_no_bytes_or_apart_are_refused(kernels):
    with pytest.raises(ValueError, match="rows of 0 bytes hold nothing"):
        kernels.decoder(0, [])
    for raw in (np.zeros((4, 20), dtype=np.uint8)[:, :10], np.zeros(40, dtype=np.int8)):
        with pytest.raises(ValueError, match="bytes, back to back"):
            kernels.decoder(10, []).decode(raw, 0)


@KERNELS
def test_characters_are_not_encoded(kernels):
    with pytest.raises(ValueError, match="INTEGER is not encoded"):
        kernels.encoder(10, [FieldArray(Field(Kind.INTEGER, 0, 10), np.zeros(4, dtype="i8"))])


def test_cells_that_share_bytes_are_read_up_to_a_limit(monkeypatch):
    nrows, count = 1_000_000, 100_000
    descriptors = np.tile(np.array([count, 0], ">i4"), (nrows, 1)).tobytes()
    hdu = table([("1PE", "v")], descriptors + bytes(4 * count), nrows=nrows, row_nbytes=8, PCOUNT=4 * count)
    with pytest.raises(rustfits.TableError, match=r"1000000 cells share bytes.*rustfits\.limits\.MAX_SHARED_NBYTES"):
        hdu.read()
    assert [len(cell) for cell in hdu.read_column("v", rows=[5, 9])] == [count, count]
    monkeypatch.setattr(rustfits.limits, "MAX_SHARED_NBYTES", 8 * count)
    assert len(hdu.read_column("v", rows=[5, 9])) == 2
    with pytest.raises(rustfits.TableError, match="share bytes"):
        hdu.read_column("v", rows=[5, 9, 11])


@pytest.mark.parametrize(
    ("form", "data", "said"),
    [
        ("1PE(3)", np.array([3, 100], ">i4").tobytes() + bytes(12), "of the heap"),
        ("1PE(3)", np.array([-3, 0], ">i4").tobytes() + bytes(12), "of the heap"),
        ("1QB(3)", np.array([2**62, 0], ">i8").tobytes(), "of the heap"),
        ("3Z", bytes(3), "TFORM1"),
        ("3I", bytes(7), "NAXIS1"),
    ],
)
def test_what_reading_refuses_is_told_by_a_verification(form, data, said):
    width = {"P": 8, "Q": 16}.get(form[1], len(data))
    hdu = table([(form, "a")], data, 1, width, PCOUNT=len(data) - width)
    report = hdu.verify()
    assert report["structure"].status == "bad"
    assert re.search(said, report["structure"].reason)
    with pytest.raises(rustfits.FitsError):
        hdu.read()
