"""What tests of the short ways of cutouts share."""

import numpy as np
from hypothesis import strategies as st

OTHER_KEYS = [  # of two axes of at least ten pixels; not all of them go the short way
    (3, slice(4, 9)),
    (slice(-9, -3), slice(4, 9)),
    (slice(3, 9, 2), slice(4, 9)),
    (slice(3, 3), slice(4, 9)),
    (slice(9, 3), slice(4, 9)),
    (slice(None, 9), slice(4, None)),
    (slice(np.int64(-9), np.int64(9)), slice(4, 9)),
    (slice(False, 3), slice(4, 9)),
    (..., slice(4, 9)),
    slice(4, 9),
]


class Index:
    """An integer of somebody else's."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


INTEGERS = [np.int64, np.uint8, np.int16, Index]  # kinds of bounds beside int, as catalogues have them


def starts_and_counts(shape):
    """Draw a box: where it begins and how many pixels it has in each axis, of which some may lie past the end."""
    return st.tuples(*[st.tuples(st.integers(0, size - 1), st.integers(1, 60)) for size in shape])


def refuse(*_):
    raise AssertionError("this box was to go the short way")
