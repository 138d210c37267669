//  objects.h - what every object store must do, whatever it is made of
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CONFORMANCE_OBJECTS_H
#define KITH_CONFORMANCE_OBJECTS_H

#include "storage/objects.h"

//  How an implementation is made, opened (again) and thrown away. A place outlives its handles.
typedef struct {
    void *(*place_new) (void);
    kith_objects_t *(*open) (void *place, kith_error_t *error);
    void (*place_destroy) (void *place);
} kith_conformance_objects_t;

//  Runs the whole suite; fails the running Criterion test.
void kith_conformance_objects (const kith_conformance_objects_t *engine);

#endif
