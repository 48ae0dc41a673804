#!lua flags=allow-oom
-- Settles payments by what gateways say: the callbacks are genuine, but need
-- not fit.
--
-- KEYS  prefix clock epoch journal buckets
-- ARGV  run_id, then for each operation: kind argc arg…
--       paid 6 pay_no gateway trade_no amount currency paid_at
--       refunded 8 pay_no gateway trade_no amount currency refund_no total
--               paid_at; amount: of the whole payment; total: of all refunds
--               so far
--       refund 8 pay_no gateway trade_no amount currency refund_no own paid_at
--               own: what this refund alone gave back
--       closed 6 pay_no gateway trade_no amount currency paid_at
--       orphan 8 out_trade_no gateway trade_no amount currency reason paid_at
--               what; what it tells: '' a payment, closed, or
--               refund:<number or total>
--       amount '' of refund and closed: not told, of closed nothing is compared
--       then; currency '': ours; paid_at, in ms: when the gateway got the money
--       of a payment that is settled, 0 now; all else is of now
-- Reply header, then for each operation
--       paid:     settled row | duplicate row
--       refunded: refunded row | duplicate row; of what was not yet paid
--                 settled_refunded row, or settled row when nothing was given
--                 back
--       refund:   the same, by its number; too_early: not yet paid, and the
--                 amount to settle it with is not told; nothing is recorded
--       closed:   closed row | unchanged row
--       orphan:   orphan 1|0             1: recorded now, 0: was known
--       those but orphan also:
--       unknown_payment
--       mismatch reason 1|0              gateway, currency, amount, trade_no,
--                                        refund; recorded like an orphan
--       broken what                      cannot be read; nothing changed
--       or the header alone: restarted | no_epoch
-- A payment that is paid takes its orders: held ones, and expired ones whose
-- units and limit allow it; what it pays for others is due back.

local TIME_MAX = 253402300799999      -- the year 9999
local ORPHANS = PREFIX .. 'orphans'

local recorded = {}
local refund_amounts = {}             -- pay_no:refund_no -> amount or false


local function plain(text)
    return (string.gsub(text, '%c', ' '))
end


-- An event of a payment, for one of its orders (o: false when it is gone).
local function tell_part(kind, p, part, o, e)
    local id = p.id .. ':' .. part.id

    e.order_id, e.pay_no, e.user = part.id, p.id, p.user
    e.sale = o and o.sale or p.sale
    e.gateway, e.trade_no = p.gateway, p.trade_no
    e.lines = o and json_lines(lines_row(o))
    e.meta = o and o.meta

    tell('payment.' .. kind, e.refund_no and id .. ':' .. e.refund_no or id, e)
end


-- Somebody's money that fits no payment (p: that it was meant for, if any):
-- told once, but a payment beside its closing or its refunds.
local function record(kind, p, out_trade_no, gateway, trade_no, amount,
                      currency, reason, what)
    out_trade_no, trade_no = plain(out_trade_no), plain(trade_no)
    what = plain(what)

    local name = plain(gateway) .. ':' .. trade_no

    if what ~= '' then
        name = name .. ':' .. what
    end

    if recorded[name] or fetch('orphans', 'ZSCORE', ORPHANS, name) then
        return '0'
    end

    currency = currency == '' and CURRENCY or plain(currency)
    reason = plain(reason)
    recorded[name] = true
    write_later('ZADD', ORPHANS, NOW, name)
    note('u', concat({plain(gateway), trade_no, what, kind, out_trade_no,
                      int(amount), currency, reason, NOW}, '\t'))
    tell('payment.' .. kind, name, {
        pay_no = out_trade_no, user = p and p.user, sale = p and p.sale,
        amount = int(amount), currency = currency, gateway = plain(gateway),
        trade_no = trade_no, reason = reason})

    return '1'
end


