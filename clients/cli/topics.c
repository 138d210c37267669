//  topics.c - what `zactor help TOPIC` tells
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/help.h"

static const char s_filter [] =
    "Filters\n"
    "\n"
    "A filter is a condition on the fields of a row; rows for which it is true pass.\n"
    "\n"
    "  comparisons    rank < 5000    1 <= rank < 10    word == \"king\"    word != "
    "'queen'\n"
    "                 rank between 1 and 3             (= and == are the same)\n"
    "  sets           word in [\"king\", \"queen\"]      rank not in [1, 2, 3]\n"
    "  patterns       word like \"qu%\"    % stands for any text, _ for one character\n"
    "  nulls          note is null       note is not null\n"
    "  logic          and && or || not !    (brackets)    true false\n"
    "  arithmetic     rank % 2 == 0      price * 1.2 + 3 < 100      + - * / % **\n"
    "\n"
    "A comparison with null is not true. Texts stand in single or double quotes, with \\ "
    "before\n"
    "a quote inside. An error shows the place and, for a misspelt field, the nearest "
    "name.\n";

static const char s_consistency [] =
    "Consistency\n"
    "\n"
    "What a search or a query must have seen, --consistency LEVEL:\n"
    "\n"
    "  strong       every write acknowledged before the read began (the default)\n"
    "  session      every write of this client, or of the token that --token names\n"
    "  bounded      every write older than --bounded (5s)\n"
    "  eventually   whatever is there: the fastest\n"
    "\n"
    "insert and delete print a token. `zactor search ... --token TOKEN` sees that write, "
    "on any\n"
    "proxy and from any machine.\n";

static const char s_configuration [] =
    "Configuration\n"
    "\n"
    "`zactor run` without a file is one process on tcp://127.0.0.1:7700 with its data in "
    "./data.\n"
    "`zactor run FILE` reads a configuration: sections `cluster`, `process`, and in each "
    "process\n"
    "its actors. A process section runs as a process of its own.\n"
    "\n"
    "  zactor run --print [FILE]      every key in force, and where its value comes "
    "from\n"
    "  KITH_SECTION_KEY=value         in the environment stands over the file\n"
    "\n"
    "docs/configuration.md has every key. A key that is not known is an error that names "
    "the\n"
    "nearest one.\n";

static const char s_schema [] =
    "Schema\n"
    "\n"
    "A field is 'NAME TYPE [key] [nullable] [METRIC] [default JSON]'.\n"
    "\n"
    "  types        bool int8 int16 int32 int64 float double varchar(N) json\n"
    "  vectors      float_vector(N)      32 bits a number\n"
    "               float16_vector(N)    16 bits, up to 65504\n"
    "               bfloat16_vector(N)   16 bits, 3 digits, as large as float\n"
    "               int8_vector(N)       -128 to 127\n"
    "               binary_vector(N)     bits; N is a multiple of 8\n"
    "  key          exactly one field, int64 or varchar; a row with a key that is there "
    "replaces\n"
    "               that row\n"
    "  nullable     rows may lack it\n"
    "  default      what a row that lacks it gets: 'rank int64 default 0'\n"
    "  METRIC       of a vector field: l2, ip or cosine (the default); of a "
    "binary_vector\n"
    "               hamming (the default) or jaccard\n"
    "\n"
    "Names are letters, digits and _, at most 255. A varchar holds up to 65,535 bytes, a "
    "vector\n"
    "up to 32,768 numbers, a row up to 2 MiB. Numbers for a vector are rounded to the "
    "nearest that\n"
    "its type has (of two as near, the even one); one that is too large is refused.\n";

static const char s_import [] =
    "Import\n"
    "\n"
    "  .jsonl   one JSON object a line: {\"word\": \"king\", \"rank\": 812, \"vector\": "
    "[0.1, 0.2]}\n"
    "  .csv     the first line names the fields; a vector is a JSON array in quotes\n"
    "  .npy     NumPy array (f2 f4 f8, integers, bool, bfloat16), C order\n"
    "  .fbin    two u32, rows and numbers a row, then float32; .u8bin, .i8bin: bytes\n"
    "  .txt     for --column: a value a line\n"
    "\n"
    "One file a column: --column vector=v.npy --column word=words.txt. They have as many "
    "rows\n"
    "each. A .npy or .fbin alone fills the only vector field; keys (int64) are the row "
    "numbers,\n"
    "from --first-key on.\n"
    "\n"
    "Numbers are converted to the type of the field. A binary_vector(N) takes rows of N "
    "bits (0 and\n"
    "1), or of N/8 bytes with the lowest bit first: numpy.packbits (v, axis=1, "
    "bitorder='little').\n"
    "\n"
    "A wrong row stops the import with file and line; --on-error skip leaves it out, and "
    "--errors\n"
    "FILE keeps what was left out. Rows that were acknowledged stay; an import that is "
    "run again\n"
    "replaces them by the same ones.\n";

typedef struct {
    const char *name;
    const char *text;
} topic_t;

static const topic_t s_topics [] = {{"filter", s_filter},
                                    {"consistency", s_consistency},
                                    {"configuration", s_configuration},
                                    {"schema", s_schema},
                                    {"import", s_import},
                                    {NULL, NULL}};

const char *
kith_help_topic (const char *name)
{
    for (const topic_t *topic = s_topics; topic->name; topic++) {
        if (strcmp (topic->name, name) == 0)
            return topic->text;
    }
    return NULL;
}

const char *const *
kith_help_topics (void)
{
    static const char *const names [] = {"filter", "consistency", "configuration",
                                         "schema", "import",      NULL};
    return names;
}
