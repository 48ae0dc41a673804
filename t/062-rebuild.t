# paytrade_admin: a rebuild that an operator asks for.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use Test::More;
use Time::HiRes qw(sleep time);

start_nginx(workers => 2);
put_item('p30', stock => 100, price => '1.00', sale => 'rebuilt', limit => 2);


sub rebuild {
    my ($body) = @_;

    return http('POST', '/paytrade/admin/rebuild', $body);
}


sub hold {
    my ($user, $key) = @_;

    return http('POST', '/orders',
                '{"sku":"p30","quantity":1,"unit_price":"1.00"}',
                'X-User' => $user, 'Idempotency-Key' => $key);
}


my $answer = rebuild();
is($answer->{status}, 200, 'a sound Redis');
is($answer->{content}, '{"rebuild":"not_needed"}', 'needs no rebuild');
is(rebuild('{"force":false}')->{status}, 200, 'nor when not forced');
is(rebuild($_)->{status}, 400, "refused: $_")
    for '{"force":1}', '[]', '{"force"', '{"force":"true"}';

my %id_of = map { my $held = hold($_, 'k');
                  is($held->{status}, 201, "$_ holds");
                  $_ => order_ids({ %$held, answer => $held->{content} }) }
            map { "rebuild$_" } 1 .. 5;
is(http('DELETE', "/orders/$id_of{rebuild5}", undef,
        'X-User' => 'rebuild5')->{status}, 200, 'one is cancelled');
is(hold('rebuild1', 'l')->{status}, 201, 'another is the last of its buyer');
ok(journal_drained(), 'the journal is written');

my $before = item('p30');
my $epoch = redis('GET', '{pt:0}:epoch');

$answer = rebuild('{"force":true}');
is($answer->{status}, 202, 'a forced rebuild');
is($answer->{content}, '{"rebuild":"started","partitions":1}', 'starts');
ok(until_true(sub {
    my $now = redis('GET', '{pt:0}:epoch');
    $now =~ /^\d+$/ && $now > $epoch;
}, 20), 'and ends with a new epoch');

is_deeply(item('p30'), $before, 'the item is as it was');
ok(until_true(sub { hold('rebuild2', 'k')->{status} == 200 }, 5),
   'a key finds its order');
$answer = hold('rebuild2', 'k');
like($answer->{content}, qr/"order_id":"$id_of{rebuild2}"/, 'the same one');
is(hold('rebuild1', 'm')->{status}, 409, 'the limit holds');
is(hold('rebuild5', 'm')->{status}, 201, 'a cancelled order gave it back');
is(http('DELETE', "/orders/$id_of{rebuild3}", undef,
        'X-User' => 'rebuild3')->{status}, 200, 'an order is cancelled');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');


# While one runs another is asked for.
is(rebuild('{"force":true}')->{status}, 202, "forced, $_") for 1 .. 3;
ok(until_true(sub { hold('rebuild6', 'k')->{status} =~ /^20[01]$/ }, 20),
   'selling goes on');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');

# A Redis that was emptied, and cannot be rebuilt yet: nothing is changed.
sub refused_with {
    my ($code, $method, $path, $body) = @_;

    ok(until_true(sub {
        $answer = http($method, "/paytrade/admin/$path", $body);
        $answer->{content} =~ /"code":"$code"/;
    }, 20), "$method $path: $code") or diag($answer->{content});
}


ok(journal_drained(), 'the journal is written');
psql('ALTER TABLE paytrade.admin_requests RENAME TO hidden');
redis('DEL', '{pt:0}:epoch');

refused_with('rebuild_required', 'PUT', 'items/p31',
             '{"sale":"rebuilt","price":"1.00","stock":5}');
is($answer->{status}, 409, 'a conflict');
refused_with('rebuild_required', 'POST', 'sales/rebuilt/pause',
             '{"paused":true}');
refused_with('rebuild_required', 'POST', "orders/$id_of{rebuild4}/cancel");

is(rebuild()->{status}, 202, 'a rebuild is needed');
is(hold('rebuild7', 'k')->{status}, 503, 'nothing is sold');

psql('ALTER TABLE paytrade.hidden RENAME TO admin_requests');
ok(until_true(sub { hold('rebuild7', 'k')->{status} =~ /^20[01]$/ }, 20),
   'selling goes on when it is rebuilt');
is(rebuild()->{status}, 200, 'no rebuild is needed');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');

ok(log_is_clean(), 'no alert in the log');

done_testing();
