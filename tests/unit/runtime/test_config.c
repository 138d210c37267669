//  test_config.c - the configuration: what is read, what is refused and how, what is printed
//  SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/helpers.h"
#include <criterion/criterion.h>

#define ACTORS                                                                           \
    "    actor\n        role = \"meta\"\n    actor\n        role = \"root_coord\"\n"     \
    "    actor\n        role = \"data_coord\"\n    actor\n        role = "               \
    "\"query_coord\"\n"                                                                  \
    "    actor\n        role = \"index_coord\"\n    actor\n        role = "              \
    "\"query_node\"\n"                                                                   \
    "    actor\n        role = \"data_node\"\n"
#define PROXY "    actor\n        role = \"proxy\"\n"
#define ONE "process\n    name = \"one\"\n" ACTORS PROXY

//  The text is refused with a message and a hint that contain these (null: no matter)
static void
s_refused (const char *text, const char *const *environment, const char *message,
           const char *hint)
{
    kith_error_t error;
    kith_error_clear (&error);
    kith_config_t *config = kith_config_parse (text, "x.zpl", environment, &error);
    cr_assert_null (config, "accepted: %s", text);
    cr_assert_eq (error.code, KITH_ERR_CONFIG);
    cr_assert_not_null (strstr (error.message, message), "%s", error.message);
    if (hint)
        cr_assert_not_null (strstr (error.hint, hint), "%s (hint: %s)", error.message,
                            error.hint);
}

static char *
s_read (const char *path)
{
    FILE *file = fopen (path, "r");
    cr_assert_not_null (file, "%s", path);
    char *text = kith_new (65536);
    cr_assert_gt (fread (text, 1, 65535, file), 0);
    fclose (file);
    return text;
}

Test (config, what_ships_is_valid_and_standalone_is_compiled_in)
{
    const char *paths [] = {"configs/standalone.zpl", "configs/local-cluster.zpl",
                            "configs/sim/small.zpl", "configs/sim/cluster.zpl"};
    for (size_t place = 0; place < 4; place++) {
        char path [512];
        snprintf (path, sizeof path, "%s/%s", TEST_SOURCE_ROOT, paths [place]);
        char *text = s_read (path);
        kith_config_t *config = test_config (text);
        if (place == 0)
            cr_assert_str_eq (text, kith_config_standalone ());
        if (place == 1)
            cr_assert_geq (kith_config_topology (config)->process_count, 4);
        free (text);
        kith_config_destroy (&config);
    }
}

Test (config, defaults_and_values)
{
    kith_config_t *config =
        test_config ("cluster\n    seal_rows = 2k\n    seal_bytes = 64KB\n"
                     "    seal_time = 5s\n" ONE);
    const kith_topology_t *topology = kith_config_topology (config);
    cr_assert_eq (topology->cluster.seal_rows, 2000);
    cr_assert_eq (topology->cluster.seal_bytes, 65536);
    cr_assert_eq (topology->cluster.seal_ms, 5000);
    cr_assert_eq (topology->cluster.logs, 1);
    cr_assert_eq (topology->cluster.index_rows_min, KITH_INDEX_ROWS_MIN);
    cr_assert_str_eq (topology->cluster.objects_path, "data/objects");
    cr_assert_str_eq (topology->processes [0].data, "data");
    cr_assert_eq (topology->actor_count, 8);
    cr_assert_eq (kith_config_process (config, "one"), 0);
    cr_assert_eq (kith_config_process (config, "two"), 1);
    kith_config_destroy (&config);
}

Test (config, sizes_and_times)
{
    uint64_t value;
    cr_assert_eq (kith_config_size ("2GB", &value), 0);
    cr_assert_eq (value, 2147483648u);
    cr_assert_eq (kith_config_size ("17", &value), 0);
    cr_assert_eq (value, 17);
    cr_assert_eq (kith_config_duration_ms ("2m", &value), 0);
    cr_assert_eq (value, 120000);
    const char *bad [] = {
        "", "KB", "-1KB", "1.5GB", "1kb", "99999999999999999999", "20000000TB"};
    for (size_t place = 0; place < sizeof bad / sizeof bad [0]; place++)
        cr_assert_eq (kith_config_size (bad [place], &value), -1, "%s", bad [place]);
    cr_assert_eq (kith_config_duration_ms ("5", &value), -1, "a time needs its unit");
}

