//  huge.h - big anonymous memory in huge pages
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_HUGE_H
#define KITH_HUGE_H

#include "base/base.h"

//  Zeroed memory, 64-byte aligned, from 4 MiB on in pages of 2 MiB if the system grants them (random reads then miss the
//  TLB less); freed with free (). Null: none left.
void *kith_huge_new (size_t bytes);

#endif
