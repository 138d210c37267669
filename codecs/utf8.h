//  utf8.h - which bytes are UTF-8 text
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_UTF8_H
#define KITH_UTF8_H

#include "base/bytes.h"

//  Bytes of the longest beginning that is UTF-8 (RFC 3629) without a NUL; size: all of it.
size_t kith_utf8_run (const void *text, size_t size);

//  Appends text with "?" for each byte that is no UTF-8 (no terminating NUL).
void kith_utf8_repair (const void *text, size_t size, kith_bytes_t *out);

#endif
