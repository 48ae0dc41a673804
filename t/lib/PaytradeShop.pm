package PaytradeShop;

# A whole shop for the tests that break things: nginx with a master and
# workers, beside the Redis and PostgreSQL of t/tools/with-servers, each of
# which can be killed, stopped, restarted and put back; and the questions that
# must have the right answer afterwards.

use strict;
use warnings;

BEGIN {
    if (!defined $ENV{PT_REDIS_SOCKET}) {
        my ($root) = __FILE__ =~ m{^(.*)/t/lib/};
        exec "$root/t/tools/with-servers", $^X, $0, @ARGV
            or die "cannot run t/tools/with-servers: $!";
    }

    $ENV{PATH} .= ':/usr/sbin:/sbin';
}

use Exporter 'import';
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP 'decode_json';
use POSIX 'WNOHANG';
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(empty_stores start_nginx stop_nginx reload_nginx workers
                 kill_worker
                 start_redis stop_redis kill_redis pause_redis
                 start_postgres stop_postgres kill_postgres
                 save_redis put_back_redis
                 redis psql http put_item item order_ids until_true port
                 balance_holds watch_balance end_watch journal_drained
                 log_is_clean log_text same_orders drift all_serve);

our @EXPORT_OK = qw(raw raw_head snapshot unchanged events status_json
                    in_background);

my $root = $ENV{PT_ROOT};
my $servers = "$ENV{PT_TMP}/servers";
my $dir = "$ENV{PT_TMP}/shop";
my $master;
my $workers;
my $redis_options = '--port ' . $ENV{PT_REDIS_PORT} . ' --bind 127.0.0.1';
my $emptied;

my @standard = (
    [ paytrade_zone       => 'paytrade 8m' ],
    [ paytrade_redis      => "unix:$ENV{PT_REDIS_SOCKET}" ],
    [ paytrade_postgres   => "\"$ENV{PT_POSTGRES}\"" ],
    [ paytrade_user       => '$http_x_user' ],
    [ paytrade_durability => 'aof' ],
);

my $standard_locations = <<'_EOC_';
        location = /items { paytrade_items; }
        location = /orders { paytrade_hold; }
        location ~ ^/orders/(?<oid>[0-9]+)$ { paytrade_order $oid; }
        location /paytrade/admin/ { paytrade_admin; }
        location = /paytrade/status { paytrade_status; }
_EOC_

my $payment_locations = <<'_EOC_';
        location = /payments { paytrade_pay; }
        location ~ ^/payments/(?<pno>[0-9]+)$ { paytrade_payment $pno; }
_EOC_


# With a gateway in the http directives also what belongs to payments.
sub standard_locations {
    my ($http) = @_;
    my @gateways = $http =~ /^\s*paytrade_gateway\s+(\w+)/mg;

    return $standard_locations if !@gateways;

    return join '', $standard_locations, $payment_locations, map {
        "        location = /notify/$_ { paytrade_notify $_; }\n"
    } @gateways;
}


sub port {
    return $ENV{TEST_NGINX_PORT};
}


# start_nginx(workers => 2, http => "directives", server => "directives",
#             locations => "in place of the standard ones"); an http directive
# replaces the standard one of its name, and the standard ones named in
# `without` are left out.  more_locations come beside the standard ones.
sub start_nginx {
    my (%o) = @_;
    my $user = $> == 0 ? 'user postgres;' : '';

    mkdir $dir;
    mkdir "$dir/temp";
    chmod 0777, $dir, "$dir/temp";

    empty_stores() if !$emptied++;

    my $http = directives($o{http}, @{ $o{without} || [] });
    my $more = $o{server} || '';
    my $extra = $o{more_locations} || '';
    my $locations = $o{locations} || standard_locations($http);
    my $port = port();

    $workers = $o{workers} || 2;

    open my $conf, '>', "$dir/nginx.conf" or die "$dir/nginx.conf: $!";
    print $conf <<"_EOC_";
load_module $ENV{PT_MODULE};
$user
worker_processes $workers;
worker_rlimit_nofile 16384;
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log info;
events { worker_connections 8192; }
http {
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path $dir/temp;
    proxy_temp_path $dir/temp;
    fastcgi_temp_path $dir/temp;
    uwsgi_temp_path $dir/temp;
    scgi_temp_path $dir/temp;
$http
    server {
        listen 127.0.0.1:$port backlog=8192;
        add_header X-Worker \$pid always;
        $more
$locations
$extra
    }
}
_EOC_
    close $conf;

    $master = fork;
    die "fork: $!" if !defined $master;

    if ($master == 0) {
        exec $ENV{PT_NGINX}, '-p', $dir, '-c', "$dir/nginx.conf", '-e',
             "$dir/error.log" or die "$ENV{PT_NGINX}: $!";
    }

    until_true(sub { http('GET', '/paytrade/status')->{status} == 200 }, 10)
        or die 'nginx does not answer: ' . log_text();
}


