// wechat_v3.js MODULES PROGRAM: our gateway beside wechatpay-axios-plugin.
//
// MODULES is a folder with node_modules, PROGRAM is verify.c, built.  Makes
// keys, certificates and thousands of callbacks; prints TAP.  SEED (in the
// environment) repeats a run.
//
// What the SDK refuses, we must refuse, but for the exception below, which is
// verified without it.  Where we refuse what it accepts, the reason must be
// one of `stricter`, and the callback must be of that kind.

'use strict';

const { execFileSync } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');

const { ask, file, finish, flip, judge, pick, random, report }
    = require('./lib/compare.js');

const [modules, program] = process.argv.slice(2);
const { Aes, Decorator, Formatter, Rsa } = createRequire(
    path.resolve(modules, 'x'))('wechatpay-axios-plugin');

const APP = 'wxd678efh567hg6787';
const MERCHANT = '1900000109';
const NOW = 1795248005;

const SECRETS = ['0123456789abcdefghijABCDEFGHIJ!?',
                 'zyxwvutsrqponmlkjihgfedcba987654'];

const SERIAL = '0A3F4D97E2C6B15880D29C47AA5E6B1F2C3D4E5F';
const OLD = '5157F09EFDC096DE15EBE81A47057A7232F1B8E1';
const PUBLIC = 'PUB_KEY_ID_0119000001092026112100451900000200';
const IDS = [SERIAL, OLD, PUBLIC];


function word(n) {
    return Array.from({ length: n }, () => pick('abcdefghijkmnXYZ0123456789'))
        .join('');
}


function shuffled(object) {
    const list = Object.entries(object);
    for (let i = list.length - 1; i > 0; i--) {
        const k = random(i + 1);
        [list[i], list[k]] = [list[k], list[i]];
    }
    return Object.fromEntries(list);
}


// Keys, certificates and the program.

const keys = {};
const certs = {};

for (const id of [...IDS, 'other']) {
    keys[id] = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
}

const settings = [['app_id', APP], ['mch_id', MERCHANT]];

SECRETS.forEach((secret, i) => settings.push(['api_v3_key',
    file(`secret${i}`, `${secret}${i ? '' : '\n'}`)]));

for (const id of IDS) {
    if (id === PUBLIC) {
        certs[id] = keys[id].publicKey.export({ type: 'spki', format: 'pem' });
        settings.push(['public_key', `${id}:${file(`${id}.pem`, certs[id])}`]);
        continue;
    }

    const key = file(`${id}.key`, keys[id].privateKey.export(
        { type: 'pkcs8', format: 'pem' }));
    const pem = `${key}.pem`;

    execFileSync('openssl', ['req', '-new', '-x509', '-key', key,
                             '-set_serial', `0x${id}`, '-days', '2',
                             '-subj', '/CN=Tenpay.com sign', '-out', pem],
                 { stdio: 'pipe' });
    certs[id] = fs.readFileSync(pem, 'ascii');
    settings.push(['platform_certificate', pem]);
}


// A header that comes twice is a list.
function line(c) {
    const hex = (data) => 'x' + Buffer.from(data).toString('hex');

    return ['verify', c.now, hex(c.body)].concat(Object.entries(c.headers)
        .flatMap(([name, value]) => [value].flat()
            .map((v) => `${name}:${hex(v)}`))).join(' ');
}


// What an application does that uses the SDK: the same checks that it makes of
// an answer, then its decryption.  NULL: it would have refused.

Formatter.timestamp = () => NOW;

const verifier = Decorator.responseVerifier(certs);

function sdk_reads(c) {
    const headers = Object.fromEntries(Object.entries(c.headers)
        .map(([name, value]) => [name, [value].flat().join(', ')]));

    try {
        const body = verifier.call({ url: '/notify' }, c.body.toString(),
                                   headers);
        if (typeof body !== 'string') {
            return null;
        }

        const event = JSON.parse(body);
        const { ciphertext, nonce, associated_data: aad } = event.resource;

        for (const secret of SECRETS) {
            try {
                const text = Aes.AesGcm.decrypt(ciphertext, secret, nonce,
                                                aad || '');
                return { event, plain: JSON.parse(text), text };
            } catch {
                continue;
            }
        }
    } catch {
        return null;
    }

    return null;
}


