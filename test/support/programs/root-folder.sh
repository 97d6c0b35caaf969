# Runs in mount and process namespaces that are already its own: makes the root folder of a container, and becomes its
# process 1 in it. Of the host there are its programs (/usr), Node, the package, and the folders that were asked for.
#
# root-folder.sh ROOT NODE PACKAGE HOSTS CONFIGURATION UID GID GROUPS [FROM TO ro|rw]... -- PROGRAM [ARGUMENT]...
set -eu
root=$1 node=$2 package=$3 hosts=$4 configuration=$5 uid=$6 gid=$7 groups=$8
shift 8

show() {
  mount --bind "$1" ".$2"
  [ "$3" = rw ] || mount -o remount,bind,ro ".$2"
}

mount -t tmpfs -o mode=755 container "$root"
cd "$root"
mkdir -p usr etc/iscep proc dev run opt/bin opt/iscep var/lib
mkdir -m 1777 tmp
for link in bin sbin lib lib64; do [ ! -L "/$link" ] || cp -P "/$link" .; done
[ ! -e /etc/ld.so.cache ] || cp /etc/ld.so.cache etc/
echo "$hosts" >etc/hosts
cp "$configuration" etc/iscep/iscep.yaml
show /usr /usr ro
mount --rbind /dev dev
: >opt/bin/node
show "$node" /opt/bin/node ro
for part in dist node_modules; do
  mkdir "opt/iscep/$part"
  show "$package/$part" "/opt/iscep/$part" ro
done
cp "$package/package.json" opt/iscep/
ln -s ../iscep/dist/cli/main.js opt/bin/iscep
while [ "$1" != -- ]; do
  mkdir -p ".$2"
  show "$1" "$2" "$3"
  shift 3
done
shift
mount -t proc proc proc
exec chroot . /usr/bin/setpriv --reuid "$uid" --regid "$gid" ${groups:+--groups "$groups"} $([ -n "$groups" ] || echo --clear-groups) \
  --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
