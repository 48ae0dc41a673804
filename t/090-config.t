#!/usr/bin/perl
#
# nginx -t: every wrong value is refused with the file and line, the directive
# and what to write instead; secrets are not shown; what is right passes.

use strict;
use warnings;

use lib 't/lib';
use PaytradeConfig;
use Test::More;

my $dir = config_dir();
my $locations = config_locations();

# Also when the machine's resolver knows every name: RFC 6761 says none.
my $no_host = 'shop.invalid';

my $positive = 'write a whole number from';

my $example_url = 'write a URL such as unix:/run/redis/redis.sock or '
                  . 'redis://user:password@host:6379/0';

# What is right.

accepted('the standard configuration');

accepted('nothing of ours in use', server => '', without => [
    qw(paytrade_zone paytrade_redis paytrade_postgres paytrade_user) ]);

accepted('every number at its smallest', http => <<'_EOC_');
paytrade_partitions 1;
paytrade_batch 1;
paytrade_queue 1;
paytrade_attempts 1;
paytrade_journal_max 1;
paytrade_soldout_ttl 0;
paytrade_pay_margin 0;
paytrade_pay_rest 1ms;
paytrade_events_max 1;
paytrade_prefix "";
paytrade_retention 1s;
paytrade_hold_time 1s;
paytrade_redis_connect_timeout 1ms;
paytrade_redis_timeout 1ms;
paytrade_postgres_connect_timeout 1ms;
paytrade_postgres_timeout 1ms;
paytrade_currency JPY 0;
paytrade_durability memory;
paytrade_zone paytrade 256k;
_EOC_

accepted('every number at its largest', http => <<'_EOC_');
paytrade_partitions 100;
paytrade_batch 256;
paytrade_queue 1000000;
paytrade_attempts 4096;
paytrade_journal_max 1000000000;
paytrade_soldout_ttl 60s;
paytrade_pay_margin 1h;
paytrade_pay_rest 30d;
paytrade_events_max 1000000000;
paytrade_events order.held order.cancelled order.expired;
paytrade_prefix aZ09_-aZ09_-;
paytrade_retention 3650d;
paytrade_hold_time 30d;
paytrade_redis_connect_timeout 1h;
paytrade_redis_timeout 1h;
paytrade_postgres_connect_timeout 1h;
paytrade_postgres_timeout 1h;
paytrade_currency XXX 4;
paytrade_durability aof;
paytrade_zone paytrade 64m;
_EOC_

for my $url ('redis://127.0.0.1', 'redis://127.0.0.1/', 'redis://localhost',
             'redis://[::1]', 'redis://[::1]:6380/3', 'redis://127.0.0.1:1/0',
             'unix:/run/redis.sock?db=7')
{
    accepted("paytrade_redis $url", http => "paytrade_redis $url;");
}

for my $url ('redis://user:s3cret@127.0.0.1/65535',
             'redis://:s3cret@127.0.0.1',
             'redis://us%40er:s3cret%25%3a%2F@[::1]:6379',
             'redis://user:s3cret/@x@127.0.0.1')
{
    accepted("paytrade_redis $url", http => "paytrade_redis $url;",
             hidden => 's3cret');
}

accepted('paytrade_redis_password_file', hidden => 's3cret',
         http => 'paytrade_redis_password_file '
                 . spew('password', "s3cret\n") . ';');

accepted('paytrade_redis_password_file without a newline',
         http => 'paytrade_redis_password_file '
                 . spew('password', "s3cret") . ';');

accepted('paytrade_redis_password_file beside nginx.conf',
         http => 'paytrade_redis_password_file password;');

accepted('a password file that all can read is warned of',
         warns => 'chmod o-r', hidden => 's3cret',
         http => 'paytrade_redis_password_file '
                 . spew('open', "s3cret\r\n", 0644) . ';');

accepted('a user in the URL, the password in a file', hidden => 's3cret',
         http => "paytrade_redis redis://shop\@127.0.0.1;\n"
                 . "paytrade_redis_password_file password;");

accepted('paytrade_user of a location',
         without => [ 'paytrade_user' ],
         server => "paytrade_user \$remote_user;\n" . $locations);

accepted('paytrade_hold_time everywhere', http => 'paytrade_hold_time 20m;',
         server => "paytrade_hold_time 10m;\n"
                   . "location / { paytrade_hold_time 5m; paytrade_hold; }");

