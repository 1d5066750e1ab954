"""Files to change, and the changes: a new one is a new row of `EDITS`."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np

import rustfits
from rustfits import FITS
from rustfits.heap import spare, writer


def pixels(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def floats(shape, seed):
    return np.random.default_rng(seed).normal(100, 2, shape).astype("f4")


def build(path):
    """Write the file that every edit begins with: five HDUs, so that there is something to move."""
    gzip = rustfits.Gzip2(tile_shape=(10, 30))
    with FITS(path, "w+") as fits:
        fits.write_image(pixels((40, 50), "i2"), extname="FIRST")
        fits.write_image(pixels((40, 30), "i4", 1), extname="PACKED", compress=gzip)
        fits.write_image(pixels((60, 70), "f4", 2), extname="SCI")
        fits.write_image(pixels((40, 30), "u2", 3), extname="MORE", compress=gzip)
        fits.write_image(pixels((30, 30), "u1", 4), extname="LAST")


def many_cards(number=100):
    return {f"KEY{index}": index for index in range(number)}


def set_a_card(fits):
    fits["SCI"].header["OBJECT"] = ("M13", "a globular cluster")


def grow_the_first_header(fits):
    fits[0].header.update(many_cards())


def edit_a_header(fits):
    with fits["PACKED"].header.edit() as edit:
        edit.update(many_cards(60))
        edit.add_history("moved everything behind it")


def write_an_image(fits):
    fits["SCI"].write(pixels((60, 70), "f4", 5))


def write_a_corner(fits):
    fits["FIRST"].write(pixels((7, 9), "i2", 5), start=(3, 4))


def set_pixels(fits):
    fits["SCI"][3:50:3, 5:60:7] = 1.5


def extend_an_image(fits):
    fits["SCI"].extend(pixels((33, 70), "f4", 6))


def write_more_compressed_bytes(fits):
    fits["PACKED"].write(np.random.default_rng(7).integers(-(1 << 30), 1 << 30, (40, 30), dtype="i4"))


def write_fewer_compressed_bytes(fits):
    fits["PACKED"].write(np.zeros((40, 30), "i4"))


def add_checksums(fits):
    fits["SCI"].add_checksum()


def add_checksums_of_a_compressed_image(fits):
    fits["MORE"].add_checksum()


def create_an_image(fits):
    fits.create_image_hdu("i4", (30, 40), extname="NEW")


def append_an_image(fits):
    fits.write_image(pixels((30, 40), "i4", 8), extname="NEW", header={"OBJECT": "M13"})


def append_a_compressed_image(fits):
    fits.write_image(pixels((30, 40), "i4", 8), extname="NEW", compress=rustfits.Gzip1(tile_shape=(10, 40)))


def several_in_a_transaction(fits):
    with fits.transaction():
        fits["FIRST"].header.update(many_cards(40))
        fits["SCI"].extend(pixels((5, 70), "f4", 9))
        fits["SCI"][0] = 7
        fits["PACKED"].write(np.ones((40, 30), "i4"))
        fits.write_image(pixels((3, 4), "i2", 9), extname="NEW")
        fits["FIRST"].add_checksum()


def set_pixels_of_a_compressed_image(fits):
    fits["PACKED"][5:25, 3:9] = pixels((20, 6), "i4", 10)


def extend_a_compressed_image(fits):
    fits["PACKED"].extend(pixels((25, 30), "i4", 11))


def extend_a_compressed_image_in_parts(fits):
    with fits["PACKED"].extending() as hdu:
        for seed in range(4):
            hdu.extend(pixels((7, 30), "i4", 12 + seed))


def repack_a_compressed_image(fits):
    fits["PACKED"].repack()


@contextmanager
def room_for_the_table():
    """Let small heaps leave room, too, when the table before them grows."""
    writer.SMALL_HEAP_NBYTES, small = 0, writer.SMALL_HEAP_NBYTES
    try:
        yield
    finally:
        writer.SMALL_HEAP_NBYTES = small


def set_pixels_of_quantised_tiles(fits):
    fits["FLOATS"][5:25, 3:9] = np.full((20, 6), 104.5)


def extend_quantised_tiles(fits):
    fits["FLOATS"].extend(np.concatenate([floats((7, 30), 2), np.full((3, 30), 5.0, "f4")]))


def extend_and_leave_room(fits):
    with room_for_the_table():
        fits["PACKED"].extend(pixels((25, 30), "i4", 11))


def extend_into_the_room(fits):
    with room_for_the_table():
        fits["PACKED"].extend(pixels((9, 30), "i4", 12))


def set_pixels_and_leave_room_behind_them(fits):
    """The second set moves what is behind and leaves room, which the others take, but for the last."""
    spare.SMALL_TAIL_NBYTES, small = 0, spare.SMALL_TAIL_NBYTES
    noise = np.random.default_rng(20)
    try:
        with fits.transaction():
            for row in (0, 10, 20, 10, 0, 30):
                fits["PACKED"][row : row + 10] = noise.integers(-(1 << 30), 1 << 30, (10, 30), dtype="i4")
                assert fits["PACKED"][row, 0]  # a read does not let the next tiles wait for the end
    finally:
        spare.SMALL_TAIL_NBYTES = small


def write_a_created_image_tile_by_tile(fits):
    with fits.transaction():
        for row in (20, 0, 30, 10):
            fits["EMPTY"][row : row + 10] = pixels((10, 30), "i4", row)
        fits["SCI"][0] = 7


def write_tiles_between_reads(fits):
    """Quantised ones, one of which needs the other column, with HDUs behind that move more than once."""
    with fits.transaction():
        for row in (20, 0, 30, 10):
            tile = floats((10, 30), row) if row else np.full((10, 30), 1.5)
            fits["EMPTY"][row : row + 10] = tile
            assert fits["EMPTY"][row + 1, 1]


def replace_whole_tiles(fits):
    fits["PACKED"][10:30] = np.random.default_rng(2).integers(-(1 << 30), 1 << 30, (20, 30), dtype="i4")


def repack_and_close_the_room(fits):
    fits["PACKED"].repack()


def rows(nrows, seed):
    """Columns of a table, one of variable length."""
    noise = np.random.default_rng(seed)
    cells = np.empty(nrows, object)
    cells[:] = [noise.normal(size=noise.integers(0, 9)).astype("f4") for _ in range(nrows)]
    names = np.array([f"row {seed} {number}" for number in range(nrows)], "U12")
    return {"n": np.arange(nrows), "x": noise.normal(size=(nrows, 3)), "s": names, "v": cells}


def write_a_table(fits):
    fits.write_table(rows(40, 30), extname="NEW", var_dtypes={"v": "f4"}, units={"x": "m"})


def create_a_table(fits):
    fits.create_table_hdu([("a", "f8", (3,)), ("b", "U8")], 100, extname="NEW")


def write_all_rows_of_a_table(fits):
    fits["TABLE"].write(rows(60, 31))


def append_to_a_table(fits):
    fits["TABLE"].append(rows(30, 32))


def append_to_a_table_in_parts(fits):
    with fits["TABLE"].appending() as hdu:
        for seed in range(4):
            hdu.append(rows(7, 33 + seed))


def append_to_a_table_and_leave_room(fits):
    with room_for_the_table():
        fits["TABLE"].append(rows(2, 37))  # up to a room of less than a block, which fitsverify judges rightly


def append_into_the_room_of_a_table(fits):
    with room_for_the_table():
        fits["TABLE"].append(rows(2, 38))


def set_rows_of_a_table(fits):
    hdu = fits["TABLE"]
    with fits.transaction():
        hdu[[50, 3, 17]] = hdu[4:7]
        hdu["n"][10] = 7
        hdu["v"][::20] = [np.arange(9, dtype="f4")] * 3
        hdu["x"] = np.zeros((60, 3))


def insert_columns_into_a_table(fits):
    with fits.transaction():
        fits["TABLE"].insert_column("new", rows(60, 39)["v"], position=1, inner_dtype="f4", unit="s")
        fits["TABLE"].insert_column("bits", np.ones((60, 11), "?"), before="n", bit_packed=True)


def delete_columns_of_a_table(fits):
    with fits.transaction():
        fits["TABLE"].delete_column("x")
        fits["TABLE"].delete_column("v")


def delete_rows_of_a_table(fits):
    with fits.transaction():
        fits["TABLE"].delete_rows(slice(5, 20))
        fits["TABLE"].delete_rows([0, 7, 30, -1])


def rename_and_describe_columns_of_a_table(fits):
    with fits.transaction():
        for number in range(40):  # more than the header has room for
            fits["TABLE"].header[f"NEW{number}"] = number
        fits["TABLE"].rename_column("x", "place")
        fits["TABLE"].describe_column("n", unit="s", null=-1, description="of nothing")


def repack_a_table(fits):
    fits["TABLE"].repack()


def write_a_packed_table(fits):
    fits.write_table(rows(40, 50), extname="NEW", var_dtypes={"v": "f4"}, compress="GZIP_1", ztilelen=12)


def write_all_rows_of_a_packed_table(fits):
    fits["TABLE"].write(rows(60, 51))


def append_to_a_packed_table(fits):
    fits["TABLE"].append(rows(30, 52))


def append_to_a_packed_table_in_parts(fits):
    with fits["TABLE"].appending() as hdu:
        for seed in range(4):
            hdu.append(rows(7, 53 + seed))


def set_rows_of_a_packed_table(fits):
    hdu = fits["TABLE"]
    with fits.transaction():
        hdu[[50, 3, 17]] = hdu[4:7]
        hdu["v"][::20] = [np.arange(9, dtype="f4")] * 3
        hdu["x"] = np.zeros((60, 3))


def repack_a_packed_table(fits):
    fits["TABLE"].repack()


def write_anew(fits):
    """Write a file of which the first HDUs, and those after them, are one change each."""
    with fits.transaction():
        fits.write_image(pixels((20, 30), "i2", 21), extname="ANEW")
        fits.write_image(pixels((40, 30), "i4", 22), extname="PACKED", compress=rustfits.Gzip2(tile_shape=(10, 30)))
        fits["ANEW"].header["OBJECT"] = "M13"
    fits.write_image(pixels((5, 6), "u2", 23), extname="LATER")


EDITS = {
    edit.__name__: edit
    for edit in (
        set_a_card,
        grow_the_first_header,
        edit_a_header,
        write_an_image,
        write_a_corner,
        set_pixels,
        extend_an_image,
        write_more_compressed_bytes,
        write_fewer_compressed_bytes,
        add_checksums,
        add_checksums_of_a_compressed_image,
        create_an_image,
        append_an_image,
        append_a_compressed_image,
        several_in_a_transaction,
        set_pixels_of_a_compressed_image,
        extend_a_compressed_image,
        extend_a_compressed_image_in_parts,
        repack_a_compressed_image,
        set_pixels_of_quantised_tiles,
        extend_quantised_tiles,
        extend_and_leave_room,
        extend_into_the_room,
        set_pixels_and_leave_room_behind_them,
        repack_and_close_the_room,
        write_a_created_image_tile_by_tile,
        write_tiles_between_reads,
        replace_whole_tiles,
        write_a_table,
        create_a_table,
        write_all_rows_of_a_table,
        append_to_a_table,
        append_to_a_table_in_parts,
        append_to_a_table_and_leave_room,
        append_into_the_room_of_a_table,
        set_rows_of_a_table,
        insert_columns_into_a_table,
        delete_columns_of_a_table,
        delete_rows_of_a_table,
        rename_and_describe_columns_of_a_table,
        repack_a_table,
        write_a_packed_table,
        write_all_rows_of_a_packed_table,
        append_to_a_packed_table,
        append_to_a_packed_table_in_parts,
        set_rows_of_a_packed_table,
        repack_a_packed_table,
    )
}


def before(name, fits):
    """Make the file such that the edit has something to do."""
    if name == "repack_a_compressed_image":
        fits["PACKED"][0:20] = np.random.default_rng(1).integers(-(1 << 30), 1 << 30, (20, 30), dtype="i4")
        fits["PACKED"][0:20] = 3
    elif "quantised" in name:
        codec = rustfits.Gzip2(tile_shape=(4, 30))
        fits.write_image(floats((30, 30), 1), extname="FLOATS", compress=codec, quantize=rustfits.Quantize())
        fits.write_image(pixels((20, 30), "u1", 5), extname="TAIL")
    elif name in ("write_a_created_image_tile_by_tile", "write_tiles_between_reads"):
        codec, dtype = rustfits.Gzip2(tile_shape=(10, 30)), "i4" if "created" in name else "f4"
        quantize = None if dtype == "i4" else rustfits.Quantize()
        fits.create_image_hdu(dtype, (40, 30), extname="EMPTY", compress=codec, quantize=quantize)
        fits.write_image(pixels((20, 30), "u1", 5), extname="TAIL")
    elif name in ("extend_into_the_room", "repack_and_close_the_room"):
        extend_and_leave_room(fits)
    elif "packed_table" in name:
        data, how = rows(60, 40), {"compress": "GZIP_1", "ztilelen": 16}
        fits.write_table(data, extname="TABLE", var_dtypes={"v": "f4"}, **how)
        fits.write_image(pixels((20, 30), "u1", 5), extname="TAIL")
        if name == "repack_a_packed_table":
            fits["TABLE"][["n", "v"]][5:20] = fits["TABLE"][30:45]
    elif name.endswith("a_table") or "_a_table_" in name:
        fits.write_table(rows(60, 40), extname="TABLE", var_dtypes={"v": "f4"})
        fits.write_image(pixels((20, 30), "u1", 5), extname="TAIL")
        if name == "repack_a_table":
            fits["TABLE"][["n", "v"]][5:20] = fits["TABLE"][30:45]
        elif name == "append_into_the_room_of_a_table":
            append_to_a_table_and_leave_room(fits)


def prepared(name, path):
    """Write the file that an edit begins with, and return whether the edit exists in this version."""
    build(path)
    with FITS(path, "r+") as fits:
        try:
            before(name, fits)
        except rustfits.NotSupported:
            return False
    try:
        with FITS.from_bytes(Path(path).read_bytes(), "r+") as fits:
            EDITS[name](fits)
    except rustfits.NotSupported:
        return False
    return True
