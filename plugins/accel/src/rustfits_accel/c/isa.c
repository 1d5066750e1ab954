/* Feature bits say what the processor has and the system saves; its model says neither. */
#include "isa.h"

int32_t rf_best_isa(void)
{
#if RF_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return RF_AVX512;
    return __builtin_cpu_supports("avx2") ? RF_AVX2 : RF_PORTABLE;
#else
    return RF_PORTABLE;
#endif
}
