#!/usr/bin/perl
#
# nginx -t: the blocks paytrade_gateway.  Whatever is wrong in one is refused
# with its place and a remedy; nothing of a key is shown.

use strict;
use warnings;

use lib 't/lib';
use PaytradeConfig;
use Test::More;

my $dir = config_dir();


sub slurp {
    my ($name) = @_;

    open my $file, '<', "$dir/$name" or die "$dir/$name: $!";
    local $/;

    return scalar <$file>;
}


# What openssl wants to say is not for the test's own output.
sub openssl {
    my ($arguments) = @_;

    system("cd $dir && openssl $arguments >openssl.log 2>&1") == 0
        or BAIL_OUT("openssl $arguments failed: " . slurp('openssl.log'));
}


for my $name (qw(app alipay next)) {
    openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 "
            . "-out $name.pem");
    openssl("pkey -pubout -in $name.pem -out $name.pub.pem");
}

openssl('rsa -in app.pem -traditional -out app.pkcs1.pem');
openssl('genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 '
        . '-out small.pem');
openssl('genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 '
        . '-out ec.pem');
chmod 0600, map { "$dir/$_.pem" } qw(app alipay next app.pkcs1 small ec);

# Some of the middle of the key, which nothing may show.
my ($secret) = slurp('app.pem') =~ /\n(\S{30})\S*\n-----END/;
my $bare = slurp('app.pem') =~ s/-----.*-----\n|\n//gr;

my @settings = (
    [ type        => 'alipay' ],
    [ app_id      => '2021000000000001' ],
    [ seller_id   => '2088000000000001' ],
    [ private_key => 'app.pem' ],
    [ public_key  => 'alipay.pub.pem' ],
    [ notify_url  => 'https://shop.example.com/notify/alipay' ],
);

my $locations = <<'_EOC_';
location = /payments { paytrade_pay; }
location ~ ^/payments/(?<pno>[0-9]+)$ { paytrade_payment $pno; }
location = /notify/alipay { paytrade_notify alipay; }
_EOC_


