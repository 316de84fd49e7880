/*-------------------------------------------------------------------------
 *
 * schema.c
 *	  Fuzzer of the parser of schemas: no crash, and what is parsed and
 *	  printed parses to the same again.
 *
 * The parser is pure: it is linked here with what PostgreSQL gives its client
 * programs, and with memory functions that the sanitizers can look into.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pstate/schema.h"

/* Allocations of one input, as in a memory context. */
typedef struct Chunk
{
	struct Chunk *next;
	struct Chunk *previous;
} Chunk;

static Chunk chunks = {&chunks, &chunks};

void *
palloc(Size size)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + size);

	chunk->next = chunks.next;
	chunk->previous = &chunks;
	chunk->next->previous = chunks.next = chunk;
	return chunk + 1;
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	chunk->next->previous = chunk->previous;
	chunk->previous->next = chunk->next;
	free(chunk);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
repalloc(void *pointer, Size size)
{
	Chunk	   *chunk = realloc((Chunk *) pointer - 1, sizeof(Chunk) + size);

	chunk->next->previous = chunk->previous->next = chunk;
	return chunk + 1;
}

char *
pstrdup(const char *text)
{
	return strcpy(palloc(strlen(text) + 1), text);
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
same(const RamaSchema *a, const RamaSchema *b)
{
	if (a->kind != b->kind || a->subindex != b->subindex || a->implied != b->implied ||
		a->nchildren != b->nchildren || !same_text(a->name, b->name) ||
		!same_text(a->type, b->type) || !same_text(a->keyname, b->keyname))
		return false;
	for (int i = 0; i < a->nchildren; i++)
		if (!same(a->children[i], b->children[i]))
			return false;
	return true;
}

static void
check_location(const RamaSchemaError *error, size_t size)
{
	if (error->location < 0 || (size_t) error->location > size)
		abort();
	if (strnlen(error->message, sizeof(error->message)) == sizeof(error->message))
		abort();
}

/* One input */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	RamaSchemaError error = {.location = 0};
	RamaSchema *schema;

	memcpy(text, data, size);
	text[size] = '\0';
	schema = rama_schema_parse(text, &error);
	if (schema == NULL)
		check_location(&error, strlen(text));
	else
	{
		char	   *printed = rama_schema_print(schema);
		RamaSchema *again = rama_schema_parse(printed, &error);

		if (again == NULL || !same(schema, again))
		{
			fprintf(stderr, "printed: %s\n%s\n", printed, again ? "another schema" : error.message);
			abort();
		}
	}
	while (chunks.next != &chunks)
		pfree(chunks.next + 1);
	free(text);
	return 0;
}
