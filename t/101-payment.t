# paytrade_payment: reading a payment, while Redis knows it and after.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeAlipay;
use PaytradeLoad 'load';
use Test::More;

start_nginx(workers => 1, http => alipay_gateway()
            . "paytrade_retention 1s;\n");
put_item('p30', stock => 100);
put_item('c30', stock => 100, price => '39.90');

my $stamp = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;


sub payment_of {
    my ($method, $pay_no, $user) = @_;

    return http($method, "/payments/$pay_no", undef,
                defined $user ? ('X-User' => $user) : ());
}


sub refund {
    my ($pay_no, $amount, %more) = @_;

    return notify(callback($pay_no, $amount, gmt_refund =>
                           alipay_time(time) . '.120', %more));
}


sub uncancelled {
    my ($name, $id) = @_;
    my $answer = http('DELETE', "/orders/$id", undef, 'X-User' => 'u1');

    is(code($answer), '409 already_paid', "$name is not cancelled");
    like($answer->{content}, qr/"detail":"[^"]+","order_id":"$id"\}$/,
         "$name: which one is told");
}


my @orders = (buy('u1', 'p30'), buy('u1', 'c30', unit_price => '39.90'));
my $started = pay('u1', \@orders, key => 'k1');
my ($pay_no) = $started->{content} =~ /"pay_no":"(\d+)"/;
my $read = payment_of('GET', $pay_no, 'u1');

is($read->{status}, 200, 'a payment is read');
is($read->{headers}{'content-type'}, 'application/json', 'as JSON');
(my $without = $started->{content}) =~ s/,"pay_url":"[^"]+"//;
is($read->{content}, $without, 'as it was started, without the link');

my $head = payment_of('HEAD', $pay_no, 'u1');
is($head->{status}, 200, 'HEAD');
is($head->{headers}{'content-length'}, length $read->{content},
   'has the length of GET');
is($head->{content} // '', '', 'and no body');

is(code(payment_of('GET', $pay_no, 'u2')), '404 unknown_payment',
   'not by another');
is(code(payment_of('GET', $pay_no + 1, 'u1')), '404 unknown_payment',
   'nor one that never was');
is(code(payment_of('GET', $orders[0], 'u1')), '404 unknown_payment',
   'an order is none');
is(code(payment_of('GET', $pay_no + 7 * 10000, 'u1')), '404 unknown_payment',
   'of a partition that there is not');
for my $none (qw(1 0 176371200000000000 17637120000000000012
                 0763712000000000001 9223372036854775808 9999999999999999999),
              '1' x 200)
{
    is(code(payment_of('GET', $none, 'u1')), '404 unknown_payment',
       "$none can be none");
}
is(code(payment_of('GET', 1)), '401 no_user', 'which only a user is told');
is(code(payment_of('GET', $pay_no)), '401 no_user', 'not without a user');
for my $method (qw(POST PUT DELETE)) {
    my $answer = payment_of($method, $pay_no, 'u1');

    is(code($answer), '405 method_not_allowed', $method);
    like($answer->{headers}{allow}, qr/\bGET\b/, "$method: GET is allowed");
}


# Paid, then given back in part, then altogether.
is(answered(notify(callback($pay_no, '5039.90',
                            gmt_payment => '2026-11-21 20:45:43'))),
   '200 success', 'it is paid');
my $paid = payment_of('GET', $pay_no, 'u1');
like($paid->{content},
     qr/^\{"pay_no":"$pay_no","out_trade_no":"$pay_no","status":"paid",
        "gateway":"alipay","method":"page","amount":"5039\.90",
        "currency":"CNY","orders":\[
        \{"order_id":"$orders[0]","amount":"5000\.00","outcome":"applied",
        "refunded":"0\.00"\},\{"order_id":"$orders[1]","amount":"39\.90",
        "outcome":"applied","refunded":"0\.00"\}\],"created_at":"$stamp",
        "expires_at":"$stamp","trade_no":"20261121$pay_no",
        "paid_at":"2026-11-21T12:45:43\.000Z"\}$/x, 'it reads so');
my $replay = pay('u1', \@orders, key => 'k1');
is($replay->{status}, 200, 'its key finds it');
is($replay->{headers}{'idempotency-replayed'}, 'true', 'as a replay');
is($replay->{content}, $paid->{content}, 'as it is now, without a link');

uncancelled('a paid order', $orders[0]);
is(answered(refund($pay_no, '5039.90', refund_fee => '5010.00',
                   out_biz_no => 'r1')), '200 success', 'refunded in part');
like(payment_of('GET', $pay_no, 'u1')->{content},
     qr/"refunded":"5000\.00"\}.*"refunded":"10\.00"\}/, 'each part tells');
is(answered(refund($pay_no, '5039.90', refund_fee => '5039.90',
                   out_biz_no => 'r2', trade_status => 'TRADE_CLOSED')),
   '200 success', 'refunded altogether');
my $given_back = payment_of('GET', $pay_no, 'u1');
like($given_back->{content}, qr/"status":"paid".*"refunded":"39\.90"\}/,
     'it stays paid, and tells');
