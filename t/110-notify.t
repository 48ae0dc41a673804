# paytrade_notify: what a genuine callback does, once.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT snapshot unchanged raw raw_head events
                    status_json);
use PaytradeAlipay;
use JSON::PP 'decode_json';
use Test::More;
use Time::HiRes qw(sleep time);

my $log = "$ENV{PT_TMP}/notify.log";

unlink $log;
start_nginx(workers => 1, server => "access_log $log words;",
            http => alipay_gateway() . <<'_EOC_', more_locations => <<'_EOC_');
    paytrade_pay_margin 100ms;
    paytrade_pay_rest 200ms;
    client_max_body_size 1m;
    log_format words '$status|$paytrade_result|$paytrade_verify|'
                     '$paytrade_gateway|$paytrade_pay_no|$paytrade_trade_no|'
                     '$paytrade_amount|$paytrade_order_id|';
_EOC_
        location = /notify/file {
            paytrade_notify alipay;
            client_body_in_file_only clean;
        }
        location = /notify/parts {
            paytrade_notify alipay;
            client_body_buffer_size 128;
        }
        location = /notify/small {
            paytrade_notify alipay;
            client_max_body_size 1k;
        }
_EOC_

my $orders = 0;
my $read = 0;


# The line of the log that the last request has written.
sub logged {
    my @lines;

    until_true(sub {
        open my $file, '<', $log or return;
        @lines = <$file>;
        @lines > $read;
    }, 5);
    $read = @lines;
    chomp @lines;

    return $lines[-1];
}


# The log is as long as what was asked for by now.
sub read_log {
    sleep 0.1;
    open my $file, '<', $log or return;
    my @lines = <$file>;
    $read = @lines;
}


sub stock {
    my ($sku) = @_;
    my $item = item($sku);

    return "$item->{available} $item->{held} $item->{sold}";
}


sub state {
    my ($user, $order) = @_;
    my $answer = http('GET', "/orders/$order", undef, 'X-User' => $user);

    return $answer->{content} =~ /"status":"(\w+)"/ ? $1 : $answer->{status};
}


# Each event of a payment as "type reason", in their order.
sub told {
    my ($pay_no) = @_;

    return join ', ', map { join ' ', $_->{type} =~ s/^payment\.//r,
                                      $_->{reason} || () }
                      grep { $_->{pay_no} eq $pay_no } events();
}


# As soon as PostgreSQL has it.
sub stored {
    my ($pay_no, $wanted) = @_;

    until_true(sub { payment($pay_no) eq $wanted }, 10);
    return payment($pay_no);
}


sub limit_code {
    my ($user, $sku) = @_;

    return code(http('POST', '/orders', "{\"sku\":\"$sku\",\"quantity\":1,"
                     . '"unit_price":"5000.00"}', 'X-User' => $user));
}


# The plain case.
put_item('p30', title => 'P30', stock => 100, limit => 2);

my $held = http('POST', '/orders', '{"sku":"p30","quantity":2,"unit_price":'
                . '"5000.00","meta":{"to":"x"}}', 'X-User' => 'u1');
my ($order) = $held->{content} =~ /"order_id":"(\d+)"/;
my $pay_no = pay_no('u1', $order);
my $trade_no = "20261121$pay_no";
my $callback = callback($pay_no, '10000.00',
                        gmt_payment => '2026-11-21 20:45:43');

is(stock('p30'), '98 2 0', 'two units are held');
read_log();
my $answer = notify($callback);
is(answered($answer), '200 success', 'a callback is taken');
is($answer->{content}, 'success', 'with seven bytes');
is(logged(), "200|settled|ok|alipay|$pay_no|$trade_no|10000.00|-|",
   'the log has all of it');
is(state('u1', $order), 'paid', 'the order is paid');
is(stock('p30'), '98 0 2', 'the units are sold');
is(stored($pay_no, 'paid 2 applied'), 'paid 2 applied', 'the payment is paid');
is(psql('SELECT p.trade_no, p.gateway, extract(epoch FROM p.paid_at),'
        . ' p.changed_at >= p.created_at, o.amount, o.refunded, o.order_id,'
        . ' r.status, r.rev FROM paytrade.payments p'
        . ' JOIN paytrade.payment_orders o USING (pay_no)'
        . ' JOIN paytrade.orders r USING (order_id)'
        . " WHERE p.pay_no = $pay_no"),
   "$trade_no|alipay|1795265143.000000|t|1000000|0|$order|paid|2",
   'with all that PostgreSQL keeps');

