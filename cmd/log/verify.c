/* SPDX-License-Identifier: MIT */
/* cdc-log verify. */
#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

static struct {
    const char *checkpoint, *key, *checkpoint_to, *sign;
} values;

#define AT(member) offsetof(__typeof__(values), member)
static const struct cdc_option table[] = {
    OPTION_HEADING("Options of verify"),
    OPTION_TEXT("checkpoint", AT(checkpoint), "FILE", "the log must go on from this one, which was kept"),
    OPTION_TEXT("key", AT(key), "FILE", "public key that must have signed it"),
    OPTION_TEXT("checkpoint-to", AT(checkpoint_to), "FILE", "write a checkpoint of what is there"),
    OPTION_TEXT("sign", AT(sign), "FILE", "private key to sign it with"),
    OPTION_END,
};

static int check_options(struct cdc_error *error)
{
    if ((values.checkpoint == NULL) != (values.key == NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--checkpoint and --key go together");
    if ((values.checkpoint_to == NULL) != (values.sign == NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--checkpoint-to and --sign go together");
    return 0;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct cdc_buf report = CDC_BUF_INIT;

    const char *path = log_command_folder(operands, error);
    struct log_verify_settings settings = {path,        values.checkpoint, values.key,       values.checkpoint_to,
                                           values.sign, &program->log,     &program->control};
    int result = path != NULL ? check_options(error) : -1;
    if (result == 0)
        result = log_verify(&settings, &report, error);
    return result == 0 ? program_write(&report, error) : (cdc_buf_free(&report), -1);
}

const struct log_command log_command_verify = {
    .name = "verify",
    .synopsis = "[options] DIR",
    .summary = "Proves that no line of a log was changed, removed or added.",
    .options = table,
    .values = &values,
    .exit_statuses = "0 64 65 70 74 75 77 78 79",
    .run = run,
};
