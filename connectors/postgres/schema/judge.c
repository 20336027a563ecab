/* SPDX-License-Identifier: MIT */
/* A table before, and now. An example of each kind:
 *
 *   ALTER TABLE t ADD c int                       a column more: NULL in all rows of before, as in a copy
 *   ALTER TABLE t ADD c int DEFAULT 7             the catalog keeps 7 for the rows that are there ("missing")
 *   ALTER TABLE t ADD c int DEFAULT random()      the rows are written anew, into another file
 *   ALTER TABLE t ALTER c DROP EXPRESSION         c was generated, and not in the lines: its values are those of now
 *   ALTER TABLE t ALTER c TYPE text               (c was varchar) the same texts in the same file
 *   ALTER TABLE t ALTER c TYPE int USING c + 1    another file, and another row of the catalog for c
 *   VACUUM FULL t, TRUNCATE t                     another file alone
 *   ADD c int DEFAULT 7, and VACUUM FULL t        the 7 is in the rows, and in the catalog no more
 *   TRUNCATE t_2, a partition of t                the same of one of them; where changes come under t's name, not this one
 *   ALTER TABLE t SET LOGGED                      another file, too; rows that were written before are in no line
 *
 * Where large values are kept in a table of their own (TOAST) it tells the last one apart: ALTER TABLE makes another one. Else the
 * table is asked (rewrite.h). */
#include "connectors/postgres/schema/judge.h"

#include <cdc/json.h>
#include <string.h>
#include <strings.h>

#define TEXT_OID 25
#define VARCHAR_OID 1043

/* [1,"id",23,-1,750,0]: its number, name, type with its modifier, the transaction that wrote its row of the catalog, and whether
 * the catalog has a value for rows that were there before it. */
struct column {
    int64_t number, type, typmod, by, missing;
    struct cdc_span name; /* raw */
};

static int64_t next_number(struct cdc_json_iter *iter)
{
    struct cdc_span value;
    int64_t number = 0;
    if (cdc_json_next_element(iter, &value))
        (void)cdc_json_int64(value, &number);
    return number;
}

static bool next_column(struct cdc_json_iter *columns, struct column *column)
{
    struct cdc_span item, name = {NULL, 0};
    struct cdc_json_iter fields;
    if (!cdc_json_next_element(columns, &item))
        return false;
    cdc_json_iter_begin(&fields, item);
    column->number = next_number(&fields);
    (void)cdc_json_next_element(&fields, &name);
    column->name = cdc_json_string_raw(name);
    column->type = next_number(&fields);
    column->typmod = next_number(&fields);
    column->by = next_number(&fields);
    column->missing = next_number(&fields);
    return true;
}

/* By name; with name {NULL, 0} by number. */
static bool find_column(struct cdc_span object, struct cdc_span name, int64_t number, struct column *found)
{
    struct cdc_json_iter columns;
    cdc_json_iter_begin(&columns, cdc_json_member(object, "cols"));
    while (next_column(&columns, found))
        if (name.p ? cdc_json_raw_equal(found->name, name) : found->number == number)
            return true;
    return false;
}

static bool differs(const struct pg_judge *judge, const char *member)
{
    return !cdc_span_equal(cdc_json_member(judge->before, member), cdc_json_member(judge->now, member));
}

/* -- partitions, of a table under whose name their changes come -- */

/* [16390,16390,751,0]: a partition, its file, the transaction that attached it, and its table of large values. */
struct part {
    int64_t oid, file, by, toast;
};

static bool next_part(struct cdc_json_iter *parts, struct part *part)
{
    struct cdc_span item;
    struct cdc_json_iter fields;
    if (!cdc_json_next_element(parts, &item))
        return false;
    cdc_json_iter_begin(&fields, item);
    part->oid = next_number(&fields);
    part->file = next_number(&fields);
    part->by = next_number(&fields);
    part->toast = next_number(&fields);
    return true;
}

static void begin_parts(struct cdc_json_iter *parts, struct cdc_span object)
{
    cdc_json_iter_begin(parts, cdc_json_member(object, "parts"));
}

/* Both lists go by oid: goes on in `parts` up to the one of that oid. */
static bool seek_part(struct cdc_json_iter *parts, struct part *at, bool *more, int64_t oid)
{
    while (*more && at->oid < oid)
        *more = next_part(parts, at);
    return *more && at->oid == oid;
}

