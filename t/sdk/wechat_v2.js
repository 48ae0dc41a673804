// wechat_v2.js MODULES PROGRAM: our gateway beside two SDKs of WeChat Pay's
// API v2, tenpay and wechatpay-axios-plugin.
//
// MODULES is a folder with node_modules, PROGRAM is verify.c, built.  Makes
// thousands of callbacks; prints TAP.  SEED (in the environment) repeats a run.
//
// What an SDK refuses, we must refuse, but for the exceptions below, whose
// signature is made here without either.  Where we refuse what one accepts, the
// reason must be one of `stricter`, and the callback must be of that kind.

'use strict';

const { spawnSync } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');

const [modules, program] = process.argv.slice(2);
const require_sdk = createRequire(path.resolve(modules, 'x'));
const Tenpay = require_sdk('tenpay');
const { Aes, Hash, Transformer } = require_sdk('wechatpay-axios-plugin');
const xml2js = require_sdk('xml2js');

const APP = 'wx2421b1c4370ec43b';
const MERCHANT = '10000100';
const KEYS = { first: '192006250b4c09247ec02edce69f6a2d',
               next: '8934e7d15453e97507ef794cf7b0519d',
               other: '00000000000000000000000000000000' };
const OURS = [KEYS.first, KEYS.next];

const seed = Number(process.env.SEED || Date.now() % 1e9);
let state = seed;
let tests = 0;
let failures = 0;


function random(n) {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) % n;
}


function pick(list) {
    return list[random(list.length)];
}


function shuffle(list) {
    for (let i = list.length - 1; i > 0; i--) {
        const k = random(i + 1);
        [list[i], list[k]] = [list[k], list[i]];
    }
    return list;
}


function report(good, name, why) {
    tests++;
    failures += !good;
    console.log(`${good ? 'ok' : 'not ok'} ${tests} - ${name}`);
    for (const line of why || []) {
        console.log(`#   ${line}`);
    }
}


// The program.

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'paytrade-sdk-'));
process.on('exit', () => fs.rmSync(dir, { recursive: true }));

for (const [name, key] of Object.entries(KEYS)) {
    fs.writeFileSync(path.join(dir, name), `${key}\n`, { mode: 0o600 });
}


function ask(bodies, settings) {
    const type = 'x' + Buffer.from('text/xml; charset=utf-8').toString('hex');
    const lines = bodies.map((body) =>
        `verify 0 x${body.toString('hex')} Content-Type:${type}`);
    const result = spawnSync(program, ['wechat_v2', `app_id=${APP}`,
        `mch_id=${MERCHANT}`, `api_key=${path.join(dir, 'first')}`,
        `api_key=${path.join(dir, 'next')}`].concat(settings), {
        input: lines.join('\n') + '\n', encoding: 'utf8',
        maxBuffer: 1 << 28, timeout: 60000 });

    if (result.status !== 0) {
        throw new Error(`${program}: ${result.stderr} ${result.signal}`);
    }

    const answers = result.stdout.trimEnd().split('\n');

    if (answers.length !== lines.length) {
        throw new Error(`${answers.length} answers for ${lines.length}`);
    }

    return answers;
}


// The SDKs: what each makes of a body, or null.

async function tenpay(body, refund) {
    for (const partnerKey of OURS) {
        const sdk = new Tenpay({ appid: APP, mchid: MERCHANT, partnerKey });
        const type = refund ? 'middleware_refund' : 'middleware_pay';

        try {
            const read = await sdk._parse(body.toString(), type);
            return refund ? read.req_info : read;
        } catch { /* the next key */ }
    }

    return null;
}


function axios(body, refund) {
    for (const key of OURS) {
        try {
            const read = Transformer.toObject(body.toString());

            if (refund) {
                const inner = Transformer.toObject(
                    Aes.AesEcb.decrypt(read.req_info, Hash.md5(key)));

                /* with the wrong key it reads rubbish, and says nothing */

                if (inner.refund_id || inner.out_trade_no) {
                    return inner;
                }

                continue;
            }

            const type = read.sign.length === 64 ? Hash.ALGO_HMAC_SHA256
                                                 : Hash.ALGO_MD5;

            if (Hash.equals(Hash.sign(type, read, key), read.sign)) {
                return read;
            }
        } catch { /* the next key */ }
    }

    return null;
}


