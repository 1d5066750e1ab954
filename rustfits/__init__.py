"""Read and write FITS files whose images may be tile-compressed."""
