//  block_reader_uring.c - reads of blocks by io_uring, asked of the kernel without a library
//  SPDX-License-Identifier: Apache-2.0
//
//  A ring (io_uring_setup(2)) is two queues that kernel and process share: heads and tails are read and written with
//  acquire and release order, nothing else is needed. One thread at a time uses a ring, so the process side of each index is its own.
#include <errno.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "storage/blocks.h"

typedef struct {
    kith_block_reader_t port;
    int ring;                       //  file descriptor
    void *submitted, *completed;    //  maps of the queues; the same if the kernel says so
    size_t submitted_bytes, completed_bytes;
    struct io_uring_sqe *entries;    //  map
    size_t entries_bytes;
    uint32_t *sq_tail, *sq_slots, sq_mask;
    uint32_t *cq_head, *cq_tail, cq_mask;
    const struct io_uring_cqe *results;
    uint32_t unsent;    //  entries that the kernel has not taken
    uint32_t free_count;
    uint32_t free [KITH_BLOCK_DEPTH_MAX];    //  places of reads that are free
    kith_block_read_t reads [KITH_BLOCK_DEPTH_MAX];
    //  Results of reads that the kernel did not take
    uint32_t untaken_count;
    kith_block_done_t untaken [KITH_BLOCK_DEPTH_MAX];
} s_ring_t;

//  ---------------------------------------------------------------------
//  Make and end

static void *
s_map (int ring, size_t bytes, off_t what)
{
    void *map =
        mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, what);
    return map == MAP_FAILED ? NULL : map;
}

static void
s_close (kith_block_reader_t **self_p)
{
    assert (self_p);
    s_ring_t *self = (s_ring_t *) *self_p;
    if (!self)
        return;
    assert (self->port.flying == 0);
    if (self->entries)
        munmap (self->entries, self->entries_bytes);
    if (self->completed && self->completed != self->submitted)
        munmap (self->completed, self->completed_bytes);
    if (self->submitted)
        munmap (self->submitted, self->submitted_bytes);
    if (self->ring >= 0)
        close (self->ring);
    free (self);
    *self_p = NULL;
}

static bool
s_map_all (s_ring_t *self, const struct io_uring_params *params)
{
    self->submitted_bytes = params->sq_off.array + params->sq_entries * sizeof (uint32_t);
    self->completed_bytes =
        params->cq_off.cqes + params->cq_entries * sizeof (struct io_uring_cqe);
    self->entries_bytes = params->sq_entries * sizeof (struct io_uring_sqe);
    bool one = params->features & IORING_FEAT_SINGLE_MMAP;
    if (one && self->completed_bytes > self->submitted_bytes)
        self->submitted_bytes = self->completed_bytes;
    self->submitted = s_map (self->ring, self->submitted_bytes, IORING_OFF_SQ_RING);
    self->completed = one ? self->submitted
                          : s_map (self->ring, self->completed_bytes, IORING_OFF_CQ_RING);
    self->entries = s_map (self->ring, self->entries_bytes, IORING_OFF_SQES);
    if (!self->submitted || !self->completed || !self->entries)
        return false;
    char *submitted = self->submitted, *completed = self->completed;
    self->sq_tail = (uint32_t *) (void *) (submitted + params->sq_off.tail);
    self->sq_slots = (uint32_t *) (void *) (submitted + params->sq_off.array);
    self->sq_mask = *(uint32_t *) (void *) (submitted + params->sq_off.ring_mask);
    self->cq_head = (uint32_t *) (void *) (completed + params->cq_off.head);
    self->cq_tail = (uint32_t *) (void *) (completed + params->cq_off.tail);
    self->cq_mask = *(uint32_t *) (void *) (completed + params->cq_off.ring_mask);
    self->results =
        (const struct io_uring_cqe *) (const void *) (completed + params->cq_off.cqes);
    return true;
}

//  IORING_OP_READ came with Linux 5.6, the probe with it
static bool
s_knows_read (int ring)
{
    enum { COUNT = 256 };
    struct io_uring_probe *probe =
        kith_new (sizeof *probe + COUNT * sizeof (struct io_uring_probe_op));
    long rc = syscall (__NR_io_uring_register, ring, IORING_REGISTER_PROBE, probe, COUNT);
    bool knows = rc == 0 && probe->last_op >= IORING_OP_READ
                 && (probe->ops [IORING_OP_READ].flags & IO_URING_OP_SUPPORTED);
    free (probe);
    return knows;
}

//  ---------------------------------------------------------------------
//  Reads

//  Reads in this thread instead
static void
s_read_here (s_ring_t *self, uint32_t place)
{
    const kith_block_read_t *read = &self->reads [place];
    self->untaken [self->untaken_count++] = (kith_block_done_t){
        .tag = read->tag, .failed = kith_blocks_read (read), .data = read->room};
    self->free [self->free_count++] = place;
}

