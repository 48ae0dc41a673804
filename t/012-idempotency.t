# Idempotency: one attempt to buy is one order, whatever happens on the way.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;
use Time::HiRes qw(sleep time);

start_nginx(workers => 2);
put_item('p30', stock => 100);
put_item('a', stock => 100, sale => 'cart', price => '1.00');
put_item('b', stock => 100, sale => 'cart', price => '2.00');

my $body = '{"sku":"p30","quantity":1,"unit_price":"5000.00"}';


sub hold {
    my ($user, $key, $text) = @_;

    return http('POST', '/orders', defined $text ? $text : $body,
                'X-User' => $user,
                defined $key ? ('Idempotency-Key' => $key) : ());
}


sub id {
    my ($answer) = @_;
    my ($id) = $answer->{content} =~ /"order_id":"(\d{19})"/;

    return $id || "none: $answer->{status} $answer->{content}";
}


sub status {
    return $_[0]{content} =~ /"status":"?(\w+)/ ? $1 : 'none';
}


sub code {
    return $_[0]{content} =~ /"code":"(\w+)"/ ? $1 : $_[0]{status};
}


# A replay of the order, in the state that it has now.
sub replays {
    my ($name, $first, $again, $state) = @_;

    is($again->{status}, 200, "$name: 200");
    is($again->{headers}{'idempotency-replayed'}, 'true', "$name: told so");
    is(id($again), id($first), "$name: the same order");
    is(status($again), $state, "$name: $state");
}


# The key in all its forms.
my $first = hold('u1', 'k1');

is($first->{status}, 201, 'a hold with a key');
ok(!exists $first->{headers}{'idempotency-replayed'}, 'is no replay');
ok(!exists $first->{headers}{'idempotency-key'}, 'the key is not echoed');
replays('again', $first, hold('u1', 'k1'), 'held');
replays('quoted', $first, hold('u1', '"k1"'), 'held');

for my $other ('K1', "'k1'", '"k1', 'k1"', 'k1 k1', 'k10') {
    my $answer = hold('keys', $other);

    is($answer->{status}, 201, "$other is another key");
    is(id(hold('keys', $other)), id($answer), "$other: the same order");
}

my $in_body = '{"sku":"p30","quantity":1,"unit_price":"5000.00",'
              . '"request_id":"r1"}';
my $by_body = hold('u2', undef, $in_body);

is($by_body->{status}, 201, 'a hold with request_id');
replays('request_id', $by_body, hold('u2', undef, $in_body), 'held');
replays('request_id as a header', $by_body, hold('u2', 'r1'), 'held');
isnt(id(hold('u2', 'r2', $in_body)), id($by_body), 'the header wins');

my $own = hold('u3');
my $made = $own->{headers}{'idempotency-key'};

is($own->{status}, 201, 'a hold without a key');
like($made, qr/^[0-9a-f]{32}$/, 'has one made');
replays('the key that was made', $own, hold('u3', $made), 'held');
isnt(id(hold('u3')), id($own), 'without a key again is another order');
isnt(hold('u3')->{headers}{'idempotency-key'}, $made, 'with another key');

pause_redis(1);
$own = hold('u3');
pause_redis(0);
is($own->{status}, 503, 'without a key, and the outcome is not known');
$made = $own->{headers}{'idempotency-key'};
like($made, qr/^[0-9a-f]{32}$/, 'the key is told');
ok(until_true(sub { all_serve('p30') }, 15), 'Redis goes on');
hold('u3', $made);
replays('what became of it', hold('u3', $made), hold('u3', $made), 'held');

my $long = 'x' x 255;
is(id(hold('u4', $long)), id(hold('u4', $long)), 'a key of 255 bytes');
is(id(hold('u4', "\xe6\x89\x8b")), id(hold('u4', "\xe6\x89\x8b")),
   'a key of UTF-8');


# What is the same body and what is not.
my $cart = '{"sale":"cart","lines":[{"sku":"a","quantity":2,"unit_price":"1"},'
           . '{"sku":"b","quantity":1,"unit_price":"2"}]}';
my $bought = hold('u5', 'c', $cart);

