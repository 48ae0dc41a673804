# Every query of the module against a real PostgreSQL: what it writes, what it
# refuses, and the rows it gives back.  Those of payments are in payments.t.

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/../lib";
use PaytradePg;

my $root = "$FindBin::Bin/../..";
my $pg = PaytradePg->start() or BAIL_OUT($@);
$pg->psql_file("$root/conf/schema.sql");


sub q_ok {
    return $pg->query(@_);
}


my $id = '1763712000000000';
my $now = int(time() * 1000);
my $t0 = $now - 1000;
my $t1 = $now + 900_000;
my $k = '0123456789abcdef';
my $b = 'fedcba9876543210';
my $week = 7 * 86_400_000;


# [number, user, status, rev, meta, lines]

sub order_arrays {
    my @o = @_;

    my $list = sub { '{' . join(',', @_) . '}' };
    my $text = sub { '{' . join(',', map {
        my $s = $_; $s =~ s/(["\\])/\\$1/g; $s eq '' ? 'NULL' : "\"$s\""
    } @_) . '}' };

    my @orders = (
        $list->(map { $id . $_->[0] } @o), $text->(map { $_->[1] } @o),
        $list->(map { 'spring' } @o), $list->(map { $_->[2] } @o),
        $list->(map { 1000 } @o), $text->(map { $_->[4] } @o),
        $list->(map { $_->[3] } @o), $list->(map { $k } @o),
        $list->(map { $b } @o), $list->(map { $t0 } @o),
        $list->(map { $t1 } @o), $list->(map { $t0 } @o),
    );

    my (@ids, @nos, @skus, @qtys, @prices);

    for my $o (@o) {
        my $n = 0;

        for (split /,/, $o->[5]) {
            my ($sku, $quantity, $price) = split / /;

            push @ids, $id . $o->[0];
            push @nos, ++$n;
            push @skus, $sku;
            push @qtys, $quantity;
            push @prices, $price;
        }
    }

    return (\@orders, [ $list->(@ids), $list->(@nos), $list->(@skus),
                        $list->(@qtys), $list->(@prices) ],
            $text->(map { $_->[5] } @o));
}


sub write_orders {
    my ($orders, $lines) = order_arrays(@_);

    return q_ok('write_orders', 0, 'CNY', @$orders, @$lines);
}


sub conflicting {
    my ($orders, $lines, $texts) = order_arrays(@_);

    return q_ok('conflicting_orders', @$orders, $texts);
}


# Progress of a partition that nobody knows.

is(q_ok('progress', 0), '0 | 0-0 | f | ', 'progress: unknown');

# Orders.

my $meta = '{"gift": "a \"b\" \\\\ c"}';
my @o1 = ('001', 'u "1" \\', 'held', 1, $meta, 'p30 2 400,p31 1 200');
my @o2 = ('002', 'u2', 'held', 1, '', 'p30 1 1000');

is(write_orders(\@o1, \@o2), '', 'write_orders');
is($pg->psql('SELECT count(*) FROM paytrade.orders'), 2, 'orders are there');
is($pg->psql("SELECT string_agg(concat_ws(' ', line, sku, quantity,
              unit_price), ',' ORDER BY line) FROM paytrade.order_lines
              WHERE order_id = ${id}001"), '1 p30 2 400,2 p31 1 200',
   'lines are there');

is(q_ok('order', "${id}001"), join("\t", "${id}001", 'held', 1, 'u "1" \\',
   'spring', 1000, $t0, $t1, $t0, $k, $b, 'p30 2 400,p31 1 200', $meta),
   'order: the row comes back');
is(q_ok('order', "${id}009"), '', 'order: unknown');

is(conflicting(\@o1, \@o2), '', 'no conflict with itself');
is(conflicting([@o1[0 .. 3], '{"gift":"other"}', $o1[5]], \@o2), 1,
   'conflict of meta');
is(conflicting(\@o1, [@o2[0 .. 4], 'p30 2 500']), 2, 'conflict of lines');
is(conflicting(\@o1, [@o2[0, 1], 'paid', @o2[3 .. 5]]), 2,
   'conflict of status');
is(conflicting(\@o1, [@o2[0, 1], 'paid', 2, @o2[4, 5]]), '',
   'another rev is none');

$pg->psql("UPDATE paytrade.orders SET request_key = 'other', request_body = NULL
           WHERE order_id = ${id}001");
is(conflicting(\@o1), 1, 'conflict of the key');
is(q_ok('conflicting_orders', (order_arrays(\@o1))[0]->@[0 .. 6], '{NULL}',
        '{NULL}', (order_arrays(\@o1))[0]->@[9 .. 11],
        (order_arrays(\@o1))[2]), '', 'a key that is not told is none');
$pg->psql("UPDATE paytrade.orders SET request_key = '$k', request_body = '$b'
           WHERE order_id = ${id}001");

is(conflicting([@o1[0 .. 3], '{"gift":"a \"b\" \\\\ c"}', $o1[5]]), '',
   'the same JSON in other spelling is none');

write_orders([@o2[0, 1], 'cancelled', 3, @o2[4, 5]]);
write_orders([@o2[0, 1], 'held', 2, @o2[4, 5]]);
is($pg->psql("SELECT status || rev FROM paytrade.orders
              WHERE order_id = ${id}002"), 'cancelled3', 'greater rev stays');

like(write_orders(['003', 'u3', 'held', 1, '{bad', 'p30 1 1000']), qr/^22/,
     'bad JSON is class 22');
like(write_orders(['003', 'u3', 'lost', 1, '', 'p30 1 1000']), qr/^23/,
     'an unknown status is class 23');

write_orders(['004', 'u4', 'paid', 2, '', 'p30 3 300'],
             ['005', 'u2', 'held', 1, '', 'p30 1 1000']);

# Items: milliseconds stay exact to the year 9999.

my $end = 253402300799999;
my @item = ('{p30}', '{spring}', '{"P \"30\""}', '{1000}', '{100}', '{2}',
            '{0}', "{$end}", '{900000}', '{1}');

is(q_ok('write_items', 0, @item), '', 'write_items');
is($pg->psql("SELECT ends_at AT TIME ZONE 'UTC' FROM paytrade.items"),
   '9999-12-31 23:59:59.999', 'the last millisecond');
is(q_ok('conflicting_items', 0, @item), '', 'no conflict with itself');
is(q_ok('conflicting_items', 1, @item), 1, 'conflict of partition');
$item[3] = '{999}';
is(q_ok('conflicting_items', 0, @item), 1, 'conflict of price');
q_ok('write_items', 0, @item);
is($pg->psql('SELECT price FROM paytrade.items'), 1000, 'not written');
$item[9] = '{2}';
q_ok('write_items', 0, @item);
is($pg->psql('SELECT price FROM paytrade.items'), 999, 'version 2 written');
q_ok('write_items', 1, @item[0 .. 8], '{3}');
is($pg->psql('SELECT partition FROM paytrade.items'), 0,
   'an item does not wander');

# Sales and operators' requests.

q_ok('write_sales', 0, '{spring}', '{t}', '{4}');
q_ok('write_sales', 0, '{spring}', '{f}', '{3}');
is($pg->psql('SELECT paused FROM paytrade.sales'), 't', 'write_sales');
is(q_ok('conflicting_sales', 0, '{spring}', '{f}', '{4}'), 1,
   'conflicting_sales');
is(q_ok('conflicting_sales', 0, '{spring}', '{t}', '{4}'), '', 'the same');

q_ok('write_admin', 0, '{r-1,r-2}', "{$t0,$t1}", '{aa,""}');
q_ok('write_admin', 0, '{r-1}', "{$t1}", '{bb}');
q_ok('write_admin', 1, '{r-1}', "{$t0}", '{cc}');
is(q_ok('rebuild_admin', 0, ''),
   "r-1\t$t1\tbb | r-1 | \nr-2\t$t1\t | r-2 | ",
   'write_admin, rebuild_admin');
is(q_ok('rebuild_admin', 0, 'r-1'), "r-2\t$t1\t | r-2 | ", 'next page');

# Progress grows, by number.

is(q_ok('progress', 0), "0 | 0-0 | t | ${id}005", 'progress: known');
is(q_ok('write_progress', 0, '999-5', "${id}002"), 1, 'write_progress');
is(q_ok('write_progress', 0, '1000-0', undef), 1, 'longer');
is(q_ok('write_progress', 0, '999-9', "${id}001"), 1, 'older');
is(q_ok('progress', 0), "1 | 1000-0 | t | ${id}002", 'the greatest stay');
q_ok('write_progress', 0, '1000-18446744073709551615', undef);
q_ok('write_progress', 0, undef, "${id}005");
is(q_ok('progress', 0), "1 | 1000-18446744073709551615 | t | ${id}005",
   'none given, none lost');
is(q_ok('rebuild_begin', 0), 2, 'rebuild_begin');
is(q_ok('rebuild_begin', 7), 2, 'rebuild_begin without a row');
is(q_ok('write_progress', 0, '1001-0', undef), 2, 'the epoch stays');
is(q_ok('progress', 7), '2 | 0-0 | f | ', 'of its own partition');

# What fills an empty Redis.

my $row = join "\t", 'p30', 'spring', 'P "30"', 999, 100, 94, 3, 3, 2, 0, $end,
                     900000, 2, 1;
is(q_ok('rebuild_items', 0, ''), "$row | p30 | ", 'rebuild_items');
is(q_ok('rebuild_items', 0, 'p30'), '', 'no more');
is(q_ok('rebuild_sales', 0, ''), "spring\t1\t4 | spring | ",
   'rebuild_sales');
is(q_ok('rebuild_sales', 1, ''), '', 'of another partition');

my @held = split /\n/, q_ok('rebuild_orders', 0, 0, $week);
is(scalar @held, 2, 'rebuild_orders: held ones');
like($held[1], qr/^${id}005\theld\t1\tu2\t.*\tp30 1 1000\t \| ${id}005 \| $/,
     'with their rows');
is(scalar(split /\n/, q_ok('rebuild_orders', 0, "${id}001", $week)), 1,
   'next page');

is(q_ok('rebuild_buyers', 0, '', ''),
   join("\n",
        "spring\tu \"1\" \\\tp30 2,p31 1\t$k $b ${id}001"
        . ' | spring | u "1" \\',
        "spring\tu2\tp30 1\t$k $b ${id}002,$k $b ${id}005 | spring | u2",
        "spring\tu4\tp30 3\t$k $b ${id}004 | spring | u4"),
   'rebuild_buyers: units and attempts');
like(q_ok('rebuild_buyers', 0, 'spring', 'u2'), qr/^spring\tu4\t[^\n]*$/,
     'next page');

$pg->psql("UPDATE paytrade.orders SET created_at = now() - interval '2 days'
           WHERE order_id IN (${id}002, ${id}004, ${id}005)");
is(q_ok('rebuild_buyers', 0, 'spring', 'u '),
   join("\n",
        "spring\tu \"1\" \\\tp30 2,p31 1\t$k $b ${id}001"
        . ' | spring | u "1" \\',
        "spring\tu2\tp30 1\t$k $b ${id}005 | spring | u2",
        "spring\tu4\tp30 3\t | spring | u4"),
   'old attempts are gone, but those of holds');

# Pages of 500.

$pg->psql("INSERT INTO paytrade.orders SELECT 1763712000001000000 + i, 3,
           'user' || i, 'autumn', 'held', 1, 'CNY', NULL, 1, '$k', '$b',
           now(), now(), now() FROM generate_series(1, 1203) i");

for (['rebuild_orders', sub { $_[1], $week }, 0, $week], ['audit_held', sub { $_[0] }, 0],
     ['rebuild_buyers', sub { @_[1, 2] }, '', ''])
{
    my ($name, $next, @after) = @$_;
    my (%seen, @sizes);

    for (1 .. 3) {
        my @rows = split /\n/, q_ok($name, 3, @after);

        push @sizes, scalar @rows;
        $seen{$_}++ for @rows;
        @after = $next->(split / \| /, $rows[-1], -1);
    }

    is("@sizes", '500 500 203', "$name: pages");
    is(scalar keys %seen, 1203, "$name: each once");
}

# Audit.

is(q_ok('audit_items', 0), 'p30 | 100 | 3 | 3 | 2', 'audit_items');
is(q_ok('audit_orders', "{${id}001,${id}002,${id}005,${id}009}",
        '{held,held,held,held}', '{1,3,2,1}'),
   "${id}002 | cancelled | 3\n${id}005 | held | 1\n${id}009 |  | ",
   'audit_orders: those that differ');
is(q_ok('audit_held', 0, "${id}001"), "${id}005 | 1", 'audit_held');

# Dead letters: each once.

my @dead = (0, '{1-1,1-1,1-1}', '{o,o,zz?}',
            '{"\\\\x61ff","\\\\x61ff","\\\\x"}',
            '{conflict,conflict,malformed}', '{"","",22P02}');
is(q_ok('write_dead', @dead), '', 'write_dead');
q_ok('write_dead', @dead);
is(q_ok('counts'), 2, 'counts');

my @letters = map { [ split / \| /, $_, -1 ] }
              split /\n/, q_ok('dead_letters', 0, 100);
is(scalar @letters, 2, 'dead_letters');
is($letters[0][3], 'a\377', 'payload can be read');
is("@{$letters[1]}[1, 2, 4, 5, 7]", '0 zz? malformed 22P02 ', 'columns');
cmp_ok(abs($letters[0][6] - $now), '<', 60_000, 'created_at in ms');

my $first = $letters[0][0];
is(scalar(split /\n/, q_ok('dead_letters', $first, 100)), 1, 'after an id');
is(q_ok('dead_letter', $first), '0 | o | 61ff | 1-1', 'dead_letter');
is(q_ok('dead_letter_done', $first), $first, 'dead_letter_done');
is(q_ok('dead_letter_done', 999), '', 'unknown');
is(q_ok('counts'), 1, 'one is left');
q_ok('write_dead', 0, '{1-1}', '{o}', '{"\\\\x61ff"}', '{again}', '{23514}');
is(q_ok('counts'), 2, 'that failed again is open again');

is(join(' ', grep { !/payment|refund|orphan/ } $pg->untried()), '',
   'every query was tried');

done_testing();
