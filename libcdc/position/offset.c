/* SPDX-License-Identifier: MIT */
/* Offset files: read once, locked, replaced atomically. jansson reads and checks them, since a person may have edited one;
 * source and state are copied as bytes, and jansson does not see them: they are what lines brought, where a number may have
 * more digits than any C type, a text a NUL, and a name may come twice. What was written must be readable again. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cdc/file.h>
#include <cdc/json.h>
#include <cdc/offset.h>

#define FORMAT 1
#define FILE_MAX_BYTES ((size_t)64 << 20)  /* far above any real one: a foreign file is not read into memory */
#define SOURCE_MAX_BYTES ((size_t)4 << 20) /* of one source of several */
#define LEVELS_ABOVE 3                     /* the file, "offsets", an entry: a source is nested in these */

struct entry {
    char *name;
    struct cdc_offset offset;
    bool foreign; /* known, not written */
    char *holder; /* the file that has it, of another sink; NULL: nobody knows */
};

struct cdc_offset_file {
    char *path; /* NULL: in memory */
    char *tool;
    int lock_fd;
    bool is_new; /* there was none when it was opened */
    bool there;
    struct entry *entries;
    size_t count;
};

void cdc_offset_free(struct cdc_offset *offset)
{
    free(offset->pos);
    free(offset->source);
    free(offset->state);
    memset(offset, 0, sizeof *offset);
}

/* A copy of text in *copy; of what *target has where text is NULL, which is taken over then. */
static bool copy_or_keep(char **copy, char **target, const char *text)
{
    *copy = text == NULL || text == *target ? *target : strdup(text);
    return *copy != NULL || text == NULL;
}

static void settle(char **target, char *copy)
{
    if (*target != copy)
        free(*target);
    *target = copy;
}

/* What from has not, target keeps. All or nothing: with the position of one and the source of another, an offset would be
 * one of nobody. false: no memory. */
static bool merge(struct cdc_offset *target, const struct cdc_offset *from)
{
    char *pos, *source, *state;
    bool ok = copy_or_keep(&pos, &target->pos, from->pos);

    ok &= copy_or_keep(&source, &target->source, from->source);
    ok &= copy_or_keep(&state, &target->state, from->state);
    if (!ok) {
        free(pos != target->pos ? pos : NULL);
        free(source != target->source ? source : NULL);
        free(state != target->state ? state : NULL);
        return false;
    }
    settle(&target->pos, pos);
    settle(&target->source, source);
    settle(&target->state, state);
    target->seq = from->seq;
    target->lines = from->lines;
    return true;
}

int cdc_offset_copy(struct cdc_offset *target, const struct cdc_offset *from, struct cdc_error *error)
{
    if (!merge(target, from))
        return cdc_error_memory(error);
    if (from->source == NULL)
        settle(&target->source, NULL);
    return 0;
}

/* -- reading ------------------------------------------------------------- */

/* A damaged file is never taken for an empty one: that would silently begin again from the start. */
static int damaged(const char *path, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "offset file \"%s\" is not usable: %s", path, why);
    return cdc_error_hint(error, "restore it from a backup; to begin anew, see Offset files in cdc(7)");
}

