/* Elements whose bytes are the same in rows and in memory, but for their order and the highest bit. */
#include "cells.h"

static void move_bytes(const rf_walk *walk, int64_t nbytes)
{
    if (nbytes == 1)
        RF_EACH_CELL(walk, *to = *from;);
    else
        RF_EACH_CELL(walk, rf_copy(to, from, nbytes););
}

/* flip is a constant: what changes the highest bit, in the byte order of `from`; or 0. */
#define RF_MOVE(bits)                                                                                                  \
    RF_INLINE uint##bits##_t moved##bits(const uint8_t *from, uint##bits##_t flip)                                     \
    {                                                                                                                  \
        return rf_be##bits((uint##bits##_t)(rf_load_u##bits(from) ^ flip));                                            \
    }                                                                                                                  \
    RF_INLINE void move##bits(const rf_walk *walk, int64_t count, uint##bits##_t flip)                                 \
    {                                                                                                                  \
        if (count == 1)                                                                                                \
            RF_EACH_CELL(walk, rf_store_u##bits(to, moved##bits(from, flip)););                                        \
        else                                                                                                           \
            RF_EACH_CELL(walk, for (int64_t k = 0; k < count * (bits / 8); k += bits / 8)                              \
                                   rf_store_u##bits(to + k, moved##bits(from + k, flip)););                            \
    }
RF_MOVE(16)
RF_MOVE(32)
RF_MOVE(64)

static void flip8(const rf_walk *walk, int64_t count)
{
    RF_EACH_CELL(walk, for (int64_t k = 0; k < count; k++) to[k] = from[k] ^ 0x80;);
}

void rf_move(const rf_field *field, const rf_walk *walk, int decodes)
{
    const uint16_t high16 = 0x8000u;
    const uint32_t high32 = 0x80000000u;
    const uint64_t high64 = 0x8000000000000000u;
    int64_t count = field->count;
    if (field->kind == RF_COPY)
        move_bytes(walk, field->size * count);
    else if (field->kind == RF_SWAP)
        switch (field->size) {
        case 2:
            move16(walk, count, 0);
            break;
        case 4:
            move32(walk, count, 0);
            break;
        default:
            move64(walk, count, 0);
        }
    else
        switch (field->size) {
        case 1:
            flip8(walk, count);
            break;
        case 2:
            move16(walk, count, decodes ? rf_be16(high16) : high16);
            break;
        case 4:
            move32(walk, count, decodes ? rf_be32(high32) : high32);
            break;
        default:
            move64(walk, count, decodes ? rf_be64(high64) : high64);
        }
}
