//  fuzz.h - the one function of a fuzz target, by libFuzzer's name for it
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FUZZ_H
#define KITH_FUZZ_H

#include <stddef.h>
#include <stdint.h>

//  One input; returns 0. It must not crash, hang, leak, or let what it accepted differ from what it says.
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#endif
