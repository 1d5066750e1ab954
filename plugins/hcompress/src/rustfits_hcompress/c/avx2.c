/* The coders for x86 processors with AVX2 and BMI2. Where the compiler cannot make them, nothing asks for them. */
#include "dispatch.h"
#if RF_DISPATCH
/* What the machine's own headers declare is not to be made for the instruction set. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,movbe"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt,movbe")
#endif
#define RF_AVX2 1
#define COEF int32_t
#define NAME(x) x##_i32
#define KERNEL rf_kernel_avx2
#include "kernel.h"
#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
