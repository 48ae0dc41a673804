// stripe.js MODULES PROGRAM: our gateway beside Stripe's own library.
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
const Stripe = createRequire(path.resolve(modules, 'x'))('stripe');
const { webhooks } = new Stripe('sk_test_x');

const SECRETS = ['whsec_test_secret', 'whsec_' + 'a1B2'.repeat(16)];
const JSON_TYPE = 'application/json; charset=utf-8';
const NOW = 1770000000 + random(1e8);

const SETTINGS = [['secret', file('old', `${SECRETS[0]}\n`)],
                  ['secret', file('new', SECRETS[1])]];


// An application tries its secrets in turn.
function sdk(c) {
    for (const secret of SECRETS) {
        try {
            return webhooks.constructEvent(
                c.body, c.headers['Stripe-Signature'], secret, 300, undefined,
                c.now);
        } catch {
            // the next
        }
    }

    return null;
}


// A signature that is made without the library, over what was received.
function signed_raw(c) {
    const parts = c.headers['Stripe-Signature'].split(',')
        .map((part) => part.split('='));
    const [, time] = parts.find(([scheme]) => scheme === 't');

    return SECRETS.some((secret) => {
        const mac = crypto.createHmac('sha256', secret).update(`${time}.`)
            .update(c.body).digest('hex');
        return parts.some(([scheme, value]) => scheme === 'v1'
                                               && value === mac);
    });
}


// Events.

const TEXTS = ['', 'Phone P30', '手机 "P30"', '📱', '<b>&amp;</b>', 'a\tb\r\n',
               'https://example.com/?a=1&b=%E6', '\u2028', '\\', 'a/b',
               '{"type":"charge.refunded"}', '\u007f', 'charge.refunded'];

function number() {
    return `t17637120001230${10000 + random(89999)}`;
}


function metadata() {
    return { pay_no: number(), [`k${random(9)}`]: pick(TEXTS) };
}


function object_of(type) {
    const amount = 1 + random(1e8);
    const id = random(1e9).toString(36);
    const common = { currency: pick(['cny', 'usd', 'jpy', 'kwd']),
                     description: pick(TEXTS), livemode: true };

    if (type.startsWith('payment_intent')) {
        const paid = type.endsWith('succeeded');
        return { id: `pi_3${id}`, object: 'payment_intent', amount,
                 amount_received: paid ? amount : 0, ...common,
                 status: paid ? 'succeeded' : 'canceled',
                 metadata: metadata(), last_payment_error: null };
    }

    if (type.startsWith('checkout')) {
        return { id: `cs_live_${id}`, object: 'checkout.session', ...common,
                 amount_total: amount, client_reference_id: pick([number(),
                                                                  null]),
                 metadata: metadata(), mode: 'payment',
                 payment_intent: pick([`pi_3${id}`, null]),
                 payment_status: type.endsWith('expired') ? 'unpaid' : 'paid' };
    }

    return { id: `ch_3${id}`, object: 'charge', amount,
             amount_captured: amount, amount_refunded: 1 + random(amount),
             captured: true, ...common, metadata: metadata(),
             payment_intent: pick([`pi_3${id}`, null]), refunds: null };
}


const TYPES = { 'payment_intent.succeeded': 'paid',
                'payment_intent.canceled': 'closed',
                'checkout.session.completed': 'paid',
                'checkout.session.async_payment_succeeded': 'paid',
                'checkout.session.expired': 'closed',
                'charge.refunded': 'refunded' };

function event(type = pick(Object.keys(TYPES))) {
    return { id: `evt_1${random(1e9).toString(36)}`, object: 'event',
             api_version: '2025-09-30.clover', created: NOW - random(1e6),
             data: { object: object_of(type) }, livemode: true,
             pending_webhooks: 1, request: { id: null, idempotency_key: null },
             type };
}


// Made by the library, unless there is a header.
function callback(body, options) {
    const o = { secret: pick(SECRETS), time: NOW, headers: {}, ...options };
    const payload = body.toString();
    const header = webhooks.generateTestHeaderString({
        payload, secret: o.secret, timestamp: o.time });

    return { ...o, body: Buffer.from(body), now: o.now || NOW * 1000,
             headers: { 'Content-Type': JSON_TYPE,
                        'Stripe-Signature': o.header || header,
                        ...o.headers } };
}


function written(value, style = pick(Object.keys(STYLES))) {
    return STYLES[style](value);
}


function mac(body, time = NOW, secret = SECRETS[0]) {
    return crypto.createHmac('sha256', secret).update(`${time}.`).update(body)
        .digest('hex');
}


