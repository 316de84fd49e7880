/*-------------------------------------------------------------------------
 *
 * path.c
 *	  Fuzzer of paths: their parser, what is printed from its steps, the
 *	  binding to a schema, reading and writing.
 *
 * A path is JSON of the server's, and its steps are bound to what the catalogs
 * say, so this is a part of the library, built for this alone, and runs in a server in single-user mode: SELECT fuzz_paths(pstate, options
 * of libFuzzer). No crash, no internal error, and what is printed of a path
 * parses to the same steps.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

extern int	LLVMFuzzerRunDriver(int *argc, char ***argv,
								int (*callback) (const uint8_t *data, size_t size));

PG_FUNCTION_INFO_V1(rama_fuzz_paths);

/* Not more of what a path selects, or it takes long. */
#define MAX_RESULTS 200

static Oid	target;
static Oid	transform;
static MemoryContext input_context;

static Jsonb *
print_steps(const RamaStep *steps, int nsteps)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < nsteps; i++)
	{
		const char *text = steps[i].name ? steps[i].name : steps[i].nav->names[0];
		JsonbValue	name = {.type = jbvString};

		name.val.string.val = unconstify(char *, text);
		name.val.string.len = strlen(text);
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		pushJsonbValue(&state, WJB_ELEM, &name);
		for (int j = 0; j < steps[i].nargs; j++)
			pushJsonbValue(&state, WJB_ELEM, &steps[i].args[j]);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static bool
same_steps(const RamaStep *a, const RamaStep *b, int nsteps)
{
	for (int i = 0; i < nsteps; i++)
	{
		if (a[i].nav != b[i].nav || a[i].nargs != b[i].nargs)
			return false;
		for (int j = 0; j < a[i].nargs; j++)
			if (!rama_json_equal(&a[i].args[j], &b[i].args[j]))
				return false;
	}
	return true;
}

static void
parse_and_print(Jsonb *json)
{
	int			nsteps;
	int			again;
	RamaStep   *steps = rama_path_parse(&json->root, &nsteps);
	Jsonb	   *printed = print_steps(steps, nsteps);
	RamaStep   *parsed = rama_path_parse(&printed->root, &again);

	if (again != nsteps || !same_steps(steps, parsed, nsteps))
	{
		fprintf(stderr, "printed: %s\n", JsonbToCString(NULL, &printed->root, VARSIZE(printed)));
		abort();
	}
}

static void
read_along(RamaPState *pstate, Jsonb *json)
{
	RamaPath   *path = rama_path_bind(pstate, &json->root, false);
	RamaEval	eval;
	RamaFocus	focus;

	rama_eval_init(&eval, path, false, CurrentMemoryContext);
	for (int i = 0; i < MAX_RESULTS && rama_eval_next(&eval, &focus); i++)
	{
		bool		isnull;

		(void) rama_focus_result(&focus, eval.snapshot, &isnull);
	}
	rama_eval_end(&eval);
}

/* The first byte tells what is done with the path. */
static void
run_input(const uint8_t *data, size_t size)
{
	char	   *text = pnstrdup((const char *) data + 1, size - 1);
	Jsonb	   *json;

	if (strlen(text) != size - 1 || !pg_verify_mbstr(PG_UTF8, text, size - 1, true))
		return;
	json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	parse_and_print(json);
	if (data[0] % 2 == 0)
		read_along(rama_pstate_get(target), json);
	else
		(void) OidFunctionCall2(transform, ObjectIdGetDatum(target), JsonbPGetDatum(json));
}

/* Errors are what most inputs lead to; internal ones are bugs. */
static void
check_error(const uint8_t *data, size_t size)
{
	ErrorData  *error = CopyErrorData();

	FlushErrorState();
	if (error->sqlerrcode == ERRCODE_INTERNAL_ERROR)
	{
		fprintf(stderr, "internal error: %s\n%.*s\n", error->message, (int) size - 1, data + 1);
		abort();
	}
}

static int
test_one_input(const uint8_t *data, size_t size)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (size < 2)
		return 0;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(input_context);
	PG_TRY();
	{
		run_input(data, size);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(input_context);
		check_error(data, size);
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	MemoryContextReset(input_context);
	return 0;
}

/*
 * fuzz_paths(pstate regclass, options text[]) -- Never returns: libFuzzer ends
 * the process.
 */
Datum
rama_fuzz_paths(PG_FUNCTION_ARGS)
{
	Datum	   *options;
	int			noptions;
	int			argc = 1;
	char	  **argv;

	target = PG_GETARG_OID(0);
	transform = DatumGetObjectId(DirectFunctionCall1(regprocedurein,
													 CStringGetDatum("rama.transform(regclass,jsonb)")));
	input_context = AllocSetContextCreate(CurrentMemoryContext, "fuzz input",
										  ALLOCSET_DEFAULT_SIZES);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
					  &options, NULL, &noptions);
	argv = palloc0(sizeof(char *) * (noptions + 2));
	argv[0] = pstrdup("fuzz_paths");
	for (int i = 0; i < noptions; i++)
		argv[argc++] = TextDatumGetCString(options[i]);
	PG_RETURN_INT32(LLVMFuzzerRunDriver(&argc, &argv, test_one_input));
}
