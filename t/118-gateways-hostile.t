# Forged, broken, old and foreign callbacks of every gateway: each is refused
# for its own reason and changes nothing, neither in Redis nor in PostgreSQL.
# And what is genuine but does not fit is told apart.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT snapshot unchanged events status_json);
use PaytradeAlipay qw(buy payment);
use PaytradeGateways;
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;
use Time::HiRes 'sleep';

my @gateways = @PaytradeGateways::GATEWAYS;
my @signs_body = qw(wechat_v3 stripe standard_webhooks);
my @has_json = (@signs_body, 'adyen');
my %sign_header = (wechat_v3 => 'Wechatpay-Signature',
                   stripe => 'Stripe-Signature',
                   standard_webhooks => 'webhook-signature');

start_nginx(workers => 2, server => $PaytradeGateways::WHY,
            http => gateways()
                    . gateway_block('wechat_v2', name => 'wechat_hmac',
                                    sign_type => 'HMAC-SHA256'));
put_item('p30', title => 'P30', stock => 1000);

my (%waiting, %expected, %happened, @cases);

for my $gateway (@gateways, 'wechat_hmac') {
    my $order = buy("u-$gateway", 'p30');
    $waiting{$gateway} = { order => $order,
                           %{ external("u-$gateway", $gateway, $order) } };
}


sub no_of {
    return $waiting{$_[0]}{out_trade_no};
}


