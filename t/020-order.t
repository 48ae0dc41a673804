# paytrade_order: reading and cancelling, while Redis knows the order and after.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;
use Time::HiRes qw(sleep time);

start_nginx(workers => 1, http => 'paytrade_retention 1s;');
put_item('p30', stock => 100, limit => 5);
put_item('c30', stock => 100, price => '39.90');
put_item('short', stock => 10, limit => 1, sale => 'short', hold_time => '1s');

my $stamp = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
my $body = '{"sku":"p30","quantity":1,"unit_price":"5000.00"}';
my $short = '{"sku":"short","quantity":1,"unit_price":"5000.00"}';


sub hold {
    my ($user, $text, @key) = @_;
    my $answer = http('POST', '/orders', $text, 'X-User' => $user,
                      @key ? ('Idempotency-Key' => $key[0]) : ());
    my ($id) = $answer->{content} =~ /"order_id":"(\d{19})"/;

    die "$answer->{status} $answer->{content}" if !$id;
    return $id;
}


sub order {
    my ($method, $id, $user) = @_;

    return http($method, "/orders/$id", undef,
                defined $user ? ('X-User' => $user) : ());
}


sub code {
    my ($answer) = @_;
    my ($code) = $answer->{content} =~ /"code":"(\w+)"/;

    return "$answer->{status} " . ($code || '');
}


sub state {
    my ($answer) = @_;

    return $answer->{content} =~ /"status":"(\w+)"/ ? $1 : code($answer);
}


sub in_postgres {
    my ($id, $row) = @_;
    my $query = 'SELECT status, rev FROM paytrade.orders WHERE order_id = ';

    until_true(sub { psql("$query$id") eq $row }, 10);
    return psql("$query$id");
}


# GET and HEAD.
my $id = hold('u1', '{"sale":"spring","lines":[{"sku":"p30","quantity":2,'
              . '"unit_price":"5000"},{"sku":"c30","quantity":1,"unit_price":'
              . '"39.9"}],"meta":{"a":1e300}}', 'k1');
my $read = order('GET', $id, 'u1');

is($read->{status}, 200, 'an order is read');
is($read->{headers}{'content-type'}, 'application/json', 'as JSON');
like($read->{content},
     qr/^\{"order_id":"$id","status":"held","sale":"spring",
        "amount":"10039\.90","currency":"CNY",
        "lines":\[\{"sku":"c30","quantity":1,"unit_price":"39\.90"\},
        \{"sku":"p30","quantity":2,"unit_price":"5000\.00"\}\],
        "created_at":"$stamp","expires_at":"$stamp","meta":\{"a":1e300\}\}$/x,
     'all of it');

my $head = order('HEAD', $id, 'u1');
is($head->{status}, 200, 'HEAD');
is($head->{headers}{'content-length'}, length $read->{content},
   'has the length of GET');
