// Follow a part of a PState by COPY, with node-postgres.
//
//	node tail.js CONNINFO PSTATE PATH
//
// Prints lines of JSON: the value, then each change.
'use strict';
const { Client, Query } = require('pg');
const [connectionString, ...args] = process.argv.slice(2);

// A query whose answer is a copy, given to a function line by line.
class Tail extends Query {
	constructor(sql, values, online) {
		super(sql, values);
		this.online = online;
		this.rest = '';
	}
	handleCopyData({ chunk }) {
		const lines = (this.rest + chunk.toString()).split('\n');
		this.rest = lines.pop();
		lines.forEach((line) => this.online(line));
	}
}

async function main() {
	const client = new Client({ connectionString });
	await client.connect();
	await new Promise((resolve, reject) => {
		const tail = new Tail("CALL rama.tail($1, $2, format => 'json')", args, (line) => console.log(line));
		tail.callback = (error) => (error ? reject(error) : resolve());
		client.on('error', reject);
		client.query(tail);
	});
	await client.end();
}

main().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
