# Genuine callbacks that fit no payment: each is recorded once, told as an
# event, and answered "fail", for it is somebody's money.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT snapshot unchanged events status_json);
use PaytradeAlipay;
use Test::More;
use Time::HiRes 'time';

my $http = alipay_gateway() . alipay_gateway(name => 'second')
           . "paytrade_prefix shop-A_;\n";

start_nginx(workers => 2, http => $http);
put_item('p30', title => 'P30', stock => 100);


sub orphan {
    my ($gateway, $trade_no) = @_;
    my $query = 'SELECT kind, pay_no, amount, reason FROM'
                . " paytrade.orphans WHERE gateway = '$gateway'"
                . " AND trade_no = '$trade_no'";

    until_true(sub { psql($query) ne '' }, 10);
    return psql($query);
}


# The one event of a kind and trade: all of its fields but the times.
sub event {
    my ($id) = @_;
    my @found = grep { $_->{id} eq $id } events();

    return scalar @found if @found != 1;
    delete @{ $found[0] }{qw(entry at)};
    return $found[0];
}


sub fails {
    my ($name, $body, $path) = @_;

    is(answered(notify($body, $path)), '200 fail', "$name: fail");
}


my $order = buy('u1', 'p30');
my $started = pay('u1', [ $order ]);
my ($pay_no) = $started->{content} =~ /"pay_no":"(\d+)"/;
my ($url) = $started->{content} =~ /"pay_url":"([^"]+)"/;
my $prefix = 'shop-A_';

like({ link_params($url) }->{biz_content}, qr/"out_trade_no":"$prefix$pay_no"/,
     'the link has the prefix');


# Numbers that are none of ours.
my $n = 0;
my $unknown = $pay_no + 777 * 1000000;
my %numbers = (
    'a payment that never was' => $prefix . $unknown,
    'no prefix'                => $pay_no,
    'another prefix'           => "shop-B_$pay_no",
    'the prefix twice'         => "$prefix$prefix$pay_no",
    'too short'                => $prefix . substr($pay_no, 1),
    'too long'                 => "$prefix${pay_no}0",
    'letters'                  => "${prefix}1763712000x23000002",
    'the prefix alone'         => $prefix,
    'no such partition'        => $prefix . ($pay_no + 42 * 10000),
    'an order'                 => $prefix . $order,
    'something else'           => 'ORDER-1',
    'a number of 64 bytes'     => 'x' x 64,
);

for my $name (sort keys %numbers) {
    my $number = $numbers{$name};
    my $trade_no = '2026-o-' . ++$n;
    my $body = callback($number, '12.34', trade_no => $trade_no);

    fails($name, $body) for 1 .. 2;
    is(orphan('alipay', $trade_no), "orphan|$number|1234|unknown_payment",
       "$name: it is a row");
    is_deeply(event("payment.orphan:alipay:$trade_no"), {
        id => "payment.orphan:alipay:$trade_no", type => 'payment.orphan',
        v => '1', order_id => '', pay_no => $number, user => '', sale => '',
        amount => '1234', currency => 'CNY', gateway => 'alipay',
        trade_no => $trade_no, lines => '', meta => '',
        reason => 'unknown_payment',
    }, "$name: and an event");
}


# Amounts and such that are not those of the payment, which is told by its own
# number, without the prefix.
for my $amount ('4999.99', '5000.01', '0.01', '500000.00', '50.00')
{
    my $trade_no = '2026-m-' . ++$n;
    my $minor = $amount =~ s/\.//r + 0;

    fails("paid $amount", callback("$prefix$pay_no", $amount,
                                   trade_no => $trade_no)) for 1 .. 2;
    is(orphan('alipay', $trade_no),
       "mismatch|$pay_no|$minor|amount", "paid $amount: it is a row");

    my $event = event("payment.mismatch:alipay:$trade_no");
    is(ref $event && join(' ', map { $event->{$_} } qw(type pay_no amount
                                                       trade_no reason)),
       "payment.mismatch $pay_no $minor $trade_no amount",
       "paid $amount: and an event");
}

fails('by another gateway',
      callback("$prefix$pay_no", '5000.00', trade_no => 'g-1'),
      '/notify/second');
is(orphan('second', 'g-1'), "mismatch|$pay_no|500000|gateway",
   'by another gateway: it is a row');

like(http('GET', "/payments/$pay_no", undef, 'X-User' => 'u1')->{content},
     qr/"status":"unpaid"/, 'the payment is unpaid after all that');
is(answered(notify(callback("$prefix$pay_no", '5000.00'))), '200 success',
   'and can be paid');
fails('paid with another number',
      callback("$prefix$pay_no", '5000.00', trade_no => 't-1'));
is(orphan('alipay', 't-1'), "mismatch|$pay_no|500000|trade_no",
   'paid with another number: it is a row');
fails('more given back than was paid',
      callback("$prefix$pay_no", '5000.00', refund_fee => '5000.01',
               gmt_refund => alipay_time(time), out_biz_no => 'r-1',
               trade_no => "20261121$prefix$pay_no"));
is(orphan('alipay', "20261121$prefix$pay_no"),
   "mismatch|$pay_no|500001|refund",
   'more given back than was paid: it is a row');

