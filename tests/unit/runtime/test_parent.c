//  test_parent.c - children: ready, restart of one that dies, one that never starts, orderly stop
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/parent.h"
#include "tests/unit/runtime/helpers.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define REST                                                                             \
    "    actor\n        role = \"root_coord\"\n    actor\n        role = "               \
    "\"data_coord\"\n"                                                                   \
    "    actor\n        role = \"query_coord\"\n    actor\n        role = "              \
    "\"index_coord\"\n"                                                                  \
    "    actor\n        role = \"query_node\"\n    actor\n        role = "               \
    "\"data_node\"\n"

static kith_config_t *
s_config (void)
{
    return test_config ("cluster\n    objects_path = \"o\"\n"
                        "process\n    name = \"back\"\n    endpoint = \"ipc://b\"\n"
                        "    actor\n        role = \"meta\"\n" REST
                        "process\n    name = \"front\"\n    endpoint = \"ipc://f\"\n"
                        "    actor\n        role = \"proxy\"\n");
}

static void
s_ready (void *arg, const char *listen)
{
    snprintf (arg, 64, "%s", listen);
    //  As Ctrl-C would
    kill (getpid (), SIGTERM);
}

//  Runs children that are shell scripts: $0 is the process' name, the working directory is `directory`
static int
s_run (const char *directory, const char *script, char listen [64], uint32_t starts [2],
       kith_error_t *error)
{
    kith_config_t *config = s_config ();
    const char *arguments [] = {"sh", "-c", script, NULL};
    kith_parent_options_t options = {.topology = kith_config_topology (config),
                                     .program = "/bin/sh",
                                     .arguments = arguments,
                                     .ready = s_ready,
                                     .arg = listen};
    cr_assert_eq (chdir (directory), 0);
    kith_parent_t *parent = kith_parent_new (&options);
    int rc = kith_parent_run (parent, error);
    for (uint32_t process = 0; process < 2; process++) {
        starts [process] = kith_parent_starts (parent, process);
        cr_assert_eq (kith_parent_pid (parent, process), 0);
    }
    kith_parent_destroy (&parent);
    kith_config_destroy (&config);
    cr_assert_eq (chdir ("/"), 0);
    return rc;
}

//  A child that waits for its end and notes it in the file `order`
#define WAIT                                                                             \
    "mkfifo $0.fifo 2>/dev/null; exec 4<>$0.fifo; "                                      \
    "trap 'echo $0 >> order; exit 0' TERM; echo tcp://$0 > /dev/fd/$KITH_READY_FD; "     \
    "while :; do read line <&4; done"

Test (parent, stops_children_in_order)
{
    char directory [256];
    char listen [64] = "";
    uint32_t starts [2];
    kith_error_t error;
    test_directory (directory);
    cr_assert_eq (s_run (directory, WAIT, listen, starts, &error), 0, "%s",
                  error.message);
    cr_assert_eq (strncmp (listen, "tcp://", 6), 0, "%s", listen);
    cr_assert_eq (starts [0], 1);
    cr_assert_eq (starts [1], 1);
    char path [300];
    char order [64] = "";
    snprintf (path, sizeof path, "%s/order", directory);
    FILE *file = fopen (path, "r");
    cr_assert_not_null (file);
    cr_assert_gt (fread (order, 1, sizeof order - 1, file), 0);
    fclose (file);
    cr_assert_str_eq (order, "front\nback\n");
    test_remove (directory);
}

Test (parent, starts_again_what_died)
{
    char directory [256];
    char listen [64] = "";
    uint32_t starts [2];
    kith_error_t error;
    test_directory (directory);
    //  The first life of front says that it is ready and is killed; back is ready once it heard of the second
    const char *script = "mkfifo second 2>/dev/null; if [ $0 = front ]; then "
                         "if mkdir first 2>/dev/null; then "
                         "echo '' > /dev/fd/$KITH_READY_FD; kill -9 $$; fi; "
                         "echo here > second; else read line < second; fi; " WAIT;
    cr_assert_eq (s_run (directory, script, listen, starts, &error), 0, "%s",
                  error.message);
    cr_assert_eq (starts [0], 1);
    cr_assert_eq (starts [1], 2);
    test_remove (directory);
}

Test (parent, says_who_never_started)
{
    char directory [256];
    char listen [64] = "";
    uint32_t starts [2];
    kith_error_t error;
    test_directory (directory);
    const char *script = "if [ $0 = front ]; then exit 1; fi; " WAIT;
    cr_assert_eq (s_run (directory, script, listen, starts, &error), -1);
    cr_assert_not_null (strstr (error.message, "front"), "%s", error.message);
    cr_assert_str_eq (listen, "");
    cr_assert_eq (starts [1], 1);
    test_remove (directory);
}
