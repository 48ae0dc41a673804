# Bad input: each is answered 4xx with a problem and its stable code, and
# changes nothing, neither in Redis nor in PostgreSQL.

use strict;
use warnings;
no warnings 'qw';

use lib 't/lib';
use PaytradeShop;
use IO::Socket::INET;
use Test::More;

my $http = "client_max_body_size 1m;\n";

start_nginx(workers => 1, http => $http, locations => <<'_EOC_');
        location = /items { paytrade_items; }
        location = /orders { paytrade_hold; }
        location = /small { paytrade_hold; client_max_body_size 1k; }
        location ~ ^/orders/(?<oid>.*)$ { paytrade_order $oid; }
        location /paytrade/admin/ { paytrade_admin; }
        location = /paytrade/status { paytrade_status; }
_EOC_

put_item('p30', stock => 1_000_000_000, limit => 0);
put_item('p31', stock => 10, price => '99999999999.99');

my $held = http('POST', '/orders',
                '{"sku":"p30","quantity":1,"unit_price":"5000.00"}',
                'X-User' => 'u1');
my ($id) = $held->{content} =~ /"order_id":"(\d{19})"/;

ok($id, 'there is an order that could be hurt');
ok(journal_drained(), 'PostgreSQL knows it');
my $before = snapshot();


