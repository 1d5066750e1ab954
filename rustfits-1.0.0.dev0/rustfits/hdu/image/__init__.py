"""Images: their header, the bytes of their data unit, cutouts, and the HDU that users hold.

Not here: compressed images, which are of `rustfits.hdu.compressed`.
"""
