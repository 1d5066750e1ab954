"""Whole tiles assigned in any order: what comes of it is what `write` of the whole image would have stored."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import nullcontext

import numpy as np
import pytest
from editing import HELD, NEXT, assert_same_bits, assert_sound, codec_of, images, installed, needs_rice, pixels_of
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits
from rustfits import FITS, Gzip1, Gzip2, Quantize
from rustfits.hdu.compressed import waiting
from rustfits.heap.bintable import ELEMENT_NBYTES
from rustfits.storage.base import Storage

QUANTISED = [name for name in installed() if name not in ("PLIO_1", "NOCOMPRESS")]
SKY = np.random.default_rng(8).normal(100, 5, (30, 44)).astype("f4")


def tiles_of(hdu, *, anyhow=False):
    """Return what the rows of the table say, with the bytes that each points at in place of where they are."""
    file, layout = hdu._file, hdu._state.snapshot.layout
    raw = np.frombuffer(file.content(), np.uint8)[hdu._extent.data_start :]
    rows = raw[: layout.table_nbytes].view(layout.row_dtype(layout.columns))
    found = []
    for row in rows:
        cells = {}
        for column in layout.columns:
            if column.descriptor:
                count, offset = (int(number) for number in row[column.name])
                begin = layout.heap_start + offset
                cells[column.name] = raw[begin : begin + count * ELEMENT_NBYTES[column.element]].tobytes()
            else:
                cells[column.name] = row[column.name].item()
        found.append(cells)
    return found


def boxes(shape, tile):
    """Return the keys of all tiles, in the order of their rows."""
    counts = [-(-size // step) for size, step in zip(shape, tile, strict=True)]
    return [
        tuple(slice(at * step, (at + 1) * step) for at, step in zip(index, tile, strict=True))
        for index in np.ndindex(*counts)
    ]


def assert_verified(path):
    if shutil.which("fitsverify") is not None:
        done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False)
        assert "verification OK" in done.stdout, done.stdout


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_tiles_in_any_order_are_those_of_one_write(data):
    quantised = data.draw(st.booleans())
    if quantised:
        name, dtype, shape, tile, heap_format = data.draw(images(QUANTISED))
        dtype = data.draw(st.sampled_from(["f4", "f8"]))
    else:
        name, dtype, shape, tile, heap_format = data.draw(images())
    codec = codec_of(name, tile_shape=tile, heap_format=heap_format)
    quantize = None
    if quantised:
        methods = st.sampled_from(["no_dither", "dither1", "dither2"])
        quantize = Quantize(level=data.draw(st.sampled_from([4, 16, -0.5])), method=data.draw(methods), seed=7)
    pixels = pixels_of(name, dtype, shape, data.draw(st.integers(0, 99)))
    with FITS("mem://", "w+") as fits:
        fits.create_image_hdu(dtype, shape, compress=codec, quantize=quantize, extname="EDITED")
        fits.write_image(NEXT, extname="NEXT")
        hdu = fits["EDITED"]
        whole = FITS("mem://", "w+")
        whole.create_image_hdu(dtype, shape, compress=codec, quantize=quantize, extname="WHOLE")
        if pixels.size:
            whole["WHOLE"].write(pixels)
            expected = whole["WHOLE"].read()
        else:
            expected = pixels
        keys = data.draw(st.permutations(boxes(shape, hdu.compression.tile_shape)))
        keys += [keys[0]] if keys and data.draw(st.booleans()) else []
        written = np.zeros(shape, bool)
        at = 0
        while at < len(keys):
            count = data.draw(st.integers(1, len(keys)))
            with fits.transaction() if data.draw(st.booleans()) else nullcontext():
                for key in keys[at : at + count]:
                    hdu[key] = pixels[key]
                    written[key] = True
                    if data.draw(st.integers(0, 3)) == 0:
                        assert_same_bits(hdu[key], expected[key])
            at += count
        if not written.all():
            return
        assert_same_bits(hdu.read(), expected)
        assert_sound(fits)
        if not quantised or tiles_of(hdu)[:1] == [] or "GZIP_COMPRESSED_DATA" in tiles_of(hdu)[0]:
            assert tiles_of(hdu) == tiles_of(whole["WHOLE"])
        again = FITS.from_bytes(fits.to_bytes())
        assert_same_bits(again["EDITED"].read(), expected)
        assert again["EDITED"].verify().ok


@pytest.mark.parametrize("grouped", [True, False])
def test_sections_may_cover_some_tiles_whole_and_others_in_part(fits, grouped):
    fits.create_image_hdu("f4", (30, 40), compress=Gzip2(tile_shape=(10, 10)), quantize=Quantize(seed=3))
    hdu, pixels = fits[-1], SKY[:, :40]
    with fits.transaction() if grouped else nullcontext():
        hdu[0:10] = pixels[0:10]
        hdu[:, 30:] = pixels[:, 30:]
    before, tiles = hdu.read(on_error="mask"), tiles_of(hdu)
    with fits.transaction() if grouped else nullcontext():
        hdu[3:30, 20:] = 101.5
        after = tiles_of(hdu)
    changed = [row for row in range(12) if tiles[row] != after[row]]
    assert changed == [2, 3, 6, 7, 10, 11]
    assert [after[row]["ZSCALE"] == tiles[row]["ZSCALE"] for row in (2, 3)] == [True, True]  # of which a part stays
    found = hdu.read(on_error="mask")
    assert_same_bits(found[:3].data, before[:3].data)
    assert (found[10:, 20:] == 101.5).all()  # constant tiles are kept without loss
    assert np.argwhere(found.mask).min(0).tolist() == [10, 0]
    assert found.mask.sum() == 4 * 100


def test_a_tile_that_was_never_written_is_named_by_all_who_look(fits):
    fits.create_image_hdu("i2", (25, 30), compress=Gzip1(tile_shape=(10, 10)))
    hdu = fits[-1]
    hdu[10:20, 0:10] = 5
    hdu[20:, 20:] = 6
    assert (hdu[12, 3], hdu[24, 29]) == (5, 6)
    for key in (np.s_[:], np.s_[15, 9:12]):
        with pytest.raises(rustfits.TileDecodeError, match=r"table row \d: .*no data in any of.*never written"):
            hdu[key]
    missing = [row for row in range(9) if row not in (3, 8)]
    assert [tile.row for tile in hdu.damaged_tiles()] == missing
    assert all("never written" in tile.reason for tile in hdu.damaged_tiles())
    verdict = hdu.verify()["tiles"]
    assert verdict.status == "bad"
    assert "7 of 9 tiles cannot be decoded: table row 1 (pixels 0:10,0:10)" in verdict.reason
    masked = hdu.read(on_error="mask")
    assert masked.mask.sum() == 25 * 30 - 150
    assert (masked[10:20, 0:10] == 5).all()
    with pytest.raises(rustfits.TileDecodeError, match=r"row 7.*assign all pixels of the tile, \[20:25, 0:10\]"):
        hdu[21:, 0:] = 1
    with pytest.raises(rustfits.TileDecodeError, match=r"row 1.*assign all pixels of the tile, \[0:10, 0:10\]"):
        hdu[3, 3] = 1
    with FITS.from_bytes(fits.to_bytes()) as again:
        assert [tile.row for tile in again[-1].damaged_tiles()] == missing


def test_a_partly_written_image_is_extended(fits):
    fits.create_image_hdu("i4", (25, 30), compress=Gzip1(tile_shape=(10, 10)), extname="EDITED")
    hdu, rows = fits["EDITED"], np.arange(30 * 17, dtype="i4").reshape(17, 30)
    hdu[20:25, 0:20] = 1
    with pytest.raises(rustfits.TileDecodeError, match=r"row 9: .*never written; .*\[20:25, 20:30\]"):
        hdu.extend(rows)
    hdu[20:25, 20:] = 2
    hdu.extend(rows)
    assert hdu.shape == (42, 30)
    np.testing.assert_array_equal(hdu[25:], rows)
    assert (hdu[20:25] == np.where(np.arange(30) < 20, 1, 2)).all()
    hdu[0:20] = 9
    assert (hdu[:20] == 9).all()
    assert hdu.verify().ok
    assert_sound(fits)


def test_a_damaged_tile_is_written_over(fits):
    hdu = fits.write_image(np.arange(600, dtype="i4").reshape(20, 30), compress=Gzip1(tile_shape=(10, 10)))
    raw = bytearray(fits.to_bytes())
    heap = hdu._extent.data_start + hdu._state.snapshot.layout.heap_start
    raw[heap : heap + 20] = bytes(20)  # the first tile
    raw[heap - 8 * 5 : heap - 8 * 4] = b"\x00\x00\x00\x09\x7f\xff\xff\xff"  # the second one points outside the heap
    with FITS.from_bytes(bytes(raw), "r+") as other:
        hdu = other[-1]
        assert [tile.row for tile in hdu.damaged_tiles()] == [0, 1]
        for key in (np.s_[0, 0], np.s_[0, 12]):
            with pytest.raises(rustfits.TileDecodeError, match=r"assign all pixels of the tile, \[0:10, "):
                hdu[key] = 1
        hdu[0:10, 0:20] = 7
        assert (hdu[0:10, 0:20] == 7).all()
        assert hdu[19, 29] == 599
        assert not hdu.damaged_tiles()


@needs_rice
@pytest.mark.parametrize("grouped", [True, False])
def test_a_replaced_tile_gets_a_scale_and_a_column_of_its_own(fits, grouped):
    hdu = fits.write_image(SKY, compress=codec_of("RICE_1", tile_shape=(10, 44)), quantize=Quantize(seed=9))
    before = tiles_of(hdu)
    with fits.transaction() if grouped else nullcontext():
        hdu[0:10] = SKY[0:10] * 1000 + 1e9  # outside the old scale
        hdu[10:20] = 4.25  # cannot be quantised
    after = tiles_of(hdu)
    assert after[0]["ZSCALE"] > 100 * before[0]["ZSCALE"]
    assert (after[1]["COMPRESSED_DATA"], bool(after[1]["GZIP_COMPRESSED_DATA"])) == (b"", True)
    assert after[2] == before[2]
    assert (hdu[10:20] == 4.25).all()
    with fits.transaction() if grouped else nullcontext():
        hdu[10:20] = SKY[10:20]
    assert tiles_of(hdu)[1] == before[1]


@needs_rice
@pytest.mark.parametrize(("first", "same"), [(np.s_[0:10, 0:22], True), (np.s_[10:20, 22:], False)])
@pytest.mark.parametrize("grouped", [True, False])
def test_a_seed_from_the_checksum_is_that_of_the_first_tile_to_come(fits, first, same, grouped):
    quantize, codec = Quantize(seed="checksum"), codec_of("RICE_1", tile_shape=(10, 22))
    whole = fits.write_image(SKY, compress=codec, quantize=quantize)
    fits.create_image_hdu("f4", SKY.shape, compress=codec, quantize=quantize)
    hdu = fits[-1]
    with fits.transaction() if grouped else nullcontext():
        hdu[first] = SKY[first]
        assert np.isfinite(hdu[first]).all()
        seed = hdu.header["ZDITHER0"]
        for key in boxes(SKY.shape, (10, 22))[::-1]:
            hdu[key] = SKY[key]
    assert hdu.header["ZDITHER0"] == seed
    assert (seed == whole.header["ZDITHER0"]) == same
    assert (tiles_of(hdu) == tiles_of(whole)) == same
    assert abs(hdu.read() - SKY).max() < 5 / 4


@needs_rice
@pytest.mark.parametrize("capacity", [1, 3000, 32 << 20])
@pytest.mark.parametrize("encoded", [1, 2000, 256 << 20])
def test_however_many_tiles_may_wait_the_pixels_are_the_same(fits, monkeypatch, capacity, encoded):
    monkeypatch.setattr(waiting, "CAPACITY_NBYTES", capacity)
    monkeypatch.setattr(waiting, "ENCODED_NBYTES", encoded)
    quantize, codec = Quantize(seed="checksum"), codec_of("RICE_1", tile_shape=(10, 22))
    whole = fits.write_image(SKY, compress=codec, quantize=quantize)
    fits.create_image_hdu("f4", SKY.shape, compress=codec, quantize=quantize, extname="EDITED")
    fits.write_image(NEXT, extname="NEXT")
    with fits.transaction():
        for key in boxes(SKY.shape, (10, 22)):
            fits["EDITED"][key] = SKY[key]
    assert tiles_of(fits["EDITED"]) == tiles_of(whole)
    assert_sound(fits)


# -- inside a transaction ---------------------------------------------------------------------------------------------


@pytest.fixture
def packed(fits):
    fits.create_image_hdu("i4", (40, 60), compress=Gzip2(tile_shape=(10, 20)), extname="EDITED")
    fits.write_image(NEXT, extname="NEXT")
    return fits["EDITED"]


def numbered(shape=(40, 60)):
    return np.arange(np.prod(shape), dtype="i4").reshape(shape)


LOOKS = {
    "read": lambda fits, hdu: (hdu.read()[:10] == numbered()[:10]).all(),
    "a pixel": lambda fits, hdu: hdu[2, 2] == 122,
    "to_bytes": lambda fits, hdu: FITS.from_bytes(fits.to_bytes())["EDITED"][2, 2] == 122,
    "verify": lambda fits, hdu: hdu.verify().ok,
    "damaged_tiles": lambda fits, hdu: not hdu.damaged_tiles(),
    "checksum": lambda fits, hdu: (hdu.add_checksum(), hdu.verify_checksum())[1],
    "verify_checksum": lambda fits, hdu: hdu.verify_checksum() is None,
    "a copy": lambda fits, hdu: fits.append(hdu)[2, 2] == 122,
    "a copy elsewhere": lambda fits, hdu: FITS("mem://", "w+").append(hdu)[2, 2] == 122,
    "read around": lambda fits, hdu: not np.ma.is_masked(hdu.read(on_error="mask")),
    "repack": lambda fits, hdu: hdu.repack(),
    "header": lambda fits, hdu: hdu.header.update({f"KEY{number}": number for number in range(99)}),
    "a part": lambda fits, hdu: hdu.__setitem__((5, slice(1, 3)), numbered()[5, 1:3]),
    "the same": lambda fits, hdu: hdu.__setitem__(slice(0, 10), numbered()[0:10]),
    "the one behind": lambda fits, hdu: fits["NEXT"].header.update({f"KEY{number}": number for number in range(99)}),
    "another": lambda fits, hdu: fits.write_image(NEXT, extname="NEW"),
    "all": lambda fits, hdu: hdu.write(numbered()),
}


@pytest.mark.parametrize("look", LOOKS)
def test_whatever_looks_at_the_image_finds_the_tiles_that_were_assigned(fits, packed, look):
    packed.write(numbered() + 1)
    with fits.transaction():
        for key in boxes((40, 60), (10, 20))[:7]:
            packed[key] = numbered()[key]
        found = LOOKS[look](fits, packed)
        assert found is None or found
        for key in boxes((40, 60), (10, 20))[7:]:
            packed[key] = numbered()[key]
    np.testing.assert_array_equal(packed.read(), numbered())
    assert_sound(fits)


def test_rows_are_appended_after_tiles_that_wait(fits, packed):
    with fits.transaction():
        packed[...] = numbered()
        packed.extend(numbered()[:5])
        packed[40:] = 3
        with packed.extending():
            with pytest.raises(rustfits.ImageError, match="extending"):
                packed[0:10, 0:20] = 1
            packed.extend(numbered()[:5])
    np.testing.assert_array_equal(packed.read(), np.concatenate([numbered(), np.full((5, 60), 3), numbered()[:5]]))
    assert_sound(fits)


def test_the_array_may_be_changed_afterwards(fits, packed):
    pixels = numbered()
    with fits.transaction():
        packed[...] = pixels
        pixels[...] = 0
    np.testing.assert_array_equal(packed.read(), numbered())


def test_what_waits_is_dropped_with_the_transaction(fits, packed):
    packed.write(numbered())
    before = fits.to_bytes()
    with pytest.raises(KeyError), fits.transaction():
        packed[0:10] = 1
        raise KeyError
    assert fits.to_bytes() == before
    with pytest.raises(KeyError), fits.transaction():
        packed[0:10] = 1
        assert packed[0, 0] == 1
        packed[10:20] = 2
        raise KeyError
    assert fits.to_bytes() == before
    np.testing.assert_array_equal(packed.read(), numbered())


def test_a_refused_assignment_leaves_what_waits(fits, packed):
    packed.write(numbered())
    with fits.transaction():
        packed[0:10] = 1
        with pytest.raises(rustfits.ImageError, match="shape"):
            packed[10:20] = np.zeros((3, 3), "i4")
        with pytest.raises(KeyError), fits.transaction():
            raise KeyError
        packed[10:20] = 2
    assert (packed[:20] == np.repeat([1, 2], 10)[:, None]).all()


def test_nested_transactions_are_undone_with_what_they_did(fits, packed):
    packed.write(numbered())
    before = fits.to_bytes()
    with pytest.raises(rustfits.TransactionUndone), fits.transaction():
        packed[0:10] = 1
        with pytest.raises(KeyError), fits.transaction():
            packed[10:20] = 2
            raise KeyError
    assert fits.to_bytes() == before


@pytest.mark.skipif("PLIO_1" not in installed(), reason="no plugin for PLIO_1")
def test_pixels_that_the_codec_refuses_undo_the_transaction(fits):
    fits.create_image_hdu("i4", (20, 20), compress=codec_of("PLIO_1", tile_shape=(10, 20)), extname="EDITED")
    before = fits.to_bytes()
    with pytest.raises(rustfits.TileEncodeError, match="table row 2"), fits.transaction():
        fits["EDITED"][0:10] = 1
        fits["EDITED"][10:20] = -1
        with pytest.raises(rustfits.TileEncodeError, match="table row 2"):
            fits["EDITED"].read()
    assert fits.to_bytes() == before
    with pytest.raises(rustfits.TileEncodeError, match="table row 2"):
        fits["EDITED"][10:20] = -1
    fits["EDITED"][...] = 1
    assert (fits["EDITED"].read() == 1).all()


# -- how much is done -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [3000, 32 << 20])
def test_what_is_behind_moves_once_in_a_transaction(tmp_path, monkeypatch, capacity):
    monkeypatch.setattr(waiting, "CAPACITY_NBYTES", capacity)
    path, pixels = tmp_path / "file.fits", np.random.default_rng(3).integers(0, 1 << 30, (200, 60), dtype="i4")
    with FITS(path, "w+") as fits:
        fits.create_image_hdu("i4", (200, 60), compress=Gzip2(tile_shape=(10, 20)), extname="EDITED")
        fits.write_image(NEXT, extname="NEXT")
        fits.write_image(pixels, extname="LAST")
        moves, move = [], Storage.move
        monkeypatch.setattr(Storage, "move", lambda *given: (moves.append(given), move(*given)))
        with fits.transaction():
            for key in np.random.default_rng(1).permutation(np.array(boxes((200, 60), (10, 20)), dtype=object)):
                fits["EDITED"][tuple(key)] = pixels[tuple(key)]
        assert len(moves) == 1
        np.testing.assert_array_equal(fits["LAST"].read(), pixels)
        assert_sound(fits)
    assert_verified(path)


@pytest.mark.parametrize("grouped", [True, False])
def test_each_tile_takes_as_many_requests_however_many_there_are(tmp_path, monkeypatch, grouped):
    counts = {nrows: requests(tmp_path / f"{nrows}.fits", monkeypatch, nrows, grouped) for nrows in (40, 400)}
    assert counts[400] <= (counts[40] + 5 if grouped else 10 * counts[40] + 5)


def requests(path, monkeypatch, nrows, grouped):
    """Write an image row by row, each a tile, and return how often that reads or changes the file."""
    calls = []

    def count(storage, name):
        call = getattr(storage, name)
        monkeypatch.setattr(storage, name, lambda *given: (calls.append(name), call(*given))[1])

    with FITS(path, "w+") as fits:
        fits.create_image_hdu("i4", (nrows, 20), compress=Gzip2(tile_shape=(1, 20)))
        for name in ("_read_into", "_write", "_truncate"):
            count(fits._file.storage, name)
        with fits.transaction() if grouped else nullcontext():
            for row in range(nrows):
                fits[-1][row] = row
        number = len(calls)
        assert (fits[-1].read() == np.arange(nrows)[:, None]).all()
    return number


def test_tiles_come_from_several_threads(fits):
    pixels = np.random.default_rng(2).normal(0, 1, (64, 64)).astype("f4")
    fits.create_image_hdu(
        "f4", (64, 64), compress=Gzip2(tile_shape=(8, 8)), quantize=Quantize(seed=2), extname="EDITED"
    )
    whole = fits.write_image(pixels, compress=Gzip2(tile_shape=(8, 8)), quantize=Quantize(seed=2))
    keys, failures = boxes((64, 64), (8, 8)), []

    def work(number):
        try:
            for key in keys[number::4]:
                if number == 3:
                    with fits.transaction():
                        fits["EDITED"][key] = pixels[key]
                else:
                    fits["EDITED"][key] = pixels[key]
                assert np.isfinite(fits["EDITED"][key]).all()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert tiles_of(fits["EDITED"]) == tiles_of(whole)


# -- files of others, and for others ----------------------------------------------------------------------------------


def narrow(fits, pixels, form):
    """Return a file with quantised tiles whose scales are in columns of single precision, as others may write them."""
    hdu = fits.write_image(pixels, compress=Gzip2(tile_shape=(10, 44)), quantize=Quantize(seed=9), extname="EDITED")
    snapshot = hdu._state.snapshot
    cards = snapshot.cards.copy()
    scales = np.array([(tile["ZSCALE"], tile["ZZERO"]) for tile in tiles_of(hdu)])
    raw = np.frombuffer(fits.to_bytes(), np.uint8)
    data, layout = raw[hdu._extent.data_start :], snapshot.layout
    table = data[: layout.table_nbytes].view(layout.row_dtype(layout.columns))
    for number, name in ((2, "ZSCALE"), (3, "ZZERO")):
        cards.set(f"TFORM{number}", f"1{form}")
        assert cards.get(f"TTYPE{number}") == name
    dtype = np.dtype([("a", ">i4", 2), ("scale", ">f4"), ("zero", ">f4"), ("b", ">i4", 2)])
    rows = np.zeros(layout.nrows, dtype)
    rows["a"], rows["b"] = table["COMPRESSED_DATA"], table["GZIP_COMPRESSED_DATA"]
    rows["scale"], rows["zero"] = scales.T
    cards.set("NAXIS1", dtype.itemsize)
    body = rows.tobytes() + data[layout.heap_start :][: layout.heap_nbytes].tobytes()
    header = raw[: hdu._extent.header_start].tobytes() + cards.encode()
    return FITS.from_bytes(header + body + bytes(-len(body) % 2880), "r+")


@pytest.mark.parametrize("grouped", [True, False])
def test_columns_in_which_a_new_scale_would_be_rounded_get_tiles_without_loss(fits, grouped):
    pixels = SKY + np.float32(1234.5)
    with narrow(fits, pixels, "E") as other:
        hdu = other["EDITED"]
        before = hdu.read()
        with other.transaction() if grouped else nullcontext():
            hdu[10:20] = pixels[10:20]
        hdu.extend(pixels[:7])
        assert_same_bits(hdu[10:20], pixels[10:20])
        assert_same_bits(hdu[30:], pixels[:7])
        assert_same_bits(hdu[:10], before[:10])
        assert_sound(other)


@pytest.mark.parametrize("name", installed())
@pytest.mark.parametrize("quantised", [True, False])
def test_other_programs_read_what_was_written_tile_by_tile(tmp_path, name, quantised):
    astropy = pytest.importorskip("astropy.io.fits")
    if quantised and name not in QUANTISED:
        return
    path, dtype = tmp_path / "file.fits.fz", "f4" if quantised else "i4"
    pixels = SKY if quantised else np.abs(SKY).astype("i4")
    tile = (10, 22)
    with FITS(path, "w+") as fits:
        quantize = Quantize(seed=5, method="dither2") if quantised else None
        fits.create_image_hdu(dtype, SKY.shape, compress=codec_of(name, tile_shape=tile), quantize=quantize)
        fits.write_image(NEXT, extname="NEXT")
        order = np.random.default_rng(4).permutation(6)
        for part, context in ((order[:2], nullcontext()), (order[2:], fits.transaction())):
            with context:
                for number in part:
                    key = boxes(SKY.shape, tile)[number]
                    fits[1][key] = pixels[key]
        expected = fits[1].read()
    assert_verified(path)
    with astropy.open(path) as found:
        np.testing.assert_array_equal(found[1].data, expected)
        np.testing.assert_array_equal(found["NEXT"].data, NEXT)
    if shutil.which("funpack") is not None and name != "NOCOMPRESS":
        subprocess.run(["funpack", "-O", str(tmp_path / "plain.fits"), str(path)], check=True)
        with FITS(tmp_path / "plain.fits") as plain:
            assert_same_bits(plain[1].read(), expected)


@pytest.mark.parametrize("name", installed())
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("quantised", [True, False])
def test_dask_stores_chunks_as_they_come(name, dtype, quantised):
    array = pytest.importorskip("dask.array")
    if quantised != (dtype[0] == "f" and name in QUANTISED) or dtype not in (*HELD[name], *(("f4", "f8") * quantised)):
        return
    pixels = SKY.astype(dtype)
    with FITS("mem://", "w+") as fits:
        codec, quantize = codec_of(name, tile_shape=(10, 22)), Quantize(seed=3) if quantised else None
        whole = fits.write_image(pixels, compress=codec, quantize=quantize)
        fits.create_image_hdu(dtype, SKY.shape, compress=codec, quantize=quantize, extname="EDITED")
        fits.write_image(NEXT, extname="NEXT")
        chunks = array.from_array(pixels, chunks=(10, 22))
        array.store(chunks, fits["EDITED"], lock=True, scheduler="threads", num_workers=3)
        assert_same_bits(fits["EDITED"].read(), whole.read())
        with fits.transaction():  # whose thread alone may use the handle
            array.store(chunks[:, ::-1], fits["EDITED"], lock=False, scheduler="synchronous")
        np.testing.assert_allclose(fits["EDITED"].read(), pixels[:, ::-1], atol=2 if quantised else 0)
        assert_sound(fits)
