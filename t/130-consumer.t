# docs/consumer.py: every event takes effect once, however often its consumers
# are killed.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use POSIX 'WNOHANG';
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'it has nothing of nginx in it' if $ENV{PT_SANITIZER_LOG};

my $stream = '{pt:0}:events';
my $store = "$ENV{PT_TMP}/shipping.db";
my $log = "$ENV{PT_TMP}/consumer.log";
my $kills = 20;
my $first = 1763712000000000000;
my %running;

$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);


END {
    my $status = $?;
    kill 'KILL', $_ for values %running;
    waitpid $_, 0 for values %running;
    $? = $status;
}


sub consumer {
    my ($name, @options) = @_;
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDERR, '>>', $log;
        open STDOUT, '>&', \*STDERR;
        exec 'docs/consumer.py', '--redis', "unix://$ENV{PT_REDIS_SOCKET}",
             '--stream', $stream, '--store', $store, '--name', $name,
             '--idle', 700, @options
            or die "docs/consumer.py: $!";
    }

    return $running{$name} = $pid;
}


sub kill_consumer {
    my ($name) = @_;
    my $pid = delete $running{$name};

    kill 'KILL', $pid;
    waitpid $pid, 0;
}


# The status with which it leaves, -1 when it does not.
sub end_consumer {
    my ($name) = @_;
    my $pid = delete $running{$name};
    my $status = -1;

    kill 'TERM', $pid;
    until_true(sub { waitpid($pid, WNOHANG) == $pid
                     && (($status = $?), 1) }, 5)
        or kill 'KILL', $pid;

    return $status;
}


