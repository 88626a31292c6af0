# A machine in a folder, for its own first process: this one's /usr, everything else new and gone with the last process.
# Called within namespaces of its own; $1 the folder, $2 a Python, $3 its packages, $4 the repository.
set -eu
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir -p usr etc/systemd/system proc sys dev run tmp var/lib var/log var/tmp opt/python opt/site opt/source root home old
for name in bin sbin lib lib32 lib64; do
    if test -e "/usr/$name"; then ln -s "usr/$name" "$name"; fi
done
bind() { mount --bind "$1" "$2" && mount -o remount,bind,ro "$2"; }
bind /usr usr
mount -t tmpfs tmpfs usr/local/bin
bind "$2" opt/python
bind "$3" opt/site
bind "$4" opt/source

echo 'root:x:0:0:root:/root:/bin/sh' > etc/passwd
echo 'root:x:0:' > etc/group
echo 'hosts: files' > etc/nsswitch.conf
echo '127.0.0.1 localhost' > etc/hosts
echo '0123456789abcdef0123456789abcdef' > etc/machine-id
echo '/opt/python/lib' > etc/ld.so.conf
touch etc/os-release
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' > etc/systemd/system/guest.target
# The kernel and its devices belong to the machine around us.
for unit in systemd-sysctl systemd-modules-load systemd-udevd systemd-udev-trigger systemd-remount-fs; do
    ln -s /dev/null "etc/systemd/system/$unit.service"
done

mount -t tmpfs tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
touch dev/console
mkdir dev/pts dev/shm
mount -t devpts -o newinstance devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs run
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys

pivot_root . old
umount -l old
mount --make-rshared / # as the first process of a real machine has it; credentials are mounted by way of it
ldconfig
exec env -i container=orderwatch PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    chroot . /lib/systemd/systemd --unit=guest.target --log-target=console
