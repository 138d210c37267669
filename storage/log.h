//  log.h - the log port: ordered, durable, fenced records
//  SPDX-License-Identifier: Apache-2.0
//
//  A record in a file, in a FETCH answer and in memory is the same bytes: a header of 128 bytes, the body,
//  zeros up to a multiple of 64.
//
//       0  u32 magic "KREC"   4  u16 version (1)   6  u8 kind   7  u8 zero
//       8  u64 cluster       16  u32 log          20  u32 partition
//      24  u64 epoch         32  u64 seq          40  u64 channel      48  u64 timestamp (hybrid)
//      56  u8 client [16]    72  u64 counter      80  u32 part         84  u32 rows
//      88  u64 body bytes (without the padding)
//      96  u32 CRC of the previous record's header (0 before a log's first)
//     100  u32 CRC32C of the body           104  u32 behind           108  16 zero bytes
//     124  u32 CRC32C of bytes 0..123
//
//  behind: bytes of the same append before this record. Records of one append are synced together, so a power
//  loss may leave any of them; a whole record whose append began after a damaged one proves that one was synced.
//
//  Body: INSERT: a batch (base/column.h) of user fields; DELETE: a batch of the key field alone; SEAL, DROP: none.
#ifndef KITH_LOG_H
#define KITH_LOG_H

#include "base/bytes.h"
#include "base/error.h"
#include "storage/fs.h"

#define KITH_RECORD_HEADER 128u

typedef enum {
    KITH_RECORD_INSERT = 1,
    KITH_RECORD_DELETE = 2,
    KITH_RECORD_SEAL = 3,
    KITH_RECORD_EPOCH = 4,      //  Kafka: no seq, outside the chain
    KITH_RECORD_BARRIER = 5,    //  likewise
    KITH_RECORD_DROP = 6        //  ends every row of its partition that is older
} kith_record_kind_t;

typedef struct {
    uint8_t client [16];
    uint64_t counter;
    uint32_t part;
} kith_request_t;

typedef struct {
    kith_record_kind_t kind;
    uint64_t cluster;
    uint32_t log;
    uint32_t partition;
    uint64_t epoch;
    uint64_t seq;
    uint64_t channel;
    uint64_t timestamp;
    kith_request_t request;
    uint32_t rows;
    uint32_t behind;        //  set by a log's append
    const uint8_t *body;    //  in the opened bytes, or the caller's
    uint64_t body_bytes;
} kith_record_t;

//  It stands in the log's chain. A request of a client wrote it.
bool kith_record_has_seq (kith_record_kind_t kind);
bool kith_record_is_write (kith_record_kind_t kind);

//  Bytes that a record with such a body takes.
uint64_t kith_record_bytes (uint64_t body_bytes);

//  Appends a record; previous_crc as in the header. Returns this record's header CRC.
uint32_t
kith_record_put (kith_bytes_t *out, const kith_record_t *record, uint32_t previous_crc);

//  Opens the record at `bytes`, all checks made; *used = its length, *header_crc (may be null) its CRC,
//  *previous_crc (may be null) the one it names. PROTOCOL/CORRUPT with the reason otherwise.
int
kith_record_open (kith_record_t *self, const void *bytes, uint64_t size, uint64_t *used,
                  uint32_t *header_crc, uint32_t *previous_crc, kith_error_t *error);

//  What an opening is told by metadata (PROTOCOL L1-L4)
typedef struct {
    uint64_t cluster;
    uint32_t log;
    uint64_t epoch;    //  just taken by T1
    uint64_t base;     //  seq before this home's first record
    bool home_new;     //  the directory may be made
} kith_log_open_t;

typedef void (kith_record_fn) (void *arg, const kith_record_t *record);

typedef struct kith_log {
    //  L1 lock, L2 mark, L3 directory (not T6), L4 (1)-(3): read, cut a torn tail above the mark, sync what was
    //  read, write the mark. LOCKED, NOT_OWNER (mark's epoch is greater), LOST (end below the mark), CORRUPT (file, offset, reason).
    //  May be called again on the same handle, at a greater epoch.
    int (*open) (struct kith_log *self, const kith_log_open_t *options,
                 kith_error_t *error);
    //  Appends records with seq = last + 1, last + 2 ... and the opening's epoch, in one write and one sync. After an
    //  error nothing more can be appended until the next open; what happened to these records is unknown.
    int (*append) (struct kith_log *self, const kith_record_t *records, size_t count,
                   kith_error_t *error);
    //  Appends to out the synced records with seq > after, of one channel (0: all), until about `bytes_max` (at
    //  least one). *covered = seq up to which nothing of the channel is missing. TRIMMED if after < first - 1.
    //  May run beside append and trim.
    int (*read) (struct kith_log *self, uint64_t after, uint64_t channel,
                 uint64_t bytes_max, kith_bytes_t *out, uint64_t *covered,
                 kith_error_t *error);
    uint64_t (*last) (struct kith_log *self);     //  newest synced seq
    uint64_t (*first) (struct kith_log *self);    //  oldest seq kept; last + 1 when empty
    uint64_t (*last_timestamp) (struct kith_log *self);
    //  Syncs the mark {epoch, last}: called 1 s after new records and at stop.
    int (*mark) (struct kith_log *self, kith_error_t *error);
    //  May drop records with seq <= seq (whole files only).
    int (*trim) (struct kith_log *self, uint64_t seq, kith_error_t *error);
    void (*close) (struct kith_log **self_p);
} kith_log_t;

//  Files 000001.log, 000002.log ... of at most file_bytes_max (0: 64 MiB), LOCK and MARK in directory path. Touches nothing
//  before open. The lock is held until the handle is closed.
kith_log_t *kith_log_file_new (kith_fs_t *fs, const char *path, uint64_t file_bytes_max);

//  In memory, same rules; image as in kv.h.
typedef struct kith_log_image kith_log_image_t;
kith_log_image_t *kith_log_image_new (void);
void kith_log_image_destroy (kith_log_image_t **self_p);
kith_log_t *kith_log_mem_new (kith_log_image_t *image);

//  Reads every record of one log file, for zactor dump log; fn also gets the position by `at`.
int kith_log_file_dump (kith_fs_t *fs, const char *path,
                        void (*fn) (void *arg, uint64_t at, const kith_record_t *record),
                        void *arg, kith_error_t *error);

#endif
