"""Whatever a file says of a compressed table, it is read or refused; memory is not asked for on its word."""

import resource
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, FitsError
from rustfits.codec import registry
from rustfits.plugin import EncodedTiles
from rustfits_tables import ztable_verify

pytest.importorskip("rustfits_rice", reason="plugin not installed: rustfits-rice")

NROWS = 60
BLOCK = 2880


def content(nrows=NROWS, ztilelen=16, compress=True):
    random = np.random.default_rng(5)
    arrays = np.empty(nrows, dtype=object)
    for row in range(nrows):
        arrays[row] = np.arange(row % 30, dtype="i4")
    data = {
        "J": np.arange(nrows, dtype="i4"),
        "D": random.normal(size=nrows),
        "S": np.array(["name", "x"] * (nrows // 2)),
        "L": np.arange(nrows) % 3 == 0,
        "V": arrays,
    }
    with rustfits.FITS("mem://", "w+") as file:
        file.write_table(data, compress=compress, ztilelen=ztilelen, var_dtypes={"V": "i4"})
        return file.to_bytes()


CONTENT = content()
EXPECTED = rustfits.FITS.from_bytes(CONTENT)[1].read()
DATA_START = 2 * BLOCK
HEADER_CARDS = [CONTENT[start : start + 80].decode() for start in range(BLOCK, 2 * BLOCK, 80)]


def with_cards(**cards):
    """The file with other values in its header; None takes a card away."""
    lines = [line for line in HEADER_CARDS if line[:8].strip() not in (*cards, "END", "")]
    for keyword, value in cards.items():
        if value is not None:
            text = f"'{value:<8}'" if isinstance(value, str) else str(value)
            lines.insert(1 if keyword in ("BITPIX",) else len(lines), f"{keyword:<8}= {text}".ljust(80))
    head = "".join([*lines, "END".ljust(80)])
    return CONTENT[:BLOCK] + head.ljust(-(-len(head) // BLOCK) * BLOCK).encode() + CONTENT[DATA_START:]


def read(raw):
    """What reading gives, or the error; nothing else may be raised."""
    try:
        hdu = rustfits.FITS.from_bytes(raw)[1]
    except FitsError as error:
        return error
    found = []
    for call in (
        hdu.read,
        lambda: hdu.read(rows=[0, 59, 17]),
        lambda: [hdu.read_column(name) for name in ("J", "D", "S", "L", "V")],
        hdu.verify_checksum,
        lambda: repr(hdu),
    ):
        try:
            found.append(call())
        except (FitsError, MemoryError) as error:
            found.append(error)
    return found[0]


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"ZTILELEN": 0}, "ZTILELEN is 0"),
        ({"ZTILELEN": -5}, "ZTILELEN is -5"),
        ({"ZTILELEN": 1 << 70}, "ZTILELEN"),
        ({"ZTILELEN": "many"}, "ZTILELEN"),
        ({"ZTILELEN": 17}, "decompression"),
        ({"ZTILELEN": 8}, "NAXIS2 is 4, but a table of 60 rows has 8 tiles"),
        ({"ZTILELEN": None}, "decompression"),
        ({"ZNAXIS2": 61}, "decompression"),
        ({"ZNAXIS2": 1 << 62}, "NAXIS2"),
        ({"ZNAXIS2": -1}, "NAXIS2"),
        ({"ZNAXIS2": 1 << 70}, "ZNAXIS2 is"),
        ({"ZNAXIS2": 1 << 40, "ZTILELEN": 1 << 38}, "cannot stand for"),
        ({"ZNAXIS1": 7}, "NAXIS1"),
        ({"ZFORM1": "2J", "ZNAXIS1": 29}, "decompression"),
        ({"ZFORM1": None}, "ZFORM1 is missing"),
        ({"ZFORM1": "nonsense"}, "TFORM1"),
        ({"ZFORM2": "268435455D", "ZNAXIS1": 17 + 8 * 268435455}, "cannot stand for"),
        ({"ZCTYP1": "WHAT"}, "WHAT"),
        ({"ZCTYP1": 5}, "ZCTYP1"),
        ({"ZCTYP2": "RICE_1"}, "RICE_1 cannot"),
        ({"ZCTYP2": "GZIP_1"}, None),
        ({"ZCTYP2": None}, None),
        ({"TFORM1": "1J", "NAXIS1": 68}, "descriptors of its tiles"),
        ({"NAXIS2": 3}, "NAXIS2 is 3"),
        ({"PCOUNT": 10}, "of a heap of"),
        ({"THEAP": 1}, "THEAP"),
    ],
    ids=str,
)
def test_a_header_that_makes_no_sense_is_refused(cards, message):
    found = read(with_cards(**cards))
    if message is None:
        assert not isinstance(found, Exception)
    else:
        assert isinstance(found, FitsError), found
        assert message in str(found)


