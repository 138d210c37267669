//  test_error.c - every code has all that is said of it; messages never overflow
//  SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <criterion/criterion.h>
#include <errno.h>

Test (error, codes)
{
    for (int code = 0; code < KITH_ERR_COUNT; code++) {
        const char *name = kith_code_name ((kith_code_t) code);
        cr_assert (name && *name, "%d", code);
        cr_assert_eq (strspn (name, "abcdefghijklmnopqrstuvwxyz_"), strlen (name));
        cr_assert_eq (kith_code_of_name (name), (kith_code_t) code);
        cr_assert (*kith_code_text ((kith_code_t) code));
        cr_assert_eq (kith_code_milvus ((kith_code_t) code) == 0, code == 0);
    }
    cr_assert_eq (kith_code_of_name ("nonsense"), KITH_ERR_COUNT);
    cr_assert_eq (kith_code_of_name (""), KITH_ERR_COUNT);
    cr_assert_str_eq (kith_code_name (KITH_ERR_FIELD_NOT_FOUND), "field_not_found");
    cr_assert_eq (kith_code_milvus (KITH_ERR_COLLECTION_NOT_FOUND), 100);
    cr_assert (kith_code_retry (KITH_ERR_BUSY));
    cr_assert_not (kith_code_retry (KITH_ERR_INVALID));
    //  From the wire, of a newer version
    cr_assert_str_eq (kith_code_name ((kith_code_t) 999), "internal");
    cr_assert_str_eq (kith_code_name ((kith_code_t) -1), "internal");
}

Test (error, set_prefix_hint)
{
    kith_error_t error;
    cr_assert_eq (kith_error_set (&error, KITH_ERR_LIMIT, "%d is over %d", 5, 4), -1);
    cr_assert_eq (error.code, KITH_ERR_LIMIT);
    cr_assert_eq (error.at, -1);
    cr_assert_str_eq (error.message, "5 is over 4");
    cr_assert_str_eq (error.hint, "");
    kith_error_hint (&error, "use %d", 4);
    cr_assert_eq (kith_error_prefix (&error, "field %s", "year"), -1);
    cr_assert_str_eq (error.message, "field year: 5 is over 4");
    cr_assert_str_eq (error.hint, "use 4");
    kith_error_clear (&error);
    cr_assert_eq (error.code, KITH_OK);
    cr_assert_str_eq (error.message, "");
    cr_assert_str_eq (error.hint, "");
}

Test (error, null)
{
    cr_assert_eq (kith_error_set (NULL, KITH_ERR_IO, "x"), -1);
    cr_assert_eq (kith_error_errno (NULL, ENOSPC, "x"), -1);
    cr_assert_eq (kith_error_prefix (NULL, "x"), -1);
    kith_error_hint (NULL, "x");
    kith_error_clear (NULL);
}

Test (error, of_errno)
{
    kith_error_t error;
    cr_assert_eq (kith_error_errno (&error, ENOSPC, "cannot write %s", "f"), -1);
    cr_assert_eq (error.code, KITH_ERR_NO_SPACE);
    cr_assert_str_eq (error.message, "cannot write f: No space left on device");
    kith_error_errno (&error, EDQUOT, "x");
    cr_assert_eq (error.code, KITH_ERR_NO_SPACE);
    kith_error_errno (&error, ENOMEM, "x");
    cr_assert_eq (error.code, KITH_ERR_NO_MEMORY);
    kith_error_errno (&error, EACCES, "x");
    cr_assert_eq (error.code, KITH_ERR_IO);
}

Test (error, long_texts_are_cut)
{
    char text [2000];
    memset (text, 'a', sizeof text - 1);
    text [sizeof text - 1] = 0;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_IO, "%s", text);
    cr_assert_eq (strlen (error.message), sizeof error.message - 1);
    kith_error_hint (&error, "%s", text);
    cr_assert_eq (strlen (error.hint), sizeof error.hint - 1);
    kith_error_prefix (&error, "prefix");
    cr_assert_eq (strlen (error.message), sizeof error.message - 1);
    cr_assert_eq (strncmp (error.message, "prefix: aaaa", 12), 0);
    kith_error_prefix (&error, "%s", text);
    cr_assert_eq (strlen (error.message), sizeof error.message - 1);
    kith_error_errno (&error, EIO, "%s", text);
    cr_assert_eq (strlen (error.message), sizeof error.message - 1);
}
