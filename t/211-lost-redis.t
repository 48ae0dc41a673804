# A Redis that was emptied, and one that went back to an older copy of its
# files: nothing is sold that PostgreSQL knows as sold, and no id comes again.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;

start_nginx(workers => 2);
put_item('p30', stock => 40, limit => 2);
put_item('c30', stock => 10, limit => 0);

my $users = 0;
my %ids;


sub hold_some {
    my ($count, $sku) = @_;
    my @outcomes = load(port => port(), clients => 8, seconds => 20,
                        next => sub {
        return if $count-- <= 0;
        $users++;
        return { method => 'POST', path => '/orders', tag => $users,
                 headers => { 'X-User' => "user-$users",
                              'Idempotency-Key' => "key-$users" },
                 body => "{\"sku\":\"$sku\",\"quantity\":1,"
                         . '"unit_price":"5000.00","meta":{"n":1}}' };
    });

    for my $outcome (@outcomes) {
        my ($id) = order_ids($outcome) or next;

        fail("$id comes again") if $ids{$id}++;
        $outcome->{id} = $id;
    }

    return @outcomes;
}


sub taken {
    return scalar grep { $_->{status} == 201 } @_;
}


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


sub same_as_postgres {
    my ($name) = @_;
    my $drift;

    until_true(sub { $drift = drift(); $drift->{status} == 200 }, 20);
    is($drift->{status}, 200, "$name: Redis is what PostgreSQL says")
        or diag(substr $drift->{content}, 0, 800);
}


my @first = hold_some(15, 'p30');
is(taken(@first), 15, '15 of 40 units are held');
http('DELETE', "/orders/$first[$_]{id}", undef,
     'X-User' => $first[$_]{headers}{'X-User'}) for 0 .. 4;
ok(journal_drained(), 'PostgreSQL knows it');

# Emptied.
redis('FLUSHALL');
my $asked = http('POST', '/orders',
                 '{"sku":"c30","quantity":11,"unit_price":"5000.00"}',
                 'X-User' => 'greedy');
isnt($asked->{status}, 201, 'an emptied Redis does not sell');

ok(wait_for_stock('p30', 30), 'emptied: rebuilt, 10 of 40 are held');
same_as_postgres('emptied');
is(item('p30')->{held}, 10, 'emptied: ten are held');
is(taken(hold_some(35, 'p30')), 30, 'emptied: exactly the rest is sold');
is(item('p30')->{available}, 0, 'emptied: none is left');

my $replay = http('POST', '/orders', $first[9]{body},
                  %{ $first[9]{headers} });
is($replay->{status}, 200, 'emptied: an old key finds its order');
like($replay->{content}, qr/$first[9]{id}/, 'emptied: the same order');
is(http('POST', '/orders', '{"sku":"p30","quantity":2,"unit_price":"5000.00"}',
        %{ $first[9]{headers} })->{status}, 422,
   'emptied: with another body it is refused');

# Put back to an older copy.
put_item('old', stock => 20, limit => 1);
is(taken(hold_some(5, 'old')), 5, 'five are held');
ok(journal_drained(), 'PostgreSQL knows them');
save_redis('older');
is(taken(hold_some(10, 'old')), 10, 'ten more after the copy');
ok(journal_drained(), 'PostgreSQL knows them too');

put_back_redis('older');
ok(wait_for_stock('old', 5), 'put back: rebuilt, 5 of 20 are left');
same_as_postgres('put back');
is(taken(hold_some(20, 'old')), 5, 'put back: exactly the rest is sold');
is(item('old')->{available}, 0, 'put back: none is left');

# The first holds end as if nothing had happened.
ok(until_true(sub { all_serve('old') }, 15), 'put back: every worker serves');
is(http('DELETE', "/orders/$first[12]{id}", undef,
        'X-User' => $first[12]{headers}{'X-User'})->{status}, 200,
   'a hold from before can be cancelled');
is(item('p30')->{available}, 1, 'and its unit is free');

ok(journal_drained(), 'the journal is empty');
ok(same_orders([ keys %ids ], 1), 'PostgreSQL has all orders, and no other');
same_as_postgres('at the end');

# Put back while PostgreSQL is away: not known whether something is lost.
save_redis('same');
stop_postgres();
put_back_redis('same');
is(http('POST', '/orders', '{"sku":"p30","quantity":1,"unit_price":"5000.00"}',
        'X-User' => 'early')->{status}, 503,
   'not sold before PostgreSQL was asked');
start_postgres();
ok(until_true(sub {
    http('POST', '/orders', '{"sku":"p30","quantity":1,"unit_price":"5000.00"}',
         'X-User' => 'early')->{status} =~ /^20[01]$/;
}, 20), 'sold when it says that nothing is lost');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