accepted('a handler in a location with "if"',
         server => 'location = /o { if ($arg_x) { set $y 1; } '
                   . 'paytrade_order $arg_id; }');

accepted('paytrade_admin with addresses',
         server => 'location /a/ { paytrade_admin allow=10.0.0.0/8 '
                   . 'allow=::1 allow=unix: allow=192.0.2.1; }');

accepted('paytrade_admin with bits to spare', warns => 'low address bits',
         server => 'location /a/ { paytrade_admin allow=10.0.0.1/8; }');


# Numbers and times.

for my $case ([ paytrade_partitions => '1 to 100', qw(0 101 -1 1.5 x "") ],
              [ paytrade_batch => '1 to 256', qw(0 257 many) ],
              [ paytrade_queue => '1 to 1000000', qw(0 1000001) ],
              [ paytrade_attempts => '1 to 4096', qw(0 4097) ],
              [ paytrade_events_max => '1 to 1000000000', qw(0 -1) ],
              [ paytrade_journal_max => '1 to 1000000000',
                qw(0 99999999999999999999) ])
{
    my ($directive, $range, @values) = @$case;

    for my $value (@values) {
        (my $shown = $value) =~ s/"//g;
        refused("$directive $value", http => "$directive $value;",
                says => "has an invalid value \"$shown\": $positive $range");
    }
}

for my $case ([ paytrade_hold_time => 'from 1s to 30d', qw(0 999ms 31d x) ],
              [ paytrade_soldout_ttl => 'from 0 to 60s', qw(61s -1s) ],
              [ paytrade_pay_margin => 'from 0 to 1h', qw(61m x) ],
              [ paytrade_pay_rest => 'from 1ms to 30d', qw(0 31d x) ],
              [ paytrade_retention => 'from 1s to 3650d', qw(0 999ms 11y) ],
              [ paytrade_redis_connect_timeout => 'from 1ms to 1h', qw(0) ],
              [ paytrade_redis_timeout => 'from 1ms to 1h', qw(0 2h fast) ],
              [ paytrade_postgres_connect_timeout => 'from 1ms to 1h',
                qw(0) ],
              [ paytrade_postgres_timeout => 'from 1ms to 1h', qw(0 1x) ])
{
    my ($directive, $range, @values) = @$case;

    for my $value (@values) {
        refused("$directive $value", http => "$directive $value;",
                says => "has an invalid value \"$value\": write a time "
                        . $range);
    }
}


# Words.

refused('paytrade_durability replica', http => 'paytrade_durability replica;',
        says => 'does not know "replica": write "memory" or "aof"');

for my $code (qw(cny CN CNYX C1Y "")) {
    (my $shown = $code) =~ s/"//g;
    refused("paytrade_currency $code", http => "paytrade_currency $code;",
            says => "has an invalid code \"$shown\": write three capital "
                    . 'letters, such as CNY');
}

for my $decimals (qw(5 -1 two)) {
    refused("paytrade_currency CNY $decimals",
            http => "paytrade_currency CNY $decimals;",
            says => "has an invalid number of decimals \"$decimals\": write "
                    . 'a whole number from 0 to 4');
}

for my $prefix ('abcdefghijklm', 'a.b', '"a b"', "\xc3\xa9") {
    (my $shown = $prefix) =~ s/"//g;
    refused("paytrade_prefix $prefix", http => "paytrade_prefix $prefix;",
            says => "has an invalid value \"$shown\": write at most 12 "
                    . 'letters, digits, "_" and "-"');
}

for my $word ('payment.succeeded', 'held', '""', 'order.hel', 'order.held2') {
    (my $shown = $word) =~ s/"//g;
    refused("paytrade_events $word", http => "paytrade_events $word;",
            says => "does not know \"$shown\": write some of order.held, "
                    . 'order.cancelled and order.expired');
}

refused('an event twice', says => 'names "order.held" twice: write it once',
        http => 'paytrade_events order.held order.expired order.held;');