/* Were its rows written anew, which only some statements do? MOVED: into another file as they are (VACUUM FULL, CLUSTER), or away
 * (TRUNCATE). The catalog keeps no value for rows of before then: they have it. */
enum rewrite { NOT_WRITTEN, MOVED, MAYBE_WRITTEN, WRITTEN };

static enum rewrite compare_files(const struct part *before, const struct part *now)
{
    if (before->toast && now->toast)
        return before->toast != now->toast ? WRITTEN : before->file != now->file ? MOVED : NOT_WRITTEN;
    return before->file != now->file ? MAYBE_WRITTEN : NOT_WRITTEN;
}

static struct part file_of(struct cdc_span object)
{
    struct part part = {0};
    (void)cdc_json_int64(cdc_json_member(object, "file"), &part.file);
    (void)cdc_json_int64(cdc_json_member(object, "toast"), &part.toast);
    return part;
}

/* The table, and the partitions that are in both. */
static enum rewrite find_rewrite(const struct pg_judge *judge)
{
    struct cdc_json_iter before, now;
    struct part old = file_of(judge->before), part = file_of(judge->now);
    enum rewrite found = compare_files(&old, &part);
    begin_parts(&before, judge->before);
    begin_parts(&now, judge->now);
    old = (struct part){0};
    bool more = next_part(&before, &old);
    while (next_part(&now, &part)) {
        bool both = seek_part(&before, &old, &more, part.oid);
        enum rewrite one = both ? compare_files(&old, &part) : NOT_WRITTEN;
        found = one > found ? one : found;
    }
    return found;
}

/* One that was there is not any more, or was away meanwhile. */
static bool parts_left(const struct pg_judge *judge)
{
    struct cdc_json_iter before, now;
    struct part part = {0}, old;
    begin_parts(&before, judge->before);
    begin_parts(&now, judge->now);
    bool more = next_part(&now, &part);
    while (next_part(&before, &old))
        if (!seek_part(&now, &part, &more, old.oid) || old.by != part.by)
            return true;
    return false;
}

/* TRUNCATE of one partition is in no log that comes under the table's name; it gives that one another file. (TRUNCATE of the table is
 * in the log, and cannot be told from one of each partition.) 1: they have the rows of before; 0 -1 */
static int parts_are_same(const struct pg_judge *judge, struct cdc_error *error)
{
    struct cdc_json_iter before, now;
    struct part part, old = {0};
    int same = 1;
    begin_parts(&before, judge->before);
    begin_parts(&now, judge->now);
    bool more = next_part(&before, &old);
    while (same > 0 && next_part(&now, &part))
        if (part.file != 0 && seek_part(&before, &old, &more, part.oid) && old.file != part.file &&
            compare_files(&old, &part) != WRITTEN)
            same = judge->is_same(judge->context, (uint32_t)part.oid, false, error);
    return same;
}

/* The table's own file. Of a table with large values compare_files knows. 1 0 -1 */
static int file_is_same(const struct pg_judge *judge, struct cdc_error *error)
{
    const struct part old = file_of(judge->before), now = file_of(judge->now);
    int64_t oid = 0;
    if (compare_files(&old, &now) != MAYBE_WRITTEN || !cdc_json_int64(cdc_json_member(judge->now, "oid"), &oid))
        return 1;
    return judge->is_same(judge->context, (uint32_t)oid, true, error);
}

int pg_judge_parts(const struct pg_judge *judge, struct cdc_error *error)
{
    struct cdc_json_iter before, now;
    struct part old = {0}, part;
    begin_parts(&before, judge->before);
    begin_parts(&now, judge->now);
    bool more = next_part(&before, &old);
    while (next_part(&now, &part)) {
        if (seek_part(&before, &old, &more, part.oid))
            continue;
        int is_new = judge->is_new(judge->context, (uint32_t)part.oid, error);
        if (is_new <= 0)
            return is_new < 0 ? -1 : 1;
    }
    return 0;
}

/* -- columns -- */

/* Does each value read as it did? Where the file is the same it is the same bytes; with another type the server may write them in
 * another way. */
static bool same_values(const struct column *before, const struct column *now, bool rewritten)
{
    if (before->type == now->type && before->typmod == now->typmod)
        return !rewritten || before->by == now->by;
    bool texts = (before->type == TEXT_OID || before->type == VARCHAR_OID) &&
                 (now->type == TEXT_OID || now->type == VARCHAR_OID);
    return !rewritten && (texts || before->type == now->type);
}