/* The whole file, NUL-terminated; NULL with *missing set when there is none. */
static char *read_file(const char *path, size_t *n, bool *missing, struct cdc_error *error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO would wait for its other end */

    *missing = false;
    if (fd < 0 && errno == ENOENT) {
        *missing = true;
        return NULL;
    }
    if (fd < 0 || fstat(fd, &status) != 0) {
        cdc_error_set(error, cdc_file_exit(errno), "unable to open offset file \"%s\": %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = NULL;
    /* A FIFO or /dev/zero would never end. */
    if (!S_ISREG(status.st_mode) || (size_t)status.st_size > FILE_MAX_BYTES)
        damaged(path, "it is no regular file of a sensible size", error);
    else if ((text = malloc((size_t)status.st_size + 1)) == NULL)
        cdc_error_memory(error);
    size_t got = 0;
    while (text != NULL && got < (size_t)status.st_size) {
        ssize_t done = read(fd, text + got, (size_t)status.st_size - got);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            cdc_error_set(error, CDC_EXIT_IO, "unable to read offset file \"%s\": %s", path,
                          done < 0 ? strerror(errno) : "it shrank");
            free(text);
            text = NULL;
        } else {
            got += (size_t)done;
        }
    }
    close(fd);
    if (text != NULL)
        text[got] = '\0';
    *n = got;
    return text;
}

static void append_raw_member(struct cdc_buf *out, struct cdc_span name, struct cdc_span value)
{
    if (out->data[out->len - 1] != '{')
        cdc_buf_byte(out, ',');
    cdc_buf_byte(out, '"');
    cdc_buf_span(out, name);
    cdc_buf_lit(out, "\":");
    cdc_buf_span(out, value);
}

static bool is_copied(struct cdc_span name)
{
    return cdc_json_raw_is(name, cdc_span_text("source")) || cdc_json_raw_is(name, cdc_span_text("state"));
}

/* Appends an object; `depth` levels down, source and state are empty. */
static void append_without_copied(struct cdc_buf *out, struct cdc_span object, unsigned depth)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    cdc_buf_byte(out, '{');
    cdc_json_iter_begin(&iter, object);
    while (!out->failed && cdc_json_next_member(&iter, &name, &value)) {
        bool is_object = cdc_json_type(value) == CDC_JSON_OBJECT, enter = is_object && depth > 0;
        if (is_object && depth == 0 && is_copied(name))
            value = cdc_span("{}", 2);
        append_raw_member(out, name, enter ? cdc_span(NULL, 0) : value);
        if (enter)
            append_without_copied(out, value, depth - 1);
    }
    cdc_buf_byte(out, '}');
}

static struct cdc_span trim(struct cdc_span text)
{
    while (text.n > 0 && (unsigned char)*text.p <= ' ')
        text = cdc_span(text.p + 1, text.n - 1);
    while (text.n > 0 && (unsigned char)text.p[text.n - 1] <= ' ')
        text.n--;
    return text;
}

/* The tree of a file's text, with source and state empty. RETURNS NEW; NULL with the error. */
static json_t *parse(const char *path, struct cdc_span text, struct cdc_error *error)
{
    struct cdc_error fault = {0};
    struct cdc_buf plain = CDC_BUF_INIT;
    json_error_t why;
    json_t *root = NULL;

    if (cdc_json_validate(text.p, text.n, &fault) != 0)
        return damaged(path, fault.text, error), NULL;
    append_without_copied(&plain, trim(text), 2); /* the file, "offsets", an entry */
    if (plain.failed) {
        cdc_error_memory(error);
    } else {
        /* Two entries of one name: one of them would silently be the wrong one. */
        root = json_loadb(plain.data, plain.len, JSON_REJECT_DUPLICATES, &why);
        if (root == NULL)
            damaged(path, why.text, error);
    }
    cdc_buf_free(&plain);
    return root;
}

/* The parsed root of an offset file, and its text (both RETURN NEW); NULL on error or, with *missing, when there is no file.
 * The text is needed besides, since what the lines brought is copied out of it byte for byte. */
static json_t *load(const char *path, char **text, bool *missing, struct cdc_error *error)
{
    size_t n;

    *text = read_file(path, &n, missing, error);
    if (*text == NULL)
        return NULL;
    json_t *root = parse(path, cdc_span(*text, n), error);
    if (root == NULL) {
        free(*text);
        return NULL;
    }
    const json_t *format = json_object_get(root, "format");
    /* Format and tool are what tells an offset file from any other JSON that somebody names by mistake. */
    if (!json_is_integer(format) || !json_is_string(json_object_get(root, "tool")) ||
        !json_is_object(json_object_get(root, "offsets")))
        damaged(path, "it is not an offset file", error);
    else if (json_integer_value(format) != FORMAT)
        damaged(path, "it has another format version; a newer program wrote it", error);
    else
        return root;
    json_decref(root);
    free(*text);
    return NULL;
}