for my $case ([ 'paytrade_pay_rest 30s', 30000, 30000 ],
              [ 'paytrade_pay_rest 29s', 29000, 30000 ],
              [ 'paytrade_pay_margin 60s', 60000, 60000 ],
              [ "paytrade_pay_rest 9s;\npaytrade_pay_margin 10s", 9000,
                10000 ])
{
    my ($directives, $rest, $margin) = @$case;
    refused("a margin of ${margin}ms, a rest of ${rest}ms",
            http => "$directives;", at => $directives =~ s/.*\n//r,
            says => "\"paytrade_pay_rest\" is ${rest}ms and "
                    . "\"paytrade_pay_margin\" ${margin}ms: write a rest "
                    . 'that is longer than the margin');
}

refused('an empty user', http => 'paytrade_user "";',
        says => 'has an empty value "": write a variable');


# The zone.

refused('a zone that is too small', http => 'paytrade_zone paytrade 255k;',
        says => 'is too small with "255k": it needs at least 256k');

refused('a zone without a size', http => 'paytrade_zone paytrade big;',
        says => 'has an invalid size "big": write a size such as 8m');

refused('a zone without a name', http => 'paytrade_zone "" 8m;',
        says => 'needs a name, as in "paytrade_zone paytrade 8m;"');


# Redis.

for my $case ([ '127.0.0.1:6379', 'it has to begin with "unix:/"' ],
              [ 'http://127.0.0.1', 'it has to begin with "unix:/"' ],
              [ '""', 'it has to begin with "unix:/"' ],
              [ 'unix:', 'the path of the socket has to begin with "/"' ],
              [ 'unix:redis.sock', 'the path of the socket has to begin' ],
              [ 'unix:/x.sock?db', 'after "?" only "db=NUMBER"' ],
              [ 'unix:/x.sock?db=', 'the database is not a number' ],
              [ 'unix:/x.sock?base=1', 'after "?" only "db=NUMBER"' ],
              [ 'unix:/x.sock?db=x', 'the database is not a number' ],
              [ 'unix:/x.sock?db=65536', 'the database is not a number' ],
              [ 'redis://', 'there is no host' ],
              [ 'redis://:6379', 'there is no host' ],
              [ 'redis:///0', 'there is no host' ],
              [ 'redis://h:0', 'the port is not a number from 1 to 65535' ],
              [ 'redis://h:65536', 'the port is not a number' ],
              [ 'redis://h:x', 'the port is not a number' ],
              [ 'redis://h:', 'the port is not a number' ],
              [ 'redis://::1', 'there is no host' ],
              [ 'redis://1::2', 'an IPv6 address has to stand in brackets' ],
              [ 'redis://[::1', 'has no closing bracket' ],
              [ 'redis://[::1]x', 'only a port may follow' ],
              [ 'redis://h/x', 'what follows the host is not a database' ],
              [ 'redis://h/0/1', 'what follows the host is not a database' ],
              [ 'redis://@h', 'there is neither a user nor a password' ],
              [ 'redis://u:@h', 'the password is empty' ])
{
    my ($url, $says) = @$case;
    refused("paytrade_redis $url", http => "paytrade_redis $url;",
            says => $says);
    refused("paytrade_redis $url: the remedy", http => "paytrade_redis $url;",
            says => $example_url);
}

for my $url ('redis://u:s3cret%@h', 'redis://u:s3cret%1@h',
             'redis://u:s3cret%zz@h', 'redis://s3cret%00@h')
{
    refused("paytrade_redis $url", http => "paytrade_redis $url;",
            hidden => 's3cret',
            says => 'a "%" without two hexadecimal digits');
}

refused('a password without an "@"', http => 'paytrade_redis redis://u:s3cret;',
        hidden => 's3cret', says => 'the port is not a number');

refused('another scheme with a password', hidden => 's3cret',
        http => 'paytrade_redis valkey://u:s3cret@h;',
        says => 'it has to begin with "unix:/"');

refused('a host that nobody knows', hidden => 's3cret',
        http => "paytrade_redis redis://u:s3cret\@$no_host;",
        says => "cannot use \"$no_host\"");

refused('a path that is too long',
        http => 'paytrade_redis unix:/' . 'x' x 120 . ';',
        says => 'too long path in the unix domain socket; write a host');

refused('a user without a password',
        http => 'paytrade_redis redis://shop@127.0.0.1;',
        says => 'names a user without a password: write '
                . 'redis://user:password@host or give '
                . '"paytrade_redis_password_file"');

refused('a password in the URL and in a file', hidden => 's3cret',
        http => "paytrade_redis_password_file password;\n"
                . 'paytrade_redis redis://:s3cret@127.0.0.1;',
        says => 'conflicts with the password in "paytrade_redis": keep one');

