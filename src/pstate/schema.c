/*-------------------------------------------------------------------------
 *
 * schema.c
 *	  Parser and printer of PState schemas; the grammar is in schema.h.
 *
 * Pure: no catalogs, and errors are returned, so that it can be fuzzed. A
 * type is kept as text and only delimited here: words, quoted names, dots,
 * parenthesised modifiers and array brackets, up to the "," or ")" that
 * belongs to the enclosing level. Whether there is such a type is for
 * create.c to find out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "pstate/schema.h"

#define MAX_DEPTH 64
#define MAX_LENGTH (64 * 1024)

typedef struct Parser
{
	const char *text;
	const char *p;
	RamaSchemaError *error;
} Parser;

static RamaSchema *parse_value(Parser *parser, int depth, bool named);

/* Always NULL: the value for callers to return. */
static void *pg_attribute_printf(3, 4)
fail(Parser *parser, const char *at, const char *fmt,...)
{
	va_list		args;

	parser->error->location = (int) (at - parser->text);
	va_start(args, fmt);
	vsnprintf(parser->error->message, sizeof(parser->error->message), fmt, args);
	va_end(args);
	return NULL;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		IS_HIGHBIT_SET(c);
}

static bool
is_word_part(char c)
{
	return is_word_start(c) || is_digit(c) || c == '$';
}

static void
skip_space(Parser *parser)
{
	while (is_space(*parser->p))
		parser->p++;
}

/* What is found at p, for messages: one word or character. */
static char *
found(const char *p)
{
	const char *end = p;

	if (*p == '\0')
		return pstrdup("end of text");
	while (is_word_part(*end))
		end++;
	if (end == p)
		end++;
	return psprintf("\"%.*s\"", (int) Min(end - p, 40), p);
}

static bool
accept(Parser *parser, char c)
{
	skip_space(parser);
	if (*parser->p != c)
		return false;
	parser->p++;
	return true;
}

static bool
expect(Parser *parser, char c, const char *after)
{
	if (accept(parser, c))
		return true;
	fail(parser, parser->p, "expected \"%c\" %s, found %s", c, after, found(parser->p));
	return false;
}

/* Length of the word at p if it is the given keyword, else 0. */
static int
keyword_length(const char *p, const char *keyword)
{
	int			len = strlen(keyword);

	return pg_strncasecmp(p, keyword, len) == 0 && !is_word_part(p[len]) ? len : 0;
}

static const char *
skip_word(const char *p)
{
	while (is_word_part(*p))
		p++;
	return p;
}

/* Past the quoted name or string at p, or NULL if it does not end. */
static const char *
skip_quoted(const char *p)
{
	char		quote = *p++;

	for (;; p++)
	{
		if (*p == '\0')
			return NULL;
		if (*p != quote)
			continue;
		if (p[1] != quote)
			return p + 1;
		p++;
	}
}

/* The name between start and end: unquoted ones in lower case. */
static char *
make_name(const char *start, const char *end)
{
	char	   *name = palloc(end - start + 1);
	char	   *out = name;

	if (*start == '"')
	{
		for (start++, end--; start < end; start++)
		{
			*out++ = *start;
			if (*start == '"')
				start++;
		}
	}
	else
	{
		for (; start < end; start++)
			*out++ = *start >= 'A' && *start <= 'Z' ? *start + ('a' - 'A') : *start;
	}
	*out = '\0';
	return name;
}

/*
 * Parse "name:", if there is one: false after an error. "::" is not taken for
 * a colon.
 */
static bool
parse_label(Parser *parser, char **name)
{
	const char *start;
	const char *end;
	const char *colon;

	*name = NULL;
	skip_space(parser);
	start = parser->p;
	if (*start == '"')
		end = skip_quoted(start);
	else if (is_word_start(*start))
		end = skip_word(start);
	else
		return true;
	if (end == NULL)
	{
		fail(parser, start, "quoted name does not end");
		return false;
	}

	for (colon = end; is_space(*colon); colon++)
		;
	if (*colon != ':' || colon[1] == ':')
		return true;
	*name = make_name(start, end);
	if (**name == '\0')
	{
		fail(parser, start, "zero-length name");
		return false;
	}
	parser->p = colon + 1;
	return true;
}

