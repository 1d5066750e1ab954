/* What the coders share: instruction sets, big-endian words, the constants of a pixel width. */
#ifndef RF_RICE_BITS_H
#define RF_RICE_BITS_H

#include <stdint.h>
#include <string.h>

/* A variant is compiled for its instruction set by a target attribute, never by a flag of the whole build, so one
 * binary serves every machine. Compilers without such attributes get the portable code alone. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#define RF_X86 1
#define RF_TARGET_BMI2 __attribute__((target("bmi,bmi2,lzcnt,movbe")))
#define RF_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,movbe")))
#else
#define RF_X86 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define RF_INLINE static inline __attribute__((always_inline))
#define RF_NOINLINE static __attribute__((noinline))
#define RF_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define RF_IN_REGISTER(pointer) __asm__("" : "+r"(pointer))
#define RF_CLZ64(word) __builtin_clzll(word)
#define RF_CTZ64(word) __builtin_ctzll(word)
#define RF_BSWAP64(word) __builtin_bswap64(word)
#else
#define RF_INLINE static inline
#define RF_NOINLINE static
#define RF_UNLIKELY(condition) (condition)
#define RF_IN_REGISTER(pointer) ((void)(pointer))
static inline int RF_CLZ64(uint64_t word)
{
    int zeros = 0;
    for (int step = 32; step; step >>= 1)
        if (!(word >> (64 - step))) {
            zeros += step;
            word <<= step;
        }
    return zeros;
}
static inline int RF_CTZ64(uint64_t word)
{
    return 63 - RF_CLZ64(word & (0 - word));
}
static inline uint64_t RF_BSWAP64(uint64_t word)
{
    word = (word & 0x00FF00FF00FF00FFu) << 8 | (word >> 8 & 0x00FF00FF00FF00FFu);
    word = (word & 0x0000FFFF0000FFFFu) << 16 | (word >> 16 & 0x0000FFFF0000FFFFu);
    return word << 32 | word >> 32;
}
#endif

/* A word that several threads may write at once, all of them the same number. */
#if defined(__GNUC__) || defined(__clang__)
#define RF_LOAD_SHARED(word) __atomic_load_n(word, __ATOMIC_RELAXED)
#define RF_STORE_SHARED(word, number) __atomic_store_n(word, number, __ATOMIC_RELAXED)
#else
#define RF_LOAD_SHARED(word) (*(const volatile uint64_t *)(word))
#define RF_STORE_SHARED(word, number) ((void)(*(volatile uint64_t *)(word) = (number)))
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define RF_BIG_ENDIAN64(word) (word)
#else
#define RF_BIG_ENDIAN64(word) RF_BSWAP64(word)
#endif

#if RF_X86
/* Zeros before the first 1, 64 if there is none; only for machines with LZCNT. The builtin has no meaning for 0, and a
 * test for 0 becomes a branch. */
RF_INLINE int64_t rf_lzcnt64(uint64_t word)
{
    int64_t zeros;
    __asm__("lzcntq %1, %0" : "=r"(zeros) : "r"(word) : "cc");
    return zeros;
}
/* Zeros after the last 1, 64 if there is none; for machines with BMI. */
RF_INLINE int64_t rf_tzcnt64(uint64_t word)
{
    int64_t zeros;
    __asm__("tzcntq %1, %0" : "=r"(zeros) : "r"(word) : "cc");
    return zeros;
}
#else
#define rf_lzcnt64(word) RF_CLZ64(word)
#define rf_tzcnt64(word) RF_CTZ64(word)
#endif

/* Pixels handled at a time; blocks of the standard have 16 or 32. */
#define RF_CHUNK 64

/* Bits of a block's code: 5, 4, 3 for 4, 2, 1 bytes. */
RF_INLINE uint32_t rf_fsbits(int32_t bytepix)
{
    return bytepix == 4 ? 5 : bytepix == 2 ? 4 : 3;
}

/* Blocks with fs from here on are stored at full width. */
RF_INLINE uint32_t rf_fsmax(int32_t bytepix)
{
    return bytepix == 4 ? 25 : bytepix == 2 ? 14 : 6;
}

RF_INLINE uint64_t rf_load64(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return RF_BIG_ENDIAN64(word);
}

RF_INLINE void rf_store64(uint8_t *bytes, uint64_t word)
{
    word = RF_BIG_ENDIAN64(word);
    memcpy(bytes, &word, sizeof word);
}

#endif
