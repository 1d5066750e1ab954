/* The H-transform of one tile. Included once for each width of coefficient: COEF is its type, NAME(x) its suffix.
 *
 * Each level turns 2 x 2 blocks of its means into one mean h0 and three differences: hx down, hy across, hc crosswise.
 * The differences go to their quadrant of the coefficient array, the means to a dense array that is the next level's
 * input, so nothing is shuffled afterwards. At an odd edge the missing pixels drop out of the sums. */

/* Round to a multiple of 2 * half, halves away from zero. */
static inline COEF NAME(round_to)(COEF value, COEF half)
{
    return (value + (value >= 0 ? half : half - 1)) & -(2 * half);
}

/* One level: means [height][width] dense -> means of half the size, differences into coef (row stride `stride`). */
static void NAME(halve)(const COEF *from, int64_t height, int64_t width, COEF *means, COEF *coef, int64_t stride,
                         int first, COEF unit)
{
    int64_t half_height = (height + 1) / 2, half_width = (width + 1) / 2;
    int shift = first ? 0 : 1; /* halve, but for the first level */
    COEF two = first ? 2 : 1;  /* half the pixels are missing at an edge: double, but for the halving */
    for (int64_t i = 0; i < height / 2; i++) {
        /* The four rows written do not overlap those read, nor each other. */
        const COEF *restrict top = from + 2 * i * width, *restrict low = top + width;
        COEF *restrict h0 = means + i * half_width, *restrict hy = coef + i * stride + half_width;
        COEF *restrict hx = coef + (half_height + i) * stride, *restrict hc = hx + half_width;
        for (int64_t j = 0; j < width / 2; j++) {
            COEF a = top[2 * j], b = top[2 * j + 1], c = low[2 * j], d = low[2 * j + 1];
            h0[j] = NAME(round_to)((d + c + b + a) >> shift, 2 * unit);
            hx[j] = NAME(round_to)((d + c - b - a) >> shift, unit);
            hy[j] = NAME(round_to)((d - c + b - a) >> shift, unit);
            hc[j] = (d - c - b + a) >> shift;
        }
        if (width % 2) {
            COEF a = top[width - 1], c = low[width - 1];
            h0[width / 2] = NAME(round_to)((c + a) * two, 2 * unit);
            hx[width / 2] = NAME(round_to)((c - a) * two, unit);
        }
    }
    if (height % 2) {
        const COEF *top = from + (height - 1) * width;
        COEF *h0 = means + height / 2 * half_width, *hy = coef + height / 2 * stride + half_width;
        for (int64_t j = 0; j < width / 2; j++) {
            COEF a = top[2 * j], b = top[2 * j + 1];
            h0[j] = NAME(round_to)((b + a) * two, 2 * unit);
            hy[j] = NAME(round_to)((b - a) * two, unit);
        }
        if (width % 2)
            h0[width / 2] = NAME(round_to)(top[width - 1] * 2 * two, 2 * unit);
    }
}

/* Pixels, dense in `means`, to coefficients; `other` is a second array of that size. */
static void NAME(transform)(COEF *means, COEF *other, int64_t height, int64_t width, COEF *coef)
{
    COEF unit = 1;
    int64_t stride = width;
    for (int first = 1; height > 1 || width > 1; first = 0, unit *= 2) {
        NAME(halve)(means, height, width, other, coef, stride, first, unit);
        COEF *swap = means;
        means = other;
        other = swap;
        height = (height + 1) / 2;
        width = (width + 1) / 2;
    }
    coef[0] = means[0];
}

