# paytrade_events: orders in the stream too, when they are asked for.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events);
use PaytradeAlipay;
use PaytradeLoad 'load';
use Test::More;

my $http = alipay_gateway() . <<'_EOC_';
    paytrade_pay_margin 100ms;
    paytrade_pay_rest 200ms;
_EOC_


# Each event of an order as "type rev…", in the order of the stream.
sub told {
    my ($order) = @_;

    return join ' ', map { $_->{type} =~ s/^(?:order|payment)\.//r }
                     grep { $_->{order_id} eq $order } events();
}


sub expired {
    my ($order) = @_;

    until_true(sub { psql('SELECT status FROM paytrade.orders'
                          . " WHERE order_id = $order") eq 'expired' }, 10);
}


# None is wanted.
start_nginx(workers => 1, http => $http);
put_item('p30', stock => 100);
put_item('short', stock => 100, hold_time => '1s');
my $quiet = buy('u1', 'p30');
expired(buy('u1', 'short'));
is(http('DELETE', "/orders/$quiet", undef, 'X-User' => 'u1')->{status}, 200,
   'cancelled');
is(redis('EXISTS', '{pt:0}:events'), '0', 'by default orders are not told');
ok(stop_nginx(), 'nginx leaves');


# All of them.
start_nginx(workers => 2, http => $http . <<'_EOC_');
    paytrade_events order.held order.cancelled order.expired;
_EOC_

my $held = http('POST', '/orders', '{"sale":"spring","lines":[{"sku":"p30",'
                . '"quantity":2,"unit_price":"5000"},{"sku":"short",'
                . '"quantity":1,"unit_price":"5000"}],"meta":[1,"x"]}',
                'X-User' => 'u2', 'Idempotency-Key' => 'k');
my ($order) = $held->{content} =~ /"order_id":"(\d+)"/;
my ($event, @others) = events();

is(scalar @others, 0, 'one event');
delete $event->{entry};
like(delete $event->{at}, qr/^\d{13}$/, 'at is in milliseconds');
is_deeply($event, {
    id => "order.held:$order", type => 'order.held', v => '1',
    order_id => $order, pay_no => '', user => 'u2', sale => 'spring',
    amount => '1500000', currency => 'CNY', gateway => '', trade_no => '',
    lines => '[{"sku":"p30","quantity":2,"unit_price":500000},'
             . '{"sku":"short","quantity":1,"unit_price":500000}]',
    meta => '[1,"x"]', reason => '',
}, 'that has all of the order');

http('POST', '/orders', '{"sale":"spring","lines":[{"sku":"p30",'
     . '"quantity":2,"unit_price":"5000"},{"sku":"short",'
     . '"quantity":1,"unit_price":"5000"}],"meta":[1,"x"]}',
     'X-User' => 'u2', 'Idempotency-Key' => 'k');
is(scalar(events()), 1, 'a replay is none');
is(http('POST', '/orders', '{"sku":"p30","quantity":101,"unit_price":"5000"}',
        'X-User' => 'u2')->{status}, 409, 'a refused hold');
is(scalar(events()), 1, 'is none');
ok(expired($order), 'it expires');
is(told($order), 'held expired', 'and is told');
($event) = grep { $_->{type} eq 'order.expired' } events();
is("$event->{id} $event->{user} $event->{amount}",
   "order.expired:$order u2 1500000", 'with its user and amount');

my $cancelled = buy('u3', 'p30');
my $paid_after = pay_no('u3', $cancelled);
http('DELETE', "/orders/$cancelled", undef, 'X-User' => 'u3') for 1, 2;
is(answered(notify(callback($paid_after, '5000.00'))), '200 success',
   'paid after it was cancelled');
is(told($cancelled), 'held cancelled refund_due', 'is told in that order');

put_item('late', stock => 10, hold_time => '2s');
my $late = buy('u4', 'late');
my $late_pay = pay_no('u4', $late);
ok(expired($late), 'another expires');
is(answered(notify(callback($late_pay, '5000.00'))), '200 success',
   'and is paid late');
is(told($late), 'held expired succeeded', 'told in that order');

my $plain = buy('u5', 'p30');
is(answered(notify(callback(pay_no('u5', $plain), '5000.00'))),
   '200 success', 'the plain way');
is(told($plain), 'held succeeded', 'is told');

my $by_admin = buy('u6', 'p30');
is(http('POST', "/paytrade/admin/orders/$by_admin/cancel",
        '{"request_id":"c-1"}')->{status}, 200, 'cancelled by an operator');
is(told($by_admin), 'held cancelled', 'is told');


# Many at a time: an event for each, in the order of its changes.
put_item('free', stock => 300, price => '1');

my $n = 0;
my @outcomes = load(port => port(), clients => 50, seconds => 20,
                    next => sub {
    return if $n++ >= 300;
    return { method => 'POST', path => '/orders',
             headers => { 'X-User' => "m$n" },
             body => '{"sku":"free","quantity":1,"unit_price":"1"}' };
});
my @ids = order_ids(@outcomes);
my @deletes = map { { method => 'DELETE', path => "/orders/$_->[0]",
                      headers => $_->[1] } }
              map { [ (order_ids($_))[0], $_->{headers} ] } @outcomes;
load(port => port(), clients => 50, seconds => 20,
     next => sub { shift @deletes });
my (%wanted, %told);
@wanted{@ids} = ('held cancelled') x @ids;
for my $event (grep { $wanted{$_->{order_id}} } events()) {
    my $so_far = $told{$event->{order_id}};

    $told{$event->{order_id}} = ($so_far ? "$so_far " : '')
                                . $event->{type} =~ s/^order\.//r;
}
is(scalar @ids, 300, 'three hundred holds and cancels');
is_deeply(\%told, \%wanted, 'each is told, in order');

my %ids;
$ids{$_->{id}}++ for events();
is(scalar(grep { $_ > 1 } values %ids), 0, 'no event has the id of another');
ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');


# Some of them.
start_nginx(workers => 1, http => "$http paytrade_events order.cancelled;");
my $some = buy('u7', 'p30');
http('DELETE', "/orders/$some", undef, 'X-User' => 'u7');
is(told($some), 'cancelled', 'only what is asked for');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
