//  schema_default.h - default values of fields, as one-row columns
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SCHEMA_DEFAULT_H
#define KITH_SCHEMA_DEFAULT_H

#include "engine/segments/schema.h"

//  Appends a block of one row to out: the value of field->default_value. Nothing for the text null. INVALID if the text is no value of the
//  field's type.
int
kith_default_parse (const kith_field_t *field, kith_bytes_t *out, kith_error_t *error);

//  The default of a field of this schema as a column of one row; null: none.
const kith_column_t *
kith_schema_default (const kith_schema_t *self, const kith_field_t *field);

#endif
