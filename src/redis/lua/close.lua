#!lua flags=allow-oom
-- Ends holds: cancels orders, releases what is due, forgets what is long over.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id, then for each operation: kind argc arg…
--       cancel 3 id user request_id     user '': an operator; request_id '':
--                                       none, else kept in ops
--       sweep 2 max retention_ms        one a call; a second does nothing
-- Reply header, then for each operation
--       cancel: cancelled row | closed row (was so, or was due and expired by
--               this) | already_paid row | unknown_order | key_reused (the
--               request_id, for something else)
--       sweep:  swept released purged more next_due_ms    counts of orders;
--               more 1: call again at once; next_due_ms 0: nothing is held
--       broken what
--       or the header alone: restarted | no_epoch
-- Order of a sweep: the due lists from their heads, their tails (what is out
-- of order goes to later), later, buckets, orphans.

local MAX_SWEEP = 1000
local MAX_TAIL = 100
local MAX_BUCKETS = 8

local swept, more, next_due = nil, 0, 0
local released, purged, handled = 0, 0, 0
local max_released


local function cancel(id, user, request_id)
    if not match(id, '^%d+$') or #id ~= 19
       or tonumber(sub(id, 14, 15)) ~= tonumber(PARTITION)
    then
        return 'unknown_order'
    end

    local o = load_order(id)

    if not o or (user ~= '' and user ~= o.user) then
        return 'unknown_order'
    end

    local asked = request_id ~= '' and request_asks('cancel', id)
    local done = request_done(request_id, asked)

    if done == 'key_reused' then
        return done
    end

    if o.status == 'paid' or o.status == 'refunded' then
        return 'already_paid\t' .. order_row(o)
    end

    if is_due(o) then
        resolve(o, 'expired')
    end

    if o.status ~= 'held' then
        return 'closed\t' .. order_row(o)
    end

    resolve(o, 'cancelled')
    if not done then
        note_request(request_id, asked)
    end

    return 'cancelled\t' .. order_row(o)
end


local function expect(deadline)
    if next_due == 0 or deadline < next_due then
        next_due = deadline
    end
end


-- Does what is to be done with an entry; its deadline when that is to come.
-- What is broken is put into later and so tried again, out of the way.
local function handle(id)
    local o, reason = guarded(load_order, id)

    if o and o.status == 'held' then
        if o.expires > now then
            return o.expires
        end

        reason = select(2, guarded(resolve, o, 'expired'))
        released = released + (reason and 0 or 1)
    end

    handled = handled + 1
    if reason and match(id, '^%d+$') and #id == 19 then
        write_later('ZADD', PREFIX .. 'later', int(now + AGAIN_MS), id)
        expect(now + AGAIN_MS)
        return nil, true
    end
end


