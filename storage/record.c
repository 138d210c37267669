//  record.c - the bytes of a log record
//  SPDX-License-Identifier: Apache-2.0
#include "storage/log.h"

#include "base/crc32c.h"
#include "base/limits.h"

#define MAGIC 0x4345524bu    //  "KREC"
#define VERSION 1u

//  Where the header keeps what (storage/log.h has the table)
enum {
    AT_VERSION = 4,
    AT_KIND = 6,
    AT_ZERO = 7,
    AT_CLUSTER = 8,
    AT_LOG = 16,
    AT_PARTITION = 20,
    AT_EPOCH = 24,
    AT_SEQ = 32,
    AT_CHANNEL = 40,
    AT_TIMESTAMP = 48,
    AT_CLIENT = 56,
    AT_COUNTER = 72,
    AT_PART = 80,
    AT_ROWS = 84,
    AT_BODY_BYTES = 88,
    AT_PREVIOUS = 96,
    AT_BODY_CRC = 100,
    AT_BEHIND = 104,
    AT_ZERO2 = 108,
    AT_CRC = 124
};

bool
kith_record_has_seq (kith_record_kind_t kind)
{
    return kind == KITH_RECORD_INSERT || kind == KITH_RECORD_DELETE
           || kind == KITH_RECORD_SEAL || kind == KITH_RECORD_DROP;
}

bool
kith_record_is_write (kith_record_kind_t kind)
{
    return kind == KITH_RECORD_INSERT || kind == KITH_RECORD_DELETE;
}

uint64_t
kith_record_bytes (uint64_t body_bytes)
{
    return KITH_RECORD_HEADER + kith_round64 (body_bytes);
}

uint32_t
kith_record_put (kith_bytes_t *out, const kith_record_t *record, uint32_t previous_crc)
{
    assert (record->kind >= KITH_RECORD_INSERT && record->kind <= KITH_RECORD_DROP);
    assert (record->body_bytes <= KITH_LOG_RECORD_BYTES_MAX - KITH_RECORD_HEADER);
    size_t bytes = (size_t) kith_record_bytes (record->body_bytes);
    kith_bytes_reserve (out, bytes);
    uint8_t *header = out->data + out->size;
    uint8_t *body = header + KITH_RECORD_HEADER;
    out->size += bytes;
    memset (header, 0, KITH_RECORD_HEADER);
    if (record->body_bytes)
        memcpy (body, record->body, (size_t) record->body_bytes);
    memset (body + record->body_bytes, 0,
            bytes - KITH_RECORD_HEADER - (size_t) record->body_bytes);

    kith_put_u32 (header, MAGIC);
    kith_put_u16 (header + AT_VERSION, VERSION);
    header [AT_KIND] = (uint8_t) record->kind;
    kith_put_u64 (header + AT_CLUSTER, record->cluster);
    kith_put_u32 (header + AT_LOG, record->log);
    kith_put_u32 (header + AT_PARTITION, record->partition);
    kith_put_u64 (header + AT_EPOCH, record->epoch);
    kith_put_u64 (header + AT_SEQ, record->seq);
    kith_put_u64 (header + AT_CHANNEL, record->channel);
    kith_put_u64 (header + AT_TIMESTAMP, record->timestamp);
    memcpy (header + AT_CLIENT, record->request.client, sizeof record->request.client);
    kith_put_u64 (header + AT_COUNTER, record->request.counter);
    kith_put_u32 (header + AT_PART, record->request.part);
    kith_put_u32 (header + AT_ROWS, record->rows);
    kith_put_u64 (header + AT_BODY_BYTES, record->body_bytes);
    kith_put_u32 (header + AT_PREVIOUS, previous_crc);
    kith_put_u32 (header + AT_BODY_CRC,
                  kith_crc32c (0, body, (size_t) record->body_bytes));
    kith_put_u32 (header + AT_BEHIND, record->behind);
    uint32_t crc = kith_crc32c (0, header, AT_CRC);
    kith_put_u32 (header + AT_CRC, crc);
    return crc;
}

