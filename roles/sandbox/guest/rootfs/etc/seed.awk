# Reads the three NoCloud documents and prints what the guest shall do, one checked record a line:
#
#   host NAME
#   nic MAC                     the records up to the next nic belong to this card
#   mtu BYTES
#   address ADDRESS/LENGTH
#   route DESTINATION GATEWAY   DESTINATION is default, 0.0.0.0/0 style, or ::/0 style
#   dns ADDRESS
#   search DOMAIN
#   user NAME
#   password NAME HASH          in crypt(3) form
#   key NAME AUTHORIZED-KEYS-LINE
#
# A value that does not look like what it should be is left out, with a line on standard error; a
# document that is no JSON yields nothing at all. No record holds a control character, so that the
# shell can read them line by line, and nothing is ever evaluated.
#
# Usage: awk -f seed.awk DIRECTORY

function warn(why) { printf "%s: %s\n", doc, why > "/dev/stderr" }
function fail(why) { if (!broken) warn(why); broken = 1; text = "" }
function blank() { if (match(text, /^[ \t\r\n]+/)) text = substr(text, RLENGTH + 1) }
function take(n) { text = substr(text, n + 1) }

# hex is the value of four hexadecimal digits, or -1.
function hex(s,   i, v) {
    if (s !~ /^[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]$/) return -1
    v = 0
    for (i = 1; i <= 4; i++) v = v * 16 + index("0123456789abcdef", tolower(substr(s, i, 1))) - 1
    return v
}

# utf8 encodes a code point. The bytes come from a table, because "%c" means characters in some awks.
function utf8(c) {
    if (c < 128) return byte[c]
    if (c < 2048) return byte[192 + int(c / 64)] byte[128 + c % 64]
    if (c < 65536) return byte[224 + int(c / 4096)] byte[128 + int(c / 64) % 64] byte[128 + c % 64]
    return byte[240 + int(c / 262144)] byte[128 + int(c / 4096) % 64] byte[128 + int(c / 64) % 64] byte[128 + c % 64]
}

# str takes a string off the text and decodes it (RFC 8259 section 7).
function str(   raw, out, i, c, n, low) {
    if (!match(text, /^"([^"\\]|\\.)*"/)) { fail("a string does not end"); return "" }
    raw = substr(text, 2, RLENGTH - 2)
    take(RLENGTH)
    if (raw ~ /[\001-\037]/) { fail("a control character in a string"); return "" }
    out = ""
    while ((i = index(raw, "\\")) > 0) {
        out = out substr(raw, 1, i - 1)
        c = substr(raw, i + 1, 1)
        raw = substr(raw, i + 2)
        if (c == "u") {
            n = hex(substr(raw, 1, 4))
            raw = substr(raw, 5)
            if (n >= 55296 && n < 56320) { # a surrogate pair
                low = substr(raw, 1, 2) == "\\u" ? hex(substr(raw, 3, 4)) : -1
                if (low < 56320 || low > 57343) { fail("half a surrogate pair"); return "" }
                n = 65536 + (n - 55296) * 1024 + low - 56320
                raw = substr(raw, 7)
            } else if (n < 1 || (n >= 56320 && n <= 57343)) { fail("a bad \\u escape"); return "" }
            out = out utf8(n)
        } else if (c in escape) out = out escape[c]
        else { fail("a bad escape"); return "" }
    }
    return out raw
}

# value takes one JSON value off the text. Scalars land in V[path], the number of elements of an array
# in N[path], the keys of an object in order in K[path, i] and their number in N[path].
function value(path, depth,   c, n, k) {
    blank()
    c = substr(text, 1, 1)
    if (depth > 16) { fail("nested too deep"); return }
    if (c == "\"") { V[path] = str(); return }
    if (c == "{" || c == "[") {
        take(1)
        n = 0
        blank()
        if (substr(text, 1, 1) == (c == "{" ? "}" : "]")) { take(1); N[path] = 0; return }
        while (!broken) {
            k = n
            if (c == "{") {
                blank()
                if (substr(text, 1, 1) != "\"") { fail("a key is missing"); return }
                k = str()
                # A key takes part in paths; one that could be taken for another one is defaced.
                gsub(/[^A-Za-z0-9_.:@-]/, "?", k)
                K[path, n] = k
                blank()
                if (substr(text, 1, 1) != ":") { fail("a colon is missing"); return }
                take(1)
            }
            n++
            value(path "/" k, depth + 1)
            blank()
            k = substr(text, 1, 1)
            take(1)
            if (k == ",") continue
            if (k == (c == "{" ? "}" : "]")) { N[path] = n; return }
            fail("a comma or a bracket is missing")
        }
        return
    }
    if (match(text, /^(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?)/)) {
        V[path] = substr(text, 1, RLENGTH)
        take(RLENGTH)
        return
    }
    fail("a value is missing")
}

