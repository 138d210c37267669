//  word_set - the word vectors in memory, and who is nearest to whom by a plain exact search
//  SPDX-License-Identifier: Apache-2.0
#include "tests/demo/word_set.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS_MAX = 64, LANES = 8 };

typedef float lanes_t __attribute__ ((vector_size (LANES * sizeof (float)), aligned (4)));

static void *
s_map (const char *folder, const char *name, size_t *bytes)
{
    char path [4096];
    struct stat status;
    snprintf (path, sizeof path, "%s/%s", folder, name);
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat (fd, &status) != 0 || status.st_size == 0) {
        perror (path);
        if (fd >= 0)
            close (fd);
        return NULL;
    }
    *bytes = (size_t) status.st_size;
    void *map = mmap (NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close (fd);
    return map == MAP_FAILED ? NULL : map;
}

//  Data of a NumPy file of the given type; shape [1] is 0 for one dimension
static const void *
s_npy (const char *map, size_t bytes, const char *type, unsigned long shape [2])
{
    char head [512] = "";
    if (bytes < 128 || memcmp (map, "\x93NUMPY\x01", 7) != 0)
        return NULL;
    size_t header = (size_t) (uint8_t) map [8] | (size_t) (uint8_t) map [9] << 8;
    if (header + 10 > bytes || header >= sizeof head)
        return NULL;
    memcpy (head, map + 10, header);
    const char *at = strstr (head, "'shape': (");
    if (!strstr (head, type) || !at)
        return NULL;
    shape [1] = 0;
    if (sscanf (at, "'shape': (%lu, %lu", &shape [0], &shape [1]) < 1)
        return NULL;
    return map + 10 + header;
}

static int
s_read_words (word_set_t *self, const char *folder)
{
    size_t bytes = 0;
    char *map = s_map (folder, "words.txt", &bytes);
    if (!map)
        return -1;
    self->text = malloc (bytes + 1);
    self->words = calloc (self->rows, sizeof *self->words);
    if (!self->text || !self->words)
        return -1;
    memcpy (self->text, map, bytes);
    self->text [bytes] = 0;
    munmap (map, bytes);
    char *at = self->text;
    for (size_t i = 0; i < self->rows; i++) {
        char *end = strchr (at, '\n');
        if (!end)
            return -1;
        *end = 0;
        self->words [i] = at;
        at = end + 1;
    }
    return 0;
}

static int
s_read_ranks (word_set_t *self, const char *folder)
{
    size_t bytes = 0;
    unsigned long shape [2];
    char *map = s_map (folder, "rank.npy", &bytes);
    const void *data = map ? s_npy (map, bytes, "<i8", shape) : NULL;
    self->ranks = calloc (self->rows, sizeof *self->ranks);
    if (!data || !self->ranks || shape [0] != self->rows)
        return -1;
    memcpy (self->ranks, data, self->rows * sizeof *self->ranks);
    munmap (map, bytes);
    return 0;
}

static void
s_unit (float *out, const float *vector, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double) vector [i] * (double) vector [i];
    double scale = sum > 0 ? 1 / sqrt (sum) : 0;
    for (size_t i = 0; i < dim; i++)
        out [i] = (float) ((double) vector [i] * scale);
}

word_set_t *
word_set_open (const char *folder)
{
    word_set_t *self = calloc (1, sizeof *self);
    unsigned long shape [2] = {0, 0};
    if (!self)
        return NULL;
    self->map = s_map (folder, "words.npy", &self->map_bytes);
    self->vectors = self->map ? s_npy (self->map, self->map_bytes, "<f4", shape) : NULL;
    self->rows = shape [0];
    self->dim = shape [1];
    if (self->vectors)
        self->units = calloc (self->rows * self->dim, sizeof (float));
    if (!self->units || s_read_words (self, folder) != 0
        || s_read_ranks (self, folder) != 0) {
        fprintf (
            stderr,
            "word_set: %s does not hold words.npy, words.txt and rank.npy of one set\n",
            folder);
        word_set_close (&self);
        return NULL;
    }
    for (size_t i = 0; i < self->rows; i++)
        s_unit (self->units + i * self->dim, self->vectors + i * self->dim, self->dim);
    return self;
}

void
word_set_close (word_set_t **self_p)
{
    word_set_t *self = *self_p;
    if (!self)
        return;
    if (self->map)
        munmap (self->map, self->map_bytes);
    free (self->text);
    free (self->words);
    free (self->ranks);
    free (self->units);
    free (self);
    *self_p = NULL;
}

uint32_t
word_set_asked (const word_set_t *self, size_t i, size_t count)
{
    return (uint32_t) (self->rows * i / count);
}

static float
s_dot (const float *a, const float *b, size_t dim)
{
    lanes_t sum = {0};
    size_t i = 0;
    for (; i + LANES <= dim; i += LANES)
        sum += *(const lanes_t *) (const void *) (a + i)
               * *(const lanes_t *) (const void *) (b + i);
    float total = 0;
    for (int lane = 0; lane < LANES; lane++)
        total += sum [lane];
    for (; i < dim; i++)
        total += a [i] * b [i];
    return total;
}

typedef struct {
    const word_set_t *set;
    const float *queries;    //  of length 1
    const uint32_t *rows;
    size_t from, to;
    size_t k;
    word_near_t *near;
    pthread_t thread;
    bool started;
} s_part_t;

//  Keeps near sorted, best first; equal scores by row
static void
s_offer (word_near_t *near, size_t k, uint32_t row, float score)
{
    if (score <= near [k - 1].score)
        return;
    size_t at = k - 1;
    for (; at && near [at - 1].score < score; at--)
        near [at] = near [at - 1];
    near [at] = (word_near_t){row, score};
}

static void *
s_search (void *arg)
{
    s_part_t *part = arg;
    size_t dim = part->set->dim;
    for (size_t i = part->from * part->k; i < part->to * part->k; i++)
        part->near [i] = (word_near_t){UINT32_MAX, -2};
    for (size_t row = 0; row < part->set->rows; row++) {
        const float *unit = part->set->units + row * dim;
        for (size_t i = part->from; i < part->to; i++)
            if (!part->rows || part->rows [i] != row)
                s_offer (part->near + i * part->k, part->k, (uint32_t) row,
                         s_dot (unit, part->queries + i * dim, dim));
    }
    return NULL;
}

void
word_set_nearest (const word_set_t *self, const float *queries, const uint32_t *rows,
                  size_t count, size_t k, word_near_t *near)
{
    s_part_t parts [THREADS_MAX];
    long cores = sysconf (_SC_NPROCESSORS_ONLN);
    size_t threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t) cores;
    float *units = calloc (count * self->dim, sizeof (float));
    if (!units)
        abort ();
    for (size_t i = 0; i < count; i++)
        s_unit (units + i * self->dim, queries + i * self->dim, self->dim);
    for (size_t i = 0; i < threads; i++) {
        parts [i] = (s_part_t){.set = self,
                               .queries = units,
                               .rows = rows,
                               .from = count * i / threads,
                               .to = count * (i + 1) / threads,
                               .k = k,
                               .near = near};
        parts [i].started =
            pthread_create (&parts [i].thread, NULL, s_search, &parts [i]) == 0;
        if (!parts [i].started)
            s_search (&parts [i]);
    }
    for (size_t i = 0; i < threads; i++)
        if (parts [i].started)
            pthread_join (parts [i].thread, NULL);
    free (units);
}
