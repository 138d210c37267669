//  test_frame.c - frames: who frees what, when, and on how many threads
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/frame.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct {
    atomic_int freed;
    void *data;
} owner_t;

static void
s_freed (void *data, void *arg)
{
    owner_t *owner = arg;
    owner->data = data;
    atomic_fetch_add (&owner->freed, 1);
}

Test (frame, new_ones_are_aligned_and_writable)
{
    for (size_t size = 0; size < 300; size += 7) {
        kith_frame_t *frame = kith_frame_new (size);
        cr_assert_eq (kith_frame_size (frame), size);
        cr_assert_eq ((uintptr_t) kith_frame_data (frame) % 64, 0);
        memset (kith_frame_fill (frame), 0xab, size);
        if (size)
            cr_assert_eq (kith_frame_data (frame) [size - 1], 0xab);
        kith_frame_destroy (&frame);
        cr_assert_null (frame);
    }
    kith_frame_t *none = NULL;
    kith_frame_destroy (&none);
}

Test (frame, takes_the_storage_of_bytes)
{
    kith_bytes_t bytes = {0};
    kith_bytes_put (&bytes, "kith", 4);
    const uint8_t *data = bytes.data;
    kith_frame_t *frame = kith_frame_take (&bytes);
    cr_assert_null (bytes.data);
    cr_assert_eq (bytes.size + bytes.capacity, 0);
    cr_assert_eq (kith_frame_data (frame), data);
    cr_assert_eq (kith_frame_size (frame), 4);
    kith_frame_destroy (&frame);

    frame = kith_frame_take (&bytes);
    cr_assert_eq (kith_frame_size (frame), 0);
    kith_frame_destroy (&frame);
}

Test (frame, foreign_memory_goes_back_once_after_the_last_reference)
{
    owner_t owner = {0};
    char data [] = "foreign";
    kith_frame_t *frame = kith_frame_wrap (data, 7, s_freed, &owner);
    kith_frame_t *other = kith_frame_share (frame);
    cr_assert_eq (kith_frame_data (other), (uint8_t *) data);
    kith_frame_destroy (&frame);
    cr_assert_eq (atomic_load (&owner.freed), 0);
    kith_frame_destroy (&other);
    cr_assert_eq (atomic_load (&owner.freed), 1);
    cr_assert_eq (owner.data, data);
}

#define THREADS 4
#define TURNS 20000

static void *
s_share_and_drop (void *arg)
{
    kith_frame_t *frame = arg;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        kith_frame_t *mine = kith_frame_share (frame);
        kith_frame_destroy (&mine);
    }
    kith_frame_destroy (&frame);
    return NULL;
}

Test (frame, threads_may_share_and_drop_at_once)
{
    owner_t owner = {0};
    char data [8] = "shared";
    kith_frame_t *frame = kith_frame_wrap (data, sizeof data, s_freed, &owner);
    pthread_t threads [THREADS];
    for (uint32_t index = 0; index < THREADS; index++)
        cr_assert_eq (pthread_create (&threads [index], NULL, s_share_and_drop,
                                      kith_frame_share (frame)),
                      0);
    kith_frame_destroy (&frame);
    for (uint32_t index = 0; index < THREADS; index++)
        pthread_join (threads [index], NULL);
    cr_assert_eq (atomic_load (&owner.freed), 1);
}
