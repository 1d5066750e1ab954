"""Files behind URLs: whole downloads, or the ranges of bytes that a read needs."""
