# The same callback fifty times: fifty times "success", and one of everything.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events status_json);
use PaytradeAlipay;
use PaytradeLoad 'load';
use Test::More;

my $http = alipay_gateway();


sub fifty {
    my ($name, $user, $n, $tick) = @_;

    my $before = item('p30')->{sold};
    my $order = buy($user, 'p30');
    my $pay_no = pay_no($user, $order);
    my $body = callback($pay_no, '5000.00');
    my @requests = map { callback_request($body) } 1 .. $n;
    my @outcomes = load(port => port(), clients => $n, seconds => 20,
                        next => sub { shift @requests }, tick => $tick);

    is(scalar(grep { $_->{status} == 200 && $_->{answer} eq 'success' }
              @outcomes), $n, "$name: $n times success");
    is(join(', ', map { $_->{type} } grep { $_->{pay_no} eq $pay_no }
                  events()), 'payment.succeeded', "$name: one event");
    is(item('p30')->{sold}, $before + 1, "$name: one is sold");
    ok(journal_drained(), "$name: the journal is empty");
    is(payment($pay_no), 'paid 2 applied', "$name: one row, changed once");
    is(psql('SELECT status, rev FROM paytrade.orders'
            . " WHERE order_id = $order"), 'paid|2', "$name: and the order's");
}


start_nginx(workers => 2, http => $http);
put_item('p30', stock => 100);
fifty('at once', 'u1', 50);
is(status_json()->{callbacks}{alipay}{settled}, 1, 'one is settled');
is(status_json()->{callbacks}{alipay}{duplicate}, 49, 'the others are known');
ok(stop_nginx(), 'nginx leaves');


# While Redis does not answer, callbacks gather; then they go in batches.
start_nginx(workers => 1, http => $http);

my $calls = sub { status_json()->{redis}{scripts}{settle}{calls} };


# Pauses Redis for half a second.
sub pausing {
    my $state = 0;

    return sub {
        my ($elapsed) = @_;

        if ($state == 0) {
            pause_redis(1);
            $state = 1;

        } elsif ($state == 1 && $elapsed > 0.5) {
            pause_redis(0);
            $state = 2;
        }
    };
}


my $before = $calls->();
fifty('in one batch', 'u2', 51, pausing());
cmp_ok($calls->() - $before, '<=', 5, 'few calls took them all');
is(psql('SELECT count(*) FROM paytrade.payments'), '2', 'two payments in all');

# One went before Redis was paused, or none; of the others 64 go in a call.
$before = $calls->();
fifty('in several', 'u3', 200, pausing());
cmp_ok($calls->() - $before, '>=', 4, 'no call took more than 64');


# Different ones, fifty times each, mixed.
my @bodies = map { callback(pay_no("v$_", buy("v$_", 'p30')), '5000.00') }
             1 .. 20;
my @requests = map { my $n = $_; callback_request($bodies[$n % 20]) }
               1 .. 1000;
my @outcomes = load(port => port(), clients => 50, seconds => 20,
                    next => sub { shift @requests });
is(scalar(grep { $_->{status} == 200 && $_->{answer} eq 'success' }
          @outcomes), 1000, 'twenty payments, fifty times each');
is(scalar(events()), 23, 'an event for each');
is_deeply(item('p30'), { stock => 100, available => 77, held => 0,
                         sold => 23 }, 'and a unit');
ok(journal_drained(), 'the journal is empty');
is(psql("SELECT status, rev, count(*) FROM paytrade.payments GROUP BY 1, 2"),
   'paid|2|23', 'each changed once');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
