//  test_data_window.c - the dedup window against a list that is searched from end to end
//  SPDX-License-Identifier: Apache-2.0
#include "actors/data_window.h"
#include "base/random.h"
#include <criterion/criterion.h>

enum { MODEL_MAX = 40000, CLIENTS = 5, SAVED = 48 };

//  All that was ever added, in order; the window must hold the last `max` of it
typedef struct {
    kith_window_entry_t *entries;
    uint32_t count;
    uint32_t first;    //  oldest that is remembered
    uint64_t low;
} model_t;

static kith_request_t
s_request (uint64_t client, uint64_t counter, uint32_t part)
{
    kith_request_t request = {.counter = counter, .part = part};
    kith_put_u64 (request.client, client);
    kith_put_u64 (request.client + 8, ~client);
    return request;
}

static bool
s_same (const kith_request_t *a, const kith_request_t *b)
{
    return !memcmp (a->client, b->client, 16) && a->counter == b->counter
           && a->part == b->part;
}

static const kith_window_entry_t *
s_model_find (const model_t *model, const kith_request_t *request)
{
    for (uint32_t i = model->first; i < model->count; i++)
        if (s_same (&model->entries [i].request, request))
            return &model->entries [i];
    return NULL;
}

static void
s_model_add (model_t *model, const kith_window_entry_t *entry, uint32_t max)
{
    cr_assert_lt (model->count, MODEL_MAX);
    while (model->count - model->first >= max)
        model->low = model->entries [model->first++].seq;
    model->entries [model->count++] = *entry;
}

static void
s_check (const kith_window_t *window, const model_t *model, const kith_request_t *request)
{
    const kith_window_entry_t *wanted = s_model_find (model, request);
    const kith_window_entry_t *found = kith_window_find (window, request);
    cr_assert_eq (found != NULL, wanted != NULL);
    if (wanted) {
        cr_assert (s_same (&found->request, &wanted->request));
        cr_assert_eq (found->epoch, wanted->epoch);
        cr_assert_eq (found->seq, wanted->seq);
    }
}

//  All that the model knows, and all that it has forgotten
static void
s_check_all (const kith_window_t *window, const model_t *model)
{
    cr_assert_eq (window->count, model->count - model->first);
    cr_assert_eq (window->low, model->low);
    for (uint32_t i = model->first; i < model->count; i++) {
        const kith_window_entry_t *found =
            kith_window_find (window, &model->entries [i].request);
        cr_assert_not_null (found, "entry %u of %u is not found", i, model->count);
        cr_assert_eq (found->seq, model->entries [i].seq);
        cr_assert_eq (found->epoch, model->entries [i].epoch);
    }
    const uint32_t from = model->first > 500 ? model->first - 500 : 0;
    for (uint32_t i = from; i < model->first; i++)
        cr_assert_null (kith_window_find (window, &model->entries [i].request));
}

static void
s_fill (kith_window_t *window, model_t *model, kith_random_t *random, uint32_t adds,
        uint32_t max)
{
    for (uint32_t i = 0; i < adds; i++) {
        const uint64_t last = model->count ? model->entries [model->count - 1].seq : 0;
        //  Counters of a client rise one by one with several parts: the hash sees what it will see
        const kith_window_entry_t entry = {
            .request = s_request (kith_random_below (random, CLIENTS), model->count / 3,
                                  model->count % 3),
            .epoch = 1 + model->count / 1000,
            .seq = last + 1 + kith_random_below (random, 3)};
        kith_window_add (window, &entry, max);
        s_model_add (model, &entry, max);
        const kith_request_t asked =
            s_request (kith_random_below (random, CLIENTS),
                       kith_random_below (random, model->count + 1), (uint32_t) (i % 4));
        s_check (window, model, &asked);
    }
}

static model_t
s_model_new (void)
{
    return (model_t){.entries = kith_new (MODEL_MAX * sizeof (kith_window_entry_t))};
}

Test (data_window, an_empty_one_knows_nothing)
{
    kith_window_t window = {0};
    const kith_request_t request = s_request (1, 2, 3);
    cr_assert_null (kith_window_find (&window, &request));
    kith_window_free (&window);
}

Test (data_window, agrees_with_a_list)
{
    const uint32_t maxima [] = {1, 2, 3, 63, 64, 65, 100, 1000};
    for (size_t m = 0; m < sizeof maxima / sizeof *maxima; m++) {
        kith_random_t random;
        kith_random_seed (&random, m);
        kith_window_t window = {0};
        model_t model = s_model_new ();
        for (int step = 0; step < 6; step++) {
            s_fill (&window, &model, &random, 300 + maxima [m] / 2, maxima [m]);
            s_check_all (&window, &model);
        }
        //  The ring did go round
        cr_assert_gt (model.count, 2 * window.capacity);
        cr_assert_leq (window.count, maxima [m]);
        kith_window_free (&window);
        free (model.entries);
    }
}

