"""Changes a file again and again in a process of its own, until it is told to stop; run by test_reading_beside_writing.

Usage: changing_worker.py WRITER NAME PATH COUNTERS
"""

import os
import random
import sys
import time

import numpy as np

import rustfits
from rustfits import FITS

SHAPES = {"PLAIN": (256, 512), "PACKED": (48, 128)}  # the plain one in whole pages, so that others write it by one call
CODEC = rustfits.Gzip2(tile_shape=(12, 128))
PAUSES = (0, 0.0005, 0.002, 0.01)  # seconds between two changes
LONG_PAUSES = (0, 0.001, 0.004, 0.05)  # so that a file that says nothing of the end of a change rests sometimes
BEGUN, DONE, STOP = range(3)
GARBAGE = -(10**6)


def pixels_of(name, number):
    """Return the pixels of a state: a shift shows in them, and so does a mixture with another state."""
    shape = SHAPES[name]
    return (np.arange(shape[0] * shape[1], dtype="i4") % 997).reshape(shape) + 1000 * number


def make(path, name, number, *, length=0):
    """Write a file in which the image comes after another one, of ``length`` bytes or so."""
    with FITS(path, "w+") as fits:
        noise = np.random.default_rng(number).integers(0, 256, (64, 256), dtype="u1")
        noise[length:] = 0
        fits.write_image(noise, extname="FIRST", compress=rustfits.Gzip1(tile_shape=(64, 256)))
        fits.write_image(pixels_of(name, number), extname=name, compress=CODEC if name == "PACKED" else None)
        fits.write_image(np.zeros((7,), "i2"), extname="LAST")


class Rustfits:
    """This library: each change is a transaction, some of which are thought better of."""

    def __init__(self, path, name):
        self.fits, self.name = FITS(path, "r+"), name
        self.noise = np.random.default_rng(0).integers(0, 256, (64, 256), dtype="u1")

    def change(self, number):
        fits, hdu, way = self.fits, self.fits[self.name], random.randrange(8)
        if way == 0:
            try:
                with fits.transaction():
                    hdu.write(pixels_of(self.name, GARBAGE // 1000))
                    fits[0].header["GARBAGE"] = number
                    raise KeyError
            except KeyError:
                pass
        with fits.transaction():
            if way in (1, 2):  # everything behind it moves, this way or that
                noise = self.noise.copy()
                noise[random.randrange(64) :] = 0
                fits["FIRST"].write(noise)
            hdu.write(pixels_of(self.name, number))


class Pwrite:
    """A program that changes the bytes of the file in place, each time by one call, or replaces it."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        with FITS(path) as fits:
            self.start = fits[name]._extent.data_start
        self.descriptor = os.open(path, os.O_RDWR)

    def change(self, number):
        way = random.randrange(8)
        if way and self.name == "PLAIN":
            os.pwrite(self.descriptor, pixels_of(self.name, number).astype(">i4").tobytes(), self.start)
            return
        other = f"{self.path}.other"
        make(other, self.name, number, length=random.randrange(64))
        with FITS(other) as fits:
            self.start = fits[self.name]._extent.data_start
        if way == 1:
            os.close(self.descriptor)
            self.descriptor = os.open(other, os.O_RDWR)
            os.replace(other, self.path)
            return
        with open(other, "rb") as file:
            content = file.read()
        os.pwrite(self.descriptor, content, 0)
        os.ftruncate(self.descriptor, len(content))


class Astropy:
    """astropy in its update mode, without a memory map; a header that grows makes it write another file."""

    def __init__(self, path, name):
        self.path, self.name = path, name

    def change(self, number):
        from astropy.io import fits

        with fits.open(self.path, mode="update", memmap=False) as hdus:
            hdus[self.name].data[...] = pixels_of(self.name, number)
            if not random.randrange(8):
                hdus[0].header.extend([(f"A{number}K{each}", each) for each in range(36)])
                if len(hdus[0].header) > 500:
                    hdus[0].header.clear()


def main(writer, name, path, counters):
    random.seed(f"{writer} {name}")
    counters = np.memmap(counters, "i8", "r+")
    writer = {"rustfits": Rustfits, "pwrite": Pwrite, "astropy": Astropy}[writer](path, name)
    while not counters[STOP]:
        counters[BEGUN] += 1
        writer.change(int(counters[BEGUN]))
        counters[DONE] = counters[BEGUN]
        time.sleep(random.choice(PAUSES if isinstance(writer, Rustfits) else LONG_PAUSES))


if __name__ == "__main__":
    main(*sys.argv[1:])
