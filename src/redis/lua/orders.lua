-- Orders: their records, how holds end.  The build puts it after common.lua
-- before each script.


local function bucket_of(id)
    return sub(id, 1, 17)
end


local function hold_text(ms)
    for _, unit in ipairs({{'d', 86400000}, {'h', 3600000}, {'m', 60000},
                           {'s', 1000}})
    do
        if ms % unit[2] == 0 then
            return int(ms / unit[2]) .. unit[1]
        end
    end

    return int(ms)
end

local HOLD_UNITS = {d = 86400000, h = 3600000, m = 60000, s = 1000, [''] = 1}


local function line_text(idx, quantity, price)
    if quantity == 1 then
        return idx .. '*' .. hex(price)
    end

    return idx .. 'x' .. hex(quantity) .. '*' .. hex(price)
end


-- A quantity of an item at its price, as an order writes it; kept, for most
-- orders of a sale are alike.
local function line_of(it, quantity)
    local line = it.sold_as[quantity]

    if not line then
        line = {idx = it.idx, quantity = quantity,
                total = quantity * it.price,
                amount = int(quantity * it.price),
                text = line_text(it.idx, quantity, it.price),
                units = it.idx .. ':' .. int(quantity),
                row = it.sku .. ' ' .. int(quantity) .. ' ' .. int(it.price)}
        it.sold_as[quantity] = line
    end

    return line
end


-- The record of an order, and what goes to m:<bucket> (nil: nothing).
local function encode_order(o)
    local head = LETTERS[o.status] .. hex(o.rev)
    local times = hex(o.created - tonumber(sub(o.id, 1, 13)))
    local hold = hold_text(o.expires - o.created)
    local rest = o.text .. ' ' .. o.user

    if o.status ~= 'held' then
        local from = o.status == 'expired' and o.expires or o.created

        times = times .. ':' .. hex(o.changed - from)
    end

    if not o.spilled and o.meta == '' then
        local record = head .. ' ' .. times .. ' ' .. hold .. ' ' .. rest

        if #record <= RECORD_MAX then
            return record
        end
    end

    return head .. '+ ' .. times .. ' ' .. hold, rest .. '\t' .. o.meta
end


local function parse_lines(o)
    local count = 0

    o.lines = {}
    o.amount = 0

    for idx, quantity, price in gmatch(o.text, '(%x+)x?(%x*)%*(%x+)') do
        count = count + 1
        quantity = quantity == '' and 1 or tonumber(quantity, 16)
        price = tonumber(price, 16)
        o.amount = o.amount + quantity * price
        o.lines[count] = {idx = idx, quantity = quantity, price = price,
                          item = item_of(idx)}
    end

    local _, commas = string.gsub(o.text, ',', '')

    if count ~= commas + 1 then
        broken('order ' .. o.id)
    end

    o.sale = o.lines[1].item.sale
end


-- A field as Redis has it, or as this call is going to write it.
local function stored(key, id)
    key = PREFIX .. key

    local list = writes['HSET' .. key]

    for i = 3, list and list.n or 0, 2 do
        if list[i] == id then
            return list[i + 1]
        end
    end

    return fetch('order ' .. id, 'HGET', key, id)
end


-- What an operator's request asks for, in short.
local function request_asks(...)
    return sub(redis.sha1hex(concat({...}, '\t')), 1, 16)
end


-- Was the request done?  nil, 'replayed', or 'key_reused': it asked for
-- something else.
local function request_done(request_id, asked)
    local done = request_id ~= '' and stored('ops', request_id)

    if done then
        local before = match(done, ' (%x+)$')

        return (not before or before == asked) and 'replayed' or 'key_reused'
    end
end


local function note_request(request_id, asked)
    if request_id ~= '' then
        write_later('HSET', PREFIX .. 'ops', request_id, NOW .. ' ' .. asked)
        note('a', request_id .. '\t' .. NOW .. '\t' .. asked)
    end
end


local function parse_order(id, record)
    local state, rev, spilled, created, changed, hold, unit, rest = match(
        record, '^([hpcer])(%x+)(%+?) (%-?%x+):?(%-?%x*) (%d+)([dhms]?) ?(.*)$')

    if not state then
        broken('order ' .. id)
    end

    local o = {id = id, status = WORDS[state], rev = tonumber(rev, 16),
               created = tonumber(sub(id, 1, 13)) + unhex(created), meta = ''}

    o.expires = o.created + tonumber(hold) * HOLD_UNITS[unit]
    o.changed = o.created
    if changed ~= '' then
        o.changed = unhex(changed)
                    + (state == 'e' and o.expires or o.created)
    end

    if spilled == '+' then
        local detail = stored('m:' .. bucket_of(id), id)

        o.spilled = true
        rest, o.meta = match(detail or '', '^([^\t]*)\t(.*)$')
    end

    o.text, o.user = match(rest or '', '^(%S+) (.+)$')
    if not o.text then
        broken('order ' .. id)
    end

    parse_lines(o)

    return o
end


-- The order, or false when there is no record of it.
local function load_order(id)
    local o = orders[id]

    if o == nil then
        local record = records[id]

        if record == nil then
            if not match(id, '^%d+$') or #id ~= 19 then
                broken('id')
            end

            record = stored('o:' .. bucket_of(id), id)
        end

        o = record and parse_order(id, record)
        orders[id] = o
    end

    return o
end