-- Why a callback does not fit its payment, or nil.
local function misfit(p, c)
    if c.gateway ~= p.gateway then
        return 'gateway'
    end

    if c.closes and not c.amount then
        return
    end

    if c.currency ~= '' and c.currency ~= CURRENCY then
        return 'currency'
    end

    if c.amount and c.amount ~= p.amount then
        return 'amount'
    end

    if c.closes then                   -- no money moved
        return
    end

    if p.status == 'paid' and c.trade_no ~= p.trade_no then
        return 'trade_no'
    end

    if c.total and c.total > p.amount then
        return 'refund'
    end
end


local function mismatch(p, c, reason)
    local amount = reason == 'refund' and (c.own or c.total) or c.amount
                   or c.own or 0

    return 'mismatch\t' .. reason .. '\t'
           .. record('mismatch', p, p.id, c.gateway, c.trade_no, amount,
                     c.currency, reason, c.what)
end


-- The payment, or nil and the answer.
local function find_payment(c)
    if c.trade_no == '' and not c.closes then
        broken('trade_no')
    end

    local p = load_payment(c.pay_no)

    if not p then
        return nil, 'unknown_payment'
    end

    local reason = misfit(p, c)

    if reason then
        return nil, mismatch(p, c, reason)
    end

    return p
end


-- The buyer's other holds that are due count no more.
local function release_due(o)
    local _, attempts = split_buyer(get_buyer(o.sale, o.user))

    for at = 1, #attempts, ATTEMPT_LEN do
        if sub(attempts, at, at) == 'h' then
            local other = guarded(load_order,
                                  sub(attempts, at + 33, at + 51))

            if other and is_due(other) and not other.paying then
                guarded(resolve, other, 'expired')
            end
        end
    end
end


-- Why an expired order cannot be taken again, or nil; taken: units that parts
-- before it are going to take, by idx.
local function refusal_of(o, taken)
    local function over_limit()
        local units = split_buyer(get_buyer(o.sale, o.user))

        for _, line in ipairs(o.lines) do
            local limit = line.item.limit

            if limit > 0 and units_of(units, line.idx)
                             + (taken[line.idx] or 0) + line.quantity > limit
            then
                return true
            end
        end
    end

    local function short()
        for _, line in ipairs(o.lines) do
            if line.item.available - (taken[line.idx] or 0) < line.quantity
            then
                return true
            end
        end
    end

    if over_limit() then
        release_due(o)
        if over_limit() then
            return 'limit_reached'
        end
    end

    if short() then
        look_ahead()
        if short() then
            return 'sold_out'
        end
    end
end


local REFUSED = {paid = 'already_paid', refunded = 'refunded',
                 cancelled = 'cancelled'}


-- What becomes of a part: a table with outcome, reason, and for an order that
-- is paid by it, its next record.
local function plan_part(part, taken, given)
    local o = load_order(part.id)
    local status = o and o.status
    local late = status == 'expired'
    local reason = not o and 'unknown_order' or REFUSED[status]
                   or late and refusal_of(o, taken)

    if reason then
        return {order = o, outcome = 'refund_due', reason = reason}
    end

    split_buyer(get_buyer(o.sale, o.user))

    for _, line in ipairs(o.lines) do
        local counts = late and taken or given

        counts[line.idx] = (counts[line.idx] or 0) + line.quantity
        if not late and counts[line.idx] > line.item.held then
            broken('item ' .. line.item.sku)
        end
    end

    local step = {order = o, outcome = 'applied', late = late,
                  reason = late and 'late' or ''}

    step.record, step.detail = next_record(o, 'paid')

    return step
end


-- Checks all that is to be done when a payment is paid; changes nothing but
-- holds that are due.
local function plan(p)
    local steps, taken, given = {}, {}, {}

    for _, part in ipairs(p.parts) do
        local o = load_order(part.id)

        if o then
            o.paying = true            -- if it is due, it is paid all the same
        end
    end

    for i, part in ipairs(p.parts) do
        steps[i] = plan_part(part, taken, given)
    end

    return steps
end


local function apply(p, part, step)
    local o = step.order

    part.outcome, part.reason = step.outcome, step.reason

    if step.outcome == 'applied' then
        for _, line in ipairs(o.lines) do
            local it = line.item
            local from = step.late and 'available' or 'held'

            it[from] = it[from] - line.quantity
            it.sold = it.sold + line.quantity
            it.dirty = true
        end

        keep_buyer(o, 'paid', step.late and 1 or 0)
        keep_order(o, 'paid', step.record, step.detail)
    end

    tell_part(step.outcome == 'applied' and 'succeeded' or 'refund_due', p,
              part, o, {amount = int(part.amount), reason = step.reason})
