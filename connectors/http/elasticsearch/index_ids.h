/* SPDX-License-Identifier: MIT */
/* Which indexes have documents of this copy, by the id (uuid) that the server gave each: a file beside the offset file. One that
 * is deleted while the position stays would be made anew by the next request, half empty, and nothing in it would say so. */
#ifndef ES_INDEX_IDS_H
#define ES_INDEX_IDS_H

#include <cdc/buf.h>
#include <cdc/error.h>

struct es_index_ids;

/* path NULL: kept for this run only. CONFIG when the file is damaged. RETURNS NEW. */
struct es_index_ids *es_index_ids_open(const char *path, struct cdc_error *error);
void es_index_ids_free(struct es_index_ids *ids);
/* The id of that index; NULL: no document of this copy is in it. BORROWED until the next note. */
const char *es_index_ids_get(const struct es_index_ids *ids, const char *index);
/* The id of the cluster that they are in; NULL: it is not known. BORROWED, too. */
const char *es_index_ids_cluster(const struct es_index_ids *ids);
/* Kept, durable after es_index_ids_sync. */
int es_index_ids_note_cluster(struct es_index_ids *ids, const char *uuid, struct cdc_error *error);
/* The index that has the documents of that source table; NULL: none is known. source: as it was given to note. BORROWED, too. */
const char *es_index_ids_home(const struct es_index_ids *ids, const char *source);
/* Calls visit for each source table that has documents in an index, as it was given to note, until one returns another value than 0,
 * which is returned then. visit may note others. */
typedef int es_index_ids_visit(void *context, const char *source, struct cdc_error *error);
int es_index_ids_each_home(const struct es_index_ids *ids, es_index_ids_visit *visit, void *context,
                           struct cdc_error *error);
/* Keeps the id, and whose documents are in the index, durable after es_index_ids_sync. source: a JSON object. */
int es_index_ids_note(struct es_index_ids *ids, const char *index, struct cdc_span id, const char *source,
                      struct cdc_error *error);
/* Of what columns the ids in that index are (identity.c), a JSON object; NULL: it is not known. BORROWED, too. */
const char *es_index_ids_identity(const struct es_index_ids *ids, const char *index);
/* identity NULL: no more. Kept as the id is; for this run only where the index has none. */
int es_index_ids_note_identity(struct es_index_ids *ids, const char *index, const char *identity,
                               struct cdc_error *error);
/* Where the newest read of its table began in that index (reread.c), a JSON object; NULL: none has. BORROWED, too. */
const char *es_index_ids_read(const struct es_index_ids *ids, const char *index);
int es_index_ids_note_read(struct es_index_ids *ids, const char *index, const char *read, struct cdc_error *error);
/* Is its table being read? A read may go on in a later run. name: as that of a read (reread.c). Kept as the id is. */
int es_index_ids_note_reading(struct es_index_ids *ids, const char *name, bool reading, struct cdc_error *error);
/* The name of one that is, where no alias has been led to its index; NULL: none. BORROWED, too. */
const char *es_index_ids_reading(const struct es_index_ids *ids);
/* The alias that was led to that index (alias.c); NULL: none. BORROWED, too. Kept as the id is. */
const char *es_index_ids_alias(const struct es_index_ids *ids, const char *index);
int es_index_ids_note_alias(struct es_index_ids *ids, const char *index, const char *alias, struct cdc_error *error);
/* Of a data stream (stream.c), a JSON object: where its documents went when the position was the newest. NULL: nothing was ever sent
 * there. BORROWED, too. Kept as the id is. */
const char *es_index_ids_stream(const struct es_index_ids *ids, const char *name);
int es_index_ids_note_stream(struct es_index_ids *ids, const char *name, const char *stream, struct cdc_error *error);
/* Are there any indexes, or any data streams? */
bool es_index_ids_has_indexes(const struct es_index_ids *ids);
bool es_index_ids_has_streams(const struct es_index_ids *ids);
int es_index_ids_sync(struct es_index_ids *ids, struct cdc_error *error);

#endif
