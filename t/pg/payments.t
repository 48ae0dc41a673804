# The queries of payments, refunds and orphans against a real PostgreSQL:
# merged by rev in any order and by any number of writers, conflicts, what fills
# an empty Redis.

use strict;
use warnings;

use FindBin;
use POSIX ();
use Test::More;

use lib "$FindBin::Bin/../lib";
use PaytradePg;

my $root = "$FindBin::Bin/../..";
my $pg = PaytradePg->start() or BAIL_OUT($@);

$pg->psql_file("$root/conf/schema.sql");

my $now = int(time() * 1000);
my $day = 86_400_000;
my $week = 7 * $day;
my $k = '0123456789abcdef';
my $b = 'fedcba9876543210';


# An id that is so many ms old.

sub id {
    my ($n, $age, $partition) = @_;

    return sprintf '%013d%02d%04d', $now - ($age || 0), $partition || 0, $n;
}


sub list {
    return '{' . join(',', map { defined $_ && $_ ne '' ? $_ : 'NULL' } @_)
           . '}';
}


sub texts {
    return list(map {
        my $s = $_; $s =~ s/(["\\])/\\$1/g if defined $s;
        defined $s && $s ne '' ? "\"$s\"" : undef
    } @_);
}


# { no, status, rev, trade_no, parts => 'order amount outcome reason refunded',
#   … }: what is not given is the same in all.

sub payment {
    my (%o) = @_;
    my $t = $now - ($o{age} || 0);

    return {
        no => id($o{n}, $o{age}), user => 'u "1" \\', sale => 'spring',
        gateway => 'alipay', method => 'page', trade_no => '',
        status => 'unpaid', amount => 300, rev => 1, subject => 'P "30"',
        key => $k, body => $b, created => $t, ends => $t + 900_000, paid => '',
        changed => $t, parts => id(1) . ' 300 - - 0', %o,
    };
}


sub field {
    my ($name, @p) = @_;

    return map { $_->{$name} } @p;
}


sub payment_arrays {
    my (@p) = @_;

    return (list(field('no', @p)), texts(field('user', @p)),
            texts(field('sale', @p)), texts(field('gateway', @p)),
            texts(field('method', @p)), texts(field('trade_no', @p)),
            texts(field('status', @p)), list(field('amount', @p)),
            list(field('rev', @p)), texts(field('subject', @p)),
            texts(field('key', @p)), texts(field('body', @p)),
            list(field('created', @p)), list(field('ends', @p)),
            list(field('paid', @p)), list(field('changed', @p)));
}


sub write_payments {
    my (@p) = @_;
    my @parts = map {
        my $no = $_->{no};
        map { [ $no, map { $_ eq '-' ? '' : $_ } split / / ] }
            split /,/, $_->{parts}
    } @p;

    return $pg->query('write_payments', 0, 'CNY', payment_arrays(@p),
                      map {
                          my $i = $_;
                          my @column = map { $_->[$i] } @parts;
                          $i == 3 || $i == 4 ? texts(@column) : list(@column)
                      } 0 .. 5);
}


sub conflicting {
    my (@p) = @_;

    return $pg->query('conflicting_payments', payment_arrays(@p),
                      texts(field('parts', @p)));
}


sub row {
    my ($p) = @_;

    return join "\t", @$p{qw(no status rev user sale gateway method trade_no
                             amount created ends)}, $p->{paid} || 0,
                      @$p{qw(changed key body subject parts)};
}


# A payment of two orders, and what becomes of it.

my $two = id(1) . ' 100 - - 0,' . id(2) . ' 200 - - 0';
my %p1 = (n => 11, parts => $two);
my $unpaid = payment(%p1);
my $paid = payment(%p1, status => 'paid', rev => 2, trade_no => 'T"1',
                   paid => $now + 1, changed => $now + 2, key => '',
                   body => '',
                   parts => id(1) . ' 100 applied late 0,' . id(2)
                            . ' 200 refund_due sold_out 0');
my $refunded = payment(%$paid, rev => 3, changed => $now + 3,
                       parts => id(1) . ' 100 applied late 0,' . id(2)
                                . ' 200 refund_due sold_out 200');

is($pg->query('payment', id(11)), '', 'payment: unknown');
is(write_payments($unpaid, payment(n => 12)), '', 'write_payments');
is($pg->query('payment', id(11)), row($unpaid), 'payment: the row comes back');
is($pg->psql('SELECT concat_ws(\' \', trade_no IS NULL, paid_at IS NULL,
              currency, partition) FROM paytrade.payments
              WHERE pay_no = ' . id(11)), 't t CNY 0',
   'what it has not yet is NULL');
is(conflicting($unpaid, payment(n => 12)), '', 'no conflict with itself');

is(write_payments($refunded), '', 'out of order: the newest first');
write_payments($paid, payment(n => 12));
write_payments($unpaid);
my $kept = payment(%$refunded, key => $k, body => $b);
is($pg->query('payment', id(11)), row($kept),
   'the greatest rev stays, and the key that was told');
write_payments($refunded);
is($pg->query('payment', id(11)), row($kept), 'written twice');
is($pg->psql('SELECT count(*) FROM paytrade.payment_orders
              WHERE pay_no = ' . id(11)), 2, 'with its parts once');
is(conflicting($refunded), '', 'a key that is not told is no conflict');
is(conflicting($unpaid, $paid), '', 'nor is another rev');

for ([user => 'u2'], [sale => 'autumn'], [gateway => 'other'],
     [method => 'wap'], [trade_no => 'T2'], [trade_no => ''],
     [status => 'closed'], [amount => 301], [subject => 'Q'], [key => $b],
     [body => $k], [created => $now - 1], [ends => $now], [paid => ''],
     [paid => $now + 9], [changed => $now],
     [parts => id(1) . ' 100 applied late 0'],
     [parts => id(1) . ' 100 applied - 0,' . id(2)
               . ' 200 refund_due sold_out 200'],
     [parts => id(1) . ' 100 applied late 0,' . id(2)
               . ' 200 refund_due sold_out 199'])
{
    my ($name, $value) = @$_;

    is(conflicting(payment(n => 12), payment(%$refunded, $name => $value)), 2,
       "conflict: $name");
}

write_payments(payment(%$paid, rev => 3, trade_no => 'T9',
                       parts => id(1) . ' 100 - - 0'));
is($pg->query('payment', id(11)), row($kept), 'a conflict changes nothing');

like(write_payments(payment(n => 13, status => 'held')), qr/^23514/,
     'an unknown status is class 23');
like(write_payments(payment(n => 13, parts => id(1) . ' 1 lost - 0')),
     qr/^23514/, 'so is an unknown outcome');
is($pg->query('payment', id(13)), '', 'and nothing is written');


# Several writers at once, each with revs of its own.

my @writers = map {
    my $writer = $_;
    my $pid = fork;

    if (!$pid) {
        srand($writer);

        my @errors = grep { $_ ne '' } map {
            write_payments(map {
                my $rev = 1 + int rand 40;
                payment(n => 100 + $_, rev => $rev, amount => $rev,
                        parts => id(1) . " $rev - - 0," . id(2) . " $rev - - 0")
            } sort { rand() <=> 0.5 } 1 .. 12)
        } 1 .. 25;

        print STDERR "# $_\n" for @errors;
        POSIX::_exit(@errors ? 1 : 0);
    }

    $pid
} 1 .. 3;

for (@writers) {
    waitpid $_, 0;
    is($?, 0, 'a writer among others has no error');
}

is($pg->psql('SELECT count(*) FROM paytrade.payments WHERE pay_no BETWEEN '
             . id(101) . ' AND ' . id(112)), 12, 'all are there');
is($pg->psql("SELECT count(*) FROM paytrade.payments p
              JOIN paytrade.payment_orders x USING (pay_no)
              WHERE p.pay_no > ${\id(100)}
              AND (p.amount <> p.rev OR x.amount <> p.rev)"), 0,
   'each with the parts of its rev');
write_payments(map { payment(n => 100 + $_, rev => 50) } 1 .. 12);
is($pg->psql('SELECT count(*) FROM paytrade.payments WHERE rev = 50'), 12,
   'a greater rev is taken after all');
$pg->psql('DELETE FROM paytrade.payments WHERE rev = 50');
$pg->psql('DELETE FROM paytrade.payment_orders WHERE pay_no > ' . id(100));


# Refunds: each once, whoever tells them.

my @refund = (list(id(11), id(11)), texts('r "1" \\', 'r "1" \\'),
              list(id(1), id(2)), list(50, 60), list('f', 't'),
              texts('succeeded', 'succeeded'));
my $of = sub { my @r = @refund; $r[$_[0]] = $_[1]; return @r };

is($pg->query('write_refunds', 0, @refund, list($now, $now)), '',
   'write_refunds');
is($pg->query('conflicting_refunds', @refund), '', 'no conflict with itself');
$pg->query('write_refunds', 3, @refund, list($now + 1, $now + 1));
is($pg->psql("SELECT string_agg(concat_ws(' ', partition, refund_no, order_id,
              amount, restock, status, round(extract(epoch FROM created_at)
              * 1000), changed_at = created_at), ',' ORDER BY order_id)
              FROM paytrade.refunds"),
   "0 r \"1\" \\ ${\id(1)} 50 f succeeded $now t,"
   . "0 r \"1\" \\ ${\id(2)} 60 t succeeded $now t", 'the first stays');
is($pg->query('refund', id(11), 'r "1" \\'), 110, 'refund: over its orders');
is($pg->query('refund', @$_), '', 'refund: unknown')
    for [ id(12), 'r "1" \\' ], [ id(11), 'r' ];
is($pg->query('conflicting_refunds', $of->(3, list(50, 61))), 2,
   'conflict of amount');
is($pg->query('conflicting_refunds', $of->(4, list('t', 't'))), 1,
   'conflict of restock');
is($pg->query('conflicting_refunds', $of->(5, texts('failed', 'failed'))),
   "1\n2", 'conflict of status');
is($pg->query('conflicting_refunds', $of->(0, list(id(12), id(12)))), '',
   'another payment is none');
is($pg->query('conflicting_refunds', $of->(1, texts('r', 'r'))), '',
   'another number is none');


# Orphans: a payment, its closing and each refund of one trade.

sub what { return '{' . join(',', map { '"' . s/(["\\])/\\$1/gr . '"' } @_)
                  . '}' }

my @orphan = (texts('alipay', 'alipay'), texts('T1', 'T"2\\'),
              what('', 'refund:"r\\'),
              texts('orphan', 'mismatch'), texts('x1', ''),
              list(9223372036854775807, 1), texts('CNY', ''),
              texts('unknown_payment', 'amount'));
my $but = sub { my @u = @orphan; $u[$_[0]] = $_[1]; return @u };

is($pg->query('write_orphans', 0, @orphan, list($now, $now)), '',
   'write_orphans');
is($pg->query('conflicting_orphans', @orphan), '', 'no conflict with itself');
$pg->psql("UPDATE paytrade.orphans SET resolved_at = now()
           WHERE trade_no = 'T1'");
$pg->query('write_orphans', 1, @orphan, list($now + 1, $now + 1));
is($pg->psql("SELECT string_agg(concat_ws(' ', partition, trade_no, what, kind,
              pay_no, amount, currency, reason, resolved_at IS NULL,
              round(extract(epoch FROM created_at) * 1000)), ','
              ORDER BY trade_no) FROM paytrade.orphans"),
   "0 T\"2\\ refund:\"r\\ mismatch 1 amount t $now,"
   . "0 T1  orphan x1 9223372036854775807 CNY unknown_payment f $now",
   'the first stays');
is($pg->query('conflicting_orphans', $but->($_->[0], $_->[1])), $_->[2],
   "conflict of column $_->[0]")
    for [3, texts('mismatch', 'mismatch'), 1], [4, texts('x1', 'x2'), 2],
        [5, list(1, 1), 1], [6, texts('CNY', 'USD'), 2],
        [7, texts('purged', 'amount'), 1];
is($pg->query('conflicting_orphans', $but->(0, texts('a', 'b'))), '',
   'another gateway is none');
is($pg->query('conflicting_orphans', do {
       my @u = @orphan;
       @u[2, 5] = (what('closed', 'refund:s'), list(9, 9));
       @u;
   }), '', 'nor is what else was told of the trade');
is($pg->query('write_orphans', 0, (map { list(($_) x 3) } 'alipay', 'T1'),
              what('', 'closed', 'refund:1'), list(('orphan') x 3),
              list(('x1') x 3), list(7, 7, 7), list(('CNY') x 3),
              list(('unknown_payment') x 3), list(($now) x 3)), '',
   'a closing and a refund of the same trade');
is($pg->psql("SELECT string_agg(what || ' ' || amount, ',' ORDER BY what)
              FROM paytrade.orphans WHERE trade_no = 'T1'"),
   ' 9223372036854775807,closed 7,refund:1 7', 'stand beside the payment');
like($pg->query('write_orphans', 0, texts('a'), texts('T'), what(''),
                texts('lost'), texts('x'), list(1), texts('CNY'), texts('r'),
                list(1)),
     qr/^23514/, 'an unknown kind is class 23');


# Ids of orders and payments are of one sequence.

is($pg->query('progress', 0), '0 | 0-0 | t | ' . id(12),
   'progress: a pay_no is the greatest');
$pg->query('write_progress', 0, '1-0', id(11));
is($pg->query('progress', 0), '1 | 1-0 | t | ' . id(11), 'when nobody told');


# What fills an empty Redis.

sub order {
    my ($id, $status, $age, $user) = @_;
    my $time = "to_timestamp(${\($now - $age)} / 1000.0)";

    $pg->psql("INSERT INTO paytrade.orders VALUES ($id, 0, '$user', 'spring',
               '$status', 100, 'CNY', NULL, 1, '$k', '$b', $time, $time,
               $time);
               INSERT INTO paytrade.order_lines VALUES ($id, 1, 'p30', 1, 100)")
        // BAIL_OUT($pg->error());
}


sub first_of {
    return join ' ', map { (split / \| /)[1] } split /\n/, $_[0];
}


$pg->psql('DELETE FROM paytrade.payments');
$pg->psql('DELETE FROM paytrade.payment_orders');

my @age = (20 * $day, 8 * $day, 3 * $day, 3600_000);
my @o = map { id(1 + $_, $age[$_]) } 0 .. 3;

order($o[0], 'held', $age[0], 'u0');
order($o[1], 'paid', $age[1], 'u1');
order($o[2], 'expired', $age[2], 'u2');
order($o[3], 'cancelled', $age[3], 'u3');
order(id(9, 3600_000), 'expired', 3600_000, 'u3');

# Old; old but changed lately; old but open; new ones; of another partition.

my @p = (
    payment(n => 21, age => 8 * $day, user => 'u1', status => 'paid',
            parts => "$o[1] 100 applied - 0"),
    payment(n => 22, age => 8 * $day, user => 'u2', changed => $now - 1000,
            parts => "$o[2] 100 - - 0"),
    payment(n => 23, age => 19 * $day, user => 'u0', ends => $now + $day,
            parts => "$o[0] 100 - - 0"),
    payment(n => 24, age => 3000_000, user => 'u3', ends => $now + $day,
            parts => "$o[3] 100 - - 0"),
    payment(n => 25, age => 2000_000, user => 'u3', key => '', body => '',
            parts => "$o[3] 100 - - 0," . id(99) . ' 5 - - 0'),
);

is(write_payments(@p), '', 'payments of several ages');
$pg->query('write_payments', 7, 'CNY', payment_arrays(payment(n => 26)),
           (list(id(26))) x 3, texts(''), texts(''), list(0));

is(first_of($pg->query('rebuild_payments', 0, 0, $week)),
   join(' ', sort map { $_->{no} } @p[1 .. 4]),
   'rebuild_payments: changed or open within the retention');
is((split / \| /, $pg->query('rebuild_payments', 0, $p[3]{no}, $week))[0],
   row($p[4]), 'next page, the row');
is(first_of($pg->query('rebuild_payments', 0, 0, 30 * $day)),
   join(' ', sort map { $_->{no} } @p), 'with a longer retention');
is(first_of($pg->query('rebuild_payments', 0, 0, 1000 * $day)),
   join(' ', sort map { $_->{no} } @p), 'with a very long one');
is(first_of($pg->query('rebuild_payments', 0, 0, 3650 * $day)),
   join(' ', sort map { $_->{no} } @p), 'and the longest');
is(first_of($pg->query('rebuild_payments', 7, 0, $week)), id(26),
   'of another partition');

# Refunds of those payments, each summed up over its orders.

sub refund_rows {
    my (@rows) = @_;

    $pg->query('write_refunds', $_->[0], list($_->[1]), texts($_->[2]),
               list($_->[3]), list($_->[4]), list('f'), texts('succeeded'),
               list($_->[5])) for @rows;
}


my @no = map { $_->{no} } @p;

$pg->psql('DELETE FROM paytrade.refunds');
refund_rows([ 0, $no[0], 'old', $o[1], 1, $now ],
            [ 0, $no[1], 'r 2', $o[2], 30, $now + 5 ],
            [ 0, $no[1], 'r 2', $o[3], 12, $now + 3 ],
            [ 0, $no[1], 'R 3', $o[2], 9_000_000_000_000, $now ],
            [ 0, $no[1], 'é"\\', $o[2], 1, $now ],
            [ 0, $no[3], 'a', $o[3], 5, 0 ],
            [ 7, id(26), 'other', $o[3], 5, $now ],
            [ 0, id(27), 'nobody', $o[3], 5, $now ]);
is($pg->query('rebuild_refunds', 0, 0, '', $week), join("\n",
   map { "$_->[0] | " . join ' | ', (split /\t/, $_->[0])[0, 1] }
   [ "$no[1]\tR 3\t9000000000000\t$now" ],
   [ "$no[1]\tr 2\t42\t" . ($now + 3) ],
   [ "$no[1]\té\"\\\t1\t$now" ], [ "$no[3]\ta\t5\t0" ]),
   'rebuild_refunds: of such payments, summed up');
is(join(' ', map { (split / \| /)[2] } split /\n/,
        $pg->query('rebuild_refunds', 0, @$_[0, 1], $week)),
   $_->[2] // '',
   "next page, after $_->[1]")
    for [ $no[1], 'R 3', "r 2 é\"\\ a" ], [ $no[1], "é\"\\", 'a' ],
        [ $no[1], '~', "é\"\\ a" ], [ $no[3], 'a' ];
is((split / \| /, $pg->query('rebuild_refunds', 0, 0, '', 30 * $day))[1],
   (sort @no[0, 1])[0], 'with a longer retention');
is((split / \| /, $pg->query('rebuild_refunds', 7, 0, '', $week))[2], 'other',
   'of another partition');


is(first_of($pg->query('rebuild_orders', 0, 0, $week)),
   join(' ', sort @o[0, 2, 3]),
   'rebuild_orders: held ones, and those of such payments');
is(first_of($pg->query('rebuild_orders', 0, $o[0], 30 * $day)),
   join(' ', sort @o[1, 2, 3]), 'next page');
is(first_of($pg->query('rebuild_orders', 0, 0, 1000)), join(' ', @o[0, 3]),
   'held ones always, and those of open payments');
like($pg->query('rebuild_orders', 0, $o[2], $week),
     qr/^$o[3]\tcancelled\t1\tu3\tspring\t100\t.*\tp30 1 100\t \| /,
     'with their rows');

like($pg->query('rebuild_buyers', 0, '', ''),
     qr/^spring\tu3\t\t\Q$k $b $o[3],$k $b ${\id(9, 3600_000)},\E
        \Q$k $b $p[3]{no} | spring | u3\E$/mx,
     'rebuild_buyers: attempts of payments of the last day, with a key');
unlike($pg->query('rebuild_buyers', 0, '', ''), qr/$p[1]{no}/, 'and no others');


# Pages of 500, also where an order of a payment is missing.

$pg->psql("INSERT INTO paytrade.payments (pay_no, partition, user_id, sale,
           gateway, method, status, amount, currency, rev, subject, created_at,
           ends_at, changed_at) SELECT ${\id(0)}::bigint + 2000000 + i, 5,
           'u' || i, 'spring', 'alipay', 'page', 'unpaid', 1, 'CNY', 1, 'P',
           now(), now(), now() FROM generate_series(1, 1203) i;
           INSERT INTO paytrade.payment_orders SELECT pay_no,
           pay_no + 1000000, 1 FROM paytrade.payments WHERE partition = 5;
           INSERT INTO paytrade.payment_orders SELECT pay_no,
           pay_no + 1000001, 1 FROM paytrade.payments WHERE partition = 5;
           INSERT INTO paytrade.orders SELECT order_id, 5, 'u', 'spring',
           CASE WHEN order_id % 3 = 0 THEN 'held' ELSE 'paid' END, 1, 'CNY',
           NULL, 1, NULL, NULL, now(), now(), now()
           FROM (SELECT DISTINCT order_id FROM paytrade.payment_orders x
           JOIN paytrade.payments USING (pay_no) WHERE partition = 5
           AND order_id % 400 <> 0) o") // BAIL_OUT($pg->error());

my $orders = $pg->psql('SELECT count(*) FROM paytrade.orders
                        WHERE partition = 5');

for (['rebuild_payments', 1203], ['rebuild_orders', $orders]) {
    my ($name, $wanted) = @$_;
    my (%seen, @rows);
    my $after = 0;

    do {
        @rows = map { (split / \| /)[1] }
                split /\n/, $pg->query($name, 5, $after, $week);
        $seen{$_}++ for @rows;
        $after = $rows[-1];
    } while (@rows == 500);

    is(scalar keys %seen, $wanted, "$name: all pages");
    is(scalar(grep { $_ > 1 } values %seen), 0, "$name: each once");
}

ok(defined $pg->psql("INSERT INTO paytrade.refunds SELECT pay_no, 'r' || i,
                      order_id, 5, 1, false, 'succeeded', now(), now()
                      FROM paytrade.payment_orders
                      JOIN paytrade.payments USING (pay_no),
                      generate_series(1, 2) i WHERE partition = 5"),
   'two refunds of each') or diag $pg->error();

{
    my (%seen, @rows);
    my @after = (0, '');

    do {
        @rows = map { [ (split / \| /)[1, 2] ] }
                split /\n/, $pg->query('rebuild_refunds', 5, @after, $week);
        $seen{"@$_"}++ for @rows;
        @after = @{ $rows[-1] } if @rows;
    } while (@rows == 500);

    is(scalar keys %seen, 2406, 'rebuild_refunds: all pages');
    is(scalar(grep { $_ > 1 } values %seen), 0, 'rebuild_refunds: each once');
}

is(join(' ', grep { /payment|refund|orphan/ } $pg->untried()), '',
   'every query was tried');

done_testing();