/* Past the modifiers "(...)" of a type at p, or NULL after an error. */
static const char *
skip_modifiers(Parser *parser, const char *p)
{
	const char *start = p++;

	while (*p != ')')
	{
		if (*p == '"' || *p == '\'')
		{
			const char *end = skip_quoted(p);

			if (end == NULL)
				return fail(parser, p, "quoted text does not end");
			p = end;
		}
		else if (is_word_part(*p) || is_space(*p) || *p == ',' || *p == '.' ||
				 *p == '-' || *p == '+')
			p++;
		else if (*p == '\0')
			return fail(parser, start, "parenthesis is not closed");
		else
			return fail(parser, p, "unexpected %s in the modifiers of a type", found(p));
	}
	return p + 1;
}

/* Past the "[]" or "[n]" at p, or NULL after an error. */
static const char *
skip_brackets(Parser *parser, const char *p)
{
	for (p++; is_space(*p) || is_digit(*p);)
		p++;
	if (*p != ']')
		return fail(parser, p, "expected \"]\", found %s", found(p));
	return p + 1;
}

/* Append a token of a type, its white space shortened to one blank. */
static void
append_token(StringInfo buf, const char *start, const char *end)
{
	char		quote = '\0';

	for (; start < end; start++)
	{
		if (quote == '\0' && is_space(*start))
		{
			if (!is_space(start[1]))
				appendStringInfoChar(buf, ' ');
			continue;
		}
		if (*start == '"' || *start == '\'')
			quote = quote == '\0' ? *start : quote == *start ? '\0' : quote;
		appendStringInfoChar(buf, *start);
	}
}

/*
 * Which collection or struct starts at the current place? RAMA_SCALAR for a
 * type. "vector(3)" is a type.
 */
static RamaSchemaKind
constructor_kind(Parser *parser, int *length)
{
	static const struct
	{
		const char *keyword;
		RamaSchemaKind kind;
	}			constructors[] = {
		{"map", RAMA_MAP},
		{"set", RAMA_SET},
		{"vector", RAMA_VECTOR},
		{"struct", RAMA_STRUCT}
	};

	for (size_t i = 0; i < lengthof(constructors); i++)
	{
		const char *p = parser->p;

		*length = keyword_length(p, constructors[i].keyword);
		if (*length == 0)
			continue;
		p += *length;
		while (is_space(*p))
			p++;
		if (constructors[i].kind == RAMA_VECTOR && *p == '(')
		{
			for (p++; is_space(*p); p++)
				;
			if (is_digit(*p))
				return RAMA_SCALAR;
		}
		return constructors[i].kind;
	}
	return RAMA_SCALAR;
}

/*
 * Delimit a type, and return its text. It starts with a name, and ends before
 * a ",", a ")", the end, or anything that cannot be part of a type.
 */
static char *
parse_type(Parser *parser)
{
	StringInfoData buf;
	const char *p;
	int			length;

	initStringInfo(&buf);
	skip_space(parser);
	p = parser->p;
	if (constructor_kind(parser, &length) != RAMA_SCALAR)
		return fail(parser, p, "expected a type, found %s; a type of that name must be quoted",
					found(p));
	if (!is_word_start(*p) && *p != '"')
		return fail(parser, p, "expected a type, found %s", found(p));
	for (;;)
	{
		const char *start = p;

		if (*p == '"')
		{
			p = skip_quoted(p);
			if (p == NULL)
				return fail(parser, start, "quoted name does not end");
			if (p == start + 2)
				return fail(parser, start, "zero-length name");
		}
		else if (is_word_start(*p))
		{
			if (keyword_length(p, "subindex"))
				return fail(parser, p, "only a map, set or vector can be followed by \"subindex\"");
			p = skip_word(p);
		}
		else if (*p == '.')
			p++;
		else if (*p == '(')
			p = skip_modifiers(parser, p);
		else if (*p == '[')
			p = skip_brackets(parser, p);
		else
			break;
		if (p == NULL)
			return NULL;
		append_token(&buf, start, p);
		parser->p = p;
		while (is_space(*p))
			p++;
		if (p > parser->p && (is_word_start(*p) || *p == '"'))
			appendStringInfoChar(&buf, ' ');
	}
	return buf.data;
}

