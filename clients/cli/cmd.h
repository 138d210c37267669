//  cmd.h - the commands of zactor, one file each
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CMD_H
#define KITH_CMD_H

#include "clients/cli/options.h"

extern const kith_command_t kith_cmd_run;
extern const kith_command_t kith_cmd_status;
extern const kith_command_t kith_cmd_stop;
extern const kith_command_t kith_cmd_collection_create;
extern const kith_command_t kith_cmd_collection_list;
extern const kith_command_t kith_cmd_collection_describe;
extern const kith_command_t kith_cmd_collection_drop;
extern const kith_command_t kith_cmd_partition_create;
extern const kith_command_t kith_cmd_partition_list;
extern const kith_command_t kith_cmd_partition_drop;
extern const kith_command_t kith_cmd_index_create;
extern const kith_command_t kith_cmd_index_describe;
extern const kith_command_t kith_cmd_index_drop;
extern const kith_command_t kith_cmd_insert;
extern const kith_command_t kith_cmd_import;
extern const kith_command_t kith_cmd_delete;
extern const kith_command_t kith_cmd_search;
extern const kith_command_t kith_cmd_query;
extern const kith_command_t kith_cmd_flush;
extern const kith_command_t kith_cmd_load;
extern const kith_command_t kith_cmd_release;
extern const kith_command_t kith_cmd_dump_log;
extern const kith_command_t kith_cmd_dump_snapshot;
extern const kith_command_t kith_cmd_dump_message;
extern const kith_command_t kith_cmd_dump_metadata;
extern const kith_command_t kith_cmd_sim;
extern const kith_command_t kith_cmd_completion;
extern const kith_command_t kith_cmd_man;
extern const kith_command_t kith_cmd_help;

#endif
