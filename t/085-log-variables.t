# $paytrade_* in an access log.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use Test::More;

my $log = "$ENV{PT_TMP}/access.log";

unlink $log;
start_nginx(workers => 1, server => "access_log $log words;",
            http => <<'_EOC_');
paytrade_soldout_ttl 20s;
log_format words '$status|$paytrade_result|$paytrade_order_id|'
                 '$paytrade_sku|$paytrade_amount|$paytrade_redis_time|';
_EOC_


my $read = 0;

# The line of the log that the request has written.
sub logged {
    my ($method, $path, $body, %headers) = @_;
    my $answer = http($method, $path, $body, %headers);
    my ($id) = $answer->{content} =~ /"order_id":"(\d+)"/;
    my @lines;

    until_true(sub {
        open my $file, '<', $log or return;
        @lines = <$file>;
        @lines > $read;
    }, 5);

    $read = @lines;
    chomp @lines;

    return wantarray ? ($lines[-1], $id) : $lines[-1];
}


put_item('p30', stock => 2);
put_item('c30', stock => 9, price => '39.90');
put_item('later', stock => 2, starts_at => '2099-01-01T00:00:00Z');
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

pause_redis(1);
like(logged('POST', '/orders', '{"sku":"c30","quantity":1,"unit_price":'
            . '"39.9"}', 'X-User' => 'u5'),
     qr/^503\|unavailable\|-\|c30\|-\|[12]\.\d{3}\|$/,
     'unavailable, after the time-out');
pause_redis(0);

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
