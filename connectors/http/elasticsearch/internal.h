/* SPDX-License-Identifier: MIT */
/* What the files of the room share. */
#ifndef ES_INTERNAL_H
#define ES_INTERNAL_H

#include <cdc/part.h>
#include <cdc/table.h>

#include "connectors/http/elasticsearch/answer.h"
#include "connectors/http/elasticsearch/elasticsearch.h"
#include "connectors/http/elasticsearch/index_ids.h"
#include "connectors/http/elasticsearch/key_changes.h"
#include "connectors/http/elasticsearch/limit.h"

/* Was all taken? Twenty bytes say so for ten thousand items. Which were not is asked with the same request again, since
 * versions make that harmless. */
#define ES_BULK_PATH "/_bulk?filter_path=errors"
#define ES_BULK_ITEMS_PATH                                                                                             \
    ES_BULK_PATH ",items.*._id,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.shard"
#define ES_BULK_CREATE_PATH ES_BULK_ITEMS_PATH ",items.*.result,items.*.failure_store"
/* And what became of them, of indexes with an ingest pipeline, or of which that is not known yet. */
#define ES_BULK_PLACES_PATH ES_BULK_ITEMS_PATH ",items.*._index,items.*._version,items.*.result"

/* -- index.c: names of indexes -- */
/* option: for the message. USAGE. */
int es_index_check_pattern(const char *option, const char *pattern, struct cdc_error *error);
/* Appends the name that the pattern makes for the event's table. */
int es_index_fill(const char *pattern, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error);
/* For struct cdc_target_ops; context is the sink. */
int es_index_name(void *context, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error);

/* -- document.c: ids and documents -- */
/* Appends the _id for a key object. Returns false when a key column is missing or null. */
bool es_document_id(const struct cdc_table *table, struct cdc_span key, struct cdc_buf *out);
/* The member of object whose name is raw (text between the quotes of another JSON string). */
struct cdc_span es_document_member(struct cdc_span object, struct cdc_span raw);
/* Does every name of `unchanged` have a value in object? */
bool es_document_has_all(struct cdc_span unchanged, struct cdc_span object);
/* Appends {"a":1,...}: the unchanged columns that first, or else second, has. *missing counts those that neither has. */
void es_document_rest(struct cdc_buf *out, struct cdc_span unchanged, struct cdc_span first, struct cdc_span second,
                      size_t *missing);
/* Appends after and rest (both objects) as one object. */
void es_document_join(struct cdc_buf *out, struct cdc_span after, struct cdc_span rest);
/* Appends an action line. address: the _id, or that and a routing (routing.c). pipeline: NULL for none. */
void es_document_action(struct cdc_buf *body, const char *what, const char *index, struct cdc_span address,
                        int64_t version, const char *pipeline);