// Callbacks.  JSON has many spellings, of which all are good.

const TEXTS = ['', 'x', '手机 P30 "Pro"', 'a/b', '\\', '\t\r\n', '📱', '<&>\'',
               '\u007f', '\u2028', 'a'.repeat(300), '{"total":1}', '0.00'];

const SPELLINGS = {
    plain: (value) => JSON.stringify(value),
    pretty: (value) => JSON.stringify(value, null, pick(['  ', '\t', '    '])),
    slashes: (value) => JSON.stringify(value).replace(/\//g, '\\/'),
    ascii: (value) => JSON.stringify(value).replace(/[\u007f-\uffff]/g,
        (ch) => '\\u' + ch.charCodeAt(0).toString(16).padStart(4, '0')),
    names: (value) => JSON.stringify(value).replace(/"(\w)/g,
        (_, ch) => '"\\u' + ch.charCodeAt(0).toString(16).toUpperCase()
            .padStart(4, '0')),
    lines: (value) => JSON.stringify(value, null, 1).replace(/\n/g, '\r\n')
        + '\n',
};

function spell(value, how) {
    return SPELLINGS[how || pick(Object.keys(SPELLINGS))](value);
}


function at() {
    return new Date((NOW - random(100000)) * 1000);
}


function rfc3339(date) {
    return pick([() => new Date(date.getTime() + 28800000).toISOString()
        .replace('.000Z', '+08:00'), () => date.toISOString(),
                 () => date.toISOString().replace('.000', '')])();
}


function merge(object, changes) {
    return Object.fromEntries(Object.entries({ ...object, ...changes })
        .filter(([, value]) => value !== undefined));
}


function payment(changes) {
    const total = pick([1, 100, 500000, 1 + random(1e9)]);

    return merge({
        mchid: MERCHANT, appid: APP, out_trade_no: `t${word(20)}`,
        transaction_id: `42000${10000000 + random(89999999)}`,
        trade_type: pick(['JSAPI', 'NATIVE', 'APP', 'MWEB']),
        trade_state: 'SUCCESS', trade_state_desc: '支付成功',
        bank_type: 'OTHERS', attach: pick(TEXTS),
        success_time: rfc3339(at()), payer: { openid: word(28) },
        amount: { total, payer_total: total - random(total),
                  ...pick([{ currency: 'CNY', payer_currency: 'CNY' }, {}]) },
    }, changes);
}


function refund(changes) {
    const total = 1 + random(1e9);
    const back = 1 + random(total);

    return merge({
        mchid: MERCHANT, out_trade_no: `t${word(20)}`,
        transaction_id: `42000${10000000 + random(89999999)}`,
        refund_id: `503${word(20)}`, out_refund_no: `r-${word(9)}_|*@`,
        refund_status: 'SUCCESS', success_time: rfc3339(at()),
        user_received_account: '招商银行信用卡0403',
        amount: { total, refund: back, payer_total: total, payer_refund: back },
    }, changes);
}


function type_of(plain) {
    return 'out_refund_no' in plain ? 'REFUND.SUCCESS' : 'TRANSACTION.SUCCESS';
}


// The SDK seals: all that it takes is text and a nonce of 12 characters.
function seal(text, options) {
    const o = { secret: pick(SECRETS), nonce: word(12), aad: '', ...options };
    return Aes.AesGcm.encrypt(text, o.secret, o.nonce, o.aad);
}


// o: what to do otherwise.  text: the sealed text; event, resource: members;
// body: made of the body; headers; key, serial, time, nonce, sign, hash.
function callback(plain, options) {
    const o = { event: {}, resource: {}, headers: {}, body: (b) => b,
                nonce: word(32), serial: pick(IDS), hash: 'RSA-SHA256',
                time: String(NOW - random(300) + random(300)), ...options };
    const event_type = o.type || type_of(plain);
    const original_type = o.original
        || (event_type.startsWith('REFUND') ? 'refund' : 'transaction');
    const sealing = { nonce: word(12), aad: pick([original_type, '']),
                      ...o.sealing };
    const text = o.text === undefined ? spell(shuffled(plain)) : o.text;
    const resource = merge({ original_type, algorithm: 'AEAD_AES_256_GCM',
                             ciphertext: seal(text, sealing),
                             associated_data: sealing.aad,
                             nonce: sealing.nonce }, o.resource);
    const event = merge({ id: `EV-${word(20)}`, create_time: rfc3339(at()),
                          resource_type: 'encrypt-resource', event_type,
                          summary: pick(TEXTS), resource: shuffled(resource) },
                        o.event);
    const body = Buffer.from(o.body(spell(shuffled(event))));
    const message = Buffer.concat([
        Buffer.from(`${o.time}\n${o.nonce}\n`), body, Buffer.from('\n')]);
    const key = keys[o.key || o.serial].privateKey;
    const signature = o.hash === 'RSA-SHA256' ? Rsa.sign(message, key)
        : crypto.sign(o.hash, message, key).toString('base64');

    return { message, event, plain, text, body: o.after ? o.after(body) : body,
             headers: merge({
        'Content-Type': 'application/json',
        'Wechatpay-Timestamp': o.time, 'Wechatpay-Nonce': o.nonce,
        'Wechatpay-Serial': o.serial, 'Request-ID': word(20),
        'Wechatpay-Signature': o.sign ? o.sign(signature) : signature,
        ...pick([{ 'Wechatpay-Signature-Type': 'WECHATPAY2-SHA256-RSA2048' },
                 {}]), ...o.headers }) };
}


const cases = [];

// c: { both, ours, exception }; see wrong().
function add(family, n, make) {
    for (let i = 0; i < n; i++) {
        cases.push({ family, now: NOW * 1000 + 999, ...make(i) });
    }
}


function either() {
    return pick([payment, refund])();
}


for (const how of Object.keys(SPELLINGS)) {
    add(`payments, written in the style "${how}"`, 80, () => ({
        ...callback(payment(), { body: (b) => spell(JSON.parse(b), how) }),
        both: true }));
}

add('refunds', 150, () => ({ ...callback(refund()), both: true }));

add('refunds that came to nothing', 60, () => ({
    ...callback(refund({ refund_status: pick(['ABNORMAL', 'CLOSED']) }),
                { type: pick(['REFUND.ABNORMAL', 'REFUND.CLOSED']) }),
    both: true }));

add('events that nobody knows', 60, () => ({
    ...callback(pick([{}, { mchid: MERCHANT, appid: APP }, { service_id: 'x' },
                      payment()]),
                { type: pick(['PAYSCORE.USER_PAID', 'COUPON.USE', 'transaction',
                              'TRANSACTION.SUCCESS.']),
                  original: pick(['payscore', 'coupon', 'transaction']) }),
    both: true }));

add('with members that nobody knows yet', 100, () => ({
    ...callback(payment({ [`new_${random(999)}`]: pick(TEXTS),
                          promotion_detail: [{ amount: 1, goods: [{}, []] }],
                          scene_info: { device_id: null }, n: 1.5e-3 }),
                { event: { [`x${random(99)}`]: [1, { a: null }] },
                  resource: { y: true },
                  headers: { 'X-Other': 'x' } }), both: true }));

add('other content types for JSON', 40, () => ({
    ...callback(either(), { headers: { 'Content-Type': pick([
        'application/json; charset=utf-8', 'Application/JSON',
        'application/json;charset=UTF-8']) } }), both: true }));

add('300 seconds off, not more', 60, (i) => ({
    ...callback(either(), { time: String(NOW + [300, -300, 299, -299]
        [i % 4]) }), both: true }));

add('more than 300 seconds off', 80, (i) => ({
    ...callback(either(), { time: String(NOW + [301, -301, 3600, -86400,
                                                1e8, -NOW + 1][i % 6]) }),
    ours: 'stale' }));

add('a serial number with other zeros in front', 40, (i) => {
    const c = callback(either(), { serial: SERIAL, headers: {
        'Wechatpay-Serial': [SERIAL.slice(1), `0${SERIAL}`][i % 2] } });
    return { ...c, ours: 'ok', exception: 'zeros' };
});

add('one bit of the body changed', 500, () => ({
    ...callback(either(), { after: flip }), ours: 'bad_signature' }));

add('the body written anew', 100, () => {
    const c = callback(either(), { after: (b) => Buffer.from(
        `${JSON.stringify(JSON.parse(b))} `) });
    return { ...c, ours: 'bad_signature' };
});

add('the signature changed', 200, () => {
    const c = callback(either(), { sign: (s) => {
        const bytes = flip(Buffer.from(s, 'base64'));
        return bytes.toString('base64');
    } });
    return { ...c, ours: 'bad_signature' };
});

add('the signature cut, or longer', 80, (i) => ({
    ...callback(either(), { sign: (s) => [s.slice(0, random(340) + 1),
        s + 'AAAA', 'AAAA' + s, s.slice(4), 'AAAA', '='][i % 6] }),
    ours: 'bad_signature' }));

add('the signature spelled otherwise', 80, (i) => ({
    ...callback(either(), { sign: (s) => [s.replace(/=+$/, ''),
        s + '=', s.replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, ''),
        s.slice(0, 9) + '!' + s.slice(9), s.slice(0, 76) + ' ' + s.slice(76)]
        [i % 5] }), ours: 'bad_signature' }));