# A good block in which one setting has another value, or none (undef), and
# which has more at its end.
sub block {
    my ($setting, $value, $more, $name) = @_;
    my $text = 'paytrade_gateway ' . ($name // 'alipay') . " {\n";

    for (@settings) {
        my ($own, $good) = @$_;
        my $given = $own eq ($setting // '') ? $value : $good;

        $text .= "$own $given;\n" if defined $given;
    }

    return $text . ($more // '') . "}\n";
}


sub fine {
    my ($name, $block, %case) = @_;

    accepted($name, http => $block, server => $locations, hidden => $secret,
             %case);
}


sub wrong {
    my ($name, $block, %case) = @_;

    refused($name, http => $block, server => $locations, hidden => $secret,
            directive => 'paytrade_gateway', %case);
}


# What is right.

fine('a gateway', block());
fine('a key in PKCS#1', block('private_key', 'app.pkcs1.pem'));
fine('several public keys', block(undef, undef, "public_key next.pub.pem;\n"));
fine('a path from the root', block('private_key', "$dir/app.pem"));
fine('every setting', block(undef, undef, <<'_EOC_'));
return_url https://shop.example.com/paid?from=alipay;
quit_url http://shop.example.com/;
gateway_url https://openapi-sandbox.dl.alipaydev.com/gateway.do;
_EOC_

fine('two gateways', block() . block(undef, undef, undef, 'Alipay_2-'));
fine('the longest name', block(undef, undef, undef, 'a' x 32),
     server => 'location = /payments { paytrade_pay; }');

spew('settings.conf', "app_id 2021000000000001;\n");
fine('a part of the block in a file of its own',
     block('app_id', undef, "include settings.conf;\n"));

fine('the currency after the block', block() . 'paytrade_currency CNY 2;');
fine('a gateway that nothing uses', block(), server => '');

fine('"if" beside paytrade_notify', block(),
     server => 'location = /n { if ($arg_x) { set $y 1; } '
               . 'paytrade_notify alipay; }');

fine('the gateway after the server', block(), server => $locations);

chmod 0644, "$dir/next.pem" or die;
fine('a private key that all can read is warned of',
     block('private_key', 'next.pem'),
     warns => "\"private_key\": every user of this machine can read "
              . "\"$dir/next.pem\"; chmod o-r it in $dir/nginx.conf:");
chmod 0600, "$dir/next.pem" or die;

chmod 0644, "$dir/alipay.pub.pem" or die;
fine('a public key that all can read is not', block());


# The block.

for my $name ('""', 'a' x 33, 'a.b', 'a/b', "\xe6\x94\xaf") {
    my $shown = $name =~ /a{33}/ ? 'of 33 bytes' : "\"$name\"" =~ s/""/"/gr;

    wrong("paytrade_gateway $name", block(undef, undef, undef, $name),
          at => 'paytrade_gateway',
          says => "has an invalid name $shown: write 1 to 32 letters, "
                  . 'digits, "_" and "-", such as alipay');
}

wrong('a second one of the same name', block() . block(),
      at => 'paytrade_gateway',
      says => "has a second gateway \"alipay\", the first is in "
              . "$dir/nginx.conf:");

wrong('33 gateways',
      join('', map { block(undef, undef, undef, "g$_") } 1 .. 33),
      at => 'paytrade_gateway g33',
      says => 'there are more than 32 gateways: remove those that are not');

wrong('no type', block('type', undef), at => 'paytrade_gateway',
      says => 'alipay needs "type": write the kind of gateway in the block, '
              . '"type TYPE;", one of alipay');

wrong('an unknown type', block('type', 'alipai'), at => 'type',
      says => 'alipay: "type" has an unknown value "alipai": write one of '
              . 'alipay');

wrong('a second type', block(undef, undef, "type alipay;\n"), at => 'type',
      says => '"type" is duplicate: write it once');

for my $setting (qw(app_id seller_id)) {
    wrong("no $setting", block($setting, undef), at => 'paytrade_gateway',
          says => "alipay needs \"$setting\": write \"$setting VALUE;\" in "
                  . 'the block');
}

for my $setting (qw(app_id seller_id private_key notify_url)) {
    my ($value) = map { $_->[1] } grep { $_->[0] eq $setting } @settings;
    wrong("$setting, twice", block(undef, undef, "$setting $value;\n"),
          at => $setting, says => "\"$setting\" is duplicate: write it once");
}

wrong('an unknown setting', block(undef, undef, "appid 1;\n"), at => 'appid',
      says => '"appid" is unknown to the type alipay: write one of type, '
              . 'app_id, seller_id, notify_url, return_url');

wrong('a setting in capitals', block(undef, undef, "APP_ID 1;\n"),
      at => 'APP_ID', says => 'is unknown to the type alipay');

wrong('an unknown setting in a file of its own',
      do { spew('other.conf', "\n\nnone 1;\n");
           block(undef, undef, "include other.conf;\n") },
      at => 'include', says => '"none" is unknown',
      file => "$dir/other.conf", line => 3);

for my $line ('app_id', 'public_key a.pem b.pem') {
    my ($setting) = $line =~ /(\w+)/;
    wrong("$line;", block($setting, undef, "$line;\n"), at => $setting,
          says => "\"$setting\" takes one value: write \"$setting VALUE;\"");
}

wrong('an empty value', block('app_id', '""'), at => 'app_id',
      says => '"app_id" has an empty value "": write its value, or remove');

wrong('a third value', block('public_key', undef, "public_key a b c;\n"),
      at => 'public_key',
      says => '"public_key" takes one value: write "public_key VALUE;"');

refused('a block in the block', hidden => $secret, directive => '{',
        http => block(undef, undef, "{ }\n"), at => '{', says => '');


# Values.

for my $setting (qw(app_id seller_id)) {
    for my $value ('shop', '2021-1', $setting eq 'app_id' ? () :
                   ('2088', '2' x 16, '208800000000000x', '20880000000000012'))
    {
        wrong("$setting $value", block($setting, $value), at => $setting,
              says => "\"$setting\" has an invalid value \"$value\": write "
                      . 'the number');
    }

    wrong("$setting of 33 digits", block($setting, '1' x 33), at => $setting,
          says => "\"$setting\" has an invalid value of 33 bytes: write the "
                  . 'number', hidden => '1' x 33);
}

for my $setting (qw(notify_url return_url quit_url gateway_url)) {
    for my $value (qw(shop.example.com ftp://shop.example.com/ https://
                      https:///paid /paid))
    {
        my $block = $setting eq 'notify_url'
                    ? block($setting, $value)
                    : block(undef, undef, "$setting $value;\n");

        wrong("$setting $value", $block, at => $setting,
              says => "\"$setting\" has an invalid URL "
                      . (length $value > 20 ? 'of ' . length($value) . ' bytes'
                                            : "\"$value\"")
                      . ': write one that starts with https:// or http://');
    }
}

wrong('a URL with a space', block('notify_url', '"https://shop/a b"'),
      at => 'notify_url', says => 'has an invalid URL "https://shop/a b"');


# Files.

spew('empty', '');
spew('text', "nothing of a key\n");
spew('long', 'x' x 65537);
spew('zero', "\0" x 65536);
spew('cut', substr slurp('app.pem'), 0, 900);

for my $setting (qw(private_key public_key)) {
    for my $case ([ 'none', '(2: No such file or directory)' ],
                  [ '/tmp', '"/tmp" is not a regular file: write the path' ],
                  [ 'empty', '" is empty: write the path of a file that' ],
                  [ 'long', '" is longer than 64 KiB: write the path' ],
                  [ 'text', ': write the path of' ],
                  [ 'zero', ': ' ],
                  [ 'cut', ': ' ],
                  [ 'ec.pem', ': ' ])
    {
        my ($file, $says) = @$case;
        my $path = $file =~ m{^/} ? $file : "$dir/$file";

        wrong("$setting $file", block($setting, $file), at => $setting,
              says => $says);
        wrong("$setting $file: its path", block($setting, $file),
              at => $setting, says => "\"$path\"");
    }
}

wrong('a private key of 1024 bits', block('private_key', 'small.pem'),
      at => 'private_key', says => '2048');
wrong('a public key as the private one',
      block('private_key', 'alipay.pub.pem'), at => 'private_key',
      says => "\"$dir/alipay.pub.pem\" ");
wrong('a private key as the public one', block('public_key', 'alipay.pem'),
      at => 'public_key', says => "\"$dir/alipay.pem\" ");

for my $key ($bare, "\"" . slurp('app.pem') . "\"") {
    my $case = $key =~ /BEGIN/ ? 'as PEM' : 'as base64';

    wrong("a key where its path should be, $case",
          block('private_key', $key), at => 'private_key', line => '\\d+',
          hidden => substr($bare, 100, 40),
          says => '"private_key" has a key as its value: write the path of a '
                  . 'file that holds it');
}


# What is no path is not shown when it may be a key, and is when it is not.

for my $value (substr($bare, 100, 40) =~ s{/}{x}gr, 'a' x 24, 'whsec_abc') {
    wrong("$value where a path should be", block('private_key', $value),
          at => 'private_key', hidden => $value, line => '\\d+',
          says => 'as its value');
}

wrong('a key where a public one should be',
      block('public_key', $bare =~ s{/}{x}gr =~ s/^.{100}(.{40}).*/$1/r),
      at => 'public_key', hidden => substr($bare, 100, 8), line => '\\d+',
      says => 'has what may be a key as its value');

for my $value ('a' x 23, 'keys/' . 'a' x 24, 'a' x 24 . '.pem') {
    wrong("$value is a path", block('private_key', $value),
          at => 'private_key', says => "cannot open \"$dir/$value\": write "
                                       . 'the path of a file that nginx can');
}

chmod 0600, spew('a' x 32, slurp('app.pem')) or die;
fine('a file with such a name', block('private_key', 'a' x 32));


# What the whole block says.

wrong("the application's own public key",
      block('public_key', 'app.pub.pem'), at => 'paytrade_gateway',
      says => "alipay has the application's own public key as public_key");

wrong('a currency of other decimals',
      block() . "paytrade_currency JPY 0;\n", at => 'paytrade_gateway',
      says => 'takes amounts with two decimals: set paytrade_currency');


# Locations.

refused('paytrade_pay without a gateway', at => 'paytrade_pay',
        server => "location /p {\npaytrade_pay;\n}",
        says => 'needs a gateway: write a block such as "paytrade_gateway '
                . 'alipay { ... }" into the http block');

accepted('paytrade_payment without a gateway',
         server => 'location /p { paytrade_payment $arg_id; }');

for my $name ('other', '""', 'Alipay') {
    (my $shown = $name) =~ s/"//g;
    refused("paytrade_notify $name", at => 'paytrade_notify',
            http => block(),
            server => "location /n {\npaytrade_notify $name;\n}",
            says => "does not know the gateway \"$shown\": write the name of "
                    . 'a block paytrade_gateway');
}

accepted('paytrade_notify without paytrade_user', http => block(),
         without => [ 'paytrade_user' ],
         server => 'location /n { paytrade_notify alipay; }');

done_testing();