static int
s_check_header (const uint8_t *header, uint64_t size, kith_error_t *error)
{
    if (size < KITH_RECORD_HEADER)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "record: %" PRIu64 " bytes are there, its header has %u",
                               size, KITH_RECORD_HEADER);
    if (kith_get_u32 (header) != MAGIC)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "record: it does not begin with KREC");
    if (kith_get_u32 (header + AT_CRC) != kith_crc32c (0, header, AT_CRC))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "record: the header fails its checksum");
    uint16_t version = kith_get_u16 (header + AT_VERSION);
    if (version != VERSION)
        return kith_error_set (error, KITH_ERR_VERSION,
                               "record: version %u, this program knows %u", version,
                               VERSION);
    uint8_t kind = header [AT_KIND];
    if (kind < KITH_RECORD_INSERT || kind > KITH_RECORD_DROP)
        return kith_error_set (error, KITH_ERR_PROTOCOL, "record: unknown kind %u", kind);
    static const uint8_t zeros [AT_CRC - AT_ZERO2];
    if (header [AT_ZERO] || memcmp (header + AT_ZERO2, zeros, sizeof zeros) != 0)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "record: unknown bytes in its header");
    uint64_t body_bytes = kith_get_u64 (header + AT_BODY_BYTES);
    if (body_bytes > KITH_LOG_RECORD_BYTES_MAX - KITH_RECORD_HEADER)
        return kith_error_set (
            error, KITH_ERR_LIMIT,
            "record: a body of %" PRIu64 " bytes, at most %u are allowed", body_bytes,
            KITH_LOG_RECORD_BYTES_MAX - KITH_RECORD_HEADER);
    return 0;
}

//  The padding is checked too: every stored byte is either right or refused
static bool
s_padding_zero (const uint8_t *body, uint64_t body_bytes)
{
    uint8_t any = 0;
    for (uint64_t at = body_bytes; at < kith_round64 (body_bytes); at++)
        any |= body [at];
    return any == 0;
}

int
kith_record_open (kith_record_t *self, const void *bytes, uint64_t size, uint64_t *used,
                  uint32_t *header_crc, uint32_t *previous_crc, kith_error_t *error)
{
    assert (self && used && (bytes || size == 0));
    const uint8_t *header = bytes;
    if (s_check_header (header, size, error) != 0)
        return -1;
    uint64_t body_bytes = kith_get_u64 (header + AT_BODY_BYTES);
    uint64_t total = kith_record_bytes (body_bytes);
    if (total > size)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "record: %" PRIu64 " bytes are there, it has %" PRIu64,
                               size, total);
    const uint8_t *body = header + KITH_RECORD_HEADER;
    if (kith_get_u32 (header + AT_BODY_CRC) != kith_crc32c (0, body, (size_t) body_bytes))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "record: the body fails its checksum");
    if (!s_padding_zero (body, body_bytes))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "record: bytes after its body are not zero");

    *self = (kith_record_t){.kind = (kith_record_kind_t) header [AT_KIND],
                            .cluster = kith_get_u64 (header + AT_CLUSTER),
                            .log = kith_get_u32 (header + AT_LOG),
                            .partition = kith_get_u32 (header + AT_PARTITION),
                            .epoch = kith_get_u64 (header + AT_EPOCH),
                            .seq = kith_get_u64 (header + AT_SEQ),
                            .channel = kith_get_u64 (header + AT_CHANNEL),
                            .timestamp = kith_get_u64 (header + AT_TIMESTAMP),
                            .request = {.counter = kith_get_u64 (header + AT_COUNTER),
                                        .part = kith_get_u32 (header + AT_PART)},
                            .rows = kith_get_u32 (header + AT_ROWS),
                            .behind = kith_get_u32 (header + AT_BEHIND),
                            .body = body,
                            .body_bytes = body_bytes};
    memcpy (self->request.client, header + AT_CLIENT, sizeof self->request.client);
    *used = total;
    if (header_crc)
        *header_crc = kith_get_u32 (header + AT_CRC);
    if (previous_crc)
        *previous_crc = kith_get_u32 (header + AT_PREVIOUS);
    return 0;
}
