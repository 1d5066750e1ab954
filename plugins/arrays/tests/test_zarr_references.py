"""References: pixels of every image and selection, tiles that are wanted alone, states of files, refusals."""

import gzip
import io
import json
import pickle
import sys

import numpy as np
import pytest
from files import ROOT, same, telescope_files
from hypothesis import given, settings
from hypothesis import strategies as st

import rustfits

zarr = pytest.importorskip("zarr", reason="not installed: zarr")

from zarr_checks import check, opened  # noqa: E402

from rustfits_arrays.zarr import ReferenceStore, references  # noqa: E402 - need Zarr
from rustfits_arrays.zarr.codec import TilesCodec  # noqa: E402


def test_every_image_of_a_file_has_its_pixels(path):
    assert check(opened(references(path)), path) > 10
    assert check(opened(references(path, plain=True, chunk_tiles=3)), path) > 10


@pytest.mark.parametrize("file", telescope_files())
def test_images_of_telescopes_have_their_pixels_over_http(file, server):
    path = telescope_files()[file]
    url = server.put(path.read_bytes())
    with rustfits.FITS(path) as fits:
        there = any(isinstance(hdu, rustfits.ImageHDU) and hdu.shape for hdu in fits)
    if not there or path.read_bytes()[:2] == b"\x1f\x8b":
        with pytest.raises(rustfits.NotSupported, match=r"no HDU of|compressed as a whole"):
            references(url)
        return
    refs = references(url)
    assert all(each[0] == url for each in refs.values() if isinstance(each, list))
    check(opened(refs), path)


@pytest.fixture(scope="module")
def arrays(path):
    """Images with small chunks, and their pixels: square tiles, quantised, a cube, pixels that are not compressed."""
    names = ("RICE_1", "Q_GZIP_2", "CUBE", "SCALED", "PLAIN")
    small = opened(references(path, chunk_tiles=2))
    with rustfits.FITS(path) as fits:
        return {name: (small[name]["image"], fits[name].read()) for name in names if name in fits}


def positions(size):
    return st.lists(st.integers(-size, size - 1), min_size=1, max_size=6)


def parts(size):
    bound = st.none() | st.integers(-size - 2, size + 2)
    return st.builds(slice, bound, bound, st.none() | st.sampled_from([1, 2, 7])) | st.integers(-size, size - 1)


@settings(max_examples=40)
@given(data=st.data())
@pytest.mark.parametrize("name", ["RICE_1", "Q_GZIP_2", "CUBE", "SCALED", "PLAIN"])
def test_any_selection_gives_what_it_gives_of_the_pixels(arrays, name, data):
    if name not in arrays:
        pytest.skip("plugin not installed: rice")
    array, pixels = arrays[name]
    key = data.draw(st.tuples(*(parts(size) for size in pixels.shape)))
    assert same(np.asarray(array[key]), np.asarray(pixels[key]))
    rows = data.draw(st.tuples(*(positions(size) for size in pixels.shape)))
    crossing = tuple(np.array(sorted(each)) % size for each, size in zip(rows, pixels.shape, strict=True))
    assert same(array.oindex[crossing], pixels[np.ix_(*crossing)])
    length = min(map(len, rows))
    points = tuple(np.array(each[:length]) for each in rows)
    assert same(array.vindex[points], pixels[points])


def test_a_mask_selects_pixels(arrays):
    array, pixels = arrays["Q_GZIP_2"]
    mask = np.random.default_rng(1).random(pixels.shape) < 0.001
    assert same(array.get_mask_selection(mask), pixels[mask])


def test_many_tiles_of_a_row_are_one_reference(tmp_path):
    path, pixels = tmp_path / "a.fits", np.random.default_rng(1).integers(0, 900, (4096, 1000)).astype("i2")
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(pixels, compress="GZIP_1")
    refs = references(path)
    chunks = [key for key in refs if "/c/" in key]
    assert len(chunks) < 10
    assert len(json.dumps(refs)) < 20_000
    assert same(opened(refs)["HDU1/image"][1000:1003, 5:9], pixels[1000:1003, 5:9])
    for chunk_tiles, shape in ((64, (64, 1000)), ((7, 1), (7, 1000)), (1, (1, 1000)), (10**6, (4096, 1000))):
        array = opened(references(path, chunk_tiles=chunk_tiles))["HDU1/image"]
        assert array.chunks == shape
        assert same(array[60:70], pixels[60:70])
    for wrong in (0, "all", (1,), (1, 0), None, 2.0):
        with pytest.raises(rustfits.ImageError, match="it is 'auto', a number of tiles, or 2 of them"):
            references(path, chunk_tiles=wrong)