for my $case ([ 'none', undef, 'cannot open' ],
              [ 'empty', '', 'is empty: write the path of a file' ],
              [ 'newline', "\n", 'is empty: write the path of a file' ],
              [ 'lines', "s3cret\ns3cret\n", 'has more than one line' ],
              [ 'long', 's3cret' x 200, 'is longer than 1024 bytes' ])
{
    my ($name, $text, $says) = @$case;
    spew($name, $text) if defined $text;
    refused("a password file: $name", says => $says, hidden => 's3cret',
            http => "paytrade_redis_password_file $name;");
}

refused('a password file: a folder',
        http => 'paytrade_redis_password_file /tmp;',
        says => '"/tmp" is not a regular file: write the path of a file');


# TLS.

my $tls = "paytrade_redis rediss://127.0.0.1;\n";

for my $directive ('paytrade_redis_ssl_verify off',
                   'paytrade_redis_ssl_verify on',
                   'paytrade_redis_ssl_trusted_certificate /x.pem',
                   'paytrade_redis_ssl_name redis.example.com',
                   'paytrade_redis_ssl_certificate /x.pem',
                   'paytrade_redis_ssl_certificate_key /x.key')
{
    refused("$directive without TLS", http => "$directive;",
            says => 'needs TLS: write a URL that begins with "rediss://"');
}

accepted('TLS without verification',
         http => $tls . 'paytrade_redis_ssl_verify off;');

refused('TLS without a trusted certificate', http => $tls,
        says => 'needs "paytrade_redis_ssl_trusted_certificate", such as '
                . '"paytrade_redis_ssl_trusted_certificate '
                . '/etc/ssl/certs/ca-certificates.crt;", or '
                . '"paytrade_redis_ssl_verify off;"');

refused('a trusted certificate that is not there',
        http => "paytrade_redis_ssl_trusted_certificate none.pem;\n$tls",
        says => 'names a file that cannot be used: write the path of a PEM');

refused('a trusted certificate that is none',
        http => "paytrade_redis_ssl_trusted_certificate empty;\n$tls",
        says => 'names a file that cannot be used: write the path of a PEM');

refused('a certificate without its key',
        http => "paytrade_redis_ssl_certificate x.pem;\n$tls"
                . 'paytrade_redis_ssl_verify off;',
        says => 'needs "paytrade_redis_ssl_certificate_key": give both');

refused('a key without its certificate',
        http => "paytrade_redis_ssl_certificate_key x.key;\n$tls"
                . 'paytrade_redis_ssl_verify off;',
        says => 'needs "paytrade_redis_ssl_certificate": give both');

refused('a certificate that is not there',
        http => "paytrade_redis_ssl_certificate none.pem;\n$tls"
                . "paytrade_redis_ssl_certificate_key none.key;\n"
                . 'paytrade_redis_ssl_verify off;',
        says => 'or its key names a file that cannot be used: write');

refused('paytrade_redis_ssl_verify maybe',
        http => "paytrade_redis_ssl_verify maybe;\n$tls",
        says => 'has an invalid value "maybe": write "on" or "off"');

for my $what (qw(trusted_certificate name certificate certificate_key)) {
    refused("an empty paytrade_redis_ssl_$what",
            http => "paytrade_redis_ssl_$what \"\";\n$tls",
            says => 'has an empty value "": write a value, or leave');
}

SKIP: {
    my $made = system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 "
                      . "-subj /CN=redis -keyout $dir/tls.key "
                      . "-out $dir/tls.pem >$dir/openssl.log 2>&1") == 0;

    skip 'openssl makes no certificate', 2 if !$made;

    accepted('TLS with all that it can have', http => $tls . <<'_EOC_');
paytrade_redis_ssl_trusted_certificate tls.pem;
paytrade_redis_ssl_name redis.example.com;
paytrade_redis_ssl_certificate tls.pem;
paytrade_redis_ssl_certificate_key tls.key;
_EOC_

    refused('a key that is none',
            http => "paytrade_redis_ssl_certificate tls.pem;\n$tls"
                    . "paytrade_redis_ssl_certificate_key empty;\n"
                    . 'paytrade_redis_ssl_verify off;',
            says => 'or its key names a file that cannot be used: write');
}


