/* The quadtree code of bit planes. Included once for each width of coefficient: COEF, NAME(x) as in transform.h.
 *
 * A plane of a quadrant is a grid of bits. Each 2 x 2 block is a nybble; whether blocks are non-zero is the grid of the
 * level above, and so on up to one nybble. The tree is sent from its root, each level backwards and only the non-zero
 * nybbles, or, where that is longer, the lowest nybbles as they are. */

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

/* Nybbles of one bit plane, row by row; pixels beyond an odd edge count as 0. */
static void NAME(plane_nybbles)(const struct NAME(quadrant) *q, int bit, uint8_t *nybbles)
{
    for (int64_t i = 0; i < q->height; i += 2) {
        const COEF *top = q->first + i * q->stride;
        const COEF *low = i + 1 < q->height ? top + q->stride : NULL;
        int64_t j = 0;
        for (; low && j + 1 < q->width; j += 2)
            *nybbles++ = (uint8_t)((top[j] >> bit & 1) << 3 | (top[j + 1] >> bit & 1) << 2 | (low[j] >> bit & 1) << 1 |
                                   (low[j + 1] >> bit & 1));
        for (; j < q->width; j += 2)
            *nybbles++ = (uint8_t)((top[j] >> bit & 1) << 3 | (j + 1 < q->width ? top[j + 1] >> bit & 1 : 0) << 2 |
                                   (low ? low[j] >> bit & 1 : 0) << 1);
    }
}

static void NAME(insert_plane)(const struct NAME(quadrant) *q, int bit, const uint8_t *nybbles)
{
    for (int64_t i = 0; i < q->height; i += 2) {
        COEF *top = q->first + i * q->stride;
        COEF *low = i + 1 < q->height ? top + q->stride : NULL;
        int64_t j = 0;
        for (; low && j + 1 < q->width; j += 2) {
            COEF nybble = *nybbles++;
            top[j] |= (nybble >> 3 & 1) << bit;
            top[j + 1] |= (nybble >> 2 & 1) << bit;
            low[j] |= (nybble >> 1 & 1) << bit;
            low[j + 1] |= (nybble & 1) << bit;
        }
        for (; j < q->width; j += 2) {
            COEF nybble = *nybbles++;
            top[j] |= (nybble >> 3 & 1) << bit;
            if (j + 1 < q->width)
                top[j + 1] |= (nybble >> 2 & 1) << bit;
            if (low)
                low[j] |= (nybble >> 1 & 1) << bit;
        }
    }
}

static void NAME(encode_plane)(struct writer *out, const struct NAME(quadrant) *q, int bit, uint8_t *nybbles,
                               uint8_t *codes)
{
    int64_t rows = (q->height + 1) / 2, columns = (q->width + 1) / 2;
    int64_t most = (rows * columns + 1) / 2; /* from here on the nybbles as they are would be shorter */
    struct codes list = {codes, most, 0, 0, 0};
    NAME(plane_nybbles)(q, bit, nybbles);
    int fits = add_codes(&list, nybbles, rows * columns);
    while (fits && (rows > 1 || columns > 1)) {
        reduce_nybbles(nybbles, rows, columns);
        rows = (rows + 1) / 2;
        columns = (columns + 1) / 2;
        fits = add_codes(&list, nybbles, rows * columns);
    }
    if (fits) {
        put(out, 0xF, 4);
        put_codes(out, &list);
        return;
    }
    put(out, 0, 4);
    NAME(plane_nybbles)(q, bit, nybbles);
    for (int64_t k = 0; k < (q->height + 1) / 2 * ((q->width + 1) / 2); k++)
        put(out, nybbles[k], 4);
}

/* Planes of all quadrants, the closing zero, the sign bits. Coefficients become their absolute values. */
static void NAME(encode_coef)(struct writer *out, COEF *coef, int64_t height, int64_t width, uint8_t *nybbles,
                              uint8_t *codes, uint8_t *signs)
{
    struct NAME(quadrant) quadrants[4];
    struct writer sign_bits = {signs, signs + (height * width + 7) / 8, 0, 0, 0};
    int nplanes[3] = {0, 0, 0};
    for (int64_t k = 0; k < height * width; k++)
        if (coef[k]) {
            put(&sign_bits, coef[k] < 0, 1);
            coef[k] = coef[k] < 0 ? -coef[k] : coef[k];
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
        put(out, (uint32_t)nplanes[group], 8);
    for (int q = 0; q < 4; q++)
        for (int bit = nplanes[(q + 1) / 2] - 1; bit >= 0; bit--)
            NAME(encode_plane)(out, quadrants + q, bit, nybbles, codes);
    put(out, 0, 4);
    flush(out);
    for (const uint8_t *byte = signs; byte < sign_bits.next; byte++)
        put_byte(out, *byte);
}

static int32_t NAME(decode_plane)(struct reader *in, const struct NAME(quadrant) *q, int bit, uint8_t *nybbles)
{
    int64_t rows = (q->height + 1) / 2, columns = (q->width + 1) / 2;
    uint32_t format = take(in, 4);
    if (format == 0) {
        for (int64_t k = 0; k < rows * columns; k++)
            nybbles[k] = (uint8_t)take(in, 4);
    } else if (format == 0xF) {
        take_tree(in, nybbles, rows, columns);
    } else {
        return RF_HCOMPRESS_FORMAT;
    }
    if (is_cut(in))
        return RF_HCOMPRESS_CUT;
    NAME(insert_plane)(q, bit, nybbles);
    return RF_HCOMPRESS_OK;
}

/* The inverse of encode_coef, from the bit planes on. */
static int32_t NAME(decode_coef)(struct reader *in, const uint8_t nplanes[3], COEF *coef, int64_t height,
                                 int64_t width, uint8_t *nybbles)
{
    struct NAME(quadrant) quadrants[4];
    memset(coef, 0, (size_t)(height * width) * sizeof *coef);
    NAME(quadrants)(coef, height, width, quadrants);
    for (int q = 0; q < 4; q++)
        for (int bit = nplanes[(q + 1) / 2] - 1; bit >= 0; bit--) {
            int32_t fault = NAME(decode_plane)(in, quadrants + q, bit, nybbles);
            if (fault)
                return fault;
        }
    if (take(in, 4) != 0)
        return is_cut(in) ? RF_HCOMPRESS_CUT : RF_HCOMPRESS_FORMAT;
    if (is_cut(in))
        return RF_HCOMPRESS_CUT;
    struct reader signs = {next_byte(in), in->stop, 0, 0, 0};
    for (int64_t k = 0; k < height * width; k++)
        if (coef[k] && take(&signs, 1))
            coef[k] = -coef[k];
    return is_cut(&signs) ? RF_HCOMPRESS_CUT : RF_HCOMPRESS_OK;
}