add('probes', 80, (i) => ({
    ...callback(either(), { sign: (s) => [`WECHATPAY/SIGNTEST/${s}`,
        `WECHATPAY/SIGNTEST/${s.slice(19)}`,
        `WECHATPAY/SIGNTEST/${crypto.randomBytes(256).toString('base64')}`]
        [i % 3] }), ours: 'bad_signature' }));

add('signed with other keys than the serial number names', 100, () => {
    const serial = pick(IDS);
    return { ...callback(either(), { serial, key: pick([...IDS, 'other']
        .filter((id) => id !== serial)) }), ours: 'bad_signature' };
});

add('with a serial number that nobody knows', 100, () => ({
    ...callback(either(), { key: pick(IDS), serial: pick([word(40), '1', '00',
        'PUB_KEY_ID_0', PUBLIC.slice(0, -1), `${SERIAL}0`, 'toString',
        SERIAL.toLowerCase(), '__proto__', `${SERIAL}, ${OLD}`]) }),
    ours: 'unknown_key' }));

add('signed with SHA-1', 40, () => ({
    ...callback(either(), { hash: 'RSA-SHA1' }), ours: 'bad_signature' }));

add('says that it is signed otherwise', 60, () => ({
    ...callback(either(), { headers: { 'Wechatpay-Signature-Type': pick([
        'WECHATPAY2-SM2-WITH-SM3', 'WECHATPAY-BRAND-SHA256-RSA2048',
        'WECHATPAY2-SHA1-RSA2048', 'wechatpay2-sha256-rsa2048', 'RSA']) } }),
    ours: 'bad_algorithm' }));

