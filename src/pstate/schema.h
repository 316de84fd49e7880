/*-------------------------------------------------------------------------
 *
 * schema.h
 *	  The schema grammar of PStates: a pure parser.
 *
 *	  schema := map([name:] type, [name:] schema [subindex])
 *	          | vector([name:] schema [subindex]) | set([name:] type)
 *	          | struct(name: schema [subindex], ...) | type
 *
 * Nothing but postgres.h is needed, so that the parser can be fuzzed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_SCHEMA_H
#define RAMA_SCHEMA_H

typedef enum RamaSchemaKind
{
	RAMA_SCALAR,				/* any type of PostgreSQL */
	RAMA_MAP,
	RAMA_SET,
	RAMA_VECTOR,
	RAMA_STRUCT
} RamaSchemaKind;

typedef struct RamaSchema
{
	RamaSchemaKind kind;
	char	   *name;			/* of this value in its parent: "name:", or NULL */
	bool		subindex;		/* said, or implied by what it encloses */
	bool		implied;		/* subindex is implied, not said */
	char	   *type;			/* scalar: its type; map: the key's; set: the element's */
	Oid			typid;			/* that type, found by who has a catalog */
	int32		typmod;
	char	   *keyname;		/* map: the key's name, set: the element's; or NULL */
	int			nchildren;		/* map, vector: 1; struct: number of fields */
	struct RamaSchema **children;
	int			location;		/* byte offset in the text, for errors */
} RamaSchema;

typedef struct RamaSchemaError
{
	int			location;
	char		message[200];
} RamaSchemaError;

extern RamaSchema *rama_schema_parse(const char *text, RamaSchemaError *error);
extern char *rama_schema_print(const RamaSchema *schema);

#endif							/* RAMA_SCHEMA_H */