const cases = [];

function add(family, n, make) {
    for (let i = 0; i < n; i++) {
        cases.push({ family, ...make(i) });
    }
}


for (const type of Object.keys(TYPES)) {
    add(type, 80, () => callback(written(event(type)), { both: true }));
}

for (const style of Object.keys(STYLES)) {
    add(`JSON in the style "${style}"`, 40, () =>
        callback(written(event(), style), { both: true }));
}

add('other events', 100, () => callback(written({
    ...event(), type: pick(['charge.succeeded', 'invoice.paid', 'a.b',
                            'payment_intent.created']) }), { both: true }));

add('without our number', 60, () => {
    const e = change(event(), 'data.object.metadata', pick([{}, null,
                                                            { a: '1' }]));
    return callback(written(change(e, 'data.object.client_reference_id',
                                   undefined)), { both: true });
});

// In a Payment Link the buyer writes client_reference_id.
add('sessions of others', 80, () => {
    const [name, value] = pick([['payment_link', 'plink_1'],
        ['payment_link', { id: 'plink_1' }], ['mode', 'subscription'],
        ['mode', 'setup']]);
    return callback(written(change(event(pick(Object.keys(TYPES)
        .filter((type) => type.startsWith('checkout')))),
        `data.object.${name}`, value)), { both: true });
});

add('numbers of others', 80, () => {
    const e = event();
    const other = pick([7, 'cart 1', 'a,b', 'x'.repeat(65), '手机', {}, true]);
    e.data.object.client_reference_id = other;
    e.data.object.metadata.pay_no = pick([other, number()]);
    return callback(written(e), { both: true });
});

add('closed without an amount', 60, (i) => {
    const e = event(i % 2 ? 'checkout.session.expired'
                          : 'payment_intent.canceled');
    e.data.object[i % 2 ? 'amount_total' : 'amount'] = pick([null, 0]);
    e.data.object.currency = pick([null, 'usd']);
    return callback(written(e), { both: true });
});

add('unpaid sessions', 40, () => callback(written(change(
    event('checkout.session.completed'), 'data.object.payment_status',
    pick(['unpaid', 'no_payment_required']))), { both: true }));

add('while the secret is rolled', 100, () => {
    const body = written(event());
    const [a, b] = [mac(body, NOW, SECRETS[0]), mac(body, NOW, 'whsec_x')];
    return callback(body, { both: true, header: pick([
        `t=${NOW},v1=${a},v1=${b}`, `t=${NOW},v1=${b},v1=${a}`,
        `v1=${b},v1=${a},t=${NOW}`, `t=${NOW},v1=${b},v0=${b},v1=${a}`,
        `t=${NOW},v1=${a},v2=x=y`]) });
});

add('another secret', 60, () => callback(written(event()), {
    secret: pick(['whsec_other', `${SECRETS[0]} `, 'test_secret',
                  SECRETS[0].toUpperCase()]), ours: 'bad_signature' }));

add('a bit of the body flipped', 300, () => {
    const c = callback(written(event()));
    return { ...c, body: flip(c.body), ours: 'bad_signature' };
});

add('a bit of the header flipped', 300, () => {
    const c = callback(written(event()));
    c.headers['Stripe-Signature'] = flip(c.headers['Stripe-Signature']);
    return c;
});

add('times', 200, (i) => {
    const offset = i < 10 ? [300, 301, -300, -301, 299][i % 5]
        : random(1400) - 700;
    return callback(written(event()), {
        now: (NOW + offset) * 1000 + random(1000),
        ours: Math.abs(offset) <= 300 ? 'ok' : 'stale' });
});

add('another time than the signed one', 40, () => callback(written(event()), {
    header: `t=${NOW + 1},v1=${'0'.repeat(64)}`, ours: 'bad_signature' }));

// What parseInt() makes of a time is what the library verifies.
add('times that are none', 80, (i) => {
    const body = written(event());
    const time = [`0${NOW}`, `+${NOW}`, `${NOW}x`, `${NOW}.5`, ` ${NOW}`, 'now',
                  `${NOW}e1`, `-${NOW}`][i % 8];
    return callback(body, { ours: 'bad_form',
        header: `t=${time},v1=${mac(body, parseInt(time, 10))}` });
});

