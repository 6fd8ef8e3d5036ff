/* The manual page. */
#ifndef SPA_EXPERIMENTS_MANUAL_H
#define SPA_EXPERIMENTS_MANUAL_H

#include "base/text.h"

/* sparoa(1) as roff (man macros): every command with its explanation, every option once. */
void spa_manual_put(spa_string *out);

#endif
