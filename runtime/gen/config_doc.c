//  config_doc.c - writes docs/configuration.md from the table of known keys, or checks that it is current
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

//  0: the file holds exactly text
static int
s_check (const char *path, const kith_bytes_t *text)
{
    FILE *file = fopen (path, "re");
    char *have = kith_new (text->size + 2);
    size_t size = file ? fread (have, 1, text->size + 2, file) : 0;
    bool same = size == text->size && memcmp (have, text->data, size) == 0;
    if (file)
        fclose (file);
    free (have);
    if (!same)
        fprintf (stderr, "%s is not current: ninja config-reference\n", path);
    return same ? 0 : 1;
}

static int
s_write (const char *path, const kith_bytes_t *text)
{
    FILE *file = fopen (path, "we");
    if (!file || fwrite (text->data, 1, text->size, file) != text->size) {
        fprintf (stderr, "%s cannot be written\n", path);
        return 1;
    }
    return fclose (file) == 0 ? 0 : 1;
}

int
main (int argc, char **argv)
{
    bool check = argc == 3 && strcmp (argv [1], "--check") == 0;
    if (argc != 2 && !check) {
        fprintf (stderr, "usage: %s [--check] FILE\n", argv [0]);
        return 2;
    }
    kith_bytes_t text = {0};
    kith_config_reference (&text);
    int rc = check ? s_check (argv [2], &text) : s_write (argv [1], &text);
    kith_bytes_free (&text);
    return rc;
}
