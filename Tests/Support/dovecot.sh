#!/bin/sh
# Runs Dovecot on 127.0.0.1 in a directory of its own until standard input ends; then the directory goes, unless it holds
# a file `stopped`:
#   dovecot.sh DIRECTORY IMAP IMAPS KIND CERTIFICATE KEY [CAPABILITIES]
# IMAP and IMAPS are ports; KIND is `starttls` (the first port demands it) or `plain` (it does not offer it).
# DIRECTORY/users holds `name:{PLAIN}password` lines; DIRECTORY/mail/NAME is the Maildir of each.
# Says `ready` once it can be called, or `failed`; never nothing, since `setsid` holds the output open as well.
trap '' INT TERM HUP
dir=$1 imap=$2 imaps=$3 kind=$4 certificate=$5 key=$6 capabilities=${7:-}
# Dovecot gives the files of its mailboxes to whom it runs as, which should be an ordinary user.
user=$(id -un) group=$(id -gn) as=
if [ "$(id -u)" = 0 ]; then
  user=nobody group=$(id -gn nobody)
  as="setpriv --reuid=$user --regid=$group --clear-groups"
fi
umask 022
rm -f "$dir/run/master.pid"
mkdir -p "$dir/run" "$dir/mail" && cp "$certificate" "$dir/certificate.pem" && cp "$key" "$dir/key.pem" || exit 1
[ "$(id -u)" != 0 ] || chown -R "$user:$group" "$dir"
case $kind in
plain) encryption="ssl = no" ;;
*) encryption="ssl = required" ;;
esac
[ -z "$capabilities" ] || capabilities="imap_capability = $capabilities"
cat >"$dir/dovecot.conf" <<CONF
base_dir = $dir/run
state_dir = $dir/run
log_path = $dir/log
instance_name = handoff-test
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
listen = 127.0.0.1
protocols = imap
$encryption
$capabilities
ssl_cert = <$dir/certificate.pem
ssl_key = <$dir/key.pem
auth_failure_delay = 0
first_valid_uid = 1
mail_location = maildir:$dir/mail/%u
mail_uid = $user
mail_gid = $group
maildir_stat_dirs = yes
mailbox_list_index = no
mail_fsync = never
namespace inbox {
  inbox = yes
}
passdb {
  driver = passwd-file
  args = $dir/users
}
userdb {
  driver = static
  args = home=$dir/mail/%u
}
service anvil {
  chroot =
  # No pauses after wrong passwords.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = $imaps
    ssl = yes
  }
}
CONF
$as dovecot -F -c "$dir/dovecot.conf" </dev/null >"$dir/output" 2>&1 &
server=$!
# Written once all ports are open.
until [ -s "$dir/run/master.pid" ] || ! kill -0 "$server" 2>/dev/null; do sleep 0.05; done
if [ ! -s "$dir/run/master.pid" ]; then
  # What it printed stays for whoever asks why.
  echo failed
  exit 1
fi
echo ready
exec >/dev/null
cat >/dev/null
kill "$server" 2>/dev/null
wait "$server"
[ -e "$dir/stopped" ] || rm -rf "$dir"
