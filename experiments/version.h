/* The program's version, the commit it was built from, and with what. */
#ifndef SPA_EXPERIMENTS_VERSION_H
#define SPA_EXPERIMENTS_VERSION_H

#include "base/text.h"

const char *spa_version(void);
/* Lines of "  name: what" on how it was built and which interfaces it has. */
void spa_version_put_features(spa_string *out);

#endif