sub quoted {
    my ($text) = @_;

    $text =~ s/(["\\])/\\$1/g;

    return "\"$text\"";
}


# One event as the scripts write it, as a line for redis-cli.
sub xadd {
    my ($type, $n, %o) = @_;
    my $order = $first + 100 * $n;
    my $pay_no = $order + 50;
    my @fields = (
        id => "$type:$pay_no:$order", type => $type, v => 1,
        order_id => $order, pay_no => $pay_no, user => "u$n",
        sale => 'spring', amount => 500000 + $n, currency => 'CNY',
        gateway => 'alipay', trade_no => "2026$pay_no",
        lines => '[{"sku":"c30","quantity":2,"unit_price":3990},'
                 . '{"sku":"p30","quantity":1,"unit_price":500000}]',
        meta => '{"note":"\u624b\u673a"}', at => int(time * 1000),
        reason => $type eq 'payment.refund_due' ? 'cancelled' : '', %o);
    my %given = @fields;
    my @names = qw(id type v order_id pay_no user sale amount currency gateway
                   trade_no lines meta at reason);

    return join ' ', 'XADD', quoted($stream), '*',
                map { ($_, quoted($given{$_})) } @names;
}


sub add {
    open my $pipe, '|-', 'redis-cli', '-s', $ENV{PT_REDIS_SOCKET}
        or die "redis-cli: $!";
    open my $quiet, '>', '/dev/null';
    print $pipe "$_\n" for @_;
    close $pipe;
}


# A process that writes events until it is told to stop, some of them twice
# and some that owe money; the number of orders it wrote comes back.
sub start_writer {
    pipe my $read, my $write or die "pipe: $!";

    my $pid = fork // die "fork: $!";

    return ($pid, $read) if $pid;

    my ($n, $stop) = (0, 0);

    %running = ();
    $SIG{TERM} = sub { $stop = 1 };
    open my $pipe, '|-', "redis-cli -s '$ENV{PT_REDIS_SOCKET}' > /dev/null"
        or die "redis-cli: $!";
    $pipe->autoflush(1);

    while (!$stop) {
        for (1 .. 5) {
            my $type = ++$n % 5 ? 'payment.succeeded' : 'payment.refund_due';

            print $pipe xadd($type, $n), "\n";
            print $pipe xadd($type, $n), "\n" if $n % 7 == 0;
            print $pipe xadd('order.held', $n), "\n" if $n % 11 == 0;
        }

        sleep 0.02;
    }

    close $pipe;
    print $write "$n\n";
    close $write;
    POSIX::_exit(0);
}


sub store {
    my ($query) = @_;

    open my $pipe, '-|', '/usr/bin/python3', '-c',
         'import sqlite3, sys;'
         . 'print("\n".join("|".join(map(str, row)) for row in'
         . ' sqlite3.connect(sys.argv[1], timeout=30).execute(sys.argv[2])))',
         $store, $query or die "python3: $!";
    local $/;
    my $text = <$pipe> // '';
    close $pipe;

    return $text =~ s/\n\z//r;
}


sub logged {
    my ($pattern) = @_;

    open my $in, '<', $log or return 0;

    return scalar grep { $_ =~ $pattern } <$in>;
}


sub pending {
    return (split /\n/, redis('XPENDING', $stream, 'shipping'))[0];
}


# "pending lag" of the group
sub group {
    my %group = split /\n/, redis('XINFO', 'GROUPS', $stream);

    return join ' ', map { $group{$_} // '?' } qw(pending lag);
}


empty_stores();

# An event that was there before its group, and one that cannot be read.
add(xadd('payment.succeeded', 0), xadd('payment.succeeded', -1, lines => '['));

my ($writer, $from_writer) = start_writer();
my $born = 1;
my @names = ('worker-1', 'worker-2');

consumer($_) for @names;

# Half of those that are killed come back under their name; the others leave
# what they had to the rest.
for my $kill (1 .. $kills) {
    sleep 0.15 + rand 0.6;

    my $i = int rand 2;
    my $name = $names[$i];

    kill_consumer($name);
    $names[$i] = 'stranger-' . $born++ if $kill % 2;
    consumer($names[$i]);
}

kill 'TERM', $writer;
my $written = <$from_writer>;
waitpid $writer, 0;
chomp $written;
cmp_ok($written, '>', 500, "$kills kills among $written orders");

until_true(sub { group() eq '1 0' }, 30);
is(group(), '1 0', 'all is read and acknowledged but what cannot be read');

my $due = int($written / 5);
my $paid = $written - $due + 1;

is(store('SELECT count(*), count(DISTINCT order_id) FROM shipments'
         . " WHERE sku = 'p30' AND quantity = 1"), "$paid|$paid",
   'every paid order is shipped, once');
is(store('SELECT count(*), count(DISTINCT order_id) FROM shipments'
         . " WHERE sku = 'c30' AND quantity = 2"), "$paid|$paid",
   'with all its lines');
is(store('SELECT count(*), count(DISTINCT order_id) FROM owed'), "$due|$due",
   'every sum that is owed is noted, once');
is(store('SELECT sum(amount) FROM owed'),
   500000 * $due + 5 * $due * ($due + 1) / 2, 'and they are the right ones');
is(store("SELECT count(*) FROM done WHERE id LIKE 'order.held:%'"),
   int($written / 11), 'what is not for it is passed over');

# The one that cannot be read is mended, as a new version of the consumer or
# of the event would.
ok(logged(qr/^event .*payment\.succeeded:/), 'it is complained of');
redis('XACK', $stream, 'shipping',
      (split /\n/, redis('XPENDING', $stream, 'shipping', '-', '+', 1))[0]);
is(pending(), 0, 'nothing is pending');

# Redis comes back without its stream: the group is made again.
redis('DEL', $stream);
add(xadd('payment.succeeded', 1), xadd('payment.succeeded', $written + 2));
ok(until_true(sub { store('SELECT count(*) FROM shipments WHERE user = \'u'
                          . ($written + 2) . "'") == 2 }, 15),
   'a new stream is read');
is(store("SELECT count(*) FROM shipments WHERE user = 'u1'"), 2,
   'what had its effect before has none again');

# Redis is away for a while.
stop_redis();
sleep 1;
start_redis();
add(xadd('payment.succeeded', $written + 3));
ok(until_true(sub { store('SELECT count(*) FROM shipments WHERE user = \'u'
                          . ($written + 3) . "'") == 2 }, 15),
   'and goes on after a restart of Redis');

is(end_consumer($_), 0, "$_ leaves when it is asked to") for @names;

# What a name was given is its own again at once, without a take-over.
add(xadd('payment.succeeded', $written + 4));
redis('XREADGROUP', 'GROUP', 'shipping', 'worker-9', 'STREAMS', $stream, '>');
is(pending(), 1, 'one was given and not acknowledged');
consumer('worker-9', '--idle', 3600000);
ok(until_true(sub { pending() == 0 }, 15), 'it is taken up by its name');
is(store("SELECT count(*) FROM shipments WHERE user = 'u" . ($written + 4)
         . "'"), 2, 'and done');
is(end_consumer('worker-9'), 0, 'worker-9 leaves when it is asked to');
is(logged(qr/^Traceback/), 0, 'none has fallen over');

unlink glob "$store*";
done_testing();
