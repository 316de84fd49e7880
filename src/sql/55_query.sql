-- Query topologies: functions of a module, listed under a name

CREATE FUNCTION rama.create_query(name text, function regprocedure, if_not_exists boolean DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME', 'rama_create_query' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.create_query(text, regprocedure, boolean) IS
'Lists a function as a query, in the schema named or the first of search_path: see rama.queries. It is called as the function that it is, with EXECUTE on it; it follows the function when that is renamed or moved, and goes when that is dropped. Errors: 42710 the name is taken, 42501 no CREATE privilege on the schema or no EXECUTE on the function, 22023 a procedure, an aggregate, or a function that returns nothing or is polymorphic, 42883 no such function.';

CREATE FUNCTION rama.drop_query(name text, if_exists boolean DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME', 'rama_drop_query' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.drop_query(text, boolean) IS
'Lists a query no longer; the function stays. Errors: 42704 there is none, 42501 neither its owner nor the schema''s.';

CREATE FUNCTION rama.query_function(identity text) RETURNS regprocedure
AS 'MODULE_PATHNAME', 'rama_query_function' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.query_function(text) IS
'The function of that schema, name and argument types, as rama.query has them; NULL if there is none.';

CREATE VIEW rama.queries AS
SELECT q.module, q.name, p.oid::regprocedure AS function,
	pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
	pg_catalog.pg_get_function_result(p.oid) AS result,
	pg_catalog.pg_get_userbyid(q.owner) AS owner,
	pg_catalog.obj_description(p.oid, 'pg_proc') AS description
FROM rama.query q
JOIN pg_catalog.pg_namespace n ON n.nspname::text OPERATOR(pg_catalog.=) q.module
JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) rama.query_function(q.function);
COMMENT ON VIEW rama.queries IS
'The queries of this database (rama.create_query): their functions, with arguments, result, and the function''s comment.';
GRANT SELECT ON rama.queries TO PUBLIC;
