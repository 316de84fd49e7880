/*-------------------------------------------------------------------------
 *
 * writers.c
 *	  Concurrent appenders, for tests of what topologies see.
 *
 *	writers CONNINFO DEPOT WRITERS SECONDS ROUND [survive]
 *
 * The depot has the columns (id bigint, writer int, cause bigint, kind text).
 * Each writer is a process with two sessions that append in every way in
 * which transactions can be open, late, prepared or rolled back. An event's
 * cause is the id of one whose commit some writer had seen return before this
 * event's statement was sent: a topology must process it earlier.
 *
 * ROUND keeps the ids of several runs apart. With "survive", lost
 * connections are made anew, and statements may fail for want of resources:
 * servers get killed meanwhile, or run full. SIGTERM ends the run early.
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WRITERS 64

/* The newest event of each writer whose commit has returned; 0: none. */
static int64_t *committed;

/* Shared, too: SIGTERM has come. */
static volatile int *stopped;

static const char *conninfo;
static const char *depot;
static int	nwriters;
static int	writer;
static int64_t next_id;
static double deadline;
static int	survive;
static PGconn *first;
static PGconn *second;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int
below(int n)
{
	return random() % n;
}

static void
think(int max_ms)
{
	usleep(1000 + below(max_ms * 1000));
}

static void
fail(PGconn *conn, const char *what)
{
	fprintf(stderr, "writer %d: %s: %s", writer, what, PQerrorMessage(conn));
	exit(1);
}

/* True if the statement worked; false if the connection is gone. */
static int
check(PGconn *conn, PGresult *result, const char *what)
{
	ExecStatusType status = PQresultStatus(result);
	int			ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
		status == PGRES_COPY_IN;
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	/*
	 * libpq's own errors have none; 57P is the server's end, 53 its need. DDL
	 * that locks the table and then its sequence may meet a transaction that
	 * has given back the former by ROLLBACK TO SAVEPOINT.
	 */
	int			lost = sqlstate == NULL || strncmp(sqlstate, "57P", 3) == 0 ||
		strncmp(sqlstate, "53", 2) == 0 || strcmp(sqlstate, "40P01") == 0;

	PQclear(result);
	if (!ok && !(survive && lost))
		fail(conn, what);
	return ok;
}

static int
run(PGconn *conn, const char *sql)
{
	return check(conn, PQexec(conn, sql), sql);
}

static int64_t
new_id(void)
{
	return next_id++;
}

/* An event that was committed before now, or 0. */
static int64_t
some_cause(void)
{
	return __atomic_load_n(&committed[below(nwriters)], __ATOMIC_SEQ_CST);
}

static int
publish(int64_t id)
{
	__atomic_store_n(&committed[writer], id, __ATOMIC_SEQ_CST);
	return 1;
}

/* Appends n events by one INSERT; returns the last one's id, or 0. */
static int64_t
insert_caused(PGconn *conn, int n, const char *kind, int64_t cause)
{
	char		sql[16384];
	int			len;
	int64_t		id = 0;

	len = snprintf(sql, sizeof(sql), "INSERT INTO %s (id, writer, cause, kind) VALUES ", depot);
	for (int i = 0; i < n; i++)
	{
		id = new_id();
		len += snprintf(sql + len, sizeof(sql) - len, "%s(%lld, %d, nullif(%lld, 0), '%s')",
						i ? "," : "", (long long) id, writer, (long long) cause, kind);
	}
	return run(conn, sql) ? id : 0;
}

static int64_t
insert(PGconn *conn, int n, const char *kind)
{
	return insert_caused(conn, n, kind, some_cause());
}

static int
autocommit(void)
{
	int64_t		id = insert(first, 1, "autocommit");

	return id && publish(id);
}

static int
multi_row(void)
{
	int64_t		id = insert(first, 2 + below(40), "multi-row");

	return id && publish(id);
}

static int
by_function(void)
{
	char		sql[512];
	int64_t		id = new_id();

	snprintf(sql, sizeof(sql),
			 "SELECT rama.append('%s', '{\"id\": %lld, \"writer\": %d, \"cause\": %lld, \"kind\": \"append\"}')",
			 depot, (long long) id, writer, (long long) some_cause());
	return run(first, sql) && publish(id);
}

static int
copy(void)
{
	char		line[256];
	int64_t		cause = some_cause();
	int64_t		id = 0;
	PGresult   *result;

	snprintf(line, sizeof(line), "COPY %s (id, writer, cause, kind) FROM STDIN", depot);
	if (!run(first, line))
		return 0;
	for (int i = 1 + below(150); i > 0; i--)
	{
		int			len;

		id = new_id();
		len = snprintf(line, sizeof(line), "%lld\t%d\t%lld\tcopy\n",
					   (long long) id, writer, (long long) cause);
		if (PQputCopyData(first, line, len) != 1)
			return 0;
	}
	if (PQputCopyEnd(first, NULL) != 1)
		return 0;
	result = PQgetResult(first);
	if (!check(first, result, "COPY"))
		return 0;
	while ((result = PQgetResult(first)) != NULL)
		PQclear(result);
	return publish(id);
}

static int
think_inside(void)
{
	int64_t		id;

	if (!run(first, "BEGIN") || !(id = insert(first, 1 + below(3), "think")))
		return 0;
	think(below(20) == 0 ? 1000 : 60);
	return run(first, "COMMIT") && publish(id);
}

static int
append_wait_append(void)
{
	int64_t		id;

	if (!run(first, "BEGIN") || !insert(first, 1, "before wait"))
		return 0;
	think(50);
	if (!(id = insert(first, 1, "after wait")))
		return 0;
	think(5);
	return run(first, "COMMIT") && publish(id);
}

