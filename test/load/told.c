/*-------------------------------------------------------------------------
 *
 * told.c
 *	  How long after an append's commit is a watcher told of its effect?
 *
 *	told CONNINFO tail|many|watch|trigger SECONDS RATE WATCHES
 *
 * Appends at RATE events per second, each a transaction, with increasing ids;
 * a process forked here is told of them: by rama.tail() or rama.tail_many() of
 * WATCHES keys of the PState "told", of which a topology sets the key "hit" to
 * the newest id of depot "tell"; by LISTEN to rama.watch() of it, of as many
 * keys; or (trigger) by LISTEN to what a trigger on the table "tell_plain"
 * notifies. Prints p50 and p99 in microseconds, from the return of the commit,
 * and the number of events of which the watcher was told alone or with others.
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 1000000

typedef struct Shared
{
	volatile int ready;
	volatile int64_t newest;	/* of which the watcher was told */
	double		told[MAX_EVENTS];
} Shared;

static Shared *shared;
static int64_t base;			/* ids of earlier runs */
static double committed[MAX_EVENTS];

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void
fail(PGconn *conn, const char *what)
{
	fprintf(stderr, "told: %s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static PGconn *
connect_to(const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn, "connection");
	return conn;
}

/* The last id of earlier runs. */
static int64_t
last_id(const char *conninfo, const char *how)
{
	PGconn	   *conn = connect_to(conninfo);
	PGresult   *result = PQexec(conn, strcmp(how, "trigger") == 0 ?
								"SELECT coalesce(max(id), 0) FROM tell_plain" :
								"SELECT coalesce(max(id), 0) FROM tell");
	int64_t		last;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(conn, "last id");
	last = atoll(PQgetvalue(result, 0, 0));
	PQclear(result);
	PQfinish(conn);
	return last;
}

static void
run(PGconn *conn, const char *sql)
{
	PGresult   *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(conn, sql);
	PQclear(result);
}

/* All events up to this one were told now. */
static void
told(int64_t id)
{
	double		at = now();

	id -= base;
	if (id >= MAX_EVENTS)
		return;
	for (int64_t i = shared->newest + 1; i <= id; i++)
		shared->told[i] = at;
	if (id > shared->newest)
		shared->newest = id;
}

/* The number behind the last "value": of the text, or 0. */
static int64_t
value_in(const char *text)
{
	const char *at = NULL;

	for (const char *next = text; (next = strstr(next, "\"value\":")) != NULL; next += 8)
		at = next + 8;
	return at ? atoll(at) : 0;
}

/* What is not hit are keys that nobody sets. */
static const char *
path(int i)
{
	static char text[64];

	snprintf(text, sizeof(text), i == 0 ? "[\"hit\"]" : "[\"missed %d\"]", i);
	return text;
}

static void
be_told_by_copy(PGconn *conn, const char *sql, int nwatches)
{
	char	   *line;
	int			nlines = 0;

	if (PQresultStatus(PQexec(conn, sql)) != PGRES_COPY_OUT)
		fail(conn, "tail");
	while (PQgetCopyData(conn, &line, 0) > 0)
	{
		told(value_in(line));
		PQfreemem(line);
		if (++nlines == nwatches)
			shared->ready = 1;
	}
	fail(conn, "tail");
}

static void
be_told_by_many(PGconn *conn, int nwatches)
{
	char	   *sql = malloc(100 + nwatches * 100);
	char	   *end = sql + sprintf(sql, "CALL rama.tail_many('[");

	for (int i = 0; i < nwatches; i++)
		end += sprintf(end, "%s{\"id\": %d, \"pstate\": \"told\", \"path\": %s}", i > 0 ? ", " : "", i, path(i));
	sprintf(end, "]')");
	be_told_by_copy(conn, sql, nwatches);
}

static void
watch(PGconn *conn, int i)
{
	char		sql[256];
	char		listen[256];
	PGresult   *result;

	snprintf(sql, sizeof(sql), "SELECT channel FROM rama.watch('told', '%s')", path(i));
	result = PQexec(conn, sql);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(conn, "watch");
	snprintf(listen, sizeof(listen), "LISTEN \"%s\"", PQgetvalue(result, 0, 0));
	PQclear(result);
	run(conn, listen);
}

static void
be_told_by_notify(PGconn *conn, int payload_is_json)
{
	shared->ready = 1;
	for (;;)
	{
		struct pollfd fd = {PQsocket(conn), POLLIN, 0};
		PGnotify   *notify;

		if (poll(&fd, 1, -1) < 0 || !PQconsumeInput(conn))
			fail(conn, "notification");
		while ((notify = PQnotifies(conn)) != NULL)
		{
			told(payload_is_json ? value_in(notify->extra) : atoll(notify->extra));
			PQfreemem(notify);
		}
	}
}

static void
be_told(const char *conninfo, const char *how, int nwatches)
{
	PGconn	   *conn = connect_to(conninfo);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (strcmp(how, "tail") == 0)
		be_told_by_copy(conn, "CALL rama.tail('told', '[\"hit\"]', format => 'json')", 1);
	if (strcmp(how, "many") == 0)
		be_told_by_many(conn, nwatches);
	if (strcmp(how, "watch") == 0)
	{
		for (int i = 0; i < nwatches; i++)
			watch(conn, i);
		be_told_by_notify(conn, 1);
	}
	run(conn, "LISTEN told");
	be_told_by_notify(conn, 0);
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
wait_for(volatile int64_t *what, int64_t value)
{
	double		patience = now() + 30;

	while (*what < value)
	{
		if (now() > patience)
		{
			fprintf(stderr, "told: the watcher was not told\n");
			exit(1);
		}
		usleep(1000);
	}
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;
	pid_t		watcher;
	const char *sql;
	double		seconds;
	double		rate;
	double		begin;
	int			n;

	if (argc != 6)
	{
		fprintf(stderr, "usage: told CONNINFO tail|many|watch|trigger SECONDS RATE WATCHES\n");
		return 2;
	}
	seconds = atof(argv[3]);
	rate = atof(argv[4]);
	n = (int) (seconds * rate);
	shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || n >= MAX_EVENTS)
		return 1;
	base = last_id(argv[1], argv[2]);
	watcher = fork();
	if (watcher == 0)
		be_told(argv[1], argv[2], atoi(argv[5]));

	conn = connect_to(argv[1]);
	sql = strcmp(argv[2], "trigger") == 0 ? "INSERT INTO tell_plain (id) VALUES ($1)" :
		"INSERT INTO tell (id) VALUES ($1)";
	PQclear(PQprepare(conn, "append", sql, 1, NULL));
	for (double patience = now() + 60; !shared->ready; usleep(1000))
		if (now() > patience || waitpid(watcher, NULL, WNOHANG) != 0)
			return 1;
	begin = now();
	for (int i = 1; i <= n; i++)
	{
		char		id[32];
		const char *params[] = {id};
		double		due = begin + i / rate;
		PGresult   *result;

		if (due > now())
			usleep((useconds_t) ((due - now()) * 1e6));
		snprintf(id, sizeof(id), "%lld", (long long) (base + i));
		result = PQexecPrepared(conn, "append", 1, params, NULL, NULL, 0);
		committed[i] = now();
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			fail(conn, sql);
		PQclear(result);
	}
	wait_for(&shared->newest, n);
	kill(watcher, SIGKILL);
	for (int i = 1; i <= n; i++)
	{
		committed[i] = (shared->told[i] - committed[i]) * 1e6;
		if (committed[i] < 0)
			committed[i] = 0;
	}
	qsort(committed + 1, n, sizeof(double), compare);
	printf("%.0f %.0f %d\n", committed[1 + n / 2], committed[1 + (int) (n * 0.99)], n);
	PQfinish(conn);
	return 0;
}
