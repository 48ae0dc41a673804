// alipay.js MODULES PROGRAM: our gateway beside Alipay's own SDK.
//
// MODULES is a folder with node_modules, PROGRAM is verify.c, built.  Makes
// keys, certificates, thousands of callbacks and some links; prints TAP.  SEED
// (in the environment) repeats a run.
//
// What the SDK refuses, we must refuse, but for the two exceptions below,
// which are verified without it.  Where we refuse what it accepts, the reason
// must be one of `stricter`, and the callback must be of that kind.

'use strict';

process.env.TZ = 'Asia/Shanghai';

const { spawnSync } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const querystring = require('node:querystring');
const compare = require('./lib/compare.js');

const { dir, pick, random, report, seed, shuffle } = compare;

const [modules, program] = process.argv.slice(2);
const { AlipaySdk } = createRequire(path.resolve(modules, 'x'))('alipay-sdk');
const { getSN } = require(path.resolve(modules,
    'node_modules/alipay-sdk/dist/commonjs/antcertutil.js'));

const APP = '2021000000000001';
const SELLER = '2088000000000001';
const NOTIFY = 'https://shop.example.com/notify/alipay?a=1&b=%E6%89%8B';
const RETURN = 'https://shop.example.com/paid?x="1"';
const QUIT = 'https://shop.example.com/back';


// Keys and the program.

const keys = {};