/* -- batch.c: lines of rows, and what is to be done with each -- */
enum es_kind {
    ES_INDEX, /* the whole document */
    ES_DELETE,
    ES_MERGE, /* columns are missing: the index has them */
    ES_CREATE /* the line itself, of a data stream */
};
struct es_item {
    size_t id, id_n; /* in ids: the address, which is the _id and maybe a routing (routing.c) */
    size_t old_n;    /* that before the key or the routing changed, right after id; 0: none */
    const struct cdc_table *table;
    enum es_kind kind;
    uint64_t place;       /* in the journal of key changes, plus 1; 0: none */
    struct cdc_span base; /* the document that the index has, in the client's response; p NULL: none there */
    int64_t base_version;
    bool base_read;
    bool base_old; /* a moved row is not under its new _id, or another one is: look under the old one */
    bool arrived;  /* the row has not been under this _id before: inserted, or moved */
    int64_t seq;   /* of its line */
    /* Before it leaves its old _id (twice.c): a document of the transaction, of before it, or it is known to be one of two. */
    enum es_look { ES_NO_LOOK, ES_LOOK_OTHER, ES_LOOK_OLDER, ES_IS_TWICE } look;
    enum { ES_SENT_NOTHING, ES_SENT_INDEX, ES_SENT_DELETE, ES_SENT_CREATE } sent; /* in the request in hand */
    bool sent_old;                                                                /* that is under its old id */
    bool written; /* its document has been sent, and was not refused */
    bool refused; /* it was told */
    bool there;   /* ES_CREATE: an older index of the stream has it */
    bool again;   /* another document with its _id was deleted since, which may have been this one (send.c) */
    /* A row of a read has met a newer document (reread.c): in that shard, of that version (0: it is not known). */
    bool behind;
    int shard;
    int64_t newer;
    int64_t version; /* that it is sent with, to go over that document; 0: its seq */
};
struct es_seen {
    uint64_t hash;   /* 0: empty */
    uint32_t writer; /* the newest item that has it as its new id, plus 1; 0: the newest one leaves it */
    uint8_t rows;    /* that are known to have it at once, inside the transaction of the writer */
    bool arrived;    /* one of them in that transaction */
    bool vacated;    /* an item has left it */
};
struct es_batch {
    struct http_batch lines;
    struct es_item *items; /* one a line */
    struct cdc_buf ids;
    struct es_seen *seen; /* open-addressing set of ids, n_seen slots */
    size_t n_seen;
    bool looking;    /* documents are read for `look` */
    bool plain;      /* it can be sent while others are under way (flight.c) */
    uint64_t number; /* of the batch, from 1 */
};
int es_batch_init(struct es_batch *batch, const struct es_settings *settings, struct cdc_error *error);
void es_batch_free(struct es_batch *batch);
void es_batch_clear(struct es_batch *batch);
/* item: kind, table, id_n, old_n are set. ids: the _id, then the old one. */
int es_batch_add(struct es_batch *batch, struct cdc_span line, uint64_t number, const struct es_item *item,
                 const char *ids, struct cdc_error *error);
struct cdc_span es_batch_id(const struct es_batch *batch, const struct es_item *item);
struct cdc_span es_batch_old_id(const struct es_batch *batch, const struct es_item *item);
/* The newest item of the batch if it wrote a document under that id, else NULL. */
const struct es_item *es_batch_writer(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id);
/* What is known of an id; with hash 0 nothing. BORROWED until the next es_batch_add. */
struct es_seen *es_batch_seen(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id);
/* What an id of that table's index has in the set: never 0. */
uint64_t es_batch_hash(const struct cdc_table *table, struct cdc_span id);
/* Was that id put into the batch? (It may say yes wrongly, seldom.) */
bool es_batch_has_seen(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id);

/* The same of its _id under any routing; of a table without one, NULL and false. */
struct es_item *es_batch_writer_of_any(struct es_batch *batch, const struct cdc_table *table, struct cdc_span id);
bool es_batch_has_seen_any(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id);
/* Has an item left it, under this or another routing? */
bool es_batch_was_left(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id);

/* -- written.c: ids that the open transaction has written in requests before this one -- */
#define ES_WRITTEN_PAGES 256
struct es_written {
    uint8_t *bits;
    uint64_t seed;
    int64_t seq;                  /* of the transaction */
    bool pages[ES_WRITTEN_PAGES]; /* those that are not empty */
};
int es_written_init(struct es_written *written, struct cdc_error *error);
void es_written_free(struct es_written *written);
/* The batch was sent: its last transaction may go on in the next one. */
void es_written_note(struct es_written *written, const struct es_batch *batch);
/* Has the transaction of that seq written it? (It may say yes wrongly, seldom.) */
bool es_written_has(const struct es_written *written, const struct cdc_table *table, struct cdc_span id, int64_t seq);

/* -- flight.c: requests under way -- */
struct es_flight {
    struct http_client client;
    struct es_batch batch;
    struct cdc_buf body;
    bool asked;
};
struct es_flights {
    struct es_flight *items; /* a ring */
    size_t n, first, under_way;
    size_t part_lines, part_bytes; /* a plain batch is sent when it has as much */
    unsigned events;
    bool failed; /* one was not sent whole: nothing can be delivered any more */
};
/* n: most requests under way; with 1 there are none, and each is waited for. For es_flights_close as well, if it fails. */
int es_flights_open(struct es_sink *sink, const struct es_settings *settings, struct cdc_error *error);
void es_flights_close(struct es_sink *sink);
/* Would the item, of that event, make the batch one that must be alone? */
bool es_flights_is_plain(const struct es_sink *sink, const struct es_item *item, const struct cdc_event *event);
/* Is the batch large enough to be sent now? */
bool es_flights_is_part(const struct es_sink *sink);
/* Sends the batch on its way, and another one takes its place. 1; 0: it must be sent alone; -1. */
int es_flights_begin(struct es_sink *sink, struct cdc_error *error);
/* Waits for all that are under way: everything of them is in the index, or was refused. 0 or -1. */
int es_flights_settle(struct es_sink *sink, struct cdc_error *error);
/* An event has come: what is under way gets its turn. */
void es_flights_turn(struct es_sink *sink);

