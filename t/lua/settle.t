# The script settle: payments that are paid, closed, refunded, or fit nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start;
my $users = 0;
my $trades = 0;
my $keys = 0;
my (@f, @replies, $seen_events, $seen_journal);


sub words { my %n; $n{ (split /\t/)[0] }++ for @_; return \%n }
sub word { (split /\t/, $_[0])[0] }
sub row { my ($word, @f) = split /\t/, $_[0], -1;
          return PaytradeRedis::payment_fields(@f) }

sub held {
    my ($word, $id) = $r->hold(key => 'h' . ++$keys, @_);

    die $word if $word ne 'held';

    return $id;
}

sub trade { sprintf '20261121220014%014d', ++$trades }

# A buyer with an order of each of these items, and a payment of them.
sub started {
    my (@skus) = @_;
    my $user = 'u' . ++$users;
    my @ids = map { held(user => $user, sku => $_,
                         price => $_ eq 'p30' ? 500000 : 250) } @skus;
    my $no = pay($user, @ids);

    return ($no, $user, @ids);
}

sub pay {
    my ($user, @ids) = @_;
    my ($word, $no) = $r->pay(user => $user, orders => \@ids,
                              key => 'pay' . ++$keys);

    die $word if $word ne 'created';

    return $no;
}

sub paid {
    my ($no, $trade_no, %c) = @_;

    %c = (gateway => 'alipay', amount => 500000, currency => '', at => 0, %c);

    return [ 'paid', $no, $c{gateway}, $trade_no, @c{qw(amount currency at)} ];
}

sub refunded {
    my ($no, $trade_no, $refund_no, $total, %c) = @_;

    %c = (gateway => 'alipay', amount => 500000, currency => '', at => 0, %c);

    return [ 'refunded', $no, $c{gateway}, $trade_no,
             @c{qw(amount currency)}, $refund_no, $total, $c{at} ];
}

# One refund by itself, of which only its own amount is told.
sub refund {
    my ($no, $trade_no, $refund_no, $own, %c) = @_;

    %c = (gateway => 'alipay', amount => '', currency => '', at => 0, %c);

    return [ 'refund', $no, $c{gateway}, $trade_no, @c{qw(amount currency)},
             $refund_no, $own, $c{at} ];
}

sub one { ($r->settle(@_))[0] }

