-- Paths: reading and writing PStates

CREATE FUNCTION rama.select(pstate regclass, path jsonb) RETURNS SETOF jsonb
AS 'MODULE_PATHNAME', 'rama_select' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION rama.select(regclass, jsonb) IS
'Every value that the path focuses, in order; null where a key leads to nothing. A path is a JSON array of steps: a plain value is a key, [name, arguments...] a navigator. Lazy in the select list. Errors: 42704 unknown PState or navigator, 42703 unknown field, 22023 malformed path, 22P02 a key that does not convert (its step is named), 22004 null key, 54000 a collection too large for one value, 42501 no SELECT privilege.';

CREATE FUNCTION rama.select_one(pstate regclass, path jsonb) RETURNS jsonb
AS 'MODULE_PATHNAME', 'rama_select_one' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.select_one(regclass, jsonb) IS
'The one value that the path focuses. Errors: P0002 where there is none, P0003 where there are several, and those of rama.select.';

CREATE FUNCTION rama.get(pstate regclass, VARIADIC keys rama.value[] DEFAULT '{}') RETURNS jsonb
AS 'MODULE_PATHNAME', 'rama_get' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.get(regclass, rama.value[]) IS
'The value at the keys, outermost first; without keys the whole PState. NULL where it is absent or null. A key given as a jsonb array is a navigator. Errors: 42704 unknown PState, 42703 unknown field, 22P02 a key that does not convert, 22004 null key, 54000 a collection too large for one value, 42501 no SELECT privilege.';

CREATE FUNCTION rama.get_text(pstate regclass, VARIADIC keys rama.value[] DEFAULT '{}') RETURNS text
AS 'MODULE_PATHNAME', 'rama_get_text' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.get_text(regclass, rama.value[]) IS
'The value at the keys as text: strings unquoted, other values as JSON. Otherwise as rama.get.';

CREATE FUNCTION rama.get_as(type anyelement, pstate regclass, VARIADIC keys rama.value[] DEFAULT '{}') RETURNS anyelement
AS 'MODULE_PATHNAME', 'rama_get_as' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.get_as(anyelement, regclass, rama.value[]) IS
'The value at the keys as the type of the first argument, whose value does not matter: rama.get_as(NULL::bigint, ''bank.funds'', 7). A scalar is cast; a struct makes a composite, a collection an array. Otherwise as rama.get.';

CREATE FUNCTION rama.count(pstate regclass, VARIADIC keys rama.value[] DEFAULT '{}') RETURNS bigint
AS 'MODULE_PATHNAME', 'rama_count' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.count(regclass, rama.value[]) IS
'The number of elements of the collection at the keys, 0 where there is nothing; of a subindexed collection without reading it. Error 22023 for a scalar; otherwise as rama.get.';

CREATE FUNCTION rama.explain(pstate regclass, path jsonb) RETURNS SETOF text
AS 'MODULE_PATHNAME', 'rama_explain' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.explain(regclass, jsonb) IS
'How rama.select would read the path: tables and indexes, with what is pushed into them, and what is done in memory. Errors as rama.select.';

CREATE FUNCTION rama.transform(pstate regclass, path jsonb) RETURNS void
AS 'MODULE_PATHNAME', 'rama_transform' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.transform(regclass, jsonb) IS
'Changes what the path focuses. The path, and each of its branches, ends in exactly one terminal: ["term", function, arguments...] sets the function''s result, which is given the collected values, then the value; ["term-val", value] a constant; ["NONE>"] removes. Writing through a key creates levels; through must, first, last, all, map-vals, map-keys nothing is written where there is nothing. Errors: those of rama.select and rama.put, 22023 no terminal, or one where none belongs, 2202E nth outside of the vector, 42501 no SELECT, INSERT and UPDATE privilege, for NONE> and to replace the whole, or a part of the outermost collection, no DELETE privilege.';