// Callbacks: lists of [name, value].

const TEXTS = ['x', '支付测试', 'a & b', '<b>&amp;</b>', 'a=1&b=2', '📱',
               '\'"\\/', '%26', 'a+b', '?x=1', '{"uid":1,"n":"手机"}', '&', '=',
               'a]]>b', ']]', '>', 'a  b'];

function payment(changes) {
    const fee = String(1 + random(1e8));
    const params = {
        appid: APP, attach: pick(TEXTS), bank_type: 'CFT', cash_fee: fee,
        fee_type: 'CNY', is_subscribe: pick(['Y', 'N']), mch_id: MERCHANT,
        nonce_str: crypto.randomBytes(16).toString('hex'),
        openid: 'oUpF8uMEb4qRXf22hE3X68TekukE',
        out_trade_no: `t17637120001230${10000 + random(89999)}`,
        result_code: 'SUCCESS', return_code: 'SUCCESS',
        time_end: '20' + [26 + random(9), 1 + random(12), 1 + random(28),
            random(24), random(60), random(60)].map((n) =>
            String(n).padStart(2, '0')).join(''),
        total_fee: fee, trade_type: pick(['JSAPI', 'NATIVE', 'APP', 'MWEB']),
        transaction_id: `42000002152026112102614${10000 + random(89999)}`,
        ...changes };

    return Object.entries(params).filter(([, value]) => value !== null);
}


function refund(changes) {
    const fee = 1 + random(1e6);
    const params = {
        out_refund_no: `1318111916104427${10000 + random(89999)}`,
        out_trade_no: `t17637120001230${10000 + random(89999)}`,
        refund_account: 'REFUND_SOURCE_RECHARGE_FUNDS',
        refund_fee: String(fee),
        refund_id: `500004089420261121071458${10000 + random(89999)}`,
        refund_recv_accout: '支付用户零钱', refund_request_source: 'API',
        refund_status: 'SUCCESS', settlement_refund_fee: String(fee),
        settlement_total_fee: String(fee * 2),
        success_time: '2026-11-21 16:24:13', total_fee: String(fee * 2),
        transaction_id: `42000002152026112102614${10000 + random(89999)}`,
        ...changes };

    return Object.entries(params).filter(([, value]) => value !== null);
}


function signature(params, key, hmac) {
    const text = params.filter(([name, value]) => name !== 'sign' && value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => `${name}=${value}`).join('&') + `&key=${key}`;

    return (hmac ? crypto.createHmac('sha256', key) : crypto.createHash('md5'))
        .update(text).digest('hex').toUpperCase();
}


function sign(params, options) {
    const o = { key: KEYS.first, hmac: false, ...options };
    return params.concat([['sign', signature(params, o.key, o.hmac)]]);
}


// How a value is written is the sender's choice.
const STYLES = {
    wechat: (value) => (/^\d+$/.test(value) ? value : STYLES.cdata(value)),
    cdata: (value) =>
        `<![CDATA[${value.replace(/]]>/g, ']]]]><![CDATA[>')}]]>`,
    escaped: (value) => value.replace(/[&<>"']/g, (c) => ({ '&': '&amp;',
        '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&apos;' })[c]),
    references: (value) => [...value].map((c) => (random(2)
        ? `&#${c.codePointAt(0)};`
        : `&#x${c.codePointAt(0).toString(16)};`)).join(''),
    sections: (value) => [...value].map((c) => `<![CDATA[${c}]]>`).join(''),
    mixed: (value) => [...value].slice(0, 1).map(STYLES.escaped)
        + STYLES.cdata([...value].slice(1).join('')),
};


function write(params, style, root) {
    const to = STYLES[style || 'wechat'];
    const name = root || 'xml';
    const gap = pick(['', '\n', '\n  ', '\r\n\t']);

    return Buffer.from(`<${name}>${params.map(([tag, value]) =>
        `${gap}<${tag}>${value ? to(value) : ''}</${tag}>`)
        .join('')}\n</${name}>`);
}