/* Was there a column of that number which the publication did not have, or which was generated? Its rows have values. */
static bool was_unseen(struct cdc_span object, int64_t number)
{
    struct cdc_json_iter numbers;
    struct cdc_span item;
    int64_t one;
    cdc_json_iter_begin(&numbers, cdc_json_member(object, "unseen"));
    while (cdc_json_next_element(&numbers, &item))
        if (cdc_json_int64(item, &one) && one == number)
            return true;
    return false;
}

/* A column of that name that a copy may have the values of. Some copies take no notice of case. */
static bool had(const struct pg_judge *judge, struct cdc_span name)
{
    struct cdc_json_iter names, columns;
    struct cdc_span item;
    struct column before;
    cdc_json_iter_begin(&names, judge->gone);
    while (cdc_json_next_element(&names, &item)) {
        struct cdc_span gone = cdc_json_string_raw(item);
        if (gone.p && gone.n == name.n && strncasecmp(gone.p, name.p, name.n) == 0)
            return true;
    }
    cdc_json_iter_begin(&columns, cdc_json_member(judge->before, "cols"));
    while (next_column(&columns, &before))
        if (before.name.n == name.n && strncasecmp(before.name.p, name.p, name.n) == 0 &&
            !pg_judge_has_column(judge->now, before.number))
            return true;
    return false;
}

/* NULL: rows of before have in it what a copy has. */
static const char *judge_column(const struct pg_judge *judge, const struct column *now, enum rewrite rewrite)
{
    struct column before;
    if (!find_column(judge->before, now->name, 0, &before)) {
        struct column renamed;
        if (find_column(judge->before, (struct cdc_span){NULL, 0}, now->number, &renamed))
            return "was renamed";
        if (was_unseen(judge->before, now->number))
            return "was not published before";
        if (had(judge, now->name))
            return "was dropped before, and is another one";
        return now->missing || rewrite != NOT_WRITTEN ? "was added with a value for the rows that are there" : NULL;
    }
    if (before.number != now->number)
        return "was dropped and added again, or renamed";
    if (same_values(&before, now, rewrite > MOVED))
        return NULL;
    return before.type != now->type || before.typmod != now->typmod ? "has another type" : "was written anew";
}

bool pg_judge_has_column(struct cdc_span form, int64_t number)
{
    struct column column;
    return find_column(form, (struct cdc_span){NULL, 0}, number, &column);
}

bool pg_judge_adds(const struct pg_judge *judge)
{
    struct cdc_json_iter columns;
    struct column column, before;
    cdc_json_iter_begin(&columns, cdc_json_member(judge->now, "cols"));
    while (next_column(&columns, &column))
        if (!find_column(judge->before, column.name, 0, &before))
            return true;
    return false;
}

static bool judge_columns(const struct pg_judge *judge, struct cdc_buf *why)
{
    enum rewrite rewrite = find_rewrite(judge);
    struct cdc_json_iter columns;
    struct column column;
    cdc_json_iter_begin(&columns, cdc_json_member(judge->now, "cols"));
    while (next_column(&columns, &column)) {
        const char *what = judge_column(judge, &column, rewrite);
        if (!what)
            continue;
        cdc_buf_lit(why, "column ");
        cdc_json_unescape(why, column.name);
        cdc_buf_byte(why, ' ');
        cdc_buf_text(why, what);
        return true;
    }
    cdc_buf_text(why, rewrite == WRITTEN ? "its rows were written anew" : "");
    return rewrite == WRITTEN;
}

/* -- types -- */

/* [16400,"c",[[1,"street",25,-1],...]]: a composite type and its fields; "e", [[16402,"sad",751],...]: an enum and its labels, each with the
 * transaction that wrote its row of the catalog. */
struct type {
    int64_t oid;
    struct cdc_span kind, fields;
};

static bool next_type(struct cdc_json_iter *types, struct type *type)
{
    struct cdc_span item;
    struct cdc_json_iter fields;
    if (!cdc_json_next_element(types, &item))
        return false;
    *type = (struct type){.kind = {NULL, 0}};
    cdc_json_iter_begin(&fields, item);
    type->oid = next_number(&fields);
    (void)cdc_json_next_element(&fields, &type->kind);
    (void)cdc_json_next_element(&fields, &type->fields);
    return true;
}

/* A label, whose text is raw. by: 0 where a state of before does not know it. */
struct label {
    int64_t oid, by;
    struct cdc_span text;
};

