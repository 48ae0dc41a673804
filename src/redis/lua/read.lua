#!lua flags=no-writes
-- Reads items, orders and payments as they are now: a due hold is expired, its
-- units available, though nobody released it yet.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id, then for each operation: kind argc arg…
--       item 1 sku | items 1 sale | order 1 id | orders 2 sale user
--       locate 1 sku | payment 1 pay_no | audit 2 start count
-- Reply header, then for each operation
--       item:   item row | unknown_item
--       items:  items, then "\n" row of each | unknown_sale
--       order:  order row | unknown_order
--       orders: orders, then "\n" row of each that is open
--       locate: sale name | unknown_item
--       payment: payment row | unknown_payment
--       audit:  audit next_start, then "\n" id status rev of each order in the
--               buckets from start ('': the first) on, about count of them, as
--               stored: a due hold is held; next_start '': that was all;
--               status broken: cannot be read
--       broken what
--       or the header alone: restarted

local DUE_MAX = 10000
local AUDIT_MAX = 1000

local due_units
local audit_size


releases = false


local function count_due(list, units, seen)
    load_records(list)

    for _, id in ipairs(list) do
        local o = guarded(load_order, id)

        if o and o.status == 'held' and o.expires > now then
            return true
        end

        if o and o.status == 'held' and not seen[id] then
            seen[id] = true
            for _, line in ipairs(o.lines) do
                local sku = line.item.sku

                units[sku] = (units[sku] or 0) + line.quantity
            end
        end
    end
end


-- Units that are held but due, by SKU.
local function get_due_units()
    if due_units then
        return due_units
    end

    due_units = {}

    local seen = {}
    local times = guarded(fetch, '', 'SMEMBERS', PREFIX .. 'hold_times') or {}
    local later = guarded(fetch, '', 'ZRANGEBYSCORE', PREFIX .. 'later',
                          '-inf', NOW, 'LIMIT', 0, DUE_MAX) or {}

    for _, ms in ipairs(times) do
        local key = PREFIX .. 'due:' .. ms
        local from = 0
        local size = 1

        repeat
            local list = guarded(fetch, '', 'LRANGE', key, from,
                                 from + size - 1) or {}
            local stop = count_due(list, due_units, seen) or #list < size

            from = from + size
            size = 100
        until stop or from > DUE_MAX
    end

    for _, id in ipairs(later) do
        count_due({id}, due_units, seen)
    end

    return due_units
end


local function row_now(it)
    local title = fetch('item ' .. it.sku, 'HGET', it.key, 'title') or ''

    return item_row(it, title, it.available, it.held)
end


-- The item as it is now; its `before` stays what is stored.
local function item_now(sku)
    local it = get_item(sku)

    if it and not it.adjusted then
        local due = math.min(get_due_units()[sku] or 0, it.held)

        it.adjusted = true
        it.available = it.available + due
        it.held = it.held - due
    end

    return it
end


local function read_one(sku)
    local it = item_now(sku)

    return it and 'item\t' .. row_now(it) or 'unknown_item'
end


local function read_sale(sale)
    local fields = fetch('sale ' .. sale, 'HGETALL', PREFIX .. 'sale:' .. sale)
    local list = {}
    local out = {'items'}

    if #fields == 0 then
        return 'unknown_sale'
    end

    for i = 1, #fields, 2 do
        local sku = match(fields[i], '^sku:(.+)$')

        list[#list + 1] = sku
    end

    table.sort(list)

    for _, sku in ipairs(list) do
        local it = guarded(item_now, sku)

        out[#out + 1] = it and row_now(it)
    end

    return concat(out, '\n')
end


local function read_order(id)
    local o = match(id, '^%d+$') and #id == 19 and load_order(id)

    return o and 'order\t' .. order_row(o) or 'unknown_order'
end


local function read_orders(sale, user)
    local _, attempts = split_buyer(get_buyer(sale, user))
    local list = {}
    local out = {'orders'}

    for at = 1, #attempts, ATTEMPT_LEN do
        if sub(attempts, at, at) == 'h' then
            list[#list + 1] = sub(attempts, at + 33, at + 51)
        end
    end

    load_records(list)

    for _, id in ipairs(list) do
        local o = guarded(load_order, id)

        if o and o.status == 'held' and not is_due(o) then
            out[#out + 1] = order_row(o)
        end
    end

    return concat(out, '\n')
end


local function locate(sku)
    local it = get_item(sku)

    return it and 'sale\t' .. it.sale or 'unknown_item'
end


local function read_payment(no)
    local p = load_payment(no)

    return p and 'payment\t' .. payment_row(p) or 'unknown_payment'
end


-- Index of the first bucket that is not before name.
local function bucket_at(name)
    local low, high = 0, audit_size

    while low < high do
        local middle = floor((low + high) / 2)
        local bucket = redis.call('LINDEX', BUCKETS, middle)

        if bucket < name then
            low = middle + 1

        else
            high = middle
        end
    end

    return low
end


local function audit_bucket(bucket, out)
    local all = guarded(fetch, '', 'HGETALL', PREFIX .. 'o:' .. bucket)

    if not all then
        out[#out + 1] = bucket .. '00\tbroken\t0'
        return
    end

    for i = 1, #all, 2 do
        local state, rev = match(all[i + 1], '^([hpcer])(%x+)%+? ')

        out[#out + 1] = all[i] .. '\t' .. (WORDS[state] or 'broken') .. '\t'
                        .. int(tonumber(rev or '0', 16))
    end
end


local function audit(start, count)
    local out = {''}
    local next_start = ''

    count = math.min(whole(count, 1e9) or broken('count'), AUDIT_MAX)
    audit_size = fetch('buckets', 'LLEN', BUCKETS)

    local at = start == '' and 0 or bucket_at(start)

    repeat
        local bucket = redis.call('LINDEX', BUCKETS, at)

        if bucket and #out - 1 >= count and #out > 1 then
            next_start = bucket
            break
        end

        if bucket then
            audit_bucket(bucket, out)
        end

        at = at + 1
    until not bucket

    out[1] = 'audit\t' .. next_start

    return concat(out, '\n')
end


return serve({item = {read_one, 1}, items = {read_sale, 1},
              order = {read_order, 1}, orders = {read_orders, 2},
              locate = {locate, 1}, payment = {read_payment, 1},
              audit = {audit, 2}}, true)
