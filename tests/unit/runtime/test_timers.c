//  test_timers.c - the heap of moments against a sorted list; log lines
//  SPDX-License-Identifier: Apache-2.0
#include "base/random.h"
#include "runtime/log_line.h"
#include "runtime/timers.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <unistd.h>

#define COUNT 500u

Test (timers, the_first_is_always_the_least_and_ties_keep_their_order)
{
    kith_random_t random;
    kith_random_seed (&random, 5);
    kith_timers_t timers = {0};
    kith_timer_t all [COUNT] = {{0}};
    for (int step = 0; step < 20000; step++) {
        kith_timer_t *timer = &all [kith_random_below (&random, COUNT)];
        if (timer->place)
            kith_timers_remove (&timers, timer);
        else
            kith_timers_add (&timers, timer, (int64_t) kith_random_below (&random, 50));
        const kith_timer_t *least = NULL;
        for (size_t place = 0; place < COUNT; place++)
            if (all [place].place
                && (!least || all [place].at_us < least->at_us
                    || (all [place].at_us == least->at_us
                        && all [place].birth < least->birth)))
                least = &all [place];
        cr_assert_eq (kith_timers_first (&timers), least);
    }
    kith_timers_free (&timers);
}

//  --------------------------------------------------------------------------
//  Log lines

static size_t
s_read (int fd, char *text, size_t size)
{
    ssize_t got = read (fd, text, size - 1);
    cr_assert_geq (got, 0);
    text [got] = 0;
    return (size_t) got;
}

Test (log_line, text_and_json)
{
    int fds [2];
    char text [4096];
    cr_assert_eq (pipe (fds), 0);
    kith_address_t who = {.role = KITH_ROLE_PROXY, .index = 3};
    kith_log_line_t *log = kith_log_line_new (fds [1], "front", 'i', false, 0);
    kith_log_line_write (log, 'd', who, "not written");
    kith_log_line_write (log, 'w', who, "event=x two\nlines");
    kith_log_line_destroy (&log);
    s_read (fds [0], text, sizeof text);
    cr_assert_not_null (strstr (text, "Z warning front proxy/3 event=x two lines\n"),
                        "%s", text);
    cr_assert_null (strstr (text, "not written"));

    log = kith_log_line_new (fds [1], "fr\"ont", 'd', true, 0);
    kith_log_line_write (log, 'e', (kith_address_t){.role = KITH_ROLE_COUNT},
                         "a \"b\"\\\n\x01");
    kith_log_line_destroy (&log);
    s_read (fds [0], text, sizeof text);
    json_t *line = json_loads (text, 0, NULL);
    cr_assert_not_null (line, "%s", text);
    cr_assert_str_eq (json_string_value (json_object_get (line, "process")), "fr\"ont");
    cr_assert_str_eq (json_string_value (json_object_get (line, "text")),
                      "a \"b\"\\\n\x01");
    cr_assert_str_eq (json_string_value (json_object_get (line, "level")), "error");
    json_decref (line);
    close (fds [0]);
    close (fds [1]);
}

Test (log_line, a_flood_is_cut)
{
    int fds [2];
    static char text [65536];
    cr_assert_eq (pipe (fds), 0);
    kith_log_line_t *log = kith_log_line_new (fds [1], "p", 'd', false, 10);
    for (int line = 0; line < 300; line++)
        kith_log_line_write (log, 'w', (kith_address_t){.role = KITH_ROLE_META}, "flood");
    kith_log_line_write (log, 'e', (kith_address_t){.role = KITH_ROLE_META}, "error");
    kith_log_line_destroy (&log);
    s_read (fds [0], text, sizeof text);
    int lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    //  A second may end meanwhile, so twice ten at most, and the error
    cr_assert_leq (lines, 21);
    cr_assert_geq (lines, 11);
    cr_assert_not_null (strstr (text, "error p meta/0 error left_out="));
    close (fds [0]);
    close (fds [1]);
}
