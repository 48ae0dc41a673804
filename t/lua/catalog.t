# The scripts catalog and read: items, sales, and orders as they are now.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start;
my (@f, @replies);


sub put_is {
    my ($word, $numbers, $name, %item) = @_;
    my @reply = $r->put(%item);

    is("@reply[0, 5 .. 8, 13]", "$word $numbers", $name);
}

sub ops {
    my ($script, @args) = @_;
    my $reply = $r->script($script, @args);

    die $$reply if PaytradeRedis::is_error($reply);
    $r->{header} = shift @$reply;

    return @$reply;
}


# epochs

is($r->script('catalog', PaytradeRedis::put_op())->[0], 'restarted',
   'restarted');
$r->adopt(0);
is($r->script('catalog', PaytradeRedis::put_op())->[0], 'no_epoch',
   'no epoch, not fresh: refused');
is($r->cmd('EXISTS', $r->key('item:p30')), 0, 'nothing changed');
is(($r->op('read', 'item', 1, 'p30'))[0], 'unknown_item', 'read goes on');
$r->adopt(1);
@replies = ops('catalog', 'restock', 3, 'p30', 1, 'r', 'pause', 2, 'spring', 1,
               PaytradeRedis::put_op(stock => 10));
is(join(' ', map { (split /\t/)[0] } @replies),
   'unknown_item unknown_sale created', 'fresh: the first put creates');
is($r->cmd('GET', $r->key('epoch')), 1, 'and makes epoch 1');
is($r->cmd('HEXISTS', $r->key('clock'), 'fresh'), 0, 'fresh no more');


# put

put_is('created', '10 10 0 0 1', 'another item', sku => 'q', stock => 10);
put_is('changed', '20 20 0 0 2', 'more stock', sku => 'q', stock => 20);
put_is('changed', '20 20 0 0 2', 'the same again: same version', sku => 'q',
       stock => 20);
is(scalar(grep { $_->[0] eq 'i' } $r->journal), 3, 'three changes journaled');
@f = $r->put(sku => 'q', sale => 'other', stock => 5);
is("@f[0 .. 2]", 'wrong_sale q spring', 'a SKU belongs to one sale');
is($r->cmd('EXISTS', $r->key('sale:other')), 0, 'no sale is made');
@f = $r->put(sku => 'q', title => 'Q2', price => 8, limit => 3, starts => 1,
             ends => 2, hold_ms => 5000, stock => 20);
is(join('|', @f), 'changed|q|spring|Q2|8|20|20|0|0|3|1|2|5000|3|0',
   'all settings change');
is(join('|', $r->op('read', 'item', 1, 'q')),
   'item|q|spring|Q2|8|20|20|0|0|3|1|2|5000|3|0', 'and read back');
@f = $r->put(sku => 'q', stock => 20, price => -1);
is("@f", 'broken price', 'a price that is none');
$r->cmd('SADD', $r->key('item:odd'), 'x');
is(($r->put(sku => 'odd'))[0], 'broken', 'a key of a wrong type');
is(join(' ', $r->op('read', 'locate', 1, 'q')), 'sale spring', 'locate');
is(join(' ', $r->op('read', 'locate', 1, 'nope')), 'unknown_item', 'locate');
is(join(' ', $r->op('read', 'items', 1, 'nope')), 'unknown_sale', 'items');
is(join('|', map { (split /\t/)[0] }
             split /\n/, join "\t", $r->op('read', 'items', 1, 'spring')),
   'items|p30|q', 'items, sorted');

my @ids = map { ($r->hold(user => "u$_", quantity => 2))[1] } 1 .. 3;

put_is('below_committed', '10 4 6 0 1', 'stock below held', stock => 5);
put_is('changed', '6 0 6 0 2', 'stock down to held', stock => 6);
like($r->{header}, qr/\tp30 0 \d{13} /, 'sold out now, with a time');
put_is('changed', '8 2 6 0 3', 'and up', stock => 8);
like($r->{header}, qr/\tp30 2 0 /, 'units again');
$r->pass(900000);
put_is('changed', '1 1 0 0 4', 'due holds do not count', stock => 1);
is(($r->cancel($ids[0]))[2], 'expired', 'they were ended');


# restock

@f = $r->op('catalog', 'restock', 3, 'p30', 50, 'r-1');
is("@f[0, 5, 6, 13]", 'changed 51 51 5', 'restock');
@f = $r->op('catalog', 'restock', 3, 'p30', 50, 'r-1');
is("@f[0, 5, 6, 13]", 'replayed 51 51 5', 'again: replayed');
@replies = ops('catalog', map { ('restock', 3, 'p30', 7, 'r-2') } 1 .. 50);
is(scalar(grep { /^changed/ } @replies), 1, '50 in a batch: once');
is($r->stored_item('p30')->{stock}, 58, 'its units');
@f = $r->op('catalog', 'restock', 3, 'p30', -58, 'r-3');
is("@f[0, 5, 6]", 'changed 0 0', 'withdrawn');
@f = $r->op('catalog', 'restock', 3, 'p30', -1, 'r-4');
is("@f[0, 5, 6]", 'below_committed 0 0', 'not below 0');
@f = $r->op('catalog', 'restock', 3, 'p30', 3, 'r-4');
is($f[0], 'changed', 'a refused request was not kept');
is(($r->op('catalog', 'restock', 3, 'no', 3, 'r-5'))[0], 'unknown_item',
   'unknown_item');
is(($r->op('catalog', 'restock', 3, 'p30', '1e3', 'r-6'))[0], 'broken',
   'units that are none');
