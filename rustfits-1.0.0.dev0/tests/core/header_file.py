"""A file of some HDUs, whose headers are compared with what is on the disk."""

from rustfits.header.cards import Cards
from rustfits.header.header import FITSHeader
from rustfits.header.state import HeaderState
from rustfits.storage.extent import BLOCK
from rustfits.storage.memory import MemoryStorage
from rustfits.storage.openfile import OpenFile

PRIMARY = [("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", 10), ("EXTEND", True)]
EXTENSION = [("XTENSION", "IMAGE"), ("BITPIX", 8), ("NAXIS", 1), ("NAXIS1", 10), ("PCOUNT", 0), ("GCOUNT", 1)]


class FailingStorage(MemoryStorage):
    """Writes until told not to."""

    writes_left = 10**9

    def _write(self, offset, data):
        if not self.writes_left:
            raise OSError(28, "No space left on device")
        self.writes_left -= 1
        super()._write(offset, data)


class Handle:
    """A file of some HDUs, each with ten bytes of data, and a header state for each."""

    def __init__(self, *more):
        self.storage = FailingStorage()
        self.file = OpenFile(self.storage, "name.fits", "w+")
        self.states = []
        for index, entries in enumerate([PRIMARY, *more]):
            cards = Cards.build(entries)
            with self.file.changing():
                extent = self.file.append(cards.encode(), 10)
                self.storage.write(extent.data_start, bytes([index + 1]) * 10)
            self.states.append(HeaderState(self.file, extent, cards))
            self.states[-1].index = index
        self.headers = [FITSHeader._of(state) for state in self.states]

    def on_disk(self, index):
        extent = self.file.extents[index]
        return Cards.parse(bytes(self.storage.read(extent.header_start, extent.data_start - extent.header_start)))

    def check(self):
        """What is shown is what is on disk, and the data stand behind it."""
        for index, (extent, header) in enumerate(zip(self.file.extents, self.headers, strict=True)):
            assert self.on_disk(index).lines() == header.cards
            assert bytes(self.storage.read(extent.data_start, 10)) == bytes([index + 1]) * 10
            assert extent.data_start % BLOCK == extent.header_start % BLOCK == 0
        assert self.storage.size() == self.file.extents[-1].stop
