"""The contract of a codec, as tests. What is not tested here is not promised.

A subclass in a test module inherits them all:

    class TestZstd1(CodecConformance):
        codec = Zstd1(level=5)
"""

# ruff: noqa: D102 - the names of tests say what they check

from __future__ import annotations

import copy
import dataclasses
import pickle
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

from rustfits import FITS, CodecError, PluginError, TileDecodeError, codecs
from rustfits.plugin import API_VERSION, PixelBatch, TileBatch, TileCodec, codec_class, decoded_by, encoded_by
from rustfits_testing.samples import FILLS, KINDS, Guarded, batch_of, join_tiles, sample, shapes_for, starts_of

PIXEL_DTYPES = ("u1", "i2", "i4", "i8", "f4", "f8")
BOMB_NPIXELS = 1 << 20  # of a tile that is packed well, and claimed to be small
SPARE_NBYTES = 1 << 20  # that a codec may ask for beside what its stream and its tile take
CAPSULES = {"c_decoder": "rustfits.decoder.1", "c_resumer": "rustfits.resumer.1"}
Shape = tuple[int, ...]


def wrong(sentence: str) -> NoReturn:
    """Fail with a sentence alone: where in this module it was found out is nothing to the author of a codec."""
    pytest.fail(sentence, pytrace=False)


def hold(kept: object, sentence: str) -> None:
    """Fail with a sentence unless the contract is kept."""
    if not kept:
        wrong(sentence)


