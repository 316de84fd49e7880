// A headless Chromium, for tests of web pages: no modules, nothing but pipes.
//
//	node browser.js CHROMIUM FOLDER URL
//
// Opens the URL, with a profile in the folder. Each line of standard input is an
// expression, for which it waits until it is true in the page, and prints its
// value as JSON; or "screenshot FILE"; or "open URL". Ends with its input.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const readline = require('readline');

const [chromium, folder, url] = process.argv.slice(2);
const child = spawn(chromium, ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
	'--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
	'--window-size=1000,700', `--user-data-dir=${folder}`, '--remote-debugging-pipe', 'about:blank'],
	{ stdio: ['ignore', 'ignore', fs.openSync(`${folder}.log`, 'w'), 'pipe', 'pipe'], env: { ...process.env, HOME: folder } });
const waiting = new Map();
let last = 0;
let rest = '';

child.stdio[4].setEncoding('utf8');
child.stdio[4].on('data', (data) => {
	const messages = (rest + data).split('\0');
	rest = messages.pop();
	for (const message of messages) {
		const { id, result, error } = JSON.parse(message);
		const { resolve, reject } = waiting.get(id) ?? {};
		waiting.delete(id);
		if (error) reject?.(new Error(error.message));
		else resolve?.(result);
	}
});
child.on('exit', (code) => {
	if (waiting.size) console.error(`the browser ended: ${code}`);
	process.exit(waiting.size ? 1 : 0);
});

function send(method, params = {}, sessionId = undefined) {
	child.stdio[3].write(JSON.stringify({ id: ++last, method, params, sessionId }) + '\0');
	return new Promise((resolve, reject) => waiting.set(last, { resolve, reject }));
}

// Becomes the value of the expression as soon as that is true.
const until = (expression) => `new Promise((resolve) => {
	const look = () => { const value = (() => { try { return ${expression} } catch { return false } })(); if (value) { observer.disconnect(); resolve(value); } };
	const observer = new MutationObserver(look);
	observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
	look();
})`;

async function main() {
	const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
	const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
	const open = (address) => send('Page.navigate', { url: address }, sessionId);

	await open(url);
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const [command, argument] = line.split(/ (.*)/);
		if (command === 'open') await open(argument);
		else if (command === 'screenshot') {
			const { data } = await send('Page.captureScreenshot', {}, sessionId);
			fs.writeFileSync(argument, Buffer.from(data, 'base64'));
		} else {
			// A page that is just being left takes its promises with it.
			for (;;) {
				const answer = await send('Runtime.evaluate',
					{ expression: until(line), awaitPromise: true, returnByValue: true }, sessionId).catch(() => null);
				if (answer?.exceptionDetails) throw new Error(answer.exceptionDetails.text);
				if (answer) {
					console.log(JSON.stringify(answer.result.value));
					break;
				}
			}
			continue;
		}
		console.log('done');
	}
	child.kill();
}

main().catch((error) => {
	console.error(error.message);
	child.kill('SIGKILL');
	process.exit(1);
});
