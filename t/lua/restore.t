# The script restore: adopting a server, emptying it, loading it again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start;
my (@f, %state);


sub restore { return join ' ', $r->op('restore', @_) }

sub state {
    my @words = $r->op('restore', 'state');
    my %s;

    @s{qw(word run epoch fresh partitions journal waiting now)} = @words;

    return \%s;
}

sub clear {
    my ($epoch) = @_;
    my ($cursor, $calls) = (0, 0);

    do {
        $cursor = ($r->op('restore', 'clear', $epoch, $cursor))[1];
        $calls++;
    } while ($cursor ne '0');

    return $calls;
}


# state and adopt

my $s = state();

is("$s->{run}|$s->{epoch}|$s->{fresh}|$s->{partitions}|$s->{journal}",
   '||||', 'an empty server');
is(restore('adopt', 4, 0), 'adopted', 'adopt');
is(restore('adopt', 2, 0), 'partitions 4', 'another number of partitions');
$s = state();
is("$s->{run}|$s->{epoch}|$s->{fresh}|$s->{partitions}",
   "$r->{run_id}|||4", 'state after it');
restore('adopt', 4, 1);
is(state()->{fresh}, 1, 'fresh');
is($r->cmd('HEXISTS', $r->key('clock'), 'ids'), 0, 'ids do not jump at first');
$r->put(stock => 1000, limit => 3);
my $first = ($r->hold)[1];
restore('adopt', 4, 0);
my $second = ($r->hold(user => 'u2'))[1];
cmp_ok(substr($second, 0, 13) - substr($first, 0, 13), '<', 60000,
       'adopted again by the same run: no jump');
is(state()->{journal}, ($r->cmd('XREVRANGE', $r->key('journal'), '+', '-',
                                'COUNT', 1))->[0][0], 'last id of the journal');
is(state()->{waiting}, 3, 'operations waiting');

$r->{run_id} = 'another';
is(join(' ', $r->hold), 'restarted', 'not yet adopted');
restore('adopt', 4, 0);
is($r->cmd('HEXISTS', $r->key('clock'), 'fresh'), 0, 'not fresh');
my $third = ($r->hold(user => 'u3'))[1];
cmp_ok(substr($third, 0, 13) - substr($second, 0, 13), '>=', 60000,
       'another run: ids jump a minute ahead');
ok($r->order($third)->{created} - $r->order($second)->{created} < 60000,
   'created_at does not');
is(($r->hold(user => 'u2'))[0], 'replayed', 'orders are still there');
is(restore('stop'), 'stopped 4', 'stop');
is(join(' ', $r->hold(user => 'u4')), 'restarted', 'then nothing is sold');
$s = state();
is("$s->{run}|$s->{epoch}", '|', 'no run, no epoch');
restore('adopt', 4, 0);
is(join(' ', $r->hold(user => 'u4')), 'no_epoch', 'nor when adopted');

for my $args ([ 'bogus' ], [ 'adopt' ], [ 'clear', 1 ], [ 'finish', 1, 2 ]) {
    ok(PaytradeRedis::is_error($r->script('restore', @$args)),
       "wrong arguments: @$args");
}


# round trip: what holds and cancels made is what a rebuild makes

$r->stop;
$r = PaytradeRedis->start;
restore('adopt', 1, 1);

my @skus = qw(a b c);

$r->put(sku => $_, sale => 's1', stock => 500, limit => 9, price => 1000,
        title => "T $_") for @skus;
$r->put(sku => 'z', sale => 's2', stock => 3, price => 5, hold_ms => 3600_000);
$r->op('catalog', 'pause', 2, 's2', 1);
$r->op('catalog', 'pause', 2, 's2', 0);
$r->op('catalog', 'pause', 2, 's1', 1);
$r->op('catalog', 'pause', 2, 's1', 0);
$r->op('catalog', 'restock', 3, 'a', 7, 'r-1');

my %orders;

sub take {
    my ($word, $id) = $r->hold(@_);

    die $word if $word ne 'held';
    $orders{$id} = { @_ };

    return $id;
}

for my $n (1 .. 300) {
    my $sku = $skus[$n % 3];
    my @meta = $n % 10 ? () : (meta => '{"n":' . $n . '}');

    if ($n % 7) {
        take(user => "user $n", key => $n, sku => $sku, price => 1000, @meta);

    } else {
        take(user => 'u' x 100 . $n, key => $n, sale => 's1', @meta,
             lines => [ [ 'a', 1, 1000 ], [ 'b', 2, 1000 ] ]);
    }
}

take(user => 'user 1', key => "again $_", sku => 'a', price => 1000)
    for 1 .. 4;
