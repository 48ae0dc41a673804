#!lua
-- Starts payments: each covers held orders of one buyer, at their own prices.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id journal_max attempts_max margin_ms rest_ms, then for each
--       operation: user key body gateway method min max n order_id*n
--       key, body: 16 hexadecimal digits; min, max: what the gateway takes;
--       ids ascending, each once
-- Reply header, then for each operation the first of these that is so:
--       replayed row | purged pay_no        the buyer's own key, same body
--       unknown_order id                    or another buyer's
--       key_reused                          the key, another body
--       too_many_attempts
--       already_paid id                     paid or refunded
--       order_closed id status              cancelled or expired, due too
--       expires_soon id expires_ms          in less than rest_ms
--       amount_out_of_range amount
--       backlog
--       created row                         ends margin_ms before the first
--                                           order expires
--       broken what                         cannot be read; nothing changed
--       or the header alone: restarted | no_epoch

local SUBJECT_MAX = 256
local MARGIN, REST = tonumber(ARGV[4]), tonumber(ARGV[5])


-- The orders that are paid, or the id of the first that the buyer has not.
local function find_orders(at, user)
    local list, before = {}, ''

    for i = at + 8, at + 7 + ARGV[at + 7] do
        local id = ARGV[i]

        if id <= before then
            broken('order ids')
        end

        before = id

        local o = is_id(id) and load_order(id)

        if not o or o.user ~= user then
            return nil, id
        end

        list[#list + 1] = o
    end

    return list
end


-- The answer to a key that the buyer used before; nil and true: for another
-- body.
local function replay(at, attempts)
    local no, reused = made_before(attempts, ARGV[at + 1], ARGV[at + 2])

    if not no then
        return nil, reused
    end

    local p = load_payment(no)

    return p and 'replayed\t' .. payment_row(p) or 'purged\t' .. no
end


local function not_payable(list)
    for _, o in ipairs(list) do
        if o.status == 'paid' or o.status == 'refunded' then
            return 'already_paid\t' .. o.id
        end
    end

    for _, o in ipairs(list) do
        if o.status ~= 'held' or is_due(o) then
            return 'order_closed\t' .. o.id .. '\t'
                   .. (o.status == 'held' and 'expired' or o.status)
        end
    end

    for _, o in ipairs(list) do
        if now + REST > o.expires then
            return 'expires_soon\t' .. o.id .. '\t' .. int(o.expires)
        end
    end
end


-- Not so long that it ends inside a character.
local function cut(text)
    if #text <= SUBJECT_MAX then
        return text
    end

    return (string.gsub(sub(text, 1, SUBJECT_MAX + 1), '[^\128-\191]'
                        .. '[\128-\191]*$', ''))
end


-- What the payer reads.  No & and =, for gateways sign values as they are.
local function subject_of(list)
    local it = list[1].lines[1].item
    local title = it.title or fetch('item ' .. it.sku, 'HGET', it.key, 'title')
    local more = -1

    it.title = title
    title = title and title ~= '' and title or it.sku
    title = cut((string.gsub(title, '[%c&=]', ' ')))

    for _, o in ipairs(list) do
        more = more + #o.lines
    end

    local longer = title .. ' and ' .. int(more) .. ' more'

    return more > 0 and #longer <= SUBJECT_MAX and longer or title
end


local function create(at, list, units, attempts, amount)
    local user, key, body = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local sale = list[1].sale
    local parts, expires = {}, math.huge
    local subject = subject_of(list)

    reserve_id()

    for i, o in ipairs(list) do
        expires = math.min(expires, o.expires)
        parts[i] = {id = o.id, amount = o.amount, outcome = '', reason = '',
                    refunded = 0}
    end

    local p = {id = take_id(), status = 'unpaid', rev = 1, user = user,
               sale = sale, gateway = ARGV[at + 3], method = ARGV[at + 4],
               trade_no = '', amount = amount, created = now,
               ends = expires - MARGIN, paid = 0, changed = now, key = key,
               body = body, subject = subject, parts = parts}

    set_buyer(sale, user, units .. '|' .. attempts .. 'y' .. key .. body
                          .. p.id)
    keep_payment(p)

    return 'created\t' .. payment_row(p)
end


local function pay(at)
    local user = ARGV[at]
    local min, max = whole(ARGV[at + 5], AMOUNT_MAX),
                     whole(ARGV[at + 6], AMOUNT_MAX)

    if #ARGV[at + 1] ~= 16 or #ARGV[at + 2] ~= 16 or user == '' or not min
       or not max
    then
        broken('arguments')
    end

    local id = ARGV[at + 8]
    local first = is_id(id) and load_order(id)

    if not first or first.user ~= user then
        return 'unknown_order\t' .. id
    end

    local units, attempts = split_buyer(get_buyer(first.sale, user))
    local reply, reused = replay(at, attempts)

    if reply then
        return reply
    end

    local list, unknown = find_orders(at, user)

    if unknown then
        return 'unknown_order\t' .. unknown
    end

    if reused then
        return 'key_reused'
    end

    attempts = prune(attempts)
    if #attempts >= ATTEMPTS_MAX * ATTEMPT_LEN then
        return 'too_many_attempts'
    end

    reply = not_payable(list)
    if reply then
        return reply
    end

    local amount = sum_of(list, 'amount')

    if amount < min or amount > max or amount > AMOUNT_MAX then
        return 'amount_out_of_range\t' .. int(amount)
    end

    if waiting >= JOURNAL_MAX then
        return 'backlog'
    end

    return create(at, list, units, attempts, amount)
end


-- Where the operations stand in ARGV, or nil; all their order ids.
local function read_operations()
    local starts, list = {}, {}
    local at = 6

    while at <= #ARGV do
        local n = whole(ARGV[at + 7], 50)

        if not n or n < 1 or at + 7 + n > #ARGV then
            return
        end

        for i = at + 8, at + 7 + n do
            if is_id(ARGV[i]) then
                list[#list + 1] = ARGV[i]
            end
        end

        starts[#starts + 1] = at
        at = at + 8 + n
    end

    return starts, list
end


-- The buyers of the operations, with few commands.
local function load_users(starts)
    local users = {}

    for _, at in ipairs(starts) do
        local o = guarded(load_order, ARGV[at + 8])

        if o then
            users[o.sale] = users[o.sale] or {}
            table.insert(users[o.sale], o.user)
        end
    end

    for sale, names in pairs(users) do
        load_buyers(sale, names)
    end
end


local refused = refusal()
if refused then
    return refused
end

local starts, list = read_operations()
if not starts or not check_limits() or not MARGIN or not REST then
    return redis.error_reply('ERR arguments')
end

check_streams()
load_records(list)
load_users(starts)

local replies = {''}

for i, at in ipairs(starts) do
    replies[i + 1] = attempt(pay, at)
end

replies[1] = header()
keep_ids()
commit()

return replies