my @events = events();
is(scalar @events, 1, 'there is one event');
my $entry = delete $events[0]{entry};
my $at = delete $events[0]{at};
is_deeply($events[0], {
    id => "payment.succeeded:$pay_no:$order", type => 'payment.succeeded',
    v => '1', order_id => $order, pay_no => $pay_no, user => 'u1',
    sale => 'spring', amount => '1000000', currency => 'CNY',
    gateway => 'alipay', trade_no => $trade_no,
    lines => '[{"sku":"p30","quantity":2,"unit_price":500000}]',
    meta => '{"to":"x"}', reason => '',
}, 'that has all that a worker needs');
like($at, qr/^\d{13}$/, 'at is in milliseconds');
cmp_ok(abs($at / 1000 - time), '<', 60, 'and is now');
is(join(' ', (split /\n/, redis('XRANGE', '{pt:0}:events', '-', '+'))
             [map { 1 + 2 * $_ } 0 .. 14]),
   'id type v order_id pay_no user sale amount currency gateway trade_no '
   . 'lines meta at reason', 'its fields have an order');
is(http('DELETE', "/orders/$order", undef, 'X-User' => 'u1')->{status}, 409,
   'a paid order cannot be cancelled');
is(limit_code('u1', 'p30'), '409 limit_reached', 'the quota is used');


# The same once more, and what is the same.
ok(journal_drained(), 'the journal is empty');
my $before = snapshot();
read_log();
is(answered(notify($callback)), '200 success', 'a duplicate is a success');
is(logged(), "200|duplicate|ok|alipay|$pay_no|$trade_no|10000.00|-|",
   'the log tells');
is(answered(notify(callback($pay_no, '10000.00', trade_status => $_))),
   '200 success', "$_ after it") for qw(TRADE_SUCCESS TRADE_FINISHED);
is(answered(notify(callback($pay_no, '10000.00', trade_status => $_,
                            gmt_payment => undef))),
   '200 success', "$_ after it") for qw(WAIT_BUYER_PAY TRADE_CLOSED);
unchanged($before, 'and nothing has changed');
my $counted = status_json();
is($counted->{callbacks}{alipay}{settled}, 1, 'one is counted as settled');
is($counted->{callbacks}{alipay}{ignored}, 1, 'one as ignored');
cmp_ok($counted->{callbacks}{alipay}{duplicate}, '>=', 3, 'the duplicates');


# Other ways to be paid.
put_item('c30', title => 'C30', stock => 1000, price => '39.90');


sub c30 {
    my ($user, %more) = @_;

    return buy($user, 'c30', unit_price => '39.90', %more);
}


my $waiting = pay_no('u2', c30('u2'));
is(answered(notify(callback($waiting, '39.90', gmt_payment => undef,
                            trade_status => 'WAIT_BUYER_PAY'))),
   '200 success', 'WAIT_BUYER_PAY is a success');
like(http('GET', "/payments/$waiting", undef, 'X-User' => 'u2')->{content},
     qr/"status":"unpaid"/, 'and pays nothing');
is(answered(notify(callback($waiting, '39.90',
                            trade_status => 'TRADE_FINISHED'))),
   '200 success', 'TRADE_FINISHED pays');
is(stored($waiting, 'paid 2 applied'), 'paid 2 applied', 'as TRADE_SUCCESS');

my $closed = pay_no('u2', my $closed_order = c30('u2'));
is(answered(notify(callback($closed, '39.90', gmt_payment => undef,
                            trade_status => 'TRADE_CLOSED'))),
   '200 success', 'TRADE_CLOSED is a success');
is(stored($closed, 'closed 2 -'), 'closed 2 -', 'and closes');
is(state('u2', $closed_order), 'held', 'the order is held all the same');
is(answered(notify(callback($closed, '39.90'))), '200 success',
   'paid after that');
is(stored($closed, 'paid 3 applied'), 'paid 3 applied', 'it is paid');
is(told($closed), 'succeeded', 'and told once');

# Alipay's next key, a form in another order, a parameter that is new.
my $next = pay_no('u2', c30('u2'));
my %params = signed('next', 'sha256', notice($next, '39.90', aaa => 'new',
                                             zzz => "new\n+ %41&x"));
