#!/usr/bin/perl

# Prints what holds and payments cost Redis: microseconds of the script (INFO
# commandstats), of the process (user and system time), bytes of memory.  It
# sends several calls ahead, so that Redis is not idle between them.
# perf.pl [HOLDS [BATCH]]

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use PaytradeRedis;


my ($holds, $batch) = ($ARGV[0] // 100_000, $ARGV[1] // 100);


sub cpu {
    my ($r) = @_;
    my $i = $r->info('cpu');

    return 1e6 * ($i->{used_cpu_sys_main_thread}
                  + $i->{used_cpu_user_main_thread});
}


sub usec {
    my ($r) = @_;

    return $r->info('commandstats')->{cmdstat_evalsha} =~ /usec=(\d+)/ && $1;
}


sub user { sprintf '%08x-aaaa-4bbb-8ccc-%012x', $_[0] * 2654435761 % 2**32,
                   $_[0] }


# label, code giving the nth hold; returns nothing
sub measure {
    my ($r, $label, $code, $count) = @_;

    measure_script($r, $label, 'hold', [ 1e9, 256 ],
                   sub { PaytradeRedis::hold_op($code->($_[0])) }, $count);
}


# label, script, its first arguments, code giving those of the nth operation;
# returns the replies
sub measure_script {
    my ($r, $label, $script, $prelude, $code, $count) = @_;
    my (@calls, @replies);

    for (my $i = 0; $i < $count; $i += $batch) {
        push @calls, [ map { $code->($_) } $i .. $i + $batch - 1 ];
    }

    my ($cpu, $usec, $mem) = (cpu($r), usec($r),
                              $r->info('memory')->{used_memory});
    my %words;

    while (my @some = splice @calls, 0, 1 + 1000 / $batch) {
        $r->send_command('EVALSHA', $r->{sha}{$script}, 5, $r->keys_of,
                         "$r->{run_id} CNY -", @$prelude, @$_) for @some;

        for (@some) {
            my $reply = $r->reply;

            die $$reply if PaytradeRedis::is_error($reply);
            shift @$reply;
            $words{ (split /\t/)[0] }++ for @$reply;
            push @replies, @$reply;
        }
    }

    $cpu = cpu($r) - $cpu;
    $usec = usec($r) - $usec;

    my $journal = $r->cmd('MEMORY', 'USAGE', $r->key('journal'),
                          'SAMPLES', '0') // 0;

    $mem = $r->info('memory')->{used_memory} - $mem;
    printf "%-34s %5.2f us in the script, %5.2f us of the process, "
           . "%4.0f B (journal excluded)  %s\n", $label, $usec / $count,
           $cpu / $count, ($mem - $journal) / $count,
           join ' ', map { "$_=$words{$_}" } sort keys %words;

    return \@replies;
}


my $r = PaytradeRedis->start;

$r->adopt;
$r->put(stock => 1e9, limit => 2);
$r->put(sku => 'p31', stock => 1e9, limit => 2);
$r->put(sku => 'p32', stock => 1e9, limit => 2);
$r->put(sku => 'none', stock => 0);

print "$holds holds in batches of $batch\n";
measure($r, 'one SKU, new users', sub { (user => user($_[0])) }, $holds);
$r->cmd('DEL', $r->key('journal'));
measure($r, 'same users again, limit 2',
        sub { (user => user($_[0]), key => 'k2') }, $holds);
$r->cmd('DEL', $r->key('journal'));
measure($r, 'replays', sub { (user => user($_[0])) }, $holds / 2);
measure($r, 'limit reached', sub { (user => user($_[0]), key => 'k3') },
        $holds / 2);
measure($r, 'sold out',
        sub { (user => user($_[0]), key => 's', sku => 'none') }, $holds / 2);
$r->cmd('DEL', $r->key('journal'));
measure($r, 'carts of 2, new users',
        sub { (user => 'c' . user($_[0]),
               lines => [ ['p31', 1, 500000], ['p32', 1, 500000] ]) },
        $holds / 2);

$r->cmd('DEL', $r->key('journal'));
$holds /= 5;

my @ids = map { (split /\t/)[1] } @{ measure_script(
    $r, 'one SKU, to be paid', 'hold', [ 1e9, 256 ],
    sub { PaytradeRedis::hold_op(user => 'p' . user($_[0])) }, $holds) };
my @nos = map { (split /\t/)[1] } @{ measure_script(
    $r, 'payments', 'pay', [ 1e9, 256, 30000, 60000 ],
    sub { PaytradeRedis::pay_op(user => 'p' . user($_[0]),
                                orders => [ $ids[$_[0]] ]) }, $holds) };

$r->cmd('DEL', $r->key('journal'));
for my $again ('', ', again') {
    measure_script($r, "callbacks$again", 'settle', [],
                   sub { ('paid', 6, $nos[$_[0]], 'alipay',
                          sprintf('20261121220014%014d', $_[0]), 500000, '',
                          0) }, $holds);
}
