# The script hold: every answer, batches, precedence, replays, limits.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start;
my ($status, @f, @replies, %count);


sub words { my %n; $n{ (split /\t/)[0] }++ for @_; return \%n }

sub stock_is {
    my ($sku, $available, $held, $name) = @_;
    my $it = $r->stored_item($sku);

    is("$it->{available} $it->{held}", "$available $held", $name);
}


# refusals of a whole call

is(join(' ', $r->hold), 'restarted', 'a server that nobody took: restarted');
$r->adopt(0);
is(join(' ', $r->hold), 'no_epoch', 'no epoch: nothing is sold');
is_deeply($r->cmd('KEYS', '*'), [ $r->key('clock') ], 'and nothing changed');
$r->adopt(1);
is(join(' ', $r->hold), 'unknown_item p30', 'fresh: no items yet');
is($r->cmd('EXISTS', $r->key('journal')), 0, 'and nothing changed');

{
    local $r->{run_id} = 'another';
    is(join(' ', $r->hold), 'restarted', 'another run_id: restarted');
}

ok(PaytradeRedis::is_error($r->script('hold', 1000, 256, 'u1')),
   'too few arguments');
ok(PaytradeRedis::is_error($r->script('hold', 'x', 256,
                                      PaytradeRedis::hold_op())),
   'journal_max that is no number');


# one hold

$r->put(stock => 10, limit => 2);
my $before = $r->cmd('TIME')->[0] * 1000;

@f = $r->hold(key => 'a', meta => '{"a":"b"}');
is($f[0], 'held', 'held');
like($f[1], qr/^\d{13}00\d{4}$/, 'id: 13 digits, partition, sequence');
is($f[2], 500000, 'amount');
cmp_ok($f[3], '>=', $before, 'created_at');
is($f[4] - $f[3], 900000, 'expires_at');
stock_is('p30', 9, 1, 'a unit went from available to held');

my $id = $f[1];
my $o = $r->order($id);

is_deeply([ @$o{qw(id status rev user sale amount created expires changed
                   lines meta)} ],
          [ $id, 'held', 1, 'u1', 'spring', 500000, @f[3, 4, 3],
            'p30 1 500000', '{"a":"b"}' ], 'the order reads as it was taken');
is(($r->journal)[-1][1], join("\t", map { $_ // '' } @$o{qw(id status rev user
   sale amount created expires changed key body lines meta)}),
   'its row is in the journal');
like($r->{header}, qr/^ok\t\d{13}\t2$/, 'two operations wait');


# replay and reuse

@f = $r->hold(key => 'a');
is($f[0], 'replayed', 'same key, same body: replayed');
is($f[1], $id, 'with the order');
is($f[2], 'held', 'and its state');
stock_is('p30', 9, 1, 'no further unit');
@f = $r->hold(key => 'a', quantity => 2);
is($f[0], 'key_reused', 'same key, another body');
@f = $r->hold(key => 'a', quantity => 2, sku => 'nope');
is("@f", 'unknown_item nope', 'unknown_item comes before key_reused');
@f = $r->hold(key => 'a', user => 'u2');
is($f[0], 'held', "another user's key is another key");
$r->cancel($f[1]);
$r->cancel($id, 'u1');
@f = $r->hold(key => 'a');
is("$f[0] $f[2] $f[3]", 'replayed cancelled 2', 'replay of a cancelled order');
$r->cmd('HSET', $r->key('item:p30'), 'starts', 1);
$r->op('catalog', 'pause', 2, 'spring', 1);
@f = $r->hold(key => 'a');
is($f[0], 'replayed', 'a replay comes before paused');
@f = $r->hold(key => 'b');
is("@f", 'paused p30', 'paused');
$r->op('catalog', 'pause', 2, 'spring', 0);


# precedence, each refusal before the next

my $soon = $before + 3600_000;

$r->put(sku => 'w', sale => 'window', stock => 1, limit => 1, price => 7,
        starts => $soon, ends => $soon - 1);
$r->op('catalog', 'pause', 2, 'window', 1);

my @bad = (sku => 'w', price => 8, quantity => 2);

{
    local $r->{attempts_max} = 0;
    is(join(' ', $r->hold(@bad)), 'too_many_attempts', 'too_many_attempts');
}

