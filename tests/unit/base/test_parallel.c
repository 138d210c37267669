//  test_parallel.c - every part is done once, and all before run returns
//  SPDX-License-Identifier: Apache-2.0
#include "base/parallel.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#define PARTS_MAX 5000u

typedef struct {
    atomic_uint done [PARTS_MAX];
    kith_parallel_t *inner;
    atomic_uint inner_done;
} job_t;

static void
s_part (void *arg, uint32_t part)
{
    job_t *job = arg;
    atomic_fetch_add (&job->done [part], 1);
}

static void
s_check (kith_parallel_t *parallel)
{
    static const uint32_t counts [] = {0, 1, 2, 3, 7, 64, PARTS_MAX};
    for (size_t index = 0; index < sizeof counts / sizeof counts [0]; index++) {
        static job_t job;
        memset (&job, 0, sizeof job);
        parallel->run (parallel, counts [index], s_part, &job);
        for (uint32_t part = 0; part < PARTS_MAX; part++)
            cr_assert_eq (atomic_load (&job.done [part]), part < counts [index]);
    }
}

Test (parallel, serial)
{
    kith_parallel_t *parallel = kith_parallel_serial ();
    cr_assert_eq (parallel->threads, 1);
    s_check (parallel);
}

Test (parallel, threads)
{
    for (uint32_t threads = 0; threads <= 9; threads += 3) {
        kith_parallel_t *parallel = kith_parallel_threads_new (threads);
        cr_assert (threads ? parallel->threads == threads : parallel->threads >= 1);
        s_check (parallel);
        kith_parallel_threads_destroy (&parallel);
        cr_assert_null (parallel);
        kith_parallel_threads_destroy (&parallel);
    }
}

//  Two parts that wait for each other end only if they run at once
static void
s_meet (void *arg, uint32_t part)
{
    job_t *job = arg;
    (void) part;
    atomic_fetch_add (&job->inner_done, 1);
    while (atomic_load (&job->inner_done) < 2)
        continue;
}

Test (parallel, at_once, .timeout = 60)
{
    static job_t job;
    kith_parallel_t *parallel = kith_parallel_threads_new (2);
    parallel->run (parallel, 2, s_meet, &job);
    cr_assert_eq (atomic_load (&job.inner_done), 2);
    kith_parallel_threads_destroy (&parallel);
}

static void
s_nested (void *arg, uint32_t part)
{
    job_t *job = arg;
    (void) part;
    job->inner->run (job->inner, 100, s_part, job);
}

Test (parallel, nested)
{
    static job_t job;
    kith_parallel_t *outer = kith_parallel_threads_new (4);
    job.inner = kith_parallel_threads_new (3);
    outer->run (outer, 8, s_nested, &job);
    for (uint32_t part = 0; part < 100; part++)
        cr_assert_eq (atomic_load (&job.done [part]), 8);
    kith_parallel_threads_destroy (&job.inner);
    kith_parallel_threads_destroy (&outer);
}
