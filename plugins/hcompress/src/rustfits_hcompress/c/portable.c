/* The coders in C for any machine. */
#define COEF int32_t
#define NAME(x) x##_i32
#define KERNEL rf_kernel_portable
#include "kernel.h"