is(answered(notify(form(map { $_ => $params{$_} } reverse sort keys %params))),
   '200 success', 'the second key, new parameters, any order');
is(stored($next, 'paid 2 applied'), 'paid 2 applied', 'pay');


# Cancelled: the money is owed back.
my $cancelled = c30('u3');
my $owed = pay_no('u3', $cancelled);
http('DELETE', "/orders/$cancelled", undef, 'X-User' => 'u3');
is(answered(notify(callback($owed, '39.90'))), '200 success',
   'a payment of a cancelled order');
is(stored($owed, 'paid 2 refund_due:cancelled'),
   'paid 2 refund_due:cancelled', 'is owed back');
is(told($owed), 'refund_due cancelled', 'and told so');
is(state('u3', $cancelled), 'cancelled', 'the order stays cancelled');

# Two payments of one order.
my $twice = c30('u3');
my @twice = map { pay_no('u3', $twice) } 1, 2;
is(answered(notify(callback($_, '39.90'))), '200 success', 'paid') for @twice;
is(stored($twice[0], 'paid 2 applied'), 'paid 2 applied', 'the first counts');
is(stored($twice[1], 'paid 2 refund_due:already_paid'),
   'paid 2 refund_due:already_paid', 'the second is owed back');
my ($due) = grep { $_->{pay_no} eq $twice[1] } events();
is("$due->{id} $due->{order_id} $due->{amount} $due->{reason}",
   "payment.refund_due:$twice[1]:$twice $twice 3990 already_paid",
   'with the order and the amount');


# Refunds, as Alipay tells of them.
sub refund {
    my ($pay_no, $amount, $fee, $no, %more) = @_;

    return answered(notify(callback(
        $pay_no, $amount, refund_fee => $fee, out_biz_no => $no,
        gmt_refund => alipay_time(time) . '.120', %more)));
}


sub refunds {
    my ($pay_no) = @_;

    return psql('SELECT refund_no, order_id, amount, restock, status'
                . " FROM paytrade.refunds WHERE pay_no = $pay_no"
                . ' ORDER BY refund_no, order_id');
}


is(refund($pay_no, '10000.00', '1000.00', 'r1'), '200 success',
   'given back in part');
is(stored($pay_no, 'paid 3 applied'), 'paid 3 applied', 'the payment stays');
is(refunds($pay_no), "r1|$order|100000|f|succeeded", 'a refund is a row');
is(state('u1', $order), 'paid', 'the order stays paid');
my ($event) = grep { $_->{type} eq 'payment.refunded' } events();
is("$event->{id} $event->{order_id} $event->{amount} $event->{trade_no}",
   "payment.refunded:$pay_no:$order:r1 $order 100000 $trade_no",
   'and an event');
ok(journal_drained(), 'the journal is empty');
$before = snapshot();
is(refund($pay_no, '10000.00', '1000.00', 'r1'), '200 success', 'again');
is(answered(notify($callback)), '200 success', 'the first callback again');
unchanged($before, 'nothing changes');
is(refund($pay_no, '10000.00', '10000.00', 'r2', gmt_close =>
          alipay_time(time), trade_status => 'TRADE_CLOSED'),
   '200 success', 'the rest is given back');
is(stored($pay_no, 'paid 4 applied'), 'paid 4 applied', 'it is paid as ever');
is(refunds($pay_no), "r1|$order|100000|f|succeeded\n"
                     . "r2|$order|900000|f|succeeded", 'the rest is a row');
is(state('u1', $order), 'refunded', 'the order is refunded');
is(stock('p30'), '98 0 2', 'the units do not come back');
is(limit_code('u1', 'p30'), '409 limit_reached', 'nor does the quota');
is(told($pay_no), 'succeeded, refunded, refunded', 'all is told');
is(refund($pay_no, '10000.00', '1000.00', 'r1'), '200 success',
   'the first refund is told late');
is(told($pay_no), 'succeeded, refunded, refunded', 'that is known');

# Another payment of an order that is refunded by now.
my $gone = c30('u4');
my @gone = map { pay_no('u4', $gone) } 1, 2;
notify(callback($gone[0], '39.90'));
is(refund($gone[0], '39.90', '39.90', 'g'), '200 success', 'given back');
is(answered(notify(callback($gone[1], '39.90'))), '200 success',
   'paid once more');
is(stored($gone[1], 'paid 2 refund_due:refunded'),
   'paid 2 refund_due:refunded', 'is owed back too');

