# Redis in bad weather: gone, hanging, full, read-only, loading, locked,
# encrypted, talking nonsense or slowly.  Never a success that is none, an
# answer in time, and all well by itself afterwards.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

my $timeouts = "paytrade_redis_timeout 600ms;\n"
               . "paytrade_redis_connect_timeout 600ms;\n";
my $body = '{"sku":"p30","quantity":1,"unit_price":"5000.00"}';
my $users = 0;
my @children;


sub hold {
    my ($user, $key) = @_;

    return http('POST', '/orders', $body, 'X-User' => $user || 'u' . ++$users,
                $key ? ('Idempotency-Key' => $key) : ());
}


sub id {
    return $_[0]{content} =~ /"order_id":"(\d+)"/ ? $1 : '';
}


# 503 with Retry-After, in time; and nothing but.
sub unserved {
    my ($name) = @_;
    my $from = time;
    my $answer = hold();
    my $took = time - $from;

    is($answer->{status}, 503, "$name: 503");
    like($answer->{content}, qr/"code":"unavailable"/, "$name: unavailable");
    cmp_ok($answer->{headers}{'retry-after'} || 0, '>', 0,
           "$name: Retry-After");
    cmp_ok($took, '<', 2, "$name: in time");
}


# Without anybody's help: a hold, a cancel, and both in PostgreSQL.
sub served {
    my ($name) = @_;
    my ($user, $answer) = ('s' . ++$users);

    until_true(sub { $answer = hold($user, 'k'); $answer->{status} != 503 },
               15);
    like($answer->{status}, qr/^20[01]$/, "$name: a hold is taken")
        or diag($answer->{content});

    my $id = id($answer);

    is(id(hold($user, 'k')), $id, "$name: the key finds it");
    is(http('DELETE', "/orders/$id", undef, 'X-User' => $user)->{status}, 200,
       "$name: it is cancelled");
    ok(until_true(sub {
        psql("SELECT status FROM paytrade.orders WHERE order_id = $id")
        eq 'cancelled'
    }, 15), "$name: and PostgreSQL knows");
}


sub logged {
    my ($name, $pattern) = @_;

    ok(until_true(sub { log_text() =~ $pattern }, 5), "$name: the log says so")
        or diag(substr log_text(), -2000);
}


# What any failure of the kind has counted.
sub failures {
    my ($kind) = @_;
    my $status = http('GET', '/paytrade/status')->{content};

    return $status =~ /"$kind":(\d+)/ ? $1 : -1;
}


sub done {
    my ($name) = @_;

    ok(stop_nginx(), "$name: nginx leaves");
    ok(log_is_clean(), "$name: no alert");
    PaytradeShop::empty_stores();
}


# A process of our own; it ends with the test.
sub child {
    my ($code) = @_;
    my $pid = fork;

    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        $code->();
        require POSIX;
        POSIX::_exit(1);
    }

    push @children, $pid;
    return $pid;
}


sub end_child {
    my ($pid) = @_;

    kill 'KILL', $pid;
    waitpid $pid, 0;
    @children = grep { $_ != $pid } @children;
}


END {
    my $status = $?;
    end_child($_) for @children;
    $? = $status;
}


sub free_port {
    for (1 .. 100) {
        my $port = 20000 + int rand 12000;

        return $port if IO::Socket::INET->new(Listen => 1,
                                              LocalAddr => '127.0.0.1',
                                              LocalPort => $port);
    }

    die 'no free port';
}


# Another Redis: its folder, pid and socket.
my $count = 0;

sub private_redis {
    my (@options) = @_;
    my $dir = "$ENV{PT_TMP}/redis-" . ++$count;

    mkdir $dir;
    chmod 0755, $dir;

    my $pid = child(sub {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        exec 'redis-server', '--dir', $dir, '--port', 0, '--save', '',
             '--unixsocket', "$dir/redis.sock", '--unixsocketperm', 777,
             '--daemonize', 'no', @options;
    });

    until_true(sub { -S "$dir/redis.sock" }, 5) or die "no Redis in $dir";
    return { dir => $dir, pid => $pid, socket => "$dir/redis.sock" };
}


