/* The H-transform of one tile. Included once for each width of coefficient: COEF is its type, NAME(x) its suffix.
 *
 * Each level turns 2 x 2 blocks of its means into one mean h0 and three differences: hx down, hy across, hc crosswise.
 * The differences go to their quadrant of the coefficient array, the means to a dense array that is the next level's
 * input, so nothing is shuffled afterwards. At an odd edge the missing pixels drop out of the sums. */

static inline COEF NAME(max)(COEF a, COEF b) { return a > b ? a : b; }
static inline COEF NAME(min)(COEF a, COEF b) { return a < b ? a : b; }

/* -1 for numbers below 0, else 0. With it, choices become sums, which every machine can do to a vector. */
static inline COEF NAME(sign)(COEF value)
{
    return value >> (8 * sizeof value - 1);
}

/* Round to a multiple of 2 * half, halves away from zero. */
static inline COEF NAME(round_to)(COEF value, COEF half)
{
    return (value + half + NAME(sign)(value)) & -(2 * half);
}

/* The value moved by `step` towards zero, or away from it for a negative step; zero counts as positive. */
static inline COEF NAME(nearer)(COEF value, COEF step)
{
    COEF sign = NAME(sign)(value);
    return value - ((step ^ sign) - sign);
}

/* Pixels of any kind to coefficients. */
static void NAME(load)(int pixel, const void *pixels, int64_t at, int64_t n, COEF *restrict to)
{
    const uint8_t *restrict u8 = pixels;
    const int16_t *restrict i16 = pixels;
    const int32_t *restrict i32 = pixels;
    for (int64_t k = 0; pixel == RF_U8 && k < n; k++)
        to[k] = u8[at + k];
    for (int64_t k = 0; pixel == RF_I16 && k < n; k++)
        to[k] = i16[at + k];
    for (int64_t k = 0; pixel == RF_I32 && k < n; k++)
        to[k] = i32[at + k];
}

/* Two rows of means (2 * half_width and one more if `odd`) to a row of each quadrant. */
static void NAME(halve_rows)(const COEF *restrict top, const COEF *restrict low, int64_t half_width, int odd,
                             COEF *restrict h0, COEF *restrict hx, COEF *restrict hy, COEF *restrict hc, int shift,
                             COEF unit)
{
    for (int64_t j = 0; j < half_width; j++) {
        COEF a = top[2 * j], b = top[2 * j + 1], c = low[2 * j], d = low[2 * j + 1];
        COEF sum = c + a, rise = c - a, low_sum = d + b, low_rise = d - b;
        h0[j] = NAME(round_to)((low_sum + sum) >> shift, 2 * unit);
        hx[j] = NAME(round_to)((low_rise + rise) >> shift, unit);
        hy[j] = NAME(round_to)((low_sum - sum) >> shift, unit);
        hc[j] = (low_rise - rise) >> shift;
    }
    if (odd) { /* half the pixels are missing: double the sums, but for the halving */
        COEF a = top[2 * half_width] * 2, c = low[2 * half_width] * 2;
        h0[half_width] = NAME(round_to)((c + a) >> shift, 2 * unit);
        hx[half_width] = NAME(round_to)((c - a) >> shift, unit);
    }
}

/* The same for the single row at an odd lower edge. */
static void NAME(halve_row)(const COEF *restrict top, int64_t half_width, int odd, COEF *restrict h0, COEF *restrict hy,
                            int shift, COEF unit)
{
    for (int64_t j = 0; j < half_width; j++) {
        COEF a = top[2 * j] * 2, b = top[2 * j + 1] * 2;
        h0[j] = NAME(round_to)((b + a) >> shift, 2 * unit);
        hy[j] = NAME(round_to)((b - a) >> shift, unit);
    }
    if (odd)
        h0[half_width] = NAME(round_to)((top[2 * half_width] * 4) >> shift, 2 * unit);
}

/* Pixels to coefficients. The first level widens two rows at a time; the means of each level go to `means` and
 * `other` in turn, whose first use has a quarter of the pixels. */
