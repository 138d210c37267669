//  inbox - the one queue into a loop's thread
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/inbox.h"
#include "base/bytes.h"
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

//  Two arrays: one fills while the other is read, so that the lock is taken once a batch
struct kith_inbox {
    pthread_mutex_t lock;    //  of all but `taken` and `fd`
    kith_item_t *waiting;
    size_t count;
    size_t capacity;
    size_t limit;
    bool sleeping;         //  the loop waits for fd
    kith_item_t *taken;    //  the reader's
    size_t taken_capacity;
    int fd;
};

kith_inbox_t *
kith_inbox_new (size_t limit)
{
    int fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd == -1)
        return NULL;
    kith_inbox_t *self = kith_new (sizeof *self);
    pthread_mutex_init (&self->lock, NULL);
    self->limit = limit;
    self->fd = fd;
    return self;
}

void
kith_inbox_destroy (kith_inbox_t **self_p)
{
    assert (self_p);
    kith_inbox_t *self = *self_p;
    if (!self)
        return;
    assert (self->count == 0);
    close (self->fd);
    pthread_mutex_destroy (&self->lock);
    free (self->waiting);
    free (self->taken);
    free (self);
    *self_p = NULL;
}

static void
s_ring (const kith_inbox_t *self)
{
    uint64_t one = 1;
    //  Full (EAGAIN) is as good as written: the descriptor is readable
    ssize_t written = write (self->fd, &one, sizeof one);
    (void) written;
}

int
kith_inbox_put (kith_inbox_t *self, kith_item_t item)
{
    bool bounded = item.kind == KITH_ITEM_MESSAGE || item.kind == KITH_ITEM_PARCEL;
    pthread_mutex_lock (&self->lock);
    if (bounded && self->count >= self->limit) {
        pthread_mutex_unlock (&self->lock);
        return -1;
    }
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 64;
        self->waiting = realloc (self->waiting, self->capacity * sizeof (kith_item_t));
        assert (self->waiting);
    }
    self->waiting [self->count++] = item;
    bool ring = self->sleeping;
    self->sleeping = false;
    pthread_mutex_unlock (&self->lock);
    if (ring)
        s_ring (self);
    return 0;
}

size_t
kith_inbox_take (kith_inbox_t *self, const kith_item_t **items)
{
    pthread_mutex_lock (&self->lock);
    kith_item_t *array = self->waiting;
    size_t capacity = self->capacity;
    size_t count = self->count;
    self->waiting = self->taken;
    self->capacity = self->taken_capacity;
    self->count = 0;
    pthread_mutex_unlock (&self->lock);
    self->taken = array;
    self->taken_capacity = capacity;
    *items = array;
    return count;
}

int
kith_inbox_fd (const kith_inbox_t *self)
{
    return self->fd;
}

bool
kith_inbox_sleep (kith_inbox_t *self)
{
    pthread_mutex_lock (&self->lock);
    self->sleeping = self->count == 0;
    bool sleep = self->sleeping;
    pthread_mutex_unlock (&self->lock);
    return sleep;
}

void
kith_inbox_wake (kith_inbox_t *self)
{
    pthread_mutex_lock (&self->lock);
    bool rung = !self->sleeping;
    self->sleeping = false;
    pthread_mutex_unlock (&self->lock);
    if (rung) {
        uint64_t rings;
        ssize_t got = read (self->fd, &rings, sizeof rings);
        (void) got;
    }
}

size_t
kith_inbox_count (kith_inbox_t *self)
{
    pthread_mutex_lock (&self->lock);
    size_t count = self->count;
    pthread_mutex_unlock (&self->lock);
    return count;
}