Test (data_window, its_limit_may_rise_and_fall)
{
    kith_random_t random;
    kith_random_seed (&random, 77);
    kith_window_t window = {0};
    model_t model = s_model_new ();
    for (int step = 0; step < 60; step++) {
        const uint32_t max = 1 + (uint32_t) kith_random_below (&random, 400);
        s_fill (&window, &model, &random, 100, max);
        s_check_all (&window, &model);
    }
    kith_window_free (&window);
    free (model.entries);
}

Test (data_window, the_oldest_goes_first_and_low_follows_it)
{
    kith_window_t window = {0};
    for (uint64_t seq = 10; seq <= 100; seq += 10) {
        const kith_window_entry_t entry = {
            .request = s_request (9, seq, 0), .epoch = 4, .seq = seq};
        kith_window_add (&window, &entry, 3);
        cr_assert_eq (window.low, seq > 30 ? seq - 30 : 0);
        for (uint64_t old = 10; old <= seq; old += 10) {
            const kith_request_t asked = s_request (9, old, 0);
            cr_assert_eq (kith_window_find (&window, &asked) != NULL, old + 30 > seq);
        }
    }
    kith_window_free (&window);
}

//  Each part of a request's identity tells requests apart
Test (data_window, tells_clients_counters_and_parts_apart)
{
    kith_window_t window = {0};
    kith_request_t other = s_request (1, 1, 1);
    const kith_window_entry_t entry = {.request = other, .epoch = 1, .seq = 1};
    kith_window_add (&window, &entry, 10);
    cr_assert_not_null (kith_window_find (&window, &other));
    for (size_t byte = 0; byte < sizeof other.client; byte++) {
        other = entry.request;
        other.client [byte] ^= 0x80;
        cr_assert_null (kith_window_find (&window, &other));
    }
    //  The hash mixes counter and part as counter * 64 + part: these have the same one
    other = s_request (1, 0, 65);
    cr_assert_null (kith_window_find (&window, &other));
    other = s_request (1, 2, 1);
    cr_assert_null (kith_window_find (&window, &other));
    other = s_request (1, 1, 2);
    cr_assert_null (kith_window_find (&window, &other));
    kith_window_free (&window);
}

Test (data_window, what_is_saved_comes_back_up_to_a_seq)
{
    kith_random_t random;
    kith_random_seed (&random, 5);
    kith_window_t window = {0};
    model_t model = s_model_new ();
    s_fill (&window, &model, &random, 1500, 900);
    const uint64_t last = model.entries [model.count - 1].seq;
    const uint64_t cuts [] = {0,        model.low, model.low + 1, (model.low + last) / 2,
                              last - 1, last,      UINT64_MAX};
    for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        kith_bytes_t bytes = {0};
        kith_error_t error;
        kith_window_t back = {0};
        uint32_t wanted = 0;
        kith_window_save (&window, cuts [c], &bytes);
        cr_assert_eq (kith_window_load (&back, bytes.data, bytes.size, 900, &error), 0);
        for (uint32_t i = model.first; i < model.count; i++) {
            const kith_window_entry_t *entry = &model.entries [i];
            const kith_window_entry_t *found = kith_window_find (&back, &entry->request);
            cr_assert_eq (found != NULL, entry->seq <= cuts [c]);
            wanted += found != NULL;
            if (found)
                cr_assert (found->seq == entry->seq && found->epoch == entry->epoch);
        }
        cr_assert_eq (back.count, wanted);
        cr_assert_eq (bytes.size, (size_t) wanted * SAVED);
        kith_bytes_free (&bytes);
        kith_window_free (&back);
    }
    kith_window_free (&window);
    free (model.entries);
}

Test (data_window, a_smaller_one_remembers_what_it_forgot_in_loading)
{
    kith_random_t random;
    kith_random_seed (&random, 6);
    kith_window_t window = {0}, small = {0};
    model_t model = s_model_new ();
    kith_bytes_t bytes = {0};
    kith_error_t error;
    s_fill (&window, &model, &random, 200, 1000);
    kith_window_save (&window, UINT64_MAX, &bytes);
    cr_assert_eq (kith_window_load (&small, bytes.data, bytes.size, 50, &error), 0);
    cr_assert_eq (small.count, 50);
    cr_assert_eq (small.low, model.entries [149].seq);
    kith_bytes_free (&bytes);
    kith_window_free (&window);
    kith_window_free (&small);
    free (model.entries);
}

Test (data_window, bytes_that_are_no_window_are_refused)
{
    const uint8_t bytes [SAVED] = {0};
    for (uint64_t size = 1; size < SAVED; size++) {
        kith_window_t window = {0};
        kith_error_t error;
        cr_assert_eq (kith_window_load (&window, bytes, size, 10, &error), -1);
        cr_assert_eq (error.code, KITH_ERR_CORRUPT);
        cr_assert_eq (window.count, 0);
        kith_window_free (&window);
    }
}
