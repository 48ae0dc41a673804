# The sold-out cache: who is refused without a question to Redis, and what
# ends it.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use Test::More;
use Time::HiRes qw(sleep time);

my $users = 0;


sub hold {
    my ($sku, %o) = @_;
    my $user = $o{user} || 'user-' . ++$users;
    my $text = $o{text} || "{\"sku\":\"$sku\",\"quantity\":"
               . ($o{quantity} || 1) . ',"unit_price":"'
               . ($o{price} || '5000.00') . '"}';

    return http('POST', '/orders', $text, 'X-User' => $user,
                $o{key} ? ('Idempotency-Key' => $o{key}) : ());
}


sub code {
    return $_[0]{content} =~ /"code":"(\w+)"/ ? $1 : $_[0]{status};
}


sub id {
    return $_[0]{content} =~ /"order_id":"(\d+)"/ ? $1 : '';
}


sub cached {
    my $status = http('GET', '/paytrade/status')->{content};

    return $status =~ /"soldout_cached":(\d+)/ ? $1 : -1;
}


# What the code does, and how many of its requests the cache answered.
sub served_by_cache {
    my ($code) = @_;
    my $before = cached();

    $code->();
    return cached() - $before;
}


sub sell_out {
    my ($sku, %o) = @_;
    my $user = delete $o{user} || "owner-$sku";

    put_item($sku, stock => 2, %o);
    my $answer = hold($sku, user => $user, quantity => 2, key => 'owner-key');
    is($answer->{status}, 201, "$sku: all is held");
    is(code(hold($sku)), 'sold_out', "$sku: sold out");

    return id($answer);
}


start_nginx(workers => 2, http => 'paytrade_soldout_ttl 20s;');


# Refused without Redis.
my $id = sell_out('a');
my $first;

is(served_by_cache(sub {
    for (1 .. 20) {
        my $answer = hold('a');

        $first ||= $answer;
        is(code($answer), 'sold_out', "refused $_") if code($answer)
                                                       ne 'sold_out';
    }
}), 20, 'twenty others are refused by the cache, by both workers');
is($first->{status}, 409, 'with 409');
is($first->{headers}{'content-type'}, 'application/problem+json', 'a problem');
like($first->{content}, qr/"sku":"a","available":0\}$/, 'like that of Redis');
cmp_ok($first->{headers}{'retry-after'}, '>', 890, 'all held: Retry-After');
cmp_ok($first->{headers}{'retry-after'}, '<=', 900, 'of the soonest deadline');

# Who is not.
is(served_by_cache(sub {
    is(id(hold('a', user => 'owner-a', quantity => 2, key => 'owner-key')), $id,
       'the owner finds his order');
    is(code(hold('a', user => 'owner-a', key => 'x')), 'sold_out',
       'and is told sold_out by Redis with another key');
    is(code(hold('a', price => '1.00')), 'price_changed',
       'a wrong price is told');
    is(code(hold('a', text => '{"sale":"spring","lines":[{"sku":"a",'
                 . '"quantity":1,"unit_price":"5000"},{"sku":"none",'
                 . '"quantity":1,"unit_price":"1"}]}')), 'unknown_item',
       'a cart goes to Redis');
    is(code(hold('a', text => '{"sku":"a","quantity":1,"unit_price":"5000",'
                 . '"amount":"1"}')), 'price_changed', 'so does an amount');
    is(code(hold('a', text => '{"sale":"other","sku":"a","quantity":1,'
                 . '"unit_price":"5000"}')), 'unknown_item',
       'and another sale');
    is(code(hold('a', text => '{"sku":"a","quantity":0,"unit_price":"1"}')),
       'bad_request', 'a bad request is one');
    is(http('POST', '/orders', '{"sku":"a","quantity":1,"unit_price":'
            . '"5000"}')->{status}, 401, 'and no user is no user');
}), 0, 'the cache answered none of these');


# A cancel clears it.
is(http('DELETE', "/orders/$id", undef, 'X-User' => 'owner-a')->{status}, 200,
   'cancelled');
is(hold('a', user => 'b1')->{status}, 201, 'cancelled: sold at once');
is(hold('a', user => 'b2', quantity => 2)->{status}, 409,
   'more than is left is refused');
is(served_by_cache(sub {
    is(hold('a', user => 'b3')->{status}, 201, 'which is no sold out');
}), 0, 'and not the cache');

# An operator's cancel.
$id = sell_out('op', user => 'owner2');
http('POST', "/paytrade/admin/orders/$id/cancel", '{"request_id":"c-1"}');
is(hold('op')->{status}, 201, 'cancelled by an operator: sold at once');

# Restock.
sell_out('re');
is(http('POST', '/paytrade/admin/items/re/restock',
        '{"units":1,"request_id":"r-1"}')->{status}, 200, 'restocked');
is(hold('re')->{status}, 201, 'restocked: sold at once');
is(code(hold('re')), 'sold_out', 'and sold out again');
is(served_by_cache(sub { hold('re') }), 1, 'which is cached again');

# PUT with more stock, and with another price.
put_item('re', stock => 4);
is(hold('re')->{status}, 201, 'more stock by PUT: sold at once');
is(code(hold('re')), 'sold_out', 'sold out');
put_item('re', stock => 4, price => '6000.00');
is(code(hold('re', price => '5000.00')), 'price_changed',
   'another price: the old one is told');
