package cloudinit

import "testing"

// The expected values are those of "openssl passwd -6 -salt SALT PASSWORD".
func TestHashPasswordAgreesWithOpenSSL(t *testing.T) {
	cases := []struct{ password, salt, want string }{
		{"a", "abcdefgh", "$6$abcdefgh$GjMgmmowSihU3X8xhdMxaCaEziO5NUh/IZqYnnZhN1j7.JYnm2e5BnPfWNUdj17OlEroBdrPtMnfsmwWCrkw70"},
		{"a", "0123456789./ABCD", "$6$0123456789./ABCD$eBG959nUtxkB8nRX24wPxTUhjtDM9lgKYoTCIug34GPgHtD2Nr.Y37oZsmH5nhVkL.hzX9fsK/XHZ3u6GfaO20"},
		{"a", "a", "$6$a$29zu4hMjaGc0i96zURSnuYGZCBFb99PKMXXy8DKoKFnLJLjKxPBK0I9XmqNL/tBPLcFBh2GXwrefsfJ7CXbZl0"},
		{"correct horse battery staple", "0123456789./ABCD", "$6$0123456789./ABCD$aEV0yDbcGL0XiPBMu8MI38iNZraElOpngdIVehICEgQqAu7KGkZeTOuf3LsiuLwYXTaSJ4d4FnoXn/JcWmE5n0"},
		{"pässwörd", "abcdefgh", "$6$abcdefgh$qlUjQo8xiC5dmwOr49rtm.DQdv9onQYoWr0dgDR2SqMkw1296.hIZnRd/ltg71cpfDQGxCw0Bli1kXypCoIxg0"},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "a", "$6$a$HdISGIf45WMx7dl5WiNYD.P9xz7ic.FyVVrlcgznjpsPtqQA077uQ/GUVSq511wLQThOzC3N3ShzvgEtPvJuZ0"},
		{"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", "abcdefgh", "$6$abcdefgh$TKzRrJF9/q.4EZb7jb5G7681gqs6Z5IKSvcWnFh.IC8nvUoXwb37y.WUAAmiAtjoxu1ahTbClDm/2jCTE71G/."},
		// A salt that is too long is cut.
		{"a", "0123456789./ABCDxyz", "$6$0123456789./ABCD$eBG959nUtxkB8nRX24wPxTUhjtDM9lgKYoTCIug34GPgHtD2Nr.Y37oZsmH5nhVkL.hzX9fsK/XHZ3u6GfaO20"},
	}
	for _, c := range cases {
		if got := HashPassword(c.password, c.salt); got != c.want {
			t.Errorf("HashPassword(%q, %q)\n got %s\nwant %s", c.password, c.salt, got, c.want)
		}
	}
}