is(($r->op('catalog', 'restock', 3, 'p30', 1000000000, 'r-6'))[0], 'broken',
   'too many units');
is(scalar(grep { $_->[0] eq 'a' } $r->journal), 4, 'requests journaled');

# a request_id that asked for something else
{
    my $journal = $r->journal;
    my $stock = $r->stored_item('p30')->{stock};

    $r->put(sku => 'p39', sale => 'spring', stock => 1);
    is(join(' ', $r->op('catalog', 'restock', 3, @$_, 'r-1')), 'key_reused',
       "r-1 for @$_") for [ 'p30', 51 ], [ 'p30', -50 ], [ 'p39', 50 ];
    @replies = ops('catalog', map { ('restock', 3, 'p39', $_, 'r-9') } 2, 3, 2);
    is(join(' ', map { (split /\t/)[0] } @replies),
       'changed key_reused replayed', 'in a batch');
    is($r->stored_item('p30')->{stock}, $stock, 'nothing is done');
    is($r->stored_item('p39')->{stock}, 3, 'but the first');
    is(scalar($r->journal), $journal + 3, 'or journaled');

    # noted by an earlier version
    $r->cmd('HSET', $r->key('ops'), 'r-old', 1763712000000);
    is(($r->op('catalog', 'restock', 3, 'p39', $_, 'r-old'))[0], 'replayed',
       "noted without what it asked for: $_") for 1, 2;
}


# pause

is(join(' ', $r->op('catalog', 'pause', 2, 'spring', 0)), 'unchanged spring',
   'not paused: unchanged');
is(join(' ', $r->op('catalog', 'pause', 2, 'spring', 1)), 'changed spring',
   'paused');
is(($r->journal)[-1][1], "spring\t1\t1", 'journaled, version 1');
is($r->item->{paused}, 1, 'its items are');
is(join(' ', $r->op('catalog', 'pause', 2, 'spring', 0)), 'changed spring',
   'on again');
is(($r->journal)[-1][1], "spring\t0\t2", 'version 2');
is(($r->op('catalog', 'pause', 2, 'no', 1))[0], 'unknown_sale', 'no sale');
is(($r->op('catalog', 'pause', 2, 'spring', 2))[0], 'broken', 'not 0 or 1');


# orders

$r->put(stock => 100);
@ids = map { ($r->hold(user => 'me', key => $_, meta => "[$_]"))[1] } 1 .. 5;
$r->cancel($ids[1]);
@f = map { (split /\t/)[0] } split /\n/,
     join "\t", $r->op('read', 'orders', 2, 'spring', 'me');
is("@f", join(' ', 'orders', @ids[0, 2 .. 4]), 'open orders');
is(join(' ', $r->op('read', 'orders', 2, 'spring', 'you')), 'orders', 'none');
is(join(' ', $r->op('read', 'orders', 2, 'nope', 'me')), 'orders', 'no sale');
is($r->order('1' x 19), 'unknown_order', 'unknown_order');
is($r->order('x'), 'unknown_order', 'not an id');
is($r->order($ids[1])->{status}, 'cancelled', 'a cancelled order');
$r->pass(900000);
is(join(' ', $r->op('read', 'orders', 2, 'spring', 'me')), 'orders',
   'due orders are not open');
is($r->order($ids[0])->{status}, 'expired', 'but expired');
is($r->item->{available}, 100, 'and their units available');
like($r->{header}, qr/^ok\t\d+\t\d+$/, 'nothing is sold out');
$r->cmd('HSET', $r->key('item:p30'), 'stock', 4, 'available', 0);
is($r->item->{available}, 4, 'all of it due');
like($r->{header}, qr/\tp30 4 0 /, 'the header says so');
$r->cmd('HSET', $r->key('item:p30'), 'stock', 1000, 'available', 996);


# audit

my %seen;
my ($start, $pages) = ('', 0);

$r->hold(user => "a$_") for 1 .. 350;
do {
    my ($head, @rows) = split /\n/, join "\t",
                        $r->op('read', 'audit', 2, $start, 100);

    $start = (split /\t/, $head, -1)[1];
    for (@rows) {
        my ($id, $status, $rev) = split /\t/;

        $seen{$id}++;
        is("$status $rev", 'held 1', 'as stored') if $id eq $ids[0];
        is("$status $rev", 'cancelled 2', 'as stored') if $id eq $ids[1];
    }
    $pages++;
} while ($start ne '');

is(scalar(grep { $_ == 1 } values %seen), 358, 'each order once');
cmp_ok($pages, '>', 2, 'in pages');

# a page whose bucket is purged meanwhile
my @buckets = @{ $r->cmd('LRANGE', $r->key('buckets'), 0, -1) };

$r->cmd('LREM', $r->key('buckets'), 1, $buckets[1]);
my ($head) = split /\n/, join "\t", $r->op('read', 'audit', 2, $buckets[1], 1);
is((split /\t/, $head, -1)[1], $buckets[3], 'goes on behind it');

ok(PaytradeRedis::is_error($r->cmd('EVALSHA_RO', $r->{sha}{hold}, 5,
                                   $r->keys_of, $r->{run_id}, 1, 1)),
   'hold may write, so EVALSHA_RO refuses it');
my $reply = $r->cmd('EVALSHA_RO', $r->{sha}{read}, 5, $r->keys_of,
                    $r->{run_id}, 'item', 1, 'p30');
is((split /\t/, $reply->[1])[0], 'item', 'read is read-only');

done_testing;