static void NAME(transform)(const struct tile *tile, const void *pixels, COEF *means, COEF *other, COEF *coef)
{
    COEF unit = 1, *pair = other;
    int64_t height = tile->height, width = tile->width, stride = width;
    for (int level = 0; height > 1 || width > 1; level++, unit *= 2) {
        int64_t half_height = (height + 1) / 2, half_width = (width + 1) / 2;
        for (int64_t i = 0; i < half_height; i++) {
            int64_t nrows = 2 * i + 1 < height ? 2 : 1;
            const COEF *from = means + 2 * i * width;
            COEF *to = other + i * half_width, *upper = coef + i * stride, *lower = upper + half_height * stride;
            if (level == 0) {
                NAME(load)(tile->pixel, pixels, 2 * i * width, nrows * width, pair);
                from = pair;
                to = means + i * half_width;
            }
            if (nrows == 2)
                NAME(halve_rows)(from, from + width, width / 2, width % 2, to, lower, upper + half_width,
                                 lower + half_width, level ? 1 : 0, unit);
            else
                NAME(halve_row)(from, width / 2, width % 2, to, upper + half_width, level ? 1 : 0, unit);
        }
        if (level) {
            COEF *swap = means;
            means = other;
            other = swap;
        }
        height = half_height;
        width = half_width;
    }
    if (tile->nlevels == 0)
        NAME(load)(tile->pixel, pixels, 0, 1, means);
    coef[0] = means[0];
}

/* Divide by the scale, rounding as CFITSIO does. */
static void NAME(digitize)(COEF *coef, int64_t n, int32_t scale)
{
    COEF half = (COEF)(((int64_t)scale + 1) / 2 - 1); /* scale + 1 may need 33 bits */
    double inverse = 1.0 / scale;
    for (int64_t k = 0; scale > 1 && k < n; k++) {
        COEF value = coef[k], sum = (value > 0 ? value : -value) + half;
        /* Half a unit more, the quotient is never near a whole number, so that the product's rounding does not show. */
        COEF quotient = sizeof sum == 4 ? (COEF)((sum + 0.5) * inverse) : sum / scale;
        coef[k] = value > 0 ? quotient : -quotient;
    }
}

/* Coefficients to pixels of any kind; what lossy coding drove beyond 8 or 16 bits is clipped. */
static void NAME(store)(int pixel, const COEF *restrict from, int64_t n, void *pixels, int64_t at)
{
    uint8_t *restrict u8 = pixels;
    int16_t *restrict i16 = pixels;
    int32_t *restrict i32 = pixels;
    for (int64_t k = 0; pixel == RF_U8 && k < n; k++)
        u8[at + k] = (uint8_t)NAME(min)(NAME(max)(from[k], 0), UINT8_MAX);
    for (int64_t k = 0; pixel == RF_I16 && k < n; k++)
        i16[at + k] = (int16_t)NAME(min)(NAME(max)(from[k], INT16_MIN), INT16_MAX);
    for (int64_t k = 0; pixel == RF_I32 && k < n; k++) /* CFITSIO keeps the low 32 bits here; so must its equal */
        i32[at + k] = (int32_t)from[k];
}

/* The inverse of `halve_rows`: unit is that of the level, `last` marks the one that gives pixels.
 *
 * The lowest bits of the sums, counted in units, were dropped, but follow from those of the others. All four sums of a
 * block are even or all are odd: bit0, which only hc still has. The four add up to a multiple of four, so that bit 1 of
 * h0, bit1, is the xor of bit 1 of the other three. Odd hx and hy were rounded away from zero to even numbers, so they
 * come nearer by bit0. h0 was rounded to a multiple of four: if odd, by one, up where bit1 is set and down where not;
 * if even, by two where bit1 is set, away from zero. Only for the latter does the way back depend on its sign: flip. */
