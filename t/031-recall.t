# A new zone does not know the buyers: it must not refuse one whose order is
# there to be found, not even while the SKU is marked as sold out.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;

my $buyers = 1500;
my $marks = 'paytrade_soldout_ttl 10s;';


sub order_of {
    my ($n, %more) = @_;

    return {
        method => 'POST', path => '/orders', tag => $n,
        headers => { 'X-User' => "buyer-$n", 'Idempotency-Key' => "key-$n" },
        body => '{"sku":"p30","quantity":1,"unit_price":"5000.00"}',
    };
}


sub ask {
    my (@numbers) = @_;

    return load(port => port(), clients => 16, seconds => 20,
                next => sub { my $n = shift @numbers; $n && order_of($n) });
}


sub cached {
    my $status = http('GET', '/paytrade/status')->{content};

    return $status =~ /"soldout_cached":(\d+)/ ? $1 : die $status;
}


start_nginx(workers => 2, http => $marks);
put_item('p30', stock => $buyers, limit => 1);

my @held = ask(1 .. $buyers);
is(scalar(grep { $_->{status} == 201 } @held), $buyers, 'all units are held');
ok(stop_nginx(), 'nginx leaves');

# Another nginx, with an empty zone, whose first requests come from strangers.
start_nginx(workers => 2, http => $marks, keep => 1);

my @strangers = ask(10_001 .. 10_020);
is(scalar(grep { $_->{status} == 409 } @strangers), 20, 'strangers get none');

my @again = ask(reverse 1 .. $buyers);
is(scalar(grep { $_->{status} == 200 } @again), $buyers,
   'every buyer finds the order');

ok(until_true(sub { ask(20_001 .. 20_010); cached() > 0 }, 10),
   'the marks are used once the buyers are known');

@again = ask(1 .. $buyers);
is(scalar(grep { $_->{status} == 200 } @again), $buyers,
   'and still every buyer finds the order');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