const NEEDED = ['Timestamp', 'Nonce', 'Serial', 'Signature']
    .map((name) => `Wechatpay-${name}`);

add('without one of the headers', 80, (i) => ({
    ...callback(either(), { headers: { [NEEDED[i % 4]]: undefined } }),
    ours: 'missing' }));

add('one of the headers twice', 80, (i) => {
    const c = callback(either());
    const name = NEEDED[i % 4];
    c.headers[name] = [c.headers[name], pick([c.headers[name], 'x'])];
    return { ...c, ours: i % 4 === 2 ? 'unknown_key' : 'bad_signature' };
});

add('another time or nonce than was signed', 80, (i) => {
    const c = callback(either());
    c.headers[NEEDED[i % 2]] = [String(NOW + 301 + random(9)), word(32)][i % 2];
    return { ...c, ours: 'bad_signature' };
});

add('a time that is none', 60, () => ({
    ...callback(either(), { time: pick(['now', '0x6b013c41', `+${NOW}`,
        `0${NOW}`, `${NOW}.0`, `${NOW}.5`, '1.795248001e9', 'NaN']) }),
    ours: 'bad_value' }));

add('other media types, or compressed', 60, () => ({
    ...callback(either(), { headers: pick([{ 'Content-Type': 'text/xml' },
        { 'Content-Type': 'application/x-www-form-urlencoded' },
        { 'Content-Type': undefined }, { 'Content-Encoding': 'gzip' },
        { 'Content-Type': 'application/jsonp' }]) }), ours: 'bad_type' }));