static void NAME(expand_rows)(const COEF *restrict mean, const COEF *restrict xdiff, const COEF *restrict ydiff,
                              const COEF *restrict cdiff, int64_t half_width, int odd, COEF *restrict top,
                              COEF *restrict low, int last, COEF unit)
{
    int shift = last ? 2 : 1;
    COEF half = last ? 0 : unit / 2, rounds = last ? 0 : -1; /* hc is exact on the last level */
    for (int64_t j = 0; j < half_width; j++) {
        COEF h0 = mean[j], hx = NAME(round_to)(xdiff[j], unit), hy = NAME(round_to)(ydiff[j], unit);
        COEF hc = (cdiff[j] + half + (NAME(sign)(cdiff[j]) & rounds)) & -unit;
        COEF bit0 = hc & unit;
        hx = NAME(nearer)(hx, bit0);
        hy = NAME(nearer)(hy, bit0);
        COEF bit1 = (hc ^ hx ^ hy) & (2 * unit);
        COEF flip = NAME(sign)(h0 & (bit0 - unit)); /* -1 if below 0 and without bit0 */
        h0 += ((bit0 - bit1) ^ flip) - flip;
        COEF down = h0 + hx, up = h0 - hx, same = hy + hc, cross = hy - hc;
        low[2 * j + 1] = (down + same) >> shift;
        low[2 * j] = (down - same) >> shift;
        top[2 * j + 1] = (up + cross) >> shift;
        top[2 * j] = (up - cross) >> shift;
    }
    if (odd) {
        COEF h0 = mean[half_width], hx = NAME(round_to)(xdiff[half_width], unit);
        COEF bit1 = hx & (2 * unit); /* two doubled sums: even, together a multiple of four */
        h0 = NAME(nearer)(h0, bit1);
        low[2 * half_width] = (h0 + hx) >> shift;
        top[2 * half_width] = (h0 - hx) >> shift;
    }
}

/* The same for the single row at an odd lower edge. */
static void NAME(expand_row)(const COEF *restrict mean, const COEF *restrict ydiff, int64_t half_width, int odd,
                             COEF *restrict top, int last, COEF unit)
{
    int shift = last ? 2 : 1;
    for (int64_t j = 0; j < half_width; j++) {
        COEF h0 = mean[j], hy = NAME(round_to)(ydiff[j], unit);
        COEF bit1 = hy & (2 * unit);
        h0 = NAME(nearer)(h0, bit1);
        top[2 * j + 1] = (h0 + hy) >> shift;
        top[2 * j] = (h0 - hy) >> shift;
    }
    if (odd)
        top[2 * half_width] = mean[half_width] >> shift;
}

/* Limit `change` to what keeps the profile monotonic and to half the scale, then add it to the difference. */
static inline COEF NAME(adjusted)(COEF difference, COEF wanted, COEF low, COEF high, int bits, COEF most)
{
    if (low >= high)
        return difference;
    wanted = wanted > high ? high : wanted;
    wanted = wanted < low ? low : wanted;
    COEF change = wanted - difference * ((COEF)1 << bits);
    change = (change >= 0 ? change : change + ((COEF)1 << bits) - 1) >> bits;
    change = change > most ? most : change < -most ? -most : change;
    return difference + change;
}

static inline COEF NAME(slope)(COEF difference, COEF before, COEF here, COEF after, COEF most)
{
    COEF up = after - here, down = here - before;
    COEF least = up < down ? up : down, largest = up < down ? down : up;
    COEF high = (least > 0 ? least : 0) * 4, low = (largest < 0 ? largest : 0) * 4;
    return NAME(adjusted)(difference, after - before, low, high, 3, most);
}

