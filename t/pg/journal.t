# The journal's writer and what concerns payments: entries put into the stream
# by hand, as the scripts write them, and what becomes of them in the tables.

use strict;
use warnings;
use utf8;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/../lib";
use PaytradeShop;

my $journal = '{pt:0}:journal';
my $t = 1763712000000;
my $k = '0123456789abcdef';
my $b = 'fedcba9876543210';

start_nginx(workers => 2);
put_item('p30', stock => 100);
ok(journal_drained(), 'the item is in PostgreSQL');


sub id {
    return sprintf '1763712000000%02d%04d', 0, $_[0];
}


sub order {
    my ($n) = @_;

    return join "\t", id($n), 'held', 1, "u$n", 'spring', 100, $t, $t + 900_000,
                      $t, $k, $b, 'p30 1 100', '{"note":"手机"}';
}


# payment(no, rev, status, trade_no, parts, user)
sub payment {
    my ($n, $rev, $status, $trade_no, $parts, $user) = @_;

    return join "\t", id($n), $status, $rev, $user || "u$n", 'spring', 'alipay',
                      'page', $trade_no, 100, $t, $t + 870_000,
                      $status eq 'paid' ? $t + 5 : 0, $t + $rev, $k, $b,
                      '手机 \\"P30\\"', $parts || id(1) . ' 100 - - 0';
}


sub refund {
    my ($n, $refund_no, $amount, $at) = @_;

    return join "\t", id($n), $refund_no, id(1), $amount, 0, 'succeeded',
                      $at || $t;
}


sub orphan {
    my ($trade_no, $kind, $amount, $at, $what) = @_;

    return join "\t", 'alipay', $trade_no, $what // '', $kind, 'x' . id(999),
                      $amount, 'CNY', 'unknown_payment', $at || $t;
}


# Entries, each a list of kind and row, and then all of them in the tables.
sub journal {
    for (@_) {
        my @fields = @$_;

        utf8::encode($_) for @fields;
        redis('XADD', $journal, '*', @fields);
    }

    ok(journal_drained(), 'the journal drains');
}


sub payments {
    my ($where) = @_;

    return psql('SELECT string_agg(concat_ws(\' \', right(pay_no::text, 3), rev,'
                . ' status, trade_no), \',\' ORDER BY pay_no)'
                . " FROM paytrade.payments WHERE $where");
}


sub dead {
    return psql('SELECT string_agg(concat_ws(\' \', kind, reason,'
                . ' nullif(sqlstate, \'\')),'
                . ' \',\' ORDER BY kind, reason, entry_id)'
                . ' FROM paytrade.dead_letter WHERE replayed_at IS NULL');
}


sub letter {
    my ($text) = @_;

    return psql('SELECT max(id) FROM paytrade.dead_letter'
                . " WHERE encode(payload, 'escape') LIKE '%$text%'");
}


sub replay {
    return http('POST', "/paytrade/admin/dead-letters/$_[0]/replay",
                '{}')->{status};
}


# One entry of all kinds: the largest transaction there is.

journal([o => order(1), i => join("\t", 'q1', 'spring', 'Q', 100, 10, 10, 0, 0,
                                  0, 0, $t * 2, 900_000, 1, 0),
         s => "spring\t0\t1", a => "r-1\t$t\t$k",
         p => payment(2, 1, 'unpaid', ''),
         f => refund(2, 'r-1', 50), u => orphan('T9', 'orphan', 7),
         x => 'rubbish']);
is(psql('SELECT (SELECT count(*) FROM paytrade.orders),'
        . " (SELECT count(*) FROM paytrade.items WHERE sku = 'q1'),"
        . ' (SELECT count(*) FROM paytrade.sales),'
        . ' (SELECT count(*) FROM paytrade.admin_requests'
        . " WHERE request_id = 'r-1')"), '1|1|1|1',
   'order, item, sale and request');
is(psql('SELECT concat_ws(\' \', pay_no, partition, user_id, sale, gateway,'
        . ' method, status, amount, currency, rev, request_key, request_body,'
        . ' round(extract(epoch FROM created_at) * 1000),'
        . ' round(extract(epoch FROM ends_at) * 1000),'
        . ' round(extract(epoch FROM changed_at) * 1000),'
        . ' trade_no IS NULL, paid_at IS NULL) FROM paytrade.payments'),
   join(' ', id(2), 0, 'u2', 'spring', 'alipay', 'page', 'unpaid', 100, 'CNY', 1,
        $k, $b, $t, $t + 870_000, $t + 1, 't', 't'), 'the payment');
