/* What a thread that spins does between two looks. */
#ifndef SPA_KERNELS_RELAX_H
#define SPA_KERNELS_RELAX_H

static inline void spa_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