CREATE FUNCTION rama.put(pstate regclass, VARIADIC keys rama.value[]) RETURNS void
AS 'MODULE_PATHNAME', 'rama_put' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.put(regclass, rama.value[]) IS
'keys..., value: sets the value at the keys and creates the levels above it. Without keys, replaces the whole PState (needs DELETE). A collection is replaced, a struct''s omitted fields become null. Errors: those of rama.get, 22P02 or 42703 for a value that does not fit, 2202E an index past the end of a vector, 55000 a PState that a topology writes, 42501 no INSERT and UPDATE privilege.';

CREATE FUNCTION rama.add(pstate regclass, VARIADIC keys rama.value[]) RETURNS numeric
AS 'MODULE_PATHNAME', 'rama_add' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.add(regclass, rama.value[]) IS
'keys..., number: adds to the number at the keys, which counts as 0 where it is absent, and returns the new number. Errors: 22003 out of the column''s range, 42804 not a number there; otherwise as rama.put.';

CREATE FUNCTION rama.push(pstate regclass, VARIADIC keys rama.value[]) RETURNS bigint
AS 'MODULE_PATHNAME', 'rama_push' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.push(regclass, rama.value[]) IS
'keys..., element: appends to the vector at the keys and returns the index, or adds to the set there and returns 1, or 0 if it was in it. Errors: 22023 neither vector nor set; otherwise as rama.put.';

CREATE FUNCTION rama.agg(pstate regclass, aggregator text, VARIADIC keys rama.value[] DEFAULT '{}') RETURNS void
AS 'MODULE_PATHNAME', 'rama_agg' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.agg(regclass, text, rama.value[]) IS
'keys..., value, options: combines the value with what is at the keys, by an aggregator: sum, count (a value, or none), min, max, and, or, first, last; set, set-remove, multi-set, map (key and value), list, merge, avg; NONE (no value) removes; top-monotonic and limit take options, in parentheses or as a last jsonb object: {"n": 3, "id": "user_id", "sort": "total"}; or an SQL aggregate that has a combine function, by its name. Several, as a comma list, go to the fields of a struct in order, each with its value. Nulls are passed over. Errors: 42704 unknown aggregator, 42804 not for that place, 22023 options, 42809 an aggregate without a combine function, 42501 no INSERT and UPDATE privilege, for NONE and set-remove no DELETE privilege; otherwise as rama.put.';

CREATE FUNCTION rama.remove(pstate regclass, VARIADIC keys rama.value[]) RETURNS boolean
AS 'MODULE_PATHNAME', 'rama_remove' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.remove(regclass, rama.value[]) IS
'keys...: removes the entry of a map, the element of a set or vector, or sets the field of a struct to null, with all that is below; the last key of a set is the element. Returns whether there was something. Errors: those of rama.get, 55000 a PState that a topology writes, 42501 no DELETE privilege.';

CREATE FUNCTION rama.allow_in_paths(function regprocedure) RETURNS void
AS 'MODULE_PATHNAME', 'rama_allow_in_paths' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.allow_in_paths(regprocedure) IS
'Lets paths call the function, written with its schema, although it is not IMMUTABLE; whoever uses the path needs EXECUTE. For the function''s owner. Errors: 42501 not the owner, 22023 a procedure, an aggregate, or a function that returns a set or nothing.';

CREATE FUNCTION rama.forbid_in_paths(function regprocedure) RETURNS void
AS 'MODULE_PATHNAME', 'rama_forbid_in_paths' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.forbid_in_paths(regprocedure) IS
'Takes back rama.allow_in_paths(): from now on paths call the function only if it is IMMUTABLE. Error: 42501 not the owner.';

CREATE FUNCTION rama.create_path(name text, path jsonb, if_not_exists boolean DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME', 'rama_create_path' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.create_path(text, jsonb, boolean) IS
'Gives a path a name, in the schema named or the first of search_path. [name] in a path stands for its steps; within itself it is recursive. Whoever has USAGE on the schema may use it, with its own rights. Errors: 42710 the name is taken, or a navigator''s, 42501 no CREATE privilege on the schema, 22023 malformed path, 42704 unknown navigator.';

CREATE FUNCTION rama.drop_path(name text, if_exists boolean DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME', 'rama_drop_path' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.drop_path(text, boolean) IS
'Removes a named path. Paths that use it fail from then on. Errors: 42704 there is none, 42501 neither its owner nor the schema''s.';
