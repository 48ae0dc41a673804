# paytrade_admin: drift, what Redis and PostgreSQL tell differently.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use Test::More;
use JSON::PP;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my $partitions = 3;


# Others have one partition.
empty_stores();
start_nginx(workers => 2, http => "paytrade_partitions $partitions;");


sub hold {
    my ($user, $sku, $quantity) = @_;
    my $answer = http('POST', '/orders',
                      qq({"sku":"$sku","quantity":$quantity,)
                      . '"unit_price":"1.00"}', 'X-User' => $user);

    return order_ids({ %$answer, answer => $answer->{content} });
}


# The list by what it is about: "item a", "order 17…".
sub differences {
    my $answer = drift();
    my $json = eval { JSON::PP->new->decode($answer->{content}) }
               or return { answer => $answer };

    return { status => $answer->{status}, %$json,
             map { ("$_->{kind} " . ($_->{sku} // $_->{order_id}), $_) }
                 @{ $json->{drift} } };
}


sub drained {
    return until_true(sub {
        !grep { redis('XLEN', "{pt:$_}:journal") } 0 .. $partitions - 1;
    }, 20);
}


sub agree {
    my ($name) = @_;
    my $now = differences();

    is($now->{status}, 200, $name)
        or diag(explain($now));
    return $now;
}


sub partition_of_order {
    return substr($_[0], 13, 2) + 0;
}


# Nothing at all.
my $now = agree('an empty shop agrees');
is_deeply($now->{drift}, [], 'an empty list');
is($now->{items}, 0, 'no item');
is($now->{orders}, 0, 'no order');


# Items and orders in all partitions.
my %sku_of = (s1 => [qw(a b)], s2 => ['c'], s3 => [qw(d e f)], s7 => ['g']);

for my $sale (sort keys %sku_of) {
    put_item($_, sale => $sale, stock => 300, price => '1.00')
        for @{ $sku_of{$sale} };
}

my @ids = map { my $user = $_; map { hold("u$user", $_, 1) } qw(a c d g) }
          1 .. 50;

is(scalar(@ids), 200, '200 holds');
is(scalar(keys %{ { map { partition_of_order($_) => 1 } @ids } }),
   $partitions, 'in all partitions');

$now = agree('a busy shop agrees while the journal is on its way');
is($now->{items}, 7, 'seven items');
is($now->{orders}, 200, '200 orders');
ok(drained(), 'the journal is written');

$now = agree('and after');
is($now->{waiting}, 0, 'nothing is waiting');


# Under way all the time.
my @busy = map {
    my $n = $_;
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        my $end = time + 20;

        for (my $i = 0; time < $end; $i++) {
            my ($id) = hold("busy$n-$i", 'd', 1) or next;

            http('DELETE', "/orders/$id", undef, 'X-User' => "busy$n-$i");
        }

        require POSIX;
        POSIX::_exit(0);
    }

    $pid;
} 1 .. 4;

sleep 0.3;
agree('a shop under load agrees') for 1 .. 3;
kill 'KILL', @busy;
waitpid $_, 0 for @busy;
agree('and afterwards');
ok(drained(), 'the journal is written');


# An order differs, one is missing, one is not in Redis.
my ($changed, $missing, $lost) = @ids[3, 77, 150];
my $lost_record = redis('HGET', '{pt:' . partition_of_order($lost) . '}:o:'
                        . substr($lost, 0, 17), $lost);

psql("UPDATE paytrade.orders SET status = 'cancelled', rev = 5"
     . " WHERE order_id = $changed");
psql("CREATE TABLE kept AS SELECT * FROM paytrade.orders"
     . " WHERE order_id = $missing");
psql("CREATE TABLE kept_lines AS SELECT * FROM paytrade.order_lines"
     . " WHERE order_id = $missing");
psql("DELETE FROM paytrade.order_lines WHERE order_id = $missing");
psql("DELETE FROM paytrade.orders WHERE order_id = $missing");
redis('HDEL', '{pt:' . partition_of_order($lost) . '}:o:'
      . substr($lost, 0, 17), $lost);

$now = differences();
is($now->{status}, 409, 'orders differ');
is($now->{code}, 'drift', 'and it says so');
is_deeply($now->{"order $changed"},
          { kind => 'order', order_id => $changed,
            redis => { status => 'held', rev => 1 },
            postgres => { status => 'cancelled', rev => 5 } },
          'one was changed');
is_deeply($now->{"order $missing"},
          { kind => 'order', order_id => $missing,
            redis => { status => 'held', rev => 1 }, postgres => undef },
          'one is missing in PostgreSQL');
is_deeply($now->{"order $lost"},
          { kind => 'order', order_id => $lost, redis => undef,
            postgres => { status => 'held', rev => 1 } },
          'one is missing in Redis');
is(scalar(grep { /^order / } keys %$now), 3, 'no other order');
is(scalar(grep { /^item / } keys %$now), 2, 'and two items, for their units');
ok(!$now->{more}, 'that is all');

psql("UPDATE paytrade.orders SET status = 'held', rev = 1"
     . " WHERE order_id = $changed");
psql("INSERT INTO paytrade.orders SELECT * FROM kept");
psql("INSERT INTO paytrade.order_lines SELECT * FROM kept_lines");
redis('HSET', '{pt:' . partition_of_order($lost) . '}:o:'
      . substr($lost, 0, 17), $lost, $lost_record);
agree('put right again');


# A record that cannot be read.
redis('HSET', '{pt:' . partition_of_order($lost) . '}:o:'
      . substr($lost, 0, 17), $lost, 'nonsense');
$now = differences();
is($now->{"order $lost"}{redis}{status}, 'broken', 'a broken record');
redis('HSET', '{pt:' . partition_of_order($lost) . '}:o:'
      . substr($lost, 0, 17), $lost, $lost_record);


# Items.
my ($p) = grep { redis('EXISTS', "{pt:$_}:item:b") } 0 .. $partitions - 1;

redis('HINCRBY', "{pt:$p}:item:b", $_, 3) for qw(available stock);
psql("UPDATE paytrade.items SET stock = 299, version = 9 WHERE sku = 'e'");
$now = differences();
is($now->{status}, 409, 'items differ');
is_deeply($now->{'item b'},
          { kind => 'item', sku => 'b',
            redis => { stock => 303, available => 303, held => 0, sold => 0,
                       version => 1 },
            postgres => { stock => 300, available => 300, held => 0,
                          sold => 0, version => 1 } },
          'units too many');
is_deeply($now->{'item e'}{postgres},
          { stock => 299, available => 299, held => 0, sold => 0,
            version => 9 }, 'another version');
is(scalar(grep { /^(item|order) / } keys %$now), 2, 'nothing else');

redis('HINCRBY', "{pt:$p}:item:b", 'stock', -3);
is(differences()->{'item b'}{redis}, undef, 'numbers that make no sense');
redis('HINCRBY', "{pt:$p}:item:b", 'available', -3);
psql("UPDATE paytrade.items SET stock = 300, version = 1 WHERE sku = 'e'");

psql("DELETE FROM paytrade.items WHERE sku IN ('b', 'g')");
$now = differences();
is($now->{status}, 409, 'PostgreSQL lacks items');
is($now->{'item b'}{postgres}, undef, 'one beside others of its sale');
is($now->{'item b'}{redis}{stock}, 300, 'which Redis has');
redis('DEL', "{pt:$p}:item:a");
$now = differences();
is($now->{'item a'}{redis}, undef, 'Redis lacks an item');
is($now->{'item a'}{postgres}{stock}, 300, 'which PostgreSQL has');


# More than are shown; and the client leaves at any moment.
psql("UPDATE paytrade.orders SET rev = 7");
psql("INSERT INTO paytrade.orders (order_id, partition, user_id, sale, status,"
     . " amount, currency, rev, created_at, expires_at, changed_at)"
     . " SELECT 1763712000000000000 + i, 0, 'u', 's1', 'held', 100, 'CNY', 1,"
     . " now(), now(), now() FROM generate_series(0, 2999) i");
$now = differences();
is($now->{status}, 409, 'very much differs');
is(scalar(@{ $now->{drift} }), 1000, 'a thousand are shown');
ok($now->{more}, 'and that there are more');

for my $wait (0, 0.001, 0.005, 0.02, 0.1, 0.7) {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port()) or die $!;
    print $socket "GET /paytrade/admin/drift HTTP/1.1\r\nHost: a\r\n\r\n";
    sleep $wait;
    close $socket;
}

sleep 1;
is(differences()->{status}, 409, 'clients that left do no harm');


# Somebody is down.
stop_postgres();
my $answer = drift();
is($answer->{status}, 503, 'PostgreSQL is down');
is($answer->{headers}{'retry-after'}, 1, 'ask again');
start_postgres();

ok(log_is_clean(), 'no alert in the log');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'and no alert at its end');

psql('DROP TABLE kept, kept_lines');
empty_stores();

done_testing();
