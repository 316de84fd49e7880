/*-------------------------------------------------------------------------
 *
 * latency.c
 *	  How long after an append's commit is its effect visible?
 *
 *	latency CONNINFO rama|listen|poll SECONDS RATE RUN
 *
 * Appends at RATE events per second, each a transaction, and after each looks
 * for its row in "effects" until it is there. Who makes the effect: the
 * topology on depot "inputs" (rama), or a client worker, forked here, that
 * consumes the table "plain" behind a position, woken by NOTIFY (listen), or
 * every millisecond (poll). Prints p50 and p99 in microseconds, and the
 * number of events.
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the client worker does for all new events, in one transaction. */
static const char *consume_sql =
"WITH new AS (SELECT at, id FROM plain WHERE at > (SELECT at FROM position)), "
"done AS (INSERT INTO effects SELECT id FROM new) "
"UPDATE position SET at = newest FROM (SELECT max(at) AS newest FROM new) x WHERE newest IS NOT NULL";

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void
check(PGconn *conn, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "latency: %s", PQerrorMessage(conn));
		exit(1);
	}
	PQclear(result);
}

static PGconn *
connect_to(const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "latency: %s", PQerrorMessage(conn));
		exit(1);
	}
	return conn;
}

static void
work(const char *conninfo, int listen)
{
	PGconn	   *conn;
	PGnotify   *notify;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	conn = connect_to(conninfo);
	check(conn, PQprepare(conn, "consume", consume_sql, 0, NULL));
	if (listen)
		check(conn, PQexec(conn, "LISTEN inputs"));
	for (;;)
	{
		check(conn, PQexecPrepared(conn, "consume", 0, NULL, NULL, NULL, 0));
		if (listen)
		{
			struct pollfd fd = {.fd = PQsocket(conn),.events = POLLIN};

			/* What arrived with the last answer needs no waiting. */
			if ((notify = PQnotifies(conn)) == NULL)
			{
				poll(&fd, 1, 1000);
				PQconsumeInput(conn);
				notify = PQnotifies(conn);
			}
			for (; notify != NULL; notify = PQnotifies(conn))
				PQfreemem(notify);
		}
		else
			usleep(1000);
	}
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a,
				y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static void
wait_until(double when)
{
	double		left = when - now();

	if (left > 0)
		usleep(left * 1e6);
}

/* Appends one event; returns the seconds until its effect is seen. */
static double
one_event(PGconn *conn, long long id)
{
	char		text[32];
	const char *values[1] = {text};
	double		committed;

	snprintf(text, sizeof(text), "%lld", id);
	check(conn, PQexecPrepared(conn, "append", 1, values, NULL, NULL, 0));
	committed = now();
	for (;;)
	{
		PGresult   *result = PQexecPrepared(conn, "look", 1, values, NULL, NULL, 0);
		int			seen = PQntuples(result);

		check(conn, result);
		if (seen)
			return now() - committed;
		if (now() - committed > 10)
		{
			fprintf(stderr, "latency: no effect of event %lld in 10 s\n", id);
			exit(1);
		}
	}
}

int
main(int argc, char **argv)
{
	pid_t		worker = 0;
	int			rama,
				listen,
				rate,
				n;
	double	   *latency;
	double		begun;
	PGconn	   *conn;

	if (argc != 6)
	{
		fprintf(stderr, "usage: latency CONNINFO rama|listen|poll SECONDS RATE RUN\n");
		return 2;
	}
	rama = strcmp(argv[2], "rama") == 0;
	listen = strcmp(argv[2], "listen") == 0;
	rate = atoi(argv[4]);
	n = atoi(argv[3]) * rate;
	latency = malloc(n * sizeof(double));
	if (!rama && (worker = fork()) == 0)
		work(argv[1], listen);

	conn = connect_to(argv[1]);
	check(conn, PQprepare(conn, "append",
						  rama ? "INSERT INTO inputs (id) VALUES ($1)" :
						  listen ? "WITH n AS (SELECT pg_notify('inputs', '')) INSERT INTO plain (id) SELECT $1::bigint FROM n" :
						  "INSERT INTO plain (id) VALUES ($1)", 0, NULL));
	check(conn, PQprepare(conn, "look", "SELECT 1 FROM effects WHERE id = $1", 0, NULL));
	for (int i = 0; i < rate; i++)	/* warm up */
		one_event(conn, (atoll(argv[5]) << 32) + i);
	begun = now();
	for (int i = 0; i < n; i++)
	{
		wait_until(begun + (double) i / rate);
		latency[i] = one_event(conn, (atoll(argv[5]) << 32) + rate + i);
	}
	PQfinish(conn);
	if (worker > 0)
		kill(worker, SIGTERM);
	qsort(latency, n, sizeof(double), compare);
	printf("%.0f %.0f %d\n", latency[n / 2] * 1e6, latency[n * 99 / 100] * 1e6, n);
	return 0;
}
