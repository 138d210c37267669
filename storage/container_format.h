//  container_format.h - places and checksums in a container file; private to its writer and its reader
//  SPDX-License-Identifier: Apache-2.0
//
//  Byte by byte in docs/reference/snapshot.md. All numbers are little-endian.
#ifndef KITH_CONTAINER_FORMAT_H
#define KITH_CONTAINER_FORMAT_H

#include "base/bytes.h"

#define KITH_CONTAINER_VERSION 1u

#define KITH_CONTAINER_MAGIC 0x5446484bu            //  "KHFT", header
#define KITH_CONTAINER_FOOTER_MAGIC 0x4f46484bu     //  "KHFO"
#define KITH_CONTAINER_TRAILER_MAGIC 0x4e45484bu    //  "KHEN"

#define KITH_CONTAINER_HEADER 64u
#define KITH_CONTAINER_TRAILER 64u
#define KITH_CONTAINER_FOOTER 128u     //  before its section table
#define KITH_CONTAINER_ENTRY 64u       //  of the section table
#define KITH_CONTAINER_BLOCK 65536u    //  bytes under one checksum
#define KITH_CONTAINER_BYTES_MAX (1ull << 40)

//  Flags of a section table's entry
#define KITH_CONTAINER_COLUMN 1u    //  a column block: rows and nulls are set
#define KITH_CONTAINER_RANGE 2u     //  min and max are set

//  A checksum as it is stored. CRC (bytes . CRC (bytes)) is the same number for all bytes, so a CRC of the
//  whole file would be blind to whatever a plain CRC inside the file covers; turned and added to, it is not.
static inline uint32_t
kith_container_mask (uint32_t crc)
{
    return (crc >> 17 | crc << 15) + 0x6b746831u;
}

//  CRC32C of a . b, from CRC32C of a, CRC32C of b, and shift = kith_container_shift (bytes of b)
uint32_t kith_container_shift (uint64_t bytes);
uint32_t kith_container_combine (uint32_t crc_a, uint32_t crc_b, uint32_t shift);

#endif
