/* The engine benchmark's workload in SimGrid 3 (Casanova et al., JPDC 2014): requests of 60
 * operators that change between two processors at every second one, `in_flight` at a time. An actor
 * is a request; an execution on a host is an operator; executions on one host share it. No
 * transfers, no launches, no energy: less work than the engine does.
 *
 *     simgrid IN_FLIGHT REQUESTS      prints ns of CPU time per operator */
#define _POSIX_C_SOURCE 200809L
#include <simgrid/actor.h>
#include <simgrid/engine.h>
#include <simgrid/exec.h>
#include <simgrid/host.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { OPERATORS = 60 };

static long next_request, n_requests;
static sg_host_t hosts[2];

/* Serves requests one after another until there are none left. */
static void serve(int argc, char *argv[])
{
    (void)argc;
    (void)argv;
    while (next_request < n_requests) {
        next_request++;
        for (int i = 0; i < OPERATORS; i++) {
            sg_exec_t op = sg_actor_exec_init(1000 + 10 * i);
            sg_exec_set_host(op, hosts[i / 2 % 2]);
            sg_exec_start(op);
            sg_exec_wait(op);
        }
    }
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int write_platform(char path[32])
{
    static const char text[] =
        "<?xml version='1.0'?>\n"
        "<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
        "<platform version=\"4.1\"><zone id=\"z\" routing=\"Full\">\n"
        "<host id=\"cpu\" speed=\"1Gf\"/><host id=\"gpu\" speed=\"1Gf\"/>\n"
        "<link id=\"l\" bandwidth=\"10GBps\" latency=\"1us\"/>\n"
        "<route src=\"cpu\" dst=\"gpu\"><link_ctn id=\"l\"/></route></zone></platform>\n";
    int file = mkstemps(path, 4);
    if (file < 0) return 1;
    int bad = write(file, text, sizeof text - 1) != (ssize_t)(sizeof text - 1);
    return close(file) || bad;
}

int main(int argc, char *argv[])
{
    char path[32] = "/tmp/spa-peer-XXXXXX.xml";
    char quiet[] = "--log=root.thres:critical", *args[] = {argv[0], quiet, NULL};
    int n = 2;
    long in_flight = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    n_requests = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (in_flight < 1 || n_requests < 1) {
        fprintf(stderr, "usage: simgrid IN_FLIGHT REQUESTS\n");
        return 2;
    }
    if (write_platform(path)) return 1;
    simgrid_init(&n, args);
    simgrid_load_platform(path);
    unlink(path);
    hosts[0] = sg_host_by_name("cpu");
    hosts[1] = sg_host_by_name("gpu");
    for (long i = 0; i < in_flight; i++) sg_actor_create("request", hosts[0], serve, 0, NULL);
    double start = cpu_ns();
    simgrid_run();
    printf("%.3f\n", (cpu_ns() - start) / (double)(n_requests * OPERATORS));
    return 0;
}