# PostgreSQL.

my $example_dsn = 'write a connection string such as "host=/run/postgresql '
                  . 'dbname=shop user=shop"';

for my $case ([ 'host', 'is not a valid connection string' ],
              [ 'nothing=1', 'has an option that libpq does not know' ],
              [ 'host=/run s3cret', 'is not a valid connection string' ],
              [ "host='/run dbname=shop", 'is not a valid connection' ],
              [ 'host=/run port=none dbname=shop', 'has an invalid port' ],
              [ 'host=/run port=0 dbname=shop', 'has an invalid port' ],
              [ "host=$no_host dbname=shop", "names host \"$no_host\"" ],
              [ "password=s3cret host=$no_host", "names host \"$no_host\"" ],
              [ "password='s3cret host=/run", 'is not a valid connection' ],
              [ 'password=s3cret host', 'is not a valid connection string' ],
              [ "postgresql://u:s3cret\@$no_host/shop", 'names host' ],
              [ 'postgresql://u:s3cret%zz@h/shop',
                'is not a valid connection string, quote values with spaces, '
                . 'or in a URI write "%25" for "%"' ],
              (map { [ $_, 'has an "@" where none may stand, write "%40" for '
                           . '"@" and "%2F" for "/" in the user' ] }
                   "postgresql://u:pa\@s3cret\@$no_host/x",
                   "postgres://u:pa\@s3cret\@$no_host",
                   'postgresql://u:s3cret/pw@h/x',
                   'postgresql://u:1/s3cret@127.0.0.1/x',
                   'postgresql://u:a@127.0.0.1/s3cret@h/x',
                   'postgresql://u:a?b@s3cret@h/x'),
              [ 'postgresql://u:s3cret', 'has an invalid port, write a number '
                . 'from 1 to 65535; in a password of a URI write "%2F" for '
                . '"/"' ])
{
    my ($dsn, $says) = @$case;
    refused("paytrade_postgres $dsn", http => "paytrade_postgres \"$dsn\";",
            hidden => 's3cret', says => $says);
    refused("paytrade_postgres $dsn: the remedy", says => $example_dsn,
            http => "paytrade_postgres \"$dsn\";");
}


accepted('a password that is encoded', hidden => 's3cret',
         http => "paytrade_postgres '$_';")
    for 'postgresql://u:s3cret%40%2F%25?@127.0.0.1:5432/x',
        'postgres://u@127.0.0.1,[::1]:1/x?application_name=a@b',
        'postgresql:///x?host=@abstract', 'postgresql://',
        'host=@abstract password=://a@b/s3cret';


# What a handler needs.

my %needs = (
    paytrade_zone => 'paytrade_zone paytrade 8m;',
    paytrade_redis => 'paytrade_redis unix:/run/redis/redis.sock;',
    paytrade_postgres =>
        'paytrade_postgres "host=/run/postgresql dbname=shop";',
);

for my $missing (sort keys %needs) {
    refused("without $missing", without => [ $missing ],
            server => "location = /orders {\npaytrade_hold;\n}",
            at => 'paytrade_hold',
            says => "needs \"$missing\" in the http block, such as "
                    . "\"$needs{$missing}\"");
}

for my $handler ('paytrade_hold', 'paytrade_order $arg_id', 'paytrade_pay',
                 'paytrade_payment $arg_id')
{
    refused("$handler without paytrade_user", without => [ 'paytrade_user' ],
            server => "location /o {\n$handler;\n}", at => $handler,
            says => 'needs "paytrade_user" in the http, server or location '
                    . 'block, such as "paytrade_user $http_x_user;"');
}

for my $handler ('paytrade_items', 'paytrade_admin', 'paytrade_status') {
    accepted("$handler without paytrade_user", without => [ 'paytrade_user' ],
             server => "location /o { $handler; }");
}


# Handlers.

for my $pair ([ 'paytrade_items', 'paytrade_hold' ],
              [ 'paytrade_hold', 'paytrade_order $arg_id' ],
              [ 'paytrade_order $arg_id', 'paytrade_admin' ],
              [ 'paytrade_admin', 'paytrade_pay' ],
              [ 'paytrade_pay', 'paytrade_payment $arg_id' ],
              [ 'paytrade_payment $arg_id', 'paytrade_notify alipay' ],
              [ 'paytrade_notify alipay', 'paytrade_status' ],
              [ 'paytrade_status', 'paytrade_items' ])
{
    my ($first, $second) = @$pair;
    my ($name) = $first =~ /(\w+)/;

    refused("$first and $second", at => $second,
            server => "location /o {\n$first;\n$second;\n}",
            says => "conflicts with \"$name\" of location \"/o\": give each "
                    . 'a location of its own');
}

