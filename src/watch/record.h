/*-------------------------------------------------------------------------
 *
 * record.h
 *	  Ops as bytes, in records of the ring and of rama.change. For src/watch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WATCH_RECORD_H
#define RAMA_WATCH_RECORD_H

#include "watch/capture.h"
#include "watch/watch.h"

/* Bytes that are read */
typedef struct RamaBytes
{
	const char *next;
	const char *end;
} RamaBytes;

/* A difference of two JSON values. */
typedef struct RamaDifference
{
	RamaOpKind	kind;
	int			npath;
	JsonbValue *path;			/* names and indexes */
	JsonbValue	value;
	JsonbValue	now;			/* add */
} RamaDifference;

/* record.c */
extern uint32 rama_record_format(const RamaPState *pstate);
extern void rama_record_pack(const RamaCaptureLog *log, StringInfo out);
extern void rama_record_read(RamaBytes *bytes, void *to, Size size);
extern Datum rama_record_datum(RamaBytes *bytes, bool byval, int16 len);

/* decode.c */
extern void rama_record_decode(RamaPState *pstate, const char *ops, Size size,
							   RamaChange *change);

/* json_diff.c */
extern List *rama_json_diff(const RamaNode *node, const JsonbValue *old,
							const JsonbValue *new, bool adds);
extern Jsonb *rama_json_diff_to_jsonb(List *differences);
extern List *rama_json_diff_of_jsonb(Jsonb *jsonb);

#endif							/* RAMA_WATCH_RECORD_H */
