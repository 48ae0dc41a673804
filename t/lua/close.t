# The script close: cancels, sweeps, deadlines out of order, purging; and ack.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start;
my (@f, @replies);


sub words { my %n; $n{ (split /\t/)[0] }++ for @_; return \%n }

sub stock_is {
    my ($sku, $available, $held, $name) = @_;
    my $it = $r->stored_item($sku);

    is("$it->{available} $it->{held}", "$available $held", $name);
}

sub close_ops {
    my $reply = $r->script('close', @_);

    die $$reply if PaytradeRedis::is_error($reply);
    $r->{header} = shift @$reply;

    return @$reply;
}

sub held { ($r->hold(@_))[1] }
sub record { $r->cmd('HGET', $r->key('o:' . substr $_[0], 0, 17), $_[0]) }
sub whole_item {
    my $it = $r->stored_item('p30');

    return join ' ', map { "$_=$it->{$_}" } sort keys %$it;
}

sub units { ($r->cmd('HGET', $r->key('buyers:spring'), $_[0]) // '')
            =~ /^([^|]*)/ && $1 }


is($r->script('close', 'sweep', 2, 1, 1)->[0], 'restarted', 'restarted');
$r->adopt(0);
is($r->script('close', 'sweep', 2, 1, 1)->[0], 'no_epoch', 'no epoch');
$r->adopt(1);
is_deeply([ $r->sweep ], [ 0, 0, 0, 0 ], 'fresh: nothing to sweep');
ok(PaytradeRedis::is_error($r->script('close', 'sweep', 3, 1, 1, 1)),
   'wrong argc');
ok(PaytradeRedis::is_error($r->script('close', 'bogus', 0)), 'wrong kind');


# cancel

$r->put(stock => 100, limit => 100);

my $id = held(user => 'u1', meta => '[1]');

is(($r->cancel('123', 'u1'))[0], 'unknown_order', 'not an id');
is(($r->cancel('9' x 19, 'u1'))[0], 'unknown_order', 'no such order');
is(($r->cancel($id =~ s/^(.{13})00/${1}07/r, 'u1'))[0], 'unknown_order',
   'of another partition');
is(($r->cancel($id, 'u2'))[0], 'unknown_order', "another user's");
stock_is('p30', 99, 1, 'is still held');
@f = $r->cancel($id, 'u1');
is("@f[0 .. 3]", "cancelled $id cancelled 2", 'cancelled');
is($f[-1], '[1]', 'with its meta');
stock_is('p30', 100, 0, 'the unit is back');
is(units('u1'), '', 'and the quota');
is(($r->journal)[-1][1], join("\t", @f[1 .. $#f]), 'journaled');
@f = $r->cancel($id, 'u1');
is("@f[0 .. 3]", "closed $id cancelled 2", 'again: closed');
stock_is('p30', 100, 0, 'nothing comes back twice');

my $n = $r->journal;
$id = held(user => 'u1', key => 2);
is(($r->cancel($id, '', 'c-1'))[0], 'cancelled', 'an operator cancels');
is_deeply([ ($r->journal)[-1][0], (split /\t/, ($r->journal)[-1][1])[0] ],
          [ 'a', 'c-1' ], 'the request is journaled');
ok($r->cmd('HGET', $r->key('ops'), 'c-1'), 'and kept');
is(($r->cancel($id, '', 'c-1'))[0], 'closed', 'again: closed');
is(scalar($r->journal), $n + 3, 'three operations for both');

my $other = held(user => 'u1', key => 'other');

is(join(' ', $r->cancel($other, '', 'c-1')), 'key_reused',
   'its request_id for another order');
is(join(' ', $r->op('catalog', 'restock', 3, 'p30', 1, 'c-1')), 'key_reused',
   'and for a restock');
$r->op('catalog', 'restock', 3, 'p30', 5, 'c-2');
is(join(' ', $r->cancel($_, '', 'c-2')), 'key_reused',
   "a restock's for a cancel") for $other, $id;
is($r->order($other)->{status}, 'held', 'nothing is done');
$r->cmd('HSET', $r->key('ops'), 'c-old', 1763712000000);
is(($r->cancel($other, '', 'c-old'))[0], 'cancelled',
   'noted without what it asked for');
$r->op('catalog', 'restock', 3, 'p30', -5, 'c-3');

$id = held(user => 'u1', key => 3);
$r->pass(900000);
@f = $r->cancel($id, 'u1');
is("@f[0 .. 3]", "closed $id expired 2", 'a due hold expires instead');
stock_is('p30', 100, 0, 'the unit is back');

# what later versions write
$id = held(user => 'u1', key => 4);
my $paid = record($id) =~ s/^h1 (\S+)/p2 $1:ff/r;

$r->cmd('HSET', $r->key('o:' . substr $id, 0, 17), $id, $paid);
@f = $r->cancel($id, 'u1');
is("@f[0 .. 3]", "already_paid $id paid 2", 'already_paid');
$r->cmd('HSET', $r->key('item:p30'), 'available', 99, 'held', 0, 'sold', 1);


# one resolution

$id = held(user => 'u5');
@replies = close_ops(map { ('cancel', 3, $id, 'u5', '') } 1 .. 50);
is_deeply(words(@replies), { cancelled => 1, closed => 49 },
          '50 cancels in a batch: one resolution');
stock_is('p30', 99, 0, 'one unit');

$id = held(user => 'u6');
$r->pass(900000);
$n = $r->journal;
@replies = close_ops((map { ('cancel', 3, $id, 'u6', ''),
                            ('sweep', 2, 100, 604800000) } 1 .. 25));
is_deeply(words(@replies), { closed => 25, swept => 25 },
          '25 cancels and 25 sweeps of a due order');
is(scalar($r->journal), $n + 1, 'one change');
stock_is('p30', 99, 0, 'one unit');
is(units('u6'), '', 'one quota');
is_deeply([ (split /\t/, $replies[1])[1] ], [ 0 ],
          'the sweep after the cancel released nothing');


# sweeps

held(user => "s$_") for 1 .. 30;
is(($r->sweep)[0], 0, 'nothing is due');
cmp_ok(($r->sweep)[3], '>', 0, 'it tells the next deadline');
$r->pass(900000);
is($r->item->{available}, 99, 'due holds read as available');
is($r->item->{held}, 0, 'and not as held');
is_deeply([ ($r->sweep(10))[0, 2] ], [ 10, 1 ], 'bounded, more');
is_deeply([ ($r->sweep(10))[0, 2] ], [ 10, 1 ], 'bounded, more');
is_deeply([ ($r->sweep(100))[0, 2, 3] ], [ 10, 0, 0 ], 'all released');
stock_is('p30', 99, 0, 'all units are back');
is($r->cmd('LLEN', $r->key('due:900000')), 0, 'the list is empty');
is($r->cmd('SCARD', $r->key('hold_times')), 0, 'and forgotten');

$id = held(user => 's99');
is(($r->sweep)[3], $r->order($id)->{expires}, 'a list that comes again');
$r->cancel($id);
@f = map { held(user => "d$_") } 1 .. 5;
$r->cancel($f[1]);
is(($r->sweep)[3], $r->order($f[0])->{expires}, 'a closed head is dropped');
is($r->cmd('LLEN', $r->key('due:900000')), 5, 'that one only');

# different hold times
$r->put(sku => 'q', stock => 50, price => 1, hold_ms => 2000);
my $q = held(sku => 'q', price => 1, user => 'q1');
is(($r->sweep)[3], $r->order($q)->{expires}, 'the soonest of two lists');
$r->pass(2000);
is_deeply([ ($r->sweep)[0, 3] ], [ 1, $r->order($f[0])->{expires} ],
          'it alone was due');


# the clock stepped back: what is out of order goes to later

my $now = $r->pass(0);
my @early;
{
    # as if these had been taken an hour before the others
    local $SIG{__WARN__} = sub { };
    $r->cmd('HSET', $r->key('clock'), 'last', 0);
    @early = map { held(user => "e$_") } 1 .. 3;
}
cmp_ok($r->order($early[0])->{expires}, '<', $r->order($f[0])->{expires},
       'an earlier deadline behind a later one');
$r->sweep;
is($r->cmd('ZCARD', $r->key('later')), 3, 'all of them moved to later');
is(($r->sweep)[3], $r->order($early[0])->{expires}, 'and are next');
$r->pass(900000);
cmp_ok($r->order($f[0])->{expires}, '>', $r->pass(0), 'the others not yet');
is(($r->sweep)[0], 3, 'released in time');
is($r->cmd('ZCARD', $r->key('later')), 0, 'later is empty');
$r->pass(86400_000);
is(($r->sweep)[0], 4, 'the others after');
stock_is('p30', 99, 0, 'nothing was lost');
stock_is('q', 50, 0, 'nothing was lost');


# broken records do not block

my @ids = map { held(user => "b$_") } 1 .. 6;
my $bucket = $r->key('o:' . substr $ids[0], 0, 17);

$r->cmd('HSET', $bucket, $ids[0], 'garbage');
$r->cmd('HSET', $r->key('buyers:spring'), 'b2', 'garbage');
$r->cmd('HDEL', $bucket, $ids[2]);
$r->cmd('RPUSH', $r->key('due:900000'), 'garbage');
$r->cmd('LPUSH', $r->key('due:900000'), 'garbage');
is(($r->cancel($ids[0]))[0], 'broken', 'cancel of a broken record');
is(($r->cancel($ids[1]))[0], 'broken', 'cancel with a broken buyer');
is(($r->cancel($ids[2]))[0], 'unknown_order', 'cancel of a lost record');
@replies = close_ops('cancel', 3, $ids[0], '', '', 'cancel', 3, $ids[3], '',
                     '');
is_deeply([ map { (split /\t/)[0] } @replies ], [ qw(broken cancelled) ],
          'the others of the batch are done');
$r->pass(900000);
@f = $r->sweep;
is($f[0], 2, 'the sound ones are released');
is($f[2], 0, 'and it does not spin');
is_deeply($r->cmd('ZRANGE', $r->key('later'), 0, -1), [ @ids[0, 1] ],
          'the broken ones are set aside');
is(($r->sweep)[0], 0, 'not tried at once');
$r->cmd('HSET', $r->key('buyers:spring'), 'b2', '1:1|');
$r->pass(60000);
is(($r->sweep)[0], 1, 'tried again: what was mended is released');
is(record($ids[1]) =~ /^e2/, 1, 'it is expired');
stock_is('p30', 97, 2, 'two units stay with the records that are lost');
$r->cmd('HSET', $r->key('item:p30'), 'available', 99, 'held', 0);
$r->cmd('DEL', $r->key('later'));

$id = held(user => 'bi');
$r->cmd('RENAME', $r->key('item:p30'), $r->key('aside'));
$r->cmd('SET', $r->key('item:p30'), 'x');
is(join(' ', $r->cancel($id)), 'broken item p30', 'an item of a wrong type');
is(join(' ', $r->hold(user => 'bi')), 'broken item p30', 'hold says so too');
is(($r->holds({ user => 'bi', key => 2 }, { user => 'bi', sku => 'q',
                                             price => 1, key => 3 }))[1]
   =~ /^held/, 1, 'the others of the batch are done');
is(join(' ', $r->op('read', 'item', 1, 'p30')), 'broken item p30',
   'read says so');
is(join(' ', $r->op('read', 'items', 1, 'spring')) =~ /^items\nq/, 1,
   'and gives the others');
$r->cmd('RENAME', $r->key('aside'), $r->key('item:p30'));
is(($r->cancel($id))[0], 'cancelled', 'mended');

for my $key (qw(buyers:spring sale:spring skus)) {
    $id = held(user => "k$key");
    ok($id, "held before $key is broken");
    $r->cmd('RENAME', $r->key($key), $r->key('aside'));
    $r->cmd('SET', $r->key($key), 'x');

    my $word = ($r->hold(user => 'k2'))[0];

    is($word, 'broken', "hold with a broken $key") if $key ne 'skus';
    is(($r->cancel($id))[0], 'broken', "cancel with a broken $key")
        if $key ne 'sale:spring';
    $r->cmd('DEL', $r->key($key)) if $key ne 'skus';
    $r->cmd('RENAME', $r->key('aside'), $r->key($key));
    is(($r->cancel($id))[0] =~ /^cancelled|^closed/, 1, 'mended');
}

for my $key (qw(due:900000 hold_times journal buckets)) {
    my $due = $r->cmd('EXISTS', $r->key($key));

    $r->cmd('RENAME', $r->key($key), $r->key('aside')) if $due;
    $r->cmd('SET', $r->key($key), 'x');
    $r->cmd('HDEL', $r->key('clock'), 'ids') if $key eq 'buckets';

    my $before = whole_item();
    my $last = $r->cmd('HGET', $r->key('clock'), 'waiting');
    my $reply = $r->script('hold', 1000000, 256,
                           PaytradeRedis::hold_op(user => "w$key"));

    like(PaytradeRedis::is_error($reply) // $reply->[1],
         qr/^(broken|WRONGTYPE|ERR.*wrong kind|.*WRONGTYPE)/,
         "hold with a $key of a wrong type");
    is(whole_item(), $before, 'nothing changed');
    is($r->cmd('HGET', $r->key('clock'), 'waiting'), $last, 'nothing waits');
    $r->cmd('DEL', $r->key($key));
    $r->cmd('RENAME', $r->key('aside'), $r->key($key)) if $due;
}


# purging

$r->stop;
$r = PaytradeRedis->start;
$r->adopt;
$r->put(stock => 1000, hold_ms => 1000);

my @first = map { (split /\t/)[1] }
            $r->holds(map { { user => "p$_" } } 1 .. 150);
my $kept = held(user => 'long', key => 9);

$r->cmd('HSET', $r->key('o:' . substr $kept, 0, 17), $kept,
        record($kept) =~ s/ 1s / 2d /r);
$r->pass(1000);
is(($r->sweep(1000, 5000))[0], 150, 'released');

my ($a, $b) = map { $r->key("o:$_") }
              @{ $r->cmd('LRANGE', $r->key('buckets'), 0, -1) };

is($r->cmd('LLEN', $r->key('buckets')), 2, 'two buckets');
$r->pass(4999);
$r->sweep(100, 5000) for 1 .. 4;
is($r->cmd('HLEN', $a), 100, 'nothing is purged before the retention');
is($r->cmd('EXISTS', $r->key('purging')), 0, 'or noted');
$r->pass(20000);
@f = $r->sweep(100, 5000);
is_deeply([ @f[1, 2] ], [ 0, 1 ], 'a bucket is noted first');
is_deeply([ @{[ $r->sweep(100, 5000) ]}[1, 2] ], [ 0, 0 ],
          'and stays while the journal has its orders');
is($r->cmd('HLEN', $a), 100, 'stays');

my @entries = map { ($_->[0], @{ $_->[1] } / 2) }
              @{ $r->cmd('XRANGE', $r->key('journal'), '-', '+') };
my ($last_id, $last_n) = splice @entries, -2;

$r->op('ack', @entries);
$r->sweep(100, 5000);
is($r->cmd('HLEN', $a), 100, 'stays while one entry is left');

# an order of the bucket changes meanwhile (as a late payment will)
my $changed = record($first[0]);

$r->cmd('HSET', $a, $first[0], $changed =~ s/^e2/p3/r);
$r->op('ack', $last_id, $last_n);
is(($r->sweep(100, 5000))[1], 0, 'a changed bucket is noted again');
@f = $r->sweep(100, 5000);
is($f[1], 100, 'then purged');
is($r->cmd('EXISTS', $a), 0, 'it is gone');
is($r->cmd('HLEN', $r->key('purging')), 0, 'no note is left');
is($r->cmd('HLEN', $b), 51, 'the bucket with a held order stays');
is_deeply($r->cmd('LRANGE', $r->key('buckets'), 0, -1),
          [ $b =~ /(\d{17})/ ], 'and stays in the list');
is(join(' ', $r->hold(user => 'p1')), "purged $first[0]",
   'a replay of a purged order names it');
is(($r->cancel($first[0], 'p1'))[0], 'unknown_order', 'else it is unknown');
is($r->order($first[0]), 'unknown_order', 'to read too');
ok(held(user => 'again'), 'holds go on');
$r->pass(172800_000);
$r->sweep(100, 5000);
$r->pass(10000);
ack_all();

for (1 .. 100) { last if !($r->sweep(100, 5000))[2] }

is($r->cmd('EXISTS', $b), 0, 'purged once its last hold was over');
cmp_ok($r->cmd('LLEN', $r->key('buckets')), '<=', 1,
       'but for the open bucket all is purged');

sub ack_all {
    my @entries = map { ($_->[0], @{ $_->[1] } / 2) }
                  @{ $r->cmd('XRANGE', $r->key('journal'), '-', '+') };

    $r->op('ack', @entries) if @entries;
}

# many buckets, one at the head that stays
$r->put(stock => 5000, hold_ms => 1000);
$kept = held(user => 'head', key => 1);
$r->cmd('HSET', $r->key('o:' . substr $kept, 0, 17), $kept,
        record($kept) =~ s/ 1s / 9d /r);
for my $round (1 .. 15) {
    $r->holds(map { { user => "m$_", key => "r$round" } } 1 .. 200);
}
$r->pass(1000);
for (1 .. 100) { last if !($r->sweep(1000, 5000))[2] }
$r->pass(86400_000);
$r->hold(user => 'open');
$r->sweep(1000, 5000);
ack_all();
for (1 .. 200) { last if !($r->sweep(1000, 5000))[2] }
is($r->cmd('LLEN', $r->key('buckets')), 2,
   'all but the open bucket and one that is held');


# buckets with payments

$r->stop;
$r = PaytradeRedis->start;
$r->adopt;
$r->put(stock => 1000, hold_ms => 900000);

# a payment alone in a bucket that is newer than its order's
$id = held(user => 'y1');
$r->pass(20000);

my ($word, $no) = $r->pay(user => 'y1', orders => [ $id ]);
my ($o_key, $p_key) = map { $r->key($_) } 'o:' . substr($id, 0, 17),
                                          'p:' . substr($no, 0, 17);

is("$word " . $r->cmd('LLEN', $r->key('buckets')), 'created 2', 'two buckets');
$r->cancel($id);
$r->pass(20000);
held(user => 'open');            # the bucket is no longer the open one
purge(1) for 1 .. 3;
is($r->cmd('EXISTS', $o_key), 0, 'the order is purged');
is($r->cmd('EXISTS', $p_key), 1, 'not a payment that can still be paid');
is(($r->settle([ 'paid', $no, 'alipay', 't1', 500000, '', 0 ]))[0]
   =~ /\t$id 500000 refund_due unknown_order 0$/, 1, 'paid: nothing is lost');
$r->pass(900000);
purge(1000) for 1 .. 3;
is($r->cmd('EXISTS', $p_key), 0, 'over for long: purged');

# a bucket of both: each keeps it
for my $change ('closed', 'paid') {
    $id = held(user => "y$change");
    $no = ($r->pay(user => "y$change", orders => [ $id ]))[1];
    $p_key = $r->key('p:' . substr $no, 0, 17);
    $r->pass(900000);
    held(user => "open$change");
    $r->sweep for 1 .. 2;
    $r->pass(6000);
    $r->settle($change eq 'paid'
               ? [ 'paid', $no, 'alipay', $change, 500000, '', 0 ]
               : [ 'closed', $no, 'alipay', $change, '', '', 0 ]);
    purge(5000);
    is($r->payment($no)->{status}, $change, "just $change: it stays");
    $r->pass(4000);
    purge(5000);
    is($r->cmd('EXISTS', $p_key), 1, 'as long as the retention');
    $r->pass(2000);

    # noted, then it changes after all: it is noted again
    $r->sweep(100, 5000);
    $r->cmd('HSET', $p_key, $no, $r->cmd('HGET', $p_key, $no)
            =~ s/^([cp])(.)/$1 . ($2 + 1)/er);
    ack_all();
    is(($r->sweep(100, 5000))[1], 0, 'a changed payment: noted again');
    purge(5000);
    is($r->cmd('EXISTS', $p_key), 0, 'then purged');
    is($r->payment($no), 'unknown_payment', 'it is gone');
}

is($r->cmd('HLEN', $r->key('purging')), 0, 'no note is left');

# refunds go with their payment, and keep it as long as other changes do
$id = held(user => 'yr');
$no = ($r->pay(user => 'yr', orders => [ $id ]))[1];
$p_key = $r->key('p:' . substr $no, 0, 17);

my $r_key = $r->key('r:' . substr $no, 0, 17);
my @refund = ('refund', $no, 'alipay', 'tr', '', '');

$r->settle([ 'paid', $no, 'alipay', 'tr', 500000, '', 0 ]);
$r->pass(900000);
held(user => 'openr');
$r->settle([ @refund, 'r1', 100, 0 ]);
purge(5000);
is($r->cmd('HLEN', $r_key), 1, 'a refund is known');
$r->pass(4000);
is(($r->settle([ @refund, 'r1', 100, 0 ]))[0] =~ /^duplicate/, 1, 'still');
$r->settle([ @refund, 'r2', 100, 0 ]);
$r->pass(4000);
purge(5000);
is($r->cmd('HLEN', $r_key), 2, 'a later one keeps it');
$r->pass(2000);
purge(5000);
is($r->cmd('EXISTS', $p_key, $r_key), 0, 'purged together');
is(($r->settle([ @refund, 'r3', 100, 0 ]))[0], 'unknown_payment', 'all gone');

$id = held(user => 'yb');
$no = ($r->pay(user => 'yb', orders => [ $id ]))[1];
$p_key = $r->key('p:' . substr $no, 0, 17);
$r->cmd('HSET', $p_key, $no, 'garbage');
$r->cancel($id);
$r->pass(86400_000);
held(user => 'opened');
purge(5000) for 1 .. 3;
is($r->cmd('EXISTS', $p_key), 1, 'what cannot be read is not purged');

# callbacks that fit nothing are known for the retention
my @orphan = (1, '', 'unknown_payment', 0);

$r->settle([ 'orphan', 'x', 'alipay', 'o1', @orphan, '' ]);
$r->pass(4000);
$r->settle([ 'orphan', 'x', 'alipay', 'o2', @orphan, '' ],
           [ 'orphan', 'x', 'alipay', 'o1', @orphan, 'closed' ]);
$r->sweep(100, 5000);
is($r->cmd('ZCARD', $r->key('orphans')), 3, 'orphans are known');
$r->pass(2000);
$r->sweep(100, 5000);
is_deeply($r->cmd('ZRANGE', $r->key('orphans'), 0, -1),
          [ 'alipay:o1:closed', 'alipay:o2' ], 'old ones are forgotten');

sub purge {
    my ($retention) = @_;

    $r->sweep(100, $retention);
    ack_all();
    $r->sweep(100, $retention) for 1 .. 3;
}


# ack

$r->stop;
$r = PaytradeRedis->start;
$r->adopt;
$r->put(stock => 1000);
$r->cmd('XGROUP', 'CREATE', $r->key('journal'), 'postgres', 0);
$r->holds(map { { user => "a$_" } } 1 .. 10);
$r->holds(map { { user => "b$_" } } 1 .. 10);
$r->cmd('XREADGROUP', 'GROUP', 'postgres', 'slot-0', 'STREAMS',
        $r->key('journal'), '>');
@entries = map { [ $_->[0], @{ $_->[1] } / 2 ] }
           @{ $r->cmd('XRANGE', $r->key('journal'), '-', '+') };
is(join(' ', map { $_->[1] } @entries), '1 10 10', 'an entry for each call');
is($r->cmd('HGET', $r->key('clock'), 'waiting'), 21, '21 wait');
is(join(' ', $r->op('ack', @{ $entries[1] })), 'ok 11', 'ack');
is(join(' ', $r->op('ack', @{ $entries[1] })), 'ok 11', 'again: not counted');
is(join(' ', $r->op('ack', map { @$_ } @entries)), 'ok 0', 'the rest');
is($r->cmd('XLEN', $r->key('journal')), 0, 'the journal is empty');
is($r->cmd('XPENDING', $r->key('journal'), 'postgres')->[0], 0,
   'nothing is pending');
is(join(' ', $r->op('ack', '1-1', 50)), 'ok 0', 'never below 0');
ok(PaytradeRedis::is_error($r->script('ack', 'x', 1)), 'wrong id');
ok(PaytradeRedis::is_error($r->script('ack', '1-1')), 'odd arguments');

$r->holds(map { { user => "c$_" } } 1 .. 3) for 1 .. 1500;
@entries = map { [ $_->[0], @{ $_->[1] } / 2 ] }
           @{ $r->cmd('XRANGE', $r->key('journal'), '-', '+') };
is(join(' ', $r->op('ack', map { @$_ } @entries)), 'ok 0',
   'a great many at once');

done_testing;
