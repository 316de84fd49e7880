-- Follow a part of a PState by LISTEN: psql shows notifications after statements.
SELECT channel, version, value FROM rama.watch(:'pstate', :'path') \gset
\echo :value
LISTEN :"channel";
-- What came between the two, and then, as often as one likes:
SELECT * FROM rama.changes(:'pstate', :'path', after => :version);