add('forms of the header', 240, (i) => {
    const body = written(event());
    const [good, bad] = [mac(body), mac('x')];
    return callback(body, { header: [
        `t=${NOW},t=${NOW},v1=${good}`, `t=1,t=${NOW},v1=${good}`,
        `t=${NOW},v1=${good}, t=${NOW},v1=${good}`, `t=${NOW},v1=${good},`,
        `t=${NOW}, v1=${good}`, `t=${NOW},,v1=${good}`, `t=${NOW},v1=${good} `,
        `t=${NOW},v1=${good}=x`, `t=${NOW},v1=${good},x`,
        `,t=${NOW},v1=${good}`,
        `t=${NOW},v0=${good}`, `t=${NOW},v2=${good}`, `t=${NOW},V1=${good}`,
        `t=${NOW},v1=${bad},v0=${good}`, `t=${NOW},v1=${good.toUpperCase()}`,
        `t=${NOW},v1=${good.slice(1)}`, `t=${NOW},v1=${good}0`, `t=${NOW},v1=`,
        `t=${NOW}`, `v1=${good}`, good, ' ', `t:${NOW},v1:${good}`,
        `t=${NOW};v1=${good}`][i % 24] });
});

add('no header', 10, () => ({ ...callback(written(event()), {
    headers: { 'Stripe-Signature': null } }), ours: 'missing' }));

add('doubled members', 60, () => {
    const body = JSON.stringify(event()).replace(/^\{/, pick([
        '{"livemode":true,', '{"type":"x",', '{"\\u0069d":"x",']));
    return callback(body, { ours: 'bad_form' });
});

add('JSON with a character changed', 300, () => {
    const text = written(event('payment_intent.succeeded'));
    const at = random(text.length);
    return callback(text.slice(0, at) + pick(['"', '{', '}', ',', '\\', '0',
        '\x00', '\x01', ' ', '\ufeff', 'é', '[', ':']) + text.slice(at + 1),
        { changed: true, exception: 'unread' });
});

add('no JSON', 60, (i) => callback(['', ' ', 'x', '{', '{}x', 'null x', '{"a"}',
    '{"a":01}', "{'a':1}", '[1,]'][i % 10], { ours: 'ok',
                                              exception: 'unread' }));

// Whatever is beyond what is read here: it matters when its type does.
add('beyond the limits', 120, (i) => {
    const more = ['"\\u0000"', '"\\ud800"', '['.repeat(20) + ']'.repeat(20),
        JSON.stringify(Object.fromEntries(Array.from({ length: 257 },
            (_, k) => [`k${k}`, k])))][i % 4];
    const ours = i % 8 < 4;
    const e = ours ? event()
        : { ...event(), data: {}, type: 'product.updated' };
    return callback(JSON.stringify(e).replace(/\}$/, () => `,"more":${more}}`),
                    { beyond: true, both: !ours,
                      ours: ours ? 'bad_form' : 'ok' });
});

add('JSON that is no object', 30, (i) => callback(['[]', '"x"', '7', 'true',
    '[{}]'][i % 5], { ours: 'bad_form' }));

add('bytes that are no UTF-8', 40, (i) => {
    const body = Buffer.from(JSON.stringify(event()).replace('{',
        '{"x":"\xff",'), 'latin1');
    const lossy = i % 2 ? body.toString() : body;
    return callback(body, { header: `t=${NOW},v1=${mac(lossy)}` });
});

const VALUES = [undefined, null, '', 'x', 0, -1, 1.5, 1e13 + 1, true, [], {},
                'a b', '5', 'usdx'];
const PATHS = ['id', 'object', 'type', 'livemode', 'created', 'data',
               'data.object', 'data.object.object', 'data.object.id',
               'data.object.amount', 'data.object.amount_received',
               'data.object.amount_total', 'data.object.amount_captured',
               'data.object.amount_refunded', 'data.object.currency',
               'data.object.status', 'data.object.payment_status',
               'data.object.payment_intent', 'data.object.captured',
               'data.object.client_reference_id', 'data.object.metadata'];

for (const where of PATHS) {
    add(`${where} changed and signed`, 3 * VALUES.length, (i) => callback(
        written(change(event(), where, VALUES[i % VALUES.length])),
        { changed: true }));
}

add('test mode', 40, () => callback(written(change(event(), 'livemode', false)),
                                    { ours: 'wrong_mode' }));

add('another account', 40, () => callback(written({ ...event(),
    account: 'acct_1' }), { ours: 'wrong_merchant' }));

add('other types and encodings', 40, (i) => callback(written(event()), {
    headers: [{ 'Content-Type': 'text/plain' }, { 'Content-Type': null },
              { 'Content-Encoding': 'gzip' },
              { 'Content-Type': 'application/x-www-form-urlencoded' }][i % 4],
    ours: 'bad_type' }));