is(http('GET', "/orders/$_", undef, 'X-User' => 'u1')->{content}
   =~ /"status":"(\w+)"/ && $1, 'refunded', "order $_ is refunded")
    for @orders;
uncancelled('a refunded order', $orders[0]);


# Closed by Alipay.
my $closing = pay_no('u2', buy('u2', 'p30'));
is(answered(notify(callback($closing, '5000.00', gmt_payment => undef,
                            trade_status => 'TRADE_CLOSED'))),
   '200 success', 'closed');
my $closed = payment_of('GET', $closing, 'u2');
like($closed->{content}, qr/"status":"closed".*"orders":\[\{"order_id":"\d+",
     "amount":"5000\.00"\}\]/x, 'it reads so');
unlike($closed->{content}, qr/"trade_no"|"paid_at"/, 'without a trade');


# What Redis has forgotten.
sub forget {
    my ($number) = @_;

    redis('HDEL', '{pt:0}:p:' . substr($number, 0, 17), $number);
}


ok(journal_drained(), 'the journal is empty');
is(forget($pay_no), '1', 'a payment is in its bucket');
forget($closing);
is(payment_of('GET', $pay_no, 'u1')->{content}, $given_back->{content},
   'a purged payment is read from PostgreSQL, as it was');
is(payment_of('GET', $closing, 'u2')->{content}, $closed->{content},
   'a closed one too');
is(code(payment_of('GET', $pay_no, 'u2')), '404 unknown_payment',
   'not by another');
$replay = pay('u1', \@orders, key => 'k1');
is($replay->{status}, 200, 'its key still finds it');
is($replay->{headers}{'idempotency-replayed'}, 'true', 'as a replay');
is($replay->{content}, $given_back->{content}, 'as it is');
is(code(pay('u1', \@orders, key => 'k1', method => 'wap')), '422 key_reused',
   'with another method it is refused');

stop_postgres();
my $away = payment_of('GET', $pay_no, 'u1');
is(code($away), '503 unavailable', 'PostgreSQL is down: 503');
ok($away->{headers}{'retry-after'}, 'with Retry-After');
is(code(pay('u1', \@orders, key => 'k1')), '503 unavailable',
   'a purged replay too');
start_postgres();
ok(until_true(sub { payment_of('GET', $pay_no, 'u1')->{status} == 200 }, 10),
   'it is told again');

pause_redis(1);
is(code(payment_of('GET', $closing, 'u2')), '503 unavailable',
   'Redis hangs: 503');
pause_redis(0);
ok(until_true(sub { all_serve('p30') }, 15), 'it serves again');


# Orders that are purged cannot be paid either.
my $other = buy('u3', 'c30', unit_price => '39.90');
http('DELETE', "/orders/$other", undef, 'X-User' => 'u3');
ok(journal_drained(), 'the journal is empty');
redis('HDEL', '{pt:0}:o:' . substr($_, 0, 17), $_) for $other, @orders;
is(code(pay('u3', [ $other ])), '409 order_closed',
   'PostgreSQL knows that it was cancelled');
is(code(pay('u2', [ $other ])), '404 unknown_order', 'not by another');
is(code(pay('u1', [ $orders[0] ])), '409 already_paid', 'and that it was paid');
uncancelled('a purged one', $orders[0]);
ok(journal_drained(), 'the journal is empty');
ok(stop_nginx(), 'nginx leaves');


# Purged in earnest: a bucket goes when its orders and payments are over, and
# another one was opened.
empty_stores();
start_nginx(workers => 1, http => alipay_gateway() . <<'_EOC_');
    paytrade_retention 1s;
    paytrade_pay_margin 100ms;
    paytrade_pay_rest 200ms;
_EOC_
put_item('quick', stock => 200, hold_time => '3s');

my $sold = buy('u1', 'quick');
my $last = pay_no('u1', $sold);
my $callback = callback($last, '5000.00');

is(answered(notify($callback)), '200 success', 'paid');
$paid = payment_of('GET', $last, 'u1');
my $unpaid = pay_no('u2', buy('u2', 'quick'));
my $fill = 0;
load(port => port(), clients => 20, seconds => 10, next => sub {
    return if $fill++ >= 110;
    return { method => 'POST', path => '/orders',
             headers => { 'X-User' => "f$fill" },
             body => '{"sku":"quick","quantity":1,"unit_price":"5000.00"}' };
});
is(redis('EXISTS', '{pt:0}:p:' . substr $last, 0, 17), '1', 'it is there');
ok(until_true(sub { redis('EXISTS', '{pt:0}:p:' . substr $last, 0, 17)
                    eq '0' }, 20), 'payments are purged');
is(redis('EXISTS', '{pt:0}:o:' . substr $sold, 0, 17), '0', 'and orders');
is(payment_of('GET', $last, 'u1')->{content}, $paid->{content},
   'it is read as it was');
like(payment_of('GET', $unpaid, 'u2')->{content}, qr/"status":"unpaid"/,
     'and the one that was never paid');
is(answered(notify($callback)), '200 success', 'a duplicate is known');
ok(journal_drained(), 'the journal is empty');
is(payment($last), 'paid 2 applied', 'and changes nothing');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
