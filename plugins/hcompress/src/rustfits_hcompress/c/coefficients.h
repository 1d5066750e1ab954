/* Coefficients to bit planes and signs, and back. Included once for each width of coefficient: COEF is its type,
 * NAME(x) its suffix.
 *
 * Between nybbles and coefficients stand bytes: for eight planes, an octet, and each block, one byte for each of its
 * four coefficients (slice_of). So a plane costs a few byte operations a block, which compilers vectorise, and a row of
 * coefficients is touched once for an octet. Where q is chosen by the row, it is the quadrant on the left, and q + 1
 * that on the right. For the steps of the inner loops see planes.h. */

/* -- writing -- */

/* Put the sign bits of the coefficients that are not 0, in `row`'s order; leave their absolute values. */
static void NAME(put_signs)(struct writer *out, COEF *coef, int64_t n)
{
    struct writer writer = *out; /* a copy that stays in registers */
    int64_t k = sizeof *coef == 4 ? put_most_signs(&writer, (int32_t *)(void *)coef, n) : 0;
    for (; k + SIGNS <= n; k += SIGNS) {
        uint8_t kinds[SIGNS];
        for (int j = 0; j < SIGNS; j++) {
            COEF value = coef[k + j];
            kinds[j] = (uint8_t)((value != 0 ? 1 : 0) | (value < 0 ? 16 : 0));
            coef[k + j] = value < 0 ? -value : value;
        }
        pick_signs(&writer, kinds);
    }
    for (; k < n; k++) {
        put(&writer, coef[k] < 0, coef[k] != 0);
        coef[k] = coef[k] < 0 ? -coef[k] : coef[k];
    }
    flush(&writer);
    *out = writer;
}

/* The planes that each group of quadrants needs. */
static void NAME(count_planes)(const struct tile *tile, const COEF *coef, int nplanes[3])
{
    COEF any[4] = {0, 0, 0, 0};
    for (int64_t i = 0; i < tile->height; i++) {
        const COEF *row = coef + i * tile->width;
        int q = i < tile->quadrants[0].height ? 0 : 2;
        COEF left = 0, right = 0;
        for (int64_t j = 0; j < tile->left; j++)
            left |= row[j];
        for (int64_t j = tile->left; j < tile->width; j++)
            right |= row[j];
        any[q] |= left;
        any[q + 1] |= right;
    }
    any[1] |= any[2];
    any[2] = any[3];
    for (int group = 0; group < 3; group++)
        while (nplanes[group] < (int)(8 * sizeof *any) - 1 && any[group] >> nplanes[group])
            nplanes[group]++;
}

/* Eight bits of part of a row, taken from `bytes`, to the slices of a quadrant. Row i of the quadrant. */
static void NAME(split)(const struct tile *tile, int q, int64_t i, int octet, const uint8_t *restrict bytes)
{
    const struct quadrant *quadrant = tile->quadrants + q;
    uint8_t *restrict even = slice_of(tile, q, octet, i % 2 * 2) + i / 2 * quadrant->columns;
    uint8_t *restrict odd = slice_of(tile, q, octet, i % 2 * 2 + 1) + i / 2 * quadrant->columns;
    const int64_t columns = in_steps(quadrant->columns);
    for (int64_t j = 0; j < columns; j++) {
        even[j] = bytes[2 * j];
        odd[j] = bytes[2 * j + 1];
    }
    if (quadrant->width % 2) /* beyond an odd edge stands 0 */
        odd[quadrant->columns - 1] = 0;
}

static void NAME(slice)(const struct tile *tile, const COEF *coef, int noctets)
{
    const int64_t width = in_steps(tile->width);
    for (int64_t i = 0; i < tile->height; i++) {
        const COEF *restrict row = coef + i * tile->width;
        uint8_t *restrict bytes = tile->row;
        int q = i < tile->quadrants[0].height ? 0 : 2;
        int64_t quadrant_row = q ? i - tile->quadrants[0].height : i;
        for (int octet = 0; octet < noctets; octet++) {
            for (int64_t j = 0; j < width; j++)
                bytes[j] = (uint8_t)(row[j] >> (8 * octet));
            NAME(split)(tile, q, quadrant_row, octet, tile->row);
            NAME(split)(tile, q + 1, quadrant_row, octet, tile->row + tile->left);
        }
    }
    for (int q = 0; q < 4; q++) {
        const struct quadrant *quadrant = tile->quadrants + q;
        for (int octet = 0; octet < noctets && quadrant->height % 2; octet++)
            for (int place = 2; place < 4; place++)
                memset(slice_of(tile, q, octet, place) + (quadrant->rows - 1) * quadrant->columns, 0,
                       (size_t)quadrant->columns);
    }
}

