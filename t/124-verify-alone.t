# A proxy that only verifies: no paytrade_redis, no paytrade_postgres, nothing
# but a zone and a gateway in front of the old application.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT status_json);
use PaytradeAlipay;
use Test::More;

my $form = 'application/x-www-form-urlencoded; charset=utf-8';

# The old application answers with what it was told, and with the body.
my $locations = <<'_EOC_';
        location = /old {
            paytrade_verify alipay;
            proxy_set_header X-Verify $paytrade_verify;
            proxy_set_header X-Number $paytrade_pay_no;
            proxy_set_header X-Amount $paytrade_amount;
            proxy_pass http://unix:SOCKET:/seen;
        }
        location = /shadow {
            paytrade_verify alipay;
            paytrade_dry_run on;
            proxy_set_header X-Verify $paytrade_verify;
            proxy_pass http://unix:SOCKET:/seen;
        }
        location = /limited {
            paytrade_verify alipay;
            paytrade_unverified_rate 1r/m burst=1;
            proxy_pass http://unix:SOCKET:/seen;
        }
        location = /paytrade/status { paytrade_status; }
_EOC_

my $old = <<'_EOC_';
    server {
        listen unix:SOCKET;
        location = /seen {
            return 200 "$http_x_verify $http_x_number $http_x_amount";
        }
    }
_EOC_

my $socket = "$ENV{PT_TMP}/old.sock";
s/SOCKET/$socket/g for $locations, $old;

my %setup = (
    workers => 2, locations => $locations,
    http => alipay_gateway(private_key => undef, notify_url => undef) . $old,
    without => [ qw(paytrade_redis paytrade_postgres paytrade_user
                    paytrade_durability) ],
);

start_nginx(%setup);


sub send_to {
    my ($path, $body) = @_;

    return http('POST', $path, $body, 'Content-Type' => $form);
}


sub count_of {
    my ($word) = @_;

    return status_json()->{callbacks}{alipay}{$word};
}


my $number = '1763712000123000002';
my $genuine = callback($number, '39.90');
my $forged = $genuine =~ s/39\.90/39.91/r;

my $seen = send_to('/old', $genuine);
is("$seen->{status} $seen->{content}", "200 ok $number 39.90",
   'a genuine callback comes to the application');
is(code(send_to('/old', $forged)), '403 unverified', 'another does not');
$seen = send_to('/shadow', $forged);
is("$seen->{status} $seen->{content}", '200 bad_signature  ',
   'where it is only tried, it does');
is(join(' ', map { count_of($_) } qw(passed bad_signature dry_run)), '1 2 1',
   'all are counted, with the reason too');

my $status = http('GET', '/paytrade/status');
is($status->{status}, 200, 'the status answers');
like($status->{content}, qr/"partitions":\[\{"partition":0,"state":"unknown"/,
     'without a partition');
like(http('GET', '/paytrade/status?format=prometheus')->{content},
     qr/^paytrade_callbacks_total\{gateway="alipay",result="passed"\} 1$/m,
     'for Prometheus too');


# The rate outlives a reload.
is(code(send_to('/limited', $forged)), '403 unverified', "try $_") for 1, 2;
is(code(send_to('/limited', $forged)), '429 too_many_attempts',
   'too many of one address');
is(send_to('/old', $genuine)->{status}, 200, 'elsewhere it may');

my %workers = map { $_ => 1 } workers();
reload_nginx();
until_true(sub { my @now = workers();
                 @now == 2 && !grep { $workers{$_} } @now }, 10);
is(code(send_to('/limited', $forged)), '429 too_many_attempts',
   'after a reload as before');
is(count_of('throttled'), 2, 'it is counted');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');
unlike(log_text(), qr/Redis|PostgreSQL/, 'no word of stores');

done_testing();
