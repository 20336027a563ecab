/* SPDX-License-Identifier: MIT */
/* Which changes of a table leave its rows in a copy as they are, and which do not; what the pipeline keeps of tables' forms. */
#include "connectors/postgres/schema/judge.h"
#include "connectors/postgres/schema/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void check(const char *what, const char *got, const char *want)
{
    bool good = strcmp(got, want) == 0;
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
    if (!good)
        printf("# got '%s', wanted '%s'\n", got, want);
}

/* -- one table -- */

#define COLUMNS "[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0]]"
#define TABLE(oid, file, owner, named, by, key, columns, parts)                                                        \
    "{\"oid\":" oid ",\"file\":" file ",\"owner\":" owner ",\"named\":" named ",\"by\":" by ",\"key\":" key            \
    ",\"cols\":" columns ",\"parts\":" parts "}"
#define WITH(columns) TABLE("16384", "16384", "10", "700", "16400", "[\"id\"]", columns, "null")
#define REWRITTEN(columns) TABLE("16384", "17000", "10", "700", "16400", "[\"id\"]", columns, "null")
#define TOASTED(toast, columns)                                                                                        \
    "{\"oid\":16384,\"file\":" toast ",\"toast\":" toast                                                               \
    ",\"owner\":10,\"named\":700,\"by\":16400,\"key\":[\"id\"],\"cols\":" columns "}"
#define VACUUMED(more)                                                                                                 \
    "{\"oid\":16384,\"file\":17000,\"toast\":16390,\"owner\":10,\"named\":700,\"by\":16400,\"key\":[\"id\"],\"cols\":" \
    "[[1,"                                                                                                             \
    "\"id\",23,-1,700,0],[2,\"v\",1043,14,710,0],[3,\"n\",1700,393222,700,0]" more "]}"
#define ROOT(parts) TABLE("16384", "0", "10", "700", "16400", "[\"id\"]", COLUMNS, parts)
#define OTHER(file) TABLE("16390", file, "10", "700", "16400", "[\"id\"]", COLUMNS, "null")
#define BEFORE WITH(COLUMNS)

/* Partitions from 20000 on have come with rows, those from 30000 on are gone again. */
static int is_new(void *context, uint32_t partition, struct cdc_error *error)
{
    (void)context;
    if (partition >= 30000)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "gone");
    return partition < 20000;
}

/* The rows of 16384 and of partitions from 16395 on are those of before, 16391 was emptied. */
static int is_same(void *context, uint32_t table, bool emptied, struct cdc_error *error)
{
    (void)context;
    if (table == 16394)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "gone");
    return table == 16384 || table >= 16395 || (table == 16391 && emptied);
}

struct example {
    const char *what, *before, *now, *why; /* why "": nothing is stale */
};

/* With types, and how their values are written. */
#define TYPED(types, nested) TYPED_AT(types, nested, "700")
#define TYPED_AT(types, nested, altered)                                                                               \
    "{\"oid\":16384,\"file\":16384,\"owner\":10,\"named\":700,\"by\":16400,\"key\":[\"id\"],\"cols\":" COLUMNS         \
    ",\"parts\":null,\"types\":" types ",\"altered\":" altered ",\"nested\":" nested "}"
#define PAIR "[[16390,\"c\",[[1,\"a\",23,-1],[2,\"b\",25,-1]]]]"
#define MOOD "[[16390,\"e\",[[16391,\"sad\"],[16392,\"ok\"]]]]"
#define LABELS(by) "[[16390,\"e\",[[16391,\"sad\"," by "],[16392,\"ok\",751]]]]"
#define ALTERED "a composite type in it was altered"

