--
-- Topologies: definition, handlers, batches, waiting, control
--
CREATE SCHEMA topo;
SET search_path = topo, public;
SELECT rama.create_depot('clicks', 'url text NOT NULL, n int DEFAULT 1');
INSERT INTO clicks (url) VALUES ('a'), ('b'), ('a');
CREATE TABLE seen (topology text, url text, n int, batch bigint, who text DEFAULT current_user, at serial);
CREATE FUNCTION on_click(clicks) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen (topology, url, n, batch) VALUES ('each', $1.url, $1.n, rama.batch_id());
END $$;

-- a function per event, from the beginning
SELECT rama.create_topology('each_click', 'stream', 'clicks', each => 'on_click');
SELECT rama.wait('each_click');
SELECT url, n FROM seen WHERE topology = 'each' ORDER BY at, url;
INSERT INTO clicks (url, n) VALUES ('c', 7);
SELECT rama.wait('each_click');
SELECT url, n FROM seen WHERE topology = 'each' ORDER BY at, url;

-- statements over the relation "batch", from the end
SELECT rama.create_topology('counted', 'microbatch', 'clicks', start_from => 'end', sql => $$
	INSERT INTO seen (topology, url, n, batch) SELECT 'sql', url, sum(n), rama.batch_id() FROM batch GROUP BY url ORDER BY url;
	UPDATE seen SET n = n + 100 WHERE topology = 'sql' AND batch = rama.batch_id()
$$);
INSERT INTO clicks (url, n) VALUES ('x', 1), ('y', 2), ('x', 3);
SELECT rama.wait('counted');
SELECT url, n FROM seen WHERE topology = 'sql' ORDER BY at;

-- other starts
SELECT rama.create_topology('from_offset', 'microbatch', 'clicks', start_from => '4', sql => $$
	INSERT INTO seen (topology, url, n) SELECT 'offset', url, n FROM batch ORDER BY _offset $$);
SELECT rama.create_topology('from_ago', 'microbatch', 'clicks', start_from => '1 hour', sql => $$
	INSERT INTO seen (topology, url, n) SELECT 'ago', url, n FROM batch ORDER BY _offset $$);
SELECT rama.create_topology('from_time', 'microbatch', 'clicks', start_from => '2100-01-01', sql => $$
	INSERT INTO seen (topology, url, n) SELECT 'time', url, n FROM batch ORDER BY _offset $$);
SELECT rama.wait('from_offset'), rama.wait('from_ago'), rama.wait('from_time');
SELECT topology, count(*), min(url), max(url) FROM seen WHERE topology IN ('offset', 'ago', 'time') GROUP BY 1 ORDER BY 1;

-- several sources, made in one transaction; handlers append to another depot
SELECT rama.create_depot('orders', 'item text');
SELECT rama.create_depot('log', 'line text');
BEGIN;
SELECT rama.create_topology('both', 'stream');
SELECT rama.add_source('both', 'clicks', sql => $$ INSERT INTO topo.log (line) SELECT 'click ' || url FROM batch $$, start_from => 'end');
SELECT rama.add_source('both', 'orders', sql => $$ INSERT INTO topo.log (line) SELECT 'order ' || item FROM batch $$);
COMMIT;
INSERT INTO clicks (url) VALUES ('z');
INSERT INTO orders (item) VALUES ('tea');
SELECT rama.wait('both');
SELECT line FROM log ORDER BY line COLLATE "C";
SELECT rama.wait('both', up_to => 1, depot => 'orders');

-- an offset that nobody has drawn yet, and one that was rolled back
SELECT rama.wait('both', up_to => 1000, depot => 'orders', timeout => '20 ms');
BEGIN;
INSERT INTO orders (item) VALUES ('void');
ROLLBACK;
SELECT rama.wait('both', up_to => 2, depot => 'orders');

-- pause and resume
SELECT rama.wait('counted');
SELECT rama.pause('counted');
INSERT INTO clicks (url, n) VALUES ('paused', 5);
SELECT rama.wait('counted', timeout => '50 ms');
SELECT state, lag_events > 0 AS lags, hint FROM rama.status WHERE module = 'topo' AND name = 'counted';
SELECT rama.resume('counted');
SELECT rama.wait('counted');
SELECT url, n FROM seen WHERE topology = 'sql' ORDER BY at;
SELECT state, lag_events FROM rama.status WHERE module = 'topo' AND name = 'counted';

-- a failing batch is rolled back and tried again, with the same number
CREATE TABLE trouble (on_url text);
INSERT INTO trouble VALUES ('bad');
CREATE FUNCTION on_risky(clicks) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen (topology, url, n, batch) VALUES ('risky', $1.url, $1.n, rama.batch_id());
	IF EXISTS (SELECT FROM trouble WHERE on_url = $1.url) THEN
		RAISE EXCEPTION 'no %', $1.url USING ERRCODE = 'RA001';
	END IF;