static void
s_put (s_ring_t *self, uint32_t place)
{
    const kith_block_read_t *read = &self->reads [place];
    const kith_blocks_t *blocks = read->blocks;
    uint32_t tail = *self->sq_tail, slot = tail & self->sq_mask;
    self->entries [slot] =
        (struct io_uring_sqe){.opcode = IORING_OP_READ,
                              .fd = blocks->direct >= 0 ? blocks->direct : blocks->cached,
                              .off = blocks->at + read->at,
                              .addr = (uint64_t) (uintptr_t) read->room,
                              .len = read->size,
                              .user_data = place};
    self->sq_slots [slot] = slot;
    __atomic_store_n (self->sq_tail, tail + 1, __ATOMIC_RELEASE);
    self->unsent++;
}

//  Tells the kernel of new entries and waits for `wait` results. Entries that it will not take (no memory for them, say) are read
//  here: it looks at the tail only in this call, so they can be taken back.
static void
s_enter (s_ring_t *self, uint32_t wait)
{
    long taken = syscall (__NR_io_uring_enter, self->ring, self->unsent, wait,
                          wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
    if (taken >= 0)
        self->unsent -= (uint32_t) taken;
    else if (errno != EINTR) {
        //  With nothing to send a wait fails only if the ring is misused
        assert (self->unsent > 0 || errno == EAGAIN || errno == EBUSY);
        uint32_t tail = *self->sq_tail;
        for (; self->unsent > 0; self->unsent--) {
            tail--;
            s_read_here (self, (uint32_t) self->entries [tail & self->sq_mask].user_data);
        }
        __atomic_store_n (self->sq_tail, tail, __ATOMIC_RELEASE);
    }
}

static void
s_submit (kith_block_reader_t *port, const kith_block_read_t *reads, uint32_t count)
{
    s_ring_t *self = (s_ring_t *) port;
    assert (count <= port->depth - port->flying);
    for (uint32_t index = 0; index < count; index++) {
        uint32_t place = self->free [--self->free_count];
        self->reads [place] = reads [index];
        port->flying++;
        assert (!reads [index].blocks->data);
        if (kith_blocks_hold (&reads [index]))
            s_put (self, place);
        else
            s_read_here (self, place);
    }
    if (self->unsent)
        s_enter (self, 0);
}

//  A result that is short or asks for another try is read again, in this thread
static kith_block_done_t
s_result (s_ring_t *self, const struct io_uring_cqe *result)
{
    uint32_t place = (uint32_t) result->user_data;
    const kith_block_read_t *read = &self->reads [place];
    kith_block_done_t done = {.tag = read->tag, .data = read->room};
    if (result->res < 0 && result->res != -EAGAIN && result->res != -EINTR)
        done.failed = -result->res;
    else if (result->res < 0 || (uint32_t) result->res < read->size)
        done.failed = kith_blocks_read (read);
    self->free [self->free_count++] = place;
    return done;
}

static uint32_t
s_reap (kith_block_reader_t *port, kith_block_done_t *done, uint32_t most)
{
    s_ring_t *self = (s_ring_t *) port;
    uint32_t count = 0;
    while (port->flying > 0 && count == 0 && most > 0) {
        while (self->untaken_count > 0 && count < most)
            done [count++] = self->untaken [--self->untaken_count];
        uint32_t head = *self->cq_head;
        uint32_t tail = __atomic_load_n (self->cq_tail, __ATOMIC_ACQUIRE);
        for (; head != tail && count < most; head++)
            done [count++] = s_result (self, &self->results [head & self->cq_mask]);
        __atomic_store_n (self->cq_head, head, __ATOMIC_RELEASE);
        port->flying -= count;
        if (count == 0)
            s_enter (self, 1);
    }
    return count;
}

kith_block_reader_t *
kith_block_reader_uring (uint32_t depth)
{
    assert (depth > 0 && depth <= KITH_BLOCK_DEPTH_MAX);
    struct io_uring_params params;
    memset (&params, 0, sizeof params);
    //  ENOSYS, EPERM or what a sandbox chose to say: there is none
    long ring = syscall (__NR_io_uring_setup, depth, &params);
    if (ring < 0)
        return NULL;
    s_ring_t *self = kith_new (sizeof *self);
    self->ring = (int) ring;
    self->port = (kith_block_reader_t){.name = "io_uring",
                                       .depth = depth,
                                       .submit = s_submit,
                                       .reap = s_reap,
                                       .close = s_close};
    for (uint32_t place = 0; place < depth; place++)
        self->free [self->free_count++] = place;
    kith_block_reader_t *port = &self->port;
    if (!s_knows_read (self->ring) || !s_map_all (self, &params))
        s_close (&port);
    return port;
}
