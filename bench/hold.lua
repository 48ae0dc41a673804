-- For wrk: every request is a hold by another buyer, with a 36-character name.

local thread_number = 0


function setup(thread)
    thread:set('number', thread_number)
    thread_number = thread_number + 1
end


local n = 0
local head = {['Content-Type'] = 'application/json'}
local body = '{"sku":"bench","quantity":1,"unit_price":"5000.00"}'


function init(args)
    run = args[1] or '0'
end


function request()
    n = n + 1

    local user = string.format('%08d-%04d-4000-8000-%012d', tonumber(run),
                               number, n)

    head['X-User'] = user
    head['Idempotency-Key'] = user

    return wrk.format('POST', '/orders', head, body)
end


function done(summary, latency, requests)
    io.write(string.format('requests %d\n', summary.requests))
    io.write(string.format('errors %d\n', summary.errors.connect
             + summary.errors.read + summary.errors.write
             + summary.errors.timeout + summary.errors.status))
    io.write(string.format('seconds %.6f\n', summary.duration / 1e6))
    io.write(string.format('p50_ms %.3f\n', latency:percentile(50) / 1e3))
    io.write(string.format('p99_ms %.3f\n', latency:percentile(99) / 1e3))
end
