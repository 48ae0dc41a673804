# Several partitions: each sale in one of them, ids that tell which, a journal
# for each, owned by one of the workers.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;
use Time::HiRes qw(sleep time);

my $partitions = 4;

start_nginx(workers => 2, http => "paytrade_partitions $partitions;");


# The partition that a sale has to be in: CRC16 (XMODEM) of its name.
sub partition_of {
    my $crc = 0;

    for my $byte (unpack 'C*', $_[0]) {
        $crc ^= $byte << 8;
        $crc = $crc & 0x8000 ? ($crc << 1 ^ 0x1021) & 0xffff
                             : $crc << 1 & 0xffff for 1 .. 8;
    }

    return $crc % $partitions;
}


sub hold {
    my ($sku, $user, $key, $text) = @_;

    return http('POST', '/orders', $text
                || "{\"sku\":\"$sku\",\"quantity\":1,\"unit_price\":\"5000\"}",
                'X-User' => $user, 'Idempotency-Key' => $key || 'k');
}


sub id {
    return $_[0]{content} =~ /"order_id":"(\d{19})"/ ? $1 : '';
}


sub all_drained {
    return until_true(sub {
        !grep { redis('XLEN', "{pt:$_}:journal") ne '0'
                || (redis('HGET', "{pt:$_}:clock", 'waiting') || 0) ne '0' }
        0 .. $partitions - 1;
    }, 20);
}


# Sales spread, and are where they belong.
my @sales = map { "sale$_" } 1 .. 12;
my %used;

is(partition_of('123456789'), 0x31c3 % $partitions, 'CRC16 is that of Redis');

put_item("sku-$_", sale => $_, stock => 50, limit => 2) for @sales;
for my $sale (@sales) {
    my $n = partition_of($sale);

    $used{$n}++;
    is(redis('HGET', "{pt:$n}:item:sku-$sale", 'sale'), $sale,
       "$sale is in partition $n");
}

is(scalar(keys %used), $partitions, 'all partitions are used');
is(scalar(grep { !/^\{pt:[0-3]\}:/ } split /\n/, redis('KEYS', '*')), 0,
   'every key has its tag');


# Holds, with and without the sale, from both workers.
my %order;

for my $sale (@sales) {
    my $answer = hold("sku-$sale", 'u1');
    my $id = id($answer);

    is($answer->{status}, 201, "$sale: a hold of the SKU alone");
    is(substr($id, 13, 2) + 0, partition_of($sale),
       "$sale: the id tells the partition");
    $order{$sale} = $id;
    is(id(hold("sku-$sale", 'u1')), $id, "$sale: found by its key");
    is(hold('', 'u2', 'k', "{\"sale\":\"$sale\",\"lines\":[{\"sku\":"
            . "\"sku-$sale\",\"quantity\":2,\"unit_price\":\"5000\"}]}")
       ->{status}, 201, "$sale: a cart");
}

my %ids = map { $_ => 1 } values %order;
is(scalar(keys %ids), 12, 'no id twice');

is(hold('', 'u3', 'k', "{\"sale\":\"sale1\",\"lines\":[{\"sku\":\"sku-sale1\","
        . '"quantity":1,"unit_price":"5000"},{"sku":"sku-sale2","quantity":1,'
        . '"unit_price":"5000"}]}')->{status}, 404,
   'a cart of two sales is refused');
is(hold('nowhere', 'u3')->{status}, 404, 'an unknown SKU is asked for in all');
is(hold('nowhere', 'u3')->{status}, 404, 'and once more');
put_item('nowhere', sale => 'sale1');
is(hold('nowhere', 'u3')->{status}, 201, 'and found when it is there');