@pytest.mark.parametrize("algorithm", ["HCOMPRESS", "PLIO"])
def test_what_is_for_images_is_not_for_tables(algorithm):
    pytest.importorskip(f"rustfits_{algorithm.lower()}", reason=f"plugin not installed: rustfits-{algorithm.lower()}")
    assert "image-only" in str(read(with_cards(ZCTYP2=f"{algorithm}_1")))


def test_the_error_names_column_and_rows():
    heap = DATA_START + 4 * 80
    raw = bytearray(CONTENT)
    for place in range(heap, len(raw)):
        raw[place] ^= 0x55
    hdu = rustfits.FITS.from_bytes(bytes(raw), "r+")[1]
    with pytest.raises(rustfits.TileDecodeError, match=r"table row 2: column 'D', rows 16 to 31: decompression failed"):
        hdu.read(columns=["D"], rows=[20])
    with pytest.raises(rustfits.TileDecodeError, match=r"column 'V', rows 0 to 15: decompression failed"):
        hdu.read(columns=["V"])
    with pytest.raises(ValueError, match="decompression"):
        hdu.add_datasum()


def test_a_damaged_column_leaves_others_alone():
    start = CONTENT.index(b"\x1f\x8b", DATA_START)  # the first gzip member of the heap
    raw = bytearray(CONTENT)
    raw[start + 12] ^= 0xFF
    hdu = rustfits.FITS.from_bytes(bytes(raw))[1]
    failed = []
    for name in hdu.colnames:
        try:
            found = hdu.read_column(name)
        except FitsError:
            failed.append(name)
        else:
            assert all(map(np.array_equal, found, EXPECTED[name]))
    assert len(failed) == 1


def test_rows_that_were_never_written_are_refused():
    with rustfits.FITS("mem://", "w+") as file:
        file.create_table_hdu([("J", "i4"), ("D", "f8")], 50, compress=True, ztilelen=20)
        hdu = file[1]
        with pytest.raises(ValueError, match=r"column 'J': rows 0 to 19 were never written"):
            hdu.read()
        hdu[20:40] = np.ones(20, dtype=hdu.dtype)
        assert (hdu.read(rows=slice(20, 40))["J"] == 1).all()
        with pytest.raises(ValueError, match="rows 40 to 49 were never written"):
            hdu.read(rows=[45])
        with pytest.raises(ValueError, match="never written"):
            hdu[3] = np.ones(1, dtype=hdu.dtype)


def test_a_truncated_file_says_so():
    for stop in (DATA_START + 10, DATA_START + 400):
        try:
            hdu = rustfits.FITS.from_bytes(CONTENT[:stop])[1]
            with pytest.raises(rustfits.FitsIOError):
                hdu.read()
        except FitsError:
            pass


def test_little_memory_is_asked_for_on_the_word_of_a_header():
    raw = with_cards(ZNAXIS2=1 << 30, ZTILELEN=1 << 28)
    tracemalloc.start()
    assert isinstance(read(raw), FitsError)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20


@settings(max_examples=150, deadline=None)
@given(st.integers(DATA_START, len(CONTENT) - 1), st.integers(1, 255), st.integers(1, 12))
def test_damaged_bytes_are_read_or_refused(place, change, count):
    raw = bytearray(CONTENT)
    for offset in range(count):
        raw[min(place + offset, len(raw) - 1)] ^= change
    read(bytes(raw))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 19), st.integers(0, 15), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
def test_descriptors_that_point_anywhere_are_refused(cell, byte, value):
    raw = bytearray(CONTENT)
    raw[DATA_START + 16 * cell + byte] = value
    read(bytes(raw))


KEYWORDS = ["ZTILELEN", "ZNAXIS1", "ZNAXIS2", "ZPCOUNT", "PCOUNT", "NAXIS1", "NAXIS2"]
KEYWORDS += [
    f"{name}{number}" for name in ("TFORM", "ZFORM", "ZCTYP", "TDIM", "TSCAL", "TZERO") for number in range(1, 6)
]
VALUES = st.one_of(
    st.integers(-3, 300),
    st.integers(-(1 << 66), 1 << 66),
    st.sampled_from(["1J", "1QB", "1PB(3)", "0D", "3X", "17A", "QE", "1PX", "GZIP_1", "GZIP_2", "RICE_1", "(2,3)", ""]),
    st.none(),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYWORDS), VALUES, min_size=1, max_size=4))
