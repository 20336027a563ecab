/* SPDX-License-Identifier: MIT */
/* The _bulk interface of Elasticsearch and OpenSearch: rows as documents, each with `seq` as its version, so that what
 * the index has newer stays, and what comes again does no harm. */
#ifndef ES_H
#define ES_H

#include "connectors/http/client/batch.h"
#include "connectors/http/client/client.h"

struct es_settings {
    const char *index;       /* pattern with {db} {schema} {table} {name} */
    const char *data_stream; /* pattern, too: each change becomes a document of that stream (stream.c); NULL: none */
    const char *alias;       /* pattern of the name that readers use; NULL: none */
    bool new_cluster;        /* it may be another one than that which was filled */
    struct cdc_option_list mappings;  /* [TABLE:]auto|none|FILE; the last one that matches a table counts */
    struct cdc_option_list routing;   /* [TABLE:]COLUMN, in the same way */
    struct cdc_option_list pipelines; /* [TABLE:]NAME */
    size_t most_lines, most_bytes;    /* of a batch */
    size_t requests;                  /* that are under way at once; 0 is 1 */
    const char *key_changes_path;     /* journal (key_changes.h); NULL: none that lasts */
    const char *index_ids_path;       /* which indexes were filled (index_ids.h); NULL: none that lasts */
};

struct es_sink;

/* BORROWS client and the strings of settings. RETURNS NEW. */
struct es_sink *es_sink_open(struct http_client *client, const struct es_settings *settings, struct cdc_error *error);
void es_sink_free(struct es_sink *sink);
enum http_taken es_sink_event(struct es_sink *sink, const struct cdc_event *event, struct cdc_error *error);
/* Sends what is in the batch and empties it; it may be under way still. */
int es_sink_flush(struct es_sink *sink, struct cdc_error *error);
/* Waits for what is under way. */
int es_sink_settle(struct es_sink *sink, struct cdc_error *error);
/* Everything up to these offsets is in the index, which is looked at once more; they are about to be saved. */
int es_sink_delivered(struct es_sink *sink, const struct cdc_offset_file *offsets, struct cdc_error *error);

#endif
