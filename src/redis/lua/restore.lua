#!lua flags=allow-oom
-- What a worker does with a server it does not know: looks at it, takes it as
-- it is, or empties it and loads it from PostgreSQL.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id kind arg…
--       state
--       adopt partitions fresh       fresh 1: the first put may make an epoch
--       stop                         nothing is sold, or written to the
--                                    journal, until a rebuild
--       clear epoch cursor           first "0": from then on nothing is sold
--       then, in this order, with the same epoch:
--       items epoch item-row…
--       sales epoch "sale paused version"…
--       orders epoch order-row…      deadlines of held ones go to later
--       payments epoch payment-row…
--       refunds epoch "pay_no refund_no amount at_ms"…
--       buyers epoch "sale user units attempts"…   units "sku n,…"; attempts
--                                                  "key body id,…"
--       admin epoch "request_id at_ms asked"…     asked '': not known
--       finish epoch partitions max_id journal_id
-- Reply header, then
--       state run epoch fresh partitions journal_last_id waiting now_ms
--       adopted | partitions n       n: what the keys were made for
--       stopped n                    entries left in the journal
--       cleared next_cursor          "0": all is gone
--       loaded n
--       finished
--       superseded                   by a rebuild with a newer epoch
--       broken what                  nothing changed
-- Each may be said again.  Never refuses; NOPERM when the user lacks a command.

local COMMANDS = {'DEL', 'EXISTS', 'GET', 'SET', 'UNLINK', 'HDEL', 'HEXISTS',
                  'HGET', 'HGETALL', 'HLEN', 'HMGET', 'HSCAN', 'HSET', 'LINDEX',
                  'LLEN', 'LRANGE', 'LREM', 'LTRIM', 'RPOP', 'RPUSH', 'SADD',
                  'SISMEMBER', 'SMEMBERS', 'SREM', 'XADD', 'XACK', 'XDEL',
                  'XLEN', 'XPENDING', 'XRANGE', 'XTRIM', 'ZADD', 'ZRANGE',
                  'ZRANGEBYSCORE', 'ZREM', 'ZSCORE'}
local CLOCK_KEPT = {last = true, waiting = true, ids = true}

local kind = ARGV[2]
local last_sku = 0
local new_buckets = {}


-- The arguments that make a command complete, for the check of rights.
local SAMPLE = {SET = {'1'}, HDEL = {'1'}, HEXISTS = {'1'}, HGET = {'1'},
                HMGET = {'1'}, HSCAN = {'0'}, HSET = {'1', '1'}, LINDEX = {'0'},
                LRANGE = {'0', '0'}, LREM = {'0', '1'}, LTRIM = {'0', '0'},
                RPUSH = {'1'}, SADD = {'1'}, SISMEMBER = {'1'}, SREM = {'1'},
                XADD = {'*', '1', '1'}, XACK = {'1', '1'}, XDEL = {'1'},
                XPENDING = {'1'}, XRANGE = {'-', '+'}, XTRIM = {'MAXLEN', '1'},
                ZADD = {'1', '1'}, ZRANGE = {'0', '0'},
                ZRANGEBYSCORE = {'0', '0'}, ZREM = {'1'}, ZSCORE = {'1'}}


-- Said as an error, so that the log names it; pcall would take it for a record
-- that cannot be read.
local function missing_right()
    for _, command in ipairs(COMMANDS) do
        if not redis.acl_check_cmd(command, CLOCK,
                                   unpack(SAMPLE[command] or {}))
        then
            return command .. ' ' .. PREFIX .. '*'
        end
    end

    if not redis.acl_check_cmd('SCAN', '0', 'MATCH', '*', 'COUNT', '1')
       or not redis.acl_check_cmd('XINFO', 'STREAM', JOURNAL)
       or not redis.acl_check_cmd('XINFO', 'GROUPS', EVENTS)
    then
        return 'SCAN, XINFO STREAM, XINFO GROUPS'
    end
end


local function state()
    return concat({'state', run or '', epoch or '', fresh or '',
                   partitions or '', journal_last_id(), int(waiting), NOW},
                  '\t')
end


-- Ids go on after ms.
local function ids_after(ms)
    local old = tonumber(match(ids or '', '^%d+') or 0)

    write_later('HSET', CLOCK, 'ids', int(math.max(ms, old + 1)) .. ' 0')
end


