"""Compare the verdicts of rustfits on DATASUM and CHECKSUM of every HDU with those of fitsverify and astropy.

    python tests/interop/verdicts.py FILE...

prints every difference and ends with 1 if there is one. Folders stand for all files in them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import rustfits

KEYWORDS = ("DATASUM", "CHECKSUM")
REMARKS = {"Data checksum is not consistent": "DATASUM", "HDU checksum is not in agreement": "CHECKSUM"}


def by_rustfits(path):
    """Return the set of (index, keyword) of all sums that are wrong, and the number of HDUs."""
    with rustfits.FITS(path, lenient=True) as fits:
        report = fits.verify()
    return {(hdu.index, word) for hdu in report for word in KEYWORDS if hdu[word].status == "bad"}, len(report)


def by_fitsverify(path):
    """As `by_rustfits`; an HDU that the program cannot get over ends the list."""
    said = subprocess.run(["fitsverify", path], capture_output=True, check=False).stdout.decode("latin-1")
    wrong, index = set(), -1
    for line in said.splitlines():
        found = re.match(r"=+ HDU (\d+):", line)
        index = int(found[1]) - 1 if found else index
        wrong |= {(index, word) for remark, word in REMARKS.items() if remark in line}
    return wrong, index + 1


def by_astropy(path):
    """As `by_rustfits`."""
    from astropy.io import fits as astropy_fits

    wrong = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with astropy_fits.open(path, checksum=True, disable_image_compression=True) as peer:
            for index in range(len(peer)):
                hdu = peer[index]
                for word, valid in (("DATASUM", hdu._datasum_valid), ("CHECKSUM", hdu._checksum_valid)):
                    if hdu._header.get(word) and valid is not None and not valid:
                        wrong.add((index, word))
            return wrong, len(peer)


PEERS = {"fitsverify": by_fitsverify, "astropy": by_astropy}


def differences(path):
    """Return a line for each sum on which the three do not agree, or that one of them cannot say anything of."""
    try:
        ours, count = by_rustfits(path)
    except (rustfits.FitsError, OSError) as error:
        return [f"rustfits: {error}"]
    lines = []
    for name, verdicts in PEERS.items():
        try:
            theirs, number = verdicts(str(path))
        except Exception as error:  # whatever another program says of a damaged file
            lines.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if number != count:
            lines.append(f"{name} finds {number} HDUs, rustfits {count}")
        for index, word in sorted(ours ^ theirs):
            lines.append(f"HDU {index}: {word}: bad for {'rustfits' if (index, word) in ours else name} alone")
    return lines


def main(arguments):
    if shutil.which("fitsverify") is None:
        sys.exit("fitsverify is not installed")
    paths = [path for each in map(Path, arguments) for path in (sorted(each.rglob("*")) if each.is_dir() else [each])]
    found = 0
    for path in paths:
        if path.is_file() and path.suffix not in (".md", ".txt"):
            lines = differences(path)
            found += len(lines)
            print(f"{path}: {'; '.join(lines) or 'the same'}")
    sys.exit(found > 0)


if __name__ == "__main__":
    main(sys.argv[1:])
