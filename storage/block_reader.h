//  block_reader.h - random reads of whole blocks of a file, many under way at once
//  SPDX-License-Identifier: Apache-2.0
//
//  Two objects. kith_blocks_t is where blocks lie: a file (read past the page cache where the file system allows it) or memory. It
//  never changes and is shared by all threads. kith_block_reader_t is one thread's queue of reads, of any such place: io_uring where the
//  kernel allows it, else pread behind read-ahead, and for memory no copy at all. A read that is short, fails or is interrupted
//  never counts as done well: its result says why.
#ifndef KITH_BLOCK_READER_H
#define KITH_BLOCK_READER_H

#include "base/error.h"

#define KITH_BLOCK_BYTES 4096u       //  every read begins and ends at a multiple
#define KITH_BLOCK_DEPTH_MAX 128u    //  reads under way in one reader
#define KITH_BLOCK_CUT (-1)          //  result of a read beyond the end

typedef struct kith_blocks kith_blocks_t;

//  Lent memory, 4-byte aligned at least, outlives the object.
kith_blocks_t *kith_blocks_memory_new (const void *data, uint64_t size);

//  A file, opened for reading only.
kith_blocks_t *kith_blocks_file_new (const char *path, kith_error_t *error);
void kith_blocks_destroy (kith_blocks_t **self_p);

//  From now on only `size` bytes from `at` on (both multiples of KITH_BLOCK_BYTES) are the place; before it is shared.
void kith_blocks_narrow (kith_blocks_t *self, uint64_t at, uint64_t size);
uint64_t kith_blocks_size (const kith_blocks_t *self);
bool kith_blocks_in_memory (const kith_blocks_t *self);

//  Whether reads go past the page cache
bool kith_blocks_direct (const kith_blocks_t *self);

typedef struct {
    const kith_blocks_t *blocks;
    uint64_t at;      //  in blocks, a multiple of KITH_BLOCK_BYTES
    uint32_t size;    //  likewise, not 0
    uint32_t tag;     //  comes back with the result
    void *
        room;    //  size bytes at a multiple of KITH_BLOCK_BYTES; not touched when memory is read
} kith_block_read_t;

typedef struct {
    uint32_t tag;
    int failed;             //  0; an errno; KITH_BLOCK_CUT
    const uint8_t *data;    //  the bytes: in the room, or where memory has them
} kith_block_done_t;

typedef struct kith_block_reader {
    const char *name;    //  "io_uring", "pread", "memory"
    uint32_t depth;      //  reads that may be under way
    uint32_t flying;     //  that are
    //  Begins reads: no more than depth - flying. What cannot begin comes back failed.
    void (*submit) (struct kith_block_reader *self, const kith_block_read_t *reads,
                    uint32_t count);
    //  Waits until a read is done and gives at least one result, at most `most`; 0: none is under way.
    uint32_t (*reap) (struct kith_block_reader *self, kith_block_done_t *done,
                      uint32_t most);
    //  Not with reads under way: their rooms would be written to later.
    void (*close) (struct kith_block_reader **self_p);
} kith_block_reader_t;

//  Null: this kernel has none, or will not let this process have one.
kith_block_reader_t *kith_block_reader_uring (uint32_t depth);

kith_block_reader_t *kith_block_reader_pread (uint32_t depth);

//  For places in memory only; results come in the order of submission.
kith_block_reader_t *kith_block_reader_memory (uint32_t depth);

//  The best for a place.
kith_block_reader_t *kith_block_reader_new (const kith_blocks_t *blocks, uint32_t depth);

//  Fills error from a result that failed; -1.
int kith_block_failed (int failed, const char *what, uint64_t at, kith_error_t *error);

#endif
