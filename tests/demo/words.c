//  words - turns the JSON of the word vectors into columns that Kith imports: words.npy, words.txt, rank.npy
//  SPDX-License-Identifier: Apache-2.0
//
//  words FOLDER [ROWS] reads the JSON from standard input, as a stream: of the 300 MB nothing is kept but one row.
//  The input is {..., "vectors": {"the": [100 numbers, norm, rank from 0], ...}, ...}, in the order of the rank. ROWS: stop
//  after so many. Each file is written under a temporary name, synced, and renamed at the very end, words.npy last.
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DIM = 100,
    NUMBERS = 102,    //  of a word in the input: vector, norm, rank
    RANK_AT = 101,
    WORD_MAX = 256,
    NPY_HEADER = 128,
    JSON_BYTES = 307300350    //  for the progress line only
};

typedef struct {
    FILE *in;
    uint64_t at;    //  bytes read
    uint64_t rows;
    uint64_t rows_max;
    bool progress;    //  a person looks on
    FILE *vectors;
    FILE *words;
    FILE *ranks;
} s_job_t;

static void
s_fail (const s_job_t *job, const char *what)
{
    fprintf (stderr, "words: %s (byte %llu of the JSON, after %llu words)\n", what,
             (unsigned long long) job->at, (unsigned long long) job->rows);
    exit (1);
}

static int
s_next (s_job_t *job)
{
    job->at++;
    return getc_unlocked (job->in);
}

static int
s_skip_blank (s_job_t *job)
{
    int c = s_next (job);
    while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        c = s_next (job);
    return c;
}

//  The rest of a string whose opening quote was read; out may be null
static size_t
s_string (s_job_t *job, char *out, size_t size)
{
    size_t used = 0;
    for (int c = s_next (job); c != '"'; c = s_next (job)) {
        if (c == '\\') {
            c = s_next (job);
            if (c != '"' && c != '\\' && c != '/')
                s_fail (job, "an escape that the known file does not have");
        }
        if (c == EOF || c == '\n')
            s_fail (job, "a string without an end");
        if (out && used + 1 >= size)
            s_fail (job, "a word that is too long");
        if (out)
            out [used++] = (char) c;
    }
    if (out)
        out [used] = 0;
    return used;
}

//  A number of at most 18 digits, whose first character is c; *end: the character behind it
static double
s_number (s_job_t *job, int c, int *end)
{
    static const double tens [] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                   1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                   1e14, 1e15, 1e16, 1e17, 1e18};
    bool minus = c == '-';
    uint64_t digits = 0;
    int behind = -1, count = 0, exponent = 0;
    if (minus)
        c = s_next (job);
    for (; (c >= '0' && c <= '9') || (c == '.' && behind < 0); c = s_next (job)) {
        if (c == '.') {
            behind = 0;
            continue;
        }
        digits = digits * 10 + (uint64_t) (c - '0');
        count++;
        behind += behind >= 0;
    }
    if (c == 'e' || c == 'E') {
        bool down = (c = s_next (job)) == '-';
        for (c = down || c == '+' ? s_next (job) : c; c >= '0' && c <= '9';
             c = s_next (job))
            exponent = exponent * 10 + (c - '0');
        exponent = down ? -exponent : exponent;
    }
    int power = exponent - (behind > 0 ? behind : 0);
    if (!count || count > 18 || power < -18 || power > 18)
        s_fail (job, "expected a number");
    *end = c;
    double value =
        power < 0 ? (double) digits / tens [-power] : (double) digits * tens [power];
    return minus ? -value : value;
}

//  Skips a value whose first character is c; returns the character behind it
static int
s_skip_value (s_job_t *job, int c)
{
    int depth = 0;
    do {
        if (c == '"')
            s_string (job, NULL, 0);
        else if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        else if (c == EOF)
            s_fail (job, "the JSON ends too early");
        c = s_next (job);
    } while (depth > 0 || (c != ',' && c != '}'));
    return c;
}

static void
s_write (s_job_t *job, FILE *file, const void *data, size_t size)
{
    if (fwrite (data, 1, size, file) != size)
        s_fail (job, "cannot write: is the disk full?");
}

static void
s_row (s_job_t *job, const char *word, size_t length, const double *numbers)
{
    float vector [DIM];
    int64_t rank = (int64_t) job->rows + 1;
    if (llround (numbers [RANK_AT]) != (long long) job->rows)
        s_fail (job, "the words are not in the order of their rank");
    for (int i = 0; i < DIM; i++)
        vector [i] = (float) numbers [i];
    s_write (job, job->vectors, vector, sizeof vector);
    s_write (job, job->words, word, length);
    s_write (job, job->words, "\n", 1);
    s_write (job, job->ranks, &rank, sizeof rank);
    job->rows++;
    if (job->progress && job->rows % 4096 == 0)
        fprintf (stderr, "\rconverting words  %2d %%",
                 (int) (100.0 * (double) job->at / (double) JSON_BYTES));
}

