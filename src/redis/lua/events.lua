#!lua flags=allow-oom
-- Trims the events, and tells how far those who read them have come.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id, then for each operation: kind argc arg…
--       trim 1 max
-- Reply header, then for each operation
--       trimmed n length, then "\n" name pending lag of each group
--               n: removed now; length: what is left; lag: not yet read (at
--               most LAG_MAX where Redis does not know)
--       broken what
--       or the header alone: restarted
-- With groups what all of them have acknowledged goes, and nothing else;
-- without any the last max entries stay.  In steps: the next call goes on.

local STEP = 5000
local LAG_MAX = 1000


-- A reply of names and values as a table.
local function fields(list)
    local out = {}

    for i = 1, #list, 2 do
        out[list[i]] = list[i + 1]
    end

    return out
end


local function groups_of()
    local list = redis.pcall('XINFO', 'GROUPS', EVENTS)

    if list.err then
        if find(list.err, 'no such key', 1, true) then
            return {}
        end

        error(list)
    end

    for i, group in ipairs(list) do
        list[i] = fields(group)
    end

    return list
end


-- The first entry that a group has not acknowledged is not before this.
local function needed_from(group)
    if group.pending > 0 then
        local smallest = redis.call('XPENDING', EVENTS, group.name)[2]

        if smallest then
            return smallest
        end
    end

    local ms, seq = match(group['last-delivered-id'], '^(%d+)%-(%d+)$')

    -- a sequence that Lua's numbers do not hold: that one entry stays
    if #seq > 15 then
        return group['last-delivered-id']
    end

    return ms .. '-' .. int(tonumber(seq) + 1)
end


-- Whole nodes of the stream first; then, when all of those went, the rest.
local function trim(how, limit)
    local removed = redis.call('XTRIM', EVENTS, how, '~', limit, 'LIMIT', STEP)

    if removed < STEP / 2 then
        removed = removed + redis.call('XTRIM', EVENTS, how, limit)
    end

    return removed
end


local function lag_of(group)
    local lag = group.lag

    if not lag then
        lag = #redis.call('XRANGE', EVENTS, '(' .. group['last-delivered-id'],
                          '+', 'COUNT', LAG_MAX)
    end

    return lag
end


local function trim_events(max)
    max = whole(max, 1e15) or broken('max')

    local groups = groups_of()
    local length = redis.call('XLEN', EVENTS)
    local out = {''}
    local from, removed

    for _, group in ipairs(groups) do
        local needed = needed_from(group)

        if not from or stream_id_after(from, needed) then
            from = needed
        end
    end

    if from then
        removed = trim('MINID', from)

    else
        removed = length > max and trim('MAXLEN', int(max)) or 0
    end

    for _, group in ipairs(groups) do
        out[#out + 1] = string.gsub(group.name, '%c', ' ') .. '\t'
                        .. int(group.pending) .. '\t' .. int(lag_of(group))
    end

    out[1] = 'trimmed\t' .. int(removed) .. '\t' .. int(length - removed)

    return concat(out, '\n')
end


return serve({trim = {trim_events, 1}}, true)
