//  limits.h - every limit of Kith, with the relations between them checked at compile time
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LIMITS_H
#define KITH_LIMITS_H

#include "base/base.h"

//  Messages and frames
#define KITH_MESSAGE_BYTES_MAX (64u << 20)    //  any message, all frames together
#define KITH_WRITE_BYTES_MAX                                                             \
    (4u << 20)    //  rows of one WRITE, records of one FETCH answer
#define KITH_CONTROL_BYTES_MAX (1u << 20)    //  msgpack body of any message
#define KITH_FRAMES_MAX 64u                  //  frames after the body
#define KITH_MSGPACK_DEPTH_MAX 8u
#define KITH_QUERY_BYTES_MAX (32u << 20)    //  query vectors of one SEARCH
#define KITH_ROW_BYTES_MAX (2u << 20)

//  Schema
#define KITH_FIELDS_MAX 64u
#define KITH_NAME_MAX 255u
#define KITH_VARCHAR_MAX 65535u
#define KITH_DIM_MAX 32768u
#define KITH_INDEXES_MAX 8u    //  fields of a collection that have one
#define KITH_SHARDS_MAX 16u
#define KITH_PARTITIONS_MAX 1024u
#define KITH_COLLECTIONS_MAX 65536u

//  Requests
#define KITH_K_MAX 16384u
#define KITH_NQ_MAX 16384u
#define KITH_NQ_K_MAX (1u << 20)    //  nq x k
#define KITH_FILTER_BYTES_MAX 65536u
#define KITH_FILTER_DEPTH_MAX 64u
#define KITH_FILTER_NODES_MAX 4096u
#define KITH_KEYS_MAX 16384u    //  keys of one query or delete

//  Topology
#define KITH_LOGS_MAX 256u
#define KITH_PROCESSES_MAX 256u
#define KITH_ACTORS_MAX 64u    //  of one process

//  Runtime
#define KITH_CALLS_MAX 65536u            //  calls under way of one actor
#define KITH_QUEUE_MAX 65536u            //  messages waiting in one loop
#define KITH_WORK_MAX 4096u              //  work waiting in one pool
#define KITH_CALLBACK_US_MAX 100u        //  longer callbacks are counted and reported
#define KITH_CLOCK_AHEAD_MS_MAX 5000u    //  hybrid clocks further ahead are ignored

//  Log and segments
#define KITH_SEGMENT_ROWS_MAX 1000000u         //  seal at
#define KITH_SEGMENT_BYTES_MAX (1ull << 30)    //  seal at
#define KITH_INDEX_ROWS_MIN 10000u             //  smaller segments get no graph
#define KITH_LOG_RECORD_BYTES_MAX (KITH_WRITE_BYTES_MAX + 65536u)

_Static_assert(KITH_WRITE_BYTES_MAX < KITH_MESSAGE_BYTES_MAX, "a WRITE fits a message");
_Static_assert(KITH_QUERY_BYTES_MAX < KITH_MESSAGE_BYTES_MAX, "queries fit a message");
_Static_assert(KITH_ROW_BYTES_MAX < KITH_WRITE_BYTES_MAX, "a row fits a WRITE");
_Static_assert(KITH_NQ_K_MAX * 12ull < KITH_MESSAGE_BYTES_MAX,
               "ids and scores fit an answer");
_Static_assert(KITH_DIM_MAX * 4u <= KITH_ROW_BYTES_MAX, "a vector fits a row");

#endif
