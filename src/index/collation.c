/*-------------------------------------------------------------------------
 *
 * collation.c
 *	  Is a collation's order that of bytes?
 *
 * By the catalogs: core's own function for that is declared where ICU's
 * headers are needed.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "index/encode.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

/* A locale of libc, as a column of a catalog row */
static bool
names_c(int cache, HeapTuple tuple, AttrNumber attno)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, attno, &isnull);
	char	   *name = isnull ? NULL : TextDatumGetCString(value);

	return name && (strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0);
}

static bool
database_is_c(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for database %u", MyDatabaseId);
	result = ((Form_pg_database) GETSTRUCT(tuple))->datlocprovider == COLLPROVIDER_LIBC &&
		names_c(DATABASEOID, tuple, Anum_pg_database_datcollate);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * ps_collation_is_c() -- Is it C or POSIX, of libc, or the database's, which is
 * one of these?
 */
bool
ps_collation_is_c(Oid collation)
{
	HeapTuple	tuple;
	bool		result;

	if (collation == DEFAULT_COLLATION_OID)
		return database_is_c();
	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", collation);
	result = ((Form_pg_collation) GETSTRUCT(tuple))->collprovider == COLLPROVIDER_LIBC &&
		names_c(COLLOID, tuple, Anum_pg_collation_collcollate);
	ReleaseSysCache(tuple);
	return result;
}
