//  test_arena.c - memory that lives and goes together
//  SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include "base/random.h"

#include <criterion/criterion.h>

#define PIECES 2000

Test (arena, pieces_keep_apart)
{
    kith_arena_t arena = {NULL};
    kith_random_t random;
    kith_random_seed (&random, 1);
    static uint8_t *pieces [PIECES];
    static size_t sizes [PIECES];
    for (int index = 0; index < PIECES; index++) {
        sizes [index] = kith_random_below (&random, index % 50 == 0 ? 20000 : 200);
        pieces [index] = kith_arena_alloc (&arena, sizes [index]);
        cr_assert_eq ((uintptr_t) pieces [index] % 16, 0);
        for (size_t at = 0; at < sizes [index]; at++)
            cr_assert_eq (pieces [index][at], 0);
        memset (pieces [index], index & 255, sizes [index]);
    }
    for (int index = 0; index < PIECES; index++) {
        for (size_t at = 0; at < sizes [index]; at++)
            cr_assert_eq (pieces [index][at], index & 255);
    }
    kith_arena_free (&arena);
    cr_assert_null (arena.blocks);
    kith_arena_free (&arena);
}

Test (arena, text)
{
    kith_arena_t arena = {NULL};
    char *first = kith_arena_strdup (&arena, "one");
    char *second = kith_arena_printf (&arena, "%d and %s", 2, first);
    int *copy = kith_arena_copy (&arena, &(int){77}, sizeof (int));
    cr_assert_str_eq (first, "one");
    cr_assert_str_eq (second, "2 and one");
    cr_assert_eq (*copy, 77);
    kith_arena_free (&arena);
}

//  Lent memory is used first and left alone at the end; what does not fit comes from elsewhere.
Test (arena, lent_memory_stays_the_callers)
{
    _Alignas(16) uint8_t room [256] = {0};
    kith_arena_t arena;
    kith_arena_init (&arena, room, sizeof room);
    uint8_t *first = kith_arena_alloc (&arena, 64);
    cr_assert (first >= room && first + 64 <= room + sizeof room);
    for (uint32_t turn = 0; turn < 100; turn++) {
        uint8_t *piece = kith_arena_alloc (&arena, 100 + turn * 100);
        memset (piece, 0xff, 100 + turn * 100);
    }
    for (uint32_t at = 0; at < 64; at++)
        cr_assert_eq (first [at], 0);
    kith_arena_free (&arena);
    cr_assert_null (arena.blocks);
    memset (room, 1, sizeof room);
    cr_assert_eq (first [63], 1);
}