class CodecConformance:
    """Checks that every codec must pass. A failure says in a sentence what was found, what is allowed, and what to do.

    Attributes
    ----------
    codec : TileCodec
        To be set.
    others : tuple of TileCodec
        The codec with other parameters, to be tried as well. Numbers and booleans next to those of `codec` are tried
        anyway, where the class takes them.
    limits : (int, int) or None
        Smallest and largest integer that the algorithm holds, where it holds fewer than its pixel dtypes do.
    """

    codec: ClassVar[TileCodec]
    others: ClassVar[tuple[TileCodec, ...]] = ()
    limits: ClassVar[tuple[int, int] | None] = None

    def encode(self, pixels: NDArray[Any]) -> bytes:
        """Return the bytes of one tile, an array of its shape and `decoded_dtype`.

        To be overridden with an independent encoder where there is one; a codec that agrees with itself alone may be
        wrong twice.
        """
        return self._encoded([pixels])[0]

    # -- what a subclass need not know ----------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return type(self.codec).__name__

    def _stored(self) -> list[str]:
        quantized = ["i4"] if self.codec.quantizable else []
        return list(dict.fromkeys([*self.codec.pixel_dtypes, *quantized]))

    def _tile(self, stored: str, kind: str, shape: Shape, seed: int = 0) -> NDArray[Any]:
        decoded = self.codec.decoded_dtype(np.dtype(stored))
        return sample(stored, kind, shape, seed, self.limits, negative=self.codec.negative).astype(decoded)

    def _shapes(self) -> list[Shape]:
        return shapes_for(self.codec.tile_ndim, self.codec.min_tile_axis)

    def _variants(self) -> Iterator[TileCodec]:
        """Yield the codec with other parameters."""
        yield from self.others
        common = {field.name for field in dataclasses.fields(TileCodec)}
        for field in dataclasses.fields(self.codec):
            if field.init and field.name not in common:
                for value in _beside(getattr(self.codec, field.name)):
                    try:
                        yield dataclasses.replace(self.codec, **{field.name: value})
                    except (CodecError, ValueError, TypeError, OverflowError):
                        continue  # no value that the algorithm knows
                    except Exception as error:
                        wrong(
                            f"{self._name}({field.name}={value!r}) raised {type(error).__name__}: {error}; a value "
                            "that is "
                            "not allowed must be refused by InvalidParameter in __post_init__"
                        )

    def _encoded(self, tiles: Sequence[NDArray[Any]], codec: TileCodec | None = None) -> list[bytes]:
        count = "1 tile" if len(tiles) == 1 else f"{len(tiles)} tiles"
        what = f"{count} of {tiles[0].dtype}, the first of shape {tiles[0].shape}"
        try:
            encoded = encoded_by(codec or self.codec, batch_of(tiles))
        except (CodecError, PluginError, NotImplementedError, MemoryError) as error:
            said, cause = str(error), error.__cause__
            if cause is not None and not isinstance(cause, ValueError) and type(cause).__name__ not in said:
                said += f" ({type(cause).__name__}: a fault of its own?)"
            remedy = (
                "the class must declare less: pixel_dtypes, negative, tile_ndim, min_tile_axis, or limits of this suite"
            )
            if codec not in (None, self.codec):
                remedy = f"{codec!r} must be refused when it is made, by InvalidParameter in __post_init__, or {remedy}"
            wrong(
                f"{self._name}.encode failed for {what}: {said}; it returns the bytes of the tile, and leaves its "
                f"pixels, which are read-only, alone; it must take all pixels of pixel_dtypes, or {remedy}"
            )
        hold(
            encoded.length.dtype == np.int64 and (encoded.length > 0).all(),
            f"{self._name}.encode gave lengths {encoded.length!r:.90} for {what}; they must be int64, and no tile may "
            "have no bytes: FITS takes those for tiles that are elsewhere",
        )
        stop = np.cumsum(encoded.length)
        return [encoded.data[end - length : end].tobytes() for end, length in zip(stop, encoded.length, strict=True)]

    def _decoded(
        self, batch: TileBatch, shapes: Sequence[Shape], dtype: np.dtype[Any], codec: TileCodec | None = None
    ) -> list[NDArray[Any]]:
        guarded = Guarded(shapes, dtype)
        try:
            decoded_by(codec or self.codec, batch, guarded.out)
        except (CodecError, PluginError, NotImplementedError, MemoryError) as error:
            wrong(
                f"{self._name}.decode failed for {dtype} tiles that are whole, the first of shape {shapes[0]}: {error}"
            )
        self._check_room(guarded)
        return guarded.tiles()

    def _check_room(self, guarded: Guarded) -> None:
        hold(
            guarded.is_intact(),
            f"{self._name}.decode wrote outside the array out that it was given; it must write out[0] to out[-1] "
            "alone, "
            "whatever the stream says: check lengths against out.size before a write",
        )

    def _check(self, decoded: NDArray[Any], tile: NDArray[Any]) -> None:
        what = f"a {tile.dtype} tile of shape {tile.shape}"
        # Compared as bytes: NaN and -0.0 count.
        found, given = (np.ascontiguousarray(each).view(np.uint8).reshape(-1) for each in (decoded, tile))
        if (found == FILLS[0]).all() and not (given == FILLS[0]).all():
            wrong(
                f"{self._name}.decode left the array out of {what} as it was; it must fill all of it, as in "
                "out[...] = pixels: assigning to the name out, or returning an array, changes nothing"
            )
        if self.codec.lossless and (found != given).any():
            at = int(np.flatnonzero(found != given)[0]) // tile.dtype.itemsize
            wrong(
                f"{self._name} gave {decoded.reshape(-1)[at]!r} for pixel {at} of {what}, which was "
                f"{tile.reshape(-1)[at]!r}; decode must give back every bit that encode was given, or the property "
                "lossless "
                "must be False (numbers in the stream need one byte order, whatever the machine's)"
            )

    def _round_trip(self, tiles: Sequence[NDArray[Any]]) -> None:
        shapes = [tile.shape for tile in tiles]
        decoded = self._decoded(join_tiles(self._encoded(tiles), shapes), shapes, tiles[0].dtype)
        for found, tile in zip(decoded, tiles, strict=True):
            self._check(found, tile)

    # -- what the class says of itself ----------------------------------------------------------------------------

    def test_abilities_are_declared_in_the_words_of_the_contract(self) -> None:
        codec = self.codec
        name = codec.zcmptype
        hold(
            name == name.strip().upper() != "" and name.isascii() and len(name) <= 68,
            f"{self._name}.zcmptype is {name!r}; it must be 1 to 68 ASCII characters, capitals, without blanks around",
        )
        strange = [name for name in codec.pixel_dtypes if name not in PIXEL_DTYPES]
        hold(
            codec.pixel_dtypes and not strange,
            f"{self._name}.pixel_dtypes has {strange}; it must name one of {', '.join(PIXEL_DTYPES)} at least, and no "
            "other: unsigned numbers come as signed ones",
        )
        for attribute, allowed in (("descriptor_type", ("B", "I")), ("api_version", (API_VERSION,))):
            found = getattr(codec, attribute)
            hold(found in allowed, f"{self._name}.{attribute} is {found!r}; it must be one of {allowed}")
        for attribute in ("tile_ndim", "min_tile_axis"):
            found = getattr(codec, attribute)
            optional = found is None and attribute == "tile_ndim"
            hold(optional or found >= 1, f"{self._name}.{attribute} is {found!r}; it must be 1 or more")

    def test_parameters_are_annotated(self) -> None:
        known = {*dir(TileCodec), *TileCodec.__annotations__}
        for cls in type(self.codec).__mro__[: type(self.codec).__mro__.index(TileCodec)]:
            for name, value in vars(cls).items():
                plain = isinstance(value, int | float | str | bytes | tuple | None)
                if plain and not name.startswith("_") and name not in (*known, *vars(cls).get("__annotations__", ())):
                    wrong(
                        f"{cls.__name__}.{name} = {value!r} has no annotation, so that it is no parameter, and "
                        f"{cls.__name__}({name}=...) is refused; write {name}: {type(value).__name__} = {value!r}, or "
                        "annotate it as ClassVar if it is none"
                    )

    def test_compiled_decoders_are_capsules_of_the_name_in_the_contract(self) -> None:
        for method, name in CAPSULES.items():
            for stored in self._stored():
                found = getattr(self.codec, method)(self.codec.decoded_dtype(np.dtype(stored)))
                hold(
                    found is None or repr(found).startswith(f'<capsule object "{name}"'),
                    f"{self._name}.{method} returned {found!r:.60}; it must return None, or a PyCapsule named {name!r}",
                )

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
        hold(
            cls(tile_shape=tile) == cls(tile_shape=list(tile), heap_format="p"),
            f"{cls.__name__}(tile_shape={tile}) and {cls.__name__}(tile_shape={list(tile)}, heap_format='p') differ; a "
            "__post_init__ of its own must call super().__post_init__(), which makes them alike",
        )
        assert hash(cls(tile_shape=tile)) == hash(cls(tile_shape=np.array(tile)))  # type: ignore[arg-type]
        assert cls(tile_shape=tile) != cls(tile_shape=tile, heap_format="Q")
        different: object = self.codec.zcmptype
        assert self.codec != different

    def test_copies_and_pickles_are_equal(self) -> None:
        hold(
            pickle.loads(pickle.dumps(self.codec)) == self.codec == copy.deepcopy(self.codec),
            f"a copy of {self.codec!r} is not equal to it; what it keeps must be parameters alone",
        )

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

    def test_other_parameters_keep_the_contract(self) -> None:
        for codec in self._variants():
            for stored in self._stored():
                said = codec.parameters(np.dtype(stored))
                rebuilt = type(codec).from_parameters(said)
                hold(
                    rebuilt.parameters(np.dtype(stored)) == said,
                    f"{codec!r} says {said} for the header, and from_parameters makes {rebuilt!r} of it, which says "
                    f"{rebuilt.parameters(np.dtype(stored))}; from_parameters must read what parameters writes: "
                    "names in "
                    "upper case",
                )
                for shape in self._shapes()[:4]:
                    tile = self._tile(stored, "noise", shape)
                    batch = join_tiles(self._encoded([tile], codec), [shape])
                    (decoded,) = self._decoded(batch, [shape], tile.dtype, rebuilt)
                    if codec.lossless:
                        hold(
                            decoded.tobytes() == tile.tobytes(),
                            f"{rebuilt!r}, built from the header, gives other pixels than {codec!r} was given for a "
                            f"{stored} tile of shape {shape}; what decoding needs must be among parameters",
                        )

    def test_a_file_made_with_it_is_read_back(self) -> None:
        if self.codec.zcmptype not in codecs():
            pytest.skip(f"no distribution that offers {self.codec.zcmptype} is installed")
        stored = self.codec.pixel_dtypes[0]
        image = self._tile(stored, "noise", (67, 45)).astype(stored)
        with FITS("mem://", "w+") as fits:
            fits.write_image(image, compress=self.codec if self.codec.tile_shape is None else type(self.codec)())
            content = fits.to_bytes()
        with FITS.from_bytes(content) as fits:
            hdu = fits.compressed_image(1)
            self._check(hdu.read(), image)
            self._check(hdu[20:50, 7:30], np.ascontiguousarray(image[20:50, 7:30]))

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
                (whole,) = self._decoded(join_tiles(blobs[:1], [shape]), [shape], tile.dtype)
                self._check(whole, tile)
                rows = whole[: 1 + len(whole) // 3]
                pixels = [whole.reshape(-1)[:count] for count in {1, tile.size // 2, tile.size - 1} - {0}]
                for part in (rows, *pixels):
                    decoded = self._decoded(join_tiles(blobs, [part.shape] * 20), [part.shape] * 20, tile.dtype)
                    hold(
                        all(found.tobytes() == part.tobytes() for found in decoded),
                        f"{self._name} gave other pixels for the first {part.size} of a {stored} tile of shape "
                        f"{shape} than "
                        "for the whole; decodes_prefixes must be False if it cannot stop early",
                    )

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
        decoded = self._decoded(mixed, [shape] * 6, tiles[0].dtype)
        for found, number in zip(decoded, order, strict=True):
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
                whole = join_tiles([blob] * 3, [shape] * 3)
                length = np.array([len(blob), int(len(blob) * kept), len(blob)], dtype=np.int64)
                guarded = Guarded([shape] * 3, tile.dtype)
                cut = TileBatch(whole.data, whole.start, length, whole.shape, whole.row + 5)
                what = f"{length[1]} of the {len(blob)} bytes of a {stored} tile of shape {shape} in table row 7"
                error = self._fault(cut, guarded, what)
                hold(
                    error is not None,
                    f"{self._name}.decode took {what} for whole; it must raise (ValueError in decode_tile) where a "
                    "stream holds fewer pixels than out has: compare the sizes",
                )
                hold(
                    error is None or (error.row, error.algorithm) == (6, self.codec.zcmptype),
                    f"{self._name}.decode was given {what} and said {error}; it must name row 7 and the ZCMPTYPE",
                )
                self._check(guarded.tiles()[0], tile)
                self._check(guarded.tiles()[2], tile)

    def _fault(self, batch: TileBatch, guarded: Guarded, what: str) -> TileDecodeError | None:
        """Decode tiles that may be damaged; return the error that names one, if there was one."""
        fault = None
        try:
            decoded_by(self.codec, batch, guarded.out)
        except TileDecodeError as error:
            fault = error
        except (CodecError, PluginError, NotImplementedError, MemoryError) as error:
            wrong(
                f"{self._name}.decode was given {what} and raised {type(error).__name__}: {error}; damage must be a "
                "TileDecodeError (any error of decode_tile becomes one), and cost no memory"
            )
        self._check_room(guarded)
        return fault

    def _peak(self, blob: bytes, shape: Shape, dtype: np.dtype[Any], what: str) -> int:
        """Return the most memory that decoding a stream asks for, in bytes."""
        guarded, batch = Guarded([shape], dtype), join_tiles([blob], [shape])
        self._fault(batch, guarded, what)  # what is kept for the next tiles is there now
        tracemalloc.start()
        try:
            self._fault(batch, guarded, what)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_a_stream_that_holds_more_than_its_tile_costs_no_memory(self) -> None:
        stored, shape = self._stored()[-1], self._shapes()[0]
        large = tuple(1 << 10 for _ in range(2)) if self.codec.tile_ndim == 2 else (BOMB_NPIXELS,)
        if self.codec.tile_ndim not in (None, 1, 2):
            pytest.skip(f"tiles of {self.codec.zcmptype} have {self.codec.tile_ndim} axes")
        tile = self._tile(stored, "constant", large)
        blob = self.encode(tile)
        what = f"the stream of {tile.size} pixels for a tile of {np.prod(shape)}"
        peak, most = self._peak(blob, shape, tile.dtype, what), SPARE_NBYTES + 4 * len(blob)
        hold(
            peak <= most,
            f"{self._name}.decode asked for {peak} bytes of memory when it was given {what}; {most} are allowed: "
            "bound what is "
            "unpacked by out.nbytes, as in zlib.decompressobj().decompress(data, out.nbytes + 1)",
        )

    def test_claims_of_huge_sizes_cost_no_memory(self) -> None:
        shape = self._shapes()[0]
        for stored in self._stored():
            tile = self._tile(stored, "noise", shape)
            blob = self.encode(tile)
            for at in range(min(len(blob), 24)):
                for claim in (b"\xff" * 8, b"\x7f\xff\xff\xff", b"\x00\x00\x00\x7f"):
                    lie = blob[:at] + claim + blob[at + len(claim) :]
                    peak = self._peak(lie, shape, tile.dtype, f"a {stored} stream with {claim!r} at byte {at}")
                    most = SPARE_NBYTES + 4 * len(blob)
                    hold(
                        peak <= most,
                        f"{self._name}.decode asked for {peak} bytes of memory for a stream with {claim!r} at byte "
                        f"{at}; "
                        f"{most} are allowed: check a size that a stream claims against out before memory is asked "
                        "for it",
                    )

    def test_bytes_behind_a_stream_give_pixels_or_an_error(self) -> None:
        for stored in self._stored():
            for shape in self._shapes():
                tile = self._tile(stored, "noise", shape)
                blob = self.encode(tile)
                self._decode_damaged([blob, blob + bytes(7), blob], [shape] * 3, tile)

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
        what = f"damaged bytes for the second of three tiles, {tile.dtype} of shape {shapes[1]}"
        seen = []
        for fill in FILLS:
            guarded = Guarded(shapes, tile.dtype, fill)
            error = self._fault(join_tiles(blobs, shapes), guarded, what)
            hold(
                error is None or error.row == 1,
                f"{self._name}.decode was given {what} and said {error}; it must name the second alone",
            )
            first, second, third = guarded.tiles()
            self._check(first, tile)
            self._check(third, tile)
            seen.append(None if error else second.tobytes())
        # What the array held before must not be seen: pixels of that kind are wrong numbers that nobody is told of.
        hold(
            seen[0] == seen[1],
            f"{self._name}.decode was given {what}, raised nothing, and left pixels of out as they were, or gave "
            "others the "
            "next time; it must fill out whole or raise: compare the size of what was unpacked with out.nbytes",
        )


def _beside(value: object) -> list[Any]:
    """Return values next to that of a parameter."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    return [value * 2 + 1, value / 2] if isinstance(value, float) else []


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
