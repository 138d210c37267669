//  query_balance.h - which query node does what: a pure function of what is there
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_QUERY_BALANCE_H
#define KITH_QUERY_BALANCE_H

#include "base/base.h"

typedef struct {
    bool alive;
    uint64_t channels;    //  that it answers for
    uint64_t rows;        //  in sealed segments that it holds
} kith_balance_node_t;

#define KITH_BALANCE_NONE UINT32_MAX

//  The node that is to answer for one more channel: the one with the fewest, then the fewest rows, then the smallest number. NONE: no node
//  is alive.
uint32_t kith_balance_channel (const kith_balance_node_t *nodes, uint32_t count);

//  The node that is to hold one more segment of `rows` rows: the delegator unless another has less by more than the segment.
uint32_t kith_balance_segment (const kith_balance_node_t *nodes, uint32_t count,
                               uint32_t delegator, uint64_t rows);

#endif
