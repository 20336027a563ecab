/* SPDX-License-Identifier: MIT */
/* cdc-log: change events as plain files. Its first argument says what is to be done; each such subcommand is a program of its own with
 * its options (cmd/log). */
#include <string.h>

#include "cmd/log/log.h"

static const struct log_command *const commands[] = {
    &log_command_append, &log_command_read,  &log_command_compact, &log_command_trim,   &log_command_stat,
    &log_command_verify, &log_command_prove, &log_command_purge,   &log_command_repair,
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void help_of_commands(struct cdc_buf *out)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct log_command *command = commands[i];
        cdc_buf_printf(out, "\n%s %s\n  %s\n", command->name, command->synopsis, command->summary);
        cdc_options_help(out, command->options);
        cdc_options_help(out, command->more_options);
    }
}

static const struct log_command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* Without a subcommand there is only --help and --version. */
static int refuse(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    (void)program;
    if (operands.count == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "what is to be done is missing: append, read, ...");
    return cdc_error_set(error, CDC_EXIT_USAGE, "\"%.80s\" is none of its subcommands, which come first",
                         operands.items[0]);
}

static int run_command(const struct log_command *command, int argc, char **argv)
{
    char synopsis[256] = "";
    struct program program = {.name = "cdc-log",
                              .tool = command->tool,
                              .synopsis = synopsis,
                              .summary = command->summary,
                              .options = command->options,
                              .values = command->values,
                              .more_options = command->more_options,
                              .more_values = command->more_values,
                              .exit_statuses = command->exit_statuses,
                              .run = command->run};

    strcat(strcat(strcat(synopsis, command->name), " "), command->synopsis);
    if (command->init != NULL)
        command->init();
    return program_main(&program, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    struct program program = {.name = "cdc-log",
                              .synopsis = "SUBCOMMAND [options] DIR",
                              .summary = "Keeps change events as plain files, and gives them to any number of readers.",
                              .more_help = help_of_commands,
                              .exit_statuses = "0 64 65 70 74 75 77 78 79",
                              .run = refuse};
    const struct log_command *command = argc > 1 ? find(argv[1]) : NULL;

    return command != NULL ? run_command(command, argc, argv) : program_main(&program, argc, argv);
}
