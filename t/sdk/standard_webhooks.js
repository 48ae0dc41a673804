// standard_webhooks.js MODULES PROGRAM: our gateway beside the library of
// Standard Webhooks, and Svix' for its own names of the headers.
//
// MODULES is a folder with node_modules, PROGRAM is verify.c, built.  Prints
// TAP; SEED (in the environment) repeats a run.

'use strict';

const crypto = require('node:crypto');
const { createRequire } = require('node:module');
const path = require('node:path');

const { STYLES, ask, change, file, finish, flip, judge, line, pick, random,
        report } = require('./lib/compare.js');

const [modules, program] = process.argv.slice(2);
const load = createRequire(path.resolve(modules, 'x'));
const LIBRARIES = { webhook: load('standardwebhooks').Webhook,
                    svix: load('svix').Webhook };

const SECRETS = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
                 `whsec_${Buffer.alloc(64, 'k').toString('base64')}`];
const NOW = 1770000000 + random(1e8);

// Two services, which write their messages in different ways.
const SERVICES = {
    minor: [['pay_no_field', 'data.pay_no'], ['trade_no_field', 'data.id'],
            ['amount_field', 'data.amount'],
            ['currency_field', 'data.currency'],
            ['refunded_field', 'data.refunded'], ['tolerance', '300000'],
            ['paid_type', 'payment.succeeded'], ['paid_type', 'order.paid'],
            ['refunded_type', 'payment.refunded'],
            ['closed_type', 'payment.closed'], ['mode_field', 'test'],
            ['mode', 'false']],
    decimal: [['type_field', 'event.kind'], ['pay_no_field', 'order.ref'],
              ['trade_no_field', 'order.id'], ['amount_field', 'order.sum'],
              ['refunded_field', 'order.sum'],
              ['refund_no_field', 'order.refund'], ['refunds', 'single'],
              ['amounts', 'decimal'], ['paid_type', 'PAID'],
              ['refunded_type', 'BACK'], ['closed_type', 'VOID']],
};

for (const settings of Object.values(SERVICES)) {
    settings.push(['secret', file('old', `${SECRETS[0]}\n`)],
                  ['secret', file('new', SECRETS[1])]);
}


let clock;
Date.now = () => clock;

// An application tries its secrets in turn.
function sdk(c) {
    clock = c.now;

    for (const secret of SECRETS) {
        try {
            new LIBRARIES[c.names](secret).verify(c.body, c.headers);
            return true;
        } catch {
            // the next
        }
    }

    return false;
}


function mac(id, time, body, secret = SECRETS[0]) {
    return crypto.createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
        .update(`${id}.${time}.`).update(body).digest('base64');
}


// A signature that is made without the library, over what was received.
function signed_raw(c) {
    const of = (name) => c.headers[`${c.names}-${name}`];
    const list = of('signature').split(' ');

    return SECRETS.some((secret) => list.includes(
        `v1,${mac(of('id'), of('timestamp'), c.body, secret)}`));
}


// Messages.

const TEXTS = ['', 'Phone P30', '手机 "P30"', '📱', '<b>&amp;</b>', 'a\tb\r\n',
               'https://example.com/?a=1&b=%E6', '\u2028', '\\', 'a/b',
               '\u007f', '1.5', 'payment.created'];

function number() {
    return `t17637120001230${10000 + random(89999)}`;
}


const TYPES = { minor: { 'payment.succeeded': 'paid', 'order.paid': 'paid',
                         'payment.refunded': 'refunded',
                         'payment.closed': 'closed' },
                decimal: { PAID: 'paid', BACK: 'refunded', VOID: 'closed' } };

const MESSAGES = {
    minor: (type) => {
        const amount = 1 + random(1e8);
        return { type, timestamp: '2026-02-02T02:39:50Z', test: false,
                 data: { pay_no: number(), id: pick([`p-${random(1e6)}`,
                                                     random(1e9)]),
                         amount: pick([amount, String(amount)]),
                         currency: pick(['cny', 'USD', 'Jpy']),
                         refunded: 1 + random(amount), note: pick(TEXTS) } };
    },

    decimal: (type) => ({
        event: { kind: type, text: pick(TEXTS) },
        order: { ref: number(), id: `o${random(1e6)}`,
                 refund: `r-${random(1e6)}`,
                 sum: `${1 + random(1e5)}.${10 + random(90)}` } }),
};


function message(service, type = pick(Object.keys(TYPES[service]))) {
    return MESSAGES[service](type);
}


function written(value, style = pick(Object.keys(STYLES))) {
    return STYLES[style](value);
}


