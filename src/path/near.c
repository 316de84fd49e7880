/*-------------------------------------------------------------------------
 *
 * near.c
 *	  Names that somebody who wrote an unknown one may have meant.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "lib/stringinfo.h"
#include "utils/varlena.h"

/* How near they are. */
#define MAX_DISTANCE 3

/*
 * rama_near_consider() -- Keep the name if it is one of the nearest to what
 * was wanted.
 */
void
rama_near_consider(RamaNear *near, const char *name, const char *wanted)
{
	int			distance;
	int			i;

	if (strlen(wanted) >= NAMEDATALEN)
		return;
	/* The same word in another spelling is nearest of all. */
	distance = pg_strcasecmp(name, wanted) == 0 ? 0 :
		varstr_levenshtein_less_equal(wanted, strlen(wanted), name, strlen(name),
									  1, 1, 1, MAX_DISTANCE, true);
	if (distance > MAX_DISTANCE || distance > (int) strlen(wanted) / 2)
		return;
	for (i = near->count; i > 0 && near->distance[i - 1] > distance; i--)
	{
		if (i < RAMA_MAX_NEAR)
		{
			near->name[i] = near->name[i - 1];
			near->distance[i] = near->distance[i - 1];
		}
	}
	if (i == RAMA_MAX_NEAR)
		return;
	near->name[i] = name;
	near->distance[i] = distance;
	if (near->count < RAMA_MAX_NEAR)
		near->count++;
}

/* rama_near_names() -- For a hint: the names, quoted; NULL if there are none. */
char *
rama_near_names(const RamaNear *near)
{
	StringInfoData names;

	if (near->count == 0)
		return NULL;
	initStringInfo(&names);
	for (int i = 0; i < near->count; i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "", near->name[i]);
	return names.data;
}