/* The member as text; *copy is NULL when it is no object. */
static int copy_object(char **copy, struct cdc_span entry, const char *name, struct cdc_error *error)
{
    struct cdc_span value = cdc_json_member(entry, name);
    struct cdc_buf text = CDC_BUF_INIT;

    *copy = NULL;
    if (cdc_json_type(value) != CDC_JSON_OBJECT)
        return 0;
    cdc_json_append_compact(&text, value); /* somebody may have put line breaks into the file */
    cdc_buf_byte(&text, '\0');
    if (text.failed) {
        cdc_buf_free(&text);
        return cdc_error_memory(error);
    }
    *copy = text.data;
    return 0;
}

/* value and text are the same entry. */
static int read_entry(const char *path, const json_t *value, struct cdc_span text, struct cdc_offset *offset,
                      struct cdc_error *error)
{
    const json_t *pos = json_object_get(value, "pos"), *seq = json_object_get(value, "seq"),
                 *lines = json_object_get(value, "lines");

    memset(offset, 0, sizeof *offset);
    if (!json_is_string(pos) || !json_is_integer(seq) || json_integer_value(seq) < 0)
        return damaged(path, "an entry lacks its pos or seq", error);
    offset->pos = strdup(json_string_value(pos));
    offset->seq = json_integer_value(seq);
    offset->lines = json_is_integer(lines) ? (uint64_t)json_integer_value(lines) : 0;
    if (offset->pos != NULL && copy_object(&offset->source, text, "source", error) == 0 &&
        copy_object(&offset->state, text, "state", error) == 0)
        return 0;
    cdc_offset_free(offset);
    return cdc_error_memory(error);
}

/* The entry's text; the file's text is valid JSON. */
static struct cdc_span entry_text(const char *text, const char *name)
{
    return cdc_json_member(cdc_json_member(trim(cdc_span_text(text)), "offsets"), name);
}

int cdc_offset_read_entry(const char *path, const char *name, struct cdc_offset *offset, struct cdc_error *error)
{
    bool missing;
    char *text;
    json_t *root = load(path, &text, &missing, error);

    if (root == NULL)
        return missing ? 0 : -1;
    const json_t *value = json_object_get(json_object_get(root, "offsets"), name);
    int result = value == NULL ? 0 : read_entry(path, value, entry_text(text, name), offset, error) == 0 ? 1 : -1;
    json_decref(root);
    free(text);
    return result;
}

int cdc_offset_read(const char *path, const char *name, struct cdc_offset *offset, struct cdc_error *error)
{
    int result = cdc_offset_read_entry(path, name, offset, error);

    /* An empty pos is what a sink writes before its first line: it is there, and has stored nothing. */
    if (result == 1 && offset->pos[0] == '\0') {
        cdc_offset_free(offset);
        result = 0;
    }
    return result;
}

int cdc_offset_read_tool(const char *path, char **tool, struct cdc_error *error)
{
    bool missing;
    char *text;
    json_t *root = load(path, &text, &missing, error);

    if (root == NULL)
        return missing ? 0 : -1;
    *tool = strdup(json_string_value(json_object_get(root, "tool")));
    json_decref(root);
    free(text);
    return *tool != NULL ? 1 : cdc_error_memory(error);
}

/* -- the own file ---------------------------------------------------------- */

/* RETURNS NEW; NULL without memory. */
static char *lock_path(const struct cdc_offset_file *file)
{
    size_t size = strlen(file->path) + 6;
    char *path = malloc(size);

    if (path != NULL)
        snprintf(path, size, "%s.lock", file->path);
    return path;
}

/* Whoever removes it (cdc_offset_file_free) has it locked: a lock on a file that has no name any more is none. */
static bool is_removed(int fd, const char *path)
{
    struct stat held, named;

    return fstat(fd, &held) == 0 &&
           (stat(path, &named) != 0 || named.st_ino != held.st_ino || named.st_dev != held.st_dev);
}

