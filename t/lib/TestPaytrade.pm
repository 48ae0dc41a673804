package TestPaytrade;

# Test::Nginx::Socket for paytrade: servers, standard configuration, sections
# that look into Redis and PostgreSQL.
#
#   use TestPaytrade;
#   run_tests();
#   __DATA__
#   === TEST 1: a hold
#   --- setup
#   PUT /paytrade/admin/items/p30 {"sale":"s","title":"P","price":"5.00", ...}
#   --- request
#   POST /orders
#   {"sku":"p30","quantity":1,"unit_price":"5.00"}
#   --- more_headers
#   X-User: u1
#   --- error_code: 201
#   --- psql: SELECT status FROM paytrade.orders
#   --- psql_out
#   held
#
# Blocks run in the order of the file, each with an emptied Redis, emptied
# tables and an nginx of its own.  Sections besides those of Test::Nginx:
#
#   keep            Redis and the tables stay as the block before left them
#   config          as ever; left out, it is the standard locations
#   paytrade        http-level directives; one named as a standard one takes
#                   its place, `NAME -;` takes it away
#   http_config     comes after the paytrade directives, as it stands
#   setup           requests before the test's own, a line each:
#                   METHOD PATH [Header=value ...] [body]; not 2xx fails
#   after           requests after it, in the same form; `=> CODE` at the end
#                   of a line is the status wanted instead of 2xx
#   redis           commands for redis-cli, a line each; their output is
#   redis_out         this, exactly, or
#   redis_like        matches this
#   psql            a query; its rows, fields parted by "|", are
#   psql_out          this, exactly, or
#   psql_like         match this
#   allow           log levels that may occur: alert, crit, emerg
#
# Redis and PostgreSQL are asked again for up to PT_PATIENCE (5) seconds, for
# the journal arrives later.  Every block fails on [alert], [crit], [emerg] in
# the log, on a report of a sanitizer, and on an alert when nginx leaves.

use strict;
use warnings;

BEGIN {
    if (!defined $ENV{PT_REDIS_SOCKET}) {
        my ($root) = __FILE__ =~ m{^(.*)/t/lib/};
        $root = '.' if !defined $root;
        exec "$root/t/tools/with-servers", $^X, $0, @ARGV
            or die "cannot run t/tools/with-servers: $!";
    }

    $ENV{PATH} .= ':/usr/sbin:/sbin';
}

use Test::Nginx::Socket ();
use Test::Nginx::Util ();
use Test::More ();
use HTTP::Tiny;
use Time::HiRes qw(sleep time);
use Exporter ();

our @ISA = ('Exporter');

our @EXPORT = qw(reset_stores redis psql http until_true base_url standard);

my $patience = $ENV{PT_PATIENCE} || 5;
my %reported;

my @standard = (
    [ paytrade_zone       => 'paytrade 2m' ],
    [ paytrade_redis      => "unix:$ENV{PT_REDIS_SOCKET}" ],
    [ paytrade_postgres   => "\"$ENV{PT_POSTGRES}\"" ],
    [ paytrade_user       => '$http_x_user' ],
    [ paytrade_hold_time  => '15m' ],
    [ paytrade_durability => 'aof' ],
);

my $locations = <<'_EOC_';
    location = /items  { paytrade_items; }
    location = /orders { paytrade_hold; }
    location ~ ^/orders/(?<oid>[0-9]+)$ { paytrade_order $oid; }
    location /paytrade/admin/ { paytrade_admin; }
    location = /paytrade/status { paytrade_status; }
_EOC_


# The importer gets all of Test::Nginx::Socket too.
sub import {
    my $class = shift;
    my $caller = caller;

    eval "package $caller; use Test::Nginx::Socket"
         . (@_ ? ' @_;' : " 'no_plan';") . ' 1' or die $@;

    $class->export_to_level(1, $class, @EXPORT);

    Test::Nginx::Util::no_shuffle();
    Test::Nginx::Util::worker_connections(1024);
    Test::Nginx::Util::no_root_location();
}


