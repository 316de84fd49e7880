// The page: folds changes onto values, and shows them. #1 or #1/6f1e... says
// what it looks at; without a request, the newest one.
'use strict';
const element = (id) => document.getElementById(id);
let source;
let org;
let request;
let newest;

const links = new Map();		// request -> its link

function add(key) {
	if (links.has(key)) return;
	const link = document.createElement('a');
	link.href = `#${org}/${key}`;
	link.textContent = key;
	link.className = key === request ? 'chosen' : '';
	links.set(key, link);
	element('requests').append(link);
}

function requestsChanged({ op, path, value }) {
	if (op === 'reset') {
		for (const key of [...(value ?? [])]) add(key);
		return;
	}
	const key = op === 'insert' ? value : path[1];
	if (op === 'remove') {
		links.get(key)?.remove();
		links.delete(key);
	} else if (!links.has(key)) {
		add(key);
		if (!request || newest) look(org, key, true);		// follow what comes in
	}
}

function promptChanged({ value }) {
	element('prompt').textContent = value ?? '';
}

function tokensChanged({ op, value }) {
	const answer = element('answer');
	if (op === 'append') answer.append(value.join(''));
	else answer.textContent = (value ?? []).join('');
	element('status').textContent = `${answer.textContent.length} characters`;
}

const changed = { requests: requestsChanged, prompt: promptChanged, tokens: tokensChanged };

function look(newOrg, newRequest, following) {
	if (newOrg !== org) {
		links.clear();
		element('requests').textContent = '';
	}
	org = newOrg;
	request = newRequest;
	newest = following;
	element('org').value = org;
	element('prompt').textContent = element('answer').textContent = '';
	for (const [key, link] of links) link.className = key === request ? 'chosen' : '';
	source?.close();
	source = new EventSource(`/events?org=${org}${request ? `&request=${request}` : ''}`);
	source.addEventListener('change', ({ data }) => {
		const change = JSON.parse(data);
		changed[change.id.split(' ')[0]](change);
	});
	source.addEventListener('failure', ({ data }) => (element('status').textContent = JSON.parse(data)));
	source.onopen = () => (element('status').textContent = 'watching');
	source.onerror = () => (element('status').textContent = 'connecting');
}

function lookAtHash() {
	const [hashOrg, hashRequest] = location.hash.slice(1).split('/');
	look(hashOrg || '1', hashRequest, false);
}

element('org').onchange = () => (location.hash = element('org').value);
window.onhashchange = lookAtHash;
lookAtHash();
