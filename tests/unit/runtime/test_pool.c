//  test_pool.c - workers: every job once, threads when they are needed, a bounded queue; and the inbox they put into
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/inbox.h"
#include "runtime/pool.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

typedef struct {
    _Atomic uint32_t runs;
    sem_t *gate;    //  null: none
    sem_t *entered;
} s_job_t;

static void
s_run (void *arg)
{
    s_job_t *job = arg;
    if (job->entered)
        sem_post (job->entered);
    if (job->gate)
        sem_wait (job->gate);
    atomic_fetch_add (&job->runs, 1);
}

Test (pool, runs_every_job_once)
{
    static s_job_t jobs [5000];
    kith_pool_t *pool = kith_pool_new ("test", 4, 5000, s_run);
    cr_assert_eq (kith_pool_threads (pool), 0, "no thread before there is work");
    for (size_t place = 0; place < 5000; place++)
        cr_assert_eq (kith_pool_submit (pool, &jobs [place]), 0);
    cr_assert_leq (kith_pool_threads (pool), 4);
    kith_pool_destroy (&pool);
    for (size_t place = 0; place < 5000; place++)
        cr_assert_eq (jobs [place].runs, 1);
}

Test (pool, is_bounded_and_grows_to_its_threads)
{
    sem_t gate;
    sem_t entered;
    sem_init (&gate, 0, 0);
    sem_init (&entered, 0, 0);
    s_job_t jobs [6];
    kith_pool_t *pool = kith_pool_new ("test", 2, 3, s_run);
    memset (jobs, 0, sizeof jobs);
    for (size_t place = 0; place < 6; place++)
        jobs [place] = (s_job_t){0, &gate, &entered};
    //  Two are taken by threads, three wait, the sixth is refused
    cr_assert_eq (kith_pool_submit (pool, &jobs [0]), 0);
    cr_assert_eq (kith_pool_submit (pool, &jobs [1]), 0);
    sem_wait (&entered);
    sem_wait (&entered);
    cr_assert_eq (kith_pool_threads (pool), 2);
    for (size_t place = 2; place < 5; place++)
        cr_assert_eq (kith_pool_submit (pool, &jobs [place]), 0);
    cr_assert_eq (kith_pool_waiting (pool), 3);
    cr_assert_eq (kith_pool_submit (pool, &jobs [5]), -1);
    for (size_t place = 0; place < 5; place++)
        sem_post (&gate);
    kith_pool_destroy (&pool);
    for (size_t place = 0; place < 6; place++)
        cr_assert_eq (jobs [place].runs, place < 5);
    sem_destroy (&gate);
    sem_destroy (&entered);
}

//  --------------------------------------------------------------------------
//  The inbox

#define PUTTERS 4u
#define ITEMS 20000u

static void *
s_put (void *arg)
{
    kith_inbox_t *inbox = arg;
    static _Atomic uint32_t putters;
    uint64_t putter = atomic_fetch_add (&putters, 1);
    for (uint64_t item = 0; item < ITEMS; item++) {
        uintptr_t data = (putter * ITEMS + item) << 1 | 1;
        int rc = kith_inbox_put (inbox, (kith_item_t){KITH_ITEM_WORK, (void *) data});
        cr_assert_eq (rc, 0);
    }
    return NULL;
}

Test (inbox, every_item_comes_once_in_its_putters_order_and_no_wake_is_lost)
{
    kith_inbox_t *inbox = kith_inbox_new (16);
    pthread_t threads [PUTTERS];
    uint64_t next [PUTTERS] = {0};
    for (size_t putter = 0; putter < PUTTERS; putter++)
        pthread_create (&threads [putter], NULL, s_put, inbox);
    size_t total = 0;
    while (total < PUTTERS * ITEMS) {
        const kith_item_t *items;
        size_t count = kith_inbox_take (inbox, &items);
        for (size_t place = 0; place < count; place++) {
            uint64_t number = (uintptr_t) items [place].data >> 1;
            cr_assert_eq (number % ITEMS, next [number / ITEMS]);
            next [number / ITEMS]++;
        }
        total += count;
        if (count == 0 && kith_inbox_sleep (inbox)) {
            struct pollfd fd = {kith_inbox_fd (inbox), POLLIN, 0};
            cr_assert_eq (poll (&fd, 1, 10000), 1, "a wake was lost");
            kith_inbox_wake (inbox);
        }
    }
    for (size_t putter = 0; putter < PUTTERS; putter++)
        pthread_join (threads [putter], NULL);
    cr_assert_eq (kith_inbox_count (inbox), 0);
    kith_inbox_destroy (&inbox);
}

Test (inbox, messages_are_bounded_work_is_not)
{
    kith_inbox_t *inbox = kith_inbox_new (2);
    cr_assert_eq (kith_inbox_put (inbox, (kith_item_t){KITH_ITEM_MESSAGE, inbox}), 0);
    cr_assert_eq (kith_inbox_put (inbox, (kith_item_t){KITH_ITEM_PARCEL, inbox}), 0);
    cr_assert_eq (kith_inbox_put (inbox, (kith_item_t){KITH_ITEM_MESSAGE, inbox}), -1);
    cr_assert_eq (kith_inbox_put (inbox, (kith_item_t){KITH_ITEM_WORK, inbox}), 0);
    cr_assert_not (kith_inbox_sleep (inbox), "there is something to do");
    const kith_item_t *items;
    cr_assert_eq (kith_inbox_take (inbox, &items), 3);
    cr_assert_eq (kith_inbox_take (inbox, &items), 0);
    kith_inbox_destroy (&inbox);
}
