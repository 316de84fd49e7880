/*-------------------------------------------------------------------------
 *
 * options.c
 *	  Storage parameters of an index.
 *
 * They are described when they are parsed, not registered with the server, so
 * that it does not matter when the library was loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"

#include "index/index.h"

typedef struct PsOptions
{
	int32		vl_len_;		/* varlena header (do not touch directly!) */
	int			fillfactor;
} PsOptions;

/*
 * Parses WITH (...): "fillfactor", per cent of a leaf that a build fills.
 * With "validate", raises errors as the server does for its own access
 * methods (22023 for names that are not known and values out of range). The
 * result is in the current memory context.
 */
bytea *
ps_options(Datum reloptions, bool validate)
{
	local_relopts relopts;

	init_local_reloptions(&relopts, sizeof(PsOptions));
	add_local_int_reloption(&relopts, "fillfactor",
							"Packs pstate index pages only to this percentage",
							PS_DEFAULT_FILLFACTOR, PS_MIN_FILLFACTOR, 100,
							offsetof(PsOptions, fillfactor));
	return (bytea *) build_local_reloptions(&relopts, reloptions, validate);
}

/* The index's fillfactor, in per cent. */
int
ps_fillfactor(Relation index)
{
	PsOptions  *options = (PsOptions *) index->rd_options;

	return options ? options->fillfactor : PS_DEFAULT_FILLFACTOR;
}
