#!/usr/bin/perl
#
# nginx -t: the gateways of every type, and the directives for callbacks that
# are verified in front of another server.  What is wrong is refused with its
# place and a remedy; nothing of a secret is shown.

use strict;
use warnings;

use lib 't/lib';
use PaytradeConfig;
use MIME::Base64 'encode_base64';
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


my $rsa = 'genpkey -algorithm RSA -pkeyopt rsa_keygen_bits';
my $certificate = 'req -new -x509 -days 30 -subj /CN=shop';

for my $name (qw(app gateway next)) {
    openssl("$rsa:2048 -out $name.pem");
    openssl("pkey -pubout -in $name.pem -out $name.pub.pem");
    openssl("$certificate -key $name.pem -out $name.crt");
}

openssl("$certificate -key gateway.pem -subj /CN=1900000109 -out own.crt");
openssl("$rsa:1024 -out small.pem");
openssl('pkey -pubout -in small.pem -out small.pub.pem');
openssl("$certificate -key small.pem -out small.crt");
openssl('genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 '
        . '-out ec.pem');
openssl('pkey -pubout -in ec.pem -out ec.pub.pem');
openssl("$certificate -key ec.pem -out ec.crt");

# What must not be shown stands in every secret.
my $secret = 'NotForTheLog0123';

spew('api32', "${secret}0123456789abcdef\n");
spew('api32.crlf', "${secret}0123456789abcdef\r\n");
spew('api32.bare', "${secret}0123456789ABCDEF");
spew('api31', "${secret}0123456789abcde\n");
spew('api33', "${secret}0123456789abcdefg\n");
spew('api32.two', "${secret}0123456789abcdef\n\n");
spew('api64', $secret x 4 . "\n");
spew('stripe', "whsec_$secret\n");
spew('stripe.sk', "sk_live_$secret\n");
spew('stripe.bare', "whsec_\n");
spew('stripe.space', "whsec_$secret and more\n");
spew('long', 'whsec_' . $secret x 9 . "\n");
spew('hook', 'whsec_' . encode_base64($secret x 2, '') . "\n");
spew('hook.24', 'whsec_' . encode_base64($secret . '12345678', '') . "\n");
spew('hook.64', 'whsec_' . encode_base64($secret x 4, '') . "\n");
spew('hook.23', 'whsec_' . encode_base64($secret . '1234567', '') . "\n");
spew('hook.65', 'whsec_' . encode_base64($secret x 4 . '1', '') . "\n");
spew('hook.bare', encode_base64($secret x 2, '') . "\n");
spew('hook.wrong', 'whsec_' . $secret . "-_!\n");
spew('hex64', unpack('H*', $secret x 2) . "\n");
spew('hex64.next', unpack('H*', reverse $secret x 2) . "\n");
spew('hex64.upper', uc(unpack('H*', $secret x 2)) . "\n");
spew('hex63', substr(unpack('H*', $secret x 2), 1) . "\n");
spew('hex66', unpack('H*', $secret x 2) . "00\n");
spew('hex64.wrong', substr(unpack('H*', $secret x 2), 1) . "g\n");
spew('empty', '');
spew('text', "nothing of a key\n");
spew('large', 'x' x 65537);

# Of each type a good block; the second value of a setting makes it two lines.
my %types = (
    alipay => [
        [ app_id      => '2021000000000001' ],
        [ seller_id   => '2088000000000001' ],
        [ private_key => 'app.pem' ],
        [ public_key  => 'gateway.pub.pem' ],
        [ notify_url  => 'https://shop.example.com/notify/alipay' ],
    ],
    wechat_v3 => [
        [ app_id     => 'wxd678efh567hg6787' ],
        [ mch_id     => '1900000109' ],
        [ api_v3_key => 'api32' ],
        [ public_key => 'PUB_KEY_ID_0119000001092024 gateway.pub.pem' ],
    ],
    wechat_v2 => [
        [ app_id  => 'wx2421b1c4370ec43b' ],
        [ mch_id  => '1900000109' ],
        [ api_key => 'api32' ],
    ],
    stripe => [
        [ secret => 'stripe' ],
    ],
    standard_webhooks => [
        [ secret => 'hook' ],
    ],
    adyen => [
        [ merchant_account => 'ShopECOM' ],
        [ hmac_key         => 'hex64' ],
    ],
);