function encrypt(plain, key) {
    const hash = crypto.createHash('md5').update(key).digest('hex');
    const cipher = crypto.createCipheriv('aes-256-ecb', hash, null);
    return Buffer.concat([cipher.update(plain), cipher.final()])
        .toString('base64');
}


function envelope(info, changes) {
    return write(Object.entries({ return_code: 'SUCCESS', appid: APP,
        mch_id: MERCHANT, nonce_str: 'TeqClE3i0mvn3DrK', req_info: info,
        ...changes }).filter(([, value]) => value !== null));
}


// Families of callbacks: { body, both, ours, params, except, settings }.
// both: accepted by both SDKs and us; ours: the word that we answer; params:
// what we should tell; except: SDK -> why it alone refuses it.

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


// A payment that all three should take, or all but the exceptions.
function good(params, options) {
    const o = { ...options };
    const signed = shuffle(sign(params, o));
    return { body: write(signed, o.style), params: signed, ours: 'ok',
             both: !o.except, except: o.except };
}


function bad(ours, params, options) {
    return { body: write(shuffle(sign(params, options)),
                         (options || {}).style), ours };
}


add('as WeChat sends them, MD5', 400, () => good(payment()));

add('HMAC-SHA256, and said so', 250, () =>
    good(payment({ sign_type: 'HMAC-SHA256' }), { hmac: true }));

add('MD5, and said so', 100, () => good(payment({ sign_type: 'MD5' })));

add('HMAC-SHA256, not said', 100, () =>
    good(payment(), { hmac: true, except: { tenpay: 'length' } }));

add('with the next key', 100, (i) =>
    good(payment({ sign_type: i % 2 ? 'HMAC-SHA256' : 'MD5' }),
         { key: KEYS.next, hmac: i % 2 === 1 }));

for (const style of ['cdata', 'escaped', 'sections', 'mixed']) {
    add(`written in the style "${style}"`, 50, (i) => good(
        payment({ attach: TEXTS[i % TEXTS.length] }), { style }));
}

add('written in references', 50, () => good(payment(), {
    style: 'references', except: { axios: 'references' } }));

add('with a declaration', 50, () => {
    const c = good(payment());
    return { ...c, body: Buffer.concat([Buffer.from(pick([
        '<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>\n',
        '<?xml version=\'1.0\' encoding=\'utf-8\' standalone=\'yes\'?>\n'])),
                                        c.body]) };
});

add('with tags that nobody knows yet', 100, () => good(payment({
    [`new_${random(1000)}`]: pick(TEXTS), Zz: '1', a0: '2', 'a.b-c': 'x' })));

add('with empty tags', 100, () => good(payment({
    attach: '', device_info: '', coupon_fee: '' })));

add('with many coupons', 40, () => good(payment(Object.fromEntries(
    Array.from({ length: 1 + random(50) }, (_, i) => [
        [`coupon_fee_${i}`, String(1 + random(100))],
        [`coupon_id_${i}`, String(10000 + i)],
        [`coupon_type_${i}`, 'CASH']]).flat()))));

add('in another currency, or in none', 40, () => good(payment({
    fee_type: pick(['HKD', 'USD', null]) })));

add('failed', 60, () => good(payment({ result_code: 'FAIL',
    err_code: 'SYSTEMERROR', transaction_id: null }),
    { except: { tenpay: 'failed' } }));

add('white space around a value, CDATA', 40, () => good(payment({
    attach: pick([' x', 'x ', ' x ', '\nx', 'x\t']) }),
    { style: 'cdata', except: { tenpay: 'trim' } }));

add('white space around a value', 40, () => good(payment({
    attach: pick([' x', 'x ', ' x ', '\nx', 'x\t']) }),
    { style: 'escaped', except: { tenpay: 'trim', axios: 'trim' } }));

add('one bit changed anywhere', 700, () => ({
    body: flip(write(shuffle(sign(payment())))) }));

add('one bit of a value changed', 300, () => {
    const params = sign(payment());
    const i = random(params.length - 1);
    params[i] = [params[i][0], flip(Buffer.from(params[i][1])).toString()];
    return { body: write(params) };
});

