//  cmd_import.c - zactor import: many rows from files
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cmd.h"
#include "clients/cli/input.h"
#include "clients/cli/writing.h"
#include "clients/json.h"
#include <errno.h>

//  An import under way
typedef struct {
    kith_cli_t *cli;
    kith_input_t *input;
    kith_writer_t *writer;
    kith_rows_t *rows;
    kith_progress_t *progress;
    bool skip;       //  --on-error skip
    FILE *errors;    //  --errors; null: none
    uint64_t skipped;
    kith_error_t error;
} import_t;

//  A row that is left out: its text and why, a line of JSON
static int
s_skip (import_t *self)
{
    self->skipped++;
    if (!self->errors)
        return 0;
    size_t size;
    const char *text = kith_input_bad (self->input, &size);
    kith_bytes_t line = {0};
    kith_bytes_printf (
        &line, "{\"code\": \"%s\", \"message\": ", kith_code_name (self->error.code));
    kith_json_put_string (&line, self->error.message, strlen (self->error.message));
    kith_bytes_printf (&line, ", \"text\": ");
    if (kith_text_valid (text, size))
        kith_json_put_string (&line, text, size);
    else
        kith_bytes_printf (&line, "null");
    kith_bytes_printf (&line, "}\n");
    bool good = fwrite (line.data, 1, line.size, self->errors) == line.size;
    kith_bytes_free (&line);
    if (good)
        return 0;
    return kith_error_errno (&self->error, errno,
                             "the file of --errors cannot be written");
}

static void
s_show (import_t *self)
{
    uint64_t of = kith_input_rows (self->input);
    uint64_t written = kith_writer_written (self->writer);
    kith_progress_show (self->progress, written, of,
                        of ? -1.0 : kith_input_share (self->input));
}

static int
s_import (import_t *self)
{
    int got = 1;
    while (got > 0) {
        bool row_only = false;
        got = kith_input_fill (self->input, self->rows, KITH_ROWS_REQUEST_BYTES,
                               &row_only, &self->error);
        if (got < 0 && row_only && self->skip) {
            if (s_skip (self) != 0)
                return -1;
            got = 1;
            continue;
        }
        if (got < 0)
            return -1;
        if (kith_writer_put (self->writer, self->rows, &self->error) != 0)
            return -1;
        kith_rows_clear (self->rows);
        s_show (self);
    }
    return kith_writer_finish (self->writer, &self->error);
}

static int
s_end (import_t *self, int result)
{
    kith_cli_t *cli = self->cli;
    kith_error_t ignored = {0};
    if (result != 0)
        kith_writer_finish (self->writer, &ignored);
    kith_progress_destroy (&self->progress);
    uint64_t rows = kith_writer_written (self->writer);
    char count [32], skipped [32], took [32], rate [32];
    kith_show_count (rows, count);
    if (result != 0) {
        int status = kith_cli_fail (cli, &self->error, NULL);
        kith_cli_note (cli, "%s rows were imported before", count);
        return status;
    }
    double ms = kith_cli_ms (cli), per_second = (double) rows / (ms > 1 ? ms : 1) * 1000;
    kith_bytes_t out = {0}, token = kith_writing_token (self->writer);
    if (cli->json)
        kith_bytes_printf (&out,
                           "{\"rows\": %" PRIu64 ", \"skipped\": %" PRIu64
                           ", \"ms\": %.0f, \"rows_per_s\": %.0f, \"token\": \"%s\"}",
                           rows, self->skipped, ms, per_second,
                           (const char *) token.data);
    else {
        kith_bytes_printf (&out, "%s rows in %s (%s rows/s)", count,
                           kith_show_ms (ms, took), kith_show_rate (per_second, rate));
        if (self->skipped)
            kith_bytes_printf (&out, "; %s skipped",
                               kith_show_count (self->skipped, skipped));
    }
    kith_bytes_free (&token);
    return kith_cli_print (&out);
}

