//  test_random.c - the generator against published values, its distributions, and hashes that never change
//  SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include <criterion/criterion.h>
#include <math.h>

//  splitmix64 and xoshiro256** started from state 1, 2, 3, 4: values of the authors' own programs
Test (random, published_values)
{
    kith_random_t random = {{1, 2, 3, 4}};
    static const uint64_t expected [] = {11520u, 0u, 1509978240u, 1215971899390074240u,
                                         1216172134540287360u};
    for (size_t index = 0; index < 5; index++)
        cr_assert_eq (kith_random_next (&random), expected [index]);
    kith_random_seed (&random, 1234567);
    static const uint64_t states [] = {6457827717110365317u, 3203168211198807973u,
                                       9817491932198370423u, 4593380528125082431u};
    for (size_t index = 0; index < 4; index++)
        cr_assert_eq (random.state [index], states [index]);
}

Test (random, below)
{
    kith_random_t random;
    kith_random_seed (&random, 1);
    uint32_t counts [7] = {0};
    for (int turn = 0; turn < 70000; turn++)
        counts [kith_random_below (&random, 7)]++;
    for (int value = 0; value < 7; value++)
        cr_assert (counts [value] > 9500 && counts [value] < 10500, "%u", counts [value]);
    for (int turn = 0; turn < 1000; turn++) {
        cr_assert_eq (kith_random_below (&random, 1), 0);
        cr_assert_lt (kith_random_below (&random, UINT64_MAX - 5), UINT64_MAX - 5);
    }
}

Test (random, distributions)
{
    kith_random_t random;
    kith_random_seed (&random, 2);
    double unit = 0, exponential = 0, normal = 0, square = 0;
    const int turns = 200000;
    for (int turn = 0; turn < turns; turn++) {
        double value = kith_random_unit (&random);
        cr_assert (value >= 0 && value < 1);
        unit += value;
        value = kith_random_exponential (&random, 5);
        cr_assert (value >= 0 && isfinite (value));
        exponential += value;
        value = kith_random_normal (&random);
        normal += value;
        square += value * value;
    }
    cr_assert_float_eq (unit / turns, 0.5, 0.005);
    cr_assert_float_eq (exponential / turns, 5, 0.06);
    cr_assert_float_eq (normal / turns, 0, 0.01);
    cr_assert_float_eq (square / turns, 1, 0.02);
}

//  pk -> shard depends on these: they are part of the protocol
Test (random, hashes_never_change)
{
    cr_assert_eq (kith_mix64 (0), 0);
    cr_assert_eq (kith_mix64 (1), 0x5692161d100b05e5u);
    static const struct {
        const char *text;
        uint64_t hash;
    } cases [] = {{"", 0x48218226ff3cd4bfu},
                  {"a", 0x80bdfd4d3e359a26u},
                  {"king", 0x1e642c6ce97ff118u},
                  {"12345678", 0xbce940d3a4c9eea1u},
                  {"123456789", 0x054a0d14eb3bcf4bu},
                  {"abcdefghijklmnopqrstuvwxyz", 0x5d7c35172816b5c3u}};
    for (size_t index = 0; index < sizeof cases / sizeof cases [0]; index++)
        cr_assert_eq (kith_hash64 (cases [index].text, strlen (cases [index].text)),
                      cases [index].hash, "%s: %016lx", cases [index].text,
                      kith_hash64 (cases [index].text, strlen (cases [index].text)));
}

Test (random, hash_spreads)
{
    uint32_t counts [16] = {0};
    for (int64_t key = 0; key < 160000; key++)
        counts [kith_hash64 (&key, sizeof key) % 16]++;
    for (int shard = 0; shard < 16; shard++)
        cr_assert (counts [shard] > 9600 && counts [shard] < 10400, "%u", counts [shard]);
    //  Length counts: a tail of zeros is not the same as none
    uint64_t none = kith_hash64 ("abc", 3), one = kith_hash64 ("abc\0", 4);
    cr_assert_neq (none, one);
}
