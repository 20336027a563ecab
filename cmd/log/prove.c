/* SPDX-License-Identifier: MIT */
/* cdc-log prove. */
#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

static struct {
    const char *checkpoint, *key, *name;
} values;

#define AT(member) offsetof(__typeof__(values), member)
static const struct cdc_option table[] = {
    OPTION_HEADING("Options of prove"),
    OPTION_TEXT("checkpoint", AT(checkpoint), "FILE", "the checkpoint that the line was before"),
    OPTION_TEXT("key", AT(key), "FILE", "public key that must have signed it"),
    OPTION_TEXT("name", AT(name), "NAME", "source of the line, where several have the position"),
    OPTION_END,
};

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct cdc_buf proof = CDC_BUF_INIT;

    if (operands.count != 2)
        return cdc_error_set(error, CDC_EXIT_USAGE, "a folder is expected, and the position of a line (or @BYTE)");
    if (values.checkpoint == NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--checkpoint is missing: a proof leads to one");
    struct log_prove_settings settings = {operands.items[0], operands.items[1], values.name,      values.checkpoint,
                                          values.key,        &program->log,     &program->control};
    if (log_prove(&settings, &proof, error) == 0)
        return program_write(&proof, error);
    cdc_buf_free(&proof);
    return -1;
}

const struct log_command log_command_prove = {
    .name = "prove",
    .synopsis = "[options] DIR POS|@BYTE > FILE",
    .summary = "Writes what proves to others that one line was in a log at a checkpoint.",
    .options = table,
    .values = &values,
    .exit_statuses = "0 64 65 70 74 75 77 78 79",
    .run = run,
};
