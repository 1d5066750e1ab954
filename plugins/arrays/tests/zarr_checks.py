"""What tests of Zarr have in common; to be imported only where Zarr is installed."""

import json

import zarr
from files import images_of, same

import rustfits
from rustfits_arrays.images import named_images
from rustfits_arrays.zarr import ReferenceStore


def opened(refs, **options):
    """Return what references hold, as whoever reads their JSON sees it."""
    return zarr.open(ReferenceStore(json.loads(json.dumps(refs)), options), mode="r")


def check(group, file):
    """Compare the arrays of a group with the images of a file; return how many there are."""
    number = 0
    with rustfits.FITS(file) as fits:
        names = {hdu.index: name for name, hdu in named_images(fits).items()}
        for hdu, pixels in images_of(fits):
            array = group[names[hdu.index]]["image"]
            assert array.dtype == pixels.dtype
            assert array.metadata.dimension_names == ("axis4", "z", "y", "x")[-pixels.ndim :]
            assert same(array[...], pixels)
            key = tuple(slice(size // 3, size // 2 + 1) for size in pixels.shape)
            assert same(array[key], pixels[key])
            number += 1
    return number