static int lock(struct cdc_offset_file *file, struct cdc_error *error)
{
    char *path = lock_path(file);
    int result = 0;

    if (path == NULL)
        return cdc_error_memory(error);
    do {
        if (file->lock_fd >= 0)
            close(file->lock_fd);
        /* A file of its own: the offset file is replaced, and a lock goes with the inode. */
        file->lock_fd = cdc_file_open(path, O_RDWR | O_CREAT, 0600, "lock file", error);
        if (file->lock_fd < 0) {
            result = -1;
            /* flock and not fcntl: the lock ends with the process however that ends, and not when some other
             * descriptor of the file is closed. */
        } else if (flock(file->lock_fd, LOCK_EX | LOCK_NB) != 0) {
            result = errno == EWOULDBLOCK
                         ? cdc_error_set(error, CDC_EXIT_TEMPORARY, "offset file \"%s\" is in use by another process",
                                         file->path)
                         : cdc_error_set(error, CDC_EXIT_IO, "unable to lock \"%s\": %s", path, strerror(errno));
            cdc_error_hint(error, "another copy of this pipeline is running; stop it first, or let it work");
            close(file->lock_fd); /* not ours: it is not for us to remove */
            file->lock_fd = -1;
        }
    } while (result == 0 && is_removed(file->lock_fd, path));
    free(path);
    return result;
}

static int read_entries(struct cdc_offset_file *file, json_t *root, const char *text, struct cdc_error *error)
{
    const char *tool = json_string_value(json_object_get(root, "tool"));
    const char *name;
    json_t *value;

    if (strcmp(tool, file->tool) != 0) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "offset file \"%s\" belongs to %s, not to %s", file->path, tool,
                      file->tool);
        return cdc_error_hint(error, "give each tool an offset file of its own");
    }
    json_object_foreach(json_object_get(root, "offsets"), name, value)
    {
        struct cdc_offset offset;
        if (read_entry(file->path, value, entry_text(text, name), &offset, error) != 0)
            return -1;
        int result = cdc_offset_file_set(file, name, &offset, error);
        cdc_offset_free(&offset);
        if (result != 0)
            return -1;
    }
    return 0;
}

struct cdc_offset_file *cdc_offset_file_memory(const char *tool, struct cdc_error *error)
{
    struct cdc_offset_file *file = calloc(1, sizeof *file);
    if (file == NULL || (file->tool = strdup(tool)) == NULL) {
        free(file);
        cdc_error_memory(error);
        return NULL;
    }
    file->lock_fd = -1;
    return file;
}

/* The file is replaced, which would replace a link to it: whoever reads what it led to would see an old position for
 * ever. */
static int refuse_link(const char *path, struct cdc_error *error)
{
    struct stat status;

    if (lstat(path, &status) != 0 || !S_ISLNK(status.st_mode))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "offset file \"%s\" is a symbolic link", path);
    return cdc_error_hint(error, "give the path of the file that it leads to");
}

struct cdc_offset_file *cdc_offset_file_open(const char *path, const char *tool, struct cdc_error *error)
{
    bool missing = false;
    int result = -1;
    struct cdc_offset_file *file = cdc_offset_file_memory(tool, error);

    if (file == NULL)
        return NULL;
    if ((file->path = strdup(path)) == NULL) {
        cdc_error_memory(error);
    } else if (refuse_link(path, error) == 0 && lock(file, error) == 0) {
        char *text;
        json_t *root = load(path, &text, &missing, error);
        if (root != NULL) {
            result = read_entries(file, root, text, error);
            free(text);
            file->there = true;
        } else if (missing) {
            file->is_new = true;
            result = 0;
        }
        json_decref(root);
    }
    if (result != 0) {
        cdc_offset_file_free(file);
        return NULL;
    }
    return file;
}

void cdc_offset_file_free(struct cdc_offset_file *file)
{
    if (file == NULL)
        return;
    for (size_t i = 0; i < file->count; i++) {
        free(file->entries[i].name);
        free(file->entries[i].holder);
        cdc_offset_free(&file->entries[i].offset);
    }
    if (file->lock_fd >= 0) {
        /* Of a start that was refused nothing stays. */
        char *path = file->is_new && !file->there ? lock_path(file) : NULL;
        if (path != NULL)
            unlink(path);
        free(path);
        close(file->lock_fd);
    }
    free(file->entries);
    free(file->tool);
    free(file->path);
    free(file);
}

