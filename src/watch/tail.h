/*-------------------------------------------------------------------------
 *
 * tail.h
 *	  Lines about watched paths.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_TAIL_H
#define RAMA_TAIL_H

#include "watch/filter.h"

#include "lib/stringinfo.h"

typedef enum RamaTailFormat
{
	RAMA_TAIL_TEXT,
	RAMA_TAIL_JSON,
	RAMA_TAIL_PATCH
} RamaTailFormat;

typedef struct RamaPatch RamaPatch;

/* line.c */
extern RamaTailFormat rama_tail_format(const char *name);
extern void rama_append_jsonb(StringInfo line, Jsonb *jsonb);
extern void rama_append_row(StringInfo line, const RamaWatchRow *row, RamaTailFormat format,
							const char *id);

/* patch.c */
extern void rama_append_pointer(StringInfo pointer, const char *name);
extern RamaPatch *rama_patch_create(MemoryContext context);
extern void rama_patch_whole(RamaPatch *patch, StringInfo out, Jsonb *value);
extern bool rama_patch_rows(RamaPatch *patch, StringInfo out, List *rows, int nkeys);

#endif							/* RAMA_TAIL_H */
