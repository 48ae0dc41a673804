# What PostgreSQL refuses for good goes to the dead letter, alone; what it
# refuses for a while waits.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;
use Time::HiRes qw(sleep);

my $orders = $ENV{PT_LONG} ? 10_000 : 3_000;

start_nginx(workers => 2);
put_item('p30', stock => 100_000);

my ($n, $wanted) = (0, 0);


sub hold_many {
    my ($count) = @_;

    $wanted += $count;

    my @outcomes = load(port => port(), clients => 64, seconds => 60,
                        next => sub {
        return if $n >= $wanted;
        $n++;
        return { method => 'POST', path => '/orders',
                 headers => { 'X-User' => "user-$n" },
                 body => '{"sku":"p30","quantity":1,"unit_price":"5000.00"}' };
    });

    return order_ids(@outcomes);
}


# One poisonous row in the middle.
my $poison = 'user-' . int($orders / 2);
psql("ALTER TABLE paytrade.orders ADD CONSTRAINT poison"
     . " CHECK (user_id <> '$poison')");

my @ids = hold_many($orders);
is(scalar @ids, $orders, "$orders orders are held");
ok(journal_drained(60), 'the journal drains');
is(psql('SELECT count(*) FROM paytrade.orders'), $orders - 1,
   'all but one are in the table');
is(psql('SELECT count(*), min(sqlstate) FROM paytrade.dead_letter'),
   '1|23514', 'that one is in the dead letter, with its reason');
is(psql("SELECT count(*) FROM paytrade.dead_letter"
        . " WHERE encode(payload, 'escape') LIKE '%$poison%'"), '1',
   'it is the poisonous one');

my $letters = http('GET', '/paytrade/admin/dead-letters');
like($letters->{content}, qr/$poison/, 'an operator sees it');
my ($letter) = $letters->{content} =~ /"id":"?(\d+)/;

is(http('POST', "/paytrade/admin/dead-letters/$letter/replay", '{}')->{status},
   409, 'replayed while it is still poison: refused');
psql('ALTER TABLE paytrade.orders DROP CONSTRAINT poison');
is(http('POST', "/paytrade/admin/dead-letters/$letter/replay", '{}')->{status},
   200, 'replayed after the mending');
is(psql('SELECT count(*) FROM paytrade.orders'), $orders,
   'all are in the table');

# Not an operation at all, put into the stream by somebody.
redis('XADD', '{pt:0}:journal', '*', 'o', "rubbish\x01", 'zz', 'what');
push @ids, hold_many(50);
ok(journal_drained(), 'rubbish does not stop the journal');
is(psql("SELECT count(*) FROM paytrade.dead_letter WHERE replayed_at IS NULL"),
   '2', 'both pieces of it are set aside');

# The schema is missing for a while: that is nobody's order's fault.
psql('ALTER SCHEMA paytrade RENAME TO away');
push @ids, hold_many(200);
sleep($ENV{PT_LONG} ? 60 : 3);
push @ids, hold_many(200);
psql('ALTER SCHEMA away RENAME TO paytrade');
ok(same_orders(\@ids, 1), 'all arrive when it is back');
ok(journal_drained(), 'the journal drains');
is(psql("SELECT count(*) FROM paytrade.dead_letter WHERE replayed_at IS NULL"),
   '2', 'nothing new is in the dead letter');

is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
