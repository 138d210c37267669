//  test_query_balance.c - who does what: properties of the choice over random clusters
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_balance.h"
#include "base/random.h"
#include <criterion/criterion.h>

enum { NODES = 12, ROUNDS = 20000 };

static uint32_t
s_nodes (kith_random_t *random, kith_balance_node_t *nodes)
{
    const uint32_t count = (uint32_t) kith_random_below (random, NODES + 1);
    for (uint32_t i = 0; i < count; i++)
        nodes [i] = (kith_balance_node_t){.alive = kith_random_below (random, 4) != 0,
                                          .channels = kith_random_below (random, 4),
                                          .rows = kith_random_below (random, 5) * 100};
    return count;
}

static uint32_t
s_alive (const kith_balance_node_t *nodes, uint32_t count)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < count; i++)
        alive += nodes [i].alive;
    return alive;
}

//  True if a comes before b: fewer channels, then fewer rows, then the smaller number
static bool
s_before (const kith_balance_node_t *nodes, uint32_t a, uint32_t b)
{
    if (nodes [a].channels != nodes [b].channels)
        return nodes [a].channels < nodes [b].channels;
    if (nodes [a].rows != nodes [b].rows)
        return nodes [a].rows < nodes [b].rows;
    return a < b;
}

Test (query_balance, a_channel_goes_to_the_first_of_the_order)
{
    kith_random_t random;
    kith_random_seed (&random, 1);
    for (int round = 0; round < ROUNDS; round++) {
        kith_balance_node_t nodes [NODES];
        const uint32_t count = s_nodes (&random, nodes);
        const uint32_t chosen = kith_balance_channel (nodes, count);
        if (!s_alive (nodes, count)) {
            cr_assert_eq (chosen, KITH_BALANCE_NONE);
            continue;
        }
        cr_assert_lt (chosen, count);
        cr_assert (nodes [chosen].alive);
        for (uint32_t i = 0; i < count; i++)
            cr_assert (!nodes [i].alive || i == chosen || s_before (nodes, chosen, i));
    }
}

Test (query_balance, a_segment_stays_unless_that_is_uneven)
{
    kith_random_t random;
    kith_random_seed (&random, 2);
    for (int round = 0; round < ROUNDS; round++) {
        kith_balance_node_t nodes [NODES];
        const uint32_t count = s_nodes (&random, nodes);
        const uint32_t delegator = (uint32_t) kith_random_below (&random, NODES + 2);
        const uint64_t rows = kith_random_below (&random, 4) * 100;
        const uint32_t chosen = kith_balance_segment (nodes, count, delegator, rows);
        if (!s_alive (nodes, count)) {
            cr_assert_eq (chosen, KITH_BALANCE_NONE);
            continue;
        }
        cr_assert_lt (chosen, count);
        cr_assert (nodes [chosen].alive);
        if (chosen == delegator || delegator >= count || !nodes [delegator].alive)
            continue;
        //  It left the delegator: it must be the better by more than the segment
        cr_assert_lt (nodes [chosen].rows + rows, nodes [delegator].rows);
    }
}

//  What the choice is for: after any number of segments no node holds more than another plus two segments
Test (query_balance, segments_spread_over_nodes)
{
    kith_random_t random;
    kith_random_seed (&random, 3);
    for (int round = 0; round < 200; round++) {
        const uint32_t count = 1 + (uint32_t) kith_random_below (&random, NODES);
        const uint64_t largest = 1 + kith_random_below (&random, 1000);
        kith_balance_node_t nodes [NODES] = {{0}};
        for (uint32_t i = 0; i < count; i++)
            nodes [i].alive = true;
        for (int segment = 0; segment < 300; segment++) {
            const uint64_t rows = 1 + kith_random_below (&random, largest);
            const uint32_t delegator = (uint32_t) kith_random_below (&random, count);
            nodes [kith_balance_segment (nodes, count, delegator, rows)].rows += rows;
        }
        uint64_t least = UINT64_MAX, most = 0;
        for (uint32_t i = 0; i < count; i++) {
            least = nodes [i].rows < least ? nodes [i].rows : least;
            most = nodes [i].rows > most ? nodes [i].rows : most;
        }
        cr_assert_leq (most - least, 2 * largest);
    }
}

//  Channels handed out one by one differ by at most one
Test (query_balance, channels_spread_over_nodes)
{
    kith_balance_node_t nodes [NODES] = {{0}};
    for (uint32_t i = 0; i < NODES; i++)
        nodes [i].alive = i % 3 != 0;
    for (uint32_t channel = 0; channel < 100; channel++)
        nodes [kith_balance_channel (nodes, NODES)].channels++;
    for (uint32_t i = 0; i < NODES; i++)
        if (i % 3)
            cr_assert (nodes [i].channels == 12 || nodes [i].channels == 13);
        else
            cr_assert_eq (nodes [i].channels, 0);
}
