# The events stream: what every group has acknowledged goes, nothing else does;
# without a group the last paytrade_events_max stay.  Groups and callbacks are
# seen in the status.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events status_json);
use PaytradeAlipay;
use Test::More;
use Time::HiRes 'sleep';

my $stream = '{pt:0}:events';
my $http = "paytrade_events_max 10;\n    paytrade_partitions 2;\n    "
           . alipay_gateway();

start_nginx(workers => 2, http => $http);


# The ids of n more events, of nothing that happened.
sub add {
    my ($n, $key) = @_;

    return split /\n/, redis('EVAL', <<'_EOC_', 1, $key || $stream, $n);
local ids = {}
for i = 1, tonumber(ARGV[1]) do
    ids[i] = redis.call('XADD', KEYS[1], '*', 'id', 'test:' .. i)
end
return ids
_EOC_
}


sub ids {
    my ($key) = @_;

    return map { /^(\d+-\d+)$/ ? $1 : () }
           split /\n/, redis('XRANGE', $key || $stream, '-', '+');
}


sub take {
    my ($group, $n, $key) = @_;

    return grep { /^\d+-\d+$/ }
           split /\n/, redis('XREADGROUP', 'GROUP', $group, 'c', 'COUNT', $n,
                             'STREAMS', $key || $stream, '>');
}


# Until the stream has that many entries; what is left is still there after
# another trim.
sub comes_to {
    my ($n, $name) = @_;

    until_true(sub { redis('XLEN', $stream) == $n }, 6);
    sleep 2.3 if $n;
    is(redis('XLEN', $stream), $n, $name);
}


sub group_of {
    my ($name, $partition) = @_;

    my ($group) = grep { $_->{name} eq $name
                         && $_->{partition} == ($partition || 0) }
                  @{ status_json()->{events}{groups} };

    return $group ? "$group->{pending} $group->{lag}" : 'none';
}


sub shows {
    my ($name, $wanted, $partition) = @_;

    until_true(sub { group_of($name, $partition) eq $wanted }, 6);
    is(group_of($name, $partition), $wanted,
       'the status of ' . ($name =~ s/[^ -~]/?/gr) . ': pending and lag');
}


sub metrics {
    return http('GET', '/paytrade/status?format=prometheus')->{content};
}


# Nobody reads.

put_item('p30', stock => 9);

my @ids = add(25);

comes_to(10, 'without a group the last 10 of 25 stay');
is_deeply([ ids() ], [ @ids[15 .. 24] ], 'the last ones');
is(status_json()->{events}{trimmed}, 15, 'what went is counted');
is(status_json()->{events}{length}, 10, 'and what stays');
is_deeply(status_json()->{events}{groups}, [], 'there are no groups');
like(log_text(), qr/\[warn\].*nobody reads \{pt:0\}:events, it has no consum/,
     'it is told');
unlike(log_text(), qr/nobody reads \{pt:1\}/,
       'nothing is told of a partition without events');

add(10);
comes_to(10, 'and so on');
is(() = log_text() =~ /nobody reads/g, 1, 'it is not told again at once');


# Two groups.

@ids = ids();
redis('XGROUP', 'CREATE', $stream, $_, '0') for qw(fast slow);
take('fast', 10);
redis('XACK', $stream, 'fast', @ids);
shows('fast', '0 0');
shows('slow', '0 10');
is(redis('XLEN', $stream), 10, 'a group that has read nothing keeps all');

take('slow', 4);
redis('XACK', $stream, 'slow', $ids[0], $ids[2]);
shows('slow', '2 6');
comes_to(9, 'the oldest that is not acknowledged keeps what follows');
is_deeply([ ids() ], [ @ids[1 .. 9] ], 'one acknowledged, the rest not');

redis('XACK', $stream, 'slow', $ids[1]);
comes_to(7, 'acknowledged, gone');
is_deeply([ ids() ], [ @ids[3 .. 9] ], 'but nothing else');

my @more = add(20);
shows('slow', '1 26');
shows('fast', '0 20');
is(redis('XLEN', $stream), 27, 'a group keeps more than paytrade_events_max');

reload_nginx();
until_true(sub { log_text() =~ /is behind/ }, 8);
like(log_text(), qr/\[warn\].*group\ "slow"\ of\ \{pt:0\}:events\ is\ behind:
                    \ 1\ events\ are\ read\ and\ not\ acknowledged,\ 26\ not
                    \ read/x, 'a group that is behind is told');