Test (config, a_typo_names_file_line_and_the_nearest_key)
{
    s_refused ("cluster\n    name = \"x\"\n    seal_row = 5\n" ONE, NULL,
               "x.zpl:3: cluster has no key \"seal_row\"", "seal_rows");
    s_refused ("\n# a comment\ncluster\n\n    name = \"x\"\n    lgos = 5\n" ONE, NULL,
               "x.zpl:6:", "logs");
    s_refused ("clutser\n    name = \"x\"\n" ONE, NULL, "x.zpl:1: no section \"clutser\"",
               "cluster, process");
    s_refused ("process\n    name = \"one\"\n    actr\n        role = \"meta\"\n", NULL,
               "x.zpl:3: no section \"actr\"", "actor");
    s_refused ("process\n    name = \"one\"\n    actor\n        rloe = \"meta\"\n", NULL,
               "x.zpl:4: actor has no key \"rloe\"", "role");
    s_refused ("cluster\n    zzzzzzzzzz = 1\n" ONE, NULL, "x.zpl:2:", "keys of cluster");
}

Test (config, a_wrong_value_says_what_is_allowed)
{
    s_refused ("cluster\n    logs = 0\n" ONE, NULL, "a count from 1 to 256", NULL);
    s_refused ("cluster\n    logs = many\n" ONE, NULL, "a count from 1 to 256", NULL);
    s_refused ("cluster\n    seal_time = 5\n" ONE, NULL, "10ms", NULL);
    s_refused ("cluster\n    seal_bytes = 3XB\n" ONE, NULL, "64KB", NULL);
    s_refused ("cluster\n    log = \"kafka\"\n" ONE, NULL, "only file", NULL);
    s_refused ("cluster\n    name = \"a\"\n    name = \"b\"\n" ONE, NULL,
               "x.zpl:3: name stands at line 2 already", NULL);
    s_refused ("process\n    name = \"one\"\n    endpoint = \"udp://x:1\"\n" ACTORS PROXY,
               NULL, "tcp://HOST:PORT", NULL);
    s_refused (
        "process\n    name = \"one\"\n    endpoint = \"tcp://127.0.0.1:70000\"\n" ACTORS
            PROXY,
        NULL, "tcp://HOST:PORT", NULL);
    s_refused ("process\n    name = \"a b\"\n" ACTORS PROXY, NULL, "letters", NULL);
    s_refused ("process\n" ACTORS PROXY, NULL, "x.zpl:1: process needs name", NULL);
    s_refused ("process\n    name = \"one\"\n    actor\n        loop = \"x\"\n", NULL,
               "x.zpl:3: actor needs role", NULL);
}

Test (config, broken_text_is_refused_with_its_line)
{
    s_refused ("cluster\n\tname = \"x\"\n" ONE, NULL, "x.zpl:2: a tab", NULL);
    s_refused ("cluster\n   name = \"x\"\n" ONE, NULL, "x.zpl:2: indented by 3", NULL);
    s_refused ("cluster\n        name = \"x\"\n" ONE, NULL, "x.zpl:2:", NULL);
    s_refused ("cluster\n    name = \"x\n" ONE, NULL, "x.zpl:2: the quote", NULL);
    s_refused ("cluster\n    name =\n" ONE, NULL, "x.zpl:2: no value", NULL);
    s_refused ("cluster\n    = 5\n" ONE, NULL, "x.zpl:2: neither", NULL);
    s_refused ("    cluster\n", NULL, "x.zpl:1:", NULL);
    s_refused ("name = \"x\"\n" ONE, NULL, "x.zpl:1: name stands in no section", NULL);
    s_refused ("", NULL, "no process section", NULL);
    s_refused ("\xff\xfe\x01", NULL, "x.zpl:1:", NULL);
}

