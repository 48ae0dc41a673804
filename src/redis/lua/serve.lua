-- What all scripts do with the operations of a call: due holds end, operations
-- are served, the header tells of stock.  The build puts it after orders.lua
-- before each script.

local NEAR = 16                  -- orders of a list that tell when units return

local ahead, hold_times, looked = {}
local returns = {}               -- by list, what returns_of found


-- The first ids of a list of deadlines, up to the place `final` at least.
local function ids_ahead(key, final)
    local list = ahead[key]

    if not list or list.final < final and #list > list.final then
        list = fetch(key, key == PREFIX .. 'later' and 'ZRANGE' or 'LRANGE',
                     key, 0, final)
        list.final = final
        ahead[key] = list
        load_records(list)
    end

    return list
end


-- The smallest of what f finds in each list of deadlines.
local function of_all_lists(f, it)
    local at = math.huge

    hold_times = hold_times or guarded(fetch, '', 'SMEMBERS',
                                       PREFIX .. 'hold_times') or {}

    for _, ms in ipairs(hold_times) do
        at = math.min(at, guarded(f, PREFIX .. 'due:' .. ms, it) or math.huge)
    end

    return math.min(at, guarded(f, PREFIX .. 'later', it) or math.huge)
end


local function end_due(key)
    for i = 1, LOOK + 1 do
        local id = ids_ahead(key, i == 1 and 0 or LOOK)[i]
        local o = id and guarded(load_order, id)

        if not id or o and o.status == 'held' and o.expires > now then
            return
        end

        if o and o.status == 'held' and not o.paying then
            guarded(resolve, o, 'expired')
            o.stuck = o.status == 'held'
        end
    end
end


-- Releases what is due and in sight.  Once a call.
local function look_ahead()
    if releases and not looked then
        looked = true
        of_all_lists(end_due)
    end
end


-- By idx, when units of each item return by the orders up to the place `final`
-- of a list, `now` when they are due but not released; `rest`: all others do
-- not before.
local function returns_of(key, final)
    local list = ids_ahead(key, final)
    local found, last = {}, now

    for i = 1, math.min(#list, final + 1) do
        local o = guarded(load_order, list[i])

        last = o and math.max(o.expires, now) or last

        for _, line in ipairs(o and o.status == 'held' and not o.stuck
                              and o.lines or {})
        do
            found[line.idx] = found[line.idx] or last
        end
    end

    found.rest = #list > final and last or math.huge
    returns[key] = found

    return found
end


local function returns_by(key, it)
    local found = returns[key] or returns_of(key, 0)

    if not found[it.idx] and found.rest < math.huge and not found.near then
        found = returns_of(key, NEAR)
        found.near = true
    end

    return found[it.idx] or found.rest
end


-- About the soonest time at which units of the item come back, never a later
-- one; 0: no unit of it is held.
local function retry_at(it)
    if it.held == 0 then
        return 0
    end

    it.deadline = it.deadline or of_all_lists(returns_by, it)

    local at = math.min(it.deadline, it.new_deadline or math.huge)

    return at < math.huge and at or now + it.hold_ms
end


-- Would a hold of it get as far as the stock?  Else it is not for the sold-out
-- marks to refuse it, for another reason comes first.
local function on_sale(it)
    local s = guarded(get_sale, it.sale)

    return now >= it.starts and now < it.ends
           and not (s and s.paused == '1')
end


-- The first element of the reply; must come before commit().
local function header()
    local told, out = {}, {}

    for _, it in pairs(items) do
        if it and it.available == 0 and it.held > 0 then
            look_ahead()
            break
        end
    end

    for _, it in pairs(items) do
        if it and (it.available == 0 and on_sale(it)
                   or it.before == 0 and it.available > 0)
        then
            told[#told + 1] = it
        end
    end

    -- this may read other items: they are not told of
    for i, it in ipairs(told) do
        local out_of_stock = it.available == 0

        out[i] = it.sku .. ' ' .. int(it.available) .. ' '
                 .. int(out_of_stock and retry_at(it) or 0) .. ' '
                 .. int(out_of_stock and it.held or 0) .. ' ' .. int(it.price)
    end

    table.insert(out, 1, 'ok\t' .. NOW .. '\t' .. int(waiting))

    return concat(out, '\t')
end


-- Operations as "kind argc arg…" from ARGV[2] on: kinds[kind] = {function,
-- argc}.  prepare, if any, gets the places in ARGV where their kinds stand.
local function serve(kinds, any_epoch, prepare)
    local replies = refusal(any_epoch)
    local starts = {}
    local at = 2

    if replies then
        return replies
    end

    while at <= #ARGV do
        local kind, argc = kinds[ARGV[at]], whole(ARGV[at + 1], 100)

        if not kind or argc ~= kind[2] or at + 1 + argc > #ARGV then
            return redis.error_reply('ERR arguments')
        end

        starts[#starts + 1] = at
        at = at + 2 + argc
    end

    if releases then
        check_streams()
    end

    if prepare then
        prepare(starts)
    end

    replies = {''}

    for i, start in ipairs(starts) do
        local kind = kinds[ARGV[start]]

        replies[i + 1] = attempt(kind[1], unpack(ARGV, start + 2,
                                                 start + 1 + kind[2]))
    end

    replies[1] = header()
    if releases then
        commit()
    end

    return replies
end
