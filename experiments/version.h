/* The program's version: the commit it was built from. */
#ifndef SPA_EXPERIMENTS_VERSION_H
#define SPA_EXPERIMENTS_VERSION_H

const char *spa_version(void);

#endif