END $$;
SELECT rama.create_topology('risky', 'stream', 'clicks', each => 'on_risky', start_from => 'end', options => '{"backoff": "10 ms"}');
INSERT INTO clicks (url) VALUES ('fine'), ('bad'), ('also fine');
DO $$ BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN (SELECT attempts > 2 FROM rama.topology_state('risky'));
		PERFORM rama.wait('risky', timeout => '20 ms');
	END LOOP;
END $$;
SELECT state, attempts > 2 AS tried, last_sqlstate, last_error FROM rama.status WHERE module = 'topo' AND name = 'risky';
SELECT count(*) FROM seen WHERE topology = 'risky';
DELETE FROM trouble;
SELECT rama.wait('risky');
SELECT url, batch FROM seen WHERE topology = 'risky' ORDER BY at;
SELECT state, attempts, last_error FROM rama.status WHERE module = 'topo' AND name = 'risky';

-- on_error = halt
INSERT INTO trouble VALUES ('halting');
SELECT rama.create_topology('halting', 'stream', 'clicks', each => 'on_risky', start_from => 'end',
	options => '{"backoff": 1, "max_attempts": 2, "on_error": "halt"}');
SELECT rama.pause('risky');
INSERT INTO clicks (url) VALUES ('halting');
\set VERBOSITY terse
SELECT rama.wait('halting');
\set VERBOSITY default
SELECT state, attempts, hint FROM rama.status WHERE module = 'topo' AND name = 'halting';
DELETE FROM trouble;
SELECT rama.resume('halting');
SELECT rama.wait('halting');
SELECT state, attempts FROM rama.status WHERE module = 'topo' AND name = 'halting';

-- handler_timeout, synchronous_commit, max_lag
SELECT rama.create_topology('slow', 'stream', 'clicks', start_from => 'end', sql => 'SELECT pg_sleep(600) FROM batch',
	options => '{"handler_timeout": "20 ms", "on_error": "halt", "max_attempts": 1}');
SELECT rama.create_topology('lax', 'stream', 'clicks', start_from => 'end', options => '{"synchronous_commit": "off", "max_lag": 0.0}',
	sql => $$ INSERT INTO seen (topology, url) SELECT 'lax', current_setting('synchronous_commit') FROM batch $$);
INSERT INTO clicks (url) VALUES ('slow');
\set VERBOSITY terse
SELECT rama.wait('slow');
\set VERBOSITY default
SELECT rama.wait('lax');
SELECT url FROM seen WHERE topology = 'lax';
SELECT state, last_sqlstate FROM rama.status WHERE module = 'topo' AND name IN ('slow', 'lax') ORDER BY name;
SELECT rama.drop_topology('slow'), rama.drop_topology('lax');

-- microbatches wait for batch_max events or the interval
SELECT rama.create_topology('patient', 'microbatch', 'orders', start_from => 'end', options => '{"interval": "1 hour", "batch_max": 3}', sql => $$
	INSERT INTO seen (topology, url, n) SELECT 'patient', max(item), count(*) FROM batch $$);
INSERT INTO orders (item) SELECT 'item ' || i FROM generate_series(1, 7) i;
SELECT rama.wait('patient');
SELECT sum(n) AS events, max(n) AS largest FROM seen WHERE topology = 'patient';

-- PStates that a topology writes are its own, and are free when it is dropped
SELECT rama.create_pstate('totals', 'map(url: text, bigint)');
SELECT rama.create_topology('totaling', 'stream', 'clicks', writes => '{totals}', sql => 'SELECT FROM batch');
SELECT rama.create_topology('totaling2', 'stream', 'clicks', writes => '{totals}', sql => 'SELECT FROM batch');
SELECT topology FROM rama.pstate WHERE pstate = 'totals'::regclass;
DROP TABLE totals;
SELECT rama.drop_topology('totaling');
SELECT topology FROM rama.pstate WHERE pstate = 'totals'::regclass;

-- names, renames and drops are those of tables
SELECT rama.create_topology('each_click', 'stream', 'clicks', each => 'on_click');
SELECT rama.create_topology('each_click', 'stream', 'clicks', each => 'on_click', if_not_exists => true);
ALTER TABLE each_click RENAME TO "Each ""click";
INSERT INTO clicks (url) VALUES ('renamed');
SELECT rama.wait('"Each ""click"');
SELECT url FROM seen WHERE topology = 'each' ORDER BY at DESC LIMIT 1;
SELECT module, name, kind, paused, depots, options FROM rama.topologies WHERE module = 'topo' ORDER BY name COLLATE "C";
DROP TABLE orders;
DROP FUNCTION on_click(clicks);
DROP FUNCTION on_click(clicks) CASCADE;
SELECT count(*) FROM rama.topology WHERE topology::text LIKE '%click%';
UPDATE counted SET batch = 1;
DELETE FROM counted;
ALTER TABLE counted ADD COLUMN x int;
ALTER TABLE counted RENAME COLUMN batch TO b;
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'counted'::regclass AND attnum > 0 ORDER BY attnum;