add('one bit of what is sealed changed', 150, () => {
    const c = callback(either(), { body: (b) => {
        const event = JSON.parse(b);
        const bytes = flip(Buffer.from(event.resource.ciphertext, 'base64'));
        event.resource.ciphertext = bytes.toString('base64');
        return spell(event);
    } });
    return { ...c, ours: 'bad_ciphertext' };
});

add('what is sealed cut, or longer', 60, (i) => {
    const c = callback(either(), { body: (b) => {
        const event = JSON.parse(b);
        const bytes = Buffer.from(event.resource.ciphertext, 'base64');
        event.resource.ciphertext = [bytes.subarray(0, random(bytes.length - 1)
            + 1), bytes.subarray(1), Buffer.concat([bytes, Buffer.from('x')])]
            [i % 3].toString('base64');
        return spell(event);
    } });
    return { ...c, ours: 'bad_ciphertext' };
});

add('sealed for another merchant', 80, () => ({
    ...callback(either(), { sealing: { secret: word(32) } }),
    ours: 'bad_ciphertext' }));

add('sealed with something else beside it', 80, (i) => ({
    ...callback(either(), { sealing: { aad: 'transaction' }, resource: [
        { associated_data: 'refund' }, { associated_data: '' },
        { associated_data: undefined }, { nonce: word(12) }][i % 4] }),
    ours: 'bad_ciphertext' }));

add('sealed with a nonce of another length', 40, (i) => ({
    ...callback(either(), { sealing: { nonce: word([8, 11, 13, 16][i % 4]) } }),
    ours: 'bad_ciphertext' }));

add('what is sealed in sloppy Base64', 60, (i) => {
    const c = callback(either(), { body: (b) => {
        const event = JSON.parse(b);
        const s = event.resource.ciphertext;
        event.resource.ciphertext = [s + '\n', ` ${s}`, s + '====',
            s.slice(0, 20) + '\r\n' + s.slice(20),
            s.slice(0, 8) + '!' + s.slice(8)][i % 5];
        return spell(event);
    } });
    return { ...c, ours: 'bad_ciphertext' };
});

add('sealed with another algorithm, as it says', 40, () => ({
    ...callback(either(), { resource: { algorithm: pick(['AEAD_SM4_GCM',
        'aes-256-gcm', 'NONE']) } }), ours: 'bad_algorithm' }));

add('a member twice', 100, (i) => {
    const plain = either();
    const name = pick(Object.keys(plain));
    const twice = (text, member) => text.trimEnd().slice(0, -1)
        + `,"${member}":${pick(['0', '"x"', JSON.stringify(plain[name])])}}`;
    const c = callback(plain, i % 2
        ? { text: twice(spell(plain), name) }
        : { body: (b) => twice(b, pick(['id', 'event_type', 'resource'])) });
    return { ...c, doubled: true, ours: 'bad_form' };
});