my $z = take(user => 'user z', sku => 'z', price => 5, sale => 's2');

my @ids = sort keys %orders;

$r->cancel($ids[$_ * 5], '', $_ % 2 ? '' : "c-$_") for 0 .. 30;

# payments in all states, in a bucket between two of orders: ids not divisible
# by 5 are held
my @payments;

$r->pass(20000);

for my $n (map { 5 * $_ + 1 } 0 .. 19) {
    my ($word, $no, undef, undef, $user) =
        $r->pay(user => $orders{$ids[$n]}{user}, orders => [ $ids[$n] ]);

    die $word if $word ne 'created';
    push @payments, $no;

    my $p = $r->payment($no);
    my @paid = ($no, 'alipay', "t$n", $p->{amount}, '');

    $r->settle([ 'paid', @paid, 1763000000000 + $n ]) if $n % 20 == 1;
    $r->settle([ 'closed', @paid[0 .. 2], '', '', 0 ]) if $n % 20 == 6;
    $r->settle([ 'refunded', @paid, 'r', $n, 0 ]) if $n % 20 == 11;
    $r->settle([ 'refunded', @paid, 'r', $p->{amount}, 0 ]) if $n % 40 == 11;
}


$r->pass(20000);
push @ids, take(user => 'after', sku => 'a', price => 1000);


# what PostgreSQL would give
my (%rows, %items, %sales, @admin, %payments, %refunds);

for ($r->journal) {
    my ($kind, $row) = @$_;
    my @row = split /\t/, $row, -1;

    $rows{$row[0]} = [ @row ] if $kind eq 'o';
    $items{$row[0]} = [ @row ] if $kind eq 'i';
    $sales{$row[0]} = $row if $kind eq 's';
    push @admin, $row if $kind eq 'a';
    $payments{$row[0]} = [ @row ] if $kind eq 'p';

    if ($kind eq 'f') {
        my $refund = $refunds{"$row[0]\t$row[1]"} //= [ 0, $row[6] ];

        $refund->[0] += $row[3];
    }
}

is(scalar(keys %rows), 306, 'the journal knows all orders');

is(scalar(keys %payments), 20, 'and all payments');
is(scalar(keys %refunds), 8, 'and all refunds');

my (%held, %sold, %units, %attempts);

for my $id (sort keys %rows) {
    my ($status, $user, $sale, $key, $body, $lines) =
        @{ $rows{$id} }[1, 3, 4, 9, 10, 11];

    push @{ $attempts{$sale}{$user} }, "$key $body $id";
    $units{$sale}{$user} //= {};
    next if $status !~ /held|paid|refunded/;

    for (split /,/, $lines) {
        my ($sku, $n) = split / /;

        ($status eq 'held' ? \%held : \%sold)->{$sku} += $n;
        $units{$sale}{$user}{$sku} += $n;
    }
}

for (values %payments) {
    push @{ $attempts{$_->[4]}{$_->[3]} }, "@$_[13, 14, 0]";
}

