//  crc32c_cpu.h - the two ways to compute the checksum; for crc32c.c and its test alone
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CRC32C_CPU_H
#define KITH_CRC32C_CPU_H

#include "base/base.h"

//  True if this CPU has the instruction.
bool kith_crc32c_cpu_has (void);

//  The checksum by instruction (only if cpu_has) and by table, without the inversion at both ends.
uint32_t kith_crc32c_by_cpu (uint32_t crc, const uint8_t *data, size_t size);
uint32_t kith_crc32c_by_table (uint32_t crc, const uint8_t *data, size_t size);

extern const uint32_t kith_crc32c_table [8][256];

#endif