is(psql("SELECT subject = E'\\u624b\\u673a \\\\\"P30\\\\\"'"
        . ' FROM paytrade.payments'), 't', 'what the payer reads');
is(psql('SELECT concat_ws(\' \', pay_no, order_id, amount, outcome IS NULL,'
        . ' reason IS NULL, refunded) FROM paytrade.payment_orders'),
   join(' ', id(2), id(1), 100, 't', 't', 0), 'its part');
is(psql('SELECT concat_ws(\' \', refund_no, partition, amount, restock, status)'
        . ' FROM paytrade.refunds'), 'r-1 0 50 f succeeded', 'the refund');
is(psql('SELECT concat_ws(\' \', gateway, trade_no, partition, kind, reason,'
        . ' pay_no, amount, currency) FROM paytrade.orphans'),
   'alipay T9 0 orphan unknown_payment x' . id(999) . ' 7 CNY', 'the orphan');
is(dead(), 'x malformed', 'the rubbish is set aside');
is(psql('SELECT max_order_id FROM paytrade.progress'), id(2),
   'a pay_no is the greatest id that was seen');


# By rev: twice, out of order, in one batch and in several.

my $applied = id(1) . ' 100 applied late 0';

journal([p => payment(3, 3, 'paid', 'T3', $applied)],
        [p => payment(3, 1, 'unpaid', '')], [p => payment(3, 2, 'closed', '')]);
is(payments('pay_no = ' . id(3)), '003 3 paid T3', 'the newest came first');
journal([p => payment(4, 1, 'unpaid', ''), p => payment(4, 2, 'closed', ''),
         p => payment(4, 1, 'unpaid', ''), p => payment(4, 2, 'closed', '')],
        [p => payment(4, 3, 'paid', 'T4', $applied)],
        [p => payment(4, 3, 'paid', 'T4', $applied)]);
is(payments('pay_no = ' . id(4)), '004 3 paid T4', 'each of them twice');
is(psql('SELECT string_agg(concat_ws(\' \', outcome, reason, refunded), \',\')'
        . ' FROM paytrade.payment_orders WHERE pay_no > ' . id(2)),
   'applied late 0,applied late 0', 'with their parts');

journal([f => refund(2, 'r-1', 50, $t + 9), u => orphan('T9', 'orphan', 7, $t + 9)],
        [f => refund(2, 'r-2', 60), u => orphan('T10', 'mismatch', 7)],
        [f => refund(2, 'r-2', 60), u => orphan('T10', 'mismatch', 7)]);
is(psql('SELECT (SELECT string_agg(refund_no, \' \' ORDER BY refund_no)'
        . ' FROM paytrade.refunds), (SELECT string_agg(trade_no, \' \''
        . ' ORDER BY trade_no) FROM paytrade.orphans)'), 'r-1 r-2|T10 T9',
   'refunds and orphans: each once');
is(dead(), 'x malformed', 'nothing of it is a conflict');


# Of one trade each thing that is told; and rows as earlier versions wrote them.

journal([u => orphan('T11', 'orphan', 7), u => orphan('T11', 'orphan', 5, $t,
                                                      'refund:r "1" \\'),
         u => orphan('T11', 'orphan', 0, $t, 'closed')],
        [u => orphan('T11', 'orphan', 7) =~ s/T11\t\t/T11\t/r,
         u => orphan('T12', 'mismatch', 7) =~ s/T12\t\t/T12\t/r],
        [u => orphan('T12', 'mismatch', 7)],
        [f => refund(2, 'r' x 64 . '-10000000000000', 60)]);
is(psql('SELECT string_agg(concat_ws(\' \', trade_no, what, kind, amount), \',\''
        . ' ORDER BY trade_no, what) FROM paytrade.orphans'
        . " WHERE trade_no IN ('T11', 'T12')"),
   'T11  orphan 7,T11 closed orphan 0,T11 refund:r "1" \\ orphan 5,'
   . 'T12  mismatch 7', 'each once');
is(psql("SELECT amount FROM paytrade.refunds WHERE refund_no LIKE 'rrr%'"), 60,
   'a refund with a long number');
is(dead(), 'x malformed', 'nothing of it is a conflict');


# Conflicts: with a row, and within a batch.

journal([p => payment(3, 3, 'paid', 'T333', $applied)],
        [p => payment(3, 3, 'paid', 'T3', id(1) . ' 100 applied late 100')],
        [f => refund(2, 'r-1', 51), u => orphan('T9', 'mismatch', 7)],
        [p => payment(5, 1, 'unpaid', ''), p => payment(5, 1, 'closed', '')]);