/* The number of planes, the planes of all quadrants, the closing zero, the sign bits. The coefficients change. */
static void NAME(put_coef)(struct writer *out, const struct tile *tile, COEF *coef)
{
    struct writer signs = {tile->signs, 0, 0};
    int nplanes[3] = {0, 0, 0}, most = 0;
    NAME(put_signs)(&signs, coef, tile->npixels);
    NAME(count_planes)(tile, coef, nplanes);
    for (int group = 0; group < 3; group++) {
        put(out, (uint64_t)nplanes[group], 8);
        most = nplanes[group] > most ? nplanes[group] : most;
    }
    NAME(slice)(tile, coef, (most + 7) / 8);
    for (int q = 0; q < 4; q++) {
        const struct quadrant *quadrant = tile->quadrants + q;
        for (int bit = nplanes[(q + 1) / 2] - 1; bit >= 0; bit--) { /* quadrants 1 and 2 share a number */
            collect_plane(tile, q, bit, tile->grids[0]);
            put_plane(out, tile, quadrant->rows, quadrant->columns);
        }
    }
    put(out, 0, 4);
    flush(out);
    memcpy(out->next, tile->signs, (size_t)(signs.next - tile->signs));
    out->next += signs.next - tile->signs;
}

/* -- reading -- */

/* Part of a row from the slices of a quadrant; of an octet that the quadrant has no planes of, zeros. */
static void NAME(merge)(const struct tile *tile, int q, int64_t i, int octet, int noctets, uint8_t *restrict bytes)
{
    const struct quadrant *quadrant = tile->quadrants + q;
    const uint8_t *restrict even = slice_of(tile, q, octet, i % 2 * 2) + i / 2 * quadrant->columns;
    const uint8_t *restrict odd = slice_of(tile, q, octet, i % 2 * 2 + 1) + i / 2 * quadrant->columns;
    if (octet >= noctets)
        memset(bytes, 0, (size_t)quadrant->width);
    const int64_t columns = octet < noctets ? in_steps(quadrant->columns) : 0;
    for (int64_t j = 0; j < columns; j++) {
        bytes[2 * j] = even[j];
        bytes[2 * j + 1] = odd[j];
    }
}

/* Absolute values of all coefficients, row by row. */
static void NAME(assemble)(const struct tile *tile, const uint8_t nplanes[3], COEF *coef)
{
    const int64_t width = in_steps(tile->width);
    for (int64_t i = 0; i < tile->height; i++) {
        int q = i < tile->quadrants[0].height ? 0 : 2;
        int64_t quadrant_row = q ? i - tile->quadrants[0].height : i;
        int left_octets = (nplanes[(q + 1) / 2] + 7) / 8, right_octets = (nplanes[(q + 2) / 2] + 7) / 8;
        int noctets = left_octets > right_octets ? left_octets : right_octets;
        COEF *restrict row = coef + i * tile->width;
        const uint8_t *restrict bytes = tile->row;
        if (!noctets)
            memset(row, 0, (size_t)tile->width * sizeof *row);
        for (int octet = 0; octet < noctets; octet++) {
            NAME(merge)(tile, q, quadrant_row, octet, left_octets, tile->row);
            NAME(merge)(tile, q + 1, quadrant_row, octet, right_octets, tile->row + tile->left);
            for (int64_t j = 0; !octet && j < width; j++)
                row[j] = bytes[j];
            for (int64_t j = 0; octet && j < width; j++)
                row[j] |= (COEF)bytes[j] << (8 * octet);
        }
    }
}

/* Give the coefficients that are not 0 their signs. */
static int32_t NAME(take_signs)(struct reader *in, COEF *coef, int64_t n)
{
    int64_t k = sizeof *coef == 4 ? take_most_signs(in, (int32_t *)(void *)coef, n) : 0;
    for (; k + SIGNS <= n; k += SIGNS) {
        uint8_t set[SIGNS];
        int8_t minus[SIGNS];
        for (int j = 0; j < SIGNS; j++)
            set[j] = coef[k + j] ? 1 : 0;
        deal_signs(in, set, minus);
        for (int j = 0; j < SIGNS; j++)
            coef[k + j] = (coef[k + j] ^ minus[j]) - minus[j];
    }
    for (; k < n; k++)
        if (coef[k] && take(in, 1))
            coef[k] = -coef[k];
    return is_cut(in) ? RF_HCOMPRESS_CUT : RF_HCOMPRESS_OK;
}

/* The inverse of put_coef, from the bit planes on. */
static int32_t NAME(take_coef)(struct reader *in, const struct tile *tile, const uint8_t nplanes[3], COEF *coef)
{
    for (int q = 0; q < 4; q++) {
        int32_t fault = take_quadrant(in, tile, q, nplanes[(q + 1) / 2]);
        if (fault)
            return fault;
    }
    uint32_t closing = take(in, 4);
    if (is_cut(in))
        return RF_HCOMPRESS_CUT;
    if (closing != 0)
        return RF_HCOMPRESS_FORMAT;
    in->at = (in->at + 7) & ~(int64_t)7; /* the sign bits start with a byte */
    NAME(assemble)(tile, nplanes, coef);
    return NAME(take_signs)(in, coef, tile->npixels);
}