is($head->{content} // '', '', 'and no body');


# Others.
is(code(order('GET', $id, 'u2')), '404 unknown_order', 'not by another');
is(code(order('DELETE', $id, 'u2')), '404 unknown_order',
   'and not cancelled by another');
is(order('HEAD', $id, 'u2')->{status}, 404, 'nor HEAD');
is(in_postgres($id, 'held|1'), 'held|1', 'PostgreSQL has it');
is(code(order('DELETE', $id, 'u2')), '404 unknown_order',
   'not cancelled by another when PostgreSQL knows it');
is(code(order('GET', $id)), '401 no_user', 'and not without a user');
is(code(order('DELETE', $id)), '401 no_user', 'nor cancelled so');
is(item('p30')->{held}, 2, 'it is held as before');


# The list of what is open.
my @ids = map { hold('u1', $body) } 1 .. 3;
hold('u2', $body);


sub list {
    my ($user, $sale) = @_;
    my $answer = http('GET', "/orders?sale=$sale", undef, 'X-User' => $user);

    return $answer->{status} if $answer->{status} != 200;
    return join ' ', $answer->{content} =~ /"order_id":"(\d+)"/g;
}


is(list('u1', 'spring'), "$id @ids", 'the list, the oldest first');
is(http('GET', '/orders?sale=spring', undef, 'X-User' => 'u3')->{content},
   '{"orders":[]}', 'an empty list');
is(list('u1', 'short'), '', 'of another sale');
is(http('HEAD', '/orders?sale=spring', undef, 'X-User' => 'u1')->{status}, 200,
   'HEAD of the list');
is(list('u1', 'nowhere'), '', 'of a sale that is none');


# Cancelling.
my $cancelled = order('DELETE', $ids[0], 'u1');

is($cancelled->{status}, 200, 'cancelled');
like($cancelled->{content}, qr/^\{"order_id":"$ids[0]","status":"cancelled",/,
     'the order says so');
is(item('p30')->{held}, 5, 'the unit is back');
my $again = order('DELETE', $ids[0], 'u1');
is($again->{status}, 200, 'cancelled twice');
is($again->{content}, $cancelled->{content}, 'is the same');
is(item('p30')->{held}, 5, 'the unit comes back once');
is(state(order('GET', $ids[0], 'u1')), 'cancelled', 'it reads so');
is(in_postgres($ids[0], 'cancelled|2'), 'cancelled|2', 'PostgreSQL knows it');
is(list('u1', 'spring'), "$id @ids[1, 2]", 'it is not open any more');
is(code(order('DELETE', $ids[0], 'u2')), '404 unknown_order',
   'another sees none');
ok(hold('u1', $body), 'the quota is free again');
is(http('POST', '/orders', $body, 'X-User' => 'u1')->{status}, 409,
   'up to the limit');

# A cart gives back all of its lines.
order('DELETE', $id, 'u1');
is(item('c30')->{available}, 100, 'a cart gives back one line');
is(item('p30')->{held}, 4, 'and the other');


# Expiry.
my $due = hold('u7', $short, 'e');
my $started = time;

is(list('u7', 'short'), $due, 'a short hold is open');
sleep 1.02 - (time - $started);
is(state(order('GET', $due, 'u7')), 'expired', 'from its deadline it is not');
is(list('u7', 'short'), '', 'nor in the list');
like(http('GET', '/items?sku=short')->{content}, qr/"available":10/,
     'and the unit is available');
my $late = order('DELETE', $due, 'u7');
is($late->{status}, 200, 'cancelling it then');
is(state($late), 'expired', 'does not');
ok(until_true(sub { item('short')->{available} == 10 }, 3), 'released');
is(in_postgres($due, 'expired|2'), 'expired|2', 'PostgreSQL knows it');
is(psql("SELECT changed_at >= expires_at FROM paytrade.orders"
        . " WHERE order_id = $due"), 't', 'that it ended at its deadline');
ok(hold('u7', $short, 'e2'), 'the quota is free again');


# Redis forgets what is over: a bucket of a hundred goes when all of it is, and
# another one was opened.
put_item('fill', stock => 120, sale => 'fill', hold_time => '30s');
my $fill = 0;
load(port => port(), clients => 20, seconds => 10, next => sub {
    return if $fill++ >= 100;
    return { method => 'POST', path => '/orders',
             headers => { 'X-User' => "f$fill" },
             body => '{"sku":"fill","quantity":1,"unit_price":"5000.00"}' };
});
my %filled = map { $_ => 1 } split /\n/, redis('HKEYS', '{pt:0}:buyers:fill');
for my $user (keys %filled) {
    order('DELETE', $_, $user) for split ' ', list($user, 'fill');
}
order('DELETE', $_, 'u1') for split ' ', list('u1', 'spring');
order('DELETE', $_, 'u2') for split ' ', list('u2', 'spring');
ok(until_true(sub { redis('EXISTS', '{pt:0}:o:' . substr $id, 0, 17)
                    eq '0' }, 20), 'the orders are purged');
is(redis('EXISTS', '{pt:0}:m:' . substr $id, 0, 17), '0', 'and their meta');

my $stored = order('GET', $id, 'u1');
# PostgreSQL writes the same JSON in its own way.
(my $expected = $read->{content}) =~ s/"held"/"cancelled"/;
$expected =~ s/"meta":.*/'"meta":{"a": 1' . '0' x 300 . '}}'/e;
is($stored->{content}, $expected,
   'a purged order is read from PostgreSQL, as it was');
is(state(order('GET', $due, 'u7')), 'expired', 'an expired one too');
is(code(order('GET', $id, 'u2')), '404 unknown_order', 'not by another');
is(code(order('DELETE', $id, 'u2')), '404 unknown_order',
   'nor cancelled by another');
is(state(order('DELETE', $id, 'u1')), 'cancelled', 'DELETE says how it ended');
is(state(order('DELETE', $due, 'u7')), 'expired', 'and of the other');

my $replay = http('POST', '/orders', $short, 'X-User' => 'u7',
                  'Idempotency-Key' => 'e');
is($replay->{status}, 200, 'its key still finds it');
is($replay->{headers}{'idempotency-replayed'}, 'true', 'as a replay');
like($replay->{content}, qr/"order_id":"$due","status":"expired"/,
     'the same order');
is(code(http('POST', '/orders', $body, 'X-User' => 'u7',
             'Idempotency-Key' => 'e')), '201 ',
   'the key in another sale is another');
is(code(http('POST', '/orders', '{"sku":"short","quantity":2,"unit_price":'
             . '"5000.00"}', 'X-User' => 'u7', 'Idempotency-Key' => 'e')),
   '422 key_reused', 'with another body it is refused');

ok(journal_drained(), 'the journal is empty');


# Without PostgreSQL what was purged cannot be told.
stop_postgres();
is(code(order('GET', $id, 'u1')), '503 unavailable', 'PostgreSQL is down: 503');
ok(order('GET', $id, 'u1')->{headers}{'retry-after'}, 'with Retry-After');
is(code(http('POST', '/orders', $short, 'X-User' => 'u7',
             'Idempotency-Key' => 'e')), '503 unavailable',
   'a purged replay too');
my $fresh = hold('u9', $body);
is(state(order('GET', $fresh, 'u9')), 'held', 'what Redis knows is told');
is(state(order('DELETE', $fresh, 'u9')), 'cancelled', 'and cancelled');
start_postgres();
ok(until_true(sub { order('GET', $id, 'u1')->{status} == 200 }, 10),
   'it is told again');
is(in_postgres($fresh, 'cancelled|2'), 'cancelled|2',
   'and what happened meanwhile has arrived');

ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
