/* The coders for x86 processors with AVX2 and BMI2. Where the compiler cannot make them, nothing asks for them. */
#include "dispatch.h"
#if RF_DISPATCH
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt,movbe")
#define COEF int32_t
#define NAME(x) x##_i32
#define KERNEL rf_kernel_avx2
#include "kernel.h"
#endif
