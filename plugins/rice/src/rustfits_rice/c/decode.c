/* Decoding the tiles of a call: which of them are decoded side by side, and what is done between their blocks.
 *
 * Where a symbol begins is known only after the one before it, so a tile by itself is slow. Machines with AVX-512
 * decode sixteen tiles side by side until fewer than FEWEST_LANES are left; these, begun as they are, become `waiting`.
 * Then four streams are decoded side by side, whole blocks of up to RF_CHUNK pixels like those of the lanes.
 * decode_rest decodes one by itself: the last few, the short block that a tile ends with, and tiles of longer blocks.
 *
 * Symbols are read without a test for the end. Up to a stream's `safe` the data goes on for REACH bytes, as far as any
 * read goes between two tests; behind it settle moves the stream to `tail`, a copy of the last REACH bytes of the data
 * with as many bytes of ones behind them. So a stream may be read past its end, but never past memory; pos > end tells.
 *
 * With marks (see rice.h) a tile may begin at one, and is decoded as if it ended at the next: `left` are the pixels up
 * to there and `rest` those behind. pass_mark leaves the mark and goes on. */
#include "stream.h"

/* With fewer tiles four streams at a time are faster. */
#define FEWEST_LANES 5

/* All tiles of a call, and the next that nobody has begun. */
typedef struct {
    const uint8_t *data;
    int64_t data_nbytes;
    const int64_t *start;
    const int64_t *length;
    const int64_t *npixels;
    int64_t ntiles;
    uint8_t *out;
    int64_t out_npixels;
    int32_t *status;
    int32_t bytepix;
    int64_t block;
    const struct rf_rice_marks *marks; /* or NULL */
    int64_t tile;
    int32_t nwaiting;
    stream_t *waiting; /* [RF_LANES] tiles that the lanes left */
    tail_t *tail;
} batch_t;

static kernel_t kernel_of(int32_t variant)
{
#if RF_X86
    if (variant >= RF_RICE_BMI2)
        return (kernel_t){rf_rice_decode_one_bmi2, rf_rice_read_four_bmi2, rf_rice_put_four_sse2};
#endif
    (void)variant;
    return (kernel_t){rf_rice_decode_one_portable, rf_rice_read_four_portable, rf_rice_put_four_portable};
}

RF_INLINE uint32_t read_code(stream_t *stream, int32_t bytepix)
{
    uint32_t nbits = rf_fsbits(bytepix);
    uint32_t code = (uint32_t)(window(stream->base, stream->pos) >> (64 - nbits));
    stream->pos += nbits;
    return code;
}

/* Decode the next block, whatever its size and form. */
static void decode_block(stream_t *stream, int32_t bytepix, int64_t block)
{
    uint32_t values[RF_CHUNK];
    uint32_t code = read_code(stream, bytepix);
    uint32_t fsmax = rf_fsmax(bytepix);
    int64_t stop_left = stream->left > block ? stream->left - block : 0;
    if (code > fsmax + 1) {
        stop(stream, stream->pos > stream->end ? RF_RICE_TRUNCATED : RF_RICE_BAD_CODE);
        return;
    }
    while (stream->left > stop_left) {
        int64_t rest = stream->left - stop_left;
        int32_t n = rest < RF_CHUNK ? (int32_t)rest : RF_CHUNK;
        settle(stream);
        if (code && code <= fsmax) {
            rf_rice_decode_singly(stream, bytepix, code - 1, n);
            stream->left -= n;
        } else {
            if (code)
                rf_rice_read_raw(stream, bytepix, n, values, 1);
            else
                memset(values, 0, sizeof values);
            rf_rice_put_one(stream, bytepix, values, n);
        }
        if (RF_UNLIKELY(stream->pos > stream->end))
            stop(stream, RF_RICE_TRUNCATED);
    }
}

/* Decode what is left of a stream. */
static void decode_rest(const kernel_t *kernel, stream_t *stream, int32_t bytepix, int64_t block)
{
    while (stream->left > 0) {
        settle(stream);
        if (stream->left >= block && block <= RF_CHUNK) {
            kernel->decode_one(stream, bytepix, (int32_t)block);
            settle(stream);
        }
        if (stream->pos > stream->end)
            stop(stream, RF_RICE_TRUNCATED);
        else if (stream->left > 0)
            decode_block(stream, bytepix, block);
    }
}

