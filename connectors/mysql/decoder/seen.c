/* SPDX-License-Identifier: MIT */
/* What the rows of a copy have seen of the log: seen.h has an example. */
#include "connectors/mysql/decoder/seen.h"

#include <cdc/json.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void my_seen_clear(struct my_seen *seen)
{
    free(seen->gtids);
    memset(seen, 0, sizeof *seen);
}

int my_seen_copy(struct my_seen *seen, const struct my_seen *other, struct cdc_error *error)
{
    char *gtids = other->given ? strdup(other->gtids) : NULL;
    my_seen_clear(seen);
    if (!other->given)
        return 0;
    if (!gtids)
        return cdc_error_memory(error);
    *seen = *other;
    seen->gtids = gtids;
    return 0;
}

static void append_member(struct cdc_buf *out, const char *name, const char *text)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, text, strlen(text));
}

void my_seen_append(struct cdc_buf *out, const struct my_seen *seen)
{
    if (!seen->given)
        return;
    append_member(out, ",\"seen\":{\"file\":", seen->coord.file);
    cdc_buf_lit(out, ",\"pos\":");
    cdc_buf_u64(out, seen->coord.position);
    append_member(out, ",\"gtids\":", seen->gtids);
    append_member(out, ",\"server_uuid\":", seen->server_uuid);
    if (seen->file_created) {
        cdc_buf_lit(out, ",\"file_created\":");
        cdc_buf_i64(out, seen->file_created);
    }
    cdc_buf_byte(out, '}');
}

void my_seen_append_into(struct cdc_buf *out, struct cdc_span source, const struct my_seen *seen)
{
    struct cdc_span old = cdc_json_member(source, "seen");
    size_t before = old.p ? (size_t)(old.p - source.p) : source.n - 1;
    if (old.p) /* sinks keep a source object as we wrote it */
        before -= strlen(",\"seen\":");
    cdc_buf_append(out, source.p, before);
    my_seen_append(out, seen);
    if (old.p)
        cdc_buf_append(out, old.p + old.n, (size_t)(source.p + source.n - (old.p + old.n)));
    else
        cdc_buf_byte(out, '}');
}

int my_seen_read(struct my_seen *seen, struct cdc_span source, struct cdc_error *error)
{
    int64_t position = 0;
    struct cdc_span object = cdc_json_member(source, "seen"), created;
    my_seen_clear(seen);
    if (!object.p)
        return 0;
    errno = 0;
    seen->gtids = cdc_json_member_text(object, "gtids");
    if (!seen->gtids && errno == ENOMEM)
        return cdc_error_memory(error);
    created = cdc_json_member(object, "file_created"); /* not always there */
    seen->given = seen->gtids && cdc_json_int64(cdc_json_member(object, "pos"), &position) && position >= 0 &&
                  (!created.p || cdc_json_int64(created, &seen->file_created)) &&
                  cdc_json_member_copy(object, "file", seen->coord.file, sizeof seen->coord.file) &&
                  cdc_json_member_copy(object, "server_uuid", seen->server_uuid, sizeof seen->server_uuid);
    seen->coord.position = (uint64_t)position;
    if (seen->given)
        return 0;
    my_seen_clear(seen);
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"seen\" of a position is damaged");
}

int my_seen_is_passed(const struct my_seen *seen, const struct my_gtid_set *gtids, const struct my_coord *coord,
                      const char *server_uuid, enum my_flavor flavor, struct cdc_error *error)
{
    if (seen->coord.file[0] && coord->file[0] && strcmp(seen->server_uuid, server_uuid) == 0)
        return my_coord_compare(coord, &seen->coord) >= 0;
    if (!seen->gtids[0])
        return 0;
    struct my_gtid_set *set = my_gtid_set_new(flavor, error);
    int result = set ? my_gtid_set_parse(set, cdc_span_text(seen->gtids), error) : -1;
    if (result == 0)
        result = my_gtid_set_reaches(gtids, set);
    my_gtid_set_free(set);
    return result;
}