is(join(' ', $r->hold(@bad)), 'paused w', 'paused');
$r->op('catalog', 'pause', 2, 'window', 0);
is(join(' ', $r->hold(@bad)), "not_started w $soon", 'not_started');
$r->put(sku => 'w', sale => 'window', stock => 1, limit => 1, price => 7,
        ends => 1);
is(join(' ', $r->hold(@bad)), 'ended w', 'ended');
$r->put(sku => 'w', sale => 'window', stock => 1, limit => 1, price => 7);
is(join(' ', $r->hold(@bad)), 'price_changed w 7', 'price_changed');
is(join(' ', $r->hold(@bad, price => 7, amount => 15)), 'price_changed  14',
   'price_changed: the total');
is(join(' ', $r->hold(@bad, price => 7, amount => 14)), 'limit_reached w ',
   'limit_reached, none open');
$r->put(sku => 'w', sale => 'window', stock => 1, limit => 3, price => 7);
is(join(' ', $r->hold(@bad, price => 7)), 'sold_out w 1 0', 'sold_out');

{
    local $r->{journal_max} = 1;
    is(join(' ', $r->hold(sku => 'w', price => 7)), 'backlog', 'backlog');
}

stock_is('w', 1, 0, 'none of them took a unit');
is($r->cmd('EXISTS', $r->key('buyers:window')), 0, 'or wrote the buyer');


# limits

$r->put(sku => 'l', sale => 'limits', stock => 100, limit => 2, price => 1);
my @l = (sku => 'l', price => 1, user => 'x');
my ($l1) = ($r->hold(@l, key => 1))[1];
my ($l2) = ($r->hold(@l, key => 2))[1];

is(join(' ', $r->hold(@l, key => 3)), "limit_reached l $l2",
   'the limit, with the open order');
$r->cancel($l2);
is(join(' ', $r->hold(@l, key => 3, quantity => 2)), "limit_reached l $l1",
   'a cancelled order gives back its own units only');
@f = $r->hold(@l, key => 3);
is($f[0], 'held', 'a cancel gives the quota back');
$r->cancel($l2);
is(join(' ', $r->hold(@l, key => 4)), "limit_reached l $f[1]",
   'cancelling twice does not');

@replies = $r->holds(map { { @l, user => 'y', key => $_ } } 1 .. 10);
is_deeply(words(@replies), { held => 2, limit_reached => 8 },
          'a batch of one user: the limit holds inside it');

$r->pass(900000);
is($r->order($l1)->{status}, 'expired', 'due: reads as expired');
@f = $r->hold(@l, key => 5);
is($f[0], 'held', 'a due hold does not count, though nobody swept');
is($r->cmd('HGET', $r->key('o:' . substr $l1, 0, 17), $l1) =~ /^e2/, 1,
   'it was ended on the way');
stock_is('l', 97, 3, 'and its units are back');


# batches see themselves

$r->put(sku => 'b', sale => 'batch', stock => 100, price => 1);

@replies = $r->holds(({ sku => 'b', price => 1, user => 'z', key => 1 }) x 50);
is_deeply(words(@replies), { held => 1, replayed => 49 },
          '50 times the same attempt: one order');
is(scalar(keys %{ { map { $_->[1] => 1 } map { [ split /\t/ ] } @replies } }),
   1, 'the same one');
stock_is('b', 99, 1, 'one unit');

@replies = $r->holds(map { { sku => 'b', price => 1, user => 'z', key => 2,
                             quantity => $_ } } 1 .. 50);
is_deeply(words(@replies), { held => 1, key_reused => 49 },
          '50 bodies under one key: one order');

@replies = $r->holds(map { { sku => 'b', price => 1, user => "n$_" } }
                     1 .. 256);
is_deeply(words(@replies), { held => 98, sold_out => 158 },
          'the last unit, in a batch of 256');
stock_is('b', 0, 100, 'all of them held');
like($r->{header}, qr/\tb 0 (\d{13}) 100 1$/, 'the header tells of b');
is(($r->hold(sku => 'b', price => 1, user => 'z', key => 1))[0], 'replayed',
   "the buyer's own order, though sold out");