/* Set the stream to the pixel that its tile begins with; 0 if the tile has a fault. */
static int set_first(const batch_t *batch, int64_t tile, stream_t *stream)
{
    const struct rf_rice_marks *marks = batch->marks;
    int64_t first = marks ? marks->first[tile] : 0;
    settle(stream);
    if (!first) {
        rf_rice_read_raw(stream, batch->bytepix, 1, &stream->last, 1);
    } else {
        int64_t number = first / marks->step;
        uint64_t mark = first > 0 && number * marks->step == first ? RF_LOAD_SHARED(&marks->mark[tile][number - 1]) : 0;
        int64_t pos = (int64_t)(mark >> 32);
        if (!mark || pos > 8 * batch->length[tile]) {
            stop(stream, mark ? RF_RICE_TRUNCATED : RF_RICE_BAD_RANGE);
            return 0;
        }
        stream->pos += pos;
        stream->last = (uint32_t)mark;
    }
    if (marks && stream->left > marks->step) {
        stream->rest = stream->left - marks->step;
        stream->left = marks->step;
        stream->mark = marks->mark[tile] + first / marks->step;
    }
    return 1;
}

/* Begin the next whole tile, or go on with one that was left; 0 when there is none. */
static int begin_tile(batch_t *batch, stream_t *stream)
{
    if (batch->nwaiting) {
        *stream = batch->waiting[--batch->nwaiting];
        return 1;
    }
    while (batch->tile < batch->ntiles) {
        int64_t tile = batch->tile++;
        int64_t start = batch->start[tile];
        int64_t length = batch->length[tile];
        int64_t npixels = batch->npixels[tile];
        int32_t *status = &batch->status[tile];
        if (npixels < 0 || npixels > batch->out_npixels) {
            *status = RF_RICE_NO_ROOM;
            batch->out_npixels = -1; /* where the following tiles begin is unknown */
            continue;
        }
        uint8_t *out = batch->out;
        if (npixels)
            batch->out += npixels * batch->bytepix;
        batch->out_npixels -= npixels;
        *status = RF_RICE_OK;
        if (npixels == 0)
            continue;
        if (start < 0 || length < 0 || start > batch->data_nbytes || length > batch->data_nbytes - start) {
            *status = RF_RICE_BAD_RANGE;
            continue;
        }
        if (length < batch->bytepix) {
            *status = RF_RICE_TRUNCATED;
            continue;
        }
        *stream = (stream_t){.base = batch->data + start,
                             .pos = 0,
                             .end = 8 * length,
                             .safe = 8 * (batch->data_nbytes - start - REACH),
                             .tail = batch->tail,
                             .tail_pos = 8 * (batch->tail->start - start),
                             .left = npixels,
                             .last = 0,
                             .out = out,
                             .status = status};
        if (set_first(batch, tile, stream))
            return 1;
    }
    return 0;
}

/* Go on with a tile behind the next mark, which is left there; 0 if it has ended. */
static int pass_mark(const batch_t *batch, stream_t *stream)
{
    if (!stream->rest)
        return 0;
    int64_t pos = stream->pos + (stream->safe == INT64_MAX ? stream->tail_pos : 0);
    if (pos <= UINT32_MAX)
        RF_STORE_SHARED(stream->mark, (uint64_t)pos << 32 | stream->last);
    stream->mark++;
    stream->left = stream->rest < batch->marks->step ? stream->rest : batch->marks->step;
    stream->rest -= stream->left;
    return 1;
}

/* Bring a stream with less than a whole block left to the next one: decode what is left before the mark or the end,
 * then go on behind the mark or with another tile; once more if that is shorter than a block. 0 if there is none. */
RF_NOINLINE int begin_block(batch_t *batch, const kernel_t *kernel, stream_t *stream)
{
    do {
        decode_rest(kernel, stream, batch->bytepix, batch->block);
        if (!pass_mark(batch, stream) && !begin_tile(batch, stream))
            return 0;
    } while (stream->left < batch->block);
    return 1;
}

/* Bring the stream to a whole block, beginning tiles as needed; 0 when there are no more. */
RF_INLINE int find_block(batch_t *batch, const kernel_t *kernel, stream_t *stream)
{
    return stream->left >= batch->block || begin_block(batch, kernel, stream);
}