is(dead(), join(',', 'f conflict', 'p conflict', 'p conflict', 'p conflict',
                'u conflict', 'x malformed'), 'are set aside');
is(payments('pay_no IN (' . id(3) . ',' . id(5) . ')'),
   '003 3 paid T3,005 1 unpaid', 'and change nothing');
is(psql("SELECT amount FROM paytrade.refunds WHERE refund_no = 'r-1'"), 50,
   'nor does a refund');
is(psql("SELECT kind FROM paytrade.orphans WHERE trade_no = 'T9'"), 'orphan',
   'nor an orphan');
is(replay(letter('T333')), 409, 'replayed: still a conflict');
is(replay(letter('mismatch')), 409, 'also an orphan');
psql('DELETE FROM paytrade.orphans WHERE trade_no = \'T9\'');
is(replay(letter('mismatch')), 200, 'but not when an operator made room');
is(psql("SELECT kind FROM paytrade.orphans WHERE trade_no = 'T9'"), 'mismatch',
   'it is there');
psql('TRUNCATE paytrade.dead_letter');


# Poison among many, of each kind and of a part.

psql('ALTER TABLE paytrade.payments ADD CONSTRAINT bad'
     . " CHECK (user_id <> 'bad');"
     . ' ALTER TABLE paytrade.payment_orders ADD CONSTRAINT bad'
     . " CHECK (reason IS DISTINCT FROM 'bad');"
     . ' ALTER TABLE paytrade.refunds ADD CONSTRAINT bad CHECK (amount <> 13);'
     . ' ALTER TABLE paytrade.orphans ADD CONSTRAINT bad CHECK (amount <> 13)');
journal([map { (p => payment($_, 2, 'paid', "T$_",
                             id(1) . ' 100 refund_due '
                             . ($_ == 150 ? 'bad' : 'cancelled') . ' 0',
                             $_ == 120 ? 'bad' : "u$_"),
                f => refund($_, 'r-3', $_ == 130 ? 13 : 50),
                u => orphan("U$_", 'orphan', $_ == 140 ? 13 : 7)) }
         101 .. 160]);
is(dead(), join(',', map { "$_->[0] new row for relation \"$_->[1]\" violates"
                           . ' check constraint "bad" 23514' }
                [f => 'refunds'], [p => 'payment_orders'], [p => 'payments'],
                [u => 'orphans']), 'goes to the dead letter, alone');
is(psql('SELECT (SELECT count(*) FROM paytrade.payments WHERE pay_no > '
        . id(100) . '), (SELECT count(*) FROM paytrade.payment_orders'
        . ' WHERE pay_no > ' . id(100) . '), (SELECT count(*)'
        . " FROM paytrade.refunds WHERE refund_no = 'r-3'), (SELECT count(*)"
        . " FROM paytrade.orphans WHERE trade_no LIKE 'U%')"), '58|58|59|59',
   'all others are written');
is(replay(letter('bad')), 409, 'replayed while it is poison: refused');

psql("ALTER TABLE paytrade.$_ DROP CONSTRAINT bad")
    for qw(payments payment_orders refunds orphans);
is(replay($_), 200, 'replayed after the mending')
    for split /\n/, psql('SELECT id FROM paytrade.dead_letter');
is(dead(), '', 'none is left');
is(psql('SELECT (SELECT count(*) FROM paytrade.payments WHERE pay_no > '
        . id(100) . '), (SELECT count(*) FROM paytrade.payment_orders'
        . ' WHERE pay_no > ' . id(100) . '), (SELECT count(*)'
        . " FROM paytrade.refunds WHERE refund_no = 'r-3'), (SELECT count(*)"
        . " FROM paytrade.orphans WHERE trade_no LIKE 'U%')"), '60|60|60|60',
   'all are written');


# Two writers: an old worker and its heir may both write one entry.

my @entry = map { (p => payment($_, 2, 'paid', "T$_"),
                   f => refund($_, 'r-4', 1)) } 201 .. 260;
my @reverse = map { @entry[2 * $_, 2 * $_ + 1] } reverse 0 .. $#entry / 2;

kill_worker();
journal(\@entry, \@reverse, \@entry);
is(psql('SELECT (SELECT count(*) FROM paytrade.payments WHERE pay_no > '
        . id(200) . '), (SELECT count(*) FROM paytrade.refunds'
        . " WHERE refund_no = 'r-4')"), '60|60', 'each is there once');
is(dead(), '', 'and nothing is in conflict');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(qr{exited on signal 9}), 'no alert in the log');

done_testing();