struct es_rules {
    struct es_rule {
        char *pattern; /* NULL: every table */
        const char *value;
    } * items;
    size_t n;
};

/* -- cluster.c: which cluster it is -- */
struct es_cluster {
    struct http_client client; /* for questions to one node */
    bool may_be_new;           /* than the one that was filled, until it is known */
    bool asked_all, told_hidden;
};
/* From then on each node is looked at before it gets a request. For es_cluster_close as well, if it fails. */
int es_cluster_open(struct es_sink *sink, const struct es_settings *settings, struct cdc_error *error);
void es_cluster_close(struct es_sink *sink);

/* -- stream.c: the history of changes, in data streams -- */
struct es_streams {
    const char *pattern;     /* of their names; NULL: none, there are indexes of rows */
    struct es_table **items; /* those that have had a line in this run */
    size_t n;
    struct http_client client; /* for questions while a request is in hand */
    bool unsure;               /* lines since the position may have been sent before */
    bool delivered;            /* what was found at the newest delivery is to be noted */
};
/* CONFIG where the position is of the other kind of destination. For es_streams_close as well, if it fails. */
int es_streams_open(struct es_sink *sink, const struct es_settings *settings, struct cdc_error *error);
void es_streams_close(struct es_sink *sink);
/* The stream of the event's line, which is there; NULL with the error. Overwrites sink->scratch. */
struct es_table *es_stream_of(struct es_sink *sink, const struct cdc_event *event, struct cdc_error *error);
/* It gets a line. */
void es_stream_touch(struct es_table *table);
/* Appends when the change was committed, which stays the same when the line comes again. false: it does not say, or says nonsense. */
bool es_stream_append_time(struct cdc_buf *out, const struct cdc_event *event);
/* Appends an item of kind ES_CREATE. */
void es_stream_append(struct es_sink *sink, const struct es_item *item, const struct cdc_event *event);
/* Before items from `from` on are sent: which of those that may have been sent before are there? Sets item->there. */
int es_stream_find(struct es_sink *sink, size_t from, struct cdc_error *error);
/* As `again` of a request; context is the sink. */
int es_stream_again(void *context, struct cdc_error *error);
/* Before the offsets are saved, and before the first line after that. CONFIG where a stream is gone. */
int es_streams_delivered(struct es_sink *sink, struct cdc_error *error);
int es_streams_begin(struct es_sink *sink, struct cdc_error *error);

/* -- history.c: the lines of a history -- */
enum http_taken es_history_event(struct es_sink *sink, const struct cdc_event *event, struct cdc_error *error);

