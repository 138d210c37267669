//  log_line.h - structured log lines: time, level, process, actor, key=value
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LOG_LINE_H
#define KITH_LOG_LINE_H

#include "codecs/msg.h"

typedef struct kith_log_line kith_log_line_t;

//  Lines to descriptor fd (not closed). level: the least that is written: 'e', 'w', 'i' or 'd'. At most per_second
//  lines of one level a second (0: no bound); how many were left out is said in the next line.
kith_log_line_t *kith_log_line_new (int fd, const char *process, char level, bool json,
                                    uint32_t per_second);
void kith_log_line_destroy (kith_log_line_t **self_p);

//  Writes a line; text is words and key=value. From any thread. who.role KITH_ROLE_COUNT: the process itself.
void kith_log_line_write (kith_log_line_t *self, char level, kith_address_t who,
                          const char *text);

#endif
