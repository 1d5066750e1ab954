/* The quadtree code of bit planes. Included once for each width of coefficient: COEF, NAME(x) as in transform.h.
 *
 * A plane of a quadrant is a grid of bits; its 2 x 2 blocks are nybbles. Whether nybbles are zero is the grid of the
 * level above, and so on up to one nybble. The tree is sent from its root, each level backwards and only the non-zero
 * nybbles, or, where that is longer, the lowest nybbles as they are.
 *
 * Between nybbles and coefficients stand bytes: for eight planes and each block, one byte for each of its four
 * coefficients. So a plane costs a few byte operations a block, which compilers vectorise, and the coefficients are
 * touched once for eight planes. */

struct NAME(quadrant) {
    COEF *first;
    int64_t height, width, stride;
};

static void NAME(quadrants)(COEF *coef, int64_t height, int64_t width, struct NAME(quadrant) quadrants[4])
{
    int64_t top = (height + 1) / 2, left = (width + 1) / 2;
    for (int q = 0; q < 4; q++) {
        int low = q / 2, right = q % 2;
        quadrants[q].first = coef + (low ? top * width : 0) + (right ? left : 0);
        quadrants[q].height = low ? height / 2 : top;
        quadrants[q].width = right ? width / 2 : left;
        quadrants[q].stride = width;
    }
}

/* Bits `shift` to `shift` + 7 of the coefficients, one array for each place in a block; beyond an odd edge 0. */
static void NAME(slice)(const struct NAME(quadrant) *q, int shift, struct slices *slices)
{
    int64_t columns = (q->width + 1) / 2, pairs = q->width / 2;
    for (int64_t i = 0; i < q->height; i++) {
        const COEF *row = q->first + i * q->stride;
        uint8_t *even = slices->place[i % 2 * 2] + i / 2 * columns, *odd = slices->place[i % 2 * 2 + 1] + i / 2 * columns;
        for (int64_t j = 0; j < pairs; j++) {
            even[j] = (uint8_t)(row[2 * j] >> shift);
            odd[j] = (uint8_t)(row[2 * j + 1] >> shift);
        }
        if (q->width % 2) {
            even[pairs] = (uint8_t)(row[q->width - 1] >> shift);
            odd[pairs] = 0;
        }
    }
    if (q->height % 2) {
        memset(slices->place[2] + q->height / 2 * columns, 0, (size_t)columns);
        memset(slices->place[3] + q->height / 2 * columns, 0, (size_t)columns);
    }
}

/* The inverse: add the bytes, shifted, to the coefficients. */
static void NAME(unslice)(const struct NAME(quadrant) *q, int shift, const struct slices *slices)
{
    int64_t columns = (q->width + 1) / 2, pairs = q->width / 2;
    for (int64_t i = 0; i < q->height; i++) {
        COEF *row = q->first + i * q->stride;
        const uint8_t *even = slices->place[i % 2 * 2] + i / 2 * columns;
        const uint8_t *odd = slices->place[i % 2 * 2 + 1] + i / 2 * columns;
        for (int64_t j = 0; j < pairs; j++) {
            row[2 * j] |= (COEF)even[j] << shift;
            row[2 * j + 1] |= (COEF)odd[j] << shift;
        }
        if (q->width % 2)
            row[q->width - 1] |= (COEF)even[pairs] << shift;
    }
}

static void NAME(put_quadrant)(struct writer *out, const struct NAME(quadrant) *q, int nplanes, struct slices *slices,
                               uint8_t *nybbles, struct grids grids)
{
    int64_t rows = (q->height + 1) / 2, columns = (q->width + 1) / 2;
    for (int bit = nplanes - 1; bit >= 0; bit--) {
        if (bit == nplanes - 1 || bit % 8 == 7)
            NAME(slice)(q, bit & ~7, slices);
        collect_plane(slices, bit % 8, nybbles, rows * columns);
        put_plane(out, nybbles, rows, columns, grids);
    }
}