//  The object behind "vectors": returns the character behind it
static int
s_vectors (s_job_t *job)
{
    int c = s_skip_blank (job);
    while (c == '"' && job->rows < job->rows_max) {
        char word [WORD_MAX];
        double numbers [NUMBERS];
        size_t length = s_string (job, word, sizeof word);
        if (s_skip_blank (job) != ':' || s_skip_blank (job) != '[')
            s_fail (job, "expected the numbers of a word");
        int end = 0;
        for (int i = 0; i < NUMBERS; i++) {
            numbers [i] = s_number (job, s_skip_blank (job), &end);
            if (end != (i + 1 < NUMBERS ? ',' : ']'))
                s_fail (job, "a word has not 102 numbers");
        }
        s_row (job, word, length, numbers);
        c = s_skip_blank (job);
        if (c == ',')
            c = s_skip_blank (job);
    }
    return c;
}

static void
s_read (s_job_t *job)
{
    if (s_skip_blank (job) != '{')
        s_fail (job, "expected a JSON object");
    int c = s_skip_blank (job);
    while (c == '"') {
        char name [WORD_MAX];
        s_string (job, name, sizeof name);
        if (s_skip_blank (job) != ':')
            s_fail (job, "expected ':'");
        c = s_skip_blank (job);
        if (strcmp (name, "vectors") == 0 && c == '{') {
            s_vectors (job);
            return;
        }
        c = s_skip_value (job, c);
        if (c == ',')
            c = s_skip_blank (job);
    }
    s_fail (job, "no \"vectors\" in the JSON");
}

//  Header of the NumPy format 1.0: all of it 128 bytes, so that the data begin aligned
static void
s_npy_header (s_job_t *job, FILE *file, const char *type, uint64_t rows, int dim)
{
    char text [NPY_HEADER];
    char shape [64];
    memset (text, ' ', sizeof text);
    memcpy (text, "\x93NUMPY\x01\x00\x76\x00", 10);
    if (dim)
        snprintf (shape, sizeof shape, "(%llu, %d)", (unsigned long long) rows, dim);
    else
        snprintf (shape, sizeof shape, "(%llu,)", (unsigned long long) rows);
    int length =
        snprintf (text + 10, sizeof text - 10,
                  "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    text [10 + length] = ' ';
    text [NPY_HEADER - 1] = '\n';
    if (fseek (file, 0, SEEK_SET) != 0)
        s_fail (job, "cannot seek");
    s_write (job, file, text, sizeof text);
}

static void
s_name (char *path, size_t size, const char *folder, const char *name, bool temporary)
{
    snprintf (path, size, "%s/%s%s", folder, name, temporary ? ".part" : "");
}

static FILE *
s_open (s_job_t *job, const char *folder, const char *name)
{
    char path [4096];
    s_name (path, sizeof path, folder, name, true);
    FILE *file = fopen (path, "wb");
    if (!file) {
        perror (path);
        s_fail (job, "cannot make a file");
    }
    return file;
}

static void
s_close (s_job_t *job, FILE **file_p, const char *folder, const char *name)
{
    char from [4096], to [4096];
    s_name (from, sizeof from, folder, name, true);
    s_name (to, sizeof to, folder, name, false);
    if (fflush (*file_p) != 0 || fsync (fileno (*file_p)) != 0 || fclose (*file_p) != 0
        || rename (from, to) != 0)
        s_fail (job, "cannot write: is the disk full?");
    *file_p = NULL;
}

int
main (int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf (stderr, "usage: words FOLDER [ROWS] < words.json\n");
        return 2;
    }
    s_job_t job = {.in = stdin, .rows_max = UINT64_MAX, .progress = isatty (2)};
    if (argc == 3)
        job.rows_max = strtoull (argv [2], NULL, 10);
    job.vectors = s_open (&job, argv [1], "words.npy");
    job.words = s_open (&job, argv [1], "words.txt");
    job.ranks = s_open (&job, argv [1], "rank.npy");
    //  The number of rows is known at the end
    s_npy_header (&job, job.vectors, "<f4", 0, DIM);
    s_npy_header (&job, job.ranks, "<i8", 0, 0);
    s_read (&job);
    s_npy_header (&job, job.vectors, "<f4", job.rows, DIM);
    s_npy_header (&job, job.ranks, "<i8", job.rows, 0);
    s_close (&job, &job.ranks, argv [1], "rank.npy");
    s_close (&job, &job.words, argv [1], "words.txt");
    s_close (&job, &job.vectors, argv [1], "words.npy");
    if (job.progress)
        fprintf (stderr, "\r\033[K");
    return 0;
}