static void
add_child(RamaSchema *schema, RamaSchema *child)
{
	if (schema->nchildren == 0)
		schema->children = palloc(sizeof(RamaSchema *));
	else
		schema->children = repalloc(schema->children,
									sizeof(RamaSchema *) * (schema->nchildren + 1));
	schema->children[schema->nchildren++] = child;
}

/* struct(name: schema, ...), from behind "(" */
static bool
parse_fields(Parser *parser, RamaSchema *schema, int depth)
{
	do
	{
		const char *at;
		RamaSchema *child;

		skip_space(parser);
		at = parser->p;
		child = parse_value(parser, depth + 1, true);
		if (child == NULL)
			return false;
		if (child->name == NULL)
		{
			fail(parser, at, "expected a field's name and \":\", found %s", found(at));
			return false;
		}
		for (int i = 0; i < schema->nchildren; i++)
		{
			if (strcmp(schema->children[i]->name, child->name) == 0)
			{
				fail(parser, at, "field \"%.64s\" occurs twice", child->name);
				return false;
			}
		}
		add_child(schema, child);
	} while (accept(parser, ','));
	return expect(parser, ')', "or \",\" after a field");
}

/* The rest of a map, set, vector or struct, from behind "(" */
static bool
parse_members(Parser *parser, RamaSchema *schema, int depth)
{
	RamaSchema *child;

	if (schema->kind == RAMA_STRUCT)
		return parse_fields(parser, schema, depth);

	if (schema->kind == RAMA_MAP || schema->kind == RAMA_SET)
	{
		if (!parse_label(parser, &schema->keyname))
			return false;
		schema->type = parse_type(parser);
		if (schema->type == NULL)
			return false;
		if (schema->kind == RAMA_SET)
			return expect(parser, ')', "after the element's type");
		if (!expect(parser, ',', "after the key's type"))
			return false;
	}
	child = parse_value(parser, depth + 1, true);
	if (child == NULL)
		return false;
	add_child(schema, child);
	return expect(parser, ')', schema->kind == RAMA_MAP ?
				  "after the map's value" : "after the vector's element");
}

/* Does a subindexed collection lie below, seen through structs and all? */
static bool
encloses_subindexed(const RamaSchema *schema)
{
	for (int i = 0; i < schema->nchildren; i++)
	{
		if (schema->children[i]->subindex || encloses_subindexed(schema->children[i]))
			return true;
	}
	return false;
}

/* "subindex" behind a collection, said or implied by what it encloses */
static bool
parse_subindex(Parser *parser, RamaSchema *schema)
{
	int			length;

	skip_space(parser);
	length = keyword_length(parser->p, "subindex");
	if (schema->kind == RAMA_STRUCT)
	{
		if (length == 0)
			return true;
		fail(parser, parser->p, "only a map, set or vector can be followed by \"subindex\"");
		return false;
	}
	schema->subindex = length > 0;
	parser->p += length;
	if (!schema->subindex && encloses_subindexed(schema))
		schema->subindex = schema->implied = true;
	return true;
}