# Orders, lists, operators.
for my $sale (@sales[0 .. 4]) {
    my $id = $order{$sale};

    is(http('GET', "/orders/$id", undef, 'X-User' => 'u1')->{status}, 200,
       "$sale: read");
    like(http('GET', "/orders?sale=$sale", undef, 'X-User' => 'u1')->{content},
         qr/^\{"orders":\[\{"order_id":"$id"[^\]]*\]/, "$sale: listed");
    is(http('DELETE', "/orders/$id", undef, 'X-User' => 'u1')->{status}, 200,
       "$sale: cancelled");
}

(my $outside = $order{sale1}) =~ s/..(....)$/04$1/;
is(http('GET', "/orders/$outside", undef, 'X-User' => 'u1')->{status}, 404,
   'an id of a partition that is none');
is(http('POST', "/paytrade/admin/orders/$order{sale6}/cancel",
        '{"request_id":"c"}')->{status}, 200, 'cancelled by an operator');
is(http('POST', '/paytrade/admin/items/sku-sale7/restock',
        '{"units":5,"request_id":"r"}')->{status}, 200, 'restocked');
is(http('POST', '/paytrade/admin/sales/sale8/pause', '{"paused":true}')
   ->{status}, 200, 'paused');
is(hold('sku-sale8', 'u9')->{status}, 409, 'and no hold is taken there');
is(hold('sku-sale9', 'u9')->{status}, 201, 'but elsewhere');
is(http('POST', '/paytrade/admin/sales/sale8/pause', '{"paused":false}')
   ->{status}, 200, 'resumed');


# Each journal drains, each by one consumer, and not all by the same worker.
ok(all_drained(), 'every journal drains');
my $expected = psql('SELECT count(*) FROM paytrade.orders');
is($expected, 26, 'all orders are in PostgreSQL');
is(psql('SELECT count(*) FROM paytrade.orders'
        . ' WHERE partition <> order_id / 10000 % 100'), 0,
   'with their partitions');
is(psql('SELECT string_agg(partition::text, \',\' ORDER BY partition)'
        . ' FROM paytrade.progress'), '0,1,2,3', 'and progress for each');

my %consumers;
for my $n (0 .. $partitions - 1) {
    my @names = redis('XINFO', 'CONSUMERS', "{pt:$n}:journal", 'postgres')
                =~ /(slot-\d+)/g;

    is(scalar @names, 1, "partition $n has one consumer");
    $consumers{$names[0]}++ if @names;
}

is(join(' ', map { "$_:$consumers{$_}" } sort keys %consumers),
   'slot-0:2 slot-1:2', 'two partitions for each worker');

my $status = http('GET', '/paytrade/status')->{content};
is(scalar(() = $status =~ /"partition":\d+,"state":"open"/g), $partitions,
   'all are open');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');


# Expiry in all of them.
put_item("due-$_", sale => $_, stock => 5, hold_time => '1s') for @sales;
hold("due-$_", 'due') for @sales;
ok(until_true(sub {
    !grep { redis('HGET', '{pt:' . partition_of($_) . "}:item:due-$_",
                  'available') != 5 } @sales;
}, 5), 'due holds are released in each');
ok(until_true(sub { psql("SELECT count(*) FROM paytrade.orders"
                         . " WHERE user_id = 'due' AND status = 'expired'")
                    == 12 }, 10), 'and PostgreSQL knows');


# A worker dies: its partitions are taken over.
my $n = 0;
my $killed;
my @outcomes = load(
    port => port(), clients => 16, seconds => 2,
    next => sub {
        $n++;
        return { method => 'POST', path => '/orders',
                 headers => { 'X-User' => "load-$n" },
                 body => '{"sku":"due-' . $sales[$n % 12]
                         . '","quantity":1,"unit_price":"5000"}' };
    },
    tick => sub {
        my ($elapsed) = @_;

        if ($elapsed > 0.5 && !$killed++) {
            kill_worker();
        }
    },
);
my @ids = order_ids(@outcomes);
my %seen;

is(scalar(grep { $seen{$_}++ } @ids), 0, 'no id comes twice');
ok(same_orders(\@ids), 'every order of a killed worker is in PostgreSQL');
ok(all_drained(), 'every journal drains');
is(scalar(grep { $_->{status} !~ /^(?:0|201|409|503)$/ } @outcomes), 0,
   'nothing unforeseen is answered');

my $drift;
until_true(sub { $drift = drift(); $drift->{status} == 200 }, 10);
is($drift->{status}, 200, 'Redis and PostgreSQL agree')
    or diag(substr $drift->{content}, 0, 500);


# More workers than partitions, fewer, and back: a reload hands them over.
ok(stop_nginx(), 'nginx leaves');
start_nginx(workers => 5, http => "paytrade_partitions $partitions;");
is(hold("due-$_", 'five')->{status}, 201, "five workers: $_") for @sales[0, 5];
ok(all_drained(), 'five workers: every journal drains');
ok(stop_nginx(), 'nginx leaves');
start_nginx(workers => 1, http => "paytrade_partitions $partitions;");
until_true(sub { hold("due-$_", 'one')->{status} == 201 }, 10) for @sales;
ok(all_drained(), 'one worker: every journal drains');
is(psql("SELECT count(*) FROM paytrade.orders WHERE user_id = 'one'"), 12,
   'one worker: all have arrived');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');


# Another number is refused: nothing is sold, and the log says why.
for my $wrong (1, 7) {
    start_nginx(workers => 1, http => "paytrade_partitions $wrong;");
    my $answer = hold('', 'wrong', "k$wrong", '{"sale":"sale1","lines":[{"sku":'
                      . '"due-sale1","quantity":1,"unit_price":"5000"}]}');

    is($answer->{status}, 503, "$wrong partitions: nothing is sold");
    ok($answer->{headers}{'retry-after'}, "$wrong partitions: Retry-After");
    ok(until_true(sub { log_text() =~ /\[error\].*filled\ with\ 4\ partitions
                                       .*paytrade_partitions\ is\ $wrong/x },
                  5), "$wrong partitions: the log says why");
    ok(stop_nginx(), "$wrong partitions: nginx leaves");
}

is(psql("SELECT count(*) FROM paytrade.orders WHERE user_id = 'wrong'"), 0,
   'nothing was sold');
start_nginx(workers => 2, http => "paytrade_partitions $partitions;");
ok(until_true(sub { hold('due-sale1', 'right')->{status} == 201 }, 10),
   'with the right number it goes on');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(qr/exited on signal 9/), 'no alert but that of the kill');

done_testing();
