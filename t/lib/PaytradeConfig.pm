package PaytradeConfig;

# nginx -t over configurations that are right or wrong in one place.
#
#   refused('a name', http => "paytrade_batch 0;", says => 'has an invalid…');
#   accepted('another', http => "paytrade_batch 1;");
#
# A case is a set of directives that replace or join those of a good
# configuration: `http` for the http block, `server` for the server instead of
# the standard locations, `without` names of standard directives.  A refusal
# has to name the file, the line of the first of them or of the one that `at`
# begins (or `file` and `line`), the directive (`directive`, if it is not the
# first named there), and what `says` says; `hidden` must not occur.  An
# acceptance has no warning but the one that `warns` names.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

our @EXPORT = qw(config_dir config_locations spew run_nginx configuration
                 refused accepted);

$ENV{PATH} .= ':/usr/sbin:/sbin';

my $root = abs_path(dirname(__FILE__) . '/../..');
my $module = $ENV{PT_MODULE} || "$root/build/ngx_http_paytrade_module.so";
my $nginx = $ENV{PT_NGINX} || 'nginx';
my $dir = tempdir('paytrade-config-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $conf = "$dir/nginx.conf";

# nginx -t leaves all its memory to the end of the process.
$ENV{PT_LEAKS} = 0;

my @http = (
    [ paytrade_zone     => 'paytrade 1m' ],
    [ paytrade_redis    => "unix:$dir/redis.sock" ],
    [ paytrade_postgres => "\"host=$dir dbname=shop user=shop\"" ],
    [ paytrade_user     => '$http_x_user' ],
);

my $locations = <<'_EOC_';
location = /items { paytrade_items; }
location = /orders { paytrade_hold; }
location ~ ^/orders/(?<oid>[0-9]+)$ { paytrade_order $oid; }
location /paytrade/admin/ { paytrade_admin; }
location = /paytrade/status { paytrade_status; }
_EOC_


sub config_dir { $dir }

sub config_locations { $locations }


# A file in the folder of nginx.conf.
sub spew {
    my ($name, $text, $mode) = @_;

    open my $file, '>', "$dir/$name" or die "$dir/$name: $!";
    print $file $text;
    close $file or die "$dir/$name: $!";
    chmod $mode // 0600, "$dir/$name" or die "$dir/$name: $!";

    return "$dir/$name";
}


# The configuration as text, and the line where a directive stands.
sub configuration {
    my (%case) = @_;
    my $own = $case{http} // '';
    my $server = $case{server} // $locations;

    my %given = map { $_ => 1 } $own =~ /^(paytrade_\w+)/mg;
    $given{$_} = 1 for @{ $case{without} // [] };

    my $text = join '', map { "$_->[0] $_->[1];\n" }
                        grep { !$given{$_->[0]} } @http;

    my $whole = <<"_EOC_";
load_module $module;
error_log stderr warn;
pid $dir/nginx.pid;
events { }
http {
access_log off;
client_body_temp_path $dir/body;
proxy_temp_path $dir/proxy;
fastcgi_temp_path $dir/fastcgi;
uwsgi_temp_path $dir/uwsgi;
scgi_temp_path $dir/scgi;
$text$own
server {
listen unix:$dir/http.sock;
$server
}
}
_EOC_

    my ($first) = (length $own ? $own : $server) =~ /(\S.*)/;
    my $at = $case{at} // $first // "";
    my $before = substr $whole, 0, rindex $whole, "\n$at";

    return ($whole, 2 + ($before =~ tr/\n//));
}


sub run_nginx {
    my ($text) = @_;
    spew('nginx.conf', $text);

    my $output = `$nginx -t -p $dir/ -c $conf 2>&1`;

    return ($? == 0, $output);
}


sub refused {
    my ($name, %case) = @_;
    my ($text, $line) = configuration(%case);
    my ($good, $output) = run_nginx($text);
    my $directive = $case{directive};

    ($directive) = ($case{at} // $case{http} // $case{server})
                   =~ /(paytrade_\w+)/ if !defined $directive;

    my $file = $case{file} // $conf;

    $line = $case{line} if defined $case{line};

    my $wanted = qr/^.*\[emerg\]\ .*"\Q$directive\E".*\Q$case{says}\E
                    .*\ in\ \Q$file\E:$line$/xm;

    subtest $name => sub {
        ok(!$good, 'refused');
        like($output, $wanted, 'file, line, directive, remedy');
        unlike($output, qr/\Q$case{hidden}\E/, 'no secret') if $case{hidden};
        unlike($output, qr/Sanitizer|runtime error:|signal/, 'no crash');
    } or diag $output;
}


sub accepted {
    my ($name, %case) = @_;
    my ($text, $line) = configuration(%case);
    my ($good, $output) = run_nginx($text);

    subtest $name => sub {
        ok($good, 'accepted');
        like($output, qr/\[warn\].*\Q$case{warns}\E/, 'warned')
            if $case{warns};
        unlike($output, qr/\[warn\]/, 'not warned') if !$case{warns};
        unlike($output, qr/\Q$case{hidden}\E/, 'no secret') if $case{hidden};
    } or diag $output;
}


1;