for my $text ("proxy_pass http://127.0.0.1;\npaytrade_hold;",
              "paytrade_hold;\nproxy_pass http://127.0.0.1;")
{
    refused("paytrade_hold and proxy_pass", at => 'paytrade_hold',
            server => "location /o {\n$text\n}",
            says => 'conflicts with another handler of location "/o": give');
}

for my $value ('oid', '123', '""', '176371200000000000x') {
    refused("paytrade_order $value", at => 'paytrade_order',
            server => "location /o {\npaytrade_order $value;\n}",
            says => 'write the variable that holds the order\'s id');
}

for my $value ('pno', '123', '""') {
    refused("paytrade_payment $value", at => 'paytrade_payment',
            server => "location /p {\npaytrade_payment $value;\n}",
            says => 'write the variable that holds the payment\'s number, '
                    . 'such as $id in "location ~ ^/payments/');
}

refused('paytrade_order $', at => 'paytrade_order',
        server => "location /o {\npaytrade_order \$;\n}",
        says => 'has an invalid value: write a variable, such as $name');

for my $location ('= /a/', '~ ^/a/', '@a') {
    refused("paytrade_admin in location $location", at => 'paytrade_admin',
            server => "location $location {\npaytrade_admin;\n}",
            says => 'write a location given by a prefix, such as "location '
                    . '/paytrade/admin/"');
}

for my $argument ('10.0.0.0/8', 'allow', 'deny=all') {
    refused("paytrade_admin $argument", at => 'paytrade_admin',
            server => "location /a/ {\npaytrade_admin $argument;\n}",
            says => "does not know \"$argument\": write allow=ADDRESS");
}

for my $argument ('allow=', 'allow=10.0.0.0/33', 'allow=localhost') {
    refused("paytrade_admin $argument", at => 'paytrade_admin',
            server => "location /a/ {\npaytrade_admin $argument;\n}",
            says => "has an invalid address in \"$argument\": write an "
                    . 'address or a network, such as allow=10.0.0.0/8');
}


# Twice.

for my $directive ('paytrade_zone paytrade 8m',
                   'paytrade_redis unix:/x.sock',
                   'paytrade_redis_password_file password',
                   'paytrade_redis_connect_timeout 1s',
                   'paytrade_redis_timeout 1s',
                   'paytrade_redis_ssl_verify off',
                   'paytrade_redis_ssl_trusted_certificate x.pem',
                   'paytrade_redis_ssl_name x',
                   'paytrade_redis_ssl_certificate x.pem',
                   'paytrade_redis_ssl_certificate_key x.key',
                   "paytrade_postgres \"host=$dir\"",
                   'paytrade_postgres_connect_timeout 1s',
                   'paytrade_postgres_timeout 1s',
                   'paytrade_partitions 2',
                   'paytrade_durability aof',
                   'paytrade_soldout_ttl 1s',
                   'paytrade_currency CNY',
                   'paytrade_prefix x',
                   'paytrade_prefix ""',
                   'paytrade_pay_margin 1s',
                   'paytrade_pay_rest 90s',
                   'paytrade_events order.held',
                   'paytrade_events_max 9',
                   'paytrade_journal_max 9',
                   'paytrade_retention 1d',
                   'paytrade_batch 9',
                   'paytrade_queue 9',
                   'paytrade_attempts 9',
                   'paytrade_user $remote_user',
                   'paytrade_hold_time 1m')
{
    refused("$directive, twice", http => "$directive;\n$directive;",
            says => 'directive is duplicate');
}

for my $handler ('paytrade_items', 'paytrade_hold', 'paytrade_order $arg_id',
                 'paytrade_admin', 'paytrade_status', 'paytrade_pay',
                 'paytrade_payment $arg_id', 'paytrade_notify x')
{
    refused("$handler, twice", at => $handler,
            server => "location /o {\n$handler;\n$handler;\n}",
            says => 'directive is duplicate');
}

done_testing();
