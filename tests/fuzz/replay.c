//  replay - runs a fuzz target over the files of a corpus, where libFuzzer is not built in
//  SPDX-License-Identifier: Apache-2.0
//
//  Each argument is a file or a directory of files. Besides each file itself come its prefixes and copies with
//  flipped bytes, from a fixed seed: a corpus of whole inputs then also tests the damaged ones.
#include "tests/fuzz/fuzz.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 22, PREFIXES = 64, FLIPS = 256 };

//  Memory of exactly the input's size, so that a sanitizer sees a read behind it
static void
s_run (const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc (size ? size : 1);
    if (!copy)
        abort ();
    memcpy (copy, data, size);
    (void) LLVMFuzzerTestOneInput (copy, size);
    free (copy);
}

static uint64_t
s_random (uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void
s_run_damaged (uint8_t *data, size_t size)
{
    for (size_t i = 0; i < PREFIXES && i < size; i++)
        s_run (data, size * i / PREFIXES);
    uint64_t seed = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < FLIPS && size; i++) {
        size_t at = (size_t) (s_random (&seed) % size);
        uint8_t was = data [at];
        data [at] = (uint8_t) s_random (&seed);
        s_run (data, size);
        data [at] = was;
    }
}

static int
s_run_file (const char *path)
{
    FILE *file = fopen (path, "rb");
    uint8_t *data = malloc (INPUT_MAX);
    if (!file || !data) {
        fprintf (stderr, "replay: cannot read %s\n", path);
        if (file)
            fclose (file);
        free (data);
        return 0;
    }
    size_t size = fread (data, 1, INPUT_MAX, file);
    fclose (file);
    s_run (data, size);
    s_run_damaged (data, size);
    free (data);
    return 1;
}

static int
s_run_path (const char *path)
{
    DIR *dir = opendir (path);
    if (!dir)
        return s_run_file (path);
    int count = 0;
    for (struct dirent *entry = readdir (dir); entry; entry = readdir (dir)) {
        char name [4096];
        struct stat status;
        int length = snprintf (name, sizeof name, "%s/%s", path, entry->d_name);
        if (length > 0 && (size_t) length < sizeof name && stat (name, &status) == 0
            && S_ISREG (status.st_mode))
            count += s_run_file (name);
    }
    closedir (dir);
    return count;
}

int
main (int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += s_run_path (argv [i]);
    s_run ((const uint8_t *) "", 0);
    printf ("%d inputs, each with %d prefixes and %d damaged copies\n", count, PREFIXES,
            FLIPS);
    if (!count)
        fprintf (stderr, "replay: the corpus is empty\n");
    return count ? 0 : 1;
}
