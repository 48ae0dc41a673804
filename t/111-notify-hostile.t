# Forged, broken and foreign callbacks: each is answered "fail", counted by its
# reason, and changes nothing, neither in Redis nor in PostgreSQL.  And what
# only looks odd, which is taken.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT snapshot unchanged raw raw_head events
                    status_json);
use PaytradeAlipay;
use PaytradeLoad 'load';
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;

start_nginx(workers => 1, http => alipay_gateway() . alipay_gateway(
    name => 'strange', app_id => '2021000000000009',
    public_key => key_file('next', 1)));
put_item('p30', title => 'P30', stock => 100);

my $pay_no = pay_no('u1', buy('u1', 'p30'));
my %genuine = signed('alipay', 'sha256', notice($pay_no, '5000.00'));
my $form = form(map { $_ => $genuine{$_} } sort keys %genuine);

ok(journal_drained(), 'the journal is empty');
my $before = snapshot();
my %expected;


# The parameters signed again after a change: nothing but the value is wrong.
sub resigned {
    my (%change) = @_;
    my %params = signed('alipay', 'sha256',
                        notice($pay_no, '5000.00', %change));

    return form(map { $_ => $params{$_} } sort keys %params);
}


# The genuine form with parameters replaced, as they would be sent.
sub changed {
    my (%change) = @_;
    my %params = (%genuine, %change);

    return form(map { $_ => $params{$_} }
                grep { defined $params{$_} } sort keys %params);
}


sub refused {
    my ($name, $reason, $body, %headers) = @_;

    is(answered(notify($body, undef, %headers)), '200 fail',
       "$name: $reason") or return;
    $expected{$reason}++;
}


# Any byte of a value or of the signature, any name.
for my $name (sort keys %genuine) {
    next if $name eq 'sign_type';

    my $value = $genuine{$name};
    my %ways = (first => 0, last => length($value) - 1,
                middle => int(length($value) / 2));

    delete $ways{last} if $name eq 'sign';      # "=": not base64 any more

    for my $way (sort keys %ways) {
        my $bad = $value;
        my $old = substr $bad, $ways{$way}, 1;

        substr $bad, $ways{$way}, 1,
               $old eq 'A' ? 'B' : $old eq '1' ? '2' : $old =~ /\d/ ? '1' : 'A';
        refused("$way byte of $name", 'bad_signature',
                changed($name => $bad));
    }

    refused("$name renamed", $name =~ /^(?:app_id|out_trade_no|trade_no
            |seller_id|total_amount|trade_status|sign)$/x
            ? 'missing' : 'bad_signature',
            changed($name => undef, "x$name" => $value));
}


# Any byte of the body as it comes: none is taken.
my @flipped;
for my $at (grep { $_ % 7 == 0 } 0 .. length($form) - 1) {
    my $bad = $form;

    substr $bad, $at, 1, chr(ord(substr $bad, $at, 1) ^ 1 << $at % 5);
    push @flipped, callback_request($bad, tag => $at);
}
my $flipped = @flipped;
my @outcomes = load(port => port(), clients => 20, seconds => 20,
                    next => sub { shift @flipped });
is(scalar(grep { $_->{status} == 200 && $_->{answer} eq 'fail' } @outcomes),
   $flipped, "$flipped flipped bytes, and none is taken");
my $cut = 0;
my @cuts = map { callback_request(substr $form, 0, $_) }
           grep { $_ % 31 == 0 } 1 .. length($form) - 1;
$cut = @cuts;
@outcomes = load(port => port(), clients => 20, seconds => 20,
                 next => sub { shift @cuts });
is(scalar(grep { $_->{status} == 200 && $_->{answer} eq 'fail' } @outcomes),
   $cut, "cut off at $cut places, and none is taken");


# Other keys, other algorithms.
my %other = signed('other', 'sha256', notice($pay_no, '5000.00'));
my %app = signed('app', 'sha256', notice($pay_no, '5000.00'));
my %sha1 = signed('alipay', 'sha1', notice($pay_no, '5000.00'));