static bool next_label(struct cdc_json_iter *labels, struct label *label)
{
    struct cdc_span item;
    struct cdc_json_iter fields;
    if (!cdc_json_next_element(labels, &item))
        return false;
    *label = (struct label){.text = {NULL, 0}};
    cdc_json_iter_begin(&fields, item);
    label->oid = next_number(&fields);
    (void)cdc_json_next_element(&fields, &label->text);
    label->by = next_number(&fields);
    return true;
}

/* With its row as it was: one that had another text for a while has it in lines of that time. */
static bool has_label(struct cdc_span labels, const struct label *wanted)
{
    struct cdc_json_iter iter;
    struct label label;
    cdc_json_iter_begin(&iter, labels);
    while (next_label(&iter, &label))
        if (label.oid == wanted->oid)
            return cdc_span_equal(label.text, wanted->text) && (label.by == wanted->by || wanted->by == 0);
    return false;
}

/* Do values of before read as they did? A field more is in all of them, and a label more is in none. */
static bool same_type(const struct type *before, const struct type *now)
{
    struct cdc_json_iter labels;
    struct label label;
    if (cdc_span_equal(before->fields, now->fields))
        return true;
    if (!cdc_span_is(now->kind, "\"e\""))
        return false;
    cdc_json_iter_begin(&labels, before->fields);
    while (next_label(&labels, &label))
        if (!has_label(now->fields, &label))
            return false;
    return true;
}

static size_t count_composites(struct cdc_span form, struct cdc_span other, size_t *shared)
{
    struct cdc_json_iter types, others;
    struct type type, one;
    size_t n = 0;
    *shared = 0;
    cdc_json_iter_begin(&types, cdc_json_member(form, "types"));
    while (next_type(&types, &type)) {
        n += cdc_span_is(type.kind, "\"c\"");
        cdc_json_iter_begin(&others, cdc_json_member(other, "types"));
        while (cdc_span_is(type.kind, "\"c\"") && next_type(&others, &one))
            *shared += one.oid == type.oid;
    }
    return n;
}

/* ADD ATTRIBUTE, rows, DROP ATTRIBUTE: the fields are what they were, and the rows are in the log with one more. Another type has
 * another time, too, so they must be the same ones. */
static bool altered_for_a_while(const struct pg_judge *judge)
{
    int64_t before, now;
    size_t shared, again;
    return cdc_json_int64(cdc_json_member(judge->before, "altered"), &before) &&
           cdc_json_int64(cdc_json_member(judge->now, "altered"), &now) && before != now &&
           count_composites(judge->now, judge->before, &shared) == shared &&
           count_composites(judge->before, judge->now, &again) == again;
}

static const char *judge_types(const struct pg_judge *judge)
{
    struct cdc_json_iter types, olds;
    struct type type, old;
    cdc_json_iter_begin(&types, cdc_json_member(judge->now, "types"));
    while (next_type(&types, &type)) {
        cdc_json_iter_begin(&olds, cdc_json_member(judge->before, "types"));
        while (next_type(&olds, &old))
            if (old.oid == type.oid && !same_type(&old, &type))
                return cdc_span_is(type.kind, "\"e\"") ? "a label of an enum has another text, or had one for a while"
                                                       : "a composite type in it was altered";
    }
    return altered_for_a_while(judge) ? "a composite type in it was altered, and altered back" : NULL;
}

/* As objects, or as text: --composite is another one; or the rows were written by a version that knew text alone. */
static const char *judge_form(const struct pg_judge *judge)
{
    struct cdc_span before = cdc_json_member(judge->before, "nested"), now = cdc_json_member(judge->now, "nested");
    bool older = !cdc_json_member(judge->before, "types").p;
    if (!now.p || cdc_json_is_null(now) || (!older && (!before.p || cdc_json_is_null(before))))
        return NULL;
    return older ? (cdc_span_is(now, "\"text\"") ? NULL : "composites, hstore and the like were text before")
           : cdc_span_equal(before, now) ? NULL
                                         : "--composite was another one";
}

/* -- all of it -- */

/* Any name changes the row of its type, and so does its owner. */
static bool was_renamed(const struct pg_judge *judge)
{
    return differs(judge, "named") && !differs(judge, "owner");
}

/* Its changes came by way of the table above it, and did not meanwhile. A state of before may know nothing of that. */
static bool was_detached(const struct pg_judge *judge)
{
    return !judge->republished && cdc_json_member(judge->before, "links").p && differs(judge, "links");
}