my @settling = (
    pay_no_field   => 'data.object.pay_no',
    amount_field   => 'data.object.amount',
    currency_field => 'data.object.currency',
    paid_type      => 'payment.paid',
);


# A good block of a type in which settings have other values, or none (undef),
# and those that it has not come at its end; [ … ] are several lines.
sub block {
    my ($type, @changes) = @_;
    my $text = "paytrade_gateway pay {\ntype $type;\n";
    my %changes = @changes;
    my @lines = @{ $types{$type} };

    # those that are new, in the order in which they were given

    for (my $i = 0; $i < @changes; $i += 2) {
        push @lines, [ $changes[$i] ]
            if !grep { $_->[0] eq $changes[$i] } @lines;
    }

    for (@lines) {
        my ($setting, $good) = @$_;
        my $given = exists $changes{$setting} ? $changes{$setting} : $good;

        $text .= "$setting $_;\n"
            for grep { defined } ref $given ? @$given : $given;
    }

    return "$text}\n";
}


sub fine {
    my ($type, $name, $changes, %case) = @_;

    accepted("$type: $name", server => 'location /n { paytrade_verify pay; }',
             hidden => $secret, %case,
             http => block($type, @{ $changes // [] }) . ($case{http} // ''));
}


sub wrong {
    my ($type, $name, $changes, $at, $says, %case) = @_;

    refused("$type: $name", server => 'location /n { paytrade_notify pay; }',
            hidden => $secret, directive => 'paytrade_gateway', at => $at,
            says => $says, %case,
            http => block($type, @$changes) . ($case{http} // ''));
}


# Files that are secrets: what no secret is.
sub no_secret {
    my ($type, $setting, $says, @wrong) = @_;

    for my $file (@wrong) {
        wrong($type, "$setting $file", [ $setting => $file ], $setting,
              "\"$dir/$file\" holds");
        wrong($type, "$setting $file: the remedy", [ $setting => $file ],
              $setting, $says);
    }

    for my $case ([ none => 'cannot open "' ], [ empty => 'is empty: write' ],
                  [ large => 'is longer than 64 KiB: write' ],
                  [ '.' => 'is not a regular file: write' ])
    {
        wrong($type, "$setting $case->[0]", [ $setting => $case->[0] ],
              $setting, $case->[1]);
    }

    my ($good) = map { $_->[1] } grep { $_->[0] eq $setting }
                 @{ $types{$type} };

    wrong($type, "$setting: the secret itself",
          [ $setting => slurp($good) =~ s/\s+$//r ], $setting,
          'write the path of a file');
    my @nine = map { "$good.$_" } 1 .. 9;

    for my $i (1 .. 9) {
        my $secret = slurp($good);
        substr($secret, 10, 1) = $i;
        spew("$good.$i", $secret);
    }

    wrong($type, "$setting: nine of them", [ $setting => \@nine ],
          $setting, '8 are the most: remove old ones',
          line => '\\d+');
    wrong($type, "$setting: the same twice", [ $setting => [ ($good) x 2 ] ],
          $setting, 'is given twice: remove one', line => '\\d+');

    chmod 0644, "$dir/$good" or die;
    fine($type, "$setting that all can read is warned of", undef,
         warns => "\"$setting\": every user of this machine can read "
                  . "\"$dir/$good\"; chmod o-r it in $dir/nginx.conf:");
    chmod 0600, "$dir/$good" or die;
    fine($type, "$setting, several", [ $setting => [ @nine[0 .. 7] ] ]);
}


# A secret at any setting that is none is not shown, whatever it is.
sub misplaced {
    my ($type, @settings) = @_;

    for my $value (slurp('api32') =~ s/\s+$//r, 'whsec_' . 'Zk8' x 10) {
        for my $setting (@settings) {
            wrong($type, "a secret as $setting", [ $setting => $value ],
                  $setting, 'of ' . length($value) . ' bytes: write',
                  hidden => $value);
        }

        wrong($type, 'a secret as type', [ type => $value ], 'type',
              'is duplicate: write it once', hidden => $value,
              line => '\\d+');
        wrong($type, 'a secret alone', [ $value => '' ], $value,
              'a line that begins with a word of ' . length($value)
              . ' bytes is unknown', hidden => $value);
    }
}


# Files that are public keys or certificates; $front stands before the file.
sub no_key {
    my ($type, $setting, $front, @wrong) = @_;

    for my $case (@wrong,
                  [ none => 'cannot open "' ], [ empty => 'is empty: write' ],
                  [ text => 'write the path of' ],
                  [ large => 'is longer than 64 KiB: write' ])
    {
        my ($file, $says) = @$case;

        wrong($type, "$setting $file", [ $setting => "$front$file" ],
              $setting, $says);
        wrong($type, "$setting $file: its path",
              [ $setting => "$front$file" ], $setting, "\"$dir/$file\"");
    }
}


sub tolerances {
    my ($type) = @_;

    fine($type, "tolerance $_", [ tolerance => $_ ]) for qw(1s 5m 90s 1h);

    for my $value ('0', 'soon', '-1s', '999ms', '5 m', '2d', '1y',
                   '99999999999s')
    {
        wrong($type, "tolerance $value", [ tolerance => "\"$value\"" ],
              'tolerance', "has an invalid value \"$value\": write a time "
              . 'from 1s to 1d');
    }

    wrong($type, 'tolerance, twice', [ tolerance => [ '1s', '2s' ] ],
          'tolerance 2s', '"tolerance" is duplicate: write it once');
}


sub modes {
    my ($type) = @_;

    fine($type, "mode $_", [ mode => $_ ]) for qw(live test);
    wrong($type, "mode $_", [ mode => $_ ], 'mode', '"live" or "test"')
        for qw(LIVE both 1);
}


# What every type has in common.
for my $type (sort keys %types) {
    my @settings = @{ $types{$type} };

    fine($type, 'a good block');

    wrong($type, 'an unknown setting', [ none => 'x' ], 'none',
          "is unknown to the type $type: write one of type, ");

    for (@settings) {
        my ($setting, $value) = @$_;

        wrong($type, "$setting without a value", [ $setting => '' ], $setting,
              "\"$setting\" takes ");
        wrong($type, "$setting, empty", [ $setting => '""' ], $setting,
              'has an empty value "": write its value');
        wrong($type, "$setting with three values", [ $setting => 'a b c' ],
              $setting, "\"$setting\" takes ");

        next if $type eq 'alipay' && $setting =~ /_key|_url/
                || $type eq 'wechat_v3' && $setting eq 'public_key';

        wrong($type, "no $setting", [ $setting => undef ], 'paytrade_gateway',
              "needs \"$setting\": write \"$setting ");
    }

    accepted("$type: paytrade_verify alone", without => [
                 qw(paytrade_redis paytrade_postgres paytrade_user) ],
             http => block($type), server =>
             'location /n { paytrade_verify pay; proxy_pass http://[::1]; }');
}


# Alipay.

fine('alipay', 'that only verifies', [ private_key => undef,
                                       notify_url => undef ]);
fine('alipay', "signing $_", [ signing => $_ ]) for qw(v1 v2);
fine('alipay', 'certificates', [ public_key => undef,
     app_certificate => 'app.crt', root_certificate => 'next.crt',
     alipay_certificate => [ 'gateway.crt', 'next.crt' ] ]);

wrong('alipay', "signing $_", [ signing => $_ ], 'signing', 'write v1')
    for qw(V1 3);
wrong('alipay', 'no private_key', [ private_key => undef ],
      'paytrade_gateway', 'needs private_key and notify_url together');
wrong('alipay', 'no notify_url', [ notify_url => undef ],
      'paytrade_gateway', 'needs private_key and notify_url together');
wrong('alipay', 'no key of Alipay', [ public_key => undef ],
      'paytrade_gateway', 'needs a key of Alipay: write public_key');
wrong('alipay', "no root_certificate", [ app_certificate => 'app.crt',
      alipay_certificate => 'gateway.crt' ], 'paytrade_gateway',
      'together: write those that are missing');
wrong('alipay', 'a certificate of another key', [ app_certificate =>
      'next.crt', root_certificate => 'next.crt', public_key => undef,
      alipay_certificate => 'gateway.crt' ], 'paytrade_gateway',
      'has an app_certificate that is not for its private_key: write');
wrong('alipay', 'other decimals', [], 'paytrade_gateway',
      'set paytrade_currency', http => "paytrade_currency JPY 0;\n");

no_key('alipay', 'public_key', '',
       [ 'gateway.pem', 'holds a private key: write the path of' ],
       [ 'gateway.crt', 'holds a certificate: write the path of' ],
       [ 'small.pub.pem', 'less than 2048 bits: make a longer one' ],
       [ 'ec.pub.pem', 'not for RSA: write the path of' ]);
no_key('alipay', $_, '',
       [ 'gateway.pem', 'holds a private key: write the path of' ],
       [ 'small.crt', 'less than 2048 bits: make a longer one' ])
    for qw(alipay_certificate app_certificate);


# WeChat Pay v3.

fine('wechat_v3', 'a certificate', [ public_key => undef,
     platform_certificate => [ 'gateway.crt', 'next.crt' ] ]);
fine('wechat_v3', 'both, while one is replaced by the other',
     [ platform_certificate => 'next.crt' ]);
fine('wechat_v3', 'several keys', [ public_key =>
     [ map { "PUB_KEY_ID_011900000109202$_ gateway.pub.pem" } 1 .. 4 ] ]);
fine('wechat_v3', "a key that ends so: $_", [ api_v3_key => $_ ])
    for qw(api32.crlf api32.bare);
fine('wechat_v3', 'a public key that all can read is not warned of',
     do { chmod 0644, "$dir/gateway.pub.pem" or die; [] });

no_secret('wechat_v3', 'api_v3_key', 'which has 32 bytes: write the key',
          qw(api31 api33 api32.two api64 text app.pem));
no_key('wechat_v3', 'public_key', 'PUB_KEY_ID_0119000001092024 ',
       [ 'gateway.pem', 'holds a private key: write the path of' ],
       [ 'gateway.crt', 'holds a certificate: write the path of' ],
       [ 'small.pub.pem', 'less than 2048 bits: make a longer one' ],
       [ 'ec.pub.pem', 'not for RSA: write the path of' ]);
no_key('wechat_v3', 'platform_certificate', '',
       [ 'gateway.pem', 'holds a private key: write the path of' ],
       [ 'gateway.pub.pem', 'holds a public key: write' ],
       [ 'small.crt', 'less than 2048 bits: make a longer one' ],
       [ 'ec.crt', 'not for RSA: write the path of' ]);
tolerances('wechat_v3');

wrong('wechat_v3', 'no key at all', [ public_key => undef ],
      'paytrade_gateway', 'has no key to verify with: write public_key');
wrong('wechat_v3', "the merchant's own certificate", [ public_key => undef,
      platform_certificate => 'own.crt' ], 'paytrade_gateway',
      "has the merchant's own certificate as platform_certificate: write");
wrong('wechat_v3', 'a public key without its id',
      [ public_key => 'gateway.pub.pem' ], 'public_key',
      '"public_key" takes a name and a file: write "public_key NAME FILE;"');
wrong('wechat_v3', 'an id that is none',
      [ public_key => 'PUB_KEY gateway.pub.pem' ], 'public_key',
      'PUB_KEY_ID_ and digits');
wrong('wechat_v3', 'an id with a dot',
      [ public_key => 'PUB_KEY_ID_0.1 gateway.pub.pem' ], 'public_key',
      'has an invalid name "PUB_KEY_ID_0.1": write 1 to 64 letters, digits');
wrong('wechat_v3', 'a secret as an id',
      [ public_key => 'Zk8+Zk8+Zk8+Zk8+Zk8+Zk8= gateway.pub.pem' ],
      'public_key', 'has an invalid name of 24 bytes: write 1 to 64 letters',
      hidden => 'Zk8+');
wrong('wechat_v3', 'a secret as a certificate', [ public_key => undef,
      platform_certificate => slurp('api32') =~ s/\s+$//r ],
      'platform_certificate', 'has what may be a key as its value',
      hidden => slurp('api32') =~ s/\s+$//r);
misplaced('wechat_v3', qw(mch_id tolerance));
misplaced('wechat_v2', qw(mch_id sign_type));
misplaced('stripe', qw(mode tolerance));
misplaced('standard_webhooks', qw(amounts refunds tolerance));
misplaced('adyen', qw(mode));

wrong('stripe', 'a secret as the type', [], 'type', 'has an unknown value of '
      . '36 bytes: write one of alipay', hidden => 'whsec_Zk8',
      http => "paytrade_gateway other {\ntype whsec_" . 'Zk8' x 10 . ";\n}\n");
wrong('wechat_v3', 'a key twice', [ public_key =>
      [ ('PUB_KEY_ID_0119000001092024 gateway.pub.pem') x 2 ] ],
      'public_key', 'is given twice: remove one');
wrong('wechat_v3', 'a certificate with a name',
      [ platform_certificate => 'a gateway.crt' ], 'platform_certificate',
      '"platform_certificate" takes one value: write '
      . '"platform_certificate VALUE;"');
wrong('wechat_v3', "app_id $_", [ app_id => $_ ], 'app_id',
      'write the APPID') for 'wx-1', 'w' x 33;
wrong('wechat_v3', "mch_id $_", [ mch_id => $_ ], 'mch_id',
      "write the merchant's number") for 'wx1', '1' x 33;
wrong('wechat_v3', 'other decimals', [], 'paytrade_gateway',
      'set paytrade_currency', http => "paytrade_currency JPY 0;\n");


# WeChat Pay v2.

fine('wechat_v2', "sign_type @$_", [ sign_type => $_ ])
    for [ 'MD5' ], [ 'HMAC-SHA256' ], [ 'MD5', 'HMAC-SHA256' ];
fine('wechat_v2', "a key that ends so: $_", [ api_key => $_ ])
    for qw(api32.crlf api32.bare);

no_secret('wechat_v2', 'api_key', 'write the 32 characters',
          qw(api31 api33 api32.two api64 text app.pem));

wrong('wechat_v2', "sign_type $_", [ sign_type => $_ ], 'sign_type',
      'write MD5 or HMAC-SHA256') for qw(SHA256 md5 both);
wrong('wechat_v2', 'sign_type, twice', [ sign_type => [ 'MD5', 'MD5' ] ],
      'sign_type', 'is given twice: remove one');
wrong('wechat_v2', "app_id $_", [ app_id => $_ ], 'app_id',
      'write the AppID') for 'wx-1', 'w' x 33;
wrong('wechat_v2', "mch_id $_", [ mch_id => $_ ], 'mch_id',
      "write the merchant's number") for 'wx1', '1' x 33;
wrong('wechat_v2', 'other decimals', [], 'paytrade_gateway',
      'set paytrade_currency', http => "paytrade_currency JPY 0;\n");


# Stripe.

fine('stripe', 'every setting', [ secret => [ 'stripe', 'hook' ],
     mode => 'test', account => 'acct_1032D82eZvKYlo2C', tolerance => '5m' ]);
fine('stripe', 'yen', [], http => "paytrade_currency JPY 0;\n");
fine('stripe', 'dinars', [], http => "paytrade_currency KWD 3;\n");

no_secret('stripe', 'secret', 'write the ',
          qw(stripe.sk stripe.bare stripe.space text app.pem));
tolerances('stripe');
modes('stripe');

wrong('stripe', 'a long secret', [ secret => 'long' ], 'secret', 'holds');
wrong('stripe', 'account 1', [ account => '1' ], 'account',
      'which begins with acct_');

for my $currency ('JPY 2', 'CNY 0', 'KWD 2') {
    wrong('stripe', $currency, [], 'paytrade_gateway',
          'as the decimals of paytrade_currency', http => "paytrade_currency $currency;\n");
}


# Standard Webhooks.

fine('standard_webhooks', 'a secret of another length', [ secret => $_ ])
    for qw(hook.24 hook.64);
fine('standard_webhooks', 'what settles', \@settling);
accepted('standard_webhooks: what settles, settled',
         server => 'location /n { paytrade_notify pay; }',
         http => block('standard_webhooks', @settling));
refused('standard_webhooks: what settles nothing, settled',
        server => "location /n {\npaytrade_notify pay;\n}",
        at => 'paytrade_notify', http => block('standard_webhooks'),
        says => 'nothing that gateway "pay" tells can pay here: write the '
                . 'settings that its type "standard_webhooks" needs');
fine('standard_webhooks', 'every setting', [ @settling,
     secret => [ 'hook', 'hook.24' ], tolerance => '1m',
     paid_type => [ 'payment.paid', 'order.paid' ],
     refunded_type => 'refund', closed_type => 'closed',
     trade_no_field => 'data.id', type_field => 'event',
     refunded_field => 'data.refunded', refund_no_field => 'data.refund_no',
     amounts => 'decimal', refunds => 'single', mode_field => 'livemode',
     mode => 'true' ]);

no_secret('standard_webhooks', 'secret', 'whsec_',
          qw(hook.23 hook.65 hook.bare hook.wrong text app.pem));
tolerances('standard_webhooks');

for my $setting (qw(pay_no_field amount_field)) {
    my %settings = @settling;
    delete $settings{$setting};

    wrong('standard_webhooks', "paid_type without $setting",
          [ map { $_ => $settings{$_} } sort keys %settings ],
          'paytrade_gateway', $setting);
}

wrong('standard_webhooks', "amounts $_", [ amounts => $_ ], 'amounts',
      '"minor"') for qw(Minor cents);
wrong('standard_webhooks', "refunds $_", [ refunds => $_ ], 'refunds',
      '"total"') for qw(all 1);
wrong('standard_webhooks', 'mode_field without mode',
      [ mode_field => 'livemode' ], 'paytrade_gateway', 'mode');
wrong('standard_webhooks', 'mode without mode_field', [ mode => 'live' ],
      'paytrade_gateway', 'mode_field');
wrong('standard_webhooks', "pay_no_field $_", [ @settling,
      pay_no_field => "\"$_\"" ], 'pay_no_field', 'write ')
    for '.', 'a..b', 'a.', '.a';


# Adyen.

fine('adyen', 'capital digits', [ hmac_key => 'hex64.upper' ]);
fine('adyen', 'several keys', [ hmac_key => [ 'hex64', 'hex64.next' ] ]);
wrong('adyen', 'a key twice', [ hmac_key => [ 'hex64', 'hex64.upper' ] ],
      'hmac_key', 'is given twice: remove one');
fine('adyen', 'yen', [], http => "paytrade_currency JPY 0;\n");

no_secret('adyen', 'hmac_key', '64 ', qw(hex63 hex66 hex64.wrong text));
modes('adyen');

for my $currency ('JPY 2', 'CNY 0', 'KWD 2') {
    wrong('adyen', $currency, [], 'paytrade_gateway',
          'as the decimals of paytrade_currency', http => "paytrade_currency $currency;\n");
}


# paytrade_verify.

my $http = block('alipay');
my $proxy = 'proxy_pass http://[::1];';

sub beside {
    my ($name, $server, %case) = @_;

    accepted($name, http => $http, server => $server, %case);
}


sub conflict {
    my ($name, $server, $at, $says, %case) = @_;

    refused($name, http => $http, server => $server, at => $at,
            says => $says, %case);
}


beside('paytrade_verify before proxy_pass',
       "location /n { paytrade_verify pay; $proxy }");
beside('and after it', "location /n { $proxy paytrade_verify pay; }");
beside('in "if"',
       "location /n { if (\$arg_x) { paytrade_verify pay; } $proxy }");
beside('in a location inside of another',
       "location /n { location /n/a { paytrade_verify pay; $proxy } "
       . 'paytrade_notify pay; }');
beside('before try_files',
       'location /n { paytrade_verify pay; try_files /a @b; } '
       . "location \@b { $proxy }");
accepted('before its gateway', http => '', server =>
         "location /n { paytrade_verify pay; $proxy } } $http server {");

conflict("paytrade_verify $_", "location /n {\npaytrade_verify $_;\n$proxy\n}",
         'paytrade_verify',
         'does not know the gateway "' . s/"//gr . '": write the name of a '
         . 'block paytrade_gateway') for 'other', '""', 'Pay';
conflict('paytrade_verify, twice',
         "location /n {\npaytrade_verify pay;\npaytrade_verify  pay;\n}",
         'paytrade_verify  pay', 'is duplicate');

for my $other ('paytrade_notify pay', 'paytrade_items', 'paytrade_status',
               'paytrade_pay', 'paytrade_hold')
{
    my ($name) = $other =~ /(\w+)/;

    for my $lines ("paytrade_verify pay;\n$other;",
                   "$other;\npaytrade_verify pay;")
    {
        conflict($lines =~ s/\n/ /r, "location /n {\n$lines\n}",
                 'paytrade_verify', "conflicts with \"$name\" of location "
                 . '"/n": give each a location of its own');
    }
}

conflict('in "if" of another',
         "location /n {\nif (\$arg_x) {\npaytrade_verify pay;\n}\n"
         . "paytrade_notify pay;\n}", 'paytrade_verify',
         'conflicts with "paytrade_notify" of location "/n"');

refused('paytrade_verify without a zone', without => [ 'paytrade_zone' ],
        server => "location /n {\npaytrade_verify pay;\n$proxy\n}",
        http => $http, at => 'paytrade_verify',
        says => 'needs "paytrade_zone" in the http block');
refused('paytrade_status without a zone', without => [ 'paytrade_zone' ],
        server => "location /s {\npaytrade_status;\n}",
        at => 'paytrade_status',
        says => 'needs "paytrade_zone" in the http block');
accepted('paytrade_status needs no more', without => [
             qw(paytrade_redis paytrade_postgres paytrade_user) ],
         server => 'location /s { paytrade_status; }');
refused('another handler does', without => [ 'paytrade_redis' ],
        server => "location /s {\npaytrade_status;\n}\n"
                  . "location /i {\npaytrade_items;\n}",
        at => 'paytrade_items',
        says => 'needs "paytrade_redis" in the http block');


# A hold that is only tried.

for my $lines ("paytrade_hold; paytrade_dry_run on; $proxy",
               "paytrade_dry_run on; $proxy paytrade_hold;",
               "$proxy paytrade_hold; paytrade_dry_run on;",
               'paytrade_hold; paytrade_dry_run off;')
{
    accepted($lines, server => "location /o { $lines }");
}

accepted('only tried, and nobody else is there',
         server => 'location /o { paytrade_hold; paytrade_dry_run on; }',
         warns => '"paytrade_hold" is only tried, by "paytrade_dry_run on", '
                  . 'and location "/o" has no other handler');

accepted('paytrade_dry_run of the server',
         server => "paytrade_dry_run on; location /o { paytrade_hold; $proxy "
                   . '}');
accepted('of the http block', http => 'paytrade_dry_run on;',
         server => "location /o { $proxy paytrade_hold; }");
accepted('with "if"', server => 'location /o { paytrade_hold; '
         . "paytrade_dry_run on; if (\$arg_x) { $proxy } $proxy }");

for my $lines ("paytrade_hold;\n$proxy", "$proxy\npaytrade_hold;",
               "paytrade_hold;\npaytrade_dry_run off;\n$proxy",
               "paytrade_hold;\nempty_gif;")
{
    refused($lines =~ s/\n/ /gr, server => "location /o {\n$lines\n}",
            at => 'paytrade_hold',
            says => 'conflicts with another handler of location "/o": give '
                    . 'each a location of its own');
}

refused('paytrade_dry_run off over one of the server',
        server => "paytrade_dry_run on;\nlocation /o {\npaytrade_hold;\n"
                  . "$proxy\npaytrade_dry_run off;\n}",
        at => 'paytrade_hold', says => 'conflicts with another handler');
refused('two handlers of ours, though one only tries',
        server => "location /o {\npaytrade_hold;\npaytrade_dry_run on;\n"
                  . "paytrade_items;\n}",
        at => 'paytrade_items', says => 'conflicts with "paytrade_hold"');
refused('a hold that is tried needs a user', without => [ 'paytrade_user' ],
        server => "location /o {\npaytrade_hold;\npaytrade_dry_run on;\n}",
        at => 'paytrade_hold', says => 'needs "paytrade_user"');
refused('paytrade_dry_run maybe', server => 'paytrade_dry_run maybe;',
        says => 'it must be "on" or "off"');


# Sizes and rates.

for my $directive (qw(paytrade_callback_size paytrade_unverified_rate
                      paytrade_dry_run))
{
    my $value = { paytrade_callback_size => '64k', paytrade_dry_run => 'on',
                  paytrade_unverified_rate => '10r/s burst=5' }->{$directive};

    accepted("$directive in every block", http => "$directive $value;",
             server => "$directive $value; location / { $directive $value; }");
    refused("$directive, twice", server => "$directive $value;\n"
            . "$directive  $value;", at => "$directive  ",
            says => 'is duplicate');
}

accepted("paytrade_callback_size $_", http => "paytrade_callback_size $_;")
    for qw(1k 1024 64K 1m 64m);
refused("paytrade_callback_size $_", http => "paytrade_callback_size $_;",
        says => 'has an invalid size "' . s/"//gr . '": write a size from 1k '
                . 'to 64m, such as 64k')
    for qw(0 1023 65m 64x -1), '""';

accepted("paytrade_callbacks $_", http => "paytrade_callbacks $_;")
    for qw(1 1000 1000000);
refused("paytrade_callbacks $_", http => "paytrade_callbacks $_;",
        says => 'has an invalid value "' . s/"//gr . '": write a whole '
                . 'number from 1 to 1000000')
    for qw(0 1000001 -1 many 1k), '""';

accepted("paytrade_unverified_rate $_", http => "paytrade_unverified_rate $_;")
    for qw(off 1r/s 1r/m 600r/m 1000000r/s), '10r/s burst=0',
        '10r/s burst=1000000';
refused("paytrade_unverified_rate $_",
        http => "paytrade_unverified_rate $_;",
        says => 'has an invalid rate "' . (/^"?([^" ]*)/)[0] . '": write a '
                . 'whole number from 1 to 1000000 and r/s or r/m, such as '
                . '10r/s, or off')
    for qw(10 0r/s 1000001r/s -1r/s 1r/h 1.5r/s r/s on), '""', 'off burst=1';
refused("paytrade_unverified_rate 1r/s $_",
        http => "paytrade_unverified_rate 1r/s $_;",
        says => "does not know \"$_\": write burst=N, a whole number from 0")
    for qw(burst= burst=-1 burst=1000001 burst nodelay delay=1);


# Holds that end before they can be paid.

for my $case ([ '60s', '60s', 60000 ], [ '10s', '60s', 10000 ],
              [ '2m', '150s', 120000 ])
{
    my ($time, $pay_rest, $ms) = @$case;

    accepted("held for $time, $pay_rest before the end are too late",
             http => "${http}paytrade_hold_time $time;\n"
                     . "paytrade_pay_rest $pay_rest;\n",
             warns => '"paytrade_admin": items without a hold time are held '
                      . "for ${ms}ms, and no payment is started in the last");
}

accepted('a hold time of the location where items are put',
         http => $http,
         server => 'location /a/ { paytrade_admin; paytrade_hold_time 50s; }',
         warns => 'are held for 50000ms');
accepted('a longer one there',
         http => $http, server => "paytrade_hold_time 10s;\n"
                 . 'location /a/ { paytrade_admin; paytrade_hold_time 61s; }');
accepted('one where it has no effect',
         http => $http, server => "location /a/ { paytrade_admin; }\n"
                 . 'location /o { paytrade_hold; paytrade_hold_time 50s; }');
accepted('without a gateway there is no payment',
         http => "paytrade_hold_time 10s;\n");
accepted('no item is put here',
         http => "${http}paytrade_hold_time 10s;\n",
         server => 'location /o { paytrade_hold; }');

done_testing();