static const struct example examples[] = {
    {"a composite type as it was", TYPED(PAIR, "\"object\""), TYPED(PAIR, "\"object\""), ""},
    {"a field more for a while", TYPED(PAIR, "\"text\""), TYPED_AT(PAIR, "\"text\"", "705"),
     ALTERED ", and altered back"},
    {"another composite type, made later", TYPED(PAIR, "\"text\""),
     TYPED_AT("[[16390,\"c\",[[1,\"a\",23,-1],[2,\"b\",25,-1]]],[16395,\"c\",[[1,\"x\",23,-1]]]]", "\"text\"", "705"),
     ""},
    {"a composite type less",
     TYPED_AT("[[16390,\"c\",[[1,\"a\",23,-1],[2,\"b\",25,-1]]],[16395,\"c\",[[1,\"x\",23,-1]]]]", "\"text\"", "705"),
     TYPED(PAIR, "\"text\""), ""},
    {"a field more", TYPED(PAIR, "\"object\""),
     TYPED("[[16390,\"c\",[[1,\"a\",23,-1],[2,\"b\",25,-1],[3,\"c\",23,-1]]]]", "\"object\""), ALTERED},
    {"a field less", TYPED(PAIR, "\"object\""), TYPED("[[16390,\"c\",[[1,\"a\",23,-1]]]]", "\"object\""), ALTERED},
    {"a field dropped and added", TYPED(PAIR, "\"object\""),
     TYPED("[[16390,\"c\",[[1,\"a\",23,-1],[3,\"b\",25,-1]]]]", "\"object\""), ALTERED},
    {"a field renamed", TYPED(PAIR, "\"object\""),
     TYPED("[[16390,\"c\",[[1,\"a\",23,-1],[2,\"x\",25,-1]]]]", "\"object\""), ALTERED},
    {"a label more", TYPED(MOOD, "null"),
     TYPED("[[16390,\"e\",[[16391,\"sad\"],[16392,\"ok\"],[16393,\"new\"]]]]", "null"), ""},
    {"a label renamed", TYPED(MOOD, "null"), TYPED("[[16390,\"e\",[[16391,\"blue\"],[16392,\"ok\"]]]]", "null"),
     "a label of an enum has another text, or had one for a while"},
    {"a label renamed, and renamed back", TYPED(LABELS("751"), "null"), TYPED(LABELS("755"), "null"),
     "a label of an enum has another text, or had one for a while"},
    {"labels whose transactions an older version did not keep", TYPED(MOOD, "null"), TYPED(LABELS("755"), "null"), ""},
    {"another type", TYPED(PAIR, "\"object\""), TYPED("[[16399,\"c\",[[1,\"x\",23,-1]]]]", "\"object\""), ""},
    {"a first composite", TYPED("[]", "null"), TYPED(PAIR, "\"object\""), ""},
    {"--composite=text, and then not", TYPED(PAIR, "\"text\""), TYPED(PAIR, "\"object\""),
     "--composite was another one"},
    {"by a version that wrote text", BEFORE, TYPED(PAIR, "\"object\""),
     "composites, hstore and the like were text before"},
    {"by a version that wrote text, and it stays so", BEFORE, TYPED(PAIR, "\"text\""), ""},
    {"by an older version, without such", BEFORE, TYPED(MOOD, "null"), ""},
    {"the same", BEFORE, BEFORE, ""},
    {"a column more", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0],[4,\"a\",25,-1,"
          "710,0]]"),
     ""},
    {"a column more, with a value for the rows that are there", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0],[4,\"a\",25,-1,710,1]]"),
     "column a was added with a value for the rows that are there"},
    {"a column more, and the rows were written", BEFORE,
     REWRITTEN("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0],[4,\"a\",25,-1,710,0]]"),
     "column a was added with a value for the rows that are there"},
    {"a column less", BEFORE, WITH("[[1,\"id\",23,-1,700,0],[3,\"n\",1700,393222,700,0]]"), ""},
    {"a column dropped and added", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[3,\"n\",1700,393222,700,0],[4,\"v\",1043,14,710,0]]"),
     "column v was dropped and added again, or renamed"},
    {"a column renamed", BEFORE, WITH("[[1,\"id\",23,-1,700,0],[2,\"w\",1043,14,710,0],[3,\"n\",1700,393222,700,0]]"),
     "column w was renamed"},
    {"two columns that take each other's name", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"n\",1043,14,710,0],[3,\"v\",1700,393222,710,0]]"),
     "column n was dropped and added again, or renamed"},
    {"varchar(10) to varchar(20)", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,24,710,0],[3,\"n\",1700,393222,700,0]]"), ""},
    {"varchar to text", BEFORE, WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",25,-1,710,0],[3,\"n\",1700,393222,700,0]]"), ""},
    {"varchar to text USING, which writes the rows", BEFORE,
     REWRITTEN("[[1,\"id\",23,-1,700,0],[2,\"v\",25,-1,710,0],[3,\"n\",1700,393222,700,0]]"),
     "column v has another type"},
    {"the same type USING", BEFORE,
     REWRITTEN("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,710,0],[3,\"n\",1700,393222,700,0]]"),
     "column v was written anew"},
    {"numeric(6,2) to numeric(10,2)", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,655366,710,0]]"), ""},
    {"int to oid, of the same bytes", BEFORE,
     WITH("[[1,\"id\",26,-1,710,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0]]"),
     "column id has another type"},
    {"a default, NOT NULL: another row of the catalog", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,710,0],[3,\"n\",1700,393222,700,0]]"), ""},
    {"VACUUM FULL, CLUSTER, TRUNCATE", BEFORE, REWRITTEN(COLUMNS), ""},
    {"VACUUM FULL, and changes that write no row", TOASTED("16390", COLUMNS), VACUUMED(""), ""},
    {"a column more, whose value VACUUM FULL has put into the rows", TOASTED("16390", COLUMNS),
     VACUUMED(",[4,\"a\",25,-1,710,0]"), "column a was added with a value for the rows that are there"},
    {"the same in a partition", ROOT("[[16395,16395,700,16393]]"),
     TABLE("16384", "0", "10", "700", "16400", "[\"id\"]",
           "[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0],[4,\"a\",25,-1,710,0]]",
           "[[16395,17000,700,16393]]"),
     "column a was added with a value for the rows that are there"},
    {"SET LOGGED", TOASTED("16390", COLUMNS), TOASTED("17000", COLUMNS), "its rows were written anew"},
    {"USING, in a table with large values", TOASTED("16390", COLUMNS),
     TOASTED("17000", "[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,710,0],[3,\"n\",1700,393222,700,0]]"),
     "column v was written anew"},
    {"the first column that may be large", BEFORE,
     "{\"oid\":16384,\"file\":16384,\"toast\":17000,\"owner\":10,\"named\":700,\"by\":16400,\"key\":[\"id\"],"
     "\"cols\":" COLUMNS "}",
     ""},
    {"another table", BEFORE, TABLE("17000", "17000", "10", "710", "16400", "[\"id\"]", COLUMNS, "null"),
     "another table has its name"},
    {"taken out and added again", BEFORE, TABLE("16384", "16384", "10", "700", "17000", "[\"id\"]", COLUMNS, "null"),
     "it was taken out of the publication and added again, or published in another way"},
    {"renamed and back", BEFORE, TABLE("16384", "16384", "10", "710", "16400", "[\"id\"]", COLUMNS, "null"),
     "it was renamed, and renamed back"},
    {"another owner", BEFORE, TABLE("16384", "16384", "11", "710", "16400", "[\"id\"]", COLUMNS, "null"), ""},
    {"another key", BEFORE, TABLE("16384", "16384", "10", "700", "16400", "[\"id\",\"v\"]", COLUMNS, "null"),
     "it has another key"},
    {"no key any more", BEFORE, TABLE("16384", "16384", "10", "700", "16400", "null", COLUMNS, "null"),
     "it has another key"},
    {"the same partitions", ROOT("[[16390,16390,700],[16391,16391,700]]"),
     ROOT("[[16390,16390,700],[16391,16391,700]]"), ""},
    {"a partition truncated", ROOT("[[16390,16390,700],[16391,16391,700]]"),
     ROOT("[[16390,17000,700],[16391,16391,700]]"), "a partition was truncated, or written anew"},
    {"all of them truncated: each by itself, or the table, which the log has", ROOT("[[16391,16391,700]]"),
     ROOT("[[16391,17001,700]]"), "a partition was truncated, or written anew"},
    {"VACUUM FULL of a partition", ROOT("[[16395,16395,700],[16396,16396,700]]"),
     ROOT("[[16395,17000,700],[16396,16396,700]]"), ""},
    {"another file of a partition that cannot be asked", ROOT("[[16394,16394,700]]"), ROOT("[[16394,17000,700]]"),
     "error"},
    {"UNLOGGED, and LOGGED again", OTHER("16390"), OTHER("17000"),
     "its rows may have been written anew, or while it was UNLOGGED"},
    {"TRUNCATE", TABLE("16391", "16391", "10", "700", "16400", "[\"id\"]", COLUMNS, "null"),
     TABLE("16391", "17000", "10", "700", "16400", "[\"id\"]", COLUMNS, "null"), ""},
    {"another file of a table that cannot be asked",
     TABLE("16394", "16394", "10", "700", "16400", "[\"id\"]", COLUMNS, "null"),
     TABLE("16394", "17000", "10", "700", "16400", "[\"id\"]", COLUMNS, "null"), "error"},
    {"a partition whose rows were written", ROOT("[[16390,16390,700,16392],[16395,16395,700,16393]]"),
     ROOT("[[16390,17000,700,17003],[16395,17001,700,16393]]"), "its rows were written anew"},
    {"a partition without rows, or made as one", ROOT("[[16390,16390,700]]"),
     ROOT("[[16390,16390,700],[16399,16399,710]]"), ""},
    {"a partition with rows", ROOT("[[16390,16390,700]]"), ROOT("[[16390,16390,700],[20001,20001,710]]"),
     "a partition that has rows was attached"},
    {"the first partition, with rows", ROOT("null"), ROOT("[[20001,20001,710]]"),
     "a partition that has rows was attached"},
    {"a partition detached", ROOT("[[16390,16390,700],[16391,16391,700]]"), ROOT("[[16391,16391,700]]"),
     "a partition was detached or dropped"},
    {"the last partition detached", ROOT("[[16390,16390,700],[16391,16391,700]]"), ROOT("[[16390,16390,700]]"),
     "a partition was detached or dropped"},
    {"a partition detached and attached again", ROOT("[[16390,16390,700],[16391,16391,700]]"),
     ROOT("[[16390,16390,710],[16391,16391,700]]"), "a partition was detached or dropped"},
    {"a column under a name that was dropped before", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0],[5,\"was\",23,-1,710,0]]"),
     "column was was dropped before, and is another one"},
    {"the same in capitals", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0],[5,\"WAS\",23,-1,710,0]]"),
     "column WAS was dropped before, and is another one"},
    {"dropped, and one of its name in capitals added", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[4,\"N\",1700,393222,710,0]]"),
     "column N was dropped before, and is another one"},
    {"another name", BEFORE,
     WITH("[[1,\"id\",23,-1,700,0],[2,\"v\",1043,14,700,0],[3,\"n\",1700,393222,700,0],[5,\"wash\",23,-1,710,0]]"), ""},
    {"a partition that cannot be asked", ROOT("[[16390,16390,700]]"), ROOT("[[16390,16390,700],[30001,30001,710]]"),
     "error"},
};

