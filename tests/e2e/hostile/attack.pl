# Everything that a scriptlet, root in its sandbox, may try without ending the transaction:
# one line "ATTACK PHASE NAME refused" or "... REACHED" for each, "... BROKEN" where it could not even be tried, and
# "CONTROL PHASE NAME yes" or "... no" for what attacks need to have anything before them.  It is run as: attack.pl PHASE
# and finds in /usr/share/hostile/listeners the ports and the abstract name of the servers that must stay unreached.
use strict;
use warnings;
no warnings 'portable';
use Socket;

my ($phase) = @ARGV;
my %call = (unshare => 272, setns => 308, mount => 165, umount => 166, mknod => 133);
my ($REMOUNT, $BIND, $DETACH) = (32, 4096, 2);
my ($NEW_USER, $NEW_MOUNT, $NEW_NETWORK) = (0x10000000, 0x00020000, 0x40000000);

mkdir '/var/lib/hostile';
my $report;
open($report, '>>', '/var/lib/hostile/report') or open($report, '>&', \*STDOUT) or die;
$report->autoflush;

# In a process of its own, since some attempts cannot be taken back.  A die must not look like the 1 of a failure.
sub apart {
    my ($attempt) = @_;
    my $child = fork // die;
    if ($child == 0) { alarm 5; exit(eval { $attempt->() ? 0 : 1 } // 2) }
    waitpid $child, 0;
    return $?;
}

sub told { my ($kind, $name, $status, %words) = @_; print $report "$kind $phase $name ", $words{$status} // 'BROKEN', "\n" }

sub attack { my ($name, $attempt) = @_; told('ATTACK', $name, apart($attempt), 0 => 'REACHED', 1 << 8 => 'refused') }

sub control { my ($name, $attempt) = @_; told('CONTROL', $name, apart($attempt), 0 => 'yes', 1 << 8 => 'no') }

sub connected {
    my ($family, $type, $address) = @_;
    socket(my $handle, $family, $type, 0) or return 0;
    return connect($handle, $address);
}

sub writable { my ($path) = @_; return open(my $handle, '>>', $path) }

sub readable { my ($path) = @_; open(my $handle, '<', $path) or return 0; return sysread($handle, my $byte, 1) }

# syscall wants variables: it may write to what it is given.
sub mounted {
    my ($source, $target, $type, $flags) = @_;
    return syscall($call{mount}, $source, $target, $type, $flags, 0) == 0;
}

sub remounted { return grep { mounted('none', $_, '', $REMOUNT | $BIND) } ('/hermetic_repo', '/hostile', '/distribution/repo', '/proc/sys', '/') }

sub unmounted { my ($target) = @_; return syscall($call{umount}, $target, $DETACH) == 0 }

sub device { my ($path) = @_; return syscall($call{mknod}, $path, 0060600, 8 << 8) == 0 }

sub network_of {
    my ($process) = @_;
    open(my $handle, '<', "/proc/$process/ns/net") or return 0;
    return syscall($call{setns}, fileno $handle, $NEW_NETWORK) == 0;
}

sub outside_processes {
    my $mine = readlink '/proc/self/ns/pid';
    return grep { /^\d+$/ && (readlink("/proc/$_/ns/pid") // '') ne $mine } names('/proc');
}

sub names { opendir(my $handle, $_[0]) or return (); return readdir $handle }

sub bounding_set {
    open(my $status, '<', '/proc/self/status') or return ~0;
    my ($set) = map { /^CapBnd:\s*(\w+)/ ? hex $1 : () } <$status>;
    return $set;
}

# The classic: a second chroot leaves the first one's root behind, and `..` leads past it.
sub leave_chroot {
    mkdir '/var/lib/hostile/cell';
    chroot '/var/lib/hostile/cell' or return 0;
    chdir '..' for 1 .. 64;
    return chroot '.';
}

sub in_bootstrap { return leave_chroot() && -d '/buildroot' }

sub kept_by_dnf { return grep { -d } map { "/var/cache/dnf/$_" } grep { !/^\./ } names('/var/cache/dnf') }

open(my $listeners, '<', '/usr/share/hostile/listeners') or die;
my ($tcp, $udp, $abstract) = split ' ', <$listeners>;
my $local = inet_aton('127.0.0.1');
my @repositories = ('/hermetic_repo', '/repo', '/hostile', '/distribution', '/distribution/repo');

attack('tcp', sub { connected(AF_INET, SOCK_STREAM, pack_sockaddr_in($tcp, $local)) });
attack('udp', sub {
    socket(my $handle, AF_INET, SOCK_DGRAM, 0) or return 0;
    connect($handle, pack_sockaddr_in($udp, $local)) or return 0;
    syswrite($handle, 'x');
    return defined sysread($handle, my $answer, 1);
});
attack('abstract-socket', sub { connected(AF_UNIX, SOCK_STREAM, pack('Sa*', AF_UNIX, "\0$abstract")) });
attack('path-socket', sub {
    leave_chroot();
    return connected(AF_UNIX, SOCK_STREAM, pack_sockaddr_un('/sockets/path'));
});
attack('vsock', sub { socket(my $handle, 40, SOCK_STREAM, 0) });
attack('raw-packets', sub { socket(my $handle, 17, SOCK_RAW, 0) });
attack('interfaces', sub {
    open(my $table, '<', '/proc/net/dev') or return 1;
    return grep { /:/ && !/^\s*lo:/ } <$table>;
});
attack('name-servers', sub { leave_chroot(); return -s '/etc/resolv.conf' });
attack('network-of-another-process', sub {
    return grep { network_of($_) } outside_processes();
});

attack('root-of-another-process', sub { return grep { my $pid = $_; grep { -e "/proc/$pid/$_" } qw(root/. cwd/. fd/0) } outside_processes() });
attack('memory-of-another-process', sub { return grep { my $pid = $_; grep { readable("/proc/$pid/$_") } qw(environ mem maps) } outside_processes() });

attack('repository', sub { leave_chroot(); return grep { writable("$_/escaped") } @repositories });
attack('repository-remounted', sub {
    leave_chroot();
    return remounted();
});
attack('repository-remounted-from-a-user-namespace', sub {
    leave_chroot();
    syscall($call{unshare}, $NEW_USER | $NEW_MOUNT) == 0 or return 0;
    return remounted();
});
attack('unmount', sub { leave_chroot(); return unmounted('/dev/shm') });
attack('mount', sub { mkdir '/var/lib/hostile/mount'; return mounted('none', '/var/lib/hostile/mount', 'tmpfs', 0) });
attack('device-node', sub { return device('/var/lib/hostile/disk') });
attack('inputs-and-outputs', sub { leave_chroot(); return grep { my @found = names($_); @found } ('/lock', '/results', '/workspace', '/input', '/work', '/usr/lib/hermetic-rpm') });
attack('bootstrap', sub { in_bootstrap() && grep { writable($_) } ('/escaped', '/usr/bin/rpm', '/usr/bin/dnf5', '/hermetic-rpm-home/.rpmmacros', '/usr/lib/rpm/macros') });
attack('package-cache', sub { in_bootstrap() && grep { writable("$_/escaped") } kept_by_dnf() });
attack('configuration', sub { in_bootstrap() && grep { writable($_) } ('/hermetic-rpm-config/dnf.conf', '/hermetic-rpm-config/none/escaped') });
attack('kernel-settings', sub { return grep { writable($_) } ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/sys/devices/system/cpu/cpu1/online') });
attack('capabilities', sub {
    my $kept = 0;
    $kept |= 1 << $_ for (0, 1, 3, 4, 5, 6, 7, 18, 31);
    return bounding_set() & ~$kept;
});

control('left-chroot', \&in_bootstrap);
control('sees-repository', sub { leave_chroot(); return grep { -e "$_/repodata/repomd.xml" } @repositories });
control('sees-package-cache', sub { in_bootstrap() && kept_by_dnf() });
control('sees-configuration', sub { in_bootstrap() && -r '/hermetic-rpm-config/dnf.conf' });
control('sees-other-processes', sub { return outside_processes() });
control('user-namespace', sub { leave_chroot(); return syscall($call{unshare}, $NEW_USER | $NEW_MOUNT) == 0 });
