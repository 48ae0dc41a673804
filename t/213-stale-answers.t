# What was learnt of one Redis must not be believed of the next, and a rebuild
# must not begin before PostgreSQL has all that the journal holds.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use Test::More;
use Time::HiRes 'sleep';


sub hold {
    my ($user) = @_;

    return http('POST', '/orders',
                '{"sku":"p30","quantity":1,"unit_price":"5000.00"}',
                'X-User' => $user)->{status};
}


sub hold_when_open {
    my ($user) = @_;
    my $status;

    until_true(sub { $status = hold($user); $status != 503 }, 20);
    return $status;
}


# A transaction of somebody who keeps a table for a while.
sub lock_table {
    my ($table, $mode) = @_;

    open my $psql, '|-', 'psql', '-XAtq' or die "psql: $!";
    $psql->autoflush(1);
    print $psql "BEGIN; LOCK TABLE paytrade.$table IN $mode MODE;\n";
    until_true(sub { psql("SELECT count(*) FROM pg_locks"
                          . " WHERE relation = 'paytrade.$table'::regclass"
                          . ' AND granted') > 0 }, 5);

    return $psql;
}


# A batch is under way from a Redis that then goes back.
start_nginx(workers => 1);
put_item('p30', stock => 1);
ok(journal_drained(), 'under way: the journal is empty');
save_redis('before');

my $lock = lock_table('orders', 'SHARE');
is(hold('u1'), 201, 'under way: the only unit is held');
sleep 0.5;
put_back_redis('before');

for (1 .. 10) {
    isnt(hold('u2'), 201, 'under way: nobody else gets it') or last;
    sleep 0.2;
}

print $lock "COMMIT;\n";
close $lock;
is(hold_when_open('u2'), 409, 'under way: it is sold out afterwards');
is(item('p30')->{held}, 1, 'under way: the hold is there again');
is(drift()->{status}, 200, 'under way: Redis and PostgreSQL agree');
ok(stop_nginx(), 'under way: nginx leaves');


# PostgreSQL answers slowly about one Redis, and meanwhile it is another.
empty_stores();
start_nginx(workers => 1);
put_item('p30', stock => 1);
ok(journal_drained(), 'slow answer: the journal is empty');
save_redis('older');
is(hold('u1'), 201, 'slow answer: the only unit is held');
ok(journal_drained(), 'slow answer: PostgreSQL has it');
save_redis('newer');

$lock = lock_table('progress', 'ACCESS EXCLUSIVE');
put_back_redis('newer');
sleep 1;
put_back_redis('older');
sleep 2;
print $lock "COMMIT;\n";
close $lock;

is(hold_when_open('u2'), 409, 'slow answer: nobody else gets the unit');
is(item('p30')->{held}, 1, 'slow answer: the hold is there again');
is(drift()->{status}, 200, 'slow answer: Redis and PostgreSQL agree');
ok(stop_nginx(), 'slow answer: nginx leaves');


# An operator asks for a rebuild while the journal cannot be read.
empty_stores();
start_nginx(workers => 1);
put_item('p30', stock => 10);
ok(journal_drained(), 'backlog: the journal is empty');
redis('ACL', 'SETUSER', 'default', '-xreadgroup');
sleep 1.5;
is(hold("u$_"), 201, "backlog: u$_ holds") for 1 .. 3;

is(http('POST', '/paytrade/admin/rebuild', '{"force":true}')->{status}, 202,
   'backlog: a rebuild is asked for');
sleep 1;
is(hold('u4'), 503, 'backlog: nothing is sold meanwhile');
redis('ACL', 'SETUSER', 'default', '+xreadgroup');

is(hold_when_open('u4'), 201, 'backlog: it goes on');
is(item('p30')->{held}, 4, 'backlog: no hold was forgotten');
ok(journal_drained(), 'backlog: the journal is empty');
is(psql("SELECT count(*) FROM paytrade.orders WHERE status = 'held'"), 4,
   'backlog: nor by PostgreSQL');
is(drift()->{status}, 200, 'backlog: Redis and PostgreSQL agree');
ok(stop_nginx(), 'backlog: nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