// Signed by the library, unless there are headers.
function callback(service, body, options) {
    const o = { secret: pick(SECRETS), time: NOW, names: pick(['webhook',
                                                               'svix']),
                id: `msg_${random(1e9).toString(36)}`, headers: {}, more: {},
                ...options };
    const webhook = new LIBRARIES[o.names](o.secret);
    const signature = Buffer.isBuffer(body)
        ? `v1,${mac(o.id, o.time, body, o.secret)}`
        : webhook.sign(o.id, new Date(o.time * 1000), body);
    const three = { id: o.id, timestamp: String(o.time), signature,
                    ...o.headers };
    const headers = { 'Content-Type': 'application/json' };

    for (const [name, value] of Object.entries(three)) {
        headers[`${o.names}-${name}`] = value;
    }

    return { ...o, service, body: Buffer.from(body), now: o.now || NOW * 1000,
             headers: { ...headers, ...o.more } };
}


const cases = [];

function add(family, n, make) {
    for (let i = 0; i < n; i++) {
        cases.push({ family, ...make(i % 2 ? 'minor' : 'decimal', i) });
    }
}


for (const service of Object.keys(SERVICES)) {
    for (const type of Object.keys(TYPES[service])) {
        add(`${service}: ${type}`, 60, () => callback(service,
            written(message(service, type)), { both: true }));
    }
}

for (const style of Object.keys(STYLES)) {
    add(`JSON in the style "${style}"`, 40, (service) => callback(service,
        written(message(service), style), { both: true }));
}

add('other types', 100, (service) => callback(service,
    written(message(service, pick(['', 'x', 'payment.created', 'paid']))),
    { both: true }));

add('other JSON', 60, () => callback('decimal', written(pick([{}, [], 7, 'x',
    null, true, [{}], { a: [] }, { event: 'PAID' }, { event: [] }])),
    { both: true }));

add('nothing', 20, (service) => callback(service, '', {
    exception: 'text', ours: 'ok' }));

add('no JSON', 80, (service) => callback(service, pick(['x', '{', '{}x', ' ',
    'a=b&c=d', '<xml/>', '{"a":01}', '[1,]', "{'a':1}"]), {
    exception: 'text', ours: 'ok' }));

add('bytes that are no UTF-8', 60, (service, i) => {
    const body = Buffer.from('{"x":"\xff\xfe"}', 'latin1');
    return i % 3
        ? callback(service, body, { exception: 'bytes', ours: 'ok' })
        : { ...callback(service, body.toString()), body,
            ours: 'bad_signature' };
});

add('while the secret is rolled', 100, (service) => {
    const c = callback(service, written(message(service)));
    const name = `${c.names}-signature`;
    const bad = `v1,${mac('x', 1, 'x')}`;
    c.headers[name] = pick([`${bad} ${c.headers[name]}`,
        `${c.headers[name]} ${bad}`, `v1a,x ${c.headers[name]}`,
        `${c.headers[name]} v1a,${bad.slice(3)}`]);
    return { ...c, both: true };
});

add('another secret', 60, (service) => {
    const c = callback(service, written(message(service)));
    c.headers[`${c.names}-signature`] = `v1,${mac(c.id, NOW, c.body,
        `whsec_${'AAECAwQFBgcICQoLDA0ODxAREhMUFRYX'}`)}`;
    return { ...c, ours: 'bad_signature' };
});

add('a bit of the body flipped', 300, (service) => {
    const c = callback(service, written(message(service)));
    return { ...c, body: flip(c.body), ours: 'bad_signature' };
});

add('a bit of a header flipped', 300, (service) => {
    const c = callback(service, written(message(service)));
    const name = `${c.names}-${pick(['id', 'timestamp', 'signature'])}`;
    c.headers[name] = flip(c.headers[name]);
    return { ...c, flipped: true };
});

add('times', 200, (service, i) => {
    const offset = i < 10 ? [300, 301, -300, -301, 299][i % 5]
        : random(1400) - 700;
    return callback(service, written(message(service)), {
        now: (NOW + offset) * 1000 + random(1000),
        both: Math.abs(offset) <= 300,
        ours: Math.abs(offset) <= 300 ? 'ok' : 'stale' });
});

// What parseInt() makes of a time is what the library verifies.
add('times that are none', 80, (service, i) => callback(service,
    written(message(service)), { ours: 'bad_form', headers: {
        timestamp: [`0${NOW}`, `+${NOW}`, `${NOW}x`, `${NOW}.5`, ` ${NOW}`,
                    'now', `${NOW}, ${NOW}`, `-${NOW}`][i % 8] } }));

