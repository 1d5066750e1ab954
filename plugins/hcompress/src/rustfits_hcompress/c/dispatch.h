/* Whether one binary can hold coders for several instruction sets: compilers differ in how a set is chosen for all of a
 * source. */
#ifndef RF_HCOMPRESS_DISPATCH_H
#define RF_HCOMPRESS_DISPATCH_H

#if defined(__x86_64__) && defined(__GNUC__) /* GCC and Clang */
#define RF_DISPATCH 1
#else
#define RF_DISPATCH 0
#endif

#endif