for my $amount ('4999.99', '0.01') {
    my $trade_no = "closed-$amount";
    my $waiting = pay_no('u1', buy('u1', 'p30'));
    my @closed = ($amount, trade_no => $trade_no, gmt_payment => undef,
                  trade_status => 'TRADE_CLOSED');

    fails("closed with $amount", callback("$prefix$waiting", @closed))
        for 1 .. 2;
    is(orphan('alipay', $trade_no),
       "mismatch|$waiting|" . ($amount =~ s/\.//r + 0) . '|amount',
       "closed with $amount: it is a row");
    is(ref event("payment.mismatch:alipay:$trade_no:closed"), 'HASH',
       'and an event');
    like(http('GET', "/payments/$waiting", undef, 'X-User' => 'u1')
         ->{content}, qr/"status":"unpaid"/, 'and it is not closed');
}

my %by_type;
$by_type{$_->{type}}++ for events();
is_deeply(\%by_type, { 'payment.orphan' => 12, 'payment.mismatch' => 10,
                       'payment.succeeded' => 1 }, 'each is told once');
my $counted = status_json()->{callbacks};
is($counted->{alipay}{orphan}, 24, 'orphans are counted each time');
is($counted->{alipay}{mismatch}, 16, 'mismatches too');
is($counted->{second}{mismatch}, 1, 'for each gateway');
is(status_json()->{payments}{settled}, 1, 'one is settled');


# What Redis has forgotten and PostgreSQL has not.
sub forget {
    my ($number) = @_;

    ok(journal_drained(), 'the journal is empty');
    is(redis('HDEL', '{pt:0}:p:' . substr($number, 0, 17), $number), '1',
       "Redis forgets $number");
}


my $old = pay_no('u2', buy('u2', 'p30'));
my $old_body = callback("$prefix$old", '5000.00');
is(answered(notify($old_body)), '200 success', 'one more is paid');
my $unpaid = pay_no('u3', buy('u3', 'p30'));
forget($old);
forget($unpaid);
my $before = snapshot();

is(answered(notify($old_body)), '200 success',
   'a known one is a success, by PostgreSQL');
unchanged($before, 'and changes nothing');

fails('a purged one with another number',
      callback("$prefix$old", '5000.00', trade_no => 'p-1'));
like(orphan('alipay', 'p-1'), qr/^orphan\|$prefix$old\|500000\|purged$/,
     'a purged one with another number: it is a row');
fails('a purged one that was not paid',
      callback("$prefix$unpaid", '5000.00', trade_no => 'p-2'));
like(orphan('alipay', 'p-2'), qr/^orphan\|$prefix$unpaid\|500000\|purged$/,
     'a purged one that was not paid: it is a row');

my $refund = callback("$prefix$old", '5000.00', refund_fee => '1000.00',
                      gmt_refund => alipay_time(time), out_biz_no => 'r-2');
is(answered(notify($refund)), '200 success', 'a refund of a purged one')
    for 1, 2;
like(orphan('alipay', "20261121$prefix$old"),
     qr/^orphan\|$prefix$old\|\d+\|old_refund$/, 'is recorded');

# Each refund of it is somebody's money.
is(answered(notify(callback("$prefix$old", '5000.00', refund_fee => '3000.00',
                            gmt_refund => alipay_time(time),
                            out_biz_no => 'r-3'))),
   '200 success', 'a second refund of it');
ok(journal_drained(), 'the journal is empty');
is(psql("SELECT string_agg(what || ' ' || amount, ',' ORDER BY what)"
        . " FROM paytrade.orphans WHERE trade_no = '20261121$prefix$old'"
        . " AND reason = 'old_refund'"),
   'refund:r-2 100000,refund:r-3 300000', 'is recorded too');

# What was closed without money is nobody's.
$before = snapshot();
is(answered(notify(callback($prefix . ($unknown + 2), '12.34',
                            trade_no => 'c-1', gmt_payment => undef,
                            trade_status => 'TRADE_CLOSED'))),
   '200 success', 'a trade of nobody was closed');
unchanged($before, 'and changes nothing');


# Without PostgreSQL it is not known whether one is unknown.
ok(journal_drained(), 'the journal is empty');
stop_postgres();
my $length = redis('XLEN', '{pt:0}:events');
my $from = time;
fails('PostgreSQL is down', callback($prefix . ($unknown + 1), '12.34',
                                     trade_no => 'd-1'));
fails('PostgreSQL is down, a known one', $old_body);
cmp_ok(time - $from, '<', 8, 'in time');
is(redis('XLEN', '{pt:0}:events'), $length, 'nothing is told');
my $fresh = pay_no('u4', buy('u4', 'p30'));
is(answered(notify(callback("$prefix$fresh", '5000.00'))), '200 success',
   'what Redis knows is settled');
start_postgres();
ok(until_true(sub { notify($old_body)->{content} eq 'success' }, 10),
   'PostgreSQL is back: the known one is known');
is(psql("SELECT count(*) FROM paytrade.orphans WHERE trade_no = 'd-1'"), '0',
   'the other was not recorded');
fails('asked again', callback($prefix . ($unknown + 1), '12.34',
                              trade_no => 'd-1'));
is(orphan('alipay', 'd-1'), "orphan|$prefix@{[ $unknown + 1 ]}|1234|"
                            . 'unknown_payment', 'asked again: it is a row');

ok(journal_drained(), 'the journal is empty');
is(psql("SELECT count(*) FROM paytrade.orphans"), 12 + 10 + 5,
   'as many rows as there were');
is(psql('SELECT count(*) FROM paytrade.dead_letter'), '0',
   'PostgreSQL could take them all');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(balance_holds('p30'), 'the balance holds');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
