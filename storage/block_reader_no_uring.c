//  block_reader_no_uring.c - what stands for io_uring where the system has none
//  SPDX-License-Identifier: Apache-2.0
#include "storage/block_reader.h"

kith_block_reader_t *
kith_block_reader_uring (uint32_t depth)
{
    (void) depth;
    return NULL;
}
