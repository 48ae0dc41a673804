-- What all scripts share; the build puts it before each, and orders.lua and
-- serve.lua after it.
--
-- KEYS[1] prefix "{pt:N}:", KEYS[2] clock, KEYS[3] epoch, KEYS[4] journal,
-- KEYS[5] buckets; all other keys are made from the prefix and stay in its
-- slot.  ARGV[1] is the run_id of the server as the caller knows it, or
-- "run_id CURRENCY EVENTS": what amounts are in, and letters of the events that
-- are written on demand: h order.held, c order.cancelled, e order.expired, or -
-- for none.
--
-- Redis does not roll back.  So operations change only the tables below; each
-- checks all it needs (reading each key that will be written) before it
-- changes anything, later ones see what earlier ones changed, and commit()
-- writes everything at the end: the journal, the events, then the state.  What
-- cannot be read fails the operation that needs it ("broken"), and no other.
--
-- Stored:
--   clock       hash: run, last (newest ms seen), waiting (operations in the
--               journal), ids ("ms seq" of the next id), fresh, partitions,
--               purge (index into buckets, and 1 when this round did something)
--   item:<sku>  hash: sale title price stock available held sold limit starts
--               ends hold_ms version idx
--   skus        hash: idx -> sku
--   sale:<sale> hash: paused version, and sku:<sku> -> idx
--   buyers:<sale>  hash: user -> "idx:units,…|" and attempts of 52 bytes: state
--               letter (y: a payment), 16 of the key, 16 of the body, 19 of
--               the order's id or the pay_no
--   o:<bucket>  hash: id -> "<state><rev> <created>[:<changed>] <hold> <lines>
--               <user>"; or, when that is over 64 bytes or there is meta,
--               "<state><rev>+ <created>[:<changed>] <hold>" and the rest in
--   m:<bucket>  hash: id -> "<lines> <user>\t<meta>"
--   p:<bucket>  hash: pay_no -> record of a payment: payments.lua
--   r:<bucket>  hash: pay_no:refund_no -> "<amount> <at>" in hexadecimal: what
--               a refund gave back, and when
--   due:<hold_ms>  list of ids;  hold_times  set;  later  zset id by deadline
--   ops         hash: request_id -> "ms asked": request_asks() (earlier
--               versions: "ms")
--   orphans     zset: gateway:trade_no[:what] of callbacks that fit no payment,
--               by ms; what: closed, or refund:<number>
--   purging     hash: bucket -> "journal-id sum-of-revs"
-- In an order's record rev, times and lines are hexadecimal: created is counted
-- from the id's milliseconds, changed from created (of an expired order from
-- its deadline); hold is decimal with d, h, m, s or, in ms, nothing; a line is
-- idx*price or idx"x"quantity*price.  States: h p c e r.

local PREFIX, CLOCK, EPOCH, JOURNAL, BUCKETS = unpack(KEYS)
local PARTITION = string.match(PREFIX, '^{pt:(%d%d?)}:$')
local RUN, CURRENCY, WANTED = string.match(ARGV[1] or '',
                                           '^(%S*) ?(%S*) ?%-?(%S*)')
local EVENTS = PREFIX .. 'events'
local RECORD_MAX = 64            -- hash-max-listpack-value
local ATTEMPT_LEN = 52
local ATTEMPT_MS = 86460000      -- a day, and a minute as ids may be ahead
local BUCKET_MS = 10000
local AHEAD_MS = 60000
local AGAIN_MS = 60000           -- what is broken is tried again after this
local UNITS_MAX = 1e9
local AMOUNT_MAX = 1e13
local LOOK = 64
local CHUNK = 2000
local WORDS = {h = 'held', p = 'paid', c = 'cancelled', e = 'expired',
               r = 'refunded'}
local LETTERS = {held = 'h', paid = 'p', cancelled = 'c', expired = 'e',
                 refunded = 'r'}

local find, sub, match, gmatch = string.find, string.sub, string.match,
                                 string.gmatch
