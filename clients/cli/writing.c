//  writing.c - what insert, import and delete share
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/writing.h"

kith_bytes_t
kith_writing_token (const kith_writer_t *writer)
{
    kith_bytes_t token = {0};
    kith_token_print (kith_writer_token (writer), &token);
    return token;
}

int
kith_writing_end (kith_cli_t *cli, kith_writer_t *writer, int result, const char *done,
                  kith_error_t *error)
{
    kith_error_t later = {0};
    if (kith_writer_finish (writer, &later) != 0 && result == 0) {
        *error = later;
        result = -1;
    }
    uint64_t rows = kith_writer_written (writer);
    char count [32];
    if (result != 0) {
        int status = kith_cli_fail (cli, error, NULL);
        if (rows)
            kith_cli_note (cli, "%s row%s were %s before", kith_show_count (rows, count),
                           rows == 1 ? "" : "s", done);
        return status;
    }
    kith_bytes_t out = {0}, token = kith_writing_token (writer);
    if (cli->json)
        kith_bytes_printf (&out,
                           "{\"rows\": %" PRIu64 ", \"token\": \"%s\", \"ms\": %.1f}",
                           rows, (const char *) token.data, kith_cli_ms (cli));
    else
        kith_bytes_printf (&out, "%s %s row%s (token %s)", done,
                           kith_show_count (rows, count), rows == 1 ? "" : "s",
                           (const char *) token.data);
    kith_bytes_free (&token);
    return kith_cli_print (&out);
}
