package PaytradeGateways;

# Every gateway as the tests play it: the callbacks that they would send, signed
# with the secrets of PaytradeSecrets, and what they hear.
#
#   start_nginx(http => gateways(), server => $PaytradeGateways::WHY);
#   my $payment = external('u1', 'stripe', buy('u1', 'p30'));
#   my $callback = play('stripe', 'paid', $payment->{out_trade_no});
#   is(said($callback, deliver($callback), 'accepted'), 'accepted');
#
# The gateways are named as their types.  Kinds are paid, refunded, closed
# (none of WeChat's) and other: genuine, but nothing to do.  play() takes
#
#   amount trade_no currency refund_no refunded at event_id
#              what is told; at is when, in seconds, and when it is signed
#   key        first or next, which the blocks have; third or other, which
#              they have not
#   content    code that changes what is told, a hash, before it is signed
#   outer      the same for what is around it: WeChat's notice, Adyen's body
#   plain      the same for what is encrypted, as a text that it returns
#   text       the same for the body: before it is signed where the body is
#              signed, else after it
#   signed     code that changes the signature, as it is sent
#   headers    those that are sent instead: undef for none, a list for several

use strict;
use warnings;

use PaytradeAlipay ();
use PaytradeSecrets;
use PaytradeShop qw(:DEFAULT raw raw_head);
use Crypt::AuthEnc::GCM 'gcm_encrypt_authenticate';
use Crypt::Mode::ECB;
use Crypt::OpenSSL::RSA;
use Digest::MD5 'md5_hex';
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex);
use Exporter 'import';
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX 'strftime';

our @EXPORT = qw(gateways gateway_block secret_file key_id external play
                 deliver request_of said why);

# In a server: tells with the answer what became of a callback.
our $WHY = 'add_header X-Why "$paytrade_result $paytrade_verify" always;';

my $json = JSON::PP->new->utf8->canonical;
my %keys;

