/* Whether one binary can hold coders for several instruction sets. */
#ifndef RF_HCOMPRESS_DISPATCH_H
#define RF_HCOMPRESS_DISPATCH_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define RF_DISPATCH 1
#else
#define RF_DISPATCH 0
#endif

#endif
