/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/proof/output.h"
#include <cdc/file.h>

#define LEVEL 3 /* of zstd, as sealed segments are compressed */

int log_output_open(struct log_output *out, const struct log_folder *folder, enum log_kind kind, uint64_t start,
                    struct cdc_error *error)
{
    out->folder = folder;
    log_name_make(out->name, kind, start);
    snprintf(out->temporary, sizeof out->temporary, "%s.tmp", out->name);
    if (unlinkat(folder->fd, out->temporary, 0) != 0 && errno != ENOENT)
        return log_file_error(folder, "remove", out->temporary, error);
    out->fd = log_file_open(folder, out->temporary, O_WRONLY | O_CREAT | O_EXCL, error);
    if (out->fd >= 0 && (kind == LOG_PACKED || kind == LOG_BASE))
        out->packer = log_packer_new(out->fd, LEVEL, error);
    return out->fd < 0 || ((kind == LOG_PACKED || kind == LOG_BASE) && out->packer == NULL) ? -1 : 0;
}

int log_output_flush(struct log_output *out, size_t above, struct cdc_error *error)
{
    struct cdc_buf *text = &out->text;

    if (text->failed)
        return cdc_error_memory(error);
    if (text->len <= above)
        return 0;
    int result = out->packer != NULL ? log_packer_write(out->packer, text->data, text->len, error)
                 : cdc_file_write(out->fd, text->data, text->len) == 0
                     ? 0
                     : log_file_error(out->folder, "write", out->temporary, error);
    text->len = 0;
    return result;
}

/* All of it is on the disk, with the mode of the file that it will replace. */
int log_output_finish(struct log_output *out, struct cdc_error *error)
{
    struct stat old;

    if (log_output_flush(out, 0, error) != 0 || (out->packer != NULL && log_packer_finish(out->packer, error) != 0))
        return -1;
    if (fstatat(out->folder->fd, out->name, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
        fchmod(out->fd, old.st_mode & 07777) != 0)
        return log_file_error(out->folder, "set the mode of", out->temporary, error);
    return fsync(out->fd) == 0 ? 0 : log_file_error(out->folder, "sync", out->temporary, error);
}

int log_output_put(struct log_output *out, struct cdc_error *error)
{
    return log_file_rename(out->folder, out->temporary, out->name, error);
}

void log_output_close(struct log_output *out)
{
    if (out->fd >= 0) {
        close(out->fd);
        unlinkat(out->folder->fd, out->temporary, 0); /* renamed, it is not there any more */
    }
    log_packer_free(out->packer);
    cdc_buf_free(&out->text);
    out->fd = -1;
    out->packer = NULL;
}