-- Entries at the end of a list whose deadline is before that of its head.
local function tidy_tail(key, length, head_deadline)
    local size = math.min(MAX_TAIL, length - 1)
    local list = fetch(key, 'LRANGE', key, -1, -1)
    local moved = 0

    local function misplaced(id)
        local o = guarded(load_order, id)

        return not o or o.status ~= 'held' or o.expires < head_deadline, o
    end

    if not list[1] or not misplaced(list[1]) then
        return
    end

    list = fetch(key, 'LRANGE', key, -size, -1)
    load_records(list)

    for i = #list, 1, -1 do
        local out, o = misplaced(list[i])

        if not out then
            break
        end

        moved = moved + 1
        if o ~= false and (not o or o.status == 'held') then
            local at = o and o.expires or now

            write_later('ZADD', PREFIX .. 'later', int(at), list[i])
            expect(at)
        end
    end

    if moved > 0 then
        commands[#commands + 1] = {'RPOP', key, moved}
        more = moved == size and length - 1 > size and 1 or more
    end
end


local function sweep_list(ms)
    local key = PREFIX .. 'due:' .. ms
    local length = fetch(key, 'LLEN', key)
    local done = 0
    local deadline

    while done < length and handled < max_released and not deadline do
        local size = math.min(100, max_released - handled)
        local list = fetch(key, 'LRANGE', key, done, done + size - 1)

        if #list == 0 then
            break
        end

        -- most often the head is not due: one order is read
        if guarded(load_order, list[1]) then
            deadline = orders[list[1]] and orders[list[1]].status == 'held'
                       and orders[list[1]].expires > now
                       and orders[list[1]].expires
        end

        if not deadline then
            load_with_buyers(list, is_due)
        end

        for _, id in ipairs(deadline and {} or list) do
            deadline = handle(id)
            if deadline then
                break
            end

            done = done + 1
        end
    end

    if done > 0 then
        commands[#commands + 1] = {'LTRIM', key, done, -1}
    end

    if deadline then
        expect(deadline)
        if length - done > 1 then
            tidy_tail(key, length - done, deadline)
        end

    elseif done < length then
        more = 1

    else
        write_later('SREM', PREFIX .. 'hold_times', ms)
    end
end


local function sweep_later()
    local key = PREFIX .. 'later'
    local rest = math.max(max_released - handled, 0)
    local list = fetch(key, 'ZRANGEBYSCORE', key, '-inf', NOW, 'LIMIT', 0,
                       int(rest))
    local head

    load_with_buyers(list, is_due)

    for _, id in ipairs(list) do
        local deadline, again = handle(id)

        if deadline then
            write_later('ZADD', key, int(deadline), id)
            expect(deadline)

        elseif not again then
            write_later('ZREM', key, id)
        end
    end

    head = fetch(key, 'ZRANGEBYSCORE', key, #list == rest and '-inf' or
                 '(' .. NOW, '+inf', 'WITHSCORES', 'LIMIT', #list == rest
                 and #list or 0, 1)
    if head[2] then
        expect(tonumber(head[2]))
        if tonumber(head[2]) <= now then
            more = 1
        end
    end
end


-- Sum of revs of the payments of a bucket; nil when one changed or can be paid
-- after `newest`, or cannot be read.
local function closed_payments(bucket, newest)
    local all = guarded(fetch, bucket, 'HGETALL', PREFIX .. 'p:' .. bucket)
    local sum = 0

    for i = 1, #(all or {}), 2 do
        local rev, created, ends, changed = match(
            all[i + 1], '^[upc](%x+)\t(%-?%x+)\t(%-?%x+)\t%x+\t(%-?%x+)\t')

        if not rev then
            return
        end

        created = tonumber(sub(all[i], 1, 13)) + unhex(created)
        if created + math.max(unhex(ends), unhex(changed)) > newest then
            return
        end

        sum = sum + tonumber(rev, 16)
    end

    return all and sum
end


-- Sum of revs of all in a bucket, and number of its orders; nil when an order
-- is held, or something changed after `newest` or cannot be read.
local function closed_bucket(bucket, newest)
    local all = guarded(fetch, bucket, 'HGETALL', PREFIX .. 'o:' .. bucket)
    local sum = 0

    for i = 1, #(all or {}), 2 do
        local state, rev, created, changed, hold, unit = match(
            all[i + 1], '^([pcer])(%x+)%+? (%-?%x+):(%-?%x+) (%d+)([dhms]?)')

        if not state then
            return
        end

        local at = tonumber(sub(all[i], 1, 13)) + unhex(created)
                   + unhex(changed)

        if state == 'e' then
            at = at + tonumber(hold) * HOLD_UNITS[unit]
        end

        if at > newest then
            return
        end

        sum = sum + tonumber(rev, 16)
    end

    local paid = all and closed_payments(bucket, newest)

    if paid then
        return int(sum + paid), #all / 2
    end
end


local function forget(bucket, n)
    commands[#commands + 1] = {'UNLINK', PREFIX .. 'o:' .. bucket,
                               PREFIX .. 'm:' .. bucket,
                               PREFIX .. 'p:' .. bucket,
                               PREFIX .. 'r:' .. bucket}
    commands[#commands + 1] = {'LREM', BUCKETS, 1, bucket}
    commands[#commands + 1] = {'HDEL', PREFIX .. 'purging', bucket}
    purged = purged + n
end


-- A bucket that is over is noted, with the journal as it stands; once the
-- journal has nothing left that is as old, and the bucket did not change, it
-- is forgotten.  Returns 1 when it is gone, 0 when it was noted, or nil.
local function purge_bucket(bucket, noted, newest, journal_state)
    if noted then
        local id, sum = match(noted, '^(%S+) (%S+)$')
        local oldest = journal_state.oldest

        if oldest and not (id and stream_id_after(oldest, id)) then
            return
        end

        local now_sum, n = closed_bucket(bucket, newest)

        if now_sum and now_sum == sum then
            forget(bucket, n)
            return 1
        end
    end

    local sum = closed_bucket(bucket, newest)

    if sum then
        write_later('HSET', PREFIX .. 'purging', bucket,
                    journal_state.last .. ' ' .. sum)
        return 0
    end
end


local function sweep_buckets(retention)
    local at, before = match(purge_at or '', '^(%d+) ([01])$')
    local newest = now - retention
    at = tonumber(at or 0)

    local list = fetch('buckets', 'LRANGE', BUCKETS, at,
                       at + MAX_BUCKETS - 1)
    local open = match(ids or '', '^%d+ (%d+)$')
    local notes, state, progress
    local gone, young = 0, #list < MAX_BUCKETS

    open = open and format('%s%02d%02d', match(ids, '^%d+'), PARTITION,
                           floor(open / 100))

    for i, bucket in ipairs(list) do
        if bucket == open or (tonumber(sub(bucket, 1, 13)) or 0) > newest then
            young = true
            break
        end

        if not state then
            local oldest = redis.call('XRANGE', JOURNAL, '-', '+', 'COUNT', 1)
            local id = journal_last_id()

            state = {oldest = oldest[1] and oldest[1][1],
                     last = id ~= '' and id or '0-0'}
            notes = fetch('purging', 'HMGET', PREFIX .. 'purging',
                          unpack(list))
        end

        local done = purge_bucket(bucket, notes[i], newest, state)

        progress = progress or done
        gone = gone + (done or 0)
    end

    -- `before`: this round through all buckets did something already
    before = (progress or before == '1') and 1 or 0
    more = math.max(more, young and before or progress and 1 or 0)
    at = young and '0 0' or int(at + #list - gone) .. ' ' .. before
    if at ~= (purge_at or '0 0') then
        clock_dirty = {'purge', at}
    end
end


-- Callbacks that fit no payment are known that long.
local function sweep_orphans(retention)
    local key = PREFIX .. 'orphans'
    local list = fetch(key, 'ZRANGEBYSCORE', key, '-inf',
                       int(now - retention), 'LIMIT', 0, MAX_SWEEP)

    for _, name in ipairs(list) do
        write_later('ZREM', key, name)
    end
end


local function sweep(max, retention)
    max_released = math.min(whole(max, 1e9) or broken('max'), MAX_SWEEP)
    retention = whole(retention, 1e15) or broken('retention')

    if not swept then
        swept = true

        local list = fetch('hold_times', 'SMEMBERS', PREFIX .. 'hold_times')

        for _, ms in ipairs(list) do
            guarded(sweep_list, ms)
        end

        guarded(sweep_later)
        guarded(sweep_buckets, retention)
        guarded(sweep_orphans, retention)

        if next_due > 0 and next_due <= now then
            more = 1
        end
    end

    local reply = 'swept\t' .. int(released) .. '\t' .. int(purged) .. '\t'
                  .. more .. '\t' .. int(next_due)

    released, purged = 0, 0

    return reply
end


local KINDS = {cancel = {cancel, 3}, sweep = {sweep, 2}}

return serve(KINDS)