add('a string that not every parser reads alike', 60, (i) => {
    const odd = pick(['"\\u0000"', '"a\\u0000b"', '"\\ud83d"', '"\\udcf1x"']);
    const insert = (text) => text.trimEnd().slice(0, -1) + `,"odd":${odd}}`;
    return { ...callback(either(), i % 2
        ? { text: insert(spell(payment())) } : { body: insert }),
             odd: true, ours: 'bad_form' };
});

add('nested without end', 20, () => ({
    ...callback(either(), { body: (b) => b.trimEnd().slice(0, -1) + ',"deep":'
        + '['.repeat(20) + ']'.repeat(20) + '}' }), ours: 'bad_form' }));

add('longer than 64 KiB', 10, () => ({
    ...callback(either(), { body: (b) => b + ' '.repeat(65536) }),
    ours: 'bad_form' }));

add('not JSON, or no object', 60, (i) => ({
    ...callback(either(), i % 2
        ? { text: pick(['', 'x', '[]', '1', '{"a":1', "{'a':1}", '{a:1}']) }
        : { body: () => pick(['', 'x', '[]', 'null', '<xml></xml>', '{"a":',
                              '\ufeff{}', '{"a":01}']) }),
    ours: 'bad_form' }));

add('in GBK', 40, () => ({
    ...callback(either(), { body: (b) => Buffer.concat([
        Buffer.from(b.trimEnd().slice(0, -1) + ',"gbk":"'),
        Buffer.from([0xca, 0xd6, 0xbb, 0xfa]), Buffer.from('"}')]) }),
    ours: 'bad_form' }));

add('signed for another merchant', 60, () => ({
    ...callback(pick([payment, refund])({ mchid: pick(['1900000108', '19000001',
        ' 1900000109']) })), ours: 'wrong_merchant' }));

add('signed for another app', 60, () => ({
    ...callback(payment({ appid: pick(['wx1', APP.toUpperCase()]) })),
    ours: 'wrong_app' }));

add('a refund taken for a payment, and the other way', 80, (i) => ({
    ...callback([refund, payment][i % 2](), {
        type: ['TRANSACTION.SUCCESS', 'REFUND.SUCCESS'][i % 2],
        original: ['refund', 'transaction'][i % 2] }), ours: 'bad_value' }));

add('a state that is not success', 60, (i) => ({
    ...callback([payment, refund][i % 2]({ [['trade_state', 'refund_status']
        [i % 2]]: pick(['NOTPAY', 'CLOSED', 'REFUND', 'success', 'ABNORMAL']),
    })), ours: 'bad_value' }));

add('an amount, a time or a number that is none', 150, () => ({
    ...callback(pick([
        () => payment({ amount: { total: pick([0, -1, 0.5, '1', 1e13 + 1, 1e300,
                                               [], true]) } }),
        () => payment({ amount: { total: 1, currency: pick(['', 'C', 156]) } }),
        () => payment({ success_time: pick(['now', '2026-02-30T00:00:00Z', 1,
                                            '2026-11-21 16:00:00']) }),
        () => payment({ transaction_id: pick(['a b', 42, '手',
                                              'x'.repeat(65)]) }),
        () => payment({ out_trade_no: pick(['a,b', 42, 'x'.repeat(65)]) }),
        () => refund({ out_refund_no: pick(['a b', 1, 'x'.repeat(65)]) }),
        () => refund({ amount: { total: 5, refund: pick([0, 6, -5, '5']) } }),
    ])()), ours: 'bad_value' }));

add('signed, but something is missing', 100, (i) => {
    const gone = (name) => ({ [name]: undefined });
    return { ...[
        () => callback(payment(gone(pick(['mchid', 'appid', 'out_trade_no',
            'transaction_id', 'trade_state', 'amount'])))),
        () => callback(refund(gone(pick(['mchid', 'out_trade_no', 'amount',
            'transaction_id', 'refund_status']))), {}),
        () => callback(refund({ amount: { total: 1 } })),
        () => callback(either(), { event: gone(pick(['id', 'event_type'])) }),
        () => callback(either(), { resource: gone(pick(['algorithm',
            'original_type', 'nonce', 'ciphertext'])) }),
        () => callback(either(), { event: { resource: pick(['x', {},
                                                            null]) } }),
    ][i % 6](), ours: 'missing' };
});