sub ask {
    my ($redis, @command) = @_;

    open my $pipe, '-|', 'redis-cli', '--no-auth-warning', '-s',
         $redis->{socket}, @command or die "redis-cli: $!";
    local $/;
    my $text = <$pipe>;
    close $pipe;
    $text =~ s/\n+\z// if defined $text;

    return $text;
}


sub shop {
    my ($http) = @_;

    start_nginx(workers => 1, http => "$timeouts$http\n");
}


# Down at the start.
shop('');
stop_nginx();
stop_redis();
shop('');
unserved('down at start');
start_redis();
put_item('p30', stock => 1000);
served('down at start');

# Killed.
my $kept = hold('kept', 'k');
kill_redis();
unserved('killed');
start_redis();
served('killed');
is(id(hold('kept', 'k')), id($kept), 'killed: an order is still there');

# Hanging: the answer comes in time, and the same key tells the truth later.
my $held = PaytradeShop::item('p30')->{held};
pause_redis(1);
my $from = time;
my $answer = hold('lost', 'k');
my $took = time - $from;
is($answer->{status}, 503, 'hanging: 503');
cmp_ok($took, '<', 1.2, 'hanging: within the time-out');
ok($answer->{headers}{'retry-after'}, 'hanging: Retry-After');
like($answer->{content}, qr/same Idempotency-Key/, 'hanging: what to do');
is(http('GET', '/items?sku=p30')->{status}, 503, 'hanging: items too');
pause_redis(0);
until_true(sub { $answer = hold('lost', 'k'); $answer->{status} != 503 }, 10);
like($answer->{status}, qr/^20[01]$/, 'hanging: the key tells the truth');
is(PaytradeShop::item('p30')->{held}, $held + 1, 'hanging: one unit is held');
served('hanging');
for my $case ([ GET => 'the stock did not answer; ask again' ],
              [ DELETE => 'the outcome is not known; send the same again' ])
{
    my ($method, $detail) = @$case;

    pause_redis(1);
    like(http($method, '/orders/' . id($kept), undef,
              'X-User' => 'other')->{content},
         qr/"status":503,.*"detail":"$detail"/, "hanging: $method of an order");
    pause_redis(0);
    served("hanging: $method");
}
cmp_ok(failures('timed_out'), '>', 0, 'hanging: counted');

# Out of memory: nothing is sold, but what frees memory goes on.
my $full = hold('full', 'k');
is($full->{status}, 201, 'full: a hold before');
redis('CONFIG', 'SET', 'maxmemory', '1mb');
my $before = failures('oom');
unserved('full');
cmp_ok(failures('oom'), '>', $before, 'full: counted as oom');
is(http('GET', '/orders/' . id($full), undef, 'X-User' => 'full')->{status},
   200, 'full: orders are read');
is(id(http('DELETE', '/orders/' . id($full), undef, 'X-User' => 'full')),
   id($full), 'full: a cancel goes on');
ok(until_true(sub { psql('SELECT status FROM paytrade.orders WHERE order_id = '
                         . id($full)) eq 'cancelled' }, 10),
   'full: and reaches PostgreSQL');
redis('CONFIG', 'SET', 'maxmemory', '0');
served('full');