is($bought->{status}, 201, 'a cart');
replays("as others write it: $_", $bought, hold('u5', 'c', $_), 'held') for (
    '{"lines":[{"quantity":1,"sku":"b","unit_price":"2.00"},{"sku":"a",'
    . '"unit_price":"1.0","quantity":1},{"sku":"a","unit_price":"1",'
    . '"quantity":1}], "sale":"cart", "unknown":1}',
);
is(code(hold('u5', 'c', $_)), 'key_reused', "another body: $_") for (
    '{"sale":"cart","lines":[{"sku":"a","quantity":1,"unit_price":"1"},'
    . '{"sku":"b","quantity":1,"unit_price":"2"}]}',
    '{"sale":"cart","lines":[{"sku":"a","quantity":2,"unit_price":"1"}]}',
    '{"sale":"cart","lines":[{"sku":"a","quantity":2,"unit_price":"1"},'
    . '{"sku":"b","quantity":1,"unit_price":"2"}],"amount":"4"}',
    '{"sale":"cart","lines":[{"sku":"a","quantity":2,"unit_price":"1"},'
    . '{"sku":"b","quantity":1,"unit_price":"2"}],"meta":1}',
    '{"sale":"cart","lines":[{"sku":"a","quantity":2,"unit_price":"9"},'
    . '{"sku":"b","quantity":1,"unit_price":"2"}]}',
);
is(hold('u5', 'c', '{"sale":"cart","sku":"a","quantity":1,"unit_price":"1"}')
   ->{status}, 422, 'key_reused is 422');
is(item('a')->{held}, 2, 'none of them took anything');


# The scope: a buyer in a sale.
isnt(id(hold('other', 'k1')), id($first), 'another user has keys of his own');
my $elsewhere = hold('u1', 'k1', '{"sku":"a","quantity":1,"unit_price":"1"}');
is($elsewhere->{status}, 201, 'so has another sale');
isnt(id($elsewhere), id($first), 'with an order of its own');


# A refusal uses no key.
put_item('soon', stock => 0, sale => 'soon');
my $soon = '{"sku":"soon","quantity":1,"unit_price":"5000.00"}';

is(code(hold('u6', 's1', $soon)), 'sold_out', 'refused');
put_item('soon', stock => 1, sale => 'soon');
my $served = hold('u6', 's1', $soon);
is($served->{status}, 201, 'the same key is served after a refusal');
replays('and then replays', $served, hold('u6', 's1', $soon), 'held');


# Replays in every later state.
is(http('DELETE', '/orders/' . id($first), undef, 'X-User' => 'u1')->{status},
   200, 'cancelled');
replays('cancelled', $first, hold('u1', 'k1'), 'cancelled');
is(code(hold('u1', 'k1', $cart =~ s/"sale":"cart"/"sale":"spring"/r)),
   'unknown_item', 'unknown_item stands before key_reused');

put_item('short', stock => 5, hold_time => '1s', sale => 'short');
my $short = '{"sku":"short","quantity":1,"unit_price":"5000.00"}';
my $brief = hold('u7', 'e', $short);

is($brief->{status}, 201, 'a hold of a second');
sleep 1.05;
replays('due', $brief, hold('u7', 'e', $short), 'expired');
sleep 1.2;
replays('expired', $brief, hold('u7', 'e', $short), 'expired');
is(item('short')->{available}, 5, 'its unit is back');
isnt(id(hold('u7', 'e2', $short)), id($brief), 'a new key buys again');

put_item('gone', stock => 1, sale => 'gone');
my $gone = '{"sku":"gone","quantity":1,"unit_price":"5000.00"}';
my $last = hold('u8', 'g', $gone);

is($last->{status}, 201, 'the last unit');
is(code(hold("v$_", 'g', $gone)), 'sold_out', 'sold out') for 1 .. 5;
replays('sold out', $last, hold('u8', 'g', $gone), 'held');
is(code(hold('v9', 'g', $gone)), 'sold_out', 'sold out for another');
replays('sold out, cached', $last, hold('u8', 'g', $gone), 'held');
is(code(hold('u8', 'g2', $gone)), 'sold_out', 'sold out with another key');

put_item('gone', stock => 1, sale => 'gone', price => '1.00', limit => 1,
         ends_at => '2020-01-01T00:00:00Z');
http('POST', '/paytrade/admin/sales/gone/pause', '{"paused":true}');
replays('paused, ended, at another price', $last, hold('u8', 'g', $gone),
        'held');