for my $sku (keys %items) {
    my ($held, $sold) = ($held{$sku} // 0, $sold{$sku} // 0);

    @{ $items{$sku} }[5 .. 7] = ($items{$sku}[4] - $held - $sold, $held, $sold);
    $items{$sku}[13] = 0;
}


# everything that can be asked
sub logical_state {
    my %all;

    for my $sku (sort keys %items) {
        $all{"item $sku"} = join '|', $r->op('read', 'item', 1, $sku);
    }

    for my $id (@ids) {
        my $o = $r->order($id);

        $all{"order $id"} = join '|', map { $_ // '' } @$o{sort keys %$o};
    }

    for my $no (@payments) {
        my %of = @{ $r->cmd('HGETALL', $r->key('r:' . substr $no, 0, 17)) };

        $all{"payment $no"} = join '|', $r->op('read', 'payment', 1, $no),
            map { /^$no/ ? "$_ $of{$_}" : () } sort keys %of;
    }

    for my $sale (keys %units) {
        for my $user (keys %{ $units{$sale} }) {
            my $value = $r->cmd('HGET', $r->key("buyers:$sale"), $user);
            my ($u, $attempts) = $value =~ /^(.*?)\|(.*)/;
            my %by_sku = map { /(.*):(.*)/
                               ? ($r->cmd('HGET', $r->key('skus'), $1), $2)
                               : () } split /,/, $u;

            $all{"buyer $sale $user"} =
                join ' ', (map { "$_=$by_sku{$_}" } sort keys %by_sku),
                $attempts;
            $all{"open $sale $user"} = join '|', sort split /\n/,
                join "\t", $r->op('read', 'orders', 2, $sale, $user);
        }
    }

    $all{ops} = join ' ', sort @{ $r->cmd('HGETALL', $r->key('ops')) };
    $all{"sale $_"} = join ' ', @{ $r->cmd('HMGET', $r->key("sale:$_"),
                                           'paused', 'version') }
        for keys %sales;

    my %h = @{ $r->cmd('HGETALL', $r->key('clock')) };

    $all{clock} = join ' ', @h{qw(run partitions waiting)};

    return \%all;
}

my $before = logical_state();
my $journal_id = state()->{journal};
my $length = $r->cmd('XLEN', $r->key('journal'));

$r->cmd('SET', 'other', 1);
$r->cmd('SET', '{pt:1}:epoch', 1);
$r->cmd('XADD', $r->key('events'), '*', 'a', 'b');
$r->cmd('SET', $r->key("filler:$_"), 1) for 1 .. 5000;

is(restore('clear', 2, 0) =~ /^cleared/, 1, 'clear begins');
is(join(' ', $r->hold), 'restarted', 'nothing is sold from then on');
is($r->script('close', 'sweep', 2, 1, 1)->[0], 'restarted', 'or closed');
is($r->script('read', 'item', 1, 'a')->[0], 'restarted', 'or read');
cmp_ok(clear(2), '>', 3, 'in steps');
is_deeply([ sort @{ $r->cmd('KEYS', '*') } ],
          [ sort 'other', '{pt:1}:epoch', map { $r->key($_) }
            qw(clock events journal) ], 'what is left');
is($r->cmd('XLEN', $r->key('journal')), $length, 'the journal stays');
is(($r->op('ack', '1-1', 1))[0], 'ok', 'ack goes on');
is(restore('items', 1, join "\t", @{ $items{a} }), 'superseded',
   'an older rebuild is refused');

# each twice: answers get lost
for (1, 2) {
    is(restore('items', 2, map { join "\t", @{ $items{$_} } } sort keys %items),
       'loaded 4', 'items');
    is(restore('sales', 2, values %sales), 'loaded 2', 'sales');
    is(restore('orders', 2, map { join "\t", @{ $rows{$_} } } sort keys %rows),
       'loaded 306', 'orders');
    is(restore('payments', 2, map { join "\t", @{ $payments{$_} } }
               sort keys %payments), 'loaded 20', 'payments');
    is(restore('refunds', 2, map { join "\t", $_, @{ $refunds{$_} } }
               sort keys %refunds), 'loaded 8', 'refunds');

    my @buyers;

    for my $sale (keys %units) {
        for my $user (keys %{ $units{$sale} }) {
            my $u = $units{$sale}{$user};

            push @buyers, join "\t", $sale, $user,
                 join(',', map { "$_ $u->{$_}" } sort keys %$u),
                 join(',', @{ $attempts{$sale}{$user} });
        }
    }

    is(restore('buyers', 2, @buyers), 'loaded ' . @buyers, 'buyers');
    is(restore('admin', 2, @admin), 'loaded ' . @admin, 'admin');
}

is(restore('items', 2, 'x'), 'broken row', 'a row that is none');
is(restore('items', 2, join "\t", @{ $items{a} }[0 .. 4], 1, 1, 1,
           @{ $items{a} }[8 .. 13]), 'broken item a', 'an item out of balance');
is(join(' ', $r->hold), 'restarted', 'still nothing is sold');

for my $change ([ 1, 'bogus' ], [ 8, 1 ], [ 9, 'x' ], [ 16, '' ], [ 0, 'x' ],
                [ 16, 'x 1 - - 0' ])
{
    my @row = @{ $payments{$payments[0]} };

    $row[$change->[0]] = $change->[1];
    like(restore('payments', 2, join "\t", @row), qr/^broken/,
         "a payment that is none: @$change");
}

for my $row ("x\tr\t1\t1", "$payments[0]\t\t1\t1", "$payments[0]\tr\tx\t1",
             "$payments[0]\tr\t1\t", "$payments[0]\tr\t1", '9' x 19
             . "\tr\t1\t1")
{
    like(restore('refunds', 2, $row), qr/^broken/, "a refund that is none: $row");
}

my $later_id = ($journal_id =~ /^(\d+)/)[0] + 500_000 . '-7';

is(restore('finish', 2, 1, '9' x 19, 'x'), 'broken journal id', 'a wrong id');
is(restore('finish', 2, 1, $ids[-1], $later_id), 'finished', 'finish');
is($r->cmd('GET', $r->key('epoch')), 2, 'the new epoch');
is_deeply(logical_state(), $before, 'the state is what it was');
cmp_ok((split /-/, state()->{journal})[0], '>', (split /-/, $later_id)[0],
       'the journal goes on behind what PostgreSQL has seen');
is($r->cmd('XLEN', $r->key('journal')), $length, 'with what it had');

is_deeply([ $r->cmd('LRANGE', $r->key('buckets'), 0, -1) ],
          [ [ sort keys %{ { map { (substr($_, 0, 17), 1) } @ids,
                             @payments } } ] ],
          'the buckets are in order, each once');

my %paid = map { ($_, $payments{$_}[1]) } @payments;
my ($unpaid) = grep { $paid{$_} eq 'unpaid' } @payments;
my ($is_paid) = grep { $paid{$_} eq 'paid' } @payments;

my $pay_row = $payments{$unpaid};

is(($r->pay(user => $pay_row->[3], orders => [ $pay_row->[16] =~ /^(\d+)/ ]))[0],
   'replayed', 'the key of a payment is known');
is(($r->settle([ 'paid', $unpaid, 'alipay', 'after', $pay_row->[8], '', 0 ]))[0]
   =~ /^settled/, 1, 'a restored payment is settled');
$pay_row = $payments{$is_paid};
is(($r->settle([ 'paid', $is_paid, 'alipay', $pay_row->[7], $pay_row->[8], '',
                 0 ]))[0], join("\t", 'duplicate', @$pay_row),
   'one that was paid is a duplicate');

for my $name (sort keys %refunds) {
    my ($no, $refund_no) = split /\t/, $name;
    my $trade_no = $payments{$no}[7];

    is(join(' ', map { /^(\w+)/ } $r->settle(
                [ 'refund', $no, 'alipay', $trade_no, '', '', $refund_no,
                  $refunds{$name}[0], 0 ],
                [ 'refund', $no, 'alipay', $trade_no, '', '', $refund_no,
                  $refunds{$name}[0] + 1, 0 ])), 'duplicate mismatch',
       "a restored refund is known: $refund_no");
}

my $new = take(user => 'new', sku => 'a', price => 1000);

cmp_ok(substr($new, 0, 13), '>=', substr($ids[-1], 0, 13) + 60000,
       'ids go on a minute ahead');
is(($r->hold(user => 'user 1', key => 'again 1', sku => 'a',
             price => 1000))[0], 'replayed', 'a key is known');
is(($r->hold(user => 'user 5', key => 'x', sku => 'c', price => 1000,
             quantity => 9))[0], 'limit_reached', 'a limit is kept');
is(($r->op('catalog', 'restock', 3, 'a', 7, 'r-1'))[0], 'replayed',
   'a request is known');
is(($r->op('catalog', 'restock', 3, 'a', 8, 'r-1'))[0], 'key_reused',
   'and what it asked for');
is(($r->cancel($new))[0], 'cancelled', 'a new order is cancelled');

my @held = grep { $rows{$_}[1] eq 'held' } @ids;

is(($r->cancel($held[0]))[0], 'cancelled', 'a restored one too');
is(($r->sweep)[3], $rows{$held[0]}[7],
   'the next deadline is known (that of a closed one at worst)');
$r->pass(900000);
for (1 .. 20) { last if !($r->sweep(100))[2] }
is($r->stored_item($_)->{held}, 0, "all holds of $_ ended") for @skus;
is($r->stored_item('z')->{held}, 1, 'that of another hold time not yet');
$r->pass(3600_000);
$r->sweep;
is($r->stored_item('z')->{held}, 0, 'but then');
is($r->cmd('ZCARD', $r->key('later')), 0, 'later is empty');
$r->pass(86400_000 * 30);
$r->hold(user => 'last', sku => 'a', price => 1000);
$r->sweep(100, 5000) for 1 .. 3;
$r->op('ack', map { ($_->[0], @{ $_->[1] } / 2) }
       @{ $r->cmd('XRANGE', $r->key('journal'), '-', '+') });
for (1 .. 100) { last if !($r->sweep(100, 5000))[2] }
is($r->cmd('LLEN', $r->key('buckets')), 1, 'restored buckets are purged');


# a rebuild by another worker with a newer epoch

clear(5);
is(restore('clear', 4, 0), 'superseded', 'an older one cannot begin');
is(restore('finish', 4, 1, $ids[-1], ''), 'superseded', 'or finish');
is(restore('finish', 5, 1, '', ''), 'finished', 'the newer one can');
is($r->cmd('EXISTS', $r->key('ops')), 0, 'an empty shop');

done_testing;