add('the signature changed', 200, () => {
    const params = sign(payment());
    const last = params[params.length - 1];
    const at = random(32);
    last[1] = last[1].slice(0, at) + pick([...'0123456789ABCDEF']
        .filter((c) => c !== last[1][at])) + last[1].slice(at + 1);
    return { body: write(params), ours: 'bad_signature' };
});

add('the signature spelled otherwise', 100, (i) => {
    const params = sign(payment({ openid: 'abcdef' }));
    const last = params[params.length - 1];
    const s = last[1].replace(/^./, 'A');
    last[1] = [s.toLowerCase(), ` ${last[1]}`, `${last[1]}\n`, s.slice(1),
               `${s}0`, s + s, '0x' + s][i % 7];
    return { body: write(params, 'cdata'), ours: 'bad_signature' };
});

add('signed with a key that is not ours', 100, (i) =>
    bad('bad_signature', payment(), { key: KEYS.other, hmac: i % 2 === 1 }));

add('nothing signed', 60, () => ({
    body: write(payment(pick([{}, { sign: '' }, { sign_type: 'MD5' }]))),
    ours: 'missing' }));

add('sign_type is another than it was', 60, (i) => {
    const params = sign(payment({ sign_type: 'MD5' }), { hmac: i % 2 === 1 });
    params.find(([name]) => name === 'sign_type')[1] = i % 2 ? 'MD5'
                                                             : 'HMAC-SHA256';
    return { body: write(params), ours: 'bad_signature' };
});

add('sign_type is none of the two', 60, () => bad('bad_algorithm', payment({
    sign_type: pick(['md5', 'SHA256', 'RSA', 'none', 'MD5 ', 'toString']) })));

add('a tag twice', 150, () => {
    const params = sign(payment());
    const [name, value] = pick(params);
    params.splice(random(params.length), 0,
                  [name, pick([value, '', '1', 'SUCCESS'])]);
    return { body: write(params), ours: 'bad_form' };
});

add('a tag added', 80, () => ({
    body: write(sign(payment()).concat([[pick(['a', 'zz', 'refund_fee']),
                                         '1']])),
    ours: 'bad_signature' }));

add('a tag taken away', 80, () => {
    const params = sign(payment());
    params.splice(random(params.length - 1), 1);
    return { body: write(params), ours: 'bad_signature' };
});

// Put into a good body, in the place of the first match.
const HOSTILE = [
    ['<xml>', '<!DOCTYPE xml><xml>'],
    ['<xml>', '<!DOCTYPE xml [<!ENTITY e "1">]><xml>'],
    ['<xml>', '<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml>'],
    ['<xml>', '<!DOCTYPE xml SYSTEM "http://127.0.0.1/x.dtd"><xml>'],
    ['<xml>', '<xml><!-- x -->'], ['</xml>', '<!-- x --></xml>'],
    ['<xml>', '<xml><?x y?>'], ['<xml>', '<?x y?><xml>'],
    ['<xml>', '<xml xmlns="http://x/">'], ['<xml>', '<xml a="1">'],
    ['<xml>', '<xml>x'], ['</xml>', 'x</xml>'], ['</xml>', '</xml>x'],
    ['</xml>', '</xml><xml/>'], ['</xml>', ''], ['</xml>', '</root>'],
    ['</xml>', '</xml'], ['</xml>', '<a><b>1</b></a></xml>'],
    ['<total_fee>', '<total_fee a="1">'], ['<total_fee>', '<total_fee/>'],
    ['<total_fee>', '<total_fee><!-- 1 -->'],
    ['<appid>', '<x:appid xmlns:x="y">'], ['</appid>', '</Appid>'],
    ['<xml>', '<?xml version="1.0" encoding="GBK"?><xml>'],
    ['<xml>', '<?xml version="1.0" encoding="UTF-16"?><xml>'],
    ['<xml>', '<?xml version="1.1"?><xml>'], ['<xml>', ' \0<xml>'],
    ['</attach>', '&e;</attach>'], ['</attach>', '&nbsp;</attach>'],
    ['</attach>', '&#0;</attach>'], ['</attach>', '\x01</attach>'],
    ['</attach>', '<b/></attach>'],
];

