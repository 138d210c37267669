//  kv.h - what every metadata store must do, whatever it is made of
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CONFORMANCE_KV_H
#define KITH_CONFORMANCE_KV_H

#include "storage/kv.h"

//  How an implementation is made, opened (again) and thrown away. A place outlives its handles.
typedef struct {
    void *(*place_new) (void);
    kith_kv_t *(*open) (void *place, kith_error_t *error);
    void (*place_destroy) (void *place);
} kith_conformance_kv_t;

//  Runs the whole suite; fails the running Criterion test.
void kith_conformance_kv (const kith_conformance_kv_t *engine);

#endif