/* Interpolate the differences of one level from its means, by at most half the scale; the edges stay. */
static void NAME(smooth)(const COEF *means, COEF *coef, int64_t stride, int64_t height, int64_t width, COEF most)
{
    int64_t half_height = (height + 1) / 2, half_width = (width + 1) / 2;
    COEF *hx = coef + half_height * stride, *hy = coef + half_width, *hc = hx + half_width;
    int64_t stop_i = (height - 1) / 2, stop_j = (width - 1) / 2; /* first block whose neighbour is cut off */
    for (int64_t i = 1; i < stop_i; i++)
        for (int64_t j = 0; j < half_width; j++) {
            const COEF *here = means + i * half_width + j;
            hx[i * stride + j] = NAME(slope)(hx[i * stride + j], here[-half_width], *here, here[half_width], most);
        }
    for (int64_t i = 0; i < half_height; i++)
        for (int64_t j = 1; j < stop_j; j++) {
            const COEF *here = means + i * half_width + j;
            hy[i * stride + j] = NAME(slope)(hy[i * stride + j], here[-1], *here, here[1], most);
        }
    for (int64_t i = 1; i < stop_i; i++)
        for (int64_t j = 1; j < stop_j; j++) {
            const COEF *here = means + i * half_width + j;
            COEF h0 = *here, mm = here[-half_width - 1], pm = here[half_width - 1];
            COEF mp = here[-half_width + 1], pp = here[half_width + 1];
            COEF hx2 = hx[i * stride + j] * 2, hy2 = hy[i * stride + j] * 2;
            COEF high = NAME(min)(NAME(min)(NAME(max)(pp - h0, 0) - hx2 - hy2, NAME(max)(h0 - pm, 0) + hx2 - hy2),
                                  NAME(min)(NAME(max)(h0 - mp, 0) - hx2 + hy2, NAME(max)(mm - h0, 0) + hx2 + hy2));
            COEF low = NAME(max)(NAME(max)(NAME(min)(pp - h0, 0) - hx2 - hy2, NAME(min)(h0 - pm, 0) + hx2 - hy2),
                                 NAME(max)(NAME(min)(h0 - mp, 0) - hx2 + hy2, NAME(min)(mm - h0, 0) + hx2 + hy2));
            COEF *difference = hc + i * stride + j;
            *difference = NAME(adjusted)(*difference, pp + mm - mp - pm, low * 16, high * 16, 6, most);
        }
}

/* Coefficients to pixels, the inverse of `transform`: the means of each level go to `means` and `other` in turn, the
 * pixels by two rows to `out`. */
static void NAME(invert)(const struct tile *tile, COEF *coef, int smooth, COEF scale, COEF *means, COEF *other,
                         void *out)
{
    int64_t stride = tile->width;
    COEF unit = (COEF)1 << (tile->nlevels ? tile->nlevels - 1 : 0);
    means[0] = tile->nlevels ? NAME(round_to)(coef[0], 2 * unit) : coef[0];
    for (int level = tile->nlevels - 1; level >= 0; level--, unit /= 2) {
        int64_t height = ((tile->height - 1) >> level) + 1, width = ((tile->width - 1) >> level) + 1;
        int64_t half_height = (height + 1) / 2, half_width = (width + 1) / 2;
        if (smooth && scale > 1)
            NAME(smooth)(means, coef, stride, height, width, scale >> 1);
        for (int64_t i = 0; i < half_height; i++) {
            int64_t nrows = 2 * i + 1 < height ? 2 : 1;
            const COEF *mean = means + i * half_width, *upper = coef + i * stride;
            const COEF *lower = upper + half_height * stride;
            COEF *to = level ? other + 2 * i * width : other; /* two rows of pixels are stored at once */
            if (nrows == 2)
                NAME(expand_rows)(mean, lower, upper + half_width, lower + half_width, width / 2, width % 2, to,
                                  to + width, level == 0, unit);
            else
                NAME(expand_row)(mean, upper + half_width, width / 2, width % 2, to, level == 0, unit);
            if (level == 0)
                NAME(store)(tile->pixel, to, nrows * width, out, 2 * i * width);
        }
        COEF *swap = means;
        means = other;
        other = swap;
    }
    if (tile->nlevels == 0)
        NAME(store)(tile->pixel, means, 1, out, 0);
}