-- Reads records of many ids, one HMGET a bucket: into texts what is neither
-- there nor known.
local function load_texts(list, kind, known, texts)
    local groups, seen = {}, {}

    for _, id in ipairs(list) do
        if known[id] == nil and texts[id] == nil and not seen[id] then
            local bucket = bucket_of(id)
            local group = groups[bucket]

            if not group then
                group = {}
                groups[bucket] = group
            end

            group[#group + 1] = id
            seen[id] = true
        end
    end

    for bucket, group in pairs(groups) do
        for first = 1, #group, CHUNK do
            local final = math.min(first + CHUNK - 1, #group)
            local v = guarded(fetch, bucket, 'HMGET', PREFIX .. kind .. bucket,
                              unpack(group, first, final))

            for i = first, v and final or 0 do
                texts[group[i]] = v[i - first + 1]
            end
        end
    end
end


local function load_records(list)
    load_texts(list, 'o:', orders, records)
end


local function is_due(o)
    return o.status == 'held' and o.expires <= now
end


-- Reads orders and, of all or of those that fit, their buyers, with few
-- commands.
local function load_with_buyers(list, fits)
    local users, seen = {}, {}

    load_records(list)

    for _, id in ipairs(list) do
        local o = guarded(load_order, id)
        local name = o and o.sale .. ' ' .. o.user

        if o and not seen[name] and (not fits or fits(o)) then
            users[o.sale] = users[o.sale] or {}
            table.insert(users[o.sale], o.user)
            seen[name] = true
        end
    end

    for sale, names in pairs(users) do
        load_buyers(sale, names)
    end
end


local function lines_row(o)
    local out = {}

    for i, line in ipairs(o.lines) do
        out[i] = line.item.sku .. ' ' .. int(line.quantity) .. ' '
                 .. int(line.price)
    end

    return concat(out, ',')
end


-- An order's row as it reads now: a due hold is expired.
local function order_row(o)
    local _, attempts = split_buyer(get_buyer(o.sale, o.user))
    local at = find_attempt(attempts, o.id, 33)
    local due = is_due(o)

    return concat({o.id, due and 'expired' or o.status, int(o.rev), o.user,
                   o.sale, int(o.amount), int(o.created), int(o.expires),
                   int(due and o.expires or o.changed),
                   at and sub(attempts, at + 1, at + 16) or '',
                   at and sub(attempts, at + 17, at + 32) or '',
                   lines_row(o), o.meta}, '\t')
end


-- A row's lines as JSON.
local function json_lines(row)
    local out = {}

    for sku, quantity, price in gmatch(row, '([^, ]+) (%d+) (%d+)') do
        out[#out + 1] = '{"sku":' .. cjson.encode(sku) .. ',"quantity":'
                        .. quantity .. ',"unit_price":' .. price .. '}'
    end

    return '[' .. concat(out, ',') .. ']'
end


-- The event of an order's new status, when it is wanted.
local function tell_order(id, status, user, sale, amount, row, meta)
    if find(WANTED, LETTERS[status], 1, true) then
        tell('order.' .. status, id, {
            order_id = id, user = user, sale = sale, amount = amount,
            lines = json_lines(row), meta = meta})
    end
end


-- The record that an order would have with this status, and what goes to
-- m:<bucket>; nothing is changed yet.
local function next_record(o, status)
    local record, detail = encode_order({
        id = o.id, status = status, rev = o.rev + 1, changed = now,
        created = o.created, expires = o.expires, text = o.text,
        user = o.user, meta = o.meta, spilled = o.spilled})

    if detail and not o.spilled then
        fetch('order ' .. o.id, 'HLEN', PREFIX .. 'm:' .. bucket_of(o.id))
    end

    return record, detail
end


-- Gives an order a new status; record and detail are those of next_record().
local function keep_order(o, status, record, detail)
    local bucket = bucket_of(o.id)

    o.status, o.rev, o.changed = status, o.rev + 1, now
    write_later('HSET', PREFIX .. 'o:' .. bucket, o.id, record)
    if detail and not o.spilled then
        write_later('HSET', PREFIX .. 'm:' .. bucket, o.id, detail)
        o.spilled = true
    end

    note('o', order_row(o))
    if WANTED ~= '' then
        tell_order(o.id, status, o.user, o.sale, int(o.amount), lines_row(o),
                   o.meta)
    end
end


-- Writes an order's new status into its buyer's attempts; its lines are taken
-- (sign 1), given back (-1), or stay as they are (0).
local function keep_buyer(o, status, sign)
    local units, attempts = split_buyer(get_buyer(o.sale, o.user))
    local at = find_attempt(attempts, o.id, 33)

    if sign ~= 0 then
        units = change_units(units, o.lines, sign)
    end

    if at then
        attempts = sub(attempts, 1, at - 1) .. LETTERS[status]
                   .. sub(attempts, at + 1)
    end

    set_buyer(o.sale, o.user, units .. '|' .. attempts)
end


-- Ends a hold: units and quota go back, once.  All checks come first.
local function resolve(o, status)
    split_buyer(get_buyer(o.sale, o.user))

    for _, line in ipairs(o.lines) do
        if line.item.held < line.quantity then
            broken('item ' .. line.item.sku)
        end
    end

    local record, detail = next_record(o, status)

    for _, line in ipairs(o.lines) do
        local it = line.item

        it.available = it.available + line.quantity
        it.held = it.held - line.quantity
        it.dirty = true
    end

    keep_buyer(o, status, -1)
    keep_order(o, status, record, detail)
end
