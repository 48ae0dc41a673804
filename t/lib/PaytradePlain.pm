package PaytradePlain;

# A plain HTTP server behind nginx, as old applications are: it answers 200 to
# everything and keeps what came, byte for byte.
#
#   my $plain = PaytradePlain->start;
#   start_nginx(more_locations => "location / { proxy_pass $plain->{url}; }");
#   ... with the header X-Case: a1 ...
#   my $seen = $plain->seen('a1');      # head, body; undef: nothing came
#   $plain->forget('a1');
#
# Requests without X-Case are kept as `none`.  A path that ends with /slow is
# answered after half a second, one that ends with /teapot with 418.

use strict;
use warnings;

use IO::Socket::UNIX;
use Time::HiRes 'sleep';

my $servers = 0;
my @running;


sub start {
    my ($class) = @_;
    my $dir = "$ENV{PT_TMP}/plain-$$-" . $servers++;
    my $path = "$dir/plain.sock";

    mkdir $dir or die "$dir: $!";
    chmod 0755, $dir;

    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 128)
        or die "$path: $!";
    chmod 0777, $path;

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        @running = ();
        $SIG{TERM} = 'DEFAULT';
        $SIG{PIPE} = 'IGNORE';

        while (my $socket = $listener->accept) {
            eval { serve($socket, $dir); 1 } or print STDERR "plain: $@";
            close $socket;
        }
        require POSIX;
        POSIX::_exit(0);
    }

    close $listener;
    push @running, $pid;

    return bless { url => "http://unix:$path:", dir => $dir, pid => $pid },
                 $class;
}


END {
    my $status = $?;

    for my $pid (@running) {
        kill 'TERM', $pid;
        waitpid $pid, 0;
    }

    $? = $status;
}


# Until `wanted` bytes of the request are there; 0 at its end.
sub fill {
    my ($socket, $text, $wanted) = @_;

    while (length $$text < $wanted) {
        sysread $socket, $$text, 65536, length $$text or return 0;
    }

    return 1;
}


sub line {
    my ($socket, $text) = @_;

    while ($$text !~ /\r\n/) {
        fill($socket, $text, 1 + length $$text) or die 'a line is missing';
    }

    $$text =~ s/^(.*?)\r\n//s;

    return $1;
}


sub chunks {
    my ($socket, $rest) = @_;
    my $body = '';

    while (1) {
        my $size = hex((line($socket, \$rest) =~ /^([0-9a-f]+)/i)[0]);

        if ($size == 0) {
            line($socket, \$rest);
            return $body;
        }

        fill($socket, \$rest, $size + 2) or die 'a chunk is missing';
        $body .= substr $rest, 0, $size;
        $rest = substr $rest, $size + 2;
    }
}


sub serve {
    my ($socket, $dir) = @_;
    my $text = '';

    while ($text !~ /\r\n\r\n/) {
        fill($socket, \$text, 1 + length $text) or return;
    }

    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($case) = $head =~ /^X-Case: *([\w.-]+)/mi;
    my ($length) = $head =~ /^Content-Length: *(\d+)/mi;

    if ($head =~ /^Transfer-Encoding: *chunked/mi) {
        $body = chunks($socket, $body);

    } elsif (defined $length) {
        fill($socket, \$body, $length) or $head .= "\r\nX-Broken-Off: 1";
    }

    $case //= 'none';
    my $file = "$dir/$case" . ($head =~ m{^\S+ /copy}  ? '.copy' : '');

    open my $out, '>:raw', "$file.new" or die "$file: $!";
    print $out "$head\r\n\r\n$body";
    close $out or die "$file: $!";
    rename "$file.new", $file;

    sleep 0.5 if $head =~ m{^\S+ \S*/slow };

    my $status = $head =~ m{^\S+ \S*/teapot } ? "418 I'm a teapot" : '200 OK';

    syswrite $socket, "HTTP/1.1 $status\r\nContent-Length: 6\r\n"
                      . "Connection: close\r\n\r\nplain\n";
}


# What came with that X-Case, or as .copy under the path /copy.
sub seen {
    my ($self, $case) = @_;

    open my $file, '<:raw', "$self->{dir}/$case" or return;
    local $/;
    my ($head, $body) = split /\r\n\r\n/, scalar(<$file>), 2;
    my %headers;

    for my $line (split /\r\n/, $head) {
        push @{ $headers{lc $1} }, $2 if $line =~ /^([^:\s]+): *(.*)$/;
    }

    return { head => $head, body => $body,
             headers => { map { $_ => join ' | ', @{ $headers{$_} } }
                          keys %headers } };
}


sub forget {
    my ($self, $case) = @_;

    unlink "$self->{dir}/$case", "$self->{dir}/$case.copy";
}


1;
