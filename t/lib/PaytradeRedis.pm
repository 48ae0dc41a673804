# A Redis client for tests, and a private redis-server with the scripts.

package PaytradeRedis;

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use File::Temp qw(tempdir);
use FindBin;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep time);

our @SCRIPTS = qw(hold close catalog read restore ack pay settle events);
my $started_by = $$;

# END stops the servers then too.
for my $signal (qw(HUP INT PIPE TERM)) {
    $SIG{$signal} = sub { exit 1 } if !defined $SIG{$signal};
}

my %servers;


sub root {
    my $dir = __FILE__;

    $dir =~ s{[^/]*$}{};

    return $dir eq '' ? '../..' : "$dir../..";
}


# Starts a server in a folder of its own; options are "name value" pairs for
# its command line.
sub start {
    my ($class, @options) = @_;
    my $dir = tempdir('paytrade-redis-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $self = bless { dir => $dir, prefix => '{pt:0}:', options => \@options },
                     $class;

    $self->boot;

    return $self;
}


# (Again) a process with the same folder.
sub boot {
    my ($self) = @_;
    my @command = ('redis-server', '--port', '0', '--unixsocket',
                   "$self->{dir}/redis.sock", '--dir', $self->{dir},
                   '--save', '', '--logfile', "$self->{dir}/log",
                   '--daemonize', 'no', @{ $self->{options} });
    my $pid = fork;

    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/out";
        open STDERR, '>&', \*STDOUT;
        exec @command or die "exec redis-server: $!";
    }

    $self->{pid} = $pid;
    $servers{$pid} = 1;
    $self->connect;
    $self->{run_id} = $self->info('server')->{run_id};
    $self->load;
}


sub connect {
    my ($self) = @_;
    my $until = time + 10;

    while (time < $until) {
        my $socket = IO::Socket::UNIX->new(Peer => "$self->{dir}/redis.sock");

        if ($socket) {
            $self->{socket} = $socket;
            $self->{in} = '';

            my $pong = $self->cmd('PING');

            return $self if (is_error($pong) // '') !~ /^LOADING/;
        }

        sleep 0.02;
    }

    die "redis-server does not answer: " . `cat $self->{dir}/log`;
}


# A further connection to the same server.
sub clone {
    my ($self) = @_;
    my $other = bless { %$self }, ref $self;

    return $other->connect;
}


sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid};

    close $self->{socket} if $self->{socket};
    delete $servers{$pid};
    kill 'TERM', $pid;
    waitpid $pid, 0;
}


END {
    if ($$ == $started_by) {
        my $status = $?;

        for my $pid (keys %servers) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
        }

        $? = $status;
    }
}


sub send_command {
    my ($self, @args) = @_;
    my $out = '*' . @args . "\r\n"
              . join '', map { '$' . length($_) . "\r\n$_\r\n" } @args;

    while (length $out) {
        my $n = syswrite $self->{socket}, $out;

        die "write to redis: $!" if !defined $n;
        substr $out, 0, $n, '';
    }
}


# The reply: a scalar, an array, or an error that is_error() knows.
sub cmd {
    my ($self, @args) = @_;

    $self->send_command(@args);

    return $self->reply;
}


sub line {
    my ($self) = @_;

    my $end;

    while (($end = index $self->{in}, "\r\n") < 0) {
        $self->more;
    }

    my $line = substr $self->{in}, 0, $end;

    $self->{in} = substr $self->{in}, $end + 2;

    return $line;
}


sub more {
    my ($self) = @_;
    my $n = sysread $self->{socket}, $self->{in}, 65536, length $self->{in};

    die "redis closed the connection" if !$n;
}


sub reply {
    my ($self) = @_;
    my ($type, $rest) = $self->line =~ /^(.)(.*)$/s;

    return $rest if $type eq '+' || $type eq ':';
    return bless \$rest, 'PaytradeRedis::Error' if $type eq '-';
    return undef if $rest < 0;
    return [ map { $self->reply } 1 .. $rest ] if $type eq '*';

    $self->more while length $self->{in} < $rest + 2;

    my $bulk = substr $self->{in}, 0, $rest;

    $self->{in} = substr $self->{in}, $rest + 2;

    return $bulk;
}


sub is_error { ref $_[0] eq 'PaytradeRedis::Error' ? ${ $_[0] } : undef }


