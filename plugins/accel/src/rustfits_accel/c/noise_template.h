/* The noise of a tile (see rustfits/quantize/noise.py, whose bits this gives). Included once for each kind of pixel and
 * instruction set, with these macros:
 *   PIXEL, KEY      the pixel, and the signed integer of its width
 *   KEY_INFINITY    infinity as a KEY
 *   KEY_OCTAVE      how much a KEY grows when the number doubles
 *   NAME(x)         x with a suffix of its own
 *   TARGET          the attribute that chooses the instruction set
 *   COUNT_BELOW     if the set has masks: how many of LANES keys are below a limit
 *
 * Absolute differences are kept as integers, which order them as the numbers do: compilers make vector code of counts
 * and minima of integers. Infinity less infinity counts as infinite. */

#define KEY_MAX ((KEY)(((KEY)1 << (8 * sizeof(KEY) - 2)) - 1 + ((KEY)1 << (8 * sizeof(KEY) - 2))))
#define LANES 16
#define PADDED(nkeys) (((nkeys) + LANES - 1) & -(int64_t)LANES)

/* Scratch for one tile at a time, and the medians of the row before: near to what is looked for next. */
struct NAME(room) {
    KEY *second, *third, *fifth;            /* [widest] differences of one row */
    PIXEL *good;                            /* [widest] its pixels that are numbers */
    KEY *seconds, *thirds, *fifths;         /* [most rows] the rows' medians */
    int64_t nseconds, nthirds;              /* how many of them; as many fifths as thirds */
    KEY guess_second, guess_third, guess_fifth;
};

RF_INLINE KEY NAME(key)(PIXEL difference)
{
    KEY key;
    memcpy(&key, &difference, sizeof key);
    key &= KEY_MAX;
    return key < KEY_INFINITY ? key : KEY_INFINITY;
}

RF_INLINE double NAME(number)(KEY key)
{
    PIXEL number;
    memcpy(&number, &key, sizeof number);
    return (double)number;
}

/* The next three take a number of keys that is a multiple of LANES: pad fills up with keys that none of them meets. */
TARGET static void NAME(pad)(KEY *keys, int64_t nkeys)
{
    for (int64_t i = nkeys; i < PADDED(nkeys); i++)
        keys[i] = KEY_MAX;
}

TARGET static int64_t NAME(count_below)(const KEY *restrict keys, int64_t nkeys, KEY limit)
{
#ifdef COUNT_BELOW
    int64_t below = 0;
    for (int64_t i = 0; i < PADDED(nkeys); i += LANES)
        below += COUNT_BELOW(keys + i, limit);
#else
    KEY below = 0;
    for (int64_t i = 0; i < PADDED(nkeys); i++)
        below += keys[i] < limit;
#endif
    return below;
}

TARGET static KEY NAME(least_from)(const KEY *restrict keys, int64_t nkeys, KEY limit)
{
    KEY least = KEY_MAX;
    for (int64_t i = 0; i < PADDED(nkeys); i++) {
        const KEY key = keys[i] | (-(KEY)(keys[i] < limit) & KEY_MAX); /* out of the way if below */
        least = key < least ? key : least;
    }
    return least;
}

TARGET static KEY NAME(greatest_below)(const KEY *restrict keys, int64_t nkeys, KEY limit)
{
    KEY greatest = 0;
    for (int64_t i = 0; i < PADDED(nkeys); i++) {
        const KEY key = keys[i] & -(KEY)(keys[i] < limit);
        greatest = key > greatest ? key : greatest;
    }
    return greatest;
}

/* Return the key of a rank, from 0, by counting the keys below limits that close in on it. The guess only decides how
 * soon: from there the first step supposes Gaussian noise, the next interpolate, and every fourth halves. */
TARGET static KEY NAME(select)(KEY *keys, int64_t nkeys, int64_t rank, KEY guess)
{
    KEY low = 0, high = KEY_INFINITY + 1; /* the key is in [low, high) */
    int64_t below_low = 0, below_high = nkeys;
    KEY limit = guess < 1 ? 1 : guess;
    NAME(pad)(keys, nkeys);
    for (int64_t step = 0; high - low > 1; step++) {
        const int64_t below = NAME(count_below)(keys, nkeys, limit);
        if (below <= rank) {
            low = limit;
            below_low = below;
        } else {
            high = limit;
            below_high = below;
        }
        if (below_low == rank)
            return NAME(least_from)(keys, nkeys, low);
        if (below_high == rank + 1)
            return NAME(greatest_below)(keys, nkeys, high);
        if (step > 4) { /* equal keys: look at the keys themselves */
            low = NAME(least_from)(keys, nkeys, low);
            high = NAME(greatest_below)(keys, nkeys, high) + 1;
        }
        double next;
        if (step % 4 == 3)
            next = (double)low + (double)(high - low) / 2;
        else if (low > 0 && high <= KEY_INFINITY)
            next = (double)low +
                   (double)(high - low) * ((double)(rank - below_low) + 0.5) / (double)(below_high - below_low);
        else /* a third farther than the noise says, to get the key between two limits */
            next = (double)limit +
                   (double)KEY_OCTAVE * 4.5 * ((double)(rank - below) + (below <= rank ? 1 : -1)) / (double)nkeys;
        limit = next <= (double)low ? low + 1 : next >= (double)high ? high - 1 : (KEY)next;
        limit = limit <= low ? low + 1 : limit >= high ? high - 1 : limit;
        if (high - low <= 1)
            break;
    }
    return low;
}

