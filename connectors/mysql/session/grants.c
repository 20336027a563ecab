/* SPDX-License-Identifier: MIT */
/* SHOW GRANTS, one line for each thing that something is granted on. */
#include "connectors/mysql/session/grants.h"
#include "connectors/mysql/session/session.h"

#include <stdlib.h>
#include <string.h>

int my_grants_read(MYSQL *mysql, struct my_grants *grants, struct cdc_error *error)
{
    *grants = (struct my_grants){0};
    MYSQL_RES *result = my_session_query(mysql, "SHOW GRANTS", "cannot read the user's privileges", error);
    if (!result)
        return -1;
    size_t room = (size_t)mysql_num_rows(result);
    grants->lines = calloc(room + 1, sizeof *grants->lines);
    bool good = grants->lines != NULL;
    for (MYSQL_ROW row; good && grants->n < room && (row = mysql_fetch_row(result)) != NULL;)
        if (row[0])
            good = (grants->lines[grants->n] = strdup(row[0])) != NULL && ++grants->n;
    mysql_free_result(result);
    return good ? 0 : cdc_error_memory(error);
}

void my_grants_free(struct my_grants *grants)
{
    for (size_t i = 0; i < grants->n; i++)
        free(grants->lines[i]);
    free(grants->lines);
    *grants = (struct my_grants){0};
}

/* The privileges stand between GRANT and ON, with commas between them, and columns in brackets after one:
 * "GRANT SELECT (id, v), INSERT ON `d`.`t` TO ...". */
static bool line_has(const char *line, const char *privilege)
{
    static const char grant[] = "GRANT ", all[] = "ALL PRIVILEGES";
    const char *p = strncmp(line, grant, sizeof grant - 1) == 0 ? line + sizeof grant - 1 : "";
    const char *end = strstr(p, " ON ");
    while (end && p < end) {
        size_t n = strcspn(p, ",(");
        if (p + n > end)
            n = (size_t)(end - p);
        size_t word = n;
        while (word > 0 && p[word - 1] == ' ')
            word--;
        if ((word == strlen(privilege) && memcmp(p, privilege, word) == 0) ||
            (word == sizeof all - 1 && memcmp(p, all, word) == 0))
            return true;
        p += n;
        if (*p == '(')
            p += strcspn(p, ")") + 1;
        p += strspn(p, ", ");
    }
    return false;
}

bool my_grants_have(const struct my_grants *grants, const char *privilege)
{
    for (size_t i = 0; i < grants->n; i++)
        if (strstr(grants->lines[i], " ON *.* ") && line_has(grants->lines[i], privilege))
            return true;
    return false;
}

bool my_grants_have_somewhere(const struct my_grants *grants, const char *privilege)
{
    for (size_t i = 0; i < grants->n; i++)
        if (line_has(grants->lines[i], privilege))
            return true;
    return false;
}
