/* Drawing a list and making one, for one kind of pixel. Included once for each: PIXEL is its type, NAME(x) its suffix,
 * LARGEST what it holds. */

enum { NAME(SHORT) = 8 }; /* pixels of a run that is drawn without a loop */

/* n pixels of one value. Whole steps are drawn as long as there is room for them. */
static inline void NAME(fill)(PIXEL *out, int64_t n, int64_t room, PIXEL value)
{
    int64_t x = 0;
    for (; x < n && x + 32 <= room; x += 32)
        for (int k = 0; k < 32; k++)
            out[x + k] = value;
    for (; x < n; x++)
        out[x] = value;
}

/* Draw zeros, then pixels of one value; return the pixels drawn. room: pixels that may be written, used or not. */
static inline int64_t NAME(draw)(PIXEL *out, int64_t zeros, int64_t ones, int64_t room, PIXEL value)
{
    zeros = zeros < room ? zeros : room;
    ones = ones < room - zeros ? ones : room - zeros;
    if (zeros <= NAME(SHORT) && ones <= NAME(SHORT) && room >= 2 * NAME(SHORT)) {
        memset(out, 0, NAME(SHORT) * sizeof *out);
        for (int k = 0; k < NAME(SHORT); k++)
            out[zeros + k] = value;
    } else {
        memset(out, 0, (size_t)zeros * sizeof *out);
        NAME(fill)(out + zeros, ones, room - zeros, value);
    }
    return zeros + ones;
}

static int32_t NAME(decode_tile)(const uint8_t *data, int64_t nwords, PIXEL *out, int64_t npixels)
{
    int64_t ip, stop, x = 0; /* next word, end of the list, next pixel */
    int64_t level = 1;
    int32_t fault = read_header(data, nwords, &ip, &stop);
    if (fault)
        return fault;
    while (ip < stop && x < npixels) {
        int32_t word = word_at(data, ip++), operand = word & OPERAND_MAX;
        if (word >> 12 > LOWER_ONE)
            return RF_PLIO_BAD_OPCODE;
        const struct effect effect = EFFECTS[word >> 12];
        level += effect.step * operand;
        if (word >> 12 == SET_LEVEL) {
            if (ip == stop)
                return RF_PLIO_CUT;
            /* The word is signed, as CFITSIO reads it: with its top bit set it would draw negative pixels, so there the
             * level is bad. */
            level = (int64_t)(int16_t)word_at(data, ip++) * 4096 + operand;
        }
        if (level < 0 || level > INT32_MAX)
            return RF_PLIO_BAD_LEVEL;
        if (word == ZEROS_THEN_ONE << 12) /* zero pixels in all */
            continue;
        int64_t zeros = effect.zeros * operand - effect.less, ones = effect.ones * operand + effect.one;
        if (ones && level > LARGEST)
            return RF_PLIO_TOO_WIDE;
        x += NAME(draw)(out + x, zeros, ones, npixels - x, (PIXEL)level);
    }
    if (x < npixels) /* what the list leaves undrawn is zero; an empty tile may have no out */
        memset(out + x, 0, (size_t)(npixels - x) * sizeof *out);
    return RF_PLIO_OK;
}

/* Which of the 16 pixels from `pixels` on differ from the one before them, the first one lowest. */
static inline uint32_t NAME(changes)(const PIXEL *pixels)
{
    uint32_t mask = 0;
#ifdef __SSE2__
    if (sizeof *pixels == 1) {
        const __m128i here = _mm_loadu_si128((const void *)pixels);
        const __m128i before = _mm_loadu_si128((const void *)(pixels - 1));
        return ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(here, before)) & 0xFFFF;
    }
    __m128i equal[4];
    for (int k = 0; k < 4; k++)
        equal[k] = _mm_cmpeq_epi32(_mm_loadu_si128((const void *)(pixels + 4 * k)),
                                   _mm_loadu_si128((const void *)(pixels + 4 * k - 1)));
    mask = (uint32_t)_mm_movemask_epi8(
        _mm_packs_epi16(_mm_packs_epi32(equal[0], equal[1]), _mm_packs_epi32(equal[2], equal[3])));
    return ~mask & 0xFFFF;
#else
    uint32_t any = 0;
    for (int k = 0; k < 16; k++)
        any |= (uint32_t)(pixels[k] ^ pixels[k - 1]);
    for (int k = 0; any && k < 16; k++)
        mask |= (uint32_t)(pixels[k] != pixels[k - 1]) << k;
    return mask;
#endif
}

/* A run of equal pixels; returns a status. All pixels are in some run, so this is where their range is checked. */
static inline int32_t NAME(add_run)(struct list *list, PIXEL pixel, int64_t n)
{
    if (pixel == 0) {
        list->nzeros = n;
        return RF_PLIO_OK;
    }
    int32_t level = (int32_t)pixel;
    if (level < 0 || level > MAX_PIXEL)
        return level < 0 ? RF_PLIO_NEGATIVE : RF_PLIO_TOO_LARGE;
    put_pair(list, n, level);
    return RF_PLIO_OK;
}

/* Puts the list behind its header. Returns the statuses of all runs, ORed: RF_PLIO_NEGATIVE and RF_PLIO_TOO_LARGE have
 * no bit in common. */
static int32_t NAME(make_list)(struct list *list, const PIXEL *pixels, int64_t npixels)
{
    int64_t first = 0, x = 1; /* of the run, and of the pixels not compared with the one before them */
    int32_t fault = RF_PLIO_OK;
    for (; x + 16 <= npixels; x += 16)
        for (uint32_t mask = NAME(changes)(pixels + x); mask; mask &= mask - 1) {
            int64_t stop = x + lowest_bit(mask);
            fault |= NAME(add_run)(list, pixels[first], stop - first);
            first = stop;
        }
    for (; x < npixels; x++)
        if (pixels[x] != pixels[x - 1]) {
            fault |= NAME(add_run)(list, pixels[first], x - first);
            first = x;
        }
    if (first < npixels)
        fault |= NAME(add_run)(list, pixels[first], npixels - first);
    return fault;
}
