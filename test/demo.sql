-- A small AI platform, as a pg_rama module.
--
-- Organizations send requests to language models, whose answers arrive token
-- by token. Users sign in and register their e-mail addresses. What happens
-- is appended to depots; topologies turn it into PStates, exactly once; reads
-- go to the PStates.

CREATE EXTENSION IF NOT EXISTS pg_rama;
CREATE SCHEMA platform;
SET search_path = platform, public;

-- All or nothing: the topologies start when this transaction commits.
BEGIN;

-- Depots: what happened, in order, for ever. Each is a table that is only
-- appended to, with INSERT, COPY or rama.append().

SELECT rama.create_depot('signins', 'subject text NOT NULL, client text NOT NULL');
SELECT rama.create_depot('registrations', 'email text NOT NULL, name text NOT NULL, subject text NOT NULL');
SELECT rama.create_depot('requests',
	'org bigint NOT NULL, request uuid NOT NULL, prompt text NOT NULL, model text NOT NULL');
SELECT rama.create_depot('tokens',
	'org bigint NOT NULL, request uuid NOT NULL, token text NOT NULL',
	partition_by => 'request', partitions => 4);

-- PStates: what is known now, in the shape in which it is asked for.

-- login subject -> account number
SELECT rama.create_pstate('accounts', 'map(subject: text, account: bigint)');

-- e-mail address -> who registered it
SELECT rama.create_pstate('registered',
	'map(email: text, struct(name: text, subject: text, registered_at: timestamptz))');

-- organization -> request -> its prompt, and its answer so far
SELECT rama.create_pstate('llm', $$
	map(org: bigint, map(request: uuid, struct(
		prompt: text,
		model: text,
		tokens: vector(token: text) subindex)) subindex)
$$);

-- word -> how often the models have said it
SELECT rama.create_pstate('words', 'map(text, bigint)');

-- organization -> what it has used
SELECT rama.create_pstate('usage', 'map(org: bigint, struct(requests: bigint, tokens: bigint))');

-- A stream topology handles each event as soon as it is committed. Its
-- handlers are functions that take the depot's row.

CREATE FUNCTION on_signin(e signins) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	-- The first sign-in of a subject opens its account. Nobody else writes
	-- "accounts", so nobody else can take the number.
	IF rama.get('accounts', e.subject) IS NULL THEN
		PERFORM rama.put('accounts', e.subject, rama.count('accounts') + 1);
	END IF;
END $$;

CREATE FUNCTION on_registration(e registrations) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	-- An address belongs to whoever registered it first.
	IF rama.get('registered', e.email) IS NULL THEN
		PERFORM rama.put('registered', e.email, jsonb_build_object(
			'name', e.name, 'subject', e.subject, 'registered_at', e._appended_at));
	END IF;
END $$;

SELECT rama.create_topology('identity', 'stream', writes => '{accounts, registered}');
SELECT rama.add_source('identity', 'signins', each => 'on_signin');
SELECT rama.add_source('identity', 'registrations', each => 'on_registration');

-- A microbatch topology handles many events at a time. Its handlers are SQL
-- over "batch", the events of the batch. The order between two depots is not
-- promised: a token may come before its request. It does not matter here,
-- because writing through a path creates the levels on the way.

SELECT rama.create_topology('answers', 'microbatch', writes => '{llm}',
	options => '{"batch_max": 2000}');
SELECT rama.add_source('answers', 'requests', sql => $$
	SELECT rama.put('llm', org, request, 'prompt', prompt),
		rama.put('llm', org, request, 'model', model)
	FROM batch
$$);
SELECT rama.add_source('answers', 'tokens', sql => $$
	SELECT rama.push('llm', org, request, 'tokens', token) FROM batch ORDER BY _offset
$$);

SELECT rama.create_topology('statistics', 'microbatch', writes => '{words, usage}');
SELECT rama.add_source('statistics', 'requests', sql => $$
	SELECT rama.add('usage', org, 'requests', n)
	FROM (SELECT org, count(*) AS n FROM batch GROUP BY org) x
$$);
SELECT rama.add_source('statistics', 'tokens', sql => $$
	SELECT rama.add('usage', org, 'tokens', n)
	FROM (SELECT org, count(*) AS n FROM batch GROUP BY org) x;

	SELECT rama.add('words', word, n)
	FROM (SELECT lower(substring(token FROM '[[:alpha:]]+')) AS word, count(*) AS n
		FROM batch GROUP BY 1) x
	WHERE word IS NOT NULL;
$$);

COMMIT;
