"""Files with one table, made byte by byte."""

import rustfits

BLOCK = 2880


def card(key, value):
    text = f"'{value:<8}'" if isinstance(value, str) else "T" if value is True else str(value)
    return f"{key:<8}= {text}".ljust(80)


def table(columns, data=b"", nrows=1, row_nbytes=None, **cards):
    """Return an open file whose HDU 1 is a table; ``columns`` are (TFORM, TTYPE) pairs."""
    primary = "".join([card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 0)])
    width = len(data) // nrows if row_nbytes is None and nrows else row_nbytes or 0
    fixed = {"XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": width, "NAXIS2": nrows, "PCOUNT": 0}
    fixed |= {"GCOUNT": 1, "TFIELDS": len(columns)}
    for number, (form, name) in enumerate(columns, start=1):
        fixed[f"TFORM{number}"] = form
        if name:
            fixed[f"TTYPE{number}"] = name
    header = "".join(card(key, value) for key, value in (fixed | cards).items())
    blocks = [(text + "END").ljust(-(-(len(text) + 3) // BLOCK) * BLOCK).encode() for text in (primary, header)]
    content = b"".join(blocks) + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")
    return rustfits.FITS.from_bytes(content)[1]