/* Planes of all quadrants, the closing zero, the sign bits. Coefficients become their absolute values. */
static void NAME(put_coef)(struct writer *out, COEF *coef, int64_t height, int64_t width, struct slices *slices,
                           uint8_t *nybbles, struct grids grids, uint8_t *signs)
{
    struct NAME(quadrant) quadrants[4];
    struct writer sign_bits = {signs, 0, 0};
    int nplanes[3] = {0, 0, 0};
    for (int64_t k = 0; k < height * width;) {
        int64_t stop = k + 32 < height * width ? k + 32 : height * width;
        uint64_t bits = 0;
        int n = 0;
        for (; k < stop; k++) {
            int set = coef[k] != 0, negative = coef[k] < 0;
            bits = bits << set | (uint64_t)negative;
            n += set;
            coef[k] = negative ? -coef[k] : coef[k];
        }
        put(&sign_bits, bits, n);
    }
    flush(&sign_bits);
    NAME(quadrants)(coef, height, width, quadrants);
    for (int q = 0; q < 4; q++) {
        COEF any = 0;
        for (int64_t i = 0; i < quadrants[q].height; i++)
            for (int64_t j = 0; j < quadrants[q].width; j++)
                any |= quadrants[q].first[i * quadrants[q].stride + j];
        int *planes = nplanes + (q + 1) / 2; /* quadrants 1 and 2 share a number */
        while (*planes < (int)(8 * sizeof any) - 1 && any >> *planes)
            ++*planes;
    }
    for (int group = 0; group < 3; group++)
        put(out, (uint64_t)nplanes[group], 8);
    for (int q = 0; q < 4; q++)
        NAME(put_quadrant)(out, quadrants + q, nplanes[(q + 1) / 2], slices, nybbles, grids);
    put(out, 0, 4);
    flush(out);
    memcpy(out->next, signs, (size_t)(sign_bits.next - signs));
    out->next += sign_bits.next - signs;
}

static int32_t NAME(take_quadrant)(struct reader *in, const struct NAME(quadrant) *q, int nplanes,
                                   struct slices *slices, struct grids grids, int32_t *positions)
{
    int64_t rows = (q->height + 1) / 2, columns = (q->width + 1) / 2;
    for (int bit = nplanes - 1; bit >= 0; bit--) {
        if (bit == nplanes - 1 || bit % 8 == 7)
            for (int place = 0; place < 4; place++)
                memset(slices->place[place], 0, (size_t)(rows * columns));
        const uint8_t *nybbles = grids.first;
        uint32_t format = take(in, 4);
        if (format == 0)
            take_nybbles(in, grids.first, rows * columns);
        else if (format == 0xF)
            nybbles = take_tree(in, grids.first, grids.second, rows, columns, positions);
        else
            return RF_HCOMPRESS_FORMAT;
        if (is_cut(in))
            return RF_HCOMPRESS_CUT;
        add_plane(slices, nybbles, rows * columns);
        if (bit % 8 == 0)
            NAME(unslice)(q, bit, slices);
    }
    return RF_HCOMPRESS_OK;
}

/* Give the coefficients that are not 0 their signs. */
static int32_t NAME(take_signs)(struct reader *in, COEF *coef, int64_t n)
{
    for (int64_t k = 0; k < n;) {
        int64_t stop = k + 56 < n ? k + 56 : n;
        uint64_t window = peek(in);
        int used = 0;
        for (; k < stop; k++) {
            int set = coef[k] != 0;
            COEF negative = (COEF)(window >> 63) & set;
            window <<= set;
            used += set;
            coef[k] = (coef[k] ^ -negative) + negative;
        }
        in->at += used;
    }
    return is_cut(in) ? RF_HCOMPRESS_CUT : RF_HCOMPRESS_OK;
}

/* The inverse of put_coef, from the bit planes on. */
static int32_t NAME(take_coef)(struct reader *in, const uint8_t nplanes[3], COEF *coef, int64_t height, int64_t width,
                               struct slices *slices, struct grids grids, int32_t *positions)
{
    struct NAME(quadrant) quadrants[4];
    memset(coef, 0, (size_t)(height * width) * sizeof *coef);
    NAME(quadrants)(coef, height, width, quadrants);
    for (int q = 0; q < 4; q++) {
        int32_t fault = NAME(take_quadrant)(in, quadrants + q, nplanes[(q + 1) / 2], slices, grids, positions);
        if (fault)
            return fault;
    }
    uint32_t closing = take(in, 4);
    if (is_cut(in))
        return RF_HCOMPRESS_CUT;
    if (closing != 0)
        return RF_HCOMPRESS_FORMAT;
    in->at = (in->at + 7) & ~(int64_t)7; /* the sign bits start with a byte */
    return NAME(take_signs)(in, coef, height * width);
}