static void judge(const struct example *example)
{
    const struct pg_judge question = {.before = cdc_span_text(example->before),
                                      .now = cdc_span_text(example->now),
                                      .is_new = is_new,
                                      .is_same = is_same,
                                      .gone = cdc_span_text("[\"was\"]")};
    struct cdc_buf why = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int stale = pg_judge_table(&question, &why, &error);
    check(example->what, stale < 0 ? "error" : stale ? why.data : "", example->why);
    cdc_buf_free(&why);
}

static void test_republished(void)
{
    const char *now = TABLE("16384", "16384", "10", "700", "17000", "[\"id\"]", COLUMNS, "null");
    const struct pg_judge question = {.before = cdc_span_text(BEFORE),
                                      .now = cdc_span_text(now),
                                      .republished = true,
                                      .is_new = is_new,
                                      .is_same = is_same};
    struct cdc_buf why = CDC_BUF_INIT;
    struct cdc_error error = {0};
    check("taken out and added again, and that is known", pg_judge_table(&question, &why, &error) == 0 ? "" : why.data,
          "");
    cdc_buf_free(&why);
}

/* -- what was dropped -- */

static const char *gone_of(const struct pg_shapes *shapes)
{
    const struct pg_shape *shape = pg_shapes_find(shapes, "public", "t");
    return shape && shape->gone ? shape->gone : "";
}

