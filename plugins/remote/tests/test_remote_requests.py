"""How many requests a read takes, and how many bytes: counted by the server, so the figures are exact."""

import io

import numpy as np
import pytest

import rustfits
from rustfits import FITS, Remote
from rustfits.pixels.sections import parse_section
from rustfits.plugin import HEAD_NBYTES

RANGED = Remote(ranged=True)


def written(arrays, **options):
    buffer = io.BytesIO()
    with FITS(buffer, "w+") as fits:
        for number, array in enumerate(arrays):
            fits.write_image(array, extname=f"CCD{number:03}", **options)
    return buffer.getvalue()


def noise(shape, seed, dtype="i2"):
    return np.random.default_rng(seed).normal(1000, 20, shape).astype(dtype)


def rounds_of(server, act):
    """Return what ``act`` returns, and how many rounds of requests it takes: those of one come side by side."""
    server.reset()
    server.quiet = 0.1
    try:
        return act(), server.rounds
    finally:
        server.quiet = 0.0


@pytest.mark.parametrize("kind", ["plain", "GZIP_1", "RICE_1 rows"])
def test_a_file_of_100_hdus_is_opened_in_few_rounds(server, kind):
    if kind.startswith("RICE"):
        pytest.importorskip("rustfits_rice", reason="not installed: rustfits-rice")
    compress = None if kind == "plain" else (rustfits.Rice1() if kind.startswith("RICE") else "GZIP_1")
    base = [noise((256, 250), seed) for seed in range(100)]
    content = written(base, compress=compress)
    url = server.put(content)
    fits, rounds = rounds_of(server, lambda: FITS(url, remote=RANGED))
    with fits:
        print(kind, len(content), "rounds", rounds, "requests", server.count, "bytes", server.nbytes)
        assert len(fits) >= 100
        assert rounds <= 10
        assert server.nbytes < (0.5 if kind == "plain" else 0.7) * len(content)
        assert np.array_equal(fits["CCD077"][5:9, 5:9], base[77][5:9, 5:9])


SHAPE = (2048, 2048)
CUTOUT = np.s_[1000:1050, 1100:1160]


@pytest.fixture(scope="module", params=["RICE 256x256", "RICE rows", "plain"])
def image(request):
    """Return a name, a file of two images, of which the second is far from the first bytes, and its pixels."""
    pixels, other = noise(SHAPE, 5), noise(SHAPE, 6)
    if request.param == "plain":
        return request.param, written([other, pixels]), pixels
    pytest.importorskip("rustfits_rice", reason="not installed: rustfits-rice")
    tile = (256, 256) if "256" in request.param else (1, SHAPE[1])
    return request.param, written([other, pixels], compress=rustfits.Rice1(tile_shape=tile)), pixels


def needed(hdu, key):
    """Return the bytes of the table rows and of the tiles under a section; of a plain image, of its lines."""
    section = parse_section(key, hdu.shape)
    if not hasattr(hdu, "n_tiles"):
        return section.count[0] * section.count[1] * hdu.dtype.itemsize
    decoder = hdu._decoder()
    rows = np.unique(np.concatenate([block.rows for block in decoder.table.grid.select(section)]))
    return rows.size * decoder.snapshot.layout.row_nbytes + int(decoder.entries(rows).length.sum())


def measured(server, image, key, *, opened):
    """Return requests, rounds and bytes of reading a section, with the file opened before or not; and what it needs."""
    name, content, pixels = image
    url = server.put(content)
    fits = FITS(url, remote=RANGED) if opened else None

    def read():
        nonlocal fits
        fits = fits or FITS(url, remote=RANGED)
        return fits["CCD001"][key]

    found, rounds = rounds_of(server, read)
    with fits:
        assert np.array_equal(found, pixels[key])
    with FITS.from_bytes(content) as local:
        least = needed(local["CCD001"], key)
    print(
        f"| {name} | {'open' if opened else 'with opening'} | {server.count} | {rounds} | {server.nbytes} | {least} |"
    )
    return server.count, rounds, server.nbytes, least


@pytest.mark.parametrize("opened", [True, False])
def test_a_cold_cutout_takes_few_requests_and_little_more_than_its_tiles(server, image, opened):
    count, _, nbytes, least = measured(server, image, CUTOUT, opened=opened)
    assert count <= (3 if opened else 5)
    if image[0] != "plain":  # whose lines are read with what lies between them
        assert nbytes <= 1.5 * least + (0 if opened else HEAD_NBYTES)


def test_a_column_strip_comes_side_by_side(server, image):
    _, rounds, nbytes, least = measured(server, image, np.s_[:, 1000:1040], opened=True)
    assert rounds <= 3
    if image[0] != "plain":
        assert nbytes <= 1.5 * least


@pytest.mark.parametrize("key", [np.s_[:], np.s_[::3, ::2]])
def test_a_whole_image_comes_side_by_side(server, image, key):
    count, rounds, nbytes, least = measured(server, image, key, opened=True)
    assert count <= 12
    assert rounds <= 3
    assert nbytes <= 1.1 * max(least, len(image[1]) // 2)


def test_many_cutouts_are_fetched_together(server, image):
    _, content, pixels = image
    keys = [np.s_[at : at + 30, 7 * at % 2000 : 7 * at % 2000 + 30] for at in range(10, 2000, 190)]
    with FITS(server.put(content), remote=RANGED) as fits:
        found, rounds = rounds_of(server, lambda: fits["CCD001"].read_many(keys))
        assert all(np.array_equal(one, pixels[key]) for one, key in zip(found, keys, strict=True))
        assert rounds <= 3


def test_requests_run_side_by_side_and_are_bounded(server, image):
    with FITS(server.put(image[1]), remote=RANGED) as fits:
        server.reset()
        server.quiet = 0.1
        fits["CCD001"].read()
        server.quiet = 0.0
        assert 2 <= server.most <= 32


def test_a_read_of_more_than_the_cache_keeps_to_it(server, image):
    _, content, pixels = image
    remote = Remote(ranged=True, cache_bytes=1 << 20)
    with FITS(server.put(content), remote=remote) as fits:
        for _ in range(2):
            assert np.array_equal(fits["CCD001"].read(), pixels)
        assert fits._file.storage._parts._nbytes <= 1 << 20
        assert server.nbytes < 3 * len(content)


def test_a_lazy_scan_stops_at_the_hdu_that_is_asked_for(server):
    content = written([noise((256, 250), seed) for seed in range(60)])
    with FITS(server.put(content), remote=RANGED, scan="lazy") as fits:
        assert fits[3].shape == (256, 250)
        assert server.count < 15
        assert len(fits) == 60
