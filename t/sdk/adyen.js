// adyen.js MODULES PROGRAM: our gateway beside Adyen's own library.
//
// MODULES is a folder with node_modules, PROGRAM is verify.c, built.  Makes
// keys and thousands of callbacks; prints TAP.  SEED (in the environment)
// repeats a run.
//
// A callback counts as accepted by the library when each of its items verifies
// with one of the keys.  What the library refuses, we must refuse.  Where we
// refuse what it accepts, the reason must be one of `stricter`, and the
// callback must be of that kind.

'use strict';

const crypto = require('node:crypto');
const path = require('node:path');
const { isUtf8 } = require('node:buffer');
const compare = require('./lib/compare.js');

const { file, pick, random, report, shuffled } = compare;

const [modules, program] = process.argv.slice(2);
const { default: HmacValidator } = require(path.resolve(modules,
    'node_modules/@adyen/api-library/lib/src/utils/hmacValidator.js'));

const MERCHANT = 'TestMerchant';
const TYPE = 'Content-Type:' + hex('application/json; charset=utf-8');

function hex(data) {
    return 'x' + Buffer.from(data).toString('hex');
}


// Keys and the program.

const keys = {};
const files = {};

for (const name of ['old', 'new', 'other']) {
    keys[name] = crypto.randomBytes(32).toString('hex');
    keys[name] = name === 'old' ? keys[name].toUpperCase() : keys[name];
    files[name] = file(name, keys[name] + '\n');
}


function ask(lines) {
    process.env.CURRENCY = 'EUR';
    process.env.DECIMALS = '2';

    return compare.ask(program, 'adyen', [['merchant_account', MERCHANT],
        ['hmac_key', files.old], ['hmac_key', files.new],
        ['mode', 'test']], lines);
}


const validator = new HmacValidator();

function item_verifies(item) {
    return [keys.old, keys.new].some((key) => {
        try {
            return validator.validateHMAC(item, key) === true;
        } catch {
            return false;
        }
    });
}


function parse(body) {
    try {
        return JSON.parse(body.toString());
    } catch {
        return null;
    }
}


function items_of(body) {
    const json = parse(body);
    return json && Array.isArray(json.notificationItems)
        ? json.notificationItems.map((element) => element
            && element.NotificationRequestItem) : [];
}


function library_accepts(body) {
    const items = items_of(body);
    return items.length > 0 && items.every((item) => item
        && typeof item === 'object' && item_verifies(item));
}


// Items, and bodies of them.

function number() {
    return String(7900000000000000 + random(1e9) * 100 + random(100));
}


function notice(changes) {
    const item = {
        additionalData: { expiryDate: '03/2030', authCode: '1234',
                          cardSummary: '7777' },
        amount: { currency: 'EUR', value: 1 + random(1e8) },
        eventCode: 'AUTHORISATION', eventDate: '2026-11-21T16:00:00+01:00',
        merchantAccountCode: MERCHANT,
        merchantReference: `t17637120001230${10000 + random(89999)}`,
        operations: ['CANCEL', 'CAPTURE', 'REFUND'], originalReference: '',
        paymentMethod: pick(['visa', 'ideal', 'alipay']),
        pspReference: number(), reason: pick(['033899:1111:03/2030', 'é"\\/',
                                              '', '手机']),
        success: 'true', ...changes };

    return Object.fromEntries(Object.entries(item)
        .filter(([, value]) => value !== undefined));
}


// By the library's own hand, or over any text.
function sign(item, key, text) {
    const mac = text === undefined
        ? validator.calculateHmac(item, keys[key || 'old'])
        : crypto.createHmac('sha256', Buffer.from(keys[key || 'old'], 'hex'))
            .update(text).digest('base64');

    return { ...item, additionalData: { ...item.additionalData,
                                        hmacSignature: mac } };
}


function escape_all(json) {
    return json.replace(/[^\x00-\x7f]/g, (c) => '\\u'
        + c.charCodeAt(0).toString(16).padStart(4, '0'));
}


