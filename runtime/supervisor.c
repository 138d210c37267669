//  supervisor - the actor that speaks for its process: its state, and its stop
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor.h"
#include "runtime/loop_state.h"

#define STOP_AFTER_US                                                                    \
    50000    //  so that the answer is out before the way to the asker is gone
#define TAG_STOP 1

typedef struct {
    bool stopping;    //  the stop was asked for
} s_supervisor_t;

static void *
s_init (kith_ctx_t *ctx, zconfig_t *config)
{
    (void) ctx;
    (void) config;
    return kith_new (sizeof (s_supervisor_t));
}

static void
s_process_status (kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_msg_t *answer = kith_msg_new (KITH_KIND_PROCESS_STATED);
    kith_proto_process_stated_t *body = answer->body;
    kith_process_describe (ctx->loop->host.process, &body->info, &answer->arena);
    body->info.incarnation = kith_ctx_self (ctx).incarnation;
    kith_ctx_reply (ctx, msg_p, &answer);
}

static void
s_stop_process (s_supervisor_t *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_msg_t *msg = *msg_p;
    const kith_proto_stop_t *body = msg->body;
    const kith_process_t *process = ctx->loop->host.process;
    const char *name =
        kith_process_topology (process)->processes [kith_process_ordinal (process)].name;
    if (*body->process && strcmp (body->process, name) != 0) {
        kith_error_t error;
        kith_error_set (&error, KITH_ERR_NOT_FOUND, "this process is %s, not %s", name,
                        body->process);
        kith_ctx_fail (ctx, msg_p, &error);
        return;
    }
    kith_msg_t *answer = kith_msg_new (KITH_KIND_OK);
    kith_ctx_reply (ctx, msg_p, &answer);
    if (!self->stopping)
        kith_ctx_after (ctx, STOP_AFTER_US, TAG_STOP);
    self->stopping = true;
}

static void
s_handle (void *self, kith_ctx_t *ctx, kith_msg_t **msg_p)
{
    kith_msg_t *msg = *msg_p;
    if (msg->kind == KITH_KIND_PROCESS_STATUS)
        s_process_status (ctx, msg_p);
    else if (msg->kind == KITH_KIND_STOP)
        s_stop_process (self, ctx, msg_p);
    else {
        kith_error_t error;
        kith_error_set (&error, KITH_ERR_PROTOCOL, "a supervisor does not answer %s",
                        kith_kind_name (msg->kind));
        kith_ctx_fail (ctx, msg_p, &error);
    }
}

static void
s_timeout (void *self, kith_ctx_t *ctx, int tag)
{
    (void) self;
    assert (tag == TAG_STOP);
    kith_process_stop (ctx->loop->host.process);
}

static void
s_stop (void **self_p, kith_ctx_t *ctx)
{
    (void) ctx;
    free (*self_p);
    *self_p = NULL;
}

const kith_behaviour_t *
kith_supervisor_behaviour (void)
{
    static const kith_behaviour_t behaviour = {.name = "supervisor",
                                               .role = KITH_ROLE_SUPERVISOR,
                                               .init = s_init,
                                               .handle = s_handle,
                                               .timeout = s_timeout,
                                               .stop = s_stop};
    return &behaviour;
}
