"""The engine ``rustfits`` of xarray: images as variables that are read when their pixels are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from rustfits import FITS, ImageError, ImageHDU, LazyArray, LocationError, NotPicklable, Remote
from rustfits_arrays.chunks import tile_chunks
from rustfits_arrays.images import IMAGE, attributes, dimensions, image_of, is_ranged, named_images
from rustfits_arrays.wcs import linear_coordinates

try:
    import xarray
    from xarray.backends import BackendArray, BackendEntrypoint
    from xarray.core import indexing
except ImportError as error:
    raise ImportError("rustfits_arrays.xarray needs xarray: pip install xarray") from error

_CHUNK_NBYTES = 4 << 20  # of pixels: Dask makes larger ones of these, but warns of whoever divides them
_ENDINGS = (".fits", ".fit", ".fts", ".fits.fz", ".fits.gz")

Names = str | Iterable[str] | None


class FITSBackend(BackendEntrypoint):  # type: ignore[misc]
    """What xarray calls to open FITS files; users call `xarray.open_dataset` and `xarray.open_datatree`."""

    description = "FITS images, compressed ones too, by rustfits"
    url = "https://rustfits.readthedocs.io"
    supports_groups = True
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj",
        "drop_variables",
        "group",
        "wcs",
        "remote",
        "lenient",
    )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether that is the name or the URL of a FITS file."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        name = os.fspath(filename_or_obj).lower()
        return name.partition("?")[0].endswith(_ENDINGS) if "://" in name else name.endswith(_ENDINGS)

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: Names = None,
        group: int | str | None = None,
        wcs: Literal["1d"] | None = None,
        remote: Remote | str | None = None,
        lenient: bool | None = None,
    ) -> xarray.Dataset:
        """Return the images of a file as variables, or one of them.

        Parameters
        ----------
        filename_or_obj : str or path
            A file or URL. Of a URL, only what is needed is fetched, unless `remote` says otherwise.
        drop_variables : str or iterable of str, optional
            Images to leave out, by their names.
        group : str or int, optional
            One HDU, by its name or number: its variable is called ``image``. All images if None: each is called by its
            EXTNAME.
        wcs : '1d', optional
            Adds the world coordinates of axes that are linear and depend on no other. Nothing is added for the others.
        remote : Remote, optional
            As of `rustfits.FITS`.
        lenient : bool, optional
            As of `rustfits.FITS`.

        Returns
        -------
        xarray.Dataset
            Nothing but headers is read. Attributes come from headers, those of the dataset from the primary one.

        Raises
        ------
        ImageError
            If images of different shapes were to share dimensions.
        NotSupported
            If there is no image, or there are random groups.
        FitsError
            If the file cannot be opened.
        """
        fits, about = _opened(filename_or_obj, wcs, remote, lenient)
        with _closed_with(fits) as datasets:
            if group is None:
                images = _without(named_images(fits), drop_variables)
                _check_shapes(images, fits.filename)
                variables = {name: about.variable(hdu) for name, hdu in images.items()}
                header, coordinates = fits[0].header, [about.coordinates(hdu) for hdu in images.values()]
            else:
                hdu = image_of(fits, group)
                variables = {IMAGE: about.variable(hdu)} if IMAGE not in _names(drop_variables) else {}
                header, coordinates = hdu.image_header, [about.coordinates(hdu)]
            found = xarray.Dataset(variables, _agreeing(coordinates), attributes(header))
            datasets.append(found)
        return found

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: Names = None,
        wcs: Literal["1d"] | None = None,
        remote: Remote | str | None = None,
        lenient: bool | None = None,
    ) -> dict[str, xarray.Dataset]:
        """Return a dataset for each image, by the path of its group; parameters and errors as of `open_dataset`."""
        fits, about = _opened(filename_or_obj, wcs, remote, lenient)
        with _closed_with(fits) as datasets:
            groups = {"/": xarray.Dataset(attrs=attributes(fits[0].header))}
            for name, hdu in _without(named_images(fits), drop_variables).items():
                header = attributes(hdu.image_header)
                groups[f"/{name}"] = xarray.Dataset({IMAGE: about.variable(hdu)}, about.coordinates(hdu), header)
            datasets.extend(groups.values())
        return groups

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: Names = None,
        wcs: Literal["1d"] | None = None,
        remote: Remote | str | None = None,
        lenient: bool | None = None,
    ) -> xarray.DataTree:
        """Return a tree with a group for each image; parameters and errors as of `open_dataset`."""
        groups = self.open_groups_as_dict(
            filename_or_obj, drop_variables=drop_variables, wcs=wcs, remote=remote, lenient=lenient
        )
        return xarray.DataTree.from_dict(groups)


class _ImageArray(BackendArray):  # type: ignore[misc]
    """The pixels of an image, for xarray."""

    def __init__(self, source: LazyArray | ImageHDU) -> None:
        self.source, self.shape, self.dtype = source, source.shape, source.dtype

    def __getitem__(self, key: Any) -> Any:
        sized = zip(key.tuple, self.shape, strict=True)
        key = type(key)(tuple(_not_backwards_if_empty(each, size) for each, size in sized))
        # Of what is not a box, xarray asks for the box around it.
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._box)

    def _box(self, key: tuple[Any, ...]) -> Any:
        if isinstance(self.source, LazyArray):
            return self.source[key]
        if all(not isinstance(each, slice) or (each.step or 1) > 0 for each in key):
            return self.source[key]
        forward = tuple(_forward(each, size) for each, size in zip(key, self.shape, strict=True))
        flips = tuple(slice(None, None, -1 if each.step < 0 else 1) for each in key if isinstance(each, slice))
        return self.source[forward][flips]


def _not_backwards_if_empty(key: Any, size: int) -> Any:
    """Return the key; instead of an empty slice of negative step, which xarray stumbles over, another empty one.

    Raises
    ------
    ImageError
        If xarray has made -1 of a start before the first pixel, so that it takes an empty slice for all pixels.
    """
    if not isinstance(key, slice):
        return key
    if key.start is not None and key.start < 0 and (key.step or 1) < 0:
        raise ImageError(
            "an index that begins before the first pixel and goes backwards has no pixels; xarray errs here"
        )
    return key if range(size)[key] else slice(0, 0, 1)


def _forward(key: Any, size: int) -> Any:
    """Return the slice of positive step that takes the same pixels."""
    if not isinstance(key, slice) or (key.step or 1) > 0:
        return key
    taken = range(size)[key]
    return slice(taken[-1], taken[0] + 1, -key.step) if taken else slice(0, 0)


class _About:
    """What variables are made of, beside their pixels."""

    def __init__(self, source: str, wcs: str | None) -> None:
        self.source, self.wcs = source, wcs

    def variable(self, hdu: ImageHDU) -> xarray.Variable:
        """Return an image as a variable, whose pixels are not read."""
        try:
            pixels: LazyArray | ImageHDU = hdu.lazy()
        except NotPicklable:  # compressed as a whole, and unpacked now: it is of this process
            pixels = hdu
        data = indexing.LazilyIndexedArray(_ImageArray(pixels))
        header = hdu.image_header
        attrs = attributes(header)
        if hdu.unit:
            attrs["units"] = hdu.unit
        found = xarray.Variable(dimensions(hdu.ndim), data, attrs)
        found.encoding = self._encoding(hdu, pixels)
        return found

    def coordinates(self, hdu: ImageHDU) -> dict[str, xarray.Variable]:
        """Return the world coordinates that were asked for."""
        if self.wcs is None:
            return {}
        names = dimensions(hdu.ndim)
        found = linear_coordinates(hdu.image_header, hdu.shape)
        return {names[axis]: xarray.Variable(names[axis], *about) for axis, about in found.items()}

    def _encoding(self, hdu: ImageHDU, pixels: LazyArray | ImageHDU) -> dict[str, Any]:
        compression = getattr(hdu, "compression", None)
        tile = compression.tile_shape if compression is not None else None
        lengths = tile_chunks(hdu.shape, getattr(pixels, "chunks", tile), hdu.dtype.itemsize, _CHUNK_NBYTES)
        names = dimensions(hdu.ndim)
        found: dict[str, Any] = {
            "source": self.source,
            "hdu": hdu.index,
            "original_shape": hdu.shape,
            "preferred_chunks": {name: max(each[0], 1) for name, each in zip(names, lengths, strict=True)},
            "stored_dtype": hdu.stored_dtype,
        }
        if compression is not None:
            found |= {"zcmptype": compression.zcmptype, "tile_shape": tile, "codec": repr(compression)}
        return found


def _opened(filename: Any, wcs: str | None, remote: Any, lenient: bool | None) -> tuple[FITS, _About]:
    if wcs not in (None, "1d"):
        raise ValueError(f"wcs={wcs!r}: it is None or '1d'; coordinates of the sky are those of astropy.wcs.WCS")
    name = os.fspath(filename) if isinstance(filename, os.PathLike) else filename
    if not isinstance(name, str):
        raise TypeError(f"the engine 'rustfits' opens files by their path or URL, not a {type(name).__name__}")
    about = _About(name, wcs)
    if remote is None and is_ranged(name):
        try:
            return FITS(name, lenient=lenient, remote="ranged"), about
        except LocationError:  # compressed as a whole, and so without ranges
            pass
    return FITS(name, lenient=lenient, remote=remote), about


@contextmanager
def _closed_with(fits: FITS) -> Iterator[list[xarray.Dataset]]:
    """Close the file when the block fails, or if no dataset that it adds to the list needs it; else with the last."""
    datasets: list[xarray.Dataset] = []
    try:
        yield datasets
    except BaseException:
        fits.close()
        raise
    arrays = [each.variables[name] for each in datasets for name in each.data_vars]
    if not any(isinstance(_pixels_of(each), ImageHDU) for each in arrays):
        fits.close()
        return
    close = _Closing(fits, len(datasets))
    for each in datasets:
        each.set_close(close)


class _Closing:
    """Closes a file when it was called for the last of its datasets."""

    def __init__(self, fits: FITS, users: int) -> None:
        self.fits, self.users = fits, users

    def __call__(self) -> None:
        self.users -= 1
        if self.users <= 0:
            self.fits.close()


def _pixels_of(variable: xarray.Variable) -> Any:
    return getattr(getattr(variable._data, "array", None), "source", None)


def _names(names: Names) -> set[str]:
    return {names} if isinstance(names, str) else set(names or ())


def _without(images: dict[str, ImageHDU], dropped: Names) -> dict[str, ImageHDU]:
    left_out = _names(dropped)
    return {name: hdu for name, hdu in images.items() if name not in left_out}


def _check_shapes(images: dict[str, ImageHDU], filename: str) -> None:
    """Refuse images that cannot share dimensions."""
    sizes: dict[str, tuple[str, int]] = {}
    for name, hdu in images.items():
        for dimension, size in zip(dimensions(hdu.ndim), hdu.shape, strict=True):
            first, other = sizes.setdefault(dimension, (name, size))
            if size != other:
                raise ImageError(
                    f"the images of {filename} have different shapes, which one Dataset cannot hold: along {dimension} "
                    f"{first} has {other} pixels and {name} {size}; use xarray.open_datatree(), which has a group for "
                    "each, or group= for one of them, or leave some out by drop_variables="
                )


def _agreeing(coordinates: list[dict[str, xarray.Variable]]) -> dict[str, xarray.Variable]:
    """Return the coordinates of axes that are the same for all images."""
    found = dict(coordinates[0]) if coordinates else {}
    for other in coordinates[1:]:
        found = {name: each for name, each in found.items() if name in other and each.identical(other[name])}
    return found