# Settings that are looked at when a worker connects.
redis('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
redis('CLIENT', 'KILL', 'TYPE', 'normal');
logged('evicting', qr/\[\w+\].*maxmemory-policy.*allkeys-lru/);
redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
redis('CONFIG', 'SET', 'appendfsync', 'everysec');
redis('CLIENT', 'KILL', 'TYPE', 'normal');
logged('not durable', qr/\[error\].*appendfsync/);
served('not durable');
redis('CONFIG', 'SET', 'appendfsync', 'always');
ok(PaytradeShop::balance_holds('p30'), 'the balance holds after all that');
is(drift()->{status}, 200, 'and Redis and PostgreSQL agree');
done('the shop\'s Redis');


# TCP, and a database of its own.
shop("paytrade_redis redis://127.0.0.1:$ENV{PT_REDIS_PORT}/3;");
put_item('p30', stock => 10);
served('TCP');
is(redis('-n', 3, 'EXISTS', '{pt:0}:item:p30'), 1, 'TCP: database 3 has it');
is(redis('DBSIZE'), 0, 'TCP: database 0 does not');
done('TCP');


# A replica is not written to; once promoted it serves.
shop('paytrade_durability aof;');
put_item('p30', stock => 10);
my $old = hold('before', 'k');
ok(journal_drained(), 'replica: PostgreSQL knows all');
ok(stop_nginx(), 'replica: nginx leaves');

my $replica = private_redis('--replicaof', "127.0.0.1 $ENV{PT_REDIS_PORT}");
ok(until_true(sub { ask($replica, 'INFO', 'replication')
                    =~ /master_link_status:up/ }, 10), 'replica: in sync');
shop("paytrade_redis unix:$replica->{socket};\npaytrade_durability memory;");
unserved('replica');
logged('replica', qr/replica|READONLY/i);
ask($replica, 'REPLICAOF', 'NO', 'ONE');
served('promoted');
is(id(hold('before', 'k')), id($old), 'promoted: an old key finds its order');
is(ask($replica, 'HGET', '{pt:0}:item:p30', 'held'), 1, 'promoted: held');
end_child($replica->{pid});
done('replica');


# Loading its file.
my $loading = private_redis('--save', '');
ask($loading, 'EVAL', 'for i = 1, 3000 do redis.call("SET", "k" .. i, '
    . 'string.rep("x", 1000)) end', 0);
ask($loading, 'SAVE');
end_child($loading->{pid});
system 'cp', "$loading->{dir}/dump.rdb", "$ENV{PT_TMP}/dump.rdb";
$count--;
unlink $loading->{socket};
$loading = private_redis('--key-load-delay', 700,
                         '--loading-process-events-interval-bytes', 1024);

SKIP: {
    skip 'Redis loaded too quickly', 9
        if ask($loading, 'GET', 'k1') !~ /^LOADING/;

    shop("paytrade_redis unix:$loading->{socket};\n"
         . 'paytrade_durability memory;');
    unserved('loading');
    put_item('p30', stock => 10);
    served('loading');
    is(ask($loading, 'HGET', '{pt:0}:item:p30', 'available'), 10,
       'loading: none is held in the end');
}

end_child($loading->{pid});
done('loading');


# Locked: no password, a wrong one, the right one from the URL and a file.
my $locked = private_redis('--requirepass', 'p@ss:/word');

for (['no password', '', qr/NOAUTH/], ['a wrong password',
     'redis://:wrong@', qr/AUTH failed: wrong user or password/])
{
    my ($name, $url, $pattern) = @$_;

    shop("paytrade_redis unix:$locked->{socket};\n"
         . 'paytrade_durability memory;'
         . ($url ? "\npaytrade_redis_password_file $ENV{PT_TMP}/wrong;" : ''))
        if !$url || write_file("$ENV{PT_TMP}/wrong", "wrong\n");
    unserved($name);
    logged($name, $pattern);
    unlike(log_text(), qr/wrong\b.*p\@ss/, "$name: no secret in the log");
    done($name);
}


sub write_file {
    my ($name, $text) = @_;

    open my $file, '>', $name or die "$name: $!";
    print $file $text;
    close $file;
    chmod 0600, $name;

    return 1;
}


write_file("$ENV{PT_TMP}/password", "p\@ss:/word\n");
shop("paytrade_redis unix:$locked->{socket};\npaytrade_durability memory;\n"
     . "paytrade_redis_password_file $ENV{PT_TMP}/password;");
put_item('p30', stock => 10);
served('the password of a file');
unlike(log_text(), qr/p\@ss:\/word/, 'the password is in no log');

# Changed while we run: what is connected stays, what reconnects is refused.
ask($locked, '-a', 'p@ss:/word', 'CONFIG', 'SET', 'requirepass', 'other');
ask($locked, '-a', 'other', 'CLIENT', 'KILL', 'TYPE', 'normal');
unserved('the password was changed');
ask($locked, '-a', 'other', 'CONFIG', 'SET', 'requirepass', 'p@ss:/word');
served('and changed back');
done('the password of a file');


# A user with the documented rights, and with one right less.
open my $docs, '<', 'docs/storage.md' or die "docs/storage.md: $!";
my $storage = do { local $/; <$docs> };
my ($rights) = $storage =~ /ACL SETUSER shop on >PASSWORD (.*?)\n\n/s;
my @rights = split ' ', $rights;
my $port = free_port();
my $acl = private_redis('--port', $port, '--bind', '127.0.0.1');

cmp_ok(scalar @rights, '>', 30, 'the documents tell the rights');
is(ask($acl, 'ACL', 'SETUSER', 'shop', 'on', '>s3:cr@t', @rights), 'OK',
   'and Redis takes them');
shop("paytrade_redis redis://shop:s3%3Acr%40t\@127.0.0.1:$port;\n"
     . 'paytrade_durability aof;');
put_item('p30', stock => 10, hold_time => '1s');
served('documented rights');
hold();
ok(until_true(sub { ask($acl, 'HGET', '{pt:0}:item:p30', 'available') == 10 },
              5), 'documented rights: expiry');
is(http('POST', '/paytrade/admin/items/p30/restock',
        '{"units":1,"request_id":"r"}')->{status}, 200,
   'documented rights: restock');
is(drift()->{status}, 200, 'documented rights: drift');
ask($acl, 'DEL', '{pt:0}:epoch');
served('documented rights: after a rebuild');
is(ask($acl, 'HGET', '{pt:0}:item:p30', 'stock'), 11, 'with the same stock');
unlike(log_text(), qr/NOPERM/, 'documented rights: none is missing');
done('documented rights');
ask($acl, 'FLUSHALL');

my $tested = 0;
for my $right (qw(zadd scan eval xreadgroup)) {
    ask($acl, 'ACL', 'SETUSER', 'shop', "-$right");
    shop("paytrade_redis redis://shop:s3%3Acr%40t\@127.0.0.1:$port;");
    unserved("without $right") if $right ne 'xreadgroup' && !$tested++;
    logged("without $right", qr/(?:NOPERM|no right|permission).*$right/i);
    ask($acl, 'ACL', 'SETUSER', 'shop', "+$right");
    put_item('p30', stock => 10);
    served("with $right again");
    done("without $right");
    ask($acl, 'FLUSHALL');
}

end_child($acl->{pid});
end_child($locked->{pid});


# TLS.
my $tls = "$ENV{PT_TMP}/tls";
mkdir $tls;


sub certificate {
    my ($name, $subject, $ca, @more) = @_;
    my @command = ('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes',
                   '-days', 2, '-subj', "/CN=$subject", '-keyout',
                   "$tls/$name.key", '-out', "$tls/$name.pem", @more);

    push @command, '-CA', "$tls/$ca.pem", '-CAkey', "$tls/$ca.key" if $ca;
    system(join(' ', map { "'$_'" } @command) . ' 2>/dev/null') == 0
        or die "openssl: $name";
    chmod 0644, "$tls/$name.key";
}


certificate('ca', 'Test CA');
certificate('other', 'Another CA');
certificate('redis', 'redis.example', 'ca', '-addext',
            'subjectAltName=DNS:redis.example',
            '-addext', 'basicConstraints=critical,CA:FALSE');
certificate('client', 'shop', 'ca', '-addext',
            'basicConstraints=critical,CA:FALSE');

my $tls_port = free_port();
my $secure = private_redis('--tls-port', $tls_port, '--bind', '127.0.0.1',
                           '--tls-cert-file', "$tls/redis.pem",
                           '--tls-key-file', "$tls/redis.key",
                           '--tls-ca-cert-file', "$tls/ca.pem",
                           '--tls-auth-clients', 'no');


sub tls_shop {
    my (@more) = @_;

    shop(join "\n", "paytrade_redis rediss://127.0.0.1:$tls_port;",
         'paytrade_durability memory;', @more);
}


my $trusted = "paytrade_redis_ssl_trusted_certificate $tls/ca.pem;";
my $named = 'paytrade_redis_ssl_name redis.example;';

tls_shop($trusted, $named);
put_item('p30', stock => 10);
served('TLS');
done('TLS');
ask($secure, 'FLUSHALL');

for (['a wrong name', $trusted, 'paytrade_redis_ssl_name other.example;'],
     ['an address that the certificate has not', $trusted, ''],
     ['another CA', $named,
      "paytrade_redis_ssl_trusted_certificate $tls/other.pem;"])
{
    my ($name, @more) = @$_;

    tls_shop(@more);
    unserved("TLS, $name");
    logged("TLS, $name", qr/\[error\].*certificate/i);
    done("TLS, $name");
    is(ask($secure, 'DBSIZE'), 0, "TLS, $name: nothing was written");
}

tls_shop('paytrade_redis_ssl_verify off;');
put_item('p30', stock => 10);
served('TLS without verification');
done('TLS without verification');
ask($secure, 'FLUSHALL');
ask($secure, 'CONFIG', 'SET', 'tls-auth-clients', 'yes');

tls_shop($trusted, $named);
unserved('TLS, a client certificate is wanted');
ok(stop_nginx(), 'TLS, a client certificate is wanted: nginx leaves');
ok(log_is_clean(qr{alert certificate required}),
   'TLS, a client certificate is wanted: no alert');
PaytradeShop::empty_stores();

tls_shop($trusted, $named, "paytrade_redis_ssl_certificate $tls/client.pem;",
         "paytrade_redis_ssl_certificate_key $tls/client.key;");
put_item('p30', stock => 10);
served('TLS with a client certificate');

# Not TLS at all, from one moment to the next.
end_child($secure->{pid});
unserved('TLS, gone');
done('TLS with a client certificate');


# Servers that are none.
sub server {
    my ($serve) = @_;
    my $listen = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1',
                                       ReuseAddr => 1) or die "listen: $!";

    my $pid = child(sub {
        local $SIG{PIPE} = 'IGNORE';
        while (my $client = $listen->accept) {
            $client->autoflush(1);
            $serve->($client);
        }
    });

    return ($pid, $listen->sockport);
}


