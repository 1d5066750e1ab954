"""What may stand in a file, and what is refused: damaged, hostile and unusual files."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rustfits.container.fitsfile import FITS
from rustfits.container.scan import data_size, quick_size
from rustfits.errors import FitsError, HeaderError, LimitExceeded, NotAFitsBuffer, NotAFitsFile, TruncatedFile
from rustfits.hdu import table
from rustfits.hdu.base import HDU
from rustfits.hdu.compressed.compressed import CompressedImageHDU
from rustfits.hdu.image.image import ImageHDU
from rustfits.header.cards import Cards
from rustfits.storage.memory import MemoryStorage

BLOCK = 2880


def header(*cards):
    raw = b"".join(card.encode("latin-1").ljust(80) for card in (*cards, "END"))
    return raw.ljust(-(-len(raw) // BLOCK) * BLOCK)


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def image(*shape, bitpix=8, first="SIMPLE  =                    T", extra=()):
    axes = [f"NAXIS{number:<3}= {axis}" for number, axis in enumerate(reversed(shape), 1)]
    nbytes = abs(bitpix) // 8
    for axis in shape:
        nbytes *= axis
    return header(first, f"BITPIX  = {bitpix}", f"NAXIS   = {len(shape)}", *axes, *extra) + padded(bytes(nbytes))


EMPTY = header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
EXTENSION = "XTENSION= 'IMAGE   '"


@pytest.mark.parametrize("nbytes", [0, 1, 23, BLOCK - 1])
def test_less_than_a_block_is_no_fits_file(tmp_path, nbytes):
    path = tmp_path / "short.fits"
    path.write_bytes(bytes(nbytes))
    for mode in ("r", "r+"):
        with pytest.raises(NotAFitsFile, match=f"{path} is not a valid FITS file.*{nbytes} bytes") as caught:
            FITS(path, mode)
    assert isinstance(caught.value, OSError)
    assert ("empty" in str(caught.value)) == (nbytes == 0)
    with pytest.raises(NotAFitsBuffer, match="not a valid FITS") as caught:
        FITS.from_bytes(bytes(nbytes))
    assert isinstance(caught.value, ValueError)


def test_a_header_without_end_is_a_truncated_file():
    for raw in (
        header("SIMPLE  = T", "ENDIAN  = 1").replace(b"END  ", b"     "),
        EMPTY[:80] * 36 * 50,
    ):
        with pytest.raises(TruncatedFile, match="truncated FITS file") as caught:
            FITS.from_bytes(raw)
        assert isinstance(caught.value, OSError)
    for last in (image(5, first=EXTENSION)[:BLOCK].replace(b"END  ", b"     "), image(5, first=EXTENSION)[:1000]):
        fits = FITS.from_bytes(image(5) + last)
        assert (len(fits), fits[0].shape) == (1, (5,))
        assert isinstance(fits.damage, TruncatedFile)
        assert "truncated FITS file" in str(fits.damage)


def test_only_a_keyword_that_is_exactly_end_ends_a_header():
    fits = FITS.from_bytes(
        header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "ENDIAN  = 'x'", "COMMENT  END     END     ")
    )
    assert fits[0].header["ENDIAN"] == "x"


@pytest.mark.parametrize("ncards", [30, 36, 37, 140, 145, 5000])
def test_headers_of_any_length_are_found_whole(ncards):
    cards = [f"K{number:<7}= {number}" for number in range(ncards)]
    raw = b"".join(card.encode().ljust(80) for card in ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", *cards, "END"])
    fits = FITS.from_bytes(raw.ljust(-(-len(raw) // BLOCK) * BLOCK) + image(3, first=EXTENSION))
    assert fits[0].header[f"K{ncards - 1}"] == ncards - 1
    assert fits[1].shape == (3,)


@pytest.mark.parametrize(("nbytes", "error"), [(20 << 20, TruncatedFile), (200 << 20, LimitExceeded)])
def test_a_large_file_without_end_costs_no_memory(tmp_path, nbytes, error):
    path = tmp_path / "large.fits"
    with path.open("wb") as file:
        file.write(EMPTY[:240])
        file.truncate(nbytes)
    tracemalloc.start()
    with pytest.raises(error):
        FITS(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_the_first_keyword_is_simple_then_xtension():
    for raw in (header("XTENSION= 'IMAGE'"), b"x" * BLOCK, bytes(BLOCK), header("SIMPLEX = T")):
        with pytest.raises(HeaderError, match="must start with SIMPLE"):
            FITS.from_bytes(raw)
    for raw in (EMPTY, bytes(BLOCK) + EMPTY, b"\n" * 3000):
        fits = FITS.from_bytes(EMPTY + raw)
        with pytest.raises(HeaderError, match=r"must start with XTENSION.*HDU 1"):
            list(fits)


def test_less_than_a_block_at_the_end_is_ignored():
    assert len(FITS.from_bytes(EMPTY + b"junk" * 500)) == 1
    assert len(FITS.from_bytes(image(5) + bytes(BLOCK - 1))) == 1


@pytest.mark.parametrize(
    "cards",
    [
        [],
        ["BITPIX  = 8"],
        ["NAXIS   = 0"],
        ["BITPIX  = 'x'", "NAXIS   = 0"],
        ["BITPIX  = 7", "NAXIS   = 0"],
        ["BITPIX  = 8.0", "NAXIS   = 0"],
        ["BITPIX  = 8", "NAXIS   = T"],
        ["BITPIX  = 8", "NAXIS   = -1"],
        ["BITPIX  = 8", "NAXIS   = 1000"],
        ["BITPIX  = 8", "NAXIS   = 99999999999999999999"],
        ["BITPIX  = 8", "NAXIS   = 1"],
        ["BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 3"],
        ["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = -3"],
        ["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  ="],
        ["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 'many'"],
        ["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 3", "PCOUNT  = -1"],
        ["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 3", "GCOUNT  = -1"],
        ["BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 9223372036854775808"],
        ["BITPIX  = 64", "NAXIS   = 2", "NAXIS1  = 4294967296", "NAXIS2  = 4294967296"],
    ],
)
def test_a_header_that_does_not_say_how_large_its_data_are_is_refused(cards):
    with pytest.raises(HeaderError, match="HDU 0 of mem://"):
        FITS.from_bytes(header("SIMPLE  = T", *cards))


def test_absurd_axes_open_and_cost_nothing_until_read():
    assert FITS.from_bytes(header(*_axes((1,))) + bytes(BLOCK))[0].read() == [0]  # loads the modules that reading needs
    for shape in ((1 << 40,), (1 << 30, 1 << 30), (10**6, 10**6, 10**6)):
        raw = header(*_axes(shape))
        fits = FITS.from_bytes(raw)
        assert fits[0].shape == shape
        tracemalloc.start()
        with pytest.raises(OSError, match="truncated"):
            fits[0].read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20


def _axes(shape):
    numbered = [f"NAXIS{number:<3}= {axis}" for number, axis in enumerate(reversed(shape), 1)]
    return ["SIMPLE  = T", "BITPIX  = 8", f"NAXIS   = {len(shape)}", *numbered]


def test_a_truncated_data_unit_opens_and_fails_when_read():
    raw = EMPTY + image(100, 100, bitpix=16, first=EXTENSION)
    fits = FITS.from_bytes(raw[:-BLOCK])
    assert len(fits) == 2
    assert fits[1].shape == (100, 100)
    with pytest.raises(OSError, match="truncated"):
        fits[1].read()
    only_padding_missing = FITS.from_bytes(raw[: 2 * BLOCK + 20000])
    assert only_padding_missing[1].read().shape == (100, 100)


def test_sizes_follow_pcount_gcount_and_random_groups():
    extension = header(
        EXTENSION, "BITPIX  = 16", "NAXIS   = 2", "NAXIS1  = 10", "NAXIS2  = 100", "PCOUNT  = 500", "GCOUNT  = 2"
    )
    fits = FITS.from_bytes(EMPTY + extension + padded(bytes(2 * 2 * 1500)) + image(1, first=EXTENSION))
    assert len(fits) == 3
    groups = header(
        "SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 3", "NAXIS1  = 0", "NAXIS2  = 100", "NAXIS3  = 10",
        "GROUPS  = T", "PCOUNT  = 5", "GCOUNT  = 3",
    )  # fmt: skip
    fits = FITS.from_bytes(groups + padded(bytes(2 * 3 * 1005)) + image(1, first=EXTENSION))
    assert len(fits) == 2
    assert fits[0].header["GROUPS"] is True


def test_the_class_of_an_hdu_follows_its_header(no_kinds):
    def extension(kind, *cards):
        return header(f"XTENSION= '{kind:8}'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 0", "NAXIS2  = 0", *cards)

    fits = FITS.from_bytes(
        b"".join(
            [
                EMPTY,
                extension("IMAGE"),
                extension("BINTABLE", "ZIMAGE  = T"),
                extension("BINTABLE", "ZTABLE  = T"),
                extension("BINTABLE", "ZIMAGE  = F"),
                extension("TABLE"),
                extension("FOREIGN"),
                extension("bintable"),
            ]
        )
    )
    assert [type(hdu) for hdu in fits] == [
        ImageHDU,
        ImageHDU,
        CompressedImageHDU,
        table.ClosedCompressedTableHDU,
        table.ClosedTableHDU,
        table.ClosedAsciiTableHDU,
        HDU,
        HDU,
    ]
    assert not hasattr(fits[6], "read")


def test_the_first_of_two_cards_counts():
    fits = FITS.from_bytes(
        header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "BITPIX  = 16", "KEY     = 1", "KEY     = 2")
    )
    assert fits[0].header["KEY"] == 1
    assert fits[0].bitpix == 8


def test_bytes_that_are_no_text_are_refused_unless_lenient():
    raw = header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "NAME    = 'J\xf6rg'", "TAB     = 'a\tb'")
    with pytest.raises(HeaderError, match=r"non-printable byte.*0xF6.*lenient=True.*HDU 0"):
        FITS.from_bytes(raw, lenient=False)
    for lenient in (True, None):
        fits = FITS.from_bytes(raw, lenient=lenient)
        assert fits[0].header["NAME"] == "J_rg"
        assert fits[0].header["TAB"] == "a_b"
        assert fits.to_bytes() == raw


@pytest.mark.parametrize(("npixels", "nhdus", "most_reads"), [(9000, 2000, 1001), (50_000, 300, 301)])
def test_an_hdu_costs_one_short_read_at_most_and_its_data_none(monkeypatch, npixels, nhdus, most_reads):
    raw = EMPTY + b"".join(image(npixels, first=EXTENSION, extra=(f"EXTNAME = 'E{n}'",)) for n in range(nhdus))
    asked = []
    read = MemoryStorage.read
    monkeypatch.setattr(MemoryStorage, "read", lambda self, *at: asked.append(at) or read(self, *at))
    fits = FITS.from_bytes(raw)
    assert len(fits) == nhdus + 1
    assert len(asked) <= most_reads
    assert max(nbytes for _, nbytes in asked) <= 8 * BLOCK
    assert fits[f"E{nhdus - 1}"] is fits[-1]
    assert len(asked) <= most_reads


def test_headers_of_any_length_anywhere_in_what_was_read_are_found():
    for ncards in (1, 30, 36 * 7 - 5, 36 * 7 + 30, 36 * 40):
        extra = [f"K{number:<7}= {number:>20}" for number in range(ncards)]
        raw = EMPTY + b"".join(image(3000, first=EXTENSION, extra=(*extra, f"EXTNAME = 'E{n}'")) for n in range(6))
        with FITS.from_bytes(raw) as fits:
            assert [hdu.extname for hdu in fits][1:] == [f"E{n}" for n in range(6)]
            assert all(hdu.header[f"K{ncards - 1}"] == ncards - 1 for hdu in fits.hdus[1:])


def test_many_small_hdus_are_found_each_in_its_place(monkeypatch):
    shapes = [(1,), (7,), (2, 9), (3000,), (5, 40, 60), (0,), (7,)]
    hdus = [image(*shapes[n * n % 7], first=EXTENSION, extra=["COMMENT"] * (n % 80)) for n in range(400)]
    asked = []
    read = MemoryStorage.read
    monkeypatch.setattr(MemoryStorage, "read", lambda self, *at: asked.append(at) or read(self, *at))
    raw = EMPTY + b"".join(hdus)
    fits = FITS.from_bytes(raw)
    assert len(asked) < len(hdus) // 3
    start = BLOCK
    for number, (extent, hdu) in enumerate(zip(fits._file.extents[1:], hdus, strict=True)):
        assert (extent.header_start, extent.stop) == (start, start + len(hdu))
        assert fits[number + 1].shape == shapes[number * number % 7]
        assert fits[number + 1].header.cards.count("COMMENT") == number % 80
        start = extent.stop
    place = raw.index(b"COMMENT", fits._file.extents[300].header_start)
    fits = FITS.from_bytes(raw[: place + 8] + b"\7" + raw[place + 9 :], lenient=False)
    with pytest.raises(HeaderError, match=r"non-printable byte 0x07.*HDU 300 of mem"):
        fits[300]


NUMBERS = st.sampled_from(
    ["0", "1", "2", "3", "8", "16", "-32", "-64", "7", "12", "1 2", "- 8", "", "+4", "9" * 18, "1.0"]
)


@settings(max_examples=300)
@given(
    keys=st.permutations(["BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT"]) | st.just(None),
    values=st.lists(NUMBERS, min_size=6, max_size=6)
    | st.tuples(
        st.sampled_from(["8", "-32"]), st.just("2"), *[st.sampled_from(["0", "1", "7", "12", "-1", "1 2"])] * 4
    ),
    comment=st.sampled_from(["", " / what it is", "/ it", " x"]),
    width=st.sampled_from([20, 20, 20, 21, 5]),
    primary=st.booleans(),
)
def test_the_quick_look_at_a_header_finds_the_size_that_a_long_one_finds(keys, values, comment, width, primary):
    keys = keys or ["BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT"]
    cards = [f"{key:<8}= {value:>{width}}{comment}" for key, value in zip(keys, values, strict=True)]
    raw = header("SIMPLE  =                    T" if primary else EXTENSION, *cards)
    found = quick_size(raw, primary=primary)
    if found is not None:
        assert found == data_size(Cards.parse(raw), primary=primary)


def test_the_quick_look_suffices_for_usual_headers():
    sized = [f"BITPIX  = {-32:20}", f"NAXIS   = {2:20} / axes", f"NAXIS1  = {7:20}", f"NAXIS2  = {5:20}"]
    counts = [f"PCOUNT  = {3:20}", f"GCOUNT  = {1:20}"]
    assert quick_size(header("SIMPLE  =                    T", *sized), primary=True) == 140
    assert quick_size(header(EXTENSION, *sized, *counts), primary=False) == 152
    assert quick_size(header("SIMPLE  =                    T", *sized, *counts), primary=True) is None


@settings(max_examples=150)
@given(
    data=st.data(),
    raw=st.sampled_from(
        [
            EMPTY + image(10, 20, bitpix=16, first=EXTENSION),
            image(3, bitpix=-32) + image(5, first=EXTENSION),
        ]
    ),
)
def test_damaged_files_open_or_raise_our_errors(data, raw):
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(raw) - 1))
        damaged[position] = data.draw(st.sampled_from(b"0123456789 '=TF/-E\x00\xff"))
    del damaged[data.draw(st.integers(BLOCK, len(raw))) :]
    try:
        fits = FITS.from_bytes(damaged, lenient=data.draw(st.booleans()))
        for hdu in fits:
            repr(hdu)
            if isinstance(hdu, ImageHDU):
                hdu.read()
    except FitsError:
        pass
