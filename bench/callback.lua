-- For wrk: every request is the same callback; an answer without the word
-- "success" counts as an error.

local threads = {}


function setup(thread)
    table.insert(threads, thread)
end


function init(args)
    local file = assert(io.open(args[1], 'rb'))

    wrong = 0
    message = wrk.format('POST', nil, {
        ['Content-Type'] = 'application/x-www-form-urlencoded; text/html; '
                           .. 'charset=UTF-8'}, file:read('*a'))
    file:close()
end


function request()
    return message
end


function response(status, headers, body)
    if status ~= 200 or body ~= 'success' then
        wrong = wrong + 1
    end
end


function done(summary, latency, requests)
    local errors = summary.errors.connect + summary.errors.read
                   + summary.errors.write + summary.errors.timeout

    for _, thread in ipairs(threads) do
        errors = errors + thread:get('wrong')
    end

    io.write(string.format('requests %d\n', summary.requests))
    io.write(string.format('errors %d\n', errors))
    io.write(string.format('seconds %.6f\n', summary.duration / 1e6))
    io.write(string.format('p50_ms %.3f\n', latency:percentile(50) / 1e3))
    io.write(string.format('p99_ms %.3f\n', latency:percentile(99) / 1e3))
end
