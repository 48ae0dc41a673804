# The window of an item: to the second, by the clock of Redis.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use POSIX 'strftime';
use Test::More;
use Time::HiRes qw(sleep time);

start_nginx(workers => 2);

my $opens = int(time) + 2;
my $closes = $opens + 2;


sub hold {
    return http('POST', '/orders',
                '{"sku":"p30","quantity":1,"unit_price":"5000.00"}',
                'X-User' => 'u1');
}


sub at {
    return strftime '%Y-%m-%dT%H:%M:%SZ', gmtime $_[0];
}


put_item('p30', starts_at => at($opens), ends_at => at($closes));

my $early = hold();
my $left = $opens - time;

is($early->{status}, 409, 'too early');
like($early->{content}, qr/"code":"not_started"/, 'not_started');
like($early->{content}, qr/"starts_at":"\Q@{[ substr at($opens), 0, 19 ]}\E/,
     'when it starts');
cmp_ok($early->{headers}{'retry-after'}, '>=', $left, 'Retry-After is enough');
cmp_ok($early->{headers}{'retry-after'}, '<=', $left + 1.5, 'and not too much');

my ($taken, %codes) = (0);

while (time < $closes + 0.5) {
    my $answer = hold();
    my ($code) = $answer->{content} =~ /"code":"(\w+)"/;

    $taken++ if $answer->{status} == 201;
    $codes{$code || $answer->{status}}++;
    sleep 0.03;
}

cmp_ok($taken, '>', 10, 'holds are taken in between');
is_deeply([sort keys %codes], [qw(201 ended not_started)],
          'not_started, then held, then ended');
is(hold()->{status}, 409, 'too late');
ok(journal_drained(), 'PostgreSQL has them all');
is(psql("SELECT count(*), bool_and(created_at >= to_timestamp($opens)"
        . " AND created_at < to_timestamp($closes)) FROM paytrade.orders"),
   "$taken|t", 'each of them was made while the window was open');
is(item('p30')->{held}, $taken, 'and so many are held');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
