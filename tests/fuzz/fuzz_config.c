//  fuzz_config - hostile text as a configuration: refused with a reason, or a topology that can be used
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    kith_error_t error = {.at = -1};
    char *text = kith_new (size + 1);
    memcpy (text, data, size);
    kith_config_t *config = kith_config_parse (text, "fuzz.zpl", NULL, &error);
    if (!config && (error.code == KITH_OK || !*error.message))
        abort ();
    if (config) {
        const kith_topology_t *topology = kith_config_topology (config);
        kith_bytes_t printed = {0};
        for (uint32_t i = 0; i < topology->actor_count; i++)
            if (topology->actors [i].process >= topology->process_count)
                abort ();
        kith_config_print (config, &printed);
        kith_bytes_free (&printed);
    }
    kith_config_destroy (&config);
    free (text);
    return 0;
}
