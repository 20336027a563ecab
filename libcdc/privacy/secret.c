/* SPDX-License-Identifier: MIT */
/* Where keys are: in memory that no core file has, and in files that their owner alone may read. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcdc/privacy/internal.h"
#include <cdc/file.h>

void *secret_new(size_t n)
{
    void *memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    /* Both are asked for and not relied upon: a container may allow neither, and the program has no core file anyway. */
    (void)madvise(memory, n, MADV_DONTDUMP);
    (void)mlock(memory, n);
    return memory;
}

void secret_free(void *memory, size_t n)
{
    if (memory == NULL)
        return;
    explicit_bzero(memory, n);
    munmap(memory, n);
}

/* Who else may read or replace it has the key, so it is refused before it is used. */
static int check_owner(int fd, const char *path, const char *what, struct cdc_error *error)
{
    struct stat file;

    if (fstat(fd, &file) != 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to look at %s \"%s\": %s", what, path, strerror(errno));
    if (file.st_uid != geteuid() && file.st_uid != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s \"%s\" belongs to another user", what, path);
        return cdc_error_hint(error, "it must belong to the user that runs this, or to root");
    }
    if ((file.st_mode & 077) != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s \"%s\" can be read or written by others (mode %03o)", what, path,
                      (unsigned)file.st_mode & 0777);
        return cdc_error_hint(error, "if nobody has read it, chmod 600 it; else it is no secret any more");
    }
    return 0;
}

int secret_open(const char *path, int flags, const char *what, struct cdc_error *error)
{
    int fd = cdc_file_open(path, flags, 0, what, error);

    if (fd < 0 || check_owner(fd, path, what, error) == 0)
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

int secret_read(int fd, void *data, size_t n, const char *path, const char *what, struct cdc_error *error)
{
    size_t got = 0;
    ssize_t more;
    char rest = 0;

    while (got < n && (more = pread(fd, (char *)data + got, n - got, (off_t)got)) != 0) {
        if (more < 0 && errno != EINTR)
            return cdc_error_set(error, CDC_EXIT_IO, "unable to read %s \"%s\": %s", what, path, strerror(errno));
        got += more > 0 ? (size_t)more : 0;
    }
    do
        more = got == n ? pread(fd, &rest, 1, (off_t)n) : 0;
    while (more < 0 && errno == EINTR);
    explicit_bzero(&rest, 1);
    if (more < 0)
        return cdc_error_set(error, CDC_EXIT_IO, "unable to read %s \"%s\": %s", what, path, strerror(errno));
    if (more != 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "%s \"%s\" is longer than such a file is", what, path);
    return (int)got;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool secret_from_hex(unsigned char *out, const char *hex, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void secret_to_hex(char *hex, const unsigned char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = "0123456789abcdef"[data[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[data[i] & 15];
    }
}

static bool is_key_text(const char *text, size_t n)
{
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
        n--;
    return n == (size_t)2 * SECRET_KEY;
}

int secret_read_key(unsigned char key[SECRET_KEY], const char *path, struct cdc_error *error)
{
    static const char what[] = "key file";
    char text[2 * SECRET_KEY + 16];
    int fd = secret_open(path, O_RDONLY, what, error);

    if (fd < 0)
        return -1;
    int n = secret_read(fd, text, sizeof text, path, what, error);
    close(fd);
    bool good = n >= 0 && is_key_text(text, (size_t)n) && secret_from_hex(key, text, SECRET_KEY);
    explicit_bzero(text, sizeof text);
    if (good)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s \"%s\" is not a line of %d hexadecimal digits", what, path,
                  2 * SECRET_KEY);
    return cdc_error_hint(error, "make one with: (umask 077; openssl rand -hex %d >FILE)", SECRET_KEY);
}