-- errors
\set VERBOSITY sqlstate
SELECT rama.create_topology('t', 'streaming', 'clicks', sql => 'SELECT');
SELECT rama.create_topology('t', 'stream', 'seen', sql => 'SELECT');
SELECT rama.create_topology('t', 'stream', 'clicks');
SELECT rama.create_topology('t', 'stream', 'clicks', each => 'on_risky', sql => 'SELECT');
SELECT rama.create_topology('t', 'stream', sql => 'SELECT');
SELECT rama.create_topology('t', 'stream', 'clicks', each => 'nowhere');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT nothing FROM batch');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT 1 FROM');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT', options => '{"speed": 1}');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT', options => '{"batch_max": 0}');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT', options => '{"interval": "soon"}');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT', options => '[]');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT', start_from => 'middle');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT', start_from => '1000000');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT', target => 'totals', merge => 'sum');
SELECT rama.create_topology('t', 'stream', 'clicks', sql => 'SELECT', writes => '{clicks}');
SELECT rama.create_topology(NULL, 'stream', 'clicks', sql => 'SELECT');
SELECT rama.add_source('clicks', 'clicks', sql => 'SELECT');
SELECT rama.pause('clicks');
SELECT rama.drop_topology('clicks');
SELECT rama.wait('clicks');
SELECT rama.wait('both', up_to => 1);
SELECT rama.wait('both', depot => 'log');
SELECT rama.batch_id();
BEGIN;
INSERT INTO clicks (url) VALUES ('mine');
SELECT rama.wait('counted');
ROLLBACK;
\set VERBOSITY default

-- statements of sql handlers see the names of their module, whoever makes them and from where
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.only_there (url text);
CREATE TABLE elsewhere.seen (nothing int);
SET search_path = elsewhere;
SELECT rama.create_topology('topo.inside', 'stream', 'topo.clicks', start_from => 'end', sql => $$INSERT INTO seen (topology, url) SELECT 'inside', url FROM batch$$);
SELECT rama.create_topology('topo.outside', 'stream', 'topo.clicks', sql => $$INSERT INTO only_there SELECT url FROM batch$$);
SHOW search_path;
SET search_path = topo, public;
INSERT INTO clicks (url) VALUES ('inside');
SELECT rama.wait('inside');
SELECT url FROM seen WHERE topology = 'inside';
SELECT rama.drop_topology('inside');
DROP TABLE elsewhere.only_there, elsewhere.seen;
DROP SCHEMA elsewhere;

-- privileges
CREATE ROLE regress_rama_other;
GRANT USAGE ON SCHEMA topo TO regress_rama_other;
SET ROLE regress_rama_other;
SELECT rama.pause('counted');
SELECT rama.wait('counted');
SELECT rama.create_topology('topo.theirs', 'stream', 'clicks', sql => 'SELECT');
RESET ROLE;
GRANT CREATE ON SCHEMA topo TO regress_rama_other;
SET ROLE regress_rama_other;
SELECT rama.create_topology('topo.theirs', 'stream', 'clicks', sql => 'SELECT');
RESET ROLE;
GRANT SELECT ON clicks TO regress_rama_other;
GRANT INSERT, SELECT ON seen TO regress_rama_other;
GRANT USAGE ON SEQUENCE seen_at_seq TO regress_rama_other;
SET ROLE regress_rama_other;
SELECT rama.create_topology('topo.theirs', 'stream', 'clicks', start_from => 'end', sql => $$INSERT INTO seen (topology, url) SELECT 'theirs', url FROM batch$$);
RESET ROLE;
INSERT INTO clicks (url) VALUES ('as owner');
SELECT rama.wait('theirs');
SELECT url, who FROM seen WHERE topology = 'theirs';
ALTER TABLE theirs OWNER TO CURRENT_USER;
INSERT INTO clicks (url) VALUES ('as another owner');
SELECT rama.wait('theirs');
SELECT url, who = current_user AS as_me FROM seen WHERE topology = 'theirs' ORDER BY at;
SELECT rama.drop_topology('theirs');
REVOKE ALL ON clicks, seen FROM regress_rama_other;
REVOKE ALL ON SEQUENCE seen_at_seq FROM regress_rama_other;
REVOKE ALL ON SCHEMA topo FROM regress_rama_other;
DROP ROLE regress_rama_other;

-- DROP SCHEMA removes all of it
SET client_min_messages = warning;
DROP SCHEMA topo CASCADE;
SELECT (SELECT count(*) FROM rama.topology), (SELECT count(*) FROM rama.source), (SELECT count(*) FROM rama.status WHERE module = 'topo');
