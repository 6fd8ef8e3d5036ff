#include "experiments/version.h"

#ifndef SPA_VERSION
#define SPA_VERSION "unversioned"
#endif

const char *spa_version(void)
{
    return SPA_VERSION;
}
