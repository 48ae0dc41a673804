-- Payments: their records and rows.  The build puts it after serve.lua before
-- the scripts that need it.
--
-- A payment's record in p:<bucket> has fields separated by tabs: state letter
-- and rev, created, ends, paid, changed, user, sale, gateway, method, trade_no,
-- key, body, subject, parts.  Numbers are hexadecimal; created is counted from
-- the id's milliseconds, ends and changed from created, paid from 1970 (0: not
-- paid).  A part is id:amount, and once the payment is paid
-- id:amount:outcome:reason:refunded.  States: u p c; outcomes: a applied, r
-- refund_due.

local PAY_WORDS = {u = 'unpaid', p = 'paid', c = 'closed'}
local PAY_LETTERS = {unpaid = 'u', paid = 'p', closed = 'c'}
local OUTCOMES = {a = 'applied', r = 'refund_due'}
local OUTCOME_LETTERS = {applied = 'a', refund_due = 'r'}

local payments, pay_records = {}, {}


local function encode_parts(parts)
    local out = {}

    for i, part in ipairs(parts) do
        out[i] = part.id .. ':' .. hex(part.amount)
        if part.outcome ~= '' then
            out[i] = out[i] .. ':' .. OUTCOME_LETTERS[part.outcome] .. ':'
                     .. part.reason .. ':' .. hex(part.refunded)
        end
    end

    return concat(out, ',')
end


local function encode_payment(p)
    return concat({PAY_LETTERS[p.status] .. hex(p.rev),
                   hex(p.created - tonumber(sub(p.id, 1, 13))),
                   hex(p.ends - p.created), hex(p.paid),
                   hex(p.changed - p.created), p.user, p.sale, p.gateway,
                   p.method, p.trade_no, p.key, p.body, p.subject,
                   encode_parts(p.parts)}, '\t')
end


local function parse_parts(text)
    local parts = {}

    for one in gmatch(text, '[^,]+') do
        local id, amount, rest = match(one, '^(%d+):(%x+)(.*)$')
        local outcome, reason, refunded = match(rest or '',
                                                '^:([ar]):([%l_]*):(%x+)$')

        if not id or #id ~= 19 or (rest ~= '' and not outcome) then
            return
        end

        parts[#parts + 1] = {id = id, amount = tonumber(amount, 16),
                             outcome = OUTCOMES[outcome] or '',
                             reason = reason or '',
                             refunded = tonumber(refunded or '0', 16)}
    end

    return parts
end


local function sum_of(parts, name)
    local sum = 0

    for _, part in ipairs(parts) do
        sum = sum + part[name]
    end

    return sum
end


-- The fields of a text that are separated by tabs; broken unless there are n.
local function split(text, n, what)
    local out = {}

    for field in gmatch(text .. '\t', '([^\t]*)\t') do
        out[#out + 1] = field
    end

    if #out ~= n then
        broken(what)
    end

    return out
end


local function parse_payment(id, record)
    local what = 'payment ' .. id
    local f = split(record, 14, what)
    local state, rev = match(f[1], '^([upc])(%x+)$')
    local parts = parse_parts(f[14])

    for i = 2, 5 do
        if not match(f[i], '^%-?%x+$') then
            broken(what)
        end
    end

    if not state or not parts or #parts == 0 then
        broken(what)
    end

    local p = {id = id, status = PAY_WORDS[state], rev = tonumber(rev, 16),
               created = tonumber(sub(id, 1, 13)) + unhex(f[2]),
               paid = unhex(f[4]), user = f[6], sale = f[7], gateway = f[8],
               method = f[9], trade_no = f[10], key = f[11], body = f[12],
               subject = f[13], parts = parts,
               amount = sum_of(parts, 'amount')}

    p.ends = p.created + unhex(f[3])
    p.changed = p.created + unhex(f[5])

    return p
end


local function is_id(text)
    return #text == 19 and match(text, '^%d+$')
           and tonumber(sub(text, 14, 15)) == tonumber(PARTITION)
end


-- The payment, or false when there is no record of it.
local function load_payment(id)
    local p = payments[id]

    if p == nil then
        local record = pay_records[id]

        if not is_id(id) then
            return false
        end

        if record == nil then
            record = fetch('payment ' .. id, 'HGET',
                           PREFIX .. 'p:' .. bucket_of(id), id)
        end

        p = record and parse_payment(id, record)
        payments[id] = p
    end

    return p
end


local function load_pay_records(list)
    load_texts(list, 'p:', payments, pay_records)
end


local function parts_row(parts)
    local out = {}

    for i, part in ipairs(parts) do
        out[i] = part.id .. ' ' .. int(part.amount) .. ' '
                 .. (part.outcome == '' and '-' or part.outcome) .. ' '
                 .. (part.reason == '' and '-' or part.reason) .. ' '
                 .. int(part.refunded)
    end

    return concat(out, ',')
end


local function payment_row(p)
    return concat({p.id, p.status, int(p.rev), p.user, p.sale, p.gateway,
                   p.method, p.trade_no, int(p.amount), int(p.created),
                   int(p.ends), int(p.paid), int(p.changed), p.key, p.body,
                   p.subject, parts_row(p.parts)}, '\t')
end


-- Keeps a payment that is new or was changed, and tells the journal.
local function keep_payment(p)
    payments[p.id] = p
    write_later('HSET', PREFIX .. 'p:' .. bucket_of(p.id), p.id,
                encode_payment(p))
    note('p', payment_row(p))
end
