/*-------------------------------------------------------------------------
 *
 * zipf.c
 *	  Draws from a Zipf distribution, the same ones every time.
 *
 *	zipf DRAWS VALUES
 *
 * Prints DRAWS numbers in [0, VALUES), one per line. The number of rank r is
 * drawn with probability proportional to 1/r; ranks are scattered over the
 * numbers, so that the frequent ones are not neighbours.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* splitmix64, by Sebastiano Vigna (public domain) */
static uint64_t
next_random(void)
{
	static uint64_t state = 0;
	uint64_t	z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* The first rank whose cumulated weight is above x. */
static long
rank_of(const double *cumulated, long n, double x)
{
	long		low = 0,
				high = n - 1;

	while (low < high)
	{
		long		middle = (low + high) / 2;

		if (cumulated[middle] > x)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int
main(int argc, char **argv)
{
	long		draws = argc == 3 ? atol(argv[1]) : 0;
	long		n = argc == 3 ? atol(argv[2]) : 0;
	double	   *cumulated;
	double		sum = 0;

	/* 61231 is prime: any other n is without common factor. */
	if (draws <= 0 || n <= 0 || n % 61231 == 0)
	{
		fprintf(stderr, "usage: zipf DRAWS VALUES\n");
		return 2;
	}
	cumulated = malloc(n * sizeof(double));
	for (long i = 0; i < n; i++)
		cumulated[i] = sum += 1.0 / (i + 1);
	for (long i = 0; i < draws; i++)
	{
		double		x = (next_random() >> 11) / 9007199254740992.0 * sum;

		printf("%ld\n", rank_of(cumulated, n, x) * 61231 % n);
	}
	return 0;
}
