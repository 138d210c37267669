//  prescan.h - a look over msgpack bytes before anything is allocated for them; for codecs alone
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_PRESCAN_H
#define KITH_PRESCAN_H

#include "codecs/codec.h"

//  As kith_prescan; also how many objects there are inside the outermost one, so that the unpacker's
//  memory can be had in one piece.
int
kith_prescan_count (const void *data, size_t size, size_t *objects, kith_error_t *error);

#endif
