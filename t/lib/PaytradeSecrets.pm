package PaytradeSecrets;

# The secrets of every gateway, and the blocks of a configuration with them.
# There are four of each: first and next, which the blocks have, third and
# other, which they have not.  They are made once per run, in $PT_TMP/gateways.

use strict;
use warnings;

use PaytradeAlipay ();
use Exporter 'import';
use MIME::Base64 'encode_base64';

our @EXPORT = qw(gateways gateway_block secret secret_file private_key key_id
                 alipay_key content @GATEWAYS $WECHAT_APP $WECHAT_MERCHANT
                 $MERCHANT_ACCOUNT);

our @GATEWAYS = qw(alipay wechat_v3 wechat_v2 stripe standard_webhooks adyen);
our $WECHAT_APP = 'wxd678efh567hg6787';
our $WECHAT_MERCHANT = '1900000109';
our $MERCHANT_ACCOUNT = 'ShopCN';

my $dir = "$ENV{PT_TMP}/gateways";
my %made;

# WeChat's keys: how a notice names them, and their files.
my %wechat_keys = (
    first => '0A7D2F0C4D26B4E1B0A5D3C8F71E9A6B4C5D6E7F',
    next  => 'PUB_KEY_ID_0119000001092024011500000000000001',
    third => '5157F09EFDC096DE15EBE81A47057A7232F1B8E1',
    other => '3775B6A45ACD588826D15E583A95F5DD00000002',
);


sub spew {
    my ($path, $text) = @_;

    open my $file, '>:raw', $path or die "$path: $!";
    print $file $text;
    close $file or die "$path: $!";
    chmod 0600, $path;

    return $path;
}


sub content {
    my ($path) = @_;

    open my $file, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$file>;
}


sub random_bytes {
    my ($n) = @_;
    my $bytes;

    open my $file, '<:raw', '/dev/urandom' or die "/dev/urandom: $!";
    read $file, $bytes, $n;

    return $bytes;
}


sub make_secrets {
    PaytradeAlipay::make_keys();
    return if -e "$dir/complete";

    mkdir $dir;

    for my $name (qw(first next third other)) {
        make_wechat_key($name);
        spew("$dir/wechat_v3.api.$name", unpack('H*', random_bytes(16)));
        spew("$dir/wechat_v2.$name", unpack('H*', random_bytes(16)) . "\n");
        spew("$dir/stripe.$name", 'whsec_' . unpack('H*', random_bytes(16))
                                  . "\n");
        spew("$dir/standard_webhooks.$name",
             'whsec_' . encode_base64(random_bytes(24), '') . "\n");
        spew("$dir/adyen.$name", uc unpack('H*', random_bytes(32)));
    }

    spew("$dir/complete", '');
}


sub make_wechat_key {
    my ($name) = @_;
    my $key = "$dir/wechat_v3.$name.pem";
    my $quiet = "> '$dir/openssl.log' 2>&1";
    my $made = system('openssl genpkey -algorithm RSA -pkeyopt'
                      . " rsa_keygen_bits:2048 -out $key $quiet") == 0;

    $made &&= system($name eq 'next'
                     ? "openssl pkey -pubout -in $key -out $key.public $quiet"
                     : "openssl req -x509 -new -key $key -days 1825"
                       . " -set_serial 0x$wechat_keys{$name} -subj"
                       . " '/C=CN/O=Tenpay.com/CN=Tenpay.com Root CA'"
                       . " -out $key.public $quiet") == 0;

    die 'openssl: ' . content("$dir/openssl.log") if !$made;
}


# A secret's file: secret_file('stripe', 'next'); of wechat_v3 the certificate
# or public key, or with 'api.first' an APIv3 key.
sub secret_file {
    my ($gateway, $name) = @_;

    make_secrets();

    return PaytradeAlipay::key_file(alipay_key($name), 1)
        if $gateway eq 'alipay';

    return $gateway eq 'wechat_v3' && $name !~ /^api/
           ? "$dir/wechat_v3.$name.pem.public" : "$dir/$gateway.$name";
}


sub secret {
    my ($gateway, $name) = @_;

    return $made{"$gateway $name"} ||=
        content(secret_file($gateway, $name)) =~ s/\n\z//r;
}


# WeChat's own half of a key.
sub private_key {
    my ($name) = @_;

    make_secrets();

    return "$dir/wechat_v3.$name.pem";
}


# As a notice of WeChat's API v3 names a key.
sub key_id {
    return $wechat_keys{$_[0]};
}


sub alipay_key {
    my ($name) = @_;

    return { first => 'alipay', next => 'next', third => 'app' }->{$name}
           || $name;
}


# The settings of a type, both of its keys given.
sub settings_of {
    my ($type) = @_;
    my $both = [ map { secret_file($type, $_) } qw(first next) ];

    return {
        wechat_v3 => {
            app_id               => $WECHAT_APP,
            mch_id               => $WECHAT_MERCHANT,
            api_v3_key           => [ map { secret_file($type, "api.$_") }
                                      qw(first next) ],
            platform_certificate => $both->[0],
            public_key           => key_id('next') . " $both->[1]",
        },
        wechat_v2 => {
            app_id  => $WECHAT_APP,
            mch_id  => $WECHAT_MERCHANT,
            api_key => $both,
        },
        stripe => { secret => $both },
        standard_webhooks => {
            secret          => $both,
            pay_no_field    => 'data.pay_no',
            trade_no_field  => 'data.trade_no',
            amount_field    => 'data.amount',
            currency_field  => 'data.currency',
            paid_type       => 'payment.succeeded',
            refunded_type   => 'payment.refunded',
            closed_type     => 'payment.closed',
            refunded_field  => 'data.refunded',
            refund_no_field => 'data.refund_no',
            mode_field      => 'mode',
            mode            => 'live',
        },
        adyen => {
            merchant_account => $MERCHANT_ACCOUNT,
            hmac_key         => $both,
        },
    }->{$type};
}


# The block as a configuration has it; a setting given as undef is left out,
# one given as a list stands several times.
sub gateway_block {
    my ($type, %o) = @_;

    make_secrets();

    return PaytradeAlipay::alipay_gateway(%o) if $type eq 'alipay';

    my $name = delete $o{name} || $type;
    my %settings = (type => $type, %{ settings_of($type) }, %o);

    return "paytrade_gateway $name {\n" . join('', map {
        my $setting = $_;
        map { "        $setting $_;\n" }
        ref $settings{$_} ? @{ $settings{$_} } : $settings{$_}
    } grep { defined $settings{$_} } sort keys %settings) . "    }\n    ";
}


sub gateways {
    return join '', map { gateway_block($_) } @GATEWAYS;
}


1;