Test (config, a_topology_that_cannot_work_is_refused)
{
    s_refused ("process\n    name = \"one\"\n" ACTORS, NULL, "no actor of role proxy",
               NULL);
    s_refused (ONE "    actor\n        role = \"meta\"\n", NULL, "2 actors of role meta",
               NULL);
    s_refused (ONE "    actor\n        role = \"query_node\"\n        index = 5\n", NULL,
               "query_node has index 5, but there are 2", NULL);
    s_refused (ONE "    actor\n        role = \"query_node\"\n        index = 0\n"
                   "    actor\n        role = \"query_node\"\n        index = 0\n",
               NULL, "a second query_node with index 0", NULL);
    s_refused (ONE "    actor\n        role = \"index_node\"\n        listen = "
                   "\"tcp://127.0.0.1:1\"\n",
               NULL, "index_node does not listen", NULL);
    s_refused (ONE "process\n    name = \"two\"\n", NULL, "process one needs an endpoint",
               NULL);
    s_refused (
        "process\n    name = \"one\"\n    endpoint = \"tcp://127.0.0.1:7000\"\n" ACTORS
            PROXY "process\n    name = \"one\"\n    endpoint = \"tcp://127.0.0.1:7001\"\n"
        "    actor\n        role = \"index_node\"\n",
        NULL, "a second process one", NULL);
    s_refused (
        "process\n    name = \"one\"\n    endpoint = \"tcp://127.0.0.1:7000\"\n" ACTORS
            PROXY "process\n    name = \"two\"\n    endpoint = \"tcp://127.0.0.1:7000\"\n"
        "    actor\n        role = \"index_node\"\n",
        NULL, "is used at line", NULL);
    s_refused (
        "process\n    name = \"one\"\n    endpoint = \"tcp://127.0.0.1:*\"\n" ACTORS PROXY
        "process\n    name = \"two\"\n    endpoint = \"tcp://127.0.0.1:7000\"\n"
        "    actor\n        role = \"index_node\"\n",
        NULL, "could not know the port", NULL);
    s_refused (
        "process\n    name = \"one\"\n    endpoint = \"tcp://127.0.0.1:7000\"\n" ACTORS
            PROXY "process\n    name = \"two\"\n    endpoint = \"tcp://127.0.0.1:7001\"\n"
        "    actor\n        role = \"index_node\"\n",
        NULL, "objects_path", NULL);
    s_refused ("cluster\n    objects_path = \"o\"\n"
               "process\n    name = \"one\"\n    endpoint = \"tcp://127.0.0.1:7000\"\n"
               "    data = \"d\"\n" ACTORS PROXY
               "process\n    name = \"two\"\n    endpoint = \"tcp://127.0.0.1:7001\"\n"
               "    data = \"d\"\n    actor\n        role = \"index_node\"\n",
               NULL, "share the data directory d", NULL);
}

Test (config, other_hosts_are_refused_without_keys)
{
    const char *hosts [] = {"10.0.0.1", "*", "0.0.0.0", "example.org"};
    for (size_t place = 0; place < 4; place++) {
        char text [2048];
        snprintf (text, sizeof text, "%s        listen = \"tcp://%s:7700\"\n", ONE,
                  hosts [place]);
        s_refused (text, NULL, "no loopback address", "127.0.0.1");
    }
    const char *good [] = {"tcp://127.0.0.1:7700", "tcp://localhost:1",
                           "tcp://[::1]:65535", "tcp://127.0.0.1:*", "ipc:///tmp/x"};
    for (size_t place = 0; place < 5; place++) {
        char text [2048];
        snprintf (text, sizeof text, "%s        listen = \"%s\"\n", ONE, good [place]);
        kith_config_t *config = test_config (text);
        cr_assert_str_eq (kith_config_topology (config)->actors [7].listen, good [place]);
        kith_config_destroy (&config);
    }
}

