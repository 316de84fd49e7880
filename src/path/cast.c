/*-------------------------------------------------------------------------
 *
 * cast.c
 *	  Assignment casts, prepared once per session and pair of types.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

typedef struct CastKey
{
	Oid			from;
	Oid			to;
	int32		typmod;
	bool		explicit;
} CastKey;

typedef struct Cast
{
	CastKey		key;
	CachedExpression *expression;	/* NULL: not looked up */
	ExprState  *state;			/* of transaction lxid, in its memory context */
	ExprContext *econtext;
	LocalTransactionId lxid;
	bool		in_use;			/* or left by an error */
} Cast;

/* Lives as long as the session. */
static HTAB *casts = NULL;

static Cast *
find_cast(Oid from, Oid to, int32 typmod, bool explicit)
{
	CastKey		key;
	Cast	   *cast;
	bool		found;

	if (casts == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(CastKey), .entrysize = sizeof(Cast)};

		casts = hash_create("pg_rama casts", 32, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	memset(&key, 0, sizeof(key));
	key.from = from;
	key.to = to;
	key.typmod = typmod;
	key.explicit = explicit;
	cast = hash_search(casts, &key, HASH_ENTER, &found);
	if (!found)
	{
		cast->expression = NULL;
		cast->lxid = InvalidLocalTransactionId;
	}
	return cast;
}

static void
no_cast(Oid from, Oid to)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("cannot convert %s to %s",
					format_type_be(from), format_type_be(to)),
			 errhint("Cast the value, or give it as text.")));
}

static void
look_up_cast(Cast *cast)
{
	CaseTestExpr *value = makeNode(CaseTestExpr);
	Node	   *expression;

	if (cast->expression)
	{
		CachedExpression *old = cast->expression;

		cast->expression = NULL;
		FreeCachedExpression(old);
	}
	value->typeId = cast->key.from;
	value->typeMod = -1;
	value->collation = get_typcollation(cast->key.from);
	expression = coerce_to_target_type(NULL, (Node *) value, cast->key.from,
									   cast->key.to, cast->key.typmod,
									   cast->key.explicit ? COERCION_EXPLICIT : COERCION_ASSIGNMENT,
									   COERCE_IMPLICIT_CAST, -1);
	if (expression == NULL)
		no_cast(cast->key.from, cast->key.to);
	cast->expression = GetCachedExpression(expression);
	cast->lxid = InvalidLocalTransactionId;
}

static void
prepare_cast(Cast *cast)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	cast->state = ExecInitExpr((Expr *) cast->expression->expr, NULL);
	cast->econtext = CreateStandaloneExprContext();
	cast->lxid = rama_proc_lxid(MyProc);
	cast->in_use = false;
	MemoryContextSwitchTo(old);
}

/*
 * rama_cast() -- Cast a value that is not null, the result in the current
 * memory context.
 *
 * Error (22P02) where there is no such cast; else those of the cast.
 */
Datum
rama_cast(Datum datum, Oid from, Oid to, int32 typmod, bool explicit,
		  bool *isnull)
{
	Cast	   *cast = find_cast(from, to, typmod, explicit);
	Datum		result;

	if (cast->expression == NULL || !cast->expression->is_valid)
		look_up_cast(cast);
	if (cast->lxid != rama_proc_lxid(MyProc) || cast->in_use)
		prepare_cast(cast);

	cast->in_use = true;
	cast->econtext->caseValue_datum = datum;
	cast->econtext->caseValue_isNull = false;
	result = ExecEvalExpr(cast->state, cast->econtext, isnull);
	cast->in_use = false;
	return result;
}

/*
 * rama_assign_init() -- How values of a type, with typmod, are assigned to a
 * place; false where there is no assignment cast.
 */
bool
rama_assign_init(RamaAssign *assign, Oid from, int32 typmod, const RamaType *to)
{
	assign->from = from;
	assign->to = *to;
	if (from == to->oid && (to->typmod == -1 || to->typmod == typmod))
		assign->kind = RAMA_ASSIGN_AS_IS;
	else if (to->typmod == -1 && IsBinaryCoercible(from, to->oid))
		assign->kind = RAMA_ASSIGN_AS_IS;
	else if (to->oid == INT8OID && (from == INT4OID || from == INT2OID))
		assign->kind = RAMA_ASSIGN_WIDEN;
	else
	{
		assign->kind = RAMA_ASSIGN_CAST;
		return can_coerce_type(1, &from, &to->oid, COERCION_ASSIGNMENT);
	}
	return true;
}

/*
 * rama_assign() -- A value that is not null, as it is at the place: detoasted,
 * else perhaps the datum itself.
 *
 * Errors: those of the cast, 22003 and so on.
 */
Datum
rama_assign(const RamaAssign *assign, Datum datum, bool *isnull)
{
	*isnull = false;
	switch (assign->kind)
	{
		case RAMA_ASSIGN_AS_IS:
			break;
		case RAMA_ASSIGN_WIDEN:
			return Int64GetDatum(assign->from == INT4OID ? DatumGetInt32(datum) :
								 DatumGetInt16(datum));
		case RAMA_ASSIGN_CAST:
			datum = rama_cast(datum, assign->from, assign->to.oid, assign->to.typmod,
							  false, isnull);
			break;
	}
	if (assign->to.len == -1 && !*isnull)
		datum = PointerGetDatum(PG_DETOAST_DATUM_PACKED(datum));
	return datum;
}
