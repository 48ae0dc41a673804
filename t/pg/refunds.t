# Refunds from the callback to the table: a number that a gateway gives twice,
# and what an emptied Redis knows of them.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events);
use PaytradeAlipay;
use Test::More;

start_nginx(workers => 2, http => alipay_gateway());
put_item('p30', stock => 20);


# A notice of alipay: total is all that was given back so far.
sub refund {
    my ($pay_no, $refund_no, $total) = @_;

    return answered(notify(callback($pay_no, '5000.00', refund_fee => $total,
                                    gmt_refund => alipay_time(time),
                                    out_biz_no => $refund_no)));
}


sub table {
    return psql('SELECT string_agg(concat_ws(\' \', refund_no, amount), \',\''
                . ' ORDER BY created_at, refund_no) FROM paytrade.refunds'
                . " WHERE pay_no = $_[0]");
}


# What Redis knows of a payment's refunds: "number amount" each.
sub known {
    my ($pay_no) = @_;
    my @all = split /\n/, redis('HGETALL', '{pt:0}:r:' . substr $pay_no, 0, 17);
    my %amount;

    while (my ($name, $text) = splice @all, 0, 2) {
        $name =~ s/^$pay_no:// or next;
        $amount{$name} = hex((split / /, $text)[0]);
    }

    return join ',', map { "$_ $amount{$_}" } sort keys %amount;
}


my ($one) = pay('one', [ buy('one', 'p30') ], key => 'k')->{content}
            =~ /"pay_no":"(\d+)"/;
my ($two) = pay('two', [ buy('two', 'p30') ], key => 'k')->{content}
            =~ /"pay_no":"(\d+)"/;

is(answered(notify(callback($_, '5000.00'))), '200 success', 'paid')
    for $one, $two;
is(refund($one, 'r', '1.00'), '200 success', 'a refund');
is(refund($one, 'r', '1.00'), '200 success', 'told again');
is(refund($one, 'r', '3.50'), '200 success', 'its number for another');
is(refund($one, 'r', '3.50'), '200 success', 'that one again');
is(refund($two, 'r', '5000.00'), '200 success', 'all of another payment');
ok(journal_drained(), 'the journal drains');
is(table($one), 'r 100,r-350 250', 'two refunds of a number are two rows');
is(table($two), 'r 500000', 'the other payment has its own');
is(psql('SELECT count(*) FROM paytrade.dead_letter'), 0, 'no conflict');
is(psql('SELECT sum(refunded) FROM paytrade.payment_orders'), 500350,
   'they add up');
is(join(' ', sort map { "$_->{id} $_->{amount}" =~ s/:\d{19}:\d{19}:/ /r }
        grep { $_->{type} eq 'payment.refunded' } events()),
   'payment.refunded r 100 payment.refunded r 500000 '
   . 'payment.refunded r-350 250', 'an event each');

my %before = map { $_ => known($_) } $one, $two;

is($before{$one}, 'r 100,r-350 250', 'Redis knows them');
redis('FLUSHALL');
ok(until_true(sub {
    http('GET', '/items?sku=p30')->{content} =~ /"available":18\b/
    && all_serve('p30');
}, 20), 'emptied: rebuilt');
is(known($_), $before{$_}, 'emptied: Redis knows them again') for $one, $two;
is(refund($one, 'r', '1.00'), '200 success', 'emptied: told again');
is(refund($one, 'r', '3.50'), '200 success', 'emptied: both of them');
is(refund($one, 'r', '5.00'), '200 success', 'emptied: a third');
ok(journal_drained(), 'the journal drains');
is(table($one), 'r 100,r-350 250,r-500 150', 'emptied: is one more row');
is(psql('SELECT count(*) FROM paytrade.dead_letter'), 0, 'no conflict');
is(psql('SELECT count(*) FROM paytrade.orphans'), 0, 'and no orphan');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
