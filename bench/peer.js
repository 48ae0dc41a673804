// peer.js MODULES PUBLIC_KEY PORT: what a shop runs today, at its fastest: two
// processes that verify Alipay's callbacks with Alipay's own SDK and answer.
// They ask no database, which a shop would have to.

'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const http = require('node:http');
const { createRequire } = require('node:module');
const path = require('node:path');
const querystring = require('node:querystring');

const [modules, key, port] = process.argv.slice(2);

if (cluster.isPrimary) {
    cluster.fork();
    cluster.fork();
    process.on('SIGTERM', () => {
        for (const worker of Object.values(cluster.workers)) {
            worker.kill();
        }
        process.exit(0);
    });

} else {
    const { AlipaySdk } = createRequire(path.resolve(modules, 'x'))(
        'alipay-sdk');
    const { privateKey } = require('node:crypto').generateKeyPairSync('rsa', {
        modulusLength: 2048,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const sdk = new AlipaySdk({ appId: '2021000000000001', privateKey,
        keyType: 'PKCS8', alipayPublicKey: fs.readFileSync(key, 'utf8') });

    http.createServer((request, response) => {
        const parts = [];

        request.on('data', (part) => parts.push(part));
        request.on('end', () => {
            const form = querystring.parse(Buffer.concat(parts).toString());

            response.setHeader('Content-Type', 'text/plain');
            response.end(sdk.checkNotifySignV2(form) ? 'success' : 'fail');
        });
    }).listen(Number(port), '127.0.0.1');
}
