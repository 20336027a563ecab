/* SPDX-License-Identifier: MIT */
/* A table that is read again while the log goes on (cdc/stale.h has rounds, for which the stream ends). Its rows come in pieces by the
 * order of its primary key. Each is read at once, and waits until the log has come to where the piece is:
 *
 *   the log   ... T1   T2   T3 | T4 ...          the log was at T1 when the piece was read, which shows rows (7, 19] after T3
 *   lines     ... T1   T2   T3   r r r   T4      of T2 and T3 without what they do to rows after 7; of T4 all up to row 19
 *
 * So of each change it is asked whether its row is out already:
 *
 *   up to 7    done: the change comes
 *   after 7    not read yet: it does not come, since a later piece will show it
 *
 * An update that moves a row from one to the other is what it is to each: both are done: an update; only the old one: a delete; only
 * the new one: an insert, whose columns must all be in the log.
 *
 * Why a piece is what the table is at that place of the log, row by row. `upto` is the place where it goes out, the end of some
 * transaction; it is read while the log that was delivered ends at `from`, not after `upto`.
 *
 *   MariaDB   START TRANSACTION WITH CONSISTENT SNAPSHOT, and binlog_snapshot_file and _position of that very transaction: it shows
 *             all that lies before, and nothing of what comes after. That is upto. (It is under the lock in which the server commits
 *             in the order of the log.) One that lies before `from` is left, and another one is read: the log is written, and sent,
 *             a moment before the engine commits.
 *   MySQL     a place that belongs to a snapshot does not exist. But what is in gtid_executed (or before the position in log_status)
 *             is committed in the engine, and what the engine shows is in the log. So three questions, in this order:
 *                 gtid_executed: `sure`      START TRANSACTION WITH CONSISTENT SNAPSHOT      SHOW BINARY LOG STATUS: `upto`
 *             The piece shows all of `sure`, which must have all up to `from`, and nothing after `upto`. Which of the others it
 *             shows is not known: of rows that none of those changes it does not matter. They all come by before the piece goes out,
 *             and it goes out only as far as the first row that one of them touches. The next piece begins there.
 *             Where that is no row at all, time after time (one row that everybody changes), a small piece is read FOR SHARE, and upto
 *             is asked for while it holds its rows and the gaps between them: who has changed one of them before is in the log by then
 *             (the log is written before the engine lets go), and who will do so comes after.
 *   Both      the same where a snapshot may lack what the log has: MariaDB where XA transactions are about, and MySQL without GTIDs
 *             there, and before 9 at any time (session/commits.h).
 *
 * The order of a text is that of its collation, which the server alone knows. It is asked whether the key of a change comes after the
 * last one that is out, by the same comparison, of the same two values, that cuts the pieces in its own statement (scan/key.h); so what
 * it says there is what it says here. Values with the same bytes are equal without being asked for. Where many are to be compared while
 * one piece waits, the read begins anew, or the piece is taken for changed, since each costs the time to the server and back.
 *
 * The log tells of each statement that changes the table's form: with it the piece is left, and the read begins anew.
 *
 * Readers take the lines between the first one ("read":"live") and the last one ("read":"end") for the table as it will be. */
#ifndef MY_LIVE_H
#define MY_LIVE_H

#include "connectors/mysql/decoder/decoder.h"

enum { MY_LIVE_KEY_MAX = 16 };
/* Questions to the server while one piece waits, and 4 for each millisecond of answers: from a distant one they take 5 seconds. */
enum { MY_LIVE_ASKED_MAX = 20000, MY_LIVE_ASKED_MS = 4 };

/* The server's word on two values of the column k of the key, as my_live_key_add keeps them, without the NUL: *order is <0, 0 or >0.
 * false: it does not say. */
typedef bool my_live_order(void *context, size_t k, struct cdc_span a, struct cdc_span b, int *order);

struct my_live {
    const char *db, *name;               /* BORROWED, as the names of: */
    const char *column[MY_LIVE_KEY_MAX]; /* the key, in the order of the read */
    const struct my_column
        *kind[MY_LIVE_KEY_MAX]; /* BORROWED: what it is of in the rows that are read; NULL: an integer */
    size_t n_key;
    my_live_order *order; /* where the server is asked for it; NULL: the order is that of the bytes */
    void *context;
    size_t asked;                 /* times since the last piece; an answer that takes longer counts for more */
    bool begun;                   /* its first line is out; before, all changes come, unless: */
    bool hidden;                  /* nothing of the table comes until it begins (anew) */
    bool all_done, has_done;      /* all its rows are out; some are, up to: */
    struct cdc_buf done, scratch; /* keys, see my_live_key_add */
    /* A piece waits: */
    bool unsure;  /* it shows the open transaction, or not */
    bool touched; /* such have changed rows, the first one of which is: */
    struct cdc_buf least;
    const char *why; /* why the read must begin anew, for people; NULL */
};
void my_live_clear(struct my_live *live);
/* No more is known of what transactions have changed. */
void my_live_forget_touched(struct my_live *live);
/* Something has happened that no piece shows. */
void my_live_spoil(struct my_live *live, const char *why);
/* Is the order of such values known here? Integers, dates and times with a date, binary strings. */
bool my_live_is_ordered(const struct my_column *column);
/* Else, does the server tell it? Texts, numbers with decimals, times, and MariaDB's UUIDs and addresses. */
bool my_live_is_asked(const struct my_column *column);
/* Appends a value to a key, so that values of which the order is known compare byte by byte. Of others it is a text with a NUL after
 * it: of texts the bytes in hexadecimal, else as the server prints it. value: of strings the bytes, of others the JSON. False where it
 * is none. */
bool my_live_key_add(struct cdc_buf *key, const struct my_column *column, struct cdc_span value);
/* <0, 0, >0, of keys of which all is known here. */
int my_live_key_compare(struct cdc_span a, struct cdc_span b);
/* The same of the table's keys. Where the server does not say, live->why is set, and the answer is worth nothing. */
int my_live_compare(struct my_live *live, struct cdc_span a, struct cdc_span b);

/* The table that is read so; NULL: none. BORROWS. */
void my_decoder_set_live(struct my_decoder *decoder, struct my_live *live);

/* -- its lines: between transactions. Their pos are of rounds (position.h) and of the transaction after them; so is seq. */
struct my_piece_lines {
    struct my_decoder *decoder;
    const struct my_table *table;
    unsigned attempt;
    uint64_t since; /* the first line's seq */
    int64_t ts_ms;
    uint64_t events; /* since the last commit line */
};
uint64_t my_piece_seq(const struct my_decoder *decoder);
/* What pos the next line will have. */
void my_piece_append_pos(const struct my_decoder *decoder, unsigned attempt, struct cdc_buf *out);
void my_piece_begin(struct my_piece_lines *lines, struct cdc_buf *out); /* t, schema */
/* members: of the row's line, from `,"key":` to its end. */
void my_piece_row(struct my_piece_lines *lines, struct cdc_span members, struct cdc_buf *out);
void my_piece_end(struct my_piece_lines *lines, struct cdc_buf *out);
/* Of a table that is not there, besides a commit line. */
void my_piece_gone(struct my_piece_lines *lines, struct cdc_buf *out);
void my_piece_commit(struct my_piece_lines *lines, struct cdc_buf *out); /* makes it the boundary */

#endif
