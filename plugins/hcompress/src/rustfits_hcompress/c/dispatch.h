/* Whether one binary can hold coders for several instruction sets. Clang calls itself __GNUC__, but ignores the
 * `#pragma GCC target` of avx2.c, so that it would make the portable coders once more. */
#ifndef RF_HCOMPRESS_DISPATCH_H
#define RF_HCOMPRESS_DISPATCH_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define RF_DISPATCH 1
#else
#define RF_DISPATCH 0
#endif

#endif
