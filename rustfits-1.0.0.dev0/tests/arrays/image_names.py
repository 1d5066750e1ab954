"""What the images of `conftest.py` are called, and their shape."""

SHAPE = (60, 90)
NAMES = ["U2", "I4", "F4", "SCALED", "BLANK", "U2_GZIP", "I4_RICE", "SCALED_RICE", "BLANK_RICE", "F8_GZIP", "QUANTIZED"]