local format, floor, concat = string.format, math.floor, table.concat
local type, pairs, ipairs, tonumber, unpack, pcall = type, pairs, ipairs,
                                                    tonumber, unpack, pcall
local KEYS, ARGV, redis = KEYS, ARGV, redis

local releases = true            -- may due holds be released?  Not by read
local items, sales, skus = {}, {}, {}
local buyers, buyers_broken, buyers_dirty = {}, {}, {}
local orders, records = {}, {}
local journal = {'XADD', JOURNAL, '*', n = 3}
local events = {}
local writes, write_order, commands = {}, {}, {}
local clock_dirty


local function int(n)
    return format('%.0f', n)
end


local function hex(n)
    if n < 0 then
        return '-' .. format('%x', -n)
    end

    return format('%x', n)
end


local function unhex(s)
    if sub(s, 1, 1) == '-' then
        return -tonumber(sub(s, 2), 16)
    end

    return tonumber(s, 16)
end


local function broken(what)
    error({broken = what})
end


-- A whole number from outside, or nil.
local function whole(s, max)
    local n = s and match(s, '^%d+$') and tonumber(s)

    if n and n <= max then
        return n
    end
end


-- A read: a key of the wrong type fails one operation, any other error all.
local function fetch(what, ...)
    local reply = redis.pcall(...)

    if type(reply) == 'table' and reply.err then
        if find(reply.err, 'WRONGTYPE', 1, true) then
            broken(what)
        end

        error(reply)
    end

    return reply
end


-- What f returns; nil and the reason when it met something broken.
local function guarded(f, ...)
    local ok, a = pcall(f, ...)

    if ok then
        return a
    end

    if type(a) == 'table' then
        if a.broken then
            return nil, a.broken
        end

        error(a)
    end

    return nil, tostring(a)
end


local function attempt(f, ...)
    local reply, reason = guarded(f, ...)

    return reply or 'broken\t' .. string.gsub(reason, '[\t\r\n]', ' ')
end


-- One of the first reads: says which command it is that the user has no right
-- to, so that the log names it.
local function first_read(command, ...)
    local reply = redis.pcall(command, ...)

    if type(reply) == 'table' and reply.err then
        if find(reply.err, "can't run this command", 1, true) then
            reply.err = 'NOPERM the user has no right to ' .. command .. ' '
                        .. PREFIX .. '*'
        end

        error(reply)
    end

    return reply
end


local run, last, waiting, ids, fresh, partitions, purge_at = unpack(
    first_read('HMGET', CLOCK, 'run', 'last', 'waiting', 'ids', 'fresh',
               'partitions', 'purge'))
local epoch = first_read('GET', EPOCH)
local time = first_read('TIME')
local now = math.max(time[1] * 1000 + floor(time[2] / 1000),
                     tonumber(last or 0))
local NOW = int(now)

waiting = tonumber(waiting or 0)


-- A reason not to go on at all, or nil.
local function refusal(any_epoch)
    if run ~= RUN then
        return {'restarted'}
    end

    if not any_epoch and not epoch and fresh ~= '1' then
        return {'no_epoch'}
    end
end


