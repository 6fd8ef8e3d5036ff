/* Small random graphs with cost tables: what policies are checked on. Everything from a seed. */
#ifndef SPA_EXPERIMENTS_RANDOM_SCENE_H
#define SPA_EXPERIMENTS_RANDOM_SCENE_H

#include "devices/costs.h"

/* The table points into the graph: do not move a scene once it is made. */
typedef struct spa_random_scene {
    spa_graph graph;
    spa_costs costs;
} spa_random_scene;

/* What a scene may hold. Times are 1 .. 100 ns, so that ties happen. */
typedef struct spa_random_scene_options {
    uint32_t n_ops, n_processors;
    uint32_t max_inputs; /* per operator */
    uint32_t reach;      /* inputs come from the last `reach` operators; 0 = any */
    uint32_t max_lanes;
    bool views, pulled;   /* some operators are views, some outputs are pulled */
    bool unable;          /* some operators cannot run everywhere */
    bool power, dispatch; /* powers are set; dispatch may occupy the host */
    bool free_links;      /* about half of the transfers cost nothing */
} spa_random_scene_options;

/* Depends on the seed and the options alone. Zeroed on failure; spa_random_scene_fini else. */
spa_status spa_random_scene_init(spa_random_scene *scene, uint64_t seed,
                                 const spa_random_scene_options *options, spa_error *err);
void spa_random_scene_fini(spa_random_scene *scene);

/* Lets every operator that is no view be split, whatever its kind, at times in proportion. */
void spa_random_scene_divide(spa_costs *costs);

#endif
