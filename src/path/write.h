/*-------------------------------------------------------------------------
 *
 * write.h
 *	  Writing along keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_PATH_WRITE_H
#define RAMA_PATH_WRITE_H

#include "path/path.h"

/* A key within the JSON of a column, with what it is a key of. */
typedef struct RamaInnerKey
{
	const RamaNode *node;		/* NULL: plain data */
	RamaKey		key;
} RamaInnerKey;

/*
 * The place that keys lead to: a value of a row, a collection with a table,
 * an element of a set with a table, or something within a column's JSON.
 */
typedef struct RamaTarget
{
	RamaPState *pstate;
	bool		creates;		/* levels on the way; not to remove something */
	bool		absent;			/* must, first or last found nothing there */
	const RamaNode *node;		/* the value; NULL: plain data in JSON */
	const RamaNode *collection; /* the last key is an entry of it; NULL: a
								 * field, or no key */
	bool		iselement;		/* the last key is an element of a set */
	Datum	   *keys;			/* of the row, or before the collection's own */
	int			nkeys;
	const RamaNode *column;		/* within its JSON: */
	RamaInnerKey *inner;
	int			ninner;
} RamaTarget;

/* What is done to a place within JSON. */
typedef struct RamaEdit
{
	/*
	 * Sets *out, NULL for nothing there, from old, NULL where there is
	 * nothing; false: leave everything as it is.
	 */
	bool		(*apply) (struct RamaEdit *edit, const RamaNode *node,
						  const JsonbValue *old, JsonbValue **out);
	const RamaInput *input;
	bool		there;			/* for apply: there is an entry, perhaps a null */
	bool		adds;			/* numbers that differ were added to: for watchers */
	const JsonbValue *value;	/* rama_json_set_key()'s */
	Datum		result;
} RamaEdit;

/* target.c */
extern RamaPState *rama_write_call(FunctionCallInfo fcinfo, AclMode needed,
								   AclMode whole, int nvalues, RamaArgs *args);
extern void rama_target_find(RamaTarget *target, RamaPState *pstate, const RamaArgs *args,
							 bool creates);
extern void rama_target_begin(RamaTarget *target, RamaPState *pstate, bool creates);
extern void rama_target_go(RamaTarget *target, const RamaInput *key);
extern void rama_target_check_element(const RamaTarget *target);
extern void rama_target_focus(const RamaTarget *target, RamaFocus *focus);

/* edit.c */
extern bool rama_target_edit(const RamaTarget *target, RamaEdit *edit);
extern bool rama_json_set_key(const RamaNode *node, const JsonbValue *old,
							  const RamaKey *key, const JsonbValue *value, JsonbValue *out);

/* put.c, push.c, remove.c */
extern void rama_target_put(const RamaTarget *target, const RamaInput *value);
extern void rama_input_conform(const RamaNode *child, const RamaInput *input,
							   JsonbValue *out);
extern int64 rama_target_push(const RamaTarget *target, const RamaInput *element);
extern bool rama_target_remove(const RamaTarget *target);
extern void rama_put_whole(const RamaNode *root, const JsonbValue *json);
extern void rama_replace_row(const RamaNode *node, const Datum *keys,
							 const JsonbValue *value, const JsonbValue *old);
extern void rama_insert_row(const RamaNode *vector, const Datum *keys,
							const JsonbValue *value, bool moved);
extern void rama_put_row(const RamaNode *node, const Datum *keys, const RamaInput *input);
extern void rama_element_values(const RamaNode *vector, const RamaEntry *entry, int count,
								Datum **values, bool **nulls);
extern int64 rama_push_row(const RamaNode *vector, const Datum *prefix, const RamaInput *input);

#endif							/* RAMA_PATH_WRITE_H */