static struct entry *find(const struct cdc_offset_file *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].name, name) == 0)
            return &file->entries[i];
    return NULL;
}

const struct cdc_offset *cdc_offset_file_get(const struct cdc_offset_file *file, const char *name)
{
    const struct entry *entry = find(file, name);
    return entry != NULL ? &entry->offset : NULL;
}

size_t cdc_offset_file_count(const struct cdc_offset_file *file)
{
    return file->count;
}

const char *cdc_offset_file_name(const struct cdc_offset_file *file, size_t index)
{
    return file->entries[index].name;
}

const char *cdc_offset_file_path(const struct cdc_offset_file *file)
{
    return file->path;
}

static struct entry *add(struct cdc_offset_file *file, const char *name)
{
    struct entry *entries = realloc(file->entries, (file->count + 1) * sizeof *entries);
    if (entries == NULL)
        return NULL;
    file->entries = entries;
    struct entry *entry = &entries[file->count];
    memset(entry, 0, sizeof *entry);
    entry->name = strdup(name);
    entry->offset.pos = strdup("");
    if (entry->name == NULL || entry->offset.pos == NULL) {
        free(entry->name);
        free(entry->offset.pos);
        return NULL;
    }
    file->count++;
    return entry;
}

/* RETURNS the entry, BORROWED; NULL without memory. */
static struct entry *put(struct cdc_offset_file *file, const char *name, const struct cdc_offset *offset)
{
    struct entry *entry = find(file, name);

    if (entry == NULL)
        entry = add(file, name);
    return entry != NULL && merge(&entry->offset, offset) ? entry : NULL;
}

int cdc_offset_file_set(struct cdc_offset_file *file, const char *name, const struct cdc_offset *offset,
                        struct cdc_error *error)
{
    struct entry *entry = put(file, name, offset);

    if (entry == NULL)
        return cdc_error_memory(error);
    entry->foreign = false;
    return 0;
}

int cdc_offset_file_know(struct cdc_offset_file *file, const char *name, const struct cdc_offset *offset,
                         const char *holder, struct cdc_error *error)
{
    bool foreign = !cdc_offset_file_owns(file, name);
    char *copy = holder != NULL ? strdup(holder) : NULL;
    struct entry *entry = holder == NULL || copy != NULL ? put(file, name, offset) : NULL;

    if (entry == NULL) {
        free(copy);
        return cdc_error_memory(error);
    }
    entry->foreign = foreign;
    settle(&entry->holder, copy);
    return 0;
}

const char *cdc_offset_file_holder(const struct cdc_offset_file *file, const char *name)
{
    const struct entry *entry = find(file, name);
    return entry != NULL && entry->foreign ? entry->holder : NULL;
}

bool cdc_offset_file_owns(const struct cdc_offset_file *file, const char *name)
{
    const struct entry *entry = find(file, name);
    return entry != NULL && !entry->foreign;
}

/* A name may come from a user: what is no UTF-8 cannot be written as JSON. */
static bool append_name(struct cdc_buf *out, const char *name)
{
    return cdc_json_append_text(out, name, strlen(name));
}

static bool has_nul(struct cdc_span raw)
{
    struct cdc_buf text = CDC_BUF_INIT;

    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return false;
    cdc_json_unescape(&text, raw);
    bool found = text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
    cdc_buf_free(&text);
    return found;
}

static bool is_too_deep(struct cdc_span source)
{
    struct cdc_buf text = CDC_BUF_INIT;
    size_t open = 0, allowed = CDC_JSON_DEPTH - LEVELS_ABOVE;

    if (source.n <= 2 * allowed) /* each level has its two brackets */
        return false;
    for (size_t i = 0; i < source.n; i++)
        open += source.p[i] == '{' || source.p[i] == '[';
    if (open <= allowed) /* all others: so many in one another, or beside */
        return false;
    for (int i = 0; i < LEVELS_ABOVE; i++)
        cdc_buf_byte(&text, '[');
    cdc_buf_span(&text, source);
    for (int i = 0; i < LEVELS_ABOVE; i++)
        cdc_buf_byte(&text, ']');
    bool deep = !text.failed && cdc_json_validate(text.data, text.len, NULL) != 0;
    cdc_buf_free(&text);
    return deep;
}

