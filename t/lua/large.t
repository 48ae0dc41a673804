# As much in one call of pay or settle as a worker may send, of payments with as
# many orders as they may have.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start;
my ($batch, $orders) = (256, 50);


# The arguments of a buyer's nth payment of so many orders.
sub to_pay {
    my ($user, $n) = @_;
    my @ids = map { (split /\t/)[1] }
              $r->holds(map { { user => $user, key => "$n.$_" } } 1 .. $orders);

    return { user => $user, orders => \@ids, key => $n };
}

sub started {
    my ($word, $no) = split /\t/, ($r->pays(to_pay(@_)))[0];

    die $word if $word ne 'created';

    return $no;
}

sub paid { [ 'paid', $_[0], 'alipay', "t$_[0]", 500000 * $orders, '', 0 ] }

sub words { my %n; $n{ (split /\t/)[0] }++ for @_; return \%n }

sub reads {
    my $stats = $r->info('commandstats');
    my $n = 0;

    $n += ($stats->{"cmdstat_$_"} // '') =~ /calls=(\d+)/ ? $1 : 0
        for qw(hget hmget);

    return $n;
}

sub told { $r->cmd('XLEN', $r->key('events')) }

sub stock {
    my $it = $r->stored_item('p30');

    return "$it->{available} $it->{held} $it->{sold}";
}


$r->adopt;
$r->{context} = 'CNY -';
$r->put(stock => 2 * $batch * $orders);

my $op = to_pay('alike', 0);
my $before = reads();
my @replies = $r->pays(($op) x $batch);

is_deeply(words(@replies), { created => 1, replayed => $batch - 1 },
          "I8 $batch alike of $orders orders start one payment");
cmp_ok(reads() - $before, '<', 10, 'and each record is read once');

my $no = (split /\t/, $replies[0])[1];

$before = reads();

is_deeply(words($r->settle((paid($no)) x $batch)),
          { settled => 1, duplicate => $batch - 1 },
          "I5 $batch alike of $orders orders settle once");
cmp_ok(reads() - $before, '<', 10, 'and each record is read once');
is(stock(), join(' ', (2 * $batch - 1) * $orders, 0, $orders),
   'I1 each order is paid');
is(told(), $orders, 'and told once');
is(scalar($r->journal), 1 + 2 * $orders + 1 + 1, 'and journaled once');

# five of each buyer, who has no room for more
my @nos = map { started('u' . int $_ / 5, $_) } 1 .. $batch;

is_deeply(words($r->settle(map { paid($_) } @nos)), { settled => $batch },
          "$batch payments of $orders orders");
is(stock(), join(' ', ($batch - 1) * $orders, 0, ($batch + 1) * $orders),
   'I1 each order is paid');
is(told(), ($batch + 1) * $orders, 'and told once');
is_deeply(words($r->settle(map { paid($_) } @nos)), { duplicate => $batch },
          'again: duplicates');

done_testing;
