#!lua
-- Takes holds: each a new order of one sale, all of its lines or nothing.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id journal_max attempts_max, then for each operation
--       user sale key body amount meta n (sku quantity unit_price)*n
--       key, body: 16 hexadecimal digits; amount: the total, or ''; meta: JSON
--       or ''; sale '': that of the first SKU; each SKU once; -n for n: only
--       look, with all the checks of a hold; it takes and writes nothing, but
--       what is due ends by it as by others
-- Reply header, then for each operation the first of these that is so:
--       replayed row | purged order_id      the buyer's own key, same body
--       unknown_item sku
--       key_reused                          the key, another body
--       too_many_attempts
--       paused sku | not_started sku starts_ms | ended sku
--       price_changed sku price             sku '': the total differs
--       limit_reached sku order_id          order_id '': none is open
--       sold_out sku available retry_at_ms    0: what is held would not do
--       backlog
--       would_hold                          it only looked
--       held id amount created_ms expires_ms
--       broken what                         cannot be read; nothing changed
--       or the header alone: restarted | no_epoch

-- Of the operation at hand: its items, quantities and prices.
local its, quantities, prices, nlines = {}, {}, {}, 0
local numbers = {}                     -- texts that were read already
local counts = {}                      -- numbers of lines

local due_lists, due_texts = {}, {}
local order_bucket, order_list, stamp


-- Where the next order is written, and how its record begins.
local function reserve_order()
    reserve_id()

    if order_bucket ~= bucket then
        order_bucket = bucket
        order_list = list_for('HSET', PREFIX .. 'o:' .. bucket)
        stamp = 'h1 ' .. hex(now - id_ms) .. ' '
    end
end


-- The list of the orders with this hold time, after a look at its key.
local function due_list(ms)
    local list = due_lists[ms]

    if not list then
        local text = int(ms)
        local key = PREFIX .. 'due:' .. text

        fetch('due', 'LLEN', key)
        if fetch('due', 'SISMEMBER', PREFIX .. 'hold_times', text) == 0 then
            write_later('SADD', PREFIX .. 'hold_times', text)
        end

        list = list_for('RPUSH', key)
        due_lists[ms] = list
        due_texts[ms] = {hold_text(ms) .. ' ', int(now + ms)}
    end

    return list, due_texts[ms][1], due_texts[ms][2]
end


local function number(text)
    local n = numbers[text]

    if not n then
        n = whole(text, AMOUNT_MAX) or broken('line')
        numbers[text] = n
    end

    return n
end


-- Reads the lines at ARGV[at].
local function read_lines(at, n)
    local seen = n > 1 and {}

    nlines = n

    for i = 1, n do
        local sku, quantity = ARGV[at], number(ARGV[at + 1])

        its[i], quantities[i] = items[sku], quantity
        prices[i] = number(ARGV[at + 2])
        at = at + 3

        if quantity < 1 or quantity > UNITS_MAX then
            broken('line')
        end

        if seen then
            if seen[sku] then
                broken('line')
            end

            seen[sku] = true
        end
    end
end


local function unknown(at, sale)
    for i = 1, nlines do
        local it = its[i]

        if not it or (it.sale and it.sale ~= sale) then
            return 'unknown_item\t' .. ARGV[at + 7 + 3 * (i - 1)]
        end
    end

    for i = 1, nlines do
        if its[i].broken then
            broken(its[i].broken)
        end
    end
end


local function closed(sale)
    local s = get_sale(sale)

    if s and s.paused == '1' then
        return 'paused\t' .. its[1].sku
    end

    for i = 1, nlines do
        if now < its[i].starts then
            return 'not_started\t' .. its[i].sku .. '\t' .. int(its[i].starts)
        end
    end

    for i = 1, nlines do
        if now >= its[i].ends then
            return 'ended\t' .. its[i].sku
        end
    end
end


local function price_changed(amount)
    local total = 0

    for i = 1, nlines do
        local it = its[i]

        if prices[i] ~= it.price then
            return 'price_changed\t' .. it.sku .. '\t' .. int(it.price)
        end

        total = total + quantities[i] * it.price
    end

    if total > AMOUNT_MAX then
        broken('amount')
    end

    if amount ~= '' and tonumber(amount) ~= total then
        return 'price_changed\t\t' .. int(total)
    end

    return nil, total
