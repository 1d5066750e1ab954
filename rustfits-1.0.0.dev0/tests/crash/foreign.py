"""What other programs, and users, do to a file after a writer of it was killed: a new one is a new row of a table."""

import os
import shutil
import subprocess

import numpy as np

import rustfits
from rustfits import FITS
from rustfits.storage.journal import HEADER_NBYTES

JOURNAL = ".rfjournal"


def other_pixels(content):
    """The same headers, other pixels: every byte of every data unit that is no header is another one."""
    with FITS.from_bytes(content) as fits:
        extents = [(hdu._extent.data_start, hdu._extent.data_start + hdu._extent.data_nbytes) for hdu in fits]
    changed = np.frombuffer(content, np.uint8).copy()
    for start, stop in extents:
        changed[start:stop] ^= 1
    return changed.tobytes()


def one_byte_else(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


# -- a file of that name is made anew: in place, or beside it and renamed ---------------------------------------------


def put(path, content):
    path.write_bytes(content)


def put_by_rename(path, content):
    new = path.with_name("new")
    new.write_bytes(content)
    new.rename(path)


def put_by_cp(path, content):
    new = path.with_name("new")
    new.write_bytes(content)
    subprocess.run(["cp", str(new), str(path)], check=True)
    new.unlink()


def put_by_cp_with_its_time(path, content):
    """As a backup does: the file was last changed long before the change began."""
    new = path.with_name("new")
    new.write_bytes(content)
    os.utime(new, (1_000_000_000, 1_000_000_000))
    shutil.copy2(new, path)
    new.unlink()


WAYS_TO_PUT = (put, put_by_rename, put_by_cp, put_by_cp_with_its_time)
CONTENTS = {
    "the file as it was": lambda scene: scene.before,
    "the file as it would be": lambda scene: scene.after,
    "the file as it was, with other pixels": lambda scene: other_pixels(scene.before),
    "the file as it would be, with other pixels": lambda scene: other_pixels(scene.after),
    "the file as it was, but for a pixel": lambda scene: one_byte_else(scene.before, len(scene.before) // 2),
    "the file as it would be, but for a pixel": lambda scene: one_byte_else(scene.after, len(scene.after) // 2),
    "the file as it would be, but for the last byte": lambda scene: one_byte_else(scene.after, len(scene.after) - 1),
    "another file": lambda scene: scene.other,
}


# -- the file is made anew by a library of FITS files -----------------------------------------------------------------


def made_by_astropy(path, number):
    from astropy.io import fits

    hdus = [fits.PrimaryHDU(np.full((40, 50), number, "i2")), fits.ImageHDU(np.ones((30, 20), "f4"), name="SCI")]
    fits.HDUList(hdus).writeto(path, overwrite=True)


def made_by_fitsio(path, number):
    import fitsio

    with fitsio.FITS(str(path), "rw", clobber=True) as fits:
        fits.write(np.full((40, 50), number, "i2"))
        fits.write(np.ones((30, 20), "f4"), extname="SCI", compress="GZIP")


LIBRARIES = {"astropy": made_by_astropy, "fitsio": made_by_fitsio}


# -- the file is edited, in whatever state it is ----------------------------------------------------------------------


def one_byte_by_open(path, at):
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def early_byte(path):
    one_byte_by_open(path, 3000)


def middle_byte(path):
    one_byte_by_open(path, path.stat().st_size // 2)


def last_byte(path):
    one_byte_by_open(path, path.stat().st_size - 1)


def append_bytes(path):
    with path.open("ab") as file:
        file.write(bytes(2880))


def cut_short(path):
    os.truncate(path, path.stat().st_size - 2880)


def card_by_astropy(path):
    from astropy.io import fits

    with fits.open(path, mode="update", memmap=False, disable_image_compression=True) as hdus:
        hdus[0].header["TOUCHED"] = (1, "by somebody else")


def hdu_by_astropy(path):
    from astropy.io import fits

    fits.append(path, np.arange(12, dtype="i2").reshape(3, 4), verify=False)


def card_by_fitsio(path):
    import fitsio

    with fitsio.FITS(str(path), "rw") as fits:
        fits[0].write_key("TOUCHED", 1)


EDITORS = (early_byte, middle_byte, last_byte, append_bytes, cut_short, card_by_astropy, hdu_by_astropy, card_by_fitsio)


# -- what is there afterwards -----------------------------------------------------------------------------------------


def opened(path, mode):
    """Open and read all there is; return the error that came of it: what others made may be no good file."""
    try:
        with FITS(path, mode) as fits:
            for hdu in fits:
                hdu.header.keys()
                if isinstance(hdu, rustfits.ImageHDU):
                    hdu.read()
    except rustfits.FitsError as error:
        return error
    return None


def journals(path):
    """The content of the journals of a file, whatever their names are now, but for those that say nothing."""
    found = [left.read_bytes() for left in sorted(path.parent.glob(f"{path.name}{JOURNAL}*"))]
    return [content for content in found if len(content) > HEADER_NBYTES]
