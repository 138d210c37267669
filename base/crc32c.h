//  crc32c.h - the checksum of everything stored and of frames on tcp (Castagnoli polynomial)
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CRC32C_H
#define KITH_CRC32C_H

#include "base/base.h"

//  Goes on from crc (0 for the first bytes). Uses the CPU's instruction where there is one.
uint32_t kith_crc32c (uint32_t crc, const void *data, size_t size);

#endif