@pytest.mark.parametrize("tile", [(1, 500), (50, 50)])
def test_only_the_tiles_that_are_wanted_are_read(server, tile):
    pixels = np.random.default_rng(1).integers(0, 900, (300, 500)).astype("i2")
    content = io.BytesIO()
    with rustfits.FITS(content, "w+") as fits:
        fits.write_image(pixels, extname="A", compress=rustfits.Gzip2(tile_shape=tile))
        nbytes = len(content.getvalue()) / (300 * 500) * tile[0] * tile[1]
    array = opened(references(server.put(content.getvalue())))["A/image"]
    assert array.nchunks <= 2
    server.reset()
    assert same(array[101:103, 60:80], pixels[101:103, 60:80])
    tiles = 1 if tile[0] == 50 else 2
    assert server.nbytes < 1.5 * tiles * nbytes
    assert [wanted is not None for _, wanted, _ in server.requests] == [True, False]  # the second asks for the state


def test_the_state_is_asked_for_once_for_many_chunks(server):
    pixels = np.random.default_rng(1).integers(0, 900, (300, 500)).astype("i2")
    content = io.BytesIO()
    with rustfits.FITS(content, "w+") as fits:
        fits.write_image(pixels, extname="A", compress=rustfits.Gzip2(tile_shape=(20, 50)))
    array = opened(references(server.put(content.getvalue()), chunk_tiles=1))["A/image"]
    server.reset()
    assert same(array[...], pixels)
    asked = sum(wanted is None for _, wanted, _ in server.requests)
    assert server.count - asked == 150
    assert 0 < asked < 100


def test_tiles_that_were_moved_are_found(tmp_path):
    path, rng = tmp_path / "a.fits", np.random.default_rng(1)
    with rustfits.FITS(path, "w+") as fits:
        hdu = fits.write_image(rng.integers(0, 9, (100, 90)).astype("i4"), compress=rustfits.Gzip2(tile_shape=(10, 30)))
        for corner in ((0, 0), (50, 30), (20, 60), (90, 0)):  # they no longer fit where they were
            part = tuple(slice(first, first + size) for first, size in zip(corner, (10, 30), strict=True))
            hdu[part] = rng.integers(0, 2**30, (10, 30)).astype("i4")
        pixels = hdu.read()
    for chunk_tiles in ("auto", 1, 4, (2, 2), (3, 2)):
        assert same(opened(references(path, chunk_tiles=chunk_tiles))["HDU1/image"][...], pixels)


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 1), (1, 2, 1, 5)])
@pytest.mark.parametrize("scale", [{}, {"bscale": 0.25, "bzero": 3.0}])
@pytest.mark.parametrize("compress", [None, "GZIP_2"])
def test_images_of_odd_shapes(tmp_path, shape, scale, compress):
    path, pixels = tmp_path / "a.fits", np.arange(np.prod(shape), dtype="i2").reshape(shape)
    with rustfits.FITS(path, "w+") as fits:
        fits.write_image(pixels, extname="A", compress=compress, **scale)
        pixels = fits["A"].read()
    assert same(opened(references(path))["A/image"][...], pixels)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("rows", [96, 97])
@pytest.mark.parametrize("plain", [True, False])
def test_pixels_that_are_not_compressed(tmp_path, monkeypatch, dtype, rows, plain):
    monkeypatch.setattr("rustfits_arrays.zarr.layout.CHUNK_NBYTES", 2000)  # so that there are many chunks
    path, pixels = tmp_path / "a.fits", np.random.default_rng(1).integers(0, 99, (rows, 11)).astype(dtype)
    rustfits.write(path, pixels)
    array = opened(references(path, plain=plain))["PRIMARY/image"]
    assert array.nchunks > 1 or (plain and rows == 97) or array.dtype.itemsize == 1
    signed = dtype in ("u1", "i2", "i4", "i8", "f4", "f8")
    assert (type(array.metadata.codecs[0]).__name__ == "BytesCodec") == (plain and signed)
    assert same(array[...], pixels)
    assert same(array[50:60, 3:5], pixels[50:60, 3:5])


