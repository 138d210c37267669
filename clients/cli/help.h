//  help.h - help, man pages, completions and the reference page, all from the command tables
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_HELP_H
#define KITH_HELP_H

#include "base/bytes.h"
#include "clients/cli/options.h"

//  What `zactor` alone prints; the list of all commands; help of one command.
void kith_help_short (kith_bytes_t *out);
void kith_help_all (const kith_command_t *const *commands, const kith_option_t *globals,
                    kith_bytes_t *out);
void kith_help_command (const kith_command_t *command, kith_bytes_t *out);

//  Text of a topic; null: there is none.
const char *kith_help_topic (const char *name);

//  "filter consistency ...": the names, and one line each.
const char *const *kith_help_topics (void);

//  Man page (troff) of a command; null command: of zactor itself.
void kith_help_man (const kith_command_t *command, const kith_command_t *const *commands,
                    const kith_option_t *globals, kith_bytes_t *out);

//  docs/reference/cli.md.
void kith_help_markdown (const kith_command_t *const *commands,
                         const kith_option_t *globals, kith_bytes_t *out);

//  A completion script; false: there is no such shell (bash, zsh, fish).
bool kith_help_completion (const char *shell, const kith_command_t *const *commands,
                           const kith_option_t *globals, kith_bytes_t *out);

#endif
