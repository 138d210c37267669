//  test_arena.c - memory that lives and goes together
//  SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"
#include "base/bytes.h"
#include "base/random.h"

#include <criterion/criterion.h>

//  Pieces of all sizes: zeroed, aligned, and none overlaps another, which their contents would show.
Test (arena, pieces_are_zeroed_aligned_and_apart)
{
    enum { PIECES = 2000 };
    static uint8_t *pieces [PIECES];
    static size_t sizes [PIECES];
    kith_random_t random;
    kith_random_seed (&random, 7);
    kith_arena_t arena = {0};
    for (uint32_t index = 0; index < PIECES; index++) {
        sizes [index] = kith_random_below (&random, index % 50 ? 200 : 20000);
        pieces [index] = kith_arena_alloc (&arena, sizes [index]);
        cr_assert_eq ((uintptr_t) pieces [index] % 16, 0);
        for (size_t at = 0; at < sizes [index]; at++)
            cr_assert_eq (pieces [index][at], 0);
        memset (pieces [index], (int) (index % 255 + 1), sizes [index]);
    }
    for (uint32_t index = 0; index < PIECES; index++)
        for (size_t at = 0; at < sizes [index]; at++)
            cr_assert_eq (pieces [index][at], index % 255 + 1);
    kith_arena_free (&arena);
    cr_assert_null (arena.blocks);
    kith_arena_free (&arena);
}

Test (arena, text_and_copies_are_its_own)
{
    kith_arena_t arena = {0};
    char text [] = "kith";
    char *copy = kith_arena_strdup (&arena, text);
    char *bytes = kith_arena_copy (&arena, text, 3);
    text [0] = 'x';
    cr_assert_str_eq (copy, "kith");
    cr_assert_arr_eq (bytes, "kit", 3);
    cr_assert_str_eq (kith_arena_strdup (&arena, ""), "");
    cr_assert_str_eq (kith_arena_printf (&arena, "%s-%d", copy, 42), "kith-42");
    char *longer = kith_arena_printf (&arena, "%5000d", 1);
    cr_assert_eq (strlen (longer), 5000);
    cr_assert_eq (longer [4999], '1');
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
}