/* Each change of the form, and how it comes back from a state. */
static void test_gone(void)
{
    static const char two[] = "{\"oid\":7,\"cols\":[[1,\"id\",23,-1,700,0],[2,\"v\\\"\",23,-1,700,0]]}";
    static const char one[] = "{\"oid\":7,\"cols\":[[1,\"id\",23,-1,700,0]]}", none[] = "{\"oid\":7,\"cols\":[]}";
    struct pg_shapes shapes = {.known = true, .xids = strdup("760:760:")}, back = {.known = false};
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    struct pg_shape *shape = pg_shapes_ensure(&shapes, "public", "t", &error);
    pg_shapes_set(shape, cdc_span_text(two), 2, 10, false, &error);
    check("gone: nothing", gone_of(&shapes), "");
    pg_shapes_follow(shape, cdc_span_text(two), cdc_span_text(one), 2, 20, &error);
    check("gone: a column", gone_of(&shapes), "[\"v\\\"\"]");
    pg_shapes_follow(shape, cdc_span_text(one), cdc_span_text(none), 2, 30, &error);
    check("gone: two", gone_of(&shapes), "[\"v\\\"\",\"id\"]");
    pg_shapes_append(&out, &shapes, false);
    check("gone: a state",
          pg_shapes_read(&back, (struct cdc_span){NULL, 0}, cdc_span(out.data, out.len), &error) == 0 ? gone_of(&back)
                                                                                                      : error.text,
          "[\"v\\\"\",\"id\"]");
    check("gone: columns", pg_shapes_find(&back, "public", "t")->columns == 2 ? "2" : "", "2");
    pg_shapes_set(shape, cdc_span_text(one), 2, 40, false, &error);
    check("gone: the rows are read", gone_of(&shapes), "");
    pg_shapes_clear(&shapes);
    pg_shapes_clear(&back);
    cdc_buf_free(&out);
}