/* -- the sink -- */
struct es_sink {
    struct http_client *client;
    const char *index;
    const char *alias;                      /* pattern; NULL: none */
    bool alias_due;                         /* a table has come since the aliases were led here */
    struct es_aliases_taken *aliases_taken; /* NULL: not looked at yet */
    uint64_t n_late;                        /* deliveries at which they could not be, for the time of the lines */
    struct es_mappings *mappings;
    struct es_rules routing, pipelines;
    struct cdc_tables tables;
    struct es_batch batch;
    struct cdc_buf body, scratch, rest;
    struct es_limit limit; /* of a body */
    bool at_once;      /* what was not taken just now is sent again without a wait: in smaller requests, or in others */
    bool watch;        /* the batch has a row of a table that is to be watched */
    size_t n_watched;  /* such batches since the last delivery */
    char not_now[500]; /* why the newest item that is to be sent again was not taken */
    bool behind;       /* some item of the batch is */
    bool again;        /* the same */
    bool ask_items;    /* the last request had items that were not taken: the next is likely to have some, too */
    bool asked;        /* the request in hand asks for its items */
    struct es_flights flights;
    struct es_cluster cluster;
    struct es_streams streams;
    struct es_key_changes *key_changes;
    struct es_index_ids *index_ids;
    struct es_written written;
    struct es_table **touched; /* have got documents since the last delivery */
    size_t n_touched, touched_cap;
    uint64_t without_base;
    struct { /* documents that the index has in a newer state than the lines for them */
        uint64_t n, times;
        int64_t version; /* the highest one, and of what */
        const struct cdc_table *table;
    } newer;
    bool told_lack, told_not_kept;
    /* Of the index that was to be claimed last: it is not there; its mapping may not be seen; or not be changed. */
    bool no_index, hidden, ownerless;
};
struct es_table {
    struct cdc_table source; /* must be first */
    const char *routing;     /* the column that chooses the shard; NULL: the _id does */
    const char
        *sent_through; /* the ingest pipeline that its documents are sent through; NULL: that of the index, if any */
    bool has_rules;    /* these two are known */
    bool no_index;     /* its index is not there yet: made before its first document */
    bool hidden;       /* it may not be looked at */
    bool ownerless;    /* nothing can be kept in its mapping */
    bool alias_checked;
    bool touched;
    bool looked_at, pipeline; /* its settings are known in this run; it has an ingest pipeline */
    uint64_t read_in;         /* the number of the newest batch that has a line of it with op r */
    bool lazy;                /* it has what it took in memory only, for a while */
    char *place;              /* the index that its documents are said to be in: that of an alias; NULL: not known */
    char *identity;           /* of the rows of this run (identity.c); NULL: it has none */
    bool identified;          /* it is that of the definition in hand */
    bool settled;             /* the index knows what to do with the columns of that definition (hstore.c) */
    bool asked_kept;          /* what its mapping says of _source was asked for */
    char *kept;               /* that, where not all fields are kept there; else NULL */
    bool emptied;             /* since the last delivery, by a TRUNCATE */
    struct es_stream *stream; /* of a data stream; else NULL */
};

/* -- request.c -- */
/* As http_client_send, and sent again as long as the server answers that the index or the cluster is blocked. */
enum http_outcome es_request_send(struct es_sink *sink, const struct http_request *request, long *status,
                                  struct cdc_error *error);

/* PUT of the index, or of what it has ("/_mapping"), with sink->rest as the body. What the mapping does not allow is status 400,
 * whatever the server says. */
enum http_outcome es_request_put(struct es_sink *sink, const char *index, const char *what, long *status,
                                 struct cdc_error *error);

/* The request ("_refresh", "_flush") to all shards of an index. 1: each of them did it, 0: there is no such index, -1. */
int es_request_on_shards(struct es_sink *sink, const char *index, const char *what, struct cdc_error *error);
/* The peer takes no request of n bytes (413, or es_too_large): smaller ones for a while (limit.h). */
void es_request_smaller(struct es_sink *sink, size_t n);
/* The error of a closed index. Always -1. */
int es_request_closed(const char *index, struct cdc_error *error);

/* -- rules.c: options of the form [TABLE:]VALUE -- */
/* USAGE for what is none; what: VALUE, for the message. BORROWS the texts of items. es_rules_free also after a failure. */
int es_rules_read(struct es_rules *rules, const char *option, const char *what, const struct cdc_option_list *items,
                  struct cdc_error *error);
void es_rules_free(struct es_rules *rules);
/* NULL: none matches the table. */
const char *es_rules_value(const struct es_rules *rules, const struct cdc_table *table);

/* -- routing.c: documents whose shard is chosen by a column -- */
/* The parts of an address; p NULL: no routing. */
struct cdc_span es_routing_id(struct cdc_span address);
struct cdc_span es_routing_value(struct cdc_span address);
/* Appends to an _id what makes it an address with that routing; nothing for an empty one. */
void es_routing_append(struct cdc_buf *out, struct cdc_span text);
/* Appends "_id":"42","routing":"acme" */
void es_routing_append_members(struct cdc_buf *out, struct cdc_span address);
/* The same as es_routing_append, of the row after the event (before it, if it deletes), and before it. */
void es_routing_append_new(struct cdc_buf *out, const struct es_table *table, const struct cdc_event *event);
void es_routing_append_old(struct cdc_buf *out, const struct es_table *table, const struct cdc_event *event);
/* CONFIG where the line lacks what is needed for these. */
int es_routing_check(const struct es_table *table, const struct cdc_event *event, struct cdc_error *error);

