// What the comparisons of webhooks share: a random sequence that SEED repeats,
// our gateway as a program, families of callbacks, and the verdict on each.
//
// What an SDK refuses, we must refuse, but for `exceptions`, which are verified
// without it.  Where we refuse what it accepts, the reason must be one of
// `stricter`, and the callback must be of that kind.

'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const seed = Number(process.env.SEED || Date.now() % 1e9);
let state = seed;
let tests = 0;
let failures = 0;

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'paytrade-sdk-'));
process.on('exit', () => fs.rmSync(dir, { recursive: true }));


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


// One bit of bytes, or of a text with a byte for each character.
function flip(data) {
    const copy = Buffer.from(data, 'latin1');
    copy[random(copy.length)] ^= 1 << random(8);
    return Buffer.isBuffer(data) ? copy : copy.toString('latin1');
}


function file(name, content) {
    const full = path.join(dir, name);
    fs.writeFileSync(full, content, { mode: 0o600 });
    return full;
}


function report(good, name, why) {
    tests++;
    failures += !good;
    console.log(`${good ? 'ok' : 'not ok'} ${tests} - ${name}`);
    for (const line of why || []) {
        console.log(`#   ${line}`);
    }
}


function ask(program, type, settings, lines) {
    const result = spawnSync(program, [type].concat(
        settings.map(([name, value]) => `${name}=${value}`)), {
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


function line(c) {
    const hex = (data) => 'x' + Buffer.from(data, 'latin1').toString('hex');

    return ['verify', c.now, hex(c.body)].concat(Object.entries(c.headers)
        .filter(([, value]) => value !== null)
        .map(([name, value]) => `${name}:${hex(value)}`)).join(' ');
}


// The same spaces, tabs and line ends, escapes and order are the sender's
// choice: JSON in several ways.
const STYLES = {
    plain: (value) => JSON.stringify(value),
    pretty: (value) => JSON.stringify(value, null, 2),
    crlf: (value) => JSON.stringify(value, null, '\t').replace(/\n/g, '\r\n'),
    ascii: (value) => JSON.stringify(value).replace(/[^\x00-\x7f]/g,
        (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
    slashes: (value) => JSON.stringify(value).replace(/\//g, '\\/'),
    shuffled: (value) => ` ${JSON.stringify(shuffled(value))}\n`,
};

function shuffled(value) {
    if (Array.isArray(value)) {
        return value.map(shuffled);
    }

    return value && typeof value === 'object'
        ? Object.fromEntries(shuffle(Object.entries(value))
            .map(([name, member]) => [name, shuffled(member)])) : value;
}


// Sets or (undefined) removes the member at a path.
function change(object, where, value) {
    const names = where.split('.');
    const last = names.pop();
    const parent = names.reduce((o, name) => o[name], object);

    if (value === undefined) {
        delete parent[last];
    } else {
        parent[last] = value;
    }

    return object;
}


// rules: { sdk(c): what it takes a callback for, or null; stricter,
// exceptions, told(c, words) }.
function wrong(rules, c, answer, theirs) {
    const words = answer.split(' ');
    const ours = words[0];

    if (c.both && !(ours === 'ok' && theirs)) {
        return 'both should accept it';
    }

    if (c.ours && c.ours !== ours) {
        return `we should say ${c.ours}`;
    }

    if (ours === 'ok' && !rules.told(c, words)) {
        return 'told is not what it says';
    }

    if (ours === 'ok' && !theirs) {
        const exception = rules.exceptions[c.exception];
        return exception && exception[1](c)
            ? null : 'the SDK refuses it, we accept it';
    }

    if (ours !== 'ok' && theirs) {
        const reason = rules.stricter[ours];
        return reason && reason[1](c)
            ? null : 'we refuse it without one of the reasons';
    }

    return null;
}


function judge(rules, cases, answers) {
    const families = new Map();
    const classes = {};

    cases.forEach((c, i) => {
        const ours = answers[i].split(' ')[0];
        const theirs = rules.sdk(c);
        const why = wrong(rules, c, answers[i], theirs);
        const family = families.get(c.family) || { n: 0, accepted: 0, bad: [] };

        family.n++;
        family.accepted += ours === 'ok';

        if (why) {
            family.bad.push(`${why}; we: ${answers[i]}, SDK: ${!!theirs}`,
                            `${JSON.stringify(c.headers)} at ${c.now}`,
                            c.body.toString('latin1').slice(0, 2000));
        }

        const word = ours !== 'ok' && theirs ? ours
            : ours === 'ok' && !theirs ? c.exception : null;

        if (word) {
            classes[word] = (classes[word] || 0) + 1;
        }

        families.set(c.family, family);
    });

    for (const [name, family] of families) {
        report(family.bad.length === 0, `${name}: ${family.n} callbacks, `
               + `${family.accepted} accepted`, family.bad.slice(0, 6));
    }

    for (const [word, [why]] of Object.entries(rules.stricter)) {
        report(classes[word] > 0, `stricter ${classes[word] || 0} times: `
               + `${word}, for ${why}`);
    }

    for (const [word, [why]] of Object.entries(rules.exceptions)) {
        report(classes[word] > 0, `more ${classes[word] || 0} times: ${why}`);
    }
}


function finish() {
    console.log(`# SEED=${seed}`);
    console.log(`1..${tests}`);
    process.exitCode = failures ? 1 : 0;
}


module.exports = { STYLES, ask, change, dir, file, finish, flip, judge, line,
                   pick, random, report, seed, shuffle, shuffled };
