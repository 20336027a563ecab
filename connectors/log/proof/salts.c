/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/log/proof/salts.h"

int log_salts_open(struct log_salts *salts, const struct log_folder *folder, uint64_t start, struct cdc_error *error)
{
    struct cdc_error why = {0};

    *salts = (struct log_salts){.fd = -1, .start = start, .none = !folder->redactable};
    if (salts->none)
        return 0;
    salts->block = malloc(LOG_SALTS_BLOCK);
    if (salts->block == NULL)
        return cdc_error_memory(error);
    salts->fd = log_part_open(folder, LOG_SALTS, start, O_RDONLY, &why);
    if (salts->fd >= 0 || (errno == ENOENT && why.status != CDC_EXIT_LOST)) /* LOST: it was trimmed */
        return 0;
    *error = why;
    return -1;
}

void log_salts_close(struct log_salts *salts)
{
    if (salts->fd >= 0)
        close(salts->fd);
    free(salts->block);
    *salts = (struct log_salts){.fd = -1};
}

int log_salts_next(struct log_salts *salts, const unsigned char **salt, struct cdc_error *error)
{
    *salt = NULL;
    if (salts->fd < 0)
        return salts->none;
    if (salts->n - salts->at < LOG_SALT) {
        size_t kept = salts->n - salts->at;
        memmove(salts->block, salts->block + salts->at, kept);
        ssize_t got = read(salts->fd, salts->block + kept, LOG_SALTS_BLOCK - kept);
        if (got < 0)
            return cdc_error_set(error, CDC_EXIT_IO, "unable to read the salts: %s", strerror(errno));
        salts->n = kept + (size_t)got;
        salts->at = 0;
    }
    if (salts->n < LOG_SALT)
        return 0;
    *salt = salts->block + salts->at;
    salts->at += LOG_SALT;
    return 1;
}

bool log_salts_ended(const struct log_salts *salts)
{
    char more;

    return salts->fd < 0 || (salts->at == salts->n && read(salts->fd, &more, 1) == 0);
}