# load parses one document; after a failure nothing of it is left.
function load(name,   line, file, got, p) {
    doc = name
    file = directory "/" name
    text = ""
    got = 0
    while ((getline line < file) > 0) {
        if (!got++ && line ~ /^#cloud-config[ \t\r]*$/) continue
        text = text line "\n"
    }
    close(file)
    if (!got) return
    broken = 0
    value(name, 0)
    blank()
    if (!broken && text != "") fail("something follows the document")
    if (!broken) return
    for (p in V) if (index(p, name) == 1) delete V[p]
    for (p in N) if (index(p, name) == 1) delete N[p]
}

function host(name) {
    if (name == "") return 0
    if (length(name) > 64 || name !~ /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/) { warn("not a host name"); return 0 }
    print "host", name
    return 1
}

function is_ip(s) { return s ~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/ || (s ~ /:/ && s ~ /^[0-9a-fA-F:.]+$/) }
function is_net(s,   i) { i = index(s, "/"); return i > 1 && is_ip(substr(s, 1, i - 1)) && substr(s, i + 1) ~ /^[0-9][0-9]?[0-9]?$/ }
function checked(record, good) { if (good) print record; else warn("not a valid value in: " substr(record, 1, index(record, " "))) }

function card(p,   i, v, to) {
    v = tolower(V[p "/match/macaddress"])
    if (v !~ /^[0-9a-f][0-9a-f](:[0-9a-f][0-9a-f])+$/ || length(v) != 17) { warn("a card without a MAC to find it by"); return }
    print "nic", v
    v = V[p "/mtu"]
    if (v != "") checked("mtu " v, v ~ /^[0-9]+$/)
    for (i = 0; i < N[p "/addresses"]; i++) { v = V[p "/addresses/" i]; checked("address " v, is_net(v)) }
    for (i = 0; i < N[p "/routes"]; i++) {
        to = V[p "/routes/" i "/to"]
        v = V[p "/routes/" i "/via"]
        if (to == "0.0.0.0/0") to = "default"
        checked("route " to " " v, (to == "default" || is_net(to)) && is_ip(v))
    }
    for (i = 0; i < N[p "/nameservers/addresses"]; i++) { v = V[p "/nameservers/addresses/" i]; checked("dns " v, is_ip(v)) }
    for (i = 0; i < N[p "/nameservers/search"]; i++) { v = V[p "/nameservers/search/" i]; checked("search " v, v ~ /^[A-Za-z0-9._-]+$/) }
}

function person(p,   name, i, v) {
    name = V[p "/name"]
    if (name !~ /^[a-z_][a-z0-9_-]*$/ || length(name) > 32) { warn("not a user name"); return }
    print "user", name
    v = V[p "/hashed_passwd"]
    if (v != "" && V[p "/lock_passwd"] == "false") checked("password " name " " v, v ~ /^\$[0-9a-z]+\$[A-Za-z0-9.\/$=,]+$/)
    for (i = 0; i < N[p "/ssh_authorized_keys"]; i++) {
        v = V[p "/ssh_authorized_keys/" i]
        checked("key " name " " v, v !~ /[\001-\037\177]/ && v ~ /^[a-z]/)
    }
}

BEGIN {
    for (i = 1; i < 256; i++) byte[i] = sprintf("%c", i)
    escape["\""] = "\""; escape["\\"] = "\\"; escape["/"] = "/"; escape["b"] = "\b"; escape["f"] = "\f"
    escape["n"] = "\n"; escape["r"] = "\r"; escape["t"] = "\t"
    directory = ARGV[1]
    load("meta-data")
    load("user-data")
    load("network-config")
    doc = "meta-data"
    if (!host(V["meta-data/local-hostname"])) { doc = "user-data"; host(V["user-data/hostname"]) }
    doc = "network-config"
    root = (("network-config/network/version") in V) ? "network-config/network" : "network-config"
    for (n = 0; n < N[root "/ethernets"]; n++) card(root "/ethernets/" K[root "/ethernets", n])
    doc = "user-data"
    for (n = 0; n < N["user-data/users"]; n++) person("user-data/users/" n)
    exit 0
}