sub directives {
    my ($text, @without) = @_;
    my %without = map { $_ => 1 } @without;

    $text = '' if !defined $text;

    return join('', map { "    $_->[0] $_->[1];\n" }
                    grep { !$without{$_->[0]}
                           && $text !~ /^\s*$_->[0]\s/m } @standard)
           . "    $text";
}


# Each file begins with empty stores and a log of its own.
sub empty_stores {
    redis('FLUSHALL', 'SYNC');
    psql("DO \$\$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg("
         . "format('%I.%I', schemaname, tablename), ', ')"
         . " || ' RESTART IDENTITY CASCADE' FROM pg_tables"
         . " WHERE schemaname = 'paytrade'); END \$\$");
    unlink "$dir/error.log";
}


sub stop_nginx {
    return if !$master;

    kill 'QUIT', $master;
    my $gone = until_true(sub { waitpid($master, WNOHANG) == $master }, 20);

    if (!$gone) {
        kill 'KILL', workers(), $master;
        waitpid $master, 0;
    }

    undef $master;

    return $gone;
}


END {
    my $status = $?;
    stop_nginx();
    $? = $status;
}


sub reload_nginx {
    kill 'HUP', $master;
}


sub workers {
    my $children = slurp("/proc/$master/task/$master/children") || '';

    return split ' ', $children;
}


sub kill_worker {
    my @workers = workers();

    kill 'KILL', $workers[rand @workers] if @workers;
}


sub with_servers_sh {
    my ($command) = @_;

    system('sh', '-c', "conf_dir='$root/conf'; . '$root/conf/demo/servers.sh'; "
                       . $command) == 0
        or die "failed: $command";
}


sub redis_pid {
    return (slurp("$servers/redis.pid") || 0) + 0;
}


sub start_redis {
    with_servers_sh("start_redis '$servers' $redis_options");
}


sub stop_redis {
    with_servers_sh("stop_redis '$servers'");
}


sub kill_redis {
    my $pid = redis_pid();

    kill 'KILL', $pid;
    until_true(sub { has_ended($pid) }, 5);
}


# Also when nobody has taken note of its end yet; but not while threads of it
# are left, with its sockets.
sub has_ended {
    my ($pid) = @_;
    my @threads = glob "/proc/$pid/task/*";

    return @threads < 2 && (slurp("/proc/$pid/stat") || '') !~ /\) [^ZX] /;
}


# SIGSTOP or, with a false value, SIGCONT
sub pause_redis {
    my ($pause) = @_;

    kill($pause ? 'STOP' : 'CONT', redis_pid()) or die "Redis: $!";
}


sub start_postgres {
    with_servers_sh("start_postgres '$servers' -c fsync=off "
                    . '-c max_connections=200');
}


sub stop_postgres {
    with_servers_sh("stop_postgres '$servers'");
}


# It does not start again while there is a process with its number, ended or
# not, or one that it had made.
sub kill_postgres {
    my ($pid) = split /\n/, slurp("$servers/postgres/postmaster.pid") || '';
    my @children = split ' ', slurp("/proc/$pid/task/$pid/children") || '';

    kill 'KILL', $pid;
    until_true(sub { !grep { -d "/proc/$_" } $pid, @children }, 15);
}