add('forms of the signature', 220, (service, i) => {
    const c = callback(service, written(message(service)));
    const name = `${c.names}-signature`;
    const good = c.headers[name].slice(3);
    c.headers[name] = [`v1,${good},x`, `v1,${good}, v1,${good}`,
        `v1,${good} v1`, `v1,${good} `, ` v1,${good}`, `v1,${good}  v1,x`,
        `v1,${good} x`, `v1,${good}=`, `v1,${good.slice(0, -1)}`,
        `v1,${good.slice(0, -1)}*`, `v1a,${good}`, `v2,${good}`, `V1,${good}`,
        `v1 ,${good}`, good, 'v1', 'v1,', ',', `v1=${good}`,
        `v1,${good.toLowerCase()}`, `v1,${good}\t`, 'v1,x'][i % 22];
    return c;
});

add('a header that is missing', 60, (service, i) => {
    const c = callback(service, written(message(service)));
    c.headers[`${c.names}-${['id', 'timestamp', 'signature'][i % 3]}`] =
        pick(['', null]);
    return { ...c, ours: 'missing' };
});

add('names of the headers mixed', 60, (service, i) => {
    const c = callback(service, written(message(service)));
    const name = ['id', 'timestamp', 'signature'][i % 3];
    const other = c.names === 'svix' ? 'webhook' : 'svix';
    c.headers[`${other}-${name}`] = c.headers[`${c.names}-${name}`];
    c.headers[`${c.names}-${name}`] = null;
    return { ...c, names: 'svix', ours: 'missing' };
});

add('both sets of headers', 40, (service) => {
    const c = callback(service, written(message(service)));
    const other = c.names === 'svix' ? 'webhook' : 'svix';
    for (const name of ['id', 'timestamp', 'signature']) {
        c.headers[`${other}-${name}`] = c.headers[`${c.names}-${name}`];
    }
    return { ...c, both: true };
});

add('an id with a time in it', 40, (service) => callback(service,
    written(message(service)), { id: pick([`msg_1.${NOW}`, 'a.1.b', 'a.']),
                                 ours: 'ambiguous' }));

add('a message that is cut elsewhere', 20, (service) => {
    const c = callback(service, `${NOW}.x`, { time: NOW - 9000 });
    c.headers[`${c.names}-id`] += `.${NOW - 9000}`;
    c.headers[`${c.names}-timestamp`] = String(NOW);
    return { ...c, body: Buffer.from('x'), ours: 'ambiguous' };
});

add('ids with dots', 40, (service) => callback(service,
    written(message(service)), { id: pick(['a.b', 'a.1b', '1.x']),
                                 both: true }));

add('ids that are too long, or no text', 40, (service) => callback(service,
    written(message(service)), { id: pick(['x'.repeat(129), 'a\tb']),
                                 ours: 'bad_value' }));

add('doubled members', 60, (service) => callback(service, JSON.stringify(
    message(service)).replace(/^\{/, pick(['{"type":"x",', '{"data":{},',
        '{"\\u0064ata":{},', '{"order":1,"event":2,']))
    .replace(/\}$/, ',"type":1,"order":{}}'), { ours: 'bad_form' }));

add('deep and long, of a type that counts', 40, (service, i) => {
    const m = message(service);
    m.more = i % 4 < 2 ? JSON.parse('['.repeat(20) + ']'.repeat(20))
        : 'x'.repeat(70000);
    return callback(service, written(m, 'plain'), { ours: 'bad_form' });
});

add('deep and long, of another type', 40, (service, i) => {
    const m = message(service, 'other');
    m.more = i % 4 < 2 ? JSON.parse('['.repeat(20) + ']'.repeat(20))
        : 'x'.repeat(70000);
    return callback(service, written(m, 'plain'), { both: true });
});

add('closed without an amount', 60, (service) => {
    const m = message(service, service === 'minor' ? 'payment.closed'
                                                   : 'VOID');
    const o = m.data || m.order;
    o[service === 'minor' ? 'amount' : 'sum'] = pick([undefined, null, 0, '0',
                                                      'x']);
    o.currency = pick([undefined, null, 'usd']);
    return callback(service, written(m), { both: true });
});

add('a type that escapes hide, too long', 60, (service, i) => {
    const type = pick(Object.keys(TYPES[service]));
    const m = message(service, i % 4 < 2 ? type : 'other');
    const at = random(type.length);
    const code = type.charCodeAt(at).toString(16).padStart(4, '0');
    const hidden = `"${type.slice(0, at)}\\u${code}${type.slice(at + 1)}"`;
    m.more = '手\n\\'.repeat(20000);
    return callback(service, written(m, 'ascii').replace(`"${type}"`, hidden),
                    i % 4 < 2 ? { ours: 'bad_form' } : { both: true });
});

