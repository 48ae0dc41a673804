#!lua
-- Changes what is on sale: puts items, adds or withdraws units, pauses sales.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id, then for each operation: kind argc arg…
--       put 9 sku sale title price stock limit starts ends hold_ms
--             stock: all units put on sale, those held and sold included
--       restock 3 sku units request_id      units may be negative
--       pause 2 sale 0|1
-- Reply header, then for each operation
--       put:     created|changed|below_committed|wrong_sale item-row
--       restock: changed|replayed|below_committed item-row | unknown_item |
--                key_reused            the request_id, for something else
--       pause:   changed|unchanged sale | unknown_sale
--       broken what
--       or the header alone: restarted | no_epoch
-- The first put of a partition that is known to be fresh makes epoch 1.

local new_skus = 0
local titles = {}


local function title_of(it)
    titles[it.sku] = titles[it.sku]
                     or fetch('item ' .. it.sku, 'HGET', it.key, 'title')
                     or ''

    return titles[it.sku]
end


local function row(it)
    return item_row(it, title_of(it), it.available, it.held)
end


-- Keeps an item that was changed, and tells the journal.
local function save(it)
    it.version = it.version + 1
    it.dirty = true

    local list = list_for('HSET', it.key)

    for _, name in ipairs(ITEM_NUMBERS) do
        append(list, name, int(it[name]))
    end

    append(list, 'title', title_of(it))
    note('i', row(it))
end


-- May the stock be this?  Due holds do not count.
local function covers(it, stock)
    if stock < it.held + it.sold then
        look_ahead()
    end

    return stock >= it.held + it.sold
end


local function set_stock(it, stock)
    it.available = it.available + stock - it.stock
    it.stock = stock
end


local function free_idx()
    local taken

    if new_skus == 0 then
        new_skus = fetch('skus', 'HLEN', PREFIX .. 'skus')
    end

    repeat
        new_skus = new_skus + 1
        taken = fetch('skus', 'HEXISTS', PREFIX .. 'skus', hex(new_skus))
    until taken == 0

    return hex(new_skus)
end


local function create(sku, sale)
    local key = PREFIX .. 'item:' .. sku
    local sale_key = PREFIX .. 'sale:' .. sale
    local it = {sku = sku, key = key, sale = sale, available = 0, held = 0,
                sold = 0, stock = 0, version = 0, before = 0}

    if fetch('item ' .. sku, 'HLEN', key) > 0 then
        broken('item ' .. sku)
    end

    local known = get_sale(sale)

    it.idx = free_idx()
    if not known then
        sales[sale] = {paused = '0', version = 0}
        write_later('HSET', sale_key, 'paused', '0')
        write_later('HSET', sale_key, 'version', '0')
    end

    write_later('HSET', sale_key, 'sku:' .. sku, it.idx)
    write_later('HSET', PREFIX .. 'skus', it.idx, sku)
    write_later('HSET', key, 'sale', sale)
    write_later('HSET', key, 'idx', it.idx)
    items[sku] = it
    skus[it.idx] = sku

    return it
end


local function put(sku, sale, title, ...)
    local names = {'price', 'stock', 'limit', 'starts', 'ends', 'hold_ms'}
    local it = get_item(sku)
    local is_new, values = not it, {}
    local same = not is_new and title == title_of(it)

    for i, name in ipairs(names) do
        values[name] = whole(select(i, ...), 1e15) or broken(name)
        same = same and values[name] == it[name]
    end

    if it and it.sale ~= sale then
        return 'wrong_sale\t' .. row(it)
    end

    if it and not covers(it, values.stock) then
        return 'below_committed\t' .. row(it)
    end

    it = it or create(sku, sale)

    if not same then
        set_stock(it, values.stock)
        for name, value in pairs(values) do
            it[name] = value
        end

        titles[sku] = title
        save(it)
    end

    return (is_new and 'created\t' or 'changed\t') .. row(it)
end


local function restock(sku, units, request_id)
    local n = whole(match(units, '^%-?(%d+)$'), UNITS_MAX) or broken('units')
    local it = get_item(sku)

    if not it then
        return 'unknown_item'
    end

    local asked = request_asks('restock', sku, units)
    local done = request_done(request_id, asked)

    if done then
        return done == 'replayed' and 'replayed\t' .. row(it) or done
    end

    n = it.stock + (sub(units, 1, 1) == '-' and -n or n)
    if n < 0 or not covers(it, n) then
        return 'below_committed\t' .. row(it)
    end

    if n > UNITS_MAX then
        broken('units')
    end

    set_stock(it, n)
    save(it)

    note_request(request_id, asked)

    return 'changed\t' .. row(it)
end


local function pause(sale, paused)
    local s = get_sale(sale)

    if paused ~= '0' and paused ~= '1' then
        broken('paused')
    end

    if not s then
        return 'unknown_sale'
    end

    if s.paused == paused then
        return 'unchanged\t' .. sale
    end

    s.paused = paused
    s.version = s.version + 1
    write_later('HSET', PREFIX .. 'sale:' .. sale, 'paused', paused)
    write_later('HSET', PREFIX .. 'sale:' .. sale, 'version', int(s.version))
    note('s', sale .. '\t' .. paused .. '\t' .. int(s.version))

    return 'changed\t' .. sale
end


local function first_put(...)
    local reply = put(...)

    if not epoch and sub(reply, 1, 8) == 'created\t' then
        epoch = '1'
        commands[#commands + 1] = {'SET', EPOCH, epoch}
        commands[#commands + 1] = {'HDEL', CLOCK, 'fresh'}
    end

    return reply
end


return serve({put = {first_put, 9}, restock = {restock, 3}, pause = {pause, 2}})