refused('signed by another', 'bad_signature', form(%other));
refused('signed by the shop', 'bad_signature', form(%app));
refused('SHA-1 and told so', 'bad_algorithm', form(%sha1));
refused('SHA-1 told as RSA2', 'bad_signature',
        form(%sha1, sign_type => 'RSA2'));
refused("sign_type $_", 'bad_algorithm', changed(sign_type => $_))
    for 'RSA', 'rsa2', 'RSA2 ', 'none', 'MD5';
refused("no $_", 'missing', changed($_ => undef)) for 'sign', 'sign_type';
refused("an empty $_", $_ eq 'sign' ? 'missing' : 'bad_algorithm',
        changed($_ => '')) for 'sign', 'sign_type';


# Signatures in sloppy spelling.
my $sign = $genuine{sign};
my $raw = decode_base64($sign);

refused("base64: $_->[0]", 'bad_signature', changed(sign => $_->[1])) for
    [ 'no padding', $sign =~ s/=+$//r ],
    [ 'more padding', "$sign=" ],
    [ 'a line end', substr($sign, 0, 76) . "\n" . substr($sign, 76) ],
    [ 'a line end behind it', "$sign\n" ],
    [ 'a space before it', " $sign" ],
    [ 'for URLs', ($sign =~ m{[+/]} ? $sign : "$sign-") =~ tr{+/}{-_}r ],
    [ 'bits that are not zero',
      $sign =~ s/([AQgw])==$/chr(1 + ord $1) . '=='/er ],
    [ 'a byte less', encode_base64(substr($raw, 1), '') ],
    [ 'a byte more', encode_base64("\0$raw", '') ],
    [ 'zeros', encode_base64("\0" x 256, '') ],
    [ 'twice', encode_base64("$raw$raw", '') ],
    [ 'hexadecimal', unpack 'H*', $raw ],
    [ 'rubbish', '!' x 344 ];
my $plus = $form =~ s/%2B/+/gr;
SKIP: {
    skip 'no plus in this signature', 1 if $sign !~ /\+/;
    refused('a plus that was not escaped', 'bad_signature',
            form(map { $_ => $genuine{$_} } grep { $_ ne 'sign' }
                 sort keys %genuine) . '&sign='
            . (form(sign => $sign) =~ s/^sign=//r =~ s/%2B/+/gr));
}


# Forms that can be read in two ways.
refused("$_ twice", 'bad_form', "$form&" . form($_ => $genuine{$_}))
    for qw(total_amount out_trade_no sign sign_type app_id subject);
refused("$_->[0] twice, other", 'bad_form', form(@$_) . "&$form")
    for [ total_amount => '0.01' ], [ out_trade_no => $pay_no + 1 ],
        [ sign => 'AAAA' ];
refused('twice, the name escaped', 'bad_form', "$form&total%5Famount=0.01");
refused('a value that names a parameter', 'ambiguous',
        resigned(subject => "x&total_amount=5000.00"));
refused('and another', 'ambiguous',
        resigned(subject => "x&out_trade_no=$pay_no&y=1"));
refused('half an escape', 'bad_form', "$form&x=%4");
refused('a wrong escape', 'bad_form', "$form&x=%zz");
refused('a NUL', 'bad_form', "$form&x=%00");
refused('no form', 'missing', 'hello');
refused('JSON', 'missing', '{"out_trade_no":"1"}');
refused('an empty body', 'missing', '');
refused('ampersands', 'missing', '&&&&');
refused('many names', 'bad_form', join '&', map { "p$_=" } 1 .. 5000);


# Parameters that are not there though the rest is signed.
refused("signed without $_", 'missing', resigned($_ => undef))
    for qw(app_id seller_id out_trade_no trade_no total_amount trade_status);


# Signed, but not for us or without sense.
refused('another app', 'wrong_app', resigned(app_id => '2021000000000002'));
refused('a longer app', 'wrong_app', resigned(app_id => '20210000000000010'));
refused('another seller', 'wrong_seller',
        resigned(seller_id => '2088000000000002'));
refused("an amount of $_", 'bad_value', resigned(total_amount => $_))
    for '5000.000', '5000.', '.5', '5e3', '-5000.00', '+5000.00', ' 5000.00',
        '5000.00 ', '5,000.00', '0x1388', '99999999999999999999.00', 'NaN',
        "5000.00\n";
refused('a trade_no of 65 bytes', 'bad_value',
        resigned(trade_no => '2' x 65));
refused('a trade_no with a tab', 'bad_value', resigned(trade_no => "2\t3"));
refused('a time that is none', 'bad_value',
        resigned(gmt_payment => '2026-13-41 25:00:00'));
refused('a refund of rubbish', 'bad_value',
        resigned(refund_fee => 'x', gmt_refund => alipay_time(time),
                 out_biz_no => 'r'));


# What comes around the body.
refused("Content-Type $_", 'bad_type', $form, 'Content-Type' => $_)
    for 'application/json', 'text/plain', 'multipart/form-data; boundary=x';
refused("Content-Encoding $_", 'bad_type', $form, 'Content-Encoding' => $_)
    for 'gzip', 'deflate', 'gzip, identity';
my $untyped = raw(raw_head('POST', '/notify/alipay', 'Content-Length: '
                           . length $form) . $form);
is("$untyped->[0] $untyped->[2]", '200 fail', 'no Content-Type');
$expected{bad_type}++;
my $huge = notify("$form&x=" . 'x' x 200000);
is("$huge->{status} $huge->{content}", '413 fail', 'a huge body');

is(answered(notify($form, '/notify/strange')), '200 fail',
   "signed by another gateway's key");
my $query = notify('a=1', "/notify/alipay?$form");
is(answered($query), '200 fail', 'parameters in the query are not read');
$expected{missing}++;


ok(journal_drained(), 'the journal is empty');
unchanged($before, 'none of it has changed anything');

my $status = status_json();
my $counted = $status->{callbacks}{alipay};

for my $reason (sort keys %expected) {
    cmp_ok($counted->{$reason}, '>=', $expected{$reason},
           "$reason is counted");
}
is($counted->{too_large}, 1, 'too_large is counted');
is($status->{callbacks}{strange}{bad_signature}, 1,
   "another gateway's callbacks are counted apart");
is($counted->{$_}, 0, "none is $_")
    for qw(settled duplicate refunded closed ignored mismatch orphan);
like(log_text(), qr/\[warn\].*alipay.*bad_/, 'the log tells of refusals');
cmp_ok(() = log_text() =~ /\[warn\].*callback/g, '<', 60, 'not of each');


# What is genuine though it looks odd.
my %gbk = signed('alipay', 'sha256',
                 notice($pay_no, '5000.00', charset => 'GBK',
                        subject => "\xca\xd6\xbb\xfa P30\xa3\xa4 \xff",
                        body => '', passback_params => 'a%3D1%26b%3D2'));
is(answered(notify(form(map { $_ => $gbk{$_} } sort keys %gbk))),
   '200 success', 'GBK, an empty value, escapes in a value');
is(scalar(events()), 1, 'is paid');

# Empty values are left out of what is signed by some.
my $second = pay_no('u2', buy('u2', 'p30'));
my %empty = (signed('alipay', 'sha256', notice($second, '5000.00')),
             body => '');
is(answered(notify(form(map { $_ => $empty{$_} } sort keys %empty))),
   '200 success', 'an empty value that was not signed');

my $plain = callback(pay_no('u3', buy('u3', 'p30')), '5000.00');
is(answered(notify($plain, undef, 'Content-Type' =>
                   'Application/X-WWW-Form-Urlencoded')),
   '200 success', 'the type in other letters');
is(answered(notify($plain, undef, 'Content-Encoding' => 'identity')),
   '200 success', 'the identity is no encoding');
is(answered(notify($plain =~ s/%3D/%3d/gr)), '200 success',
   'escapes in small letters');
is(answered(notify(resigned(total_amount => $_))), '200 success',
   "an amount of $_") for '5000', '5000.0';
is(scalar(events()), 3, 'three payments in all');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

# Nothing of bodies, signatures, keys and people.
my $log = log_text();
unlike($log, qr/\Q$_\E/, "not in the log: $_")
    for substr($sign, 0, 20), 'ab***', '2088102116773037', 'fund_bill',
        'PRIVATE KEY', 'trade_status';

done_testing();
