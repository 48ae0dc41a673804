# conf/sign-callback: what it signs for each type of gateway is taken, and
# settles a payment that the shop itself has started.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeAlipay;
use JSON::PP 'decode_json';
use Test::More;

my $dir = "$ENV{PT_TMP}/samples";


sub file {
    my ($name, $text) = @_;

    open my $out, '>', "$dir/$name" or die "$dir/$name: $!";
    print $out $text;
    close $out;
    chmod 0600, "$dir/$name";

    return "$dir/$name";
}


mkdir $dir;

my $v3_key = file('v3', "0123456789abcdef0123456789abcdef\n");
my $v2_key = file('v2', '192006250b4c09247ec02edce69f6a2d');
my $stripe = file('stripe', "whsec_sample\n");
my $hooks = file('hooks', 'whsec_' . 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' . "\n");
my $adyen = file('adyen', '44782DEF547AAA06C910C43932B1EB0C'
                          . '71FC68D9D0C057550C48EC2ACF6BA056');

my $http = alipay_gateway() . <<"_EOC_";
    paytrade_prefix shop_;
    paytrade_gateway wechat3 {
        type       wechat_v3;
        app_id     wxd678efh567hg6787;
        mch_id     1900000109;
        api_v3_key $v3_key;
        public_key PUB_KEY_ID_0119000001092024011500000000000001
                   @{[key_file('alipay', 1)]};
    }
    paytrade_gateway wechat2 {
        type    wechat_v2;
        app_id  wxd678efh567hg6787;
        mch_id  1900000109;
        api_key $v2_key;
    }
    paytrade_gateway stripe {
        type   stripe;
        secret $stripe;
        mode   test;
    }
    paytrade_gateway hooks {
        type            standard_webhooks;
        secret          $hooks;
        pay_no_field    data.pay_no;
        trade_no_field  data.trade_no;
        amount_field    data.amount;
        currency_field  data.currency;
        paid_type       payment.succeeded;
        refunded_type   payment.refunded;
        refunded_field  data.refunded;
        refund_no_field data.refund_no;
        closed_type     payment.closed;
    }
    paytrade_gateway adyen {
        type             adyen;
        merchant_account ShopCN;
        hmac_key         $adyen;
        mode             test;
    }
_EOC_

my %options = (
    alipay => ['alipay', '--key', key_file('alipay')],
    wechat3 => ['wechat_v3', '--key', key_file('alipay'), '--serial',
                'PUB_KEY_ID_0119000001092024011500000000000001',
                '--api-v3-key', $v3_key, '--app-id', 'wxd678efh567hg6787',
                '--mch-id', '1900000109'],
    wechat2 => ['wechat_v2', '--api-key', $v2_key,
                '--app-id', 'wxd678efh567hg6787', '--mch-id', '1900000109'],
    stripe => ['stripe', '--secret', $stripe, '--mode', 'test'],
    hooks => ['standard_webhooks', '--secret', $hooks],
    adyen => ['adyen', '--hmac-key', $adyen, '--merchant-account', 'ShopCN',
              '--mode', 'test'],
);

start_nginx(http => $http);
put_item('p30', title => 'P30', stock => 100);


# What the command prints, and whether it ends well.
sub sample {
    my ($gateway, $pay_no, $amount, @more) = @_;
    my ($type, @secrets) = @{ $options{$gateway} };

    open my $pipe, '-|', 'conf/sign-callback', $type, $pay_no, $amount,
        '--url', 'http://127.0.0.1:' . port() . "/notify/$gateway",
        '--prefix', 'shop_', @secrets, @more or die "sign-callback: $!";
    my $text = do { local $/; <$pipe> };
    close $pipe;

    return ($text, $? == 0);
}


# A second may pass anywhere in the command: for it one does at each look.
file('Ticks.pm', 'package Ticks; my $n = time;'
                 . ' *CORE::GLOBAL::time = sub () { $n++ }; 1;');
$ENV{PERL5OPT} = "-I$dir -MTicks";

for my $gateway (sort keys %options) {
    my $order = buy("u-$gateway", 'p30');
    my $answer = decode_json(pay("u-$gateway", [$order], gateway => $gateway,
                                 method => 'external')->{content});
    my $pay_no = $answer->{pay_no};

    is($answer->{out_trade_no}, "shop_$pay_no",
       "$gateway: what the shop gives the gateway");
    is($answer->{pay_url}, undef, "$gateway: the link is the shop's own");

    my ($text, $well) = sample($gateway, $pay_no, '4999.99');

    ok(!$well, "$gateway: another amount is refused");

    ($text, $well) = sample($gateway, $pay_no, '5000.00', '--time',
                            time() - 3000);

    ok(!$well, "$gateway: what was signed long ago is refused")
        if $gateway =~ /^(?:wechat3|stripe|hooks)$/;

    ($text, $well) = sample($gateway, $pay_no, '5000.00');

    ok($well, "$gateway: the sample is taken") or diag($text);
    is(decode_json(http('GET', "/payments/$pay_no", undef,
                        'X-User' => "u-$gateway")->{content})->{status},
       'paid', "$gateway: the payment is paid");

    ($text, $well) = sample($gateway, $pay_no, '5000.00', '--refund',
                            '1000.00');

    ok($well, "$gateway: a refund is taken") or diag($text);
}

ok(journal_drained(), 'the journal is empty');
is(psql("SELECT string_agg(p.gateway || ' ' || o.refunded, ','"
        . ' ORDER BY p.gateway) FROM paytrade.payments p'
        . ' JOIN paytrade.payment_orders o USING (pay_no)'
        . " WHERE p.status = 'paid'"),
   'adyen 100000,alipay 100000,hooks 100000,stripe 100000,wechat2 0,'
   . 'wechat3 100000',
   'refunds are recorded, but for the one that nobody signed');

my $order = buy('u-last', 'p30');
my ($text) = sample('stripe', '1763712000123000002', '5000.00', '--send',
                    'no');

like($text, qr/^curl '[^']+' \\\n.*Stripe-Signature: t=\d+,v1=[0-9a-f]{64}'/s,
     'the command for curl');

stop_nginx();
done_testing();
