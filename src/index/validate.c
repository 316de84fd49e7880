/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  Are operator classes of the access method complete and well formed?
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "index/index.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#define ALL_OPERATORS \
	((1 << BTLessStrategyNumber) | (1 << BTLessEqualStrategyNumber) | \
	 (1 << BTEqualStrategyNumber) | (1 << BTGreaterEqualStrategyNumber) | \
	 (1 << BTGreaterStrategyNumber))

/* What a type's own, and any other argument's, functions have to be */
#define OWN_FUNCTIONS \
	((1 << PS_ORDER_PROC) | (1 << PS_ENCODE_PROC) | (1 << PS_DECODE_PROC))
#define OTHER_FUNCTIONS		((1 << PS_ORDER_PROC) | (1 << PS_ENCODE_PROC))

typedef struct Family
{
	char	   *name;
	Oid			type;			/* the operator class's */
	bool		valid;
} Family;

static void
invalid(Family *family, const char *what)
{
	ereport(INFO,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("operator family \"%s\" of access method pstate %s", family->name, what)));
	family->valid = false;
}

static char *
family_name(Oid family)
{
	HeapTuple	tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(family));
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator family %u", family);
	name = pstrdup(NameStr(((Form_pg_opfamily) GETSTRUCT(tuple))->opfname));
	ReleaseSysCache(tuple);
	return name;
}

/* Does the function return the type, or for enums their oid? */
static bool
decode_is_valid(Oid function, Oid type)
{
	Oid			result = get_func_rettype(function);

	return check_amproc_signature(function, result, true, 1, 1, INTERNALOID) &&
		(type == ANYENUMOID ? result == OIDOID : IsBinaryCoercible(result, type));
}

static bool
function_is_valid(Form_pg_amproc proc, bool *known)
{
	*known = true;
	switch (proc->amprocnum)
	{
		case PS_ORDER_PROC:
			return check_amproc_signature(proc->amproc, INT4OID, true, 2, 2,
										  proc->amproclefttype, proc->amprocrighttype);
		case PS_ENCODE_PROC:
			return check_amproc_signature(proc->amproc, VOIDOID, true, 2, 2,
										  proc->amprocrighttype, INTERNALOID);
		case PS_DECODE_PROC:
			return proc->amproclefttype == proc->amprocrighttype &&
				decode_is_valid(proc->amproc, proc->amproclefttype);
		default:
			*known = false;
			return false;
	}
}

static void
check_functions(Family *family, CatCList *functions)
{
	for (int i = 0; i < functions->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc) GETSTRUCT(&functions->members[i]->tuple);
		bool		known;

		if (function_is_valid(proc, &known))
			continue;
		invalid(family, psprintf("contains function %s with %s support number %d",
								 format_procedure(proc->amproc),
								 known ? "wrong signature for" : "invalid", proc->amprocnum));
	}
}

static void
check_operators(Family *family, CatCList *operators)
{
	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop op = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		if (op->amopstrategy < BTLessStrategyNumber || op->amopstrategy > BTMaxStrategyNumber)
			invalid(family, psprintf("contains operator %s with invalid strategy number %d",
									 format_operator(op->amopopr), op->amopstrategy));
		if (op->amoppurpose != AMOP_SEARCH || OidIsValid(op->amopsortfamily))
			invalid(family, psprintf("contains invalid ORDER BY specification for operator %s",
									 format_operator(op->amopopr)));
		if (!check_amop_signature(op->amopopr, BOOLOID, op->amoplefttype, op->amoprighttype))
			invalid(family, psprintf("contains operator %s with wrong signature",
									 format_operator(op->amopopr)));
	}
}

/* All operators of each pair of types, and all functions that they need */
static void
check_groups(Family *family, CatCList *operators, CatCList *functions)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, identify_opfamily_groups(operators, functions))
	{
		OpFamilyOpFuncGroup *group = (OpFamilyOpFuncGroup *) lfirst(lc);
		bool		own = group->lefttype == group->righttype;
		uint64		needed = own ? OWN_FUNCTIONS : OTHER_FUNCTIONS;

		found |= own && group->lefttype == family->type;
		if (group->operatorset != ALL_OPERATORS)
			invalid(family, psprintf("is missing operator(s) for types %s and %s",
									 format_type_be(group->lefttype), format_type_be(group->righttype)));
		if ((group->functionset & needed) != needed)
			invalid(family, psprintf("is missing support function(s) for types %s and %s",
									 format_type_be(group->lefttype), format_type_be(group->righttype)));
	}
	if (!found)
		invalid(family, psprintf("has no operators of type %s", format_type_be(family->type)));
}

/*
 * ps_validate() -- amvalidate: is the operator class, and its family, complete
 * and well formed? What is wrong is reported as INFO.
 *
 * Not every pair of a family's types needs operators: those whose comparison
 * is not one of encodings have none.
 */
bool
ps_validate(Oid opclassoid)
{
	HeapTuple	classtup = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclassoid));
	Form_pg_opclass opclass;
	CatCList   *operators;
	CatCList   *functions;
	Family		family = {.valid = true};

	if (!HeapTupleIsValid(classtup))
		elog(ERROR, "cache lookup failed for operator class %u", opclassoid);
	opclass = (Form_pg_opclass) GETSTRUCT(classtup);
	family.type = opclass->opcintype;
	family.name = family_name(opclass->opcfamily);
	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(opclass->opcfamily));
	functions = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(opclass->opcfamily));

	check_functions(&family, functions);
	check_operators(&family, operators);
	check_groups(&family, operators, functions);

	ReleaseCatCacheList(functions);
	ReleaseCatCacheList(operators);
	ReleaseSysCache(classtup);
	return family.valid;
}