add('XML that is not plain', 10 * HOSTILE.length, (i) => {
    const [from, to] = HOSTILE[i % HOSTILE.length];
    const text = write(sign(payment({ attach: 'x' })), 'escaped').toString();
    return { body: Buffer.from(text.replace(from, to)), ours: 'bad_form' };
});

add('entities for values', 40, (i) => {
    const text = write(sign(payment({ attach: 'x' })), 'escaped').toString();
    return { body: Buffer.from('<!DOCTYPE xml [<!ENTITY e "x">]>'
        + text.replace('<attach>x<', `<attach>${i % 2 ? '&e;' : 'x'}<`)),
             ours: 'bad_form' };
});

add('in UTF-16, in GBK', 60, (i) => {
    const text = write(sign(payment({ attach: 'x' }))).toString();
    return { body: i % 2 ? Buffer.from(`\ufeff${text}`, 'utf16le')
        : Buffer.from(text.replace('[x]', '[\xca\xd6\xbb\xfa]'), 'latin1'),
             ours: 'bad_form' };
});

add('not XML', 40, () => ({ body: Buffer.from(pick(['', '{}', 'a=1&b=2',
    '<html></html>', '<xml>', '<root><a>1</a></root>', 'xml', '<xml/><xml/>'])),
                            ours: 'bad_form' }));

add('signed for another application', 60, () =>
    bad('wrong_app', payment({ appid: 'wx0000000000000000' })));

add('signed for another merchant', 60, () =>
    bad('wrong_merchant', payment({ mch_id: '10000101' })));

add('signed for a sub-merchant', 60, () =>
    bad('wrong_merchant', payment({ sub_mch_id: '1900000109' })));

add('another amount than was signed', 60, () => {
    const params = sign(payment());
    params.find(([name]) => name === 'total_fee')[1] = '0';
    return { body: write(params), ours: 'bad_signature' };
});

add('an amount that is none', 80, () => bad('bad_value', payment({
    total_fee: pick(['0', '-1', '1e3', '1.00', '01', '1,000', 'x', '+1', '1x',
                     '٣', '0x10', '99999999999999999999']) })));

add('a time or a number that is none', 80, () => bad('bad_value', payment(
    pick([{ time_end: 'yesterday' }, { time_end: '20260230000000' },
          { time_end: '2026112116000' }, { transaction_id: 'a b' },
          { out_trade_no: 'x'.repeat(65) }, { result_code: 'PAID' },
          { return_code: 'success' }, { fee_type: 'cny' }]))));

add('signed, but something is missing', 60, () => bad('missing', payment({
    [pick(['appid', 'mch_id', 'return_code', 'result_code', 'out_trade_no',
           'transaction_id', 'total_fee'])]: pick([null, '']) })));

add('a value that could be several', 60, () => bad('ambiguous', payment({
    attach: pick(['x&total_fee=1', 'a=1&out_trade_no=2', '&mch_id=1&',
                  'x&coupon_fee_0=1', 'x&result_code=SUCCESS&y=']) })));

// attach is chosen so that the text of a cheap payment is that of a dear one
add('the signed text cut otherwise', 60, (i) => {
    const fake = payment({ appid: null, attach: null, bank_type: 'CFT',
                           total_fee: '500000' });
    const text = fake.map(([name, value]) => `&${name}=${value}`).join('');
    const honest = payment({ attach: `x${text}&z=`, total_fee: '1' });
    const value = honest.filter(([name]) => !['appid', 'attach'].includes(name))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, s]) => `&${name}=${s}`).join('');
    const forged = [['appid', APP], ['attach', 'x'], ...fake, ['z', value],
                    ['sign', signature(honest, KEYS.first, false)]];
    return { body: write(i % 2 ? forged : sign(honest), 'cdata'),
             ours: 'ambiguous' };
});

add('MD5, which is forbidden', 60, (i) => ({
    ...bad('bad_algorithm', payment({ sign_type: i % 2 ? 'MD5' : null })),
    settings: ['sign_type=HMAC-SHA256'] }));

add('HMAC-SHA256, while MD5 is forbidden', 60, (i) => ({
    ...good(payment({ sign_type: i % 2 ? 'HMAC-SHA256' : null }),
            { hmac: true, except: i % 2 ? null : { tenpay: 'length' } }),
    settings: ['sign_type=HMAC-SHA256'] }));

