//  log_file.h - the state of a log in files; for storage/log_*.c alone
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_LOG_FILE_H
#define KITH_LOG_FILE_H

#include "storage/log_index.h"
#include "storage/log_scan.h"
#include "storage/mark.h"

#include <pthread.h>

//  The end of the chain: what the next record goes on from
typedef struct {
    uint64_t seq;
    uint64_t timestamp;
    uint64_t epoch;
    uint32_t crc;    //  of the last record's header
} kith_log_chain_t;

//  append, open and close come one at a time; read and trim may run beside them. What they share is changed
//  and read under the mutex; the files themselves need none, since synced bytes never change.
typedef struct {
    kith_log_t log;             //  the port; first
    kith_fs_t *fs;              //  file port, not ours
    char *path;                 //  directory
    uint64_t file_bytes_max;    //  a file that would grow longer is followed by a new one
    kith_file_t *lock;          //  LOCK, held from the first open to close
    kith_log_open_t options;    //  of the present opening
    bool open;                  //  records may be appended
    uint32_t doomed;      //  number of a file out of the index, not yet removed; 0: none
    bool dir_unsynced;    //  a removal is not yet durable
    kith_mark_file_t *mark_file;    //  MARK
    pthread_mutex_t mark_mutex;     //  one write of it at a time
    kith_mark_t mark;               //  what it holds
    kith_file_t *file;              //  newest log file
    kith_bytes_t buffer;            //  append in the making
    kith_log_chain_t written;       //  end of it
    pthread_mutex_t mutex;          //  for all below
    kith_log_chain_t synced;        //  end of what is synced
    kith_log_index_t index;         //  synced records
} kith_log_file_t;

//  "PATH/000012.log", or with another ending; freed by the caller.
char *
kith_log_file_path (const kith_log_file_t *self, uint32_t number, const char *ending);

//  Makes file `number` whose first record follows `chain`, synced and named. Null: it is not there.
kith_file_t *kith_log_file_make (kith_log_file_t *self, uint32_t number,
                                 const kith_log_chain_t *chain, kith_error_t *error);

//  Writes and syncs a mark, unless the file holds it already.
int kith_log_file_mark (kith_log_file_t *self, kith_mark_t mark, kith_error_t *error);

//  The port's read.
int
kith_log_file_read (kith_log_t *log, uint64_t after, uint64_t channel, uint64_t bytes_max,
                    kith_bytes_t *out, uint64_t *covered, kith_error_t *error);

//  PROTOCOL L1-L4; fills the state of an opening.
int kith_log_file_recover (kith_log_file_t *self, kith_error_t *error);

#endif
