import numpy as np
import pytest

import rustfits
from rustfits import convenience
from rustfits.container.fitsfile import FITS
from rustfits.errors import HDUNotFound, TableError
from rustfits.header.cards import Cards

PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as fits:
        fits.create_image_hdu("u1", ())
        fits.create_image_hdu("u1", (0, 3), extname="EMPTY")
        fits.write_image(PIXELS, extname="SCI", header={"OBJECT": "M 31"})
        fits.write_image(PIXELS + 1, extname="SCI", extver=2)
    return path


def test_read_takes_the_first_hdu_with_data(path):
    assert (convenience.read(path) == PIXELS).all()
    assert (convenience.read(str(path)) == PIXELS).all()


def test_read_takes_any_key(path):
    assert (convenience.read(path, -1) == PIXELS + 1).all()
    assert (convenience.read(path, "sci") == PIXELS).all()
    assert (convenience.read(path, ("SCI", 2)) == PIXELS + 1).all()
    assert convenience.read(path, "EMPTY").shape == (0, 3)
    for key in (9, "NONE", True, 1.5):
        with pytest.raises(ValueError, match=r"out of range|no HDU named|bool|FITS index must be"):
            convenience.read(path, key)


def test_the_header_comes_along_and_outlives_the_file(path):
    pixels, header = convenience.read(path, header=True)
    path.unlink()
    assert (pixels == PIXELS).all()
    assert header["OBJECT"] == "M 31"
    with pytest.raises(OSError, match="file is closed"):
        header["OBJECT"] = "M 32"


def test_a_file_without_data_has_none_to_read(tmp_path):
    with FITS(tmp_path / "x.fits", "w+") as fits:
        fits.create_image_hdu("u1", ())
    with pytest.raises(HDUNotFound, match="no HDU with data"):
        convenience.read(tmp_path / "x.fits")
    with pytest.raises(ValueError, match="NAXIS=0"):
        convenience.read(tmp_path / "x.fits", 0)


def test_there_are_no_further_keywords(path):
    for function in (convenience.read, convenience.read_header):
        with pytest.raises(TypeError):
            function(path, rows=[1])
    with pytest.raises(TypeError):
        convenience.write(path, PIXELS, clobber=True)


def test_read_header_takes_the_first_hdu_or_any_key(path):
    assert convenience.read_header(path)["NAXIS"] == 0
    assert convenience.read_header(path, "SCI")["OBJECT"] == "M 31"
    with pytest.raises(HDUNotFound):
        convenience.read_header(path, "NONE")


def test_write_makes_a_file_or_adds_to_one(path):
    assert convenience.write(path, PIXELS, extname="A", header={"B": 1}) is None
    with FITS(path) as fits:
        assert (len(fits), fits[0].extname, fits[0].header["B"]) == (1, "A", 1)
    convenience.write(path, PIXELS + 5, mode="r+")
    assert (convenience.read(path, 1) == PIXELS + 5).all()
    with pytest.raises(OSError, match="read-only"):
        convenience.write(path, PIXELS, mode="r")


def test_what_cannot_be_written_leaves_an_existing_file_alone(path):
    before = path.read_bytes()
    for data, options in [
        (5, {}),
        ("text", {}),
        ([1, 2], {}),
        (PIXELS[:, ::2], {}),
        (PIXELS.astype("c8"), {}),
        (np.ma.masked_equal(PIXELS, 1), {}),
        (PIXELS, {"header": {"A": []}}),
        (np.zeros((0,), dtype=[("a", "f2")]), {}),
    ]:
        with pytest.raises((ValueError, NotImplementedError)):
            convenience.write(path, data, **options)
        assert path.read_bytes() == before


def test_gzip_and_urls_work_as_in_the_container(tmp_path):
    convenience.write(f"file://{tmp_path}/x.fits.gz", PIXELS)
    assert (convenience.read(tmp_path / "x.fits.gz") == PIXELS).all()


@pytest.mark.parametrize("kind", ["BINTABLE", "TABLE"])
def test_of_tables_the_core_alone_reads_headers_and_names_the_package_for_rows(kind, tmp_path, no_kinds):
    path = tmp_path / "x.fits"
    table = Cards.build(
        [
            *[("XTENSION", kind), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 4), ("NAXIS2", 2), ("PCOUNT", 0)],
            *[("GCOUNT", 1), ("TFIELDS", 1), ("TTYPE1", "a"), ("TFORM1", "1J" if kind == "BINTABLE" else "I4")],
            *[("TBCOL1", 1), ("TUNIT1", "m"), ("EXTNAME", "ROWS")],
        ]
    )
    primary = Cards.build([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0)])
    path.write_bytes(primary.encode() + table.encode() + (b" " if kind == "TABLE" else b"\0") * 2880)
    assert convenience.read_header(path, "ROWS")["TFIELDS"] == 1
    with rustfits.FITS(path) as fits:
        hdu = fits["ROWS"]
        assert (hdu.nrows, len(hdu), hdu.ncols, hdu.colnames, hdu.units) == (2, 2, 1, ("a",), {"a": "m"})
        assert hdu.has_data
        assert f"  rows: 2\n  column info:\n    a  TFORM {table.get('TFORM1')!r}  (m)\n" in repr(hdu)
        attempts = [hdu.read, lambda: hdu.read_column("a"), lambda: list(hdu), lambda: hdu[0], lambda: hdu.append(1)]
        for attempt in (*attempts, lambda: convenience.read(path), lambda: fits.table("ROWS")):
            with pytest.raises(rustfits.NotSupported, match=r"try: pip install .*rustfits-tables"):
                attempt()
        report = hdu.verify()
        assert report["structure"].status == "ok"


def test_an_hdu_that_nothing_can_read_is_told_of(tmp_path, no_kinds):
    path = tmp_path / "x.fits"
    entries = [("XTENSION", "FOREIGN"), ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", 4), ("PCOUNT", 0), ("GCOUNT", 1)]
    primary = Cards.build([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0)])
    path.write_bytes(primary.encode() + Cards.build(entries).encode() + bytes(2880))
    with pytest.raises(TableError, match=r"nothing that is installed can read .*HDU 1.*UNKNOWN_HDU"):
        convenience.read(path)


def test_the_package_offers_the_same_functions():
    assert rustfits.read is convenience.read
    assert rustfits.write is convenience.write
    assert rustfits.read_header is convenience.read_header
