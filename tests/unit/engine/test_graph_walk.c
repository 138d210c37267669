//  test_graph_walk.c - the beam of a walk, filled by many nodes at once and one by one
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>

#include "base/random.h"
#include "engine/indexes/graph_layout.h"

//  Few different distances, so that many are equal; some nodes are expanded in between
Test (graph_walk, a_beam_takes_many_nodes_as_it_takes_them_one_by_one)
{
    enum { MOST = 150, TURNS = 200 };
    const uint32_t capacities [] = {1, 10, 47, 48, 133, 400, 9000};
    kith_random_t random;
    kith_random_seed (&random, 8);
    for (size_t which = 0; which < sizeof capacities / sizeof capacities [0]; which++) {
        kith_graph_beam_t beams [2] = {{.size = 0}, {.size = 0}};
        uint32_t ids [MOST], next_id = 0;
        float distances [MOST];
        for (int each = 0; each < 2; each++)
            cr_assert (kith_graph_beam_reset (&beams [each], capacities [which]));
        for (uint32_t turn = 0; turn < TURNS; turn++) {
            const uint32_t count = (uint32_t) kith_random_below (&random, MOST);
            for (uint32_t index = 0; index < count; index++) {
                ids [index] = next_id++;
                distances [index] =
                    (float) kith_random_below (&random, 1000 - 4 * turn) - 500;
                kith_graph_beam_put (&beams [0], distances [index], ids [index]);
            }
            kith_graph_beam_put_all (&beams [1], distances, ids, count);
            cr_assert_eq (beams [0].size, beams [1].size);
            cr_assert_eq (beams [0].next, beams [1].next);
            for (uint32_t place = 0; place < beams [0].size; place++) {
                cr_assert_eq (beams [0].near [place].id, beams [1].near [place].id);
                cr_assert_eq (beams [0].near [place].distance,
                              beams [1].near [place].distance);
            }
            for (int each = 0; each < 2; each++)
                if (beams [each].next < beams [each].size)
                    kith_graph_beam_take (&beams [each]);
        }
        for (int each = 0; each < 2; each++)
            free (beams [each].near);
    }
}