@f = $r->hold(sku => 'b', price => 1, user => 'new');
is("@f[0 .. 2]", 'sold_out b 0', 'sold_out');
cmp_ok($f[3], '>', $before, 'with the time at which units may come back');


# when units come back

$r->put(sku => 'short', sale => 'back', stock => 1, price => 1,
        hold_ms => 60000);
$r->put(sku => $_, sale => 'back', stock => 2, price => 1, hold_ms => 600000)
    for qw(long other);

my @long = (sku => 'long', price => 1);
my @other = (sku => 'other', price => 1);
my $long_until = ($r->hold(@long, user => 'b1', quantity => 2))[4];

$r->pass(1000);

my ($other_until, $short_until) = map { (split /\t/)[4] }
    $r->holds({ @other, user => 'b2', quantity => 2 },
              { sku => 'short', price => 1, user => 'b3' });

like($r->{header}, qr/\tother 0 $other_until 2 1\b/,
     'the header has the deadline of the SKU');
like($r->{header}, qr/\tshort 0 $short_until 1 1\b/, 'of each');
is(join(' ', $r->hold(@long, user => 'b4')), "sold_out long 0 $long_until",
   "not the sooner one of another SKU's hold");
is(join(' ', $r->hold(@other, user => 'b5')), "sold_out other 0 $other_until",
   'nor of one in the same list');
is(join(' ', $r->hold(@long, user => 'b6', quantity => 2)),
   "sold_out long 0 $long_until", 'as many as are held');
is(join(' ', $r->hold(@long, user => 'b7', quantity => 3)),
   'sold_out long 0 0', 'more than can come back');
$r->put(sku => $_, sale => 'back', stock => 100, price => 1, hold_ms => 60000)
    for qw(crowd behind);
$r->holds(map { { sku => 'crowd', price => 1, user => "c$_" } } 1 .. 70);
$r->pass(500);

my @behind = (sku => 'behind', price => 1, quantity => 100);
my $behind_until = ($r->hold(@behind, user => 'b8'))[4];

@f = $r->hold(@behind, user => 'b9');
cmp_ok($f[3], '<=', $behind_until, 'far back in its list: not too late');
cmp_ok($f[3], '>', $behind_until - 2000, 'and not much too soon');
$r->pass($behind_until - $r->pass(0));
is(($r->hold(sku => 'short', price => 1, user => 'b10'))[0], 'held',
   'at its deadline a unit is back');
@f = $r->hold(@behind, user => 'b11');
is("@f[0 .. 2]", 'sold_out behind 0', 'far back it is not yet');
cmp_ok($f[3], '<=', $r->pass(0), 'but at once');
$r->sweep;
is(($r->hold(@behind, user => 'b12'))[0], 'held', 'after a sweep');

# One whose buyer cannot be read is never released: it tells no time.
$r->put(sku => 'stuck', sale => 'stuck', stock => 2, price => 1,
        hold_ms => 60000);

my @stuck = (sku => 'stuck', price => 1);

$r->hold(@stuck, user => 's1');
$r->pass(30000);

my $stuck_until = ($r->hold(@stuck, user => 's2'))[4];

$r->cmd('HSET', $r->key('buyers:stuck'), 's1', 'garbage');
$r->pass(30001);
is(join(' ', $r->hold(@stuck, user => 's3')),
   "sold_out stuck 0 $stuck_until", 'a due hold that cannot be released');
like($r->{header}, qr/\tstuck 0 $stuck_until 2 1\b/, 'nor does it in the header');


# carts

$r->put(sku => $_, sale => 'carts', stock => 5, limit => 3, price => 100)
    for qw(c1 c2 c3);
$r->put(sku => 'c2', sale => 'carts', stock => 5, limit => 3, price => 100,
        hold_ms => 60000);

my @cart = (lines => [ [ 'c1', 2, 100 ], [ 'c2', 1, 100 ] ], sale => 'carts');

@f = $r->hold(@cart, amount => 300);
is($f[0], 'held', 'a cart');
is($f[4] - $f[3], 60000, "its hold time is the shortest");
stock_is('c1', 3, 2, 'first line');
stock_is('c2', 4, 1, 'second line');
is($r->order($f[1])->{lines}, 'c1 2 100,c2 1 100', 'its lines');
is(join(' ', $r->hold(@cart, key => 2)), "limit_reached c1 $f[1]",
   'the limit of one line refuses all');
