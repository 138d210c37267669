//  query_balance.c - which query node does what: a pure function of what is there
//  SPDX-License-Identifier: Apache-2.0
#include "actors/query_balance.h"

uint32_t
kith_balance_channel (const kith_balance_node_t *nodes, uint32_t count)
{
    uint32_t best = KITH_BALANCE_NONE;
    for (uint32_t i = 0; i < count; i++)
        if (nodes [i].alive
            && (best == KITH_BALANCE_NONE || nodes [i].channels < nodes [best].channels
                || (nodes [i].channels == nodes [best].channels
                    && nodes [i].rows < nodes [best].rows)))
            best = i;
    return best;
}

uint32_t
kith_balance_segment (const kith_balance_node_t *nodes, uint32_t count,
                      uint32_t delegator, uint64_t rows)
{
    uint32_t best =
        delegator < count && nodes [delegator].alive ? delegator : KITH_BALANCE_NONE;
    for (uint32_t i = 0; i < count; i++)
        if (nodes [i].alive
            && (best == KITH_BALANCE_NONE || nodes [i].rows + rows < nodes [best].rows))
            best = i;
    return best;
}