/* -- the publication -- */

static void test_publication(void)
{
    static const struct example rows[] = {
        {"publication: the same", "16390 751 10 f t t t t f", "16390 751 10 f t t t t f", ""},
        {"publication: made again", "16390 751 10 f t t t t f", "16399 751 10 f t t t t f",
         "its publication was made again"},
        {"publication: altered to what it was", "16390 751 10 f t t t t f", "16390 760 10 f t t t t f",
         "its publication was altered, and may have been another one meanwhile"},
        {"publication: less", "16390 751 10 f t t t t f", "16390 760 10 f t f t t f",
         "its publication was altered, and may have been another one meanwhile"},
        {"publication: more", "16390 751 10 f t f t t f", "16390 760 10 f t t t t f",
         "its publication did not publish all operations before"},
        {"publication: another owner", "16390 751 10 f t t t t f", "16390 760 11 f t t t t f",
         "its publication was altered, and may have been another one meanwhile"},
        {"publication: by the root", "16390 751 10 f t t t t f", "16390 760 10 f t t t t t",
         "its publication was altered, and may have been another one meanwhile"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = pg_judge_publication(rows[i].before, rows[i].now);
        check(rows[i].what, why ? why : "", rows[i].why);
    }
}

/* -- what is kept -- */

#define OF_T(at, is) "{\"schema\":\"public\",\"table\":\"t\",\"at\":\"" at "\"" is "}"
#define FORMS(at, tables)                                                                                              \
    "{\"publication\":\"16390 751 10 f t t t t f\",\"xids\":\"750:760:755\",\"at\":\"" at "\",\"tables\":[" tables "]" \
    "}"
#define IS(oid) ",\"is\":" TABLE(oid, oid, "10", "700", "16400", "[\"id\"]", COLUMNS, "null")

static void read_both(const char *what, const char *snapshot, const char *stream, bool all, const char *want)
{
    struct pg_shapes shapes = {.items = NULL};
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    if (pg_shapes_read(&shapes, cdc_span_text(snapshot), cdc_span_text(stream), &error) == 0)
        pg_shapes_append(&out, &shapes, all);
    else
        cdc_buf_text(&out, error.text);
    cdc_buf_byte(&out, '\0');
    check(what, out.data, want);
    cdc_buf_free(&out);
    pg_shapes_clear(&shapes);
}

static void test_kept(void)
{
    read_both("kept: the snapshot's alone", FORMS("0/10", OF_T("0/10", IS("1"))), NULL, true,
              FORMS("0/10", OF_T("0/10", IS("1"))));
    read_both("kept: of that the stream keeps nothing", FORMS("0/10", OF_T("0/10", IS("1"))), NULL, false,
              FORMS("0/10", ""));
    read_both("kept: the stream has looked again", FORMS("0/10", OF_T("0/10", IS("1"))), FORMS("0/20", ""), false,
              FORMS("0/20", ""));
    read_both("kept: the stream has seen a change", FORMS("0/10", OF_T("0/10", IS("1"))),
              FORMS("0/20", OF_T("0/20", IS("2"))), false, FORMS("0/20", OF_T("0/20", IS("2"))));
    read_both("kept: the table was read again since", FORMS("0/10", OF_T("0/30", IS("3"))),
              FORMS("0/20", OF_T("0/20", IS("2"))), false, FORMS("0/20", ""));
    read_both("kept: it has left", FORMS("0/10", OF_T("0/10", IS("1"))), FORMS("0/20", OF_T("0/20", "")), false,
              FORMS("0/20", OF_T("0/20", "")));
    read_both("kept: damaged", FORMS("x", OF_T("0/10", IS("1"))), NULL, true,
              "\"shapes\" of the pipeline's state is damaged");
    read_both("kept: the ids are damaged", "{\"publication\":\"1\",\"xids\":\"760\",\"at\":\"0/10\",\"tables\":[]}",
              NULL, true, "\"shapes\" of the pipeline's state is damaged");
    read_both("kept: those of before are damaged",
              "{\"publication\":\"1\",\"xids\":\"760:760:\",\"began\":\"\",\"at\":\"0/10\",\"tables\":[]}", NULL, true,
              "\"shapes\" of the pipeline's state is damaged");
    read_both("kept: a table is damaged", FORMS("0/10", "{\"schema\":\"public\",\"at\":\"0/10\"}"), NULL, true,
              "\"shapes\" of the pipeline's state is damaged");
}

/* -- beside the log -- */

static struct pg_column columns[] = {{.name = (char *)"id", .type_oid = 23, .typmod = -1, .identity = true},
                                     {.name = (char *)"v", .type_oid = 1043, .typmod = 14},
                                     {.name = (char *)"n", .type_oid = 1700, .typmod = 393222}};
static const struct pg_table in_log = {.oid = 1,
                                       .schema = (char *)"public",
                                       .name = (char *)"t",
                                       .columns = columns,
                                       .n_columns = 3,
                                       .key_facts = {.replica_identity = 'd'}};

static void differs_in(const char *what, const char *forms, struct pg_table table, uint64_t lsn, bool read, bool want)
{
    struct pg_shapes shapes = {.items = NULL};
    struct cdc_error error = {0};
    if (pg_shapes_read(&shapes, cdc_span_text(forms), (struct cdc_span){NULL, 0}, &error) < 0)
        abort();
    check(what, pg_shapes_differ(&shapes, &table, lsn, read) ? "differs" : "the same", want ? "differs" : "the same");
    pg_shapes_clear(&shapes);
}

static void differs(const char *what, const char *forms, struct pg_table table, uint64_t lsn, bool want)
{
    differs_in(what, forms, table, lsn, false, want);
}

static void test_log(void)
{
    const char *forms = FORMS("0/10", OF_T("0/10", IS("1")));
    struct pg_table table = in_log;
    differs("log: the same table", forms, table, 0x20, false);
    table.name = (char *)"u";
    differs("log: one that was never seen", forms, table, 0x20, false);
    table = in_log;
    table.n_columns = 2;
    differs("log: a column less", forms, table, 0x20, true);
    differs_in("log: a column less, before it was seen, and in the rows", forms, table, 0xF, true, false);
    differs("log: a column less, before it was seen, and after the rows", forms, table, 0xF, true);
    differs("log: the same table before it was seen, and after the rows", forms, in_log, 0xF, false);
    differs_in("log: a column less, after it was seen", forms, table, 0x20, true, true);
    table = in_log;
    table.oid = 2;
    differs("log: another table", forms, table, 0x20, true);
    table = in_log;
    table.key_facts.replica_identity = 'f';
    differs("log: marks that are none of a key", forms, table, 0x20, false);
    columns[1].identity = true;
    differs("log: another key", forms, in_log, 0x20, true);
    columns[1].identity = false;
    columns[1].typmod = 24;
    differs("log: another length", forms, in_log, 0x20, true);
    columns[1].typmod = 14;
    differs("log: a name of a table that has left", FORMS("0/10", OF_T("0/10", "")), in_log, 0x20, true);
}

/* What ended while a look went on may be in the log before the place that the look names, and was seen by none of it. */
static void test_saw(void)
{
    static const char state[] = "{\"publication\":\"1\",\"xids\":\"760:760:\",\"at\":\"0/10\",\"tables\":[]%s}";
    static const struct {
        const char *began;
        uint32_t xid;
        bool want;
    } cases[] = {{"", 759, true},
                 {"", 760, false},
                 {",\"began\":\"750:755:752\"", 749, true},
                 {",\"began\":\"750:755:752\"", 752, false},
                 {",\"began\":\"750:755:752\"", 753, true},
                 {",\"began\":\"750:755:752\"", 755, false},
                 {",\"began\":\"750:755:752\"", 759, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_shapes shapes = {.items = NULL};
        struct cdc_error error = {0};
        char text[200];
        snprintf(text, sizeof text, state, cases[i].began);
        if (pg_shapes_read(&shapes, (struct cdc_span){NULL, 0}, cdc_span_text(text), &error) < 0)
            abort();
        check("saw", pg_shapes_saw(&shapes, cases[i].xid) ? "saw" : "did not", cases[i].want ? "saw" : "did not");
        pg_shapes_clear(&shapes);
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        judge(&examples[i]);
    test_republished();
    test_gone();
    test_publication();
    test_kept();
    test_log();
    test_saw();
    return failures != 0;
}
