//  fuzz_token - hostile text as a token; what is accepted prints and parses as the same positions
//  SPDX-License-Identifier: Apache-2.0
#include "clients/token.h"
#include "tests/fuzz/fuzz.h"

//  Prints, parses, and compares
static void
s_round (const kith_token_t *token)
{
    kith_bytes_t text = {0};
    kith_token_t again = {0};
    kith_error_t error = {.at = -1};
    kith_token_print (token, &text);
    if (kith_token_parse (&again, (const char *) text.data, &error) != 0
        || again.count != token->count)
        abort ();
    for (uint32_t i = 0; i < token->count; i++)
        if (again.items [i].log != token->items [i].log
            || again.items [i].epoch != token->items [i].epoch
            || again.items [i].seq != token->items [i].seq)
            abort ();
    kith_token_free (&again);
    kith_bytes_free (&text);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    kith_token_t token = {0};
    kith_error_t error = {.at = -1};
    char *text = kith_new (size + 1);
    memcpy (text, data, size);
    //  A token of nothing is printed as nothing
    if (kith_token_parse (&token, text, &error) == 0 && token.count)
        s_round (&token);
    kith_token_free (&token);
    //  And the same bytes as what a token's text holds
    kith_bytes_t coded = {0};
    kith_base64_encode (&coded, data, size);
    kith_bytes_put_u8 (&coded, 0);
    if (kith_token_parse (&token, (const char *) coded.data, &error) == 0 && token.count)
        s_round (&token);
    kith_token_free (&token);
    kith_bytes_free (&coded);
    free (text);
    return 0;
}
