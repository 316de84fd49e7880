-- Watching queries

CREATE PROCEDURE rama.watch_query(query text, args jsonb DEFAULT '[]', format text DEFAULT 'text')
AS 'MODULE_PATHNAME', 'rama_watch_query' LANGUAGE C;
COMMENT ON PROCEDURE rama.watch_query(text, jsonb, text) IS
'Sends the result of a query (rama.create_query), and then each change of it, as lines by COPY, until the statement is canceled. args: a JSON array, or an object with the names of arguments. The query is run again, with your rights, in a transaction of its own that is read-only and has one snapshot, when something of PStates that its last run read has changed: what path functions read by keys and ranges, what statements read by relation; other tables are not watched. Lines are as those of rama.tail, with paths into the result (an array of rows where the function returns a set), and as version the number of the result, from 1. format: ''text'', ''json'', ''patch''. Errors: 42704 no such query, 42501 no EXECUTE on its function, 42883 or 22P02 arguments that do not fit, 25001 in a transaction block, and the query''s own, which end it.';
