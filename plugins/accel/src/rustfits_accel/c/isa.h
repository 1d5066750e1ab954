/* Which instruction sets a kernel may use, chosen at run time.
 *
 * A variant is compiled for its set by a target attribute, never by a flag of the whole build, so one binary serves
 * every machine. Compilers without such attributes get the portable code alone. */
#ifndef RF_ISA_H
#define RF_ISA_H

#include <stdint.h>

#define RF_PORTABLE 0
#define RF_AVX2 1
#define RF_AVX512 2

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define RF_X86 1
#define RF_TARGET_AVX2 __attribute__((target("avx2")))
#if defined(__clang__)
#define RF_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt")))
#else
#define RF_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt,prefer-vector-width=512")))
#endif
#else
#define RF_X86 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#define RF_INLINE static inline __attribute__((always_inline))
#else
#define RF_INLINE static inline
#endif

/* The widest of the sets above that this machine offers. */
int32_t rf_best_isa(void);

#endif