Test::Nginx::Util::add_block_preprocessor(sub {
    my ($block) = @_;

    configure($block);
    watch_log($block);

    if (!defined $block->keep) {
        my $code = $block->post_setup_server_root;
        $block->set_value('post_setup_server_root',
                          'TestPaytrade::reset_stores();'
                          . (defined $code ? $code : ''));
    }
});


sub configure {
    my ($block) = @_;

    my $main = $block->main_config;
    $block->set_value('main_config', "load_module $ENV{PT_MODULE};\n"
                                     . (defined $main ? $main : ''));

    my $http = $block->http_config;
    $block->set_value('http_config', standard($block->paytrade)
                                     . (defined $http ? $http : ''));

    if (!defined $block->config) {
        $block->set_value('config', $locations);
    }

    if (!defined $block->request && !defined $block->raw_request
        && !defined $block->pipelined_requests
        && !defined $block->must_die)
    {
        $block->set_value('request', 'GET /paytrade/status');
    }
}


# The http-level directives, with those of the text in place of their own.
sub standard {
    my ($text) = @_;
    $text = '' if !defined $text;

    my %given = map { $_ => 1 } $text =~ /^\s*(paytrade_\w+)/mg;
    $text =~ s/^\s*paytrade_\w+\s+-;\s*$//mg;

    return join('', map { "    $_->[0] $_->[1];\n" }
                    grep { !$given{$_->[0]} } @standard)
           . "$text\n";
}


sub watch_log {
    my ($block) = @_;

    my $allowed = defined $block->allow ? $block->allow : '';
    $allowed .= ' emerg' if defined $block->must_die;
    $allowed .= ' ' . join ' ', expected_levels($block->error_log);

    my $levels = join '|', grep { index($allowed, $_) < 0 }
                           qw(alert crit emerg);
    $levels = $levels ? qr/\[(?:$levels)\]/ : qr/(?!)/;

    add_patterns($block, 'no_error_log',
                 qr/$levels|Sanitizer|runtime error:/);

    if (!defined $block->must_die) {
        add_patterns($block, 'no_shutdown_error_log', $levels);
    }
}


# A block that waits for an alert allows it.
sub expected_levels {
    my ($patterns) = @_;
    return if !defined $patterns;

    return join(' ', ref $patterns eq 'ARRAY' ? @$patterns : $patterns)
           =~ /\[(alert|crit|emerg)\\?\]/g;
}


sub add_patterns {
    my ($block, $section, @patterns) = @_;

    my $own = $block->$section;
    my @own = !defined $own ? ()
              : ref $own eq 'ARRAY' ? @$own
              : ref $own ? ($own)
              : grep { length } split /\n+/, $own;

    my %seen;
    $block->set_value($section, [ grep { !$seen{$_}++ } @own, @patterns ]);
}


# Test::Nginx calls this with nginx up, once per repetition.
{
    my $helper = $Test::Nginx::Util::RunTestHelper;

    $Test::Nginx::Util::RunTestHelper = sub {
        my ($block, $dry_run, @rest) = @_;

        send_lines($block, 'setup') if !$dry_run;
        $helper->($block, $dry_run, @rest);

        if (!$dry_run) {
            send_lines($block, 'after');
            check_store($block, 'redis', \&redis);
            check_store($block, 'psql', \&psql);
            check_sanitizers($block);
        }
    };
}