is(code(hold('u8', 'g3', $gone)), 'paused', 'but nothing new');


# Fifty at once.
my @requests = map { {
    method => 'POST', path => '/orders', body => $body,
    headers => { 'X-User' => 'fifty', 'Idempotency-Key' => 'same' },
} } 1 .. 50;
my $before = item('p30')->{held};
my @outcomes = load(port => port(), clients => 50, seconds => 10,
                    next => sub { shift @requests });
my %ids = map { $_ => 1 } order_ids(@outcomes);

is(scalar(grep { $_->{status} == 201 } @outcomes), 1, 'fifty at once: one 201');
is(scalar(grep { $_->{status} == 200
                 && $_->{headers_in} =~ /Idempotency-Replayed: true/ }
          @outcomes), 49, 'the others are replays');
is(scalar(keys %ids), 1, 'of one order');
is(item('p30')->{held}, $before + 1, 'one unit is held');

# Fifty at once with one key and ten bodies.
@requests = map { my $n = $_; {
    method => 'POST', path => '/orders',
    body => $body =~ s/"quantity":1/'"quantity":' . (1 + $n % 10)/er,
    headers => { 'X-User' => 'bodies', 'Idempotency-Key' => 'same' },
} } 1 .. 50;
@outcomes = load(port => port(), clients => 50, seconds => 10,
                 next => sub { shift @requests });
my %count;
$count{$_->{status}}++ for @outcomes;

is_deeply(\%count, { 201 => 1, 200 => 4, 422 => 45 },
          'one key, ten bodies: one is taken, the others are refused');
is(redis('HGET', '{pt:0}:buyers:spring', 'bodies') =~ tr/|/|/, 1,
   'the buyer has a record');


# Without its scripts Redis gets them again.
redis('SCRIPT', 'FLUSH');
replays('after SCRIPT FLUSH', $by_body, hold('u2', 'r1'), 'held');
redis('SCRIPT', 'FLUSH');
is(hold('u9', 'f')->{status}, 201, 'and a hold is taken');
is(hold('u9', 'f')->{status}, 200, 'once');

# After a restart.
stop_redis();
start_redis();
# Both workers have to find it.
until_true(sub { !grep { hold('u10', 'x')->{status} !~ m{^20} } 1 .. 20 }, 10);
replays('after a restart of Redis', $by_body, hold('u2', 'r1'), 'held');
replays('also of a cancelled one', $first, hold('u1', 'k1'), 'cancelled');

ok(journal_drained(), 'the journal is empty');
is(psql("SELECT count(*) FROM paytrade.orders WHERE user_id = 'fifty'"), 1,
   'PostgreSQL has one order of the fifty');
is(psql('SELECT count(*) FROM (SELECT 1 FROM paytrade.orders'
        . ' GROUP BY user_id, sale, request_key HAVING count(*) > 1) x'), 0,
   'and none twice with one key');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');


# Too many attempts.
start_nginx(workers => 2, http => 'paytrade_attempts 3;');
put_item('tries', stock => 100, sale => 'tries', hold_time => '1s');
my $try = '{"sku":"tries","quantity":1,"unit_price":"5000.00"}';
my @three = map { hold('u1', "t$_", $try) } 1 .. 3;

is(scalar(grep { $_->{status} == 201 } @three), 3, 'three attempts');
my $fourth = hold('u1', 't4', $try);
is($fourth->{status}, 429, 'the fourth is 429');
is(code($fourth), 'too_many_attempts', 'too_many_attempts');
is($fourth->{headers}{'retry-after'}, 3600, 'not soon again');
is(item('tries')->{held}, 3, 'and takes nothing');
replays('one of the three', $three[0], hold('u1', 't1', $try), 'held');
is(hold('u2', 't1', $try)->{status}, 201, 'another buyer may');
http('DELETE', '/orders/' . id($three[1]), undef, 'X-User' => 'u1');
is(hold('u1', 't4', $try)->{status}, 429, 'a cancelled one counts for a day');
sleep 2.2;
replays('an expired one', $three[2], hold('u1', 't3', $try), 'expired');
is(hold('u1', 't4', $try)->{status}, 429, 'so does an expired one');

ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
