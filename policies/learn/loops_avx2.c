/* The loops for x86 with AVX2; called only after CPUID said that it is there. */
#if defined(__x86_64__)
#if !defined(__AVX2__) || defined(__FMA__)
#error "compile this file with -mavx2 and without -mfma (build.mk): FMA would change the bits"
#endif
#define LOOPS_TABLE spa_loops_avx2
#define LOOPS_ISA   "avx2"
#include "policies/learn/loops_body.h"
#else
typedef int spa_no_avx2_loops_here; /* a translation unit is not empty */
#endif
