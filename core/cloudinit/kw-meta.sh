#!/bin/sh
# kw-meta prints what Kowabunga knows of this machine, as JSON.
# kw-meta --wait prints it as soon as it is another than kw-meta printed last.
# Address and secret are read from the machine's configuration disk, so only root can ask.
set -eu
uri='?wait=30s'
case "${1-}" in
'') uri= ;;
--wait) ;;
*) echo "usage: kw-meta [--wait]" >&2; exit 2 ;;
esac
if [ "$(id -u)" != 0 ]; then
	echo "kw-meta: only root can read this machine's configuration disk" >&2
	exit 1
fi
umask 077
state=${KW_META_STATE:-/run/kw-meta.etag}
work=$(mktemp -d)
mkdir "$work/seed"
trap 'umount "$work/seed" 2>/dev/null || :; rm -f "$work"/ca.pem "$work"/answer "$work"/meta-data; rmdir "$work/seed" "$work"' EXIT
trap 'exit 1' HUP INT TERM
mount -o ro "${KW_META_DISK:-/dev/disk/by-label/cidata}" "$work/seed"
cp "$work/seed/meta-data" "$work/meta-data"
umount "$work/seed"

value() { sed -n 's/^ *"'"$1"'": "\(.*\)",\{0,1\}$/\1/p' "$work/meta-data"; }

secret=$(value kowabunga_metadata_secret)
if [ -z "$secret" ]; then
	echo "kw-meta: the configuration disk has no secret; it was written by an earlier release" >&2
	exit 1
fi
ca=$(value kowabunga_metadata_ca)
if [ -n "$ca" ]; then
	{
		echo '-----BEGIN CERTIFICATE-----'
		printf '%s\n' "$ca" | fold -w 64
		echo '-----END CERTIFICATE-----'
	} >"$work/ca.pem"
fi

# The secret reaches curl through a pipe: arguments are for everybody to see.
ask() {
	{
		printf 'url = "%s%s"\n' "$(value kowabunga_metadata_uri)" "$uri"
		printf 'header = "X-Kowabunga-Source-Ip: %s"\n' "$(value kowabunga_local_ip)"
		printf 'header = "X-Kowabunga-Instance-Id: %s"\n' "$(value instance-id)"
		printf 'header = "X-Kowabunga-Secret: %s"\n' "$secret"
		[ -z "$ca" ] || printf 'cacert = "%s"\n' "$work/ca.pem"
		[ -z "$uri" ] || [ ! -s "$state" ] || printf 'etag-compare = "%s"\n' "$state"
		printf 'etag-save = "%s"\noutput = "%s"\n' "$state" "$work/answer"
	} | curl --silent --show-error --fail --connect-timeout 10 --max-time 90 --config -
}

ask
while [ ! -s "$work/answer" ]; do
	ask
done
cat "$work/answer"
