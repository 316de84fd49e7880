/*-------------------------------------------------------------------------
 *
 * faults.c
 *	  What happens to a server's machine: the clock is set, the disk is full.
 *
 * A library that a test preloads into a server (LD_PRELOAD). RAMA_FAULTS names
 * a file of a struct Faults, which the test writes while the server runs.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct Faults
{
	int64_t		clock_us;		/* the time of day is off by so much */
	int64_t		full;			/* FULL_TABLES and FULL_WAL: no file grows */
};
#define FULL_TABLES 1
#define FULL_WAL 2

static volatile struct Faults *
faults(void)
{
	static struct Faults none;
	static struct Faults *mapped;

	if (mapped == NULL)
	{
		const char *path = getenv("RAMA_FAULTS");
		int			fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		void	   *map = fd < 0 ? MAP_FAILED :
			mmap(NULL, sizeof(none), PROT_READ, MAP_SHARED, fd, 0);

		if (fd >= 0)
			close(fd);
		mapped = map == MAP_FAILED ? &none : map;
	}
	return mapped;
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (syscall(SYS_clock_gettime, clock, ts) != 0)
		return -1;
	if (clock == CLOCK_REALTIME)
	{
		int64_t		ns = ts->tv_nsec + faults()->clock_us % 1000000 * 1000;

		ts->tv_sec += faults()->clock_us / 1000000 + (ns < 0 ? -1 : ns / 1000000000);
		ts->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
	}
	return 0;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *result)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (result)
		*result = ts.tv_sec;
	return ts.tv_sec;
}

/* Would a write up to "end" need space that is not there? */
static int
is_full(int fd, off_t end)
{
	int64_t		full = faults()->full;
	struct stat st;
	char		link[64];
	char		path[PATH_MAX];
	ssize_t		len;
	int			which;

	if (full == 0 || fstat(fd, &st) != 0 || end <= st.st_size)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return 0;
	path[len] = '\0';
	which = strstr(path, "/pg_wal/") ? FULL_WAL : strstr(path, "/base/") ? FULL_TABLES : 0;
	return (full & which) != 0;
}

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t at)
{
	if (is_full(fd, at + n))
	{
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, buf, n, at);
}

ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	return pwrite(fd, buf, n, at);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	off_t		end = at;

	for (int i = 0; i < n; i++)
		end += iov[i].iov_len;
	if (is_full(fd, end))
	{
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwritev, fd, iov, n, at, at >> 32);
}

ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
	return pwritev(fd, iov, n, at);
}

int
posix_fallocate(int fd, off_t at, off_t n)
{
	if (is_full(fd, at + n))
		return ENOSPC;
	return syscall(SYS_fallocate, fd, 0, at, n) == 0 ? 0 : errno;
}

int
posix_fallocate64(int fd, off_t at, off_t n)
{
	return posix_fallocate(fd, at, n);
}