def test_an_image_without_pixels_is_an_empty_array(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.write(path, np.zeros((0, 5), "f4"))
    assert opened(references(path))["PRIMARY/image"].shape == (0, 5)


def test_one_image_is_an_array_at_the_root(path):
    with rustfits.FITS(path) as fits:
        for name in ("Q_GZIP_2", "PLAIN", "SCALED"):
            array = opened(references(fits[name], chunk_tiles=1))
            assert isinstance(array, zarr.Array)
            assert same(array[...], fits[name].read())


def test_several_files_go_into_one_set(tmp_path):
    found = {}
    for number in range(3):
        path = tmp_path / f"{number}.fits"
        with rustfits.FITS(path, "w+") as fits:
            fits.write_image(np.full((5, 6), number, "i2"), extname="A", compress="GZIP_1")
        found |= references(path, group=f"night/{number}")
    group = opened(found)
    assert sorted(group["night"].group_keys()) == ["0", "1", "2"]
    for number in range(3):
        assert same(group[f"night/{number}/A/image"][...], np.full((5, 6), number, "i2"))


def test_attributes_go_with_the_images(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        header = {"OBJECT": "M 51", "DATE-OBS": "2026-11-30", "RA": 1.5}
        fits.write_image(np.zeros((5, 6), "i2"), extname="A", header=header, compress="GZIP_1")
        fits[0].header["TELESCOP"] = "none"
    group = opened(references(path))
    assert dict(group.attrs) == {"TELESCOP": "none"}
    assert dict(group["A/image"].attrs) == {"EXTNAME": "A", **header}


def test_xarray_opens_them(path):
    xarray = pytest.importorskip("xarray", reason="not installed: xarray")
    tree = xarray.open_datatree(ReferenceStore(references(path)), engine="zarr", consolidated=False)
    with rustfits.FITS(path) as fits:
        assert same(tree["Q_GZIP_2/image"].values, fits["Q_GZIP_2"].read())


def test_dask_opens_them_in_processes(path, pool):
    da = pytest.importorskip("dask.array", reason="not installed: dask[array]")
    array = da.from_zarr(opened(references(path, chunk_tiles=4))["Q_GZIP_2/image"])
    with rustfits.FITS(path) as fits:
        assert same(array.compute(scheduler="processes", pool=pool), fits["Q_GZIP_2"].read())


def test_fsspec_and_a_file_of_json_serve_them_too(path, tmp_path):
    kept = tmp_path / "refs.json"
    kept.write_text(json.dumps(references(path, group="file")))
    check(zarr.open_group(ReferenceStore(kept), mode="r")["file"], path)
    options = {"fo": str(kept), "remote_protocol": "file"}
    check(zarr.open_group("reference://file", storage_options=options, mode="r"), path)


# -- states ------------------------------------------------------------------------------------------------------------


def test_a_file_that_was_changed_is_refused(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        for compress, options in (("GZIP_1", {}), (None, {"bscale": 2.0})):
            fits.write_image(np.zeros((50, 60), "i2"), compress=compress, **options)
    group = opened(references(path))
    sent = pickle.dumps(group["HDU1/image"])
    with rustfits.FITS(path, "r+") as fits:
        fits[1].header["OBJECT"] = "another"
    for array in (group["HDU1/image"], group["HDU2/image"], pickle.loads(sent)):
        with pytest.raises(rustfits.FileChanged, match=r"mtime_ns is .*make them anew"):
            array[0, 0]
    assert opened(references(path))["HDU1/image"][0, 0] == 0


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("place", ["here", "server"])
def test_pixels_as_they_are_of_another_file_are_no_pixels_unless_that_was_asked_for(tmp_path, server, place, dtype):
    path = tmp_path / "a.fits"

    def written(value):
        rustfits.write(path, np.full((50, 60), value, dtype))
        return path if place == "here" else server.put(path.read_bytes())

    where = written(1)
    safe, trusting = references(where), references(where, plain=True)
    assert opened(safe)["PRIMARY/image"][0, 0] == 1
    written(2)  # of the same size
    with pytest.raises(rustfits.FileChanged, match="make them anew"):
        opened(safe)["PRIMARY/image"][0, 0]
    assert opened(trusting)["PRIMARY/image"][0, 0] == 2  # as the manual says


def test_a_file_of_a_server_that_was_changed_is_refused(server, path):
    content = path.read_bytes()
    url = server.put(content)
    refs = references(url)
    group = opened(refs)
    assert group["Q_GZIP_2/image"][0, 0] == group["Q_GZIP_2/image"][0, 0]
    server.put(content[:-1] + b"\1")
    with pytest.raises(rustfits.FileChanged, match="etag is"):
        group["Q_GZIP_2/image"][0, 0]
    server.put(content)
    assert group["Q_GZIP_2/image"][0, 0] == opened(refs)["Q_GZIP_2/image"][0, 0]
    server.put(content + bytes(2880))
    with pytest.raises(rustfits.FileChanged, match="size is"):
        group["Q_GZIP_2/image"][0, 0]


def test_a_file_of_a_server_without_etags_is_known_by_its_time(server, path):
    server.etags = False
    content = path.read_bytes()
    group = opened(references(server.put(content)))
    check(group, path)
    server.put(content[:-1] + b"\1")
    assert group["Q_GZIP_2/image"].shape  # of which no chunk is read
    server.time = "Thu, 01 Jan 1970 00:00:01 GMT"
    with pytest.raises(rustfits.FileChanged, match="modified is 1, not"):
        group["Q_GZIP_2/image"][0, 0]


def test_a_file_of_another_place_is_known_by_its_size(server, path):
    content = path.read_bytes()
    group = opened(references(path, server.put(content)))
    check(group, path)
    server.put(content + bytes(2880))
    with pytest.raises(rustfits.FileChanged, match="size is"):
        group["Q_GZIP_2/image"][0, 0]


def test_bytes_that_are_not_there_are_no_pixels(server, path):
    url = server.put(path.read_bytes())
    refs = references(url)
    without = {key: each for key, each in refs.items() if not key.startswith("Q_GZIP_2/image/c/")}
    with pytest.raises(rustfits.FitsIOError, match="the store has no bytes of the chunk"):
        opened(without)["Q_GZIP_2/image"][0, 0]
    server.files.clear()
    with pytest.raises(Exception, match="failed to fetch"):
        opened(refs)["Q_GZIP_2/image"][0, 0]


# -- damage and refusals -----------------------------------------------------------------------------------------------


def test_a_damaged_tile_is_named_with_its_file(tmp_path):
    path = tmp_path / "a.fits"
    with rustfits.FITS(path, "w+") as fits:
        hdu = fits.write_image(np.arange(3000, dtype="i4").reshape(50, 60), extname="A", compress="GZIP_2")
        pixels = hdu.read()
    good = references(path)
    _, offset, length = good["A/image/c/0/0"]
    content = bytearray(path.read_bytes())
    content[offset + length * 7 // 10 : offset + length * 7 // 10 + 8] = bytes(8)
    path.write_bytes(content)
    array = opened(references(path))["A/image"]
    with pytest.raises(rustfits.TileDecodeError, match=r"tile in table row 3\d.*in HDU 1 of file://.*a.fits"):
        array[...]
    assert same(array[:25], pixels[:25])


def test_files_without_bytes_at_rest_are_refused_at_once(tmp_path, path):
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(rustfits.NotSupported, match=r"compressed as a whole.*unpack the file first"):
        references(packed)
    with (
        rustfits.FITS.from_bytes(path.read_bytes()) as fits,
        pytest.raises(rustfits.NotSupported, match="in the memory"),
    ):
        references(fits)
    copy = tmp_path / "a.fits"
    copy.write_bytes(path.read_bytes())
    with rustfits.FITS(copy, "r+") as fits, pytest.raises(rustfits.NotSupported, match="open the file with mode 'r'"):
        references(fits)


def test_a_gzipped_file_of_a_server_is_refused_at_once(server, path):
    for name in ("/a.fits.gz", "/a.fits"):
        server.reset()
        with pytest.raises(rustfits.NotSupported, match="is compressed as a whole: unpack the file first"):
            references(server.put(gzip.compress(path.read_bytes()), name))
        assert server.nbytes < 30_000


def test_null_pixels_in_masks_of_their_own_are_refused_at_once(tmp_path):
    sys.path.append(str(ROOT / "tests" / "interop"))
    from handmade import Table, gzipped, image_cards, tiles_of

    pixels = np.arange(30, dtype="f4").reshape(5, 6)
    table = Table({"COMPRESSED_DATA": "1PB", "NULL_PIXEL_MASK": "1PB"}, 5)
    for row, part in enumerate(tiles_of(pixels, (1, 6))):
        table.put("COMPRESSED_DATA", row, gzipped(part))
        table.put("NULL_PIXEL_MASK", row, gzipped((part > 20).astype("u1")))
    path = tmp_path / "a.fits"
    path.write_bytes(table.file({**image_cards("GZIP_1", -32, (5, 6), (1, 6)), "ZMASKCMP": "GZIP_1"}))
    with pytest.raises(rustfits.NotSupported, match="NULL_PIXEL_MASK"):
        references(path)


def test_the_form_of_kerchunk_is_refused(path):
    with pytest.raises(rustfits.NotSupported, match="has no place for their codec"):
        references(path, zarr_format=2)


def test_a_table_without_images_is_refused(tmp_path):
    path = tmp_path / "a.fits"
    rustfits.FITS(path, "w+").close()
    with rustfits.FITS(path, "w+") as fits:
        fits.create_image_hdu("i2", ())
    with pytest.raises(rustfits.NotSupported, match="is an image that has axes"):
        references(path)


def test_the_codec_is_the_same_when_it_was_pickled_or_written(path):
    codec = opened(references(path))["Q_GZIP_2/image"].metadata.codecs[0]
    assert isinstance(codec, TilesCodec)
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert TilesCodec.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
    assert hash(codec) == hash(pickle.loads(pickle.dumps(codec)))


def changed(refs, key, change):
    metadata = json.loads(refs[key])
    change(metadata)
    return refs | {key: json.dumps(metadata)}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("version", 2, "a configuration of version 2; this package knows 1"),
        ("header", "AAAA", "packed bytes are damaged"),
        ("tiles", {}, "the configuration of rustfits.tiles is damaged: KeyError"),
        ("chunk_tiles", [1, 7], "is not HDU"),
        ("state", None, "is damaged"),
    ],
)
def test_a_configuration_that_was_spoiled_is_refused(path, name, value, error):
    def change(metadata):
        metadata["codecs"][0]["configuration"][name] = value

    with pytest.raises((ValueError, NotImplementedError), match=error):
        opened(changed(references(path), "Q_GZIP_2/image/zarr.json", change))["Q_GZIP_2/image"][0, 0]


def test_tiles_beyond_their_chunk_are_refused(path):
    refs = references(path)
    url, offset, length = refs["Q_GZIP_2/image/c/0/0"]
    short = opened(refs | {"Q_GZIP_2/image/c/0/0": [url, offset, length - 9]})["Q_GZIP_2/image"]
    with pytest.raises(rustfits.TruncatedFile, match="bytes of the chunk"):
        short[...]


def test_an_array_of_another_shape_is_refused(path):
    def change(metadata):
        metadata["shape"] = [131, 210]

    with pytest.raises(rustfits.ImageError, match="is not HDU"):
        opened(changed(references(path), "Q_GZIP_2/image/zarr.json", change))["Q_GZIP_2/image"]


def test_shards_and_other_codecs_beside_it_are_refused(path):
    codec = opened(references(path))["Q_GZIP_2/image"].metadata.codecs[0].to_dict()
    with pytest.raises(Exception, match="only reads"):
        array = zarr.create_array(
            zarr.storage.MemoryStore(),
            shape=(130, 210),
            dtype="f4",
            chunks=(140, 250),
            serializer=codec,
            compressors=None,
        )
        array[...] = 1

    def change(metadata):
        metadata["codecs"].append({"name": "gzip", "configuration": {"level": 1}})

    with pytest.raises(Exception, match=r"must be the only one|gzip|incorrect"):
        opened(changed(references(path), "Q_GZIP_2/image/zarr.json", change))["Q_GZIP_2/image"][...]
