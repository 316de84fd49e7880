/*
 * tail.c
 *	  Follow a part of a PState by COPY, with libpq.
 *
 *	  tail CONNINFO PSTATE PATH
 *
 * Prints lines of JSON: the value, then each change. Ends when the server ends
 * the copy, with an error if it says one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "libpq-fe.h"

static PGconn *conn;

static void
fail(const char *what)
{
	fprintf(stderr, "%s: %s", what, PQerrorMessage(conn));
	exit(1);
}

int
main(int argc, char **argv)
{
	PGresult   *res;
	char	   *line;
	int			length;

	if (argc != 4)
	{
		fprintf(stderr, "usage: tail CONNINFO PSTATE PATH\n");
		return 2;
	}
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail("no connection");
	res = PQexecParams(conn, "CALL rama.tail($1, $2, format => 'json')", 2, NULL,
					   (const char *const *) &argv[2], NULL, NULL, 0);
	if (PQresultStatus(res) != PGRES_COPY_OUT)
		fail("tail");
	PQclear(res);
	while ((length = PQgetCopyData(conn, &line, 0)) > 0)
	{
		fwrite(line, 1, length, stdout);
		fflush(stdout);
		PQfreemem(line);
	}
	while ((res = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fail("tail");
		PQclear(res);
	}
	PQfinish(conn);
	return 0;
}