sub info {
    my ($self, $section) = @_;

    return { map { /^([^#:]+):(.*?)\r?$/ ? ($1, $2) : () }
             split /\n/, $self->cmd('INFO', $section) };
}


my $mutated;

sub text {
    my ($name) = @_;
    my $dir = root() . '/src/redis/lua';
    my $text = `sh '$dir/embed.sh' -p $name`;

    die "embed.sh -p $name failed" if $?;

    # a mutant: PAYTRADE_MUTANT is a Perl expression that changes $_
    if ($ENV{PAYTRADE_MUTANT}) {
        local $_ = $text;

        eval $ENV{PAYTRADE_MUTANT};
        die "mutant: $@" if $@;
        $mutated ||= $_ ne $text;
        $text = $_;
    }

    return $text;
}


my %texts;

sub load {
    my ($self) = @_;

    for my $name (@SCRIPTS) {
        $texts{$name} //= text($name);

        my $sha = $self->cmd('SCRIPT', 'LOAD', $texts{$name});

        die "$name: $$sha" if is_error($sha);
        die "$name: SHA1" if $sha ne sha1_hex($texts{$name});
        $self->{sha}{$name} = $sha;
    }

    die "the mutant changes nothing" if $ENV{PAYTRADE_MUTANT} && !$mutated;
}


sub keys_of {
    my ($self) = @_;

    return map { $self->{prefix} . $_ } '', qw(clock epoch journal buckets);
}


# A call as a worker makes it; the array of replies, or an error.
sub script {
    my ($self, $name, @args) = @_;

    return $self->cmd('EVALSHA', $self->{sha}{$name}, 5, $self->keys_of,
                      join(' ', $self->{run_id}, $self->{context} // ()),
                      @args);
}


# One operation: its own reply split into fields; the header in {header}.
sub op {
    my ($self, $name, @args) = @_;
    my $reply = $self->script($name, @args);

    die "$name @args: $$reply" if is_error($reply);
    $self->{header} = $reply->[0];

    return split /\t/, $reply->[-1], -1;
}


sub adopt {
    my ($self, $fresh) = @_;

    return join ' ', $self->op('restore', 'adopt', 1, $fresh // 1);
}


my %ITEM = (sku => 'p30', sale => 'spring', title => 'P 30', price => 500000,
            stock => 100, limit => 0, starts => 0, ends => 253402300799999,
            hold_ms => 900000);

sub put {
    my ($self, %item) = @_;

    %item = (%ITEM, %item);

    return $self->op('catalog', put_op(%item));
}


sub put_op {
    my %item = (%ITEM, @_);

    return ('put', 9, @item{qw(sku sale title price stock limit starts ends
                               hold_ms)});
}


# The arguments of one hold; lines as [sku, quantity, price], sorted by sku;
# look: it only looks.
sub hold_op {
    my %h = (user => 'u1', sale => '', key => 'k', amount => '', meta => '',
             sku => 'p30', quantity => 1, price => 500000, @_);
    my @lines = $h{lines} ? @{ $h{lines} }
                          : [ @h{qw(sku quantity price)} ];
    my $body = $h{body} // join ';', $h{sale}, map { "@$_" } @lines;

    return (@h{qw(user sale)}, substr(sha1_hex("k$h{key}"), 0, 16),
            substr(sha1_hex("b$body"), 0, 16), @h{qw(amount meta)},
            $h{look} ? -@lines : scalar @lines, map { @$_ } @lines);
}


# A batch of holds: the array of replies without the header.
sub holds {
    my ($self, @ops) = @_;
    my $reply = $self->script('hold', $self->{journal_max} // 1000000,
                              $self->{attempts_max} // 256,
                              map { hold_op(%$_) } @ops);

    die $$reply if is_error($reply);
    $self->{header} = shift @$reply;

    return @$reply;
}


sub hold {
    my ($self, %op) = @_;
    my ($reply) = $self->holds(\%op);

    return split /\t/, $reply // $self->{header}, -1;
}


my @ITEM_FIELDS = qw(sku sale title price stock available held sold limit
                     starts ends hold_ms version paused);
my @ORDER_FIELDS = qw(id status rev user sale amount created expires changed
                      key body lines meta);

sub item_fields { my %f; @f{@ITEM_FIELDS} = @_; return \%f }
sub order_fields { my %f; @f{@ORDER_FIELDS} = @_; return \%f }


sub item {
    my ($self, $sku) = @_;
    my ($word, @row) = $self->op('read', 'item', 1, $sku // 'p30');

    return $word eq 'item' ? item_fields(@row) : $word;
}


sub order {
    my ($self, $id) = @_;
    my ($word, @row) = $self->op('read', 'order', 1, $id);

    return $word eq 'order' ? order_fields(@row) : $word;
}


sub cancel {
    my ($self, $id, $user, $request_id) = @_;

    return $self->op('close', 'cancel', 3, $id, $user // '',
                     $request_id // '');
}


# released, purged, more, next_due
sub sweep {
    my ($self, $max, $retention) = @_;
    my (undef, @numbers) = $self->op('close', 'sweep', 2, $max // 100,
                                     $retention // 604800000);

    return @numbers;
}


# The arguments of one payment.
sub pay_op {
    my %p = (user => 'u1', key => 'k', gateway => 'alipay', method => 'page',
             min => 1, max => 10_000_000_000, @_);
    my @ids = sort @{ $p{orders} };
    my $body = $p{body} // join ',', @ids, @p{qw(gateway method)};

    return ($p{user}, substr(sha1_hex("pay\n$p{key}"), 0, 16),
            substr(sha1_hex("b$body"), 0, 16), @p{qw(gateway method min max)},
            scalar @ids, @ids);
}


# A batch of payments: the array of replies without the header.
sub pays {
    my ($self, @ops) = @_;
    my $reply = $self->script('pay', $self->{journal_max} // 1000000,
                              $self->{attempts_max} // 256,
                              $self->{margin} // 30000,
                              $self->{rest} // 60000,
                              map { pay_op(%$_) } @ops);

    die $$reply if is_error($reply);
    $self->{header} = shift @$reply;

    return @$reply;
}


sub pay {
    my ($self, %op) = @_;
    my ($reply) = $self->pays(\%op);

    return split /\t/, $reply // $self->{header}, -1;
}


my @PAYMENT_FIELDS = qw(pay_no status rev user sale gateway method trade_no
                        amount created ends paid changed key body subject
                        parts);

sub payment_fields { my %f; @f{@PAYMENT_FIELDS} = @_; return \%f }


sub payment {
    my ($self, $no) = @_;
    my ($word, @row) = $self->op('read', 'payment', 1, $no);

    return $word eq 'payment' ? payment_fields(@row) : $word;
}


# A batch of settle's operations, each an array of kind and arguments: the
# array of replies without the header.
sub settle {
    my ($self, @ops) = @_;
    my $reply = $self->script('settle', map { ($_->[0], $#$_,
                                               @$_[1 .. $#$_]) } @ops);

    die $$reply if is_error($reply);
    $self->{header} = shift @$reply;

    return @$reply;
}


# All events that are in the stream, as hashes.
sub events {
    my ($self) = @_;

    return map { { @{ $_->[1] } } }
           @{ $self->cmd('XRANGE', $self->key('events'), '-', '+') };
}


sub key { $_[0]{prefix} . $_[1] }


# What is stored, without going through read.
sub stored_item {
    my ($self, $sku) = @_;

    return { @{ $self->cmd('HGETALL', $self->key("item:$sku")) } };
}


# All keys but the clock and what they hold, as text.
sub everything {
    my ($self) = @_;
    my %all;

    for my $key (@{ $self->cmd('KEYS', '*') }) {
        my $type = $self->cmd('TYPE', $key);

        next if $key eq $self->key('clock');

        if ($type eq 'hash') {
            my %h = @{ $self->cmd('HGETALL', $key) };

            $all{"$key $_"} = $h{$_} for keys %h;

        } elsif ($type eq 'stream') {
            $all{$key} = $self->cmd('XLEN', $key);

        } elsif ($type eq 'list') {
            $all{$key} = join ' ', @{ $self->cmd('LRANGE', $key, 0, -1) };

        } elsif ($type eq 'zset') {
            $all{$key} = join ' ', @{ $self->cmd('ZRANGE', $key, 0, -1,
                                                 'WITHSCORES') };
        } else {
            $all{$key} = $self->cmd('DUMP', $key);
        }
    }

    return \%all;
}


# Time passes: the partition's clock goes ahead.
sub pass {
    my ($self, $ms) = @_;
    my ($s, $us) = @{ $self->cmd('TIME') };
    my $last = $self->cmd('HGET', $self->key('clock'), 'last') // 0;
    my $now = $s * 1000 + int($us / 1000);

    $now = $last if $last > $now;
    $self->cmd('HSET', $self->key('clock'), 'last', $now + $ms);

    return $now + $ms;
}


# All operations in the journal: [kind, row]…
sub journal {
    my ($self) = @_;
    my $entries = $self->cmd('XRANGE', $self->key('journal'), '-', '+');
    my @ops;

    for my $entry (@$entries) {
        my @fields = @{ $entry->[1] };

        while (my ($kind, $row) = splice @fields, 0, 2) {
            push @ops, [ $kind, $row ];
        }
    }

    return @ops;
}


1;
