# A private PostgreSQL for tests: in a directory of its own, on a unix socket
# only, as another user when the tests run as root, stopped at the end.

package PaytradePg;

use strict;
use warnings;

use File::Basename 'dirname';
use File::Temp ();
use POSIX ();


my $owner = $$;
my @servers;


sub find_bin {
    my ($name) = @_;

    my @dirs = sort { ($b =~ /(\d+)/)[0] <=> ($a =~ /(\d+)/)[0] }
               glob('/usr/lib/postgresql/*/bin');

    for my $dir (@dirs, split /:/, $ENV{PATH}) {
        return "$dir/$name" if -x "$dir/$name";
    }

    return;
}


# Starts a server with an empty database "shop"; undef with $@ when it cannot.

sub start {
    my ($class, %opt) = @_;

    my ($initdb, $postgres) = (find_bin('initdb'), find_bin('postgres'));

    if (!$initdb || !$postgres) {
        $@ = 'PostgreSQL is missing: install the package postgresql';
        return;
    }

    my $self = bless {
        dir      => File::Temp::tempdir('paytrade-pg-XXXXXX', TMPDIR => 1,
                                        CLEANUP => 1),
        port     => $opt{port} || 5432,
        settings => $opt{settings} || {},
        postgres => $postgres,
    }, $class;

    if ($> == 0) {
        $self->{user} = $opt{user} || 'postgres';
        (my $uid, my $gid) = (getpwnam $self->{user})[2, 3];

        if (!defined $uid) {
            $@ = "user $self->{user} is missing";
            return;
        }

        chown $uid, $gid, $self->{dir};
    }

    chmod 0755, $self->{dir};

    $self->run($initdb, '-D', "$self->{dir}/data", '-A', 'trust', '-U',
               'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync')
        or return;

    push @servers, $self;

    $self->boot() or return;
    $self->psql('CREATE DATABASE shop', 'postgres');

    return $self;
}


sub drop_root {
    my ($self) = @_;

    return if !$self->{user};

    my ($uid, $gid) = (getpwnam $self->{user})[2, 3];

    $) = "$gid $gid";
    $( = $gid;
    POSIX::setuid($uid);
}


sub run {
    my ($self, @command) = @_;

    my $pid = fork;

    if (!$pid) {
        $self->drop_root();
        chdir $self->{dir};
        open STDOUT, '>>', "$self->{dir}/log";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    $@ = "$command[0] failed, see $self->{dir}/log" if $?;

    return $? == 0;
}


sub boot {
    my ($self) = @_;

    my %settings = (
        listen_addresses        => '',
        port                    => $self->{port},
        unix_socket_directories => $self->{dir},
        fsync                   => 'off',
        shared_buffers          => '16MB',
        max_connections         => 20,
        %{ $self->{settings} },
    );

    my @args = map { ('-c', "$_=$settings{$_}") } sort keys %settings;
    my $pid = fork;

    if (!$pid) {
        $self->drop_root();
        chdir $self->{dir};
        POSIX::setsid();
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/log";
        open STDERR, '>&', \*STDOUT;
        exec $self->{postgres}, '-D', "$self->{dir}/data", @args
            or POSIX::_exit(127);
    }

    $self->{pid} = $pid;

    for (1 .. 150) {
        select undef, undef, undef, 0.1;

        return 1 if defined $self->psql('SELECT 1', 'postgres');

        if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
            delete $self->{pid};
            last;
        }
    }

    $@ = "postgres did not start, see $self->{dir}/log";

    return;
}


sub signal {
    my ($self, $signal) = @_;

    kill $signal, $self->{pid};
}


# QUIT ends it at once, without a checkpoint.

sub stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return;

    kill $signal || 'QUIT', $pid;
    kill 'CONT', $pid;
    waitpid $pid, 0;
}


sub conninfo {
    my ($self, $db) = @_;

    $db ||= 'shop';

    return "host=$self->{dir} port=$self->{port} user=postgres dbname=$db";
}


# Rows as text, columns separated by |; undef when it failed.

sub psql {
    my ($self, $sql, $db) = @_;

    return $self->psql_args($db, '-c', $sql);
}


sub psql_file {
    my ($self, $file, $db) = @_;

    return $self->psql_args($db, '-f', $file);
}


sub psql_args {
    my ($self, $db, @args) = @_;

    local $ENV{PGOPTIONS} = '';

    my $pid = open my $out, '-|';

    if (!$pid) {
        open STDERR, '>', "$self->{dir}/psql.err";
        exec 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
            $self->conninfo($db), @args
            or POSIX::_exit(127);
    }

    my $text = do { local $/; <$out> };

    close $out or return;

    $text = '' if !defined $text;
    chomp $text;

    return $text;
}


# Runs one of the module's queries by its name: its rows as lines, columns
# separated by " | ", or the error's SQLSTATE and message.  undef is NULL.

sub query {
    my ($self, $name, @params) = @_;

    my $program = $self->query_program();
    my $pid = open my $out, '-|';

    if (!$pid) {
        exec $program, $self->conninfo(), $name,
            map { defined $_ ? $_ : '\N' } @params
            or POSIX::_exit(127);
    }

    my $text = do { local $/; <$out> };

    close $out;
    $text = '' if !defined $text;
    chomp $text;
    $self->{tried}{$name} = 1;

    return $text;
}


# Names of the queries that nobody has tried.

sub untried {
    my ($self) = @_;

    my $program = $self->query_program();

    return grep { !$self->{tried}{$_} } split /\s+/, `$program names`;
}


sub query_program {
    my ($self) = @_;

    return $self->{query} if $self->{query};

    my $root = dirname(__FILE__) . '/../..';
    my $cc = $ENV{CC} || 'cc';

    $self->{build} = File::Temp::tempdir('paytrade-query-XXXXXX', TMPDIR => 1,
                                         CLEANUP => 1);
    chomp(my $incdir = `pg_config --includedir`);

    system("$cc -Wall -Wextra -Werror -I$root/src/postgres -I$incdir"
           . " -o $self->{build}/query $root/t/pg/query.c"
           . " $root/src/postgres/ngx_paytrade_pg_queries*.c -lpq") == 0
        or die 'cannot compile query.c';

    return $self->{query} = "$self->{build}/query";
}


sub error {
    my ($self) = @_;

    open my $f, '<', "$self->{dir}/psql.err" or return '';

    return do { local $/; <$f> };
}


END {
    if ($$ == $owner) {
        my $status = $?;
        $_->stop() for @servers;
        $? = $status;
    }
}


1;
