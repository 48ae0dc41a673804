# A Redis that was emptied, or put back, after payments were made: they are
# rebuilt, callbacks settle them, and what was paid is not paid again.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events);
use PaytradeAlipay;
use Test::More;

start_nginx(workers => 2, http => alipay_gateway());
put_item('p30', title => 'P30', stock => 20, limit => 2);
put_item('c30', stock => 20, price => '39.90');


# Until nothing but the truth is left to tell.
sub wait_for_stock {
    my ($sku, $available) = @_;

    return until_true(sub {
        my $answer = http('GET', "/items?sku=$sku");

        $answer->{status} == 200
        && $answer->{content} =~ /"available":$available\b/
        && all_serve($sku);
    }, 20);
}


sub status_of {
    my ($path, $user) = @_;
    my $answer = http('GET', $path, undef, 'X-User' => $user);

    return $answer->{content} =~ /"status":"(\w+)"/ ? $1 : $answer->{status};
}


sub counts {
    my $item = item('p30');

    return "$item->{available} $item->{held} $item->{sold}";
}


# Paid, unpaid, closed, owed back, given back.
my %order = map { $_ => buy($_, 'p30') } qw(paid unpaid closed due back);
my %started = map { $_ => pay($_, [ $order{$_} ], key => 'k') } keys %order;
my %pay_no = map { $_ => $started{$_}{content} =~ /"pay_no":"(\d+)"/ }
             keys %order;
my %body = map { $_ => callback($pay_no{$_}, '5000.00') } keys %order;

http('DELETE', "/orders/$order{due}", undef, 'X-User' => 'due');
is(answered(notify($body{$_})), '200 success', "$_ is told")
    for qw(paid due back);
is(answered(notify(callback($pay_no{closed}, '5000.00',
                            trade_status => 'TRADE_CLOSED',
                            gmt_payment => undef))),
   '200 success', 'closed is told');
is(answered(notify(callback($pay_no{back}, '5000.00', refund_fee => '5000.00',
                            gmt_refund => alipay_time(time),
                            out_biz_no => 'r'))),
   '200 success', 'back is told');
my $cart = pay_no('cart', buy('cart', 'p30'),
                  buy('cart', 'c30', unit_price => '39.90'));

is(counts(), '15 3 2', 'two of twenty are sold, three held');
ok(journal_drained(), 'PostgreSQL knows it');
my %rows = map { $_ => payment($pay_no{$_}) } keys %pay_no;

redis('FLUSHALL');
my $early = notify($body{unpaid});
like($early->{content}, qr/^(?:fail|success)$/, 'a callback meanwhile');
ok(wait_for_stock('p30', 15), 'emptied: rebuilt');
like(counts(), $early->{content} eq 'fail' ? qr/^15 3 2$/ : qr/^15 2 3$/,
     'emptied: as it was');

is(status_of("/payments/$pay_no{paid}", 'paid'), 'paid',
   'emptied: the paid one is known');
is(status_of("/payments/$pay_no{closed}", 'closed'), 'closed',
   'emptied: the closed one too');
is(status_of("/orders/$order{paid}", 'paid'), 'paid',
   'emptied: and the paid order');
is(status_of("/orders/$order{back}", 'back'), 'refunded',
   'emptied: and the refunded one');

my $again = pay('unpaid', [ $order{unpaid} ], key => 'k');
is($again->{status}, 200, 'emptied: the key of a payment is known');
is($again->{content}, $started{unpaid}{content},
   'emptied: with the same link') if $early->{content} eq 'fail';
is(code(pay('paid', [ $order{paid} ], key => 'other')), '409 already_paid',
   'emptied: what is paid cannot be paid');

is(answered(notify($body{$_})), '200 success', "emptied: $_ again")
    for qw(paid due back);
is(answered(notify($body{unpaid})), '200 success', 'emptied: unpaid is told');
is(answered(notify($body{closed})), '200 success',
   'emptied: closed is paid after all');
is(answered(notify(callback($cart, '5039.90'))), '200 success',
   'emptied: a cart is paid');
is(counts(), '15 0 5', 'emptied: five are sold');
is(redis('EXISTS', '{pt:0}:orphans'), '0', 'emptied: there is no orphan');

ok(journal_drained(), 'the journal is empty');
is(payment($pay_no{$_}), $rows{$_}, "emptied: the row of $_ is as before")
    for qw(paid due back);
is(payment($pay_no{unpaid}), 'paid 2 applied', 'emptied: unpaid is paid');
is(payment($pay_no{closed}), 'paid 3 applied', 'emptied: closed is paid');
is(join(', ', sort map { $_->{id} } events()),
   join(', ', sort
        "payment.succeeded:$pay_no{unpaid}:$order{unpaid}",
        "payment.succeeded:$pay_no{closed}:$order{closed}",
        map { $_->{id} } grep { $_->{pay_no} eq $cart } events()),
   'emptied: events of what was paid since');
is(scalar(events()), 4, 'emptied: four of them');

my $new = pay_no('paid', buy('paid', 'p30'));
cmp_ok($new, '>', (sort values %pay_no)[-1], 'no number comes again');
is(code(http('POST', '/orders', '{"sku":"p30","quantity":1,"unit_price":'
             . '"5000"}', 'X-User' => 'paid')), '409 limit_reached',
   'what was bought counts against the limit');


# Put back to what it was before some payments: the same events once more.
my $kept = pay_no('u1', my $kept_order = buy('u1', 'c30',
                                             unit_price => '39.90'));
ok(journal_drained(), 'PostgreSQL knows it');
save_redis('older');
my $kept_body = callback($kept, '39.90');
is(answered(notify($kept_body)), '200 success', 'paid after the copy');
my $lost = pay_no('u2', my $lost_order = buy('u2', 'c30',
                                             unit_price => '39.90'));
ok(journal_drained(), 'PostgreSQL knows that too');
put_back_redis('older');
ok(wait_for_stock('c30', 17), 'put back: rebuilt');
is(status_of("/orders/$kept_order", 'u1'), 'paid', 'put back: it is paid')
    or diag(log_text());
is(answered(notify($kept_body)), '200 success', 'put back: a duplicate');
is(answered(notify(callback($lost, '39.90'))), '200 success',
   'put back: a payment made after the copy is paid');
is(status_of("/orders/$lost_order", 'u2'), 'paid', 'put back: so it is');
ok(journal_drained(), 'the journal is empty');
is(payment($kept), 'paid 2 applied', 'put back: one change');
is(psql('SELECT count(*) FROM paytrade.orphans'), '0',
   'put back: there is no orphan');
is(psql('SELECT count(*) FROM paytrade.payment_orders'
        . " WHERE outcome = 'applied'"), 8, 'eight parts were applied in all');

my $drift;
until_true(sub { $drift = drift(); $drift->{status} == 200 }, 20);
is($drift->{status}, 200, 'Redis is what PostgreSQL says')
    or diag(substr $drift->{content}, 0, 800);
ok(balance_holds($_), "the balance of $_ holds") for qw(p30 c30);
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