const VALUES = [undefined, null, '', 'x', 0, -1, 1.5, 1e13 + 1, true, [], {},
                'a b', '5', '5.00', '0.00', '05', 'usdx'];
const PATHS = {
    minor: ['type', 'test', 'data', 'data.pay_no', 'data.id', 'data.amount',
            'data.currency', 'data.refunded'],
    decimal: ['event', 'event.kind', 'order', 'order.ref', 'order.id',
              'order.sum', 'order.refund'],
};

for (const [service, paths] of Object.entries(PATHS)) {
    for (const where of paths) {
        add(`${service}: ${where} changed and signed`, 2 * VALUES.length,
            (_, i) => callback(service, written(change(message(service),
                where, VALUES[i % VALUES.length])), { changed: true }));
    }
}

add('test mode', 40, () => callback('minor', written(change(message('minor'),
    'test', true)), { ours: 'wrong_mode' }));

add('compressed', 20, (service) => callback(service,
    written(message(service)), { more: { 'Content-Encoding': 'gzip' },
                                 ours: 'bad_type' }));

add('other types of the body', 20, (service) => callback(service,
    written(message(service)), { more: { 'Content-Type': pick([null,
        'text/plain']) }, both: true }));


function of(c, name) {
    return c.headers[`${c.names}-${name}`] || '';
}


const stricter = {
    bad_type: ['bytes are verified as they came', (c) =>
        c.headers['Content-Encoding']],
    missing: ['what is not told cannot be compared, headers are not mixed',
              (c) => c.changed || c.family === 'names of the headers mixed'],
    bad_form: ['a header or body that two could read differently', (c) =>
        !/^[1-9]\d*$/.test(of(c, 'timestamp'))
        || !of(c, 'signature').split(' ')
            .every((item) => /^[^,]+,[^,]+$/.test(item))
        || c.family === 'doubled members'
        || /^(deep|a type that)/.test(c.family)],
    bad_value: ['an amount, a number or an id that is none', (c) =>
        c.changed || /^ids that/.test(c.family)],
    bad_signature: ['a signature covers bytes', (c) =>
        Buffer.from(c.body.toString()).compare(c.body) !== 0],
    ambiguous: ['an id with digits behind a dot can be cut elsewhere', (c) =>
        /\.\d*(\.|$)/.test(of(c, 'id'))],
    wrong_mode: ['signed is not live', (c) =>
        String(JSON.parse(c.body.toString()).test) !== 'false'],
};

const exceptions = {
    text: ['a genuine message that is not JSON is ignored', signed_raw],
    bytes: ['the library reads every body as UTF-8', signed_raw],
};


function minor(service, amount) {
    return service === 'minor' ? Number(amount)
        : Math.round(Number(amount) * 100);
}


// What we tell of an accepted message is what stands in it.
function told(c, words) {
    const id = of(c, 'id');
    let m;

    try {
        m = JSON.parse(c.body.toString()) || {};
    } catch {
        m = {};
    }

    const type = c.service === 'minor' ? m.type : (m.event || {}).kind;
    const kind = typeof type === 'string' && TYPES[c.service][type];

    if (!kind || c.body.length > 65536) {
        return words[1] === 'ignored' && words[9] === id;
    }

    const o = c.service === 'minor'
        ? { ...m.data, ref: m.data.pay_no, sum: m.data.amount,
            back: m.data.refunded, refund: id }
        : { ...m.order, back: m.order.sum };
    const refund = kind === 'refunded';
    const amount = kind === 'closed' || o.sum === undefined || o.sum === null
        || (refund && c.service === 'decimal') ? -1 : minor(c.service, o.sum);

    return words.slice(1).join(' ') === [kind, o.ref, o.id, amount,
        refund ? o.refund : '-', refund ? minor(c.service, o.back) : 0, 0,
        o.currency && (c.service === 'minor') ? o.currency.toUpperCase()
                                              : '-', id, 0].join(' ');
}


report(cases.length >= 2000, `${cases.length} callbacks in all`);

const answers = new Map();

for (const [service, settings] of Object.entries(SERVICES)) {
    const own = cases.filter((c) => c.service === service);
    ask(program, 'standard_webhooks', settings, own.map(line))
        .forEach((answer, i) => answers.set(own[i], answer));
}

judge({ sdk, stricter, exceptions, told }, cases,
      cases.map((c) => answers.get(c)));
finish();