/* -- hstore.c: columns whose keys are to be no fields -- */
/* Appends `,"dynamic_templates":[...]` for a mapping; nothing where there is no such column. */
void es_hstore_append_templates(struct cdc_buf *body, const struct cdc_table *table);
/* As es_mapping_settle, which calls it. */
int es_hstore_settle(struct es_sink *sink, struct es_table *table, struct cdc_error *error);

/* -- mapping.c: the fields of an index (--mapping) -- */
/* USAGE or CONFIG for what is none; a file is read at once. RETURNS NEW. */
struct es_mappings *es_mappings_read(const struct cdc_option_list *items, struct cdc_error *error);
void es_mappings_free(struct es_mappings *mappings);
/* Appends the body by which the table's index is made. meta: `"_meta":{...}`. */
void es_mapping_append(const struct es_sink *sink, const struct cdc_table *table, struct cdc_span meta,
                       struct cdc_buf *out);
/* The object of _meta that a file has for it: what is in it stays. p NULL: none. */
struct cdc_span es_mapping_meta(const struct es_sink *sink, const struct cdc_table *table);
/* Before a row of a new definition, where the index is there. */
int es_mapping_settle(struct es_sink *sink, struct es_table *table, struct cdc_error *error);

/* -- alias.c: the name that readers search by (--alias); without one, nothing happens -- */
/* At the first line of a table, which has that index. CONFIG where an index has the name of its alias, or another table has the alias. */
int es_alias_check(struct es_sink *sink, const struct cdc_event *event, const char *index, struct cdc_error *error);
void es_alias_free(struct es_sink *sink);
/* Before a position is stored: a table without a row gets its empty index, which readers are to find in place of the old rows. No later run
 * may have a line of that table. */
int es_alias_prepare(struct es_sink *sink, struct cdc_error *error);
/* All up to these offsets is in the indexes: if they have caught up, their aliases lead to them. */
int es_alias_switch(struct es_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error);

/* -- owner.c: for struct cdc_target_ops; context is the sink -- */
int es_owner_read(void *context, const char *index, struct cdc_table_id *owner, struct cdc_error *error);
/* An index that is not there yet sets sink->no_index. */
int es_owner_claim(void *context, const char *index, const struct cdc_table_id *id, struct cdc_error *error);
/* The error of an index with documents of this copy that is not there. Always -1. */
int es_owner_is_gone(const char *index, struct cdc_error *error);
/* Makes the index, owned by the table. 1: made, 0: somebody else has made it meanwhile, -1. */
int es_owner_make_index(struct es_sink *sink, const struct cdc_table *table, struct cdc_error *error);

/* Before the offsets move: the indexes of those that were touched are there still, and the same. CONFIG when not. */
int es_owner_verify(struct es_sink *sink, struct cdc_error *error);

/* The same for one of them, now: its id is known then, unless it may not be seen (table->hidden). */
int es_owner_verify_table(struct es_sink *sink, struct es_table *table, struct cdc_error *error);

/* The settings of those that were touched are learned, where they are not known yet. 0 or -1. */
int es_owner_look(struct es_sink *sink, struct cdc_error *error);

/* -- merge.c: columns that the log did not carry, from the documents that the index has -- */
bool es_merge_needs_base(const struct es_batch *batch, const struct es_item *item);
/* Reads the documents for the next items that need one; they stay in the client's response until the next request. */
int es_merge_fetch(struct es_sink *sink, size_t from, struct cdc_error *error);
/* What fetch read of items from `from` on is gone. */
void es_merge_forget(struct es_batch *batch, size_t from);
/* The columns that the line lacks, into sink->rest. 1: here they are, 0: nothing is to be written, -1. */
int es_merge_rest(struct es_sink *sink, struct es_item *item, const struct cdc_event *event, struct cdc_error *error);

