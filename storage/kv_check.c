//  kv_check.c - what every metadata store asks of keys and transactions before it does anything
//  SPDX-License-Identifier: Apache-2.0
#include "storage/kv.h"

static bool
s_letter_valid (char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9')
           || letter == '/' || letter == '_' || letter == '.' || letter == '-';
}

bool
kith_kv_prefix_valid (const char *prefix)
{
    assert (prefix);
    size_t length = 0;
    while (length <= KITH_KV_KEY_MAX && s_letter_valid (prefix [length]))
        length++;
    return length <= KITH_KV_KEY_MAX && prefix [length] == 0;
}

bool
kith_kv_key_valid (const char *key)
{
    return key [0] && kith_kv_prefix_valid (key);
}

static int
s_key_compare (const void *left, const void *right)
{
    return strcmp (*(const char *const *) left, *(const char *const *) right);
}

static int
s_key_refuse (const char *key, kith_error_t *error)
{
    return kith_error_set (
        error, KITH_ERR_INVALID,
        "metadata key '%.64s' is not 1 to %u letters of a-z 0-9 / _ . -", key,
        KITH_KV_KEY_MAX);
}

//  Refuses a key that is changed twice: which change would win is nobody's guess
static int
s_check_twice (const kith_kv_change_t *changes, size_t count, kith_error_t *error)
{
    const char *keys [KITH_KV_CHANGES_MAX];
    for (size_t index = 0; index < count; index++)
        keys [index] = changes [index].key;
    if (count > 1)
        qsort (keys, count, sizeof keys [0], s_key_compare);
    for (size_t index = 1; index < count; index++)
        if (strcmp (keys [index - 1], keys [index]) == 0)
            return kith_error_set (
                error, KITH_ERR_INVALID,
                "metadata key '%s' is changed twice in one transaction", keys [index]);
    return 0;
}

int
kith_kv_txn_check (const kith_kv_compare_t *compares, size_t compare_count,
                   const kith_kv_change_t *changes, size_t change_count,
                   kith_error_t *error)
{
    if (compare_count > KITH_KV_CHANGES_MAX || change_count > KITH_KV_CHANGES_MAX)
        return kith_error_set (
            error, KITH_ERR_LIMIT,
            "a metadata transaction has %zu compares and %zu changes, at most "
            "%u of each are allowed",
            compare_count, change_count, KITH_KV_CHANGES_MAX);
    for (size_t index = 0; index < compare_count; index++)
        if (!kith_kv_key_valid (compares [index].key))
            return s_key_refuse (compares [index].key, error);
    for (size_t index = 0; index < change_count; index++) {
        if (!kith_kv_key_valid (changes [index].key))
            return s_key_refuse (changes [index].key, error);
        if (changes [index].value && changes [index].size > KITH_KV_VALUE_MAX)
            return kith_error_set (
                error, KITH_ERR_LIMIT,
                "the value of metadata key '%s' has %zu bytes, at most %u "
                "are allowed",
                changes [index].key, changes [index].size, KITH_KV_VALUE_MAX);
    }
    return s_check_twice (changes, change_count, error);
}