add('through a service provider', 60, (i) => {
    const sub = ['1900000109', '1900000109', '1900000108', null][i % 4];
    const c = good(payment({ sub_mch_id: sub }));
    return { ...c, ours: i % 4 < 2 ? 'ok' : 'wrong_merchant', both: i % 4 < 2,
             settings: ['sub_mch_id=1900000109'] };
});

// Refunds: nothing is signed, and both SDKs decrypt what we decrypt.

add('refunds', 250, (i) => {
    const params = refund({ refund_status: pick(['SUCCESS', 'SUCCESS', 'CHANGE',
                                                 'REFUNDCLOSE']) });
    return { body: envelope(encrypt(write(params, pick(Object.keys(STYLES)
        .filter((style) => style !== 'references')), 'root'),
        OURS[i % 2])), refund: true, both: true, ours: 'ok', params };
});

add('refunds, one bit changed anywhere', 200, () => ({
    refund: true, body: flip(envelope(encrypt(write(refund(), 'wechat', 'root'),
                                              KEYS.first))) }));

add('refunds encrypted with a key that is not ours', 60, () => ({
    refund: true, ours: 'bad_ciphertext',
    body: envelope(encrypt(write(refund(), 'wechat', 'root'), KEYS.other)) }));

add('refunds, the text changed', 60, (i) => {
    const info = encrypt(write(refund(), 'wechat', 'root'), KEYS.first);
    return { refund: true, ours: 'bad_ciphertext', body: envelope([
        info.slice(0, -4), info.slice(1), ` ${info}`, `${info}\n`,
        info.slice(0, 64) + '\n' + info.slice(64), 'AAAA'][i % 6]) };
});

add('refunds that are not plain XML inside', 60, () => {
    const text = write(refund(), 'escaped', 'root').toString();
    return { refund: true, ours: 'bad_ciphertext', body: envelope(encrypt(pick([
        `<!DOCTYPE root [<!ENTITY e "1">]>${text}`,
        text.replace('<root>', '<root><refund_fee>1</refund_fee>'),
        text.replace('<root>', '<root a="1">'),
        text.replace('<root>', '<root><a><b>1</b></a>'),
        text.replace('<root>', '<root><!-- x -->'),
        text.replaceAll('root>', 'xml>'), text.slice(0, -4)]), KEYS.first)) };
});

add('refunds with an odd value inside', 80, () => ({ refund: true,
    ours: 'bad_value', body: envelope(encrypt(write(refund(pick([
        { refund_fee: '0' }, { refund_fee: '1.00' }, { total_fee: '0' },
        { refund_fee: '999999999' }, { refund_status: 'PROCESSING' },
        { out_refund_no: 'a b' }, { refund_id: 'a,b' }])), 'wechat', 'root'),
        KEYS.first)) }));

add('refunds with something missing', 60, () => ({ refund: true,
    ours: 'missing', body: envelope(encrypt(write(refund({ [pick(['refund_fee',
        'total_fee', 'refund_status', 'out_refund_no', 'refund_id',
        'out_trade_no', 'transaction_id'])]: null }), 'wechat', 'root'),
        KEYS.first)) }));

add('refunds for others', 60, (i) => ({ refund: true,
    ours: ['wrong_app', 'wrong_merchant', 'wrong_merchant'][i % 3],
    body: envelope(encrypt(write(refund(), 'wechat', 'root'), KEYS.first),
                   [{ appid: 'wx1' }, { mch_id: '1' },
                    { sub_mch_id: '1' }][i % 3]) }));


// Why we refuse what an SDK accepts, and how one sees that it is so.

// All that may be in a body.
const SECTION = '<!\\[CDATA\\[(?:(?!]]>)[^])*]]>';
const REFERENCE = '&(?:lt|gt|amp|quot|apos|#\\d+|#x[0-9A-Fa-f]+);';
const CHILD = '\\s*<([A-Za-z_][\\w.-]{0,63})\\s*(?:/>|'
    + `>(?:(?!]]>)[^<&]|${REFERENCE}|${SECTION})*</\\1\\s*>)`;