Test (config, the_environment_goes_over_the_file)
{
    const char *const environment [] = {"PATH=/bin",
                                        "KITH_CLUSTER_SEAL_ROWS=256",
                                        "KITH_PROCESS_DATA=/d",
                                        "KITH_ACTOR_LISTEN=tcp://127.0.0.1:9",
                                        "KITH_HOME=/x",
                                        NULL};
    kith_error_t error;
    kith_config_t *config = kith_config_parse ("cluster\n    seal_rows = 9\n" ONE,
                                               "x.zpl", environment, &error);
    cr_assert_not_null (config, "%s", error.message);
    const kith_topology_t *topology = kith_config_topology (config);
    cr_assert_eq (topology->cluster.seal_rows, 256);
    cr_assert_str_eq (topology->processes [0].data, "/d");
    cr_assert_str_eq (topology->actors [7].listen, "tcp://127.0.0.1:9");
    cr_assert_str_eq (topology->actors [0].listen, "");
    kith_config_destroy (&config);

    const char *const typo [] = {"KITH_CLUSTER_SEAL_ROW=1", NULL};
    s_refused (ONE, typo, "KITH_CLUSTER_SEAL_ROW", "seal_rows");
    const char *const wrong [] = {"KITH_CLUSTER_SEAL_ROWS=x", NULL};
    s_refused (ONE, wrong, "KITH_CLUSTER_SEAL_ROWS", NULL);
    const char *const many [] = {"KITH_ACTOR_LOOP=x", NULL};
    s_refused (ONE, many, "would give 8 sections", NULL);
}

Test (config, what_is_printed_says_where_from_and_reads_back)
{
    const char *const environment [] = {"KITH_CLUSTER_LOGS=4", NULL};
    kith_error_t error;
    kith_config_t *config = kith_config_parse ("cluster\n    seal_rows = 9\n" ONE,
                                               "x.zpl", environment, &error);
    kith_bytes_t text = {0};
    kith_config_print (config, &text);
    kith_bytes_put_u8 (&text, 0);
    const char *print = (const char *) text.data;
    cr_assert_not_null (strstr (print, "x.zpl:2"), "%s", print);
    cr_assert_not_null (strstr (print, "environment KITH_CLUSTER_LOGS"));
    cr_assert_not_null (strstr (print, "seal_bytes = \"1GB\""));
    cr_assert_not_null (strstr (print, "default"));
    kith_config_t *again = test_config (print);
    cr_assert_str_eq (kith_config_topology (again)->text,
                      kith_config_topology (config)->text);
    kith_bytes_free (&text);
    kith_config_destroy (&again);
    kith_config_destroy (&config);
}

Test (config, all_processes_can_be_one)
{
    char path [512];
    snprintf (path, sizeof path, "%s/configs/local-cluster.zpl", TEST_SOURCE_ROOT);
    char *text = s_read (path);
    kith_config_t *config = test_config (text);
    kith_error_t error;
    kith_config_t *merged = kith_config_merge (config, &error);
    cr_assert_not_null (merged, "%s", error.message);
    const kith_topology_t *before = kith_config_topology (config);
    const kith_topology_t *after = kith_config_topology (merged);
    cr_assert_eq (after->process_count, 1);
    cr_assert_eq (after->actor_count, before->actor_count);
    cr_assert_eq (after->cluster.logs, before->cluster.logs);
    cr_assert_str_eq (after->cluster.objects_path, before->cluster.objects_path);
    for (uint32_t number = 0; number < before->actor_count; number++)
        cr_assert_not_null (kith_topology_find (after, before->actors [number].role,
                                                before->actors [number].index));
    free (text);
    kith_config_destroy (&merged);
    kith_config_destroy (&config);
}

Test (config, a_file_that_is_not_there)
{
    kith_error_t error;
    cr_assert_null (kith_config_load ("/no/such/file.zpl", &error));
    cr_assert_not_null (strstr (error.message, "/no/such/file.zpl"));
    cr_assert_null (kith_config_load ("/", &error));
}

//  Any bytes: an error or a configuration, never a crash
Test (config, random_changes_never_crash)
{
    char *text = kith_strdup (kith_config_standalone ());
    size_t size = strlen (text);
    uint64_t state = 7;
    for (int round = 0; round < 20000; round++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t at = (size_t) (state >> 33) % size;
        char before = text [at];
        static const char bytes [] = " \n\t=\"#'a/0\x80\x01";
        text [at] = bytes [(state >> 20) % (sizeof bytes - 1)];
        kith_error_t error;
        kith_config_t *config = kith_config_parse (text, "x.zpl", NULL, &error);
        kith_config_destroy (&config);
        if (round % 4)
            text [at] = before;
    }
    free (text);
}