# A refund that is told before the payment.
my $early = pay_no('u4', my $early_order = c30('u4'));
is(refund($early, '39.90', '9.90', 'e1'), '200 success',
   'a refund before the payment');
until_true(sub { refunds($early) ne '' }, 10);
is(refunds($early), "e1|$early_order|990|f|succeeded", 'is recorded');
is(told($early), 'succeeded, refunded', 'after the payment itself');
like(payment($early), qr/^paid \d applied$/, 'which is paid');
is(answered(notify(callback($early, '39.90'))), '200 success',
   'the payment is told late');
is(told($early), 'succeeded, refunded', 'that is known');

# Of a cart what is owed goes back first.
my @two = (c30('u5', quantity => 2), c30('u5'));
my $two = pay_no('u5', @two);
http('DELETE', "/orders/$two[1]", undef, 'X-User' => 'u5');
is(answered(notify(callback($two, '119.70'))), '200 success',
   'one of two orders is cancelled');
is(stored($two, 'paid 2 applied,refund_due:cancelled'),
   'paid 2 applied,refund_due:cancelled', 'its part is owed back');
is(refund($two, '119.70', '50.00', 't1'), '200 success', '50.00 go back');
until_true(sub { refunds($two) =~ /\n/ }, 10);
is(refunds($two), "t1|$two[0]|1010|f|succeeded\nt1|$two[1]|3990|f|succeeded",
   'to that part first');


# Late payments: the holds are short.
my %late;

for my $case (qw(units gone limit)) {
    put_item("late-$case", sale => "late-$case", limit => 1, hold_time => '2s',
             stock => $case eq 'gone' ? 1 : 5);
    $late{$case} = { order => buy('u1', "late-$case") };
    $late{$case}{pay_no} = pay_no('u1', $late{$case}{order});
}

put_item('cart', title => 'Cart', stock => 10);
put_item('cart-short', stock => 1, hold_time => '2s', price => '100.00');
my @cart = (buy('u1', 'cart'),
            buy('u1', 'cart-short', unit_price => '100.00'),
            buy('u1', 'cart'));
my $cart = pay_no('u1', @cart);

ok(until_true(sub { !grep { item($_)->{held} } 'cart-short',
                    map { "late-$_" } keys %late }, 10),
   'the short holds have expired');
is(state('u1', $late{$_}{order}), 'expired', "$_: it reads so")
    for keys %late;
buy('u2', 'late-gone');
buy('u1', 'late-limit');
buy('u2', 'cart-short', unit_price => '100.00');

is(answered(notify(callback($late{$_}{pay_no}, '5000.00'))), '200 success',
   "late: $_") for qw(units gone limit);

my $p = $late{units}{pay_no};
is(stored($p, 'paid 2 applied:late'), 'paid 2 applied:late',
   'units there: applied');
is(told($p), 'succeeded late', 'and told as late');
is(state('u1', $late{units}{order}), 'paid', 'the order is paid');
is(stock('late-units'), '4 0 1', 'the unit is sold');
is(limit_code('u1', 'late-units'), '409 limit_reached',
   'the quota is used again');
until_true(sub { psql('SELECT status, rev FROM paytrade.orders WHERE'
                      . " order_id = $late{units}{order}") eq 'paid|3' }, 5);
is(psql('SELECT status, rev FROM paytrade.orders WHERE order_id = '
        . $late{units}{order}), 'paid|3', 'PostgreSQL knows it');

$p = $late{gone}{pay_no};
is(stored($p, 'paid 2 refund_due:sold_out'), 'paid 2 refund_due:sold_out',
   'units gone: owed back');
is(told($p), 'refund_due sold_out', 'and told');
is(state('u1', $late{gone}{order}), 'expired', 'the order stays expired');
is(stock('late-gone'), '0 1 0', 'the other buyer keeps it');

$p = $late{limit}{pay_no};
is(stored($p, 'paid 2 refund_due:limit_reached'),
   'paid 2 refund_due:limit_reached', 'another hold of his: owed back');
is(told($p), 'refund_due limit_reached', 'and told');
is(stock('late-limit'), '4 1 0', 'the stock stays');

is(answered(notify(callback($cart, '10100.00'))), '200 success',
   'three orders, one of them expired and gone');
is(stored($cart, 'paid 2 applied,refund_due:sold_out,applied'),
   'paid 2 applied,refund_due:sold_out,applied',
   'two are paid, one part is owed back');