end


local function settle(p, steps, c)
    p.status, p.rev, p.trade_no, p.paid, p.changed = 'paid', p.rev + 1,
                                                     c.trade_no, c.paid_at, now

    for i, part in ipairs(p.parts) do
        apply(p, part, steps[i])
    end

    keep_payment(p)
end


-- A callback's arguments; broken when they are none.
local function read_callback(pay_no, gateway, trade_no, amount, currency,
                             paid_at)
    local c = {pay_no = pay_no, gateway = gateway, trade_no = plain(trade_no),
               currency = currency, what = ''}

    c.amount = whole(amount, 1e15) or broken('amount')
    c.paid_at = whole(paid_at, TIME_MAX) or broken('time')
    if c.paid_at == 0 then
        c.paid_at = now
    end

    return c
end


local function paid(...)
    local c = read_callback(...)
    local p, reply = find_payment(c)

    if not p then
        return reply
    end

    if p.status == 'paid' then
        return 'duplicate\t' .. payment_row(p)
    end

    settle(p, plan(p), c)

    return 'settled\t' .. payment_row(p)
end


-- How delta is spread: a list of {part, amount}, with `last` where it ends what
-- an order was paid with.  Parts that are due back come first.
local function spread(p, steps, delta)
    local out = {}

    for _, wanted in ipairs({'refund_due', 'applied'}) do
        for i, part in ipairs(p.parts) do
            local outcome = steps and steps[i].outcome or part.outcome
            local amount = math.min(delta, part.amount - part.refunded)

            if outcome == wanted and amount > 0 then
                delta = delta - amount
                out[#out + 1] = {
                    part = part, amount = amount,
                    last = outcome == 'applied'
                           and part.refunded + amount == part.amount}
            end
        end
    end

    return out
end


-- What the refund with this number gave back, or false.
local function refund_of(p, refund_no)
    local name = p.id .. ':' .. refund_no
    local amount = refund_amounts[name]

    if amount == nil then
        local text = fetch('refund ' .. name, 'HGET',
                           PREFIX .. 'r:' .. bucket_of(p.id), name)

        amount = text and (tonumber(match(text, '^(%x+) %x+$') or '', 16)
                           or broken('refund ' .. name))
        refund_amounts[name] = amount
    end

    return amount
end


-- A number that no refund of the payment has: one that a gateway gives to
-- several refunds, or to none, goes with their total.
local function number_of(p, refund_no, total)
    local number = refund_no ~= '' and refund_no or total

    while refund_of(p, number) do
        number = number .. '-' .. total
    end

    return number
end


-- All that write_refund() needs can be read and written.
local function check_refund(list)
    for _, refund in ipairs(list) do
        local o = load_order(refund.part.id)

        refund.order = o
        if o and refund.last then
            split_buyer(get_buyer(o.sale, o.user))
            fetch('order ' .. o.id, 'HLEN',
                  PREFIX .. 'm:' .. bucket_of(o.id))
        end
    end
end


local function write_refund(p, list, delta, refund_no)
    local name = p.id .. ':' .. refund_no

    p.rev, p.changed = p.rev + 1, now

    for _, one in ipairs(list) do
        local part, o = one.part, one.order

        part.refunded = part.refunded + one.amount
        if one.last and o and o.status == 'paid' then
            local record_text, detail = next_record(o, 'refunded')

            keep_buyer(o, 'refunded', 0)
            keep_order(o, 'refunded', record_text, detail)
        end

        note('f', concat({p.id, refund_no, part.id, int(one.amount), '0',
                          'succeeded', NOW}, '\t'))
        tell_part('refunded', p, part, o, {amount = int(one.amount),
                                           refund_no = refund_no})
    end

    refund_amounts[name] = delta
    write_later('HSET', PREFIX .. 'r:' .. bucket_of(p.id), name,
                hex(delta) .. ' ' .. hex(now))
    keep_payment(p)
