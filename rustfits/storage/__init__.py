"""Where the bytes of a file live."""
