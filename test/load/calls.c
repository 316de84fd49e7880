/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  Runs statements with parameters as drivers do.
 *
 *	calls CONNINFO
 *
 * Reads lines of fields separated by 0x1f: the statement, then for each
 * parameter "OID=VALUE", OID 0 being a parameter whose type the server has to
 * find, VALUE text ("\N" for NULL). Each is parsed, described and executed by
 * the extended protocol. Prints a line for each: the rows joined by ";", their
 * columns by "|", or "ERROR SQLSTATE message".
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARAMETERS 16

static void
print_result(PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		printf("ERROR %s %s\n", PQresultErrorField(result, PG_DIAG_SQLSTATE),
			   PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
		return;
	}
	for (int row = 0; row < PQntuples(result); row++)
	{
		for (int column = 0; column < PQnfields(result); column++)
			printf("%s%s", column ? "|" : row ? ";" : "",
				   PQgetisnull(result, row, column) ? "NULL" : PQgetvalue(result, row, column));
	}
	printf("\n");
}

/* Parses, describes and executes one statement. */
static void
call(PGconn *conn, const char *sql, int n, const Oid *types, const char **values)
{
	PGresult   *result = PQprepare(conn, "", sql, n, types);

	if (PQresultStatus(result) == PGRES_COMMAND_OK)
	{
		PQclear(result);
		PQclear(PQdescribePrepared(conn, ""));
		result = PQexecPrepared(conn, "", n, values, NULL, NULL, 0);
	}
	print_result(result);
	PQclear(result);
}

int
main(int argc, char **argv)
{
	char		line[65536];
	PGconn	   *conn;

	if (argc != 2)
	{
		fprintf(stderr, "usage: calls CONNINFO\n");
		return 2;
	}
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "calls: %s", PQerrorMessage(conn));
		return 1;
	}
	while (fgets(line, sizeof(line), stdin))
	{
		Oid			types[MAX_PARAMETERS];
		const char *values[MAX_PARAMETERS];
		int			n = 0;
		char	   *field;

		line[strcspn(line, "\n")] = '\0';
		strtok(line, "\x1f");
		while (n < MAX_PARAMETERS && (field = strtok(NULL, "\x1f")) != NULL)
		{
			char	   *value = strchr(field, '=') + 1;

			types[n] = strtoul(field, NULL, 10);
			values[n++] = strcmp(value, "\\N") == 0 ? NULL : value;
		}
		call(conn, line, n, types, values);
	}
	PQfinish(conn);
	return 0;
}
