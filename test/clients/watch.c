/*
 * watch.c
 *	  Follow a part of a PState by LISTEN, with libpq.
 *
 *	  watch CONNINFO PSTATE PATH
 *
 * Prints the value, then each change, as lines: version, op, path, value.
 *
 * A notification says that something has changed, and mostly what; asking for
 * the changes since the version that one has is right in any case, and all
 * that there is to do.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libpq-fe.h"

static PGconn *conn;

static void
fail(const char *what)
{
	fprintf(stderr, "%s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static PGresult *
query(const char *sql, int nparams, const char *const *params)
{
	PGresult   *res = PQexecParams(conn, sql, nparams, NULL, params, NULL, NULL, 0);

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
		fail(sql);
	return res;
}

/* Print what is newer than the version, which becomes the last of it. */
static void
changes(const char *pstate, const char *path, char *version)
{
	const char *params[] = {pstate, path, version};
	PGresult   *res = query("SELECT * FROM rama.changes($1, $2, after => $3::bigint)", 3, params);

	for (int i = 0; i < PQntuples(res); i++)
	{
		printf("%s %s %s %s\n", PQgetvalue(res, i, 0), PQgetvalue(res, i, 1),
			   PQgetvalue(res, i, 2), PQgetvalue(res, i, 3));
		strcpy(version, PQgetvalue(res, i, 0));
	}
	fflush(stdout);
	PQclear(res);
}

static void
wait_for_notification(void)
{
	PGnotify   *notify;
	int			n = 0;

	for (;;)
	{
		struct pollfd fd = {PQsocket(conn), POLLIN, 0};

		/* One may have come with the result of a query: look before waiting. */
		for (; (notify = PQnotifies(conn)) != NULL; n++)
			PQfreemem(notify);
		if (n > 0)
			return;
		if (poll(&fd, 1, -1) < 0 || !PQconsumeInput(conn))
			fail("connection lost");
	}
}

int
main(int argc, char **argv)
{
	char		version[32];
	char		listen[256];
	char	   *channel;
	PGresult   *res;

	if (argc != 4)
	{
		fprintf(stderr, "usage: watch CONNINFO PSTATE PATH\n");
		return 2;
	}
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail("no connection");
	res = query("SELECT channel, version, value FROM rama.watch($1, $2)", 2,
				(const char *const *) &argv[2]);
	snprintf(version, sizeof(version), "%s", PQgetvalue(res, 0, 1));
	printf("%s %s\n", version, PQgetvalue(res, 0, 2));
	channel = PQescapeIdentifier(conn, PQgetvalue(res, 0, 0), strlen(PQgetvalue(res, 0, 0)));
	snprintf(listen, sizeof(listen), "LISTEN %s", channel);
	PQclear(res);
	PQclear(query(listen, 0, NULL));
	for (;;)
	{
		/* First what came before LISTEN. */
		changes(argv[2], argv[3], version);
		wait_for_notification();
	}
}
