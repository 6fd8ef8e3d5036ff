/* Vectorised loops for x86 with AVX2 and FMA; called only after CPUID said that both are there. */
#if defined(__x86_64__)
#define VECTOR_TABLE spa_vector_avx2
#define VECTOR_ISA   "avx2"
#include "kernels/vector_body.h"
#else
typedef int spa_no_avx2_here; /* a translation unit is not empty */
#endif