# [ status, type, body ]
my %answers = (
    alipay => {
        accepted => [ 200, 'text/plain', qr/^success$/ ],
        refused  => [ 200, 'text/plain', qr/^fail$/ ],
        later    => [ 200, 'text/plain', qr/^fail$/ ],
    },
    wechat_v3 => {
        accepted => [ 200, 'application/json', qr/^\{"code":"SUCCESS"/ ],
        refused  => [ 401, 'application/json', qr/^\{"code":"FAIL"/ ],
        later    => [ 503, 'application/json', qr/^\{"code":"FAIL"/ ],
    },
    wechat_v2 => {
        accepted => [ 200, 'text/xml', qr/^<xml><return_code><!\[CDATA\[SUCC/ ],
        refused  => [ 200, 'text/xml', qr/^<xml><return_code><!\[CDATA\[FAIL/ ],
        later    => [ 200, 'text/xml', qr/^<xml><return_code><!\[CDATA\[FAIL/ ],
    },
    stripe => {
        accepted => [ 200, 'application/json', qr/^\{"received":true\}$/ ],
        refused  => [ 400, 'application/json', qr/^\{"error"/ ],
        later    => [ 503, 'application/json', qr/^\{"error"/ ],
    },
    standard_webhooks => {
        accepted => [ 200, 'application/json', qr/^\{"received":true\}$/ ],
        refused  => [ 400, 'application/json', qr/^\{"error"/ ],
        later    => [ 503, 'application/json', qr/^\{"error"/ ],
    },
    adyen => {
        accepted => [ 200, 'text/plain', qr/^\[accepted\]$/ ],
        refused  => [ 401, 'text/plain', qr/^refused$/ ],
        later    => [ 503, 'text/plain', qr/^try again later$/ ],
    },
);


# Starts a payment that the shop itself takes to the gateway; its JSON.
sub external {
    my ($user, $gateway, @orders) = @_;
    my $answer = PaytradeAlipay::pay($user, \@orders, gateway => $gateway,
                                     method => 'external');

    die "pay: $answer->{status} $answer->{content}"
        if $answer->{status} != 201;

    return decode_json($answer->{content});
}


sub minor {
    return $_[0] =~ tr/.//dr + 0;
}


sub beijing {
    my ($format, $at) = @_;

    return strftime($format, gmtime($at + 8 * 3600));
}


# A callback: gateway, body, headers.
sub play {
    my ($gateway, $kind, $out_trade_no, %o) = @_;

    %o = (amount => '5000.00', currency => 'CNY', refund_no => 'r-1',
          refunded => '1000.00', at => time, key => 'first', kind => $kind,
          out_trade_no => $out_trade_no, %o);

    my ($body, %headers) = __PACKAGE__->can("play_$gateway")->(\%o);

    %headers = (%headers, %{ $o{headers} || {} });

    return { gateway => $gateway, body => $body, headers => \%headers };
}


# What a hook makes of a value: it changes it, or returns another.
sub hook {
    my ($o, $name, $value) = @_;

    return $value if !$o->{$name};

    my $other = $o->{$name}->($value);

    return ref $value ? $value : $other;
}


sub rsa_sign {
    my ($path, $text) = @_;

    $keys{$path} ||= Crypt::OpenSSL::RSA->new_private_key(content($path));
    $keys{$path}->use_pkcs1_padding;
    $keys{$path}->use_sha256_hash;

    return $keys{$path}->sign($text);
}


sub play_alipay {
    my ($o) = @_;
    my $time = PaytradeAlipay::alipay_time($o->{at});
    my %kinds = (
        paid     => {},
        refunded => { refund_fee => $o->{refunded},
                      gmt_refund => "$time.120",
                      out_biz_no => $o->{refund_no} },
        closed   => { trade_status => 'TRADE_CLOSED', gmt_payment => undef },
        other    => { trade_status => 'WAIT_BUYER_PAY', gmt_payment => undef },
    );
    my %params = PaytradeAlipay::notice(
        $o->{out_trade_no}, $o->{amount}, notify_time => $time,
        %{ $kinds{$o->{kind}} },
        defined $o->{trade_no} ? (trade_no => $o->{trade_no}) : (),
        defined $o->{event_id} ? (notify_id => $o->{event_id}) : ());

    hook($o, 'content', \%params);
    %params = PaytradeAlipay::signed(alipay_key($o->{key}),
                                     $o->{hash} || 'sha256', %params);
    $params{sign} = hook($o, 'signed', $params{sign});

    my $body = PaytradeAlipay::form(map { $_ => $params{$_} }
                                    grep { defined $params{$_} }
                                    sort keys %params);

    return (hook($o, 'text', $body),
            'Content-Type' => $PaytradeAlipay::CONTENT_TYPE);
}


sub wechat_v3_resource {
    my ($o) = @_;
    my %trade = (
        mchid          => $WECHAT_MERCHANT,
        out_trade_no   => $o->{out_trade_no},
        transaction_id => $o->{trade_no} // "4200001$o->{out_trade_no}",
        success_time   => beijing('%Y-%m-%dT%H:%M:%S+08:00', $o->{at}),
    );

    if ($o->{kind} eq 'refunded') {
        return { %trade, out_refund_no => $o->{refund_no},
                 refund_id => "5030001$o->{refund_no}",
                 refund_status => 'SUCCESS', amount => {
                     total => minor($o->{amount}),
                     refund => minor($o->{refunded}),
                     payer_total => minor($o->{amount}),
                     payer_refund => minor($o->{refunded}) },
                 user_received_account => "\x{62db}\x{5546}\x{94f6}" };
    }

    return { %trade, appid => $WECHAT_APP, trade_state => 'SUCCESS',
             trade_state_desc => "\x{652f}\x{4ed8}\x{6210}\x{529f}",
             trade_type => 'NATIVE', bank_type => 'OTHERS', attach => '',
             payer => { openid => 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
             amount => { total => minor($o->{amount}),
                         payer_total => minor($o->{amount}),
                         currency => $o->{currency},
                         payer_currency => $o->{currency} } };
}


sub wechat_v3_sealed {
    my ($o, $outer) = @_;
    my $resource = wechat_v3_resource($o);
    my $inner = $outer->{resource};

    hook($o, 'content', $resource);

    my ($sealed, $tag) = gcm_encrypt_authenticate('AES',
        secret('wechat_v3', 'api.' . ($o->{api_key} || 'first')),
        $inner->{nonce}, $inner->{associated_data} // '',
        hook($o, 'plain', $json->encode($resource)));

    return encode_base64($sealed . hook($o, 'tag', $tag), '');
}


sub play_wechat_v3 {
    my ($o) = @_;
    my %types = (paid => 'TRANSACTION.SUCCESS', refunded => 'REFUND.SUCCESS',
                 other => 'PAYSCORE.USER_OPEN_SERVICE');
    my $what = $o->{kind} eq 'refunded' ? 'refund'
               : $o->{kind} eq 'paid' ? 'transaction' : 'payscore';
    my $outer = {
        id            => $o->{event_id}
                         || 'EV-' . md5_hex("$o->{kind} $o->{out_trade_no}"),
        create_time   => beijing('%Y-%m-%dT%H:%M:%S+08:00', $o->{at}),
        resource_type => 'encrypt-resource',
        event_type    => $types{$o->{kind}},
        summary       => "\x{652f}\x{4ed8}\x{6210}\x{529f}",
        resource      => { original_type   => $what,
                           algorithm       => 'AEAD_AES_256_GCM',
                           associated_data => $what,
                           nonce           => substr md5_hex(rand), 0, 12 },
    };

    $outer->{resource}{ciphertext} = wechat_v3_sealed($o, $outer);
    hook($o, 'outer', $outer);

    my $body = hook($o, 'text', $json->encode($outer));
    my $nonce = md5_hex(rand);
    my $time = $o->{time} // $o->{at};
    my $sign = encode_base64(rsa_sign(private_key($o->{key}),
                                      "$time\n$nonce\n$body\n"), '');

    return ($body, 'Content-Type' => 'application/json',
            'Wechatpay-Serial' => key_id($o->{serial} || $o->{key}),
            'Wechatpay-Signature-Type' => 'WECHATPAY2-SHA256-RSA2048',
            'Wechatpay-Timestamp' => $time, 'Wechatpay-Nonce' => $nonce,
            'Wechatpay-Signature' => hook($o, 'signed', $sign));
}


sub xml {
    my ($root, $tags) = @_;

    return "<$root>" . join('', map {
        "<$_>" . ($tags->{$_} =~ /^\d+$/ ? $tags->{$_}
                                         : "<![CDATA[$tags->{$_}]]>") . "</$_>"
    } grep { defined $tags->{$_} } sort keys %$tags) . "</$root>";
}


sub play_wechat_v2 {
    my ($o) = @_;
    my $key = secret('wechat_v2', $o->{key});
    my $trade = {
        out_trade_no   => $o->{out_trade_no},
        transaction_id => $o->{trade_no} // "4200001$o->{out_trade_no}",
        total_fee      => minor($o->{amount}),
    };
    my $tags = { return_code => 'SUCCESS', appid => $WECHAT_APP,
                 mch_id => $WECHAT_MERCHANT, nonce_str => md5_hex(rand) };

    if ($o->{kind} eq 'refunded') {
        my $refund = { %$trade, out_refund_no => $o->{refund_no},
                       refund_id => "5030001$o->{refund_no}",
                       refund_fee => minor($o->{refunded}),
                       settlement_refund_fee => minor($o->{refunded}),
                       refund_status => 'SUCCESS', refund_account =>
                       'REFUND_SOURCE_RECHARGE_FUNDS',
                       success_time => beijing('%Y-%m-%d %H:%M:%S',
                                               $o->{at}) };

        hook($o, 'content', $refund);
        $tags->{req_info} = encode_base64(
            Crypt::Mode::ECB->new('AES', 1)->encrypt(
                hook($o, 'plain', xml('root', $refund)), md5_hex($key)), '');
        $tags->{req_info} = hook($o, 'signed', $tags->{req_info});
        hook($o, 'outer', $tags);

    } else {
        $tags = { %$tags, %$trade, bank_type => 'OTHERS', is_subscribe => 'N',
                  cash_fee => minor($o->{amount}), fee_type => $o->{currency},
                  openid => 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o',
                  result_code => $o->{kind} eq 'paid' ? 'SUCCESS' : 'FAIL',
                  time_end => beijing('%Y%m%d%H%M%S', $o->{at}),
                  trade_type => 'NATIVE',
                  sign_type => $o->{algorithm} || 'HMAC-SHA256' };

        hook($o, 'content', $tags);
        $tags->{sign} = hook($o, 'signed', wechat_v2_sign($o, $tags, $key));
        hook($o, 'outer', $tags);
    }

    return (hook($o, 'text', xml('xml', $tags)), 'Content-Type' => 'text/xml');
}


sub wechat_v2_sign {
    my ($o, $tags, $key) = @_;
    my $text = join('&', map { "$_=$tags->{$_}" }
                         grep { $_ ne 'sign' && length($tags->{$_} // '') }
                         sort keys %$tags) . "&key=$key";

    return uc(($o->{algorithm} || '') eq 'MD5' ? md5_hex($text)
                                               : hmac_sha256_hex($text, $key));
}


my %stripe_kinds = (
    paid            => [ 'payment_intent.succeeded', 'payment_intent' ],
    closed          => [ 'payment_intent.canceled', 'payment_intent' ],
    refunded        => [ 'charge.refunded', 'charge' ],
    session         => [ 'checkout.session.completed', 'checkout.session' ],
    session_async   => [ 'checkout.session.async_payment_succeeded',
                         'checkout.session' ],
    session_expired => [ 'checkout.session.expired', 'checkout.session' ],
    other           => [ 'payment_intent.created', 'payment_intent' ],
);


sub stripe_object {
    my ($o, $kind) = @_;
    my $id = $o->{trade_no} // "pi_$o->{out_trade_no}";
    my $amount = minor($o->{amount});
    my $object = { object => $kind, currency => lc $o->{currency},
                   livemode => JSON::PP::true, created => $o->{at} - 60 };

    if ($kind eq 'payment_intent') {
        return { %$object, id => $id, amount => $amount,
                 amount_received => $o->{kind} eq 'paid' ? $amount : 0,
                 status => $o->{kind} eq 'paid' ? 'succeeded'
                           : $o->{kind} eq 'closed' ? 'canceled'
                           : 'requires_payment_method',
                 metadata => { pay_no => $o->{out_trade_no} } };
    }

    if ($kind eq 'charge') {
        return { %$object, id => 'ch_' . md5_hex($id), amount => $amount,
                 amount_captured => $amount, captured => JSON::PP::true,
                 amount_refunded => minor($o->{refunded}), paid =>
                 JSON::PP::true, payment_intent => $id,
                 refunded => JSON::PP::false, status => 'succeeded',
                 metadata => { pay_no => $o->{out_trade_no} } };
    }

    return { %$object, id => 'cs_live_' . md5_hex($id), amount_total => $amount,
             payment_status => $o->{kind} eq 'session_expired' ? 'unpaid'
                                                               : 'paid',
             payment_intent => $o->{kind} eq 'session_expired' ? undef : $id,
             client_reference_id => $o->{out_trade_no}, metadata => {},
             mode => 'payment' };
}


sub play_stripe {
    my ($o) = @_;
    my ($type, $object) = @{ $stripe_kinds{$o->{kind}} };
    my $event = {
        id       => $o->{event_id} || 'evt_' . md5_hex(
            join ' ', $type, $o->{out_trade_no}, $o->{refunded}),
        object   => 'event', api_version => '2025-03-31.basil',
        created  => $o->{at} + 0, livemode => JSON::PP::true, type => $type,
        data     => { object => stripe_object($o, $object) },
        request  => { id => undef, idempotency_key => undef },
        pending_webhooks => 1,
    };

    hook($o, 'content', $event);

    my $body = hook($o, 'text', $json->encode($event));
    my $time = $o->{time} // $o->{at};
    my $sign = join ',', "t=$time", map {
        'v1=' . hmac_sha256_hex("$time.$body", secret('stripe', $_))
    } ref $o->{key} ? @{ $o->{key} } : $o->{key};

    return ($body, 'Content-Type' => 'application/json; charset=utf-8',
            'Stripe-Signature' => hook($o, 'signed', $sign));
}


sub play_standard_webhooks {
    my ($o) = @_;
    my %types = (paid => 'payment.succeeded', refunded => 'payment.refunded',
                 closed => 'payment.closed', other => 'invoice.sent');
    my $amounts = $o->{decimal} ? sub { $_[0] } : \&minor;
    my $names = $o->{names} || 'webhook';
    my $id = $o->{event_id} || 'msg_' . md5_hex(
        join ' ', $o->{kind}, $o->{out_trade_no}, $o->{refund_no});
    my $message = {
        type => $types{$o->{kind}}, mode => 'live',
        timestamp => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $o->{at}),
        data => { pay_no => $o->{out_trade_no}, currency => $o->{currency},
                  trade_no => $o->{trade_no} // "T-$o->{out_trade_no}",
                  amount => $amounts->($o->{amount}),
                  $o->{kind} eq 'refunded'
                  ? (refunded => $amounts->($o->{refunded}),
                     refund_no => $o->{refund_no}) : () },
    };

    hook($o, 'content', $message);

    my $body = hook($o, 'text', $json->encode($message));
    my $time = $o->{time} // $o->{at};
    my $sign = join ' ', map {
        my $key = decode_base64(secret('standard_webhooks', $_)
                                =~ s/^whsec_//r);
        'v1,' . mac_base64("$id.$time.$body", $key)
    } ref $o->{key} ? @{ $o->{key} } : $o->{key};

    return ($body, 'Content-Type' => 'application/json', "$names-id" => $id,
            "$names-timestamp" => $time,
            "$names-signature" => hook($o, 'signed', $sign));
}


sub mac_base64 {
    my ($text, $key) = @_;

    return encode_base64(hmac_sha256($text, $key), '');
}


sub adyen_number {
    return uc substr md5_hex($_[0]), 0, 16;
}


sub adyen_item {
    my ($o) = @_;
    my %codes = (paid => 'AUTHORISATION', refunded => 'REFUND',
                 closed => 'CANCELLATION', other => 'REPORT_AVAILABLE');
    my $trade_no = $o->{trade_no} // adyen_number($o->{out_trade_no});
    my $follows = $o->{kind} =~ /^(?:refunded|closed)$/;
    my $item = {
        additionalData      => { expiryDate => '03/2030' },
        amount              => { currency => $o->{currency}, value => minor(
            $o->{kind} eq 'refunded' ? $o->{refunded} : $o->{amount}) },
        eventCode           => $codes{$o->{kind}},
        eventDate           => beijing('%Y-%m-%dT%H:%M:%S+08:00', $o->{at}),
        merchantAccountCode => $MERCHANT_ACCOUNT,
        merchantReference   => $o->{out_trade_no},
        paymentMethod       => 'visa',
        pspReference        => !$follows ? $trade_no
                               : $o->{kind} eq 'refunded' ? $o->{refund_no}
                               : adyen_number("close $trade_no"),
        reason              => '033899:1111:03/2030',
        success             => 'true',
        $follows ? (originalReference => $trade_no) : (),
    };

    hook($o, 'content', $item);

    my %signed = (%$item, %{ $item->{amount} });
    my $text = join ':', map { $signed{$_} // '' }
        qw(pspReference originalReference merchantAccountCode
           merchantReference value currency eventCode success);
    my $sign = mac_base64($text, pack 'H*', secret('adyen', $o->{key}));

    $item->{additionalData}{hmacSignature} = hook($o, 'signed', $sign);
    hook($o, 'item', $item);        # once it is signed

    return { NotificationRequestItem => $item };
}


# more => [ [ kind, out_trade_no, … ], … ]: other items of the same callback
sub play_adyen {
    my ($o) = @_;
    my @others = map {
        my ($kind, $out_trade_no, %own) = @$_;
        adyen_item({ %$o, text => undef, outer => undef, content => undef,
                     signed => undef, item => undef, %own, kind => $kind,
                     out_trade_no => $out_trade_no })
    } @{ $o->{more} || [] };
    my $outer = { live => $o->{live} // 'true',
                  notificationItems => [ adyen_item($o), @others ] };

    hook($o, 'outer', $outer);

    return (hook($o, 'text', $json->encode($outer)),
            'Content-Type' => 'application/json; charset=utf-8');
}


# Sends it as it is: a header that is undef is not sent, one that is a list is
# sent several times.
sub deliver {
    my ($callback, $path) = @_;
    my $headers = $callback->{headers};
    my @lines = map {
        my $name = $_;
        map { "$name: $_" } ref $headers->{$name} ? @{ $headers->{$name} }
                                                  : $headers->{$name}
    } grep { defined $headers->{$_} } sort keys %$headers;
    my $answer = raw(raw_head('POST', $path || "/notify/$callback->{gateway}",
                              @lines,
                              'Content-Length: ' . length $callback->{body})
                     . $callback->{body});
    my %got;

    while ($answer->[1] =~ /^([^:\r\n]+): *(.*?)\r?$/mg) {
        $got{lc $1} = $2;
    }

    return { status => $answer->[0], content => $answer->[2],
             headers => \%got };
}


# For PaytradeLoad.
sub request_of {
    my ($callback, %more) = @_;

    return { method => 'POST', path => "/notify/$callback->{gateway}",
             body => $callback->{body}, headers => $callback->{headers},
             %more };
}


# What is wanted (accepted, refused or later), when the answer is that in the
# gateway's own words; else the answer.  It may be PaytradeLoad's outcome.
sub said {
    my ($callback, $answer, $wanted) = @_;
    my $gateway = ref $callback ? $callback->{gateway} : $callback;
    my ($status, $type, $body) = @{ $answers{$gateway}{$wanted} };
    my $content = $answer->{content} // $answer->{answer} // '';
    my ($got) = ref $answer->{headers} eq 'HASH'
                && $answer->{headers}{'content-type'}
                || ($answer->{headers_in} // '')
                   =~ /^Content-Type: *([^;\r\n]*)/im;

    return $wanted if $answer->{status} == $status && $content =~ $body
                      && ($got // '') =~ /^$type\b/;

    return join ' ', $answer->{status}, $got // 'no type', $content;
}


# With $WHY: the word of $paytrade_verify, or of $paytrade_result when it is
# genuine.
sub why {
    my ($answer) = @_;
    my ($result, $verify) = split / /, $answer->{headers}{'x-why'} // '- -';

    return ($verify // '-') =~ /^(?:ok|-)?$/ ? $result : $verify;
}


1;
