// Follow a part of a PState by LISTEN, with node-postgres.
//
//	node watch.js CONNINFO PSTATE PATH
//
// Prints the value, then each change, as lines of JSON. A payload says from
// which version on it tells the changes, and up to which; whoever has seen less
// than that, or finds that they did not fit in, asks rama.changes().
'use strict';
const { Client } = require('pg');
const [connectionString, pstate, path] = process.argv.slice(2);
const client = new Client({ connectionString });
let seen;

const show = (change) => console.log(JSON.stringify(change));

async function fetch() {
	const { rows } = await client.query('SELECT * FROM rama.changes($1, $2, after => $3)', [pstate, path, seen]);
	for (const { version, op, path, value } of rows) {
		if (Number(version) <= seen) continue;		// told by a payload meanwhile
		show({ version: Number(version), op, path, value });
	}
	if (rows.length) seen = Math.max(seen, Number(rows.at(-1).version));
}

function notified({ payload }) {
	const { from, version, changes } = JSON.parse(payload);
	if (version <= seen) return;
	if (from > seen || !changes) return void fetch();
	for (const change of changes) if (!(change.version <= seen)) show(change);
	seen = version;
}

async function main() {
	await client.connect();
	const { rows: [watch] } = await client.query('SELECT * FROM rama.watch($1, $2)', [pstate, path]);
	seen = Number(watch.version);
	show({ version: seen, value: watch.value });
	client.on('notification', notified);
	await client.query(`LISTEN ${client.escapeIdentifier(watch.channel)}`);
	await fetch();							// what came before LISTEN
}

main().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