const DECLARATION = new RegExp('^\\ufeff?(?:<\\?xml\\s+version='
    + '(?:"1\\.0"|\'1\\.0\')(?:\\s+encoding=(?:"utf-8"|\'utf-8\'))?'
    + '(?:\\s+standalone=(?:"(?:yes|no)"|\'(?:yes|no)\'))?\\s*\\?>)?', 'i');
const PLAIN = new RegExp(`^\\s*<xml\\s*>(?:${CHILD})*\\s*</xml\\s*>\\s*$`);


function not_plain(body) {
    const text = body.toString();
    const names = [...text.replace(/<!\[CDATA\[[^]*?]]>/g, '')
        .matchAll(/<([\w.-]+)/g)].slice(1).map(([, name]) => name);
    const references = [...text.matchAll(/&#(x?)([0-9A-Fa-f]+);/g)]
        .map(([, hex, digits]) => parseInt(digits, hex ? 16 : 10));

    return !PLAIN.test(text.replace(DECLARATION, ''))
        || Buffer.compare(Buffer.from(text), body) !== 0
        || new Set(names).size < names.length
        || /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text)
        || references.some((n) => n < 9);
}


// All values of a body, as text.
function parse(body) {
    let read = {};

    xml2js.parseString(body.toString(), { explicitArray: false },
                       (error, value) => { read = error ? {} : value.xml; });

    return read && typeof read === 'object' ? read : {};
}


function plain(c) {
    return Object.fromEntries(Object.entries(parse(c.body))
        .map(([name, value]) => [name, String(value)]));
}


const stricter = {
    bad_form: ['two parsers could read it differently', (c) =>
        not_plain(c.body)],
    bad_signature: ['it has one spelling, and is what sign_type says', (c) => {
        const { sign: s, sign_type: type } = plain(c);
        return !/^[0-9A-F]+$/.test(s)
            || (type && s.length !== (type === 'MD5' ? 32 : 64));
    }],
    bad_algorithm: ['it is not one of those that are configured', (c) =>
        (c.settings || []).length > 0
        || !['MD5', 'HMAC-SHA256'].includes(plain(c).sign_type)],
    bad_ciphertext: ['what is not in canonical Base64, or no XML inside', (c) =>
        /changed/.test(c.family) || /not plain XML inside/.test(c.family)
        || /not ours/.test(c.family)],
    missing: ['what is not told cannot be compared', (c) => {
        const params = plain(c);
        return c.refund || !params.sign || ['appid', 'mch_id', 'return_code',
            'result_code', 'out_trade_no', 'transaction_id', 'total_fee']
            .some((name) => !params[name]);
    }],
    ambiguous: ['values are joined without escaping', (c) =>
        Object.values(plain(c)).some((value) => /&\w+=/.test(value))],
    wrong_app: ['signed is not ours', (c) => plain(c).appid !== APP],
    wrong_merchant: ['signed is not ours', (c) => {
        const { mch_id: merchant, sub_mch_id: sub } = plain(c);
        return merchant !== MERCHANT || Boolean(sub)
            || (c.settings || []).includes('sub_mch_id=1900000109');
    }],
    bad_value: ['an amount, a time or a number that is none', (c) =>
        /that is none$|odd value/.test(c.family)
        || /one bit/.test(c.family)],
};

// What we accept and an SDK does not.
const exceptions = {
    length: 'without sign_type it takes every signature for MD5',
    references: 'it does not resolve references to characters',
    trim: 'it takes white space off the values before it verifies them',
    failed: 'it takes a payment that failed for an error; here it is ignored',
};


// What we tell of an accepted callback is what stands in it.
function told(c, words) {
    const p = Object.fromEntries(c.params);
    const at = p.time_end && Date.parse(p.time_end.replace(
        /(....)(..)(..)(..)(..)(..)/, '$1-$2-$3T$4:$5:$6+08:00'));

    if (words[1] === 'ignored') {
        return c.refund ? p.refund_status !== 'SUCCESS'
                        : p.result_code === 'FAIL';
    }

    return words.slice(1).join(' ') === (c.refund
        ? ['unconfirmed', p.out_trade_no, p.transaction_id, p.total_fee,
           p.out_refund_no, p.refund_fee, 0, '-', p.refund_id, 0]
        : ['paid', p.out_trade_no, p.transaction_id, p.total_fee, '-', 0, at,
           p.fee_type || 'CNY', p.transaction_id, 0]).join(' ');
}


function wrong_refusal(c, ours, theirs) {
    for (const [name, read] of Object.entries(theirs)) {
        if (read && !(stricter[ours] && stricter[ours][1](c))) {
            return `we refuse what ${name} accepts without one of the reasons`;
        }
    }

    return null;
}


// Of a flipped bit that changed nothing, the SDKs are the proof.
function wrong_acceptance(c, theirs, words) {
    for (const [name, read] of Object.entries(theirs)) {
        const why = (c.except || {})[name];

        if (!read && !exceptions[why]) {
            return `${name} refuses it, we accept it`;
        }

        if (read && why) {
            return `${name} accepts it now: it is no exception any more`;
        }

        if (read && read.out_trade_no !== words[2] && words[1] !== 'ignored') {
            return `${name} reads another number`;
        }
    }

    return c.params && !told(c, words) ? 'told is not what it says' : null;
}


function wrong(c, answer, theirs) {
    const words = answer.split(' ');

    if (c.ours && c.ours !== words[0]) {
        return `we should say ${c.ours}`;
    }

    if (c.both && !Object.values(theirs).every((read) => read)) {
        return 'both SDKs should accept it';
    }

    if (words[0] === 'ok' && not_plain(c.body)) {
        return 'we accept what is not plain';
    }

    return words[0] === 'ok' ? wrong_acceptance(c, theirs, words)
                             : wrong_refusal(c, words[0], theirs);
}


function answers_of(list) {
    const answers = new Map();
    const groups = new Map();

    for (const c of list) {
        const name = (c.settings || []).join(' ');
        groups.set(name, (groups.get(name) || []).concat([c]));
    }

    for (const group of groups.values()) {
        ask(group.map((c) => c.body), group[0].settings || [])
            .forEach((answer, i) => answers.set(group[i], answer));
    }

    return answers;
}


async function compare() {
    const answers = answers_of(cases);
    const families = new Map();
    const counts = { stricter: {}, exceptions: {} };

    for (const c of cases) {
        const theirs = { tenpay: await tenpay(c.body, c.refund),
                         axios: axios(c.body, c.refund) };
        const ours = answers.get(c).split(' ')[0];
        const why = wrong(c, answers.get(c), theirs);
        const family = families.get(c.family) || { n: 0, accepted: 0, bad: [] };

        family.n++;
        family.accepted += ours === 'ok';

        if (why) {
            family.bad.push(`${why}; we: ${answers.get(c)}, `
                + `tenpay: ${Boolean(theirs.tenpay)}, `
                + `axios: ${Boolean(theirs.axios)}`,
                            JSON.stringify(c.body.toString('latin1')));
        }

        if (ours !== 'ok' && (theirs.tenpay || theirs.axios)) {
            counts.stricter[ours] = (counts.stricter[ours] || 0) + 1;
        }

        for (const name of Object.values(c.except || {})) {
            counts.exceptions[name] = (counts.exceptions[name] || 0) + 1;
        }

        families.set(c.family, family);
    }

    for (const [name, family] of families) {
        report(family.bad.length === 0, `${name}: ${family.n} callbacks, `
               + `${family.accepted} accepted`, family.bad.slice(0, 6));
    }

    report(cases.length >= 2000, `${cases.length} callbacks in all`);

    for (const [word, [why]] of Object.entries(stricter)) {
        report(counts.stricter[word] > 0, `stricter ${counts.stricter[word]} `
               + `times: ${word}, for ${why}`);
    }

    for (const [word, why] of Object.entries(exceptions)) {
        report(counts.exceptions[word] > 0, `${counts.exceptions[word]} times `
               + `an SDK refuses what we accept: ${why}`);
    }
}


console.log(`# SEED=${seed}`);

compare().then(() => {
    console.log(`1..${tests}`);
    process.exitCode = failures ? 1 : 0;
});
