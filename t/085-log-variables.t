# $paytrade_* in an access log.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeAlipay;
use Test::More;

my $log = "$ENV{PT_TMP}/access.log";
my $pay_log = "$ENV{PT_TMP}/payments.log";

my $gateways = alipay_gateway()
               . alipay_gateway(name => 'other',
                                public_key => key_file('other', 1));

unlink $log, $pay_log;
start_nginx(workers => 1,
            server => "access_log $log words; access_log $pay_log payments;",
            more_locations => <<'_EOC_',
        location /old {
            paytrade_verify alipay;
            try_files /none @old;
        }
        location = /old/rewritten {
            paytrade_verify alipay;
            try_files /none /new;
        }
        location = /old/page {
            paytrade_verify alipay;
            error_page 404 = @old;
        }
        location = /old/mirrored {
            paytrade_verify alipay;
            mirror /mirror;
            try_files /none @old;
        }
        location = /old/twice {
            paytrade_verify alipay;
            try_files /none /old;
        }
        location = /old/other {
            paytrade_verify alipay;
            try_files /none /other;
        }
        location = /mirror { internal; return 204; }
        location = /new { return 204; }
        location = /other { paytrade_verify other; try_files /none @old; }
        location @old { return 204; }
_EOC_
            http => <<'_EOC_' . $gateways);
paytrade_soldout_ttl 20s;
log_format words '$status|$paytrade_result|$paytrade_order_id|'
                 '$paytrade_sku|$paytrade_amount|$paytrade_redis_time|';
log_format payments '$status|$paytrade_result|$paytrade_pay_no|'
                    '$paytrade_trade_no|$paytrade_gateway|$paytrade_verify|'
                    '$paytrade_amount|$paytrade_currency|$paytrade_event_id|'
                    '$paytrade_event_type|';
_EOC_


my %read = ($log => 0, $pay_log => 0);

sub lines_of {
    my ($name) = @_;

    open my $file, '<', $name or return;
    chomp(my @lines = <$file>);

    return @lines;
}


# The line that the last request has written.
sub line_of {
    my ($name) = @_;
    my @lines;

    until_true(sub { (@lines = lines_of($name)) > $read{$name} }, 5);
    $read{$name} = @lines;

    return $lines[-1];
}


# Goes on where the other log is.
sub follow {
    my ($name, $other) = @_;

    until_true(sub { lines_of($name) == $read{$other} }, 5);
    $read{$name} = $read{$other};
}


sub logged {
    my ($method, $path, $body, %headers) = @_;
    my $answer = http($method, $path, $body, %headers);
    my ($id) = $answer->{content} =~ /"order_id":"(\d+)"/;
    my $line = line_of($log);

    return wantarray ? ($line, $id) : $line;
}


put_item('p30', stock => 2);
put_item('c30', stock => 9, price => '39.90');
put_item('later', stock => 2, starts_at => '2099-01-01T00:00:00Z');

# A line may come after its answer.
until_true(sub { grep(/\|created\|/, lines_of($log)) == 3 }, 5);
$read{$log} = lines_of($log);

is(logged('GET', '/paytrade/status'), '200|ok|-|-|-|-|', 'status');

my $body = '{"sku":"p30","quantity":2,"unit_price":"5000"}';
my $time = qr/\d+\.\d{3}/;
my ($line, $id) = logged('POST', '/orders', $body, 'X-User' => 'u1',
                         'Idempotency-Key' => 'k');

like($line, qr/^201\|held\|$id\|p30\|10000\.00\|$time\|$/, 'held');
like(logged('POST', '/orders', $body, 'X-User' => 'u1',
            'Idempotency-Key' => 'k'),
     qr/^200\|replayed\|$id\|p30\|10000\.00\|$time\|$/, 'replayed');
like(logged('POST', '/orders', $body =~ s/2/1/r, 'X-User' => 'u1',
            'Idempotency-Key' => 'k'),
     qr/^422\|key_reused\|-\|p30\|-\|$time\|$/, 'key_reused');