add('the newer events, which only tell where to ask', 40, () => callback(
    written({ id: `evt_test_6${random(1e9)}`, object: 'v2.core.event',
              type: 'v1.billing.meter.error_report_triggered', livemode: true,
              created: '2026-02-02T02:39:50.000Z',
              related_object: { id: 'mtr_1', type: 'billing.meter' } }),
    { exception: 'thin', ours: 'ok' }));


function parsed(c) {
    try {
        return JSON.parse(c.body.toString());
    } catch {
        return undefined;
    }
}


function header_is_odd(c) {
    const items = c.headers['Stripe-Signature'].split(',');
    const times = items.filter((item) => item.startsWith('t='));

    return items.some((item) => !/^[!-<>-~]*=[!-~]*$/.test(item))
        || times.length !== 1 || !/^t=[1-9]\d*$/.test(times[0]);
}


function body_is_odd(c) {
    const value = parsed(c);

    return c.family === 'doubled members' || c.beyond
        || typeof value !== 'object' || value === null || Array.isArray(value)
        || Buffer.from(c.body.toString()).compare(c.body) !== 0
        || /\\u(0000|d[89a-f])/i.test(c.body.toString());
}


const stricter = {
    bad_type: ['bytes are verified as they came', (c) =>
        c.headers['Content-Type'] !== JSON_TYPE
        || c.headers['Content-Encoding']],
    bad_form: ['a header or body that two could read differently', (c) =>
        header_is_odd(c) || body_is_odd(c)],
    bad_signature: ['a signature has one spelling, and covers bytes', (c) =>
        /v1=[^,]*=/.test(c.headers['Stripe-Signature'])
        || Buffer.from(c.body.toString()).compare(c.body) !== 0],
    stale: ['a time to come is as wrong as one long ago', (c) =>
        Number(/t=(\d+)/.exec(c.headers['Stripe-Signature'])[1])
        > Math.floor(c.now / 1000) + 300],
    missing: ['what is not told cannot be compared', (c) => c.changed],
    bad_value: ['an amount, a number or a state that is none', (c) =>
        c.changed],
    wrong_mode: ['signed is not live', (c) => parsed(c).livemode !== true],
    wrong_merchant: ['signed is not for this account', (c) =>
        parsed(c).account],
};

function names_type(c) {
    return Object.keys(TYPES).some((type) =>
        c.body.toString().includes(`"${type}"`));
}


const exceptions = {
    thin: ['v2.core.event is genuine, and ignored', signed_raw],
    unread: ['what nobody can read is genuine, and ignored', (c) =>
        signed_raw(c) && parsed(c) === undefined && !names_type(c)],
};


// The number of a payment that the shop's own code started.
function number_of(o) {
    const own = o.object !== 'checkout.session'
        || (o.payment_link === undefined || o.payment_link === null)
           && (o.mode === undefined || o.mode === null
               || o.mode === 'payment');

    return [o.client_reference_id, (o.metadata || {}).pay_no]
        .find((s) => own && typeof s === 'string'
                     && /^[!-+\--~]{1,64}$/.test(s));
}


// What we tell of an accepted event is what stands in it.
function told(c, words) {
    const e = parsed(c);

    if (e === undefined || c.beyond) {
        return words[1] === 'ignored' && words[2] === '-' && words[9] === '-';
    }

    const o = e.data && e.data.object ? e.data.object : {};
    const number = number_of(o);
    let kind = e.object === 'event' && number ? TYPES[e.type] || 'ignored'
        : 'ignored';

    if ((e.type === 'checkout.session.completed'
         && o.payment_status !== 'paid')
        || (kind === 'refunded' && o.captured === false))
    {
        kind = 'ignored';
    }

    if (kind === 'ignored') {
        const told_of = e.object === 'event' && TYPES[e.type] && number;
        return words[1] === kind && words[2] === (told_of || '-')
            && words[9] === e.id;
    }

    const amount = kind === 'closed' ? -1
        : { payment_intent: o.amount_received,
            'checkout.session': o.amount_total,
            charge: o.amount_captured || o.amount }[o.object];

    return words.slice(1).join(' ') === [kind, number,
        o.payment_intent || o.id, amount,
        kind === 'refunded' ? e.id : '-',
        kind === 'refunded' ? o.amount_refunded : 0,
        (e.created || 0) * 1000, o.currency ? o.currency.toUpperCase() : '-',
        e.id,
        0].join(' ');
}


report(cases.length >= 2000, `${cases.length} callbacks in all`);
judge({ sdk, stricter, exceptions, told }, cases,
      ask(program, 'stripe', SETTINGS, cases.map(line)));
finish();
