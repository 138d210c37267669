//  supervisor.h - the actor that speaks for its process: its state, and its stop
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SUPERVISOR_H
#define KITH_SUPERVISOR_H

#include "runtime/actor.h"

//  Address {supervisor, place of the process in the topology}. Answers process_status and stop.
const kith_behaviour_t *kith_supervisor_behaviour (void);

#endif