/* -- twice.c: two rows that have one key for a while -- */
/* Has another row of this transaction taken the id that the event's row leaves? Sets item->look where the batch cannot tell. */
bool es_twice_is_taken(struct es_sink *sink, const struct cdc_event *event, struct es_item *item, struct cdc_span id);
/* Before the batch is sent. CONFIG where a document would be lost. */
int es_twice_check(struct es_sink *sink, struct cdc_error *error);

/* -- places.c: what an ingest pipeline makes of documents -- */
/* Are the answers for its rows to tell where the documents are? */
bool es_places_watched(const struct es_table *table);
/* Do the settings of an index name one? */
bool es_places_has_pipeline(struct cdc_span settings);
/* The answer to an item that was taken. 0; 1: it was dropped; CONFIG where another document was written than the line's. */
int es_places_check(const struct es_item *item, const struct es_result *result, struct cdc_error *error);
/* An answer is about the item in whose place it is. Where something between has mixed them up, another row would be refused than the one
 * that the index lacks. 0; PROTOCOL; CONFIG where a pipeline has made another _id. */
int es_places_check_id(const struct es_batch *batch, const struct es_item *item, const struct es_result *result,
                       struct cdc_error *error);
/* Its index has that name and those settings. CONFIG where its documents were written elsewhere. */
int es_places_learn(struct es_table *table, struct cdc_span raw_name, struct cdc_span settings,
                    struct cdc_error *error);

/* -- identity.c: the columns of which ids are made -- */
/* Before a row, unless table->identified. CONFIG when the documents that the index has have ids of other columns. */
int es_identity_check(struct es_sink *sink, struct es_table *table, struct cdc_error *error);
/* The index was emptied. */
void es_identity_forget(struct es_table *table);
/* Before the offsets move: keeps it beside the index's id. */
int es_identity_note(struct es_sink *sink, struct es_table *table, struct cdc_error *error);

/* -- send.c -- */
/* Until all of it is settled. A request that was begun for it is gone on with. */
int es_send_batch(struct es_sink *sink, struct cdc_error *error);
/* The batch into one request, sink->body. 1; 0: it takes more than one; -1. */
int es_send_build(struct es_sink *sink, struct cdc_error *error);
/* That request, on its way at sink->client. */
int es_send_begin(struct es_sink *sink, struct cdc_error *error);

/* -- sweep.c: documents that go -- */
struct es_sweep {
    const char *index;
    int64_t seq;
    bool all;                    /* unless they are newer; else those of before: with a smaller version, or: */
    struct es_mark mark;         /* not written after it, whatever their version */
    const struct cdc_part *part; /* of its documents alone; NULL: of all */
    int shard;                   /* of that shard alone, since marks are of one; -1: of all */
    uint64_t gone;               /* how many were deleted */
    int64_t deadline;            /* sweep.c's own */
};
/* Is that write the mark's, or one before it? */
bool es_mark_is_before(struct es_mark write, struct es_mark mark);
/* Deletes them, with versions that let nothing newer go, and adds how many to sweep->gone. */
int es_sweep_index(struct es_sink *sink, struct es_sweep *sweep, struct cdc_error *error);

/* -- reread.c: a table that is read anew -- */
/* The line before its rows. Without `read` its documents go now, since no line will say that the rows are all there. */
int es_reread_begin(struct es_sink *sink, struct es_table *table, const struct cdc_event *event,
                    struct cdc_error *error);
/* The line after its rows: all of them are in the index. Documents that are not of this read go. */
int es_reread_end(struct es_sink *sink, struct es_table *table, const struct cdc_event *event, struct cdc_error *error);
/* Its read, or that of the line's part, goes on, in later runs too; or it has ended. */
int es_reread_note_reading(struct es_sink *sink, const struct es_table *table, const struct cdc_event *event,
                           bool reading, struct cdc_error *error);
/* An item met a newer document: is it a row of a read that has begun? Then that may be one of before. */
bool es_reread_has_row(const struct es_sink *sink, size_t index);
/* Was the newest read of the table one during which the log goes on? Then a document may be that of a row which is gone, though
 * no line says so: up to the end of the read, and of one that began and broke off in any lines of the log. */
bool es_reread_goes_on(const struct es_sink *sink, const struct es_table *table);
/* The documents that rows have met are looked at: a row that goes over one gets its version. */
int es_reread_look(struct es_sink *sink, struct cdc_error *error);

#endif