function header(c, name) {
    return [c.headers[name]].flat().join(', ');
}


// What we tell of an accepted callback is what stands in it.
function told(c, words) {
    const { event, plain } = c.read || c;
    const known = ['TRANSACTION.SUCCESS', 'REFUND.SUCCESS']
        .indexOf(event.event_type);
    const numbers = [plain.out_trade_no || '-', plain.transaction_id || '-'];
    const expected = known === -1
        ? ['ignored', ...numbers, -1, '-', 0, 0, '-']
        : [['paid', 'refunded'][known], ...numbers, plain.amount.total,
           known ? plain.out_refund_no : '-',
           known ? plain.amount.refund : 0, Date.parse(plain.success_time),
           plain.amount.currency || 'CNY'];

    return words.slice(1).join(' ') === [...expected, event.id, 0].join(' ');
}


const rules = {
    told,

    sdk: (c) => {
        c.read = sdk_reads(c);
        return c.read;
    },

    // Why we refuse what the SDK accepts, and how one sees that it is so.
    stricter: {
        bad_type: ['the bytes are verified as they came, and are JSON', (c) =>
            !/^application\/json(;|$)/i.test(c.headers['Content-Type'] || '')
            || c.headers['Content-Encoding']],
        bad_form: ['two parsers could read it differently, or run out', (c) =>
            c.doubled || c.odd || c.body.length > 65536
            || /\[{17}/.test(c.body) || Array.isArray(c.read.plain)
            || typeof c.read.plain !== 'object'],
        bad_signature: ['a signature has one spelling in Base64', (c) => {
            const s = header(c, 'Wechatpay-Signature');
            return Buffer.from(s, 'base64').toString('base64') !== s;
        }],
        bad_algorithm: ['the algorithm is not for the message to choose',
            (c) => c.read.event.resource.algorithm !== 'AEAD_AES_256_GCM'
            || header(c, 'Wechatpay-Signature-Type')
                !== 'WECHATPAY2-SHA256-RSA2048'],
        bad_ciphertext: ['what is sealed has one spelling, 12 bytes of nonce',
            (c) => c.read.event.resource.nonce.length !== 12
            || Buffer.from(c.read.event.resource.ciphertext, 'base64')
                .toString('base64') !== c.read.event.resource.ciphertext],
        missing: ['what is not told cannot be compared', (c) => {
            const { event, plain } = c.read;
            return !event.id || !event.event_type || !event.resource.algorithm
                || !event.resource.original_type || !plain.mchid
                || !plain.out_trade_no || !plain.transaction_id
                || !plain.amount || (plain.out_refund_no
                    ? !plain.refund_status || !plain.amount.refund
                    : !plain.trade_state || !plain.appid);
        }],
        wrong_merchant: ['signed is not ours', (c) =>
            c.read.plain.mchid !== MERCHANT],
        wrong_app: ['signed is not ours', (c) => c.read.plain.appid !== APP],
        bad_value: ['a time, a state, an amount or a number that is none',
            (c) => /that is none$|is not success$|taken for/.test(c.family)],
    },

    // What we accept and the SDK cannot, verified without it.
    exceptions: {
        zeros: ['a serial number is a number, zeros in front do not count',
            (c) => crypto.verify('RSA-SHA256', c.message,
                keys[SERIAL].publicKey,
                Buffer.from(header(c, 'Wechatpay-Signature'), 'base64'))],
    },
};


judge(rules, cases, ask(program, 'wechat_v3', settings, cases.map(line)));
report(cases.length >= 2000, `${cases.length} callbacks in all`);
finish();