/* It was in another schema, and is back; or a table above it was, with whose schema it is published:
 *      ALTER TABLE p SET SCHEMA away; UPDATE p_1 ...; ALTER TABLE p SET SCHEMA s        p_1 is in no line, and is as it was */
static const char *judge_space(const struct pg_judge *judge)
{
    if (cdc_json_member(judge->before, "space").p && differs(judge, "space"))
        return "it was in another schema, and is back";
    if (!judge->republished && cdc_json_member(judge->before, "above").p && differs(judge, "above"))
        return "a partitioned table with whose schema it is published was in another schema";
    return NULL;
}

/* The log has no TRUNCATE of a partition while its changes would come as those of a table above it (publish_via_partition_root), and
 * the catalogs do not show that they would have:
 *      ALTER PUBLICATION x ADD TABLE p; TRUNCATE p_1; ALTER PUBLICATION x DROP TABLE p */
static bool maybe_emptied(const struct pg_judge *judge)
{
    return cdc_span_is(cdc_json_member(judge->now, "apart"), "true") && cdc_json_member(judge->before, "file").p &&
           differs(judge, "file");
}

static const char *judge_table(const struct pg_judge *judge)
{
    if (differs(judge, "oid"))
        return "another table has its name";
    /* A condition for its rows does not count while a schema is published that has it. */
    bool knows_all = cdc_json_member(judge->before, "all").p != NULL;
    if (!judge->republished && (differs(judge, "by") || (knows_all && differs(judge, "all"))))
        return "it was taken out of the publication and added again, or published in another way";
    if (was_detached(judge))
        return "it was detached from a partitioned table, and attached again";
    if (was_renamed(judge))
        return "it was renamed, and renamed back";
    const char *moved = judge_space(judge);
    if (moved)
        return moved;
    if (differs(judge, "key"))
        return "it has another key";
    if (maybe_emptied(judge))
        return "a partition with a name of its own has another file, and may have been truncated under another one";
    const char *types = judge_types(judge);
    if (types || (types = judge_form(judge)))
        return types;
    return parts_left(judge) ? "a partition was detached or dropped" : NULL;
}

/* What the catalogs alone do not show. *what stays NULL: nothing. 0 or -1 */
static int ask_parts(const struct pg_judge *judge, const char **what, struct cdc_error *error)
{
    int came = pg_judge_parts(judge, error);
    if (came > 0)
        *what = "a partition that has rows was attached";
    if (came != 0)
        return came < 0 ? -1 : 0;
    int same = parts_are_same(judge, error);
    if (same == 0)
        *what = "a partition was truncated, or written anew";
    return same < 0 ? -1 : 0;
}

int pg_judge_table(const struct pg_judge *judge, struct cdc_buf *why, struct cdc_error *error)
{
    const char *what = judge_table(judge);
    if (!what && ask_parts(judge, &what, error) < 0)
        return -1;
    bool stale = what != NULL;
    cdc_buf_text(why, what ? what : "");
    if (!stale)
        stale = judge_columns(judge, why);
    int same = stale ? 1 : file_is_same(judge, error);
    if (same == 0)
        cdc_buf_text(why, "its rows may have been written anew, or while it was UNLOGGED");
    cdc_buf_byte(why, '\0');
    return same < 0 ? -1 : stale || same == 0;
}

/* -- the publication -- */

/* The words of "OID ROW OWNER ALL INSERT UPDATE DELETE TRUNCATE VIA_ROOT ...", from 0. */
static struct cdc_span word(const char *text, int index)
{
    for (; index > 0 && *text; index--) {
        text += strcspn(text, " ");
        text += *text == ' ';
    }
    return cdc_span(text, strcspn(text, " "));
}

/* Whatever it was altered to last, it may have published less in between:
 *      ALTER PUBLICATION p SET (publish = 'insert'); DELETE FROM t;
 *      ALTER PUBLICATION p SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true) */
const char *pg_judge_publication(const char *before, const char *now)
{
    enum { OID, ROW, FIRST_OPERATION = 4, LAST_OPERATION = 7 };
    if (!cdc_span_equal(word(before, OID), word(now, OID)))
        return "its publication was made again";
    if (cdc_span_equal(word(before, ROW), word(now, ROW)))
        return NULL;
    for (int i = FIRST_OPERATION; i <= LAST_OPERATION; i++)
        if (cdc_span_is(word(before, i), "f") && cdc_span_is(word(now, i), "t"))
            return "its publication did not publish all operations before";
    return "its publication was altered, and may have been another one meanwhile";
}
