# Redis refuses: out of memory, no rights, read-only, a replica, a server that
# cannot save.  Nothing is changed by halves.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

# What a user needs, for the manual.
my @COMMANDS = qw(+evalsha +eval +script|load +time +scan +get +set +del
    +exists +unlink +hdel +hexists +hget +hgetall +hlen +hmget +hscan +hset
    +lindex +llen +lrange +lrem +ltrim +rpop +rpush +sadd +sismember +smembers
    +srem +xadd +xack +xdel +xlen +xpending +xrange +xtrim +xinfo|stream
    +xinfo|groups +zadd +zrange +zrangebyscore +zrem +zscore);

my $r = PaytradeRedis->start;


# The dump of every key but the clock.
my $admin = $r;

sub all_keys {
    my %all;

    for my $key (@{ $admin->cmd('KEYS', '*') }) {
        $all{$key} = $admin->cmd('DUMP', $key) if $key !~ /clock$/;
    }

    return \%all;
}

sub error_of {
    my ($reply) = @_;

    return PaytradeRedis::is_error($reply) // "no error: @$reply";
}

sub hold_error {
    return error_of($r->script('hold', 1000000, 256,
                               PaytradeRedis::hold_op(user => 'new', @_)));
}


$r->adopt;
$r->put(stock => 1000);
$r->cmd('XGROUP', 'CREATE', $r->key('journal'), 'postgres', 0);
my @ids = map { ($r->hold(user => "u$_"))[1] } 1 .. 20;


# out of memory

my $before = all_keys();

$r->cmd('CONFIG', 'SET', 'maxmemory', 1);
like(hold_error(), qr/^OOM/, 'out of memory: a hold is refused');
is_deeply(all_keys(), $before, 'and nothing changed');
like(error_of($r->script('catalog', PaytradeRedis::put_op(sku => 'x'))),
     qr/^OOM/, 'an item too');
is(($r->cancel($ids[0]))[0], 'cancelled', 'a cancel works');
is($r->order($ids[0])->{status}, 'cancelled', 'a read too');
my ($entry) = @{ $r->cmd('XRANGE', $r->key('journal'), '-', '+', 'COUNT', 1) };
is(($r->op('ack', $entry->[0], 1))[0], 'ok', 'an ack too');
$r->cmd('CONFIG', 'SET', 'maxmemory', 0);
$r->pass(900000);
$r->cmd('CONFIG', 'SET', 'maxmemory', 1);
is(($r->sweep)[0], 19, 'a sweep too');
is(($r->op('restore', 'adopt', 1, 0))[0], 'adopted', 'an adoption too');
$r->cmd('CONFIG', 'SET', 'maxmemory', 0);
is(($r->hold(user => 'new'))[0], 'held', 'with memory: held');


# a server that cannot save, one without its replicas, a replica

$before = all_keys();
$r->cmd('CONFIG', 'SET', 'min-replicas-to-write', 1);
like(hold_error(key => 2), qr/^NOREPLICAS/, 'NOREPLICAS');
like(error_of($r->script('close', 'sweep', 2, 1, 1)), qr/^NOREPLICAS/,
     'for all that writes');
is($r->item->{stock}, 1000, 'but read');
$r->cmd('CONFIG', 'SET', 'min-replicas-to-write', 0);
$r->cmd('REPLICAOF', '127.0.0.1', 1);
like(hold_error(key => 2), qr/^READONLY/, 'READONLY');
$r->cmd('REPLICAOF', 'NO', 'ONE');
is_deeply(all_keys(), $before, 'nothing changed');


# rights

is($r->cmd('ACL', 'SETUSER', 'shop', 'on', '>secret', '~{pt:*}:*', '-@all',
           @COMMANDS, '+auth', '+info'), 'OK', 'a user with what is needed');

sub as_shop {
    my $other = $admin->clone;

    is($other->cmd('AUTH', 'shop', 'secret'), 'OK', 'AUTH');

    return $other;
}

$r = as_shop();
is(($r->op('restore', 'state'))[0], 'state', 'state');
is(($r->op('restore', 'adopt', 1, 0))[0], 'adopted', 'adopt');
is(($r->put(sku => 'acl', sale => 'acl', stock => 5, hold_ms => 1000))[0],
   'created', 'put');
is(($r->op('catalog', 'restock', 3, 'acl', 5, 'q'))[0], 'changed', 'restock');
is(($r->op('catalog', 'pause', 2, 'acl', 1))[0], 'changed', 'pause');
$r->op('catalog', 'pause', 2, 'acl', 0);

my $id = ($r->hold(user => 'acl', sku => 'acl', meta => '1'))[1];

ok($id, 'hold');
is(($r->hold(user => 'acl', sku => 'acl', meta => '1'))[0], 'replayed',
   'replay');
is(($r->hold(user => 'bcl', sku => 'acl', quantity => 10))[0], 'sold_out',
   'sold_out');
