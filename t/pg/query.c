/*
 * Runs one of the module's queries by its name, for the tests:
 *
 *     query CONNINFO NAME [PARAMETER…]
 *
 * A parameter \N is NULL.  Prints a line per row, columns separated by " | ";
 * an error is printed as "SQLSTATE message", and 1 returned.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "ngx_paytrade_pg_queries.h"


#define QUERY(name)  { #name, ngx_paytrade_pg_ ## name }

static const struct {
    const char  *name;
    const char  *sql;
} queries[] = {
    QUERY(progress), QUERY(order), QUERY(payment), QUERY(refund),
    QUERY(rebuild_begin), QUERY(rebuild_items), QUERY(rebuild_sales),
    QUERY(rebuild_orders), QUERY(rebuild_payments), QUERY(rebuild_refunds),
    QUERY(rebuild_buyers), QUERY(rebuild_admin), QUERY(dead_letters),
    QUERY(dead_letter), QUERY(dead_letter_done), QUERY(counts),
    QUERY(audit_items), QUERY(audit_orders), QUERY(audit_held),
    QUERY(write_orders), QUERY(conflicting_orders), QUERY(write_items),
    QUERY(conflicting_items), QUERY(write_sales), QUERY(conflicting_sales),
    QUERY(write_payments), QUERY(conflicting_payments), QUERY(write_refunds),
    QUERY(conflicting_refunds), QUERY(write_orphans),
    QUERY(conflicting_orphans), QUERY(write_admin), QUERY(write_dead),
    QUERY(write_progress),
    { NULL, NULL }
};


static int
print(PGresult *res)
{
    int  row, column;

    if (PQresultStatus(res) != PGRES_TUPLES_OK
        && PQresultStatus(res) != PGRES_COMMAND_OK)
    {
        printf("%s %s\n", PQresultErrorField(res, PG_DIAG_SQLSTATE),
               PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
        return 1;
    }

    for (row = 0; row < PQntuples(res); row++) {
        for (column = 0; column < PQnfields(res); column++) {
            printf("%s%s", column ? " | " : "",
                   PQgetisnull(res, row, column) ? "NULL"
                                            : PQgetvalue(res, row, column));
        }

        printf("\n");
    }

    return 0;
}


int
main(int argc, char **argv)
{
    int           i, rc;
    PGconn       *conn;
    PGresult     *res;
    const char   *params[32];
    const char   *sql;

    if (argc == 2 && strcmp(argv[1], "names") == 0) {
        for (i = 0; queries[i].name; i++) {
            printf("%s\n", queries[i].name);
        }

        return 0;
    }

    if (argc < 3 || argc > 35) {
        return 2;
    }

    for (i = 0, sql = NULL; queries[i].name; i++) {
        if (strcmp(queries[i].name, argv[2]) == 0) {
            sql = queries[i].sql;
        }
    }

    for (i = 3; i < argc; i++) {
        params[i - 3] = strcmp(argv[i], "\\N") ? argv[i] : NULL;
    }

    conn = PQconnectdb(argv[1]);

    if (sql == NULL || PQstatus(conn) != CONNECTION_OK) {
        printf("%s\n", sql ? PQerrorMessage(conn) : "no such query");
        PQfinish(conn);
        return 2;
    }

    res = PQexecParams(conn, sql, argc - 3, NULL, params, NULL, NULL, 0);
    rc = print(res);

    PQclear(res);
    PQfinish(conn);

    return rc;
}
