-- What hold and pay share: new ids, and the attempts that buyers make.  The
-- build puts it after serve.lua before those two.
--
-- An id is 13 digits of milliseconds, 2 of the partition, 4 of a sequence.
-- Orders and payments take theirs from the same sequence; the first 17 digits
-- are the bucket of both.

local JOURNAL_MAX, ATTEMPTS_MAX = tonumber(ARGV[2]), tonumber(ARGV[3])
local OLD = int(now - ATTEMPT_MS)      -- ids below may leave the attempts

local id_ms, id_seq = match(ids or '', '^(%d+) (%d+)$')
local bucket, bucket_new, bucket_ready


id_ms, id_seq = tonumber(id_ms or 0), tonumber(id_seq or 0)


local function set_bucket()
    bucket = format('%013.0f%02d%02d', id_ms, PARTITION, floor(id_seq / 100))
end


local function bucket_size()
    return fetch('', 'HLEN', PREFIX .. 'o:' .. bucket)
           + fetch('', 'HLEN', PREFIX .. 'p:' .. bucket)
end


local function go_on_with_bucket()
    set_bucket()

    local size = guarded(bucket_size)

    bucket_new = size == 0
    return size
end


-- A bucket that was never used: 100 ids, of now or, when the ids are ahead of
-- the clock, of the next hundred.
local function open_bucket()
    fetch('buckets', 'LLEN', BUCKETS)

    repeat
        id_seq = math.ceil(id_seq / 100) * 100

        if now > id_ms then
            id_ms, id_seq = now, 0

        elseif id_seq >= 10000 then
            id_ms, id_seq = id_ms + 1, 0
        end

        set_bucket()

        local taken = redis.call('EXISTS', PREFIX .. 'o:' .. bucket,
                                 PREFIX .. 'm:' .. bucket,
                                 PREFIX .. 'p:' .. bucket)

        if taken > 0 then
            id_seq = id_seq + 100
        end
    until taken == 0

    bucket_new = true
end


-- Makes sure that take_id() cannot fail; the bucket may be another then.
local function reserve_id()
    if bucket_ready and id_seq % 100 ~= 0 then
        return
    end

    if bucket_ready or id_seq % 100 == 0 or now - id_ms > BUCKET_MS
       or not go_on_with_bucket()
    then
        open_bucket()
    end

    bucket_ready = true
end


local function take_id()
    local n = id_seq % 100

    if bucket_new then
        write_later('RPUSH', BUCKETS, bucket)
        bucket_new = false
    end

    id_seq = id_seq + 1
    clock_dirty = true

    return bucket .. (n < 10 and '0' .. n or n)
end


-- Before commit().
local function keep_ids()
    clock_dirty = clock_dirty
                  and {'ids', int(id_ms) .. ' ' .. int(id_seq)}
end


-- Attempts that may be forgotten stand first: old ones that are not held.
local function prune(attempts)
    if sub(attempts, 34, 46) > OLD then
        return attempts
    end

    local out = {}

    for at = 1, #attempts, ATTEMPT_LEN do
        if sub(attempts, at, at) == 'h' or sub(attempts, at + 33, at + 45) > OLD
        then
            out[#out + 1] = sub(attempts, at, at + ATTEMPT_LEN - 1)
        end
    end

    return concat(out)
end


-- What an earlier attempt with this key made; nil and true: it had another
-- body.
local function made_before(attempts, key, body)
    local seen = find_attempt(attempts, key, 1)

    if not seen then
        return
    end

    if sub(attempts, seen + 17, seen + 32) ~= body then
        return nil, true
    end

    return sub(attempts, seen + 33, seen + 51)
end


-- The arguments of calls that make something must be such; else nil.
local function check_limits()
    return JOURNAL_MAX and ATTEMPTS_MAX
end
