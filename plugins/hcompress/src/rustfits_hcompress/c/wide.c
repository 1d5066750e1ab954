/* The coders with coefficients of 64 bits, which few images need: once, for any machine. */
#define COEF int64_t
#define NAME(x) x##_i64
#define KERNEL rf_kernel_wide
#include "kernel.h"