like(logged('POST', '/orders', $body, 'X-User' => 'u1'),
     qr/^409\|sold_out\|-\|p30\|-\|$time\|$/, 'sold_out, by Redis');
is(logged('POST', '/orders', $body, 'X-User' => 'u2'),
   '409|sold_out|-|p30|-|-|', 'sold_out, by the cache: no time of Redis');
like(logged('POST', '/orders', $body =~ s/5000/1/r, 'X-User' => 'u2'),
     qr/^422\|price_changed\|-\|p30\|-\|$time\|$/, 'price_changed');
like(logged('POST', '/orders', '{"sku":"later","quantity":1,"unit_price":"1"}',
            'X-User' => 'u2'),
     qr/^409\|not_started\|-\|later\|-\|$time\|$/, 'not_started');
like(logged('POST', '/orders', '{"sku":"none","quantity":1,"unit_price":"1"}',
            'X-User' => 'u2'),
     qr/^404\|unknown_item\|-\|none\|-\|$time\|$/, 'unknown_item');

is(logged('POST', '/orders', '{', 'X-User' => 'u1'),
   '400|bad_request|-|-|-|-|', 'bad_request');
is(logged('POST', '/orders', $body =~ s/"quantity":2/"quantity":0/r,
          'X-User' => 'u1') =~ s/p30/-/r,
   '400|bad_request|-|-|-|-|', 'bad_request in a member');
like(logged('POST', '/orders', $body), qr/^401\|no_user\|-\|p30\|-\|-\|$/,
     'no_user');
is(logged('PUT', '/orders', $body), '405|method_not_allowed|-|-|-|-|',
   'method_not_allowed');
is(logged('POST', '/orders', 'x' x 70000), '413|too_large|-|-|-|-|',
   'too_large');

my ($cart, $cart_id) = logged('POST', '/orders', '{"sale":"spring","lines":'
    . '[{"sku":"c30","quantity":1,"unit_price":"39.9"}]}', 'X-User' => 'u3');
like($cart, qr/^201\|held\|$cart_id\|c30\|39\.90\|$time\|$/, 'a cart');
like(logged('POST', '/orders', '{"sale":"spring","lines":[{"sku":"p30",'
            . '"quantity":1,"unit_price":"5000"},{"sku":"c30","quantity":1,'
            . '"unit_price":"39.9"}]}', 'X-User' => 'u4'),
     qr/^409\|sold_out\|-\|c30\|-\|$time\|$/, 'of a cart the first SKU');

like(logged('GET', "/orders/$id", undef, 'X-User' => 'u1'),
     qr/^200\|ok\|$id\|-\|10000\.00\|$time\|$/, 'an order is read');
like(logged('GET', "/orders/$id", undef, 'X-User' => 'u2'),
     qr/^404\|unknown_order\|$id\|-\|-\|$time\|$/, 'by another');
like(logged('GET', '/orders?sale=spring', undef, 'X-User' => 'u1'),
     qr/^200\|ok\|-\|-\|-\|$time\|$/, 'a list');
like(logged('DELETE', "/orders/$id", undef, 'X-User' => 'u1'),
     qr/^200\|cancelled\|$id\|-\|10000\.00\|$time\|$/, 'cancelled');
like(logged('DELETE', "/orders/$id", undef, 'X-User' => 'u1'),
     qr/^200\|ok\|$id\|-\|10000\.00\|$time\|$/, 'cancelled twice');
like(logged('GET', '/items?sku=p30'), qr/^200\|ok\|-\|p30\|-\|$time\|$/,
     'an item');


# Payments; the variables of one request at a time.

sub paid {
    return line_of($pay_log);
}


my $order = buy('u6', 'c30', unit_price => '39.90');
line_of($log);
follow($pay_log, $log);

my $answer = pay('u6', [ $order ], key => 'p');
my ($pay_no) = $answer->{content} =~ /"pay_no":"(\d{19})"/;