/* Decode one whole block of each of four streams. */
static void decode_four(const kernel_t *kernel, stream_t streams[4], int32_t bytepix, int32_t block)
{
    /* A block of zeros takes no bits. To keep the loop free of branches it is read, with fs = 0, from ones: symbols of
     * one bit each, which say 0. So are raw blocks, whose values replace these afterwards. */
    static const uint8_t ones[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                   255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    _Static_assert(sizeof ones == RF_CHUNK / 8 + 16, "a bit for each pixel of a chunk, and room to read past them");
    uint32_t values[4 * RF_CHUNK]; /* value i of stream s is values[4 * i + s] */
    uint32_t fs[4] = {0, 0, 0, 0};
    uint32_t code[4];
    stream_t quiet[4];
    stream_t *lanes[4];
    uint32_t fsmax = rf_fsmax(bytepix);
    int coded = 0;
    for (int s = 0; s < 4; s++) {
        settle(&streams[s]);
        code[s] = read_code(&streams[s], bytepix);
        if (code[s] && code[s] <= fsmax) {
            fs[s] = code[s] - 1;
            lanes[s] = &streams[s];
            coded = 1;
        } else {
            quiet[s].base = ones;
            quiet[s].pos = 0;
            quiet[s].end = quiet[s].safe = 8 * RF_CHUNK;
            lanes[s] = &quiet[s];
        }
    }
    if (coded)
        kernel->read_four(lanes, fs, block, values);
    else
        memset(values, 0, sizeof values);
    for (int s = 0; s < 4; s++)
        if (code[s] == fsmax + 1)
            rf_rice_read_raw(&streams[s], bytepix, block, &values[s], 4);
    kernel->put_four(streams, bytepix, values, block);
    for (int s = 0; s < 4; s++)
        if (RF_UNLIKELY(streams[s].pos > streams[s].end))
            stop(&streams[s], RF_RICE_TRUNCATED);
        else if (RF_UNLIKELY(code[s] > fsmax + 1))
            stop(&streams[s], RF_RICE_BAD_CODE);
}

#if RF_X86
/* Decode with sixteen lanes as long as enough of them have a tile. */
static void decode_lanes(batch_t *batch, const kernel_t *kernel)
{
    stream_t streams[RF_LANES];
    int32_t nlanes = 0;
    for (;;) {
        int32_t kept = 0;
        for (int32_t lane = 0; lane < RF_LANES; lane++) {
            if (lane >= nlanes)
                streams[lane].left = streams[lane].rest = 0;
            if (find_block(batch, kernel, &streams[lane]))
                streams[kept++] = streams[lane];
        }
        nlanes = kept;
        if (nlanes < FEWEST_LANES)
            break;
        rf_rice_decode_lanes_avx512(streams, nlanes, batch->bytepix, (int32_t)batch->block);
    }
    memcpy(batch->waiting, streams, (size_t)nlanes * sizeof *streams);
    batch->nwaiting = nlanes;
}
#endif

static void fill_tail(tail_t *tail, const uint8_t *data, int64_t data_nbytes)
{
    int64_t nbytes = data_nbytes < REACH ? data_nbytes : REACH;
    tail->start = data_nbytes - nbytes;
    if (nbytes)
        memcpy(tail->bytes, data + tail->start, (size_t)nbytes);
    /* Ones: no symbol is long behind the end. */
    memset(tail->bytes + nbytes, 0xFF, sizeof tail->bytes - (size_t)nbytes);
}

void rf_rice_resume(int32_t variant, int32_t bytepix, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                    const int64_t *length, const int64_t *npixels, int64_t ntiles, int32_t block,
                    const struct rf_rice_marks *marks, void *out, int64_t out_npixels, int32_t *status)
{
    kernel_t kernel = kernel_of(variant);
    stream_t waiting[RF_LANES]; /* these two by themselves, not to be set to 0 with the rest */
    tail_t tail;
    batch_t batch = {.data = data,
                     .data_nbytes = data_nbytes,
                     .start = start,
                     .length = length,
                     .npixels = npixels,
                     .ntiles = ntiles,
                     .out = out,
                     .out_npixels = out_npixels,
                     .status = status,
                     .bytepix = bytepix,
                     .block = block,
                     .marks = marks,
                     .waiting = waiting,
                     .tail = &tail};
    stream_t streams[4] = {{.left = 0}, {.left = 0}, {.left = 0}, {.left = 0}};
    fill_tail(&tail, data, data_nbytes);
#if RF_X86
    if (variant >= RF_RICE_AVX512 && block <= RF_CHUNK && ntiles >= FEWEST_LANES)
        decode_lanes(&batch, &kernel);
#endif
    if (block <= RF_CHUNK)
        while (find_block(&batch, &kernel, &streams[0]) && find_block(&batch, &kernel, &streams[1]) &&
               find_block(&batch, &kernel, &streams[2]) && find_block(&batch, &kernel, &streams[3]))
            decode_four(&kernel, streams, bytepix, block);
    for (int s = 0; s < 4; s++)
        do
            decode_rest(&kernel, &streams[s], bytepix, block);
        while (pass_mark(&batch, &streams[s]) || begin_tile(&batch, &streams[s]));
}

void rf_rice_decode(int32_t variant, int32_t bytepix, const uint8_t *data, int64_t data_nbytes, const int64_t *start,
                    const int64_t *length, const int64_t *npixels, int64_t ntiles, int32_t block, void *out,
                    int64_t out_npixels, int32_t *status)
{
    rf_rice_resume(variant, bytepix, data, data_nbytes, start, length, npixels, ntiles, block, NULL, out, out_npixels,
                   status);
}
