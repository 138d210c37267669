//  writing.h - what insert, import and delete share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_WRITING_H
#define KITH_WRITING_H

#include "clients/cli/cli.h"
#include "clients/writer.h"

#define KITH_WRITING_BYTES                                                               \
    (4u << 20)    //  rows gathered before they are handed to the writer

//  Waits for the end of a writer; tells what was done ("inserted") or the failure (result not 0: error says which). Returns
//  the exit status.
int kith_writing_end (kith_cli_t *cli, kith_writer_t *writer, int result,
                      const char *done, kith_error_t *error);

//  Text of the writer's token, with a NUL; freed by kith_bytes_free.
kith_bytes_t kith_writing_token (const kith_writer_t *writer);

#endif