stock_is('c2', 4, 1, 'of the other nothing was taken');
is(join(' ', $r->hold(user => 'u9', lines => [ [ 'c1', 3, 100 ],
                                               [ 'c3', 6, 100 ] ])),
   'limit_reached c3 ', 'quantity over the limit');
is(join(' ', $r->hold(user => 'u9', lines => [ [ 'c1', 1, 99 ],
                                               [ 'c3', 1, 98 ] ])),
   'price_changed c1 100', 'the first of two prices');
is(join(' ', $r->hold(user => 'u9', lines => [ [ 'c1', 1, 100 ],
                                               [ 'l', 1, 1 ] ])),
   'unknown_item l', 'a SKU of another sale');
is(join(' ', $r->hold(user => 'u9', sale => 'spring', sku => 'c1',
                      price => 100)), 'unknown_item c1', 'a wrong sale');
is(join(' ', $r->hold(user => 'u9', lines => [ [ 'c1', 3, 100 ],
                                               [ 'c1', 3, 100 ] ])),
   'broken line', 'a SKU that stands twice is refused');
stock_is('c1', 3, 2, 'and nothing was taken');
$r->hold(user => 'u8', sku => 'c1', price => 100, quantity => 2);
is((split /\t/, ($r->holds({ user => 'u9', lines => [ [ 'c1', 2, 100 ],
                                                      [ 'c2', 1, 100 ] ] },
                           { user => 'u9', key => 2, sku => 'c2',
                             price => 100 }))[0])[0], 'sold_out',
   'a cart short of one unit');
stock_is('c2', 3, 2, 'the hold after it took its own');

my @fifty;

for my $n (10 .. 59) {
    $r->put(sku => "m$n", sale => 'many', stock => 300, price => 9999999,
            limit => 1);
    push @fifty, [ "m$n", 1, 9999999 ];
}

@replies = $r->holds(map { { user => "u$_", lines => \@fifty, sale => 'many',
                             amount => 499999950 } } 1 .. 256);
is_deeply(words(@replies), { held => 256 }, '256 carts of 50 lines');
is($r->stored_item('m59')->{held}, 256, 'all lines counted');
@f = split /\t/, $replies[255];
is($r->order($f[1])->{amount}, 499999950, 'a cart of 50 lines reads well');
is(($r->cancel($f[1]))[0], 'cancelled', 'and is cancelled');
is($r->stored_item("m$_")->{held}, 255, "m$_ is back") for 10, 59;


# attempts

$r->put(sku => 'a', sale => 'attempts', stock => 1000, price => 1);
my @a = (sku => 'a', price => 1, user => 'q');

{
    local $r->{attempts_max} = 20;
    my @ids;

    for (1 .. 20) {
        @f = $r->hold(@a, key => $_);
        $r->cancel($f[1]) if $_ > 2;
        push @ids, $f[1];
    }

    is(join(' ', $r->hold(@a, key => 21)), 'too_many_attempts',
       'too many attempts');
    is(($r->hold(@a, key => 20))[0], 'replayed', 'known ones are found');
    $r->pass(23 * 3600_000);
    is(join(' ', $r->hold(@a, key => 21)), 'too_many_attempts',
       'nothing is forgotten within 23 hours');

    # the first two: one held for 30 days, one not swept
    my $bucket = $r->key('o:' . substr $ids[0], 0, 17);
    my $record = $r->cmd('HGET', $bucket, $ids[0]);

    $r->cmd('HSET', $bucket, $ids[0], $record =~ s/ 15m / 30d /r);
    $r->pass(3 * 3600_000);
    is(($r->hold(@a, key => 21))[0], 'held', 'after a day there is room');
    is(($r->hold(@a, key => 1))[0], 'replayed',
       'the attempt of an order that is still held is kept');
    is(($r->hold(@a, key => 3))[0], 'held', 'an old key is new again');
}


# texts and numbers

for my $user ("\x{e5}" x 64, 'a b', 'u' x 128, 'x+y*z', '%d%s', 'a,b', '1:2|',
              '9' x 36)
{
    my ($word, $order_id) = $r->hold(@a, user => $user);

    is($word, 'held', 'user ' . substr $user, 0, 10);
    is($r->order($order_id)->{user}, $user, 'reads back');
    is(($r->cancel($order_id, $user))[0], 'cancelled', 'cancels');
}