const char *cdc_offset_why_not_kept(struct cdc_span source, struct cdc_span raw_name)
{
    return has_nul(raw_name)             ? "the name in \"source\" holds a NUL byte"
           : source.n > SOURCE_MAX_BYTES ? "\"source\" is too long to be kept as a position"
           : is_too_deep(source)         ? "\"source\" is nested too deep to be kept as a position"
                                         : NULL;
}

/* source and state as they came. They are checked, since a file that cannot be read again would stop the pipeline. */
static bool append_object(struct cdc_buf *out, const char *name, const char *text)
{
    if (text == NULL)
        return true;
    cdc_buf_printf(out, ",\"%s\":%s", name, text);
    return cdc_json_validate(text, strlen(text), NULL) == 0;
}

static bool append_entry(struct cdc_buf *out, const struct entry *entry)
{
    const struct cdc_offset *offset = &entry->offset;
    bool good = append_name(out, entry->name);

    cdc_buf_lit(out, ":{\"pos\":");
    good = cdc_json_append_text(out, offset->pos, strlen(offset->pos)) && good;
    cdc_buf_printf(out, ",\"seq\":%lld,\"lines\":%llu", (long long)offset->seq, (unsigned long long)offset->lines);
    good = append_object(out, "source", offset->source) && append_object(out, "state", offset->state) && good;
    cdc_buf_byte(out, '}');
    return good;
}

static bool append_file(struct cdc_buf *out, const struct cdc_offset_file *file)
{
    char text[32];
    time_t now = time(NULL);
    struct tm utc;
    bool good = true;

    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cdc_buf_printf(out, "{\"format\":%d,\"tool\":\"%s\",\"time\":\"%s\",\"offsets\":{", FORMAT, file->tool, text);
    const char *mark = "";
    for (size_t i = 0; i < file->count; i++) {
        if (file->entries[i].foreign)
            continue;
        cdc_buf_text(out, mark);
        mark = ",";
        good = append_entry(out, &file->entries[i]) && good;
    }
    cdc_buf_lit(out, "}}\n");
    return good;
}

int cdc_offset_file_save(struct cdc_offset_file *file, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    int result;

    if (file->path == NULL)
        return 0;
    if (!append_file(&text, file))
        /* The old file stays: an old position costs some lines that come again, a file that cannot be read stops the
         * pipeline. */
        result = cdc_error_set(error, CDC_EXIT_INTERNAL, "unable to write the offset as JSON");
    else if (text.failed)
        result = cdc_error_memory(error);
    else
        result = cdc_file_replace(file->path, text.data, text.len, 0600, true, error);
    /* Its folder may be new as well. */
    if (result == 0 && file->is_new && !file->there && cdc_file_sync_parent(file->path) != 0)
        result = cdc_error_set(error, cdc_file_exit(errno), "unable to sync the folder of \"%s\": %s", file->path,
                               strerror(errno));
    cdc_buf_free(&text);
    file->there |= result == 0;
    return result;
}

bool cdc_offset_file_is_new(const struct cdc_offset_file *file)
{
    return file->is_new;
}

void cdc_offset_file_withdraw(struct cdc_offset_file *file)
{
    if (!file->is_new || !file->there)
        return;
    unlink(file->path);
    file->there = false;
}

char *cdc_state_path(const char *dir, const char *tool, const char *name)
{
    struct cdc_buf path = CDC_BUF_INIT;

    cdc_buf_printf(&path, "%s/%s", dir, tool);
    if (name != NULL) {
        cdc_buf_byte(&path, '-');
        /* A name may hold anything; the file's name may not hold a slash. */
        for (const char *p = name; *p != '\0'; p++)
            cdc_buf_byte(&path, *p == '/' ? '_' : *p);
    }
    cdc_buf_lit(&path, ".offset");
    cdc_buf_byte(&path, '\0');
    if (path.failed) {
        cdc_buf_free(&path);
        return NULL;
    }
    return path.data;
}