def test_any_header_is_read_or_refused(cards):
    read(with_cards(**cards))


def test_verify_tells_of_sums_and_tiles():
    with rustfits.FITS.from_bytes(CONTENT, "r+") as file:
        hdu = file[1]
        assert [hdu.verify()[name].status for name in ("ZDATASUM", "ZHECKSUM", "tiles")] == ["absent", "absent", "ok"]
        hdu.add_checksum()
        assert [hdu.verify()[name].status for name in ("ZDATASUM", "ZHECKSUM", "tiles")] == ["ok", "ok", "ok"]
        assert hdu.verify(decode=False)["tiles"].status == "does not apply"
        hdu["J"][3] = -1
        assert [hdu.verify()[name].status for name in ("ZDATASUM", "ZHECKSUM", "tiles")] == ["bad", "bad", "ok"]
    raw = bytearray(CONTENT)
    raw[CONTENT.index(b"\x1f\x8b", DATA_START) + 12] ^= 0xFF
    report = rustfits.FITS.from_bytes(bytes(raw))[1].verify()
    assert report["tiles"].status == "bad"
    assert "1 of 20 tiles cannot be decoded" in report["tiles"].reason
    assert "column 'D', rows 0 to 15: decompression" in report["tiles"].reason


def with_gap():
    """The file with a gap before the heap, as the standard allows it."""
    pcount = int(next(line for line in HEADER_CARDS if line.startswith("PCOUNT  ="))[10:30])
    raw = with_cards(PCOUNT=pcount + 100, THEAP=420)
    data = raw[DATA_START : DATA_START + 320] + bytes(100) + raw[DATA_START + 320 : DATA_START + 320 + pcount]
    return raw[:DATA_START] + data + bytes(-len(data) % BLOCK)


@pytest.mark.parametrize("edit", ["append", "put", "write", "repack"])
def test_a_gap_before_the_heap_is_read_and_closed_by_any_change(edit):
    with rustfits.FITS.from_bytes(with_gap(), "r+") as file:
        hdu = file[1]
        expected = hdu.read()
        assert all(map(np.array_equal, expected["V"], EXPECTED["V"]))
        assert (expected["D"] == EXPECTED["D"]).all()
        if edit == "append":
            hdu.append(expected[:50])
            expected = np.concatenate([expected, expected[:50]])
        elif edit == "put":
            hdu[3:5] = expected[[7, 8]]
            expected[3:5] = expected[[7, 8]]
        elif edit == "write":
            hdu.write(expected)
        else:
            hdu.repack()
        assert "THEAP" not in hdu.header
        found = hdu.read()
        assert all(map(np.array_equal, found["V"], expected["V"]))
        assert (found["D"] == expected["D"]).all()
        assert (found["J"] == expected["J"]).all()


def test_repack_drops_what_edits_left_and_no_more():
    with rustfits.FITS.from_bytes(CONTENT, "r+") as file:
        hdu = file[1]
        size, expected = hdu.header["PCOUNT"], hdu.read()
        for _ in range(5):
            hdu["V"].write(expected["V"][:30], rows=slice(30, 60))
            hdu["V"].write(expected["V"][30:], rows=slice(30, 60))
        assert hdu.header["PCOUNT"] > 2 * size
        assert hdu.header["ZPCOUNT"] > size
        hdu.repack()
        assert abs(hdu.header["PCOUNT"] - size) < 100  # descriptors of arrays elsewhere
        assert all(map(np.array_equal, hdu.read()["V"], expected["V"]))


def test_damaged_tiles_can_be_written_over():
    raw = bytearray(with_gap())
    raw[DATA_START + 420 :] = bytes(byte ^ 0x55 for byte in raw[DATA_START + 420 :])
    with rustfits.FITS.from_bytes(bytes(raw), "r+") as file:
        hdu = file[1]
        with pytest.raises(FitsError):
            hdu.read()
        hdu.write({name: np.asarray(EXPECTED[name]) for name in EXPECTED.dtype.names})
        assert (hdu.read()["D"] == EXPECTED["D"]).all()
    raw = bytearray(CONTENT)
    raw[DATA_START + 320 :] = bytes(byte ^ 0x55 for byte in raw[DATA_START + 320 :])
    with rustfits.FITS.from_bytes(bytes(raw), "r+") as file:
        file[1]["D"][16:32] = EXPECTED["D"][16:32]  # a whole tile
        assert (file[1].read_column("D", rows=slice(16, 32)) == EXPECTED["D"][16:32]).all()
        with pytest.raises(rustfits.TileDecodeError):
            file[1]["D"][0:3] = EXPECTED["D"][0:3]


