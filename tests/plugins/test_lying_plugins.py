"""Kinds of HDU and storages that lie: an error that names them, and neither the file nor another HDU is harmed."""

import types

import numpy as np
import pytest

import rustfits
from rustfits.codec import registry
from rustfits.hdu import kinds
from rustfits.plugin import HDU, Cards, HDUKind, NewHDU, Storage

PIXELS = np.arange(60, dtype="i2").reshape(6, 10)
ORIGIN = types.SimpleNamespace(origin="lies 1.0")


def cards(*, naxis1=4, bitpix=8):
    return Cards.build(
        [("XTENSION", "LIE"), ("BITPIX", bitpix), ("NAXIS", 1), ("NAXIS1", naxis1), ("PCOUNT", 0), ("GCOUNT", 1)]
    )


class Liar(HDUKind):
    """Right, but for the methods that are given."""

    def __init__(self, **methods):
        vars(self).update(methods)

    def match(self, cards, primary):
        return 50

    def hdu_class(self, cards):
        return HDU

    def takes(self, data):
        return 30

    def write(self, data, **options):
        return NewHDU(cards(), None)


@pytest.fixture
def with_kind(monkeypatch):
    def with_kind(**methods):
        monkeypatch.setattr(registry, "hdu_kinds", lambda wanted, **how: [(ORIGIN, Liar(**methods))])
        monkeypatch.setattr(kinds, "_offered", frozenset({"LIE"}))

    return with_kind


def a_file(*more):
    with rustfits.FITS("mem://", "w+") as fits:
        fits.write_image(PIXELS)
        raw = fits.to_bytes()
    for part in more:
        raw += part
    return bytes(raw)


def failing(*args, **options):
    raise KeyError("a fault of the kind")


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"match": failing}, r"match of a kind of HDU of lies 1.0 failed \(KeyError"),
        ({"match": lambda *_: "much"}, "match .* lies 1.0 returned 'much'; it must return an int"),
        ({"match": lambda *_: None}, "match .* lies 1.0 returned None; it must return an int"),
        ({"hdu_class": failing}, r"hdu_class of a kind of HDU of Liar failed \(KeyError"),
        ({"hdu_class": lambda *_: int}, "Liar chose .*int"),
        ({"hdu_class": lambda *_: "HDU"}, "Liar chose 'HDU'"),
    ],
)
def test_a_kind_that_lies_of_headers_is_named_and_the_other_hdus_are_read(with_kind, methods, said):
    with_kind(**methods)
    raw = a_file(cards().encode(), bytes(2880))
    with rustfits.FITS.from_bytes(raw, "r+") as fits:
        with pytest.raises(rustfits.PluginError, match=said):
            fits[1]
        np.testing.assert_array_equal(fits[0].read(), PIXELS)
        assert fits.to_bytes() == raw


@pytest.mark.parametrize(
    ("methods", "error"),
    [
        ({"takes": failing}, rustfits.PluginError),
        ({"takes": lambda _: "yes"}, rustfits.PluginError),
        ({"write": failing}, KeyError),
        ({"write": lambda *_, **options: None}, rustfits.PluginError),
        ({"write": lambda *_, **options: NewHDU("cards")}, rustfits.PluginError),
        ({"write": lambda *_, **options: NewHDU(cards(), "fill")}, rustfits.PluginError),
        ({"write": lambda *_, **options: NewHDU(cards(), failing)}, KeyError),
        ({"write": lambda *_, **options: NewHDU(cards(naxis1=-5))}, rustfits.FitsError),
        ({"write": lambda *_, **options: NewHDU(cards(bitpix=7))}, rustfits.FitsError),
        ({"write": lambda *_, **options: NewHDU(cards(naxis1=1 << 62))}, rustfits.FitsError),
    ],
)
def test_a_kind_that_fails_to_write_leaves_the_file_as_it_was(with_kind, methods, error):
    with_kind(**methods)
    raw = a_file()
    with rustfits.FITS.from_bytes(raw, "r+") as fits:
        with pytest.raises(error):
            fits.write("what a kind takes")
        assert fits.to_bytes() == raw
        assert len(fits) == 1


class Bytes(Storage):
    """A storage of some bytes, changed in memory."""

    name = "lies"
    writable = True

    def __init__(self, content):
        self.content = bytearray(content)

    def size(self):
        return len(self.content)

    def _read_into(self, offset, target):
        found = self.content[offset : offset + len(target)]
        target[: len(found)] = found
        return len(found)

    def _write(self, offset, data):
        self.content[offset : offset + len(data)] = data

    def _truncate(self, nbytes):
        self.content[nbytes:] = bytes(max(nbytes - len(self.content), 0))


@pytest.mark.parametrize("lie", [lambda n: n + 1, lambda n: -n, lambda n: None, lambda n: "many"])
def test_a_storage_that_lies_of_what_it_read_is_named(lie):
    class Lies(Bytes):
        def _read_into(self, offset, target):
            found = super()._read_into(offset, target)
            return lie(found) if self.lying else found

        lying = False

    storage = Lies(a_file())
    with rustfits.FITS.from_storage(storage) as fits:
        storage.lying = True
        with pytest.raises(rustfits.PluginError, match=r"Lies of lies read .* bytes, where 120 were asked for"):
            fits[0].read()
        storage.lying = False
        np.testing.assert_array_equal(fits[0].read(), PIXELS)


def test_a_storage_that_reads_fewer_bytes_is_cut():
    class Lies(Bytes):
        def _read_into(self, offset, target):
            return super()._read_into(offset, target[: len(target) // 2])

    with pytest.raises(rustfits.FitsError):
        rustfits.FITS.from_storage(Lies(a_file()))[0].read()


@pytest.mark.parametrize("size", [-1, None, "many", 1.5])
def test_a_storage_without_a_size_is_named(size):
    storage = Bytes(a_file())
    storage.size = lambda: size
    with pytest.raises(rustfits.PluginError, match="Bytes of lies says that its size is"):
        rustfits.FITS.from_storage(storage)


@pytest.mark.parametrize("size", [0, 2880, 5000, 1 << 62])
def test_a_size_that_is_not_true_is_an_error_or_the_pixels(size):
    storage = Bytes(a_file())
    storage.size = lambda: size
    try:
        with rustfits.FITS.from_storage(storage) as fits:
            np.testing.assert_array_equal(fits[0].read(), PIXELS)
    except rustfits.FitsError:
        pass


@pytest.mark.parametrize("good", range(6))
def test_a_storage_that_fails_while_it_writes_is_put_back(good):
    class Fails(Bytes):
        left = good
        failed = False

        def _write(self, offset, data):
            if not self.left and not self.failed:
                self.failed = True
                super()._write(offset, data[: len(data) // 2])
                raise KeyError("a fault of the storage")
            self.left -= 1
            super()._write(offset, data)

    raw = a_file()
    storage = Fails(raw)
    with rustfits.FITS.from_storage(storage, "r+") as fits:
        try:
            fits.write_image(PIXELS, compress="GZIP_2")
        except (KeyError, rustfits.FitsError):
            assert bytes(storage.content) == raw
        np.testing.assert_array_equal(fits[0].read(), PIXELS)
