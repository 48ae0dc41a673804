#!lua flags=allow-oom
-- Takes out of the journal what PostgreSQL has committed.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id (ignored), then for each entry: id nops
-- Reply ok waiting
-- An entry counts only when it was still there: saying it twice is harmless.

local gone = 0
local xack = {'XACK', JOURNAL, 'postgres'}


for at = 2, #ARGV, 2 do
    if not match(ARGV[at], '^%d+%-%d+$') or not whole(ARGV[at + 1], 1e6) then
        return redis.error_reply('ERR arguments')
    end
end

redis.call('XLEN', JOURNAL)

for at = 2, #ARGV, 2 do
    xack[#xack + 1] = ARGV[at]
    if redis.call('XDEL', JOURNAL, ARGV[at]) == 1 then
        gone = gone + tonumber(ARGV[at + 1])
    end

    if #xack >= CHUNK or at + 2 > #ARGV then
        redis.call(unpack(xack))
        xack = {'XACK', JOURNAL, 'postgres'}
    end
end

if gone > 0 then
    waiting = math.max(waiting - gone, 0)
    redis.call('HSET', CLOCK, 'waiting', int(waiting))
end

return {'ok\t' .. int(waiting)}
