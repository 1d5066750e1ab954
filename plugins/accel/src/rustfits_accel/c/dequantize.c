/* Random numbers of the dither are used one after the other, from a place on that the tile's row chooses, and anew from
 * another place whenever they end. Between two such places there is one plain loop, which compilers make vector code
 * of: so each tile is cut into runs there. Without dither the cuts do no harm.
 *
 * No operation may be contracted (-ffp-contract=off): a product and a sum rounded at once are other bits. */
#include "dequantize.h"

#include <math.h>

#include "isa.h"
#include "parts.h"

#define ZERO_PIXEL (-2147483646)

/* Pixels that use consecutive random numbers, and what is the same for all of them. */
struct run {
    const int32_t *stored;
    const float *random;
    int64_t npixels;
    double scale, zero;
    int32_t null; /* not used unless the loop looks for nulls */
};

#define PIXEL float
#define NAME(x) x##_f32
#include "dequantize_template.h"
#undef PIXEL
#undef NAME

#define PIXEL double
#define NAME(x) x##_f64
#include "dequantize_template.h"