class Lying(rustfits.Gzip1):
    """A codec whose streams are right, unless it is told how to lie."""

    lie = staticmethod(lambda tiles: tiles)

    def encode(self, batch):
        return type(self).lie(super().encode(batch))


@pytest.mark.parametrize(
    "lie",
    [
        lambda tiles: None,
        lambda tiles: EncodedTiles(tiles.data.astype("f4"), tiles.length),
        lambda tiles: EncodedTiles(tiles.data[:-3], tiles.length),
        lambda tiles: EncodedTiles(tiles.data, -tiles.length),
        lambda tiles: EncodedTiles(tiles.data, tiles.length.tolist()),
    ],
)
def test_a_codec_that_lies_changes_no_byte_of_a_table(lie, monkeypatch):
    monkeypatch.setitem(registry._codecs, "GZIP_1", Lying)
    with FITS("mem://", "w+") as file:
        file.write_image(np.zeros((3, 3)))
        before = bytes(file.to_bytes())
        monkeypatch.setattr(Lying, "lie", staticmethod(lie))
        with pytest.raises(rustfits.PluginError, match="the codec of GZIP_1 returned"):
            file.write_table({"a": np.arange(50.0)}, compress="GZIP_1")
        assert bytes(file.to_bytes()) == before


def test_what_a_codec_of_a_table_raises_becomes_an_error_that_names_it(monkeypatch):
    class Failing(rustfits.Gzip1):
        def decode_exactly(self, batch, out):
            raise RuntimeError("boom")

    with FITS("mem://", "w+") as file:
        file.write_table({"a": np.arange(50.0)}, compress="GZIP_1")
        raw = bytes(file.to_bytes())
    monkeypatch.setitem(registry._codecs, "GZIP_1", Failing)
    with FITS.from_bytes(raw) as file, pytest.raises(rustfits.PluginError, match=r"GZIP_1 failed in Failing\.decode"):
        file[1].read()


def test_verify_counts_the_tiles_that_a_header_claims_and_goes_through_those_that_are_there(monkeypatch):
    tried, decode = [], ztable_verify._decode

    def counted(tiles, column, rows):
        tried.append(rows)
        decode(tiles, column, rows)

    monkeypatch.setattr(ztable_verify, "_decode", counted)
    claimed = 300_000
    raw = with_cards(NAXIS2=claimed, ZNAXIS2=16 * claimed, ZTILELEN=16)
    report = rustfits.FITS.from_bytes(raw)[1].verify()
    ncolumns, row_nbytes = 5, int(rustfits.FITS.from_bytes(CONTENT)[1].header["NAXIS1"])
    (tiles,) = (verdict for verdict in report.bad if verdict.check == "tiles")
    assert f" of {ncolumns * claimed} tiles cannot be decoded" in tiles.reason
    assert int(tiles.reason.split()[0]) >= ncolumns * (claimed - (len(raw) - DATA_START) // row_nbytes)
    assert 0 < len(tried) <= ncolumns * (len(raw) - DATA_START) // row_nbytes


@pytest.mark.parametrize("ztilelen", [1, 16])
@pytest.mark.parametrize(
    "look",
    [
        lambda hdu: hdu.read(),
        lambda hdu: hdu.read_column("D"),
        lambda hdu: hdu.read(columns=["J", "S"]),
        lambda hdu: hdu.read(rows=slice(None, None, -1)),
        lambda hdu: hdu[5:],
    ],
    ids=["all", "column", "columns", "backwards", "slice"],
)
def test_rows_that_the_file_has_no_descriptors_for_are_not_counted(look, ztilelen):
    claimed = 4_000_000
    raw = with_cards(NAXIS2=claimed, ZNAXIS2=ztilelen * claimed, ZTILELEN=ztilelen)
    hdu = rustfits.FITS.from_bytes(raw)[1]
    tracemalloc.start()
    try:
        with pytest.raises(rustfits.TruncatedFile):
            look(hdu)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20  # an array of one number a tile would have 32 million bytes