end


-- Gives delta back under a number that was not used; what is not yet paid is
-- settled first.
local function give_back(p, c, delta, refund_no)
    local steps = p.status ~= 'paid' and plan(p)
    local list = spread(p, steps, delta)

    if not steps and delta <= 0 then
        return 'duplicate\t' .. payment_row(p)
    end

    check_refund(list)

    if steps then
        settle(p, steps, c)
    end

    if delta <= 0 then
        return 'settled\t' .. payment_row(p)
    end

    write_refund(p, list, delta, refund_no)

    return (steps and 'settled_refunded\t' or 'refunded\t') .. payment_row(p)
end


local function refunded(pay_no, gateway, trade_no, amount, currency, refund_no,
                        total, paid_at)
    local c = read_callback(pay_no, gateway, trade_no, amount, currency,
                            paid_at)

    c.total = whole(total, 1e15) or broken('amount')
    total, refund_no = int(c.total), plain(refund_no)
    c.what = 'refund:' .. (refund_no ~= '' and refund_no or total)

    local p, reply = find_payment(c)

    if not p then
        return reply
    end

    local delta = c.total - sum_of(p.parts, 'refunded')

    return give_back(p, c, delta,
                     delta > 0 and number_of(p, refund_no, total))
end


local function refund(pay_no, gateway, trade_no, amount, currency, refund_no,
                      own, paid_at)
    local told = amount ~= ''
    local c = read_callback(pay_no, gateway, trade_no, told and amount or '0',
                            currency, paid_at)

    c.amount = told and c.amount
    c.own = whole(own, 1e15) or broken('amount')
    refund_no = refund_no ~= '' and plain(refund_no) or broken('refund_no')
    c.what = 'refund:' .. refund_no

    local p, reply = find_payment(c)

    if not p then
        return reply
    end

    if p.status ~= 'paid' and not told then
        return 'too_early'
    end

    local known = refund_of(p, refund_no)

    if known == c.own then
        return 'duplicate\t' .. payment_row(p)
    end

    if known or c.own > p.amount - sum_of(p.parts, 'refunded') then
        return mismatch(p, c, 'refund')
    end

    return give_back(p, c, c.own, refund_no)
end


local function closed(pay_no, gateway, trade_no, amount, currency, paid_at)
    local told = amount ~= ''
    local c = read_callback(pay_no, gateway, trade_no, told and amount or '0',
                            currency, paid_at)

    c.amount = told and c.amount
    c.closes, c.what = true, 'closed'

    local p, reply = find_payment(c)

    if not p then
        return reply
    end

    if p.status ~= 'unpaid' then
        return 'unchanged\t' .. payment_row(p)
    end

    p.status, p.rev, p.changed = 'closed', p.rev + 1, now
    keep_payment(p)

    return 'closed\t' .. payment_row(p)
end


local function orphan(out_trade_no, gateway, trade_no, amount, currency,
                      reason, paid_at, what)
    local c = read_callback('', gateway, trade_no, amount, currency, paid_at)

    return 'orphan\t' .. record('orphan', nil, out_trade_no, gateway,
                                c.trade_no, c.amount, currency, reason, what)
end


local KINDS = {paid = {paid, 6}, refunded = {refunded, 8},
               refund = {refund, 8}, closed = {closed, 6},
               orphan = {orphan, 8}}


-- Reads payments, orders and buyers of all operations, with few commands.
local function prepare(starts)
    local nos, order_ids, seen = {}, {}, {}

    for _, at in ipairs(starts) do
        local no = ARGV[at + 2]

        if ARGV[at] ~= 'orphan' and is_id(no) and not seen[no] then
            nos[#nos + 1] = no
            seen[no] = true
        end
    end

    load_pay_records(nos)

    for _, no in ipairs(nos) do
        local p = guarded(load_payment, no)

        for _, part in ipairs(p and p.parts or {}) do
            order_ids[#order_ids + 1] = part.id
        end
    end

    load_with_buyers(order_ids)
end


return serve(KINDS, false, prepare)