is(code(hold('re', price => '6000.00')), 'sold_out', 'the new one: sold out');
is(served_by_cache(sub {
    is(code(hold('re', price => '6000.00')), 'sold_out', 'again');
    is(code(hold('re', price => '5000.00')), 'price_changed', 'the old one');
}), 1, 'cached for the new price only');

# Pausing is told at once too.
sell_out('pa', sale => 'pa');
http('POST', '/paytrade/admin/sales/pa/pause', '{"paused":true}');
is(code(hold('pa')), 'paused', 'paused: told at once');

# Expiry clears it, with nobody's help.
put_item('ex', stock => 1, hold_time => '2s', sale => 'ex');
is(hold('ex')->{status}, 201, 'a hold of two seconds');
my $from = time;
my $answer = hold('ex');
is(code($answer), 'sold_out', 'sold out');
cmp_ok($answer->{headers}{'retry-after'}, '<=', 2, 'for two seconds');
is(served_by_cache(sub { $answer = hold('ex') }), 1, 'cached');
cmp_ok($answer->{headers}{'retry-after'}, '<=', 2, 'for two seconds');
is(code(hold('ex')), 'sold_out', 'still') if time - $from < 1.8;
sleep 2 - (time - $from) if time - $from < 2;
ok(until_true(sub { hold('ex')->{status} == 201 }, 1.5),
   'sold again within a second of the deadline');

# Each SKU has its own time, and is back at it.
put_item('minutes', stock => 2, hold_time => '10m', sale => 'times');
put_item('second', stock => 1, hold_time => '1s', sale => 'times');
is(hold('minutes', quantity => 2)->{status}, 201, 'a hold of ten minutes');

for my $turn (1 .. 3) {
    is(hold('second')->{status}, 201, "$turn: a hold of a second");
    $from = time;
    is(hold('second')->{headers}{'retry-after'}, 1, 'for a second');

    for my $by ('Redis', 'the cache') {
        $answer = hold('minutes');
        cmp_ok($answer->{headers}{'retry-after'}, '>', 580,
               "another's ten minutes, by $by");
        $answer = hold('minutes', quantity => 3);
        is(code($answer), 'sold_out', 'more than all that is held');
        ok(!$answer->{headers}{'retry-after'}, 'which does not come back');
    }

    http('GET', '/items?sku=second');
    sleep 1.02 - (time - $from);
    is(hold('second', key => "turn-$turn", user => "turn-$turn")->{status},
       201, 'after that second it is there') if $turn < 3;
    sleep 1.02 if $turn < 3;
}

like(http('GET', '/items?sku=second')->{content}, qr/"available":1,/,
     'a due hold counts as available');
is(hold('second')->{status}, 201, 'and can be had');

# None was ever there.
put_item('no', stock => 0);
$answer = hold('no');
is(code($answer), 'sold_out', 'nothing to sell');
ok(!$answer->{headers}{'retry-after'}, 'no Retry-After');
is(served_by_cache(sub { $answer = hold('no') }), 1, 'cached');
ok(!$answer->{headers}{'retry-after'}, 'no Retry-After by the cache');
like($answer->{content}, qr/all units are sold/, 'and the reason');

# Not even with Redis gone.
pause_redis(1);
is(code(hold('no')), 'sold_out', 'Redis hangs: the cache answers');
pause_redis(0);
is(served_by_cache(sub { until_true(sub { hold('a')->{status} == 409 }, 5) })
   >= 0, 1, 'Redis is back');

ok(journal_drained(), 'PostgreSQL has all');
ok(stop_nginx(), 'nginx leaves');


# Another reason comes first, and stays so.
start_nginx(workers => 1, http => 'paytrade_soldout_ttl 20s;');
sell_out('paused', sale => 'resting');
http('POST', '/paytrade/admin/sales/resting/pause', '{"paused":true}');
sleep 0.5;
is(code(hold('paused')), 'paused', 'sold out and paused: paused') for 1 .. 3;
http('POST', '/paytrade/admin/sales/resting/pause', '{"paused":false}');
is(code(hold('paused')), 'sold_out', 'no longer paused: sold out');
ok(stop_nginx(), 'nginx leaves');


# The time to live.
start_nginx(workers => 1, http => 'paytrade_soldout_ttl 1s;');
# No unit of it is held, or the sweep would hear of it five times a second.
put_item('ttl', stock => 0);
is(code(hold('ttl')), 'sold_out', 'nothing to sell');
$from = time;
is(served_by_cache(sub { hold('ttl') }), 1, 'cached');
sleep 1.1 - (time - $from) if time - $from < 1.1;
is(served_by_cache(sub { hold('ttl') }), 0, 'not after a second');
is(served_by_cache(sub { hold('ttl') }), 1, 'then again');
ok(stop_nginx(), 'nginx leaves');

start_nginx(workers => 1, http => 'paytrade_soldout_ttl 0;');
sell_out('off');
is(served_by_cache(sub { hold('off') for 1 .. 5 }), 0, '0 turns it off');
is(item('off')->{held}, 2, 'no more was sold for all that');

ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