is($r->order($id)->{status}, 'held', 'read');
is(($r->op('read', 'items', 1, 'acl'))[0] =~ /^items/, 1, 'items');
is(($r->op('read', 'audit', 2, '', 10))[0], 'audit', 'audit');
is(($r->cancel($id, '', 'c-9'))[0], 'cancelled', 'cancel');

$r->put(sku => 'pay', sale => 'acl', stock => 5, hold_ms => 100000);
$id = ($r->hold(user => 'pcl', sku => 'pay'))[1];

my $no = ($r->pay(user => 'pcl', orders => [ $id ]))[1];

ok($no, 'pay');
is(($r->settle([ 'refunded', $no, 'alipay', 't', 500000, '', 'r', 1, 0 ]))[0]
   =~ /^settled_refunded/, 1, 'settle');
is(($r->settle([ 'orphan', 'x', 'alipay', 'o', 1, '', 'x', 0, '' ]))[0],
   "orphan\t1", 'orphan');
is(ref $r->payment($no), 'HASH', 'read it');
$admin->cmd('XGROUP', 'CREATE', $r->key('events'), 'g', 0);
$admin->cmd('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 1, 'STREAMS',
            $r->key('events'), '>');
is(($r->op('events', 'trim', 1, 0))[0], 'trimmed', 'events');
$r->hold(user => 'dcl', sku => 'acl');
$admin->pass(1000);
is(($r->sweep)[0], 1, 'sweep');
$admin->hold(user => 'fill', key => "f$_") for 1 .. 120;
$admin->pass(30 * 86400_000);
$r->sweep(1000, 5000);
$admin->pass(10 * 86400_000);
my @waiting = map { ($_->[0], @{ $_->[1] } / 2) }
              @{ $admin->cmd('XRANGE', $r->key('journal'), '-', '+') };
is(($r->op('ack', @waiting))[0], 'ok', 'ack');
$r->sweep(1000, 5000);
cmp_ok(($r->sweep(1000, 5000))[1], '>', 0, 'purge');

my $cursor = 0;

do { $cursor = ($r->op('restore', 'clear', 3, $cursor))[1] } while $cursor;
is(($r->op('restore', 'items', 3, join "\t", qw(p30 spring P30 500000 5 5 0 0
           0 0 253402300799999 1000 1 0)))[0], 'loaded', 'rebuild');
is(($r->op('restore', 'finish', 3, 1, '1' x 19, '9999999999999-1'))[0],
   'finished', 'finish');
ok(($r->hold)[1], 'hold after it');

# each command is needed, and missing it is told before anything is sold
for my $command (grep { !/evalsha|\+eval$|script|xrange|hscan/ } @COMMANDS) {
    my ($name) = $command =~ /^\+(\w+)/;
    my $minus = $command =~ s/^\+/-/r;

    $admin->cmd('ACL', 'SETUSER', 'shop', $minus);

    my $reply = $r->script('restore', 'state');

    like(error_of($reply), qr/^NOPERM the user has no right to .*\b$name\b/i,
         "state tells that $name is missing");
    $admin->cmd('ACL', 'SETUSER', 'shop', $command);
}

is(($r->op('restore', 'state'))[0], 'state', 'all rights again');

# keys it may not touch: refused before the first write
$r->put(sku => 'pay', sale => 'acl', stock => 5, hold_ms => 100000);

$id = ($r->hold(user => 'keys', sku => 'pay'))[1];
$no = ($r->pay(user => 'keys', orders => [ $id ]))[1];

for my $key ('item:*', 'buyers:*', 'o:*', 'due:*', 'hold_times', 'journal',
             'clock', 'buckets', 'sale:*', 'p:*', 'events', 'r:*')
{
    my @all = qw(item:* buyers:* o:* m:* due:* hold_times journal clock epoch
                 buckets sale:* skus later ops purging p:* r:* events
                 orphans);

    $admin->cmd('ACL', 'SETUSER', 'shop', 'resetkeys', '~{pt:0}:',
                map { "~{pt:0}:$_" } grep { $_ ne $key } @all);
    # the next hold opens a new bucket, of a hold time that is new
    $admin->cmd('DEL', map { $r->key($_) } 'hold_times', 'due:1000');
    $admin->pass(20000);

    my $old = all_keys();
    my $error = hold_error(user => "k$key", price => 500000);
    my $new = all_keys();

    if ($key ne 'r:*') {
        like($error, qr/NOPERM|No permissions|can't access/i,
             "no right to $key");
        is_deeply($new, $old, 'and nothing changed');
    }

    next if $key =~ /due|hold_times|sale|buckets/;

    # one that settles and gives back needs all of them
    my $reply = $r->script('settle', 'refund', 8, $no, 'alipay', "t$key",
                           500000, '', 'r', 500000, 0);

    like(error_of($reply), qr/NOPERM|No permissions|can't access/i,
         "settle: no right to $key");
    is_deeply(all_keys(), $new, 'and nothing changed');
}

$admin->cmd('ACL', 'SETUSER', 'shop', 'resetkeys', '~{pt:*}:*');
is(($r->hold(user => 'k'))[0], 'held', 'with all rights: held');

done_testing;
