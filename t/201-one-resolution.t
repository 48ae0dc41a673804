# A hold ends once: cancelled by many at once, or by its deadline alone.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;
use Time::HiRes qw(sleep time);

start_nginx(workers => 2);


sub hold {
    my ($user, $sku, $quantity) = @_;
    my $answer = http('POST', '/orders',
                      "{\"sku\":\"$sku\",\"quantity\":$quantity,"
                      . '"unit_price":"5000.00"}', 'X-User' => $user);

    die "$answer->{status} $answer->{content}" if $answer->{status} != 201;
    return order_ids({ %$answer, answer => $answer->{content} });
}


sub cancel {
    my ($user, $id) = @_;

    return { method => 'DELETE', path => "/orders/$id",
             headers => { 'X-User' => $user } };
}


# Fifty cancels of one order at once.
put_item('many', stock => 10, limit => 2);

my ($id) = hold('u1', 'many', 2);
my @cancels = map { cancel('u1', $id) } 1 .. 50;
my @outcomes = load(port => port(), clients => 50, seconds => 10,
                    next => sub { shift @cancels });

is(scalar(grep { $_->{status} == 200 && $_->{answer} =~ /"cancelled"/ }
          @outcomes), 50, 'all fifty are told that it is cancelled');
is(item('many')->{available}, 10, 'its units came back once');
is(item('many')->{held}, 0, 'none is held');
is(scalar(order_ids(map { { status => 201, answer => $_->{content} } }
                    http('POST', '/orders',
                         '{"sku":"many","quantity":2,"unit_price":"5000.00"}',
                         'X-User' => 'u1'))), 1,
   'the quota came back too');
is(http('POST', '/orders',
        '{"sku":"many","quantity":1,"unit_price":"5000.00"}',
        'X-User' => 'u1')->{status}, 409, 'and no more than that');
ok(until_true(sub { psql("SELECT status, rev FROM paytrade.orders"
                         . " WHERE order_id = $id") eq 'cancelled|2' }, 10),
   'the row is cancelled, at its second revision');


# Nobody asks: due holds are released, all within a second of their deadline.
put_item('due', stock => 300, hold_time => '2s', sale => 'short');

my $n = 0;
my $started = time;
my @held = load(port => port(), clients => 100, seconds => 10, next => sub {
    return if $n >= 300;
    $n++;
    return { method => 'POST', path => '/orders',
             headers => { 'X-User' => "due-$n" },
             body => '{"sku":"due","quantity":1,"unit_price":"5000.00"}' };
});
my $last = time;

is(scalar(order_ids(@held)), 300, '300 holds of two seconds');
is(item('due')->{available}, 0, 'all units are held');

sleep 3 - (time - $last) if time - $last < 3;

is_deeply(item('due'), { stock => 300, available => 300, held => 0, sold => 0 },
          'all are released three seconds later');
ok(until_true(sub { psql("SELECT count(*) FROM paytrade.orders"
                         . " WHERE sale = 'short' AND status = 'expired'"
                         . ' AND rev = 2') eq '300' }, 10),
   'and their rows are expired');


# Cancels that meet the deadline.
put_item('race', stock => 50, hold_time => '1s', sale => 'race');

my @race = map { [ "race-$_", hold("race-$_", 'race', 1) ] } 1 .. 50;

sleep 0.9;
my @rush = map { my $r = $_; map { cancel(@$r) } 1 .. 4 } @race;
@outcomes = load(port => port(), clients => 20, seconds => 10,
                 next => sub { shift @rush });

my %word;
for my $outcome (@outcomes) {
    my ($state) = ($outcome->{answer} || '') =~ /"status":"(\w+)"/;
    $word{$outcome->{path}}{$state || 'none'} = 1;
}

is(scalar(grep { keys %{ $word{$_} } != 1 } keys %word), 0,
   'every order has one end, whoever asks');
ok(until_true(sub { item('race')->{available} == 50 }, 5),
   'each unit came back once');
ok(until_true(sub { psql("SELECT count(*) FROM paytrade.orders"
                         . " WHERE sale = 'race' AND rev = 2"
                         . " AND status IN ('cancelled', 'expired')")
                    eq '50' }, 10), 'fifty rows ended, once each');

ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