is(paid(), "201|created|$pay_no|-|alipay|-|39.90|-|-|-|", 'a payment');
is(paid(pay('u6', [ $order ], key => 'p')),
   "200|replayed|$pay_no|-|alipay|-|39.90|-|-|-|", 'replayed');
is(paid(pay('u6', [ $order ], gateway => 'none')),
   '422|unknown_gateway|-|-|-|-|-|-|-|-|', 'unknown_gateway');
is(paid(http('GET', "/payments/$pay_no", undef, 'X-User' => 'u6')),
   "200|ok|$pay_no|-|alipay|-|39.90|-|-|-|", 'a payment is read');

my $callback = callback($pay_no, '39.90');

is(paid(notify($callback =~ s/39\.90/39.91/r)),
   '200|bad_signature|-|-|alipay|bad_signature|-|-|-|-|', 'a forged callback');
is(paid(notify($callback, undef, 'Content-Type' => 'text/xml')),
   '200|bad_type|-|-|alipay|bad_type|-|-|-|-|', 'of another type');
is(paid(notify($callback)),
   "200|settled|$pay_no|20261121$pay_no|alipay|ok|39.90|CNY|91722$pay_no|paid|",
   'a callback');
is(paid(notify($callback)),
   "200|duplicate|$pay_no|20261121$pay_no|alipay|ok|39.90|CNY|91722$pay_no|paid|",
   'twice');
is(paid(notify(callback($pay_no, '39.91'))),
   "200|mismatch|$pay_no|20261121$pay_no|alipay|ok|39.91|CNY|91722$pay_no|paid|",
   'a mismatch');
is(paid(notify(callback($pay_no, '39.90', refund_fee => '9.90',
                        gmt_refund => '2026-11-22 10:00:00.120',
                        out_biz_no => 'r-1'))),
   "200|refunded|$pay_no|20261121$pay_no|alipay|ok|39.90|CNY|91722$pay_no|"
   . 'refunded|', 'a refund');
is(paid(notify(callback($pay_no, '39.90', trade_status => 'WAIT_BUYER_PAY',
                        gmt_payment => undef))),
   "200|ignored|$pay_no|20261121$pay_no|alipay|ok|39.90|CNY|91722$pay_no|"
   . 'ignored|', 'one that has nothing to say');
is(paid(notify(callback('none', '1.00'))),
   '200|orphan|none|20261121none|alipay|ok|1.00|CNY|91722none|paid|', 'an orphan');
is(paid(notify('x' x 70000)), '413|too_large|-|-|alipay|-|-|-|-|-|', 'too large');
is(paid(http('GET', "/payments/$pay_no", undef, 'X-User' => 'u6')),
   "200|ok|$pay_no|20261121$pay_no|alipay|-|39.90|-|-|-|", 'a paid one is read');


# After an internal redirect, at which nginx forgets what a module knew.

sub posted {
    my ($path, $body) = @_;

    return paid(http('POST', $path, $body, 'Content-Type' =>
                     'application/x-www-form-urlencoded; charset=utf-8'));
}


my $vars = "$pay_no|20261121$pay_no|alipay|ok|39.90|CNY|91722$pay_no|paid|";

for my $path ('/old', '/old/rewritten', '/old/page', '/old/mirrored') {
    is(posted($path, $callback), "204|passed|$vars", "$path: as it was verified");
}

is(posted('/old/twice', $callback), "204|passed|$vars", 'verified twice');
is(posted('/old', $callback =~ s/39\.90/39.91/r),
   '403|bad_signature|-|-|alipay|bad_signature|-|-|-|-|', 'one that is not genuine');
is(posted('/old/other', $callback),
   '403|bad_signature|-|-|other|bad_signature|-|-|-|-|',
   'the gateway of the second location has the last word');


# Without Redis.

follow($log, $pay_log);

pause_redis(1);
like(logged('POST', '/orders', '{"sku":"c30","quantity":1,"unit_price":'
            . '"39.9"}', 'X-User' => 'u5'),
     qr/^503\|unavailable\|-\|c30\|-\|[12]\.\d{3}\|$/,
     'unavailable, after the time-out');
pause_redis(0);

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