# A copy of Redis' files as they are now; Redis goes on.
sub save_redis {
    my ($name) = @_;

    system('cp', '-a', "$servers/redis", "$ENV{PT_TMP}/$name") == 0
        or die 'cp';
}


sub put_back_redis {
    my ($name) = @_;

    kill_redis();
    system('rm', '-rf', "$servers/redis") == 0 or die 'rm';
    system('cp', '-a', "$ENV{PT_TMP}/$name", "$servers/redis") == 0
        or die 'cp';
    start_redis();
}


sub redis {
    my (@command) = @_;

    open my $pipe, '-|', 'redis-cli', '-s', $ENV{PT_REDIS_SOCKET}, @command
        or die "redis-cli: $!";
    local $/;
    my $text = <$pipe>;
    close $pipe;

    $text = '' if !defined $text;
    $text =~ s/\n+\z//;

    return $text;
}


sub psql {
    my ($query) = @_;

    open my $pipe, '-|', 'psql', '-XAtqc', $query or die "psql: $!";
    local $/;
    my $text = <$pipe>;
    close $pipe;

    $text = '' if !defined $text;
    $text =~ s/\n+\z//;

    return $text;
}


sub http {
    my ($method, $path, $body, %headers) = @_;
    my %options = (headers => { %headers });

    if (defined $body) {
        $options{content} = $body;
        $options{headers}{'Content-Type'} ||= 'application/json';
    }

    return HTTP::Tiny->new(timeout => 10)
                     ->request($method, 'http://127.0.0.1:' . port() . $path,
                               \%options);
}


# A request as it stands; the answer as [status, headers, body].
sub raw {
    my ($text) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port(), Timeout => 5)
        or die "connect: $!";

    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "no answer to " . substr $text, 0, 200 };
    alarm 10;
    print $socket $text;

    my $answer = '';
    while (sysread $socket, $answer, 65536, length $answer) {
        last if $answer =~ m{^Content-Length: (\d+)\r\n.*?\r\n\r\n(.*)}ms
                && length($2) >= $1;
    }
    alarm 0;

    my ($head, $body) = split /\r\n\r\n/, $answer, 2;
    my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d+)};

    return [ $status || 0, $head // '', $body // '' ];
}


# raw_head('POST', '/orders', 'Header: value', ...)
sub raw_head {
    my ($method, $path, @headers) = @_;

    return join("\r\n", "$method $path HTTP/1.1", 'Host: shop',
                'Connection: close', @headers) . "\r\n\r\n";
}


# All keys of Redis with their values and all rows of PostgreSQL, when nothing
# is left to tidy up.
sub snapshot {
    my ($last, $now) = ('', look());
    my $end = time + 10;

    while ($last ne $now && time < $end) {
        sleep 0.5;
        ($last, $now) = ($now, look());
    }

    return $now;
}


