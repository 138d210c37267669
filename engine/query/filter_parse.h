//  filter_parse.h - filter text -> checked tree
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FILTER_PARSE_H
#define KITH_FILTER_PARSE_H

#include "engine/query/filter_tree.h"

//  Parses text into filter->root.
int kith_filter_parse (kith_filter_t *filter, const char *text, kith_error_t *error);

#endif
