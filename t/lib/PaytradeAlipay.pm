package PaytradeAlipay;

# Alipay as the tests play it: its keys, the block of a configuration, the
# callbacks that it would sign, and a look at the links that lead to it; and
# what a buyer does on the way to it.
#
#   start_nginx(http => alipay_gateway());
#   my $order = buy('u1', 'p30');
#   my $pay_no = pay_no('u1', $order);
#   notify(callback($pay_no, '5000.00', trade_status => 'TRADE_FINISHED'));
#
# Keys are made once per run, in $PT_TMP/alipay: NAME.pem and NAME.pub.pem of
# app (the shop's), alipay, next (another of Alipay's, valid besides) and
# other (nobody's).

use strict;
use warnings;

use PaytradeShop;
use Crypt::OpenSSL::RSA;
use Exporter 'import';
use MIME::Base64 'encode_base64';
use POSIX 'strftime';

our @EXPORT = qw(alipay_gateway alipay_time notice signed signed_text form
                 callback callback_request notify answered key_file
                 link_params link_verifies buy pay pay_no payment code);

our $APP_ID = '2021000000000001';
our $SELLER_ID = '2088000000000001';
our $CONTENT_TYPE = 'application/x-www-form-urlencoded; text/html; '
                    . 'charset=UTF-8';

my $dir = "$ENV{PT_TMP}/alipay";
my %keys;


sub key_file {
    my ($name, $public) = @_;

    return "$dir/$name" . ($public ? '.pub.pem' : '.pem');
}


sub make_keys {
    return if -e "$dir/complete";

    mkdir $dir;

    for my $name (qw(app alipay next other)) {
        run('openssl', 'genpkey', '-algorithm', 'RSA', '-pkeyopt',
            'rsa_keygen_bits:2048', '-out', key_file($name));
        run('openssl', 'pkey', '-pubout', '-in', key_file($name), '-out',
            key_file($name, 1));
    }

    open my $mark, '>', "$dir/complete" or die "$dir/complete: $!";
}


sub run {
    my (@command) = @_;
    my $quiet = join ' ', map { "'$_'" } @command;

    system("$quiet > '$dir/openssl.log' 2>&1") == 0 or die "failed: $quiet";
}


# The block as a configuration has it; a setting given as undef is left out,
# one given as a list stands several times.
sub alipay_gateway {
    my (%o) = @_;

    make_keys();

    my $name = delete $o{name} || 'alipay';
    my %settings = (
        type        => 'alipay',
        app_id      => $APP_ID,
        seller_id   => $SELLER_ID,
        private_key => key_file('app'),
        public_key  => [ key_file('alipay', 1), key_file('next', 1) ],
        notify_url  => 'https://shop.example.com/notify/alipay',
        return_url  => 'https://shop.example.com/paid?a=1&b=%E6%89%8B',
        %o,
    );

    return "paytrade_gateway $name {\n" . join('', map {
        my $setting = $_;
        map { "        $setting $_;\n" }
        ref $settings{$_} ? @{ $settings{$_} } : $settings{$_}
    } grep { defined $settings{$_} } sort keys %settings) . "    }\n    ";
}


# As Alipay writes a time: Beijing's, whatever the machine's own zone is.
sub alipay_time {
    return strftime('%Y-%m-%d %H:%M:%S', gmtime($_[0] + 8 * 3600));
}


# The parameters of a notice as Alipay sends them, but for the signature; what
# is given replaces them, undef takes one away.
sub notice {
    my ($out_trade_no, $amount, %o) = @_;
    my $now = time;

    my %params = (
        notify_time    => alipay_time($now),
        notify_type    => 'trade_status_sync',
        notify_id      => "91722$out_trade_no",
        charset        => 'utf-8',
        version        => '1.0',
        auth_app_id    => $APP_ID,
        app_id         => $APP_ID,
        trade_no       => "20261121$out_trade_no",
        out_trade_no   => $out_trade_no,
        seller_id      => $SELLER_ID,
        buyer_id       => '2088102116773037',
        buyer_logon_id => 'ab***@example.com',
        total_amount   => $amount,
        receipt_amount => $amount,
        subject        => "手机 P30 \"Pro\" 100%+",
        fund_bill_list => "[{\"amount\":\"$amount\","
                          . '"fundChannel":"ALIPAYACCOUNT"}]',
        trade_status   => 'TRADE_SUCCESS',
        gmt_create     => alipay_time($now - 30),
        gmt_payment    => alipay_time($now - 5),
        %o,
    );

    delete @params{grep { !defined $params{$_} } keys %params};

    return %params;
}


# What is signed: all but sign and sign_type, decoded, in order.
sub signed_text {
    my (%params) = @_;

    return join '&', map { "$_=$params{$_}" }
                     grep { $_ ne 'sign' && $_ ne 'sign_type' }
                     sort keys %params;
}