# Of the journal, whose consumers' times change, what was ever added to it.
sub look {
    my $redis = redis('EVAL', <<'_EOC_', 0);
local keys, out = redis.call('KEYS', '*'), {}
table.sort(keys)
for _, key in ipairs(keys) do
    local value
    if string.find(key, ':journal', 1, true) then
        local info = redis.call('XINFO', 'STREAM', key)
        value = {}
        for i = 1, #info, 2 do
            if info[i] == 'entries-added' or info[i] == 'length' then
                value[#value + 1] = info[i] .. info[i + 1]
            end
        end
        value = table.concat(value, ' ')
    elseif redis.call('TYPE', key).ok == 'hash' then
        local all = redis.call('HGETALL', key)    -- in no order of its own
        local pairs = {}
        for i = 1, #all, 2 do
            pairs[#pairs + 1] = all[i] .. '=' .. all[i + 1]
        end
        table.sort(pairs)
        value = redis.sha1hex(table.concat(pairs, ' '))
    else
        value = redis.sha1hex(redis.call('DUMP', key))
    end
    out[#out + 1] = key .. ' ' .. value
end
return out
_EOC_

    my @tables = split /\n/, psql('SELECT tablename FROM pg_tables'
                                  . " WHERE schemaname = 'paytrade'"
                                  . ' ORDER BY 1');
    my $rows = psql(join(' UNION ALL ',
                         map { "SELECT '$_', xmin::text, t::text"
                               . " FROM paytrade.$_ t" } @tables)
                    . ' ORDER BY 1, 3');

    return "$redis\n--\n$rows";
}


# Since that snapshot; tells only what has changed.
sub unchanged {
    my ($before, $name) = @_;
    my @lines = map { [ split /\n/ ] } $before, snapshot();
    my %count;

    for my $i (0, 1) {
        $count{$_} += $i ? 1 : -1 for @{ $lines[$i] };
    }

    my @changes = map { ($count{$_} < 0 ? '- ' : '+ ') . $_ }
                  grep { $count{$_} } sort keys %count;

    Test::More::ok(!@changes, $name)
        or Test::More::diag(join "\n", @changes);
}


# The events of a partition, each a hash of its fields and `entry`.
sub events {
    my ($partition) = @_;
    my $text = redis('EVAL', "return cjson.encode(redis.call('XRANGE',"
                             . " KEYS[1], '-', '+'))", 1,
                     '{pt:' . ($partition || 0) . '}:events');
    my $entries = $text eq '{}' ? [] : decode_json($text);

    return map { { entry => $_->[0], @{ $_->[1] } } } @$entries;
}


sub status_json {
    return decode_json(http('GET', '/paytrade/status')->{content});
}


# Runs the code in a process of its own, for it may block; gives its pid.
sub in_background {
    my ($code) = @_;
    my $pid = fork;

    die "fork: $!" if !defined $pid;
    return $pid if $pid;

    my $good = eval { $code->(); 1 };
    print STDERR $@ if !$good;
    POSIX::_exit($good ? 0 : 1);
}


# put_item('p30', stock => 100, limit => 1, hold_time => '15m')
sub put_item {
    my ($sku, %o) = @_;

    %o = (sale => 'spring', title => 'P30', price => '5000.00', limit => 0,
          stock => 100, %o);

    my $body = '{' . join(',', map {
        "\"$_\":" . ($o{$_} =~ /^\d+$/ && $_ ne 'price' && $_ ne 'title'
                     ? $o{$_} : "\"$o{$_}\"") } sort keys %o) . '}';
    my $answer;

    until_true(sub {
        $answer = http('PUT', "/paytrade/admin/items/$sku", $body);
        $answer->{status} != 503;
    }, 20);

    die "PUT $sku: $answer->{status} $answer->{content}"
        if $answer->{status} !~ /^20[01]$/;
}


# The item's numbers in Redis, read at one instant.
sub item {
    my ($sku) = @_;
    my @names = qw(stock available held sold);
    my @values = split /\n/, redis('HMGET', "{pt:0}:item:$sku", @names), -1;
    my %item;

    @item{@names} = @values;

    return \%item;
}


sub balance_holds {
    my ($sku) = @_;
    my $item = item($sku);

    return 1 if ($item->{stock} // '') eq '';    # being rebuilt

    return $item->{available} >= 0
           && $item->{available} + $item->{held} + $item->{sold}
              == $item->{stock};
}


# Reads the balance again and again in a process of its own, until end_watch,
# which returns how often it was read and how often it was wrong.
sub watch_balance {
    my ($sku) = @_;

    pipe my $out, my $in or die "pipe: $!";
    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        my ($checks, $wrong, $stop) = (0, 0, 0);

        local $SIG{TERM} = sub { $stop = 1 };
        while (!$stop) {
            $checks++;
            $wrong++ if !balance_holds($sku) && !$stop;
        }

        print $in "$checks $wrong\n";
        close $in;
        require POSIX;
        POSIX::_exit(0);
    }

    close $in;
    return [$pid, $out];
}


sub end_watch {
    my ($pid, $out) = @{ $_[0] };

    kill 'TERM', $pid;
    my $line = <$out>;
    waitpid $pid, 0;

    return split ' ', $line;
}


# The ids of the outcomes that were answered 201 or 200.
sub order_ids {
    return map { $_->{answer} =~ /"order_id":"(\d{19})"/ ? $1 : () }
           grep { $_->{status} == 201 || $_->{status} == 200 } @_;
}


# Every id is a row, once, and (if exact) no other row is there.
sub same_orders {
    my ($ids, $exact) = @_;
    my %wanted = map { $_ => 1 } @$ids;
    my ($missing, $others) = (0, 0);

    until_true(sub {
        my %rows = map { $_ => 1 }
                   split /\n/, psql('SELECT order_id FROM paytrade.orders');

        $missing = grep { !$rows{$_} } keys %wanted;
        $others = grep { !$wanted{$_} } keys %rows;
        $missing == 0;
    }, 60);

    Test::More::diag("$missing missing, $others others")
        if $missing || ($exact && $others);

    return !$missing && !($exact && $others);
}


sub journal_drained {
    my ($seconds) = @_;

    return until_true(sub {
        my $length = redis('XLEN', '{pt:0}:journal');
        my $waiting = redis('HGET', '{pt:0}:clock', 'waiting');

        $length eq '0' && $waiting eq '0';
    }, $seconds || 30);
}


# By every worker: a new connection goes to any of them, so ask until each has
# answered.
sub all_serve {
    my ($sku) = @_;
    my %served;

    for (1 .. 400) {
        my $answer = http('GET', "/items?sku=$sku");

        return 0 if $answer->{status} != 200;
        $served{$answer->{headers}{'x-worker'}} = 1;
        return 1 if keys %served >= $workers;
    }

    return 0;
}


# What the edge itself says about Redis and PostgreSQL: 200 when they agree.
sub drift {
    return HTTP::Tiny->new(timeout => 120)
                     ->get('http://127.0.0.1:' . port()
                           . '/paytrade/admin/drift');
}


sub until_true {
    my ($code, $seconds) = @_;
    my $end = time + $seconds;

    while (1) {
        my $good = $code->();

        return $good if $good || time >= $end;
        sleep 0.05;
    }
}


sub log_text {
    return slurp("$dir/error.log") || '';
}


# No alert, crit or emerg but those that match what is allowed.
sub log_is_clean {
    my ($allowed) = @_;
    my @bad = grep { /\[(?:alert|crit|emerg)\]|Sanitizer|runtime error:/ }
              split /\n/, log_text();

    @bad = grep { !/$allowed/ } @bad if defined $allowed;
    @bad = grep { !leak_checker_broke_off($_) } @bad;
    @bad = @bad[0 .. 20] if @bad > 20;
    Test::More::diag(join "\n", @bad) if @bad;
    tell_at_the_end(@bad);

    return !@bad;
}


# Of a long run often only its last lines are kept.
sub tell_at_the_end {
    return if !@_ || !defined $ENV{PT_TOTALS};

    open my $why, '>>', "$ENV{PT_TOTALS}.why" or return;
    print $why map { "$0: $_\n" } @_;
    close $why;
}


# At the very end of a process, after nginx's own last word, LeakSanitizer stops
# it and looks at its memory; now and then this ends in a signal instead.  What
# sanitizers do find ends in signal 6 and a report, looked at elsewhere.  Where
# workers were killed, one of them may have got no further than the word that
# comes before a report; never more such words than workers.
sub leak_checker_broke_off {
    my ($line) = @_;

    return if !defined $ENV{PT_SANITIZER_LOG};

    if ($line eq 'AddressSanitizer:DEADLYSIGNAL') {
        my $killed = () = log_text() =~ / exited on signal 9\b/g;
        my $words = () = log_text() =~ /^\Q$line\E$/mg;

        return $words <= $killed;
    }

    return if $line !~ /worker process (\d+) exited on signal (6|9)\b/;

    return $2 == 9 || log_text() =~ /\[notice\] $1#$1: exit$/m;
}


sub slurp {
    my ($name) = @_;

    open my $file, '<', $name or return;
    local $/;
    return scalar <$file>;
}


1;