/* Fill in the differences of a row; return whether any three neighbours are equal. */
TARGET static int NAME(difference)(const PIXEL *restrict row, int64_t nwindows, KEY *restrict second,
                                   KEY *restrict third, KEY *restrict fifth)
{
    KEY runs = 0;
    for (int64_t i = 0; i < nwindows; i++) {
        const PIXEL v1 = row[i], v3 = row[i + 2], v5 = row[i + 4], v6 = row[i + 5], v7 = row[i + 6], v9 = row[i + 8];
        second[i] = NAME(key)(v5 - v7);
        third[i] = NAME(key)((PIXEL)2 * v5 - v3 - v7);
        fifth[i] = NAME(key)((PIXEL)6 * v5 - (PIXEL)4 * v3 - (PIXEL)4 * v7 + v1 + v9);
        runs |= (v5 == v6) & (v6 == v7);
    }
    return runs != 0;
}

/* Leave out the windows without change; return how many third and fifth differences remain, and of second ones. */
TARGET static int64_t NAME(drop_constant)(const PIXEL *restrict row, int64_t nwindows, KEY *second, KEY *third,
                                          KEY *fifth, int64_t *nsecond)
{
    int64_t varied2 = 0, varied4 = 0;
    for (int64_t i = 0; i < nwindows; i++) {
        const int constant2 = (row[i + 4] == row[i + 5]) & (row[i + 5] == row[i + 6]);
        const int constant4 = constant2 & (row[i + 2] == row[i + 3]) & (row[i + 3] == row[i + 4]);
        second[varied2] = second[i];
        varied2 += !constant2;
        third[varied4] = third[i];
        fifth[varied4] = fifth[i];
        varied4 += !constant4;
    }
    *nsecond = varied2;
    return varied4;
}

/* Add the medians of one row of numbers to those of the tile. */
TARGET static void NAME(add_row)(const PIXEL *row, int64_t npixels, struct NAME(room) *room)
{
    const int64_t nwindows = npixels - 8;
    if (nwindows < 1)
        return;
    int64_t nsecond = nwindows, nthird = nwindows;
    if (NAME(difference)(row, nwindows, room->second, room->third, room->fifth))
        nthird = NAME(drop_constant)(row, nwindows, room->second, room->third, room->fifth, &nsecond);
    if (nthird == 0)
        return;
    if (nsecond > 1 || (nsecond == 1 && nthird == 1)) {
        room->guess_second = NAME(select)(room->second, nsecond, (nsecond - 1) / 2, room->guess_second);
        room->seconds[room->nseconds++] = room->guess_second;
    }
    room->guess_third = NAME(select)(room->third, nthird, (nthird - 1) / 2, room->guess_third);
    room->guess_fifth = NAME(select)(room->fifth, nthird, (nthird - 1) / 2, room->guess_fifth);
    room->thirds[room->nthirds] = room->guess_third;
    room->fifths[room->nthirds++] = room->guess_fifth;
}

/* The median of the rows' medians: of an even number the mean of the two middle ones; 0 if there are none. */
TARGET static double NAME(middle)(KEY *medians, int64_t nmedians)
{
    if (nmedians == 0)
        return 0;
    const KEY lower = NAME(select)(medians, nmedians, (nmedians - 1) / 2, medians[0]);
    const KEY upper = nmedians % 2 ? lower : NAME(select)(medians, nmedians, nmedians / 2, lower);
    return (NAME(number)(lower) + NAME(number)(upper)) / 2;
}

TARGET static double NAME(noise)(const PIXEL *pixels, int64_t npixels, int64_t row_npixels, int nulls,
                                 struct NAME(room) *room)
{
    if (row_npixels < 9)
        return 0;
    room->nseconds = room->nthirds = 0;
    for (int64_t first = 0; first < npixels; first += row_npixels) {
        const PIXEL *row = pixels + first;
        int64_t ngood = row_npixels;
        if (nulls) {
            ngood = 0;
            for (int64_t i = 0; i < row_npixels; i++) {
                room->good[ngood] = row[i];
                ngood += NAME(key)(row[i]) != KEY_INFINITY;
            }
            row = room->good;
        }
        NAME(add_row)(row, ngood, room);
    }
    const double noise2 = 1.0483579 * NAME(middle)(room->seconds, room->nseconds);
    const double noise5 = 0.1772048 * NAME(middle)(room->fifths, room->nthirds);
    double noise = 0.6052697 * NAME(middle)(room->thirds, room->nthirds);
    if (noise2 != 0 && noise2 < noise)
        noise = noise2;
    if (noise5 != 0 && noise5 < noise)
        noise = noise5;
    return noise;
}
