# The script pay: every answer, batches, replays, what a payment is made of.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start;
my (@f, @replies);


sub held { my ($word, $id) = $r->hold(@_); die $word if !$id; return $id }
sub row { PaytradeRedis::payment_fields(@_) }
sub words { my %n; $n{ (split /\t/)[0] }++ for @_; return \%n }

# For records that a later change left as they must never be.
sub store {
    my ($id, $change) = @_;
    my $key = $r->key('o:' . substr $id, 0, 17);
    local $_ = $r->cmd('HGET', $key, $id);

    $change->();
    $r->cmd('HSET', $key, $id, $_);
}


# refusals of a whole call

is(join(' ', $r->pay(orders => [ '1' x 19 ])), 'restarted', 'restarted');
$r->adopt(0);
is(join(' ', $r->pay(orders => [ '1' x 19 ])), 'no_epoch', 'no_epoch');
$r->adopt(1);
$r->{context} = 'CNY hce';
ok(PaytradeRedis::is_error($r->script('pay', 1000, 256, 30000)),
   'too few arguments');
ok(PaytradeRedis::is_error($r->script('pay', 1000, 256, 30000, 60000, 'u')),
   'half an operation');
ok(PaytradeRedis::is_error($r->script('pay', 1000, 256, 30000, 60000,
                                      (PaytradeRedis::pay_op(orders => [])))),
   'no order');
is(scalar(@{ $r->script('pay', 1000, 256, 30000, 60000) }), 1, 'nothing to do');


# one payment of one order

$r->put(stock => 100, title => "Phone & Co=\tP\x{c3}\x{a9}");
$r->put(sku => 'q', stock => 100, price => 250, title => 'Q', hold_ms => 600000);

my $id = held(user => 'u1');
my $o = $r->order($id);

is(($r->order($id))->{status}, 'held', 'a held order');
@f = $r->pay(orders => [ $id ], key => 'a');
is(shift @f, 'created', 'created');

my $p = row(@f);

is(scalar(@f), 17, '17 fields');
like($p->{pay_no}, qr/^\d{13}00\d{4}$/, 'a number like an order');
cmp_ok($p->{pay_no}, 'gt', $id, 'from the same sequence');
is(join('|', @$p{qw(status rev user sale gateway method trade_no amount paid)}),
   'unpaid|1|u1|spring|alipay|page||500000|0', 'what it says');
is($p->{ends}, $o->{expires} - 30000, 'it ends before the order expires');
is($p->{changed}, $p->{created}, 'changed when created');
is($p->{subject}, "Phone   Co  P\x{c3}\x{a9}", 'a subject without & and =');
is($p->{parts}, "$id 500000 - - 0", 'its part');
like("$p->{key} $p->{body}", qr/^[0-9a-f]{16} [0-9a-f]{16}$/, 'key and body');
is_deeply(($r->journal)[-1], [ 'p', join "\t", @f ], 'journaled');
is_deeply($r->payment($p->{pay_no}), $p, 'and read');
is($r->payment('9' x 19), 'unknown_payment', 'another is unknown');
is($r->payment('x'), 'unknown_payment', 'as is what is no number');
is($r->payment($id), 'unknown_payment', 'or an order');
is($r->order($p->{pay_no}), 'unknown_order', 'which it is not');
is($r->order($id)->{status}, 'held', 'the order is still held');

my @one = @f;


# asked again

is(join('|', $r->pay(orders => [ $id ], key => 'a')),
   join('|', 'replayed', @one), 'same key, same body: replayed');
is(join('|', $r->pay(orders => [ $id ], key => 'a', method => 'wap')),
   'key_reused', 'another body');
is(join('|', $r->pay(orders => [ $id, '1763712000000009999' ], key => 'a')),
   'unknown_order|1763712000000009999', 'unknown_order comes before that');
@f = $r->pay(orders => [ $id ], key => 'b');
is($f[0], 'created', 'another key: another payment');
isnt($f[1], $p->{pay_no}, 'with another number');
is(($r->hold(user => 'u1'))[0], 'replayed',
   'keys of orders and payments do not meet');

$r->cancel($id, 'u1');
is(join('|', $r->pay(orders => [ $id ], key => 'a')),
   join('|', 'replayed', @one), 'a replay comes before order_closed');
is(join('|', $r->pay(orders => [ $id ], key => 'c')),
   "order_closed|$id|cancelled", 'order_closed');
is(($r->op('read', 'orders', 2, 'spring', 'u1'))[0], 'orders',
   'a payment is no open order');