# All keys of Redis with their values, but for the journal, of which the
# consumers' times change: what was ever added to it.
sub snapshot {
    my $redis = redis('EVAL', <<'_EOC_', 0);
local keys, out = redis.call('KEYS', '*'), {}
table.sort(keys)
for _, key in ipairs(keys) do
    local value
    if key == '{pt:0}:journal' then
        local info = redis.call('XINFO', 'STREAM', key)
        value = {}
        for i = 1, #info, 2 do
            if info[i] == 'entries-added' or info[i] == 'length' then
                value[#value + 1] = info[i] .. info[i + 1]
            end
        end
        value = table.concat(value, ' ')
    else
        value = redis.sha1hex(redis.call('DUMP', key))
    end
    out[#out + 1] = key .. ' ' .. value
end
return out
_EOC_

    my $rows = psql("SELECT 'i', i.xmin::text, i.sku FROM paytrade.items i"
                    . " UNION ALL SELECT 'o', xmin::text, order_id::text"
                    . ' FROM paytrade.orders'
                    . " UNION ALL SELECT 'l', xmin::text, sku"
                    . ' FROM paytrade.order_lines'
                    . " UNION ALL SELECT 'd', xmin::text, id::text"
                    . ' FROM paytrade.dead_letter'
                    . " UNION ALL SELECT 'a', xmin::text, request_id"
                    . ' FROM paytrade.admin_requests ORDER BY 1, 3');

    return "$redis\n--\n$rows";
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


sub refused {
    my ($name, $answer, $status, $code) = @_;
    my $good = $answer->[0] == $status
               && $answer->[1]
                  =~ m{^Content-Type: application/problem\+json\r?$}m
               && $answer->[2] =~ m/^\{"type":"[^"]+\#$code",.*"status":$status,
                                    "code":"$code".*\}$/xs;

    ok($good, "$name: $status $code")
        or diag("$answer->[0] $answer->[1]\n" . substr $answer->[2], 0, 300);

    return $good;
}


sub unchanged {
    my ($name) = @_;
    my $now = snapshot();

    is($now, $before, "$name: nothing has changed");
    $before = $now;
}


# head('POST', '/orders', 'Header: value', ...)
sub head {
    my ($method, $path, @headers) = @_;

    return join("\r\n", "$method $path HTTP/1.1", 'Host: shop',
                'Connection: close', @headers) . "\r\n\r\n";
}


sub post {
    my ($body, @headers) = @_;

    return raw(head('POST', '/orders', 'X-User: u1',
                    'Content-Length: ' . length $body, @headers) . $body);
}


sub one {
    my ($member, $value) = @_;
    my %body = (sku => '"p30"', quantity => 1, unit_price => '"5000.00"',
                defined $member ? ($member => $value) : ());

    return '{' . join(',', map { defined $body{$_} ? "\"$_\":$body{$_}" : () }
                           sort keys %body) . '}';
}


# Bodies that are not JSON, or not an object.
my @bodies = (
    [ 'no body at all', '' ],
    [ 'white space', "  \r\n\t " ],
    [ 'a word', 'hello' ],
    [ 'a form', 'sku=p30&quantity=1' ],
    [ 'an array', '[' . one() . ']' ],
    [ 'a string', '"x"' ],
    [ 'a number', '1' ],
    [ 'null', 'null' ],
    [ 'an empty object', '{}' ],
    [ 'cut short', substr one(), 0, -1 ],
    [ 'cut in a string', '{"sku":"p3' ],
    [ 'two objects', one() . one() ],
    [ 'something behind', one() . ' x' ],
    [ 'a zero byte behind', one() . "\0" ],
    [ 'a trailing comma',
      '{"sku":"p30","quantity":1,"unit_price":"5000.00",}' ],
    [ 'a comment', '/* */' . one() ],
    [ 'single quotes', "{'sku':'p30','quantity':1,'unit_price':'5000.00'}" ],
    [ 'a byte order mark', "\xef\xbb\xbf" . one() ],
    [ 'UTF-16', join '', map { "\0$_" } split //, one() ],
    [ 'NaN', one('quantity', 'NaN') ],
    [ 'Infinity', one('quantity', 'Infinity') ],
    [ 'hexadecimal', one('quantity', '0x1') ],
    [ 'a leading zero', one('quantity', '01') ],
    [ 'a plus sign', one('quantity', '+1') ],
    [ 'a point with nothing behind', one('quantity', '1.') ],
    [ 'deep arrays', one('meta', '[' x 20 . ']' x 20) ],
    [ 'deep objects', one('meta', '{"a":' x 20 . '1' . '}' x 20) ],
    [ 'thousands deep', '[' x 30000 ],
    [ 'thousands deep, an object', '{"a":' x 10000 ],
    [ 'a doubled quantity', '{"sku":"p30","quantity":1,"quantity":2,'
                            . '"unit_price":"5000.00"}' ],
    [ 'a doubled sku', '{"sku":"p31","sku":"p30","quantity":1,'
                       . '"unit_price":"5000.00"}' ],
    [ 'a doubled sku, once escaped', '{"sku":"p31","s\u006bu":"p30",'
                                     . '"quantity":1,"unit_price":"5000.00"}' ],
    [ 'a member of meta doubled', one('meta', '{"a":1,"b":2,"a":3}') ],
    [ 'an unknown member doubled', one('x', '1,"x":2') ],
    [ 'a member of a line doubled', '{"sale":"spring","lines":[{"sku":"p30",'
                 . '"quantity":1,"unit_price":"5000.00","quantity":1}]}' ],
    [ 'hundreds of members', one('meta', '{' . join(',', map { "\"m$_\":1" }
                                                    1 .. 300) . '}') ],
    [ 'invalid UTF-8', one('meta', "\"\xff\"") ],
    [ 'UTF-8 cut short', one('meta', "\"\xe4\xb8\"") ],
    [ 'an overlong slash', one('meta', "\"\xc0\xaf\"") ],
    [ 'a surrogate in UTF-8', one('meta', "\"\xed\xa0\x80\"") ],
    [ 'above U+10FFFF', one('meta', "\"\xf4\x90\x80\x80\"") ],
    [ 'invalid UTF-8 in an unknown name', one("x\xfe", '1') ],
    [ '\u0000 in meta', one('meta', '"a\u0000b"') ],
    [ '\u0000 in the sku', one('sku', '"p30\u0000"') ],
    [ '\u0000 in a name', one('quantity\u0000', '1') ],
    [ 'a raw zero byte', one('meta', "\"a\0b\"") ],
    [ 'a raw line end in a string', one('meta', "\"a\nb\"") ],
    [ 'a raw tab in a string', one('meta', "\"a\tb\"") ],
    [ 'a lone high surrogate', one('meta', '"\ud83d"') ],
    [ 'a lone low surrogate', one('meta', '"\ude00"') ],
    [ 'surrogates the wrong way round', one('meta', '"\ude00\ud83d"') ],
    [ 'an unknown escape', one('meta', '"\x41"') ],
    [ 'an escape cut short', one('meta', '"\u12"') ],
);

refused($_->[0], post($_->[1]), 400, 'bad_request') for @bodies;
unchanged('bodies that are not JSON');


# Members that are missing, of another type or out of range.
my @values = (
    (map { [ "quantity $_", one('quantity', $_) ] }
     qw(0 -1 -0 1.5 0.5 1000000001 2147483648 4294967296 4294967297
        9007199254740993 9223372036854775807 9223372036854775808
        18446744073709551617 1e10 1e18 1e400 1e-1 -1e0 null true false "1" ""
        [1] {"a":1} []), '9' x 400),
    (map { [ "unit_price $_", one('unit_price', $_) ] }
     qw("5000.001" "5000.000" "-1" "-5000.00" "+1" "+5000.00" "1e3" "5e3"
        5000 5000.00 "" "." ".5" "5000." "0x1388" "5,000" "5,000.00"
        "5000,00" "05000.00" "NaN" "Infinity" "\u0665000" null true [] {}
        "100000000000.01" "92233720368547758.08" "184467440737095516.16"),
     '" 5000.00"', '"5000.00 "', '"5000.00\n"', '"5000 00"',
     '"' . '9' x 300 . '"'),
    (map { [ "amount $_", one('amount', $_) ] }
     qw(5000 "-1" "5000.001" "" true [] "1e3"), '" 5000"'),
    (map { [ 'sku ' . substr($_, 0, 20), one('sku', $_) ] }
     qw(30 null true [] {} "" "p,30"), '"p 30"', '"p\t30"', '"p30\n"',
     "\"\xe6\x89\x8b\"", '"\u624b"', '"\u007f"', '"' . 'x' x 65 . '"',
     '"' . 'x' x 5000 . '"'),
    (map { [ 'sale ' . substr($_, 0, 20), one('sale', $_) ] }
     qw(1 true [] {} "" "a,b"), '"a b"', '"' . 'x' x 65 . '"'),
    (map { [ 'request_id ' . substr($_, 0, 20), one('request_id', $_) ] }
     qw(1 true [] {} "" "a\u0001" "a\nb"), '"' . 'x' x 256 . '"'),
    [ 'meta too long', one('meta', '"' . 'x' x 1023 . '"') ],
    [ 'a number in meta too long', one('meta', '9' x 2000) ],
    [ 'no sku', one('sku', undef) ],
    [ 'no quantity', one('quantity', undef) ],
    [ 'no unit_price', one('unit_price', undef) ],
    [ 'names in capitals', '{"SKU":"p30","Quantity":1,'
                           . '"Unit_Price":"5000.00"}' ],
    [ 'a total that overflows', '{"sku":"p31","quantity":1000000000,'
                                . '"unit_price":"99999999999.99"}' ],
    [ 'a total just too large', '{"sku":"p31","quantity":2,'
                                . '"unit_price":"99999999999.99"}' ],
);

refused($_->[0], post($_->[1]), 400, 'bad_request') for @values;
unchanged('members that are wrong');


# Carts.
my $line = one();

my @carts = (
    [ 'no line', '{"sale":"spring","lines":[]}' ],
    [ '51 lines', '{"sale":"spring","lines":[' . join(',', ($line) x 51)
                  . ']}' ],
    [ '51 SKUs', '{"sale":"spring","lines":[' . join(',', map {
          "{\"sku\":\"s$_\",\"quantity\":1,\"unit_price\":\"1\"}" } 1 .. 51)
          . ']}' ],
    [ 'no sale', "{\"lines\":[$line]}" ],
    [ 'a sale of null', "{\"sale\":null,\"lines\":[$line]}" ],
    [ 'lines and a sku', "{\"sale\":\"spring\",\"sku\":\"p30\","
                         . "\"lines\":[$line]}" ],
    (map { [ "lines $_", "{\"sale\":\"spring\",\"lines\":$_}" ] }
     qw(1 true "x" {} [1] [null] [[]] ["p30"] [{}] null), $line,
     "[$line,1]", "[$line,{}]"),
    [ 'two prices of one sku', '{"sale":"spring","lines":[' . $line . ','
                               . one('unit_price', '"5000.01"') . ']}' ],
    [ 'a line with a negative quantity', '{"sale":"spring","lines":['
                                . $line . ',' . one('quantity', -1) . ']}' ],
    [ 'a sum over the limit', '{"sale":"spring","lines":['
          . one('quantity', 1_000_000_000) . ',' . $line . ']}' ],
    [ 'sums that overflow', '{"sale":"spring","lines":['
          . join(',', map { "{\"sku\":\"s$_\",\"quantity\":1,"
                            . '"unit_price":"99999999999.99"}' } 1 .. 50)
          . ']}' ],
);

refused($_->[0], post($_->[1]), 400, 'bad_request') for @carts;
unchanged('carts');


# Users and keys.
my $n = length $line;

refused('no user', raw(head('POST', '/orders', "Content-Length: $n") . $line),
        401, 'no_user');
refused('an empty user', raw(head('POST', '/orders', 'X-User:',
                                  "Content-Length: $n") . $line),
        401, 'no_user');

for (['too long', 'x' x 129], ['much too long', 'x' x 3000],
     ['with a tab', "a\tb"], ['with a control character', "a\x01b"],
     ['with DEL', "a\x7fb"], ['not UTF-8', "a\xffb"])
{
    my ($name, $user) = @$_;

    refused("a user $name", raw(head('POST', '/orders', "X-User: $user",
                                     "Content-Length: $n") . $line),
            400, 'bad_request');
    refused("a user $name asks", raw(head('GET', "/orders/$id",
                                          "X-User: $user")),
            400, 'bad_request');
}

for (['too long', 'x' x 256], ['with a tab', "a\tb"], ['not UTF-8', "\xff"],
     ['quoted and empty', '""'], ['empty', ''])
{
    my ($name, $key) = @$_;

    refused("a key $name", post($line, "Idempotency-Key: $key"), 400,
            'bad_request');
}

refused('two keys', post($line, 'Idempotency-Key: a', 'Idempotency-Key: b'),
        400, 'bad_request');
unchanged('users and keys');


# Ids.
for my $bad ('', 'abc', 'x' . substr($id, 1), '-' . substr($id, 1), "+$id",
             "$id%20", "%20$id", '1e18', "$id/", '0x' . '1' x 17,
             "$id.0", '%EF%BC%91' x 19)
{
    refused("DELETE of the id $bad", raw(head('DELETE', "/orders/$bad",
                                              'X-User: u1')),
            400, 'bad_request');
    refused("the id $bad", raw(head('GET', "/orders/$bad", 'X-User: u1')),
            400, 'bad_request');
}

(my $other = $id) =~ s/....$/9999/;
(my $elsewhere = $id) =~ s/(..)(....)$/07$2/;

for my $unknown ($other, $elsewhere, '1', "${id}0", substr($id, 1), '0' x 19,
                 "0$id", '1' x 19, '9' x 19, '9' x 20, '1' x 1000,
                 '9223372036854775807', '9223372036854775808')
{
    refused("the unknown id $unknown", raw(head('GET', "/orders/$unknown",
                                                'X-User: u1')),
            404, 'unknown_order');
    refused("DELETE of the unknown id $unknown",
            raw(head('DELETE', "/orders/$unknown", 'X-User: u1')),
            404, 'unknown_order');
}

refused('the id 1 without a user', raw(head('GET', '/orders/1')), 401,
        'no_user');
refused('DELETE without a user', raw(head('DELETE', "/orders/$id")), 401,
        'no_user');
refused('DELETE by another', raw(head('DELETE', "/orders/$id", 'X-User: u2')),
        404, 'unknown_order');
unchanged('ids');


# Lists.
refused('no sale', raw(head('GET', '/orders', 'X-User: u1')), 400,
        'bad_request');
refused('a sale that is none', raw(head('GET', '/orders?sale=a%20b',
                                        'X-User: u1')), 400, 'bad_request');
refused('no user', raw(head('GET', '/orders?sale=spring')), 401, 'no_user');


# Methods, with what is allowed.
for (['/orders', 'GET, HEAD, POST', qw(PUT DELETE PATCH OPTIONS PROPFIND)],
     ["/orders/$id", 'GET, HEAD, DELETE', qw(POST PUT PATCH OPTIONS)],
     ['/items?sku=p30', 'GET, HEAD', qw(POST PUT DELETE PATCH)])
{
    my ($path, $allow, @methods) = @$_;

    for my $method (@methods) {
        my $answer = raw(head($method, $path, 'X-User: u1',
                              "Content-Length: $n") . $line);

        refused("$method $path", $answer, 405, 'method_not_allowed');
        like($answer->[1], qr/^Allow: \Q$allow\E\r?$/m, "$method: Allow");
        like($answer->[2], qr/"detail":"allowed here: $allow"/,
             "$method: in words");
    }
}

unchanged('methods');


# Types.
for my $type ('text/plain', 'text/json', 'application/jsonx',
              'application/x-www-form-urlencoded', 'multipart/form-data',
              'application/json-patch+json', 'json', 'application/')
{
    refused("type $type", post($line, "Content-Type: $type"), 415,
            'unsupported_media_type');
}

unchanged('types');


# Bodies that are too large.
my $big = one('x', '"' . 'y' x 65600 . '"');
my $vast = 2 * 1024 * 1024;

refused('over 64 KiB', post($big), 413, 'too_large');
refused('over client_max_body_size, only announced',
        raw(head('POST', '/orders', 'X-User: u1', "Content-Length: $vast")),
        413, 'too_large');
refused('over the client_max_body_size of a location',
        raw(head('POST', '/small', 'X-User: u1', 'Content-Length: 1100')
            . one('x', '"' . 'y' x (1100 - length one('x', '""')) . '"')),
        413, 'too_large');


sub chunked {
    my ($path, $body, $size) = @_;
    my $text = head('POST', $path, 'X-User: u1', 'Transfer-Encoding: chunked');

    for (my $at = 0; $at < length $body; $at += $size) {
        my $chunk = substr $body, $at, $size;

        $text .= sprintf "%x\r\n%s\r\n", length $chunk, $chunk;
    }

    return raw("${text}0\r\n\r\n");
}


refused('over 64 KiB in chunks', chunked('/orders', $big, 4096), 413,
        'too_large');
refused('over client_max_body_size in chunks',
        chunked('/small', one('x', '"' . 'y' x 3000 . '"'), 100), 413,
        'too_large');
refused('bad JSON in chunks', chunked('/orders', one('quantity', 0), 7), 400,
        'bad_request');
refused('a chunk that is none',
        raw(head('POST', '/orders', 'X-User: u1', 'Transfer-Encoding: chunked')
            . "zz\r\n{}\r\n0\r\n\r\n"), 400, 'bad_request');
unchanged('bodies that are too large');


# And what is good after all that.
my $spaces = 65536 - length $line;

is(post((' ' x $spaces) . $line)->[0], 201, 'exactly 64 KiB are taken');
is(post(one('quantity', '1e0'))->[0], 201, 'so is 1e0, which is 1');
is(post(one('quantity', '1.0'))->[0], 201, 'and 1.0');
is(post($line, 'Content-Type: Application/JSON; charset=utf-8')->[0], 201,
   'the type with a parameter');
is(post(one('x', '{"y":[1]}'))->[0], 201, 'and an unknown member');
is(item('p30')->{held}, 6, 'each of them holds one');
ok(journal_drained(), 'PostgreSQL has them');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