take('slow', 100);
redis('XACK', $stream, 'slow', @ids, @more);
shows('slow', '0 0');
is(redis('XLEN', $stream), 20, 'the other group keeps what it has not read');

redis('XGROUP', 'DESTROY', $stream, 'fast');
comes_to(0, 'without that group all are gone');
shows('fast', 'none');

my ($last) = add(1);
take('slow', 1);
comes_to(1, 'read and not acknowledged: the last one stays');
redis('XACK', $stream, 'slow', $last);
comes_to(0, 'acknowledged');


# Many at once, and Redis that goes away.

add(30_000);

my $trimmed = status_json()->{events}{trimmed};

redis('XGROUP', 'SETID', $stream, 'slow', '$');
until_true(sub { redis('XLEN', $stream) == 0 }, 6);
is(redis('XLEN', $stream), 0, '30,000 go within seconds');
until_true(sub { status_json()->{events}{trimmed} == $trimmed + 30_000 }, 3);
is(status_json()->{events}{trimmed}, $trimmed + 30_000, 'all are counted');

stop_redis();
sleep 1;
start_redis();
all_serve('p30');
add(5);
redis('XGROUP', 'SETID', $stream, 'slow', '$');
comes_to(0, 'after a restart of Redis it goes on');


# Names that no metric expects; another partition.

my $odd = "q\"b\\t\x{e6}\x{9c}\x{8d}";

redis('XGROUP', 'CREATE', '{pt:1}:events', $odd, '0', 'MKSTREAM');
redis('XGROUP', 'CREATE', '{pt:1}:events', "bad\xff", '0');
redis('XGROUP', 'CREATE', '{pt:1}:events', 'x' x 80, '0');
add(3, '{pt:1}:events');
take('x' x 80, 1, '{pt:1}:events');

until_true(sub { 3 == grep { $_->{partition} == 1 }
                      @{ status_json()->{events}{groups} } }, 6);
shows("q\"b\\t\x{670d}", '0 3', 1);
shows('bad?', '0 3', 1);
shows('x' x 64, '1 2', 1);

my $metrics = metrics();

like($metrics, qr/^paytrade_events_lag\{partition="1",group="q\\"b\\\\t
                   \xe6\x9c\x8d"\}\ 3$/mx, 'quoted for Prometheus');
like($metrics, qr/^paytrade_events_pending\{partition="1",group="x{64}"\} 1$/m,
     'cut');
like($metrics, qr/^paytrade_events_lag\{partition="0",group="slow"\} 0$/m,
     'the other partition');
like($metrics, qr/^paytrade_events_length\{partition="1"\} 3$/m, 'the length');
is(status_json()->{partitions}[1]{events}, 3, 'in the status too');

my $label = qr/[a-z]+="(?:[^"\\]|\\.)*"/;
my @bad = grep { !/^\# (HELP|TYPE) [a-z_]+ ./
                 && !/^[a-z_]+(\{$label(,$label)*\})? \d+$/ }
          split /\n/, $metrics;

is_deeply(\@bad, [], 'every line is a comment or a sample');


# What callbacks and payments count.

my $order = buy('u1', 'p30');
my $pay_no = pay_no('u1', $order);
my $callback = callback($pay_no, '5000.00');

is(answered(notify($callback)), '200 success', 'a payment is paid');
is(answered(notify($callback)), '200 success', 'told twice');
is(answered(notify($callback =~ s/5000/5001/r)), '200 fail', 'forged');
is(answered(notify(callback($pay_no, '5001.00'))), '200 fail',
   'another amount');

my $status = status_json();
my $seen = $status->{callbacks}{alipay};

is_deeply([ @{$status->{payments}}{qw(started settled refund_due refunded)} ],
          [ 1, 1, 0, 0 ], 'payments');
is_deeply([ @$seen{qw(settled duplicate bad_signature mismatch wrong_app)} ],
          [ 1, 1, 1, 1, 0 ], 'callbacks by what became of them');
ok(!exists $seen->{ok}, 'nothing is counted as only genuine');

$metrics = metrics();

like($metrics, qr/^paytrade_payments_settled_total 1$/m, 'settled');
like($metrics, qr/^paytrade_callbacks_total\{gateway="alipay",
                   result="bad_signature"\}\ 1$/mx, 'bad_signature');

my ($event) = grep { ($_->{type} // '') eq 'payment.succeeded' }
              map { events($_) } 0, 1;

is($event->{order_id}, $order, 'the event is in its stream');
ok(drift()->{status} == 200, 'a paid order is no drift')
    or diag drift()->{content};


ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