for (const name of ['app', 'alipay', 'other']) {
    const pair = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    keys[name] = pair;
    fs.writeFileSync(path.join(dir, `${name}.pem`), pair.privateKey.export(
        { type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
    fs.writeFileSync(path.join(dir, `${name}.pub.pem`), pair.publicKey.export(
        { type: 'spki', format: 'pem' }));
}


const SETTINGS = {
    app_id: APP, seller_id: SELLER, notify_url: NOTIFY,
    private_key: path.join(dir, 'app.pem'),
    public_key: path.join(dir, 'alipay.pub.pem') };


// The answers of our gateway; a setting that is null is left out.
function ask(lines, settings) {
    return compare.ask(program, 'alipay',
        Object.entries({ ...SETTINGS, ...settings })
            .filter(([, value]) => value !== null), lines);
}


function hex(data) {
    return 'x' + Buffer.from(data).toString('hex');
}


function read(name) {
    return fs.readFileSync(path.join(dir, name), 'ascii');
}


const sdk = new AlipaySdk({
    appId: APP, keyType: 'PKCS1', privateKey: read('app.pem'),
    alipayPublicKey: read('alipay.pub.pem') });


// Certificates, by OpenSSL's own program; the keys are those above.
function make_certificate(name, key, subject, serial) {
    const file = path.join(dir, `${name}.crt`);
    const result = spawnSync('openssl', ['req', '-x509', '-new', '-utf8',
        '-key', path.join(dir, `${key}.pem`), '-subj', subject, '-days', '9',
        '-set_serial', serial, '-out', file], { encoding: 'utf8' });

    if (result.status !== 0) {
        throw new Error(`openssl: ${result.stderr} ${result.error}`);
    }

    return file;
}


const ISSUER = '/C=CN/O=Ant Financial/OU=Certification Authority/CN=Ant ';

fs.writeFileSync(path.join(dir, 'curve.pem'), crypto.generateKeyPairSync('ec',
    { namedCurve: 'P-256' }).privateKey.export(
    { type: 'pkcs8', format: 'pem' }), { mode: 0o600 });

const CERTIFICATES = {
    app_certificate: make_certificate('app', 'app', ISSUER + '1', '0x2020'),
    alipay_certificate: make_certificate('alipay', 'alipay', ISSUER + '2',
                                         '0x20200514E63C2FE04D538716FE21358B'),
    root_certificate: path.join(dir, 'roots.crt') };

make_certificate('r1', 'other', ISSUER + 'R1', '0x1FCFA18D6A480D11');
make_certificate('e1', 'curve', ISSUER + 'E1', '7');
make_certificate('r2', 'alipay', '/C=CN/O=Other/CN=Root', '18');
fs.writeFileSync(CERTIFICATES.root_certificate,
                 read('e1.crt') + read('r1.crt') + read('r2.crt'));

const sdk_certificates = new AlipaySdk({
    appId: APP, keyType: 'PKCS1', privateKey: read('app.pem'),
    appCertContent: read('app.crt'),
    alipayPublicCertContent: read('alipay.crt'),
    alipayRootCertContent: read('roots.crt') });


// An application that uses the SDK parses the body with node's own parser.
function sdk_accepts(body) {
    try {
        return sdk.checkNotifySignV2(
            { ...querystring.parse(body.toString()) });
    } catch {
        return false;
    }
}


// As Alipay really sends it.
const TYPE = 'Content-Type:' + hex('application/x-www-form-urlencoded; '
                                   + 'text/html; charset=UTF-8');


// Callbacks: lists of [name, value], where a value is text or bytes.

// Names that Alipay gives a meaning.
const NAMES = ['app_id', 'buyer_id', 'out_trade_no', 'seller_id',
               'total_amount', 'trade_no', 'trade_status'];

const SUBJECTS = ['x', 'Phone P30', '手机 P30 "Pro" 100%+', 'a+b c%20d%2B',
                  '<b>&amp;</b>', 'R&D', 'a=b', '📱', '\'"\\/', 'a\tb\r\nc',
                  '%', '%zz', '&', '=', ' ', '  a  '];

function notice(changes) {
    const at = 1790000000 + random(100000000);
    const time = (s) => new Date((s + 28800) * 1000).toISOString()
        .replace('T', ' ').slice(0, 19);
    const amount = `${random(100000)}.${10 + random(90)}`;
    const params = {
        notify_time: time(at + 2), notify_type: 'trade_status_sync',
        notify_id: `${at}${random(1e9)}`, charset: 'utf-8', version: '1.0',
        auth_app_id: APP, app_id: APP, seller_id: SELLER,
        trade_no: `20261121220014480614${10000000 + random(89999999)}`,
        out_trade_no: `t17637120001230${10000 + random(89999)}`,
        buyer_id: '2088102116773037', buyer_logon_id: 'ab***@example.com',
        total_amount: amount, receipt_amount: amount, subject: pick(SUBJECTS),
        fund_bill_list: JSON.stringify([{ amount, fundChannel: 'PCREDIT' }]),
        trade_status: pick(['TRADE_SUCCESS', 'TRADE_FINISHED']),
        gmt_create: time(at - 30), gmt_payment: time(at), ...changes };

    return Object.entries(params).filter(([, value]) => value !== null);
}


function bytes(value) {
    return Buffer.isBuffer(value) ? value : Buffer.from(value);
}


function signed_text(params) {
    return Buffer.concat([...params]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([name, value], i) => [
            Buffer.from(`${i ? '&' : ''}${name}=`), bytes(value)]));
}


// options: v2 signs sign_type too.
function sign(params, options) {
    const o = { key: 'alipay', hash: 'RSA-SHA256', type: 'RSA2', ...options };
    const all = params.concat([['sign_type', o.type]]);
    const signed = (o.v2 ? all : params)
        .filter(([, value]) => !o.no_empty || value.length);

    return all.concat([['sign', crypto.sign(o.hash, signed_text(signed),
                                            keys[o.key].privateKey)
        .toString('base64')]]);
}


// How a value looks on the wire is the sender's choice.
const STYLES = {
    uri: (value) => (Buffer.isBuffer(value) ? STYLES.all(value)
                                            : encodeURIComponent(value)),
    java: (value) => escape_bytes(value, /[\w.*-]/, true, true),
    all: (value) => escape_bytes(value, /(?!)/, false, true),
    lower: (value) => escape_bytes(value, /[\w.~-]/, false, false),
    sparse: (value) => escape_bytes(value, /[^%&+=\x00-\x20\x7f-\xff]/, true,
                                    true),
};

function escape_bytes(value, plain, plus, upper) {
    return Array.from(bytes(value), (byte) => {
        const c = String.fromCharCode(byte);
        const code = byte.toString(16).padStart(2, '0');
        return plain.test(c) ? c : c === ' ' && plus ? '+'
            : `%${upper ? code.toUpperCase() : code}`;
    }).join('');
}


function body(params, style) {
    const write = STYLES[style || pick(Object.keys(STYLES))];
    return Buffer.from(params.map(([name, value]) => `${name}=${write(value)}`)
        .join('&'));
}


// Families of callbacks: { body, both, ours }.  both: accepted by both; ours:
// the word that we answer; independent: the text that was signed, for what the
// SDK cannot verify; v2: our gateway is set to the signing v2; other: signed by
// the rules of the other one.

const cases = [];

function add(family, n, make) {
    for (let i = 0; i < n; i++) {
        cases.push({ family, ...make(i) });
    }
}


function flip(data) {
    const copy = Buffer.from(data);
    copy[random(copy.length)] ^= 1 << random(8);
    return copy;
}


add('as Alipay sends them', 300, () => ({
    body: body(shuffle(sign(notice()))), both: true }));

for (const style of Object.keys(STYLES)) {
    add(`written in the style "${style}"`, 60, (i) => ({
        body: body(sign(notice({ subject: SUBJECTS[i % SUBJECTS.length] })),
                   style), both: true }));
}

add('with parameters that nobody knows yet', 100, () => ({
    body: body(shuffle(sign(notice({
        [`new_${random(1000)}`]: pick(SUBJECTS), Zz: '1', '0a': '2',
        'a.b-c': 'x' })))), both: true }));

add('refunds', 100, (i) => ({
    body: body(sign(notice({
        refund_fee: '0.01', gmt_refund: '2026-11-21 17:00:00.123',
        trade_status: pick(['TRADE_SUCCESS', 'TRADE_CLOSED']),
        ...(i % 2 ? { out_biz_no: `r-${i}` } : {}) }))), both: true }));

add('closed and waiting', 60, () => ({
    body: body(sign(notice({ gmt_payment: null,
        trade_status: pick(['TRADE_CLOSED', 'WAIT_BUYER_PAY']) }))),
    both: true }));

add('with empty values that are signed', 60, () => ({
    body: body(shuffle(sign(notice({ body: '', passback_params: '' })))),
    both: true }));

add('with empty values that are not signed', 60, () => {
    const params = notice({ body: '', passback_params: '' });
    return { body: body(shuffle(sign(params, { no_empty: true }))), ours: 'ok',
             exception: 'empty',
             independent: signed_text(params.filter(([, v]) => v.length)),
             params };
});

add('in GBK', 100, () => {
    const params = notice({ charset: 'GBK',
        subject: Buffer.from([0xca, 0xd6, 0xbb, 0xfa, 0x20, 0x81 +
                              random(126), 0x40 + random(63)]) });
    return { body: body(shuffle(sign(params))), ours: 'ok', exception: 'bytes',
             independent: signed_text(params), params };
});

add('one bit changed anywhere', 700, () => ({
    body: flip(body(shuffle(sign(notice())))) }));

add('one bit of a value changed', 300, () => {
    const params = sign(notice());
    const i = random(params.length - 2);
    params[i] = [params[i][0], flip(params[i][1])];
    return { body: body(params, 'all') };
});

add('the signature changed', 300, () => {
    const params = sign(notice());
    const last = params[params.length - 1];
    last[1] = flip(last[1]);
    return { body: body(params, 'all') };
});

add('the signature cut, or longer', 100, (i) => {
    const params = sign(notice());
    const last = params[params.length - 1];
    last[1] = [last[1].slice(0, random(344)), last[1] + 'AAAA',
               'AAAA' + last[1], last[1].slice(4)][i % 4];
    return { body: body(params) };
});

add('the signature spelled otherwise', 100, (i) => {
    const params = sign(notice());
    const last = params[params.length - 1];
    const s = last[1];
    last[1] = [s.replace(/=+$/, ''), s + '\n', s.slice(0, 76) + '\r\n'
               + s.slice(76), ' ' + s, s + '=', s.replace(/\+/g, '-')
               .replace(/\//g, '_') + ' ', s.slice(0, 9) + '!' + s.slice(9)]
        [i % 7];
    return { body: body(params, 'all'), ours: 'bad_signature' };
});

add('signed with other keys', 100, () => ({
    body: body(sign(notice(), { key: pick(['other', 'app']) })),
    ours: 'bad_signature' }));

add('nothing signed', 60, () => ({
    body: body(notice().concat(pick([[], [['sign_type', 'RSA2']],
        [['sign_type', 'RSA2'], ['sign', '']]]))), ours: 'missing' }));

add('sign_type says RSA, signed with SHA-1', 60, () => ({
    body: body(sign(notice(), { hash: 'RSA-SHA1', type: 'RSA' })),
    ours: 'bad_algorithm' }));

add('sign_type says RSA, signed with SHA-256', 60, () => ({
    body: body(sign(notice(), { type: 'RSA' })), ours: 'bad_algorithm' }));

add('sign_type says RSA2, signed with SHA-1', 60, () => ({
    body: body(sign(notice(), { hash: 'RSA-SHA1' })),
    ours: 'bad_signature' }));

add('sign_type is another, or none', 60, () => {
    const type = pick(['MD5', 'rsa2', '', 'RSA2 ', 'toString', null]);
    return { body: body(sign(notice(), { type })
        .filter(([, value]) => value !== null)),
             ours: type === null ? 'missing' : 'bad_algorithm' };
});

add('a name twice', 200, () => {
    const params = sign(notice());
    const [name, value] = pick(params);
    params.splice(random(params.length), 0,
                  [name, pick([value, '', '0.01', 'TRADE_SUCCESS'])]);
    return { body: body(params), ours: 'bad_form' };
});

add('a parameter added', 100, () => ({
    body: body(sign(notice()).concat([[pick(['refund_fee', 'a', 'zz']), '1']])),
    ours: 'bad_signature' }));

add('a parameter taken away', 100, () => {
    const params = sign(notice());
    params.splice(random(params.length - 2), 1);
    return { body: body(params), ours: 'bad_signature' };
});

add('not properly written', 100, () => {
    const good = body(sign(notice()), 'uri').toString();
    return { body: Buffer.from(pick([good + '&', '&' + good, good + '&x',
        good + '&x=%', good + '&x=%zz', good + '&=1', good.slice(0, -1) + '%',
        good.replace('&', '&&'), good + '&x=%00'])) };
});

add('a name that is not plain', 60, () => ({
    body: body(sign(notice({ [pick(['a%20b', 'a+b', '%C4', 'a%26b', 'a%3Db',
                                    'a%22'])]: '1' }), {})),
    ours: 'bad_form' }));

add('signed for another application', 60, () => ({
    body: body(sign(notice({ app_id: '2021000000000002' }))),
    ours: 'wrong_app' }));

add('signed for another seller', 60, () => ({
    body: body(sign(notice({ seller_id: '2088000000000002' }))),
    ours: 'wrong_seller' }));

add('another amount than was signed', 100, () => {
    const params = sign(notice());
    params.find(([name]) => name === 'total_amount')[1] = '0.01';
    return { body: body(params), ours: 'bad_signature' };
});

add('an amount that is none', 100, () => ({
    body: body(sign(notice({ total_amount: pick(['0.00', '-1', '1e3', '1.001',
        '01.00', '1,000.00', ' 1.00', 'x', '1.00x', '+1.00', '.5', '1.']) }))),
    ours: 'bad_value' }));

add('a time or a number that is none', 100, () => ({
    body: body(sign(notice(pick([{ gmt_payment: 'yesterday' },
        { gmt_payment: '2026-02-30 00:00:00' }, { trade_no: 'a b' },
        { out_trade_no: 'x'.repeat(65) }, { trade_status: 'PAID' },
        { refund_fee: '-1', gmt_refund: '2026-11-21 17:00:00' }])))),
    ours: 'bad_value' }));

add('signed, but something is missing', 60, () => ({
    body: body(sign(notice({ [pick(['app_id', 'seller_id', 'trade_no',
        'out_trade_no', 'total_amount', 'trade_status'])]: null }))),
    ours: 'missing' }));

add('a value that could be several', 60, () => ({
    body: body(sign(notice({ subject: pick(['x&total_amount=0.01',
        'a=1&out_trade_no=2', '&seller_id=1&', 'x&buyer_id=1',
        'x&trade_status=TRADE_SUCCESS&y=']) }))),
    ours: 'ambiguous' }));

add('a query that the shop wrote', 60, () => ({
    body: body(sign(notice(pick([{ body: 'https://shop/p?a=1&b=2' },
        { passback_params: 'k=1&uid=2' }, { subject: 'x&total=0.01' }])))),
    both: true }));

add('the signed text cut otherwise', 100, (i) => {
    const params = sign(notice({ subject: 'x&tax=1&total=0.01',
                                 total_amount: '5.00' }));
    const at = params.findIndex(([name]) => name === 'subject');
    params[at][1] = 'x';
    params.push(...[[['tax', '1&total=0.01']],
                    [['tax', '1'], ['total', '0.01']]][i % 2]);
    return { body: body(params), both: true };
});

// the buyer chose a subject, so that the text of a cheap payment is that of a
// dear one
add('the signed text cut for money', 100, (i) => {
    const cut = { x: '1', trade_no: '2026112122001', z: '1' };
    const fake = Object.entries({ total_amount: '5000.00', ...cut })
        .sort(([a], [b]) => (a < b ? -1 : 1));
    const params = sign(notice({ total_amount: '0.01', subject: 'x'
        + fake.map(([name, value]) => `&${name}=${value}`).join('') }));
    const own = (name) => name === 'sign' || name === 'sign_type';
    const last = params.filter(([name]) => name > 'subject' && !own(name))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => `&${name}=${value}`).join('');
    const forged = params.filter(([name]) => name < 'subject' || own(name))
        .concat([['subject', 'x']], fake);
    forged[forged.length - 1][1] += last;
    return { body: body(i % 2 ? forged : params), ours: 'ambiguous' };
});


add('v2: as Alipay sends them', 200, () => ({
    body: body(shuffle(sign(notice(), { v2: true }))), both: true, v2: true }));

for (const style of Object.keys(STYLES)) {
    add(`v2: written in the style "${style}"`, 30, (i) => ({
        body: body(sign(notice({ subject: SUBJECTS[i % SUBJECTS.length] }),
                        { v2: true }), style), both: true, v2: true }));
}

add('v2: refunds', 40, () => ({
    body: body(sign(notice({ refund_fee: '0.01',
        gmt_refund: '2026-11-21 17:00:00.123' }), { v2: true })),
    both: true, v2: true }));

add('v2: with empty values that are signed', 40, () => ({
    body: body(shuffle(sign(notice({ body: '' }), { v2: true }))),
    both: true, v2: true }));

add('v2: with empty values that are not signed', 40, () => {
    const params = notice({ body: '' });
    return { body: body(shuffle(sign(params, { v2: true, no_empty: true }))),
             ours: 'ok', v2: true, exception: 'empty',
             independent: signed_text(params.concat([['sign_type', 'RSA2']])
                 .filter(([, v]) => v.length)) };
});

add('v2: in GBK', 40, () => {
    const params = notice({ charset: 'GBK', subject: Buffer.from([0xca, 0xd6,
                            0x81 + random(126), 0x40 + random(63)]) });
    return { body: body(shuffle(sign(params, { v2: true }))), ours: 'ok',
             v2: true, exception: 'bytes',
             independent: signed_text(params.concat([['sign_type',
                                                      'RSA2']])) };
});

add('v2: messages that tell of no payment', 60, () => ({
    body: body(shuffle(sign([['app_id', APP], ['charset', 'utf-8'],
        ['notify_id', `m-${random(1e9)}`], ['version', '1.1'],
        ['msg_method', 'alipay.open.app.message'],
        ['biz_content', JSON.stringify({ text: pick(SUBJECTS) })]],
    { v2: true }))), both: true, v2: true }));

add('v2: one bit changed anywhere', 300, () => ({
    body: flip(body(shuffle(sign(notice(), { v2: true })))), v2: true }));

add('v2: signed without sign_type', 60, () => ({
    body: body(sign(notice())), ours: 'bad_signature', v2: true,
    other: true }));

add('v1: signed with sign_type', 60, () => ({
    body: body(sign(notice(), { v2: true })), ours: 'bad_signature',
    other: true }));

add('v2: sign_type says RSA', 60, () => ({
    body: body(sign(notice(), { v2: true, type: 'RSA',
                                hash: pick(['RSA-SHA1', 'RSA-SHA256']) })),
    ours: 'bad_algorithm', v2: true }));

add('v2: for another application, or of another seller', 60, (i) => ({
    body: body(sign(notice(i % 2 ? { app_id: '2021000000000002' }
                                 : { seller_id: '2088000000000002' }),
                    { v2: true })),
    ours: i % 2 ? 'wrong_app' : 'wrong_seller', v2: true }));


// Why we refuse what the SDK accepts, and how one sees that it is so.

function raw_pairs(data) {
    return data.toString('latin1').split('&').map((pair) => pair.split('='));
}

const stricter = {
    bad_form: ['two parsers could read it differently', (c) => {
        const names = raw_pairs(c.body).map(([name]) => unescape(name));
        return /%(?![0-9A-Fa-f]{2})|%00|\0/.test(c.body.toString('latin1'))
            || raw_pairs(c.body).some((pair) => pair.length < 2)
            || new Set(names).size < names.length
            || raw_pairs(c.body).some(([name]) => !/^[\w.[\]-]{1,128}$/
                .test(unescape(name)));
    }],
    bad_signature: ['one spelling in Base64, one way of signing', (c) => {
        const { sign: s } = querystring.parse(c.body.toString());
        return c.other || Buffer.from(s, 'base64').toString('base64') !== s;
    }],
    bad_algorithm: ['sign_type is not signed, RSA2 is configured', (c) =>
        querystring.parse(c.body.toString()).sign_type !== 'RSA2'],
    missing: ['what is not told cannot be compared', (c) => {
        const params = querystring.parse(c.body.toString());
        return ['sign_type', 'app_id', 'seller_id', 'trade_no', 'trade_status',
                'out_trade_no', 'total_amount'].some((n) => !params[n]);
    }],
    ambiguous: ['values are joined without escaping', (c) =>
        Object.values(querystring.parse(c.body.toString()))
            .some((value) => NAMES.some((n) => value.includes(`&${n}=`)))],
    wrong_app: ['signed is not ours', (c) =>
        querystring.parse(c.body.toString()).app_id !== APP],
    wrong_seller: ['signed is not ours', (c) =>
        querystring.parse(c.body.toString()).seller_id !== SELLER],
    bad_value: ['an amount, a time or a number that is none', (c) =>
        /that is none$/.test(c.family)],
};

// What we accept and the SDK cannot.
const exceptions = {
    bytes: 'GBK: the SDK reads every body as UTF-8',
    empty: 'some systems leave empty values out of what they sign',
};


function minor(amount) {
    const [whole, fraction] = amount.split('.');
    return Number(whole) * 100 + Number((fraction || '').padEnd(2, '0'));
}


// What we tell of an accepted callback is what stands in it.
function told(c, words) {
    const p = querystring.parse(c.body.toString());

    if (p.msg_method) {
        return words.slice(1).join(' ')
            === `ignored - - -1 - 0 0 - ${p.notify_id} 0`;
    }

    const refunded = p.refund_fee ? minor(p.refund_fee) : 0;
    const kind = p.trade_status === 'WAIT_BUYER_PAY' ? 'ignored'
        : refunded ? 'refunded'
            : p.trade_status === 'TRADE_CLOSED' ? 'closed' : 'paid';
    const number = !refunded ? '-' : p.out_biz_no
        || 'gmt_refund-' + p.gmt_refund.replace(/\D/g, '');
    const at = p.gmt_payment
        ? Date.parse(p.gmt_payment.replace(' ', 'T') + '+08:00') : 0;

    return words.slice(1).join(' ') === [kind, p.out_trade_no, p.trade_no,
        minor(p.total_amount), number, refunded, at, 'CNY', p.notify_id || '-',
        0].join(' ');
}


function wrong(c, answer) {
    const words = answer.split(' ');
    const ours = words[0];
    const theirs = sdk_accepts(c.body);

    if (c.both && !(ours === 'ok' && theirs)) {
        return 'both should accept it';
    }

    if (c.ours && c.ours !== ours) {
        return `we should say ${c.ours}`;
    }

    if (ours === 'ok' && !told(c, words)) {
        return `told is not what it says: ${answer}`;
    }

    if (ours === 'ok' && !theirs) {
        const parsed = querystring.parse(c.body.toString());
        return exceptions[c.exception]
            && crypto.verify('RSA-SHA256', c.independent,
                             keys.alipay.publicKey,
                             Buffer.from(parsed.sign, 'base64'))
            ? null : 'the SDK refuses it, we accept it';
    }

    if (ours !== 'ok' && theirs) {
        return stricter[ours] && stricter[ours][1](c)
            ? null : 'we refuse it without one of the reasons';
    }

    return null;
}


function answers_to(list, settings) {
    return ask(list.map((c) => `verify 0 ${hex(c.body)} ${TYPE}`), settings);
}


// Certificate mode verifies with the same keys; a shop may also only verify.
function compare_modes(answers) {
    const v1 = cases.filter((c) => !c.v2);
    const mine = answers.filter((_, i) => !cases[i].v2).join('\n');
    const modes = {
        'certificate mode': { public_key: null, ...CERTIFICATES },
        'only verifying': { private_key: null, notify_url: null },
        'only verifying, with a certificate': {
            private_key: null, notify_url: null, public_key: null,
            alipay_certificate: CERTIFICATES.alipay_certificate } };

    for (const [name, settings] of Object.entries(modes)) {
        report(answers_to(v1, settings).join('\n') === mine,
               `${name}: the same answers`);
    }
}


function compare_callbacks() {
    const v1 = answers_to(cases.filter((c) => !c.v2), {});
    const v2 = answers_to(cases.filter((c) => c.v2), { signing: 'v2' });
    const answers = cases.map((c) => (c.v2 ? v2 : v1).shift());
    const families = new Map();
    const classes = {};

    cases.forEach((c, i) => {
        const ours = answers[i].split(' ')[0];
        const theirs = sdk_accepts(c.body);
        const why = wrong(c, answers[i]);
        const family = families.get(c.family) || { n: 0, accepted: 0, bad: [] };

        family.n++;
        family.accepted += ours === 'ok';

        if (why) {
            family.bad.push(`${why}; we: ${answers[i]}, SDK: ${theirs}`,
                            c.body.toString('latin1'));
        }

        if (ours !== 'ok' && theirs) {
            classes[ours] = (classes[ours] || 0) + 1;
        }

        families.set(c.family, family);
    });

    for (const [name, family] of families) {
        report(family.bad.length === 0, `${name}: ${family.n} callbacks, `
               + `${family.accepted} accepted`, family.bad.slice(0, 6));
    }

    report(cases.length >= 2000, `${cases.length} callbacks in all`);

    for (const [word, [why]] of Object.entries(stricter)) {
        report(classes[word] > 0, `stricter ${classes[word] || 0} times: `
               + `${word}, for ${why}`);
    }

    compare_modes(answers);
}


// Links.

function parse_link(url) {
    const pairs = [...new URLSearchParams(url.slice(url.indexOf('?') + 1))];
    const params = Object.fromEntries(pairs);

    if (pairs.length !== Object.keys(params).length) {
        throw new Error(`a name stands twice: ${url}`);
    }

    return params;
}


function same(a, b) {
    const list = (params) => JSON.stringify(Object.entries(params).sort());
    return list(a) === list(b);
}


// What the SDK makes of the same input.
function sdk_links(maker, link, settings) {
    const time = (ms) => new Date(ms + 28800000).toISOString()
        .replace('T', ' ').slice(0, 19);
    const content = {
        out_trade_no: link.number,
        product_code: link.method === 'page' ? 'FAST_INSTANT_TRADE_PAY'
                                             : 'QUICK_WAP_WAY',
        total_amount: `${Math.floor(link.amount / 100)}.`
            + String(link.amount % 100).padStart(2, '0'),
        subject: link.subject,
        time_expire: time(link.ends),
    };

    if (link.method === 'wap' && settings.quit_url) {
        content.quit_url = settings.quit_url;
    }

    const input = { timestamp: time(link.created), format: 'JSON',
                    notifyUrl: NOTIFY, bizContent: content };

    if (settings.return_url) {
        input.returnUrl = settings.return_url;
    }

    const method = `alipay.trade.${link.method}.pay`;

    return { page: maker.pageExecute(method, 'GET', input),
             text: maker.sdkExecute(method, input) };
}


// pageExecute adds its own name, alipay_sdk, and signs it; sdkExecute does not.
function wrong_link(maker, link, settings, answer) {
    const [text, url] = answer.split(' ');
    const { page, text: plain } = sdk_links(maker, link, settings);
    const ours = parse_link(url);
    const theirs = parse_link(page);
    const signed = Buffer.from(text.slice(1), 'hex').toString();

    if (url.split('?')[0] !== page.split('?')[0]) {
        return `another address: ${url} ${page}`;
    }

    if (!same(ours, parse_link(plain))) {
        return `not sdkExecute's parameters: ${url} ${plain}`;
    }

    const joined = (names) => names.sort().map((n) => `${n}=${theirs[n]}`)
        .join('&');
    const names = Object.keys(theirs).filter((name) => name !== 'sign');

    if (crypto.sign('RSA-SHA256', joined(names), keys.app.privateKey)
        .toString('base64') !== theirs.sign)
    {
        return `pageExecute signs something else: ${page}`;
    }

    if (joined(names.filter((name) => name !== 'alipay_sdk')) !== signed) {
        return `pageExecute signs more: ${page} ${signed}`;
    }

    delete theirs.alipay_sdk;
    delete theirs.sign;
    delete ours.sign;

    return same(ours, theirs) ? null : `not pageExecute's parameters: ${url}`;
}


function compare_links(name, settings, maker) {
    const subjects = SUBJECTS.filter((s) => !/[&=\x00-\x1f]/.test(s));
    const links = [];

    for (let i = 0; i < 60; i++) {
        const created = 1750000000000 + random(1e9) * 100;
        links.push({
            number: `t17637120001230${10000 + random(89999)}`,
            method: i % 2 ? 'page' : 'wap',
            subject: subjects[i % subjects.length],
            amount: pick([1, 10, 100, 500000, 1e10, 1 + random(1e9)]),
            created, ends: created + random(2592000000) });
    }

    const answers = ask(links.map((l) => ['link', l.number, l.method,
        hex(l.subject), l.amount, l.created, l.ends].join(' ')), settings);
    const bad = links
        .map((l, i) => wrong_link(maker, l, settings, answers[i]))
        .filter((why) => why);

    report(bad.length === 0, `links as pageExecute's, ${name}: `
           + `${links.length}`, bad.slice(0, 3));
}


// Certificates whose issuers are written in many ways.
function compare_numbers() {
    const bad = [];
    const subjects = ['/CN=x', '/C=CN/ST=浙江/L=杭州/O=蚂蚁/CN=手机',
                      '/O=a/OU=b/OU=c/CN=d', '/CN=a, b; c "d"',
                      '/C=CN/O=x y/CN= z', '/CN=z/O=y/C=CN', '/CN=a=b'];

    subjects.forEach((subject, i) => {
        const serial = '0x' + crypto.createHash('sha256')
            .update(`${seed} ${i}`).digest('hex').slice(0, 2 + 5 * i);
        const file = make_certificate(`n${i}`, 'app', subject, serial);
        const link = `link t1 page ${hex('x')} 1 1750000000000 1750000900000`;
        const [answer] = ask([link], { ...CERTIFICATES, public_key: null,
                                       app_certificate: file });
        const { app_cert_sn: ours } = parse_link(answer.split(' ')[1]);
        const theirs = getSN(fs.readFileSync(file), false);

        if (ours !== theirs) {
            bad.push(`${subject} ${serial}: ${ours} ${theirs}`);
        }
    });

    report(bad.length === 0, `numbers of certificates: ${subjects.length}`,
           bad);
}


compare_callbacks();
compare_links('all settings', { return_url: RETURN, quit_url: QUIT }, sdk);
compare_links('few settings', {}, sdk);
compare_links('certificate mode', { ...CERTIFICATES, return_url: RETURN,
                                    public_key: null }, sdk_certificates);
compare_numbers();
compare.finish();