static int
early_xid(void)
{
	int64_t		id;

	if (!run(first, "BEGIN; SELECT pg_catalog.pg_current_xact_id()"))
		return 0;
	think(50);
	if (!(id = insert(first, 1 + below(2), "early xid")))
		return 0;
	think(20);
	return run(first, "COMMIT") && publish(id);
}

static int
savepoints(void)
{
	int64_t		id;

	if (!run(first, "BEGIN; SAVEPOINT a") || !insert(first, 1, "lost savepoint"))
		return 0;
	think(10);
	if (!run(first, "ROLLBACK TO a") || !(id = insert(first, 1, "savepoint")) ||
		!run(first, "SAVEPOINT b") || !insert(first, 2, "lost savepoint"))
		return 0;
	think(10);
	return run(first, "ROLLBACK TO b") && run(first, "COMMIT") && publish(id);
}

/* More subtransactions than PGPROC has room for. */
static int
many_savepoints(void)
{
	int64_t		id = 0;

	if (!run(first, "BEGIN"))
		return 0;
	for (int i = 0; i < 80; i++)
	{
		if (!run(first, "SAVEPOINT a") || !(id = insert(first, 1, "many savepoints")) ||
			!run(first, "RELEASE a"))
			return 0;
	}
	think(20);
	return run(first, "COMMIT") && publish(id);
}

static int
rolled_back(void)
{
	if (!run(first, "BEGIN") || !insert(first, 1 + below(5), "rolled back"))
		return 0;
	think(40);
	return run(first, "ROLLBACK");
}

/* PREPARE here, COMMIT or ROLLBACK PREPARED by the other session. */
static int
prepared(void)
{
	char		sql[128];
	int			keep = below(3);
	int64_t		id;

	if (!run(first, "BEGIN") ||
		!(id = insert(first, 1 + below(3), keep ? "prepared" : "lost prepared")))
		return 0;
	think(10);
	snprintf(sql, sizeof(sql), "PREPARE TRANSACTION 'w%lld'", (long long) id);
	if (!run(first, sql))
		return 0;
	think(below(10) == 0 ? 500 : 40);
	snprintf(sql, sizeof(sql), "%s PREPARED 'w%lld'", keep ? "COMMIT" : "ROLLBACK", (long long) id);
	if (!run(second, sql))
		return 0;
	return keep ? publish(id) : 1;
}

/* One session's commit returns before the other's append is sent. */
static int
chain(void)
{
	int64_t		id = 0;

	for (int i = 0; i < 6; i++)
	{
		id = insert_caused(i % 2 ? second : first, 1, "chain", i ? id : some_cause());
		if (!id)
			return 0;
	}
	return publish(id);
}

static const struct
{
	int			(*act) (void);
	int			weight;
}			acts[] =
{
	{autocommit, 20},
	{multi_row, 6},
	{by_function, 8},
	{copy, 4},
	{think_inside, 10},
	{append_wait_append, 8},
	{early_xid, 8},
	{savepoints, 8},
	{many_savepoints, 1},
	{rolled_back, 6},
	{prepared, 8},
	{chain, 12},
};

static int
act(void)
{
	int			total = 0;
	int			n;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		total += acts[i].weight;
	n = below(total);
	for (size_t i = 0;; i++)
	{
		if (n < acts[i].weight)
			return acts[i].act();
		n -= acts[i].weight;
	}
}

static void
ignore_notice(void *arg, const char *message)
{
	(void) arg;
	(void) message;
}

static PGconn *
connect_again(PGconn *conn)
{
	for (;;)
	{
		if (conn != NULL)
			PQfinish(conn);
		conn = PQconnectdb(conninfo);
		if (PQstatus(conn) == CONNECTION_OK)
		{
			PQsetNoticeProcessor(conn, ignore_notice, NULL);
			/* Every third writer does not wait for its commits to be flushed. */
			if (writer % 3 != 2 || run(conn, "SET synchronous_commit = off"))
				return conn;
		}
		else if (!survive)
			fail(conn, "connect");
		if (now() > deadline || *stopped)
			exit(0);
		usleep(20000);
	}
}

static void
write_events(void)
{
	first = connect_again(NULL);
	second = connect_again(NULL);
	while (now() < deadline && !*stopped)
	{
		if (!act())
		{
			first = connect_again(first);
			second = connect_again(second);
		}
		usleep(below(8000));
	}
	PQfinish(first);
	PQfinish(second);
}

static void
stop(int signal)
{
	(void) signal;
	*stopped = 1;
}

int
main(int argc, char **argv)
{
	int			round;
	int			status;
	int			failed = 0;

	if (argc < 6 || (nwriters = atoi(argv[3])) < 1 || nwriters > MAX_WRITERS)
	{
		fprintf(stderr, "usage: writers CONNINFO DEPOT WRITERS SECONDS ROUND [survive]\n");
		return 2;
	}
	conninfo = argv[1];
	depot = argv[2];
	deadline = now() + atof(argv[4]);
	round = atoi(argv[5]);
	survive = argc > 6;
	committed = mmap(NULL, MAX_WRITERS * sizeof(int64_t), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	stopped = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGTERM, stop);

	for (writer = 0; writer < nwriters; writer++)
	{
		if (fork() == 0)
		{
			srandom(getpid() ^ (round << 16));
			next_id = ((int64_t) round << 40) + ((int64_t) writer << 32) + 1;
			write_events();
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}
