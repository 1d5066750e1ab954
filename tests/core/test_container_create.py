"""New images: what is written, in which order, and what is refused with nothing written."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rustfits import system
from rustfits.codec.builtin import Gzip1
from rustfits.container.fitsfile import FITS
from rustfits.errors import FitsError, HeaderError, ImageError, NotSupported, TileEncodeError
from rustfits.hdu.compressed.compressed import CompressedImageHDU
from rustfits.quantize.parameters import Quantize
from rustfits.storage.local import LocalStorage

DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


@pytest.fixture
def fits():
    with FITS("mem://", "w+") as fits:
        yield fits


def keys(hdu):
    return [card.split("=")[0].strip() for card in hdu.header.cards]


# -- headers -----------------------------------------------------------------------------------------------------------


def test_the_first_hdu_is_a_primary_and_later_ones_extensions(fits):
    for _ in range(2):
        assert fits.create_image_hdu(">u2", (3, 4), extname="A", extver=7, blank=65535) is None
    assert keys(fits[0]) == [
        "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "BSCALE", "BZERO", "BLANK", "EXTNAME", "EXTVER",
        "END",
    ]  # fmt: skip
    assert keys(fits[1]) == [
        "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "EXTNAME", "EXTVER", "BSCALE", "BZERO",
        "BLANK", "END",
    ]  # fmt: skip
    assert fits[1].header["BLANK"] == 32767
    assert (fits[1].extname, fits[1].extver) == ("A", 7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_new_image_is_stored_zeros(fits, dtype):
    fits.create_image_hdu(dtype, (5, 7))
    hdu = fits[0]
    assert not hdu.read(scale=False).any()
    assert hdu.read().dtype == np.dtype(dtype)
    assert hdu.shape == (5, 7)


def test_an_image_may_have_no_axes_or_an_empty_first_one(fits):
    fits.create_image_hdu("f4", ())
    fits.create_image_hdu("f4", (0, 5))
    assert [hdu.has_data for hdu in fits] == [False, False]
    assert fits[1].read().shape == (0, 5)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("c8", (3,)), ValueError, "unsupported numpy dtype"),
        (("?", (3,)), ValueError, "unsupported numpy dtype"),
        (("S4", (3,)), ValueError, "unsupported numpy dtype"),
        (("f2", (3,)), ValueError, "unsupported numpy dtype"),
        ((np.dtype([("a", "i4")]), (3,)), ValueError, "unsupported numpy dtype"),
        (("i4", (-1, 3)), ValueError, "dimension 0 must be >= 0"),
        (("i4", (3, 0)), ValueError, "dimension 1 must be > 0"),
        (("i4", 5), TypeError, "dims"),
        (("i4", (1.5,)), TypeError, "float"),
    ],
)
def test_an_image_that_cannot_be_is_refused(fits, arguments, kind, words):
    with pytest.raises(kind, match=words):
        fits.create_image_hdu(*arguments)
    assert len(fits) == 0
    assert fits.to_bytes() == b""


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"extname": 5}, TypeError, "extname"),
        ({"extver": "1"}, TypeError, "extver"),
        ({"extname": "tab\t"}, ValueError, "printable"),
        ({"compress": "LZMA"}, ValueError, "unknown compression algorithm name"),
        ({"compress": True}, TypeError, "compress="),
        ({"compress": Quantize}, TypeError, "compress="),
        ({"quantize": 4.0}, TypeError, "quantize="),
        ({"quantize": Quantize()}, ValueError, "quantize"),
        ({"blank": 1.5}, TypeError, "blank"),
        ({"blank": 40000}, ValueError, "range"),
        ({"blank": 1 << 70}, OverflowError, "blank"),
        ({"unknown": 1}, TypeError, "unknown"),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_both_roads(fits, options, kind, words):
    with pytest.raises(kind, match=words):
        fits.create_image_hdu("i2", (3, 4), **options)
    with pytest.raises(kind, match=words):
        fits.write_image(PIXELS, **options)
    assert fits.to_bytes() == b""
    fits.write_image(PIXELS)


def test_options_are_given_by_name_only(fits):
    with pytest.raises(TypeError):
        fits.create_image_hdu("i2", (3,), "NAME")
    with pytest.raises(TypeError):
        fits.write_image(PIXELS, "NAME")


# -- pixels ------------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    pixels=hnp.arrays(
        st.sampled_from(DTYPES).flatmap(lambda name: st.sampled_from([np.dtype(name), np.dtype(name).newbyteorder()])),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
    )
)
def test_every_array_comes_back_bit_for_bit_here_and_in_astropy(pixels):
    astropy = pytest.importorskip("astropy.io.fits", reason="the peer astropy is not installed")
    with FITS("mem://", "w+") as fits:
        hdu = fits.write_image(pixels)
        assert hdu is fits[0]
        native = pixels.astype(pixels.dtype.newbyteorder("="))
        assert hdu.read().tobytes() == native.tobytes()
        with astropy.HDUList.fromstring(fits.to_bytes()) as theirs:
            found = theirs[0].data
            assert found.shape == pixels.shape
            if found.dtype.kind == pixels.dtype.kind and found.dtype.itemsize == pixels.dtype.itemsize:
                assert found.astype(native.dtype).tobytes() == native.tobytes()
            else:  # some versions of astropy give floats for signed bytes
                assert (found == pixels).all()


def test_lists_and_misaligned_arrays_will_do(fits):
    assert (fits.write_image([[1, 2], [3, 4]]).read() == [[1, 2], [3, 4]]).all()
    buffer = np.zeros(1 + 8 * 6, dtype=np.uint8)[1:].view("f8").reshape(2, 3)
    buffer[...] = np.arange(6).reshape(2, 3)
    assert (fits.write_image(buffer).read() == buffer).all()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (5, "NAXIS=0"),
        (np.float64(5), "NAXIS=0"),
        (np.zeros((4, 4), order="F") + np.zeros((4, 4), order="F"), "C-contiguous"),
        (PIXELS[:, ::2], "C-contiguous"),
        (np.ma.masked_equal(PIXELS, 3), "blank"),
        (np.array(["a"]), "unsupported numpy dtype"),
        (np.zeros((3, 0)), "dimension 1"),
    ],
)
def test_data_that_cannot_be_written_leave_the_file_as_it_was(fits, data, words):
    fits.write_image(PIXELS)
    before = fits.to_bytes()
    with pytest.raises(ImageError, match=words):
        fits.write_image(data)
    assert fits.to_bytes() == before
    assert len(fits) == 1
    fits.write_image(PIXELS)


def test_masked_pixels_become_blank_or_nan(fits):
    hdu = fits.write_image(np.ma.masked_equal(PIXELS, 3), blank=-1)
    assert hdu.read()[0, 3] == -1
    assert hdu.read(mask_blank=True).mask.sum() == 1
    assert np.isnan(fits.write_image(np.ma.masked_equal(PIXELS.astype("f4"), 3)).read()[0, 3])
    assert (fits.write_image(np.ma.masked_array(PIXELS)).read() == PIXELS).all()
    unsigned = np.ma.masked_equal(PIXELS.astype("u2"), 3)
    assert fits.write_image(unsigned, blank=65535).read()[0, 3] == 65535


# -- the header that comes with pixels ---------------------------------------------------------------------------------


def test_a_header_may_be_a_mapping_or_that_of_another_file(fits):
    hdu = fits.write_image(PIXELS, header={"OBJECT": ("M 31", "target"), "EXPTIME": 1.5}, extname="A")
    assert (hdu.header["OBJECT"], hdu.header.comment_of("OBJECT"), hdu.header["EXPTIME"]) == ("M 31", "target", 1.5)
    hdu.header.add_history("flat fielded")
    copied = fits.write_image(PIXELS.astype("f8"), header=hdu.header)
    assert (copied.header["OBJECT"], copied.extname, copied.bitpix) == ("M 31", "A", -64)
    assert copied.header["HISTORY"] == ["flat fielded"]


@pytest.mark.parametrize(
    ("header", "kind"),
    [({"A": []}, HeaderError), ({"COMMENT": 5}, HeaderError), ({"b.c": 1}, HeaderError), ([("A", 1)], HeaderError)],
)
def test_a_header_that_cannot_be_written_leaves_nothing_behind(fits, header, kind):
    with pytest.raises(kind):
        fits.write_image(PIXELS, header=header)
    assert fits.to_bytes() == b""
    with pytest.raises(kind):
        fits.write_image(PIXELS, header=header, compress="GZIP_1")
    assert fits.to_bytes() == b""


@pytest.mark.parametrize("ncards", [0, 3, 40, 200])
@pytest.mark.parametrize("scaled", [False, True])
def test_one_call_equals_creating_writing_and_updating(ncards, scaled):
    header = {f"KEY{number}": (number, "a comment") for number in range(ncards)}
    given = {**header, "BSCALE": 2.0, "BZERO": 5.0} if scaled else header
    pixels = PIXELS.astype("u2")
    with FITS("mem://", "w+") as one, FITS("mem://", "w+") as other:
        one.write_image(PIXELS)
        one.write_image(pixels, extname="SCI", blank=7, header=given)
        other.write_image(PIXELS)
        other.create_image_hdu(pixels.dtype, pixels.shape, extname="SCI", blank=7)
        other[1].write(pixels)
        other[1].header.update(header)
        assert one.to_bytes() == other.to_bytes()


def test_pixels_are_written_once_and_never_moved(tmp_path, monkeypatch):
    written = []
    write, move = LocalStorage._write, LocalStorage.move
    monkeypatch.setattr(
        LocalStorage, "_write", lambda self, at, data: written.append(data.nbytes) or write(self, at, data)
    )
    monkeypatch.setattr(LocalStorage, "move", lambda self, *at: written.append(at[2]) or move(self, *at))
    pixels = np.ones((500, 1000), dtype="i4")
    with FITS(tmp_path / "x.fits", "w+") as fits:
        fits.write_image(pixels, header={f"KEY{number}": number for number in range(100)})
    assert pixels.nbytes <= sum(written) < pixels.nbytes + 10 * 2880


# -- compressed images -------------------------------------------------------------------------------------------------


def test_a_compressed_image_gets_an_empty_primary_before_it(fits):
    hdu = fits.write_image(PIXELS, compress="GZIP_1", extname="Z", header={"OBJECT": "M 31"})
    assert isinstance(hdu, CompressedImageHDU)
    assert (len(fits), hdu.index) == (2, 1)
    assert keys(fits[0]) == ["SIMPLE", "BITPIX", "NAXIS", "EXTEND", "END"]
    assert (hdu.read() == PIXELS).all()
    assert hdu.header["OBJECT"] == "M 31"
    fits.write_image(PIXELS, compress="gzip ")
    assert len(fits) == 3
    assert (FITS.from_bytes(fits.to_bytes())["Z"].read() == PIXELS).all()


def test_a_compressed_image_may_be_created_empty_and_take_pixels_later(fits):
    fits.create_image_hdu("i2", (3, 4), compress="GZIP_2")
    with pytest.raises(ValueError, match="has no data in any of"):
        fits[1].read()
    fits[1].write(PIXELS)
    assert (fits[1].read() == PIXELS).all()


def test_a_compressed_image_takes_arrays_with_holes(fits):
    assert (fits.write_image(PIXELS[:, ::2], compress="GZIP_1").read() == PIXELS[:, ::2]).all()


class Failing(Gzip1):
    def encode(self, batch):
        raise TileEncodeError(self.zcmptype, 0, "no such pixels")


def test_pixels_that_cannot_be_compressed_leave_nothing_behind(fits, tmp_path):
    fits.write_image(PIXELS)
    with FITS("mem://", "w+") as empty, FITS(tmp_path / "x.fits", "w+") as local:
        for each in (fits, empty, local):
            before = each.to_bytes()
            with pytest.raises(TileEncodeError, match="no such pixels"):
                each.write_image(PIXELS, compress=Failing(), header={"A": 1})
            assert each.to_bytes() == before
            assert len(each) == len(list(each)) == len(before) // (2 * 2880)
            each.write_image(PIXELS, compress="GZIP_1")
            assert (each[1].read() == PIXELS).all()


def test_other_readers_read_and_check_what_is_written(tmp_path):
    fitsio = pytest.importorskip("fitsio", reason="the peer fitsio is not installed")
    path = tmp_path / "x.fits"
    with FITS(path, "w+") as fits:
        fits.write_image(PIXELS, extname="A", header={"OBJECT": "M 31"})
        for dtype in DTYPES:
            fits.write_image(np.arange(1000).reshape(10, 100).astype(dtype), extname=f"P{dtype}")
        fits.write_image(PIXELS, extname="Z", compress="GZIP_2")
    with fitsio.FITS(str(path)) as theirs:
        assert (theirs["A"].read() == PIXELS).all()
        assert (theirs["Z"].read() == PIXELS).all()
        for dtype in DTYPES:
            assert (theirs[f"P{dtype}"].read() == np.arange(1000).reshape(10, 100).astype(dtype)).all()
    program = shutil.which("fitsverify")
    if program is not None:
        found = subprocess.run([program, "-q", str(path)], capture_output=True, text=True, check=False)
        assert found.stdout.startswith("verification OK"), found.stdout


# -- growing files -----------------------------------------------------------------------------------------------------


def test_images_are_added_to_files_others_wrote(tmp_path):
    astropy = pytest.importorskip("astropy.io.fits", reason="the peer astropy is not installed")
    path = tmp_path / "x.fits"
    table = astropy.BinTableHDU.from_columns([astropy.Column("a", "J", array=[1, 2, 3])], name="T")
    astropy.HDUList([astropy.PrimaryHDU(PIXELS), table]).writeto(path)
    before = path.read_bytes()
    with FITS(path, "r+") as fits:
        fits.write_image(PIXELS + 1, extname="NEW")
    assert path.read_bytes()[: len(before)] == before
    with astropy.open(path) as theirs:
        assert (theirs["NEW"].data == PIXELS + 1).all()
        assert theirs["T"].data["a"].tolist() == [1, 2, 3]


def test_a_full_disk_leaves_file_and_handle_as_they_were(tmp_path, monkeypatch):
    write = os.pwrite
    left = [0]

    def fill_up(descriptor, data, offset):
        if len(data) > left[0]:
            raise OSError(28, "No space left on device")
        left[0] -= len(data)
        return write(descriptor, data, offset)

    with FITS(tmp_path / "x.fits", "w+") as fits:
        fits.write_image(PIXELS)
        before = fits.to_bytes()
        for left[0] in (0, 3000, 200_000):
            with monkeypatch.context() as patch:
                patch.setattr(system, "pwrite", fill_up)
                with pytest.raises(OSError, match="No space left"):
                    fits.write_image(np.ones((500, 1000)), header={"A": 1}, extname="NEW")
            assert fits.to_bytes() == before
            assert len(fits) == 1
        fits.write_image(PIXELS + 1)
    assert len(FITS(tmp_path / "x.fits")) == 2


def test_an_image_too_large_for_the_disk_changes_nothing(tmp_path):
    with FITS(tmp_path / "x.fits", "w+") as fits:
        fits.write_image(PIXELS)
        before = fits.to_bytes()
        with pytest.raises((FitsError, OverflowError)):
            fits.create_image_hdu("u1", (1 << 62,))
        assert fits.to_bytes() == before
        assert len(fits) == 1


# -- write -------------------------------------------------------------------------------------------------------------


def test_write_chooses_by_the_kind_of_data(fits):
    fits.write(PIXELS, extname="A", header={"B": 1})
    with FITS("mem://", "w+") as other:
        other.write_image(PIXELS, extname="A", header={"B": 1})
        assert fits.to_bytes() == other.to_bytes()
    fits.write(np.ma.masked_array(PIXELS))
    for data in (5, [1, 2], None, "text", (PIXELS,)):
        with pytest.raises(ImageError, match=r"write_image.*write_table"):
            fits.write(data)
    assert len(fits) == 2


class Frame:
    """What data frames have."""

    def __arrow_c_stream__(self, requested_schema=None):
        raise AssertionError("nobody is there to ask for it")


def test_tables_need_their_package(fits, no_kinds):
    rows = np.zeros(3, dtype=[("a", "i4")])
    for act in (
        lambda: fits.write(Frame()),
        lambda: fits.write(rows),
        lambda: fits.write({"a": np.zeros(3)}),
        lambda: fits.write_table([np.zeros(3)], names=["a"]),
        lambda: fits.create_table_hdu([("a", "i4")], 5, extname="T"),
        lambda: fits.create_ascii_table_hdu([("a", "i4")]),
    ):
        with pytest.raises(NotSupported, match=r"package rustfits-tables, .* try: pip install "):
            act()
    assert fits.to_bytes() == b""
