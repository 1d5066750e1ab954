"""The contract of a codec, as tests. What is not tested here is not promised.

A subclass in a test module inherits them all:

    class TestZstd1(CodecConformance):
        codec = Zstd1(level=5)
"""

# ruff: noqa: D102 - the names of tests say what they check

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from rustfits import CodecError, TileDecodeError, codecs
from rustfits.plugin import API_VERSION, PixelBatch, TileBatch, TileCodec, codec_class
from rustfits_testing.samples import KINDS, Guarded, batch_of, join_tiles, sample, shapes_for, starts_of

PIXEL_DTYPES = ("u1", "i2", "i4", "i8", "f4", "f8")
Shape = tuple[int, ...]


class CodecConformance:
    """Checks that every codec must pass.

    Attributes
    ----------
    codec : TileCodec
        To be set.
    limits : (int, int) or None
        Smallest and largest integer that the algorithm holds, where it holds fewer than its pixel dtypes do.
    """

    codec: ClassVar[TileCodec]
    limits: ClassVar[tuple[int, int] | None] = None

    def encode(self, pixels: NDArray[Any]) -> bytes:
        """Return the bytes of one tile, an array of its shape and `decoded_dtype`.

        To be overridden with an independent encoder where there is one; a codec that agrees with itself alone may be
        wrong twice.
        """
        return self._encoded([pixels])[0]

    # -- what a subclass need not know ----------------------------------------------------------------------------

    def _stored(self) -> list[str]:
        quantized = ["i4"] if self.codec.quantizable else []
        return list(dict.fromkeys([*self.codec.pixel_dtypes, *quantized]))

    def _tile(self, stored: str, kind: str, shape: Shape, seed: int = 0) -> NDArray[Any]:
        decoded = self.codec.decoded_dtype(np.dtype(stored))
        return sample(stored, kind, shape, seed, self.limits, negative=self.codec.negative).astype(decoded)

    def _shapes(self) -> list[Shape]:
        return shapes_for(self.codec.tile_ndim, self.codec.min_tile_axis)

    def _encoded(self, tiles: Sequence[NDArray[Any]]) -> list[bytes]:
        encoded = self.codec.encode(batch_of(tiles))
        stop = np.cumsum(encoded.length)
        assert encoded.data.dtype == np.uint8
        assert encoded.length.dtype == np.int64
        assert encoded.length.size == len(tiles)
        assert encoded.data.size == encoded.length.sum()
        return [encoded.data[end - length : end].tobytes() for end, length in zip(stop, encoded.length, strict=True)]

    def _decoded(self, blobs: Sequence[bytes], shapes: Sequence[Shape], dtype: np.dtype[Any]) -> list[NDArray[Any]]:
        guarded = Guarded(shapes, dtype)
        self.codec.decode(join_tiles(blobs, shapes), guarded.out)
        guarded.check()
        return guarded.tiles()

    def _check(self, decoded: NDArray[Any], tile: NDArray[Any]) -> None:
        assert decoded.shape == tile.shape
        if self.codec.lossless:  # compared as bytes: NaN and -0.0 count
            assert decoded.tobytes() == tile.tobytes()

    def _round_trip(self, tiles: Sequence[NDArray[Any]]) -> None:
        decoded = self._decoded(self._encoded(tiles), [tile.shape for tile in tiles], tiles[0].dtype)
        for found, tile in zip(decoded, tiles, strict=True):
            self._check(found, tile)

    # -- what the class says of itself ----------------------------------------------------------------------------

    def test_abilities_are_declared_in_the_words_of_the_contract(self) -> None:
        codec = self.codec
        assert codec.zcmptype == codec.zcmptype.strip().upper() != ""
        assert codec.zcmptype.isascii()
        assert len(codec.zcmptype) <= 68, "a string card holds 68 characters"
        assert codec.pixel_dtypes
        assert set(codec.pixel_dtypes) <= set(PIXEL_DTYPES)
        assert codec.descriptor_type in ("B", "I")
        assert codec.tile_ndim is None or codec.tile_ndim >= 1
        assert codec.min_tile_axis >= 1
        assert codec.api_version == API_VERSION

    def test_the_installed_name_gives_this_class(self) -> None:
        if self.codec.zcmptype not in codecs():
            pytest.skip(f"no distribution that offers {self.codec.zcmptype} is installed")
        assert codec_class(self.codec.zcmptype) is type(self.codec)

    def test_parameters_cannot_be_changed(self) -> None:
        for name in ("tile_shape", "zcmptype", "anything"):
            with pytest.raises(AttributeError):
                setattr(self.codec, name, None)

    def test_parameters_are_given_by_keyword(self) -> None:
        with pytest.raises(TypeError):
            type(self.codec)((4, 4))  # type: ignore[call-arg]

    def test_equal_parameters_make_equal_codecs(self) -> None:
        cls = type(self.codec)
        tile = self._shapes()[0]
        assert cls(tile_shape=tile) == cls(tile_shape=list(tile), heap_format="p")
        assert hash(cls(tile_shape=tile)) == hash(cls(tile_shape=np.array(tile)))  # type: ignore[arg-type]
        assert cls(tile_shape=tile) != cls(tile_shape=tile, heap_format="Q")
        different: object = self.codec.zcmptype
        assert self.codec != different

    def test_copies_and_pickles_are_equal(self) -> None:
        assert pickle.loads(pickle.dumps(self.codec)) == self.codec
        assert copy.deepcopy(self.codec) == self.codec

    def test_the_repr_builds_an_equal_codec(self) -> None:
        cls = type(self.codec)
        assert eval(repr(self.codec), {cls.__name__: cls}) == self.codec

    # -- what the header says -------------------------------------------------------------------------------------

    def test_parameters_survive_the_header(self) -> None:
        for stored in self._stored():
            pixel = np.dtype(stored)
            said = self.codec.parameters(pixel)
            assert all(name == name.strip().upper() and name.isascii() for name in said)
            assert all(isinstance(value, int | float | bool | str) for value in said.values())
            rebuilt = type(self.codec).from_parameters(said, tile_shape=(4, 4), heap_format="Q")
            assert (rebuilt.tile_shape, rebuilt.heap_format) == ((4, 4), "Q")
            assert rebuilt.parameters(pixel) == said
            assert rebuilt.decoded_dtype(pixel) == self.codec.decoded_dtype(pixel)

    def test_a_codec_built_from_a_header_reads_what_this_one_writes(self) -> None:
        for stored in self._stored():
            tiles = [self._tile(stored, "noise", shape) for shape in self._shapes()]
            for tile, blob in zip(tiles, (self._encoded([tile])[0] for tile in tiles), strict=True):
                rebuilt = type(self.codec).from_parameters(self.codec.parameters(np.dtype(stored)))
                out = np.empty(tile.size, dtype=tile.dtype)
                rebuilt.decode(join_tiles([blob], [tile.shape]), out)
                self._check(out.reshape(tile.shape), tile)

    def test_unknown_parameters_are_ignored(self) -> None:
        said = self.codec.parameters(np.dtype(self._stored()[0]))
        strange = {**said, "UNHEARD": 17, "OF": "text", "LATER": 2.5}
        assert type(self.codec).from_parameters(strange) == type(self.codec).from_parameters(said)
        assert isinstance(type(self.codec).from_parameters({}), TileCodec)

    def test_default_tiles_are_accepted(self) -> None:
        for shape in [(64, 48), (3, 64, 48), (100, 37)]:
            tile = self.codec.default_tile_shape(shape)
            assert len(tile) == len(shape)
            assert min(tile) >= 1
            for stored in self.codec.pixel_dtypes:
                self.codec.check_image(shape, tile, np.dtype(stored), quantized=False)

    def test_pixels_that_are_not_declared_are_refused(self) -> None:
        tile = self.codec.default_tile_shape((64, 48))
        for stored in set(PIXEL_DTYPES) - set(self.codec.pixel_dtypes):
            with pytest.raises(CodecError, match="float" if stored[0] == "f" else self.codec.zcmptype):
                self.codec.check_image((64, 48), tile, np.dtype(stored), quantized=False)
        if not self.codec.quantizable:
            with pytest.raises(CodecError, match="float"):
                self.codec.check_image((64, 48), tile, np.dtype("f4"), quantized=True)

    # -- tiles that are whole -------------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_pixel_comes_back(self, kind: str) -> None:
        for stored in self._stored():
            for shape in self._shapes():
                self._round_trip([self._tile(stored, kind, shape)])

    def test_the_first_pixels_of_tiles_are_those_of_whole_tiles(self) -> None:
        if not self.codec.decodes_prefixes:
            pytest.skip(f"{self.codec.zcmptype} decodes whole tiles")
        for stored in self._stored():
            for shape in self._shapes():
                tile = self._tile(stored, "noise", shape)
                blobs = [self.encode(tile)] * 20
                (whole,) = self._decoded(blobs[:1], [shape], tile.dtype)
                self._check(whole, tile)
                rows = whole[: 1 + len(whole) // 3]
                pixels = [whole.reshape(-1)[:count] for count in {1, tile.size // 2, tile.size - 1} - {0}]
                for part in (rows, *pixels):
                    decoded = self._decoded(blobs, [part.shape] * 20, tile.dtype)
                    assert all(found.tobytes() == part.tobytes() for found in decoded)

    def test_many_small_tiles_are_one_batch(self) -> None:
        shape = min(self._shapes(), key=np.prod)
        stored = self._stored()[0]
        self._round_trip([self._tile(stored, "noise", shape, seed) for seed in range(500)])

    def test_tiles_lie_anywhere_in_the_heap(self) -> None:
        shape, stored = self._shapes()[-1], self._stored()[-1]
        tiles = [self._tile(stored, "noise", shape, seed) for seed in range(4)]
        blobs = self._encoded(tiles)
        order = [3, 0, 2, 0, 1, 3]  # not ascending, and two rows with the same bytes
        batch = join_tiles(blobs, [shape] * 4, gap=5)
        mixed = TileBatch(batch.data, batch.start[order], batch.length[order], batch.shape[order], np.arange(6) + 10)
        guarded = Guarded([shape] * 6, tiles[0].dtype)
        self.codec.decode(mixed, guarded.out)
        guarded.check()
        for found, number in zip(guarded.tiles(), order, strict=True):
            self._check(found, tiles[number])

    @pytest.mark.parametrize("kind", KINDS)
    def test_no_stream_holds_more_pixels_than_the_codec_says(self, kind: str) -> None:
        for stored in self._stored():
            for shape in (*self._shapes(), tuple(16 * axis if axis > 1 else 1 for axis in self._shapes()[-1])):
                tile = self._tile(stored, kind, shape)
                length = np.array([len(self.encode(tile))], dtype=np.int64)
                most = self.codec.most_npixels(length, np.dtype(stored))
                if most is None:
                    pytest.skip(f"{self.codec.zcmptype} says nothing of that")
                assert most.shape == (1,)
                assert tile.size <= most[0], (
                    f"most_npixels says that {length[0]} bytes hold {most[0]} {stored} pixels at most, but a tile of "
                    f"{shape} has {tile.size}: sound tiles would be refused"
                )

    def test_no_tiles_are_a_batch_too(self) -> None:
        ndim = len(self._shapes()[0])
        none = np.zeros(0, dtype=np.int64)
        dtype = self.codec.decoded_dtype(np.dtype(self._stored()[0]))
        nothing = np.zeros((0, ndim), dtype=np.int64)
        self.codec.decode(TileBatch(np.zeros(0, np.uint8), none, none, nothing, none), np.empty(0, dtype))
        encoded = self.codec.encode(PixelBatch(np.empty(0, dtype), nothing, none))
        assert (encoded.data.size, encoded.length.size) == (0, 0)

    def test_what_is_given_is_not_changed(self) -> None:
        shape, stored = self._shapes()[-1], self._stored()[-1]
        tiles = [self._tile(stored, "noise", shape, seed) for seed in range(3)]
        batch = batch_of(tiles)
        batch.pixels.flags.writeable = False
        before = batch.pixels.copy()
        encoded = self.codec.encode(batch)
        assert batch.pixels.tobytes() == before.tobytes()
        data = encoded.data.copy()
        data.flags.writeable = False
        out = np.empty(before.size, before.dtype)
        self.codec.decode(TileBatch(data, starts_of(encoded.length), encoded.length, batch.shape, batch.row), out)
        assert data.tobytes() == encoded.data.tobytes()

    def test_equal_pixels_give_equal_bytes(self) -> None:
        tile = self._tile(self._stored()[0], "noise", self._shapes()[-1])
        assert self._encoded([tile]) == self._encoded([tile.copy()])

    def test_descriptors_of_words_count_whole_words(self) -> None:
        unit = 2 if self.codec.descriptor_type == "I" else 1
        for shape in self._shapes():
            assert len(self._encoded([self._tile(self._stored()[0], "noise", shape)])[0]) % unit == 0

    def test_threads_do_not_disturb_each_other(self) -> None:
        shape, stored = self._shapes()[-1], self._stored()[-1]
        jobs = [[self._tile(stored, "noise", shape, 10 * job + seed) for seed in range(5)] for job in range(8)]
        with ThreadPoolExecutor(4) as pool:
            for _ in range(5):
                list(pool.map(self._round_trip, jobs))

    # -- tiles that are damaged -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("kept", [0.0, 0.25, 0.5])
    def test_a_cut_tile_is_named_and_spares_its_neighbours(self, kept: float) -> None:
        for stored in self._stored():
            for shape in self._shapes():
                tile = self._tile(stored, "noise", shape)
                blob = self.encode(tile)
                shapes = [shape] * 3
                whole = join_tiles([blob] * 3, shapes)
                length = np.array([len(blob), int(len(blob) * kept), len(blob)], dtype=np.int64)
                guarded = Guarded(shapes, tile.dtype)
                with pytest.raises(TileDecodeError, match="table row 7") as caught:
                    self.codec.decode(
                        TileBatch(whole.data, whole.start, length, whole.shape, whole.row + 5), guarded.out
                    )
                assert (caught.value.row, caught.value.algorithm) == (6, self.codec.zcmptype)
                guarded.check()
                self._check(guarded.tiles()[0], tile)
                self._check(guarded.tiles()[2], tile)

    @pytest.mark.parametrize("seed", range(20))
    def test_damaged_bytes_give_pixels_or_an_error(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        for stored in self._stored():
            for shape in self._shapes():
                tile = self._tile(stored, KINDS[seed % len(KINDS)], shape, seed)
                blob = self.encode(tile)
                self._decode_damaged([blob, _damage(blob, random), blob], [shape] * 3, tile)

    def test_a_tile_of_another_size_gives_pixels_or_an_error(self) -> None:
        for stored in self._stored():
            for shape in self._shapes():
                tile = self._tile(stored, "noise", shape)
                blob = self.encode(tile)
                least = self.codec.min_tile_axis
                larger = (*shape[:-1], shape[-1] + 7)
                smaller = (*shape[:-1], max(shape[-1] // 2, least))
                for other in (larger, smaller):
                    self._decode_damaged([blob, blob, blob], [shape, other, shape], tile)

    def _decode_damaged(self, blobs: list[bytes], shapes: list[Shape], tile: NDArray[Any]) -> None:
        """Decode a batch of three, the second of which is damaged and the others are ``tile``."""
        guarded = Guarded(shapes, tile.dtype)
        named = None
        try:
            self.codec.decode(join_tiles(blobs, shapes), guarded.out)
        except TileDecodeError as error:
            named = error.row
        assert named in (None, 1), "only the damaged tile is to be named"
        guarded.check()
        self._check(guarded.tiles()[0], tile)
        self._check(guarded.tiles()[2], tile)


def _damage(blob: bytes, random: np.random.Generator) -> bytes:
    """Return a tile with bytes changed, left out, cut or replaced."""
    data = np.frombuffer(blob, dtype=np.uint8).copy()
    match random.integers(4):
        case 0:
            at = random.integers(data.size, size=random.integers(1, 4))
            data[at] = random.integers(256, size=at.size)
        case 1:
            data = np.delete(data, random.integers(data.size))
        case 2:
            data = data[: random.integers(data.size)]
        case _:
            keep = random.integers(data.size)
            data[keep:] = random.integers(256, size=data.size - keep)
    return data.tobytes()