end


-- The line that the buyer's limit refuses.
local function over_limit(units)
    for i = 1, nlines do
        local it = its[i]

        if it.limit > 0
           and units_of(units, it.idx) + quantities[i] > it.limit
        then
            return i
        end
    end
end


-- The buyer's newest open order with this item, or ''; due ones end here.
local function open_order(attempts, idx)
    local open = ''

    for at = #attempts - ATTEMPT_LEN + 1, 1, -ATTEMPT_LEN do
        if sub(attempts, at, at) == 'h' then
            local id = sub(attempts, at + 33, at + 51)
            local o = guarded(load_order, id)

            if o and is_due(o) then
                guarded(resolve, o, 'expired')
            end

            for _, line in ipairs(o and o.status == 'held' and open == ''
                                  and o.lines or {})
            do
                if line.idx == idx then
                    open = id
                end
            end
        end
    end

    return open
end


local function limit_reached(sale, user, units, attempts)
    local i = over_limit(units)

    if not i then
        return
    end

    local open = open_order(attempts, its[i].idx)

    -- what was due does not count any more: it may be another line now
    local still = over_limit((split_buyer(get_buyer(sale, user))))

    if still and still ~= i then
        open = open_order(attempts, its[still].idx)
    end

    if still then
        return 'limit_reached\t' .. its[still].sku .. '\t' .. open
    end
end


local function short()
    for i = 1, nlines do
        if its[i].available < quantities[i] then
            return its[i], quantities[i]
        end
    end
end


local function sold_out()
    if not short() then
        return
    end

    look_ahead()

    local it, quantity = short()

    if it then
        local enough = it.available + it.held >= quantity

        return 'sold_out\t' .. it.sku .. '\t' .. int(it.available) .. '\t'
               .. int(enough and retry_at(it) or 0)
    end
end


-- The lines as a record and as a row have them, what they cost, units.
local function join_lines(units, total)
    if nlines == 1 then
        local line = line_of(its[1], quantities[1])

        if units == '' then
            return line.text, line.row, line.amount, line.units
        end

        return line.text, line.row, line.amount,
               change_units(units, {line}, 1)
    end

    local texts, rows, lines = {}, {}, {}

    for i = 1, nlines do
        local line = line_of(its[i], quantities[i])

        lines[i], texts[i], rows[i] = line, line.text, line.row
    end

    return concat(texts, ','), concat(rows, ','), int(total),
           change_units(units, lines, 1)
end


-- Writes the order into the tables; everything was checked.
local function take(at, sale, units, attempts, total, hold_ms)
    local user, key, body, meta = ARGV[at], ARGV[at + 2], ARGV[at + 3],
                                  ARGV[at + 5]
    local due, hold, expires = due_list(hold_ms)
    local text, row, amount

    text, row, amount, units = join_lines(units, total)

    local spilled = meta ~= ''
                    or #stamp + #hold + #text + 1 + #user > RECORD_MAX

    if spilled then
        fetch('order', 'HLEN', PREFIX .. 'm:' .. bucket)
    end

    local id = take_id()

    if spilled then
        append(order_list, id, 'h1+ ' .. sub(stamp .. hold, 4, -2))
        write_later('HSET', PREFIX .. 'm:' .. bucket, id,
                    text .. ' ' .. user .. '\t' .. meta)

    else
        append(order_list, id, stamp .. hold .. text .. ' ' .. user)
    end

    append(due, id)

    for i = 1, nlines do
        local it = its[i]

        it.available = it.available - quantities[i]
        it.held = it.held + quantities[i]
        it.dirty = true
        if now + hold_ms < (it.new_deadline or math.huge) then
            it.new_deadline = now + hold_ms
        end
    end

    set_buyer(sale, user, units .. '|' .. attempts .. 'h' .. key .. body
                          .. id)
    note('o', id .. '\theld\t1\t' .. user .. '\t' .. sale .. '\t' .. amount
              .. '\t' .. NOW .. '\t' .. expires .. '\t' .. NOW .. '\t' .. key
              .. '\t' .. body .. '\t' .. row .. '\t' .. meta)

    if WANTED ~= '' then
        tell_order(id, 'held', user, sale, amount, row, meta)
    end

    return 'held\t' .. id .. '\t' .. amount .. '\t' .. NOW .. '\t' .. expires
