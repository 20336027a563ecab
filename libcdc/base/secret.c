/* SPDX-License-Identifier: MIT */
/* Files of secrets: keys, tokens. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cdc/file.h>

static int check_private(int fd, const char *path, const char *what, struct cdc_error *error)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to look at %s \"%s\": %s", what, path,
                             strerror(errno));
    if ((status.st_mode & 077) == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_PERMISSION, "others may read or change %s \"%s\"", what, path);
    return cdc_error_hint(error, "chmod 600 it, and replace what is in it if others have seen it");
}

static int read_all(int fd, size_t most, const char *path, const char *what, struct cdc_buf *text,
                    struct cdc_error *error)
{
    /* All the room at once: a buffer that grows leaves copies of the secret in freed memory. */
    if (!cdc_buf_room(text, most + 1))
        return cdc_error_memory(error);
    for (;;) {
        ssize_t got = read(fd, text->data + text->len, most + 1 - text->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cdc_error_set(error, cdc_file_exit(errno), "unable to read %s \"%s\": %s", what, path,
                                 strerror(errno));
        text->len += (size_t)got;
        if (text->len > most)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "%s \"%s\" is longer than %zu bytes", what, path, most);
        if (got == 0)
            return 0;
    }
}

int cdc_file_read_secret(const char *path, size_t most, const char *what, struct cdc_buf *text, struct cdc_error *error)
{
    int fd = cdc_file_open(path, O_RDONLY | O_CLOEXEC, 0, what, error);

    if (fd < 0)
        return -1;
    int result = check_private(fd, path, what, error) == 0 ? read_all(fd, most, path, what, text, error) : -1;
    close(fd);
    return result;
}

void cdc_file_free_secret(struct cdc_buf *text)
{
    if (text->data != NULL)
        explicit_bzero(text->data, text->cap);
    cdc_buf_free(text);
}