sub refunds_of {
    my ($no) = @_;
    my %all = @{ $r->cmd('HGETALL', $r->key('r:' . substr $no, 0, 17)) };

    return join ' ', map { my ($n, $at) = split / /, $all{$_};
                           s/^$no:// ? "$_=" . hex $n : () } sort keys %all;
}

sub stock_is {
    my ($sku, $expected, $name) = @_;
    my $it = $r->stored_item($sku);

    is("$it->{available} $it->{held} $it->{sold}", $expected, $name);
    is($it->{available} + $it->{held} + $it->{sold}, $it->{stock},
       'I1 balance');
}

# What is new in the stream: "type order_id amount reason" each.
sub new_events {
    my @all = $r->events;
    my @new = @all[$seen_events // 0 .. $#all];

    $seen_events = @all;

    return @new;
}

sub told { join '; ', map { join ' ', grep { $_ ne '' }
                            @$_{qw(type order_id amount reason)} } @_ }

sub new_journal {
    my @all = $r->journal;
    my @new = @all[$seen_journal // 0 .. $#all];

    $seen_journal = @all;

    return @new;
}

sub kinds { join '', map { $_->[0] } @_ }

sub units {
    my ($user) = @_;

    return $r->cmd('HGET', $r->key('buyers:spring'), $user) =~ /^([^|]*)/
           && $1;
}

sub letter {
    my ($id, $user) = @_;
    my ($attempts) = $r->cmd('HGET', $r->key('buyers:spring'), $user)
                     =~ /\|(.*)/;
    my ($found) = grep { /$id$/ } $attempts =~ /(.{52})/g;

    return substr $found, 0, 1;
}


# refusals of a whole call

sub refusal { join ' ', @{ $r->script('settle', 'closed', 6, 1, 2, 3, '', '', 0) } }

is(refusal(), 'restarted', 'restarted');
$r->adopt(0);
is(refusal(), 'no_epoch', 'no_epoch');
$r->adopt(1);
$r->{context} = 'CNY -';
like(refusal(), qr/^ok.*unknown_payment$/, 'ready');
ok(PaytradeRedis::is_error($r->script('settle', 'paid', 5, 1, 2, 3, 4, 5)),
   'wrong argc');
ok(PaytradeRedis::is_error($r->script('settle', 'bogus', 1, 1)), 'wrong kind');
$r->put(stock => 20, limit => 2);
$r->put(sku => 'q', stock => 10, price => 250);
$r->put(sku => 'last', stock => 1, price => 250);


# paid

my ($no, $user, $id) = started('p30');
my $trade = trade();
my $at = 1_763_000_000_000;

new_events(), new_journal();
stock_is('p30', '19 1 0', 'held');

my $reply = one(paid($no, $trade, currency => 'CNY', at => $at));

is(word($reply), 'settled', 'settled');
my $p = row($reply);
is(join('|', @$p{qw(pay_no status rev trade_no paid parts)}),
   "$no|paid|2|$trade|$at|$id 500000 applied - 0", 'the payment');
is_deeply($r->payment($no), $p, 'as it reads');
is(join('|', @{ $r->order($id) }{qw(status rev)}), 'paid|2', 'the order');
stock_is('p30', '19 0 1', 'the unit is sold');
is(units($user), '1:1', 'the quota stays');
is(letter($id, $user), 'p', 'the attempt is of a paid order');
@f = new_journal();
is(kinds(@f), 'op', 'the journal has the order and the payment');
is($f[1][1], $reply =~ s/^settled\t//r, "the payment's row");
is((split /\t/, $f[0][1])[1], 'paid', "the order's row");

my @e = new_events();

is(scalar(@e), 1, 'one event');
is_deeply($e[0], {
    id => "payment.succeeded:$no:$id", type => 'payment.succeeded', v => 1,
    order_id => $id, pay_no => $no, user => $user, sale => 'spring',
    amount => 500000, currency => 'CNY', gateway => 'alipay',
    trade_no => $trade, meta => '', at => $p->{changed}, reason => '',
    lines => '[{"sku":"p30","quantity":1,"unit_price":500000}]' },
    'with all its fields');

my $entry = $r->cmd('XRANGE', $r->key('events'), '-', '+')->[0][1];

is(join(' ', map { $entry->[2 * $_] } 0 .. $#$entry / 2),
   'id type v order_id pay_no user sale amount currency gateway trade_no '
   . 'lines meta at reason', 'in this order');
is(one(paid($no, $trade)), $reply =~ s/^settled/duplicate/r, 'again: duplicate');
is(kinds(new_journal()) . told(new_events()), '', 'which changes nothing');
is(($r->cancel($id, $user))[0], 'already_paid', 'a paid order stays');
$r->pass(900000);
is(($r->sweep)[0], 0, 'and does not expire');
is($r->cmd('LLEN', $r->key('due:900000')), 0, 'the list of deadlines is clean');
is(($r->hold(user => $user, key => 'more', quantity => 2))[0], 'limit_reached',
   'I9 what is paid counts');


# fifty alike

($no, $user, $id) = started('p30');
$trade = trade();
new_events(), new_journal();
@replies = $r->settle((paid($no, $trade)) x 50);
is_deeply(words(@replies), { settled => 1, duplicate => 49 },
          'I5 fifty alike in a batch settle once');
stock_is('p30', '18 0 2', 'one unit');
is(told(new_events()), "payment.succeeded $id 500000", 'one event');
is(kinds(new_journal()), 'op', 'one change');
one(paid($no, $trade)) for 1 .. 10;
is(kinds(new_journal()), '', 'nor later');


# cancel, expiry and payment, one after the other

($no, $user, $id) = started('p30');
$r->cancel($id, $user);
new_events(), new_journal();
$reply = one(paid($no, trade()));
is(word($reply), 'settled', 'a payment of a cancelled order is settled');
is(row($reply)->{parts}, "$id 500000 refund_due cancelled 0", 'and due back');
is(told(new_events()), "payment.refund_due $id 500000 cancelled", 'as told');
is(kinds(new_journal()), 'p', 'the order does not change');
is($r->order($id)->{status}, 'cancelled', 'I5 it stays cancelled');
stock_is('p30', '18 0 2', 'nothing is sold');

($no, $user, $id) = started('p30');
$r->pass(900000);
$reply = one(paid($no, trade()));
is(row($reply)->{parts}, "$id 500000 applied - 0",
   'a hold that is due but was not swept is paid');
stock_is('p30', '17 0 3', 'sold');
is(($r->sweep)[0], 0, 'the sweep comes too late');
stock_is('p30', '17 0 3', 'and releases nothing');

($no, $user, $id) = started('p30');
$r->pass(900000);
$r->sweep;
is($r->order($id)->{status}, 'expired', 'expired');
is(units($user), '', 'the quota is back');
new_events(), new_journal();
$reply = one(paid($no, trade()));
is(row($reply)->{parts}, "$id 500000 applied late 0", 'a late payment: applied');
is(told(new_events()), "payment.succeeded $id 500000 late", 'as told');
is(kinds(new_journal()), 'op', 'journaled');
is(join('|', @{ $r->order($id) }{qw(status rev)}), 'paid|3', 'the order is paid');
is(units($user), '1:1', 'with its quota');
stock_is('p30', '16 0 4', 'and its unit');


# late, but gone

($no, $user, $id) = started('last');
$r->pass(900000);
$r->sweep;
my ($no2, $user2, $id2) = started('last');
new_events();
$reply = one(paid($no, trade(), amount => 250));
is(row($reply)->{parts}, "$id 250 refund_due sold_out 0",
   'a late payment whose unit is held by another');
is(told(new_events()), "payment.refund_due $id 250 sold_out", 'as told');
stock_is('last', '0 1 0', 'the other keeps it');
is(word(one(paid($no2, trade(), amount => 250))), 'settled', 'and pays');
stock_is('last', '0 0 1', 'one unit is sold once');
like($r->{header}, qr/\tlast 0 0 0 250/, 'sold out for good, as the header tells');

$r->op('catalog', 'restock', 3, 'last', 1, '');
($no, $user, $id) = started('last');
$r->pass(900000);
$r->sweep;
($no2, $user2, $id2) = started('last');
$r->pass(900000);
is(row(one(paid($no, trade(), amount => 250)))->{parts},
   "$id 250 applied late 0", 'a unit of a hold that is due is there');
is($r->order($id2)->{status}, 'expired', 'that one expired');
is(row(one(paid($no2, trade(), amount => 250)))->{parts},
   "$id2 250 refund_due sold_out 0", 'its own payment comes after');
stock_is('last', '0 0 2', 'I2 none is sold twice');

# the limit
($no, $user, $id) = started('p30');
$r->pass(900000);
$r->sweep;
held(user => $user, key => 'other', quantity => 2);
is(row(one(paid($no, trade())))->{parts}, "$id 500000 refund_due limit_reached 0",
   'I9 late, but the limit is used up by another order');
is(units($user), '1:2', 'which stays');
($no, $user, $id) = started('p30');
$r->pass(900000);
$r->sweep;
held(user => $user, key => 'other', quantity => 2);
$r->pass(900000);
is(row(one(paid($no, trade())))->{parts}, "$id 500000 applied late 0",
   'a hold that is due does not count');
is(units($user), '1:1', 'as the quota tells');
$r->sweep for 1 .. 2;


# two payments of an order, in two calls and in one

for my $together (0, 1) {
    ($no, $user, $id) = started('p30');
    $no2 = pay($user, $id);
    new_events();

    my @ops = (paid($no, trade()), paid($no2, trade()));

    @replies = $together ? $r->settle(@ops) : map { one($_) } @ops;
    is(join('; ', map { row($_)->{parts} } @replies),
       "$id 500000 applied - 0; $id 500000 refund_due already_paid 0",
       'two payments of an order: one applied, one due back');
    is(told(new_events()), "payment.succeeded $id 500000; "
       . "payment.refund_due $id 500000 already_paid", 'two events');
}

my $sold = $r->stored_item('p30')->{sold};


# three orders, one of them gone

my @ids;
$r->op('catalog', 'restock', 3, 'last', 1, '');
($no, $user, @ids) = started('p30', 'q', 'last');

{
    # the one of `last` expires alone
    my $key = $r->key('o:' . substr $ids[2], 0, 17);
    my $record = $r->cmd('HGET', $key, $ids[2]);

    $r->cmd('HSET', $key, $ids[2], $record =~ s/ 15m / 0d /r);
    $r->cmd('ZADD', $r->key('later'), 1, $ids[2]);
    is(($r->sweep)[0], 1, 'one of three expires');
}

held(user => 'fast', sku => 'last', price => 250);
new_events(), new_journal();
$reply = one(paid($no, trade(), amount => 500500));
is(row($reply)->{parts}, "$ids[0] 500000 applied - 0,$ids[1] 250 applied - 0,"
   . "$ids[2] 250 refund_due sold_out 0", 'two paid, one part is due back');
is(told(new_events()), "payment.succeeded $ids[0] 500000; "
   . "payment.succeeded $ids[1] 250; "
   . "payment.refund_due $ids[2] 250 sold_out", 'three events');
is(kinds(new_journal()), 'oop', 'three changes');
is(join(' ', map { $r->order($_)->{status} } @ids), 'paid paid expired',
   'the orders');
stock_is('last', '0 1 2', 'the fast one has it');

# late parts of one payment compete for units and quota
$r->put(sku => 'two', stock => 2, limit => 0, price => 250);
$user = 'competes';
@ids = map { held(user => $user, sku => 'two', price => 250, key => $_) } 1, 2;
$no = pay($user, @ids);
$r->pass(900000);
$r->sweep;
held(user => 'fast', sku => 'two', price => 250);
is(row(one(paid($no, trade(), amount => 500)))->{parts},
   "$ids[0] 250 applied late 0,$ids[1] 250 refund_due sold_out 0",
   'two late parts, one unit');
stock_is('two', '0 1 1', 'I2 it is sold once');
$r->put(sku => 'three', stock => 9, limit => 3, price => 250);
@ids = map { held(user => $user, sku => 'three', price => 250, key => "3$_") }
       1, 2, 3;
$no = pay($user, @ids);
$r->pass(900000);
$r->sweep;
held(user => $user, sku => 'three', price => 250, key => '3x');
is(row(one(paid($no, trade(), amount => 750)))->{parts},
   "$ids[0] 250 applied late 0,$ids[1] 250 applied late 0,"
   . "$ids[2] 250 refund_due limit_reached 0", 'I9 three late parts, room for two');

# one part is due, another is late and short: the due one is paid, not released
$r->put(sku => 'w', stock => 1, price => 250, hold_ms => 1000);
$user = 'both';
@ids = (held(user => $user, sku => 'w', price => 250));
$r->cmd('HSET', $r->key('clock'), 'last', $r->pass(0));
{
    local $r->{rest} = 0;
    local $r->{margin} = 0;
    my $second;

    $r->op('catalog', 'restock', 3, 'w', 1, '');
    $second = held(user => $user, sku => 'w', price => 250, key => 2);
    $no = pay($user, $ids[0], $second);
    push @ids, $second;
    $r->cancel($ids[0]);
    $r->cmd('HSET', $r->key('o:' . substr $ids[0], 0, 17), $ids[0],
            $r->cmd('HGET', $r->key('o:' . substr $ids[0], 0, 17), $ids[0])
            =~ s/^c2 (\S+):\S+/e2 $1:0/r);
    held(user => 'fast', sku => 'w', price => 250);
    $r->pass(1000);
    @replies = $r->settle(paid($no, trade(), amount => 500));
}
is(row($replies[0])->{parts},
   "$ids[0] 250 applied late 0,$ids[1] 250 applied - 0",
   "the payment's own due hold is paid, another's is released");
stock_is('w', '0 0 2', 'both units are sold');


# an order that is there no more

($no, $user, $id) = started('p30');
$r->cmd('HDEL', $r->key('o:' . substr $id, 0, 17), $id);
new_events();
is(row(one(paid($no, trade())))->{parts},
   "$id 500000 refund_due unknown_order 0", 'unknown_order');
@e = new_events();
is(told(@e) . " $e[0]{sale} $e[0]{user} $e[0]{lines}",
   "payment.refund_due $id 500000 unknown_order spring $user ",
   'the event knows the buyer');
$r->cmd('HINCRBY', $r->key('item:p30'), 'held', -1);
$r->cmd('HINCRBY', $r->key('item:p30'), 'available', 1);


# closed

($no, $user, $id) = started('p30');
$trade = trade();
new_events(), new_journal();

for ([ 499999, '', 'amount' ], [ 500001, 'CNY', 'amount' ],
     [ 500000, 'USD', 'currency' ])
{
    my ($amount, $currency, $reason) = @$_;
    my @close = ('closed', $no, 'alipay', trade(), $amount, $currency, 0);

    is_deeply([ one([ @close ]), one([ @close ]) ],
              [ map { "mismatch\t$reason\t$_" } 1, 0 ],
              "closed with $amount $currency");
    is(join(' ', map { "$_->{type} $_->{pay_no} $_->{amount} $_->{reason}" }
                 new_events()), "payment.mismatch $no $amount $reason",
       'told once');
    is(kinds(new_journal()), 'u', 'journaled, and nothing else');
}

$reply = one([ 'closed', $no, 'alipay', $trade, '', '', 0 ]);
is(word($reply), 'closed', 'closed');
is(join('|', @{ row($reply) }{qw(status rev trade_no paid parts)}),
   "closed|2||0|$id 500000 - - 0", 'the payment');
is(kinds(new_journal()), 'p', 'journaled');
is(word(one([ 'closed', $no, 'alipay', $trade, '', '', 0 ])), 'unchanged', 'again');
is($r->order($id)->{status}, 'held', 'the order waits for another payment');
is(told(new_events()) . kinds(new_journal()), '', 'nothing to tell');
is(row(one(paid($no, $trade)))->{parts}, "$id 500000 applied - 0",
   'closed, then paid after all');
is(word(one([ 'closed', $no, 'alipay', $trade, '', '', 0 ])), 'unchanged',
   'closed when it is paid');
is(word(one([ 'closed', $no, 'alipay', trade(), '', '', 0 ])), 'unchanged',
   'with another trade_no');
is(row(one([ 'closed', $no, 'alipay', $trade, '', '', 0 ]))->{status}, 'paid', 'stays');
is(word(one([ 'closed', $no, 'alipay', $trade, 500000, 'CNY', 0 ])),
   'unchanged', 'with its amount');
is(one([ 'closed', '1763712000000000001', 'alipay', $trade, '', '', 0 ]),
   'unknown_payment', 'of an unknown payment');
new_events(), new_journal();


# refunds

($no, $user, @ids) = started('p30', 'q');
$trade = trade();
one(paid($no, $trade, amount => 500250));
new_events(), new_journal();
@f = (amount => 500250);
$reply = one(refunded($no, $trade, 'r1', 100, @f, at => $at));
is(word($reply), 'refunded', 'refunded');
my $heard = row($reply)->{changed};
is(join('|', @{ row($reply) }{qw(status rev parts)}),
   "paid|3|$ids[0] 500000 applied - 100,$ids[1] 250 applied - 0", 'in part');
is(told(@e = new_events()), "payment.refunded $ids[0] 100", 'told');
is($e[0]{id}, "payment.refunded:$no:$ids[0]:r1", 'with the id of the refund');
is_deeply([ new_journal() ],
          [ [ 'f', join "\t", $no, 'r1', $ids[0], 100, 0, 'succeeded', $heard ],
            [ 'p', $reply =~ s/^refunded\t//r ] ],
          'journaled, with the time when it was heard of');
is($e[0]{at}, $heard, 'as told');
is($r->cmd('HGET', $r->key('r:' . substr $no, 0, 17), "$no:r1"),
   sprintf('%x %x', 100, $heard), 'and as Redis knows it');
is($r->order($ids[0])->{status}, 'paid', 'the order is still paid');
is(word(one(refunded($no, $trade, 'r1', 100, @f))), 'duplicate',
   'the same notice again');
$reply = one(refunded($no, $trade, 'r3', 500100, @f));
is(row($reply)->{parts}, "$ids[0] 500000 applied - 500000,"
   . "$ids[1] 250 applied - 100", 'over two parts');
is(told(new_events()), "payment.refunded $ids[0] 499900; "
   . "payment.refunded $ids[1] 100", 'two events');
is(kinds(new_journal()), 'offp', 'two refunds, and an order');
is(join('|', @{ $r->order($ids[0]) }{qw(status rev)}), 'refunded|3',
   'what is fully refunded says so');
is(letter($ids[0], $user), 'r', 'in the attempts too');
is(units($user), '1:1,2:1', 'the quota stays used');
is($r->stored_item('p30')->{available} + $r->stored_item('p30')->{sold},
   20, 'the unit stays sold');
is(word(one(refunded($no, $trade, 'r2', 500000, @f))), 'duplicate',
   'a notice that comes out of order');
is(told(new_events()) . kinds(new_journal()), '', 'changes nothing');
is(word(one(paid($no, $trade, @f))), 'duplicate', 'paid again: duplicate');
is(one(refunded($no, $trade, 'r4', 500251, @f)), "mismatch\trefund\t1",
   'more than was paid');
is(row(one(refunded($no, $trade, 'r5', 500250, @f)))->{parts},
   "$ids[0] 500000 applied - 500000,$ids[1] 250 applied - 250", 'all of it');
is(($r->pay(user => $user, orders => [ $ids[0] ]))[0], 'already_paid',
   'a refunded order is not paid again');
is(($r->cancel($ids[0], $user))[0], 'already_paid', 'nor cancelled');
$no2 = $no;

# what is due back goes first
($no, $user, @ids) = started('p30', 'q');
$r->cancel($ids[1]);
$trade = trade();
new_events(), new_journal();
$reply = one(refunded($no, $trade, '', 300, @f));
is(word($reply), 'settled_refunded',
   'a notice that comes before the payment settles it');
is(join('|', @{ row($reply) }{qw(status rev trade_no parts)}),
   "paid|3|$trade|$ids[0] 500000 applied - 50,"
   . "$ids[1] 250 refund_due cancelled 250", 'what is due back goes first');
is(told(@e = new_events()), "payment.succeeded $ids[0] 500000; "
   . "payment.refund_due $ids[1] 250 cancelled; "
   . "payment.refunded $ids[1] 250; payment.refunded $ids[0] 50",
   'I12 events in the order of the changes');
is($e[2]{id}, "payment.refunded:$no:$ids[1]:300",
   'a refund without a number is named by its total');
is(kinds(new_journal()), 'opffp', 'journaled');
is($r->order($ids[1])->{status}, 'cancelled', 'the cancelled one stays');
is_deeply(words($r->settle((refunded($no, $trade, 'x', 500250, @f)) x 50)),
          { refunded => 1, duplicate => 49 }, 'fifty alike: one');
is($r->order($ids[0])->{status}, 'refunded', 'in the end all is given back');
($no, $user, $id) = started('p30');
@replies = $r->settle((refunded($no, $trade = trade(), 'z', 500000,
                                at => $at)) x 50);
is_deeply(words(@replies), { settled_refunded => 1, duplicate => 49 },
          'fifty alike before the payment: one settles');
is(join('|', @{ row($replies[0]) }{qw(rev parts)}),
   "3|$id 500000 applied - 500000", 'settled and fully refunded at once');
is(row($replies[0])->{paid}, $at, 'paid when the gateway says so');
is((map { (split /\t/, $_->[1])[6] } grep { $_->[0] eq 'f' } new_journal())[-1],
   row($replies[0])->{changed}, 'given back now');
is($r->cmd('HGET', $r->key('r:' . substr $no, 0, 17), "$no:z"),
   sprintf('%x %x', 500000, row($replies[0])->{changed}), 'as Redis knows it');
is(join('|', @{ $r->order($id) }{qw(status rev)}), 'refunded|3', 'its order');
($no, $user, $id) = started('p30');
$reply = one(refunded($no, $trade = trade(), '', 0));
is(word($reply) . ' ' . row($reply)->{parts}, "settled $id 500000 applied - 0",
   'of nothing: settled, and nothing else');
is(word(one(refunded($no, $trade, '', 0))), 'duplicate', 'again: duplicate');
is(one(refunded($no, $trade, 'r1', 500001)), "mismatch\trefund\t1",
   'more than was paid');
is((new_events())[-1]{amount}, 500001, 'recorded with what it tells');
is((split /\t/, (new_journal())[-1][1])[5], 500001, 'in the journal too');
is(one(refunded($no, $trade, 'r1', 1, amount => 1)), "mismatch\tamount\t0",
   'known by its number');
is(one(refunded($no, $trade, 'r2', 600000, amount => 7)),
   "mismatch\tamount\t1", 'another amount of the payment');
is((new_events())[-1]{amount}, 7, 'is recorded with that');
($no, $user, $id) = started('p30');
is(one(refunded($no, $trade = trade(), 'r', 500001)), "mismatch\trefund\t1",
   'more than it was: not settled either');
is((new_events())[-1]{amount}, 500001, 'recorded the same way');
is(word(one(refunded($no, $trade, 'r', 500000))), 'settled_refunded',
   'and settled by the next');
$r->op('catalog', 'restock', 3, 'p30', 20, '');
new_events(), new_journal();


# a number that a gateway gives to two refunds, or that is a total of others

is(refunds_of($no), 'r=500000', 'Redis knows what a refund gave back');
$r->op('catalog', 'restock', 3, 'p30', 20, '');
($no, $user, @ids) = started('p30', 'q');
$trade = trade();
one(paid($no, $trade, @f));
new_events(), new_journal();

sub written {
    my @new = new_journal();
    my @told = new_events();

    return join ' ', (map { $_->[0] eq 'f' ? join ':', (split /\t/, $_->[1])[1, 3]
                            : () } @new),
           map { $_->{id} =~ s/^payment.refunded:$no://r } @told;
}

is(word(one(refunded($no, $trade, 'r1', 100, @f))), 'refunded', 'total 100');
is(written(), "r1:100 $ids[0]:r1", 'as it came');
is(word(one(refunded($no, $trade, 'r1', 300, @f))), 'refunded',
   'the same number, a higher total');
is(written(), "r1-300:200 $ids[0]:r1-300", 'is another refund');
is_deeply(words($r->settle(refunded($no, $trade, 'r1', 300, @f),
                           (refunded($no, $trade, 'r1', 350, @f)) x 3)),
          { duplicate => 3, refunded => 1 }, 'once each');
is(written(), "r1-350:50 $ids[0]:r1-350", 'also in a batch');
is(word(one(refunded($no, $trade, '400', 360, @f))), 'refunded',
   'a number that looks like a total');
is(word(one(refunded($no, $trade, '', 400, @f))), 'refunded', 'and that total');
is(written(), "400:10 400-400:40 $ids[0]:400 $ids[0]:400-400", 'are two');
is(word(one(refunded($no, $trade, "r\t2\n", 500250, @f))), 'refunded',
   'a number with odd bytes');
is(refunds_of($no), '400=10 400-400=40 r 2 =499850 r1=100 r1-300=200 '
   . 'r1-350=50', 'all are known');
is(join('|', (map { $r->order($_)->{status} } @ids),
        $r->payment($no)->{parts} =~ / (\d+)(?:,|$)/g),
   'refunded|refunded|500000|250', 'and add up');


# refunds that tell only what they gave back themselves

($no, $user, @ids) = started('p30', 'q');
$trade = trade();
new_events(), new_journal();

is(one(refund($no, $trade, 'a', 100)), 'too_early', 'before it is paid');
is(one([ 'closed', $no, 'alipay', $trade, '', '', 0 ]) =~ /^closed/, 1, 'closed');
is(one(refund($no, $trade, 'a', 100)), 'too_early', 'nor then');
is(one(refund($no, $trade, 'a', 900000)), 'too_early', 'whatever it says');
is(kinds(new_journal()) . told(new_events()), 'p', 'nothing is recorded');
one(paid($no, $trade, @f));
new_events(), new_journal();
$reply = one(refund($no, $trade, 'a', 100, at => $at));
is(word($reply), 'refunded', 'refunded');
is(row($reply)->{parts}, "$ids[0] 500000 applied - 100,$ids[1] 250 applied - 0",
   'in part');
is(told(@e = new_events()), "payment.refunded $ids[0] 100", 'told');
is($e[0]{id}, "payment.refunded:$no:$ids[0]:a", 'with its number');
$heard = row($reply)->{changed};
is_deeply([ new_journal() ],
          [ [ 'f', join "\t", $no, 'a', $ids[0], 100, 0, 'succeeded', $heard ],
            [ 'p', $reply =~ s/^refunded\t//r ] ],
          'journaled, with the time when it was heard of');
is($r->cmd('HGET', $r->key('r:' . substr $no, 0, 17), "$no:a"),
   sprintf('%x %x', 100, $heard), 'and known');
is(word(one(refund($no, $trade, 'a', 100))), 'duplicate', 'again: duplicate');
is(word(one(refund($no, $trade, 'a', 100, amount => 500250,
                   currency => 'CNY'))), 'duplicate', 'or with more told');
is(one(refund($no, $trade, 'a', 101)), "mismatch\trefund\t1",
   'the same number, another amount');
is(one(refund($no, $trade, 'a', 99)), "mismatch\trefund\t0", 'recorded once');
is(told(@e = new_events()), 'payment.mismatch 101 refund', 'told');
is($e[0]{id}, "payment.mismatch:alipay:$trade:refund:a", 'of this refund');
is(kinds(new_journal()), 'u', 'nothing else changes');

# totals would take the second for the first
is_deeply(words($r->settle((refund($no, $trade, 'b', 100)) x 50,
                           (refund($no, $trade, 'c', 100)) x 50)),
          { refunded => 2, duplicate => 98 }, 'two of the same amount are two');
is(row(one(refund($no, $trade, 'd', 0)))->{parts},
   "$ids[0] 500000 applied - 300,$ids[1] 250 applied - 0", 'I6 once each');
is(one(refund($no, $trade, 'd', 499951)), "mismatch\trefund\t1",
   'I7 more than is left');
is(told(@e = new_events()), join('; ', ("payment.refunded $ids[0] 100") x 2,
                                 'payment.mismatch 499951 refund'), 'told');
new_journal();
is_deeply([ map { word($_) } $r->settle(refund($no, $trade, 'e', 499900),
                                        refund($no, $trade, 'f', 51),
                                        refund($no, $trade, 'f2', 50)) ],
          [ qw(refunded mismatch refunded) ],
          'within a batch: each sees those before it');
is($r->order($ids[$_])->{status}, 'refunded', 'all is given back') for 0, 1;
is(kinds(new_journal()), 'offpuofp', 'journaled');
is(word(one(refund($no, $trade, 'e', 499900))), 'duplicate',
   'what is known is no mismatch, though nothing is left');
is(refunds_of($no), 'a=100 b=100 c=100 e=499900 f2=50', 'all are known');
is(one(refund($no, $trade, 'g', 1)), "mismatch\trefund\t1", 'no more');
new_events(), new_journal();

# with the amount of the payment it settles
($no, $user, $id) = started('p30');
$trade = trade();
new_events(), new_journal();
$reply = one(refund($no, $trade, 'a', 500000, amount => 500000));
is(word($reply), 'settled_refunded',
   'comes before the payment, with its amount');
is(join('|', @{ row($reply) }{qw(status rev trade_no parts)}),
   "paid|3|$trade|$id 500000 applied - 500000", 'settled and given back');
is(told(new_events()), "payment.succeeded $id 500000; "
   . "payment.refunded $id 500000", 'I12 told in this order');
is(kinds(new_journal()), 'opofp', 'journaled');
is(word(one(paid($no, $trade))), 'duplicate', 'the payment comes after');
($no, $user, $id) = started('p30');
is(one(refund($no, trade(), 'a', 500001, amount => 500000)),
   "mismatch\trefund\t1", 'more than it was: not settled either');
is((new_events())[-1]{amount}, 500001, 'recorded with what it gave back');
$reply = one(refund($no, trade(), 'z', 0, amount => 500000, at => $at));
is(join('|', word($reply), @{ row($reply) }{qw(paid parts)}),
   "settled|$at|$id 500000 applied - 0", 'of nothing: settled');
is(refunds_of($no), '', 'which is no refund');
new_events(), new_journal();

# what a refund may be wrong about
($no, $user, $id) = started('p30');
$trade = trade();

for my $paid (0, 1) {
    one(paid($no, $trade)) if $paid;

    my $before = payments_of($no);

    is(one(refund($no, $trade, "g$paid", 1, gateway => 'other')),
       "mismatch\tgateway\t1", 'I7 another gateway');
    is(one(refund($no, $trade, "c$paid", 1, currency => 'USD')),
       "mismatch\tcurrency\t1", 'I7 another currency');
    is(one(refund($no, $trade, "m$paid", 1, amount => 1)),
       "mismatch\tamount\t1", 'I7 another amount, when it is told');
    is(one(refund($no, trade(), 't', 1)), $paid ? "mismatch\ttrade_no\t1"
       : 'too_early', 'I7 another trade');
    is_deeply(payments_of($no), $before, 'nothing changed');
}

is(join(' ', map { "$_->{id} $_->{amount}" =~ s/^payment.mismatch://r }
        grep { $_->{id} =~ /:[gcm]1$/ } new_events()),
   "other:$trade:refund:g1 1 alipay:$trade:refund:c1 1 "
   . "alipay:$trade:refund:m1 1", 'recorded with what they tell');
is(one(refund('1763712000000000001', $trade, 'a', 1)), 'unknown_payment',
   'of an unknown payment');

is(word(one(refund($no, $trade, 'a', 'x'))), 'broken', 'broken: its amount');
is(word(one(refund($no, $trade, 'a', ''))), 'broken', 'broken: none');
is(word(one(refund($no, $trade, '', 1))), 'broken', 'broken: no number');
is(word(one(refund($no, '', 'a', 1))), 'broken', 'broken: no trade_no');
is(word(one(refund($no, $trade, 'a', 1, amount => 'x'))), 'broken',
   "broken: the payment's amount");
is(refunds_of($no), '', 'none of them is known');

# a record that cannot be read
my $r_key = $r->key('r:' . substr $no, 0, 17);

$r->cmd('HSET', $r_key, "$no:bad", 'garbage');

my $everything = $r->everything;

is(word(one(refund($no, $trade, 'bad', 1))), 'broken', 'a broken record');
is(word(one(refunded($no, $trade, 'bad', 1))), 'broken', 'for a total too');
is_deeply($r->everything, $everything, 'changes nothing');
is(word(one(refund($no, $trade, 'good', 1))), 'refunded', 'others are done');
$r->cmd('RENAME', $r_key, $r->key('aside'));
$r->cmd('SET', $r_key, 'x');
$everything = $r->everything;
is_deeply([ map { word($_) } $r->settle(refund($no, $trade, 'h', 1),
                                        refunded($no, $trade, 'h', 9)) ],
          [ qw(broken broken) ], 'a key of the wrong type');
is_deeply($r->everything, $everything, 'changes nothing');
$r->cmd('DEL', $r_key);
$r->cmd('RENAME', $r->key('aside'), $r_key);
new_events(), new_journal();

sub payments_of {
    my ($no) = @_;

    return [ $r->payment($no), refunds_of($no), $r->stored_item('p30') ];
}


# what does not fit

($no, $user, $id) = started('p30');
new_events(), new_journal();

for my $case ([ 'gateway', gateway => 'other' ], [ 'currency', currency => 'USD' ],
              [ 'amount', amount => 500001 ], [ 'amount', amount => 499999 ],
              [ 'amount', amount => 50000000 ])
{
    my ($reason, %c) = @$case;
    my $t = trade();
    my $before = $r->everything;
    my $journal = $r->journal;

    delete $before->{ $r->key($_) } for qw(journal events orphans);
    is_deeply([ $r->settle((paid($no, $t, %c)) x 3) ],
              [ "mismatch\t$reason\t1", ("mismatch\t$reason\t0") x 2 ],
              "I7 another $reason");
    is(one(paid($no, $t, %c)), "mismatch\t$reason\t0", 'recorded once');

    my $after = $r->everything;

    delete $after->{ $r->key($_) } for qw(journal events orphans);
    is_deeply($after, $before, 'and nothing else changed');

    %c = (gateway => 'alipay', currency => 'CNY', amount => 500000, %c);
    @e = new_events();
    @f = new_journal();
    is(scalar(@e), 1, 'one event');
    is(join('|', @{ $e[0] }{qw(id order_id pay_no user amount currency gateway
                               trade_no reason)}),
       join('|', "payment.mismatch:$c{gateway}:$t", '', $no, $user,
            @c{qw(amount currency gateway)}, $t, $reason), 'which tells all');
    is(scalar(@f), 1, 'one operation in the journal');
    is(join('|', $f[0][0], (split /\t/, $f[0][1])[0 .. 7]),
       join('|', 'u', $c{gateway}, $t, '', 'mismatch', $no,
            @c{qw(amount currency)}, $reason), 'which tells all');
}

$trade = trade();
is(word(one(paid($no, $trade))), 'settled', 'the right one settles');
is(one(paid($no, $trade, amount => 1)), "mismatch\tamount\t1",
   'a paid payment, another amount');
is(one(paid($no, trade())), "mismatch\ttrade_no\t1",
   'another trade for what is paid: more money');
is(one(refunded($no, trade(), 'r', 1)), "mismatch\ttrade_no\t1",
   'a refund of another trade');
is(row(one(paid($no, $trade)))->{parts}, "$id 500000 applied - 0",
   'all as it was');
is(one([ 'closed', $no, 'other', $trade, '', '', 0 ]), "mismatch\tgateway\t1",
   'closed by another gateway');
is_deeply(words(map { one(paid($_, 't')) } '1763712000000000001', 'x', '', 1e20,
                '1763712000000070001'), { unknown_payment => 5 },
          'numbers that are none');
new_events(), new_journal();

{
    local $r->{context};
    ($no, $user, $id) = started('p30');
    is(one(paid($no, 'noctx', currency => 'CNY')), "mismatch\tcurrency\t1",
       'where the currency is not known none fits');
    is(word(one(paid($no, 'noctx'))), 'settled', 'but that of ours');
    new_events(), new_journal();
}

$trade = trade();
my $op = [ 'orphan', "pfx\t1\n", 'alipay', $trade, 777, '', 'unknown_payment',
           $at, '' ];
is_deeply([ $r->settle(($op) x 3) ], [ "orphan\t1", ("orphan\t0") x 2 ],
          'an orphan is recorded once');
is(one($op), "orphan\t0", 'ever');
is(one([ @$op[0 .. 2], $trade . 'x', @$op[4 .. 8] ]), "orphan\t1",
   'another trade is another');
@e = new_events();
is(scalar(@e), 2, 'an event each');
is(join('|', @{ $e[0] }{qw(id order_id pay_no user sale amount currency gateway
                           trade_no lines reason)}),
   "payment.orphan:alipay:$trade||pfx 1 |||777|CNY|alipay|$trade||"
   . 'unknown_payment', 'which tells all');
is_deeply((new_journal())[0], [ 'u', join "\t", 'alipay', $trade, '', 'orphan',
   'pfx 1 ', 777, 'CNY', 'unknown_payment', $e[0]{at} ],
   'the journal too, with the time when it was heard of');
cmp_ok($e[0]{at}, '>', $at, 'which is not that of the payment');

# of one trade: a closing, refunds and a payment, none of them hides another
$trade = trade();
is_deeply([ map { one([ @$op[0 .. 2], $trade, @$op[4 .. 7], $_ ]) }
            ('closed', "refund:r\n1", 'refund:r2', '') x 2 ],
          [ ("orphan\t1") x 4, ("orphan\t0") x 4 ], 'each is recorded once');
is(join(' ', map { $_->{id} } new_events()),
   join(' ', map { "payment.orphan:alipay:$trade$_" }
             ':closed', ':refund:r 1', ':refund:r2', ''), 'each is told');
is(join(' ', map { (split /\t/, $_->[1])[2] } new_journal()),
   'closed refund:r 1 refund:r2 ', 'each is journaled');
($no) = started('p30');
is_deeply([ map { one($_) } [ 'closed', $no, 'other', $trade, '', '', 0 ],
            paid($no, $trade, gateway => 'other'),
            refunded($no, $trade, '', 5, gateway => 'other'),
            refunded($no, $trade, '', 6, gateway => 'other'),
            refunded($no, $trade, '', 6, gateway => 'other'),
            refund($no, $trade, 6, 6, gateway => 'other') ],
          [ ("mismatch\tgateway\t1") x 4, ("mismatch\tgateway\t0") x 2 ],
          'also of what does not fit');
is(join(' ', map { $_->{id} =~ s/^payment.mismatch:other:$trade//r }
        new_events()), ':closed  :refund:5 :refund:6', 'named by it');
is(one([ 'orphan', 'x', 'alipay', trade(), '', '', 'purged', 0, '' ])
   =~ /^broken/, 1, 'an orphan without an amount is none');
$trade = $e[0]{trade_no};
new_journal();
($no) = started('p30');
is(one(paid($no, $trade, amount => 1)), "mismatch\tamount\t0",
   'a trade that is known as an orphan is not told again');

for my $bad ([ amount => 'x' ], [ amount => '-1' ], [ amount => '1.5' ],
             [ amount => '' ], [ at => 'x' ])
{
    is(word(one(paid($no, trade(), @$bad))), 'broken', "broken: @$bad");
}

is(word(one(paid($no, ''))), 'broken', 'broken: no trade_no');


$r->op('catalog', 'restock', 3, 'p30', 180, '');
new_journal();


# a broken record fails its own operation, and changes nothing

my ($sound) = started('p30');
($no, $user, @ids) = started('p30', 'q');

my %broken = (
    payment => [ 'p:' . substr($no, 0, 17), $no ],
    'first order' => [ 'o:' . substr($ids[0], 0, 17), $ids[0] ],
    'last order' => [ 'o:' . substr($ids[1], 0, 17), $ids[1] ],
    buyer => [ 'buyers:spring', $user ],
    item => [ 'item:q', 'held' ],
    sku => [ 'skus', '2' ],
);

for my $what (sort keys %broken) {
    my ($key, $field) = @{ $broken{$what} };
    my $good = $r->cmd('HGET', $r->key($key), $field);
    my ($other) = started('p30');

    $r->cmd('HSET', $r->key($key), $field, 'garbage');

    my $before = $r->everything;

    is(word(one(paid($no, 'b1', amount => 500250))), 'broken',
       "a broken $what");
    is(word(one(refunded($no, 'b1', 'r', 500250, amount => 500250))), 'broken',
       'for a refund too');
    is_deeply($r->everything, $before, 'changes nothing');
    is_deeply([ map { word($_) } $r->settle(
                    paid($no, 'b1', amount => 500250), paid($other, 'b2')) ],
              [ qw(broken settled) ], 'and the others are done');
    $r->cmd('HSET', $r->key($key), $field, $good);
}

my ($given) = started('p30');
my ($order, $buyer) = (row(one(paid($given, 'g')))->{parts} =~ /^(\d+)/,
                       "u$users");

for my $case ([ 'o:' . substr($order, 0, 17), $order ],
              [ 'buyers:spring', $buyer ])
{
    my ($key, $field) = @$case;
    my $good = $r->cmd('HGET', $r->key($key), $field);

    $r->cmd('HSET', $r->key($key), $field, 'garbage');

    my $before = $r->everything;

    is(word(one(refunded($given, 'g', 'r', 500000))), 'broken',
       "a refund of what is paid, $key broken");
    is_deeply($r->everything, $before, 'changes nothing');

    if ($field eq $buyer) {
        @replies = $r->settle(refunded($given, 'g', 'r', 500000),
                              refunded($given, 'g', 'r', 100));
        is(word($replies[0]), 'broken', 'again');
        is(join('|', @{ row($replies[1]) }{qw(rev parts)}),
           "3|$order 500000 applied - 100",
           'the next of the batch does not see it half done');
    }

    $r->cmd('HSET', $r->key($key), $field, $good);
}

for my $key (qw(journal events orphans skus buyers:spring item:q),
             'p:' . substr $no, 0, 17)
{
    $r->cmd('RENAME', $r->key($key), $r->key('aside'));
    $r->cmd('SET', $r->key($key), 'x');

    my $before = $r->everything;
    my $wrong = $key eq 'orphans' ? 1 : 500250;
    my $answer = $r->script('settle', 'paid', 6, $no, 'alipay', 'b3', $wrong,
                            '', 0);

    like(PaytradeRedis::is_error($answer) // $answer->[1],
         qr/^broken|WRONGTYPE/, "a $key of a wrong type");
    is_deeply($r->everything, $before, 'nothing changed');
    $r->cmd('DEL', $r->key($key));
    $r->cmd('RENAME', $r->key('aside'), $r->key($key));
}

# the record of a paid order grows beyond what a bucket takes
$user = 'x' x 42;
$id = held(user => $user, key => 'long');
$no2 = pay($user, $id);

my $m_key = $r->key('m:' . substr $id, 0, 17);
my $o_key = $r->key('o:' . substr $id, 0, 17);

$r->cmd('DEL', $m_key);
$r->cmd('SET', $m_key, 'x');
cmp_ok(length $r->cmd('HGET', $o_key, $id), '<=', 64, 'a record in its bucket');
$r->pass(800000);

my $before = $r->everything;

is(word(one(paid($no2, 'b4'))), 'broken', 'where its details cannot go');
is(word(one(refunded($no2, 'b4', 'r', 500000))), 'broken', 'refunded too');
is_deeply($r->everything, $before, 'changes nothing');
$r->cmd('DEL', $m_key);
is(word(one(refunded($no2, 'b4', 'r', 500000))), 'settled_refunded', 'mended');
like($r->cmd('HGET', $o_key, $id), qr/^r3\+ /, 'and spilled');
is(join('|', @{ $r->order($id) }{qw(status rev user)}), "refunded|3|$user",
   'it reads');

# I4: what cannot be told is not done
is(word(one(paid($no, 'b5', amount => 500250))), 'settled', 'all mended');


# out of memory: settling goes on, starting does not

($no, $user, $id) = started('p30');
$r->cmd('CONFIG', 'SET', 'maxmemory', 1);
like(PaytradeRedis::is_error($r->script('pay', 1e6, 256, 30000, 60000,
     PaytradeRedis::pay_op(user => $user, orders => [ $id ], key => 'oom'))),
     qr/OOM/, 'no payment is started');
is(word(one(paid($no, trade()))), 'settled', 'but one is settled');
$r->cmd('CONFIG', 'SET', 'maxmemory', 0);


# it neither waits for the journal nor for the sale

($no, $user, $id) = started('p30');
$r->op('catalog', 'pause', 2, 'spring', 1);
$r->put(stock => 200, ends => 1);
is(word(one(paid($no, trade()))), 'settled', 'though the sale is over');

done_testing;