end


-- The answer to a key that the buyer used before; nil and true: for another
-- body.
local function replay(at, attempts)
    local id, reused = made_before(attempts, ARGV[at + 2], ARGV[at + 3])

    if not id then
        return nil, reused
    end

    local o = load_order(id)

    return o and 'replayed\t' .. order_row(o) or 'purged\t' .. id
end


local function hold(at, sale)
    local user = ARGV[at]

    if not sale then
        local it = items[ARGV[at + 7]]

        return it and broken(it.broken) or 'unknown_item\t' .. ARGV[at + 7]
    end

    if #ARGV[at + 2] ~= 16 or #ARGV[at + 3] ~= 16 or user == '' then
        broken('attempt')
    end

    local value = get_buyer(sale, user)
    local units, attempts = split_buyer(value)
    local reply, reused, total

    if attempts ~= '' then
        reply, reused = replay(at, attempts)
        if reply then
            return reply
        end
    end

    read_lines(at + 7, counts[ARGV[at + 6]])

    reply = unknown(at, sale)
    if reply or reused then
        return reply or 'key_reused'
    end

    attempts = attempts ~= '' and prune(attempts) or ''
    if #attempts >= ATTEMPTS_MAX * ATTEMPT_LEN then
        return 'too_many_attempts'
    end

    reply = closed(sale)
    if reply then
        return reply
    end

    reply, total = price_changed(ARGV[at + 4])
    reply = reply or limit_reached(sale, user, units, attempts) or sold_out()
    if reply then
        return reply
    end

    if waiting >= JOURNAL_MAX then
        return 'backlog'
    end

    if sub(ARGV[at + 6], 1, 1) == '-' then
        return 'would_hold'
    end

    if get_buyer(sale, user) ~= value then      -- due holds were ended
        units, attempts = split_buyer(get_buyer(sale, user))
        attempts = prune(attempts)
    end

    local hold_ms = math.huge

    for i = 1, nlines do
        if its[i].hold_ms < hold_ms then
            hold_ms = its[i].hold_ms
        end
    end

    reserve_order()

    return take(at, sale, units, attempts, total, hold_ms)
end


-- Reads the items of all operations and finds out their sales.
local function read_items(starts, op_sales)
    local users = {}
    local at, n, size = 4, 0, #ARGV

    while at <= size do
        local count = ARGV[at + 6] or ''
        local lines = counts[count] or whole(match(count, '^%-?(.*)'), 50)

        if not lines or lines < 1 or at + 6 + 3 * lines > size then
            return
        end

        counts[count] = lines

        for sku = at + 7, at + 4 + 3 * lines, 3 do
            if items[ARGV[sku]] == nil then
                load_item(ARGV[sku])
            end
        end

        local sale = ARGV[at + 1]

        if sale == '' then
            local it = items[ARGV[at + 7]]

            sale = it and it.sale
        end

        n = n + 1
        starts[n], op_sales[n] = at, sale

        if sale then
            local known = users[sale]

            if not known then
                known = {n = 0}
                users[sale] = known
            end

            known.n = known.n + 1
            known[known.n] = ARGV[at]
        end

        at = at + 7 + 3 * lines
    end

    return users
end


local refused = refusal()
if refused then
    return refused
end

local starts, op_sales = {}, {}
local users = check_limits() and read_items(starts, op_sales)
if not users then
    return redis.error_reply('ERR arguments')
end

check_streams()
for sale, list in pairs(users) do
    load_buyers(sale, list)
end

local replies = {''}

for i, at in ipairs(starts) do
    local ok, reply = pcall(hold, at, op_sales[i])

    replies[i + 1] = ok and reply or attempt(error, reply)
end

replies[1] = header()
keep_ids()
commit()

return replies
