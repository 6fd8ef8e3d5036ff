/* Vectorised loops for x86 with AVX2 and FMA; called only after CPUID said that both are there. */
#if defined(__x86_64__)
#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma (build.mk); without them it would silently be slow"
#endif
#define VECTOR_TABLE spa_vector_avx2
#define VECTOR_ISA   "avx2"
#include "kernels/vector_body.h"
#else
typedef int spa_no_avx2_here; /* a translation unit is not empty */
#endif
