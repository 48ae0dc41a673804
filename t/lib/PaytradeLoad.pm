package PaytradeLoad;

# A bounded load of HTTP requests to 127.0.0.1 from one process, without
# blocking: many keep-alive connections, and for each request what became of it.
#
#   my @outcomes = load(
#       port    => 8080,
#       clients => 500,              # connections at a time
#       seconds => 10,               # and no longer
#       next    => sub { { path => '/orders', method => 'POST', body => ...,
#                          headers => { 'X-User' => ... }, tag => ...,
#                          cut => 0|1 } },
#                                    # undef: no more; 0: nothing just now
#       done    => sub { my ($outcome) = @_; ... },   # as soon as it is there
#       tick    => sub { my ($elapsed) = @_; ... },   # about each 20 ms
#   );
#
# An outcome is the request's hash with `status` (0: no answer), `answer` (the
# body), `headers_in`, the times `sent` and `ended` and, without an answer,
# `error`.  `cut` closes the connection as soon as the request is sent.  No
# request is sent twice.

use strict;
use warnings;

use Errno qw(EINPROGRESS EAGAIN EINTR);
use Exporter 'import';
use IO::Poll qw(POLLIN POLLOUT POLLERR POLLHUP);
use Socket;
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(load);


sub load {
    my (%o) = @_;

    my $self = bless {
        %o,
        started  => time,
        idle     => [],
        busy     => {},
        outcomes => [],
        poll     => IO::Poll->new,
        address  => pack_sockaddr_in($o{port}, inet_aton('127.0.0.1')),
    };

    my $end = $self->{started} + ($o{seconds} || 30);
    my $grace = $end + 15;
    my $more = 1;
    my $ticked = 0;

    while ($more || %{ $self->{busy} }) {
        my $now = time;

        last if $now > $grace;
        $more = 0 if $now > $end;

        if ($o{tick} && $now - $ticked > 0.02) {
            $o{tick}->($now - $self->{started});
            $ticked = $now;
        }

        my $later = 0;

        while ($more && !$later && keys %{ $self->{busy} } < $o{clients}) {
            my $request = $o{next}->();

            if ($request) {
                $self->send_one($request);

            } elsif (defined $request) {
                $later = 1;

            } else {
                $more = 0;
            }
        }

        if (%{ $self->{busy} }) {
            $self->{poll}->poll($later ? 0.001 : 0.02);

        } elsif ($later) {
            sleep 0.001;
        }

        $self->serve($_) for $self->{poll}->handles(POLLIN | POLLOUT
                                                    | POLLERR | POLLHUP);
    }

    $self->finish($_, 'no answer') for values %{ $self->{busy} };

    return @{ $self->{outcomes} };
}


sub send_one {
    my ($self, $request) = @_;
    my $socket = pop @{ $self->{idle} };

    if (!$socket) {
        socket($socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
        bless $socket, 'IO::Handle';
        $socket->blocking(0);
        setsockopt($socket, Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1);

        if (!connect($socket, $self->{address}) && $! != EINPROGRESS) {
            my $error = "connect: $!";

            close $socket;
            return $self->tell({ %$request, status => 0, error => $error,
                                 sent => time, ended => time });
        }
    }

    my $body = defined $request->{body} ? $request->{body} : '';
    my %headers = (Host => 'shop', %{ $request->{headers} || {} });

    $headers{'Content-Length'} = length $body
        if length $body || $request->{method} ne 'GET';
    $headers{'Content-Type'} ||= 'application/json' if length $body;

    my $text = "$request->{method} $request->{path} HTTP/1.1\r\n"
               . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers)
               . "\r\n$body";

    $self->{busy}{fileno $socket} = {
        socket => $socket, request => $request, out => $text, in => '',
        sent => time,
    };
    $self->{poll}->mask($socket => POLLIN | POLLOUT);
}


sub serve {
    my ($self, $socket) = @_;
    my $c = $self->{busy}{fileno $socket};

    if (!$c) {
        $self->{poll}->remove($socket);
        close $socket;
        return;
    }

    if (length $c->{out}) {
        my $n = syswrite $socket, $c->{out};

        if (!defined $n) {
            return if $! == EAGAIN || $! == EINTR;
            return $self->finish($c, "send: $!");
        }

        substr $c->{out}, 0, $n, '';
        return if length $c->{out};

        return $self->finish($c, 'cut') if $c->{request}{cut};

        $self->{poll}->mask($socket => POLLIN);
    }

    my $n = sysread $socket, $c->{in}, 65536, length $c->{in};

    if (!defined $n) {
        return if $! == EAGAIN || $! == EINTR;
        return $self->finish($c, "read: $!");
    }

    return $self->finish($c, 'closed') if $n == 0;

    if ($c->{in} =~ /\A(HTTP\/1\.1 (\d+)[^\r]*\r\n(.*?)\r\n)\r\n/s) {
        my ($head, $status, $headers) = ($1, $2, $3);
        my ($length) = $headers =~ /^Content-Length:\s*(\d+)/im;
        my $start = length($head) + 2;

        $length = 0 if !defined $length;
        return if length($c->{in}) < $start + $length;

        $c->{keep} = $headers !~ /^Connection:\s*close/im;
        $self->finish($c, undef, $status,
                      substr($c->{in}, $start, $length), $headers);
    }
}


sub finish {
    my ($self, $c, $error, $status, $answer, $headers) = @_;

    delete $self->{busy}{fileno $c->{socket}};
    $self->{poll}->remove($c->{socket});

    if (defined $error || !$c->{keep}) {
        close $c->{socket};
    } else {
        push @{ $self->{idle} }, $c->{socket};
    }

    $self->tell({
        %{ $c->{request} }, status => $status || 0, answer => $answer,
        headers_in => $headers, error => $error,
        sent => $c->{sent}, ended => time,
    });
}


sub tell {
    my ($self, $outcome) = @_;

    push @{ $self->{outcomes} }, $outcome;
    $self->{done}->($outcome) if $self->{done};
}


1;
