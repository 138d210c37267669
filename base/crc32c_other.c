//  crc32c_other.c - the checksum by instruction, where there is none
//  SPDX-License-Identifier: Apache-2.0
#include "base/crc32c_cpu.h"

bool
kith_crc32c_cpu_has (void)
{
    return false;
}

uint32_t
kith_crc32c_by_cpu (uint32_t crc, const uint8_t *data, size_t size)
{
    return kith_crc32c_by_table (crc, data, size);
}