//  The source that the command line names
static kith_input_t *
s_open (kith_cli_t *cli, kith_opened_t *opened, kith_error_t *error)
{
    const char *columns [KITH_FIELDS_MAX + 1] = {NULL};
    uint32_t count = 0;
    while (count < KITH_FIELDS_MAX
           && (columns [count] = kith_option_each (&cli->parsed, "column", count)))
        count++;
    columns [count] = NULL;
    kith_input_t *input =
        count ? kith_input_columns (columns, opened, error)
              : kith_input_open (kith_cli_argument (cli, 1),
                                 kith_cli_text (cli, "format"), opened, error);
    if (input)
        kith_input_number_from (input,
                                (int64_t) kith_option_count (&cli->parsed, "first-key"));
    return input;
}

static int
s_run_opened (kith_cli_t *cli, kith_opened_t *opened)
{
    char what [300];
    import_t self = {.cli = cli};
    self.skip = strcmp (kith_cli_text (cli, "on-error"), "skip") == 0;
    self.input = s_open (cli, opened, &self.error);
    const char *errors = kith_cli_text (cli, "errors");
    if (self.input && errors) {
        self.errors = fopen (errors, "w");
        if (!self.errors) {
            kith_error_errno (&self.error, errno, "%s cannot be written", errors);
            kith_input_close (&self.input);
        }
    }
    if (!self.input)
        return kith_cli_fail (cli, &self.error, NULL);
    snprintf (what, sizeof what, "importing %.255s", kith_cli_argument (cli, 0));
    self.progress = kith_progress_new (kith_cli_progress (cli), what);
    self.writer = kith_writer_new (cli->client, false, kith_cli_timeout_ms (cli, 60000));
    self.rows = kith_rows_new (opened);
    int result = kith_rows_to (self.rows, kith_cli_text (cli, "partition"), &self.error);
    int status = s_end (&self, result == 0 ? s_import (&self) : result);
    if (self.errors && fclose (self.errors) != 0 && status == KITH_EXIT_DONE) {
        kith_error_errno (&self.error, errno, "%s cannot be written", errors);
        status = kith_cli_fail (cli, &self.error, NULL);
    }
    kith_rows_destroy (&self.rows);
    kith_writer_destroy (&self.writer);
    kith_input_close (&self.input);
    return status;
}

static int
s_run (kith_cli_t *cli)
{
    bool columns = kith_option_given (&cli->parsed, "column");
    if (columns == (kith_cli_argument (cli, 1) != NULL))
        return kith_cli_usage (cli, "a FILE or --column FIELD=FILE is needed, not both");
    if (!kith_cli_connect (cli))
        return KITH_EXIT_USAGE;
    kith_error_t error = {0};
    kith_opened_t *opened =
        kith_client_open (cli->client, kith_cli_argument (cli, 0), &error);
    if (!opened)
        return kith_cli_fail (cli, &error, NULL);
    int status = s_run_opened (cli, opened);
    kith_opened_destroy (&opened);
    return status;
}

const kith_command_t kith_cmd_import = {
    .name = "import",
    .purpose = "import many rows from a file, or from one file a column",
    .arguments =
        (const kith_argument_t []){
            {"COLLECTION", "its name", false, false},
            {"FILE", ".jsonl .csv .npy .fbin .u8bin .i8bin, or -", true, false},
            {0}},
    .options =
        (const kith_option_t []){
            {"column", 0, KITH_OPTION_TEXT, "FIELD=FILE", NULL, NULL,
             "one field from a .npy, .fbin, .u8bin, .i8bin or .txt (a value a line)",
             true},
            {"format", 0, KITH_OPTION_CHOICE, "FORMAT", NULL,
             "jsonl csv npy fbin u8bin i8bin", "instead of the extension's", false},
            {"on-error", 0, KITH_OPTION_CHOICE, "WHAT", "stop", "stop skip",
             "what a wrong row does", false},
            {"errors", 0, KITH_OPTION_FILE, "FILE", NULL, NULL,
             "rows that were skipped, with the reason, as JSON lines", false},
            {"partition", 0, KITH_OPTION_TEXT, "NAME", NULL, NULL,
             "where the rows go (default: _default)", false},
            {"first-key", 0, KITH_OPTION_COUNT, "N", "0", NULL,
             "number of the first row, where a file of vectors brings no int64 key",
             false},
            {0}},
    .detail =
        "Rows are durable when the command ends. `zactor help import` has the formats.\n",
    .examples = {"zactor import words words.jsonl",
                 "zactor import words --column vector=v.npy --column word=words.txt "
                 "--on-error skip --errors bad.jsonl",
                 NULL},
    .run = s_run};
