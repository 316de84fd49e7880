/* pg_rama--0.1.0.sql is the concatenation of src/sql/NN_*.sql */
\echo Use "CREATE EXTENSION pg_rama" to load this file. \quit

GRANT USAGE ON SCHEMA rama TO PUBLIC;
COMMENT ON SCHEMA rama IS 'pg_rama: depots, topologies and PStates';