-- A write to come, of any number of arguments: HSET, RPUSH and the like.
local function list_for(command, key)
    local name = command .. key
    local list = writes[name]

    if not list then
        list = {command, key, n = 2}
        writes[name] = list
        write_order[#write_order + 1] = list
    end

    return list
end


local function append(list, a, b)
    local n = list.n + 1

    list[n] = a
    if b then
        n = n + 1
        list[n] = b
    end

    list.n = n
end


local function write_later(command, key, a, b)
    append(list_for(command, key), a, b)
end


local function note(kind, row)
    append(journal, kind, row)
    waiting = waiting + 1
end


-- An event to come; e has those fields that apply.  Its id is the same when
-- the same change is made again by a Redis that went back.
local function tell(kind, id, e)
    events[#events + 1] = {
        'XADD', EVENTS, '*', 'id', kind .. ':' .. id, 'type', kind, 'v', '1',
        'order_id', e.order_id or '', 'pay_no', e.pay_no or '',
        'user', e.user or '', 'sale', e.sale or '',
        'amount', e.amount or '', 'currency', e.currency or CURRENCY,
        'gateway', e.gateway or '', 'trade_no', e.trade_no or '',
        'lines', e.lines or '', 'meta', e.meta or '', 'at', NOW,
        'reason', e.reason or ''}
end


-- The streams can be written.
local function check_streams()
    redis.call('XLEN', JOURNAL)
    redis.call('XLEN', EVENTS)
end


-- Items

local ITEM_NUMBERS = {'price', 'stock', 'available', 'held', 'sold', 'limit',
                      'starts', 'ends', 'hold_ms', 'version'}


local function read_item(sku)
    local key = PREFIX .. 'item:' .. sku
    local v = fetch('item ' .. sku, 'HMGET', key, 'price', 'stock',
                    'available', 'held', 'sold', 'limit', 'starts', 'ends',
                    'hold_ms', 'version', 'sale', 'idx')
    local it = {sku = sku, key = key, sale = v[11], idx = v[12], sold_as = {}}

    if not v[11] and not v[1] and not v[2] then
        return false
    end

    for i, name in ipairs(ITEM_NUMBERS) do
        it[name] = whole(v[i], 1e15) or broken('item ' .. sku)
    end

    if not it.sale or not it.idx or not match(it.idx, '^%x+$')
       or it.available + it.held + it.sold ~= it.stock
    then
        broken('item ' .. sku)
    end

    it.before = it.available

    return it
end


-- The item, false when there is none, or a table with only `broken`.
local function load_item(sku)
    local it = items[sku]

    if it == nil then
        local reason

        it, reason = guarded(read_item, sku)
        if it == nil then
            it = {broken = reason}
        end

        items[sku] = it
    end

    return it
end


local function get_item(sku)
    local it = load_item(sku)

    if it and it.broken then
        broken(it.broken)
    end

    return it
end


local function item_of(idx)
    local sku = skus[idx]

    if not sku then
        sku = fetch('skus', 'HGET', PREFIX .. 'skus', idx)
              or broken('sku ' .. idx)
        skus[idx] = sku
    end

    return get_item(sku) or broken('item ' .. sku)
end


local function get_sale(sale)
    local s = sales[sale]

    if s == nil then
        local v = fetch('sale ' .. sale, 'HMGET', PREFIX .. 'sale:' .. sale,
                        'paused', 'version')

        s = false
        if v[1] or v[2] then
            s = {paused = v[1] == '1' and '1' or '0',
                 version = whole(v[2] or '0', 1e15)
                           or broken('sale ' .. sale)}
        end

        sales[sale] = s
    end

    return s
end


local function item_row(it, title, available, held)
    local s = get_sale(it.sale)

    return concat({it.sku, it.sale, title, int(it.price), int(it.stock),
                   int(available), int(held), int(it.sold), int(it.limit),
                   int(it.starts), int(it.ends), int(it.hold_ms),
                   int(it.version), s and s.paused or '0'}, '\t')
end


-- Buyers: a value is kept as the text that Redis has.

local function load_buyers(sale, users)
    local known = buyers[sale] or {}
    local key = PREFIX .. 'buyers:' .. sale

    buyers[sale] = known

    for first = 1, #users, CHUNK do
        local final = math.min(first + CHUNK - 1, #users)
        local ok, v = pcall(fetch, 'buyers', 'HMGET', key,
                            unpack(users, first, final))

        if not ok then
            if not v.broken then
                error(v)
            end

            buyers_broken[sale] = true
            return
        end

        for i = first, final do
            if known[users[i]] == nil then      -- else it may be changed
                known[users[i]] = v[i - first + 1]
            end
        end
    end
end


local function get_buyer(sale, user)
    if buyers_broken[sale] then
        broken('buyers of ' .. sale)
    end

    if not buyers[sale] or buyers[sale][user] == nil then
        load_buyers(sale, {user})
        return get_buyer(sale, user)
    end

    return buyers[sale][user]
end


local function set_buyer(sale, user, value)
    local dirty = buyers_dirty[sale] or {}

    buyers_dirty[sale] = dirty
    buyers[sale][user] = value
    dirty[user] = true
end


-- Units and attempts of a buyer's value (false: a new buyer).
local function split_buyer(value)
    if not value then
        return '', ''
    end

    local bar = find(value, '|', 1, true)

    if not bar or (#value - bar) % ATTEMPT_LEN ~= 0
       or not match(value, '^[%x:,]*|')
    then
        broken('buyer')
    end

    return sub(value, 1, bar - 1), sub(value, bar + 1)
end


local function units_of(units, idx)
    if units == '' then
        return 0
    end

    for i, n in gmatch(units, '(%x+):(%d+)') do
        if i == idx then
            return tonumber(n)
        end
    end

    return 0
end


-- units after lines ({idx, quantity}…) were taken (sign 1) or given back (-1).
local function change_units(units, lines, sign)
    local count, out = {}, {}

    for idx, n in gmatch(units, '(%x+):(%d+)') do
        out[#out + 1] = idx
        count[idx] = tonumber(n)
    end

    for _, line in ipairs(lines) do
        if not count[line.idx] then
            out[#out + 1] = line.idx
        end

        count[line.idx] = (count[line.idx] or 0) + sign * line.quantity
    end

    local texts = {}

    for _, idx in ipairs(out) do
        if count[idx] > 0 then
            texts[#texts + 1] = idx .. ':' .. int(count[idx])
        end
    end

    return concat(texts, ',')
end


-- Where text stands in attempts at this offset of an attempt, or nil.
local function find_attempt(attempts, text, offset)
    local at = find(attempts, text, 1, true)

    while at and (at - 1) % ATTEMPT_LEN ~= offset do
        at = find(attempts, text, at + 1, true)
    end

    return at and at - offset
end


-- Writes a list whose first `fixed` elements are the command and its key.
local function write_list(list, fixed)
    if list.n <= CHUNK then
        redis.call(unpack(list, 1, list.n))
        return
    end

    for first = fixed + 1, list.n, CHUNK do
        local part = {unpack(list, 1, fixed)}

        for i = first, math.min(first + CHUNK - 1, list.n) do
            part[#part + 1] = list[i]
        end

        redis.call(unpack(part))
    end
end


-- Writes what the operations changed.
local function commit()
    local any = clock_dirty

    if journal.n > 3 then
        write_list(journal, 3)
        any = true
    end

    for _, event in ipairs(events) do
        redis.call(unpack(event))
        any = true
    end

    for sale, dirty in pairs(buyers_dirty) do
        local list = list_for('HSET', PREFIX .. 'buyers:' .. sale)

        for user in pairs(dirty) do
            append(list, user, buyers[sale][user])
        end
    end

    for _, list in ipairs(write_order) do
        if list.n > 2 then
            write_list(list, 2)
            any = true
        end
    end

    for _, it in pairs(items) do
        if it and it.dirty then
            redis.call('HSET', it.key, 'available', int(it.available),
                       'held', int(it.held), 'sold', int(it.sold))
            any = true
        end
    end

    for _, command in ipairs(commands) do
        redis.call(unpack(command))
        any = true
    end

    if any then
        redis.call('HSET', CLOCK, 'last', NOW, 'waiting', int(waiting),
                   unpack(clock_dirty or {}))
    end
end


-- An id of a stream as two numbers' texts that compare; a > b?
local function stream_id_after(a, b)
    local a1, a2 = match(a, '^(%d+)%-(%d+)$')
    local b1, b2 = match(b, '^(%d+)%-(%d+)$')

    if a1 ~= b1 then
        return #a1 > #b1 or (#a1 == #b1 and a1 > b1)
    end

    return #a2 > #b2 or (#a2 == #b2 and a2 > b2)
end


-- '' when there is no journal.
local function journal_last_id()
    local info = redis.pcall('XINFO', 'STREAM', JOURNAL)

    if info.err then
        if find(info.err, 'no such key', 1, true) then
            return ''
        end

        error(info)
    end

    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            return info[i + 1]
        end
    end
end
