/* Writing past the cache: a result larger than the cache is else read into it line by line, only to be overwritten. */
#ifndef RF_PAST_H
#define RF_PAST_H

#include <stdint.h>
#include <string.h>

#include "isa.h"

#if RF_X86
#include <emmintrin.h>
#endif

/* As memcpy; past the cache, if all is in units of 16 bytes. rf_past_end has to follow before others may look. */
RF_INLINE void rf_copy_past(uint8_t *to, const uint8_t *from, int64_t nbytes)
{
#if RF_X86
    if ((((uint64_t)(uintptr_t)to | (uint64_t)nbytes) & 15) == 0) {
        for (int64_t i = 0; i < nbytes; i += 16)
            _mm_stream_si128((__m128i *)(void *)(to + i), _mm_loadu_si128((const __m128i *)(const void *)(from + i)));
        return;
    }
#endif
    memcpy(to, from, (size_t)nbytes);
}

RF_INLINE void rf_past_end(void)
{
#if RF_X86
    _mm_sfence();
#endif
}

#endif