$r->cmd('HDEL', $r->key('p:' . substr $p->{pay_no}, 0, 17), $p->{pay_no});
is(join('|', $r->pay(orders => [ $id ], key => 'a')),
   "purged|$p->{pay_no}", 'purged');


# several orders

my @ids = (held(user => 'u2', key => 1, quantity => 2),
           held(user => 'u2', key => 2, sku => 'q', price => 250),
           held(user => 'u2', key => 3, sale => 'spring',
                lines => [ [ 'p30', 1, 500000 ], [ 'q', 3, 250 ] ]));

@f = $r->pay(user => 'u2', orders => \@ids);
$p = row(@f[1 .. $#f]);
is($p->{amount}, 1000000 + 250 + 500750, 'I10 the sum of the orders');
is($p->{parts}, "$ids[0] 1000000 - - 0,$ids[1] 250 - - 0,"
   . "$ids[2] 500750 - - 0", 'each part');
is($p->{ends}, $r->order($ids[1])->{expires} - 30000,
   'it ends before the first of them expires');
is($p->{subject}, "Phone   Co  P\x{c3}\x{a9} and 3 more", 'and N more');
$r->put(stock => 100, price => 1, title => 'P30');
is(row(@{[ $r->pay(user => 'u2', orders => [ $ids[0] ], key => 'p') ]}
       [1 .. 17])->{amount}, 1000000, 'I10 the price of when it was held');
$r->put(stock => 100);

is(join('|', $r->pay(user => 'u3', orders => [ $ids[0] ])),
   "unknown_order|$ids[0]", "another buyer's order");
my $own = held(user => 'u3', quantity => 1);
is(join('|', $r->pay(user => 'u3', orders => [ $own, $ids[1] ])),
   'unknown_order|' . $ids[1], 'the first of two');

my $last = held(user => 'u2', key => 4);

is(join('|', $r->pay(user => 'u3', orders => [ $own, $last ])),
   "unknown_order|$last", 'the last of two');
is(join('|', $r->pay(user => 'u3', orders => [ 'x' ])), 'unknown_order|x',
   'what is no id');
is(join('|', $r->pay(user => 'u3', orders => [ '176371200000007' . '0001' ])),
   'unknown_order|1763712000000070001', 'an id of another partition');
is(($r->pay(user => 'u3', orders => [ $own, $own ]))[0], 'broken',
   'an order twice');


# titles

for my $case ([ 'T' x 256, 'T' x 256 ], [ 'T' x 300, 'T' x 256 ],
              [ 'T' x 255 . "\xc3\xa9", 'T' x 255 ],
              [ 'T' x 254 . "\xc3\xa9", 'T' x 254 . "\xc3\xa9" ],
              [ '', 'q' ])
{
    $r->put(sku => 'q', stock => 100, price => 250, title => $case->[0]);
    @f = $r->pay(user => 'u2', orders => [ $ids[1] ],
                 key => 't' . substr($case->[0], -9) . length $case->[0]);
    is($f[16], $case->[1], 'a title of ' . length($case->[0]) . ' bytes');
    @f = $r->pay(user => 'u2', orders => [ @ids[1, 2] ],
                 key => 'm' . substr($case->[0], -9) . length $case->[0]);
    is($f[16], $case->[0] eq '' ? 'q and 2 more' : $case->[1],
       '"and more" only if it fits');
}


# precedence, each refusal before the next

my ($paid, $cancelled, $soon) = map { held(user => 'u4', key => $_) } 1 .. 3;
my @bad = (user => 'u4', min => 3, max => 2);

store($paid, sub { s/^h1 (\S+)/p2 $1:ff/ });
$r->cancel($cancelled);
store($soon, sub { s/ 15m / 59s / });
my ($due) = held(user => 'u4', key => 4);
store($due, sub { s/ 15m / 0d / });

{
    local $r->{attempts_max} = 4;
    is(join('|', $r->pay(@bad, orders => [ $paid, $cancelled, $soon ])),
       'too_many_attempts', 'too_many_attempts');
}

is(join('|', $r->pay(@bad, orders => [ $cancelled, $paid, $soon ])),
   "already_paid|$paid", 'already_paid');
store($paid, sub { s/^p/r/ });
is(join('|', $r->pay(@bad, orders => [ $cancelled, $paid, $soon ])),
   "already_paid|$paid", 'of a refunded one too');
is(join('|', $r->pay(@bad, orders => [ $cancelled, $soon ])),
   "order_closed|$cancelled|cancelled", 'order_closed');
is(join('|', $r->pay(@bad, orders => [ $soon, $due ])),
   "order_closed|$due|expired", 'of one that is due too');
is(join('|', $r->pay(@bad, orders => [ $soon ])),
   "expires_soon|$soon|" . $r->order($soon)->{expires}, 'expires_soon');
store($soon, sub { s/ 59s / 15m / });
is(join('|', $r->pay(@bad, orders => [ $soon ])),
   'amount_out_of_range|500000', 'amount_out_of_range');
is(join('|', $r->pay(@bad, min => 1, max => 499999, orders => [ $soon ])),
   'amount_out_of_range|500000', 'too much');
is(join('|', $r->pay(@bad, min => 500001, max => 1e9, orders => [ $soon ])),
   'amount_out_of_range|500000', 'too little');

{
    local $r->{journal_max} = 1;
    is(join('|', $r->pay(@bad, min => 500000, max => 500000,
                         orders => [ $soon ])), 'backlog', 'backlog');
}

is(($r->pay(@bad, min => 500000, max => 500000, orders => [ $soon ]))[0],
   'created', 'and created');


# batches

my %op = (user => 'u5', orders => [ held(user => 'u5') ]);
my $journal = $r->journal;

@replies = $r->pays((\%op) x 50);
is_deeply(words(@replies), { created => 1, replayed => 49 },
          'I8 fifty alike in a batch: one payment');
is(scalar(keys %{ { map { ((split /\t/)[1], 1) } @replies } }), 1,
   'the same for all');
is(scalar($r->journal), $journal + 1, 'one operation in the journal');

my %seen;

@replies = $r->pays(map { { %op, key => "n$_" } } 1 .. 200);
$seen{ (split /\t/)[1] }++ for @replies;
is(scalar(keys %seen), 200, '200 keys, 200 payments');
@replies = $r->holds(map { { user => "mixed$_" } } 1 .. 50);
$seen{ (split /\t/)[1] }++ for @replies;
is(scalar(keys %seen), 250, 'no number is an id too');

my @buckets = @{ $r->cmd('LRANGE', $r->key('buckets'), 0, -1) };

is(join(' ', @buckets), join(' ', sort keys %{ { map { /:[op]:(\d+)$/
                                                       ? ($1, 1) : () }
                                                 @{ $r->cmd('KEYS', '*') } } }),
   'the list of buckets has each once');
is($r->cmd('ZCARD', $r->key('orphans')), 0, 'nothing else');


# what is broken fails its own operation

my ($sound, $bad, $bad_buyer) =
    (held(user => 'b1'), held(user => 'b2'), held(user => 'b3'));

store($bad, sub { $_ = 'garbage' });
$r->cmd('HSET', $r->key('buyers:spring'), 'b3', 'garbage');
@replies = $r->pays({ user => 'b2', orders => [ $bad ] },
                    { user => 'b3', orders => [ $bad_buyer ] },
                    { user => 'b1', orders => [ $sound ] });
is_deeply([ map { (split /\t/)[0] } @replies ], [ qw(broken broken created) ],
          'the others are done');

for my $key (qw(buyers:spring item:p30 journal events)) {
    $r->cmd('RENAME', $r->key($key), $r->key('aside'));
    $r->cmd('SET', $r->key($key), 'x');

    my $before = $r->everything;
    my $reply = $r->script('pay', 1e6, 256, 30000, 60000,
                           PaytradeRedis::pay_op(user => 'b1', key => $key,
                                                 orders => [ $sound ]));

    like(PaytradeRedis::is_error($reply) // $reply->[1],
         qr/^broken|WRONGTYPE/, "a $key of a wrong type");
    is_deeply($r->everything, $before, 'nothing changed');
    $r->cmd('DEL', $r->key($key));
    $r->cmd('RENAME', $r->key('aside'), $r->key($key));
}

$p = ($r->pay(user => 'b1', orders => [ $sound ]))[1];
$r->cmd('HSET', $r->key('p:' . substr $p, 0, 17), $p, "u1\t0\t0");
is(join('|', $r->pay(user => 'b1', orders => [ $sound ])),
   "broken|payment $p", 'a broken record of a payment');
is(join('|', $r->op('read', 'payment', 1, $p)), "broken|payment $p",
   'to read too');


# old attempts leave, those that are held stay

$r->pass(86400_000 + 120_000);
$id = held(user => 'u1', key => 'day');
@f = $r->pay(user => 'u1', key => 'day', orders => [ $id ]);
is($f[0], 'created', 'a day later');
is(length(($r->cmd('HGET', $r->key('buyers:spring'), 'u1')
           =~ /\|(.*)/)[0]), 104, 'attempts of payments leave too');

done_testing;