/* [name:] schema [subindex] */
static RamaSchema *
parse_value(Parser *parser, int depth, bool named)
{
	RamaSchema *schema = palloc0(sizeof(RamaSchema));
	int			length;

	if (depth > MAX_DEPTH)
		return fail(parser, parser->p, "nested more than %d levels deep", MAX_DEPTH);
	if (named && !parse_label(parser, &schema->name))
		return NULL;
	skip_space(parser);
	schema->location = (int) (parser->p - parser->text);
	schema->kind = constructor_kind(parser, &length);
	if (schema->kind == RAMA_SCALAR)
	{
		schema->type = parse_type(parser);
		return schema->type ? schema : NULL;
	}

	parser->p += length;
	if (!accept(parser, '('))
		return fail(parser, parser->p,
					"expected \"(\" after \"%.*s\", found %s; a type of that name must be quoted",
					length, parser->text + schema->location, found(parser->p));
	if (!parse_members(parser, schema, depth) || !parse_subindex(parser, schema))
		return NULL;
	return schema;
}

/*
 * rama_schema_parse() -- Parse a schema.
 *
 * Returns the tree, allocated in the current memory context, or NULL with
 * *error filled in. The outermost collection is marked subindexed.
 */
RamaSchema *
rama_schema_parse(const char *text, RamaSchemaError *error)
{
	Parser		parser = {text, text, error};
	RamaSchema *schema;

	if (strlen(text) > MAX_LENGTH)
		return fail(&parser, text, "longer than %d bytes", MAX_LENGTH);
	schema = parse_value(&parser, 1, false);
	if (schema == NULL)
		return NULL;
	skip_space(&parser);
	if (*parser.p != '\0')
		return fail(&parser, parser.p, "expected the end of the schema, found %s",
					found(parser.p));
	if ((schema->kind == RAMA_MAP || schema->kind == RAMA_SET ||
		 schema->kind == RAMA_VECTOR) && !schema->subindex)
		schema->subindex = schema->implied = true;
	return schema;
}

static void
print_label(StringInfo buf, const char *name)
{
	bool		plain;
	const char *p;

	if (name == NULL)
		return;
	plain = (*name >= 'a' && *name <= 'z') || *name == '_';
	for (p = name; *p && plain; p++)
		plain = (*p >= 'a' && *p <= 'z') || is_digit(*p) || *p == '_' || *p == '$';
	if (plain)
		appendStringInfoString(buf, name);
	else
	{
		appendStringInfoChar(buf, '"');
		for (p = name; *p; p++)
		{
			if (*p == '"')
				appendStringInfoChar(buf, '"');
			appendStringInfoChar(buf, *p);
		}
		appendStringInfoChar(buf, '"');
	}
	appendStringInfoString(buf, ": ");
}

static void
print_value(StringInfo buf, const RamaSchema *schema)
{
	static const char *const constructors[] = {
		[RAMA_MAP] = "map(",
		[RAMA_SET] = "set(",
		[RAMA_VECTOR] = "vector(",
		[RAMA_STRUCT] = "struct("
	};

	print_label(buf, schema->name);
	if (schema->kind == RAMA_SCALAR)
	{
		appendStringInfoString(buf, schema->type);
		return;
	}
	appendStringInfoString(buf, constructors[schema->kind]);
	if (schema->type)
	{
		print_label(buf, schema->keyname);
		appendStringInfoString(buf, schema->type);
		if (schema->nchildren > 0)
			appendStringInfoString(buf, ", ");
	}
	for (int i = 0; i < schema->nchildren; i++)
	{
		if (i > 0)
			appendStringInfoString(buf, ", ");
		print_value(buf, schema->children[i]);
	}
	appendStringInfoChar(buf, ')');
	if (schema->subindex && !schema->implied)
		appendStringInfoString(buf, " subindex");
}

/*
 * rama_schema_print() -- A schema as text that parses to an equal tree but
 * for locations.
 */
char *
rama_schema_print(const RamaSchema *schema)
{
	StringInfoData buf;

	initStringInfo(&buf);
	print_value(&buf, schema);
	return buf.data;
}