// How a body is written is the sender's choice.
const STYLES = {
    compact: (json) => JSON.stringify(json),
    spaced: (json) => JSON.stringify(json, null, 3) + '\r\n',
    shuffled: (json) => JSON.stringify(shuffled(json)),
    escaped: (json) => escape_all(JSON.stringify(json)),
    letters: (json) => JSON.stringify(json).replace(/(?<=:")[A-Z]/g,
        (c) => '\\u00' + c.charCodeAt(0).toString(16)),
    slashes: (json) => JSON.stringify(json).replace(/\//g, '\\/'),
};

function body(items, style, more) {
    return Buffer.from(STYLES[style || pick(Object.keys(STYLES))]({
        live: 'false', ...more,
        notificationItems: items.map((item) => ({
            NotificationRequestItem: item })) }));
}


// Families of callbacks: { body, both, ours }.  both: accepted by both; ours:
// the word that we answer.

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


function change(item, i) {
    const amount = { ...item.amount };
    const changes = [
        { pspReference: item.pspReference + '0' }, { originalReference: '1' },
        { merchantAccountCode: 'X' }, { merchantReference: 't1' },
        { amount: { ...amount, value: amount.value + 1 } },
        { amount: { ...amount, currency: 'USD' } },
        { eventCode: 'REFUND' }, { success: 'false' },
        { pspReference: undefined }, { success: undefined },
        { amount: { currency: 'EUR' } }, { eventCode: '' }];

    return notice({ ...item, ...changes[i % changes.length] });
}


function cut(item, text) {
    return sign(notice(item), 'old', text);
}


add('as Adyen sends them', 300, () => ({
    body: body([sign(notice())]), both: true }));

for (const style of Object.keys(STYLES)) {
    add(`written in the style "${style}"`, 60, () => ({
        body: body([sign(notice())], style), both: true }));
}

add('signed with the next key', 60, () => ({
    body: body([sign(notice(), 'new')]), both: true }));

add('several items', 100, () => ({
    body: body(Array.from({ length: 1 + random(12) },
                          () => sign(notice(), pick(['old', 'new'])))),
    both: true }));

add('refunds', 100, () => ({
    body: body([sign(notice({ eventCode: 'REFUND', success: pick(['true',
        'false']), originalReference: number() }))]), both: true }));

add('cancellations', 60, () => ({
    body: body([sign(notice({ eventCode: 'CANCELLATION', success: pick(['true',
        'false']), originalReference: number() }))]), both: true }));

add('other events', 100, () => ({
    body: body([sign(notice({ eventCode: pick(['CAPTURE', 'CHARGEBACK',
        'REPORT_AVAILABLE', 'OFFER_CLOSED', 'CANCEL_OR_REFUND']),
        merchantReference: pick(['', 'a b', '手机', 'x'.repeat(80), 'a\nb']),
        amount: { currency: 'EUR', value: pick([0, -1, 1, 1e15]) } }))]),
    both: true }));

add('payments that failed, or of nothing', 60, (i) => ({
    body: body([sign(notice(i % 2 ? { success: 'false' } : {
        amount: { currency: 'EUR', value: 0 } }))]), both: true }));

add('with members that nobody knows yet', 60, () => ({
    body: body([sign(notice({ [`new${random(100)}`]: pick([1, 'x', null,
        [1, { a: 2 }], { b: '"' }]) }))], null, { more: [1] }), both: true }));

add('with values that are absent, null or true', 60, (i) => ({
    body: body([sign(notice([{ originalReference: undefined },
        { originalReference: null }, { success: true }, { success: false }]
        [i % 4]))], null, i % 2 ? { live: false } : {}), both: true }));

add('a reference with colons and backslashes', 60, () => ({
    body: body([sign(notice({ merchantReference: pick(['a:b', ':', 'a::1:EUR',
        '\\', 'a\\:b', 'x:100:EUR:AUTHORISATION:true']) }))]), both: true }));

add('one bit changed anywhere', 700, () => ({
    body: flip(body([sign(notice())])) }));

add('one bit of several items changed', 200, () => ({
    body: flip(body([sign(notice()), sign(notice()), sign(notice())])) }));

add('a signed value changed', 300, (i) => ({
    body: body([change(sign(notice()), i)]), ours: 'bad_signature' }));

add('the signature changed', 200, () => {
    const item = sign(notice());
    const mac = Buffer.from(item.additionalData.hmacSignature, 'base64');
    item.additionalData.hmacSignature = flip(mac).toString('base64');
    return { body: body([item]), ours: 'bad_signature' };
});

add('the signature cut, or longer', 100, (i) => {
    const item = sign(notice());
    const s = item.additionalData.hmacSignature;
    item.additionalData.hmacSignature = [s.slice(0, 1 + random(43)),
        'AAAA' + s, s.slice(0, 40) + 'AAAA' + s.slice(40), s.slice(4)][i % 4];
    return { body: body([item]), ours: 'bad_signature' };
});

add('the signature spelled otherwise', 100, (i) => {
    const item = sign(notice());
    const s = item.additionalData.hmacSignature;
    item.additionalData.hmacSignature = [s.replace(/=+$/, ''), s + '\n',
        s.slice(0, 20) + '\r\n' + s.slice(20), ' ' + s, s + '=',
        s.replace(/=/, '') + ' ', s.slice(0, 9) + '!' + s.slice(9)][i % 7];
    return { body: body([item]), ours: 'bad_signature' };
});

add('signed with another key', 60, () => ({
    body: body([sign(notice(), 'other')]), ours: 'bad_signature' }));

add('nothing signed', 60, (i) => ({
    body: body([notice([{}, { additionalData: undefined },
        { additionalData: { hmacSignature: '' } },
        { additionalData: null }][i % 4])]), ours: 'missing' }));

add('without an amount', 30, () => ({
    body: body([{ ...sign(notice()), amount: undefined }]),
    ours: 'missing' }));

add('one of several forged', 100, () => {
    const items = Array.from({ length: 2 + random(6) }, () => sign(notice()));
    const i = random(items.length);
    items[i] = sign(notice(), 'other');
    return { body: body(items), ours: 'bad_signature', forged: i };
});

add('a name twice', 100, () => {
    const text = body([sign(notice())], 'compact').toString();
    const [, name, value] = pick([...text.matchAll(
        /"(live|success|eventCode|pspReference)":("[^"]*")/g)]);
    return { body: Buffer.from(text.replace(`"${name}":`,
        `"${name}":${pick([value, '"x"'])},"${name}":`)),
             ours: 'bad_form', twice: true };
});

add('values of another type', 60, (i) => ({
    body: body([sign(notice([{ amount: { currency: 'EUR', value: '100' } },
        { amount: { currency: 'EUR', value: 1.5 } },
        { pspReference: 7914073381342284 }, { eventCode: ['REFUND'] },
        { success: 1 }, { amount: { currency: 978, value: 1 } }][i % 6]))]),
    ours: 'bad_form' }));

add('not JSON, or not in its form', 100, () => {
    const good = body([sign(notice())], 'compact').toString();
    return { body: Buffer.from(pick([good.slice(0, -1), good + '}', '',
        good.replace('"false"', '\'false\''), `[${good}]`, 'null',
        good.replace('"notificationItems"', '"items"'), '\ufeff' + good,
        good.replace(/\[\{.*\]/, '[]'), good.replace('{"live"', '{,"live"'),
        good.replace('"live"', '"live\t"'), good.replace('true', 'tr\x01ue'),
        good.replace('"reason":"', '"reason":"\\ud800'),
        good.replace('"reason":"', '"reason":"\\u0000')])) };
});

add('live instead of test', 60, (i) => ({
    body: body([sign(notice())], null, { live: ['true', true][i % 2] }),
    ours: 'wrong_mode' }));

add('neither live nor test', 30, () => ({
    body: body([sign(notice())], null, { live: undefined }),
    ours: 'missing' }));

add('of another merchant account', 60, () => ({
    body: body([sign(notice({ merchantAccountCode: pick(['TestMerchant2',
        'testmerchant', ' TestMerchant', 'x']) }))]),
    ours: 'wrong_merchant' }));

add('signed, but something is missing', 60, (i) => ({
    body: body([sign(notice([{ pspReference: '' }, { eventCode: '' },
        { success: '' }, { merchantReference: '' },
        { merchantAccountCode: '' }, { amount: { value: 1 } },
        { eventCode: 'REFUND' }, { amount: { currency: 'EUR' } }][i % 8]))]),
    ours: 'missing' }));

add('a value that is none', 100, (i) => ({
    body: body([sign(notice([{ amount: { currency: 'EUR', value: -1 } },
        { amount: { currency: 'EUR', value: 1e15 } },
        { amount: { currency: 'EURO', value: 1 } },
        { merchantReference: 'a b' }, { merchantReference: 'x'.repeat(65) },
        { pspReference: 'a b' }, { originalReference: 'é' },
        { success: 'yes' }, { merchantReference: 'a\nb' }][i % 9]))]),
    ours: 'bad_value' }));

add('the signed text cut otherwise', 100, (i) => {
    const text = `P::${MERCHANT}:a:b:1:EUR:AUTHORISATION:true`;
    const amount = { value: 1, currency: 'EUR' };
    const item = [
        { pspReference: 'P', merchantReference: 'a:b', amount },
        { pspReference: 'P', merchantReference: 'b', amount,
          merchantAccountCode: `${MERCHANT}:a` },
        { pspReference: 'P:', merchantReference: 'b', amount,
          merchantAccountCode: 'a', originalReference: MERCHANT },
        { pspReference: 'P', originalReference: `:${MERCHANT}`,
          merchantAccountCode: 'a', merchantReference: 'b', amount }][i % 4];
    return { body: body([cut(item, text)]), both: i % 4 === 0,
             ours: i % 4 ? 'ambiguous' : 'ok' };
});


// Why we refuse what the library accepts, and how one sees that it is so.

const SIGNED = ['pspReference', 'originalReference', 'merchantAccountCode',
                'merchantReference', 'eventCode'];

function text(value) {
    return value === undefined || value === null || typeof value === 'string';
}


function well_typed(item) {
    const { value, currency } = item.amount || {};
    return SIGNED.every((name) => text(item[name])) && text(currency)
        && (value === undefined || value === null
            || Number.isSafeInteger(value))
        && (text(item.success) || typeof item.success === 'boolean');
}


function some(test) {
    return (c) => items_of(c.body).some((item) => test(item));
}


const stricter = {
    bad_form: ['two parsers could read it differently', (c) => c.twice
        || !isUtf8(c.body) || /\\u0000|\\ud800/.test(c.body.toString())
        || some((item) => !well_typed(item))(c)
        || !/^"?(true|false)"?$/.test(JSON.stringify(parse(c.body).live))],
    bad_signature: ['a signature has one spelling in Base64', some((item) => {
        const s = item.additionalData.hmacSignature;
        return Buffer.from(s, 'base64').toString('base64') !== s;
    })],
    missing: ['what is not told cannot be compared', (c) =>
        !parse(c.body).live || some((item) => !item.pspReference
            || !item.eventCode || item.success === ''
            || !item.merchantReference || !item.merchantAccountCode
            || item.amount.value === undefined || !item.amount.currency
            || (item.eventCode === 'REFUND' && !item.originalReference))(c)],
    ambiguous: ['values are joined without escaping', some((item) =>
        ['pspReference', 'originalReference', 'merchantAccountCode']
            .some((name) => /:/.test(item[name])))],
    wrong_mode: ['test and live are two worlds', (c) =>
        String(parse(c.body).live) !== 'false'],
    wrong_merchant: ['signed is not ours', some((item) =>
        item.merchantAccountCode !== MERCHANT)],
    bad_value: ['a number, a name or a flag that is none', (c) =>
        c.family === 'a value that is none'],
};


// What we tell of an accepted item is what stands in it.
function told(item) {
    const success = String(item.success);
    const { value } = item.amount;
    const kinds = { AUTHORISATION: 'paid', CANCELLATION: 'closed',
                    REFUND: 'refunded' };
    const kind = success !== 'true' || (item.eventCode === 'AUTHORISATION'
        && value === 0) ? 'ignored' : kinds[item.eventCode] || 'ignored';
    const settles = kind === 'paid' || kind === 'refunded';

    return [kind,
        kind !== 'ignored' || /^[\x21-\x2b\x2d-\x7e]{1,64}$/
            .test(item.merchantReference) ? item.merchantReference : '-',
        kind === 'paid' ? item.pspReference
            : item.originalReference || item.pspReference,
        kind === 'paid' ? value : -1,
        kind === 'refunded' ? item.pspReference : '-',
        kind === 'refunded' ? value : 0, 0,
        settles ? item.amount.currency : '-',
        `${item.pspReference}:${item.eventCode}:${success}`, 1].join(' ');
}


function all_told(c, answer) {
    const expected = items_of(c.body).map((item, i) => (i === c.forged
        ? 'ignored - - 0 - 0 0 - - 0' : told(item)));
    return answer.split(' ').slice(1).join(' ') === expected.join(' ');
}


function wrong(c, answer) {
    const ours = answer.split(' ')[0];
    const theirs = library_accepts(c.body);

    if (c.both && !(ours === 'ok' && theirs)) {
        return 'both should accept it';
    }

    if (c.ours && c.ours !== ours) {
        return `we should say ${c.ours}`;
    }

    if ((ours === 'ok' || c.forged !== undefined) && !all_told(c, answer)) {
        return 'told is not what it says';
    }

    if (ours === 'ok' && !theirs) {
        return 'the library refuses it, we accept it';
    }

    if (ours !== 'ok' && theirs) {
        return stricter[ours] && stricter[ours][1](c)
            ? null : 'we refuse it without one of the reasons';
    }

    return null;
}


function judge() {
    const answers = ask(cases.map((c) => `verify 0 ${hex(c.body)} ${TYPE}`));
    const families = new Map();
    const classes = {};

    cases.forEach((c, i) => {
        const ours = answers[i].split(' ')[0];
        const theirs = library_accepts(c.body);
        const why = wrong(c, answers[i]);
        const family = families.get(c.family) || { n: 0, accepted: 0, bad: [] };

        family.n++;
        family.accepted += ours === 'ok';

        if (why) {
            family.bad.push(`${why}; we: ${answers[i]}, library: ${theirs}`,
                            JSON.stringify(c.body.toString('latin1')));
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
}


judge();
compare.finish();
