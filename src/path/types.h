/*-------------------------------------------------------------------------
 *
 * types.h
 *	  What is known of a type for converting its values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_TYPES_H
#define RAMA_TYPES_H

#include "fmgr.h"

/* How values of a type are written as JSON. */
typedef enum RamaTypeCategory
{
	RAMA_TYPE_BOOL,
	RAMA_TYPE_NUMBER,
	RAMA_TYPE_TEXT,
	RAMA_TYPE_DATETIME,
	RAMA_TYPE_JSONB,
	RAMA_TYPE_OUTPUT,			/* a string: the type's output */
	RAMA_TYPE_OTHER				/* as to_jsonb() does */
} RamaTypeCategory;

typedef struct RamaTypeInfo
{
	Oid			oid;			/* hash key */
	bool		valid;
	uint32		hashvalue;		/* of the type in the system cache */
	uint32		basehash;
	Oid			base;			/* a domain's base type */
	RamaTypeCategory category;
	bool		immutable_input;
	Oid			ioparam;
	FmgrInfo	input;
	FmgrInfo	output;
	FmgrInfo	to_jsonb;		/* OTHER only */
} RamaTypeInfo;

extern RamaTypeInfo *rama_type_info(Oid type);

#endif							/* RAMA_TYPES_H */