local function adopt(count, is_fresh)
    if partitions and partitions ~= count then
        return 'partitions\t' .. partitions
    end

    if run ~= RUN then
        if run or ids then
            local old = tonumber(match(ids or '', '^%d+') or 0)

            -- not twice the same, from an old file that is taken again
            ids_after(math.max(old, now) + AHEAD_MS
                      + (time[1] * 1000 + floor(time[2] / 1000)) % AHEAD_MS)
        end

        write_later('HSET', CLOCK, 'run', RUN)
    end

    write_later('HSET', CLOCK, 'partitions', count)

    if is_fresh == '1' and not epoch then
        write_later('HSET', CLOCK, 'fresh', '1')

    else
        write_later('HDEL', CLOCK, 'fresh')
    end

    return 'adopted'
end


local function stop()
    local length = redis.call('XLEN', JOURNAL)

    commands[#commands + 1] = {'HDEL', CLOCK, 'run'}
    commands[#commands + 1] = {'DEL', EPOCH}

    return 'stopped\t' .. length
end


-- Two workers may rebuild at a time, while one of them leaves: the newer goes
-- on.
local function superseded(new_epoch, first)
    local rebuild = redis.call('HGET', CLOCK, 'rebuild')

    if first then
        return tonumber(rebuild or 0) > tonumber(new_epoch)
    end

    return rebuild ~= new_epoch
end


local function clear(new_epoch, cursor)
    if superseded(new_epoch, cursor == '0') then
        return 'superseded'
    end

    if cursor == '0' then
        redis.call('HDEL', CLOCK, 'run')
        redis.call('DEL', EPOCH)

        local fields = redis.call('HGETALL', CLOCK)

        for i = 1, #fields, 2 do
            if not CLOCK_KEPT[fields[i]] then
                redis.call('HDEL', CLOCK, fields[i])
            end
        end

        redis.call('HSET', CLOCK, 'rebuild', new_epoch)
    end

    local found = redis.call('SCAN', cursor, 'MATCH', PREFIX .. '*',
                             'COUNT', 1000)

    for _, key in ipairs(found[2]) do
        if key ~= CLOCK and key ~= JOURNAL and key ~= EVENTS then
            redis.call('UNLINK', key)
        end
    end

    return 'cleared\t' .. found[1]
end


local function idx_of(sku)
    local idx = skus[sku]
                or fetch('item ' .. sku, 'HGET', PREFIX .. 'item:' .. sku,
                         'idx')

    skus[sku] = idx

    return idx
end


local function load_one_item(row)
    local f = split(row, 14, 'row')
    local sku, sale = f[1], f[2]
    local key = PREFIX .. 'item:' .. sku
    local sale_key = PREFIX .. 'sale:' .. sale
    local idx = idx_of(sku)
    local values = {price = f[4], stock = f[5], available = f[6], held = f[7],
                    sold = f[8], limit = f[9], starts = f[10], ends = f[11],
                    hold_ms = f[12], version = f[13]}

    for _, name in ipairs(ITEM_NUMBERS) do
        if not whole(values[name], 1e15) then
            broken('item ' .. sku)
        end

        write_later('HSET', key, name, values[name])
    end

    if values.available + values.held + values.sold ~= tonumber(values.stock)
    then
        broken('item ' .. sku)
    end

    if not idx then
        last_sku = math.max(last_sku,
                            fetch('skus', 'HLEN', PREFIX .. 'skus')) + 1
        idx = hex(last_sku)
        skus[sku] = idx
    end

    write_later('HSET', key, 'sale', sale)
    write_later('HSET', key, 'title', f[3])
    write_later('HSET', key, 'idx', idx)
    write_later('HSET', PREFIX .. 'skus', idx, sku)
    write_later('HSET', sale_key, 'sku:' .. sku, idx)
    if not get_sale(sale) then
        sales[sale] = {paused = f[14], version = 0}
        write_later('HSET', sale_key, 'paused', f[14])
        write_later('HSET', sale_key, 'version', '0')
    end
end


local function load_one_sale(row)
    local f = split(row, 3, 'row')
    local key = PREFIX .. 'sale:' .. f[1]

    fetch('sale ' .. f[1], 'HLEN', key)
    write_later('HSET', key, 'paused', f[2] == '1' and '1' or '0')
    write_later('HSET', key, 'version', f[3])
end


local function lines_of(text)
    local out = {}

    for line in gmatch(text, '[^,]+') do
        local sku, quantity, price = match(line, '^(%S+) (%d+) (%d+)$')
        local idx = sku and idx_of(sku)

        if not idx then
            broken('line ' .. line)
        end

        out[#out + 1] = line_text(idx, tonumber(quantity), tonumber(price))
    end

    return concat(out, ',')
end


-- The list of buckets has each once.
local function load_bucket(bucket)
    local used = new_buckets[bucket]

    for _, kind in ipairs({'o:', 'p:'}) do
        local key = PREFIX .. kind .. bucket

        used = fetch(key, 'HLEN', key) > 0 or used
    end

    if not used then
        new_buckets[bucket] = true
        write_later('RPUSH', BUCKETS, bucket)
    end
end


local function load_one_order(row)
    local f = split(row, 13, 'row')
    local id, status, rev = f[1], f[2], whole(f[3], 1e15)
    local created, expires, changed = whole(f[7], 1e15), whole(f[8], 1e15),
                                      whole(f[9], 1e15)

    if not match(id, '^%d+$') or #id ~= 19 or not LETTERS[status] or not rev
       or f[4] == '' or not (created and expires and changed)
       or expires < created
    then
        broken('order ' .. id)
    end

    local bucket = bucket_of(id)
    local m_key = PREFIX .. 'm:' .. bucket
    local record, detail = encode_order({
        id = id, status = status, rev = rev, user = f[4], meta = f[13],
        created = created, expires = expires, changed = changed,
        text = lines_of(f[12])})

    fetch(m_key, 'HLEN', m_key)
    load_bucket(bucket)
    write_later('HSET', PREFIX .. 'o:' .. bucket, id, record)
    if detail then
        write_later('HSET', m_key, id, detail)
    end

    if status == 'held' then
        write_later('ZADD', PREFIX .. 'later', int(expires), id)
    end
end


local function parts_of(text)
    local parts = {}

    for one in gmatch(text, '[^,]+') do
        local id, amount, outcome, reason, refunded = match(
            one, '^(%d+) (%d+) (%S+) (%S+) (%d+)$')

        if not id or not is_id(id)
           or (outcome ~= '-' and not OUTCOME_LETTERS[outcome])
        then
            broken('part ' .. one)
        end

        parts[#parts + 1] = {id = id, amount = tonumber(amount),
                             outcome = outcome == '-' and '' or outcome,
                             reason = reason == '-' and '' or reason,
                             refunded = tonumber(refunded)}
    end

    return parts
end


local function load_one_payment(row)
    local f = split(row, 17, 'row')
    local p = {id = f[1], status = f[2], user = f[4], sale = f[5],
               gateway = f[6], method = f[7], trade_no = f[8], key = f[14],
               body = f[15], subject = f[16], parts = parts_of(f[17])}
    local numbers = {rev = f[3], amount = f[9], created = f[10], ends = f[11],
                     paid = f[12], changed = f[13]}

    for name, text in pairs(numbers) do
        p[name] = whole(text, 1e15) or broken('payment ' .. p.id)
    end

    if not is_id(p.id) or not PAY_LETTERS[p.status] or #p.parts == 0
       or sum_of(p.parts, 'amount') ~= p.amount
    then
        broken('payment ' .. p.id)
    end

    load_bucket(bucket_of(p.id))
    write_later('HSET', PREFIX .. 'p:' .. bucket_of(p.id), p.id,
                encode_payment(p))
end


-- After its payment, which has put the bucket into the list.
local function load_one_refund(row)
    local f = split(row, 4, 'row')
    local amount, at = whole(f[3], 1e15), whole(f[4], 1e15)

    if not is_id(f[1]) or f[2] == '' or not amount or not at then
        broken('refund ' .. f[1] .. ':' .. f[2])
    end

    local key = PREFIX .. 'r:' .. bucket_of(f[1])

    fetch(key, 'HLEN', key)
    write_later('HSET', key, f[1] .. ':' .. f[2], hex(amount) .. ' '
                                                  .. hex(at))
end


local function load_one_buyer(row)
    local f = split(row, 4, 'row')
    local key = PREFIX .. 'buyers:' .. f[1]
    local units, ids_of, attempts = {}, {}, {}

    for pair in gmatch(f[3], '[^,]+') do
        local sku, n = match(pair, '^(%S+) (%d+)$')
        local idx = sku and idx_of(sku)

        if not idx then
            broken('units ' .. pair)
        end

        if tonumber(n) > 0 then
            units[#units + 1] = idx .. ':' .. n
        end
    end

    for attempt_text in gmatch(f[4], '[^,]+') do
        local k, body, id = match(attempt_text, '^(%x+) (%x+) (%d+)$')

        if not k or #k ~= 16 or #body ~= 16 or #id ~= 19 then
            broken('attempt ' .. attempt_text)
        end

        ids_of[#ids_of + 1] = id
        attempts[#attempts + 1] = id .. k .. body
    end

    table.sort(attempts)         -- the oldest first
    load_records(ids_of)
    load_pay_records(ids_of)

    for i, text in ipairs(attempts) do
        local id = sub(text, 1, 19)
        local letter = records[id] and sub(records[id], 1, 1)
                       or pay_records[id] and 'y' or 'p'

        attempts[i] = letter .. sub(text, 20) .. id
    end

    fetch(key, 'HLEN', key)
    write_later('HSET', key, f[2], concat(units, ',') .. '|'
                                   .. concat(attempts))
end


local function load_one_request(row)
    local f = split(row, 3, 'row')

    write_later('HSET', PREFIX .. 'ops', f[1],
                f[3] ~= '' and f[2] .. ' ' .. f[3] or f[2])
end


-- Payments were loaded after the orders: buckets are put in order of age.
local function sort_buckets()
    local list = redis.call('LRANGE', BUCKETS, 0, -1)
    local sorted = true

    for i = 2, #list do
        sorted = sorted and list[i - 1] < list[i]
    end

    if sorted then
        return
    end

    table.sort(list)
    commands[#commands + 1] = {'DEL', BUCKETS}

    for first = 1, #list, CHUNK do
        commands[#commands + 1] = {
            'RPUSH', BUCKETS,
            unpack(list, first, math.min(first + CHUNK - 1, #list))}
    end
end


local function waiting_in_journal()
    local count, from = 0, '-'

    repeat
        local list = redis.call('XRANGE', JOURNAL, from, '+', 'COUNT', 100)

        for _, entry in ipairs(list) do
            count = count + #entry[2] / 2
            from = '(' .. entry[1]
        end
    until #list < 100

    return count
end


local function finish(new_epoch, count, max_id, journal_id)
    if superseded(new_epoch) then
        return 'superseded'
    end

    local old = journal_last_id()

    if journal_id ~= '' and not match(journal_id, '^%d+%-%d+$') then
        broken('journal id')
    end

    if journal_id ~= ''
       and (old == '' or not stream_id_after(old, journal_id))
    then
        local ms = tonumber(match(journal_id, '^%d+')) + 1
        local id = redis.call('XADD', JOURNAL, int(ms) .. '-0', 'x', '')

        redis.call('XDEL', JOURNAL, id)
    end

    sort_buckets()
    waiting = waiting_in_journal()
    ids_after(math.max(tonumber(sub(max_id, 1, -7)) or 0, now) + AHEAD_MS)
    write_later('HSET', CLOCK, 'run', RUN)
    write_later('HSET', CLOCK, 'partitions', count)
    write_later('HDEL', CLOCK, 'fresh', 'rebuild')
    commands[#commands + 1] = {'SET', EPOCH, new_epoch}

    return 'finished'
end


local LOADS = {items = load_one_item, sales = load_one_sale,
               orders = load_one_order, payments = load_one_payment,
               refunds = load_one_refund, buyers = load_one_buyer,
               admin = load_one_request}
local OTHERS = {state = {state, 0}, adopt = {adopt, 2},
                stop = {stop, 0}, clear = {clear, 2},
                finish = {finish, 4}}


local function load_rows()
    if superseded(ARGV[3]) then
        return 'superseded'
    end

    for i = 4, #ARGV do
        LOADS[kind](ARGV[i])
    end

    return 'loaded\t' .. #ARGV - 3
end


local right = kind == 'state' and missing_right()
if right then
    return redis.error_reply('NOPERM the user has no right to ' .. right)
end

local other = OTHERS[kind]
local reply, reason

if LOADS[kind] then
    reply, reason = guarded(load_rows)

elseif other and #ARGV - 2 == other[2] then
    reply, reason = guarded(other[1], unpack(ARGV, 3))

else
    return redis.error_reply('ERR arguments')
end

if reason then
    return {header(), 'broken\t' .. reason}
end

if kind ~= 'state' then
    clock_dirty = {}
    commit()
end

return {'ok\t' .. NOW .. '\t' .. int(waiting), reply}
