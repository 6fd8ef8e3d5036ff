/* The sparoa program. Everything is in cli.c, where tests can call it. */
#include "experiments/cli.h"

int main(int argc, char **argv)
{
    return spa_cli_main(argc, argv, stdout, stderr);
}