# Adds sign and sign_type: signed($key, $hash, %params)
sub signed {
    my ($key, $hash, %params) = @_;

    $keys{$key} ||= do {
        open my $file, '<', key_file($key) or die key_file($key) . ": $!";
        local $/;
        Crypt::OpenSSL::RSA->new_private_key(scalar <$file>);
    };
    $keys{$key}->use_pkcs1_padding;
    $hash eq 'sha1' ? $keys{$key}->use_sha1_hash
                    : $keys{$key}->use_sha256_hash;

    my $sign = $keys{$key}->sign(signed_text(%params));

    return (%params, sign_type => $hash eq 'sha1' ? 'RSA' : 'RSA2',
            sign => encode_base64($sign, ''));
}


# As Alipay's Java writes a form; pairs stay in their order.
sub form {
    my (@pairs) = @_;
    my @texts;

    while (my ($name, $value) = splice @pairs, 0, 2) {
        $value =~ s/([^A-Za-z0-9_.*\- ])/sprintf '%%%02X', ord $1/ge;
        $value =~ tr/ /+/;
        push @texts, "$name=$value";
    }

    return join '&', @texts;
}


# The body of a genuine callback.
sub callback {
    my %params = signed('alipay', 'sha256', notice(@_));

    return form(map { $_ => $params{$_} } sort keys %params);
}


# For PaytradeLoad.
sub callback_request {
    my ($body, %more) = @_;

    return { method => 'POST', path => '/notify/alipay', body => $body,
             headers => { 'Content-Type' => $CONTENT_TYPE }, %more };
}


sub notify {
    my ($body, $path, %headers) = @_;

    return http('POST', $path || '/notify/alipay', $body,
                'Content-Type' => $CONTENT_TYPE, %headers);
}


# "200 success", "200 fail"; what else there is shows when it is not one.
sub answered {
    my ($answer) = @_;
    my $type = $answer->{headers}{'content-type'} || 'no type';

    return "$answer->{status} $answer->{content}"
           . ($type =~ m{^text/plain\b} ? '' : " ($type)");
}


# The parameters of a payment link, decoded; dies when one stands twice.
sub link_params {
    my ($url) = @_;
    my ($query) = $url =~ /\?(.*)$/s;
    my %params;

    for my $pair (split /&/, $query) {
        my ($name, $value) = split /=/, $pair, 2;

        die "$name stands twice" if exists $params{$name};
        $value =~ tr/+/ /;
        $value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
        $params{$name} = $value;
    }

    return %params;
}


# By openssl itself; a request signs sign_type too.
sub link_verifies {
    my ($url, $key) = @_;
    my %params = link_params($url);
    my $text = join '&', map { "$_=$params{$_}" }
                         grep { $_ ne 'sign' } sort keys %params;
    my %files = (text => $text,
                 sign => MIME::Base64::decode_base64($params{sign}));

    for my $name (keys %files) {
        open my $file, '>:raw', "$dir/$name" or die "$dir/$name: $!";
        print $file $files{$name};
        close $file;
    }

    return system('openssl dgst -sha256 -verify '
                  . key_file($key || 'app', 1)
                  . " -signature $dir/sign $dir/text > /dev/null 2>&1") == 0;
}


# A held order's id: buy('u1', 'p30', quantity => 2, unit_price => '1.00')
sub buy {
    my ($user, $sku, %o) = @_;
    my ($quantity, $price) = ($o{quantity} || 1, $o{unit_price} // '5000.00');
    my $answer = http('POST', '/orders',
                      "{\"sku\":\"$sku\",\"quantity\":$quantity,"
                      . "\"unit_price\":\"$price\"}", 'X-User' => $user);
    my ($id) = $answer->{content} =~ /"order_id":"(\d{19})"/;

    die "hold $sku: $answer->{status} $answer->{content}" if !$id;

    return $id;
}


# pay('u1', [ $order, … ], gateway => 'alipay', method => 'wap', key => 'k')
sub pay {
    my ($user, $orders, %o) = @_;
    my $gateway = $o{gateway} || 'alipay';
    my $method = $o{method} || 'page';

    return http('POST', '/payments',
                '{"order_ids":[' . join(',', map { "\"$_\"" } @$orders)
                . "],\"gateway\":\"$gateway\",\"method\":\"$method\"}",
                'X-User' => $user,
                defined $o{key} ? ('Idempotency-Key' => $o{key}) : ());
}


# A new payment's number.
sub pay_no {
    my ($user, @orders) = @_;
    my $answer = pay($user, \@orders);
    my ($pay_no) = $answer->{content} =~ /"pay_no":"(\d{19})"/;

    die "pay: $answer->{status} $answer->{content}" if !$pay_no;

    return $pay_no;
}


# A payment as PostgreSQL has it, parts by order: "paid 2 applied,refund_due"
sub payment {
    my ($pay_no) = @_;

    return psql("SELECT p.status || ' ' || p.rev || ' ' || string_agg("
                . "coalesce(o.outcome, '-') || CASE coalesce(o.reason, '')"
                . " WHEN '' THEN '' ELSE ':' || o.reason END, ','"
                . ' ORDER BY o.order_id) FROM paytrade.payments p'
                . ' JOIN paytrade.payment_orders o USING (pay_no)'
                . " WHERE p.pay_no = $pay_no GROUP BY p.status, p.rev");
}


# "409 already_paid" of a problem, "201" of anything else
sub code {
    my ($answer) = @_;

    return join ' ', $answer->{status},
                     $answer->{content} =~ /"code":"(\w+)"/;
}


1;
