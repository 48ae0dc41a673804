# The last units: 2,000 buyers at a time for 100 units, two workers.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;

my $buyers = 2000;

start_nginx(workers => 2);
put_item('p30', stock => 100, limit => 1);

my $seed = $ENV{PT_SEED} || time;
srand $seed;
diag("PT_SEED=$seed");


sub order_of {
    my ($n, %more) = @_;

    return {
        method => 'POST', path => '/orders', tag => $n,
        headers => { 'X-User' => "buyer-$n", 'Idempotency-Key' => "key-$n" },
        body => '{"sku":"p30","quantity":1,"unit_price":"5000.00"}',
        %more,
    };
}


my $n = 0;
my %cut;
my $watcher = watch_balance('p30');

my @outcomes = load(
    port => port(), clients => $buyers, seconds => 60,
    next => sub {
        return if $n >= $buyers;
        $n++;
        $cut{$n} = 1 if rand() < 0.05;
        return order_of($n, cut => $cut{$n});
    },
);

my ($checks, $wrong) = end_watch($watcher);

my %by_status;
$by_status{$_->{status}}++ for @outcomes;
diag(join ', ', map { "$_: $by_status{$_}" } sort keys %by_status);

is(scalar @outcomes, $buyers, 'every request has an outcome');
cmp_ok($checks, '>', 3, 'the balance was read on the way');
is($wrong, 0, 'available + held + sold = stock at every reading');

my @refused = grep { $_->{status} == 409 } @outcomes;
is(scalar(grep { $_->{answer} !~ /"code":"sold_out"/ } @refused), 0,
   'the others are refused as sold_out');
is(($by_status{201} || 0) + @refused + keys %cut, $buyers,
   'nothing else is answered');

# Those who lost their answer ask again with their key.
my @again = sort { $a <=> $b } keys %cut;
my @told = load(port => port(), clients => 50, seconds => 30,
                next => sub { my $n = shift @again; $n && order_of($n) });

my @ids = order_ids(@outcomes, @told);
my %ids = map { $_ => 1 } @ids;

is(scalar(keys %ids), 100, 'exactly 100 orders in all');
is(scalar @ids, 100, 'each told once');
is(scalar(grep { $_->{status} == 200
                 && $_->{headers_in} !~ /Idempotency-Replayed: true/ } @told),
   0, 'a found order is told as such');

is_deeply(item('p30'), { stock => 100, available => 0, held => 100, sold => 0 },
          'Redis has no unit left');
ok(same_orders(\@ids, 1), 'PostgreSQL has exactly these orders');
is(psql('SELECT count(*), count(DISTINCT user_id), sum(amount)'
        . ' FROM paytrade.orders'), '100|100|50000000',
   'one for each buyer, at the price');
ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