/* The inverse of `halve`: unit is that of the level, `last` marks the one that gives pixels. */
static void NAME(expand)(const COEF *means, const COEF *coef, int64_t stride, int64_t height, int64_t width, COEF *to,
                         int last, COEF unit)
{
    int64_t half_height = (height + 1) / 2, half_width = (width + 1) / 2;
    int shift = last ? 2 : 1;
    COEF half = last ? 0 : unit / 2, below = last ? 0 : unit / 2 - 1; /* hc is exact on the last level */
    for (int64_t i = 0; i < height / 2; i++) {
        const COEF *restrict mean = means + i * half_width, *restrict ydiff = coef + i * stride + half_width;
        const COEF *restrict xdiff = coef + (half_height + i) * stride, *restrict cdiff = xdiff + half_width;
        COEF *restrict top = to + 2 * i * width, *restrict low = top + width;
        for (int64_t j = 0; j < width / 2; j++) {
            COEF h0 = mean[j], hx = NAME(round_to)(xdiff[j], unit), hy = NAME(round_to)(ydiff[j], unit);
            COEF hc = (cdiff[j] + (cdiff[j] >= 0 ? half : below)) & -unit;
            /* The lowest bits of the sums were dropped; hc, hx and hy say what they were. */
            COEF bit0 = hc & unit;
            hx += hx >= 0 ? -bit0 : bit0;
            hy += hy >= 0 ? -bit0 : bit0;
            COEF bit1 = (hc ^ hx ^ hy) & (2 * unit);
            h0 += h0 >= 0 ? bit0 - bit1 : bit0 ? bit0 - bit1 : bit1;
            low[2 * j + 1] = (h0 + hx + hy + hc) >> shift;
            low[2 * j] = (h0 + hx - hy - hc) >> shift;
            top[2 * j + 1] = (h0 - hx + hy - hc) >> shift;
            top[2 * j] = (h0 - hx - hy + hc) >> shift;
        }
        if (width % 2) {
            COEF h0 = mean[width / 2], hx = NAME(round_to)(xdiff[width / 2], unit);
            COEF bit1 = hx & (2 * unit);
            h0 += h0 >= 0 ? -bit1 : bit1;
            low[width - 1] = (h0 + hx) >> shift;
            top[width - 1] = (h0 - hx) >> shift;
        }
    }
    if (height % 2) {
        const COEF *mean = means + height / 2 * half_width, *ydiff = coef + height / 2 * stride + half_width;
        COEF *top = to + (height - 1) * width;
        for (int64_t j = 0; j < width / 2; j++) {
            COEF h0 = mean[j], hy = NAME(round_to)(ydiff[j], unit);
            COEF bit1 = hy & (2 * unit);
            h0 += h0 >= 0 ? -bit1 : bit1;
            top[2 * j + 1] = (h0 + hy) >> shift;
            top[2 * j] = (h0 - hy) >> shift;
        }
        if (width % 2)
            top[width - 1] = mean[width / 2] >> shift;
    }
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

static inline COEF NAME(max)(COEF a, COEF b) { return a > b ? a : b; }
static inline COEF NAME(min)(COEF a, COEF b) { return a < b ? a : b; }

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

/* Coefficients to pixels, which end in `pixels`; `other` is a second array of that size. */
static void NAME(invert)(COEF *coef, int64_t height, int64_t width, int smooth, COEF scale, COEF *pixels, COEF *other)
{
    int nlevels = 0;
    while (((int64_t)1 << nlevels) < (height > width ? height : width))
        nlevels++;
    COEF *means = nlevels % 2 ? other : pixels, *to = nlevels % 2 ? pixels : other;
    COEF unit = (COEF)1 << (nlevels ? nlevels - 1 : 0);
    means[0] = nlevels ? NAME(round_to)(coef[0], 2 * unit) : coef[0];
    for (int level = nlevels - 1; level >= 0; level--, unit /= 2) {
        int64_t rows = ((height - 1) >> level) + 1, columns = ((width - 1) >> level) + 1;
        if (smooth && scale > 1)
            NAME(smooth)(means, coef, width, rows, columns, scale >> 1);
        NAME(expand)(means, coef, width, rows, columns, to, level == 0, unit);
        COEF *swap = means;
        means = to;
        to = swap;
    }
}