for (['says HTTP', "HTTP/1.1 400 Bad Request\r\n\r\n<html>"],
     ['says nothing it should', "\0\xff" x 100],
     ['claims a huge string', "\$99999999999\r\nx"],
     ['claims a huge array', "*2147483647\r\n" x 3],
     ['nests without end', "*1\r\n" x 1000],
     ['says OK for ever', "+OK\r\n" x 2000],
     ['says null', "\$-1\r\n" x 100],
     ['closes at once', undef])
{
    my ($name, $text) = @$_;
    my ($pid, $at) = server(sub {
        my ($client) = @_;

        print $client $text if defined $text;
        sysread $client, my $in, 100 if defined $text;
        close $client;
    });

    shop("paytrade_redis redis://127.0.0.1:$at;\npaytrade_durability memory;");
    unserved("a server that $name");
    is(psql('SELECT count(*) FROM paytrade.items'), 0,
       "a server that $name: nothing in PostgreSQL");
    end_child($pid);
    ok(stop_nginx(), "a server that $name: nginx leaves");
    ok(log_is_clean(), "a server that $name: no alert");
}


# Replies that come byte by byte.
sub byte_by_byte {
    my ($client) = @_;
    my $child = fork;

    return close $client if $child;

    my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $ENV{PT_REDIS_PORT});
    my $select = IO::Select->new($client, $server);

    setsockopt $client, 6, 1, 1;             # TCP_NODELAY
    while (my @ready = $select->can_read) {
        for my $from (@ready) {
            my $to = $from == $client ? $server : $client;

            sysread $from, my $in, 65536 or do {
                require POSIX;
                POSIX::_exit(0);
            };

            if ($to == $server) {
                syswrite $to, $in;

            } else {
                syswrite $to, $_ for split //, $in;
            }
        }
    }
}


PaytradeShop::empty_stores();
my ($proxy, $proxy_port) = server(\&byte_by_byte);
shop("paytrade_redis redis://127.0.0.1:$proxy_port;");
put_item('p30', stock => 10);
served('byte by byte');
is(PaytradeShop::item('p30')->{available}, 10, 'byte by byte: none is held');
like(http('GET', '/items?sku=p30')->{content}, qr/"available":10/,
     'byte by byte: and so it is told');
end_child($proxy);
done('byte by byte');

done_testing();