is(join(', ', map { "$_->{type} $_->{order_id} $_->{amount}" }
              grep { $_->{pay_no} eq $cart } events()),
   "payment.succeeded $cart[0] 500000, payment.refund_due $cart[1] 10000, "
   . "payment.succeeded $cart[2] 500000", 'three events');
is(join(' ', map { state('u1', $_) } @cart), 'paid expired paid',
   'and the orders');
is(stock('cart'), '8 0 2', 'two are sold');


# However nginx keeps the body.
for my $path (qw(file parts)) {
    my $no = pay_no('u6', c30('u6'));

    is(answered(notify(callback($no, '39.90'), "/notify/$path")),
       '200 success', "the body in $path");
    is(told($no), 'succeeded', "$path: paid");
}

my $no = pay_no('u6', c30('u6'));
my $body = callback($no, '39.90');
my @chunks = unpack '(a100)*', $body;
$answer = raw(raw_head('POST', '/notify/alipay', 'Transfer-Encoding: chunked',
                       "Content-Type: $PaytradeAlipay::CONTENT_TYPE")
              . join('', map { sprintf "%x\r\n%s\r\n", length, $_ } @chunks)
              . "0\r\n\r\n");
is("$answer->[0] $answer->[2]", '200 success', 'a chunked body');
is(told($no), 'succeeded', 'pays');

# A body of just this size; how long a signature is as it is sent depends on
# what is signed.
sub padded {
    my ($no, $size) = @_;
    my $length = $size - 1500;

    for my $try (1 .. 500) {
        my $text = callback($no, '39.90', notify_id => 1e6 + $try,
                            passback_params => 'x' x $length);

        return $text if length $text == $size;
        $length += $size - length $text;
    }
}


$no = pay_no('u6', c30('u6'));
read_log();
for my $path (qw(alipay file parts)) {
    $body = padded($no, 65537);
    is(length $body, 65537, 'one byte more than 64 KiB');
    $answer = notify($body, "/notify/$path");
    is("$answer->{status} $answer->{content}", '413 fail',
       "$path: is too large");
}
like(logged(), qr/^413\|too_large\|/, 'the log tells');
is(status_json()->{callbacks}{alipay}{too_large}, 3, 'they are counted');
is(told($no), '', 'and pay nothing');
is(code(notify(padded($no, 1600), '/notify/small')), '413 too_large',
   "nginx's own limit");
is(answered(notify(padded($no, 65536))), '200 success', '64 KiB are taken');
is(told($no), 'succeeded', 'and pay');


# Only POST.
for my $method (qw(GET HEAD PUT DELETE)) {
    $answer = http($method, '/notify/alipay?' . callback($no, '39.90'));
    is($answer->{status}, 405, $method);
    like($answer->{headers}{allow}, qr/\bPOST\b/, "$method: POST is allowed");
}


# What was counted.  A refund that came before its payment counts as both.
ok(journal_drained(), 'the journal is empty');
my $status = status_json();
is($status->{payments}{settled},
   psql("SELECT count(*) FROM paytrade.payments WHERE status = 'paid'"),
   'as many settled as are paid');
is($status->{payments}{refund_due},
   psql("SELECT count(*) FROM paytrade.payment_orders"
        . " WHERE outcome = 'refund_due'"), 'as many owed back');
is($status->{payments}{started}, psql('SELECT count(*) FROM'
                                      . ' paytrade.payments'),
   'as many started');


# An answer while Redis hangs, and the same callback after that.
$no = pay_no('u7', c30('u7'));
$body = callback($no, '39.90');
pause_redis(1);
my $from = time;
read_log();
is(answered(notify($body)), '200 fail', 'Redis hangs: fail');
cmp_ok(time - $from, '<', 4, 'in time');
like(logged(), qr/^200\|unavailable\|ok\|alipay\|/, 'the log tells');
pause_redis(0);
until_true(sub { notify($body)->{content} eq 'success' }, 10);
is(answered(notify($body)), '200 success', 'then it is taken');
is(told($no), 'succeeded', 'once');


ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(balance_holds($_), "the balance of $_ holds")
    for qw(p30 c30 cart cart-short late-units late-gone late-limit);

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');
unlike(log_text(), qr/sign=|buyer_logon_id|ab\*\*\*/, 'nothing of the bodies');

done_testing();
