//  blocks.h - what the readers of blocks share; private to them
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_BLOCKS_H
#define KITH_BLOCKS_H

#include "storage/block_reader.h"

struct kith_blocks {
    const uint8_t *data;    //  memory; null: a file
    int cached;             //  file descriptor, read through the page cache
    int direct;             //  of the same file with O_DIRECT; -1: not to be had
    uint64_t at;            //  of the place in the file
    uint64_t size;
};

//  Whether a read lies in its place
static inline bool
kith_blocks_hold (const kith_block_read_t *read)
{
    return read->size <= read->blocks->size
           && read->at <= read->blocks->size - read->size;
}

//  Reads in the calling thread; returns what `failed` of the result is to be.
int kith_blocks_read (const kith_block_read_t *read);

#endif
