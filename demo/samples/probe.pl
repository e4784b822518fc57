# Try TCP against the loopback interface over IPv4 and IPv6; print "HOW OUTCOME" lines.
use strict;
use warnings;
use Socket qw(AF_INET AF_INET6 SOCK_STREAM inet_pton pack_sockaddr_in pack_sockaddr_in6);

for my $port (22, 80, 443) {
    for my $case (["127.0.0.1", AF_INET], ["::1", AF_INET6]) {
        my ($address, $family) = @$case;
        my $packed = inet_pton($family, $address);
        my $target = $family == AF_INET ? pack_sockaddr_in($port, $packed) : pack_sockaddr_in6($port, $packed);
        my $connection;
        my $reached = socket($connection, $family, SOCK_STREAM, 0) && connect($connection, $target);
        print "perl-tcp-$address-$port ", $reached ? "REACHED" : "refused", "\n";
    }
}
