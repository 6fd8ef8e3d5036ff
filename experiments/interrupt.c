#include "experiments/interrupt.h"

#include <signal.h>

/* A handler needs a place to find what it is about. */
static spa_hardware *volatile interruptible;
static struct sigaction before;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (interruptible) spa_hardware_interrupt(interruptible);
}

void spa_interrupt_by_signal(spa_hardware *hardware)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    bool was_watched = interruptible != NULL;
    interruptible = hardware;
    if (hardware && !was_watched)
        sigaction(SIGINT, &action, &before);
    else if (!hardware && was_watched)
        sigaction(SIGINT, &before, NULL);
}
