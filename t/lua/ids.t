# Ids: never twice, growing, whatever the clock, the server or the load does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start('--appendonly', 'yes', '--appendfsync', 'no');
my (%seen, $user, $newest);
my $disordered = 0;


# n holds in batches of $batch
sub take {
    my ($n, $batch) = @_;

    for (1 .. $n / $batch) {
        for ($r->holds(map { { user => 'u' . $user++ } } 1 .. $batch)) {
            my ($word, $id, undef, $created) = split /\t/;

            die "$word $id" if $word ne 'held';
            $seen{$id}++;
            $disordered++ if defined $newest && $id le $newest;
            $newest = $id;
        }
    }
}

sub jump { substr($newest, 0, 13) - $_[0] }


$user = 1;
$r->adopt;
$r->put(stock => 1_000_000);
take(12000, 200);
is(scalar(keys %seen), 12000, '12,000 ids, each once');
is($disordered, 0, 'growing');
take(600, 1);
is(scalar(keys %seen), 12600, '600 calls of one');

my @buckets = @{ $r->cmd('LRANGE', $r->key('buckets'), 0, -1) };

is(join(' ', @buckets), join(' ', sort keys %{ { map { (substr($_, 0, 17), 1) }
                                                 keys %seen } }),
   'the list of buckets has them all, in order');
cmp_ok(@buckets, '<=', 128, 'at about 100 ids a bucket');


# a full millisecond: the clock stands still in the future

my $ahead = $r->pass(3600_000);

take(25000, 250);
is(scalar(keys %seen), 37600, '25,000 in one millisecond of the clock');
is($disordered, 0, 'growing');
is(jump($ahead), 2, 'a full sequence goes on in the next millisecond');
is($r->order($newest)->{created}, $ahead, 'created_at is the clock');


# a bucket is open for 10 s at most

my $old = substr $newest, 0, 17;

$r->pass(9000);
take(1, 1);
is(substr($newest, 0, 17) =~ /^\d{17}$/, 1, 'goes on');
take(1, 1);
$old = substr $newest, 0, 17;
$r->pass(9990);
take(1, 1);
is(substr($newest, 0, 17), $old, 'after 9.99 s the bucket is still open');
my $now = $r->pass(20);
take(1, 1);
is(substr($newest, 0, 13), $now, 'after 10 s a new one is opened');


# the clock goes back

$r->cmd('HSET', $r->key('clock'), 'last', 0);
take(500, 50);
is($disordered, 0, 'ids do not follow a clock that goes back');


# another server process: run_id changes

my $before = $newest;

$r->stop;
$r->boot;
is(join(' ', $r->hold(user => 'x')), 'restarted', 'restarted');
$r->adopt(0);
take(500, 50);
is($disordered, 0, 'growing over a restart');
cmp_ok(jump(substr $before, 0, 13), '>=', 60000, 'a minute ahead');

# an old file: the server forgets the last 500
my @forgotten = @{ $r->cmd('LRANGE', $r->key('buckets'), -5, -1) };
my ($ms) = $before =~ /^(.{13})/;

$r->pass(1000);               # time goes on meanwhile
$r->cmd('DEL', map { $r->key("o:$_") } @forgotten);
$r->cmd('HSET', $r->key('clock'), 'ids', "$ms " . (substr($before, 15) + 1));
$r->{run_id} = 'an old file';
$r->adopt(0);
cmp_ok($r->cmd('HGET', $r->key('clock'), 'ids'), 'gt', $before,
       'ids are ahead of what was known');
take(500, 50);
is(scalar(grep { $_ > 1 } values %seen), 0, 'and never issued again')
    or diag 'the server lost ids made within the minute';

# a bucket that exists is never opened again
my ($id_ms, $id_seq) = split / /, $r->cmd('HGET', $r->key('clock'), 'ids');

$id_seq = int(($id_seq + 99) / 100) * 100;
$r->cmd('HSET', $r->key('clock'), 'ids', "$id_ms $id_seq");
$r->cmd('HSET', $r->key(sprintf 'o:%s00%02d', $id_ms, $id_seq / 100), 'x', 'x');
take(1, 1);
isnt(substr($newest, 0, 17), sprintf('%s00%02d', $id_ms, $id_seq / 100),
     'a bucket with anything in it is passed over');

# the open bucket of a wrong type
$r->cmd('DEL', $r->key('o:' . substr $newest, 0, 17));
$r->cmd('SET', $r->key('o:' . substr $newest, 0, 17), 'x');
take(1, 1);
is(scalar(grep { $_ > 1 } values %seen), 0, 'selling goes on in another');

cmp_ok(scalar(keys %seen), '>', 38000, keys(%seen) . ' ids in all');

done_testing;
