"""How floats become integers before they are compressed (FITS 4.0, section 10.2): dither, noise, quantum, parameters.

Not here: the columns ZSCALE and ZZERO that keep the outcome, which are of `rustfits.tiles`.
"""
