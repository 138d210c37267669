//  block_reader.c - places of blocks, and the readers that need no help of the kernel
//  SPDX-License-Identifier: Apache-2.0
//
//  The pread reader makes no threads: told of all the reads that are to come (POSIX_FADV_WILLNEED) the kernel has them under way
//  together, and each pread then waits for its own only. That needs the page cache, so a file is opened twice: with O_DIRECT and without.
#include "storage/block_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "storage/blocks.h"

//  ---------------------------------------------------------------------
//  Places

kith_blocks_t *
kith_blocks_memory_new (const void *data, uint64_t size)
{
    kith_blocks_t *self = kith_new (sizeof *self);
    self->data = data;
    self->cached = self->direct = -1;
    self->size = size;
    return self;
}

static int
s_open (const char *path, int flags)
{
    int handle;
    do
        handle = open (path, O_RDONLY | O_CLOEXEC | flags);
    while (handle < 0 && errno == EINTR);
    return handle;
}

//  Some file systems take O_DIRECT and refuse the reads: one is tried
static bool
s_reads_directly (int handle)
{
    void *room = NULL;
    if (posix_memalign (&room, KITH_BLOCK_BYTES, KITH_BLOCK_BYTES) != 0)
        return false;
    ssize_t got = pread (handle, room, KITH_BLOCK_BYTES, 0);
    free (room);
    return got >= 0;
}

kith_blocks_t *
kith_blocks_file_new (const char *path, kith_error_t *error)
{
    struct stat status;
    int cached = s_open (path, 0);
    if (cached < 0 || fstat (cached, &status) != 0) {
        kith_error_errno (error, errno, "cannot open %s", path);
        if (cached >= 0)
            close (cached);
        return NULL;
    }
    int direct = s_open (path, O_DIRECT);
    if (direct >= 0 && !s_reads_directly (direct)) {
        close (direct);
        direct = -1;
    }
    //  Every read is of one block: what the kernel would read ahead of itself is wasted
    (void) posix_fadvise (cached, 0, 0, POSIX_FADV_RANDOM);
    kith_blocks_t *self = kith_new (sizeof *self);
    self->cached = cached;
    self->direct = direct;
    self->size = (uint64_t) status.st_size;
    return self;
}

void
kith_blocks_destroy (kith_blocks_t **self_p)
{
    assert (self_p);
    kith_blocks_t *self = *self_p;
    if (!self)
        return;
    if (self->cached >= 0)
        close (self->cached);
    if (self->direct >= 0)
        close (self->direct);
    free (self);
    *self_p = NULL;
}

void
kith_blocks_narrow (kith_blocks_t *self, uint64_t at, uint64_t size)
{
    assert (at % KITH_BLOCK_BYTES == 0 && size <= self->size && at <= self->size - size);
    if (self->data)
        self->data += at;
    self->at += at;
    self->size = size;
}

uint64_t
kith_blocks_size (const kith_blocks_t *self)
{
    return self->size;
}

bool
kith_blocks_in_memory (const kith_blocks_t *self)
{
    return self->data != NULL;
}

bool
kith_blocks_direct (const kith_blocks_t *self)
{
    return self->direct >= 0;
}

int
kith_blocks_read (const kith_block_read_t *read)
{
    const kith_blocks_t *blocks = read->blocks;
    if (!kith_blocks_hold (read))
        return KITH_BLOCK_CUT;
    size_t got = 0;
    while (got < read->size) {
        ssize_t piece = pread (blocks->cached, (char *) read->room + got,
                               read->size - got, (off_t) (blocks->at + read->at + got));
        if (piece < 0 && errno != EINTR)
            return errno;
        if (piece == 0)
            return KITH_BLOCK_CUT;
        got += piece > 0 ? (size_t) piece : 0;
    }
    return 0;
}

int
kith_block_failed (int failed, const char *what, uint64_t at, kith_error_t *error)
{
    if (failed == KITH_BLOCK_CUT)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "%s ends before its byte %" PRIu64 ": it was cut", what,
                               at);
    return kith_error_errno (error, failed, "cannot read %s at byte %" PRIu64, what, at);
}

//  ---------------------------------------------------------------------
//  First in, first out: pread and memory

typedef struct {
    kith_block_reader_t port;
    uint32_t first;    //  oldest
    kith_block_read_t reads [KITH_BLOCK_DEPTH_MAX];
} s_queue_t;

static void
s_submit (kith_block_reader_t *port, const kith_block_read_t *reads, uint32_t count)
{
    s_queue_t *self = (s_queue_t *) port;
    assert (count <= port->depth - port->flying);
    for (uint32_t index = 0; index < count; index++) {
        const kith_block_read_t *read = &reads [index];
        uint32_t place = (self->first + port->flying++) % KITH_BLOCK_DEPTH_MAX;
        self->reads [place] = *read;
        if (!read->blocks->data)
            (void) posix_fadvise (read->blocks->cached,
                                  (off_t) (read->blocks->at + read->at), read->size,
                                  POSIX_FADV_WILLNEED);
    }
}

static uint32_t
s_reap (kith_block_reader_t *port, kith_block_done_t *done, uint32_t most)
{
    s_queue_t *self = (s_queue_t *) port;
    if (port->flying == 0 || most == 0)
        return 0;
    const kith_block_read_t *read = &self->reads [self->first];
    const uint8_t *data = read->blocks->data;
    *done = (kith_block_done_t){.tag = read->tag};
    if (!data)
        done->failed = kith_blocks_read (read);
    else if (!kith_blocks_hold (read))
        done->failed = KITH_BLOCK_CUT;
    done->data = data ? data + read->at : read->room;
    self->first = (self->first + 1) % KITH_BLOCK_DEPTH_MAX;
    port->flying--;
    return 1;
}

static void
s_close (kith_block_reader_t **self_p)
{
    assert (self_p && (!*self_p || (*self_p)->flying == 0));
    free (*self_p);
    *self_p = NULL;
}

static kith_block_reader_t *
s_queue_new (const char *name, uint32_t depth)
{
    assert (depth > 0 && depth <= KITH_BLOCK_DEPTH_MAX);
    s_queue_t *self = kith_new (sizeof *self);
    self->port = (kith_block_reader_t){.name = name,
                                       .depth = depth,
                                       .submit = s_submit,
                                       .reap = s_reap,
                                       .close = s_close};
    return &self->port;
}

kith_block_reader_t *
kith_block_reader_pread (uint32_t depth)
{
    return s_queue_new ("pread", depth);
}

kith_block_reader_t *
kith_block_reader_memory (uint32_t depth)
{
    return s_queue_new ("memory", depth);
}

kith_block_reader_t *
kith_block_reader_new (const kith_blocks_t *blocks, uint32_t depth)
{
    if (blocks->data)
        return kith_block_reader_memory (depth);
    kith_block_reader_t *reader = kith_block_reader_uring (depth);
    return reader ? reader : kith_block_reader_pread (depth);
}
