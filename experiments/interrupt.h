/* SIGINT while lanes run: the run at hand ends cleanly and says so, instead of the program. */
#ifndef SPA_EXPERIMENTS_INTERRUPT_H
#define SPA_EXPERIMENTS_INTERRUPT_H

#include "kernels/hardware.h"

/* From here on SIGINT interrupts what this hardware runs, now or next; NULL: it does again what it
 * did before. One hardware at a time. */
void spa_interrupt_by_signal(spa_hardware *hardware);

#endif