# As it would be sent, but for what is told: to be refused with this word.
sub hostile {
    my ($gateway, $word, $name, %o) = @_;
    my $kind = delete $o{kind} || 'paid';

    push @cases, [ $gateway, $word, $name,
                   play($gateway, $kind, $o{no} // no_of($gateway), %o) ];
}


# The genuine one, changed on its way.
sub altered {
    my ($gateway, $word, $name, $change, %o) = @_;
    my $callback = play($gateway, 'paid', no_of($gateway), %o);

    $change->($callback);
    push @cases, [ $gateway, $word, $name, $callback ];
}


# A bit of the byte at a place, the place as a part of the whole.
sub flipped {
    my ($text, $part) = @_;
    my $at = int(length($text) * $part);

    $at = length($text) - 1 if $at >= length $text;
    substr($text, $at, 1) = chr(ord(substr $text, $at, 1) ^ 1);

    return $text;
}


# Another letter or digit there, so that it stays what it was.
sub other_letter {
    my ($text, $at) = @_;
    my $old = substr $text, $at, 1;

    substr($text, $at, 1) = $old =~ /\d/ ? ($old + 1) % 10
                            : $old eq 'A' ? 'B' : 'A';

    return $text;
}


# Sets a value in a tree: put($hash, 'a.b', $value); undef takes it away.
sub put {
    my ($tree, $path, $value) = @_;
    my @parts = split /\./, $path;
    my $last = pop @parts;

    $tree = $tree->{$_} for @parts;

    if (defined $value) {
        $tree->{$last} = $value;
    } else {
        delete $tree->{$last};
    }
}


# A hook that does so.
sub with {
    my ($path, $value) = @_;

    return sub { put($_[0], $path, $value) };
}


# Any region of a body that is signed as it is.
for my $gateway (@signs_body) {
    for my $part (map { $_ / 12 } 0 .. 12) {
        altered($gateway, 'bad_signature',
                sprintf('a byte at %d %%', 100 * $part),
                sub { $_[0]{body} = flipped($_[0]{body}, $part) });
    }

    altered($gateway, 'bad_signature', $_->[0], $_->[1]) for
        [ 'a byte less', sub { chop $_[0]{body} } ],
        [ 'a space more', sub { $_[0]{body} .= ' ' } ],
        [ 'a line end more', sub { $_[0]{body} .= "\n" } ],
        [ 'half of it', sub { substr($_[0]{body}, 100) = '' } ],
        [ 'nothing', sub { $_[0]{body} = '' } ],
        [ 'twice', sub { $_[0]{body} x= 2 } ];
}

# Any value of those that sign values.
for my $name (qw(appid bank_type cash_fee fee_type mch_id nonce_str openid
                 out_trade_no result_code return_code time_end total_fee
                 trade_type transaction_id sign))
{
    altered('wechat_v2', 'bad_signature', "another $name", sub {
        $_[0]{body} =~ s{(<$name>(?:<!\[CDATA\[)?)(\w+)}
                        {$1 . other_letter($2, 1)}e or die $name;
    });
    altered('wechat_v2', $name eq 'sign' ? 'missing' : 'bad_signature',
            "no $name", sub { $_[0]{body} =~ s{<$name>.*</$name>}{} });
}

for my $name (qw(app_id auth_app_id buyer_id gmt_payment notify_id
                 out_trade_no seller_id total_amount trade_no trade_status))
{
    altered('alipay', 'bad_signature', "another $name", sub {
        $_[0]{body} =~ s/(\b$name=)([^&]+)/$1 . other_letter($2, 3)/e;
    });
}

for my $name (qw(pspReference merchantAccountCode merchantReference eventCode
                 success))
{
    hostile('adyen', 'bad_signature', "another $name", item => sub {
        $_[0]{$name} = other_letter($_[0]{$name}, 1);
    });
    hostile('adyen', 'bad_signature', "no $name",
            item => sub { delete $_[0]{$name} });
}

hostile('adyen', 'bad_signature', "another $_->[0]",
        item => with($_->[0], $_->[1])) for
    [ 'amount.value', 1 ], [ 'amount.value', 500001 ],
    [ 'amount.currency', 'USD' ], [ 'originalReference', 'X' ];
hostile('adyen', $_->[1], "$_->[0] instead of a value",
        item => with('amount.value', $_->[2])) for
    [ 'a text', 'bad_form', '500000' ], [ 'a fraction', 'bad_form', 5.5 ],
    [ 'a list', 'bad_form', [] ];


# Signatures: flipped, of another length, in sloppy spelling.
for my $gateway (keys %sign_header) {
    my $header = $sign_header{$gateway};

    for my $way ([ 'the first byte', sub { other_letter($_[0], 0) } ],
                 [ 'the middle', sub { other_letter($_[0], 20) } ],
                 [ 'a character less', sub { substr $_[0], 1 } ],
                 [ 'the last less', sub { substr $_[0], 0, -1 } ],
                 [ 'a character more', sub { "A$_[0]" } ],
                 [ 'half', sub { substr $_[0], 0, length($_[0]) / 2 } ],
                 [ 'rubbish', sub { '!' x length $_[0] } ],
                 [ 'zeros', sub { '0' x length $_[0] } ])
    {
        altered($gateway, 'bad_signature', "signature: $way->[0]", sub {
            my $headers = $_[0]{headers};

            $headers->{$header} =~ s{^(t=\d+,v1=|v1,|)(.*)}
                                    {$1 . $way->[1]->($2)}e;
        });
    }
}

for my $way ([ 'no padding', sub { $_[0] =~ s/=+$//r } ],
             [ 'more padding', sub { "$_[0]=" } ],
             [ 'for URLs', sub { "+$_[0]" =~ tr{+/}{-_}r } ],
             [ 'spaces', sub { join ' ', $_[0] =~ /(.{1,20})/g } ],
             [ 'hexadecimal', sub { unpack 'H*', decode_base64($_[0]) } ],
             [ 'a byte less', sub {
                 encode_base64(substr(decode_base64($_[0]), 1), '') } ],
             [ 'a byte more', sub {
                 encode_base64("\0" . decode_base64($_[0]), '') } ],
             [ 'empty bytes', sub {
                 encode_base64("\0" x length decode_base64($_[0]), '') } ],
             [ 'as a probe has it', sub { "WECHATPAY/SIGNTEST/$_[0]" } ])
{
    hostile($_, 'bad_signature', "Base64: $way->[0]", signed => $way->[1])
        for qw(alipay wechat_v3 adyen);
    hostile('standard_webhooks',
            $way->[0] eq 'spaces' ? 'bad_form' : 'bad_signature',
            "Base64: $way->[0]",
            signed => sub { 'v1,' . $way->[1]->(substr $_[0], 3) });
}

hostile('wechat_v2', 'bad_signature', "signature: $_->[0]",
        signed => $_->[1]) for
    [ 'in small letters', sub { lc $_[0] } ],
    [ 'a character less', sub { substr $_[0], 1 } ],
    [ 'a character more', sub { "$_[0]0" } ],
    [ 'as long as that of MD5', sub { substr $_[0], 0, 32 } ],
    [ 'a space before it', sub { " $_[0]" } ],
    [ 'zeros', sub { '0' x 64 } ];
hostile('stripe', 'bad_signature', 'signature: in capital letters',
        signed => sub { $_[0] =~ s/v1=(.*)/"v1=\U$1"/er });
hostile('alipay', 'missing', 'an empty signature', signed => sub { '' });
hostile('wechat_v2', 'missing', 'an empty signature', signed => sub { '' });
hostile('adyen', 'missing', 'an empty signature', signed => sub { '' });
hostile('adyen', 'missing', 'no signature', item => sub {
    delete $_[0]{additionalData};
});


# Another algorithm than the one that is configured.
hostile('alipay', 'bad_algorithm', 'SHA-1, and told so', hash => 'sha1');
hostile('alipay', 'bad_signature', 'SHA-1, told as RSA2', hash => 'sha1',
        text => sub { $_[0] =~ s/sign_type=RSA/sign_type=RSA2/r });
altered('alipay', 'bad_algorithm', "sign_type $_", do {
    my $type = $_;
    sub { $_[0]{body} =~ s/sign_type=RSA2/sign_type=$type/ }
}) for 'RSA', 'rsa2', 'MD5', 'none', '';
hostile('wechat_v2', 'bad_algorithm', "sign_type $_",
        content => with('sign_type', $_)) for qw(md5 SHA1 SHA256 RSA none);
hostile('wechat_v2', 'bad_signature', 'HMAC told as MD5', content =>
        with('sign_type', 'MD5'));
hostile('wechat_v2', 'bad_signature', 'MD5 told as HMAC', algorithm => 'MD5',
        content => with('sign_type', 'HMAC-SHA256'));
push @cases, [ 'wechat_hmac', 'bad_algorithm', "forbidden: $_->[0]",
               play('wechat_v2', 'paid', no_of('wechat_hmac'),
                    algorithm => 'MD5', @{ $_->[1] }) ] for
    [ 'MD5', [] ],
    [ 'MD5, not told', [ content => with('sign_type', undef) ] ];
hostile('wechat_v3', 'bad_algorithm', "Signature-Type $_",
        headers => { 'Wechatpay-Signature-Type' => $_ }) for
    qw(WECHATPAY2-SHA1-RSA2048 WECHATPAY2-SM2-WITH-SM3 none
       WECHATPAY-BRAND-SHA256-RSA2048);
hostile('wechat_v3', 'bad_algorithm', "sealed with $_",
        outer => with('resource.algorithm', $_)) for
    qw(AEAD_AES_128_GCM AEAD_SM4_GCM AES_256_CBC none);
hostile('stripe', 'bad_algorithm', 'only a v0', signed => sub {
    $_[0] =~ s/v1=/v0=/r;
});
hostile('standard_webhooks', 'bad_algorithm', 'only a v1a', signed => sub {
    $_[0] =~ s/v1,/v1a,/r;
});


# Headers that are missing, empty, doubled, or strange.
my %headers = (
    wechat_v3 => { 'Wechatpay-Signature' => 'bad_signature',
                   'Wechatpay-Timestamp' => 'bad_signature',
                   'Wechatpay-Nonce'     => 'bad_signature',
                   'Wechatpay-Serial'    => 'unknown_key' },
    stripe => { 'Stripe-Signature' => 'bad_form' },
    standard_webhooks => { 'webhook-id'        => 'bad_signature',
                           'webhook-timestamp' => 'bad_form',
                           'webhook-signature' => 'bad_form' },
);

for my $gateway (sort keys %headers) {
    for my $name (sort keys %{ $headers{$gateway} }) {
        altered($gateway, 'missing', "no $name",
                sub { delete $_[0]{headers}{$name} });
        altered($gateway, 'missing', "an empty $name",
                sub { $_[0]{headers}{$name} = '' });
        altered($gateway, $headers{$gateway}{$name}, "$name twice", sub {
            $_[0]{headers}{$name} = [ ($_[0]{headers}{$name}) x 2 ];
        });
        altered($gateway, $headers{$gateway}{$name},
                "an empty $name beside it", sub {
            $_[0]{headers}{$name} = [ $_[0]{headers}{$name}, '' ];
        }) if $name !~ /Nonce|id/;
    }
}

hostile('wechat_v3', 'unknown_key', "a serial that is $_->[0]",
        headers => { 'Wechatpay-Serial' => $_->[1] }) for
    [ 'nobody\'s', key_id('other') ],
    [ 'in small letters', lc key_id('first') ],
    [ 'cut off', substr key_id('first'), 0, 20 ], [ 'a word', 'x' ],
    [ 'no PUB_KEY_ID', 'PUB_KEY_ID_' ];
hostile('wechat_v3', 'bad_signature', 'another key of WeChat\'s',
        serial => 'next');
altered('wechat_v3', 'bad_signature', 'another nonce', sub {
    $_[0]{headers}{'Wechatpay-Nonce'} =
        other_letter($_[0]{headers}{'Wechatpay-Nonce'}, 3);
});
altered('standard_webhooks', 'bad_signature', 'another id',
        sub { $_[0]{headers}{'webhook-id'} .= '1' });
altered('standard_webhooks', 'missing', 'half of the names are of Svix', sub {
    $_[0]{headers}{'svix-id'} = delete $_[0]{headers}{'webhook-id'};
});
hostile('standard_webhooks', 'ambiguous', 'an id with a time in it',
        event_id => 'msg_1.1795265143');
hostile('stripe', $_->[1], "Stripe-Signature: $_->[0]",
        signed => $_->[2]) for
    [ 'no time', 'missing', sub { $_[0] =~ s/t=\d+,//r } ],
    [ 'no signature', 'missing', sub { $_[0] =~ s/,v1=.*//r } ],
    [ 'two times', 'bad_form', sub { "t=1,$_[0]" } ],
    [ 'a space', 'bad_form', sub { $_[0] =~ s/,/, /r } ],
    [ 'no form', 'bad_form', sub { 'x' } ],
    [ 'a time that is none', 'bad_form', sub { $_[0] =~ s/t=/t=x/r } ],
    [ 'an empty signature', 'bad_signature', sub { $_[0] =~ s/v1=.*/v1=/r } ];


# Signed long ago, or to come; told to be now.
for my $gateway (@signs_body) {
    my $header = { wechat_v3 => 'Wechatpay-Timestamp',
                   standard_webhooks => 'webhook-timestamp' }->{$gateway};

    hostile($gateway, 'stale', "signed $_->[0]", at => time + $_->[1]) for
        [ 'just too long ago', -301 ], [ 'just too far ahead', 310 ],
        [ 'an hour ago', -3600 ], [ 'in an hour', 3600 ],
        [ 'a year ago', -31536000 ];
    altered($gateway, 'bad_signature', 'an old one with the time of now', sub {
        my $now = time;

        if ($header) {
            $_[0]{headers}{$header} = $now;
        } else {
            $_[0]{headers}{'Stripe-Signature'} =~ s/t=\d+/t=$now/;
        }
    }, at => time - 3600);

    my $bad = $gateway eq 'wechat_v3' ? 'bad_value' : 'bad_form';

    hostile($gateway, $bad, "the time as $_->[0]", time => $_->[1]) for
        [ 'a number with a zero', '0' . time ], [ 'a fraction', time . '.0' ],
        [ 'zero', '0' ], [ 'a negative number', '-' . time ],
        [ 'a word', 'now' ], [ 'twenty digits', '9' x 20 ];
}


# Others, with signatures of their own.
hostile($_, $_ eq 'wechat_v3' ? 'unknown_key' : 'bad_signature',
        'signed by another', key => 'other') for @gateways;
hostile('wechat_v3', 'bad_signature', 'signed by another, told as WeChat',
        key => 'other', serial => 'first');
hostile('alipay', 'bad_signature', 'signed by the shop', key => 'third');
hostile('wechat_v3', 'bad_ciphertext', 'sealed for another merchant',
        api_key => 'other');
hostile(@$_) for
    [ 'alipay', 'wrong_app', 'another app',
      content => with('app_id', '2021000000000002') ],
    [ 'alipay', 'wrong_seller', 'another seller',
      content => with('seller_id', '2088000000000002') ],
    [ 'wechat_v3', 'wrong_merchant', 'another merchant',
      content => with('mchid', '1900000110') ],
    [ 'wechat_v3', 'wrong_app', 'another app',
      content => with('appid', 'wxd678efh567hg6788') ],
    [ 'wechat_v3', 'wrong_merchant', 'a refund of another merchant',
      kind => 'refunded', content => with('mchid', '1900000110') ],
    [ 'wechat_v2', 'wrong_merchant', 'another merchant',
      content => with('mch_id', '1900000110') ],
    [ 'wechat_v2', 'wrong_app', 'another app',
      content => with('appid', 'wxd678efh567hg6788') ],
    [ 'wechat_v2', 'wrong_merchant', 'a merchant below',
      content => with('sub_mch_id', '1900000110') ],
    [ 'stripe', 'wrong_merchant', 'a connected account',
      content => with('account', 'acct_1other') ],
    [ 'adyen', 'wrong_merchant', 'another account',
      content => with('merchantAccountCode', 'ShopUS') ],
    [ 'adyen', 'wrong_merchant', 'the account in other letters',
      content => with('merchantAccountCode', 'SHOPCN') ];


# Tests where live ones are wanted.
hostile('stripe', 'wrong_mode', 'a test', content =>
        with('livemode', JSON::PP::false));
hostile('adyen', 'wrong_mode', 'a test', live => 'false');
hostile('adyen', 'wrong_mode', 'a test, as it is in JSON',
        live => JSON::PP::false);
hostile('adyen', 'wrong_mode', 'neither', live => 'TRUE');
hostile('standard_webhooks', 'wrong_mode', 'a test',
        content => with('mode', 'test'));
hostile('standard_webhooks', 'wrong_mode', 'no mode',
        content => with('mode', undef));
hostile('stripe', 'missing', 'no mode', content => with('livemode', undef));
hostile('adyen', 'missing', 'no mode', outer => with('live', undef));


# One signed text that could stand for several values.
hostile('alipay', 'ambiguous', 'a subject that names an amount',
        content => with('subject', 'x&total_amount=5000.00'));
hostile('alipay', 'ambiguous', 'a parameter that names a number',
        content => with('passback_params', 'a&out_trade_no=1'));
hostile('alipay', 'ambiguous', 'a query that names what an application reads',
        content => with('body', 'https://shop/p?a=1&buyer_id=2'));
hostile('wechat_v2', 'ambiguous', 'a tag that names an amount',
        content => with('attach', 'x&total_fee=500000'));
hostile('wechat_v2', 'ambiguous', 'a tag that names a result',
        content => with('attach', 'x&y&result_code=SUCCESS&z=1'));
hostile('wechat_v2', 'ambiguous', 'a tag that names the key',
        content => with('attach', '1&key=x'));
hostile('adyen', 'ambiguous', 'a code with a colon',
        content => with('eventCode', 'AUTHORISATION:true'));


# A name twice.
hostile('alipay', 'bad_form', "$_->[0] twice", text => do {
    my $more = $_->[1];
    sub { "$_[0]&$more" }
}) for [ 'the amount', 'total_amount=0.01' ], [ 'the sign', 'sign=AAAA' ],
       [ 'an escaped name', 'total%5Famount=0.01' ];
hostile('wechat_v2', 'bad_form', "$_ twice", text => do {
    my $name = $_;
    sub { $_[0] =~ s{(<$name>.*?</$name>)}{$1$1}r }
}) for qw(total_fee sign out_trade_no);

my %member = (wechat_v3 => '"event_type":"X",', stripe => '"type":"x",',
              standard_webhooks => '"type":"x",', adyen => '"live":"true",');

for my $gateway (@has_json) {
    hostile($gateway, 'bad_form', 'a member twice', text => sub {
        $_[0] =~ s/^\{/{$member{$gateway}/r;
    });
    hostile($gateway, 'bad_form', 'a member twice, once escaped', text => sub {
        my $escaped = $member{$gateway} =~ s/"(\w)/sprintf '"\\u%04x',
                                                          ord $1/er;
        $_[0] =~ s/^\{/{$escaped/r;
    });
    hostile($gateway, 'bad_form', 'a value twice, deep inside', text => sub {
        $_[0] =~ s/("currency"|"nonce"):("[^"]*")/$1:"x",$1:$2/r;
    });
}

hostile('wechat_v3', 'bad_form', 'a sealed member twice', plain => sub {
    $_[0] =~ s/^\{/{"out_trade_no":"1",/r;
});


# JSON that is none, too deep, or cut short.
for my $gateway (qw(wechat_v3 adyen)) {
    hostile($gateway, 'bad_form', $_->[0], text => $_->[1]) for
        [ 'empty', sub { '' } ], [ 'no JSON', sub { 'hello' } ],
        [ 'a list', sub { "[$_[0]]" } ], [ 'a comma more', sub { "$_[0]," } ],
        [ 'deep lists', sub { '{"a":' . '[' x 5000 . ']' x 5000 . '}' } ],
        [ 'deep objects', sub { '{"a":' x 2000 . '1' . '}' x 2000 } ],
        [ 'a NUL', sub { $_[0] =~ s/"([a-z])/"\0$1/r } ],
        [ 'an escaped NUL', sub { $_[0] =~ s/"([a-z])/"\\u0000$1/r } ],
        [ 'wrong UTF-8', sub { $_[0] =~ s/"([a-z])/"\xc0\xaf$1/r } ],
        [ 'half a surrogate', sub { $_[0] =~ s/"([a-z])/"\\ud800$1/r } ],
        [ 'UTF-16', sub { join '', map { "$_\0" } split //, $_[0] } ],
        [ 'a mark before it', sub { "\xef\xbb\xbf$_[0]" } ],
        [ 'form parameters', sub { 'a=1&b=2' } ];
}

# It is signed, but what it is about cannot be read.
for my $gateway (qw(stripe standard_webhooks)) {
    hostile($gateway, 'bad_form', "a payment $_->[0]", text => $_->[1]) for
        map { my ($name, $more) = @$_;
              [ $name, sub { $_[0] =~ s/\}$/,"x":$more}/r } ] }
        [ 'with a NUL', "\"\0\"" ], [ 'with an escaped NUL', '"\u0000"' ],
        [ 'with half a surrogate', '"\ud800"' ],
        [ 'with wrong UTF-8', "\"\xc0\xaf\"" ],
        [ 'too deep', '[' x 5000 . ']' x 5000 ],
        [ 'of 257 members',
          '{' . join(',', map { "\"$_\":1" } 1 .. 257) . '}' ];
    hostile($gateway, 'bad_form', 'a payment with a mark before it',
            text => sub { "\xef\xbb\xbf$_[0]" });
}


# XML that does more than tell values.
my $doctype = '<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]>';
my $bombs = '<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa">'
            . join('', map { my $name = chr(ord('a') + $_);
                             my $before = chr(ord('a') + $_ - 1);
                             "<!ENTITY $name \"" . "&$before;" x 10 . '">' }
                           1 .. 9) . ']>';

hostile('wechat_v2', 'bad_form', "XML: $_->[0]", text => $_->[1]) for
    [ 'an external entity', sub {
        $doctype . $_[0] =~ s/<!\[CDATA\[OTHERS\]\]>/&a;/r } ],
    [ 'a DOCTYPE alone', sub { "<!DOCTYPE xml>$_[0]" } ],
    [ 'a DOCTYPE elsewhere',
      sub { "<!DOCTYPE xml SYSTEM \"http://tst.example/x.dtd\">$_[0]" } ],
    [ 'a parameter entity', sub {
        '<!DOCTYPE xml [<!ENTITY % p SYSTEM "http://tst.example/p"> %p;]>'
        . $_[0] } ],
    [ 'an entity bomb', sub {
        $bombs . $_[0] =~ s/<!\[CDATA\[OTHERS\]\]>/&j;/r } ],
    [ 'an unknown entity',
      sub { $_[0] =~ s/<!\[CDATA\[OTHERS\]\]>/&x;/r } ],
    [ 'nesting', sub { $_[0] =~ s{</xml>}{<a><b>1</b></a></xml>}r } ],
    [ 'deep nesting',
      sub { '<xml>' . '<a>' x 5000 . '</a>' x 5000 . '</xml>' } ],
    [ 'an attribute', sub { $_[0] =~ s/<total_fee>/<total_fee a="1">/r } ],
    [ 'a namespace',
      sub { $_[0] =~ s{<xml>}{<xml xmlns:xi="http://www.w3.org/2001/XI">}r } ],
    [ 'an instruction', sub { $_[0] =~ s{<xml>}{<xml><?php x ?>}r } ],
    [ 'a comment in a value',
      sub { $_[0] =~ s{<total_fee>5}{<total_fee><!-- x -->5}r } ],
    [ 'text between the tags', sub { $_[0] =~ s{<xml>}{<xml>hello}r } ],
    [ 'a NUL', sub { $_[0] =~ s/OTHERS/OTH\0ERS/r } ],
    [ 'a NUL as a reference',
      sub { $_[0] =~ s/<!\[CDATA\[OTHERS\]\]>/&#0;/r } ],
    [ 'a second root', sub { "$_[0]<xml></xml>" } ],
    [ 'something behind it', sub { "$_[0]hello" } ],
    [ 'another root', sub { $_[0] =~ s{(</?)xml>}{$1root>}gr } ],
    [ 'the root in capital letters', sub { $_[0] =~ s{(</?)xml>}{$1XML>}gr } ],
    [ 'no end', sub { $_[0] =~ s{</xml>}{}r } ],
    [ 'another encoding',
      sub { "<?xml version=\"1.0\" encoding=\"GBK\"?>$_[0]" } ],
    [ 'UTF-16', sub { join '', map { "$_\0" } split //, $_[0] } ],
    [ 'wrong UTF-8', sub { $_[0] =~ s/OTHERS/\xc0\xaf/r } ],
    [ 'a thousand tags', sub {
        $_[0] =~ s{</xml>}{join('', map { "<a$_>1</a$_>" } 1 .. 1000)
                           . '</xml>'}er } ],
    [ 'nothing', sub { '' } ], [ 'no XML', sub { 'hello' } ],
    [ 'JSON', sub { '{"return_code":"SUCCESS"}' } ];


# What is sealed: the tag, the text, what else goes into it.
hostile('wechat_v3', 'bad_ciphertext', "the tag, flipped at $_", tag => do {
    my $at = $_;
    sub { flipped($_[0], $at) }
}) for 0, 0.5, 1;
hostile('wechat_v3', 'bad_ciphertext', "sealed: $_->[0]", outer => $_->[1]) for
    [ 'no tag', sub { sealed($_[0], sub { substr $_[0], 0, -16 }) } ],
    [ 'a flipped byte', sub { sealed($_[0], sub { flipped($_[0], 0.3) }) } ],
    [ 'the tag alone', sub { sealed($_[0], sub { substr $_[0], -16 }) } ],
    [ 'less than a tag', sub { sealed($_[0], sub { 'x' }) } ],
    [ 'no Base64', with('resource.ciphertext', '!' x 40) ],
    [ 'padding missing', sub {
        $_[0]{resource}{ciphertext} =~ s/.=*$//; } ],
    [ 'another nonce', with('resource.nonce', 'abcdefghijkl') ],
    [ 'a long nonce', with('resource.nonce', 'a' x 40) ],
    [ 'a short nonce', with('resource.nonce', 'a') ],
    [ 'other data', with('resource.associated_data', 'refund') ],
    [ 'no data', with('resource.associated_data', undef) ];
hostile('wechat_v3', 'missing', "no $_", outer => with($_, undef)) for
    qw(resource.ciphertext resource.nonce resource.algorithm resource id
       event_type);
hostile('wechat_v3', 'bad_form', 'sealed: no JSON', plain => sub { 'hello' });
hostile('wechat_v3', 'bad_form', 'sealed: a NUL',
        plain => sub { $_[0] =~ s/"mchid":"/"mchid":"\\u0000/r });


sub sealed {
    my ($outer, $change) = @_;
    my $resource = $outer->{resource};

    $resource->{ciphertext} = encode_base64(
        $change->(decode_base64($resource->{ciphertext})), '');
}


# A refund's notice that would pass for a payment.
hostile('wechat_v3', 'bad_value', 'a refund told as a payment',
        kind => 'refunded', outer => with('event_type',
                                          'TRANSACTION.SUCCESS'));
hostile('wechat_v3', 'missing', 'the same, its resource too',
        kind => 'refunded', outer => sub {
            put($_[0], 'event_type', 'TRANSACTION.SUCCESS');
            put($_[0], 'resource.original_type', 'transaction');
        });
hostile('wechat_v3', 'bad_value', 'the same, with an app',
        kind => 'refunded',
        content => with('appid', $PaytradeGateways::WECHAT_APP),
        outer => with('event_type', 'TRANSACTION.SUCCESS'));
hostile('stripe', 'bad_value', 'a refund told as a payment',
        kind => 'refunded', content => with('type',
                                            'payment_intent.succeeded'));
hostile('stripe', 'bad_signature', 'the same, on its way',
        kind => 'refunded', key => 'other',
        content => with('type', 'payment_intent.succeeded'));
hostile('adyen', 'bad_signature', 'a refund told as a payment',
        kind => 'refunded', item => with('eventCode', 'AUTHORISATION'));
hostile('wechat_v2', 'bad_ciphertext', "a refund: $_->[0]",
        kind => 'refunded', signed => $_->[1]) for
    [ 'flipped', sub {
        encode_base64(flipped(decode_base64($_[0]), 0.5), '') } ],
    [ 'no whole block', sub {
        encode_base64(substr(decode_base64($_[0]), 1), '') } ],
    [ 'no Base64', sub { '!' x 64 } ],
    [ 'one block', sub { encode_base64('x' x 16, '') } ];
hostile('wechat_v2', 'bad_ciphertext', 'a refund by another key',
        kind => 'refunded', key => 'other');
hostile('wechat_v2', 'bad_ciphertext', "a refund with $_->[0] inside",
        kind => 'refunded', plain => $_->[1]) for
    [ 'a DOCTYPE', sub { "$doctype$_[0]" } ], [ 'no XML', sub { 'hello' } ],
    [ 'a payment', sub { $_[0] =~ s{(</?)root>}{$1xml>}gr } ],
    [ 'a tag twice', sub { $_[0] =~ s{(<refund_fee>.*?</refund_fee>)}
                                     {$1$1}r } ];
hostile('wechat_v2', 'wrong_merchant', 'a refund of another merchant',
        kind => 'refunded', outer => with('mch_id', '1900000110'));
hostile('wechat_v2', 'missing', 'neither a signature nor a refund',
        kind => 'refunded', outer => with('req_info', undef));


# Signed, but it makes no sense.
for my $case ([ 'alipay', 'total_amount', [ '5000.000', '5e3', '-5000.00',
                                            ' 5000.00', '0x1388', 'NaN' ] ],
              [ 'wechat_v3', 'amount.total', [ '500000', -500000, 0, 5000.5,
                                               1000000000000000, [], 'x' ] ],
              [ 'wechat_v2', 'total_fee', [ '+500000', '500000.0', '0500000',
                                            '0', '-1', '5e5', ' 500000',
                                            '9' x 20 ] ],
              [ 'stripe', 'data.object.amount_received',
                [ '500000', -500000, 0, 5000.5, 1000000000000000, [] ] ],
              [ 'standard_webhooks', 'data.amount',
                [ '5000.00', -500000, 0, 5000.5, 1000000000000000, [], '+1',
                  '' ] ],
              [ 'adyen', 'amount.value', [ -500000, 1000000000000000 ] ])
{
    my ($gateway, $path, $values) = @$case;

    hostile($gateway, 'bad_value', "an amount of '$_'",
            content => with($path, $_)) for @$values;
}

my %reference = (
    alipay => 'out_trade_no', wechat_v3 => 'out_trade_no',
    wechat_v2 => 'out_trade_no', adyen => 'merchantReference',
    stripe => 'data.object.metadata.pay_no',
    standard_webhooks => 'data.pay_no',
);

for my $gateway (@gateways) {
    next if $gateway eq 'stripe';     # not ours, and so ignored
    hostile($gateway, 'bad_value', 'a number of 65 bytes',
            content => with($reference{$gateway}, '1' x 65));
    hostile($gateway, 'bad_value', 'a number with a tab',
            content => with($reference{$gateway}, "1\t2"));
}

hostile($_->[0], 'missing', "signed without $_->[1]",
        content => with($_->[1], undef)) for
    (map { [ alipay => $_ ] } qw(app_id seller_id trade_no total_amount)),
    (map { [ wechat_v3 => $_ ] } qw(appid mchid transaction_id out_trade_no
                                    trade_state amount)),
    (map { [ wechat_v2 => $_ ] } qw(appid mch_id transaction_id out_trade_no
                                    total_fee return_code result_code)),
    (map { [ stripe => $_ ] } qw(id type data.object.amount_received
                                 data.object.currency data.object.id)),
    (map { [ standard_webhooks => $_ ] } qw(data.pay_no data.trade_no
                                            data.amount data.currency)),
    (map { [ adyen => $_ ] } qw(pspReference merchantReference eventCode
                                success));
hostile(@$_) for
    [ 'wechat_v3', 'bad_value', 'a payment that is not made',
      content => with('trade_state', 'NOTPAY') ],
    [ 'wechat_v2', 'bad_value', 'a result that is none',
      content => with('result_code', 'success') ],
    [ 'stripe', 'bad_value', 'an intent that is not paid',
      content => with('data.object.status', 'processing') ],
    [ 'adyen', 'bad_value', 'a success that is none',
      content => with('success', 'yes') ],
    [ 'wechat_v3', 'bad_value', 'a time that is none',
      content => with('success_time', '2026-13-41T00:00:00+08:00') ],
    [ 'wechat_v2', 'bad_value', 'a time that is none',
      content => with('time_end', '20261341000000') ],
    [ 'wechat_v3', 'bad_value', 'a refund above the payment',
      kind => 'refunded', refunded => '5000.01' ];


# What comes around the body.
for my $gateway (@gateways) {
    hostile($gateway, 'bad_type', "Content-Encoding $_",
            headers => { 'Content-Encoding' => $_ }) for 'gzip', 'br';
    next if $gateway eq 'standard_webhooks';
    hostile($gateway, 'bad_type', 'Content-Type ' . ($_ // 'missing'),
            headers => { 'Content-Type' => $_ }) for
        'text/plain', 'multipart/form-data; boundary=x', undef, '';
}


# All of it.
ok(journal_drained(), 'the journal is empty');
my $before = snapshot();

for my $case (@cases) {
    my ($gateway, $word, $name, $callback) = @$case;
    my $answer = deliver($callback, "/notify/$gateway");

    $expected{$gateway}{$word}++;
    is(said($callback, $answer, 'refused') . ' ' . why($answer),
       "refused $word", "$gateway: $name");
}

for my $gateway (@gateways) {
    my $callback = play($gateway, 'paid', no_of($gateway));

    $callback->{body} .= ' ' x 70000;
    is(deliver($callback)->{status}, 413, "$gateway: a huge body");
    $expected{$gateway}{too_large}++;
}

cmp_ok(scalar @cases, '>=', 200, scalar @cases . ' cases');
ok(journal_drained(), 'the journal is empty');
unchanged($before, 'none of it has changed anything');

my $counted = status_json()->{callbacks};

for my $gateway (@gateways, 'wechat_hmac') {
    my %got = map { $_ => $counted->{$gateway}{$_} }
              grep { $counted->{$gateway}{$_} } keys %{ $counted->{$gateway} };

    is_deeply(\%got, $expected{$gateway}, "$gateway: counted by the reason");
}

like(log_text(), qr/\[warn\].*callback of gateway/, 'the log tells of some');
cmp_ok(() = log_text() =~ /\[warn\].*callback/g, '<', 60, 'not of each');


# Genuine, but it does not fit its payment: recorded, and not paid.
sub misfit {
    my ($gateway, $reason, $name, %o) = @_;
    my $callback = play($gateway, 'paid', no_of($gateway),
                        trade_no => sprintf('MISFIT%010d', ++$happened{all}),
                        %o);
    my $answer = deliver($callback);

    $happened{$gateway}++;
    is(said($callback, $answer, 'later') . ' ' . why($answer),
       'later mismatch', "$gateway: $name");
    is((events())[-1]{reason}, $reason, "$gateway: $name: the event tells");
}


for my $gateway (@gateways) {
    misfit($gateway, 'amount', 'a cent less', amount => '4999.99');
    misfit($gateway, 'amount', 'a cent more', amount => '5000.01');
    misfit($gateway, 'amount', 'a hundred times', amount => '500000.00');
    misfit($gateway, 'currency', 'another currency', currency => 'USD')
        if $gateway ne 'alipay';
    misfit($gateway, 'currency', 'another currency, as many',
           currency => 'JPY') if $gateway ne 'alipay';
}

# Signed by one gateway for what was started at another.
my $stray = play('stripe', 'paid', no_of('adyen'));
is(said($stray, deliver($stray), 'later'), 'later',
   'another gateway than the one it was started at');
is((events())[-1]{reason}, 'gateway', 'the event tells');

for my $gateway (@gateways) {
    is(status_json()->{callbacks}{$gateway}{mismatch},
       $happened{$gateway} + ($gateway eq 'stripe'),
       "$gateway: they are counted");
    like(http('GET', "/payments/$waiting{$gateway}{pay_no}", undef,
              'X-User' => "u-$gateway")->{content}, qr/"status":"unpaid"/,
         "$gateway: the payment is unpaid after all that");
}

is(psql("SELECT count(*) FROM paytrade.orders WHERE status <> 'held'"), '0',
   'all orders are held');
is(scalar(grep { $_->{type} ne 'payment.mismatch' } events()), 0,
   'nothing else was told');

# And the genuine one of each is taken.
for my $gateway (@gateways) {
    my $callback = play($gateway, 'paid', no_of($gateway));

    is(said($callback, deliver($callback), 'accepted'), 'accepted',
       "$gateway: the genuine one is taken");
}

is(scalar(grep { $_->{type} eq 'payment.succeeded' } events()), 6, 'six paid');
ok(journal_drained(), 'the journal is empty');
is(psql('SELECT count(*) FROM paytrade.dead_letter'), '0', 'no dead letter');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(balance_holds('p30'), 'the balance holds');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

# Each gateway's once a second, whichever worker it is, the others counted.
my $line = qr/^(\S+ \S+) .*callback of gateway "(\w+)".*; (\d+) before it/m;
my (%told, $untold);

for ([log_text() =~ /$line/g]) {
    while (my ($second, $gateway, $before) = splice @$_, 0, 3) {
        $told{"$second $gateway"}++;
        $untold += $before;
    }
}

is(join(', ', grep { $told{$_} > 1 } sort keys %told), '',
   'the log has a line a second');
cmp_ok($untold, '>', 200, 'and the number of the others');

# Nothing of bodies, secrets and people.
my $log = log_text() =~ s/bad_ciphertext//gr;

unlike($log, qr/\Q$_\E/, "not in the log: $_") for
    'whsec_', 'oUpF8uMuAJO', 'hmacSignature', 'ciphertext', 'ab***',
    'fund_bill', '5000.00', '500000';

done_testing();
