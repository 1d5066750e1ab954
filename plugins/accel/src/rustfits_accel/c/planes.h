/* Gzip members of the byte planes of GZIP_2 (FITS 4.0, section 10.4.2; RFC 1951 and 1952). */
#ifndef RF_PLANES_H
#define RF_PLANES_H

#include <stdint.h>

/* Room that rf_gzip_planes asks for a tile of nbytes bytes in nplanes planes. */
int64_t rf_planes_bound(int64_t nbytes, int32_t nplanes);

/* Compress ntiles tiles into one gzip member each, every plane with Huffman codes of its own.
 * data         [data_nbytes] bytes of all tiles, back to back; each tile is nplanes planes of equal length
 * nbytes       [ntiles] bytes of each tile, a multiple of nplanes
 * crc          [ntiles] CRC-32 of the bytes of each tile
 * out          [out_nbytes] room for the members, back to back: the sum of rf_planes_bound always suffices
 * length       [ntiles] filled with the bytes of each member, which depend on the tile alone
 * repeats      [ntiles] filled with 1 for a tile in which strings come again so often that it may be worth to look for
 *              them, which is not done here, else 0
 * Returns the bytes written, or -1 if the tiles are more than the data or not whole planes, or if rf_planes_bound of a
 * tile is more than the room that is left. Thread-safe; allocates nothing. */
int64_t rf_gzip_planes(const uint8_t *data, int64_t data_nbytes, const int64_t *nbytes, const uint32_t *crc,
                       int64_t ntiles, int32_t nplanes, uint8_t *out, int64_t out_nbytes, int64_t *length,
                       uint8_t *repeats);

#endif