$r->put(sku => 'dear', sale => 'dear', stock => 1e9, price => 1e13);
@f = $r->hold(sku => 'dear', price => 10000000000000);
is($f[2], '10000000000000', 'the largest amount');
is($r->order($f[1])->{amount}, '10000000000000', 'reads back');
@f = $r->hold(sku => 'dear', price => 10000000000000, quantity => 2,
              user => 'u2');
is("@f", 'broken amount', 'an amount too large');

for my $quantity (0, -1, 1.5, '1e3', 'x', '', 1000000001) {
    is(join(' ', $r->hold(@a, user => 'v', quantity => $quantity)),
       'broken line', "quantity '$quantity'");
}


# only looking

$r->put(sku => 'look', sale => 'looks', stock => 3, limit => 2, price => 5,
        hold_ms => 7000);
my @look = (sku => 'look', price => 5, user => 'looker', look => 1);
my $still = $r->everything;

is_deeply([ $r->holds(({ @look }, { @look, key => 2, quantity => 2 }) x 25) ],
          [ ('would_hold') x 50 ], 'a look takes nothing from the next');
is_deeply($r->everything, $still, 'and writes nothing at all');
is(join(' ', $r->hold(@look, lines => [ [ 'look', 1, 5 ] ], amount => 5,
                      meta => '{}')), 'would_hold', 'with all a hold may have');

# each refusal, as of a hold
for my $case ([ price => 6 ], [ amount => 6 ], [ quantity => 3 ],
              [ sku => 'nope' ], [ sale => 'spring' ], [ user => '' ],
              [ quantity => 0 ], [ sku => 'w' ])
{
    my ($as_look, $as_hold) = map { join ' ', $r->hold(@look, @$case,
                                                       look => $_) } 1, 0;

    is($as_look, $as_hold, "refused as a hold is: @$case: $as_hold");
}

{
    local $r->{attempts_max} = 0;
    is(join(' ', $r->hold(@look)), 'too_many_attempts', 'too_many_attempts');
}

{
    local $r->{journal_max} = 1;
    is(join(' ', $r->hold(@look)), 'backlog', 'backlog');
}

is_deeply($r->everything, $still, 'nothing is written by those either');
@replies = $r->holds({ @look }, { @look, look => 0 }, { @look },
                     { @look, quantity => 2 }, { @look, key => 3 },
                     { @look, key => 4, quantity => 2 },
                     { @look, user => 'third', quantity => 2 },
                     { @look, user => 'third', quantity => 2, look => 0 },
                     { @look, user => 'fourth' });
is(join(' ', map { (split /\t/)[0] } @replies), 'would_hold held replayed '
   . 'key_reused would_hold limit_reached would_hold held sold_out',
   'among holds: it sees them');
is((split /\t/, $replies[2])[1], (split /\t/, $replies[1])[1],
   'a replay has its order');
stock_is('look', 0, 3, 'the holds took theirs');
$r->pass(7000);
is(join(' ', $r->hold(@look, user => 'fifth', quantity => 2)), 'would_hold',
   'what is due is there again');
stock_is('look', 3, 0, 'as it ended by the look');
ok(PaytradeRedis::is_error($r->script('hold', 1e6, 256, 'u', '', ('0' x 16) x 2,
   '', '', $_, 'look', 1, 5)), "a count of lines that is none: '$_'")
    for '-0', '--1', '-', '-51', '-2', '-1x', '+1';


# memory: records of 36-character users stay short

@f = $r->hold(@a, user => 'f' x 36, key => 'm');
my $rec = $r->cmd('HGET', $r->key('o:' . substr $f[1], 0, 17), $f[1]);
cmp_ok(length $rec, '<=', 64, "a record of 64 bytes at most: $rec");
$r->hold(@a, user => 'f' x 128, key => 'n',
         meta => '{"k":"' . 'v' x 900 . '"}');
is($r->cmd('OBJECT', 'ENCODING', $r->key('o:' . substr $f[1], 0, 17)),
   'listpack', 'one long record does not convert its bucket');

done_testing;