sub send_lines {
    my ($block, $section) = @_;
    my $text = $block->$section;
    return if !defined $text;

    for my $line (split /\n/, $text) {
        next if $line =~ /^\s*(#|$)/;

        my $want = $line =~ s/\s*=>\s*(\d+)\s*$// ? $1 : '2..';
        my ($method, $path, $rest) = split ' ', $line, 3;
        my %headers;

        $rest = '' if !defined $rest;
        while ($rest =~ s/^([A-Za-z][\w-]*)=(\S*)\s*//) {
            $headers{$1} = $2;
        }

        my $answer = http($method, $path, $rest, %headers);
        my $name = $block->name . " - $section: $method $path";

        Test::More::like($answer->{status}, qr/^(?:$want)$/, $name)
            or Test::More::diag($answer->{content});
    }
}


sub check_store {
    my ($block, $section, $ask) = @_;
    my $question = $block->$section;
    return if !defined $question;

    my ($out, $like) = ("${section}_out", "${section}_like");
    my ($wanted, $pattern) = ($block->$out, $block->$like);
    my ($answer, $good);

    if (defined $wanted) {
        $wanted =~ s/\n*\z//;
    }

    if (defined $pattern && !ref $pattern) {
        chomp $pattern;
    }

    until_true(sub {
        $answer = $ask->($question);
        $good = defined $wanted ? $answer eq $wanted
                                : $answer =~ /$pattern/s;
    });

    my $name = $block->name . " - $section";

    if (defined $wanted) {
        Test::More::is($answer, $wanted, $name);
    } else {
        Test::More::like($answer, qr/$pattern/s, $name);
    }
}


# Reports go to files (ASAN_OPTIONS log_path): a worker has no stderr.
sub check_sanitizers {
    my ($block) = @_;
    return if !defined $ENV{PT_SANITIZER_LOG};

    # not a leak checker that itself broke off in a process that ends
    my $report = qr/ERROR: AddressSanitizer|runtime error:|leaked in/;
    my @new = grep { slurp($_) =~ $report }
              grep { !$reported{$_}++ } glob "$ENV{PT_SANITIZER_LOG}*";

    Test::More::ok(!@new, $block->name . ' - no report of a sanitizer')
        or Test::More::diag(map { slurp($_) } @new);
}


sub slurp {
    my ($name) = @_;
    open my $file, '<', $name or return '';
    local $/;
    return scalar <$file>;
}


# Asks every 20 ms until the code answers true, or patience ends.
sub until_true {
    my ($code, $seconds) = @_;
    my $end = time + (defined $seconds ? $seconds : $patience);

    while (1) {
        my $good = $code->();
        return $good if $good || time >= $end;
        sleep 0.02;
    }
}


sub base_url {
    return "http://127.0.0.1:$ENV{TEST_NGINX_PORT}";
}


# http(METHOD, PATH, BODY, HEADER => VALUE, ...): HTTP::Tiny's answer
sub http {
    my ($method, $path, $body, %headers) = @_;
    my %options = (headers => { %headers });

    if (defined $body && length $body) {
        $options{content} = $body;
        $options{headers}{'Content-Type'} = 'application/json'
            if !grep { lc eq 'content-type' } keys %headers;
    }

    return HTTP::Tiny->new(timeout => 10)
                     ->request($method, base_url() . $path, \%options);
}


sub capture {
    my ($input, @command) = @_;

    require IPC::Open2;
    my $pid = IPC::Open2::open2(my $out, my $in, @command);
    print $in $input;
    close $in;

    local $/;
    my $text = <$out>;
    waitpid $pid, 0;

    $text = '' if !defined $text;
    $text =~ s/\n*\z//;
    return $text;
}


# Lines of commands, answered as redis-cli prints them into a pipe.
sub redis {
    my ($commands) = @_;
    return capture("$commands\n", 'redis-cli', '-s', $ENV{PT_REDIS_SOCKET});
}


sub psql {
    my ($query) = @_;
    return capture("$query\n", 'sh', '-c', 'exec psql -XAtq 2>&1');
}


sub reset_stores {
    redis('FLUSHALL SYNC');

    my $answer = psql(<<'_EOC_');
DO $$
DECLARE names text;
BEGIN
    SELECT string_agg(format('%I.%I', schemaname, tablename), ', ')
      INTO names FROM pg_tables WHERE schemaname = 'paytrade';
    IF names IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY CASCADE';
    END IF;
END $$;
_EOC_

    die "the tables cannot be emptied: $answer" if length $answer;
}


1;
