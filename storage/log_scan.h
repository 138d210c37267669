//  log_scan.h - reads log files from end to end in large pieces; for storage/log_*.c alone
//  SPDX-License-Identifier: Apache-2.0
//
//  A log file begins with a header of 64 bytes; its records follow one after another.
//
//       0  u32 magic "KLOG"     4  u32 version (1)     8  u64 cluster
//      16  u32 log             20  u32 number (that in its name)
//      24  u64 first: seq of its first record, also when it has none yet
//      32  u64 timestamp of the record before first (0: none)
//      40  u32 CRC of the header of the record before first (0: none)
//      44  16 zero bytes       60  u32 CRC32C of bytes 0..59
#ifndef KITH_LOG_SCAN_H
#define KITH_LOG_SCAN_H

#include "storage/log.h"

#define KITH_LOG_FILE_HEADER 64u

typedef struct {
    uint64_t cluster;
    uint32_t log;
    uint32_t number;
    uint64_t first;
    uint64_t previous_timestamp;
    uint32_t previous_crc;
} kith_log_header_t;

void kith_log_header_put (uint8_t *out, const kith_log_header_t *header);

//  Reads one log file through a window; plain struct, opened and closed.
typedef struct {
    kith_fs_t *fs;          //  file port, not ours
    kith_file_t *file;      //  ours while open
    const char *path;       //  the caller's, for messages
    uint64_t size;          //  bytes of the file
    kith_bytes_t window;    //  some of them
    uint64_t window_at;     //  where the window begins
    kith_log_header_t header;
} kith_log_scan_t;

//  Opens a file and checks its header. The caller keeps path. NOT_FOUND, CORRUPT, VERSION.
int kith_log_scan_open (kith_log_scan_t *self, kith_fs_t *fs, const char *path,
                        kith_error_t *error);
void kith_log_scan_close (kith_log_scan_t *self);

//  What came of looking at a place
typedef enum {
    KITH_SCAN_RECORD,    //  a whole record
    KITH_SCAN_END,       //  the file ends here
    KITH_SCAN_CUT,       //  the file ends before the record does
    KITH_SCAN_BAD,       //  bytes that are no record
    KITH_SCAN_FAILED     //  the file cannot be read
} kith_scan_result_t;

//  A record, its length and the two checksums of its chain
typedef struct {
    kith_record_t record;    //  its body points into the window: good until the next call
    uint64_t at;
    uint64_t bytes;
    uint32_t crc;
    uint32_t previous_crc;
} kith_scan_record_t;

//  Looks at position `at`; error says file, position and reason when it is CUT, BAD or FAILED.
kith_scan_result_t kith_log_scan_record (kith_log_scan_t *self, uint64_t at,
                                         kith_scan_record_t *found, kith_error_t *error);

//  Where a record after the damaged one at `at` may begin at the earliest: behind its body if its header is
//  whole, so that what a client stored is not taken for records. UINT64_MAX: the file cannot be read.
uint64_t kith_log_scan_after (kith_log_scan_t *self, uint64_t at, kith_error_t *error);

//  Finds the first whole record at or after `from`; RECORD, END or FAILED.
kith_scan_result_t kith_log_scan_next (kith_log_scan_t *self, uint64_t from,
                                       kith_scan_record_t *found, kith_error_t *error);

#endif
