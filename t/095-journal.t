# The journal between Redis and PostgreSQL: when it is full, when a consumer
# died with entries, when the group or the stream is gone.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;
use Time::HiRes qw(sleep time);

my $journal = '{pt:0}:journal';
my $body = '{"sku":"p30","quantity":1,"unit_price":"5000.00"}';


sub hold {
    my ($user, $key) = @_;

    return http('POST', '/orders', $body, 'X-User' => $user,
                'Idempotency-Key' => $key || 'k');
}


sub id {
    return $_[0]{content} =~ /"order_id":"(\d+)"/ ? $1 : '';
}


sub code {
    return $_[0]{content} =~ /"code":"(\w+)"/ ? $1 : $_[0]{status};
}


sub hold_many {
    my ($name, $count) = @_;
    my $n = 0;
    my @outcomes = load(port => port(), clients => 20, seconds => 20,
                        next => sub {
        return if $n++ >= $count;
        return { method => 'POST', path => '/orders', body => $body,
                 headers => { 'X-User' => "$name-$n" } };
    });

    return order_ids(@outcomes);
}


sub rows {
    return psql('SELECT count(*) FROM paytrade.orders');
}


start_nginx(workers => 2, http => 'paytrade_journal_max 5;');
put_item('p30', stock => 1000, limit => 0);
ok(journal_drained(), 'the item is in PostgreSQL');


# Full: PostgreSQL is away.
stop_postgres();
my @held = map { hold("u$_") } 1 .. 5;

is(scalar(grep { $_->{status} == 201 } @held), 5, 'five holds wait');
is(redis('HGET', '{pt:0}:clock', 'waiting'), 5, 'Redis says so');

my $refused = hold('u6');
is($refused->{status}, 503, 'the sixth is refused');
is(code($refused), 'unavailable', 'unavailable');
ok($refused->{headers}{'retry-after'}, 'with Retry-After');
is(item('p30')->{held}, 5, 'and takes nothing');
is(redis('HEXISTS', '{pt:0}:buyers:spring', 'u6'), 0, 'and leaves nothing');

my $replay = hold('u1');
is($replay->{status}, 200, 'a replay goes on');
is(id($replay), id($held[0]), 'with its order');
is(code(http('POST', '/orders', $body =~ s/5000/5001/r, 'X-User' => 'u7')),
   'price_changed', 'the other refusals come before');
is(http('DELETE', '/orders/' . id($held[1]), undef, 'X-User' => 'u2')
   ->{status}, 200, 'a cancel goes on');
is(item('p30')->{held}, 4, 'its unit is back');
is(redis('HGET', '{pt:0}:clock', 'waiting'), 6, 'and waits too');
is(hold('u8')->{status}, 503, 'holds are still refused');
is(http('GET', '/orders/' . id($held[1]), undef, 'X-User' => 'u2')->{status},
   200, 'orders are read');
like(http('GET', '/paytrade/status')->{content}, qr/"waiting":6/,
     'the status tells what waits');

start_postgres();
ok(journal_drained(), 'it drains by itself');
is(psql('SELECT status, count(*) FROM paytrade.orders GROUP BY 1 ORDER BY 1'),
   "cancelled|1\nheld|4", 'all has arrived');
ok(until_true(sub { hold('u6')->{status} == 201 }, 5), 'and holds go on');
ok(journal_drained(), 'drained');
ok(stop_nginx(), 'nginx leaves');


# Another consumer took entries and died with them.
start_nginx(workers => 2);
my @ids = hold_many('a', 50);
ok(journal_drained(), 'fifty orders');
ok(stop_nginx(), 'nginx leaves');

# Orders that wait while no worker reads them are made by a worker that cannot
# write.
stop_postgres();
start_nginx(workers => 2);
@ids = hold_many('b', 60);
is(scalar @ids, 60, 'sixty holds without PostgreSQL');
my $before = redis('XLEN', $journal);
cmp_ok($before, '>', 0, 'entries wait');
ok(stop_nginx(), 'nginx leaves although they wait');
is(redis('XLEN', $journal), $before, 'and leaves them there');

start_postgres();
redis('XGROUP', 'DELCONSUMER', $journal, 'postgres', $_)
    for qw(slot-0 slot-1);
redis('XGROUP', 'SETID', $journal, 'postgres', 0);
redis('XREADGROUP', 'GROUP', 'postgres', 'slot-7', 'COUNT', 1000, 'STREAMS',
      $journal, '>');
like(redis('XPENDING', $journal, 'postgres'), qr/^$before\n.*slot-7/s,
     'all of them pending at a dead consumer');

my $rows = rows();
start_nginx(workers => 2);
hold_many('c', 5);
ok(journal_drained(40), 'they are taken over');
is(rows(), $rows + 65, 'all are in PostgreSQL');
is(redis('XPENDING', $journal, 'postgres') =~ /^0/, 1, 'none is pending');


# The group is gone.
redis('XGROUP', 'DESTROY', $journal, 'postgres');
my @after = hold_many('d', 10);
is(scalar @after, 10, 'holds go on without the group');
ok(journal_drained(20), 'it is made again');
is(rows(), $rows + 75, 'and nothing is missing');

stop_postgres();
@after = hold_many('e', 10);
is(scalar @after, 10, 'ten wait');
redis('XGROUP', 'DESTROY', $journal, 'postgres');
start_postgres();
ok(journal_drained(20), 'made again at the beginning: they arrive');
is(rows(), $rows + 85, 'and nothing is missing');


# The stream is gone, with nothing in it: nothing is lost.
redis('DEL', $journal);
@after = hold_many('f', 10);
cmp_ok(scalar @after, '>=', 0, 'asked without the stream');
ok(until_true(sub {
    push @after, hold_many('g' . rand, 1);
    same_orders(\@after) && redis('EXISTS', $journal);
}, 20), 'the stream comes back');
ok(same_orders(\@after), 'what was answered 201 is in PostgreSQL');
ok(journal_drained(20), 'the journal drains');
my $item = item('p30');
is($item->{available} + $item->{held}, 1000, 'the balance holds');
is(psql("SELECT count(*) FROM paytrade.orders WHERE status = 'held'"),
   $item->{held}, 'as many are held as in Redis');

my $drift;
until_true(sub { $drift = drift(); $drift->{status} == 200 }, 20);
is($drift->{status}, 200, 'Redis and PostgreSQL agree')
    or diag(substr $drift->{content}, 0, 600);
is(psql('SELECT count(*) FROM paytrade.dead_letter'), 0, 'no dead letter');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
