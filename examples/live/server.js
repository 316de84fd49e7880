// Shows answers of the demo's language models in browsers, token by token, as
// they are appended. All that browsers look at is watched over one connection,
// by one CALL rama.tail_many(), and goes to them as Server-Sent Events.
//
//	PGHOST=/tmp/pg_rama_demo PGUSER=postgres PGDATABASE=demo PORT=8080 node server.js
//
// A page asks for /events?org=1&request=6f1e...: the requests of an
// organization and, where it names one, that one's prompt and answer. For each
// it gets first the value (op "reset") and then the changes.
'use strict';
const fs = require('fs');
const http = require('http');
const { Client, Query } = require('pg');

const files = { '/': ['index.html', 'text/html; charset=utf-8'], '/live.js': ['live.js', 'text/javascript'] };
const watches = new Map();		// id -> { path, lines since the value, responses of pages }
const client = new Client();
let tail = null;				// the CALL that runs
let wanted = false;				// one that watches something else
let timer = null;

// A query whose answer is a copy, given to a function line by line.
class Tail extends Query {
	constructor(list, online) {
		super('CALL rama.tail_many($1)', [JSON.stringify(list)]);
		this.online = online;
	}
	handleCopyData({ chunk }) {
		chunk.toString().split('\n').filter(Boolean).forEach(this.online);
	}
}

function tell(response, event, data) {
	response.write(`event: ${event}\ndata: ${data}\n\n`);
}

// What a watch has said since its value is kept, for pages that come later.
function heard(line) {
	const change = JSON.parse(line);
	const watch = watches.get(change.id);
	if (!watch) return;
	if (change.op === 'reset') watch.lines = [];
	watch.lines.push(line);
	for (const page of watch.pages) tell(page, 'change', line);
	if (watch.lines.length > 10000) want();
}

function watchAll() {
	wanted = false;
	if (!watches.size) return;
	tail = new Tail([...watches].map(([id, { path }]) => ({ id, pstate: 'platform.llm', path })), heard);
	tail.callback = (error) => {
		tail = null;
		if (!error || error.code === '57014') return watchAll();	// cancelled by us
		console.error(error.message);
		for (const { pages } of watches.values())
			for (const page of pages) tell(page, 'failure', JSON.stringify(error.message));
		setTimeout(want, 1000);
	};
	client.query(tail);
}

// The next CALL watches what is looked at by then; the one that runs is
// cancelled, again if that came too early.
function want() {
	wanted = true;
	timer ??= setTimeout(function next() {
		timer = null;
		if (!wanted) return;
		if (!tail) return watchAll();
		new Client().cancel(client, tail);
		timer = setTimeout(next, 200);
	}, 10);
}

function look(page, id, path) {
	if (!watches.has(id)) {
		watches.set(id, { path, lines: [], pages: new Set() });
		want();
	}
	watches.get(id).pages.add(page);
	for (const line of watches.get(id).lines) tell(page, 'change', line);
}

// What nobody looks at any more is watched until the next CALL.
function leave(page) {
	for (const [id, { pages }] of watches)
		if (pages.delete(page) && !pages.size) watches.delete(id);
}

function events(parameters, response) {
	const org = parameters.get('org');
	const request = parameters.get('request');
	if (!/^\d{1,18}$/.test(org) || (request && !/^[0-9a-f-]{36}$/.test(request))) return response.writeHead(400).end();
	response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
	look(response, `requests ${org}`, [Number(org), ['map-keys']]);
	if (request) {
		look(response, `prompt ${request}`, [Number(org), request, 'prompt']);
		look(response, `tokens ${request}`, [Number(org), request, 'tokens']);
	}
	response.on('close', () => leave(response));
}

function handle(request, response) {
	const url = new URL(request.url, 'http://localhost');
	if (url.pathname === '/events') return events(url.searchParams, response);
	if (!files[url.pathname]) return response.writeHead(404).end();
	const [file, type] = files[url.pathname];
	response.writeHead(200, { 'Content-Type': type });
	fs.createReadStream(`${__dirname}/${file}`).pipe(response);
}

async function main() {
	client.on('error', (error) => {
		console.error(error.message);
		process.exit(1);
	});
	await client.connect();
	const server = http.createServer(handle);
	server.listen(process.env.PORT || 8080, 'localhost', () => console.log(`http://localhost:${server.address().port}/`));
}

main();
