package Bench;

# What the benchmarks share: CPU time of processes, wrk, medians.

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use POSIX ();

our @EXPORT = qw(cpu wrk median_of);

my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());


# CPU seconds that processes have used.
sub cpu {
    my $sum = 0;

    for my $pid (@_) {
        open my $file, '<', "/proc/$pid/stat" or next;
        my $line = <$file>;
        $line =~ s/^.*\) //;
        my @fields = split ' ', $line;
        $sum += ($fields[11] + $fields[12]) / $ticks;
    }

    return $sum;
}


# What a script of this folder prints at its end, by name.
sub wrk {
    my ($script, $url, $seconds, $connections, @arguments) = @_;

    open my $pipe, '-|', 'wrk', '-t2', "-c$connections", "-d${seconds}s",
         '-s', "$FindBin::Bin/$script", $url, '--', @arguments
        or die "wrk: $!";
    local $/;

    my $text = <$pipe>;
    my %wrk = $text =~ /^(\w+) ([\d.]+)$/mg;

    die "wrk: $text" if !$wrk{requests};

    return %wrk;
}


# Of each value of some rounds.
sub median_of {
    my (@rounds) = @_;
    my %median;

    for my $key (keys %{ $rounds[0] }) {
        my @sorted = sort { $a <=> $b } map { $_->{$key} } @rounds;
        $median{$key} = $sorted[@sorted / 2];
    }

    return \%median;
}

1;
